/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "base/cursor.h"
#include "base/error.h"

static void test_integers(void)
{
    const guint8 raw[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    DkCursor cursor;
    dk_cursor_init(&cursor, raw, sizeof raw, 0x100, "test");
    guint8 a = 0;
    guint16 b = 0;
    guint32 c = 0;
    guint64 d = 0;
    g_assert_true(dk_cursor_u8(&cursor, "a", &a, NULL));
    g_assert_true(dk_cursor_u16(&cursor, "b", &b, NULL));
    g_assert_true(dk_cursor_u32(&cursor, "c", &c, NULL));
    cursor.big_endian = TRUE;
    g_assert_true(dk_cursor_u64(&cursor, "d", &d, NULL));
    g_assert_cmphex(a, ==, 0x01);
    g_assert_cmphex(b, ==, 0x0302);
    g_assert_cmphex(c, ==, 0x07060504);
    g_assert_cmphex(d, ==, 0x08090a0b0c0d0e0f);
    g_assert_cmpuint(dk_cursor_left(&cursor), ==, 0);
}

static void test_end(void)
{
    const guint8 raw[] = {1, 2, 3};
    DkCursor cursor;
    dk_cursor_init(&cursor, raw, sizeof raw, 0x100, "note");
    guint32 value = 77;
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_cursor_u32(&cursor, "size", &value, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    g_assert_cmpstr(error->message, ==, "note at offset 0x100: size needs 4 bytes, 3 are left");
    g_assert_cmpuint(value, ==, 77);
    g_assert_cmpuint(cursor.pos, ==, 0);
    g_assert_null(dk_cursor_bytes(&cursor, "name", G_MAXSIZE, NULL));
    g_assert_false(dk_cursor_seek(&cursor, "table", 4, NULL));
    g_assert_true(dk_cursor_seek(&cursor, "table", 3, NULL));
}

static void test_string(void)
{
    const char raw[] = {'a', 'b', 0, 'c'};
    DkCursor cursor;
    dk_cursor_init(&cursor, raw, sizeof raw, 0, "names");
    g_assert_cmpstr(dk_cursor_string(&cursor, "name", NULL), ==, "ab");
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_cursor_string(&cursor, "name", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
}

static void test_align(void)
{
    const guint8 raw[6] = {0};
    DkCursor cursor;
    dk_cursor_init(&cursor, raw, sizeof raw, 0, "raw");
    cursor.pos = 1;
    dk_cursor_align(&cursor, 4);
    g_assert_cmpuint(cursor.pos, ==, 4);
    cursor.pos = 5;
    dk_cursor_align(&cursor, 4);
    g_assert_cmpuint(cursor.pos, ==, 6);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cursor/integers", test_integers);
    g_test_add_func("/cursor/end", test_end);
    g_test_add_func("/cursor/string", test_string);
    g_test_add_func("/cursor/align", test_align);
    return g_test_run();
}
