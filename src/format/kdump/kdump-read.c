/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the files of a dump and makes the subject. */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/kdump/kdump-reader.h"
#include "format/machine-notes.h"
#include "format/own-record.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* A hole of RAM shorter than this is not told when there are too many. */
#define JOIN_PAGES DK_KDUMP_CHUNK_PAGES

static const DkKdumpFile *first_file(const DkKdump *self)
{
    return g_ptr_array_index(self->memory->files, 0);
}

static void each_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                      gpointer data)
{
    const DkKdumpFile *file = first_file((DkKdump *)source);
    guint64 block = file->block_size;
    const struct {
        const char *name;
        guint64 off;
        guint64 size;
        char *text;
    } notes[] = {
        {"header", 0, block,
         g_strdup_printf("%s, version %d, status 0x%x", file->old ? "DISKDUMP" : "KDUMP",
                         file->version, file->status)},
        {"sub header", block, file->sub_blocks * block,
         g_strdup_printf("dump level %d", file->sub.dump_level)},
        {"VMCOREINFO", file->sub.offset_vmcoreinfo, file->sub.size_vmcoreinfo, NULL},
        {"notes", file->sub.offset_note, file->sub.size_note, NULL},
        {"eraseinfo", file->sub.offset_eraseinfo, file->sub.size_eraseinfo, NULL},
        {"bitmaps", file->bitmap_off[0], file->bitmap_blocks * block,
         g_strdup_printf("%" G_GUINT64_FORMAT " pages exist, %" G_GUINT64_FORMAT " are dumped",
                         file->existing, file->dumped)},
        {"page descriptors", file->desc_off, file->data_off - file->desc_off, NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(notes); i++) {
        DkNote note = {notes[i].name, notes[i].off, notes[i].size, notes[i].text};
        if (note.size)
            each(&note, data);
        g_free(notes[i].text);
    }
}

static void source_close(DkSource *source)
{
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "kdump",
    .caps = DK_SOURCE_PHYS,
    .foreach_note = each_note,
    .close = source_close,
};

typedef struct {
    DkMachine *machine;
    guint64 block;
    guint64 end; /* behind the last page of the last run */
} Ram;

static void add_ram(guint64 first_pfn, guint64 last_pfn, gpointer data)
{
    Ram *ram = data;
    GArray *runs = ram->machine->ram;
    guint64 last = last_pfn * ram->block + (ram->block - 1);
    if (runs->len >= DK_KDUMP_RAM_MAX && first_pfn - ram->end < JOIN_PAGES)
        g_array_index(runs, DkRamRange, runs->len - 1).last = last;
    else
        dk_machine_add_ram(ram->machine, first_pfn * ram->block, last);
    ram->end = last_pfn + 1;
}

static gint compare_files(gconstpointer a, gconstpointer b)
{
    const DkKdumpFile *left = *(DkKdumpFile *const *)a;
    const DkKdumpFile *right = *(DkKdumpFile *const *)b;
    return left->start_pfn != right->start_pfn ? left->start_pfn < right->start_pfn ? -1 : 1 : 0;
}

/* Whether two files can be parts of one dump. */
static gboolean same_dump(const DkKdumpFile *a, const DkKdumpFile *b)
{
    return a->block_size == b->block_size && a->pages == b->pages && a->wide == b->wide &&
           a->big_endian == b->big_endian && a->time_us == b->time_us &&
           a->bitmap_blocks == b->bitmap_blocks && a->dumped == b->dumped &&
           !memcmp(a->utsname, b->utsname, sizeof a->utsname);
}

static gboolean check_parts(GPtrArray *files, GError **error)
{
    const DkKdumpFile *first = g_ptr_array_index(files, 0);
    for (guint i = 0; i < files->len; i++) {
        const DkKdumpFile *file = g_ptr_array_index(files, i);
        const char *name = dk_input_name(file->input);
        if (!file->sub.split) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "%s: is no part of a split dump, so it cannot be read with others", name);
            return FALSE;
        }
        if (!same_dump(first, file)) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "%s and %s are not of the same dump",
                        dk_input_name(first->input), name);
            return FALSE;
        }
        const DkKdumpFile *before = i ? g_ptr_array_index(files, i - 1) : NULL;
        if (before && before->last_pfn >= file->start_pfn && file->start_pfn <= file->last_pfn) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "%s and %s both hold the page at " HEX " of the split dump",
                        dk_input_name(before->input), name, file->start_pfn * file->block_size);
            return FALSE;
        }
    }
    return TRUE;
}

/* Opens all files; ram is told the runs of the first. */
static GPtrArray *open_files(DkInput *const *inputs, guint ninputs, DkMachine *machine,
                             GError **error)
{
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func((GDestroyNotify)dk_kdump_file_free);
    if (ninputs > DK_KDUMP_PARTS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%u files; at most %u make a dump", ninputs,
                    DK_KDUMP_PARTS_MAX);
        return NULL;
    }
    for (guint i = 0; i < ninputs; i++) {
        DkKdumpFile *file = dk_kdump_file_open(inputs[i], DK_KDUMP_RECORDS_MAX, error);
        if (!file) {
            if (ninputs > 1)
                g_prefix_error(error, "%s: ", dk_input_name(inputs[i]));
            return NULL;
        }
        g_ptr_array_add(files, file);
        Ram ram = {machine, file->block_size, 0};
        if (!dk_kdump_index(file, i ? NULL : add_ram, &ram, error))
            return NULL;
    }
    if (ninputs > 1) {
        g_ptr_array_sort(files, compare_files);
        if (!check_parts(files, error))
            return NULL;
    }
    return g_steal_pointer(&files);
}

static void add_data_gap(DkSubject *subject, const DkKdumpFile *file, guint64 first_pfn,
                         guint64 last_pfn, const char *why)
{
    guint64 block = file->block_size;
    dk_subject_add_gap(subject, "data", first_pfn * block, last_pfn * block + (block - 1), 0, "%s",
                       why);
}

/* Gaps between the parts that were given. */
static void add_part_gaps(DkSubject *subject, const GPtrArray *files)
{
    const DkKdumpFile *file = g_ptr_array_index(files, 0);
    if (!file->sub.split)
        return;
    const char *why = "the part of the split dump that has these pages was not given";
    guint64 next = 0;
    for (guint i = 0; i < files->len; i++) {
        file = g_ptr_array_index(files, i);
        if (file->start_pfn > file->last_pfn)
            continue;
        if (file->start_pfn > next)
            add_data_gap(subject, file, next, file->start_pfn - 1, why);
        next = file->last_pfn + 1;
    }
    if (next < file->pages)
        add_data_gap(subject, file, next, file->pages - 1, why);
}

/* Whether pages may be missing: the last one that is not shared tells, as files are cut behind. */
static gboolean lacks_pages(const DkKdumpFile *file)
{
    if (file->status & DK_KDUMP_INCOMPLETE || file->flat.cut)
        return TRUE;
    DkKdumpCache cache = {0};
    DkKdumpPageState state = DK_KDUMP_PAGE_GOOD;
    for (guint64 i = file->descriptors; i > 0; i--) {
        DkKdumpPage page;
        gboolean there = dk_kdump_descriptor(file, &cache, i - 1, &page);
        if (there && dk_kdump_page_is_zero(file, &page))
            continue;
        state = there ? dk_kdump_page_state(file, &page) : DK_KDUMP_PAGE_MISSING;
        break;
    }
    dk_kdump_cache_clear(&cache);
    return state == DK_KDUMP_PAGE_MISSING;
}

typedef struct {
    DkSubject *subject;
    const DkKdumpFile *file;
    guint64 first; /* of the open gap */
    guint64 next;  /* behind its last page; 0: none is open */
    guint told;
} Missing;

static void close_gap(Missing *missing)
{
    if (!missing->next)
        return;
    const DkKdumpFile *file = missing->file;
    g_autofree char *why = g_strdup_printf(
        file->status & DK_KDUMP_INCOMPLETE && !file->flat.cut
            ? "not written: the dump is marked as incomplete (the file has " HEX " bytes)"
            : "cut off: the file ends at offset " HEX,
        file->flat.flattened ? file->flat.end : dk_input_size(file->input));
    add_data_gap(missing->subject, file, missing->first, missing->next - 1, why);
    missing->told++;
    missing->next = 0;
}

/* Names the pages whose descriptors or bytes the file lacks. */
static void add_missing(DkSubject *subject, const DkKdumpFile *file)
{
    DkKdumpCache cache = {0};
    Missing missing = {subject, file, 0, 0, 0};
    guint64 rank = 0;
    guint64 pfn = file->start_pfn;
    for (guint64 next = pfn; dk_kdump_next_page(file, &cache, next, &pfn); next = pfn + 1) {
        if (pfn > file->last_pfn)
            break;
        /* A gap does not reach over a hole of the RAM. */
        if (pfn > next && missing.told < DK_KDUMP_GAPS_MAX)
            close_gap(&missing);
        gboolean dumped = dk_kdump_bit(file, &cache, 1, pfn);
        if (dumped || dk_kdump_bitmap_is_doubtful(file)) {
            DkKdumpPage page;
            gboolean there = dumped && dk_kdump_descriptor(file, &cache, rank++, &page) &&
                             dk_kdump_page_state(file, &page) != DK_KDUMP_PAGE_MISSING;
            if (there) {
                if (missing.told < DK_KDUMP_GAPS_MAX)
                    close_gap(&missing);
            } else {
                if (!missing.next)
                    missing.first = pfn;
                missing.next = pfn + 1;
            }
        }
    }
    close_gap(&missing);
    dk_kdump_cache_clear(&cache);
}

static void add_gaps(DkSubject *subject, const GPtrArray *files)
{
    add_part_gaps(subject, files);
    for (guint i = 0; i < files->len; i++) {
        const DkKdumpFile *file = g_ptr_array_index(files, i);
        if (file->bitmap_cut < file->pages)
            add_data_gap(subject, file, file->bitmap_cut, file->pages - 1,
                         "cut off: the file ends inside its bitmaps");
        if (lacks_pages(file))
            add_missing(subject, file);
    }
}

static DkMachineId machine_of(const char *name)
{
    if (g_str_equal(name, "x86_64"))
        return DK_MACHINE_X86_64;
    if (name[0] == 'i' && name[1] && g_str_equal(name + 2, "86"))
        return DK_MACHINE_X86;
    return g_str_equal(name, "aarch64") ? DK_MACHINE_ARM64 : DK_MACHINE_UNKNOWN;
}

static void describe_system(DkSubject *subject, const DkKdumpFile *file)
{
    subject->kind = DK_SUBJECT_MACHINE;
    subject->page_size = file->block_size;
    subject->machine = machine_of(file->utsname[4]);
    subject->cpus = MIN(file->cpus, DK_MACHINE_CPUS_MAX);
    if (g_str_equal(file->utsname[0], "Linux"))
        subject->os = DK_OS_LINUX;
    if (subject->os == DK_OS_LINUX && file->utsname[2][0])
        subject->os_version = g_strdup(file->utsname[2]);
    DkOrigin *origin = &subject->origin;
    origin->time_us = file->time_us;
    /* QEMU fills in no more of the system's names than the machine. */
    origin->writer = g_strdup(file->old             ? "diskdump"
                              : file->utsname[0][0] ? "makedumpfile"
                              : file->utsname[4][0] ? "QEMU"
                                                    : NULL);
    origin->complete = file->status & DK_KDUMP_INCOMPLETE ? 0 : -1;
    if (file->has_level && file->sub.dump_level > 0) {
        g_autofree char *text = dk_kdump_level_text((guint)file->sub.dump_level);
        origin->level = g_strdup_printf("%d (without %s)", file->sub.dump_level, text);
    } else if (file->has_level) {
        origin->level = g_strdup("full");
    }
}

/* The bytes of an area that the sub header names; NULL when there is none, or a gap. */
static GBytes *read_area(DkSubject *subject, const DkKdumpFile *file, const char *what, guint64 off,
                         guint64 size, guint64 limit)
{
    if (!size || !off)
        return NULL;
    g_autoptr(GError) why = NULL;
    GBytes *bytes = dk_input_read_bytes(file->input, what, off, size, limit, &why);
    if (!bytes)
        dk_subject_add_gap(subject, what, 1, 0, 0, "%s", why->message);
    return bytes;
}

static gboolean is_blank(const guint8 *text, gsize len)
{
    return text[0] == ' ' && !memcmp(text, text + 1, len - 1);
}

/*
 * Our own note about the end of the capture is the last one, of a fixed size: its header, the
 * owner, and the text.
 */
static void read_result(DkKdump *self, const guint8 *notes, gsize len, guint64 off)
{
    static const char owner[8] = DK_OWN_NOTE_OWNER;
    gsize size = 12 + sizeof owner + DK_OWN_RESULT_SIZE;
    if (len < size)
        return;
    DkCursor cursor;
    dk_cursor_init(&cursor, notes + (len - size), size, off + (len - size), "note");
    guint32 owner_size, text_size, type;
    if (!dk_cursor_u32(&cursor, "size", &owner_size, NULL) ||
        !dk_cursor_u32(&cursor, "size", &text_size, NULL) ||
        !dk_cursor_u32(&cursor, "type", &type, NULL) || owner_size != sizeof owner ||
        text_size != DK_OWN_RESULT_SIZE || type != DK_OWN_NOTE_RESULT)
        return;
    const guint8 *name = dk_cursor_bytes(&cursor, "owner", sizeof owner, NULL);
    if (!name || memcmp(name, owner, sizeof owner) != 0)
        return;
    self->result_off = dk_cursor_off(&cursor);
    const guint8 *text = dk_cursor_bytes(&cursor, "text", DK_OWN_RESULT_SIZE, NULL);
    g_autoptr(GError) why = NULL;
    if (text && is_blank(text, DK_OWN_RESULT_SIZE)) {
        /* Never filled in: the file was cut off before its end. */
        self->source.subject->origin.complete = 0;
        return;
    }
    if (text && !dk_own_result_read(self->source.subject, text, DK_OWN_RESULT_SIZE, &why))
        dk_subject_add_gap(self->source.subject, "notes", 1, 0, 0, "%s", why->message);
}

static void describe(DkKdump *self)
{
    DkSubject *subject = self->source.subject;
    const DkKdumpFile *file = first_file(self);
    describe_system(subject, file);
    g_autoptr(GBytes) info = read_area(subject, file, "VMCOREINFO", file->sub.offset_vmcoreinfo,
                                       file->sub.size_vmcoreinfo, DK_VMCOREINFO_MAX);
    gsize len;
    if (info) {
        const void *text = g_bytes_get_data(info, &len);
        dk_machine_vmcoreinfo_take(subject, text, len);
    }
    g_autoptr(GBytes) notes = read_area(subject, file, "notes", file->sub.offset_note,
                                        file->sub.size_note, DK_KDUMP_NOTES_MAX);
    if (!notes)
        return;
    const guint8 *data = g_bytes_get_data(notes, &len);
    dk_machine_notes_read(subject, data, len, file->sub.offset_note, "notes");
    read_result(self, data, len, file->sub.offset_note);
}

static DkSource *open_parts(DkInput *const *inputs, guint ninputs, GError **error)
{
    DkKdump *self = g_new0(DkKdump, 1);
    dk_source_init(&self->source, &source_ops, dk_input_name(inputs[0]));
    g_autoptr(DkSource) owner = &self->source;
    self->source.subject = dk_subject_new();
    GPtrArray *files = open_files(inputs, ninputs, &self->source.subject->system, error);
    if (!files)
        return NULL;
    self->memory = dk_kdump_space_new(files);
    self->source.space = &self->memory->space;
    describe(self);
    add_gaps(self->source.subject, files);
    return g_steal_pointer(&owner);
}

static DkSource *open_one(DkInput *input, GError **error)
{
    return open_parts(&input, 1, error);
}

static const DkFormatVariant variants[] = {
    {"kdump", "makedumpfile's format with zlib pages, which all of its readers take"},
    {"kdump-zlib", "the same by its full name"},
    {"kdump-lzo", "the same with lzo pages"},
    {"kdump-snappy", "the same with snappy pages"},
    {"kdump-zstd", "the same with zstd pages, for newer readers"},
    {"kdump-raw", "the same with pages as they are"},
    {NULL, NULL},
};

static const char *const extensions[] = {"kdump", NULL};

const DkFormat dk_format_kdump = {
    .name = "kdump",
    .summary = "kdump-compressed dump of a machine (makedumpfile, QEMU)",
    .open = open_one,
    .open_parts = open_parts,
    .sink_new = dk_kdump_sink_new,
    .writes = 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .variants = variants,
    .verify = dk_kdump_verify,
};
