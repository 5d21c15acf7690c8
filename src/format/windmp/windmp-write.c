/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/windmp/windmp-write.h"

#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "format/windmp/windmp-file.h"
#include "io/output.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"
#define STEP 65536u

/* Readers that take the bitmap in words of 64 bits lose no page then. */
#define BITS_ALIGN 64u

typedef struct {
    DkSink sink;
    gboolean bitmap;
} WindmpSink;

static gboolean windmp_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    return dk_windmp_can_compose(subject, ((WindmpSink *)sink)->bitmap, error);
}

/* Bits of the bitmap for plan. */
static guint64 bits_of(const DkDumpPlan *plan)
{
    const GArray *extents = plan->extents;
    guint64 pages =
        extents->len
            ? (g_array_index(extents, DkExtent, extents->len - 1).last >> DMP_PAGE_SHIFT) + 1
            : 1;
    return (pages + BITS_ALIGN - 1) / BITS_ALIGN * BITS_ALIGN;
}

/* Where the pages begin. */
static guint64 first_page_off(const WindmpSink *self, const DkSubject *subject,
                              const DkDumpPlan *plan)
{
    guint64 off = dk_windmp_header_size(subject);
    if (self->bitmap)
        off += sizeof(DmpBitmap) + bits_of(plan) / 8;
    return (off + DMP_PAGE - 1) & ~(DMP_PAGE - 1);
}

static guint64 windmp_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    guint64 size = first_page_off((WindmpSink *)sink, subject, plan);
    return dk_size_add(dk_size_add(size, plan->bytes), subject->system.secondary_size);
}

/* The extents of plan as ranges, touching ones joined; NULL for one that is no whole pages. */
static GArray *runs_of(const DkDumpPlan *plan, GError **error)
{
    g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(DkRamRange));
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        if (extent->first % DMP_PAGE || (extent->last + 1) % DMP_PAGE ||
            extent->last >> DMP_PAGE_SHIFT >= DK_WINDMP_PFN_MAX) {
            g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                        "a Windows dump holds whole pages below " X64 ", not " X64 " to " X64,
                        DK_WINDMP_PFN_MAX << DMP_PAGE_SHIFT, extent->first, extent->last);
            return NULL;
        }
        DkRamRange *tail = runs->len ? &g_array_index(runs, DkRamRange, runs->len - 1) : NULL;
        if (tail && tail->last + 1 == extent->first) {
            tail->last = extent->last;
            continue;
        }
        DkRamRange range = {extent->first, extent->last};
        g_array_append_val(runs, range);
    }
    return g_steal_pointer(&runs);
}

/* Whether runs cover all RAM that the subject knows of. */
static gboolean covers_ram(const GArray *runs, const GArray *ram)
{
    guint at = 0;
    for (guint i = 0; i < ram->len; i++) {
        const DkRamRange *range = &g_array_index(ram, DkRamRange, i);
        while (at < runs->len && g_array_index(runs, DkRamRange, at).last < range->first)
            at++;
        if (at == runs->len || g_array_index(runs, DkRamRange, at).first > range->first ||
            g_array_index(runs, DkRamRange, at).last < range->last)
            return FALSE;
    }
    return TRUE;
}

/* A bitmap dump is a full one when the one before was, and nothing of it is left out. */
static guint32 bitmap_type(const DkSubject *subject, const GArray *runs)
{
    switch (subject->system.windows.dump_type) {
    case DMP_TYPE_FULL:
    case DMP_TYPE_BITMAP_FULL:
    case DMP_TYPE_LIVE_COMPLETE:
        return covers_ram(runs, subject->system.ram) ? DMP_TYPE_BITMAP_FULL
                                                     : DMP_TYPE_BITMAP_KERNEL;
    default:
        return DMP_TYPE_BITMAP_KERNEL;
    }
}

/* Sets the bits of those pages of runs that a piece of the bitmap, from page on, is about. */
static void fill_bits(const GArray *runs, guint *at, guint64 page, guint8 *bits, gsize size)
{
    guint64 end = page + (guint64)size * 8;
    while (*at < runs->len) {
        const DkRamRange *run = &g_array_index(runs, DkRamRange, *at);
        guint64 first = MAX(run->first >> DMP_PAGE_SHIFT, page);
        guint64 last = run->last >> DMP_PAGE_SHIFT;
        for (guint64 pfn = first; pfn <= last && pfn < end; pfn++) {
            if ((pfn - page) % 8 == 0 && last - pfn >= 7 && end - pfn >= 8) {
                bits[(pfn - page) / 8] = 0xff;
                pfn += 7;
                continue;
            }
            bits[(pfn - page) / 8] |= (guint8)(1u << (pfn - page) % 8);
        }
        if (last >= end)
            return;
        (*at)++;
    }
}

static gboolean write_bitmap(WindmpSink *self, const GArray *runs, guint32 type, GError **error)
{
    DkOutput *output = self->sink.output;
    const DkDumpPlan *plan = self->sink.plan;
    guint64 bytes = bits_of(plan) / 8;
    DmpBitmap raw = {
        .signature = type == DMP_TYPE_BITMAP_FULL ? DMP_FDMP : DMP_SDMP,
        .valid = DMP_VALID32,
        .first_page_off = first_page_off(self, self->sink.subject, plan),
        .present = plan->bytes >> DMP_PAGE_SHIFT,
        .bits = bits_of(plan),
    };
    g_autofree guint8 *buffer = g_malloc(STEP);
    guint at = 0;
    if (!dk_output_write(output, &raw, sizeof raw, error))
        return FALSE;
    for (guint64 done = 0; done < bytes; done += STEP) {
        gsize size = (gsize)MIN(bytes - done, STEP);
        memset(buffer, 0, size);
        fill_bits(runs, &at, done * 8, buffer, size);
        if (!dk_output_write(output, buffer, size, error))
            return FALSE;
    }
    return dk_output_zeros(output, raw.first_page_off - output->done, error);
}

static gboolean windmp_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                             GError **error)
{
    WindmpSink *self = (WindmpSink *)sink;
    g_autoptr(GArray) runs = runs_of(plan, error);
    if (!runs)
        return FALSE;
    if (self->bitmap && bits_of(plan) > DK_WINDMP_BITS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "a bitmap of %" G_GUINT64_FORMAT " pages",
                    bits_of(plan));
        return FALSE;
    }
    const DkWindmpShape shape = {
        .type = self->bitmap ? bitmap_type(subject, runs) : DMP_TYPE_FULL,
        .runs = self->bitmap ? NULL : runs,
        .bytes = windmp_measure(sink, subject, plan),
    };
    g_autoptr(GBytes) header = dk_windmp_compose(subject, &shape, error);
    if (!header)
        return FALSE;
    gsize size;
    const void *data = g_bytes_get_data(header, &size);
    return dk_output_write(sink->output, data, size, error) &&
           (!self->bitmap || write_bitmap(self, runs, shape.type, error));
}

static gboolean windmp_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    return dk_output_write(sink->output, buf, len, error);
}

static gboolean windmp_hole(DkSink *sink, const DkRun *run, GError **error)
{
    return dk_output_zeros(sink->output, run->last - run->first + 1, error);
}

/* The secondary data, as they were. */
static gboolean windmp_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    const DkMachine *system = &sink->subject->system;
    g_autofree guint8 *buffer = g_malloc(STEP);
    for (guint64 done = 0; done < system->secondary_size;) {
        gsize size = (gsize)MIN(system->secondary_size - done, STEP);
        if (!dk_space_read_all(system->secondary, done, buffer, size, error)) {
            g_prefix_error(error, "secondary data: ");
            return FALSE;
        }
        if (!dk_output_write(sink->output, buffer, size, error))
            return FALSE;
        done += size;
    }
    return TRUE;
}

static void windmp_destroy(DkSink *sink)
{
    g_free(sink);
}

static const DkSinkOps sink_ops = {
    .name = "dmp",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = windmp_accepts,
    .measure = windmp_measure,
    .begin = windmp_begin,
    .data = windmp_data,
    .hole = windmp_hole,
    .finish = windmp_finish,
    .destroy = windmp_destroy,
};

DkSink *dk_windmp_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    WindmpSink *self = g_new0(WindmpSink, 1);
    dk_sink_init(&self->sink, &sink_ops, output);
    self->bitmap = options && options->variant && g_str_equal(options->variant, "dmp-bitmap");
    return &self->sink;
}
