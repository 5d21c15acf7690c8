/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kdump writer makes, read back by our reader: every variant, seekable and streamed. */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

#define PAGE ((guint64)4096)
#define PAGES 200000 /* two and a half chunks of the bitmaps */

/* An output that keeps what it gets, and takes rewrites if it is to. */
typedef struct {
    DkOutput output;
    GByteArray *bytes;
} Memory;

static gboolean memory_write(DkOutput *output, const void *buf, gsize len, GError **error)
{
    g_byte_array_append(((Memory *)output)->bytes, buf, (guint)len);
    return TRUE;
}

static gboolean memory_zeros(DkOutput *output, guint64 len, GError **error)
{
    GByteArray *bytes = ((Memory *)output)->bytes;
    guint old = bytes->len;
    g_byte_array_set_size(bytes, old + (guint)len);
    memset(bytes->data + old, 0, len);
    return TRUE;
}

static gboolean memory_rewrite(DkOutput *output, guint64 off, const void *buf, gsize len,
                               GError **error)
{
    memcpy(((Memory *)output)->bytes->data + off, buf, len);
    return TRUE;
}

static gboolean memory_finish(DkOutput *output, GError **error)
{
    return TRUE;
}

static void memory_destroy(DkOutput *output)
{
    g_byte_array_unref(((Memory *)output)->bytes);
    g_free(output);
}

static const DkOutputOps stream_ops = {
    .name = "stream",
    .write = memory_write,
    .zeros = memory_zeros,
    .finish = memory_finish,
    .destroy = memory_destroy,
};

static const DkOutputOps seek_ops = {
    .name = "seek",
    .write = memory_write,
    .zeros = memory_zeros,
    .rewrite = memory_rewrite,
    .finish = memory_finish,
    .destroy = memory_destroy,
};

static Memory *memory_new(gboolean seek)
{
    Memory *memory = g_new0(Memory, 1);
    dk_output_init(&memory->output, seek ? &seek_ops : &stream_ops);
    memory->bytes = g_byte_array_new();
    return memory;
}

/* What a page of the pattern holds: a third zero, the rest text or noise. */
static void fill(guint64 pfn, guint8 *page)
{
    memset(page, 0, PAGE);
    if (pfn % 3 == 0)
        return;
    guint32 state = (guint32)pfn;
    for (guint i = 0; i < PAGE; i++) {
        state = state * 1664525 + 1013904223;
        page[i] = pfn % 7 == 1 ? (guint8)(state >> 24) : (guint8)("kernel page "[i % 12] + pfn % 5);
    }
    page[17] |= 1;
}

typedef struct {
    const char *variant;
    gboolean seek;
    gboolean raw_inside;
    gboolean drop_zero;
    gboolean incomplete;
} Case;

static const Case cases[] = {
    {"kdump", TRUE, FALSE, FALSE, FALSE},       {"kdump-zlib", FALSE, FALSE, FALSE, FALSE},
    {"kdump-lzo", TRUE, FALSE, FALSE, FALSE},   {"kdump-lzo", FALSE, FALSE, TRUE, FALSE},
    {"kdump-snappy", TRUE, FALSE, TRUE, FALSE}, {"kdump-snappy", FALSE, FALSE, FALSE, TRUE},
    {"kdump-zstd", TRUE, FALSE, TRUE, FALSE},   {"kdump-zstd", FALSE, FALSE, FALSE, FALSE},
    {"kdump-raw", TRUE, FALSE, FALSE, TRUE},    {"kdump-raw", FALSE, FALSE, FALSE, FALSE},
    {"kdump-raw", TRUE, FALSE, TRUE, FALSE},    {"kdump-zstd", FALSE, TRUE, TRUE, FALSE},
};

static const char vmcoreinfo[] =
    "OSRELEASE=6.1.0-99-test\nPAGESIZE=4096\nNUMBER(phys_base)=-16777216\n";

static DkSubject *sample(void)
{
    DkSubject *subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    subject->machine = DK_MACHINE_X86_64;
    subject->os = DK_OS_LINUX;
    subject->cpus = 2;
    subject->origin.time_us = G_GINT64_CONSTANT(1700000000123456);
    dk_machine_add_ram(&subject->system, 0, 0x9ffff);
    dk_machine_add_ram(&subject->system, 0x100000, PAGES * PAGE - 1);
    subject->system.vmcoreinfo = g_bytes_new_static(vmcoreinfo, sizeof vmcoreinfo - 1);
    guint8 regs[216];
    memset(regs, 0x5a, sizeof regs);
    for (guint i = 0; i < 2; i++)
        dk_machine_add_cpu(&subject->system, i)->regs[DK_REGSET_GENERAL] = g_bytes_new(regs,
                                                                                       sizeof regs);
    return subject;
}

/* Pages 64..79, 1000..1063 and 199000..199099; pages 90000..90099 come as holes. */
static DkDumpPlan *sample_plan(void)
{
    DkDumpPlan *plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 64 * PAGE, 80 * PAGE - 1, 0);
    dk_dump_plan_add(plan, 1000 * PAGE, 1064 * PAGE - 1, 0);
    dk_dump_plan_add(plan, 90000 * PAGE, 90100 * PAGE - 1, 0);
    dk_dump_plan_add(plan, 199000 * PAGE, 199100 * PAGE - 1, 0);
    return plan;
}

static gboolean planned(const DkDumpPlan *plan, guint64 pfn)
{
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        if (pfn * PAGE >= extent->first && pfn * PAGE <= extent->last)
            return TRUE;
    }
    return FALSE;
}

static gboolean is_hole(guint64 pfn)
{
    return pfn >= 90000 && pfn < 90100;
}

static void put_extent(DkSink *sink, const DkExtent *extent)
{
    g_autoptr(GError) error = NULL;
    if (is_hole(extent->first / PAGE)) {
        DkRun run = {extent->first, extent->last, DK_RUN_ZERO};
        g_assert_true(dk_sink_hole(sink, &run, &error));
        return;
    }
    guint8 *bytes = g_malloc(8 * PAGE);
    for (guint64 at = extent->first; at <= extent->last; at += 8 * PAGE) {
        gsize len = (gsize)MIN(8 * PAGE, extent->last + 1 - at);
        for (guint i = 0; i < len / PAGE; i++)
            fill(at / PAGE + i, bytes + i * PAGE);
        /* Both ways of the contract. */
        if (sink->ops->pack && at / PAGE % 16) {
            g_autoptr(GByteArray) packed = g_byte_array_new();
            g_assert_true(sink->ops->pack(sink, at, bytes, len, packed, &error));
            g_assert_true(dk_sink_data_packed(sink, at, len, packed, &error));
        } else {
            g_assert_true(dk_sink_data(sink, at, bytes, len, &error));
        }
    }
    g_free(bytes);
}

static GBytes *write_dump(const Case *with, const DkSubject *subject, const DkDumpPlan *plan)
{
    Memory *memory = memory_new(with->seek);
    DkSinkOptions options = {
        .variant = with->variant, .raw_inside = with->raw_inside, .drop_zero = with->drop_zero};
    g_autoptr(GError) error = NULL;
    const DkFormat *format = dk_format_by_name("kdump");
    g_autoptr(DkSink) sink = format->sink_new(&memory->output, &options);
    if (!dk_sink_accepts(sink, subject, &error)) {
        g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "built without"));
        g_test_skip(error->message);
        dk_output_free(&memory->output);
        return NULL;
    }
    guint64 measured = dk_sink_measure(sink, subject, plan);
    g_assert_true(dk_sink_begin(sink, subject, plan, &error));
    for (guint i = 0; i < plan->extents->len; i++)
        put_extent(sink, &g_array_index(plan->extents, DkExtent, i));
    g_autoptr(GPtrArray) gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    DkDumpSummary summary = {1000, 2000, !with->incomplete, gaps};
    g_assert_true(dk_sink_finish(sink, &summary, &error));
    g_assert_no_error(error);
    GBytes *bytes = g_bytes_new(memory->bytes->data, memory->bytes->len);
    if (measured)
        g_assert_cmpuint(measured, ==, g_bytes_get_size(bytes));
    g_clear_pointer(&sink, dk_sink_free);
    dk_output_free(&memory->output);
    return bytes;
}

static void count_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_test_message("%d %s: %s", verdict, part, text);
    guint *counts = (guint *)(gpointer)(verify + 1);
    counts[verdict]++;
}

static void check_pages(DkSource *source, const Case *with, const DkDumpPlan *plan)
{
    guint8 want[4096], got[4096];
    gboolean dropped = with->drop_zero && !with->raw_inside;
    for (guint64 pfn = 0; pfn < PAGES + 10; pfn++) {
        gsize len = dk_space_read(source->space, pfn * PAGE, got, PAGE);
        gboolean ram = pfn < PAGES && (pfn < 0xa0 || pfn >= 0x100);
        /* Of a dump without zeros all that exists and is not there reads as zero. */
        if (!planned(plan, pfn) && !(dropped && ram)) {
            g_assert_cmpuint(len, ==, 0);
            continue;
        }
        g_assert_cmpuint(len, ==, PAGE);
        memset(want, 0, sizeof want);
        if (planned(plan, pfn) && !is_hole(pfn))
            fill(pfn, want);
        g_assert_cmpmem(got, PAGE, want, PAGE);
    }
    /* Across pages and from the middle of one. */
    guint8 long_want[3 * 4096], long_got[2 * 4096 + 100];
    for (guint i = 0; i < 3; i++)
        fill(1010 + i, long_want + i * PAGE);
    g_assert_cmpuint(dk_space_read(source->space, 1010 * PAGE + 50, long_got, sizeof long_got), ==,
                     sizeof long_got);
    g_assert_cmpmem(long_got, sizeof long_got, long_want + 50, sizeof long_got);
    g_assert_cmpuint(dk_space_read(source->space, 1063 * PAGE + 4000, long_got, 200), ==,
                     dropped ? 200 : 96);
}

static void check_subject(const DkSubject *subject, const Case *with, gboolean fixed)
{
    g_assert_cmpint(subject->kind, ==, DK_SUBJECT_MACHINE);
    g_assert_cmpint(subject->machine, ==, DK_MACHINE_X86_64);
    g_assert_cmpint(subject->os, ==, DK_OS_LINUX);
    g_assert_cmpstr(subject->os_version, ==, "6.1.0-99-test");
    g_assert_cmpuint(subject->page_size, ==, PAGE);
    g_assert_cmpint(subject->origin.time_us, ==, G_GINT64_CONSTANT(1700000000123456));
    g_assert_cmpuint(subject->system.ram->len, ==, 2);
    g_assert_cmphex(g_array_index(subject->system.ram, DkRamRange, 0).last, ==, 0x9ffff);
    g_assert_cmphex(g_array_index(subject->system.ram, DkRamRange, 1).first, ==, 0x100000);
    g_assert_cmphex(g_array_index(subject->system.ram, DkRamRange, 1).last, ==, PAGES * PAGE - 1);
    g_assert_nonnull(subject->system.vmcoreinfo);
    g_assert_cmpmem(g_bytes_get_data(subject->system.vmcoreinfo, NULL),
                    g_bytes_get_size(subject->system.vmcoreinfo), vmcoreinfo,
                    sizeof vmcoreinfo - 1);
    g_assert_cmpuint(subject->system.cpus->len, ==, 2);
    const DkCpu *cpu = g_ptr_array_index(subject->system.cpus, 1);
    g_assert_nonnull(cpu->regs[DK_REGSET_GENERAL]);
    g_assert_cmpuint(subject->gaps->len, ==, 0);
    if (with->incomplete)
        g_assert_cmpint(subject->origin.complete, ==, 0);
    else if (!fixed)
        g_assert_cmpint(subject->origin.complete, ==, 1);
}

static void test_round_trip(gconstpointer data)
{
    const Case *with = data;
    g_autoptr(DkSubject) subject = sample();
    g_autoptr(DkDumpPlan) plan = sample_plan();
    g_autoptr(GBytes) bytes = write_dump(with, subject, plan);
    if (!bytes)
        return;
    gboolean raw = with->raw_inside || g_str_equal(with->variant, "kdump-raw");
    const char *head = g_bytes_get_data(bytes, NULL);
    g_assert_true(g_str_has_prefix(head, with->seek || raw ? "KDUMP   " : "makedumpfile"));
    g_autoptr(DkInput) input = dk_input_new_bytes("test", bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    check_subject(source->subject, with, raw && !with->seek);
    check_pages(source, with, plan);
    struct {
        DkVerify verify;
        guint counts[4];
    } found = {{count_finding, NULL, FALSE}, {0}};
    g_assert_true(dk_format_by_name("kdump")->verify(source, TRUE, &found.verify, &error));
    g_assert_cmpuint(found.counts[DK_VERIFY_DAMAGED], ==, 0);
    /* The plan lacks pages of the RAM, which is right if a filter did that. */
    gboolean dropped = with->drop_zero && !with->raw_inside;
    g_assert_cmpuint(found.counts[DK_VERIFY_LACKS], ==, (with->incomplete ? 1 : 0) + !dropped);
}

/* Runs cover what is planned, and are of the kind that the page is. */
static void test_runs(void)
{
    g_autoptr(DkSubject) subject = sample();
    g_autoptr(DkDumpPlan) plan = sample_plan();
    g_autoptr(GBytes) bytes = write_dump(&cases[0], subject, plan);
    g_autoptr(DkInput) input = dk_input_new_bytes("test", bytes);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
    guint64 from = 0;
    guint64 data = 0, zero = 0;
    DkRun run;
    while (dk_space_next_run(source->space, from, &run)) {
        g_assert_cmphex(run.first, >=, from);
        if (run.kind == DK_RUN_DATA)
            data += run.last + 1 - run.first;
        if (run.kind == DK_RUN_ZERO)
            zero += run.last + 1 - run.first;
        g_assert_cmpint(planned(plan, run.first / PAGE), ==,
                        run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO);
        from = run.last + 1;
    }
    g_assert_cmpuint(data, ==, (16 + 64 + 100) * PAGE);
    g_assert_cmpuint(zero, ==, 100 * PAGE);
    g_assert_cmphex(from, ==, PAGES * PAGE);
}

/* A file that is cut off opens, names what it lacks, and reads the rest. */
static void test_cut(gconstpointer data)
{
    const Case *with = data;
    g_autoptr(DkSubject) subject = sample();
    g_autoptr(DkDumpPlan) plan = sample_plan();
    g_autoptr(GBytes) whole = write_dump(with, subject, plan);
    if (!whole)
        return;
    gsize len = g_bytes_get_size(whole) - 40000;
    g_autoptr(GBytes) bytes = g_bytes_new_from_bytes(whole, 0, len);
    g_autoptr(DkInput) input = dk_input_new_bytes("test", bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(source->subject->gaps->len, >, 0);
    const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
    g_assert_cmpstr(gap->what, ==, "data");
    guint8 page[4096];
    g_assert_cmpuint(dk_space_read(source->space, gap->first, page, PAGE), ==, 0);
    struct {
        DkVerify verify;
        guint counts[4];
    } found = {{count_finding, NULL, FALSE}, {0}};
    g_assert_true(dk_format_by_name("kdump")->verify(source, TRUE, &found.verify, &error));
    g_assert_cmpuint(found.counts[DK_VERIFY_LACKS], >, 0);
    g_assert_cmpuint(found.counts[DK_VERIFY_DAMAGED], ==, 0);
}

/* RAM behind the last range that the dump has anything of is not in the bitmaps. */
static void test_ram_behind(void)
{
    g_autoptr(DkSubject) subject = sample();
    dk_machine_add_ram(&subject->system, (guint64)1 << 40, ((guint64)1 << 40) + PAGE - 1);
    g_autoptr(DkDumpPlan) plan = sample_plan();
    g_autoptr(GBytes) bytes = write_dump(&cases[0], subject, plan);
    g_autoptr(DkInput) input = dk_input_new_bytes("test", bytes);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    guint64 max_mapnr;
    memcpy(&max_mapnr, data + PAGE + 96, sizeof max_mapnr);
    g_assert_cmpuint(GUINT64_FROM_LE(max_mapnr), ==, PAGES);
    check_pages(source, &cases[0], plan);
}

static void test_process_refused(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    Memory *memory = memory_new(TRUE);
    g_autoptr(DkSink) sink = dk_format_by_name("kdump")->sink_new(&memory->output, NULL);
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_pointer(&sink, dk_sink_free);
    dk_output_free(&memory->output);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = g_strdup_printf(
            "%s%s%s%s%s", cases[i].variant, cases[i].seek ? "" : "-streamed",
            cases[i].raw_inside ? "-raw-inside" : "", cases[i].drop_zero ? "-drop-zero" : "",
            cases[i].incomplete ? "-incomplete" : "");
        g_autofree char *trip = g_strdup_printf("/kdump-write/round-trip/%s", name);
        g_autofree char *cut = g_strdup_printf("/kdump-write/cut/%s", name);
        g_test_add_data_func(trip, &cases[i], test_round_trip);
        g_test_add_data_func(cut, &cases[i], test_cut);
    }
    g_test_add_func("/kdump-write/runs", test_runs);
    g_test_add_func("/kdump-write/ram-behind", test_ram_behind);
    g_test_add_func("/kdump-write/process-refused", test_process_refused);
    return g_test_run();
}
