/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "format/raw/raw.h"
#include "io/output.h"

/* The largest image: what ext4 lets a file have. */
#define SIZE_MAX_RAW ((guint64)16 << 40)

typedef struct {
    DkSink sink;
    guint64 end; /* bytes of the file so far */
} RawSink;

/* The end of RAM, or of the plan if that is above. */
static guint64 image_size(const DkSubject *subject, const DkDumpPlan *plan)
{
    guint64 last = 0;
    const GArray *ram = subject->system.ram;
    if (plan->extents->len)
        last = g_array_index(plan->extents, DkExtent, plan->extents->len - 1).last;
    if (ram->len)
        last = MAX(last, g_array_index(ram, DkRamRange, ram->len - 1).last);
    return last < SIZE_MAX_RAW ? last + 1 : SIZE_MAX_RAW + 1;
}

static gboolean raw_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    if (subject->kind == DK_SUBJECT_MACHINE)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "a raw image holds the physical memory of a machine, not a process");
    return FALSE;
}

static guint64 raw_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    return image_size(subject, plan);
}

static gboolean raw_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                          GError **error)
{
    if (image_size(subject, plan) <= SIZE_MAX_RAW)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                "memory reaches above 16 TiB, further than a raw image can");
    return FALSE;
}

/* Zeros up to pa. */
static gboolean reach(RawSink *self, guint64 pa, GError **error)
{
    guint64 gap = pa - self->end;
    self->end = pa;
    return !gap || dk_output_zeros(self->sink.output, gap, error);
}

static gboolean raw_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    RawSink *self = (RawSink *)sink;
    if (!reach(self, pa, error))
        return FALSE;
    self->end += len;
    return dk_output_write(sink->output, buf, len, error);
}

static gboolean raw_hole(DkSink *sink, const DkRun *run, GError **error)
{
    return reach((RawSink *)sink, run->last + 1, error);
}

static gboolean raw_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    return reach((RawSink *)sink, image_size(sink->subject, sink->plan), error);
}

static void raw_destroy(DkSink *sink)
{
    g_free(sink);
}

static const DkSinkOps sink_ops = {
    .name = "raw",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = raw_accepts,
    .measure = raw_measure,
    .begin = raw_begin,
    .data = raw_data,
    .hole = raw_hole,
    .finish = raw_finish,
    .destroy = raw_destroy,
};

DkSink *dk_raw_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    RawSink *self = g_new0(RawSink, 1);
    dk_sink_init(&self->sink, &sink_ops, output);
    return &self->sink;
}
