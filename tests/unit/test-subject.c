/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "mem/subject.h"

static void test_lookup(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    dk_subject_add_mapping(subject, 0x3000, 0x3fff);
    dk_subject_add_mapping(subject, 0x1000, 0x1fff);
    dk_subject_sort(subject);
    g_assert_cmphex(dk_subject_mapping_at(subject, 0x1fff)->first, ==, 0x1000);
    g_assert_cmphex(dk_subject_mapping_at(subject, 0x3000)->first, ==, 0x3000);
    g_assert_null(dk_subject_mapping_at(subject, 0x2000));
    g_assert_null(dk_subject_mapping_at(subject, 0x4000));
    dk_subject_add_thread(subject, 7);
    g_assert_nonnull(dk_subject_thread(subject, 7));
    g_assert_null(dk_subject_thread(subject, 8));
}

static void test_texts(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autoptr(GBytes) first = g_bytes_new_static("one", 3);
    g_autoptr(GBytes) second = g_bytes_new_static("two!", 4);
    g_assert_null(dk_subject_text(subject, "linux/status"));
    dk_subject_set_text(subject, "linux/status", first);
    dk_subject_set_text(subject, "linux/status", second);
    g_assert_cmpuint(g_bytes_get_size(dk_subject_text(subject, "linux/status")), ==, 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/subject/lookup", test_lookup);
    g_test_add_func("/subject/texts", test_texts);
    return g_test_run();
}
