/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/process-source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/process/gadgets.h"
#include "live/process/proc-files.h"
#include "live/process/process-facts.h"
#include "live/process/process-space.h"
#include "live/process/tracer-client.h"

/* What may be copied while the target stands still: about 5 ms. */
#define KEEP_MAX ((guint64)16 << 20)

typedef struct {
    DkSource base;
    const DkProcessOptions *options;
    const DkProcessPlan *plan;
    DkTracerClient *tracer;
    DkProcessSpace *space;
    DkGadgets gadgets;
    DkMethod method;
    char *fallback; /* why the method is not the plan's */
    pid_t copy;
    guint64 since; /* start time of the tracer, on the clock of DkProcStat */
    gint64 stop_ns;
    gint64 pause_ns;
} ProcessSource;

static ProcessSource *process_source(DkSource *source)
{
    return (ProcessSource *)source;
}

/* Threads with what /proc says of them before they are stopped, when their states are their own. */
static void list_threads(ProcessSource *source, DkSubject *subject)
{
    const char *root = source->options->root;
    g_autoptr(GArray) tasks = dk_proc_tasks(root, source->plan->pid);
    for (guint i = 0; tasks && i < tasks->len; i++)
        dk_process_describe_thread(
            root, source->plan->pid,
            dk_subject_add_thread(subject, (guint32)g_array_index(tasks, pid_t, i)));
}

/* Code to inject with, and madvise() marks: all that can be learned while the target still runs. */
static gboolean prepare(ProcessSource *source, GError **error)
{
    pid_t pid = source->plan->pid;
    g_autoptr(DkSubject) before = dk_subject_new();
    g_autofree char *maps = dk_proc_read("", pid, "maps", NULL, error);
    if (!maps || !dk_proc_maps_parse(maps, before, error))
        return FALSE;
    if (source->method == DK_METHOD_SNAPSHOT && !dk_gadgets_find(pid, before, &source->gadgets)) {
        source->method = DK_METHOD_STOP;
        source->fallback = g_strdup("no snapshot: the target's code has no system call to borrow");
    }
    return TRUE;
}

static gboolean stop_target(ProcessSource *source, DkTracerReply *reply, GError **error)
{
    DkTracerRequest request = {
        .verb = DK_TRACER_STOP,
        .pid = source->plan->pid,
        .thread_timeout_ms = source->options->thread_timeout_ms,
    };
    if (!dk_tracer_call(source->tracer, &request, reply, error))
        return FALSE;
    source->stop_ns = reply->stop_ns;
    pid_t pid = source->plan->pid;
    switch (reply->err) {
    case 0:
        return TRUE;
    case ESRCH:
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE,
                    "process %d (%s) ended before it could be stopped", (int)pid,
                    source->plan->name);
        return FALSE;
    case EBUSY:
        g_set_error(error, DK_ERROR, DK_ERROR_BUSY,
                    "a thread of process %d (%s) is already traced by another program", (int)pid,
                    source->plan->name);
        return FALSE;
    case ETIMEDOUT:
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE,
                    "process %d (%s): no thread stopped within %u ms; all are in uninterruptible "
                    "sleep",
                    (int)pid, source->plan->name, source->options->thread_timeout_ms);
        return FALSE;
    default:
        dk_error_set_errno(error, reply->err, "attaching to process %d (%s)", (int)pid,
                           source->plan->name);
        return FALSE;
    }
}

/* Mappings and present pages, while the target stands still. */
static gboolean map_memory(ProcessSource *source, DkSubject *subject, GError **error)
{
    pid_t pid = source->plan->pid;
    g_autofree char *maps = dk_proc_read("", pid, "maps", NULL, error);
    if (!maps || !dk_proc_maps_parse(maps, subject, error))
        return FALSE;
    if (!subject->process.mappings->len) {
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "process %d (%s) is ending", (int)pid,
                    source->plan->name);
        return FALSE;
    }
    g_autofree char *path = g_strdup_printf("/proc/%d/pagemap", (int)pid);
    dk_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "%s", path);
        return FALSE;
    }
    DkPageMap *pages = dk_page_map_read(fd, subject, error);
    if (!pages)
        return FALSE;
    g_array_unref(dk_process_take_smaps(subject, source->plan->smaps));
    source->space = dk_process_space_new(subject, pages, pid, 0);
    return TRUE;
}

/*
 * Decides for each mapping where it will be read; what a fork does not carry is copied now if there
 * is room for it.
 */
static void keep_what_fork_loses(ProcessSource *source, DkSubject *subject, gboolean *lost)
{
    guint64 budget = KEEP_MAX;
    GPtrArray *mappings = subject->process.mappings;
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        guint32 special = DK_MAP_SHARED | DK_MAP_DONTFORK | DK_MAP_WIPEONFORK;
        if (dk_process_is_unreadable(mapping) || !(mapping->flags & special))
            continue;
        lost[i] = !dk_process_space_keep(source->space, i, &budget) &&
                  (!(mapping->flags & DK_MAP_SHARED) || mapping->flags & DK_MAP_WRITE);
    }
}

static gboolean make_snapshot(ProcessSource *source, DkSubject *subject, GError **error)
{
    DkTracerRequest request = {
        .verb = DK_TRACER_SNAPSHOT,
        .of_target = source->plan->of_target,
        .gadgets = source->gadgets,
    };
    dk_proc_find_stack(subject, &request.stack_first, &request.stack_last);
    DkTracerReply reply;
    if (!dk_tracer_call(source->tracer, &request, &reply, error))
        return FALSE;
    if (!reply.err) {
        source->copy = reply.copy;
        source->pause_ns = reply.resume_ns - reply.stop_ns;
        return TRUE;
    }
    if (reply.err == ESRCH) {
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE,
                    "process %d (%s) ended while it was being captured", (int)source->plan->pid,
                    source->plan->name);
        return FALSE;
    }
    source->method = DK_METHOD_STOP;
    g_free(source->fallback);
    source->fallback = g_strdup_printf("no snapshot: %s: %s", reply.stage, g_strerror(reply.err));
    if (source->options->method == DK_METHOD_SNAPSHOT) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "process %d (%s): %s",
                    (int)source->plan->pid, source->plan->name, source->fallback);
        return FALSE;
    }
    gint64 limit = source->options->max_stop_ms;
    if (limit >= 0 && dk_process_plan_stop_ns(source->plan) > limit * 1000000) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "process %d (%s): %s; stop and copy would take longer than --max-stop "
                    "%" G_GINT64_FORMAT " ms",
                    (int)source->plan->pid, source->plan->name, source->fallback, limit);
        return FALSE;
    }
    return TRUE;
}

/* The child has the marks of the very instant; what it lacks was MADV_DONTFORK. */
static void take_marks_of_copy(ProcessSource *source, DkSubject *subject, gboolean *lost)
{
    g_autoptr(GArray) smaps = dk_proc_smaps("", source->copy, NULL, NULL);
    if (!smaps)
        return;
    g_autoptr(GHashTable) there = g_hash_table_new(g_int64_hash, g_int64_equal);
    for (guint i = 0; i < smaps->len; i++)
        g_hash_table_add(there, &g_array_index(smaps, DkSmap, i).first);
    guint32 special = DK_MAP_SHARED | DK_MAP_DONTFORK | DK_MAP_WIPEONFORK;
    for (guint i = 0; i < subject->process.mappings->len; i++) {
        DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
        guint32 before = mapping->flags;
        if (mapping->first >> 63)
            continue;
        if (!g_hash_table_contains(there, &mapping->first))
            mapping->flags |= DK_MAP_DONTFORK;
        if (!(before & special) && mapping->flags & DK_MAP_DONTFORK)
            lost[i] = TRUE;
    }
    g_autoptr(GArray) changed = dk_process_take_smaps(subject, smaps);
    for (guint i = 0; i < changed->len; i++) {
        guint index = g_array_index(changed, guint, i);
        const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, index);
        if (mapping->flags & DK_MAP_WIPEONFORK)
            lost[index] = TRUE;
    }
}

static void place_mappings(ProcessSource *source, DkSubject *subject, const gboolean *lost)
{
    if (source->copy)
        dk_process_space_set_copy(source->space, source->copy);
    for (guint i = 0; i < subject->process.mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
        if (dk_process_is_unreadable(mapping))
            dk_process_space_set_from(source->space, i, DK_FROM_NOBODY);
        else if (mapping->flags & (DK_MAP_DONTFORK | DK_MAP_WIPEONFORK))
            dk_process_space_set_from(source->space, i, DK_FROM_TARGET);
        if (mapping->inode && !(mapping->first >> 63))
            dk_process_space_look_at_file(source->space, i);
        if (lost[i])
            dk_subject_add_gap(subject, "instant", mapping->first, mapping->last, 0,
                               "%s, larger than what is copied during the stop: read while the "
                               "target ran on",
                               mapping->flags & DK_MAP_SHARED     ? "shared memory"
                               : mapping->flags & DK_MAP_DONTFORK ? "MADV_DONTFORK"
                                                                  : "MADV_WIPEONFORK");
    }
}

/* All that happens between the stop and the moment when the target may run on. */
static gboolean make_instant(ProcessSource *source, DkSubject *subject, GError **error)
{
    DkTracerReply reply;
    if (!stop_target(source, &reply, error))
        return FALSE;
    subject->origin.time_us = g_get_real_time();
    if (!map_memory(source, subject, error))
        return FALSE;
    g_autofree gboolean *lost = g_new0(gboolean, subject->process.mappings->len + 1);
    if (source->method == DK_METHOD_SNAPSHOT) {
        keep_what_fork_loses(source, subject, lost);
        if (!make_snapshot(source, subject, error))
            return FALSE;
    }
    if (source->copy)
        take_marks_of_copy(source, subject, lost);
    else
        memset(lost, 0, sizeof(gboolean) * (subject->process.mappings->len + 1));
    place_mappings(source, subject, lost);
    return dk_tracer_take_threads(source->tracer, reply.saved_bytes,
                                  source->options->thread_timeout_ms, subject, error);
}

/*
 * Ends the tracer.  If it was killed, another one looks after what it left in the target, now that
 * the kernel has let the target go.
 */
static void end_tracer(ProcessSource *source)
{
    if (!source->tracer || dk_tracer_client_close(g_steal_pointer(&source->tracer)) ||
        !source->gadgets.syscall_va)
        return;
    g_autoptr(DkTracerClient) mop = dk_tracer_client_new(source->options->tracer_argv, NULL);
    DkTracerRequest request = {
        .verb = DK_TRACER_MOP,
        .pid = source->plan->pid,
        .since = source->since,
        .gadgets = source->gadgets,
    };
    DkTracerReply reply;
    if (mop && !dk_tracer_call(mop, &request, &reply, NULL))
        return;
}

/* Now, on the clock of DkProcStat: our own tracer has just been started. */
static guint64 start_of(pid_t pid)
{
    g_auto(DkProcStat) stat = {0};
    return dk_proc_stat_read("", pid, 0, &stat, NULL) ? stat.start_ticks : G_MAXUINT64;
}

static gboolean process_pause(DkSource *base, GError **error)
{
    ProcessSource *source = process_source(base);
    g_autoptr(DkSubject) subject = dk_subject_new();
    if (source->options->tracer)
        source->tracer = g_steal_pointer(source->options->tracer);
    if (!source->tracer)
        source->tracer = dk_tracer_client_new(source->options->tracer_argv, error);
    if (!source->tracer)
        return FALSE;
    source->since = start_of(dk_tracer_client_pid(source->tracer));
    if (!prepare(source, error))
        return FALSE;
    dk_process_describe(source->options->root, source->plan->pid, subject);
    subject->machine = source->plan->is_32bit ? DK_MACHINE_X86 : DK_MACHINE_X86_64;
    list_threads(source, subject);
    int priority = getpriority(PRIO_PROCESS, 0);
    setpriority(PRIO_PROCESS, 0, DK_PAUSE_NICE);
    gboolean made = make_instant(source, subject, error);
    setpriority(PRIO_PROCESS, 0, priority);
    if (!made) {
        /* Letting go of the tracer lets go of the target. */
        end_tracer(source);
        if (source->space)
            base->space = dk_process_space_base(source->space);
        base->subject = g_steal_pointer(&subject);
        return FALSE;
    }
    dk_process_describe_late_threads(source->options->root, source->plan->pid, subject);
    dk_process_find_modules(subject);
    subject->origin.method = g_strdup(dk_method_name(source->method));
    subject->origin.pause_ns = source->pause_ns;
    base->space = dk_process_space_base(source->space);
    base->subject = g_steal_pointer(&subject);
    return TRUE;
}

static gboolean process_resume(DkSource *base, GError **error)
{
    ProcessSource *source = process_source(base);
    DkTracerRequest request = {.verb = DK_TRACER_RESUME};
    DkTracerReply reply;
    if (source->pause_ns >= 0) {
        /* Taking down a copy of 1 GiB takes 50 ms, which need not be added to those of fsync. */
        if (source->tracer)
            dk_tracer_client_release(source->tracer);
        return TRUE;
    }
    if (!dk_tracer_call(source->tracer, &request, &reply, error))
        return FALSE;
    source->pause_ns = reply.resume_ns - reply.stop_ns;
    base->subject->origin.pause_ns = source->pause_ns;
    return TRUE;
}

static void process_close(DkSource *base)
{
    ProcessSource *source = process_source(base);
    end_tracer(source);
    g_free(source->fallback);
    g_free(source);
}

static gboolean process_alive(DkSource *base, GError **error)
{
    const ProcessSource *source = process_source(base);
    pid_t read_from = source->copy ? source->copy : source->plan->pid;
    g_auto(DkProcStat) stat = {0};
    if (dk_proc_stat_read("", read_from, 0, &stat, NULL) && !dk_proc_is_ending(&stat))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE,
                "%s of process %d (%s) ended while it was being read",
                source->copy ? "the copy" : "the memory", (int)source->plan->pid,
                source->plan->name);
    return FALSE;
}

static const DkSourceOps process_source_ops = {
    .name = "process",
    .caps = DK_SOURCE_VIRT | DK_SOURCE_REGS | DK_SOURCE_LIVE | DK_SOURCE_PAUSE,
    .pause = process_pause,
    .resume = process_resume,
    .alive = process_alive,
    .close = process_close,
};

DkSource *dk_process_source_new(const DkProcessOptions *options, const DkProcessPlan *plan)
{
    ProcessSource *source = g_new0(ProcessSource, 1);
    g_autofree char *name = g_strdup_printf("pid:%d", (int)plan->pid);
    dk_source_init(&source->base, &process_source_ops, name);
    source->options = options;
    source->plan = plan;
    source->method = plan->method;
    source->pause_ns = -1;
    return &source->base;
}

DkMethod dk_process_source_method(const DkSource *source, const char **why)
{
    const ProcessSource *process = (const ProcessSource *)source;
    if (why)
        *why = process->fallback ? process->fallback : process->plan->why;
    return process->method;
}

gint64 dk_process_source_pause_ns(const DkSource *source)
{
    return ((const ProcessSource *)source)->pause_ns;
}
