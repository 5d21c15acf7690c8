/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "mem/spool.h"

#define PAGE 4096

static guint8 *page_of(guint8 byte)
{
    guint8 *page = g_malloc(PAGE);
    memset(page, byte, PAGE);
    return page;
}

static void put(DkSpool *spool, guint64 addr, guint8 byte)
{
    g_autofree guint8 *page = page_of(byte);
    g_assert_true(dk_spool_put(spool, addr, page, PAGE, NULL));
}

/* Pages in any order, one twice, zeros over data and data over zeros. */
static void test_order(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSpool) spool = dk_spool_new(g_get_tmp_dir(), 16 * PAGE, &error);
    g_assert_no_error(error);
    put(spool, 5 * PAGE, 5);
    put(spool, 1 * PAGE, 1);
    g_assert_true(dk_spool_put_zeros(spool, 1 * PAGE, 2 * PAGE, NULL));
    put(spool, 2 * PAGE, 2);
    put(spool, 5 * PAGE, 7);
    put(spool, 6 * PAGE, 6);
    g_assert_cmpuint(dk_spool_bytes(spool), ==, 3 * PAGE);
    g_autoptr(DkSpace) space = dk_spool_space(spool);
    g_clear_pointer(&spool, dk_spool_free);

    static const DkRun expected[] = {{1 * PAGE, 2 * PAGE - 1, DK_RUN_ZERO},
                                     {2 * PAGE, 3 * PAGE - 1, DK_RUN_DATA},
                                     {5 * PAGE, 7 * PAGE - 1, DK_RUN_DATA}};
    guint64 from = 0;
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        DkRun run;
        g_assert_true(dk_space_next_run(space, from, &run));
        g_assert_cmphex(run.first, ==, expected[i].first);
        g_assert_cmphex(run.last, ==, expected[i].last);
        g_assert_cmpint(run.kind, ==, expected[i].kind);
        from = run.last + 1;
    }
    DkRun run;
    g_assert_false(dk_space_next_run(space, from, &run));

    guint8 bytes[3 * PAGE];
    g_assert_cmpuint(dk_space_read(space, PAGE + 1, bytes, 3 * PAGE), ==, 2 * PAGE - 1);
    g_assert_cmpint(bytes[0], ==, 0);
    g_assert_cmpint(bytes[PAGE - 1], ==, 2);
    g_assert_cmpuint(dk_space_read(space, 5 * PAGE, bytes, 3 * PAGE), ==, 2 * PAGE);
    g_assert_cmpint(bytes[PAGE - 1], ==, 7);
    g_assert_cmpint(bytes[PAGE], ==, 6);
    g_assert_cmpuint(dk_space_read(space, 0, bytes, 1), ==, 0);
    g_assert_cmpuint(dk_space_read(space, 16 * PAGE, bytes, 1), ==, 0);
}

static void test_limits(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSpool) spool = dk_spool_new(g_get_tmp_dir(), 4 * PAGE, NULL);
    g_autofree guint8 *page = page_of(1);
    g_assert_false(dk_spool_put(spool, 4 * PAGE, page, PAGE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_false(dk_spool_put_zeros(spool, PAGE, 4 * PAGE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_false(dk_spool_put_zeros(spool, G_MAXUINT64 - PAGE + 1, PAGE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_null(dk_spool_new(g_get_tmp_dir(), (guint64)1 << 60, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_error(&error);
    g_assert_null(dk_spool_new("/nowhere/at/all", PAGE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spool/order", test_order);
    g_test_add_func("/spool/limits", test_limits);
    return g_test_run();
}
