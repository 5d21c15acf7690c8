/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/sink.h"

DkDumpPlan *dk_dump_plan_new(void)
{
    DkDumpPlan *plan = g_new0(DkDumpPlan, 1);
    plan->extents = g_array_new(FALSE, FALSE, sizeof(DkExtent));
    return plan;
}

void dk_dump_plan_free(DkDumpPlan *plan)
{
    if (!plan)
        return;
    g_array_unref(plan->extents);
    g_free(plan);
}

void dk_dump_plan_add(DkDumpPlan *plan, guint64 first, guint64 last, guint32 flags)
{
    g_assert(first <= last);
    plan->bytes += last - first + 1;
    if (plan->extents->len) {
        DkExtent *tail = &g_array_index(plan->extents, DkExtent, plan->extents->len - 1);
        g_assert(first > tail->last);
        if (tail->last + 1 == first && tail->flags == flags) {
            tail->last = last;
            return;
        }
    }
    DkExtent extent = {first, last, flags};
    g_array_append_val(plan->extents, extent);
}

void dk_sink_init(DkSink *sink, const DkSinkOps *ops, DkOutput *output)
{
    g_assert(ops->begin && ops->data && ops->hole && ops->finish && ops->destroy);
    g_assert(!ops->pack == !ops->data_packed);
    sink->ops = ops;
    sink->output = output;
}

void dk_sink_free(DkSink *sink)
{
    if (sink)
        sink->ops->destroy(sink);
}

gboolean dk_sink_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    return !sink->ops->accepts || sink->ops->accepts(sink, subject, error);
}

guint64 dk_sink_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    return sink->ops->measure ? sink->ops->measure(sink, subject, plan) : 0;
}

static const DkExtent *extent_at(const DkSink *sink)
{
    return &g_array_index(sink->plan->extents, DkExtent, sink->extent);
}

gboolean dk_sink_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                       GError **error)
{
    sink->subject = subject;
    sink->plan = plan;
    if (plan->extents->len)
        sink->next_va = extent_at(sink)->first;
    return sink->ops->begin(sink, subject, plan, error);
}

/* Checks that first..last is what an ordered sink has to get next, and moves on. */
static void advance(DkSink *sink, guint64 first, guint64 last)
{
    if (!(sink->ops->caps & DK_SINK_ORDERED))
        return;
    g_assert(sink->extent < sink->plan->extents->len);
    const DkExtent *extent = extent_at(sink);
    g_assert(first == sink->next_va && last >= first && last <= extent->last);
    if (last < extent->last) {
        sink->next_va = last + 1;
        return;
    }
    if (++sink->extent < sink->plan->extents->len)
        sink->next_va = extent_at(sink)->first;
}

gboolean dk_sink_data(DkSink *sink, guint64 va, const void *buf, gsize len, GError **error)
{
    g_assert(len);
    advance(sink, va, va + len - 1);
    return sink->ops->data(sink, va, buf, len, error);
}

gboolean dk_sink_data_packed(DkSink *sink, guint64 va, gsize len, const GByteArray *packed,
                             GError **error)
{
    g_assert(len);
    advance(sink, va, va + len - 1);
    return sink->ops->data_packed(sink, va, len, packed, error);
}

gboolean dk_sink_hole(DkSink *sink, const DkRun *run, GError **error)
{
    advance(sink, run->first, run->last);
    return sink->ops->hole(sink, run, error);
}

gboolean dk_sink_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    g_assert(!(sink->ops->caps & DK_SINK_ORDERED) || sink->extent == sink->plan->extents->len);
    return sink->ops->finish(sink, summary, error);
}
