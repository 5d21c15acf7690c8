/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The headers of one file. */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/kdump/kdump-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define VERSION_PLAUSIBLE 0xffff
#define SUB_BLOCKS_MAX 65536

typedef struct {
    guint32 status;
    guint32 block_size;
    guint32 sub_blocks;
    guint32 bitmap_blocks;
    guint32 max_mapnr;
    guint32 cpus;
} Words;

static gboolean is_block_size(guint32 size)
{
    return size >= DK_KDUMP_BLOCK_MIN && size <= DK_KDUMP_BLOCK_MAX && !(size & (size - 1));
}

/* The fields from the status on, which stand at pos. */
static gboolean read_words(DkCursor *cursor, gsize pos, Words *words, GError **error)
{
    guint32 unused;
    return dk_cursor_seek(cursor, "status", pos, error) &&
           dk_cursor_u32(cursor, "status", &words->status, error) &&
           dk_cursor_u32(cursor, "block_size", &words->block_size, error) &&
           dk_cursor_u32(cursor, "sub_hdr_size", &words->sub_blocks, error) &&
           dk_cursor_u32(cursor, "bitmap_blocks", &words->bitmap_blocks, error) &&
           dk_cursor_u32(cursor, "max_mapnr", &words->max_mapnr, error) &&
           dk_cursor_u32(cursor, "total_ram_blocks", &unused, error) &&
           dk_cursor_u32(cursor, "device_blocks", &unused, error) &&
           dk_cursor_u32(cursor, "written_blocks", &unused, error) &&
           dk_cursor_u32(cursor, "current_cpu", &unused, error) &&
           dk_cursor_u32(cursor, "nr_cpus", &words->cpus, error);
}

static gboolean words_fit(const Words *words)
{
    return is_block_size(words->block_size) && words->sub_blocks &&
           words->sub_blocks <= SUB_BLOCKS_MAX && words->bitmap_blocks;
}

static gboolean machine_is_narrow(const char *machine)
{
    static const char *const narrow[] = {"i386", "i486", "i586", "i686", "ppc", "mips", "s390"};
    for (gsize i = 0; i < G_N_ELEMENTS(narrow); i++) {
        if (g_str_equal(machine, narrow[i]))
            return TRUE;
    }
    return g_str_has_prefix(machine, "arm");
}

static void take_time(DkKdumpFile *file, guint64 sec, guint64 usec)
{
    file->time_us = -1;
    if (sec && sec < (guint64)G_MAXINT64 / G_USEC_PER_SEC - 1 && usec < G_USEC_PER_SEC)
        file->time_us = (gint64)(sec * G_USEC_PER_SEC + usec);
}

static gboolean read_time(DkKdumpFile *file, DkCursor *cursor, GError **error)
{
    guint64 sec, usec;
    guint32 sec32, usec32;
    if (file->wide) {
        if (!dk_cursor_seek(cursor, "timestamp", offsetof(DkKdumpHeader64, time_sec), error) ||
            !dk_cursor_u64(cursor, "timestamp", &sec, error) ||
            !dk_cursor_u64(cursor, "timestamp", &usec, error))
            return FALSE;
        take_time(file, sec, usec);
        return TRUE;
    }
    if (!dk_cursor_seek(cursor, "timestamp", offsetof(DkKdumpHeader32, time_sec), error) ||
        !dk_cursor_u32(cursor, "timestamp", &sec32, error) ||
        !dk_cursor_u32(cursor, "timestamp", &usec32, error))
        return FALSE;
    take_time(file, sec32, usec32);
    return TRUE;
}

/* Whether words are of 64 or of 32 bits is not said: the machine's name tells, or what fits. */
static gboolean read_shape(DkKdumpFile *file, DkCursor *cursor, Words *words, GError **error)
{
    Words wide, narrow;
    if (!read_words(cursor, offsetof(DkKdumpHeader64, status), &wide, error) ||
        !read_words(cursor, offsetof(DkKdumpHeader32, status), &narrow, error))
        return FALSE;
    const char *machine = file->utsname[4];
    gboolean prefer_narrow = machine_is_narrow(machine);
    file->wide = prefer_narrow ? !words_fit(&narrow) : words_fit(&wide) || !words_fit(&narrow);
    *words = file->wide ? wide : narrow;
    file->packed = !file->wide && machine[0] == 'i';
    if (words_fit(words))
        return TRUE;
    guint64 at = file->wide ? offsetof(DkKdumpHeader64, block_size)
                            : offsetof(DkKdumpHeader32, status) + 4;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "header at offset " HEX ": block size %u, %u blocks of sub header, %u of bitmaps; "
                "expected a power of two from %u to %u, 1 to %u, and at least 1",
                at, words->block_size, words->sub_blocks, words->bitmap_blocks, DK_KDUMP_BLOCK_MIN,
                DK_KDUMP_BLOCK_MAX, SUB_BLOCKS_MAX);
    return FALSE;
}

/* The version in the order in which it makes sense. */
static gboolean read_version(DkKdumpFile *file, DkCursor *cursor, GError **error)
{
    guint32 version = 0;
    for (guint i = 0; i < 2; i++) {
        cursor->big_endian = i == 1;
        if (!dk_cursor_seek(cursor, "header_version", DK_KDUMP_MAGIC_SIZE, error) ||
            !dk_cursor_u32(cursor, "header_version", &version, error))
            return FALSE;
        if (version <= VERSION_PLAUSIBLE) {
            file->big_endian = cursor->big_endian;
            file->version = (gint32)version;
            return TRUE;
        }
    }
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "header at offset 0x8: version 0x%x; expected 0 to %d", version, DK_KDUMP_VERSION);
    return FALSE;
}

static gboolean read_utsname(DkKdumpFile *file, DkCursor *cursor, GError **error)
{
    for (guint i = 0; i < DK_KDUMP_UTS_FIELDS; i++) {
        const guint8 *at = dk_cursor_bytes(cursor, "utsname", DK_KDUMP_UTS_SIZE, error);
        if (!at)
            return FALSE;
        memcpy(file->utsname[i], at, DK_KDUMP_UTS_SIZE);
        char *valid = g_utf8_make_valid(file->utsname[i], -1);
        g_strlcpy(file->utsname[i], valid, sizeof file->utsname[i]);
        g_free(valid);
        if (!g_utf8_validate(file->utsname[i], -1, NULL))
            file->utsname[i][0] = 0;
    }
    return TRUE;
}

static gboolean read_header(DkKdumpFile *file, Words *words, GError **error)
{
    guint8 bytes[sizeof(DkKdumpHeader64)];
    gssize got = dk_input_read(file->input, 0, bytes, sizeof bytes, error);
    if (got < 0)
        return FALSE;
    file->old = got >= (gssize)DK_KDUMP_MAGIC_SIZE &&
                !memcmp(bytes, DK_KDUMP_MAGIC_OLD, DK_KDUMP_MAGIC_SIZE);
    gboolean mine = file->old || (got >= (gssize)DK_KDUMP_MAGIC_SIZE &&
                                  !memcmp(bytes, DK_KDUMP_MAGIC, DK_KDUMP_MAGIC_SIZE));
    if (!mine && !file->flat.flattened) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "no kdump file");
        return FALSE;
    }
    if (!mine) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the flattened file has no \"%s\" at offset 0 of its content", DK_KDUMP_MAGIC);
        return FALSE;
    }
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes, (gsize)got, 0, "header");
    return read_version(file, &cursor, error) && read_utsname(file, &cursor, error) &&
           read_shape(file, &cursor, words, error) && read_time(file, &cursor, error);
}

/* A "long" of the machine. */
static gboolean read_long(const DkKdumpFile *file, DkCursor *cursor, const char *field,
                          guint64 *value, GError **error)
{
    guint32 word;
    if (file->wide)
        return dk_cursor_u64(cursor, field, value, error);
    if (!dk_cursor_u32(cursor, field, &word, error))
        return FALSE;
    *value = word;
    return TRUE;
}

static gboolean read_quad(const DkKdumpFile *file, DkCursor *cursor, const char *field,
                          guint64 *value, GError **error)
{
    dk_cursor_align(cursor, file->packed ? 4 : 8);
    return dk_cursor_u64(cursor, field, value, error);
}

static gboolean read_area(const DkKdumpFile *file, DkCursor *cursor, const char *field,
                          guint64 *off, guint64 *size, GError **error)
{
    return read_quad(file, cursor, field, off, error) &&
           read_long(file, cursor, field, size, error);
}

static gboolean read_sub_fields(DkKdumpFile *file, DkCursor *cursor, GError **error)
{
    DkKdumpSub64 *sub = &file->sub;
    guint32 level, split;
    if (!read_long(file, cursor, "phys_base", &sub->phys_base, error) ||
        !dk_cursor_u32(cursor, "dump_level", &level, error) ||
        !dk_cursor_u32(cursor, "split", &split, error) ||
        !read_long(file, cursor, "start_pfn", &sub->start_pfn, error) ||
        !read_long(file, cursor, "end_pfn", &sub->end_pfn, error) ||
        !read_area(file, cursor, "vmcoreinfo", &sub->offset_vmcoreinfo, &sub->size_vmcoreinfo,
                   error) ||
        !read_area(file, cursor, "note", &sub->offset_note, &sub->size_note, error) ||
        !read_area(file, cursor, "eraseinfo", &sub->offset_eraseinfo, &sub->size_eraseinfo,
                   error) ||
        !read_quad(file, cursor, "start_pfn_64", &sub->start_pfn_64, error) ||
        !dk_cursor_u64(cursor, "end_pfn_64", &sub->end_pfn_64, error) ||
        !dk_cursor_u64(cursor, "max_mapnr_64", &sub->max_mapnr_64, error))
        return FALSE;
    sub->dump_level = (gint32)level;
    sub->split = (gint32)split;
    return TRUE;
}

/* Forgets what the version did not have yet: the rest of the block may hold anything. */
static void drop_later_fields(DkKdumpFile *file)
{
    DkKdumpSub64 *sub = &file->sub;
    file->has_level = file->version >= 1;
    if (file->version < 1)
        sub->dump_level = 0;
    if (file->version < 2)
        sub->split = 0;
    if (file->version < 3)
        sub->offset_vmcoreinfo = sub->size_vmcoreinfo = 0;
    if (file->version < 4)
        sub->offset_note = sub->size_note = 0;
    if (file->version < 5)
        sub->offset_eraseinfo = sub->size_eraseinfo = 0;
    if (file->version < 6) {
        sub->start_pfn_64 = sub->start_pfn;
        sub->end_pfn_64 = sub->end_pfn;
        sub->max_mapnr_64 = 0;
    }
}

static gboolean read_sub(DkKdumpFile *file, GError **error)
{
    if (file->old)
        return TRUE; /* has registers of a CPU there, as the kernel of the time laid them out */
    g_autoptr(GBytes) bytes = dk_input_read_bytes(file->input, "sub header", file->block_size,
                                                  sizeof file->sub, sizeof file->sub, error);
    if (!bytes)
        return FALSE;
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, file->block_size, "sub header");
    cursor.big_endian = file->big_endian;
    if (!read_sub_fields(file, &cursor, error))
        return FALSE;
    drop_later_fields(file);
    return TRUE;
}

/* Where the parts of the file lie. */
static gboolean lay_out(DkKdumpFile *file, const Words *words, GError **error)
{
    file->pages = file->sub.max_mapnr_64 ? file->sub.max_mapnr_64 : words->max_mapnr;
    if (!file->pages || file->pages > DK_KDUMP_PAGES_MAX) {
        g_set_error(error, DK_ERROR, file->pages ? DK_ERROR_LIMIT : DK_ERROR_DAMAGED,
                    "header: max_mapnr is %" G_GUINT64_FORMAT
                    " pages; expected 1 to %" G_GUINT64_FORMAT,
                    file->pages, DK_KDUMP_PAGES_MAX);
        return FALSE;
    }
    guint64 need = ((file->pages + 7) / 8 + file->block_size - 1) / file->block_size;
    gboolean two = file->bitmap_blocks / 2 >= need;
    if (file->bitmap_blocks < need) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "header: %u blocks of bitmaps; %" G_GUINT64_FORMAT
                    " pages need %" G_GUINT64_FORMAT,
                    file->bitmap_blocks, file->pages, 2 * need);
        return FALSE;
    }
    guint64 block = file->block_size;
    file->bitmap_off[0] = (1 + (guint64)file->sub_blocks) * block;
    file->bitmap_off[1] = file->bitmap_off[0] + (two ? file->bitmap_blocks / 2 * block : 0);
    file->bitmap_size = (file->pages + 7) / 8;
    file->desc_off = file->bitmap_off[0] + file->bitmap_blocks * block;
    file->last_pfn = file->pages - 1;
    if (!file->sub.split)
        return TRUE;
    if (file->sub.start_pfn_64 > file->sub.end_pfn_64 || file->sub.end_pfn_64 > file->pages) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "sub header at offset " HEX ": a split file of the pages %" G_GUINT64_FORMAT
                    " to %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT,
                    block, file->sub.start_pfn_64, file->sub.end_pfn_64, file->pages);
        return FALSE;
    }
    file->start_pfn = file->sub.start_pfn_64;
    file->last_pfn = file->sub.end_pfn_64 - 1;
    /* A part without pages, which makedumpfile makes of small dumps; it sorts last. */
    if (file->start_pfn == file->sub.end_pfn_64) {
        file->start_pfn = file->pages;
        file->last_pfn = file->pages - 1;
    }
    return TRUE;
}

DkKdumpFile *dk_kdump_file_open(DkInput *input, guint max_records, GError **error)
{
    g_autoptr(DkKdumpFile) file = g_new0(DkKdumpFile, 1);
    file->input = dk_kdump_flat_open(input, max_records, &file->flat, error);
    Words words;
    if (!file->input || !read_header(file, &words, error))
        return NULL;
    file->status = words.status;
    file->block_size = words.block_size;
    file->sub_blocks = words.sub_blocks;
    file->bitmap_blocks = words.bitmap_blocks;
    file->cpus = words.cpus;
    if (!read_sub(file, error) || !lay_out(file, &words, error))
        return NULL;
    return g_steal_pointer(&file);
}

void dk_kdump_file_free(DkKdumpFile *file)
{
    if (!file)
        return;
    g_clear_pointer(&file->input, dk_input_unref);
    g_free(file->ranks);
    g_free(file);
}

char *dk_kdump_level_text(guint level)
{
    static const char *const names[] = {"zero", "cache", "private cache", "user", "free"};
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (level & 1u << i)
            g_string_append_printf(text, "%s%s", text->len ? ", " : "", names[i]);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}
