/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "codec/snappy-frame.h"
#include "format/avml/avml.h"
#include "format/lime-record.h"
#include "io/output.h"

typedef struct {
    DkSink sink;
    DkSnappyPacker *packer;
    GByteArray *zeros;  /* a chunk of DK_SNAPPY_CONTENT_MAX zeros */
    GByteArray *buffer; /* of avml_data() */
    gboolean in_block;
    gboolean begun; /* its header is written */
    gboolean edge;  /* it is written even if it is zero: see dk_lime_block_at() */
    DkLimeRecord block;
    guint64 done;   /* bytes of the block so far */
    guint64 length; /* bytes of its stream so far */
} AvmlSink;

/* What pack() says of each piece of at most 64 KiB; the chunk follows, or nothing for zeros. */
typedef struct {
    guint32 content; /* bytes of memory */
    guint32 size;    /* bytes of the chunk; 0: the memory is zero */
} PieceHead;

static gboolean avml_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    if (subject->kind != DK_SUBJECT_MACHINE) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "an AVML file holds the physical memory of a machine, not a process");
        return FALSE;
    }
    if (!dk_snappy_available()) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "AVML files are packed with snappy, which this dumpkit was built without");
        return FALSE;
    }
    return TRUE;
}

static gboolean avml_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                           GError **error)
{
    AvmlSink *self = (AvmlSink *)sink;
    g_autofree guint8 *zeros = g_malloc0(DK_SNAPPY_CONTENT_MAX);
    if (plan->extents->len &&
        g_array_index(plan->extents, DkExtent, plan->extents->len - 1).last > DK_LIME_PA_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "memory above 0x%" G_GINT64_MODIFIER "x",
                    DK_LIME_PA_MAX);
        return FALSE;
    }
    self->packer = dk_snappy_packer_new();
    dk_snappy_chunk_pack(self->packer, zeros, DK_SNAPPY_CONTENT_MAX, self->zeros);
    return TRUE;
}

static gboolean is_zero(const guint8 *bytes, gsize len)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

static gboolean avml_pack(DkSink *sink, guint64 pa, const void *buf, gsize len, GByteArray *packed,
                          GError **error)
{
    AvmlSink *self = (AvmlSink *)sink;
    const guint8 *bytes = buf;
    while (len) {
        gboolean edge;
        DkLimeRecord block = dk_lime_block_at(sink->plan, pa, &edge);
        gsize part = (gsize)MIN(MIN(len, DK_SNAPPY_CONTENT_MAX), block.last - pa + 1);
        guint at = packed->len;
        PieceHead head = {(guint32)part, 0};
        g_byte_array_append(packed, (const guint8 *)&head, sizeof head);
        if (!is_zero(bytes, part)) {
            dk_snappy_chunk_pack(self->packer, bytes, part, packed);
            head.size = packed->len - at - (guint)sizeof head;
            memcpy(packed->data + at, &head, sizeof head);
        }
        bytes += part;
        pa += part;
        len -= part;
    }
    return TRUE;
}

static gboolean append(AvmlSink *self, const void *data, gsize len, GError **error)
{
    self->length += len;
    return dk_output_write(self->sink.output, data, len, error);
}

static gboolean append_zeros(AvmlSink *self, guint64 len, GError **error)
{
    for (; len >= DK_SNAPPY_CONTENT_MAX; len -= DK_SNAPPY_CONTENT_MAX) {
        if (!append(self, self->zeros->data, self->zeros->len, error))
            return FALSE;
    }
    if (!len)
        return TRUE;
    g_autofree guint8 *zeros = g_malloc0(len);
    g_autoptr(GByteArray) chunk = g_byte_array_new();
    dk_snappy_chunk_pack(self->packer, zeros, (gsize)len, chunk);
    return append(self, chunk->data, chunk->len, error);
}

/* Writes the header of the block and the zeros that it has had so far. */
static gboolean begin_block(AvmlSink *self, GError **error)
{
    guint8 header[DK_LIME_HEADER_SIZE];
    if (self->begun)
        return TRUE;
    self->begun = TRUE;
    self->length = 0;
    dk_lime_record_write(header, DK_AVML_MAGIC, DK_AVML_VERSION, self->block.first,
                         self->block.last);
    return dk_output_write(self->sink.output, header, sizeof header, error) &&
           append(self, DK_SNAPPY_IDENTIFIER, DK_SNAPPY_IDENTIFIER_SIZE, error) &&
           append_zeros(self, self->done, error);
}

/* Counts len bytes of the block, and ends it with them if they are its last. */
static gboolean advance(AvmlSink *self, guint64 len, GError **error)
{
    self->done += len;
    if (self->done <= self->block.last - self->block.first)
        return TRUE;
    self->in_block = FALSE;
    if (!self->begun && !self->edge)
        return TRUE;
    if (!begin_block(self, error))
        return FALSE;
    guint64 trailer = GUINT64_TO_LE(self->length);
    return dk_output_write(self->sink.output, &trailer, sizeof trailer, error);
}

/* The block that pa stands in; what is left of it. */
static guint64 enter(AvmlSink *self, guint64 pa)
{
    if (!self->in_block) {
        self->block = dk_lime_block_at(self->sink.plan, pa, &self->edge);
        self->in_block = TRUE;
        self->begun = FALSE;
        self->done = 0;
    }
    return self->block.last - pa + 1;
}

static gboolean avml_hole(DkSink *sink, const DkRun *run, GError **error)
{
    AvmlSink *self = (AvmlSink *)sink;
    guint64 pa = run->first;
    for (;;) {
        guint64 part = MIN(enter(self, pa), run->last - pa + 1);
        gboolean last = run->last - pa < part;
        if ((self->begun && !append_zeros(self, part, error)) || !advance(self, part, error))
            return FALSE;
        if (last)
            return TRUE;
        pa += part;
    }
}

static gboolean avml_data_packed(DkSink *sink, guint64 pa, gsize len, const GByteArray *packed,
                                 GError **error)
{
    AvmlSink *self = (AvmlSink *)sink;
    guint at = 0;
    while (at < packed->len) {
        PieceHead head;
        memcpy(&head, packed->data + at, sizeof head);
        at += sizeof head;
        DkRun run = {pa, pa + head.content - 1, DK_RUN_ZERO};
        if (!head.size && !avml_hole(sink, &run, error))
            return FALSE;
        if (head.size) {
            enter(self, pa);
            if (!begin_block(self, error) || !append(self, packed->data + at, head.size, error) ||
                !advance(self, head.content, error))
                return FALSE;
        }
        at += head.size;
        pa += head.content;
    }
    return TRUE;
}

static gboolean avml_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    AvmlSink *self = (AvmlSink *)sink;
    g_byte_array_set_size(self->buffer, 0);
    return avml_pack(sink, pa, buf, len, self->buffer, error) &&
           avml_data_packed(sink, pa, len, self->buffer, error);
}

static gboolean avml_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    g_assert(!((AvmlSink *)sink)->in_block);
    return TRUE;
}

static void avml_destroy(DkSink *sink)
{
    AvmlSink *self = (AvmlSink *)sink;
    dk_snappy_packer_free(self->packer);
    g_byte_array_unref(self->zeros);
    g_byte_array_unref(self->buffer);
    g_free(self);
}

static const DkSinkOps sink_ops = {
    .name = "avml",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = avml_accepts,
    .begin = avml_begin,
    .data = avml_data,
    .pack = avml_pack,
    .data_packed = avml_data_packed,
    .hole = avml_hole,
    .finish = avml_finish,
    .destroy = avml_destroy,
};

DkSink *dk_avml_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    AvmlSink *self = g_new0(AvmlSink, 1);
    dk_sink_init(&self->sink, &sink_ops, output);
    self->zeros = g_byte_array_new();
    self->buffer = g_byte_array_new();
    return &self->sink;
}

static const char *const extensions[] = {"avml", NULL};

extern const DkFormat dk_format_avml;

const DkFormat dk_format_avml = {
    .name = "avml",
    .summary = "AVML: the RAM of a machine, packed with snappy, without registers",
    .open = dk_avml_open,
    .sink_new = dk_avml_sink_new,
    .writes = 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .verify = dk_avml_verify,
};
