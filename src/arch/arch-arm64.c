/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registers of arm64.  Layout: struct user_pt_regs in Linux' uapi asm/ptrace.h; DWARF numbers:
 * "DWARF for the Arm 64-bit Architecture", section 4.1.
 */
#include "arch/arch.h"

extern const DkArch dk_arch_arm64;

#define X(n)                \
    {                       \
        "x" #n, n, (n)*8, 8 \
    }

static const DkRegName names[] = {
    X(0),
    X(1),
    X(2),
    X(3),
    X(4),
    X(5),
    X(6),
    X(7),
    X(8),
    X(9),
    X(10),
    X(11),
    X(12),
    X(13),
    X(14),
    X(15),
    X(16),
    X(17),
    X(18),
    X(19),
    X(20),
    X(21),
    X(22),
    X(23),
    X(24),
    X(25),
    X(26),
    X(27),
    X(28),
    {"fp", 29, 232, 8},
    {"lr", 30, 240, 8},
    {"sp", 31, 248, 8},
    {"pc", 32, 256, 8},
    {"psr", -1, 264, 8},
};

#define W(n)                  \
    {                         \
        "w" #n, "x" #n, 0, 32 \
    }

static const DkRegPart parts[] = {
    W(0),
    W(1),
    W(2),
    W(3),
    W(4),
    W(5),
    W(6),
    W(7),
    W(8),
    W(9),
    W(10),
    W(11),
    W(12),
    W(13),
    W(14),
    W(15),
    W(16),
    W(17),
    W(18),
    W(19),
    W(20),
    W(21),
    W(22),
    W(23),
    W(24),
    W(25),
    W(26),
    W(27),
    W(28),
    {"x29", "fp", 0, 64},
    {"x30", "lr", 0, 64},
    {"w29", "fp", 0, 32},
    {"w30", "lr", 0, 32},
    {"pstate", "psr", 0, 64},
    {"cpsr", "psr", 0, 32},
    {"n", "psr", 31, 1},
    {"z", "psr", 30, 1},
    {"c", "psr", 29, 1},
    {"v", "psr", 28, 1},
};

static const char *const display[] = {
    "x0 x1 x2 x3",     "x4 x5 x6 x7",     "x8 x9 x10 x11", "x12 x13 x14 x15", "x16 x17 x18 x19",
    "x20 x21 x22 x23", "x24 x25 x26 x27", "x28 fp lr sp",  "pc psr",          NULL,
};

static const DkPaging *const pagings[] = {&dk_paging_arm64_48, &dk_paging_arm64_39, NULL};

const DkArch dk_arch_arm64 = {
    .machine = DK_MACHINE_ARM64,
    .name = "arm64",
    .pointer_size = 8,
    .general_size = 272,
    .pc = 32,
    .sp = 31,
    .fp = 29,
    .names = names,
    .nnames = G_N_ELEMENTS(names),
    .parts = parts,
    .nparts = G_N_ELEMENTS(parts),
    .display = display,
    /* x19 to x29 */
    .preserved = 0x7ffull << 19,
    .pagings = pagings,
};
