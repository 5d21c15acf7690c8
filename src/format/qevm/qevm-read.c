/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/qevm-cpu.h"
#include "format/qevm/qevm-file.h"
#include "format/qevm/qevm-layout.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define READ_STEP ((gsize)1 << 20)
/* Bytes of a bitmap that are looked at at once. */
#define BITMAP_STEP 65536u
/* Ranges of missing memory that are named one by one. */
#define GAPS_MAX 64u

static DkQevmFileBlock *block_at(const DkQevmFile *file, guint index)
{
    return &g_array_index(file->blocks, DkQevmFileBlock, index);
}

static void add_note(DkQevmFile *file, char *name, guint64 off, guint64 size, char *text)
{
    DkNote note = {.name = name, .off = off, .size = size, .text = text};
    g_array_append_val(file->notes, note);
}

static gboolean take_machine(const char *name, gpointer data, GError **error)
{
    DkQevmFile *file = data;
    DkMachine *machine = &file->source.subject->system;
    g_free(machine->name);
    machine->name = g_strescape(name, NULL);
    return TRUE;
}

static gboolean fail_page_size(guint64 size, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "pages of %" G_GUINT64_FORMAT " bytes; streams with pages of 4096 are read", size);
    return FALSE;
}

static gboolean take_block(guint index, const DkQevmBlock *block, gpointer data, GError **error)
{
    DkQevmFile *file = data;
    DkQevmFileBlock mine = {
        .id = g_strdup(block->id),
        .size = block->size,
        .mapped = block->mapped,
        .bitmap_off = block->bitmap_off,
        .pages_off = block->pages_off,
    };
    if (block->mapped && block->mapped_page_size != file->page_size) {
        return fail_page_size(block->mapped_page_size, error);
    }
    file->mapped |= block->mapped;
    g_array_append_val(file->blocks, mine);
    return TRUE;
}

/* count pages from offset of a block on, which are at off in the file or, without it, filled. */
typedef struct {
    guint block;
    guint64 offset;
    guint64 count;
    gboolean filled;
    guint8 fill;
    guint64 off;
} Pages;

/* Puts pages into the index, at their place in physical memory. */
static gboolean add_pages(DkQevmFile *file, Pages pages, guint stride, GError **error)
{
    guint page_size = file->page_size;
    guint next = 0;
    DkQevmPlace part;
    while (dk_qevm_place_next(file->places, &next, pages.block, pages.offset,
                              pages.count * page_size, &part)) {
        guint64 page = part.pa / page_size;
        guint64 count = part.len / page_size;
        guint64 before = (part.offset - pages.offset) / page_size;
        gboolean added = pages.filled
                             ? dk_qevm_index_add_fill(file->index, page, count, pages.fill, error)
                             : dk_qevm_index_add(file->index, page, count,
                                                 pages.off + before * stride, error);
        if (!added) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean take_pages(const DkQevmPages *pages, gpointer data, GError **error)
{
    const DkQevmFile *file = data;
    Pages mine = {.block = pages->block,
                  .offset = pages->offset,
                  .count = pages->count,
                  .off = pages->stream_off};
    if (pages->page_size != file->page_size) {
        return fail_page_size(pages->page_size, error);
    }
    return add_pages(data, mine, (guint)pages->stride, error);
}

static gboolean take_fill(guint block, guint64 offset, guint64 len, guint8 fill, gpointer data,
                          GError **error)
{
    DkQevmFile *file = data;
    Pages mine = {.block = block,
                  .offset = offset,
                  .count = len / file->page_size,
                  .filled = TRUE,
                  .fill = fill};
    return add_pages(file, mine, 0, error);
}

/* Pages first to end - 1 of a mapped block; the file may end before them. */
static gboolean add_mapped(DkQevmFile *file, guint index, guint64 first, guint64 end,
                           gboolean there, GError **error)
{
    guint page_size = file->page_size;
    Pages pages = {.block = index,
                   .offset = first * page_size,
                   .count = end - first,
                   .filled = !there,
                   .off = block_at(file, index)->pages_off + first * page_size};
    if (there) {
        guint64 left = pages.off < file->size ? (file->size - pages.off) / page_size : 0;
        if (left < pages.count) {
            file->mapped_cut = TRUE;
            pages.count = left;
        }
    }
    return add_pages(file, pages, page_size, error);
}

/* Goes through the bitmap of a mapped block: a set bit is a page in the file, others are zero. */
static gboolean take_bitmap(DkQevmFile *file, guint index, GError **error)
{
    const DkQevmFileBlock *block = block_at(file, index);
    guint64 pages = block->size / file->page_size;
    g_autofree guint8 *bits = g_malloc(BITMAP_STEP);
    guint64 first = 0; /* of the run that is open */
    gboolean kind = FALSE;
    guint64 page = 0;
    while (page < pages) {
        gsize want = (gsize)MIN(BITMAP_STEP, (pages - page + 7) / 8);
        gssize got = dk_input_read(file->input, block->bitmap_off + page / 8, bits, want, error);
        if (got < 0) {
            return FALSE;
        }
        guint64 end = MIN(pages, page + (guint64)got * 8);
        for (guint64 start = page; page < end; page++) {
            gsize bit = (gsize)(page - start);
            gboolean there = bits[bit / 8] >> (bit % 8) & 1;
            if (there != kind) {
                if (page > first && !add_mapped(file, index, first, page, kind, error)) {
                    return FALSE;
                }
                first = page;
                kind = there;
            }
        }
        if (got < (gssize)want) {
            file->mapped_cut = TRUE;
            break;
        }
    }
    return page == first || add_mapped(file, index, first, page, kind, error);
}

static void place_blocks(DkQevmFile *file)
{
    const char *machine = file->source.subject->system.name;
    guint count = file->blocks->len;
    g_autofree DkQevmPlaceBlock *blocks = g_new0(DkQevmPlaceBlock, count);
    for (guint i = 0; i < count; i++) {
        blocks[i].id = block_at(file, i)->id;
        blocks[i].size = block_at(file, i)->size;
    }
    dk_qevm_place(machine, blocks, count, 0, file->places);
    for (guint i = 0; i < count; i++) {
        block_at(file, i)->kind = blocks[i].kind;
    }
    for (guint i = 0; i < file->places->len; i++) {
        const DkQevmPlace *place = &g_array_index(file->places, DkQevmPlace, i);
        dk_machine_add_ram(&file->source.subject->system, place->pa, place->pa + place->len - 1);
    }
}

/* Notes of what comes before the memory. */
static void note_blocks(DkQevmFile *file)
{
    const DkQevmLibvirt *libvirt = file->libvirt;
    if (libvirt) {
        g_autofree char *memory = g_format_size_full(libvirt->memory, G_FORMAT_SIZE_IEC_UNITS);
        add_note(file, g_strdup("libvirt header"), 0, file->stream_off,
                 g_strdup_printf("domain %s, %s of memory, %u CPUs, %s",
                                 libvirt->domain ? libvirt->domain : "without a name", memory,
                                 libvirt->vcpus,
                                 libvirt->was_running ? "was running" : "was paused"));
    }
    for (guint i = 0; i < file->blocks->len; i++) {
        const DkQevmFileBlock *block = block_at(file, i);
        GString *text = g_string_new(NULL);
        for (guint j = 0; j < file->places->len; j++) {
            const DkQevmPlace *place = &g_array_index(file->places, DkQevmPlace, j);
            if (place->block == i) {
                g_string_append_printf(text, "%sat " HEX " to " HEX, text->len ? ", " : "",
                                       place->pa, place->pa + place->len - 1);
            }
        }
        add_note(file, g_strdup_printf("block %s", block->id), file->stream_off, block->size,
                 g_string_free(text->len ? text : g_string_append(text, "not placed"), FALSE));
    }
}

static gboolean take_blocks_done(guint count, gpointer data, GError **error)
{
    DkQevmFile *file = data;
    place_blocks(file);
    note_blocks(file);
    file->index = dk_qevm_index_new(file->page_size, file->page_size + (file->mapped ? 0 : 8));
    for (guint i = 0; i < count; i++) {
        if (block_at(file, i)->mapped && !take_bitmap(file, i, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean take_device(const DkQevmDevice *device, gpointer data, GError **error)
{
    DkQevmFile *file = data;
    dk_qevm_cpu_take(file->source.subject, device);
    add_note(file, g_strdup_printf("device %s %u", device->name, device->instance),
             device->stream_off, device->len, NULL);
    return TRUE;
}

static gboolean take_end(const DkQevmEnd *end, gpointer data, GError **error)
{
    DkQevmFile *file = data;
    DkOrigin *origin = &file->source.subject->origin;
    file->ram_ended = end->ram_ended;
    file->whole = end->whole;
    file->devices = end->devices;
    file->no_devices = g_strdup(end->no_devices);
    g_free(origin->method);
    origin->method = g_strdup(file->mapped    ? "mapped-ram"
                              : end->snapshot ? "background snapshot"
                                              : "migration");
    return TRUE;
}

static const DkQevmCallbacks callbacks = {
    .machine = take_machine,
    .block = take_block,
    .blocks_done = take_blocks_done,
    .pages = take_pages,
    .fill = take_fill,
    .device = take_device,
    .end = take_end,
};

/*
 * Feeds the stream from its start to the end of the file.  FALSE when nothing can be read of it;
 * damage behind the list of blocks is kept for verification.
 */
static gboolean read_stream(DkQevmFile *file, GError **error)
{
    guint64 off = file->stream_off;
    g_autoptr(DkQevm) qevm = dk_qevm_new(&callbacks, file, NULL, off);
    g_autofree guint8 *piece = g_malloc(READ_STEP);
    g_autoptr(GError) failed = NULL;
    gboolean good = TRUE;
    while (good) {
        guint64 skip = dk_qevm_skippable(qevm);
        if (skip > 0 && off < file->size) {
            skip = MIN(skip, file->size - off);
            dk_qevm_skip(qevm, skip);
            off += skip;
            continue;
        }
        gssize got = dk_input_read(file->input, off, piece, READ_STEP, error);
        if (got < 0) {
            return FALSE;
        }
        if (got == 0) {
            break;
        }
        good = dk_qevm_feed(qevm, piece, (gsize)got, &failed);
        off += (guint64)got;
    }
    file->cut = good;
    good = dk_qevm_end(qevm, good ? &failed : NULL) && good;
    if (!good && (!file->index || !g_error_matches(failed, DK_ERROR, DK_ERROR_DAMAGED))) {
        g_propagate_error(error, g_steal_pointer(&failed));
        return FALSE;
    }
    if (!good) {
        file->damage = g_strdup(failed->message);
    }
    return TRUE;
}

/* Names the memory that is not in the file. */
static void find_gaps(DkQevmFile *file)
{
    DkSubject *subject = file->source.subject;
    const char *what = file->damage || file->mapped_cut ? "data" : "pages";
    const char *why = file->damage || file->mapped_cut ? "the file is cut off or damaged before it"
                                                       : "it never came in the stream";
    guint told = 0;
    for (guint i = 0; i < subject->system.ram->len; i++) {
        const DkRamRange *ram = &g_array_index(subject->system.ram, DkRamRange, i);
        guint64 next = ram->first;
        DkRun run;
        while (next <= ram->last && told < GAPS_MAX) {
            gboolean more = dk_space_next_run(file->source.space, next, &run);
            guint64 end = more ? MIN(run.first, ram->last + 1) : ram->last + 1;
            if (end > next) {
                told++;
                dk_subject_add_gap(subject, what, next, told == GAPS_MAX ? ram->last : end - 1, 0,
                                   "%s%s", told == GAPS_MAX ? "the last one named; " : "", why);
            }
            if (!more || run.first > ram->last) {
                break;
            }
            next = run.last + 1;
        }
    }
    for (guint i = 0; i < file->blocks->len; i++) {
        const DkQevmFileBlock *block = block_at(file, i);
        if (block->kind == DK_QEVM_PLACE_UNKNOWN) {
            const char *machine = subject->system.name;
            g_autofree char *where =
                machine ? g_strdup_printf("in a machine of type %s", machine)
                        : g_strdup("in a machine whose type the stream does not name");
            dk_subject_add_gap(subject, "pages", 1, 0, 0,
                               "block %s (%" G_GUINT64_FORMAT " bytes): its place %s is not known",
                               block->id, block->size, where);
        }
    }
    if (subject->system.cpus->len == 0) {
        dk_subject_add_gap(subject, "cpu", 1, 0, 0, "no registers: %s",
                           file->no_devices ? file->no_devices : "the stream has no CPU");
    }
}

static void describe(DkQevmFile *file)
{
    DkSubject *subject = file->source.subject;
    const DkQevmLibvirt *libvirt = file->libvirt;
    subject->origin.writer = g_strdup(libvirt ? "QEMU, by libvirt" : "QEMU");
    subject->origin.complete = file->whole && !file->damage && (!libvirt || libvirt->whole);
    if (libvirt && libvirt->domain) {
        subject->origin.comment = g_strdup_printf("domain %s", libvirt->domain);
    }
    dk_qevm_cpu_done(subject);
    if (subject->machine == DK_MACHINE_UNKNOWN && file->places->len > 0) {
        subject->machine = DK_MACHINE_X86_64; /* only PCs have places */
    }
}

static void source_foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                                gpointer data)
{
    DkQevmFile *file = (DkQevmFile *)source;
    for (guint i = 0; i < file->notes->len; i++) {
        each(&g_array_index(file->notes, DkNote, i), data);
    }
}

static void clear_note(gpointer data)
{
    DkNote *note = data;
    g_free((char *)note->name);
    g_free(note->text);
}

static void clear_block(gpointer data)
{
    g_free(((DkQevmFileBlock *)data)->id);
}

static void source_close(DkSource *source)
{
    DkQevmFile *file = (DkQevmFile *)source;
    if (!file->open) {
        dk_qevm_index_free(file->index);
    }
    dk_input_unref(file->input);
    dk_qevm_libvirt_free(file->libvirt);
    g_array_unref(file->blocks);
    g_array_unref(file->places);
    g_array_unref(file->notes);
    g_free(file->no_devices);
    g_free(file->damage);
    g_free(file);
}

static const DkSourceOps source_ops = {
    .name = "qevm",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS,
    .foreach_note = source_foreach_note,
    .close = source_close,
};

static DkQevmFile *file_new(DkInput *input)
{
    DkQevmFile *file = g_new0(DkQevmFile, 1);
    dk_source_init(&file->source, &source_ops, dk_input_name(input));
    file->source.format = "qevm";
    file->source.subject = dk_subject_new();
    file->source.subject->kind = DK_SUBJECT_MACHINE;
    file->input = dk_input_ref(input);
    file->size = dk_input_size(input);
    file->page_size = 4096;
    file->blocks = g_array_new(FALSE, FALSE, sizeof(DkQevmFileBlock));
    g_array_set_clear_func(file->blocks, clear_block);
    file->places = g_array_new(FALSE, FALSE, sizeof(DkQevmPlace));
    file->notes = g_array_new(FALSE, FALSE, sizeof(DkNote));
    g_array_set_clear_func(file->notes, clear_note);
    return file;
}

static DkSource *qevm_open(DkInput *input, GError **error)
{
    guint8 head[LIBVIRT_MAGIC_SIZE] = {0};
    guint64 stream_off = 0;
    g_autoptr(DkQevmLibvirt) libvirt = NULL;
    if (dk_input_read(input, 0, head, sizeof head, error) < 0) {
        return NULL;
    }
    if (memcmp(head, DK_QEVM_MAGIC, 4) != 0) {
        libvirt = dk_qevm_libvirt_read(input, error);
        if (!libvirt) {
            return NULL;
        }
        stream_off = libvirt->stream_off;
    }
    DkQevmFile *file = file_new(input);
    g_autoptr(DkSource) source = &file->source;
    file->libvirt = g_steal_pointer(&libvirt);
    file->stream_off = stream_off;
    if (!read_stream(file, error)) {
        return NULL;
    }
    file->repeated = dk_qevm_index_done(file->index);
    source->space = dk_qevm_space_new(file->index, input);
    file->open = TRUE;
    describe(file);
    find_gaps(file);
    return g_steal_pointer(&source);
}

const DkFormat dk_format_qevm = {
    .name = "qevm",
    .summary = "QEMU migration stream, mapped-ram and libvirt save files (read only)",
    .open = qevm_open,
    .verify = dk_qevm_verify,
};
