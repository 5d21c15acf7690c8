/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/inject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "live/process/gadgets.h"
#include "live/process/sigframe.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* Layout of struct ptrace_rseq_configuration and struct rseq, linux/ptrace.h and linux/rseq.h. */
typedef struct {
    guint64 rseq_va;
    guint32 size;
    guint32 signature;
    guint32 flags;
    guint32 pad;
} RseqConfiguration;
#define RSEQ_CS_OFFSET 8

/* Signals that arrive while a call is being made postpone it; each try delivers what came. */
#define TRIES_MAX 200

/* How long a thread may take from one stop to the next. */
#define STEP_TIMEOUT_S 60

static gboolean peek(pid_t tid, guint64 va, void *buf, gsize len)
{
    struct iovec here = {buf, len};
    struct iovec there = {(void *)(guintptr)va, len};
    return process_vm_readv(tid, &here, 1, &there, 1, 0) == (gssize)len;
}

static gboolean poke(pid_t tid, guint64 va, const void *buf, gsize len)
{
    struct iovec here = {(void *)(guintptr)buf, len};
    struct iovec there = {(void *)(guintptr)va, len};
    return process_vm_writev(tid, &here, 1, &there, 1, 0) == (gssize)len;
}

/* A thread inside a restartable sequence would lose its mark when it runs elsewhere; see clear().
 */
static void save_rseq(DkBorrower *borrower)
{
    RseqConfiguration config = {0};
    pid_t tid = borrower->tracee->tid;
    if (ptrace((enum __ptrace_request)PTRACE_GET_RSEQ_CONFIGURATION, tid, (void *)sizeof config,
               &config) <= 0 ||
        !config.rseq_va)
        return;
    if (peek(tid, config.rseq_va + RSEQ_CS_OFFSET, &borrower->rseq_cs, sizeof borrower->rseq_cs) &&
        borrower->rseq_cs)
        borrower->rseq_va = config.rseq_va;
}

static void lay_frames(DkBorrower *borrower)
{
    DkSigframes frames;
    pid_t tid = borrower->tracee->tid;
    guint64 top = borrower->regs.rsp;
    guint64 stack_first = borrower->stack_first;
    if (top < stack_first || top > borrower->stack_last || !borrower->gadgets.syscall_ret_va ||
        !borrower->gadgets.sigreturn_va)
        return;
    if (!dk_sigframes_make(&frames, tid, &borrower->regs, &borrower->gadgets))
        return;
    /* Behind the red zone, aligned for the FP area at the frames' start. */
    guint64 base = (top - 128 - frames.len) & ~(guint64)63;
    if (base > top || base < stack_first) {
        dk_sigframes_clear(&frames);
        return;
    }
    borrower->saved = g_malloc(frames.len);
    borrower->saved_len = frames.len;
    dk_sigframes_place(&frames, base);
    if (peek(tid, base, borrower->saved, frames.len) && poke(tid, base, frames.bytes, frames.len)) {
        borrower->frame_va = frames.frame_va;
        borrower->child_frame_va = frames.child_frame_va;
        borrower->saved_va = base;
    } else {
        g_clear_pointer(&borrower->saved, g_free);
    }
    dk_sigframes_clear(&frames);
}

/* Takes the frames away again: the bytes under them are the target's own. */
static void lift_frames(DkBorrower *borrower)
{
    if (borrower->saved)
        poke(borrower->tracee->tid, borrower->saved_va, borrower->saved, borrower->saved_len);
    g_clear_pointer(&borrower->saved, g_free);
    borrower->frame_va = borrower->child_frame_va = 0;
}

/*
 * Running outside of its restartable sequence makes the kernel forget that the thread is in one;
 * with the mark back, it is restarted as after any preemption.
 */
static void restore_rseq(DkBorrower *borrower)
{
    if (borrower->rseq_va)
        poke(borrower->tracee->tid, borrower->rseq_va + RSEQ_CS_OFFSET, &borrower->rseq_cs,
             sizeof borrower->rseq_cs);
    borrower->rseq_va = 0;
}

int dk_borrower_init(DkBorrower *borrower, DkTracee *tracee, const DkGadgets *gadgets,
                     guint32 options, guint64 stack_first, guint64 stack_last)
{
    *borrower = (DkBorrower){.tracee = tracee,
                             .gadgets = *gadgets,
                             .stack_first = stack_first,
                             .stack_last = stack_last};
    if (ptrace(PTRACE_GETREGS, tracee->tid, NULL, &borrower->regs) < 0)
        return errno;
    if (borrower->regs.cs != DK_USER_CS_64)
        return ENOEXEC;
    if (!dk_gadgets_stand(tracee->tid, gadgets))
        return ESTALE;
    if (ptrace(PTRACE_SETOPTIONS, tracee->tid, NULL,
               (void *)(guintptr)(options | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE)) < 0)
        return errno;
    save_rseq(borrower);
    lay_frames(borrower);
    return 0;
}

void dk_borrower_clear(DkBorrower *borrower)
{
    lift_frames(borrower);
    restore_rseq(borrower);
    ptrace(PTRACE_SETOPTIONS, borrower->tracee->tid, NULL, NULL);
}

/* Waits for the next stop of the thread; its wait status, or -1 when it is gone or hangs. */
static int next_stop(pid_t tid)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    gint64 end = g_get_monotonic_time() + STEP_TIMEOUT_S * G_USEC_PER_SEC;
    for (;;) {
        int status = 0;
        pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid)
            return WIFSTOPPED(status) ? status : -1;
        if (got < 0 || g_get_monotonic_time() > end)
            return -1;
        struct timespec limit = {.tv_nsec = 5000000};
        sigtimedwait(&set, NULL, &limit);
    }
}

static gboolean is_syscall_stop(int status)
{
    return status >> 8 == (SIGTRAP | 0x80);
}

/*
 * Gives the thread its registers back where it stands and takes it to a PTRACE_EVENT_STOP; signals
 * that wait are delivered to its own code on the way.  *delivered says whether one was.
 */
static int settle(DkBorrower *borrower, int status, gboolean *delivered)
{
    pid_t tid = borrower->tracee->tid;
    *delivered = FALSE;
    if (ptrace(PTRACE_SETREGS, tid, NULL, &borrower->regs) < 0)
        return ESRCH;
    while (status >> 16 != PTRACE_EVENT_STOP) {
        int sig = 0;
        if (!is_syscall_stop(status) && !(status >> 16))
            sig = WSTOPSIG(status);
        if (sig && !*delivered) {
            /* The kernel is about to put the handler's frame where ours stand. */
            lift_frames(borrower);
            restore_rseq(borrower);
            *delivered = TRUE;
        }
        ptrace(PTRACE_INTERRUPT, tid, NULL, NULL);
        if (ptrace(PTRACE_CONT, tid, NULL, (void *)(gintptr)sig) < 0)
            return ESRCH;
        status = next_stop(tid);
        if (status < 0)
            return ESRCH;
    }
    int stop = WSTOPSIG(status);
    borrower->tracee->group_stop = stop == SIGTRAP ? 0 : stop;
    return 0;
}

/* Starts the call and follows it to its end; *status is the stop at which the thread stands then.
 */
static int run_call(DkBorrower *borrower, long number, const guint64 args[6], int *status,
                    pid_t *child, gboolean *called)
{
    pid_t tid = borrower->tracee->tid;
    struct user_regs_struct regs = borrower->regs;
    regs.rip = borrower->frame_va ? borrower->gadgets.syscall_ret_va : borrower->gadgets.syscall_va;
    if (borrower->frame_va)
        regs.rsp = borrower->frame_va;
    regs.rax = (guint64)number;
    regs.orig_rax = (guint64)-1; /* or the kernel would restart the interrupted call here */
    regs.rdi = args[0];
    regs.rsi = args[1];
    regs.rdx = args[2];
    regs.r10 = args[3];
    regs.r8 = args[4];
    regs.r9 = args[5];
    *called = FALSE;
    if (ptrace(PTRACE_SETREGS, tid, NULL, &regs) < 0)
        return ESRCH;
    gboolean entered = FALSE;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) < 0)
            return ESRCH;
        *status = next_stop(tid);
        if (*status < 0)
            return ESRCH;
        if (is_syscall_stop(*status)) {
            if (entered) {
                *called = TRUE;
                return 0;
            }
            entered = TRUE;
        } else if (*status >> 16 == PTRACE_EVENT_CLONE || *status >> 16 == PTRACE_EVENT_FORK ||
                   *status >> 16 == PTRACE_EVENT_VFORK) {
            unsigned long message = 0;
            if (child && ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) == 0)
                *child = (pid_t)message;
        } else {
            /* A signal or a job-control stop before the call could begin. */
            return 0;
        }
    }
}

int dk_inject(DkBorrower *borrower, long number, const guint64 args[6], long *result, pid_t *child)
{
    pid_t tid = borrower->tracee->tid;
    for (guint try = 0; try < TRIES_MAX; try++) {
        int status = 0;
        gboolean called = FALSE;
        gboolean delivered = FALSE;
        int err = run_call(borrower, number, args, &status, child, &called);
        if (err)
            return err;
        struct user_regs_struct after = {0};
        if (called && ptrace(PTRACE_GETREGS, tid, NULL, &after) < 0)
            return ESRCH;
        err = settle(borrower, status, &delivered);
        if (err)
            return err;
        /* A handler may have been entered: what is the thread's own has changed then. */
        if (delivered) {
            if (ptrace(PTRACE_GETREGS, tid, NULL, &borrower->regs) < 0)
                return ESRCH;
            save_rseq(borrower);
            lay_frames(borrower);
        }
        long value = (long)after.rax;
        /* A pending signal makes clone() and alike give up with -ERESTARTNOINTR (513). */
        if (called && !(value <= -512 && value >= -516)) {
            *result = value;
            return 0;
        }
    }
    return EINTR;
}
