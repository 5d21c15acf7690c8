/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registers of x86 and x86-64.  Layouts: struct user_regs_struct in Linux' uapi asm/ptrace.h
 * and sys/user.h; DWARF numbers: System V psABI for i386 (table 2.14) and AMD64 (figure 3.36).
 */
#include "arch/arch.h"

extern const DkArch dk_arch_x86;
extern const DkArch dk_arch_x86_64;

/* Flags by the bit that they are in EFLAGS; the same names on both machines. */
#define FLAG_PARTS                                                                           \
    {"iopl", "efl", 12, 2}, {"of", "efl", 11, 1}, {"df", "efl", 10, 1}, {"if", "efl", 9, 1}, \
        {"tf", "efl", 8, 1}, {"sf", "efl", 7, 1}, {"zf", "efl", 6, 1}, {"af", "efl", 4, 1},  \
        {"pf", "efl", 2, 1}, {"cf", "efl", 0, 1},                                            \
    {                                                                                        \
        "eflags", "efl", 0, 32                                                               \
    }

static const DkRegName names_64[] = {
    {"rax", 0, 80, 8},       {"rbx", 3, 40, 8},       {"rcx", 2, 88, 8},        {"rdx", 1, 96, 8},
    {"rsi", 4, 104, 8},      {"rdi", 5, 112, 8},      {"rip", 16, 128, 8},      {"rsp", 7, 152, 8},
    {"rbp", 6, 32, 8},       {"r8", 8, 72, 8},        {"r9", 9, 64, 8},         {"r10", 10, 56, 8},
    {"r11", 11, 48, 8},      {"r12", 12, 24, 8},      {"r13", 13, 16, 8},       {"r14", 14, 8, 8},
    {"r15", 15, 0, 8},       {"cs", -1, 136, 8},      {"ss", -1, 160, 8},       {"ds", -1, 184, 8},
    {"es", -1, 192, 8},      {"fs", -1, 200, 8},      {"gs", -1, 208, 8},       {"efl", -1, 144, 8},
    {"fs_base", 58, 168, 8}, {"gs_base", 59, 176, 8}, {"orig_rax", -1, 120, 8},
};

#define WIDE(full, e, x, h, l)                           \
    {e, full, 0, 32}, {x, full, 0, 16}, {h, full, 8, 8}, \
    {                                                    \
        l, full, 0, 8                                    \
    }
#define INDEX(full, e, x, l)            \
    {e, full, 0, 32}, {x, full, 0, 16}, \
    {                                   \
        l, full, 0, 8                   \
    }

static const DkRegPart parts_64[] = {
    WIDE("rax", "eax", "ax", "ah", "al"),
    WIDE("rbx", "ebx", "bx", "bh", "bl"),
    WIDE("rcx", "ecx", "cx", "ch", "cl"),
    WIDE("rdx", "edx", "dx", "dh", "dl"),
    INDEX("rsi", "esi", "si", "sil"),
    INDEX("rdi", "edi", "di", "dil"),
    INDEX("rbp", "ebp", "bp", "bpl"),
    INDEX("rsp", "esp", "sp", "spl"),
    INDEX("r8", "r8d", "r8w", "r8b"),
    INDEX("r9", "r9d", "r9w", "r9b"),
    INDEX("r10", "r10d", "r10w", "r10b"),
    INDEX("r11", "r11d", "r11w", "r11b"),
    INDEX("r12", "r12d", "r12w", "r12b"),
    INDEX("r13", "r13d", "r13w", "r13b"),
    INDEX("r14", "r14d", "r14w", "r14b"),
    INDEX("r15", "r15d", "r15w", "r15b"),
    {"eip", "rip", 0, 32},
    {"ip", "rip", 0, 16},
    FLAG_PARTS,
};

static const char *const display_64[] = {
    "rax rbx rcx", "rdx rsi rdi", "rip rsp rbp",           "r8 r9 r10", "r11 r12 r13",
    "r14 r15",     "iopl",        "cs ss ds es fs gs efl", NULL,
};

static const DkPaging *const pagings_64[] = {&dk_paging_x86_64, &dk_paging_x86_64_la57, NULL};

const DkArch dk_arch_x86_64 = {
    .machine = DK_MACHINE_X86_64,
    .name = "x86-64",
    .pointer_size = 8,
    .general_size = 216,
    .pc = 16,
    .sp = 7,
    .fp = 6,
    .names = names_64,
    .nnames = G_N_ELEMENTS(names_64),
    .parts = parts_64,
    .nparts = G_N_ELEMENTS(parts_64),
    .display = display_64,
    .flags_name = "efl",
    /* rbx, rbp, r12 to r15, and the bases of fs and gs. */
    .preserved = 1ull << 3 | 1ull << 6 | 0xfull << 12 | 3ull << 58,
    .pagings = pagings_64,
};

static const DkRegName names_32[] = {
    {"eax", 0, 24, 4},       {"ebx", 3, 0, 4},  {"ecx", 1, 4, 4},  {"edx", 2, 8, 4},
    {"esi", 6, 12, 4},       {"edi", 7, 16, 4}, {"eip", 8, 48, 4}, {"esp", 4, 60, 4},
    {"ebp", 5, 20, 4},       {"cs", -1, 52, 4}, {"ss", -1, 64, 4}, {"ds", -1, 28, 4},
    {"es", -1, 32, 4},       {"fs", -1, 36, 4}, {"gs", -1, 40, 4}, {"efl", -1, 56, 4},
    {"orig_eax", -1, 44, 4},
};

#define PART_32(full, x, h, l)         \
    {x, full, 0, 16}, {h, full, 8, 8}, \
    {                                  \
        l, full, 0, 8                  \
    }

static const DkRegPart parts_32[] = {
    PART_32("eax", "ax", "ah", "al"),
    PART_32("ebx", "bx", "bh", "bl"),
    PART_32("ecx", "cx", "ch", "cl"),
    PART_32("edx", "dx", "dh", "dl"),
    {"si", "esi", 0, 16},
    {"di", "edi", 0, 16},
    {"bp", "ebp", 0, 16},
    {"sp", "esp", 0, 16},
    {"ip", "eip", 0, 16},
    FLAG_PARTS,
};

static const char *const display_32[] = {
    "eax ebx ecx edx esi edi",
    "eip esp ebp iopl",
    "cs ss ds es fs gs efl",
    NULL,
};

static const DkPaging *const pagings_32[] = {&dk_paging_x86, &dk_paging_x86_pae, NULL};

const DkArch dk_arch_x86 = {
    .machine = DK_MACHINE_X86,
    .name = "x86",
    .pointer_size = 4,
    .general_size = 68,
    .pc = 8,
    .sp = 4,
    .fp = 5,
    .names = names_32,
    .nnames = G_N_ELEMENTS(names_32),
    .parts = parts_32,
    .nparts = G_N_ELEMENTS(parts_32),
    .display = display_32,
    .flags_name = "efl",
    /* ebx, ebp, esi, edi */
    .preserved = 1ull << 3 | 1ull << 5 | 1ull << 6 | 1ull << 7,
    .pagings = pagings_32,
};
