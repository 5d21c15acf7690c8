/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>

#include "base/error.h"
#include "target/process/link-map.h"
#include "test-cmd-dump.h"

static void test_names(void)
{
    g_autoptr(DkTarget) target = fake_target_new();
    const DkModule *app = dk_target_module_at(target, FAKE_VA + 5);
    g_assert_cmpstr(dk_target_module_name(target, app), ==, "app");
    const DkModule *low = dk_target_module_at(target, 0x10000);
    const DkModule *high = dk_target_module_at(target, 0x2ffff);
    g_assert_cmpstr(dk_target_module_name(target, low), ==, "libstdc__");
    g_assert_cmpstr(dk_target_module_name(target, high), ==, "libstdc___20000");
    g_assert_true(dk_target_module_by_name(target, "libstdc__") == low);
    g_assert_true(dk_target_module_by_name(target, "libstdc++.so.5") == high);
    g_assert_null(dk_target_module_by_name(target, "LIBSTDC__"));
    g_assert_null(dk_target_module_at(target, 0x30000));
    g_assert_null(dk_target_module_at(target, 0xffff));
    g_autofree char *inside = dk_target_describe(target, 0x10010);
    g_assert_cmpstr(inside, ==, "libstdc__+0x10");
    g_autofree char *outside = dk_target_describe(target, 0x7ff012345678);
    g_assert_cmpstr(outside, ==, "00007ff0`12345678");
}

static void test_registers(void)
{
    g_autoptr(DkTarget) target = fake_target_new();
    DkRegs regs = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_target_regs(target, 0, &regs, NULL));
    g_assert_cmphex(regs.value[dk_target_arch(target)->pc], ==, FAKE_VA + 0x80);
    guint64 value = 0;
    g_assert_true(dk_target_reg(target, 0, "eax", &value, NULL));
    g_assert_cmphex(value, ==, 0x55667788);
    g_assert_false(dk_target_regs(target, 1, &regs, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_ABSENT);
    g_assert_nonnull(strstr(error->message, "it ended"));
    g_clear_error(&error);
    g_assert_false(dk_target_set_current(target, 2, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    g_autofree char *reason = dk_target_reason(target);
    g_assert_cmpstr(reason, ==, "SIGSEGV (11), SEGV_MAPERR at 00000000`00000010");
}

static void test_no_symbols(void)
{
    g_autoptr(DkTarget) target = fake_target_new();
    const DkModule *app = dk_target_module_at(target, FAKE_VA);
    gboolean tried = TRUE;
    g_assert_null(dk_target_symbols_peek(target, app, &tried));
    g_assert_false(tried);
    g_autoptr(GError) error = NULL;
    guint64 va = 0;
    g_assert_false(dk_target_resolve(target, "app!main", &va, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "/nowhere/app-1.2"));
    g_assert_null(dk_target_symbols_peek(target, app, &tried));
    g_assert_true(tried);
    g_assert_true(dk_target_resolve(target, "app", &va, NULL));
    g_assert_cmphex(va, ==, FAKE_VA);
}

/* The memory of a process whose dump names no modules. */
typedef struct {
    Elf64_Ehdr header;
    Elf64_Phdr segments[3];
    Elf64_Dyn dynamic[2];
    guint64 debug[2];
    struct {
        guint64 l_addr, l_name, l_ld, l_next;
    } maps[2];
    char name[16];
    Elf64_Ehdr library;
    Elf64_Phdr library_segment;
} LinkMapImage;

#define PROGRAM_VA 0x555500000000u

static Elf64_Ehdr elf_header(guint phnum)
{
    Elf64_Ehdr header = {
        .e_phoff = sizeof header, .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = (Elf64_Half)phnum};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    return header;
}

static void fill_link_map(LinkMapImage *image, guint64 next_va)
{
    *image = (LinkMapImage){.header = elf_header(3)};
    image->segments[0] = (Elf64_Phdr){
        .p_type = PT_PHDR, .p_vaddr = G_STRUCT_OFFSET(LinkMapImage, segments), .p_memsz = 168};
    image->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_memsz = 0x2345};
    image->segments[2] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
                                      .p_vaddr = G_STRUCT_OFFSET(LinkMapImage, dynamic)};
    image->dynamic[0].d_tag = DT_DEBUG;
    image->dynamic[0].d_un.d_ptr = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, debug);
    image->debug[0] = 1;
    image->debug[1] = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, maps);
    image->maps[0].l_addr = PROGRAM_VA;
    image->maps[0].l_ld = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, dynamic);
    image->maps[0].l_next = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, maps[1]);
    /* The library lies in the same buffer; its load address is that of its header. */
    image->maps[1].l_addr = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, library);
    image->maps[1].l_name = PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, name);
    image->maps[1].l_next = next_va;
    g_strlcpy(image->name, "/lib/libx.so.1", sizeof image->name);
    image->library = elf_header(1);
    image->library_segment = (Elf64_Phdr){.p_type = PT_LOAD, .p_vaddr = 0x10000, .p_memsz = 0x1000};
}

static DkSubject *link_map_subject(void)
{
    DkSubject *subject = dk_subject_new();
    subject->machine = DK_MACHINE_X86_64;
    subject->os = DK_OS_LINUX;
    subject->process.exe = g_strdup("/bin/program");
    const guint64 auxv[] = {
        AT_PHDR, PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, segments), AT_PHNUM, 3, AT_NULL, 0};
    subject->process.auxv = g_bytes_new(auxv, sizeof auxv);
    return subject;
}

static void test_link_map(void)
{
    g_autoptr(DkSubject) subject = link_map_subject();
    FakeSpace *fake = fake_space_new(PROGRAM_VA, sizeof(LinkMapImage));
    fill_link_map((LinkMapImage *)fake->data, 0);
    dk_link_map_add_modules(subject, &fake->space);
    g_assert_cmpuint(subject->process.modules->len, ==, 1);
    const DkModule *program = subject->process.modules->pdata[0];
    g_assert_cmphex(program->first, ==, PROGRAM_VA);
    g_assert_cmphex(program->last, ==, PROGRAM_VA + 0x2fff);
    g_assert_cmpstr(program->path, ==, "/bin/program");
    dk_space_unref(&fake->space);
}

/* As above, but the library's header is a page of its own behind the program. */
static void test_link_map_library(void)
{
    g_autoptr(DkSubject) subject = link_map_subject();
    FakeSpace *fake = fake_space_new(PROGRAM_VA, 0x1000);
    LinkMapImage *image = (LinkMapImage *)fake->data;
    fill_link_map(image, 0);
    image->segments[1].p_memsz = 0x800;
    subject->page_size = 0x800;
    image->maps[1].l_addr = PROGRAM_VA + 0x800;
    Elf64_Ehdr header = elf_header(1);
    Elf64_Phdr segment = {.p_type = PT_LOAD, .p_memsz = 0x1801};
    memcpy(fake->data + 0x800, &header, sizeof header);
    memcpy(fake->data + 0x800 + sizeof header, &segment, sizeof segment);
    dk_link_map_add_modules(subject, &fake->space);
    g_assert_cmpuint(subject->process.modules->len, ==, 2);
    const DkModule *library = subject->process.modules->pdata[1];
    g_assert_cmpstr(library->path, ==, "/lib/libx.so.1");
    g_assert_cmphex(library->first, ==, PROGRAM_VA + 0x800);
    g_assert_cmphex(library->last, ==, PROGRAM_VA + 0x27ff);
    dk_space_unref(&fake->space);
}

/* A list that leads back into itself, a segment that wraps, an absurd count. */
static void test_link_map_hostile(void)
{
    for (guint kind = 0; kind < 3; kind++) {
        g_autoptr(DkSubject) subject = link_map_subject();
        FakeSpace *fake = fake_space_new(PROGRAM_VA, sizeof(LinkMapImage));
        LinkMapImage *image = (LinkMapImage *)fake->data;
        fill_link_map(image, PROGRAM_VA + G_STRUCT_OFFSET(LinkMapImage, maps[1]));
        if (kind == 1)
            image->segments[1].p_memsz = G_MAXUINT64;
        if (kind == 2) {
            const guint64 auxv[] = {AT_PHDR, PROGRAM_VA, AT_PHNUM, G_MAXUINT64, AT_NULL, 0};
            g_bytes_unref(subject->process.auxv);
            subject->process.auxv = g_bytes_new(auxv, sizeof auxv);
        }
        dk_link_map_add_modules(subject, &fake->space);
        g_assert_cmpuint(subject->process.modules->len, <=, 2);
        for (guint i = 0; i < subject->process.modules->len; i++) {
            const DkModule *module = subject->process.modules->pdata[i];
            g_assert_cmphex(module->first, <=, module->last);
        }
        dk_space_unref(&fake->space);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/target/names", test_names);
    g_test_add_func("/target/registers", test_registers);
    g_test_add_func("/target/no-symbols", test_no_symbols);
    g_test_add_func("/target/link-map", test_link_map);
    g_test_add_func("/target/link-map-library", test_link_map_library);
    g_test_add_func("/target/link-map-hostile", test_link_map_hostile);
    return g_test_run();
}
