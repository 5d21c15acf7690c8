/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The capture pipeline: everything arrives once, in order, whoever of the threads reads it. */
#include "capture/pipeline.h"

#include <string.h>

#include "base/error.h"

#define PAGE ((guint64)4096)
#define BASE ((guint64)0x10000)
#define PAGES 4001
#define ZERO_FIRST 700 /* pages known to be zero */
#define ZERO_LAST 899
#define SINKS 3

typedef struct {
    DkSpace base;
    gboolean gone; /* all reads fail from the middle on */
} PatternSpace;

typedef struct {
    DkSink base;
    GByteArray *content; /* from BASE on */
    guint calls;
    guint fail_at; /* this call fails; 0: none */
    gboolean pack_fails;
} MemorySink;

/* Two bad pages in a row, one that ends a piece, and the last. */
static gboolean is_bad(guint64 page)
{
    return page == 5 || page == 6 || page == 127 || page == PAGES - 1;
}

static guint8 byte_of(guint64 va)
{
    guint64 page = (va - BASE) / PAGE;
    if (is_bad(page) || (page >= ZERO_FIRST && page <= ZERO_LAST))
        return 0;
    return (guint8)((va * 2654435761u >> 12) | 1);
}

static gsize pattern_read(DkSpace *base, guint64 va, void *buf, gsize len)
{
    const PatternSpace *space = (const PatternSpace *)base;
    /* Lets now the one thread be first, now the other. */
    if (g_random_int_range(0, 3) == 0)
        g_usleep((gulong)g_random_int_range(0, 400));
    gsize done = 0;
    for (; done < len; done++) {
        guint64 page = (va + done - BASE) / PAGE;
        if (is_bad(page) || (space->gone && page >= PAGES / 2))
            break;
        ((guint8 *)buf)[done] = byte_of(va + done);
    }
    return done;
}

static gboolean pattern_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    guint64 page = from < BASE ? 0 : (from - BASE) / PAGE;
    if (page >= PAGES)
        return FALSE;
    guint64 last = page < ZERO_FIRST ? ZERO_FIRST - 1 : page <= ZERO_LAST ? ZERO_LAST : PAGES - 1;
    *run = (DkRun){MAX(from, BASE), BASE + (last + 1) * PAGE - 1,
                   last == ZERO_LAST ? DK_RUN_ZERO : DK_RUN_DATA};
    return TRUE;
}

static void pattern_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps pattern_ops = {
    .name = "pattern",
    .read = pattern_read,
    .next_run = pattern_next_run,
    .destroy = pattern_destroy,
};

static gboolean sink_put(MemorySink *sink, const void *buf, gsize len, GError **error)
{
    if (++sink->calls == sink->fail_at) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NO_SPACE, "full");
        return FALSE;
    }
    guint old = sink->content->len;
    g_byte_array_set_size(sink->content, old + (guint)len);
    if (buf)
        memcpy(sink->content->data + old, buf, len);
    else
        memset(sink->content->data + old, 0, len);
    return TRUE;
}

static gboolean sink_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                           GError **error)
{
    return TRUE;
}

/* That va is the next one to come, dk_sink_data() asserts. */
static gboolean sink_data(DkSink *base, guint64 va, const void *buf, gsize len, GError **error)
{
    return sink_put((MemorySink *)base, buf, len, error);
}

/* What goes through pack() is turned over on its way. */
static gboolean sink_pack(DkSink *base, guint64 va, const void *buf, gsize len, GByteArray *packed,
                          GError **error)
{
    g_assert_cmpuint(packed->len, ==, 0);
    if (((MemorySink *)base)->pack_fails && va >= BASE + PAGES / 2 * PAGE) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_LIMIT, "cannot be packed");
        return FALSE;
    }
    g_byte_array_append(packed, buf, (guint)len);
    for (gsize i = 0; i < len; i++)
        packed->data[i] ^= 0xff;
    return TRUE;
}

static gboolean sink_data_packed(DkSink *base, guint64 va, gsize len, const GByteArray *packed,
                                 GError **error)
{
    g_assert_cmpuint(packed->len, ==, len);
    g_autofree guint8 *bytes = g_memdup2(packed->data, len);
    for (gsize i = 0; i < len; i++)
        bytes[i] ^= 0xff;
    return sink_put((MemorySink *)base, bytes, len, error);
}

static gboolean sink_hole(DkSink *base, const DkRun *run, GError **error)
{
    return sink_put((MemorySink *)base, NULL, (gsize)(run->last - run->first + 1), error);
}

static gboolean sink_finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    return TRUE;
}

static void sink_destroy(DkSink *base)
{
    g_byte_array_unref(((MemorySink *)base)->content);
    g_free(base);
}

static const DkSinkOps sink_ops = {
    .name = "memory",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .begin = sink_begin,
    .data = sink_data,
    .hole = sink_hole,
    .finish = sink_finish,
    .destroy = sink_destroy,
};

static const DkSinkOps packing_ops = {
    .name = "packing",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .begin = sink_begin,
    .data = sink_data,
    .pack = sink_pack,
    .data_packed = sink_data_packed,
    .hole = sink_hole,
    .finish = sink_finish,
    .destroy = sink_destroy,
};

static gboolean source_alive(DkSource *source, GError **error)
{
    if (!((PatternSpace *)source->space)->gone)
        return TRUE;
    g_set_error_literal(error, DK_ERROR, DK_ERROR_TARGET_GONE, "gone");
    return FALSE;
}

static void source_close(DkSource *source)
{
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "pattern",
    .alive = source_alive,
    .close = source_close,
};

static MemorySink *memory_sink_new(guint fail_at, gboolean packs)
{
    MemorySink *sink = g_new0(MemorySink, 1);
    dk_sink_init(&sink->base, packs ? &packing_ops : &sink_ops, NULL);
    sink->content = g_byte_array_new();
    sink->fail_at = fail_at;
    return sink;
}

/* Runs the pattern into three sinks, the last of which packs; the later ones may fail. */
static gboolean run(gboolean gone, guint fail_at, gboolean pack_fails, MemorySink **sinks,
                    GPtrArray *gaps, GError **error)
{
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, BASE, BASE + PAGES * PAGE - 1, DK_MAP_ANON);
    DkSource *source = g_new0(DkSource, 1);
    dk_source_init(source, &source_ops, "pattern");
    PatternSpace *space = g_new0(PatternSpace, 1);
    dk_space_init(&space->base, &pattern_ops);
    space->gone = gone;
    source->space = &space->base;
    source->subject = dk_subject_new();
    DkSink *all[SINKS];
    for (guint i = 0; i < SINKS; i++) {
        sinks[i] = memory_sink_new(i ? fail_at : 0, i == SINKS - 1);
        sinks[i]->pack_fails = pack_fails;
        all[i] = &sinks[i]->base;
        g_assert_true(dk_sink_begin(all[i], source->subject, plan, NULL));
    }
    DkPipeline pipeline = {.source = source, .plan = plan, .sinks = all, .nsinks = SINKS};
    gboolean done = dk_pipeline_run(&pipeline, gaps, error);
    dk_source_close(source);
    return done;
}

static void test_all_in_order(void)
{
    for (guint round = 0; round < 20; round++) {
        MemorySink *sinks[SINKS];
        g_autoptr(GPtrArray) gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
        g_autoptr(GError) error = NULL;
        gboolean done = run(FALSE, 0, FALSE, sinks, gaps, &error);
        g_assert_no_error(error);
        g_assert_true(done);
        for (guint i = 0; i < SINKS; i++) {
            g_assert_cmpuint(sinks[i]->content->len, ==, PAGES * PAGE);
            for (guint64 at = 0; at < PAGES * PAGE; at++) {
                if (sinks[i]->content->data[at] != byte_of(BASE + at))
                    g_error("sink %u: byte 0x%" G_GINT64_MODIFIER "x differs", i, at);
            }
            dk_sink_free(&sinks[i]->base);
        }
        g_assert_cmpuint(gaps->len, ==, 3);
        const DkGap *gap = gaps->pdata[0];
        g_assert_cmphex(gap->first, ==, BASE + 5 * PAGE);
        g_assert_cmphex(gap->last, ==, BASE + 7 * PAGE - 1);
    }
}

static void test_failures(void)
{
    for (guint round = 0; round < 20; round++) {
        MemorySink *sinks[SINKS];
        g_autoptr(GPtrArray) gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
        g_autoptr(GError) full = NULL;
        g_assert_false(run(FALSE, 1 + round, FALSE, sinks, gaps, &full));
        g_assert_error(full, DK_ERROR, DK_ERROR_NO_SPACE);
        for (guint i = 0; i < SINKS; i++)
            dk_sink_free(&sinks[i]->base);
        g_autoptr(GError) gone = NULL;
        g_assert_false(run(TRUE, 0, FALSE, sinks, gaps, &gone));
        g_assert_error(gone, DK_ERROR, DK_ERROR_TARGET_GONE);
        for (guint i = 0; i < SINKS; i++)
            dk_sink_free(&sinks[i]->base);
        g_autoptr(GError) unpacked = NULL;
        g_assert_false(run(FALSE, 0, TRUE, sinks, gaps, &unpacked));
        g_assert_error(unpacked, DK_ERROR, DK_ERROR_LIMIT);
        for (guint i = 0; i < SINKS; i++)
            dk_sink_free(&sinks[i]->base);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pipeline/all-in-order", test_all_in_order);
    g_test_add_func("/pipeline/failures", test_failures);
    return g_test_run();
}
