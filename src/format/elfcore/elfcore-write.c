/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer, of processes and machines.  Order in the file: header, program headers, notes,
 * [section header], memory, closing notes.  Everything but the memory and the result is known when
 * begin() runs, so that the file is appended from first to last; checksums are taken as the bytes
 * pass.  To the closing notes of a process leads a program header, to those of a machine a note.
 */
#include <string.h>

#include "base/error.h"
#include "codec/checksum.h"
#include "format/elfcore/elfcore-pack.h"
#include "format/elfcore/elfcore-reader.h"
#include "format/elfcore/vmcore-image.h"
#include "format/machine-notes.h"
#include "format/own-record.h"
#include "io/output.h"

/* Where everything stands, as offsets in the file. */
typedef struct {
    gboolean vmcore; /* of a machine: physical addresses, 64 bits whatever the machine */
    guint word;      /* bytes of a word of the file */
    guint16 e_machine;
    guint64 segments; /* program headers, those of the notes included */
    guint64 notes_off;
    guint64 notes_size;
    guint64 section_off; /* 0: there is none */
    guint64 data_off;
    guint64 closing_off;
    guint64 closing_size;
    GBytes *info; /* contents of two notes of ours, of a process */
    GBytes *mappings;
    GBytes *notes; /* all notes of a machine */
    gboolean has_image;
    DkVmcoreImage image; /* is mapped once more, at its virtual address */
} Layout;

typedef struct {
    DkSink sink;
    const DkElfcoreMachine *machine; /* NULL for a machine whose registers we do not know */
    Layout layout;
    guint64 off;      /* bytes written */
    guint extent;     /* of the plan, that load_off belongs to */
    guint64 load_off; /* where the extent stands in the file */
    DkOwnSums *sums;  /* over all of that */
} ElfcoreSink;

static gboolean put_nowhere(DkElfcorePut *put, const void *data, gsize len, GError **error)
{
    return TRUE;
}

/* Where the memory of extent goes when what is before ends at off: congruent to it by pages. */
static guint64 place_extent(guint64 off, guint64 page, const DkExtent *extent)
{
    return off + ((extent->first - off) & (page - 1));
}

/* Bytes of a note of ours. */
static guint64 own_size(guint64 len)
{
    return dk_elfcore_note_size(DK_ELF_OWN_OWNER, len);
}

static void clear_layout(Layout *layout)
{
    g_clear_pointer(&layout->info, g_bytes_unref);
    g_clear_pointer(&layout->mappings, g_bytes_unref);
    g_clear_pointer(&layout->notes, g_bytes_unref);
}

static gsize header_size(const Layout *layout)
{
    return layout->word == 8 ? sizeof(DkElf64Header) : sizeof(DkElf32Header);
}

static gsize segment_size(const Layout *layout)
{
    return layout->word == 8 ? sizeof(DkElf64Segment) : sizeof(DkElf32Segment);
}

/* Makes the notes of a process, except its own, only to know how large they are. */
static gboolean size_process_notes(const DkElfcoreMachine *machine, const DkSubject *subject,
                                   Layout *layout, GError **error)
{
    layout->info = dk_own_info_write(subject);
    layout->mappings = dk_elfcore_mappings_text(subject);
    DkElfcorePut count = {put_nowhere, 0};
    if (!dk_elfcore_put_process(&count, machine, subject, error))
        return FALSE;
    layout->notes_size = count.size + own_size(g_bytes_get_size(layout->info)) +
                         own_size(g_bytes_get_size(layout->mappings));
    return TRUE;
}

static gboolean lay_out(const DkElfcoreMachine *machine, const DkSubject *subject,
                        const DkDumpPlan *plan, Layout *layout, GError **error)
{
    guint64 page = subject->page_size;
    layout->vmcore = subject->kind == DK_SUBJECT_MACHINE;
    layout->word = layout->vmcore ? 8 : machine->word;
    layout->e_machine = machine ? machine->e_machine : EM_NONE;
    layout->has_image = layout->vmcore && dk_vmcore_image_find(subject, plan, &layout->image);
    layout->segments = (guint64)plan->extents->len + (layout->vmcore && !layout->has_image ? 1 : 2);
    layout->notes_off = header_size(layout) + layout->segments * segment_size(layout);
    if (layout->vmcore) {
        layout->notes = dk_machine_notes_write(subject);
        layout->notes_size = g_bytes_get_size(layout->notes) + own_size(sizeof(DkElfOwnClosing));
    } else if (!size_process_notes(machine, subject, layout, error)) {
        return FALSE;
    }
    guint64 end = layout->notes_off + layout->notes_size;
    layout->section_off = 0;
    if (layout->segments >= PN_XNUM) {
        layout->section_off = (end + 7) & ~(guint64)7;
        end = layout->section_off +
              (layout->word == 8 ? sizeof(DkElf64Section) : sizeof(DkElf32Section));
    }
    layout->data_off = end = (end + page - 1) & ~(page - 1);
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        end = place_extent(end, page, extent) + (extent->last - extent->first + 1);
    }
    layout->closing_off = end = (end + 7) & ~(guint64)7;
    layout->closing_size = own_size(dk_own_sums_size(end)) + own_size(DK_OWN_RESULT_SIZE) +
                           own_size(DK_CHECKSUM_SIZE);
    return TRUE;
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "ELF core: %s", text);
    return FALSE;
}

static gboolean accepts_thread(const DkElfcoreMachine *machine, const DkThread *thread,
                               GError **error)
{
    const struct {
        DkRegsetKind kind;
        gsize size;
    } sizes[] = {{DK_REGSET_GENERAL, machine->regs_size},
                 {DK_REGSET_FP, machine->fp_size},
                 {DK_REGSET_SIGINFO, DK_ELF_SIGINFO_SIZE}};
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        GBytes *bytes = thread->regs[sizes[i].kind];
        if (!bytes || g_bytes_get_size(bytes) == sizes[i].size)
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "ELF core: register set %d of thread %u has %" G_GSIZE_FORMAT
                    " bytes, expected %" G_GSIZE_FORMAT,
                    (gint)sizes[i].kind, thread->tid, g_bytes_get_size(bytes), sizes[i].size);
        return FALSE;
    }
    return TRUE;
}

static gboolean sink_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    if (!subject->page_size || (subject->page_size & (subject->page_size - 1)))
        return refuse(error, "the page size is no power of two");
    if (subject->kind == DK_SUBJECT_MACHINE)
        return TRUE;
    if (subject->os != DK_OS_LINUX)
        return refuse(error, "only processes of Linux can be written");
    const DkElfcoreMachine *machine = dk_elfcore_machine_by_id(subject->machine);
    if (!machine)
        return refuse(error, "the machine is not x86-64, x86 or arm64");
    for (guint i = 0; i < subject->process.threads->len; i++) {
        if (!accepts_thread(machine, g_ptr_array_index(subject->process.threads, i), error))
            return FALSE;
    }
    return TRUE;
}

static guint64 sink_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    const DkElfcoreMachine *machine = dk_elfcore_machine_by_id(subject->machine);
    Layout layout = {0};
    guint64 size = 0;
    if ((machine || subject->kind == DK_SUBJECT_MACHINE) &&
        lay_out(machine, subject, plan, &layout, NULL))
        size = layout.closing_off + layout.closing_size;
    clear_layout(&layout);
    return size;
}

static gboolean emit(ElfcoreSink *self, const void *data, gsize len, GError **error)
{
    dk_own_sums_update(self->sums, data, len);
    self->off += len;
    return dk_output_write(self->sink.output, data, len, error);
}

static gboolean emit_zeros(ElfcoreSink *self, guint64 len, GError **error)
{
    dk_own_sums_update_zeros(self->sums, len);
    self->off += len;
    return dk_output_zeros(self->sink.output, len, error);
}

/* Fills up to the file offset off. */
static gboolean emit_to(ElfcoreSink *self, guint64 off, GError **error)
{
    g_assert(off >= self->off);
    return emit_zeros(self, off - self->off, error);
}

static void pack_header(GByteArray *out, const Layout *layout)
{
    gboolean wide = layout->word == 8;
    guint8 ident[DK_ELF_IDENT_SIZE] = {
        0x7f, 'E', 'L', 'F', wide ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, EV_CURRENT};
    g_byte_array_append(out, ident, sizeof ident);
    dk_elfcore_pack16(out, ET_CORE);
    dk_elfcore_pack16(out, layout->e_machine);
    dk_elfcore_pack32(out, EV_CURRENT);
    dk_elfcore_pack_word(out, layout->word, 0);
    dk_elfcore_pack_word(out, layout->word, header_size(layout));
    dk_elfcore_pack_word(out, layout->word, layout->section_off);
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack16(out, (guint16)header_size(layout));
    dk_elfcore_pack16(out, (guint16)segment_size(layout));
    dk_elfcore_pack16(out, (guint16)MIN(layout->segments, PN_XNUM));
    dk_elfcore_pack16(out, !layout->section_off ? 0
                           : wide               ? sizeof(DkElf64Section)
                                                : sizeof(DkElf32Section));
    dk_elfcore_pack16(out, layout->section_off != 0);
    dk_elfcore_pack16(out, 0);
}

static void pack_segment(GByteArray *out, guint word, const DkElf64Segment *segment)
{
    dk_elfcore_pack32(out, segment->type);
    if (word == 8)
        dk_elfcore_pack32(out, segment->flags);
    dk_elfcore_pack_word(out, word, segment->offset);
    dk_elfcore_pack_word(out, word, segment->vaddr);
    dk_elfcore_pack_word(out, word, segment->paddr);
    dk_elfcore_pack_word(out, word, segment->filesz);
    dk_elfcore_pack_word(out, word, segment->memsz);
    if (word == 4)
        dk_elfcore_pack32(out, segment->flags);
    dk_elfcore_pack_word(out, word, segment->align);
}

static guint32 segment_flags(guint32 flags)
{
    return (flags & DK_MAP_READ ? PF_R : 0) | (flags & DK_MAP_WRITE ? PF_W : 0) |
           (flags & DK_MAP_EXEC ? PF_X : 0);
}

/* The kernel's image, whose bytes stand among those of its extent. */
static void pack_image(GByteArray *out, const Layout *layout, guint64 off)
{
    DkElf64Segment load = {.type = PT_LOAD,
                           .flags = PF_R | PF_W | PF_X,
                           .offset = off,
                           .vaddr = layout->image.va,
                           .paddr = layout->image.pa,
                           .filesz = layout->image.size,
                           .memsz = layout->image.size};
    pack_segment(out, layout->word, &load);
}

static void pack_segments(GByteArray *out, const ElfcoreSink *self)
{
    const Layout *layout = &self->layout;
    guint word = layout->word;
    guint64 page = self->sink.subject->page_size;
    DkElf64Segment notes = {
        .type = PT_NOTE, .offset = layout->notes_off, .filesz = layout->notes_size, .align = 4};
    pack_segment(out, word, &notes);
    guint64 off = layout->data_off;
    guint64 image_off = 0;
    for (guint i = 0; i < self->sink.plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(self->sink.plan->extents, DkExtent, i);
        guint64 size = extent->last - extent->first + 1;
        off = place_extent(off, page, extent);
        /*
         * Of a machine QEMU repeats the physical address as the virtual one, and so do we: it lets
         * a debugger that knows nothing of page tables read physical memory.  crash takes a file
         * whose p_align is not 0 for one of netdump.
         */
        DkElf64Segment load = {.type = PT_LOAD,
                               .flags = layout->vmcore ? PF_R | PF_W | PF_X
                                                       : segment_flags(extent->flags),
                               .offset = off,
                               .vaddr = extent->first,
                               .paddr = layout->vmcore ? extent->first : 0,
                               .filesz = size,
                               .memsz = size,
                               .align = layout->vmcore ? 0 : page};
        pack_segment(out, word, &load);
        if (layout->has_image && layout->image.extent == i)
            image_off = off + (layout->image.pa - extent->first);
        off += size;
    }
    if (layout->has_image)
        pack_image(out, layout, image_off);
    if (layout->vmcore)
        return;
    DkElf64Segment closing = {
        .type = PT_NOTE, .offset = layout->closing_off, .filesz = layout->closing_size, .align = 4};
    pack_segment(out, word, &closing);
}

static void pack_section(GByteArray *out, guint word, const Layout *layout)
{
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack32(out, SHT_NULL);
    dk_elfcore_pack_zeros(out, (gsize)word * 3);
    dk_elfcore_pack_word(out, word, 1);
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack32(out, (guint32)layout->segments);
    dk_elfcore_pack_zeros(out, (gsize)word * 2);
}

typedef struct {
    DkElfcorePut put;
    ElfcoreSink *self;
} EmitPut;

static gboolean put_emit(DkElfcorePut *put, const void *data, gsize len, GError **error)
{
    return emit(((EmitPut *)put)->self, data, len, error);
}

/* What the fields of the file cannot hold. */
static gboolean check_layout(const ElfcoreSink *self, const DkDumpPlan *plan, GError **error)
{
    const Layout *layout = &self->layout;
    guint64 end = layout->closing_off + layout->closing_size;
    guint64 top = layout->word == 8 ? G_MAXINT64 : G_MAXUINT32;
    if (end > top || layout->notes_size > G_MAXUINT32 || layout->segments > G_MAXUINT32) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "ELF core: %" G_GUINT64_FORMAT " bytes in %" G_GUINT64_FORMAT
                    " segments are more than the format can say for this machine",
                    end, layout->segments);
        return FALSE;
    }
    return TRUE;
}

static gboolean put_own(DkElfcorePut *put, guint32 type, GBytes *content, GError **error)
{
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    return dk_elfcore_put_note(put, DK_ELF_OWN_OWNER, type, data, len, error);
}

static gboolean put_machine(DkElfcorePut *put, const Layout *layout, GError **error)
{
    g_autoptr(GByteArray) place = g_byte_array_new();
    dk_elfcore_pack64(place, layout->closing_off);
    dk_elfcore_pack64(place, layout->closing_size);
    dk_elfcore_pack64(place, layout->segments);
    dk_elfcore_pack64(place, layout->data_off);
    gsize len;
    const void *data = g_bytes_get_data(layout->notes, &len);
    return dk_elfcore_put(put, data, len, error) &&
           dk_elfcore_put_note(put, DK_ELF_OWN_OWNER, DK_ELF_OWN_CLOSING, place->data, place->len,
                               error);
}

static gboolean put_notes(ElfcoreSink *self, GError **error)
{
    const Layout *layout = &self->layout;
    EmitPut put = {{put_emit, 0}, self};
    gboolean ok = layout->vmcore
                      ? put_machine(&put.put, layout, error)
                      : dk_elfcore_put_process(&put.put, self->machine, self->sink.subject,
                                               error) &&
                            put_own(&put.put, DK_ELF_OWN_INFO, layout->info, error) &&
                            put_own(&put.put, DK_ELF_OWN_MAPPINGS, layout->mappings, error);
    g_assert(!ok || put.put.size == layout->notes_size);
    return ok;
}

static gboolean sink_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                           GError **error)
{
    ElfcoreSink *self = (ElfcoreSink *)sink;
    if (!sink_accepts(sink, subject, error))
        return FALSE;
    self->machine = dk_elfcore_machine_by_id(subject->machine);
    if (!lay_out(self->machine, subject, plan, &self->layout, error) ||
        !check_layout(self, plan, error))
        return FALSE;
    const Layout *layout = &self->layout;
    g_autoptr(GByteArray) out = g_byte_array_new();
    pack_header(out, layout);
    pack_segments(out, self);
    if (!emit(self, out->data, out->len, error))
        return FALSE;
    g_assert(self->off == layout->notes_off);
    if (!put_notes(self, error))
        return FALSE;
    if (layout->section_off) {
        g_byte_array_set_size(out, 0);
        pack_section(out, layout->word, layout);
        if (!emit_to(self, layout->section_off, error) || !emit(self, out->data, out->len, error))
            return FALSE;
    }
    self->load_off = layout->data_off;
    if (plan->extents->len)
        self->load_off = place_extent(self->load_off, subject->page_size,
                                      &g_array_index(plan->extents, DkExtent, 0));
    return emit_to(self, layout->data_off, error);
}

/* Brings the file to where va belongs. */
static gboolean seek_va(ElfcoreSink *self, guint64 va, GError **error)
{
    const GArray *extents = self->sink.plan->extents;
    const DkExtent *extent = &g_array_index(extents, DkExtent, self->extent);
    while (va > extent->last) {
        self->load_off += extent->last - extent->first + 1;
        extent = &g_array_index(extents, DkExtent, ++self->extent);
        self->load_off = place_extent(self->load_off, self->sink.subject->page_size, extent);
    }
    return emit_to(self, self->load_off + (va - extent->first), error);
}

static gboolean sink_data(DkSink *sink, guint64 va, const void *buf, gsize len, GError **error)
{
    ElfcoreSink *self = (ElfcoreSink *)sink;
    return seek_va(self, va, error) && emit(self, buf, len, error);
}

static gboolean sink_hole(DkSink *sink, const DkRun *run, GError **error)
{
    ElfcoreSink *self = (ElfcoreSink *)sink;
    return seek_va(self, run->first, error) && emit_zeros(self, run->last - run->first + 1, error);
}

typedef struct {
    DkElfcorePut put;
    GByteArray *out;
} ArrayPut;

static gboolean put_array(DkElfcorePut *put, const void *data, gsize len, GError **error)
{
    g_byte_array_append(((ArrayPut *)put)->out, data, (guint)len);
    return TRUE;
}

static gboolean sink_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    ElfcoreSink *self = (ElfcoreSink *)sink;
    const Layout *layout = &self->layout;
    if (!emit_to(self, layout->closing_off, error))
        return FALSE;
    g_autoptr(GByteArray) closing = g_byte_array_new();
    g_autoptr(GBytes) table = dk_own_sums_finish(self->sums);
    g_autoptr(GBytes) result = dk_own_result_write(summary, DK_OWN_RESULT_SIZE);
    guint8 seal[DK_CHECKSUM_SIZE] = {0};
    ArrayPut put = {{put_array, 0}, closing};
    if (!put_own(&put.put, DK_ELF_OWN_CHECKSUMS, table, error) ||
        !put_own(&put.put, DK_ELF_OWN_RESULT, result, error) ||
        !dk_elfcore_put_note(&put.put, DK_ELF_OWN_OWNER, DK_ELF_OWN_SEAL, seal, sizeof seal, error))
        return FALSE;
    g_assert(closing->len == layout->closing_size);
    /* The seal is over all before its content, its own header included. */
    g_autoptr(DkChecksum) sum = dk_checksum_new();
    dk_checksum_update(sum, closing->data, closing->len - sizeof seal);
    dk_checksum_finish(sum, seal);
    memcpy(closing->data + closing->len - sizeof seal, seal, sizeof seal);
    return dk_output_write(sink->output, closing->data, closing->len, error);
}

static void sink_destroy(DkSink *sink)
{
    ElfcoreSink *self = (ElfcoreSink *)sink;
    clear_layout(&self->layout);
    dk_own_sums_free(self->sums);
    g_free(self);
}

static const DkSinkOps sink_ops = {
    .name = "elf core",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = sink_accepts,
    .measure = sink_measure,
    .begin = sink_begin,
    .data = sink_data,
    .hole = sink_hole,
    .finish = sink_finish,
    .destroy = sink_destroy,
};

DkSink *dk_elfcore_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    ElfcoreSink *self = g_new0(ElfcoreSink, 1);
    dk_sink_init(&self->sink, &sink_ops, output);
    self->sums = dk_own_sums_new();
    return &self->sink;
}
