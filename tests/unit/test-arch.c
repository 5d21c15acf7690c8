/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/user.h>

#include "arch/arch.h"

static void test_known(void)
{
    g_assert_null(dk_arch_for(DK_MACHINE_UNKNOWN));
    const DkMachineId all[] = {DK_MACHINE_X86, DK_MACHINE_X86_64, DK_MACHINE_ARM64};
    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        const DkArch *arch = dk_arch_for(all[i]);
        g_assert_nonnull(arch);
        g_assert_true(arch->machine == all[i]);
        g_assert_cmpuint(arch->pointer_size, ==, dk_machine_pointer_size(all[i]));
        g_assert_cmpuint(arch->general_size % arch->pointer_size, ==, 0);
        /* Every register lies inside, on a place of its own. */
        guint64 places = 0;
        for (guint n = 0; n < arch->nnames; n++) {
            g_assert_cmpuint(arch->names[n].off + arch->names[n].size, <=, arch->general_size);
            guint64 place = 1ull << arch->names[n].off / arch->pointer_size;
            g_assert_false(places & place);
            places |= place;
            g_assert_cmpint(arch->names[n].dwarf, <, DK_ARCH_REGS_MAX);
        }
        g_assert_cmphex(places, ==, (1ull << arch->general_size / arch->pointer_size) - 1);
        /* What `r` shows is known by name. */
        g_autofree guint8 *raw = g_malloc0(arch->general_size);
        g_autoptr(GBytes) general = g_bytes_new(raw, arch->general_size);
        for (guint line = 0; arch->display[line]; line++) {
            g_auto(GStrv) words = g_strsplit(arch->display[line], " ", 0);
            for (guint w = 0; words[w]; w++) {
                guint64 value = 1;
                g_assert_true(dk_arch_reg_by_name(arch, general, words[w], &value));
                g_assert_cmphex(value, ==, 0);
            }
        }
        for (guint p = 0; p < arch->nparts; p++) {
            guint64 value = 1;
            g_assert_true(dk_arch_reg_by_name(arch, general, arch->parts[p].name, &value));
        }
    }
}

/* The table agrees with the C library's struct. */
static void test_layout(void)
{
#ifdef __x86_64__
    struct user_regs_struct user = {
        .r15 = 15,
        .r14 = 14,
        .r13 = 13,
        .r12 = 12,
        .rbp = 106,
        .rbx = 102,
        .r11 = 11,
        .r10 = 10,
        .r9 = 9,
        .r8 = 8,
        .rax = 0x1122334455667788,
        .rcx = 103,
        .rdx = 104,
        .rsi = 105,
        .rdi = 107,
        .orig_rax = 59,
        .rip = 0x401000,
        .cs = 0x33,
        .eflags = 0x3246,
        .rsp = 0x7ffc00001000,
        .ss = 0x2b,
        .fs_base = 70,
        .gs_base = 71,
        .ds = 1,
        .es = 2,
        .fs = 3,
        .gs = 4,
    };
    const DkArch *arch = dk_arch_for(DK_MACHINE_X86_64);
    g_assert_cmpuint(arch->general_size, ==, sizeof user);
    g_autoptr(GBytes) general = g_bytes_new(&user, sizeof user);
    const struct {
        const char *name;
        guint64 value;
    } wanted[] = {
        {"rax", user.rax}, {"eax", 0x55667788}, {"ax", 0x7788},  {"ah", 0x77},    {"al", 0x88},
        {"RBX", 102},      {"rcx", 103},        {"rdx", 104},    {"rsi", 105},    {"rdi", 107},
        {"rbp", 106},      {"r8", 8},           {"r8d", 8},      {"r9", 9},       {"r10", 10},
        {"r11", 11},       {"r12", 12},         {"r13", 13},     {"r14", 14},     {"r15", 15},
        {"rip", 0x401000}, {"rsp", user.rsp},   {"cs", 0x33},    {"ss", 0x2b},    {"ds", 1},
        {"es", 2},         {"fs", 3},           {"gs", 4},       {"efl", 0x3246}, {"zf", 1},
        {"cf", 0},         {"iopl", 3},         {"fs_base", 70}, {"gs_base", 71}, {"orig_rax", 59},
        {"if", 1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        guint64 value = ~wanted[i].value;
        g_assert_true(dk_arch_reg_by_name(arch, general, wanted[i].name, &value));
        g_assert_cmphex(value, ==, wanted[i].value);
    }
    guint64 untouched = 7;
    g_assert_false(dk_arch_reg_by_name(arch, general, "x0", &untouched));
    g_assert_cmphex(untouched, ==, 7);

    /* By DWARF number: System V psABI AMD64. */
    DkRegs regs;
    g_assert_true(dk_arch_regs_from_general(arch, general, &regs));
    const guint64 by_number[] = {user.rax, 104, 103, 102, 105, 107, 106, user.rsp, 8,
                                 9,        10,  11,  12,  13,  14,  15,  0x401000};
    for (guint i = 0; i < G_N_ELEMENTS(by_number); i++) {
        g_assert_true(dk_regs_has(&regs, i));
        g_assert_cmphex(regs.value[i], ==, by_number[i]);
    }
    g_assert_false(dk_regs_has(&regs, 17));
    g_assert_false(dk_regs_has(&regs, 4096));
#else
    g_test_skip("not on x86-64");
#endif
}

static void test_short(void)
{
    const DkArch *arch = dk_arch_for(DK_MACHINE_X86);
    guint8 raw[67] = {0};
    g_autoptr(GBytes) general = g_bytes_new(raw, sizeof raw);
    DkRegs regs = {.valid = 5};
    guint64 value = 5;
    g_assert_false(dk_arch_regs_from_general(arch, general, &regs));
    g_assert_cmphex(regs.valid, ==, 5);
    g_assert_false(dk_arch_regs_from_general(arch, NULL, &regs));
    g_assert_false(dk_arch_reg_by_name(arch, general, "eax", &value));
    g_assert_false(dk_arch_reg_by_name(arch, NULL, "eax", &value));
    g_assert_cmphex(value, ==, 5);
}

/* The layout of the kernel's 32-bit struct and of arm64's, by place. */
static void test_foreign(void)
{
    static const char *const x86[] = {"ebx", "ecx", "edx", "esi", "edi", "ebp",
                                      "eax", "ds",  "es",  "fs",  "gs",  "orig_eax",
                                      "eip", "cs",  "efl", "esp", "ss"};
    guint32 words[G_N_ELEMENTS(x86)];
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        words[i] = GUINT32_TO_LE(0x80000000u + i);
    g_autoptr(GBytes) general = g_bytes_new(words, sizeof words);
    guint64 value = 0;
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        g_assert_true(dk_arch_reg_by_name(dk_arch_for(DK_MACHINE_X86), general, x86[i], &value));
        g_assert_cmphex(value, ==, 0x80000000u + i);
    }
    guint64 wide[34];
    for (guint i = 0; i < G_N_ELEMENTS(wide); i++)
        wide[i] = GUINT64_TO_LE(0x100 + i);
    g_autoptr(GBytes) arm = g_bytes_new(wide, sizeof wide);
    const DkArch *arch = dk_arch_for(DK_MACHINE_ARM64);
    for (guint i = 0; i < 31; i++) {
        g_autofree char *name = g_strdup_printf("x%u", i);
        g_assert_true(dk_arch_reg_by_name(arch, arm, name, &value));
        g_assert_cmphex(value, ==, 0x100 + i);
    }
    DkRegs regs;
    g_assert_true(dk_arch_regs_from_general(arch, arm, &regs));
    g_assert_cmphex(regs.value[arch->fp], ==, 0x100 + 29);
    g_assert_cmphex(regs.value[30], ==, 0x100 + 30);
    g_assert_cmphex(regs.value[arch->sp], ==, 0x100 + 31);
    g_assert_cmphex(regs.value[arch->pc], ==, 0x100 + 32);
    g_assert_true(dk_arch_reg_by_name(arch, arm, "psr", &value));
    g_assert_cmphex(value, ==, 0x100 + 33);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arch/known", test_known);
    g_test_add_func("/arch/layout", test_layout);
    g_test_add_func("/arch/short", test_short);
    g_test_add_func("/arch/foreign", test_foreign);
    return g_test_run();
}
