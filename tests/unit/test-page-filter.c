/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Struct pages made by hand, in the layout of Linux 6.1. */
#include "base/error.h"
#include "phys-memory.h"
#include "target/linux/page-filter.h"

#define MIB ((guint64)1 << 20)
#define IMAGE_VA 0xffffffff81000000ull
#define IMAGE_PA (2 * MIB)
#define ROOTS 0x80000
#define SECTIONS 0x81000
#define STRUCT 64
#define PER_SECTION 1024 /* sections of 4 MiB */

enum { LRU = 1 << 4, SLAB = 1 << 9, SWAPCACHE = 1 << 10, PRIVATE = 1 << 13, HEAD = 1 << 16 };
#define SWAPBACKED (1u << 19)
#define BUDDY 0xffffff7fu
#define OFFLINE 0xfffffeffu

static const char text[] = "OSRELEASE=6.1.0\n"
                           "PAGESIZE=4096\n"
                           "SYMBOL(_stext)=ffffffff81000000\n"
                           "SYMBOL(swapper_pg_dir)=ffffffff81010000\n"
                           "NUMBER(phys_base)=-14680064\n"
                           "SYMBOL(mem_section)=ffffffff81080000\n"
                           "LENGTH(mem_section)=1\n"
                           "SIZE(mem_section)=16\n"
                           "OFFSET(mem_section.section_mem_map)=0\n"
                           "NUMBER(SECTION_SIZE_BITS)=22\n"
                           "NUMBER(MAX_PHYSMEM_BITS)=24\n"
                           "SIZE(page)=64\n"
                           "OFFSET(page.flags)=0\n"
                           "OFFSET(page.mapping)=24\n"
                           "OFFSET(page._mapcount)=48\n"
                           "OFFSET(page.private)=40\n"
                           "OFFSET(page.compound_dtor)=16\n"
                           "OFFSET(page.compound_order)=17\n"
                           "OFFSET(page.compound_head)=8\n"
                           "LENGTH(zone.free_area)=11\n"
                           "NUMBER(PG_lru)=4\n"
                           "NUMBER(PG_private)=13\n"
                           "NUMBER(PG_swapcache)=10\n"
                           "NUMBER(PG_swapbacked)=19\n"
                           "NUMBER(PG_slab)=9\n"
                           "NUMBER(PG_head_mask)=65536\n"
                           "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-129\n"
                           "NUMBER(HUGETLB_PAGE_DTOR)=2\n"
                           "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-257\n";

/* Where in the image the struct pages of a section are; section 2 is a hole. */
static guint64 map_off(guint64 section)
{
    return 0x90000 + section * 0x10000;
}

static guint64 struct_pa(guint64 pfn)
{
    return IMAGE_PA + map_off(pfn / PER_SECTION) + pfn % PER_SECTION * STRUCT;
}

static void put_page(PhysMemory *phys, guint64 pfn, guint64 flags, guint64 mapping,
                     guint32 mapcount, guint64 private)
{
    phys_put(phys, struct_pa(pfn), flags, 8);
    phys_put(phys, struct_pa(pfn) + 24, mapping, 8);
    phys_put(phys, struct_pa(pfn) + 48, mapcount, 4);
    phys_put(phys, struct_pa(pfn) + 40, private, 8);
}

static void put_compound(PhysMemory *phys, guint64 pfn, guint order, guint8 dtor)
{
    guint64 head_va = struct_pa(pfn) - IMAGE_PA + IMAGE_VA;
    for (guint64 i = 1; i < (guint64)1 << order; i++)
        phys_put(phys, struct_pa(pfn + i) + 8, head_va | 1, 8);
    phys_put(phys, struct_pa(pfn + 1) + 16, dtor, 1);
    phys_put(phys, struct_pa(pfn + 1) + 17, order, 1);
}

static PhysMemory *memory(void)
{
    PhysMemory *phys = phys_new(16 * MIB);
    guint64 root = IMAGE_PA + 0x10000;
    phys_put(phys, root + 511 * 8, root + 0x1003, 8);
    phys_put(phys, root + 0x1000 + 510 * 8, root + 0x2003, 8);
    phys_put(phys, root + 0x2000 + 8 * 8, IMAGE_PA | 0xe3, 8);
    phys_put(phys, IMAGE_PA + ROOTS, IMAGE_VA + SECTIONS, 8);
    for (guint64 i = 0; i < 4; i++) {
        guint64 map = IMAGE_VA + map_off(i) - i * PER_SECTION * STRUCT;
        phys_put(phys, IMAGE_PA + SECTIONS + i * 16, i == 2 ? 0x1 : map | 0xf, 8);
        for (guint pfn = 0; i != 2 && pfn < PER_SECTION; pfn++)
            put_page(phys, i * PER_SECTION + pfn, 0, 0, G_MAXUINT32, 0);
    }
    put_page(phys, 0, 0, 0, BUDDY, 2);
    put_page(phys, 8, 0, 0, BUDDY, 3);
    put_page(phys, 16, LRU, 0x1000, 0, 0);
    put_page(phys, 17, LRU | PRIVATE, 0x1000, 0, 0);
    put_page(phys, 18, LRU | SWAPBACKED, 0x1001, 0, 0);
    put_page(phys, 19, SWAPCACHE | SWAPBACKED, 0x1001, 0, 0);
    put_page(phys, 20, SLAB, 0x1001, 0, 0);
    put_page(phys, 21, SWAPCACHE, 0, 0, 0);              /* PG_swapcache is another flag here */
    put_page(phys, 22, SWAPCACHE | SWAPBACKED, 0, 0, 0); /* shared memory on its way to disk */
    put_page(phys, 30, 0, 0, OFFLINE, 0);
    put_page(phys, 33, 0, 0, BUDDY, 3); /* not aligned */
    put_page(phys, 40, 0, 0, BUDDY, 60);
    put_page(phys, 256, HEAD, 0, 0, 0);
    put_compound(phys, 256, 8, 2);
    put_page(phys, 1024, HEAD | LRU | SWAPBACKED, 0x1001, 0, 0);
    put_compound(phys, 1024, 9, 1);
    put_page(phys, 1536, HEAD | SLAB, 0, 0, 0);
    put_compound(phys, 1536, 3, 1);
    put_page(phys, 3072, 0, 0, BUDDY, 10);
    return phys;
}

typedef struct {
    DkSpace *space;
    DkVmcoreinfo *info;
    DkLinuxKernel *kernel;
} World;

static void world_clear(World *world)
{
    dk_linux_kernel_free(world->kernel);
    dk_vmcoreinfo_free(world->info);
    dk_space_unref(world->space);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

static void world_init(World *world, PhysMemory *phys, const char *lines)
{
    g_autoptr(GBytes) bytes = g_bytes_new(lines, strlen(lines));
    world->space = &phys->base;
    world->info = dk_vmcoreinfo_parse(bytes, NULL);
    g_assert_nonnull(world->info);
    world->kernel = dk_linux_kernel_new(world->space, world->info, NULL, NULL);
    g_assert_nonnull(world->kernel);
}

/* All runs from a frame on as "0-3 8-15". */
static char *runs(DkLinuxPages *pages, guint64 from, guint32 mask)
{
    GString *list = g_string_new(NULL);
    guint64 first = 0, last = 0;
    guint32 kind = 0;
    while (dk_linux_pages_next(pages, from, mask, &first, &last, &kind)) {
        g_assert_true(kind & mask);
        g_assert_cmpuint(kind & (kind - 1), ==, 0);
        g_string_append_printf(list, "%s%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                               list->len ? " " : "", first, last);
        from = last + 1;
    }
    return g_string_free(list, FALSE);
}

static void assert_runs(DkLinuxPages *pages, guint64 from, guint32 mask, const char *expected)
{
    g_autofree char *got = runs(pages, from, mask);
    g_assert_cmpstr(got, ==, expected);
}

static void test_kinds(void)
{
    g_auto(World) world = {0};
    world_init(&world, memory(), text);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkLinuxPages) pages = dk_linux_pages_new(world.kernel, world.info, &error);
    g_assert_no_error(error);
    assert_runs(pages, 0, DK_LINUX_FREE, "0-3 8-15 3072-4095");
    assert_runs(pages, 0, DK_LINUX_CACHE, "16-16 22-22");
    assert_runs(pages, 0, DK_LINUX_CACHE_PRIVATE, "17-17");
    assert_runs(pages, 0, DK_LINUX_USER, "18-19 256-511 1024-1535");
    assert_runs(pages, 0, DK_LINUX_OFFLINE, "30-30");
    assert_runs(pages, 0, 0x3e,
                "0-3 8-15 16-16 17-17 18-19 22-22 30-30 256-511 1024-1535 3072-4095");
    assert_runs(pages, 0, 0, "");
}

/* From the middle of a block, of a compound page, in no order. */
static void test_from(void)
{
    g_auto(World) world = {0};
    world_init(&world, memory(), text);
    g_autoptr(DkLinuxPages) pages = dk_linux_pages_new(world.kernel, world.info, NULL);
    assert_runs(pages, 3500, DK_LINUX_FREE, "3500-4095");
    assert_runs(pages, 1300, DK_LINUX_USER, "1300-1535");
    assert_runs(pages, 9, DK_LINUX_FREE, "9-15 3072-4095");
    assert_runs(pages, 300, DK_LINUX_USER, "300-511 1024-1535");
    assert_runs(pages, 2, DK_LINUX_FREE, "2-3 8-15 3072-4095");
    assert_runs(pages, 4096, DK_LINUX_FREE, "");
    assert_runs(pages, G_MAXUINT64, DK_LINUX_FREE, "");
}

/* Struct pages that are not in the dump are of no kind. */
static void test_absent(void)
{
    PhysMemory *phys = memory();
    g_auto(World) world = {0};
    world_init(&world, phys, text);
    phys->kinds[struct_pa(0) >> 12] = DK_RUN_FILTERED;
    g_autoptr(DkLinuxPages) pages = dk_linux_pages_new(world.kernel, world.info, NULL);
    assert_runs(pages, 0, 0x3e, "256-511 1024-1535 3072-4095");
}

/* Linux 6.12: the type is the highest byte of what was _mapcount; no PG_slab. */
static void test_type_in_byte(void)
{
    PhysMemory *phys = memory();
    g_autofree char *lines = g_strdup(text);
    char *at = strstr(lines, "NUMBER(PAGE_BUDDY");
    *at = '\0';
    g_autofree char *newer = g_strconcat(lines, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=4026531840\n",
                                         NULL);
    put_page(phys, 0, 0, 0, 0xf0000003, 2);
    g_auto(World) world = {0};
    world_init(&world, phys, newer);
    g_autoptr(DkLinuxPages) pages = dk_linux_pages_new(world.kernel, world.info, NULL);
    g_assert_nonnull(pages);
    assert_runs(pages, 0, DK_LINUX_FREE, "0-3");
}

static char *without(const char *line)
{
    const char *at = strstr(text, line);
    g_assert_nonnull(at);
    const char *end = strchr(at, '\n') + 1;
    g_autofree char *front = g_strndup(text, (gsize)(at - text));
    return g_strconcat(front, end, NULL);
}

static void assert_refused(const char *lines, PhysMemory *phys, const char *part)
{
    g_auto(World) world = {0};
    g_autoptr(GError) error = NULL;
    world_init(&world, phys, lines);
    g_assert_null(dk_linux_pages_new(world.kernel, world.info, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    if (!strstr(error->message, part))
        g_error("\"%s\" does not name \"%s\"", error->message, part);
}

static void test_refused(void)
{
    static const char *const needed[] = {
        "SYMBOL(mem_section)",       "LENGTH(mem_section)",
        "SIZE(mem_section)",         "OFFSET(mem_section.section_mem_map)",
        "NUMBER(SECTION_SIZE_BITS)", "SIZE(page)",
        "OFFSET(page.flags)",        "OFFSET(page.mapping)",
        "OFFSET(page._mapcount)",    "OFFSET(page.private)",
        "LENGTH(zone.free_area)",    "NUMBER(PG_lru)",
        "NUMBER(PG_private)",        "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)"};
    static const char *const wrong[] = {
        "LENGTH(mem_section)=0",        "LENGTH(mem_section)=99",
        "SIZE(mem_section)=5000",       "SIZE(page)=8",
        "NUMBER(SECTION_SIZE_BITS)=63", "OFFSET(page.mapping)=60",
        "LENGTH(zone.free_area)=64",
    };
    for (guint i = 0; i < G_N_ELEMENTS(needed); i++) {
        g_autofree char *lines = without(needed[i]);
        assert_refused(lines, memory(), needed[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *lines = g_strconcat(text, wrong[i], "\n", NULL);
        assert_refused(lines, memory(), "does not add up");
    }
    PhysMemory *lost = memory();
    memset(lost->kinds + ((IMAGE_PA + ROOTS) >> 12), DK_RUN_ABSENT, 1);
    assert_refused(text, lost, "struct pages are not in memory");
    PhysMemory *strange = memory();
    put_page(strange, (IMAGE_PA + 0x10000) >> 12, 0, 0, BUDDY, 0);
    assert_refused(text, strange, "not understood");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-filter/kinds", test_kinds);
    g_test_add_func("/page-filter/from", test_from);
    g_test_add_func("/page-filter/absent", test_absent);
    g_test_add_func("/page-filter/type-in-byte", test_type_in_byte);
    g_test_add_func("/page-filter/refused", test_refused);
    return g_test_run();
}
