/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"

static void test_text(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {1023, "1023 B"},
                 {1024, "1.0 KiB"},
                 {1536, "1.5 KiB"},
                 {1048575, "1.0 MiB"},
                 {(guint64)20 << 30, "20.0 GiB"},
                 {G_MAXUINT64, "16.0 EiB"}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = dk_size_text(cases[i].bytes);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_range(void)
{
    g_assert_cmpuint(dk_size_of_range(0x1000, 0x1fff), ==, 0x1000);
    g_assert_cmpuint(dk_size_of_range(7, 7), ==, 1);
    g_assert_cmpuint(dk_size_of_range(1, 0), ==, 0);
    g_assert_cmpuint(dk_size_of_range(0, G_MAXUINT64), ==, G_MAXUINT64);
    g_assert_cmpuint(dk_size_of_range(1, G_MAXUINT64), ==, G_MAXUINT64);
}

static void test_add(void)
{
    g_assert_cmpuint(dk_size_add(1, 2), ==, 3);
    g_assert_cmpuint(dk_size_add(G_MAXUINT64, 1), ==, G_MAXUINT64);
    g_assert_cmpuint(dk_size_add(1, G_MAXUINT64), ==, G_MAXUINT64);
    g_assert_cmpuint(dk_size_add(G_MAXUINT64, 0), ==, G_MAXUINT64);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/size/text", test_text);
    g_test_add_func("/size/range", test_range);
    g_test_add_func("/size/add", test_add);
    return g_test_run();
}
