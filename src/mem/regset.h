/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register sets of a thread or CPU, as blocks of bytes in one normal form for each machine, so that
 * every reader, writer and source exchanges the same thing.  arch/ gives the bytes their meaning.
 */
#pragma once

#include <glib.h>

typedef enum {
    DK_MACHINE_UNKNOWN,
    DK_MACHINE_X86,
    DK_MACHINE_X86_64,
    DK_MACHINE_ARM64,
} DkMachineId;

/* "x86-64" and so on; never NULL. */
const char *dk_machine_name(DkMachineId machine);

/* Bytes of a pointer: 4 or 8 (8 for an unknown machine). */
guint dk_machine_pointer_size(DkMachineId machine);

typedef enum {
    /*
     * General registers, in the layout of the Linux kernel's struct user_regs_struct: 27 u64 for
     * x86-64 (216 bytes), 17 u32 for x86 (68 bytes), 34 u64 for arm64 (272 bytes).  Readers of
     * other layouts (Windows CONTEXT) convert.
     */
    DK_REGSET_GENERAL,
    /*
     * Floating point: x86-64 FXSAVE area (512 bytes), x86 user_fpregs_struct (108 bytes, FSAVE),
     * arm64 user_fpsimd_struct (528 bytes).
     */
    DK_REGSET_FP,
    /* x86 and x86-64: the XSAVE area as PTRACE_GETREGSET NT_X86_XSTATE gives it, any length. */
    DK_REGSET_XSTATE,
    /* x86: the FXSAVE area (NT_PRXFPREG, 512 bytes). */
    DK_REGSET_FXSAVE,
    /* siginfo_t of the subject's machine, 128 bytes. */
    DK_REGSET_SIGINFO,
    DK_REGSET_COUNT
} DkRegsetKind;
