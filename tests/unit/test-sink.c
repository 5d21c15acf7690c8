/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "mem/sink.h"

static void test_plan_joins(void)
{
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0x1000, 0x1fff, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x2000, 0x2fff, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x3000, 0x3fff, DK_MAP_READ | DK_MAP_WRITE);
    dk_dump_plan_add(plan, 0x5000, 0x5fff, DK_MAP_READ | DK_MAP_WRITE);
    g_assert_cmpuint(plan->extents->len, ==, 3);
    g_assert_cmphex(g_array_index(plan->extents, DkExtent, 0).last, ==, 0x2fff);
    g_assert_cmphex(plan->bytes, ==, 0x4000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/plan-joins", test_plan_joins);
    return g_test_run();
}
