/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/elf-stream.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"

#define PAGE 4096u
#define CHUNK (256u << 10)
#define SEGMENTS_MAX (1u << 20)

typedef struct {
    guint64 off;
    guint64 pa;
    guint64 len;
} Load;

struct DkElfStream {
    const DkElfStreamCallbacks *callbacks;
    gpointer data;
    GByteArray *head; /* NULL when it was understood */
    gsize needed;     /* bytes of head before more can be said */
    guint64 pos;      /* in the stream, of the next byte fed */
    GArray *loads;    /* of Load, by off */
    guint load;       /* the next one, or the one under way */
    guint8 *chunk;
    gsize chunk_len;
    guint64 chunk_pa;
};

/* What the headers say. */
typedef struct {
    gboolean wide;
    guint16 machine;
    guint64 phoff;
    guint64 shoff;
    guint64 phnum;
} Header;

DkElfStream *dk_elf_stream_new(const DkElfStreamCallbacks *callbacks, gpointer data)
{
    DkElfStream *stream = g_new0(DkElfStream, 1);
    stream->callbacks = callbacks;
    stream->data = data;
    stream->head = g_byte_array_new();
    stream->needed = sizeof(Elf64_Ehdr);
    stream->loads = g_array_new(FALSE, FALSE, sizeof(Load));
    stream->chunk = g_malloc(CHUNK);
    return stream;
}

void dk_elf_stream_free(DkElfStream *stream)
{
    if (!stream)
        return;
    if (stream->head)
        g_byte_array_unref(stream->head);
    g_array_unref(stream->loads);
    g_free(stream->chunk);
    g_free(stream);
}

static gboolean take_word(DkCursor *cursor, gboolean wide, const char *field, guint64 *value,
                          GError **error)
{
    guint32 narrow;
    if (wide)
        return dk_cursor_u64(cursor, field, value, error);
    if (!dk_cursor_u32(cursor, field, &narrow, error))
        return FALSE;
    *value = narrow;
    return TRUE;
}

/* FALSE without an error: more is needed first. */
static gboolean need(DkElfStream *stream, guint64 end, GError **error)
{
    if (end > DK_ELF_STREAM_HEAD_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "dump of QEMU: headers and notes end at 0x%" G_GINT64_MODIFIER
                    "x, above the limit of %u MiB",
                    end, DK_ELF_STREAM_HEAD_MAX >> 20);
        return FALSE;
    }
    stream->needed = (gsize)end;
    return stream->head->len >= end;
}

static gboolean read_header(DkCursor *cursor, Header *header, GError **error)
{
    guint16 kind;
    guint16 phnum;
    guint32 version;
    guint64 entry;
    guint16 half;
    const guint8 *ident = dk_cursor_bytes(cursor, "e_ident", EI_NIDENT, error);
    if (!ident)
        return FALSE;
    if (memcmp(ident, ELFMAG, SELFMAG) != 0 || ident[EI_DATA] != ELFDATA2LSB ||
        (ident[EI_CLASS] != ELFCLASS64 && ident[EI_CLASS] != ELFCLASS32)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "dump of QEMU: offset 0x0: a little-endian ELF file is expected");
        return FALSE;
    }
    header->wide = ident[EI_CLASS] == ELFCLASS64;
    if (!dk_cursor_u16(cursor, "e_type", &kind, error) ||
        !dk_cursor_u16(cursor, "e_machine", &header->machine, error) ||
        !dk_cursor_u32(cursor, "e_version", &version, error) ||
        !take_word(cursor, header->wide, "e_entry", &entry, error) ||
        !take_word(cursor, header->wide, "e_phoff", &header->phoff, error) ||
        !take_word(cursor, header->wide, "e_shoff", &header->shoff, error) ||
        !dk_cursor_u32(cursor, "e_flags", &version, error) ||
        !dk_cursor_u16(cursor, "e_ehsize", &half, error) ||
        !dk_cursor_u16(cursor, "e_phentsize", &half, error) ||
        !dk_cursor_u16(cursor, "e_phnum", &phnum, error))
        return FALSE;
    header->phnum = phnum;
    return TRUE;
}

/* sh_info of section header 0 carries a count that e_phnum cannot. */
static gboolean read_count(DkElfStream *stream, Header *header, GError **error)
{
    gsize info = header->wide ? 44 : 28;
    guint32 count;
    DkCursor cursor;
    if (header->phnum != PN_XNUM)
        return TRUE;
    if (!need(stream, MIN(header->shoff, DK_ELF_STREAM_HEAD_MAX) + 64, error))
        return FALSE;
    dk_cursor_init(&cursor, stream->head->data, stream->head->len, 0, "dump of QEMU");
    if (!dk_cursor_seek(&cursor, "sh_info", header->shoff + info, error) ||
        !dk_cursor_u32(&cursor, "sh_info", &count, error))
        return FALSE;
    header->phnum = count;
    return TRUE;
}

static gboolean read_segment(DkCursor *cursor, gboolean wide, guint32 *kind, Load *load,
                             GError **error)
{
    guint32 flags;
    guint64 va;
    guint64 memsz;
    if (!dk_cursor_u32(cursor, "p_type", kind, error))
        return FALSE;
    if (wide && !dk_cursor_u32(cursor, "p_flags", &flags, error))
        return FALSE;
    if (!take_word(cursor, wide, "p_offset", &load->off, error) ||
        !take_word(cursor, wide, "p_vaddr", &va, error) ||
        !take_word(cursor, wide, "p_paddr", &load->pa, error) ||
        !take_word(cursor, wide, "p_filesz", &load->len, error) ||
        !take_word(cursor, wide, "p_memsz", &memsz, error))
        return FALSE;
    return wide || (dk_cursor_u32(cursor, "p_flags", &flags, error) &&
                    dk_cursor_u32(cursor, "p_align", &flags, error));
}

static gboolean refuse(const Load *load, const char *what, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "dump of QEMU: %s (0x%" G_GINT64_MODIFIER "x bytes of 0x%" G_GINT64_MODIFIER
                "x at offset 0x%" G_GINT64_MODIFIER "x)",
                what, load->len, load->pa, load->off);
    return FALSE;
}

static int by_offset(gconstpointer a, gconstpointer b)
{
    const Load *left = a;
    const Load *right = b;
    return left->off < right->off ? -1 : left->off > right->off;
}

/* Takes the program headers; *notes gets the note segment. */
static gboolean read_segments(DkElfStream *stream, const Header *header, Load *notes,
                              GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, stream->head->data, stream->head->len, 0, "dump of QEMU");
    for (guint64 i = 0; i < header->phnum; i++) {
        guint32 kind;
        Load load;
        /* e_phentsize is right in all versions, but nothing depends on it. */
        guint64 off = header->phoff + i * (header->wide ? 56 : 32);
        if (!dk_cursor_seek(&cursor, "program header", off, error) ||
            !read_segment(&cursor, header->wide, &kind, &load, error))
            return FALSE;
        if (kind == PT_NOTE)
            *notes = load;
        if (kind != PT_LOAD || !load.len)
            continue;
        if (load.pa % PAGE || load.len % PAGE || load.pa + load.len < load.pa ||
            load.off + load.len < load.off)
            return refuse(&load, "memory is not in pages", error);
        g_array_append_val(stream->loads, load);
    }
    g_array_sort(stream->loads, by_offset);
    return TRUE;
}

static gboolean check_order(const DkElfStream *stream, guint64 head_end, GError **error)
{
    guint64 end = head_end;
    for (guint i = 0; i < stream->loads->len; i++) {
        const Load *load = &g_array_index(stream->loads, Load, i);
        if (load->off < end)
            return refuse(load, "memory overlaps what stands before it", error);
        end = load->off + load->len;
    }
    return TRUE;
}

/* FALSE without an error when more bytes are needed. */
static gboolean read_head(DkElfStream *stream, GError **error)
{
    Header header = {0};
    Load notes = {0};
    GError *own = NULL;
    DkCursor cursor;
    dk_cursor_init(&cursor, stream->head->data, stream->head->len, 0, "dump of QEMU");
    if (!read_header(&cursor, &header, error))
        return FALSE;
    if (!read_count(stream, &header, &own) || header.phnum == PN_XNUM) {
        if (own)
            g_propagate_error(error, own);
        return FALSE;
    }
    guint64 phsize = header.phnum * (header.wide ? 56 : 32);
    if (header.phnum > SEGMENTS_MAX || header.phoff > DK_ELF_STREAM_HEAD_MAX)
        return need(stream, G_MAXUINT64, error);
    if (!need(stream, header.phoff + phsize, error))
        return FALSE;
    g_array_set_size(stream->loads, 0);
    if (!read_segments(stream, &header, &notes, error))
        return FALSE;
    guint64 end = header.phoff + phsize;
    if (notes.len) {
        if (notes.off > DK_ELF_STREAM_HEAD_MAX || notes.len > DK_ELF_STREAM_HEAD_MAX)
            return need(stream, G_MAXUINT64, error);
        end = MAX(end, notes.off + notes.len);
    }
    if (!need(stream, end, error) || !check_order(stream, end, error))
        return FALSE;
    return !notes.len ||
           stream->callbacks->notes(stream->head->data + notes.off, (gsize)notes.len, notes.off,
                                    header.machine, header.wide, stream->data, error);
}

static gboolean flush(DkElfStream *stream, GError **error)
{
    gsize len = stream->chunk_len;
    stream->chunk_len = 0;
    return !len ||
           stream->callbacks->memory(stream->chunk_pa, stream->chunk, len, stream->data, error);
}

static gboolean take_memory(DkElfStream *stream, const guint8 *bytes, gsize len, GError **error)
{
    while (len && stream->load < stream->loads->len) {
        const Load *load = &g_array_index(stream->loads, Load, stream->load);
        if (stream->pos < load->off) {
            gsize skip = (gsize)MIN((guint64)len, load->off - stream->pos);
            stream->pos += skip;
            bytes += skip;
            len -= skip;
            continue;
        }
        guint64 inside = stream->pos - load->off;
        gsize part = (gsize)MIN((guint64)len, load->len - inside);
        part = MIN(part, CHUNK - stream->chunk_len);
        if (!stream->chunk_len)
            stream->chunk_pa = load->pa + inside;
        memcpy(stream->chunk + stream->chunk_len, bytes, part);
        stream->chunk_len += part;
        stream->pos += part;
        bytes += part;
        len -= part;
        gboolean is_last = inside + part == load->len;
        stream->load += is_last;
        if ((is_last || stream->chunk_len == CHUNK) && !flush(stream, error))
            return FALSE;
    }
    stream->pos += len;
    return TRUE;
}

gboolean dk_elf_stream_feed(DkElfStream *stream, const void *bytes, gsize len, GError **error)
{
    const guint8 *at = bytes;
    while (len && stream->head) {
        gsize part = MIN(len, stream->needed - stream->head->len);
        GError *own = NULL;
        g_byte_array_append(stream->head, at, (guint)part);
        at += part;
        len -= part;
        if (stream->head->len < stream->needed)
            return TRUE;
        if (read_head(stream, &own)) {
            stream->pos = stream->head->len;
            g_clear_pointer(&stream->head, g_byte_array_unref);
        } else if (own) {
            g_propagate_error(error, own);
            return FALSE;
        } else if (stream->head->len >= stream->needed) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "dump of QEMU: headers without an end");
            return FALSE;
        }
    }
    return take_memory(stream, at, len, error);
}

gboolean dk_elf_stream_end(DkElfStream *stream, GError **error)
{
    if (!stream->head && stream->load == stream->loads->len)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "dump of QEMU: it ends at offset 0x%" G_GINT64_MODIFIER "x, before its memory does",
                stream->head ? (guint64)stream->head->len : stream->pos);
    return FALSE;
}
