/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames that make a thread restore itself.  Laid on its stack, with the stack pointer at frame_va
 * and the instruction pointer at "syscall; ret": when the call returns, `ret` goes to the C
 * library's rt_sigreturn, which loads all registers, the FP state and the signal mask from the
 * frame (struct rt_sigframe of the Linux kernel, arch/x86/include/asm/sigframe.h and
 * uapi/asm/sigcontext.h).  So a thread whose tracer is killed in the middle of an injected call
 * goes on by itself where it was.  child_frame_va does the same for a child made by clone(): it
 * lands in exit(0) and never runs a line of the target's program.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <sys/user.h>

#include "live/process/inject.h"

/* The code segment of 64-bit user mode. */
#define DK_USER_CS_64 0x33

typedef struct {
    guint8 *bytes;
    gsize len; /* a multiple of 64 */
    guint64 frame_va;
    guint64 child_frame_va;
    gsize fp_len;
} DkSigframes;

/* Builds the frames for the stopped thread tid with registers regs; FALSE when it cannot be done.
 */
gboolean dk_sigframes_make(DkSigframes *frames, pid_t tid, const struct user_regs_struct *regs,
                           const DkGadgets *gadgets);

/* Fixes the addresses inside for a base (64-byte aligned), the lowest address of the bytes. */
void dk_sigframes_place(DkSigframes *frames, guint64 base_va);

void dk_sigframes_clear(DkSigframes *frames);
