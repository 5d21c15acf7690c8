/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/tracee.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "live/process/proc-files.h"
#include "live/process/syscall-restart.h"

/* How much longer a thread is waited for that only lacks a processor. */
#define BUSY_FACTOR 20

/* General registers of a thread in 32-bit mode, bytes. */
#define GENERAL_32 68

/* How long a pass over the threads may find new ones before we call it a day. */
#define PASSES_MAX 2000

static gint64 now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

/* Sleeps until a child changes state or ms have passed.  SIGCHLD is blocked in the tracer. */
static void wait_for_change(gint64 ms)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigtimedwait(&set, NULL, &limit);
}

/* Takes in a wait status of a thread that shall come to a stop. */
static void take_status(DkTracee *tracee, int status)
{
    if (!WIFSTOPPED(status)) {
        tracee->state = DK_TRACEE_GONE;
        return;
    }
    int sig = WSTOPSIG(status);
    if (status >> 16 == PTRACE_EVENT_STOP) {
        tracee->state = DK_TRACEE_STOPPED;
        tracee->group_stop = sig == SIGTRAP ? 0 : sig;
        if (!tracee->group_stop)
            dk_syscall_restart(tracee->tid);
        return;
    }
    /*
     * A signal came first.  It is delivered now, and the thread stops behind that (at the first
     * instruction of the handler if there is one): any trap takes back a pending interrupt, so it
     * is asked for again.
     */
    ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL);
    ptrace(PTRACE_CONT, tracee->tid, NULL, (void *)(gintptr)(status >> 16 ? 0 : sig));
}

/* TRUE when the thread's state has changed. */
static gboolean poll_one(DkTracee *tracee)
{
    int status = 0;
    pid_t got = waitpid(tracee->tid, &status, __WALL | WNOHANG);
    if (got == tracee->tid) {
        take_status(tracee, status);
        return TRUE;
    }
    if (got < 0 && errno == ECHILD) {
        tracee->state = DK_TRACEE_GONE;
        return TRUE;
    }
    return FALSE;
}

int dk_tracee_interrupt(DkTracee *tracee, guint timeout_ms)
{
    if (ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL) < 0)
        return errno;
    tracee->state = DK_TRACEE_SEIZED;
    gint64 end = now_ms() + timeout_ms;
    for (;;) {
        while (tracee->state == DK_TRACEE_SEIZED && poll_one(tracee))
            ;
        if (tracee->state == DK_TRACEE_STOPPED)
            return 0;
        if (tracee->state == DK_TRACEE_GONE)
            return ESRCH;
        gint64 left = end - now_ms();
        if (left <= 0)
            return ETIMEDOUT;
        wait_for_change(MIN(left, 20));
    }
}

static DkTracee *find(DkTracees *tracees, GHashTable *known, pid_t tid)
{
    gpointer index = NULL;
    if (!g_hash_table_lookup_extended(known, GINT_TO_POINTER(tid), NULL, &index))
        return NULL;
    return &g_array_index(tracees->threads, DkTracee, GPOINTER_TO_UINT(index));
}

/*
 * Seizes the threads that are listed and not known yet, then interrupts them all.  Returns how many
 * were new, or -1 with *err.
 */
static int seize_new(DkTracees *tracees, GHashTable *known, int *err)
{
    g_autoptr(GArray) tasks = dk_proc_tasks("", tracees->pid);
    guint before = tracees->threads->len;
    if (!tasks) {
        *err = ESRCH;
        return -1;
    }
    for (guint i = 0; i < tasks->len; i++) {
        pid_t tid = g_array_index(tasks, pid_t, i);
        if (find(tracees, known, tid))
            continue;
        DkTracee tracee = {.tid = tid, .state = DK_TRACEE_SEIZED};
        if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0) {
            int why = errno;
            DkProcStatus status;
            g_auto(DkProcStat) stat = {0};
            gboolean there = dk_proc_stat_read("", tracees->pid, tid, &stat, NULL) &&
                             dk_proc_status_read("", tracees->pid, tid, &status, NULL);
            if (there && stat.state != 'Z' && stat.state != 'X' && why != ESRCH) {
                *err = status.tracer ? EBUSY : why;
                return -1;
            }
            tracee.state = DK_TRACEE_GONE;
        }
        g_hash_table_insert(known, GINT_TO_POINTER(tid), GUINT_TO_POINTER(tracees->threads->len));
        g_array_append_val(tracees->threads, tracee);
    }
    for (guint i = before; i < tracees->threads->len; i++) {
        DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        if (tracee->state == DK_TRACEE_SEIZED &&
            ptrace(PTRACE_INTERRUPT, tracee->tid, NULL, NULL) < 0)
            tracee->state = DK_TRACEE_GONE;
    }
    return (int)(tracees->threads->len - before);
}

/*
 * Whether a thread that is on its way to a stop is asleep where nothing reaches it.  Any other one
 * stops as soon as it gets a processor, however long that takes on a busy machine.
 */
static gboolean is_out_of_reach(pid_t pid, pid_t tid)
{
    g_auto(DkProcStat) stat = {0};
    return dk_proc_stat_read("", pid, tid, &stat, NULL) && stat.state == 'D';
}

/* TRUE when any thread that has not stopped yet is expected to. */
static gboolean is_any_coming(const DkTracees *tracees)
{
    for (guint i = 0; i < tracees->threads->len; i++) {
        const DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        if (tracee->state == DK_TRACEE_SEIZED && !is_out_of_reach(tracees->pid, tracee->tid))
            return TRUE;
    }
    return FALSE;
}

/*
 * Waits until no thread is on its way to a stop; for those in uninterruptible sleep for timeout_ms
 * only, for others BUSY_FACTOR times as long.
 */
static void await_stops(DkTracees *tracees, guint timeout_ms)
{
    gint64 start = now_ms();
    gint64 end = start + timeout_ms;
    for (;;) {
        guint pending = 0;
        gboolean moved = FALSE;
        for (guint i = 0; i < tracees->threads->len; i++) {
            DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
            if (tracee->state != DK_TRACEE_SEIZED)
                continue;
            if (poll_one(tracee))
                moved = TRUE;
            if (tracee->state == DK_TRACEE_SEIZED)
                pending++;
        }
        if (!pending)
            return;
        gint64 left = end - now_ms();
        if (left <= 0) {
            if (now_ms() - start >= (gint64)timeout_ms * BUSY_FACTOR || !is_any_coming(tracees))
                break;
            left = 20;
        }
        if (!moved)
            wait_for_change(MIN(left, 5));
    }
    for (guint i = 0; i < tracees->threads->len; i++) {
        DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        if (tracee->state == DK_TRACEE_SEIZED)
            tracee->state = DK_TRACEE_LATE;
    }
}

static guint count_state(const DkTracees *tracees, DkTraceeState state)
{
    guint count = 0;
    for (guint i = 0; i < tracees->threads->len; i++)
        count += g_array_index(tracees->threads, DkTracee, i).state == state;
    return count;
}

int dk_tracees_stop(DkTracees *tracees, pid_t pid, guint timeout_ms)
{
    g_autoptr(GHashTable) known = g_hash_table_new(NULL, NULL);
    tracees->pid = pid;
    tracees->threads = g_array_new(FALSE, FALSE, sizeof(DkTracee));
    int err = 0;
    int found = 1;
    for (guint pass = 0; found > 0 && pass < PASSES_MAX; pass++) {
        found = seize_new(tracees, known, &err);
        await_stops(tracees, timeout_ms);
    }
    if (found >= 0 && !count_state(tracees, DK_TRACEE_STOPPED)) {
        found = -1;
        err = count_state(tracees, DK_TRACEE_LATE) ? ETIMEDOUT : ESRCH;
    }
    if (found >= 0)
        return 0;
    dk_tracees_resume(tracees);
    return err;
}

void dk_tracee_detach(DkTracee *tracee)
{
    if (tracee->state != DK_TRACEE_STOPPED)
        return;
    ptrace(PTRACE_DETACH, tracee->tid, NULL, NULL);
    tracee->state = DK_TRACEE_GONE;
}

void dk_tracees_resume(DkTracees *tracees)
{
    for (guint i = 0; tracees->threads && i < tracees->threads->len; i++)
        dk_tracee_detach(&g_array_index(tracees->threads, DkTracee, i));
}

guint dk_tracees_release_late(DkTracees *tracees)
{
    guint late = 0;
    for (guint i = 0; tracees->threads && i < tracees->threads->len; i++) {
        DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        int status = 0;
        if (tracee->state != DK_TRACEE_LATE)
            continue;
        pid_t got = waitpid(tracee->tid, &status, __WALL | WNOHANG);
        if (got == tracee->tid && WIFSTOPPED(status)) {
            int sig = status >> 16 ? 0 : WSTOPSIG(status);
            ptrace(PTRACE_DETACH, tracee->tid, NULL, (void *)(gintptr)sig);
        }
        if (got)
            tracee->state = DK_TRACEE_GONE;
        else
            late++;
    }
    return late;
}

void dk_tracees_clear(DkTracees *tracees)
{
    g_clear_pointer(&tracees->threads, g_array_unref);
}

static guint32 get_regset(pid_t tid, guint type, void *buf, gsize len)
{
    struct iovec io = {.iov_base = buf, .iov_len = len};
    if (ptrace(PTRACE_GETREGSET, tid, (void *)(guintptr)type, &io) < 0)
        return 0;
    return (guint32)io.iov_len;
}

int dk_tracees_save(const DkTracees *tracees, int fd, guint64 *off)
{
    /* One block a thread: head and the four register sets, as large as they came. */
    g_autofree guint8 *block = g_malloc(sizeof(DkSavedThread) + 4096 + DK_TRACEE_XSTATE_MAX);
    for (guint i = 0; i < tracees->threads->len; i++) {
        const DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        if (tracee->state == DK_TRACEE_GONE)
            continue;
        DkSavedThread head = {
            .tid = (guint32)tracee->tid, .state = tracee->state, .group_stop = tracee->group_stop};
        guint8 *at = block + sizeof head;
        if (tracee->state == DK_TRACEE_STOPPED) {
            siginfo_t info;
            memset(&info, 0, sizeof info);
            head.general_len = get_regset(tracee->tid, NT_PRSTATUS, at, 1024);
            at += head.general_len;
            head.fp_len = get_regset(tracee->tid, NT_PRFPREG, at, 1024);
            at += head.fp_len;
            head.xstate_len = get_regset(tracee->tid, NT_X86_XSTATE, at, DK_TRACEE_XSTATE_MAX);
            at += head.xstate_len;
            if (head.general_len == GENERAL_32) {
                head.fxsave_len = get_regset(tracee->tid, NT_PRXFPREG, at, 1024);
                at += head.fxsave_len;
            }
            if (ptrace(PTRACE_GETSIGINFO, tracee->tid, NULL, &info) == 0) {
                /* Only the first three members stand at the same place for 32-bit programs. */
                if (head.general_len == GENERAL_32)
                    memset((guint8 *)&info + 12, 0, sizeof info - 12);
                memcpy(at, &info, sizeof info);
                head.siginfo_len = sizeof info;
                at += sizeof info;
            }
        }
        memcpy(block, &head, sizeof head);
        gsize len = (gsize)(at - block);
        if (dk_fd_pwrite_all(fd, block, len, *off) < 0)
            return errno;
        *off += len;
    }
    return 0;
}
