/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "phys-memory.h"
#include "target/linux/kernel-facts.h"
#include "target/linux/kernel.h"
#include "target/linux/vmcoreinfo.h"
#include "target/memory-scan.h"

#define MIB ((guint64)1 << 20)

static const char text_64[] = "OSRELEASE=6.1.0-13-amd64\n"
                              "BUILD-ID=0123456789abcdef\n"
                              "PAGESIZE=4096\n"
                              "SYMBOL(init_uts_ns)=ffffffff9cc31b40\n"
                              "OFFSET(uts_namespace.name)=0\n"
                              "SYMBOL(_stext)=ffffffff81000000\n"
                              "SYMBOL(swapper_pg_dir)=ffffffff81010000\n"
                              "SIZE(page)=64\n"
                              "LENGTH(mem_section)=2048\n"
                              "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
                              "NUMBER(phys_base)=-14680064\n"
                              "NUMBER(pgtable_l5_enabled)=0\n"
                              "NUMBER(hex)=0x1f\n"
                              "KERNELOFFSET=1b000000\n"
                              "CRASHTIME=1700000000\n";

static DkVmcoreinfo *parsed(const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    g_autoptr(GError) error = NULL;
    DkVmcoreinfo *info = dk_vmcoreinfo_parse(bytes, &error);
    g_assert_no_error(error);
    return info;
}

static void test_parse(void)
{
    g_autoptr(DkVmcoreinfo) info = parsed(text_64);
    guint64 value = 42;
    g_assert_cmpstr(dk_vmcoreinfo_release(info), ==, "6.1.0-13-amd64");
    g_assert_cmpstr(dk_vmcoreinfo_get(info, "BUILD-ID"), ==, "0123456789abcdef");
    g_assert_cmpuint(dk_vmcoreinfo_page_size(info), ==, 4096);
    g_assert_true(dk_vmcoreinfo_symbol(info, "init_uts_ns", &value));
    g_assert_cmphex(value, ==, 0xffffffff9cc31b40);
    g_assert_true(dk_vmcoreinfo_size(info, "page", &value));
    g_assert_cmpuint(value, ==, 64);
    g_assert_true(dk_vmcoreinfo_offset(info, "uts_namespace.name", &value));
    g_assert_cmpuint(value, ==, 0);
    g_assert_true(dk_vmcoreinfo_length(info, "mem_section", &value));
    g_assert_cmpuint(value, ==, 2048);
    g_assert_true(dk_vmcoreinfo_number(info, "PAGE_BUDDY_MAPCOUNT_VALUE", &value));
    g_assert_cmpint((gint64)value, ==, -129);
    g_assert_true(dk_vmcoreinfo_number(info, "hex", &value));
    g_assert_cmphex(value, ==, 0x1f);
    g_assert_true(dk_vmcoreinfo_kernel_offset(info, &value));
    g_assert_cmphex(value, ==, 0x1b000000);
    g_assert_false(dk_vmcoreinfo_number(info, "nothing", &value));
    g_assert_cmphex(value, ==, 0x1b000000);
}

static void assert_refused(const char *text, gsize len, int code, const char *part)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, len);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_vmcoreinfo_parse(bytes, &error));
    g_assert_error(error, DK_ERROR, code);
    g_assert_nonnull(strstr(error->message, part));
}

static void test_refused(void)
{
    g_autofree char *huge = g_strnfill(DK_VMCOREINFO_MAX + 1, 'A');
    assert_refused("", 0, DK_ERROR_DAMAGED, "PAGESIZE");
    assert_refused("OSRELEASE=6.1\n", 14, DK_ERROR_DAMAGED, "PAGESIZE");
    assert_refused("PAGESIZE=4096\n", 14, DK_ERROR_DAMAGED, "OSRELEASE");
    assert_refused("OSRELEASE=6.1\nPAGESIZE=-1\n", 26, DK_ERROR_DAMAGED, "\"-1\"");
    assert_refused(huge, strlen(huge), DK_ERROR_LIMIT, "65537");
    /* What makes no sense is passed over; a NUL ends the text. */
    g_autoptr(DkVmcoreinfo) info = parsed("OSRELEASE=6\nPAGESIZE=4096\n=\nx\nSIZE(page)=6z\n");
    guint64 value;
    g_assert_false(dk_vmcoreinfo_size(info, "page", &value));
}

/* A kernel at 2 MiB whose image is mapped by a 2 MiB page; its tables are at 0x10000 in it. */
static void put_kernel(PhysMemory *phys)
{
    static const char banner[] = "Linux version 6.1.0-13-amd64 (a@b) (gcc) #1 SMP\n";
    static const char copy[] = "Linux version 6.1.0-13-amd64 (a@b) (gcc) #1 SMPxx";
    static const char template[] = "Linux version %s (x) # no\n";
    guint64 root = 2 * MIB + 0x10000;
    phys_put(phys, root + 511 * 8, root + 0x1003, 8);
    phys_put(phys, root + 0x1000 + 510 * 8, root + 0x2003, 8);
    phys_put(phys, root + 0x2000 + 8 * 8, (2 * MIB) | 0xe3, 8);
    memcpy(phys->bytes + 2 * MIB + 0x20000, template, sizeof template);
    memcpy(phys->bytes + 2 * MIB + 0x20100, copy, sizeof copy);
    memcpy(phys->bytes + 2 * MIB + 0x20ff0, banner, sizeof banner);
}

static char *text_at(const char *phys_base)
{
    return g_strdup_printf("OSRELEASE=6.1.0-13-amd64\nPAGESIZE=4096\n"
                           "SYMBOL(_stext)=ffffffff81000000\n"
                           "SYMBOL(swapper_pg_dir)=ffffffff81010000\nNUMBER(phys_base)=%s\n",
                           phys_base);
}

static void test_kernel(void)
{
    g_autoptr(DkSpace) space = &phys_new(8 * MIB)->base;
    put_kernel((PhysMemory *)space);
    /* 2 MiB - 16 MiB */
    g_autofree char *text = text_at("-14680064");
    g_autoptr(DkVmcoreinfo) info = parsed(text);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(space, info, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(dk_linux_kernel_machine(kernel), ==, DK_MACHINE_X86_64);
    g_assert_true(dk_linux_kernel_is_in_place(kernel));
    g_assert_cmphex(dk_linux_kernel_tables(kernel)->root, ==, 2 * MIB + 0x10000);
    g_assert_cmpint(dk_linux_kernel_phys_base(kernel), ==, -14680064);
    g_autofree char *banner = dk_linux_kernel_banner(kernel);
    g_assert_cmpstr(banner, ==, "Linux version 6.1.0-13-amd64 (a@b) (gcc) #1 SMP");
    guint8 byte = 0;
    g_assert_cmpuint(dk_space_read(dk_linux_kernel_space(kernel), 0xffffffff81020ff0, &byte, 1), ==,
                     1);
    g_assert_cmpint(byte, ==, 'L');
    g_autofree char *elsewhere = text_at("0");
    g_autoptr(DkVmcoreinfo) other = parsed(elsewhere);
    g_autoptr(DkLinuxKernel) lost = dk_linux_kernel_new(space, other, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(dk_linux_kernel_is_in_place(lost));
}

static void test_facts(void)
{
    g_autoptr(DkSpace) space = &phys_new(8 * MIB)->base;
    put_kernel((PhysMemory *)space);
    g_autoptr(GBytes) bytes = g_bytes_new_static(text_64, strlen(text_64));
    g_autoptr(GError) error = NULL;
    g_auto(DkLinuxFacts) facts = {0};
    g_assert_true(dk_linux_facts_read(space, NULL, bytes, &facts, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(facts.release, ==, "6.1.0-13-amd64");
    g_assert_cmpstr(facts.build_id, ==, "0123456789abcdef");
    g_assert_cmpstr(facts.banner, ==, "Linux version 6.1.0-13-amd64 (a@b) (gcc) #1 SMP");
    g_assert_cmpstr(facts.paging, ==, "4-level");
    g_assert_cmpuint(facts.levels, ==, 4);
    g_assert_true(facts.in_place && facts.offset_known);
    g_assert_cmphex(facts.page_root, ==, 2 * MIB + 0x10000);
    g_assert_cmphex(facts.kernel_offset, ==, 0x1b000000);
    g_assert_cmpint(facts.crash_time, ==, 1700000000);
    /* A machine that we know little of still has a release. */
    static const char power[] = "OSRELEASE=6\nPAGESIZE=65536\n";
    g_autoptr(GBytes) other = g_bytes_new_static(power, strlen(power));
    g_auto(DkLinuxFacts) few = {0};
    g_assert_true(dk_linux_facts_read(space, NULL, other, &few, &error));
    g_assert_cmpstr(few.release, ==, "6");
    g_assert_null(few.paging);
    g_assert_cmpint(few.crash_time, ==, -1);
    g_autoptr(GBytes) none = g_bytes_new_static("x", 1);
    g_assert_false(dk_linux_facts_read(space, NULL, none, &few, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
}

/* Before 4.10: where the image lies is known through the tables of a CPU only. */
static void test_kernel_by_cpu(void)
{
    g_autoptr(DkSpace) space = &phys_new(8 * MIB)->base;
    put_kernel((PhysMemory *)space);
    g_autoptr(DkVmcoreinfo) info = parsed("OSRELEASE=4.9\nPAGESIZE=4096\n"
                                          "SYMBOL(init_level4_pgt)=ffffffff81010000\n"
                                          "SYMBOL(_stext)=ffffffff81000000\n");
    DkMachine machine = {0};
    dk_machine_init(&machine);
    DkCpu *cpu = dk_machine_add_cpu(&machine, 0);
    cpu->parts = DK_CPU_CONTROL;
    cpu->cr0 = 0x80000001;
    cpu->cr3 = 2 * MIB + 0x10000;
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(space, info, &machine, NULL);
    g_assert_nonnull(kernel);
    g_assert_true(dk_linux_kernel_is_in_place(kernel));
    dk_machine_clear(&machine);
}

static void test_other_machines(void)
{
    g_autoptr(DkSpace) space = &phys_new(MIB)->base;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkVmcoreinfo) arm = parsed("OSRELEASE=6\nPAGESIZE=4096\n"
                                         "SYMBOL(swapper_pg_dir)=ffff800001234000\n"
                                         "NUMBER(VA_BITS)=48\n"
                                         "NUMBER(kimage_voffset)=0xffff7fffc0000000\n");
    g_autoptr(DkLinuxKernel) kernel = dk_linux_kernel_new(space, arm, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(dk_linux_kernel_machine(kernel), ==, DK_MACHINE_ARM64);
    g_assert_cmphex(dk_linux_kernel_tables(kernel)->root_high, ==, 0x41234000);
    g_autoptr(DkVmcoreinfo) pae = parsed("OSRELEASE=6\nPAGESIZE=4096\nCONFIG_X86_PAE=y\n"
                                         "SYMBOL(swapper_pg_dir)=c1234000\n");
    g_autoptr(DkLinuxKernel) small = dk_linux_kernel_new(space, pae, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(dk_linux_kernel_tables(small)->paging == &dk_paging_x86_pae);
    g_assert_cmphex(dk_linux_kernel_tables(small)->root, ==, 0x1234000);
    g_autoptr(DkVmcoreinfo) power = parsed("OSRELEASE=6\nPAGESIZE=65536\n"
                                           "SYMBOL(swapper_pg_dir)=c000000001234000\n");
    g_assert_null(dk_linux_kernel_new(space, power, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    g_autoptr(DkVmcoreinfo) bare = parsed("OSRELEASE=6\nPAGESIZE=4096\n");
    g_assert_null(dk_linux_kernel_new(space, bare, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "SYMBOL(init_top_pgt)"));
}

static char *found_text(DkSpace *space, guint64 max_bytes, GError **error)
{
    g_autoptr(GBytes) bytes = dk_vmcoreinfo_find(space, max_bytes, NULL, error);
    if (!bytes)
        return NULL;
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    return g_strndup(data, size);
}

static void put_text(PhysMemory *phys, guint64 pa, const char *text)
{
    memcpy(phys->bytes + pa, text, strlen(text));
}

static void test_find(void)
{
    g_autoptr(DkSpace) space = &phys_new(16 * MIB)->base;
    PhysMemory *phys = (PhysMemory *)space;
    g_autoptr(GError) error = NULL;
    g_assert_null(found_text(space, 0, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    /* Things that look like it: a program's templates, a file's words. */
    put_text(phys, 0x1100, "OSRELEASE=%s\nPAGESIZE=%ld\n");
    put_text(phys, 0x2100, "OSRELEASE=6.1\nPAGESIZE=4096\n");
    put_text(phys, 0x3100, "OSRELEASE=6.1\nPAGESIZE=4096\nSYMBOL(_stext)=1\nand then\n");
    g_clear_error(&error);
    g_assert_null(found_text(space, 0, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    /* A copy in the middle of a page, then that of another kernel, then the right one, in a note.
     */
    g_autofree char *stale = text_at("0");
    put_text(phys, 0x4210, stale);
    g_autofree char *copy = found_text(space, 0, NULL);
    g_assert_cmpstr(copy, ==, stale);
    g_autofree char *placed = text_at("4096");
    put_text(phys, 0x8000, placed);
    g_autofree char *better = found_text(space, 0, NULL);
    g_assert_cmpstr(better, ==, placed);
    put_kernel(phys);
    g_autofree char *right = text_at("-14680064");
    put_text(phys, 12 * MIB + 12, "VMCOREINFO");
    put_text(phys, 12 * MIB + 24, right);
    g_autofree char *best = found_text(space, 0, NULL);
    g_assert_cmpstr(best, ==, right);
    /* Within a limit, and where the page behind it is not there. */
    phys->kinds[(12 * MIB >> 12) + 1] = DK_RUN_ABSENT;
    g_autofree char *again = found_text(space, 0, NULL);
    g_assert_cmpstr(again, ==, right);
    g_autofree char *limited = found_text(space, MIB, NULL);
    g_assert_cmpstr(limited, ==, placed);
}

static gboolean count_hit(guint64 addr, gpointer data)
{
    g_array_append_val((GArray *)data, addr);
    return TRUE;
}

static void test_scan(void)
{
    g_autoptr(DkSpace) space = &phys_new(4 * MIB)->base;
    PhysMemory *phys = (PhysMemory *)space;
    g_autoptr(GArray) hits = g_array_new(FALSE, FALSE, sizeof(guint64));
    DkScan scan = {.needle = "needle", .len = 6, .last = G_MAXUINT64};
    gboolean whole = FALSE;
    put_text(phys, 0, "needle");
    put_text(phys, MIB - 3, "needle"); /* across two pieces that are read */
    put_text(phys, 2 * MIB - 3, "needle");
    put_text(phys, 4 * MIB - 6, "needle");
    phys->kinds[2 * MIB >> 12] = DK_RUN_ABSENT; /* half of it is not there */
    g_assert_true(dk_scan_memory(space, &scan, count_hit, hits, &whole, NULL, NULL));
    g_assert_true(whole);
    g_assert_cmpuint(hits->len, ==, 3);
    g_assert_cmphex(g_array_index(hits, guint64, 1), ==, MIB - 3);
    g_assert_cmphex(g_array_index(hits, guint64, 2), ==, 4 * MIB - 6);
    g_array_set_size(hits, 0);
    scan.first = 1;
    scan.max_bytes = MIB + 1;
    g_assert_true(dk_scan_memory(space, &scan, count_hit, hits, &whole, NULL, NULL));
    g_assert_false(whole);
    g_assert_cmpuint(hits->len, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmcoreinfo/parse", test_parse);
    g_test_add_func("/vmcoreinfo/refused", test_refused);
    g_test_add_func("/vmcoreinfo/kernel", test_kernel);
    g_test_add_func("/vmcoreinfo/facts", test_facts);
    g_test_add_func("/vmcoreinfo/kernel-by-cpu", test_kernel_by_cpu);
    g_test_add_func("/vmcoreinfo/other-machines", test_other_machines);
    g_test_add_func("/vmcoreinfo/find", test_find);
    g_test_add_func("/vmcoreinfo/scan", test_scan);
    return g_test_run();
}
