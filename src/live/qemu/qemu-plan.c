/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/qemu-plan.h"

#include <string.h>

#include "base/error.h"
#include "live/qemu/qemu-probe.h"
#include "live/qemu/qemu-space.h"

/* Measured with QEMU 7.2; only for the estimate of the pause. */
#define SNAPSHOT_NS G_GINT64_CONSTANT(5000000)
#define STOP_NS G_GINT64_CONSTANT(20000000)
#define COPY_BYTES_PER_MS 1000000u
#define DUMP_BYTES_PER_MS 400000u

static const char *const method_names[] = {
    [DK_QEMU_AUTO] = "auto",
    [DK_QEMU_SNAPSHOT] = "snapshot",
    [DK_QEMU_STOP] = "stop",
    [DK_QEMU_DUMP] = "dump",
};

const char *dk_qemu_method_name(DkQemuMethod method)
{
    return method_names[method];
}

gboolean dk_qemu_method_from_name(const char *name, DkQemuMethod *method, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(method_names); i++) {
        if (strcmp(name, method_names[i]) == 0) {
            *method = (DkQemuMethod)i;
            return TRUE;
        }
    }
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                "no method \"%s\" for a guest: auto, snapshot, stop or dump is expected", name);
    return FALSE;
}

static void range_free(DkQemuRange *range)
{
    g_free(range->block);
    g_free(range);
}

static void check_free(DkQemuCheck *check)
{
    g_free(check->text);
    g_free(check);
}

void dk_qemu_plan_free(DkQemuPlan *plan)
{
    if (!plan)
        return;
    g_free(plan->target);
    g_free(plan->name);
    g_free(plan->version);
    g_free(plan->machine);
    g_free(plan->arch);
    g_free(plan->status);
    g_free(plan->why);
    g_ptr_array_unref(plan->ranges);
    g_ptr_array_unref(plan->checks);
    g_free(plan);
}

/* Takes what speaks against the method; NULL: nothing, and `fine` says what was found. */
static gboolean note(DkQemuPlan *plan, DkQemuMethod method, char *against, const char *fine)
{
    DkQemuCheck *check = g_new0(DkQemuCheck, 1);
    check->method = method;
    check->ok = against == NULL;
    check->text = against ? against : g_strdup(fine);
    g_ptr_array_add(plan->checks, check);
    return check->ok;
}

/* Why the memory of the QEMU process cannot be read; NULL when it can. */
static char *probe_stop(DkQemuPlan *plan, const char *root)
{
    g_autoptr(GError) error = NULL;
    if (plan->pid <= 0)
        return g_strdup("the QEMU process is not known, or not on this machine");
    for (guint i = 0; i < plan->ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(plan->ranges, i);
        if (!range->va)
            return g_strdup_printf("QEMU does not say where it keeps %s", range->block);
    }
    g_autoptr(DkSpace) space = dk_qemu_space_new(plan, root, &error);
    if (!space)
        return g_strdup(error->message);
    plan->present = dk_qemu_space_present(space);
    return NULL;
}

static void take(DkQemuPlan *plan, DkQemuMethod method, const char *why)
{
    plan->method = method;
    plan->why = g_strdup(why);
}

static void choose(DkQemuPlan *plan, DkQmp *qmp, const char *root)
{
    /* The look at the memory first: the estimates of all methods use it. */
    char *stop_against = probe_stop(plan, root);
    gboolean snapshot = note(plan, DK_QEMU_SNAPSHOT, dk_qemu_probe_snapshot(qmp, plan),
                             "QEMU knows background snapshots; whether this memory allows them "
                             "shows when one is begun");
    gboolean stop = note(plan, DK_QEMU_STOP, stop_against,
                         "the memory of the QEMU process can be read");
    gboolean dump = note(plan, DK_QEMU_DUMP, dk_qemu_probe_dump(qmp), "QEMU can dump this machine");
    if (snapshot)
        take(plan, DK_QEMU_SNAPSHOT, "the guest runs on while its memory is carried over");
    else if (stop && !plan->running)
        take(plan, DK_QEMU_STOP, "the guest does not run, so nothing changes under the copy");
    else if (stop)
        take(plan, DK_QEMU_STOP, "no background snapshot: see the checks");
    else if (dump)
        take(plan, DK_QEMU_DUMP, "neither a background snapshot nor QEMU's memory: see the checks");
}

/* The method asked for, or why it cannot be had. */
static gboolean insist(DkQemuPlan *plan, DkQemuMethod wanted, GError **error)
{
    for (guint i = 0; i < plan->checks->len; i++) {
        const DkQemuCheck *check = g_ptr_array_index(plan->checks, i);
        if (check->ok || (wanted != DK_QEMU_AUTO && check->method != wanted))
            continue;
        if (wanted == DK_QEMU_AUTO && plan->method != DK_QEMU_AUTO)
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "%s: method \"%s\": %s", plan->target,
                    dk_qemu_method_name(check->method), check->text);
        return FALSE;
    }
    if (wanted != DK_QEMU_AUTO) {
        g_free(plan->why);
        take(plan, wanted, "as was asked for");
    }
    return TRUE;
}

static void estimate(DkQemuPlan *plan)
{
    if (plan->method == DK_QEMU_SNAPSHOT)
        plan->pause_ns = SNAPSHOT_NS;
    else if (plan->method == DK_QEMU_STOP)
        plan->pause_ns = STOP_NS + (gint64)(plan->present / COPY_BYTES_PER_MS) * 1000000;
    else
        plan->pause_ns = STOP_NS + (gint64)(plan->ram_size / DUMP_BYTES_PER_MS) * 1000000;
    if (!plan->running)
        plan->pause_ns = 0;
    plan->spool_bytes = plan->method == DK_QEMU_STOP ? 0 : plan->present;
}

static gboolean fill(DkQemuPlan *plan, const DkQemuOptions *options, DkQmp *qmp, GError **error)
{
    if (!dk_qemu_probe_guest(qmp, plan, error) || !dk_qemu_probe_idle(qmp, error) ||
        !dk_qemu_probe_open(qmp, plan, error) || !dk_qemu_probe_ranges(qmp, plan, error)) {
        if (error && *error && !g_str_has_prefix((*error)->message, options->target))
            g_prefix_error(error, "%s: ", options->target);
        return FALSE;
    }
    plan->present = plan->ram_size;
    choose(plan, qmp, options->root ? options->root : "");
    if (!insist(plan, options->method, error))
        return FALSE;
    estimate(plan);
    if (options->max_stop_ms >= 0 && plan->pause_ns > options->max_stop_ms * 1000000) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: method \"%s\" would hold the guest for about %" G_GINT64_FORMAT
                    " ms, above the limit of %" G_GINT64_FORMAT " ms",
                    options->target, dk_qemu_method_name(plan->method), plan->pause_ns / 1000000,
                    options->max_stop_ms);
        return FALSE;
    }
    return TRUE;
}

DkQemuPlan *dk_qemu_plan_new(const DkQemuOptions *options, GError **error)
{
    DkQmpTransport *transport = options->open(options->target, error);
    if (!transport)
        return NULL;
    g_autoptr(DkQmp) qmp = dk_qmp_new(
        transport, options->timeout_ms ? options->timeout_ms : DK_QEMU_TIMEOUT_MS, error);
    if (!qmp)
        return NULL;
    g_autoptr(DkQemuPlan) plan = g_new0(DkQemuPlan, 1);
    plan->target = g_strdup(options->target);
    plan->pid = dk_qmp_peer(qmp);
    plan->ranges = g_ptr_array_new_with_free_func((GDestroyNotify)range_free);
    plan->checks = g_ptr_array_new_with_free_func((GDestroyNotify)check_free);
    if (!dk_qmp_carrier_idle(qmp, error) || !fill(plan, options, qmp, error))
        return NULL;
    return g_steal_pointer(&plan);
}
