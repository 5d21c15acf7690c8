/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System calls made by a stopped thread on our behalf.  The thread's registers are borrowed between
 * two ptrace calls; dk_inject() has given them back when it returns.  Where the target has what it
 * takes, a frame on the thread's stack makes it restore itself through rt_sigreturn if the tracer
 * is killed meanwhile.
 *
 * x86-64 only.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <sys/user.h>

#include "live/process/tracee.h"

/* Instructions of the target that an injection uses; 0: none found. */
typedef struct {
    guint64 syscall_va;     /* "syscall" */
    guint64 syscall_ret_va; /* "syscall; ret" */
    guint64 sigreturn_va;   /* "mov $15, %eax; syscall": the C library's __restore_rt or alike */
} DkGadgets;

/* One thread that lends itself for injections. */
typedef struct {
    DkTracee *tracee;
    DkGadgets gadgets;
    struct user_regs_struct regs; /* its own */
    guint64 stack_first;          /* see dk_borrower_init() */
    guint64 stack_last;
    guint64 rseq_va;        /* rseq area; 0: none */
    guint64 rseq_cs;        /* what rseq->rseq_cs held */
    guint64 frame_va;       /* where the self-restoring frame stands; 0: none */
    guint64 child_frame_va; /* the stack for a child, on which it only exits */
    guint64 saved_va;       /* lowest address of the frames */
    guint8 *saved;          /* the target's bytes under the frames */
    gsize saved_len;
} DkBorrower;

/*
 * Readies a stopped thread: saves its registers, and lays the frames when stack_first..stack_last,
 * a range of memory that is certain to be the thread's stack, has room below the stack pointer; an
 * empty range (first > last) means no frames.  Returns 0 or an errno value; ENOEXEC for a thread in
 * 32-bit mode, ESTALE when the gadgets do not stand where they were found.  options are PTRACE_O_*
 * that hold while the thread is borrowed.
 */
int dk_borrower_init(DkBorrower *borrower, DkTracee *tracee, const DkGadgets *gadgets,
                     guint32 options, guint64 stack_first, guint64 stack_last);

/* Puts back what init and the injections changed (stack bytes, rseq); the thread stays stopped. */
void dk_borrower_clear(DkBorrower *borrower);

/*
 * Makes the thread do system call number with args, and leaves it in a PTRACE_EVENT_STOP with its
 * own registers and any interrupted system call about to restart as if nothing had been.  *result
 * is what the call returned (a negative errno value on failure).  When the call makes a child,
 * *child gets its pid as the tracer sees it, and the child is traced and stopped.  Returns 0; EINTR
 * when signals kept coming; ESRCH when the thread ended.
 */
int dk_inject(DkBorrower *borrower, long number, const guint64 args[6], long *result, pid_t *child);
