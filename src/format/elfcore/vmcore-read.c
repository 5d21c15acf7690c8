/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine of an ELF dump: what its notes and program headers say. */
#include <string.h>

#include "base/size.h"
#include "format/elfcore/elfcore-reader.h"
#include "format/machine-notes.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* By the machine alone: 32- and 64-bit files are made of the same 64-bit machine. */
static DkMachineId machine_id(const DkElfcore *core)
{
    if (core->big_endian)
        return DK_MACHINE_UNKNOWN;
    switch (core->e_machine) {
    case EM_X86_64:
        return DK_MACHINE_X86_64;
    case EM_386:
        return DK_MACHINE_X86;
    case EM_AARCH64:
        return DK_MACHINE_ARM64;
    default:
        return DK_MACHINE_UNKNOWN;
    }
}

static void take_segment(DkElfcore *core, const DkElfcoreNotes *segment)
{
    DkSubject *subject = core->source.subject;
    if (!segment->present)
        return;
    if (segment->present > DK_VMCORE_NOTES_MAX) {
        dk_elfcore_damage(core, "data",
                          "notes of " HEX " bytes at offset " HEX
                          " are more than the limit of " HEX,
                          segment->present, segment->off, DK_VMCORE_NOTES_MAX);
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = dk_input_read_bytes(core->input, "notes", segment->off,
                                                  segment->present, DK_VMCORE_NOTES_MAX, &error);
    if (!bytes) {
        dk_elfcore_damage(core, "data", "%s", error->message);
        return;
    }
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    dk_machine_notes_read(subject, data, len, segment->off, "notes");
}

/* Of a big-endian file only the text can be taken. */
static void take_big_endian(DkElfcore *core)
{
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        if (!g_str_equal(note->owner, "VMCOREINFO"))
            continue;
        g_autoptr(GBytes) text = dk_elfcore_note_read(core, note, DK_VMCOREINFO_MAX, NULL);
        gsize len = 0;
        const void *data = text ? g_bytes_get_data(text, &len) : NULL;
        if (data && dk_machine_vmcoreinfo_take(core->source.subject, data, len))
            return;
    }
}

/* A file without a machine, as of a plain copy of memory, has no registers either. */
static void tell_unknown_machine(DkElfcore *core)
{
    if (core->e_machine == EM_NONE)
        return;
    const char *label = dk_elfcore_machine_label(core->e_machine);
    dk_subject_add_gap(core->source.subject, "cpu", 1, 0, 0,
                       "registers of machine %u (%s, %s-endian) are not understood",
                       core->e_machine, label ? label : "unknown",
                       core->big_endian ? "big" : "little");
}

/* The lowest place of memory in the file. */
static guint64 data_off(const DkElfcore *core)
{
    guint64 lowest = G_MAXUINT64;
    for (guint i = 0; i < core->loads->len; i++)
        lowest = MIN(lowest, g_array_index(core->loads, DkElfcoreLoad, i).off);
    return lowest;
}

/*
 * The content of our note that says where the closing notes are; FALSE when it was copied into a
 * file that another program made of ours.
 */
static gboolean read_closing(DkElfcore *core, const DkElfcoreNote *note, DkElfOwnClosing *closing)
{
    g_autoptr(GBytes) content = dk_elfcore_note_read(core, note, sizeof *closing, NULL);
    if (!content)
        return FALSE;
    DkElfcoreFields fields;
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    dk_elfcore_fields_init(&fields, core, data, len, note->off, "place of the closing notes");
    closing->off = dk_elfcore_u64(&fields, "offset");
    closing->size = dk_elfcore_u64(&fields, "size");
    closing->segments = dk_elfcore_u64(&fields, "program headers");
    closing->data_off = dk_elfcore_u64(&fields, "offset of the memory");
    return !fields.failed && closing->segments == core->phnum &&
           (!core->loads->len || closing->data_off == data_off(core));
}

/* The closing notes of our own, which no program header leads to; FALSE: the file is not ours. */
static gboolean take_closing(DkElfcore *core)
{
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        core->own |= dk_elfcore_note_is_own(note, DK_ELF_OWN_INFO);
    }
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        DkElfOwnClosing place;
        if (!dk_elfcore_note_is_own(note, DK_ELF_OWN_CLOSING))
            continue;
        core->own &= !note->cut && read_closing(core, note, &place);
        if (!core->own)
            return FALSE;
        DkElfcoreNotes closing = {.off = place.off,
                                  .size = place.size,
                                  .present = dk_elfcore_present(core, place.off, place.size),
                                  .align = 4};
        g_array_append_val(core->segments, closing);
        dk_elfcore_notes_scan_segment(core, &closing);
        break;
    }
    dk_elfcore_own_result_take(core);
    return TRUE;
}

static gint compare_ranges(gconstpointer a, gconstpointer b)
{
    const DkRamRange *left = a;
    const DkRamRange *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/* RAM is where program headers say that there is memory; the same may stand there twice. */
static void make_ram(DkElfcore *core)
{
    DkMachine *system = &core->source.subject->system;
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(DkRamRange));
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        DkRamRange range = {load->first, load->last};
        g_array_append_val(ranges, range);
    }
    g_array_sort(ranges, compare_ranges);
    for (guint i = 0; i < ranges->len;) {
        DkRamRange range = g_array_index(ranges, DkRamRange, i);
        for (i++; i < ranges->len; i++) {
            const DkRamRange *next = &g_array_index(ranges, DkRamRange, i);
            if (next->first > range.last)
                break;
            range.last = MAX(range.last, next->last);
        }
        dk_machine_add_ram(system, range.first, range.last);
    }
}

/* What was left out when the file was made; the file does not say why. */
static gboolean tell_left_out(DkElfcore *core)
{
    guint count = 0;
    guint64 bytes = 0;
    for (guint i = 0; i < core->loads->len; i++) {
        const DkElfcoreLoad *load = &g_array_index(core->loads, DkElfcoreLoad, i);
        guint64 size = load->last - load->first + 1;
        if (load->filesz >= size)
            continue;
        count++;
        bytes = dk_size_add(bytes, size - load->filesz);
    }
    if (!count)
        return FALSE;
    g_autofree char *text = dk_size_text(bytes);
    dk_subject_add_gap(core->source.subject, "excluded", 1, 0, 0,
                       "%s in %u segments are not in the file (p_filesz is below p_memsz): pages "
                       "that were zero or were filtered out",
                       text, count);
    return TRUE;
}

static void set_writer(DkElfcore *core, const char *writer, const char *method)
{
    DkOrigin *origin = &core->source.subject->origin;
    g_free(origin->writer);
    origin->writer = g_strdup(writer);
    if (method) {
        g_free(origin->method);
        origin->method = g_strdup(method);
    }
}

static void name_writer(DkElfcore *core, gboolean left_out)
{
    DkSubject *subject = core->source.subject;
    gboolean odd = core->ehsize == 8 || core->sections_first;
    switch (core->of) {
    case DK_VMCORE_OWN:
        set_writer(core, "makedumpfile", NULL);
        break;
    case DK_VMCORE_QEMU:
        if (left_out && !odd)
            set_writer(core, "makedumpfile", NULL);
        else
            set_writer(core, odd ? "QEMU 7.2 or later" : "QEMU", "dump-guest-memory");
        break;
    case DK_VMCORE_LINUX:
        if (left_out)
            set_writer(core, "makedumpfile", NULL);
        else
            set_writer(core, "Linux kernel", "/proc/vmcore");
        break;
    case DK_VMCORE_VIRTUALBOX:
        set_writer(core, "VirtualBox", NULL);
        dk_subject_add_gap(subject, "cpu", 1, 0, 0,
                           "the CPU state in VirtualBox's notes is not understood");
        break;
    case DK_VMCORE_FREEBSD:
        set_writer(core, "FreeBSD kernel", NULL);
        subject->os = DK_OS_OTHER;
        subject->os_version = g_strdup("FreeBSD");
        dk_subject_add_gap(subject, "cpu", 1, 0, 0, "a full dump of FreeBSD has no registers");
        break;
    default:
        break;
    }
}

void dk_vmcore_take(DkElfcore *core)
{
    DkSubject *subject = core->source.subject;
    subject->kind = DK_SUBJECT_MACHINE;
    subject->machine = machine_id(core);
    core->machine = dk_elfcore_machine_by_id(subject->machine);
    make_ram(core);
    if (core->big_endian) {
        take_big_endian(core);
    } else {
        for (guint i = 0; i < core->segments->len; i++)
            take_segment(core, &g_array_index(core->segments, DkElfcoreNotes, i));
    }
    if (!core->machine)
        tell_unknown_machine(core);
    gboolean left_out = tell_left_out(core);
    if (core->of != DK_VMCORE_OWN || !take_closing(core))
        name_writer(core, left_out);
}

/* --- notes in words --- */

static gboolean tell_state(const DkElfcoreNote *note, DkElfcoreFields *fields, GString *text)
{
    guint64 version = dk_elfcore_u32(fields, "version");
    dk_elfcore_u32(fields, "size");
    dk_elfcore_skip(fields, "registers", (gsize)16 * 8);
    guint64 rip = dk_elfcore_u64(fields, "rip");
    dk_elfcore_skip(fields, "rflags and segments", (gsize)8 + (gsize)10 * 24);
    guint64 cr0 = dk_elfcore_u64(fields, "cr0");
    dk_elfcore_skip(fields, "cr1, cr2", (gsize)2 * 8);
    guint64 cr3 = dk_elfcore_u64(fields, "cr3");
    guint64 cr4 = dk_elfcore_u64(fields, "cr4");
    if (fields->failed)
        return FALSE;
    g_string_append_printf(
        text, "version %" G_GUINT64_FORMAT ", rip " HEX ", cr0 " HEX ", cr3 " HEX ", cr4 " HEX,
        version, rip, cr0, cr3, cr4);
    return TRUE;
}

static void tell_vmcoreinfo(const DkElfcore *core, const DkElfcoreNote *note, GString *text)
{
    g_autofree char *release = dk_machine_vmcoreinfo_get(core->source.subject, "OSRELEASE");
    g_string_append_printf(text, "%u bytes", note->size);
    if (release && g_str_equal(note->owner, "VMCOREINFO"))
        g_string_append_printf(text, ", Linux %s", release);
}

/* NT_PRSTATUS: as wide as the machine, whatever the class of the file. */
static gboolean tell_cpu(const DkElfcore *core, const DkElfcoreNote *note, const guint8 *data,
                         gsize len, GString *text)
{
    const DkElfcoreMachine *machine = core->machine;
    if (!machine || len < machine->regs_off + machine->regs_size)
        return FALSE;
    g_autoptr(GBytes) regs = g_bytes_new(data + machine->regs_off, machine->regs_size);
    g_string_append_printf(text, "pc " HEX ", sp " HEX,
                           dk_elfcore_reg(machine, regs, machine->pc_off),
                           dk_elfcore_reg(machine, regs, machine->sp_off));
    return TRUE;
}

gboolean dk_vmcore_tell(DkElfcore *core, const DkElfcoreNote *note, GString *text)
{
    guint8 data[512];
    gssize got = dk_input_read(core->input, note->off, data, MIN(note->size, sizeof data), NULL);
    if (got <= 0)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, data, (gsize)got, note->off, "note");
    if (g_str_equal(note->owner, "QEMU") && !note->type)
        return tell_state(note, &fields, text);
    if (g_str_has_prefix(note->owner, "VMCOREINFO")) {
        tell_vmcoreinfo(core, note, text);
        return TRUE;
    }
    if (dk_elfcore_note_is_own(note, DK_ELF_OWN_CLOSING)) {
        guint64 off = dk_elfcore_u64(&fields, "offset");
        guint64 size = dk_elfcore_u64(&fields, "size");
        g_string_append_printf(text, HEX " bytes at offset " HEX, size, off);
        return !fields.failed;
    }
    return g_str_equal(note->owner, "CORE") && note->type == NT_PRSTATUS &&
           tell_cpu(core, note, data, (gsize)got, text);
}
