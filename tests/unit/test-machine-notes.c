/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "format/machine-notes-layout.h"
#include "format/machine-notes.h"

#define TEXT \
    "OSRELEASE=6.1.0-9-amd64\nPAGESIZE=4096\nNUMBER(phys_base)=16777216\nCRASHTIME=1700000000\n"

static DkSubject *machine_new(DkMachineId id)
{
    DkSubject *subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    subject->machine = id;
    return subject;
}

/* Register n of the CPU is n + 0x1000 times its index + 1. */
static GBytes *general(guint words, guint word, guint32 index)
{
    guint8 bytes[34 * 8] = {0};
    for (guint i = 0; i < words; i++) {
        guint64 value = GUINT64_TO_LE((guint64)i + 0x1000 * index + 1);
        memcpy(bytes + (gsize)i * word, &value, word);
    }
    return g_bytes_new(bytes, (gsize)words * word);
}

static guint64 word_of(GBytes *regs, guint index)
{
    guint64 value;
    memcpy(&value, (const guint8 *)g_bytes_get_data(regs, NULL) + index * 8, sizeof value);
    return GUINT64_FROM_LE(value);
}

static DkSubject *sample(void)
{
    DkSubject *subject = machine_new(DK_MACHINE_X86_64);
    for (guint32 i = 0; i < 3; i++) {
        DkCpu *cpu = dk_machine_add_cpu(&subject->system, i);
        g_autofree guint8 *fp = g_malloc0(512);
        fp[0] = 0x7f;
        cpu->regs[DK_REGSET_GENERAL] = general(27, 8, i);
        cpu->regs[DK_REGSET_FP] = g_bytes_new(fp, 512);
        cpu->parts = DK_CPU_SEGMENTS | DK_CPU_CONTROL | (i ? DK_CPU_KERNEL_GS : 0);
        for (guint s = 0; s < DK_SEG_COUNT; s++)
            cpu->seg[s] = (DkX86Segment){s * 8, 0xfffff, 0xa09b00, 0x100000000 * s + i};
        cpu->seg[DK_SEG_FS].base = word_of(cpu->regs[DK_REGSET_GENERAL], 21);
        cpu->seg[DK_SEG_GS].base = word_of(cpu->regs[DK_REGSET_GENERAL], 22);
        cpu->cr0 = 0x80050033;
        cpu->cr2 = 0x7f0000001000 + i;
        cpu->cr3 = 0x2a10000 + i;
        cpu->cr4 = 0x6f0;
        cpu->kernel_gs_base = i ? 0xffff888000000000 + i : 0;
    }
    g_assert_true(dk_machine_vmcoreinfo_take(subject, TEXT, sizeof TEXT));
    return subject;
}

static DkSubject *read_back(DkMachineId id, GBytes *notes, gsize len)
{
    DkSubject *subject = machine_new(id);
    dk_machine_notes_read(subject, g_bytes_get_data(notes, NULL), len, 0x200, "notes");
    return subject;
}

static void test_round_trip(void)
{
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    g_autoptr(DkSubject) subject = read_back(DK_MACHINE_X86_64, notes, g_bytes_get_size(notes));
    g_assert_cmpuint(subject->gaps->len, ==, 0);
    g_assert_cmpuint(subject->system.cpus->len, ==, 3);
    g_assert_cmpuint(subject->cpus, ==, 3);
    for (guint i = 0; i < 3; i++) {
        const DkCpu *a = g_ptr_array_index(written->system.cpus, i);
        const DkCpu *b = g_ptr_array_index(subject->system.cpus, i);
        g_assert_true(g_bytes_equal(a->regs[DK_REGSET_GENERAL], b->regs[DK_REGSET_GENERAL]));
        g_assert_true(g_bytes_equal(a->regs[DK_REGSET_FP], b->regs[DK_REGSET_FP]));
        g_assert_cmpmem(a->seg, sizeof a->seg, b->seg, sizeof b->seg);
        g_assert_cmphex(a->cr0, ==, b->cr0);
        g_assert_cmphex(a->cr2, ==, b->cr2);
        g_assert_cmphex(a->cr3, ==, b->cr3);
        g_assert_cmphex(a->cr4, ==, b->cr4);
        g_assert_cmphex(a->parts, ==, b->parts);
        g_assert_cmphex(a->kernel_gs_base, ==, b->kernel_gs_base);
        g_assert_cmpuint(b->index, ==, i);
        g_assert_cmpuint(b->pid, ==, 0);
        g_assert_null(b->missing);
    }
    g_assert_true(g_bytes_equal(written->system.vmcoreinfo, subject->system.vmcoreinfo));
    g_assert_cmpint(subject->os, ==, DK_OS_LINUX);
    g_assert_cmpstr(subject->os_version, ==, "6.1.0-9-amd64");
    g_assert_cmpint(subject->origin.time_us, ==, G_GINT64_CONSTANT(1700000000000000));
    g_assert_true(g_str_has_prefix(subject->origin.writer, "dumpkit "));
}

/* What only our own note has a place for. */
static void test_own_note(void)
{
    g_autoptr(DkSubject) written = sample();
    DkMachine *system = &written->system;
    system->name = g_strdup("pc-i440fx-7.2");
    system->page_root = 0x1aa000;
    dk_machine_add_ram(system, 0, 0x9ffff);
    dk_machine_add_ram(system, 0x100000000, 0x1ffffffff);
    system->windows = (DkWindowsFacts){.valid = TRUE,
                                       .build = 19041,
                                       .kdbg_va = 0xfffff80312345678,
                                       .bugcheck_code = 0x161,
                                       .bugcheck_params = {1, 2, 3, G_MAXUINT64}};
    DkCpu *lost = g_ptr_array_index(system->cpus, 1);
    g_clear_pointer(&lost->regs[DK_REGSET_GENERAL], g_bytes_unref);
    lost->missing = g_strdup("it did not answer");
    DkCpu *cpu = g_ptr_array_index(system->cpus, 2);
    cpu->parts |= DK_CPU_EFER | DK_CPU_DEBUG | DK_CPU_SYSCALL | DK_CPU_SYSENTER | DK_CPU_CR8;
    cpu->efer = 0xd01;
    cpu->dr[7] = 0x400;
    cpu->lstar = 0xffffffff82000080;
    cpu->sysenter_eip = 0xffffffff82001000;
    cpu->cr8 = 15;
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    dk_machine_add_ram(&subject->system, 0x90000, 0xfffff);
    dk_machine_notes_read(subject, g_bytes_get_data(notes, NULL), g_bytes_get_size(notes), 0, "n");
    g_assert_cmpuint(subject->gaps->len, ==, 0);
    g_assert_cmpstr(subject->system.name, ==, "pc-i440fx-7.2");
    g_assert_cmphex(subject->system.page_root, ==, 0x1aa000);
    g_assert_cmpuint(subject->system.ram->len, ==, 2);
    g_assert_cmphex(g_array_index(subject->system.ram, DkRamRange, 0).last, ==, 0xfffff);
    g_assert_cmphex(g_array_index(subject->system.ram, DkRamRange, 1).last, ==, 0x1ffffffff);
    g_assert_cmpmem(&subject->system.windows, sizeof(DkWindowsFacts), &system->windows,
                    sizeof(DkWindowsFacts));
    g_assert_cmpuint(subject->system.cpus->len, ==, 3);
    g_assert_cmpuint(subject->cpus, ==, 3);
    const DkCpu *read = g_ptr_array_index(subject->system.cpus, 1);
    g_assert_cmpstr(read->missing, ==, "it did not answer");
    g_assert_null(read->regs[DK_REGSET_GENERAL]);
    read = g_ptr_array_index(subject->system.cpus, 2);
    g_assert_cmpuint(read->index, ==, 2);
    g_assert_cmpuint(read->pid, ==, 0);
    g_assert_cmphex(read->parts, ==, cpu->parts);
    g_assert_cmphex(read->cr3, ==, cpu->cr3);
    g_assert_cmphex(read->efer, ==, 0xd01);
    g_assert_cmphex(read->dr[7], ==, 0x400);
    g_assert_cmphex(read->lstar, ==, cpu->lstar);
    g_assert_cmphex(read->sysenter_eip, ==, cpu->sysenter_eip);
    g_assert_cmphex(read->cr8, ==, 15);
    read = g_ptr_array_index(subject->system.cpus, 0);
    g_assert_false(read->parts & DK_CPU_EFER);
}

/* The bytes are those that QEMU and the kernel write, whatever our reader makes of them. */
static void test_bytes(void)
{
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    const guint8 *at = g_bytes_get_data(notes, NULL);
    static const guint8 head[] = {5, 0, 0, 0, 80, 1, 0, 0, 1, 0, 0, 0, 'C', 'O', 'R', 'E', 0};
    g_assert_cmpmem(at, sizeof head, head, sizeof head);
    at += 12 + 8;
    g_assert_cmpuint(at[0x20], ==, 1);
    g_assert_cmpuint(at[0x70], ==, 1);           /* r15 */
    g_assert_cmpuint(at[0x70 + 16 * 8], ==, 17); /* rip */
    at += 336 + 20 + 512;                        /* NT_FPREGSET of the CPU */
    at += 2 * (20 + 336 + 20 + 512);
    static const guint8 qemu[] = {5, 0, 0, 0, 0xb0, 1, 0, 0, 0, 0, 0, 0, 'Q', 'E', 'M', 'U', 0};
    g_assert_cmpmem(at, sizeof qemu, qemu, sizeof qemu);
    at += 12 + 8;
    g_assert_cmpuint(at[0], ==, 1);
    g_assert_cmpuint(at[4], ==, 0xb0);
    g_assert_cmpuint(at[0x08], ==, 11);        /* rax */
    g_assert_cmpuint(at[0x10], ==, 6);         /* rbx: the 6th of user_regs_struct */
    g_assert_cmpuint(at[0x38], ==, 20);        /* rsp */
    g_assert_cmpuint(at[0x98], ==, 8);         /* cs */
    g_assert_cmphex(at[0x98 + 9], ==, 0x9b);   /* its access byte */
    g_assert_cmphex(at[0x188 + 3 * 8], ==, 0); /* cr3 */
    g_assert_cmphex(at[0x188 + 3 * 8 + 2], ==, 0xa1);
}

static void test_other_machines(void)
{
    const struct {
        DkMachineId id;
        guint words;
        guint word;
    } cases[] = {{DK_MACHINE_X86, 17, 4}, {DK_MACHINE_ARM64, 34, 8}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DkSubject) written = machine_new(cases[i].id);
        DkCpu *cpu = dk_machine_add_cpu(&written->system, 0);
        cpu->regs[DK_REGSET_GENERAL] = general(cases[i].words, cases[i].word, 0);
        cpu->pid = 4711;
        g_autoptr(GBytes) notes = dk_machine_notes_write(written);
        g_autoptr(DkSubject) subject = read_back(cases[i].id, notes, g_bytes_get_size(notes));
        g_assert_cmpuint(subject->gaps->len, ==, 0);
        const DkCpu *read = g_ptr_array_index(subject->system.cpus, 0);
        g_assert_true(g_bytes_equal(read->regs[DK_REGSET_GENERAL], cpu->regs[DK_REGSET_GENERAL]));
        g_assert_cmpuint(read->pid, ==, 4711);
        g_assert_cmpuint(read->parts, ==, 0);
    }
}

/* Of a CPU that only a "QEMU" note tells of. */
static void test_state_alone(void)
{
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    const guint skip = 3 * (20 + 336 + 20 + 512);
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    dk_machine_notes_read(subject, (const guint8 *)g_bytes_get_data(notes, NULL) + skip,
                          g_bytes_get_size(notes) - skip, skip, "notes");
    g_assert_cmpuint(subject->system.cpus->len, ==, 3);
    const DkCpu *cpu = g_ptr_array_index(subject->system.cpus, 1);
    const DkCpu *want = g_ptr_array_index(written->system.cpus, 1);
    g_assert_null(cpu->missing);
    GBytes *regs = cpu->regs[DK_REGSET_GENERAL];
    for (guint i = 0; i < 15; i++)
        g_assert_cmphex(word_of(regs, i), ==, word_of(want->regs[DK_REGSET_GENERAL], i));
    g_assert_cmphex(word_of(regs, 16), ==, 0x1011);
    g_assert_cmphex(word_of(regs, 17), ==, DK_SEG_CS * 8);
    g_assert_cmphex(word_of(regs, 22), ==, want->seg[DK_SEG_GS].base);
}

/* Cut at each length, nothing is read beyond the end, and what is lost is told. */
static void test_cut(void)
{
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    gsize len = g_bytes_get_size(notes);
    guint silent = 0;
    for (gsize cut = 0; cut < len; cut++) {
        g_autofree guint8 *exact = g_memdup2(g_bytes_get_data(notes, NULL), cut);
        g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
        dk_machine_notes_read(subject, exact, cut, 0, "notes");
        silent += subject->gaps->len == 0;
    }
    /* Between notes, and within the padding of the last one. */
    g_assert_cmpuint(silent, >=, 10);
    g_assert_cmpuint(silent, <=, 10 + 6);
}

static void patch32(GByteArray *bytes, gsize off, guint32 value)
{
    guint32 le = GUINT32_TO_LE(value);
    memcpy(bytes->data + off, &le, sizeof le);
}

static void test_damaged(void)
{
    const gsize state = (gsize)3 * (20 + 336 + 20 + 512);
    const struct {
        gsize off;
        guint32 value;
        const char *what;
        const char *why;
    } cases[] = {
        {state + 20, 2, "cpu", "notes: the note at offset 0xa68 (QEMU's CPU state) has another"},
        {state + 24, 0x1b9, "cpu", "notes: the note at offset 0xa68 (QEMU's CPU state) is larger"},
        {state + 24, 0x1af, "cpu", "notes: the note at offset 0xa68 (QEMU's CPU state) is too"},
        {4, 0xffffffff, "data", "notes: the note at offset 0x0 is cut off: it has a name of 5"},
        {0, 0xffffffff, "data", "notes: the note at offset 0x0 is cut off"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DkSubject) written = sample();
        g_autoptr(GBytes) notes = dk_machine_notes_write(written);
        g_autoptr(GByteArray) bytes = g_bytes_unref_to_array(g_steal_pointer(&notes));
        patch32(bytes, cases[i].off, cases[i].value);
        g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
        dk_machine_notes_read(subject, bytes->data, bytes->len, 0, "notes");
        g_assert_cmpuint(subject->gaps->len, ==, 1);
        const DkGap *gap = g_ptr_array_index(subject->gaps, 0);
        g_assert_cmpstr(gap->what, ==, cases[i].what);
        g_assert_true(g_str_has_prefix(gap->why, cases[i].why));
    }
}

static void test_short_prstatus(void)
{
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_ARM64);
    g_autoptr(DkSubject) written = sample();
    g_autoptr(GBytes) notes = dk_machine_notes_write(written);
    dk_machine_notes_read(subject, g_bytes_get_data(notes, NULL), 20 + 336, 0, "notes");
    const DkCpu *cpu = g_ptr_array_index(subject->system.cpus, 0);
    g_assert_cmpstr(cpu->missing, ==, "its NT_PRSTATUS is too short");
    g_assert_null(cpu->regs[DK_REGSET_GENERAL]);
    g_autoptr(DkSubject) other = machine_new(DK_MACHINE_UNKNOWN);
    dk_machine_notes_read(other, g_bytes_get_data(notes, NULL), g_bytes_get_size(notes), 0, "n");
    g_assert_cmpuint(other->system.cpus->len, ==, 3);
    g_assert_nonnull(((const DkCpu *)g_ptr_array_index(other->system.cpus, 2))->missing);
}

static void test_vmcoreinfo(void)
{
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    g_assert_false(dk_machine_vmcoreinfo_take(subject, "\0\0", 2));
    g_assert_null(dk_machine_vmcoreinfo_get(subject, "OSRELEASE"));
    g_assert_true(dk_machine_vmcoreinfo_take(subject, TEXT, sizeof TEXT - 1));
    g_autofree char *base = dk_machine_vmcoreinfo_get(subject, "NUMBER(phys_base)");
    g_assert_cmpstr(base, ==, "16777216");
    g_assert_null(dk_machine_vmcoreinfo_get(subject, "NUMBER(phys"));
    static const char bad[] = "X\n=\nPAGESIZE=3000\nCRASHTIME=-1\nOSRELEASE=\xff";
    g_autoptr(DkSubject) hostile = machine_new(DK_MACHINE_X86_64);
    g_assert_true(dk_machine_vmcoreinfo_take(hostile, bad, sizeof bad - 1));
    g_assert_cmpuint(hostile->page_size, ==, 4096);
    g_assert_cmpint(hostile->origin.time_us, ==, -1);
    g_assert_true(g_utf8_validate(hostile->os_version, -1, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/machine-notes/round-trip", test_round_trip);
    g_test_add_func("/machine-notes/own-note", test_own_note);
    g_test_add_func("/machine-notes/bytes", test_bytes);
    g_test_add_func("/machine-notes/other-machines", test_other_machines);
    g_test_add_func("/machine-notes/state-alone", test_state_alone);
    g_test_add_func("/machine-notes/cut", test_cut);
    g_test_add_func("/machine-notes/damaged", test_damaged);
    g_test_add_func("/machine-notes/short-prstatus", test_short_prstatus);
    g_test_add_func("/machine-notes/vmcoreinfo", test_vmcoreinfo);
    return g_test_run();
}
