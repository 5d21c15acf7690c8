/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/coverage.h"

/* A space of runs that are listed; reads nothing. */
typedef struct {
    DkSpace base;
    const DkRun *runs;
    guint count;
} Listed;

static gsize listed_read(DkSpace *space, guint64 va, void *buf, gsize len)
{
    return 0;
}

static gboolean listed_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const Listed *listed = (Listed *)space;
    for (guint i = 0; i < listed->count; i++) {
        if (listed->runs[i].last >= from) {
            *run = listed->runs[i];
            return TRUE;
        }
    }
    return FALSE;
}

static void listed_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps listed_ops = {
    .name = "listed",
    .read = listed_read,
    .next_run = listed_next_run,
    .destroy = listed_destroy,
};

static DkSpace *listed_new(const DkRun *runs, guint count)
{
    Listed *listed = g_new0(Listed, 1);
    dk_space_init(&listed->base, &listed_ops);
    listed->runs = runs;
    listed->count = count;
    return &listed->base;
}

static void test_runs(void)
{
    static const DkRun runs[] = {
        {0x1000, 0x1fff, DK_RUN_DATA},     {0x2000, 0x2fff, DK_RUN_ZERO},
        {0x3000, 0x3fff, DK_RUN_FILTERED}, {0x4000, 0x4fff, DK_RUN_FILE},
        {0x8000, 0x8fff, DK_RUN_ABSENT},   {0x9000, 0x9fff, DK_RUN_UNREADABLE},
        {0xa000, 0xafff, DK_RUN_DATA},
    };
    g_autoptr(DkSpace) space = listed_new(runs, G_N_ELEMENTS(runs));
    DkCoverage all = dk_coverage_of(space, 0, 0xffff);
    g_assert_cmphex(all.size, ==, 0x10000);
    g_assert_cmphex(all.present, ==, 0x4000);
    g_assert_cmphex(all.zero, ==, 0x1000);
    g_assert_cmpuint(all.runs, ==, 3);
    DkCoverage part = dk_coverage_of(space, 0x1800, 0x27ff);
    g_assert_cmphex(part.size, ==, 0x1000);
    g_assert_cmphex(part.present, ==, 0x1000);
    g_assert_cmphex(part.zero, ==, 0x800);
    g_assert_cmpuint(part.runs, ==, 1);
    DkCoverage none = dk_coverage_of(space, 0x5000, 0x7fff);
    g_assert_cmphex(none.size, ==, 0x3000);
    g_assert_cmphex(none.present, ==, 0);
    DkCoverage empty = dk_coverage_of(space, 1, 0);
    g_assert_cmphex(empty.size, ==, 0);
    g_assert_cmphex(empty.present, ==, 0);
}

/* Runs that hostile files can make: all addresses there are. */
static void test_edges(void)
{
    static const DkRun whole[] = {{0, G_MAXUINT64, DK_RUN_DATA}};
    g_autoptr(DkSpace) space = listed_new(whole, 1);
    DkCoverage all = dk_coverage_of(space, 0, G_MAXUINT64);
    g_assert_cmphex(all.size, ==, G_MAXUINT64);
    g_assert_cmphex(all.present, ==, G_MAXUINT64);
    g_assert_cmpuint(all.runs, ==, 1);
    static const DkRun halves[] = {{0, G_MAXUINT64 / 2, DK_RUN_DATA},
                                   {G_MAXUINT64 / 2 + 1, G_MAXUINT64, DK_RUN_ZERO}};
    g_autoptr(DkSpace) two = listed_new(halves, 2);
    all = dk_coverage_of(two, 0, G_MAXUINT64);
    g_assert_cmphex(all.present, ==, G_MAXUINT64);
    g_assert_cmpuint(all.runs, ==, 1);
    DkCoverage last = dk_coverage_of(two, G_MAXUINT64, G_MAXUINT64);
    g_assert_cmphex(last.present, ==, 1);
}

static void test_gaps(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    dk_subject_add_gap(subject, "pages", 0x5000, 0x5fff, 0, "EIO");
    dk_subject_add_gap(subject, "excluded", 0x1000, 0x1fff, 0, "MADV_DONTDUMP");
    dk_subject_add_gap(subject, "data", 0x5800, 0x7fff, 0, "cut");
    dk_subject_add_gap(subject, "pages", 0x5100, 0x51ff, 0, "EIO");
    dk_subject_add_gap(subject, "thread", 1, 0, 7, "gone");
    dk_subject_add_gap(subject, "data", 0xf000, G_MAXUINT64, 0, "cut");
    g_autoptr(GArray) failing = dk_gap_ranges(subject, TRUE);
    g_assert_cmpuint(failing->len, ==, 2);
    g_assert_cmphex(g_array_index(failing, DkRun, 0).first, ==, 0x5000);
    g_assert_cmphex(g_array_index(failing, DkRun, 0).last, ==, 0x7fff);
    g_assert_true(dk_gap_ranges_touch(failing, 0x7fff, 0x8fff));
    g_assert_true(dk_gap_ranges_touch(failing, 0, 0x5000));
    g_assert_true(dk_gap_ranges_touch(failing, G_MAXUINT64, G_MAXUINT64));
    g_assert_false(dk_gap_ranges_touch(failing, 0x8000, 0xefff));
    g_assert_false(dk_gap_ranges_touch(failing, 0x1000, 0x1fff));
    g_autoptr(GArray) all = dk_gap_ranges(subject, FALSE);
    g_assert_cmpuint(all->len, ==, 3);
    g_assert_true(dk_gap_ranges_touch(all, 0x1fff, 0x1fff));
}

static void test_failures(void)
{
    static const struct {
        const char *what;
        gboolean failure;
    } cases[] = {{"thread", TRUE},    {"regset", TRUE},   {"pages", TRUE},   {"data", TRUE},
                 {"excluded", FALSE}, {"instant", FALSE}, {"mapping", FALSE}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DkGap gap = {.what = (char *)cases[i].what};
        g_assert_cmpint(dk_gap_is_failure(&gap), ==, cases[i].failure);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/coverage/runs", test_runs);
    g_test_add_func("/coverage/edges", test_edges);
    g_test_add_func("/coverage/gaps", test_gaps);
    g_test_add_func("/coverage/failures", test_failures);
    return g_test_run();
}
