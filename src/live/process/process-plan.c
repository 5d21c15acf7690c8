/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/process-plan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/process/cgroup-room.h"
#include "live/process/proc-files.h"
#include "live/process/snapshot.h"

#define PF_KTHREAD 0x00200000U

/*
 * Costs for the estimate, measured on the machine of docs/BENCH.md: a fork copies a page-table
 * entry in about 0.25 us, the page map takes 0.03 us a page more, a thread 50 us, copying 1.5
 * GiB/s.
 */
#define FORK_PAGE_NS 280
#define THREAD_NS 50000
#define BASE_NS 1500000
#define COPY_NS_PER_KIB 640

const char *dk_method_name(DkMethod method)
{
    switch (method) {
    case DK_METHOD_SNAPSHOT:
        return "snapshot";
    case DK_METHOD_STOP:
        return "stop";
    case DK_METHOD_AUTO:
        break;
    }
    return "auto";
}

void dk_process_plan_free(DkProcessPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->name);
    g_free(plan->why);
    if (plan->smaps)
        g_array_unref(plan->smaps);
    g_free(plan);
}

/* The pid is of a live process with memory, and of the process itself. */
static gboolean check_kind(const char *root, pid_t pid, const DkProcStat *stat, GError **error)
{
    if (stat->state == 'Z' || stat->state == 'X') {
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE,
                    "process %d (%s) is a zombie: it has ended, its memory is gone, and its parent "
                    "%d has not asked for its exit status",
                    (int)pid, stat->name, (int)stat->ppid);
        return FALSE;
    }
    if (stat->flags & PF_KTHREAD) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "process %d (%s) is a kernel thread: it has no memory of its own; capture the "
                    "machine instead",
                    (int)pid, stat->name);
        return FALSE;
    }
    g_autofree char *text = dk_proc_read(root, pid, "status", NULL, error);
    const char *tgid = text ? strstr(text, "\nTgid:") : NULL;
    if (!text)
        return FALSE;
    if (tgid && g_ascii_strtoll(tgid + strlen("\nTgid:"), NULL, 10) != pid) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "%d is a thread of process %" G_GINT64_FORMAT "; give that pid", (int)pid,
                    g_ascii_strtoll(tgid + strlen("\nTgid:"), NULL, 10));
        return FALSE;
    }
    return TRUE;
}

static gboolean check_tracer(const char *root, pid_t pid, const DkProcStatus *status,
                             GError **error)
{
    if (!status->tracer)
        return TRUE;
    g_auto(DkProcStat) tracer = {0};
    gboolean named = dk_proc_stat_read(root, status->tracer, 0, &tracer, NULL);
    g_set_error(error, DK_ERROR, DK_ERROR_BUSY,
                "process %d is already traced by %s (pid %d); only one tracer is possible, so end "
                "that one or capture from within it",
                (int)pid, named ? tracer.name : "a process", (int)status->tracer);
    return FALSE;
}

/* Opening /proc/PID/mem makes the same checks as attaching (PTRACE_MODE_ATTACH). */
static gboolean check_access(const char *root, pid_t pid, const DkProcStatus *status,
                             GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/mem", root, (int)pid);
    dk_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        return TRUE;
    int err = errno;
    gint64 scope = 0;
    gboolean yama = dk_sys_number(root, "/proc/sys/kernel/yama/ptrace_scope", &scope) && scope > 0;
    if (err != EACCES && err != EPERM) {
        dk_error_set_errno(error, err, "process %d: %s", (int)pid, path);
        return FALSE;
    }
    if (status->uid != (gint64)geteuid()) {
        g_set_error(error, DK_ERROR, DK_ERROR_DENIED,
                    "no permission to capture process %d: it belongs to uid %" G_GINT64_FORMAT
                    ", dumpkit runs as uid %u; run as root, as that user, or give dumpkit the "
                    "capability (setcap cap_sys_ptrace+ep)",
                    (int)pid, status->uid, (unsigned)geteuid());
    } else if (yama) {
        g_set_error(error, DK_ERROR, DK_ERROR_DENIED,
                    "no permission to capture process %d: kernel.yama.ptrace_scope is "
                    "%" G_GINT64_FORMAT "; run as root, or \"sysctl kernel.yama.ptrace_scope=0\"%s",
                    (int)pid, scope,
                    scope >= 3 ? " after a reboot, since 3 cannot be taken back" : "");
    } else {
        g_set_error(error, DK_ERROR, DK_ERROR_DENIED,
                    "no permission to capture process %d: it is not dumpable (prctl "
                    "PR_SET_DUMPABLE, a set-user-id program, or capabilities that dumpkit lacks); "
                    "run as root",
                    (int)pid);
    }
    return FALSE;
}

/* ELF class 1 of the program. */
static gboolean is_32bit(const char *root, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/exe", root, (int)pid);
    dk_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    guint8 ident[5] = {0};
    return fd >= 0 && dk_fd_pread_all(fd, ident, sizeof ident, 0) == sizeof ident &&
           !memcmp(ident, "\177ELF", 4) && ident[4] == 1;
}

/* In mode 2 a fork has to find room for all private memory that may be written. */
static char *commit_blocker(const char *root, pid_t pid)
{
    gint64 mode = 0;
    if (!dk_sys_number(root, "/proc/sys/vm/overcommit_memory", &mode) || mode != 2)
        return NULL;
    g_autofree char *path = g_strconcat(root, "/proc/meminfo", NULL);
    g_autofree char *info = NULL;
    g_autofree char *status = dk_proc_read(root, pid, "status", NULL, NULL);
    const char *data = status ? strstr(status, "VmData:") : NULL;
    if (!g_file_get_contents(path, &info, NULL, NULL) || !data)
        return g_strdup("vm.overcommit_memory is 2");
    const char *limit = strstr(info, "CommitLimit:");
    const char *used = strstr(info, "Committed_AS:");
    gint64 room = limit && used ? g_ascii_strtoll(limit + strlen("CommitLimit:"), NULL, 10) -
                                      g_ascii_strtoll(used + strlen("Committed_AS:"), NULL, 10)
                                : 0;
    gint64 need = g_ascii_strtoll(data + strlen("VmData:"), NULL, 10);
    if (need <= room)
        return NULL;
    return g_strdup_printf("vm.overcommit_memory is 2 and a copy needs %" G_GINT64_FORMAT
                           " KiB of the %" G_GINT64_FORMAT " KiB left",
                           need, room);
}

/* Why no copy can be made; NULL when it can. */
static char *snapshot_blocker(const char *root, const DkProcessPlan *plan,
                              const DkProcStatus *status)
{
    if (plan->is_32bit)
        return g_strdup("the target is a 32-bit program");
    if (status->seccomp > 0)
        return g_strdup_printf("the target runs under seccomp (mode %d), which may kill it for a "
                               "clone it did not expect",
                               status->seccomp);
    char *why = commit_blocker(root, plan->pid);
    if (!why)
        why = dk_cgroup_blocker(root, plan->pid, plan->anonymous);
    return why;
}

gint64 dk_process_plan_stop_ns(const DkProcessPlan *plan)
{
    return BASE_NS + (gint64)plan->threads * THREAD_NS +
           (gint64)((plan->rss + plan->swap) / 1024) * COPY_NS_PER_KIB;
}

static gint64 snapshot_ns(const DkProcessPlan *plan)
{
    guint64 small = plan->anonymous > plan->huge ? plan->anonymous - plan->huge : 0;
    guint64 pages = small / 4096 + plan->huge / ((guint64)2 << 20) + plan->swap / 4096;
    return BASE_NS + (gint64)plan->threads * THREAD_NS + (gint64)(pages * FORK_PAGE_NS);
}

static gboolean choose(const DkProcessOptions *options, DkProcessPlan *plan,
                       const DkProcStatus *status, GError **error)
{
    g_autofree char *blocker = snapshot_blocker(options->root, plan, status);
    if (options->method == DK_METHOD_SNAPSHOT && blocker) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "process %d: no snapshot: %s; --method stop works", (int)plan->pid, blocker);
        return FALSE;
    }
    if (options->method == DK_METHOD_STOP) {
        plan->method = DK_METHOD_STOP;
        plan->why = g_strdup("asked for");
    } else if (blocker) {
        plan->method = DK_METHOD_STOP;
        plan->why = g_strdup_printf("no snapshot: %s", blocker);
    } else if (plan->job_stopped) {
        plan->method = DK_METHOD_STOP;
        plan->why = g_strdup("the target is stopped already, and stays so");
    } else {
        plan->method = DK_METHOD_SNAPSHOT;
        plan->why = g_strdup(options->method ? "asked for"
                                             : "shortest pause: a copy-on-write child is read");
    }
    plan->pause_ns = plan->method == DK_METHOD_STOP ? dk_process_plan_stop_ns(plan)
                                                    : snapshot_ns(plan);
    plan->of_target = plan->method == DK_METHOD_SNAPSHOT && !dk_snapshot_reaper_is_fit(plan->pid);
    return TRUE;
}

DkProcessPlan *dk_process_plan_new(const DkProcessOptions *options, GError **error)
{
    g_autoptr(DkProcessPlan) plan = g_new0(DkProcessPlan, 1);
    g_auto(DkProcStat) stat = {0};
    DkProcStatus status;
    DkProcSums sums;
    pid_t pid = options->pid;
    plan->pid = pid;
    if (!dk_proc_stat_read(options->root, pid, 0, &stat, NULL)) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "there is no process %d", (int)pid);
        return NULL;
    }
    if (pid == getpid()) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "process %d is dumpkit itself",
                    (int)pid);
        return NULL;
    }
    if (!check_kind(options->root, pid, &stat, error) ||
        !dk_proc_status_read(options->root, pid, 0, &status, error) ||
        !check_tracer(options->root, pid, &status, error) ||
        !check_access(options->root, pid, &status, error))
        return NULL;
    plan->smaps = dk_proc_smaps(options->root, pid, &sums, error);
    if (!plan->smaps)
        return NULL;
    plan->name = g_steal_pointer(&stat.name);
    plan->start_ticks = stat.start_ticks;
    plan->ns_pid = status.ns_pid;
    plan->threads = status.threads;
    plan->vm_size = status.vm_size;
    plan->rss = sums.rss;
    plan->anonymous = sums.anonymous;
    plan->huge = sums.huge;
    plan->swap = sums.swap;
    plan->is_32bit = is_32bit(options->root, pid);
    plan->job_stopped = stat.state == 'T';
    if (!choose(options, plan, &status, error))
        return NULL;
    if (options->max_stop_ms >= 0 && plan->pause_ns > options->max_stop_ms * 1000000 &&
        !plan->job_stopped) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "process %d would stand still for about %.1f ms (%s: %s), above --max-stop "
                    "%" G_GINT64_FORMAT "; it was not touched",
                    (int)pid, (double)plan->pause_ns / 1e6, dk_method_name(plan->method), plan->why,
                    options->max_stop_ms);
        return NULL;
    }
    return g_steal_pointer(&plan);
}
