/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "format/elfcore/elfcore-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

void dk_elfcore_damage(DkElfcore *core, const char *gap, const char *format, ...)
{
    if (core->quiet)
        return;
    if (core->damage->len >= DK_ELFCORE_COMPLAINTS_MAX) {
        core->more_damage++;
        return;
    }
    va_list args;
    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(core->damage, text);
    if (gap)
        dk_subject_add_gap(core->source.subject, gap, 1, 0, 0, "%s", text);
}

void dk_elfcore_fields_init(DkElfcoreFields *fields, const DkElfcore *core, const void *data,
                            gsize len, guint64 off, const char *what)
{
    *fields = (DkElfcoreFields){.word = dk_elfcore_word(core)};
    dk_cursor_init(&fields->cursor, data, len, off, what);
    fields->cursor.big_endian = core->big_endian;
}

guint64 dk_elfcore_u16(DkElfcoreFields *fields, const char *name)
{
    guint16 value = 0;
    if (fields->failed || !dk_cursor_u16(&fields->cursor, name, &value, NULL))
        fields->failed = TRUE;
    return value;
}

guint64 dk_elfcore_u32(DkElfcoreFields *fields, const char *name)
{
    guint32 value = 0;
    if (fields->failed || !dk_cursor_u32(&fields->cursor, name, &value, NULL))
        fields->failed = TRUE;
    return value;
}

guint64 dk_elfcore_u64(DkElfcoreFields *fields, const char *name)
{
    guint64 value = 0;
    if (fields->failed || !dk_cursor_u64(&fields->cursor, name, &value, NULL))
        fields->failed = TRUE;
    return value;
}

guint64 dk_elfcore_uword(DkElfcoreFields *fields, const char *name)
{
    return fields->word == 8 ? dk_elfcore_u64(fields, name) : dk_elfcore_u32(fields, name);
}

void dk_elfcore_skip(DkElfcoreFields *fields, const char *name, gsize len)
{
    if (fields->failed || !dk_cursor_bytes(&fields->cursor, name, len, NULL))
        fields->failed = TRUE;
}

typedef struct {
    guint16 type;
    guint64 phoff;
    guint64 shoff;
    guint16 phentsize;
    guint16 phnum;
} Header;

static gboolean fail(GError **error, DkErrorCode code, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean fail(GError **error, DkErrorCode code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, DK_ERROR, (gint)code, text);
    return FALSE;
}

/* Only cores are dumps; the rest of the ELF family is told by its name. */
static gboolean check_type(guint16 type, GError **error)
{
    switch (type) {
    case ET_CORE:
        return TRUE;
    case ET_EXEC:
    case ET_DYN:
        return fail(error, DK_ERROR_UNSUPPORTED,
                    "is an ELF executable or library, not a core (e_type is %u, a core has 4)",
                    type);
    case ET_REL:
        return fail(error, DK_ERROR_UNSUPPORTED,
                    "is an ELF object file, not a core (e_type is 1, a core has 4)");
    default:
        return fail(error, DK_ERROR_UNSUPPORTED,
                    "is an ELF file of type 0x%x at offset 0x10, not a core (4)", type);
    }
}

static gboolean read_header(DkElfcore *core, Header *header, GError **error)
{
    guint8 raw[sizeof(DkElf64Header)];
    gssize got = dk_input_read(core->input, 0, raw, sizeof raw, error);
    if (got < 0)
        return FALSE;
    if (got < SELFMAG || memcmp(raw, ELFMAG, SELFMAG) != 0)
        return fail(error, DK_ERROR_NOT_MINE, "does not begin with \\177ELF");
    if (got < DK_ELF_IDENT_SIZE)
        return fail(error, DK_ERROR_DAMAGED, "ends at offset " HEX ", inside the ELF header",
                    core->size);
    guint8 class = raw[DK_ELF_IDENT_CLASS];
    guint8 data = raw[DK_ELF_IDENT_DATA];
    if (class != ELFCLASS32 && class != ELFCLASS64)
        return fail(error, DK_ERROR_DAMAGED, "ELF class at offset 4 is %u, expected 1 or 2", class);
    if (data != ELFDATA2LSB && data != ELFDATA2MSB)
        return fail(error, DK_ERROR_DAMAGED, "ELF byte order at offset 5 is %u, expected 1 or 2",
                    data);
    core->wide = class == ELFCLASS64;
    core->big_endian = data == ELFDATA2MSB;
    core->osabi = raw[DK_ELF_IDENT_OSABI];
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, (gsize)got, 0, "ELF header");
    dk_elfcore_skip(&fields, "e_ident", DK_ELF_IDENT_SIZE);
    header->type = (guint16)dk_elfcore_u16(&fields, "e_type");
    core->e_machine = (guint16)dk_elfcore_u16(&fields, "e_machine");
    if (!fields.failed && !check_type(header->type, error))
        return FALSE;
    dk_elfcore_u32(&fields, "e_version");
    dk_elfcore_uword(&fields, "e_entry");
    header->phoff = dk_elfcore_uword(&fields, "e_phoff");
    header->shoff = dk_elfcore_uword(&fields, "e_shoff");
    dk_elfcore_u32(&fields, "e_flags");
    core->ehsize = (guint16)dk_elfcore_u16(&fields, "e_ehsize");
    header->phentsize = (guint16)dk_elfcore_u16(&fields, "e_phentsize");
    header->phnum = (guint16)dk_elfcore_u16(&fields, "e_phnum");
    dk_elfcore_u16(&fields, "e_shentsize");
    core->shnum = (guint16)dk_elfcore_u16(&fields, "e_shnum");
    dk_elfcore_u16(&fields, "e_shstrndx");
    core->sections_first = header->shoff && header->shoff < header->phoff;
    if (fields.failed)
        return fail(error, DK_ERROR_DAMAGED, "ends at offset " HEX ", inside the ELF header",
                    core->size);
    return TRUE;
}

static gsize segment_size(const DkElfcore *core)
{
    return core->wide ? sizeof(DkElf64Segment) : sizeof(DkElf32Segment);
}

/* The number of program headers of a file with PN_XNUM; 0 when its section header does not say. */
static guint64 extended_count(DkElfcore *core, guint64 shoff)
{
    guint8 raw[sizeof(DkElf64Section)];
    gsize size = core->wide ? sizeof(DkElf64Section) : sizeof(DkElf32Section);
    if (!shoff || dk_input_read(core->input, shoff, raw, size, NULL) != (gssize)size)
        return 0;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, size, shoff, "section header 0");
    dk_elfcore_u32(&fields, "sh_name");
    guint64 type = dk_elfcore_u32(&fields, "sh_type");
    dk_elfcore_skip(&fields, "sh_flags to sh_size", (gsize)fields.word * 4);
    dk_elfcore_u32(&fields, "sh_link");
    guint64 info = dk_elfcore_u32(&fields, "sh_info");
    return fields.failed || type != SHT_NULL || info < PN_XNUM ? 0 : info;
}

static guint note_align(guint64 align)
{
    return align == 8 ? 8 : 4;
}

guint64 dk_elfcore_present(const DkElfcore *core, guint64 off, guint64 size)
{
    return off >= core->size ? 0 : MIN(size, core->size - off);
}

static void add_load(DkElfcore *core, const DkElf64Segment *segment, guint64 header_off)
{
    if (!segment->memsz)
        return;
    DkElfcoreLoad load = {
        .off = segment->offset,
        .filesz = segment->filesz,
        .flags = segment->flags,
        .va = segment->vaddr,
        .pa = segment->paddr,
        .memsz = segment->memsz,
        .header = header_off,
    };
    /* Some writers repeat the virtual address. */
    if (segment->paddr && segment->paddr != segment->vaddr)
        core->paddr_set = TRUE;
    g_array_append_val(core->loads, load);
}

/* Gives a load its place in memory; FALSE when it has none. */
static gboolean place_load(DkElfcore *core, DkElfcoreLoad *load)
{
    gboolean machine = dk_elfcore_is_machine(core);
    guint64 first = machine ? load->pa : load->va;
    guint64 top = machine ? DK_VMCORE_PA_LAST : core->wide ? G_MAXUINT64 : G_MAXUINT32;
    if (first > top || load->memsz - 1 > top - first)
        dk_elfcore_damage(core, NULL,
                          "program header at offset " HEX ": memory at " HEX " of " HEX
                          " bytes goes over the end of the address space",
                          load->header, first, load->memsz);
    if (first > top)
        return FALSE;
    if (load->filesz > load->memsz)
        dk_elfcore_damage(
            core, NULL, "program header at offset " HEX ": p_filesz " HEX " is above p_memsz " HEX,
            load->header, load->filesz, load->memsz);
    load->first = first;
    load->last = first + MIN(load->memsz - 1, top - first);
    load->filesz = MIN(load->filesz, load->memsz);
    load->present = dk_elfcore_present(core, load->off, load->filesz);
    if (load->present && load->present - 1 > load->last - load->first)
        load->present = load->last - load->first + 1;
    return TRUE;
}

static void place_loads(DkElfcore *core)
{
    guint kept = 0;
    for (guint i = 0; i < core->loads->len; i++) {
        DkElfcoreLoad load = g_array_index(core->loads, DkElfcoreLoad, i);
        if (!place_load(core, &load))
            continue;
        if (kept)
            core->unsorted += g_array_index(core->loads, DkElfcoreLoad, kept - 1).first >
                              load.first;
        g_array_index(core->loads, DkElfcoreLoad, kept++) = load;
    }
    g_array_set_size(core->loads, kept);
}

static void read_segment(DkElfcore *core, DkElfcoreFields *fields, DkElf64Segment *segment)
{
    segment->type = (guint32)dk_elfcore_u32(fields, "p_type");
    if (core->wide)
        segment->flags = (guint32)dk_elfcore_u32(fields, "p_flags");
    segment->offset = dk_elfcore_uword(fields, "p_offset");
    segment->vaddr = dk_elfcore_uword(fields, "p_vaddr");
    segment->paddr = dk_elfcore_uword(fields, "p_paddr");
    segment->filesz = dk_elfcore_uword(fields, "p_filesz");
    segment->memsz = dk_elfcore_uword(fields, "p_memsz");
    if (!core->wide)
        segment->flags = (guint32)dk_elfcore_u32(fields, "p_flags");
    segment->align = dk_elfcore_uword(fields, "p_align");
}

static void add_segment(DkElfcore *core, const DkElf64Segment *segment, guint64 header_off)
{
    if (segment->type == PT_LOAD) {
        add_load(core, segment, header_off);
    } else if (segment->type == PT_NOTE) {
        DkElfcoreNotes notes = {
            .off = segment->offset,
            .size = segment->filesz,
            .present = dk_elfcore_present(core, segment->offset, segment->filesz),
            .align = note_align(segment->align)};
        g_array_append_val(core->segments, notes);
    }
}

/*
 * Reads the table.  When its length is not known (guess), the content of the segments follows it,
 * so that the lowest p_offset says where it ends.
 */
static gboolean read_segments(DkElfcore *core, const Header *header, guint64 count, gboolean guess,
                              GError **error)
{
    gsize size = segment_size(core);
    g_autoptr(GBytes) table = dk_input_read_bytes(core->input, "the table of program headers",
                                                  header->phoff, count * size,
                                                  DK_ELFCORE_SEGMENTS_MAX * size, error);
    if (!table)
        return FALSE;
    DkElfcoreFields fields;
    gsize len;
    const void *data = g_bytes_get_data(table, &len);
    dk_elfcore_fields_init(&fields, core, data, len, header->phoff, "program headers");
    guint64 end = G_MAXUINT64;
    for (guint64 i = 0; i < count; i++) {
        guint64 off = dk_cursor_off(&fields.cursor);
        DkElf64Segment segment = {0};
        if (guess && off + size > end)
            break;
        core->phnum++;
        read_segment(core, &fields, &segment);
        add_segment(core, &segment, off);
        if (segment.filesz && segment.offset > header->phoff)
            end = MIN(end, segment.offset);
    }
    return TRUE;
}

static gboolean read_tables(DkElfcore *core, const Header *header, GError **error)
{
    gsize size = segment_size(core);
    if (!header->phnum && dk_vmcore_is_xen(core, header->shoff, core->shnum))
        return fail(error, DK_ERROR_UNSUPPORTED,
                    "is a core of a Xen domain (memory in the section .xen_pages), which is not "
                    "yet readable");
    if (!header->phnum)
        return fail(error, DK_ERROR_DAMAGED,
                    "has no program headers (e_phnum is 0), so it holds nothing");
    if (header->phentsize != size)
        return fail(error, DK_ERROR_DAMAGED, "e_phentsize is %u, expected %u", header->phentsize,
                    (guint)size);
    if (header->phoff > core->size)
        return fail(error, DK_ERROR_DAMAGED,
                    "e_phoff is " HEX ", behind the end of the file at " HEX, header->phoff,
                    core->size);
    guint64 fits = (core->size - header->phoff) / size;
    guint64 count = header->phnum;
    gboolean guess = FALSE;
    if (header->phnum == PN_XNUM) {
        count = extended_count(core, header->shoff);
        if (!count) {
            dk_elfcore_damage(core, "data",
                              "e_phnum is 0xffff (PN_XNUM) and no section header 0 at " HEX
                              " says how many program headers there are",
                              header->shoff);
            guess = TRUE;
            count = MIN(fits, DK_ELFCORE_SEGMENTS_MAX);
        }
    }
    if (count > fits)
        return fail(error, DK_ERROR_DAMAGED,
                    "is cut off inside the table of program headers: %" G_GUINT64_FORMAT
                    " entries from offset " HEX " need " HEX " bytes, the file ends at " HEX,
                    count, header->phoff, count * size, core->size);
    if (count > DK_ELFCORE_SEGMENTS_MAX)
        return fail(error, DK_ERROR_LIMIT,
                    "has %" G_GUINT64_FORMAT " program headers; the limit is %" G_GUINT64_FORMAT,
                    count, DK_ELFCORE_SEGMENTS_MAX);
    return read_segments(core, header, count, guess, error);
}

static void identify(DkElfcore *core)
{
    DkSubject *subject = core->source.subject;
    gboolean linux_notes = FALSE;
    const char *other = NULL;
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        linux_notes = linux_notes || g_str_equal(note->owner, "LINUX") ||
                      (g_str_equal(note->owner, "CORE") &&
                       (note->type == NT_FILE || note->type == NT_SIGINFO));
        if (g_str_has_prefix(note->owner, "FreeBSD"))
            other = "FreeBSD";
        else if (g_str_has_prefix(note->owner, "NetBSD"))
            other = "NetBSD";
        else if (g_str_has_prefix(note->owner, "OpenBSD"))
            other = "OpenBSD";
    }
    if (!other && core->osabi != ELFOSABI_NONE && core->osabi != ELFOSABI_LINUX && !linux_notes)
        other = "another system";
    const DkElfcoreMachine *machine =
        core->big_endian ? NULL : dk_elfcore_machine_find(core->e_machine, dk_elfcore_word(core));
    subject->machine = machine ? machine->id : DK_MACHINE_UNKNOWN;
    subject->os = other ? DK_OS_OTHER : machine || linux_notes ? DK_OS_LINUX : DK_OS_OTHER;
    core->foreign = other != NULL;
    core->machine = other ? NULL : machine;
    if (other) {
        dk_subject_add_gap(subject, "thread", 1, 0, 0,
                           "notes of %s: process, threads and registers are not understood", other);
    } else if (!machine) {
        const char *label = dk_elfcore_machine_label(core->e_machine);
        dk_subject_add_gap(subject, "regset", 1, 0, 0,
                           "registers of machine %u (%s, %s-bit, %s-endian) are not understood",
                           core->e_machine, label ? label : "unknown", core->wide ? "64" : "32",
                           core->big_endian ? "big" : "little");
    }
}

/* One gap for each stretch of memory that the end of the file cuts off. */
static void tell_cut(DkElfcore *core)
{
    DkSubject *subject = core->source.subject;
    guint told = 0;
    guint more = 0;
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        guint64 held = MIN(load->filesz - 1, load->last - load->first) + 1;
        if (!load->filesz || load->present >= held)
            continue;
        if (told++ >= DK_ELFCORE_COMPLAINTS_MAX) {
            more++;
            continue;
        }
        dk_subject_add_gap(subject, "data", load->first + load->present, load->first + (held - 1),
                           0, "the file ends at offset " HEX ", this stands at " HEX " to " HEX,
                           core->size, load->off + load->present, load->off + held - 1);
    }
    if (more)
        dk_subject_add_gap(subject, "data", 1, 0, 0,
                           "the file ends at offset " HEX " before %u more segments", core->size,
                           more);
    for (guint i = 0; i < core->segments->len; i++) {
        const DkElfcoreNotes *notes = &g_array_index(core->segments, DkElfcoreNotes, i);
        if (notes->present < notes->size && i < DK_ELFCORE_COMPLAINTS_MAX)
            dk_subject_add_gap(subject, "data", 1, 0, 0,
                               "the file ends at offset " HEX ", notes stand at " HEX " to " HEX,
                               core->size, notes->off,
                               notes->off + MIN(notes->size - 1, G_MAXUINT64 - notes->off));
    }
}

static gint compare_loads(gconstpointer a, gconstpointer b)
{
    const DkElfcoreLoad *left = a;
    const DkElfcoreLoad *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* Whether two loads of physical memory, mapped twice, have the same bytes of the file. */
static gboolean same_bytes(const DkElfcoreLoad *a, const DkElfcoreLoad *b)
{
    return a->off - a->first == b->off - b->first;
}

static void count_overlaps(DkElfcore *core)
{
    g_autoptr(GArray) sorted = g_array_copy(core->loads);
    g_array_sort(sorted, compare_loads);
    const DkElfcoreLoad *reach = NULL; /* the one that goes farthest so far */
    for (guint i = 0; i < sorted->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(sorted, DkElfcoreLoad, i);
        if (reach && load->first <= reach->last &&
            !(dk_elfcore_is_machine(core) && same_bytes(load, reach)) && !core->overlapping++)
            core->overlap_va = load->first;
        if (!reach || load->last > reach->last)
            reach = load;
    }
}

/*
 * Who wrote it, where that can be told: gcore writes sections and PRPSINFO first; the kernel begins
 * with PRSTATUS, PRPSINFO, SIGINFO, AUXV, and its siginfo is that of the signal.
 */
static void guess_writer(DkElfcore *core)
{
    static const guint32 order[] = {NT_PRSTATUS, NT_PRPSINFO, NT_SIGINFO, NT_AUXV};
    DkOrigin *origin = &core->source.subject->origin;
    if (origin->writer || core->foreign || !core->notes->len)
        return;
    const DkElfcoreNote *notes = &g_array_index(core->notes, DkElfcoreNote, 0);
    if (notes[0].type == NT_PRPSINFO && core->shnum > 1) {
        origin->writer = g_strdup("gcore");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        if (i >= core->notes->len || notes[i].type != order[i] ||
            !g_str_equal(notes[i].owner, "CORE"))
            return;
    }
    const DkException *exception = &core->source.subject->process.exception;
    if (core->shnum <= 1 && exception->valid && exception->code)
        origin->writer = g_strdup("Linux kernel");
}

static void take_process(DkElfcore *core)
{
    identify(core);
    tell_cut(core);
    count_overlaps(core);
    core->source.space = dk_elfcore_space_new(core->input, core->loads, DK_RUN_ABSENT);
    if (!core->foreign) {
        dk_elfcore_auxv_take(core);
        dk_elfcore_threads_take(core);
        dk_elfcore_files_take(core);
        dk_elfcore_own_take(core);
    }
    guess_writer(core);
    dk_elfcore_mappings_make(core);
    dk_elfcore_modules_make(core);
    dk_subject_sort(core->source.subject);
}

/*
 * The loads, and where a filter of ours left pages out, all RAM as a load without bytes: what lies
 * between the others is then no loss.  Of a file that is cut nobody knows that.
 */
static GArray *loads_and_filtered(const DkElfcore *core)
{
    GArray *loads = g_array_copy(core->loads);
    const DkSubject *subject = core->source.subject;
    gboolean is_filtered = FALSE;
    for (guint i = 0; i < subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(subject->gaps, i);
        if (g_str_equal(gap->what, "data"))
            return loads;
        is_filtered = is_filtered || g_str_equal(gap->what, "excluded");
    }
    for (guint i = 0; is_filtered && i < subject->system.ram->len; i++) {
        const DkRamRange *range = &g_array_index(subject->system.ram, DkRamRange, i);
        DkElfcoreLoad load = {.first = range->first, .last = range->last};
        g_array_append_val(loads, load);
    }
    return loads;
}

static void take_machine(DkElfcore *core)
{
    core->source.ops = &dk_vmcore_source_ops;
    dk_vmcore_take(core);
    tell_cut(core);
    count_overlaps(core);
    g_autoptr(GArray) loads = loads_and_filtered(core);
    core->source.space = dk_elfcore_space_new(core->input, loads, DK_RUN_FILTERED);
}

static DkSource *elfcore_open(DkInput *input, GError **error)
{
    DkElfcore *core = g_new0(DkElfcore, 1);
    dk_source_init(&core->source, &dk_elfcore_source_ops, dk_input_name(input));
    g_autoptr(DkSource) source = &core->source;
    source->subject = dk_subject_new();
    source->format = "elf";
    core->input = dk_input_ref(input);
    core->size = dk_input_size(input);
    core->loads = g_array_new(FALSE, FALSE, sizeof(DkElfcoreLoad));
    core->segments = g_array_new(FALSE, FALSE, sizeof(DkElfcoreNotes));
    core->notes = g_array_new(FALSE, FALSE, sizeof(DkElfcoreNote));
    core->files = g_array_new(FALSE, FALSE, sizeof(DkElfcoreFile));
    core->damage = g_ptr_array_new_with_free_func(g_free);
    Header header = {0};
    if (!read_header(core, &header, error) || !read_tables(core, &header, error))
        return NULL;
    core->quiet = TRUE;
    dk_elfcore_notes_scan(core);
    core->quiet = FALSE;
    if (!dk_vmcore_detect(core, error))
        return NULL;
    g_array_set_size(core->notes, 0);
    place_loads(core);
    dk_elfcore_notes_scan(core);
    if (dk_elfcore_is_machine(core))
        take_machine(core);
    else
        take_process(core);
    return g_steal_pointer(&source);
}

static void elfcore_close(DkSource *source)
{
    DkElfcore *core = (DkElfcore *)source;
    g_clear_pointer(&core->input, dk_input_unref);
    g_array_unref(core->loads);
    g_array_unref(core->segments);
    g_array_unref(core->notes);
    for (guint i = 0; i < core->files->len; i++)
        g_free(g_array_index(core->files, DkElfcoreFile, i).path);
    g_array_unref(core->files);
    g_ptr_array_unref(core->damage);
    g_free(core);
}

const DkSourceOps dk_elfcore_source_ops = {
    .name = "elf core",
    .caps = DK_SOURCE_VIRT | DK_SOURCE_REGS,
    .foreach_note = dk_elfcore_foreach_note,
    .close = elfcore_close,
};

const DkSourceOps dk_vmcore_source_ops = {
    .name = "elf vmcore",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS,
    .foreach_note = dk_elfcore_foreach_note,
    .close = elfcore_close,
};

extern const DkFormat dk_format_elfcore;

static const char *const extensions[] = {"core", "elf", NULL};

const DkFormat dk_format_elfcore = {
    .name = "elf",
    .summary = "ELF core of a process or vmcore of a machine, as the Linux kernel, gcore, QEMU and "
               "dumpkit write them",
    .open = elfcore_open,
    .sink_new = dk_elfcore_sink_new,
    .writes = 1 << DK_SUBJECT_PROCESS | 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .verify = dk_elfcore_verify,
};
