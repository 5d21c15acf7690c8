/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/size.h"
#include "format/lime-record.h"
#include "format/lime/lime.h"
#include "io/output.h"

typedef struct {
    DkSink sink;
    gboolean split;      /* records of at most 16 MiB */
    gboolean in_record;  /* record is one that was begun */
    DkLimeRecord record; /* being written */
} LimeSink;

static const DkFormatVariant variants[] = {
    {"lime", "one record for each range of RAM"},
    {"lime-avml", "records of at most 16 MiB, as AVML writes them without compression"},
    {NULL, NULL},
};

static gboolean lime_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    if (subject->kind == DK_SUBJECT_MACHINE)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "a LiME file holds the physical memory of a machine, not a process");
    return FALSE;
}

/* The record that pa, which is in the plan, goes into. */
static DkLimeRecord record_at(const LimeSink *self, const DkDumpPlan *plan, guint64 pa)
{
    gboolean edge;
    return self->split ? dk_lime_block_at(plan, pa, &edge) : dk_lime_range_at(plan, pa);
}

static guint64 lime_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    LimeSink *self = (LimeSink *)sink;
    guint64 size = 0;
    guint64 done = 0; /* addresses below it are counted */
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        guint64 pa = MAX(extent->first, done);
        while (pa <= extent->last) {
            DkLimeRecord record = record_at(self, plan, pa);
            size = dk_size_add(size, DK_LIME_HEADER_SIZE + (record.last - record.first + 1));
            pa = done = record.last + 1;
        }
    }
    return size;
}

static gboolean lime_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                           GError **error)
{
    if (plan->extents->len &&
        g_array_index(plan->extents, DkExtent, plan->extents->len - 1).last > DK_LIME_PA_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "memory above 0x%" G_GINT64_MODIFIER "x",
                    DK_LIME_PA_MAX);
        return FALSE;
    }
    return TRUE;
}

/* Begins the record of pa unless it is begun; *room gets what is left of it. */
static gboolean enter(LimeSink *self, guint64 pa, guint64 *room, GError **error)
{
    if (!self->in_record || pa > self->record.last) {
        guint8 header[DK_LIME_HEADER_SIZE];
        self->record = record_at(self, self->sink.plan, pa);
        self->in_record = TRUE;
        dk_lime_record_write(header, DK_LIME_MAGIC, DK_LIME_VERSION, self->record.first,
                             self->record.last);
        if (!dk_output_write(self->sink.output, header, sizeof header, error))
            return FALSE;
    }
    *room = self->record.last - pa + 1;
    return TRUE;
}

static gboolean lime_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    LimeSink *self = (LimeSink *)sink;
    const guint8 *bytes = buf;
    while (len) {
        guint64 room = 0;
        if (!enter(self, pa, &room, error))
            return FALSE;
        gsize part = (gsize)MIN(room, len);
        if (!dk_output_write(sink->output, bytes, part, error))
            return FALSE;
        bytes += part;
        pa += part;
        len -= part;
    }
    return TRUE;
}

static gboolean lime_hole(DkSink *sink, const DkRun *run, GError **error)
{
    LimeSink *self = (LimeSink *)sink;
    guint64 pa = run->first;
    for (;;) {
        guint64 room = 0;
        if (!enter(self, pa, &room, error))
            return FALSE;
        guint64 part = MIN(room, run->last - pa + 1);
        if (!dk_output_zeros(sink->output, part, error))
            return FALSE;
        if (run->last - pa < part)
            return TRUE;
        pa += part;
    }
}

static gboolean lime_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    return TRUE;
}

static void lime_destroy(DkSink *sink)
{
    g_free(sink);
}

static const DkSinkOps sink_ops = {
    .name = "lime",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = lime_accepts,
    .measure = lime_measure,
    .begin = lime_begin,
    .data = lime_data,
    .hole = lime_hole,
    .finish = lime_finish,
    .destroy = lime_destroy,
};

DkSink *dk_lime_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    LimeSink *self = g_new0(LimeSink, 1);
    dk_sink_init(&self->sink, &sink_ops, output);
    self->split = options && options->variant && g_str_equal(options->variant, "lime-avml");
    return &self->sink;
}

static const char *const extensions[] = {"lime", NULL};

extern const DkFormat dk_format_lime;

const DkFormat dk_format_lime = {
    .name = "lime",
    .summary = "LiME: the RAM of a machine, uncompressed, without registers",
    .open = dk_lime_open,
    .sink_new = dk_lime_sink_new,
    .writes = 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .variants = variants,
    .verify = dk_lime_verify,
};
