/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/machine-notes.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/machine-notes-layout.h"
#include "format/own-record.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* How the notes of a machine hold its registers. */
typedef struct {
    DkMachineId id;
    guint word;        /* bytes of a register in DK_REGSET_GENERAL */
    guint pid_off;     /* in NT_PRSTATUS */
    guint regs_off;    /* in NT_PRSTATUS */
    guint regs_size;   /* of DK_REGSET_GENERAL */
    guint prstatus;    /* bytes of NT_PRSTATUS */
    guint fp_size;     /* of NT_FPREGSET */
    gboolean qemu;     /* "QEMU" notes are of this machine */
    gint8 general[18]; /* index in DK_REGSET_GENERAL of rax .. r15, rip, rflags; -1: not there */
    gint8 segment[6];  /* the same of the selectors, by DkX86SegmentId */
    gint8 fs_base;
    gint8 gs_base;
} Layout;

static const Layout layouts[] = {
    {
        .id = DK_MACHINE_X86_64,
        .word = 8,
        .pid_off = offsetof(DkMachinePrstatus64, pid),
        .regs_off = sizeof(DkMachinePrstatus64),
        .regs_size = 27 * 8,
        .prstatus = sizeof(DkMachinePrstatus64) + 27 * 8 + 8,
        .fp_size = 512,
        .qemu = TRUE,
        .general = {10, 5, 11, 12, 13, 14, 19, 4, 9, 8, 7, 6, 3, 2, 1, 0, 16, 18},
        .segment = {24, 17, 20, 23, 25, 26},
        .fs_base = 21,
        .gs_base = 22,
    },
    {
        .id = DK_MACHINE_X86,
        .word = 4,
        .pid_off = offsetof(DkMachinePrstatus32, pid),
        .regs_off = sizeof(DkMachinePrstatus32),
        .regs_size = 17 * 4,
        .prstatus = sizeof(DkMachinePrstatus32) + 17 * 4 + 4,
        .fp_size = 108,
        .qemu = TRUE,
        .general = {6, 0, 1, 2, 3, 4, 15, 5, -1, -1, -1, -1, -1, -1, -1, -1, 12, 14},
        .segment = {8, 13, 16, 7, 9, 10},
        .fs_base = -1,
        .gs_base = -1,
    },
    {
        .id = DK_MACHINE_ARM64,
        .word = 8,
        .pid_off = offsetof(DkMachinePrstatus64, pid),
        .regs_off = sizeof(DkMachinePrstatus64),
        .regs_size = 34 * 8,
        .prstatus = sizeof(DkMachinePrstatus64) + 34 * 8 + 8,
        .fp_size = 528,
        .fs_base = -1,
        .gs_base = -1,
    },
};

static const Layout *find_layout(DkMachineId id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(layouts); i++) {
        if (layouts[i].id == id)
            return &layouts[i];
    }
    return NULL;
}

/* Segments in the order of a "QEMU" note. */
static const DkX86SegmentId segment_order[] = {
    DK_SEG_CS, DK_SEG_DS,  DK_SEG_ES, DK_SEG_FS,  DK_SEG_GS,
    DK_SEG_SS, DK_SEG_LDT, DK_SEG_TR, DK_SEG_GDT, DK_SEG_IDT,
};
static_assert(G_N_ELEMENTS(segment_order) == DK_SEG_COUNT, "");

/* --- VMCOREINFO --- */

/* Borrows the value of key and says how long it is; NULL when it is not there. */
static const char *find_key(const char *text, gsize len, const char *key, gsize *value_len)
{
    gsize key_len = strlen(key);
    for (gsize pos = 0; pos < len;) {
        const char *line = text + pos;
        const char *end = memchr(line, '\n', len - pos);
        gsize size = end ? (gsize)(end - line) : len - pos;
        if (size > key_len && line[key_len] == '=' && memcmp(line, key, key_len) == 0) {
            *value_len = size - key_len - 1;
            return line + key_len + 1;
        }
        pos += size + 1;
    }
    return NULL;
}

char *dk_machine_vmcoreinfo_get(const DkSubject *subject, const char *key)
{
    if (!subject->system.vmcoreinfo)
        return NULL;
    gsize len;
    const char *text = g_bytes_get_data(subject->system.vmcoreinfo, &len);
    gsize value_len;
    const char *value = find_key(text, len, key, &value_len);
    if (!value)
        return NULL;
    g_autofree char *raw = g_strndup(value, value_len);
    return g_utf8_make_valid(raw, -1);
}

static gboolean get_number(const DkSubject *subject, const char *key, guint64 max, guint64 *value)
{
    g_autofree char *text = dk_machine_vmcoreinfo_get(subject, key);
    return text && g_ascii_string_to_unsigned(text, 10, 0, max, value, NULL);
}

gboolean dk_machine_vmcoreinfo_take(DkSubject *subject, const void *text, gsize len)
{
    const char *bytes = text;
    while (len && !bytes[len - 1])
        len--;
    if (!len || len > DK_VMCOREINFO_MAX)
        return FALSE;
    g_clear_pointer(&subject->system.vmcoreinfo, g_bytes_unref);
    subject->system.vmcoreinfo = g_bytes_new(text, len);
    g_autofree char *release = dk_machine_vmcoreinfo_get(subject, "OSRELEASE");
    guint64 value;
    if (release && (subject->os == DK_OS_UNKNOWN || subject->os == DK_OS_LINUX)) {
        subject->os = DK_OS_LINUX;
        if (!subject->os_version)
            subject->os_version = g_steal_pointer(&release);
    }
    if (get_number(subject, "PAGESIZE", (guint64)1 << 20, &value) && value >= 4096 &&
        !(value & (value - 1)))
        subject->page_size = (guint)value;
    if (subject->origin.time_us < 0 &&
        get_number(subject, "CRASHTIME", G_MAXINT64 / G_USEC_PER_SEC, &value) && value)
        subject->origin.time_us = (gint64)value * G_USEC_PER_SEC;
    return TRUE;
}

/* --- reading --- */

typedef struct {
    DkSubject *subject;
    const Layout *layout; /* NULL: registers are not understood */
    const char *name;
    guint statuses; /* NT_PRSTATUS so far: the CPU that is being read is the last of them */
    guint states;   /* "QEMU" notes so far */
    guint dropped;  /* notes of CPUs above the limit */
} Reader;

/* A note, its parts borrowed. */
typedef struct {
    const char *owner; /* not ended by a NUL */
    gsize owner_len;   /* without one */
    guint32 type;
    const guint8 *content;
    gsize len;
    guint64 off; /* of the note in the file */
} Note;

static gboolean owned_by(const Note *note, const char *owner)
{
    return note->owner_len == strlen(owner) && memcmp(note->owner, owner, note->owner_len) == 0;
}

static void complain(const Reader *reader, const char *what, const Note *note, const char *why)
{
    dk_subject_add_gap(reader->subject, what, 1, 0, 0, "%s: the note at offset " HEX " %s",
                       reader->name, note->off, why);
}

/* The CPU that note number index speaks of; NULL above the limit. */
static DkCpu *cpu_at(Reader *reader, guint index)
{
    DkMachine *system = &reader->subject->system;
    if (index >= DK_MACHINE_CPUS_MAX) {
        reader->dropped++;
        return NULL;
    }
    while (system->cpus->len <= index)
        dk_machine_add_cpu(system, system->cpus->len);
    return g_ptr_array_index(system->cpus, index);
}

static void set_missing(DkCpu *cpu, const char *why)
{
    if (!cpu->missing && !cpu->regs[DK_REGSET_GENERAL])
        cpu->missing = g_strdup(why);
}

static void take_prstatus(Reader *reader, const Note *note)
{
    const Layout *layout = reader->layout;
    DkCpu *cpu = cpu_at(reader, reader->statuses++);
    if (!cpu)
        return;
    if (!layout) {
        set_missing(cpu, "registers of this kind of machine are not understood");
        return;
    }
    DkCursor cursor;
    guint32 pid = 0;
    const guint8 *regs = NULL;
    dk_cursor_init(&cursor, note->content, note->len, note->off, "NT_PRSTATUS");
    /* Some writers leave out fpvalid and what fills the struct up. */
    if (!dk_cursor_seek(&cursor, "pr_pid", layout->pid_off, NULL) ||
        !dk_cursor_u32(&cursor, "pr_pid", &pid, NULL) ||
        !dk_cursor_seek(&cursor, "pr_reg", layout->regs_off, NULL) ||
        !(regs = dk_cursor_bytes(&cursor, "pr_reg", layout->regs_size, NULL))) {
        complain(reader, "cpu", note, "is too short for the registers of its machine");
        set_missing(cpu, "its NT_PRSTATUS is too short");
        return;
    }
    cpu->pid = pid;
    g_clear_pointer(&cpu->regs[DK_REGSET_GENERAL], g_bytes_unref);
    cpu->regs[DK_REGSET_GENERAL] = g_bytes_new(regs, layout->regs_size);
}

static void take_fp(Reader *reader, const Note *note)
{
    const DkMachine *system = &reader->subject->system;
    if (!reader->layout || note->len != reader->layout->fp_size || !reader->statuses ||
        reader->statuses > system->cpus->len)
        return;
    DkCpu *cpu = g_ptr_array_index(system->cpus, reader->statuses - 1);
    if (!cpu->regs[DK_REGSET_FP])
        cpu->regs[DK_REGSET_FP] = g_bytes_new(note->content, note->len);
}

static gboolean read_segment(DkCursor *cursor, DkX86Segment *segment)
{
    guint32 pad;
    return dk_cursor_u32(cursor, "selector", &segment->selector, NULL) &&
           dk_cursor_u32(cursor, "limit", &segment->limit, NULL) &&
           dk_cursor_u32(cursor, "flags", &segment->flags, NULL) &&
           dk_cursor_u32(cursor, "pad", &pad, NULL) &&
           dk_cursor_u64(cursor, "base", &segment->base, NULL);
}

static void store_word(guint8 *regs, const Layout *layout, gint index, guint64 value)
{
    guint64 wide = GUINT64_TO_LE(value);
    if (index >= 0)
        memcpy(regs + (gsize)index * layout->word, &wide, layout->word);
}

static guint64 load_word(const guint8 *regs, const Layout *layout, gint index)
{
    guint64 wide = 0;
    if (index >= 0)
        memcpy(&wide, regs + (gsize)index * layout->word, layout->word);
    return GUINT64_FROM_LE(wide);
}

/*
 * General registers out of a "QEMU" note, for a CPU without NT_PRSTATUS; of one that has it only
 * the bases, which some versions of QEMU leave 0 there.
 */
static void merge_general(DkCpu *cpu, const Layout *layout, const guint64 general[18])
{
    g_autofree guint8 *regs = g_malloc0(layout->regs_size);
    GBytes *known = cpu->regs[DK_REGSET_GENERAL];
    if (known) {
        memcpy(regs, g_bytes_get_data(known, NULL), layout->regs_size);
    } else {
        for (guint i = 0; i < 18; i++)
            store_word(regs, layout, layout->general[i], general[i]);
        for (guint i = 0; i < G_N_ELEMENTS(layout->segment); i++)
            store_word(regs, layout, layout->segment[i], cpu->seg[i].selector);
    }
    store_word(regs, layout, layout->fs_base, cpu->seg[DK_SEG_FS].base);
    store_word(regs, layout, layout->gs_base, cpu->seg[DK_SEG_GS].base);
    cpu->regs[DK_REGSET_GENERAL] = g_bytes_new(regs, layout->regs_size);
    g_clear_pointer(&known, g_bytes_unref);
    g_clear_pointer(&cpu->missing, g_free);
}

/* All of a "QEMU" note; FALSE when it ends before the control registers do. */
static gboolean read_state(DkCursor *cursor, DkCpu *cpu, guint64 general[18], guint64 cr[5])
{
    for (guint i = 0; i < 18; i++) {
        if (!dk_cursor_u64(cursor, "register", &general[i], NULL))
            return FALSE;
    }
    for (guint i = 0; i < G_N_ELEMENTS(segment_order); i++) {
        if (!read_segment(cursor, &cpu->seg[segment_order[i]]))
            return FALSE;
    }
    for (guint i = 0; i < 5; i++) {
        if (!dk_cursor_u64(cursor, "control register", &cr[i], NULL))
            return FALSE;
    }
    return TRUE;
}

static void take_state(Reader *reader, const Note *note)
{
    guint index = reader->states++;
    DkCpu fresh = {0};
    DkCursor cursor;
    guint32 version = 0;
    guint32 size = 0;
    guint64 general[18];
    guint64 cr[5];
    dk_cursor_init(&cursor, note->content, note->len, note->off, "QEMU CPU state");
    if (!reader->layout || !reader->layout->qemu)
        return;
    if (!dk_cursor_u32(&cursor, "version", &version, NULL) ||
        !dk_cursor_u32(&cursor, "size", &size, NULL) || size > note->len) {
        complain(reader, "cpu", note, "(QEMU's CPU state) is larger than it can be");
        return;
    }
    if (version != DK_QEMU_CPU_STATE_VERSION) {
        complain(reader, "cpu", note, "(QEMU's CPU state) has another version than 1");
        return;
    }
    cursor.len = MIN(cursor.len, size);
    if (!read_state(&cursor, &fresh, general, cr)) {
        complain(reader, "cpu", note, "(QEMU's CPU state) is too short");
        return;
    }
    DkCpu *cpu = cpu_at(reader, index);
    if (!cpu)
        return;
    memcpy(cpu->seg, fresh.seg, sizeof cpu->seg);
    cpu->cr0 = cr[0];
    cpu->cr2 = cr[2];
    cpu->cr3 = cr[3];
    cpu->cr4 = cr[4];
    cpu->parts |= DK_CPU_SEGMENTS | DK_CPU_CONTROL;
    if (dk_cursor_u64(&cursor, "kernel_gs_base", &cpu->kernel_gs_base, NULL))
        cpu->parts |= DK_CPU_KERNEL_GS;
    merge_general(cpu, reader->layout, general);
    if (!reader->subject->origin.writer)
        reader->subject->origin.writer = g_strdup("QEMU");
}

static void take_note(Reader *reader, const Note *note)
{
    if (owned_by(note, "CORE") && note->type == NT_PRSTATUS) {
        take_prstatus(reader, note);
    } else if (owned_by(note, "CORE") && note->type == NT_PRFPREG) {
        take_fp(reader, note);
    } else if (owned_by(note, "QEMU") && note->type == 0) {
        take_state(reader, note);
    } else if (owned_by(note, "VMCOREINFO")) {
        if (!dk_machine_vmcoreinfo_take(reader->subject, note->content, note->len))
            complain(reader, "data", note, "(VMCOREINFO) is empty or larger than 1 MiB");
    } else if (owned_by(note, DK_OWN_NOTE_OWNER) && note->type == DK_OWN_NOTE_INFO) {
        g_autoptr(GError) error = NULL;
        if (!dk_own_info_read(reader->subject, note->content, note->len, &error))
            complain(reader, "data", note, error->message);
    }
}

/* Bytes of len filled up to a multiple of 4, of those that are left. */
static const guint8 *padded(DkCursor *cursor, const char *field, gsize len)
{
    const guint8 *bytes = dk_cursor_bytes(cursor, field, len, NULL);
    gsize fill = (4 - (len & 3)) & 3;
    if (bytes && !dk_cursor_bytes(cursor, "padding", MIN(fill, dk_cursor_left(cursor)), NULL))
        return NULL;
    return bytes;
}

/* The next note; FALSE at the end, or with a gap where the bytes end inside a note. */
static gboolean next_note(const Reader *reader, DkCursor *cursor, Note *note)
{
    guint32 namesz = 0;
    guint32 descsz = 0;
    *note = (Note){.off = dk_cursor_off(cursor)};
    gsize left = dk_cursor_left(cursor);
    if (!left)
        return FALSE;
    if (dk_cursor_u32(cursor, "namesz", &namesz, NULL) &&
        dk_cursor_u32(cursor, "descsz", &descsz, NULL) &&
        dk_cursor_u32(cursor, "type", &note->type, NULL)) {
        /* What some writers fill the end with. */
        if (!namesz && !descsz && !note->type)
            return FALSE;
        const guint8 *owner = padded(cursor, "owner", namesz);
        note->content = owner ? padded(cursor, "content", descsz) : NULL;
        if (note->content) {
            note->owner = (const char *)owner;
            note->owner_len = strnlen(note->owner, namesz);
            note->len = descsz;
            return TRUE;
        }
    }
    dk_subject_add_gap(reader->subject, "data", 1, 0, 0,
                       "%s: the note at offset " HEX " is cut off: it has a name of %u and a "
                       "content of %u bytes, %" G_GSIZE_FORMAT " are there",
                       reader->name, note->off, namesz, descsz, left);
    return FALSE;
}

void dk_machine_notes_read(DkSubject *subject, const void *notes, gsize len, guint64 off,
                           const char *name)
{
    Reader reader = {.subject = subject, .layout = find_layout(subject->machine), .name = name};
    DkCursor cursor;
    Note note;
    dk_cursor_init(&cursor, notes, len, off, name);
    while (next_note(&reader, &cursor, &note))
        take_note(&reader, &note);
    if (reader.dropped)
        dk_subject_add_gap(subject, "cpu", 1, 0, 0, "%s: %u notes of CPUs above number %u", name,
                           reader.dropped, DK_MACHINE_CPUS_MAX);
    const GPtrArray *cpus = subject->system.cpus;
    for (guint i = 0; i < cpus->len; i++) {
        DkCpu *cpu = g_ptr_array_index(cpus, i);
        set_missing(cpu, "the file has no registers of it");
        /* QEMU knows no tasks and counts its CPUs from 1 on there. */
        if (cpu->parts & DK_CPU_SEGMENTS && cpu->pid == cpu->index + 1)
            cpu->pid = 0;
    }
    subject->cpus = MAX(subject->cpus, cpus->len);
}

/* --- writing --- */

static void put32(GByteArray *out, guint32 value)
{
    guint32 le = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&le, sizeof le);
}

static void put64(GByteArray *out, guint64 value)
{
    guint64 le = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&le, sizeof le);
}

static void put_zeros(GByteArray *out, guint len)
{
    static const guint8 zeros[256];
    for (guint step; len; len -= step) {
        step = MIN(len, (guint)sizeof zeros);
        g_byte_array_append(out, zeros, step);
    }
}

static void put_padding(GByteArray *out)
{
    put_zeros(out, (4 - (out->len & 3)) & 3);
}

static void put_note(GByteArray *out, const char *owner, guint32 type, const void *content,
                     gsize len)
{
    guint namesz = (guint)strlen(owner) + 1;
    put32(out, namesz);
    put32(out, (guint32)len);
    put32(out, type);
    g_byte_array_append(out, (const guint8 *)owner, namesz);
    put_padding(out);
    g_byte_array_append(out, content, (guint)len);
    put_padding(out);
}

static void put_bytes_note(GByteArray *out, const char *owner, guint32 type, GBytes *content)
{
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    put_note(out, owner, type, data, len);
}

static const guint8 *general_of(const DkCpu *cpu, const Layout *layout)
{
    GBytes *regs = cpu->regs[DK_REGSET_GENERAL];
    return regs && g_bytes_get_size(regs) == layout->regs_size ? g_bytes_get_data(regs, NULL)
                                                               : NULL;
}

static gboolean has_state(const DkCpu *cpu, const Layout *layout)
{
    const guint32 need = DK_CPU_SEGMENTS | DK_CPU_CONTROL;
    return layout->qemu && (cpu->parts & need) == need && general_of(cpu, layout);
}

static void put_prstatus(GByteArray *out, const DkCpu *cpu, const Layout *layout)
{
    g_autoptr(GByteArray) note = g_byte_array_new();
    put_zeros(note, layout->pid_off);
    put32(note, cpu->pid || !has_state(cpu, layout) ? cpu->pid : cpu->index + 1);
    put_zeros(note, layout->regs_off - note->len);
    g_byte_array_append(note, general_of(cpu, layout), layout->regs_size);
    put_zeros(note, layout->prstatus - note->len);
    put_note(out, "CORE", NT_PRSTATUS, note->data, note->len);
    GBytes *fp = cpu->regs[DK_REGSET_FP];
    if (fp && g_bytes_get_size(fp) == layout->fp_size)
        put_bytes_note(out, "CORE", NT_PRFPREG, fp);
}

static void put_state(GByteArray *out, const DkCpu *cpu, const Layout *layout)
{
    g_autoptr(GByteArray) note = g_byte_array_new();
    const guint8 *regs = general_of(cpu, layout);
    gboolean kernel_gs = cpu->parts & DK_CPU_KERNEL_GS;
    put32(note, DK_QEMU_CPU_STATE_VERSION);
    put32(note, kernel_gs ? (guint32)sizeof(DkQemuCpuState)
                          : (guint32)offsetof(DkQemuCpuState, kernel_gs_base));
    for (guint i = 0; i < G_N_ELEMENTS(layout->general); i++)
        put64(note, load_word(regs, layout, layout->general[i]));
    for (guint i = 0; i < G_N_ELEMENTS(segment_order); i++) {
        const DkX86Segment *segment = &cpu->seg[segment_order[i]];
        put32(note, segment->selector);
        put32(note, segment->limit);
        put32(note, segment->flags);
        put32(note, 0);
        put64(note, segment->base);
    }
    put64(note, cpu->cr0);
    put64(note, 0);
    put64(note, cpu->cr2);
    put64(note, cpu->cr3);
    put64(note, cpu->cr4);
    if (kernel_gs)
        put64(note, cpu->kernel_gs_base);
    put_note(out, "QEMU", 0, note->data, note->len);
}

GBytes *dk_machine_notes_write(const DkSubject *subject)
{
    GByteArray *out = g_byte_array_new();
    const Layout *layout = find_layout(subject->machine);
    const GPtrArray *cpus = subject->system.cpus;
    for (guint i = 0; layout && i < cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(cpus, i);
        if (general_of(cpu, layout))
            put_prstatus(out, cpu, layout);
    }
    /* The nth of these is of the CPU of the nth NT_PRSTATUS. */
    for (guint i = 0; layout && i < cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(cpus, i);
        if (!general_of(cpu, layout))
            continue;
        if (!has_state(cpu, layout))
            break;
        put_state(out, cpu, layout);
    }
    if (subject->system.vmcoreinfo)
        put_bytes_note(out, "VMCOREINFO", 0, subject->system.vmcoreinfo);
    g_autoptr(GBytes) info = dk_own_info_write(subject);
    put_bytes_note(out, DK_OWN_NOTE_OWNER, DK_OWN_NOTE_INFO, info);
    return g_byte_array_free_to_bytes(out);
}
