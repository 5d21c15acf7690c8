/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/qemu-source.h"

#include <string.h>

#include "base/error.h"
#include "live/qemu/guardian-client.h"
#include "live/qemu/qemu-instant.h"
#include "live/qemu/qemu-probe.h"
#include "live/qemu/qemu-space.h"

#define PAGE 4096u
/* For the event that tells of a stop or resume, which comes at about the time of the answer. */
#define EVENT_MS 100

typedef struct {
    DkSource base;
    const DkQemuOptions *options;
    const DkQemuPlan *plan;
    DkQemuInstant instant;
    DkQemuMethod method;
    char *why; /* of a method that is not the plan's */
    gint64 pause_ns;
} QemuSource;

static DkSubject *make_subject(const DkQemuPlan *plan)
{
    DkSubject *subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    subject->page_size = PAGE;
    subject->cpus = plan->cpus;
    if (g_strcmp0(plan->arch, "x86_64") == 0)
        subject->machine = DK_MACHINE_X86_64;
    else if (g_strcmp0(plan->arch, "i386") == 0)
        subject->machine = DK_MACHINE_X86;
    else if (g_strcmp0(plan->arch, "aarch64") == 0)
        subject->machine = DK_MACHINE_ARM64;
    subject->system.name = g_strdup(plan->machine);
    for (guint i = 0; i < plan->ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(plan->ranges, i);
        dk_machine_add_ram(&subject->system, range->first, range->last);
    }
    return subject;
}

/* A fresh subject and an empty spool, or a new guardian, for one try of a method. */
static gboolean begin(QemuSource *source, GError **error)
{
    DkQemuInstant *instant = &source->instant;
    g_clear_pointer(&instant->spool, dk_spool_free);
    g_clear_pointer(&instant->subject, dk_subject_free);
    instant->subject = make_subject(source->plan);
    instant->stop_us = -1;
    instant->resume_us = -1;
    if (source->method == DK_QEMU_STOP)
        return TRUE;
    guint64 size = (source->plan->highest + PAGE) / PAGE * PAGE;
    instant->spool = dk_spool_new(source->options->spool_dir, size, error);
    return instant->spool != NULL;
}

static gboolean stop(QemuSource *source, GError **error)
{
    DkQemuInstant *instant = &source->instant;
    if (source->plan->running && (!dk_qemu_promise(instant, "[{\"execute\":\"cont\"}]", error) ||
                                  !dk_qmp_do(instant->qmp, "stop", NULL, error)))
        return FALSE;
    if (!dk_qemu_read_cpus(instant, error) || !dk_qemu_take_events(instant, 0, error))
        return FALSE;
    const char *root = source->options->root ? source->options->root : "";
    source->base.space = dk_qemu_space_new(source->plan, root, error);
    return source->base.space != NULL;
}

static gboolean resume_stopped(QemuSource *source, GError **error)
{
    DkQemuInstant *instant = &source->instant;
    instant->resume_us = -1;
    if (!dk_qemu_put_back(instant, error))
        return FALSE;
    return instant->resume_us >= 0 || dk_qemu_take_events(instant, EVENT_MS, error);
}

static gboolean run_method(QemuSource *source, GError **error)
{
    DkQemuInstant *instant = &source->instant;
    if (!begin(source, error))
        return FALSE;
    if (source->method == DK_QEMU_SNAPSHOT)
        return dk_qemu_snapshot(instant, error);
    if (source->method == DK_QEMU_DUMP)
        return dk_qemu_dump(instant, error);
    if (stop(source, error))
        return TRUE;
    if (!resume_stopped(source, NULL))
        g_debug("%s: the guest was not let go", source->plan->target);
    g_clear_pointer(&source->base.space, dk_space_unref);
    return FALSE;
}

static gboolean is_possible(const DkQemuPlan *plan, DkQemuMethod method)
{
    for (guint i = 0; i < plan->checks->len; i++) {
        const DkQemuCheck *check = g_ptr_array_index(plan->checks, i);
        if (check->method == method)
            return check->ok;
    }
    return FALSE;
}

/* What QEMU refuses by one method may go by the next; whatever else failed would fail again. */
static gboolean take_next(QemuSource *source, const GError *error)
{
    if (source->options->method != DK_QEMU_AUTO ||
        !(g_error_matches(error, DK_ERROR, DK_ERROR_PEER) ||
          g_error_matches(error, DK_ERROR, DK_ERROR_UNSUPPORTED)))
        return FALSE;
    for (guint method = source->method + 1; method <= DK_QEMU_DUMP; method++) {
        if (!is_possible(source->plan, (DkQemuMethod)method))
            continue;
        const char *failed = dk_qemu_method_name(source->method);
        char *why = g_strdup_printf("method \"%s\" failed: %s", failed, error->message);
        g_free(source->why);
        source->why = why;
        source->method = (DkQemuMethod)method;
        return TRUE;
    }
    return FALSE;
}

/* The guest may have changed since it was looked at. */
static gboolean look_again(QemuSource *source, GError **error)
{
    g_autoptr(JsonNode) status = dk_qmp_call(source->instant.qmp, "query-status", NULL, error);
    if (!status || !dk_qemu_probe_idle(source->instant.qmp, error))
        return FALSE;
    if (dk_json_boolean(dk_json_node_object(status), "running") == source->plan->running)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_BUSY,
                "%s: the guest was %s since it was looked at: somebody else is at work with it",
                source->plan->target, source->plan->running ? "stopped" : "started");
    return FALSE;
}

/* Ends the guardian; FALSE when something could not be put back. */
static gboolean end_guard(QemuSource *source, GError **error)
{
    g_autofree char *why = NULL;
    DkGuard *guard = g_steal_pointer(&source->instant.guard);
    source->instant.qmp = NULL;
    if (!guard || dk_guard_close(guard, &why))
        return TRUE;
    if (error && !*error)
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: %s", source->plan->target, why);
    return FALSE;
}

static void finish_subject(QemuSource *source)
{
    DkQemuInstant *instant = &source->instant;
    DkSubject *subject = g_steal_pointer(&instant->subject);
    g_autofree char *writer = g_strdup_printf("QEMU %s", source->plan->version);
    g_free(subject->origin.writer);
    subject->origin.writer = g_steal_pointer(&writer);
    g_free(subject->origin.method);
    subject->origin.method = g_strdup(dk_qemu_method_name(source->method));
    subject->origin.time_us = instant->stop_us >= 0 ? instant->stop_us : g_get_real_time();
    if (!subject->cpus)
        subject->cpus = subject->system.cpus->len;
    if (!source->plan->running)
        source->pause_ns = 0;
    else if (instant->stop_us >= 0 && instant->resume_us >= instant->stop_us)
        source->pause_ns = (instant->resume_us - instant->stop_us) * 1000;
    subject->origin.pause_ns = source->pause_ns;
    source->base.subject = subject;
}

static gboolean qemu_pause(DkSource *base, GError **error)
{
    QemuSource *source = (QemuSource *)base;
    g_autoptr(GError) own = NULL;
    source->instant.guard = dk_guard_new(source->options, error);
    if (!source->instant.guard)
        return FALSE;
    source->instant.qmp = dk_guard_qmp(source->instant.guard);
    gboolean is_done = look_again(source, &own);
    if (is_done) {
        while (!(is_done = run_method(source, &own)) && take_next(source, own))
            g_clear_error(&own);
    }
    if (is_done && source->method != DK_QEMU_STOP)
        is_done = end_guard(source, &own);
    if (!is_done) {
        if (!end_guard(source, NULL))
            g_prefix_error(&own, "what was changed in QEMU could not be put back; ");
        g_propagate_error(error, g_steal_pointer(&own));
        return FALSE;
    }
    if (source->method != DK_QEMU_STOP)
        base->space = dk_spool_space(source->instant.spool);
    finish_subject(source);
    return TRUE;
}

static gboolean qemu_resume(DkSource *base, GError **error)
{
    QemuSource *source = (QemuSource *)base;
    if (!source->instant.guard)
        return TRUE;
    gboolean is_done = resume_stopped(source, error);
    is_done = end_guard(source, error) && is_done;
    if (!is_done)
        return FALSE;
    const DkQemuInstant *instant = &source->instant;
    if (source->plan->running && instant->stop_us >= 0 && instant->resume_us >= instant->stop_us)
        source->pause_ns = (instant->resume_us - instant->stop_us) * 1000;
    base->subject->origin.pause_ns = source->pause_ns;
    return TRUE;
}

static gboolean qemu_alive(DkSource *base, GError **error)
{
    QemuSource *source = (QemuSource *)base;
    if (source->method != DK_QEMU_STOP || !base->space || dk_qemu_space_alive(base->space))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: QEMU (pid %d) has ended", base->name,
                (int)source->plan->pid);
    return FALSE;
}

static void qemu_close(DkSource *base)
{
    QemuSource *source = (QemuSource *)base;
    if (!end_guard(source, NULL))
        g_debug("%s: not everything was put back", source->plan->target);
    g_clear_pointer(&source->instant.spool, dk_spool_free);
    g_clear_pointer(&source->instant.subject, dk_subject_free);
    g_free(source->why);
    g_free(source);
}

static const DkSourceOps qemu_ops = {
    .name = "qemu",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS | DK_SOURCE_LIVE | DK_SOURCE_PAUSE,
    .pause = qemu_pause,
    .resume = qemu_resume,
    .alive = qemu_alive,
    .close = qemu_close,
};

DkSource *dk_qemu_source_new(const DkQemuOptions *options, const DkQemuPlan *plan)
{
    QemuSource *source = g_new0(QemuSource, 1);
    dk_source_init(&source->base, &qemu_ops, options->target);
    source->options = options;
    source->plan = plan;
    source->instant.options = options;
    source->instant.plan = plan;
    source->method = plan->method;
    source->pause_ns = -1;
    return &source->base;
}

DkQemuMethod dk_qemu_source_method(const DkSource *source, const char **why)
{
    *why = ((const QemuSource *)source)->why;
    return ((const QemuSource *)source)->method;
}

gint64 dk_qemu_source_pause_ns(const DkSource *source)
{
    return ((const QemuSource *)source)->pause_ns;
}
