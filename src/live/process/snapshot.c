/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/snapshot.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "live/process/proc-files.h"
#include "live/process/tracer-protocol.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE 2U
#endif

#define CHILD_OPTIONS (PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)

/* Passes after a killed tracer, 20 ms each, though nothing is to be seen. */
#define MOP_PASSES 10

/* How long the thread that reaps for us may take to stop. */
#define REAP_STOP_MS 2000

gboolean dk_snapshot_reaper_is_fit(pid_t target)
{
    /*
     * Orphans go to the closest ancestor that is a subreaper, which nobody can ask about, or to
     * init of the pid namespace.  So every ancestor has to be fit: it handles, blocks (signalfd) or
     * ignores (the kernel reaps) SIGCHLD.
     */
    const guint64 bit = (guint64)1 << (SIGCHLD - 1);
    pid_t pid = target;
    DkProcStatus own;
    if (!dk_proc_status_read("", target, 0, &own, NULL) || own.ns_pid == 1)
        return FALSE;
    for (guint depth = 0; depth < 64; depth++) {
        g_auto(DkProcStat) stat = {0};
        DkProcStatus status;
        if (!dk_proc_stat_read("", pid, 0, &stat, NULL) || stat.ppid <= 0)
            return pid != target && depth > 0;
        pid = stat.ppid;
        if (!dk_proc_status_read("", pid, 0, &status, NULL) ||
            !((status.signals_caught | status.signals_ignored | status.signals_blocked) & bit))
            return FALSE;
    }
    return FALSE;
}

static int wait_stopped(pid_t pid)
{
    int status = 0;
    if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
        return ESRCH;
    return 0;
}

/* Kills a process that we trace and takes its death note as its tracer. */
static void kill_traced(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, pid, NULL, NULL);
}

/* Makes the thread of the target wait for its child called inside in its own namespace. */
static int reap_inside(DkBorrower *borrower, long inside)
{
    long result = 0;
    const guint64 args[6] = {(guint64)inside, 0, __WALL | WNOHANG, 0, 0, 0};
    int err = dk_inject(borrower, SYS_wait4, args, &result, NULL);
    if (err)
        return err;
    if (result == inside || result == -ECHILD)
        return 0;
    return result < 0 ? (int)-result : EAGAIN;
}

/* The helper forks; it stands in a stop of its own and has no other thread or signal to mind. */
static int fork_copy(DkSnapshot *snapshot, pid_t helper, const DkGadgets *gadgets)
{
    DkTracee tracee = {.tid = helper, .state = DK_TRACEE_STOPPED};
    DkBorrower borrower;
    int err = dk_borrower_init(&borrower, &tracee, gadgets, CHILD_OPTIONS, 1, 0);
    if (err)
        return err;
    guint64 flags = CLONE_FILES | CLONE_FS;
    if (snapshot->of_target)
        flags |= CLONE_PARENT;
    const guint64 args[6] = {flags, 0, 0, 0, 0, 0};
    long result = 0;
    err = dk_inject(&borrower, SYS_clone, args, &result, &snapshot->copy);
    if (err)
        return err;
    if (result < 0)
        return (int)-result;
    snapshot->copy_inside = result;
    return wait_stopped(snapshot->copy);
}

void dk_snapshot_leave_files(const DkSnapshot *snapshot, const DkGadgets *gadgets)
{
    DkTracee tracee = {.tid = snapshot->copy, .state = DK_TRACEE_STOPPED};
    DkBorrower borrower;
    const guint64 args[6] = {0, G_MAXUINT32, CLOSE_RANGE_UNSHARE, 0, 0, 0};
    long result = 0;
    if (dk_borrower_init(&borrower, &tracee, gadgets, CHILD_OPTIONS, 1, 0) == 0)
        dk_inject(&borrower, SYS_close_range, args, &result, NULL);
}

int dk_snapshot_make(DkSnapshot *snapshot, DkBorrower *borrower, pid_t target, gboolean of_target,
                     void (*resume_others)(gpointer data), gpointer data, const char **stage)
{
    *snapshot = (DkSnapshot){.target = target, .of_target = of_target};
    pid_t helper = 0;
    long helper_inside = 0;
    const guint64 args[6] = {
        CLONE_VM | CLONE_FILES | CLONE_FS, borrower->child_frame_va, 0, 0, 0, 0};
    *stage = "clone of a helper";
    int err = dk_inject(borrower, SYS_clone, args, &helper_inside, &helper);
    if (err)
        return err;
    if (helper_inside < 0)
        return (int)-helper_inside;
    *stage = "fork of the copy";
    err = wait_stopped(helper);
    /* It forks at the priority that the thread had from which it came. */
    setpriority(PRIO_PROCESS, (id_t)helper, DK_PAUSE_NICE);
    if (!err)
        err = fork_copy(snapshot, helper, &borrower->gadgets);
    kill_traced(helper);
    if (!err)
        resume_others(data);
    int reaped = reap_inside(borrower, helper_inside);
    if (!err && reaped)
        *stage = "reaping of the helper";
    return err ? err : reaped;
}

/* The main thread's stack; an empty range when it cannot be told. */
static void find_stack(pid_t target, guint64 *first, guint64 *last)
{
    g_autofree char *maps = dk_proc_read("", target, "maps", NULL, NULL);
    g_autoptr(DkSubject) subject = dk_subject_new();
    *first = 1;
    *last = 0;
    if (maps && dk_proc_maps_parse(maps, subject, NULL))
        dk_proc_find_stack(subject, first, last);
}

/* One thread takes the death note; with_frame: only if it can restore itself when we are killed. */
static int reap_by(pid_t tid, long inside, const DkGadgets *gadgets, guint64 stack_first,
                   guint64 stack_last, gboolean with_frame)
{
    DkTracee tracee = {.tid = tid};
    DkBorrower borrower;
    if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
        return ESRCH;
    int err = dk_tracee_interrupt(&tracee, REAP_STOP_MS);
    if (err)
        return err;
    err = dk_borrower_init(&borrower, &tracee, gadgets, 0, stack_first, stack_last);
    if (!err) {
        err = with_frame && !borrower.frame_va ? ENOEXEC : reap_inside(&borrower, inside);
        dk_borrower_clear(&borrower);
    }
    dk_tracee_detach(&tracee);
    return err;
}

/* Stops one thread of the target, best the main one, and lets it take the death note of the copy.
 */
static int reap_in_target(pid_t target, long inside, const DkGadgets *gadgets)
{
    guint64 stack_first;
    guint64 stack_last;
    find_stack(target, &stack_first, &stack_last);
    int err = reap_by(target, inside, gadgets, stack_first, stack_last, TRUE);
    if (!err)
        return 0;
    g_autoptr(GArray) tasks = dk_proc_tasks("", target);
    for (guint i = 0; err && tasks && i < tasks->len; i++)
        err = reap_by(g_array_index(tasks, pid_t, i), inside, gadgets, 1, 0, FALSE);
    return err;
}

/* A second at most for whoever inherited the copy to take its death note. */
static int await_reaper(pid_t copy)
{
    for (guint i = 0; i < 100; i++) {
        if (kill(copy, 0) < 0 && errno == ESRCH)
            return 0;
        struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL);
    }
    return ECHILD;
}

int dk_snapshot_end(DkSnapshot *snapshot, const DkGadgets *gadgets)
{
    if (!snapshot->copy)
        return 0;
    kill_traced(snapshot->copy);
    int err = 0;
    /* When the target is gone the copy has been inherited all the same. */
    if (snapshot->of_target && kill(snapshot->target, 0) == 0)
        err = reap_in_target(snapshot->target, snapshot->copy_inside, gadgets);
    if (!err || err == ESRCH)
        err = await_reaper(snapshot->copy);
    snapshot->copy = 0;
    return err;
}

/*
 * One pass over the target's children: reaps those of ours that are zombies.  TRUE when one is
 * still dying.
 */
static gboolean mop_once(pid_t target, guint64 since, const DkGadgets *gadgets, int *err)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    gboolean dying = FALSE;
    while (dir && (name = g_dir_read_name(dir))) {
        g_auto(DkProcStat) stat = {0};
        DkProcStatus status;
        pid_t pid = (pid_t)g_ascii_strtoll(name, NULL, 10);
        if (pid <= 0 || !dk_proc_stat_read("", pid, 0, &stat, NULL) || stat.ppid != target ||
            stat.exit_signal || stat.start_ticks < since ||
            !dk_proc_status_read("", pid, 0, &status, NULL))
            continue;
        if (stat.state != 'Z')
            dying = TRUE;
        else
            *err = reap_in_target(target, status.ns_pid ? status.ns_pid : pid, gadgets);
    }
    return dying;
}

int dk_snapshot_mop(pid_t target, guint64 since, const DkGadgets *gadgets)
{
    int err = 0;
    /*
     * A large copy takes a while to end after it was killed, and a thread that was on its way into
     * the clone makes a child only now.
     */
    for (guint i = 0; i < 100 && (mop_once(target, since, gadgets, &err) || i < MOP_PASSES); i++) {
        struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
    }
    return err;
}
