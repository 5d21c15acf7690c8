/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer.  An output that can rewrite gets an ordinary file whose descriptors are filled in as
 * pages come; any other gets a flattened one, or, with pages that are not packed, an ordinary one
 * whose descriptors are all known beforehand.
 */
#include <string.h>

#include "base/error.h"
#include "codec/block.h"
#include "format/kdump/kdump-build.h"
#include "format/kdump/kdump-reader.h"
#include "format/own-record.h"
#include "io/output.h"

/* Descriptors and bytes of bitmap 2 that wait to be written. */
#define DESC_PENDING 4096u
#define WINDOW ((gsize)64 << 10)

typedef struct {
    DkSink sink;
    DkSinkOptions options;
    DkBlockId method; /* DK_BLOCK_COUNT: pages are not packed */
    const DkBlockCodec *codec;
    guint32 flag; /* of the method */
    DkBlockPool *pool;
    gboolean fixed;     /* every page has its place beforehand */
    gboolean flattened; /* places are said before the bytes */
    gboolean drop_zero;
    DkKdumpPlan plan;
    guint64 off; /* in the ordinary file, of the next stored page */
    GByteArray *descriptors;
    guint64 described;  /* descriptors written before these */
    guint8 *window;     /* of bitmap 2, from the byte window_off on */
    guint64 window_off; /* multiple of WINDOW */
    gboolean window_used;
} KdumpSink;

/* Writes bytes that belong at off of the ordinary file. */
static gboolean put_at(KdumpSink *self, guint64 off, const void *data, gsize len, GError **error)
{
    DkOutput *output = self->sink.output;
    if (self->flattened) {
        guint64 record[2] = {GUINT64_TO_BE(off), GUINT64_TO_BE((guint64)len)};
        return dk_output_write(output, record, sizeof record, error) &&
               dk_output_write(output, data, len, error);
    }
    if (off == output->done)
        return dk_output_write(output, data, len, error);
    return dk_output_rewrite(output, off, data, len, error);
}

/* The same for zeros that come next; what no record of a flattened file fills is zero. */
static gboolean put_zeros_next(KdumpSink *self, guint64 len, GError **error)
{
    return self->flattened || dk_output_zeros(self->sink.output, len, error);
}

static gboolean flush_descriptors(KdumpSink *self, GError **error)
{
    guint len = self->descriptors->len;
    if (!len)
        return TRUE;
    guint64 off = self->plan.desc_off + self->described * sizeof(DkKdumpDescriptor);
    if (!put_at(self, off, self->descriptors->data, len, error))
        return FALSE;
    self->described += len / sizeof(DkKdumpDescriptor);
    g_byte_array_set_size(self->descriptors, 0);
    return TRUE;
}

static gboolean describe(KdumpSink *self, guint64 off, guint32 size, guint32 flags, GError **error)
{
    dk_kdump_put_descriptor(self->descriptors, off, size, flags);
    return self->descriptors->len < DESC_PENDING * sizeof(DkKdumpDescriptor) ||
           flush_descriptors(self, error);
}

static guint64 zero_off(const KdumpSink *self)
{
    return self->plan.data_off;
}

/* Sets bits of a bitmap whose first byte is at from. */
static void set_bits(guint8 *bytes, guint64 from, guint64 first_pfn, guint64 last_pfn)
{
    for (guint64 pfn = first_pfn; pfn <= last_pfn; pfn++) {
        if (!(pfn % 8) && last_pfn - pfn >= 7) {
            bytes[pfn / 8 - from] = 0xff;
            pfn += 7;
        } else {
            bytes[pfn / 8 - from] |= (guint8)(1u << (pfn % 8));
        }
    }
}

static gboolean flush_window(KdumpSink *self, GError **error)
{
    if (!self->window_used)
        return TRUE;
    gsize len = (gsize)MIN(WINDOW, self->plan.bitmap_size - self->window_off);
    guint64 off = self->plan.bitmap_off + self->plan.bitmap_size + self->window_off;
    self->window_used = FALSE;
    return put_at(self, off, self->window, len, error);
}

/* Notes in bitmap 2 that pages are dumped; they come ascending. */
static gboolean mark_dumped(KdumpSink *self, guint64 first_pfn, guint64 last_pfn, GError **error)
{
    while (first_pfn <= last_pfn) {
        guint64 window_off = first_pfn / 8 / WINDOW * WINDOW;
        if (!self->window_used || window_off != self->window_off) {
            if (!flush_window(self, error))
                return FALSE;
            memset(self->window, 0, WINDOW);
            self->window_off = window_off;
            self->window_used = TRUE;
        }
        guint64 last = MIN(last_pfn, (window_off + WINDOW) * 8 - 1);
        set_bits(self->window, window_off, first_pfn, last);
        first_pfn = last + 1;
    }
    return TRUE;
}

/* An ascending list of ranges of addresses whose elements begin with both ends; may be NULL. */
typedef struct {
    const GArray *ranges;
    guint next; /* the first that does not end before the window at hand */
} RangeList;

static DkRamRange range_at(const RangeList *list, guint index)
{
    DkRamRange range;
    memcpy(&range, list->ranges->data + index * g_array_get_element_size((GArray *)list->ranges),
           sizeof range);
    return range;
}

/* Sets the bits of the window of bytes from off on; whether there were any. */
static gboolean set_window(const DkKdumpPlan *plan, guint8 *bytes, guint64 off, RangeList *list)
{
    guint64 block = plan->block;
    guint64 begin = off * 8;
    guint64 last = MIN((off + WINDOW) * 8, plan->max_mapnr) - 1;
    gboolean used = FALSE;
    for (guint i = list->next; list->ranges && i < list->ranges->len; i++) {
        DkRamRange range = range_at(list, i);
        if (range.first / block > last)
            break;
        set_bits(bytes, off, MAX(range.first / block, begin), MIN(range.last / block, last));
        used = TRUE;
        if (range.last / block <= last)
            list->next = i + 1;
    }
    return used;
}

static_assert(offsetof(DkExtent, first) == offsetof(DkRamRange, first), "");
static_assert(offsetof(DkExtent, last) == offsetof(DkRamRange, last), "");

/* Writes a bitmap, which comes next in the file, of the pages of both lists. */
static gboolean write_bitmap(KdumpSink *self, guint64 at, const GArray *ram, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(WINDOW);
    RangeList lists[] = {{ram, 0}, {self->sink.plan->extents, 0}};
    for (guint64 off = 0; off < self->plan.bitmap_size; off += WINDOW) {
        gsize len = (gsize)MIN(WINDOW, self->plan.bitmap_size - off);
        memset(bytes, 0, WINDOW);
        gboolean used = set_window(&self->plan, bytes, off, &lists[0]);
        used = set_window(&self->plan, bytes, off, &lists[1]) || used;
        if (!(used ? put_at(self, at + off, bytes, len, error) : put_zeros_next(self, len, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean write_bitmaps(KdumpSink *self, GError **error)
{
    const DkKdumpPlan *plan = &self->plan;
    if (!write_bitmap(self, plan->bitmap_off, self->sink.subject->system.ram, error))
        return FALSE;
    /* Which pages are zero is known at the end only. */
    if (self->drop_zero)
        return put_zeros_next(self, plan->bitmap_size, error);
    return write_bitmap(self, plan->bitmap_off + plan->bitmap_size, NULL, error);
}

/* The descriptors of pages that all have their place. */
static gboolean write_fixed_descriptors(KdumpSink *self, GError **error)
{
    for (guint64 i = 0; i < self->plan.pages; i++) {
        if (!describe(self, self->off + i * self->plan.block, (guint32)self->plan.block, 0, error))
            return FALSE;
    }
    return flush_descriptors(self, error);
}

/* What stands in front of the pages. */
static gboolean write_front(KdumpSink *self, GError **error)
{
    const DkKdumpPlan *plan = &self->plan;
    if (self->flattened) {
        guint8 flat[DK_KDUMP_FLAT_HEADER_SIZE] = DK_KDUMP_FLAT_MAGIC;
        flat[23] = flat[31] = 1; /* type and version, big-endian */
        if (!dk_output_write(self->sink.output, flat, sizeof flat, error))
            return FALSE;
    }
    g_autoptr(GByteArray) header = dk_kdump_build_header(plan, self->sink.subject);
    guint used = header->len;
    g_byte_array_set_size(header, (guint)plan->block);
    memset(header->data + used, 0, plan->block - used);
    g_autoptr(GByteArray) sub = dk_kdump_build_sub(plan, self->sink.subject);
    if (!put_at(self, 0, header->data, header->len, error) ||
        !put_at(self, plan->block, sub->data, sub->len, error) || !write_bitmaps(self, error))
        return FALSE;
    if (self->fixed)
        return write_fixed_descriptors(self, error);
    /* The page of zeros that all share which are zero; it fills the last bytes of a flattened file
     * that has no other page. */
    g_autofree guint8 *zeros = g_malloc0(plan->block);
    self->off += plan->block;
    return put_zeros_next(self, plan->pages * sizeof(DkKdumpDescriptor), error) &&
           put_at(self, plan->data_off, zeros, plan->block, error);
}

static gboolean refuse(GError **error, const char *text)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "kdump: %s", text);
    return FALSE;
}

static gboolean sink_accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    if (subject->kind != DK_SUBJECT_MACHINE)
        return refuse(error, "only machines can be written, this is a process");
    guint size = subject->page_size;
    if (size < 4096 || size > DK_KDUMP_BLOCK_MAX || size & (size - 1))
        return refuse(error, "the page size is no power of two from 4 KiB to 256 KiB");
    if (self->method != DK_BLOCK_COUNT && !self->codec) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "kdump: this dumpkit was built without %s", dk_block_name(self->method));
        return FALSE;
    }
    return TRUE;
}

/* Refuses extents that are no whole pages. */
static gboolean check_extents(const DkSubject *subject, const DkDumpPlan *plan, GError **error)
{
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        if (!(extent->first % subject->page_size) && !((extent->last + 1) % subject->page_size))
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "kdump: the memory from 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER
                    "x is not whole pages of %u bytes",
                    extent->first, extent->last, subject->page_size);
        return FALSE;
    }
    return TRUE;
}

static void set_plan_facts(const KdumpSink *self, DkKdumpPlan *plan)
{
    plan->status = self->flag;
    plan->dump_level = self->options.dump_level | (self->drop_zero ? DK_KDUMP_LEVEL_ZERO : 0);
}

static guint64 sink_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *dump)
{
    KdumpSink *self = (KdumpSink *)sink;
    DkKdumpPlan plan = {0};
    set_plan_facts(self, &plan);
    guint64 size = 0;
    if (self->fixed && sink_accepts(sink, subject, NULL) &&
        dk_kdump_plan_init(&plan, subject, dump, FALSE, NULL))
        size = plan.data_off + dump->bytes;
    dk_kdump_plan_clear(&plan);
    return size;
}

static gboolean sink_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *dump,
                           GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    if (!sink_accepts(sink, subject, error) || !check_extents(subject, dump, error))
        return FALSE;
    set_plan_facts(self, &self->plan);
    if (!dk_kdump_plan_init(&self->plan, subject, dump, !self->fixed, error))
        return FALSE;
    self->off = self->plan.data_off;
    if (self->codec)
        self->pool = dk_block_pool_new(self->codec, self->options.level, self->plan.block);
    return write_front(self, error);
}

/* Whole pages, as extents are; a caller that cuts them has made a mistake of its own. */
static guint pages_in(const KdumpSink *self, guint64 pa, guint64 len)
{
    g_assert(!(pa % self->plan.block) && !(len % self->plan.block));
    return (guint)(len / self->plan.block);
}

static gboolean is_zero(const guint8 *bytes, gsize len)
{
    return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

/* Pages that are zero, from pfn on. */
static gboolean put_zero_pages(KdumpSink *self, guint64 pfn, guint64 count, gboolean may_drop,
                               GError **error)
{
    if (self->drop_zero && may_drop)
        return TRUE;
    if (self->drop_zero && !mark_dumped(self, pfn, pfn + count - 1, error))
        return FALSE;
    for (guint64 i = 0; i < count; i++) {
        if (!describe(self, zero_off(self), (guint32)self->plan.block, 0, error))
            return FALSE;
    }
    return TRUE;
}

/* A page whose bytes are stored at self->off. */
static gboolean put_stored_page(KdumpSink *self, guint64 pfn, guint32 size, GError **error)
{
    if (self->drop_zero && !mark_dumped(self, pfn, pfn, error))
        return FALSE;
    if (!describe(self, self->off, size, size == self->plan.block ? 0 : self->flag, error))
        return FALSE;
    self->off += size;
    return TRUE;
}

/*
 * What pack() makes of pages: for each a u32, the size of its stored bytes, 0 for a page of zeros;
 * then the bytes.
 */
static gboolean sink_pack(DkSink *sink, guint64 pa, const void *buf, gsize len, GByteArray *packed,
                          GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    gsize block = (gsize)self->plan.block;
    guint count = pages_in(self, pa, len);
    guint start = packed->len;
    g_byte_array_set_size(packed, start + count * (guint)sizeof(guint32) + (guint)len);
    guint8 *sizes = packed->data + start;
    guint8 *out = sizes + count * sizeof(guint32);
    gpointer packer = dk_block_pool_take(self->pool);
    for (guint i = 0; i < count; i++) {
        const guint8 *page = (const guint8 *)buf + i * block;
        guint32 size = 0;
        if (!is_zero(page, block)) {
            size = (guint32)self->codec->pack(packer, page, block, out, block - 1);
            if (!size) {
                memcpy(out, page, block);
                size = (guint32)block;
            }
        }
        memcpy(sizes + i * sizeof size, &size, sizeof size);
        out += size;
    }
    dk_block_pool_give(self->pool, packer);
    g_byte_array_set_size(packed, (guint)(out - packed->data));
    return TRUE;
}

static gboolean sink_data_packed(DkSink *sink, guint64 pa, gsize len, const GByteArray *packed,
                                 GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    guint count = pages_in(self, pa, len);
    gsize head = count * sizeof(guint32);
    g_assert(packed->len >= head);
    if (packed->len > head &&
        !put_at(self, self->off, packed->data + head, packed->len - head, error))
        return FALSE;
    guint64 pfn = pa / self->plan.block;
    for (guint i = 0; i < count; i++) {
        guint32 size;
        memcpy(&size, packed->data + i * sizeof size, sizeof size);
        if (!(size ? put_stored_page(self, pfn + i, size, error)
                   : put_zero_pages(self, pfn + i, 1, TRUE, error)))
            return FALSE;
    }
    return TRUE;
}

static gboolean packed_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    g_autoptr(GByteArray) packed = g_byte_array_new();
    return sink_pack(sink, pa, buf, len, packed, error) &&
           sink_data_packed(sink, pa, len, packed, error);
}

/* Pages that are not packed: those between zeros are written as they lie. */
static gboolean raw_data(DkSink *sink, guint64 pa, const void *buf, gsize len, GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    gsize block = (gsize)self->plan.block;
    guint count = pages_in(self, pa, len);
    guint64 pfn = pa / block;
    if (self->fixed)
        return dk_output_write(sink->output, buf, len, error);
    const guint8 *bytes = buf;
    for (guint i = 0; i < count;) {
        guint end = i;
        while (end < count && !is_zero(bytes + end * block, block))
            end++;
        if (end > i && !put_at(self, self->off, bytes + i * block, (end - i) * block, error))
            return FALSE;
        for (; i < end; i++) {
            if (!put_stored_page(self, pfn + i, (guint32)block, error))
                return FALSE;
        }
        if (i < count && !put_zero_pages(self, pfn + i, 1, TRUE, error))
            return FALSE;
        i++;
    }
    return TRUE;
}

static gboolean sink_hole(DkSink *sink, const DkRun *run, GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    guint64 len = run->last - run->first + 1;
    if (self->fixed)
        return dk_output_zeros(sink->output, len, error);
    guint64 block = self->plan.block;
    g_assert(!(run->first % block) && !(len % block));
    return put_zero_pages(self, run->first / block, len / block, run->kind == DK_RUN_ZERO, error);
}

static gboolean sink_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    KdumpSink *self = (KdumpSink *)sink;
    if (self->fixed)
        return TRUE;
    if (!flush_descriptors(self, error) || !flush_window(self, error))
        return FALSE;
    g_autoptr(GBytes) result = dk_own_result_write(summary, DK_OWN_RESULT_SIZE);
    if (!put_at(self, self->plan.result_off, g_bytes_get_data(result, NULL),
                g_bytes_get_size(result), error))
        return FALSE;
    if (!summary->complete) {
        guint32 status = GUINT32_TO_LE(self->plan.status | DK_KDUMP_INCOMPLETE);
        guint64 off = self->plan.wide ? offsetof(DkKdumpHeader64, status)
                                      : offsetof(DkKdumpHeader32, status);
        if (!put_at(self, off, &status, sizeof status, error))
            return FALSE;
    }
    guint64 end[2] = {G_MAXUINT64, G_MAXUINT64};
    return !self->flattened || dk_output_write(sink->output, end, sizeof end, error);
}

static void sink_destroy(DkSink *sink)
{
    KdumpSink *self = (KdumpSink *)sink;
    dk_kdump_plan_clear(&self->plan);
    dk_block_pool_free(self->pool);
    g_byte_array_unref(self->descriptors);
    g_free(self->window);
    g_free(self);
}

static const DkSinkOps packed_ops = {
    .name = "kdump",
    .caps = DK_SINK_SEEK | DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = sink_accepts,
    .measure = sink_measure,
    .begin = sink_begin,
    .data = packed_data,
    .pack = sink_pack,
    .data_packed = sink_data_packed,
    .hole = sink_hole,
    .finish = sink_finish,
    .destroy = sink_destroy,
};

static const DkSinkOps raw_ops = {
    .name = "kdump",
    .caps = DK_SINK_SEEK | DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = sink_accepts,
    .measure = sink_measure,
    .begin = sink_begin,
    .data = raw_data,
    .hole = sink_hole,
    .finish = sink_finish,
    .destroy = sink_destroy,
};

static DkBlockId method_of(const DkSinkOptions *options, guint32 *flag)
{
    static const struct {
        const char *variant;
        DkBlockId method;
        guint32 flag;
    } methods[] = {{"kdump-lzo", DK_BLOCK_LZO, DK_KDUMP_LZO},
                   {"kdump-snappy", DK_BLOCK_SNAPPY, DK_KDUMP_SNAPPY},
                   {"kdump-zstd", DK_BLOCK_ZSTD, DK_KDUMP_ZSTD},
                   {"kdump-raw", DK_BLOCK_COUNT, 0}};
    *flag = 0;
    if (options->raw_inside)
        return DK_BLOCK_COUNT;
    for (gsize i = 0; i < G_N_ELEMENTS(methods) && options->variant; i++) {
        if (g_str_equal(options->variant, methods[i].variant)) {
            *flag = methods[i].flag;
            return methods[i].method;
        }
    }
    *flag = DK_KDUMP_ZLIB;
    return DK_BLOCK_ZLIB;
}

DkSink *dk_kdump_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    KdumpSink *self = g_new0(KdumpSink, 1);
    if (options)
        self->options = *options;
    self->method = method_of(&self->options, &self->flag);
    self->options.variant = NULL; /* was borrowed */
    gboolean raw = self->method == DK_BLOCK_COUNT;
    self->codec = raw ? NULL : dk_block_codec(self->method);
    gboolean rewrites = dk_output_can_rewrite(output);
    self->fixed = raw && !rewrites;
    self->flattened = !raw && !rewrites;
    self->drop_zero = self->options.drop_zero && !self->fixed;
    self->descriptors = g_byte_array_sized_new(DESC_PENDING * sizeof(DkKdumpDescriptor));
    self->window = g_malloc(WINDOW);
    dk_sink_init(&self->sink, raw ? &raw_ops : &packed_ops, output);
    return &self->sink;
}
