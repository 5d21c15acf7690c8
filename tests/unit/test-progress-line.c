/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The progress line: its words, its pace, and that it goes away. */
#include <glib.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tool/progress-line.h"

#define MIB ((guint64)1 << 20)
#define GIB ((guint64)1 << 30)

static void test_sizes(void)
{
    static const struct {
        guint64 bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},           {1023, "1023 B"},       {1024, "1.0 KiB"},         {1536, "1.5 KiB"},
        {MIB - 1, "1.0 MiB"}, {20 * GIB, "20.0 GiB"}, {G_MAXUINT64, "16.0 EiB"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = dk_progress_size_text(cases[i].bytes);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void assert_line(const char *expected, guint64 done, guint64 total, guint64 since,
                        double seconds, guint columns)
{
    g_autofree char *text = dk_progress_line_text("capture", done, total, since,
                                                  (gint64)(seconds * G_USEC_PER_SEC), columns);
    g_assert_cmpstr(text, ==, expected);
}

static void test_words(void)
{
    assert_line("capture: 1.0 GiB of 4.0 GiB, 25 %, 512.0 MiB/s, 6 s left", GIB, 4 * GIB, 0, 2, 80);
    assert_line("capture: 1.0 GiB, 512.0 MiB/s", GIB, 0, 0, 2, 80);
    assert_line("capture: 0 B of 4.0 GiB, 0 %", 0, 4 * GIB, 0, 2, 80);
    /* No rate from a moment too short to measure, nor from what was done before the clock. */
    assert_line("capture: 1.0 GiB of 4.0 GiB, 25 %", GIB, 4 * GIB, 0, 0.05, 80);
    assert_line("capture: 2.0 GiB of 4.0 GiB, 50 %, 1.0 GiB/s, 2 s left", 2 * GIB, 4 * GIB, GIB, 1,
                80);
    /* 100 % is for all of it; more than all is no more than 100 %. */
    assert_line("capture: 1023.0 MiB of 1.0 GiB, 99 %", GIB - MIB, GIB, 0, 0, 80);
    assert_line("capture: 2.0 GiB of 1.0 GiB, 100 %, 2.0 GiB/s", 2 * GIB, GIB, 0, 1, 80);
    assert_line("capture: 1.0 MiB of 1.0 GiB, 0 %, 1.0 MiB/s, 17 min left", MIB, GIB, 0, 1, 80);
    assert_line("capture: 1.0 MiB of 100.0 GiB, 0 %, 1.0 MiB/s, 28 h left", MIB, 100 * GIB, 0, 1,
                80);
    assert_line("capture: 1 B of 16.0 EiB, 0 %, 1 B/s, very long left", 1, G_MAXUINT64, 0, 1, 80);
    assert_line("capture: 1.0", GIB, 4 * GIB, 0, 2, 12);
}

/* What arrived at the other side of the terminal. */
static char *read_all(int fd)
{
    GString *text = g_string_new(NULL);
    char piece[4096];
    gssize got;
    while ((got = read(fd, piece, sizeof piece)) > 0)
        g_string_append_len(text, piece, got);
    return g_string_free(text, FALSE);
}

static guint count(const char *text, const char *word)
{
    guint found = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        found++;
    return found;
}

static void test_drawing(void)
{
    dk_autofd int master = -1;
    int slave = -1;
    g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
    DkProgressLine line = {0};
    dk_progress_line_start(&line, slave, "capture");
    dk_progress_line_erase(&line);
    for (guint i = 0; i < 10000; i++)
        g_assert_true(dk_progress_tick(&line.progress, i, 10000, NULL));
    dk_progress_line_erase(&line);
    dk_progress_line_erase(&line);
    close(slave);
    g_autofree char *text = read_all(master);
    g_assert_true(g_str_has_prefix(text, "\r\033[Kcapture: 0 B of 9.8 KiB, 0 %"));
    g_assert_true(g_str_has_suffix(text, "\r\033[K"));
    /* Drawn at once, then not more often than ten times a second; erased once. */
    g_assert_cmpuint(count(text, "capture: "), <=, 1 + 10 * 60);
    g_assert_cmpuint(count(text, "capture: "), <, 10000);
    g_assert_cmpuint(count(text, "\033[K"), ==, count(text, "capture: ") + 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/progress-line/sizes", test_sizes);
    g_test_add_func("/progress-line/words", test_words);
    g_test_add_func("/progress-line/drawing", test_drawing);
    return g_test_run();
}
