/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The check of machines, on memory made by hand. */
#include "base/error.h"
#include "base/progress.h"
#include "capture/openers.h"
#include "capture/verify-machine.h"
#include "phys-memory.h"

#define MIB ((guint64)1 << 20)
#define SIZE (8 * MIB)
#define ROOT (2 * MIB + 0x10000)
#define PC 0xffffffff81000100ull

/* A dump in memory: source, what was found, what it cannot answer. */
typedef struct {
    DkSource source;
    DkVerify verify;
    GString *findings; /* "verdict part: text" lines */
    GPtrArray *unanswered;
    DkMachineLook *look;
    PhysMemory *phys;
    DkMachine *machine;
} Dump;

static void no_close(DkSource *source)
{
}

static const DkSourceOps phys_source = {.name = "made", .caps = DK_SOURCE_PHYS, .close = no_close};
static const DkSourceOps virt_source = {.name = "made", .caps = DK_SOURCE_VIRT, .close = no_close};

static void take_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    static const char *const words[] = {"ok", "note", "lacks", "damaged"};
    Dump *dump = (Dump *)((guint8 *)verify - G_STRUCT_OFFSET(Dump, verify));
    g_string_append_printf(dump->findings, "%s %s: %s\n", words[verdict], part, text);
}

static void dump_init(Dump *dump)
{
    memset(dump, 0, sizeof *dump);
    dump->source.ops = &phys_source;
    dump->source.subject = dk_subject_new();
    dump->source.subject->kind = DK_SUBJECT_MACHINE;
    dump->source.subject->machine = DK_MACHINE_X86_64;
    dump->phys = phys_new(SIZE);
    dump->source.space = &dump->phys->base;
    dump->machine = &dump->source.subject->system;
    dump->verify.finding = take_finding;
    dump->findings = g_string_new(NULL);
    dump->unanswered = g_ptr_array_new_with_free_func(g_free);
    dk_machine_add_ram(dump->machine, 0, SIZE - 1);
}

static void dump_clear(Dump *dump)
{
    dk_subject_free(dump->source.subject);
    dk_space_unref(dump->source.space);
    g_string_free(dump->findings, TRUE);
    g_ptr_array_unref(dump->unanswered);
    dk_machine_look_free(dump->look);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Dump, dump_clear)

static void check(Dump *dump)
{
    g_autoptr(GError) error = NULL;
    g_string_truncate(dump->findings, 0);
    g_ptr_array_set_size(dump->unanswered, 0);
    g_clear_pointer(&dump->look, dk_machine_look_free);
    g_assert_true(dk_verify_machine(&dump->source, FALSE, &dump->verify, dump->unanswered,
                                    &dump->look, &error));
    g_assert_no_error(error);
}

static void assert_found(const Dump *dump, const char *text)
{
    if (!strstr(dump->findings->str, text))
        g_error("not found: \"%s\" in:\n%s", text, dump->findings->str);
}

static void assert_not_found(const Dump *dump, const char *text)
{
    if (strstr(dump->findings->str, text))
        g_error("found: \"%s\" in:\n%s", text, dump->findings->str);
}

static gboolean is_unanswered(const Dump *dump, const char *part)
{
    for (guint i = 0; i < dump->unanswered->len; i++) {
        if (strstr(g_ptr_array_index(dump->unanswered, i), part))
            return TRUE;
    }
    return FALSE;
}

/* A Linux kernel at 2 MiB, in a 2 MiB page of tables that stand in it, and its VMCOREINFO. */
static void put_linux(Dump *dump)
{
    static const char banner[] = "Linux version 6.1.0 (a@b) (gcc) #1 SMP\n";
    static const char text[] = "OSRELEASE=6.1.0\nPAGESIZE=4096\n"
                               "SYMBOL(_stext)=ffffffff81000000\n"
                               "SYMBOL(init_uts_ns)=ffffffff81050000\n"
                               "SYMBOL(swapper_pg_dir)=ffffffff81010000\n"
                               "NUMBER(phys_base)=-14680064\n";
    PhysMemory *phys = dump->phys;
    phys_put(phys, ROOT + 511 * 8, ROOT + 0x1003, 8);
    phys_put(phys, ROOT + 0x1000 + 510 * 8, ROOT + 0x2003, 8);
    phys_put(phys, ROOT + 0x2000 + 8 * 8, (2 * MIB) | 0xe3, 8);
    memcpy(phys->bytes + 2 * MIB + 0x20000, banner, sizeof banner);
    memcpy(phys->bytes + 6 * MIB, text, sizeof text);
}

static DkCpu *put_cpu(Dump *dump, guint64 pc)
{
    guint64 general[27] = {0};
    DkCpu *cpu = dk_machine_add_cpu(dump->machine, dump->machine->cpus->len);
    general[16] = GUINT64_TO_LE(pc);
    cpu->regs[DK_REGSET_GENERAL] = g_bytes_new(general, sizeof general);
    cpu->parts = DK_CPU_CONTROL;
    cpu->cr0 = 0x80050033;
    cpu->cr3 = ROOT;
    cpu->cr4 = 0x20;
    return cpu;
}

static void test_linux(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    put_linux(&dump);
    put_cpu(&dump, PC);
    check(&dump);
    assert_found(&dump, "ok memory: RAM 8.0 MiB: 100 % data; in 1 range\n");
    assert_found(&dump, "ok cpus: 1 with registers, whose page tables (4-level)");
    assert_found(&dump, "ok kernel: Linux version 6.1.0 (a@b) (gcc) #1 SMP\n");
    assert_found(&dump, "ok kernel: page tables (4-level) in place, 3 of its structures");
    assert_found(&dump, "note vmcoreinfo: not published to the file, but found in memory");
    assert_not_found(&dump, "lacks");
    g_assert_true(is_unanswered(&dump, "dumpkit convert writes it"));
    /* With the note. */
    dump.machine->vmcoreinfo = g_bytes_ref(dk_vmcoreinfo_text(dump.look->vmcoreinfo));
    check(&dump);
    assert_found(&dump, "ok vmcoreinfo: in the file, of kernel 6.1.0");
    g_assert_false(is_unanswered(&dump, "VMCOREINFO"));
    /* A text that is broken, and one that speaks of another place. */
    g_bytes_unref(dump.machine->vmcoreinfo);
    dump.machine->vmcoreinfo = g_bytes_new_static("OSRELEASE=6", 11);
    check(&dump);
    assert_found(&dump, "lacks vmcoreinfo: VMCOREINFO has no line PAGESIZE");
    g_bytes_unref(dump.machine->vmcoreinfo);
    static const char other[] = "OSRELEASE=6.1.0\nPAGESIZE=4096\n"
                                "SYMBOL(swapper_pg_dir)=ffffffff81010000\nNUMBER(phys_base)=0\n";
    dump.machine->vmcoreinfo = g_bytes_new_static(other, strlen(other));
    check(&dump);
    assert_found(&dump, "lacks kernel: its page tables are not in the file at 0x1010000");
}

static void test_share(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    put_linux(&dump);
    dump.phys->kinds[0] = DK_RUN_ABSENT;
    memset(dump.phys->kinds + 1, DK_RUN_ZERO, 255);
    memset(dump.phys->kinds + 256, DK_RUN_FILTERED, 128);
    check(&dump);
    assert_found(&dump, "lacks memory: RAM 8.0 MiB: 81.2 % data, 12.5 % zero, 6.2 % left out on "
                        "purpose, less than 0.1 % missing; in 2 ranges");
    g_assert_cmpuint(dump.look->share.missing, ==, 4096);
    g_assert_cmpuint(dump.look->share.zero, ==, 255 * 4096);
    g_assert_cmpuint(dump.look->share.filtered, ==, 128 * 4096);
    g_assert_true(is_unanswered(&dump, "512.0 KiB of RAM that were left out on purpose"));
    g_assert_true(is_unanswered(&dump, "4.0 KiB of RAM that the file does not hold"));
    /* RAM beyond the end of what is there. */
    dk_machine_add_ram(dump.machine, 16 * MIB, 24 * MIB - 1);
    check(&dump);
    g_assert_cmpuint(dump.look->share.missing, ==, 4096 + SIZE);
    g_array_set_size(dump.machine->ram, 0);
    dump.phys->kinds[0] = DK_RUN_DATA;
    check(&dump);
    assert_found(&dump, "ok memory: memory 8.0 MiB:");
    assert_found(&dump, "note memory: the file does not say where the machine has RAM");
    memset(dump.phys->kinds, DK_RUN_FILTERED, SIZE >> 12);
    check(&dump);
    assert_found(&dump, "lacks memory: there is none in the file");
}

static void test_cpus(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    put_linux(&dump);
    DkCpu *cpu = put_cpu(&dump, 0x1234);
    check(&dump);
    assert_found(&dump, "note cpus: CPU 0: its page tables (CR3 0x210000) do not map its "
                        "instruction pointer 0x1234: PML4E 0x0 is not present");
    assert_found(&dump, "lacks cpus: no CPU's page tables map what it executes");
    put_cpu(&dump, PC);
    check(&dump);
    assert_found(&dump, "note cpus: 1 of 2 with page tables (4-level)");
    assert_not_found(&dump, "lacks");
    /* A root outside of the file. */
    cpu->cr3 = 64 * MIB;
    check(&dump);
    assert_found(&dump, "lacks cpus: CPU 0: CR3 0x4000000: the table at 0x4000000 (PML4E)");
    /* No address at all; paging off; nothing known. */
    put_cpu(&dump, 0x8000000000000000ull);
    put_cpu(&dump, PC)->cr0 = 1;
    put_cpu(&dump, PC)->parts = 0;
    DkCpu *bare = put_cpu(&dump, PC);
    g_clear_pointer(&bare->regs[DK_REGSET_GENERAL], g_bytes_unref);
    bare->missing = g_strdup("it was offline");
    check(&dump);
    assert_found(&dump, "note cpus: CPU 2: its instruction pointer 0x8000000000000000 is no");
    assert_found(&dump, "note cpus: 1 of 6 have paging off");
    assert_found(&dump, "note cpus: 1 of 6 have general registers without control registers");
    assert_found(&dump, "lacks cpus: CPU 5 has no registers: it was offline");
    g_assert_true(is_unanswered(&dump, "vector registers"));
    /* The page that is executed. */
    dump.phys->kinds[2 * MIB >> 12] = DK_RUN_FILTERED;
    check(&dump);
    assert_found(&dump, "note cpus: CPU 1: the page of its instruction pointer");
    dump.phys->kinds[2 * MIB >> 12] = DK_RUN_ABSENT;
    check(&dump);
    assert_found(&dump, "lacks cpus: CPU 1: the page of its instruction pointer "
                        "0xffffffff81000100 (at 0x200100 of physical memory)");
}

/* A Windows dump is whole with the registers of one CPU. */
static void test_windows_cpus(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    dump.machine->windows.valid = TRUE;
    put_cpu(&dump, PC)->parts = 0;
    DkCpu *other = put_cpu(&dump, PC);
    g_clear_pointer(&other->regs[DK_REGSET_GENERAL], g_bytes_unref);
    other->missing = g_strdup("in memory");
    check(&dump);
    assert_found(&dump, "note cpus: the header has the registers of 1 of 2, as Windows writes it; "
                        "of the others: in memory");
    assert_not_found(&dump, "lacks");
    dump.source.ops = &virt_source;
    check(&dump);
    assert_found(&dump, "note cpus: the header has the registers of 1 of 2");
    assert_not_found(&dump, "lacks");
    DkCpu *first = g_ptr_array_index(dump.machine->cpus, 0);
    g_clear_pointer(&first->regs[DK_REGSET_GENERAL], g_bytes_unref);
    check(&dump);
    assert_found(&dump, "lacks cpus: none of 2 has registers");
}

static void test_structures(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    put_linux(&dump);
    dump.phys->kinds[(2 * MIB + 0x50000) >> 12] = DK_RUN_FILTERED;
    check(&dump);
    assert_found(&dump, "lacks kernel: 1 of 3 of its structures that VMCOREINFO names are not in "
                        "the file: init_uts_ns");
}

static void test_nothing(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    check(&dump);
    assert_found(&dump, "note kernel: none was recognised\n");
    assert_found(&dump, "note cpus: the file has no registers");
    g_assert_true(is_unanswered(&dump, "which system ran"));
    g_assert_true(is_unanswered(&dump, "what the CPUs were doing"));
    dump.source.subject->origin.complete = 0;
    check(&dump);
    assert_found(&dump, "lacks record: the file was not written to its end");
}

static void test_ciphertext(void)
{
    g_auto(Dump) dump;
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    dump_init(&dump);
    for (gsize i = 0; i < SIZE; i++)
        dump.phys->bytes[i] = (guint8)g_rand_int(rand);
    memset(dump.phys->bytes, 0, MIB);
    put_cpu(&dump, PC);
    check(&dump);
    assert_found(&dump, "lacks kernel: memory reads as ciphertext");
    g_assert_true(dump.look->is_ciphertext);
    g_assert_true(is_unanswered(&dump, "it is encrypted"));
    /* Ordinary memory with a little of it random: a key store, packed files. */
    memset(dump.phys->bytes, 0, SIZE);
    for (gsize i = 0; i < SIZE; i++)
        dump.phys->bytes[i] = i % 4096 < 3000 ? (guint8)g_rand_int_range(rand, 0, 64) : 0;
    for (gsize i = 0; i < MIB; i++)
        dump.phys->bytes[i] = (guint8)g_rand_int(rand);
    check(&dump);
    g_assert_false(dump.look->is_ciphertext);
    g_assert_cmpuint(dump.look->random, >, 0);
}

static void put_utf16(PhysMemory *phys, guint64 pa, const char *text)
{
    for (; *text; text++, pa += 2)
        phys_put(phys, pa, (guint8)*text, 2);
}

static void test_nt(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    PhysMemory *phys = dump.phys;
    /* 0xfffff78000000000 */
    phys_put(phys, 0x1000 + 495 * 8, 0x2003, 8);
    phys_put(phys, 0x2000, 0x3003, 8);
    phys_put(phys, 0x3000, 0x4003, 8);
    phys_put(phys, 0x4000, 0x5003, 8);
    phys_put(phys, 0x502c, 0x86648664, 4);
    phys_put(phys, 0x5260, 19041, 4);
    phys_put(phys, 0x526c, 10, 4);
    put_utf16(phys, 0x5030, "C:\\Windows");
    DkCpu *cpu = put_cpu(&dump, PC);
    cpu->cr3 = 0x1000;
    check(&dump);
    assert_found(&dump, "ok kernel: Windows NT 10.0 build 19041, system in C:\\Windows");
    /* By the root in a header, without CPUs. */
    g_ptr_array_set_size(dump.machine->cpus, 0);
    check(&dump);
    assert_not_found(&dump, "Windows");
    dump.machine->page_root = 0x1000;
    check(&dump);
    assert_found(&dump, "ok kernel: Windows NT 10.0 build 19041");
    phys_put(phys, 0x5030, 0, 8);
    check(&dump);
    assert_not_found(&dump, "Windows");
}

static void test_small(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    dump.source.ops = &virt_source;
    check(&dump);
    g_assert_null(dump.look);
    assert_found(&dump, "ok memory: 8.0 MiB of virtual memory in 1 piece\n");
    g_assert_true(is_unanswered(&dump, "physical memory"));
}

static void test_cancelled(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    DkProgress progress = {.cancelled = 1};
    dump.verify.progress = &progress;
    g_autoptr(GError) error = NULL;
    g_assert_false(
        dk_verify_machine(&dump.source, TRUE, &dump.verify, dump.unanswered, &dump.look, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_CANCELLED);
}

/* 1 opens it, 0 does not, -1 is not named. */
static gint opener(const GPtrArray *openers, const char *tool)
{
    for (guint i = 0; i < openers->len; i++) {
        const DkOpener *one = g_ptr_array_index(openers, i);
        if (g_str_equal(one->tool, tool))
            return one->opens;
    }
    return -1;
}

static void test_openers(void)
{
    g_auto(Dump) dump;
    dump_init(&dump);
    put_linux(&dump);
    check(&dump);
    g_autoptr(GPtrArray) without = dk_openers(dump.source.subject, "kdump", dump.look);
    g_assert_cmpint(opener(without, "crash"), ==, 1);
    g_assert_cmpint(opener(without, "drgn"), ==, 0);
    g_assert_cmpint(opener(without, "makedumpfile"), ==, 0);
    g_assert_cmpint(opener(without, "Volatility 3"), ==, -1);
    dump.machine->vmcoreinfo = g_bytes_ref(dk_vmcoreinfo_text(dump.look->vmcoreinfo));
    g_autoptr(GPtrArray) with = dk_openers(dump.source.subject, "elf", dump.look);
    g_assert_cmpint(opener(with, "drgn"), ==, 1);
    g_assert_cmpint(opener(with, "makedumpfile"), ==, 1);
    g_assert_cmpint(opener(with, "Volatility 3"), ==, 1);
    g_autoptr(GPtrArray) lime = dk_openers(dump.source.subject, "lime", dump.look);
    g_assert_cmpint(opener(lime, "crash"), ==, -1);
    dump.machine->windows.valid = TRUE;
    dump.machine->windows.dump_type = 4;
    g_autoptr(GPtrArray) small = dk_openers(dump.source.subject, "windmp", NULL);
    g_assert_cmpint(opener(small, "WinDbg"), ==, 1);
    g_assert_cmpint(opener(small, "Volatility 3"), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verify-machine/linux", test_linux);
    g_test_add_func("/verify-machine/share", test_share);
    g_test_add_func("/verify-machine/cpus", test_cpus);
    g_test_add_func("/verify-machine/windows-cpus", test_windows_cpus);
    g_test_add_func("/verify-machine/structures", test_structures);
    g_test_add_func("/verify-machine/nothing", test_nothing);
    g_test_add_func("/verify-machine/ciphertext", test_ciphertext);
    g_test_add_func("/verify-machine/nt", test_nt);
    g_test_add_func("/verify-machine/small", test_small);
    g_test_add_func("/verify-machine/cancelled", test_cancelled);
    g_test_add_func("/verify-machine/openers", test_openers);
    return g_test_run();
}
