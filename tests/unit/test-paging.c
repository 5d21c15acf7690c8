/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page tables made by hand, as the Intel SDM and the Arm ARM lay them out. */
#include "arch/arch.h"
#include "arch/translate-space.h"
#include "phys-memory.h"

#define MIB ((guint64)1 << 20)
#define GIB ((guint64)1 << 30)
#define KERNEL_VA 0xffff888000000000ull

static guint64 must_walk(const DkPageTables *tables, PhysMemory *phys, guint64 va, DkWalk *walk)
{
    guint64 pa = 0;
    g_assert_true(dk_page_walk(tables, &phys->base, va, walk, &pa));
    return pa;
}

/* PML4 at 0x1000 with slot 0 -> PDPT 0x2000 and the kernel's slot 273; 4 KiB, 2 MiB, 1 GiB pages.
 */
static PhysMemory *four_levels(DkPageTables *tables)
{
    PhysMemory *phys = phys_new(4 * MIB);
    phys_put(phys, 0x1000, 0x2007, 8);
    phys_put(phys, 0x1000 + 273 * 8, 0x2007 | 1ull << 63, 8);
    phys_put(phys, 0x2000, 0x3007, 8);
    phys_put(phys, 0x2008, 0x83, 8);          /* 1 GiB page at 0 */
    phys_put(phys, 0x3000, 0x4003, 8);        /* a table */
    phys_put(phys, 0x3008, 0x2011e3, 8);      /* 2 MiB page at 2 MiB, with PAT (bit 12) */
    phys_put(phys, 0x4000, 0x5025, 8);        /* user, read only, accessed */
    phys_put(phys, 0x4008, 0x6003, 8);        /* next page */
    phys_put(phys, 0x4010, 0x6002, 8);        /* not present */
    phys_put(phys, 0x4018, 0x40000000003, 8); /* a page that is not in the dump */
    *tables = (DkPageTables){.paging = &dk_paging_x86_64, .root = 0x1018};
    return phys;
}

static void test_x86_64(void)
{
    DkPageTables tables;
    g_autoptr(DkSpace) space = &four_levels(&tables)->base;
    PhysMemory *phys = (PhysMemory *)space;
    DkWalk walk;
    guint64 pa = 1;
    g_assert_cmphex(must_walk(&tables, phys, 0x123, &walk), ==, 0x5123);
    g_assert_cmpuint(walk.nsteps, ==, 4);
    g_assert_cmpstr(walk.steps[0].name, ==, "PML4E");
    g_assert_cmphex(walk.steps[0].entry_pa, ==, 0x1000);
    g_assert_cmphex(walk.steps[0].entry, ==, 0x2007);
    g_assert_cmpstr(walk.steps[3].name, ==, "PTE");
    g_assert_cmphex(walk.steps[3].flags, ==, DK_PTE_USER | DK_PTE_ACCESSED);
    g_assert_cmphex(must_walk(&tables, phys, KERNEL_VA + 0x1fff, &walk), ==, 0x6fff);
    g_assert_cmphex(walk.steps[0].flags & DK_PTE_NO_EXEC, ==, DK_PTE_NO_EXEC);
    g_assert_cmphex(must_walk(&tables, phys, 2 * MIB + 0x12345, &walk), ==, 2 * MIB + 0x12345);
    g_assert_cmpuint(walk.nsteps, ==, 3);
    g_assert_cmphex(walk.steps[2].flags & (DK_PTE_LARGE | DK_PTE_DIRTY | DK_PTE_GLOBAL), ==,
                    DK_PTE_LARGE | DK_PTE_DIRTY | DK_PTE_GLOBAL);
    g_assert_cmphex(must_walk(&tables, phys, GIB + 0x3fffffff, &walk), ==, 0x3fffffff);
    g_assert_cmphex(must_walk(&tables, phys, 0x3000, &walk), ==, 0x40000000000);
    g_assert_false(dk_page_walk(&tables, space, 0x2000, &walk, &pa));
    g_assert_cmpint(dk_walk_last(&walk)->kind, ==, DK_PTE_NONE);
    g_assert_false(dk_page_walk(&tables, space, 0x800000000000, &walk, &pa));
    g_assert_cmpuint(walk.nsteps, ==, 0);
    phys_put(phys, 0x1008, 0x2087, 8);
    g_assert_false(dk_page_walk(&tables, space, 1ull << 39, &walk, &pa));
    g_assert_cmpint(dk_walk_last(&walk)->kind, ==, DK_PTE_INVALID);
    phys->kinds[4] = DK_RUN_ABSENT;
    g_assert_false(dk_page_walk(&tables, space, 0, &walk, &pa));
    g_assert_cmpint(dk_walk_last(&walk)->kind, ==, DK_PTE_ABSENT);
    g_assert_cmphex(pa, ==, 1);
}

static void test_la57(void)
{
    DkPageTables tables;
    g_autoptr(DkSpace) space = &four_levels(&tables)->base;
    PhysMemory *phys = (PhysMemory *)space;
    DkWalk walk;
    phys_put(phys, 0x8000 + 511 * 8, 0x1003, 8);
    tables = (DkPageTables){.paging = &dk_paging_x86_64_la57, .root = 0x8000};
    g_assert_cmphex(must_walk(&tables, phys, 0xffff000000000000ull + 0x1042, &walk), ==, 0x6042);
    g_assert_cmpuint(walk.nsteps, ==, 5);
    g_assert_cmpstr(walk.steps[0].name, ==, "PML5E");
    guint64 next = 0;
    g_assert_true(dk_paging_next_va(&dk_paging_x86_64_la57, 1ull << 56, &next));
    g_assert_cmphex(next, ==, 0xff00000000000000ull);
    g_assert_cmphex(dk_paging_piece_last(&dk_paging_x86_64, 0), ==, 0x7fffffffffff);
}

static void test_x86(void)
{
    g_autoptr(DkSpace) space = &phys_new(MIB)->base;
    PhysMemory *phys = (PhysMemory *)space;
    DkWalk walk;
    guint64 pa;
    phys_put(phys, 0x1000 + 768 * 4, 0x2003, 4);
    phys_put(phys, 0x1000 + 769 * 4, 0x00c00083 | 1u << 13, 4); /* PSE-36: above 4 GiB */
    phys_put(phys, 0x2000 + 5 * 4, 0x7003, 4);
    DkPageTables tables = {.paging = &dk_paging_x86, .root = 0x1000};
    g_assert_cmphex(must_walk(&tables, phys, 0xc0005678, &walk), ==, 0x7678);
    g_assert_cmpuint(walk.nsteps, ==, 2);
    g_assert_cmphex(must_walk(&tables, phys, 0xc0400123, &walk), ==, 0x100c00123ull);
    g_assert_false(dk_page_walk(&tables, space, 0x1c0005678ull, &walk, &pa));
    /* PAE: a root that is 32-byte aligned only. */
    phys_put(phys, 0x3ae0 + 3 * 8, 0x4001, 8);
    phys_put(phys, 0x4000, 0x5063, 8);
    phys_put(phys, 0x4008, 0x8000000000200000ull | 0x83, 8);
    phys_put(phys, 0x5000 + 9 * 8, 0x9003, 8);
    tables = (DkPageTables){.paging = &dk_paging_x86_pae, .root = 0x3ae0};
    g_assert_cmphex(must_walk(&tables, phys, 0xc0009abc, &walk), ==, 0x9abc);
    g_assert_cmpuint(walk.nsteps, ==, 3);
    g_assert_cmphex(walk.steps[0].entry_pa, ==, 0x3af8);
    g_assert_cmphex(must_walk(&tables, phys, 0xc0200001, &walk), ==, 0x200001);
    g_assert_cmphex(dk_walk_last(&walk)->flags & DK_PTE_NO_EXEC, ==, DK_PTE_NO_EXEC);
}

static void test_arm64(void)
{
    g_autoptr(DkSpace) space = &phys_new(MIB)->base;
    PhysMemory *phys = (PhysMemory *)space;
    DkWalk walk;
    guint64 pa;
    phys_put(phys, 0x1000, 0x2003, 8);
    phys_put(phys, 0x2000, 0x3003, 8);
    phys_put(phys, 0x3000, 0x4003, 8);
    phys_put(phys, 0x4000, 0x5403 | 1ull << 54, 8);
    phys_put(phys, 0x3008, 0x200401, 8); /* block of 2 MiB */
    phys_put(phys, 0x3010, 0x1, 8);
    phys_put(phys, 0x4008, 0x6401, 8); /* a block where a page has to be */
    DkPageTables tables = {.paging = &dk_paging_arm64_48, .root = 0x8000, .root_high = 0x1000};
    g_assert_cmphex(must_walk(&tables, phys, 0xffff000000000017ull, &walk), ==, 0x5017);
    g_assert_cmphex(must_walk(&tables, phys, 0xffff000000200017ull, &walk), ==, 0x200017);
    g_assert_false(dk_page_walk(&tables, space, 0xffff000000001000ull, &walk, &pa));
    g_assert_cmpint(dk_walk_last(&walk)->kind, ==, DK_PTE_INVALID);
    g_assert_false(dk_page_walk(&tables, space, 0x17, &walk, &pa));
    tables = (DkPageTables){.paging = &dk_paging_arm64_39, .root = 0x2000, .root_high = 0x8000};
    g_assert_cmphex(must_walk(&tables, phys, 0x17, &walk), ==, 0x5017);
    g_assert_false(dk_page_walk(&tables, space, 0x0000ff8000000000ull, &walk, &pa));
}

static void test_encrypted_bit(void)
{
    g_autoptr(DkSpace) space = &phys_new(MIB)->base;
    PhysMemory *phys = (PhysMemory *)space;
    DkWalk walk;
    guint64 c_bit = 1ull << 47;
    phys_put(phys, 0x1000, 0x2003 | c_bit, 8);
    phys_put(phys, 0x2000, 0x3003 | c_bit, 8);
    phys_put(phys, 0x3000, 0x4003 | c_bit, 8);
    phys_put(phys, 0x4000, 0x5003 | c_bit, 8);
    DkPageTables tables = {.paging = &dk_paging_x86_64, .root = 0x1000 | c_bit, .ignored = c_bit};
    g_assert_cmphex(must_walk(&tables, phys, 0x8, &walk), ==, 0x5008);
    g_assert_cmphex(walk.steps[0].entry, ==, 0x2003 | c_bit);
}

static void test_of_cpu(void)
{
    DkCpu cpu = {.parts = DK_CPU_CONTROL, .cr0 = 0x80000001, .cr3 = 0x1ad000, .cr4 = 0x20};
    DkPageTables tables;
    g_assert_true(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86_64, &tables));
    g_assert_true(tables.paging == &dk_paging_x86_64 && tables.root == 0x1ad000);
    g_assert_true(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86, &tables));
    g_assert_true(tables.paging == &dk_paging_x86_pae);
    cpu.cr4 |= 1 << 12;
    g_assert_true(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86_64, &tables));
    g_assert_true(tables.paging == &dk_paging_x86_64_la57);
    cpu.cr4 = 0;
    g_assert_true(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86, &tables));
    g_assert_true(tables.paging == &dk_paging_x86);
    cpu.cr0 = 1;
    g_assert_false(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86_64, &tables));
    cpu = (DkCpu){.cr0 = 0x80000001, .cr3 = 0x1ad000};
    g_assert_false(dk_page_tables_of_cpu(&cpu, DK_MACHINE_X86_64, &tables));
    for (guint id = DK_MACHINE_X86; id <= DK_MACHINE_ARM64; id++) {
        const DkArch *arch = dk_arch_for((DkMachineId)id);
        for (const DkPaging *const *paging = arch->pagings; *paging; paging++)
            g_assert_cmpuint((*paging)->nlevels, <=, DK_PAGING_LEVELS_MAX);
    }
}

/* --- the space --- */

static void assert_run(DkSpace *space, guint64 from, guint64 first, guint64 last, DkRunKind kind)
{
    DkRun run;
    g_assert_true(dk_space_next_run(space, from, &run));
    g_assert_cmphex(run.first, ==, first);
    g_assert_cmphex(run.last, ==, last);
    g_assert_cmpint(run.kind, ==, kind);
}

static void test_space(void)
{
    DkPageTables tables;
    g_autoptr(DkSpace) below = &four_levels(&tables)->base;
    PhysMemory *phys = (PhysMemory *)below;
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    guint8 bytes[0x3000];
    DkRun run;
    memset(phys->bytes + 0x5000, 'a', 0x1000);
    memset(phys->bytes + 0x6000, 'b', 0x1000);
    /* Across pages up to what is not mapped; twice, so that the second goes through the cache. */
    for (guint i = 0; i < 2; i++) {
        g_assert_cmphex(dk_space_read(space, 0x10, bytes, sizeof bytes), ==, 0x1ff0);
        g_assert_cmpint(bytes[0xfef], ==, 'a');
        g_assert_cmpint(bytes[0xff0], ==, 'b');
    }
    g_assert_cmphex(dk_space_read(space, 0x3000, bytes, 8), ==, 0);
    /* 1 GiB page of which 4 MiB are in the dump. */
    g_assert_cmphex(dk_space_read(space, GIB + 4 * MIB - 16, bytes, 64), ==, 16);
    assert_run(space, 0, 0, 0x1fff, DK_RUN_DATA);
    assert_run(space, 0x1234, 0x1234, 0x1fff, DK_RUN_DATA);
    assert_run(space, 0x2000, 0x3000, 0x3fff, DK_RUN_ABSENT);
    assert_run(space, 0x4000, 2 * MIB, 4 * MIB - 1, DK_RUN_DATA);
    assert_run(space, 4 * MIB, GIB, GIB + 4 * MIB - 1, DK_RUN_DATA);
    assert_run(space, GIB + 4 * MIB, GIB + 4 * MIB, 2 * GIB - 1, DK_RUN_ABSENT);
    assert_run(space, 2 * GIB, KERNEL_VA, KERNEL_VA + 0x1fff, DK_RUN_DATA);
    g_assert_false(dk_space_next_run(space, KERNEL_VA + 2 * GIB, &run));
    guint64 pa = 0;
    DkWalk walk;
    g_assert_true(dk_translate_space_walk(space, 0x1001, &walk, &pa));
    g_assert_cmphex(pa, ==, 0x6001);
    g_assert_true(dk_translate_space_tables(space)->paging == &dk_paging_x86_64);
}

static void test_kinds(void)
{
    DkPageTables tables;
    g_autoptr(DkSpace) below = &four_levels(&tables)->base;
    PhysMemory *phys = (PhysMemory *)below;
    phys->kinds[5] = DK_RUN_ZERO;
    phys->kinds[6] = DK_RUN_FILTERED;
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    assert_run(space, 0, 0, 0xfff, DK_RUN_ZERO);
    assert_run(space, 0x1000, 0x1000, 0x1fff, DK_RUN_FILTERED);
}

/* All 512 entries of the top table are itself: 128 TiB twice, all of one page; done in a moment. */
static void test_all_self(void)
{
    g_autoptr(DkSpace) below = &phys_new(MIB)->base;
    PhysMemory *phys = (PhysMemory *)below;
    for (guint i = 0; i < 512; i++)
        phys_put(phys, 0x1000 + i * 8, 0x1003, 8);
    DkPageTables tables = {.paging = &dk_paging_x86_64, .root = 0x1000};
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    assert_run(space, 0, 0, 0x7fffffffffff, DK_RUN_DATA);
    assert_run(space, 0x800000000000, 0xffff800000000000, G_MAXUINT64, DK_RUN_DATA);
    g_assert_cmpuint(phys->reads, <, 100);
}

/* Upper tables that all point to each other, and nothing mapped at their end. */
static void test_all_empty(void)
{
    g_autoptr(DkSpace) below = &phys_new(MIB)->base;
    PhysMemory *phys = (PhysMemory *)below;
    for (guint i = 0; i < 512; i++) {
        for (guint table = 1; table < 4; table++)
            phys_put(phys, table * 0x1000 + i * 8, (table + 1) * 0x1000 + 3, 8);
    }
    DkPageTables tables = {.paging = &dk_paging_x86_64, .root = 0x1000};
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    DkRun run;
    g_assert_false(dk_space_next_run(space, 0, &run));
    g_assert_cmpuint(phys->reads, <, 100);
}

/* Windows' own: one slot of the top table is the table, the others are few. */
static void test_self_map(void)
{
    DkPageTables tables;
    g_autoptr(DkSpace) below = &four_levels(&tables)->base;
    PhysMemory *phys = (PhysMemory *)below;
    phys_put(phys, 0x1000 + 0x1ed * 8, 0x1003, 8);
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    guint64 runs = 0;
    DkRun run;
    guint64 from = 0;
    /* The top table itself stands at the usual place. */
    guint64 pa = 0;
    g_assert_true(dk_translate_space_walk(space, 0xfffff6fb7dbed000, NULL, &pa));
    g_assert_cmphex(pa, ==, 0x1000);
    while (dk_space_next_run(space, from, &run) && run.last != G_MAXUINT64) {
        g_assert_cmphex(run.first, >=, from);
        from = run.last + 1;
        runs++;
    }
    g_assert_cmpuint(runs, >, 8);
    g_assert_cmpuint(runs, <, 64);
}

/* Runs without end, but each call is short. */
static void test_budget(void)
{
    g_autoptr(DkSpace) below = &phys_new(16 * MIB)->base;
    PhysMemory *phys = (PhysMemory *)below;
    /* Leaf tables that are all different, mapped over and over, nothing in them but the last. */
    for (guint i = 0; i < 512; i++) {
        phys_put(phys, 0x1000 + i * 8, 0x2003, 8);
        phys_put(phys, 0x2000 + i * 8, 0x3003, 8);
        phys_put(phys, 0x3000 + i * 8, 0x100003 + i * 0x1000, 8);
        phys_put(phys, 0x100000 + i * 0x1000 + 0x800, 0x5003, 8);
    }
    DkPageTables tables = {.paging = &dk_paging_x86_64, .root = 0x1000};
    g_autoptr(DkSpace) space = dk_translate_space_new(below, &tables);
    guint64 from = 0;
    for (guint i = 0; i < 100000; i++) {
        assert_run(space, from, from + 0x100000, from + 0x100fff, DK_RUN_DATA);
        from += 0x200000;
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/paging/x86-64", test_x86_64);
    g_test_add_func("/paging/la57", test_la57);
    g_test_add_func("/paging/x86-and-pae", test_x86);
    g_test_add_func("/paging/arm64", test_arm64);
    g_test_add_func("/paging/encrypted-bit", test_encrypted_bit);
    g_test_add_func("/paging/of-cpu", test_of_cpu);
    g_test_add_func("/paging/space", test_space);
    g_test_add_func("/paging/kinds", test_kinds);
    g_test_add_func("/paging/all-self", test_all_self);
    g_test_add_func("/paging/all-empty", test_all_empty);
    g_test_add_func("/paging/self-map", test_self_map);
    g_test_add_func("/paging/budget", test_budget);
    return g_test_run();
}
