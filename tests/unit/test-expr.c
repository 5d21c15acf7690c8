/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "console/expr.h"

/* rip, fun and app!fun are names; memory holds its own address in every word. */
static gboolean fake_name(DkExprHost *host, const char *name, gboolean at_sign, guint64 *value,
                          GError **error)
{
    if (g_str_equal(name, "rip") || g_str_equal(name, "$ip") || g_str_equal(name, "."))
        *value = 0x1000;
    else if (!at_sign && (g_str_equal(name, "fun") || g_str_equal(name, "app!fun")))
        *value = 0x2000;
    else if (!at_sign && g_str_equal(name, "ns::a<b, c>"))
        *value = 0x3000;
    else if (!at_sign && g_str_equal(name, "7z!main"))
        *value = 0x4000;
    else {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbol \"%s\"", name);
        return FALSE;
    }
    return TRUE;
}

static gboolean fake_read(DkExprHost *host, guint64 va, guint size, guint64 *value, GError **error)
{
    if (va == 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "memory at 0x0 is not in the dump");
        return FALSE;
    }
    *value = size == 8 ? va : va & (((guint64)1 << (size * 8)) - 1);
    return TRUE;
}

static DkExprHost host = {.pointer_size = 8, .name = fake_name, .read = fake_read};

static void check(const char *text, guint64 expected)
{
    const char *end = NULL;
    guint64 value = ~expected;
    g_autoptr(GError) error = NULL;
    gboolean ok = dk_expr_parse(text, text, &host, &end, &value, &error);
    if (!ok)
        g_error("%s: %s", text, error->message);
    if (value != expected)
        g_error("%s: %" G_GINT64_MODIFIER "x instead of %" G_GINT64_MODIFIER "x", text, value,
                expected);
    g_assert_cmpstr(end, ==, "");
}

static void check_fails(const char *text, gint code, const char *message)
{
    const char *end = NULL;
    guint64 value = 77;
    g_autoptr(GError) error = NULL;
    if (dk_expr_parse(text, text, &host, &end, &value, &error))
        g_error("%s: no error", text);
    g_assert_error(error, DK_ERROR, code);
    if (!strstr(error->message, message))
        g_error("%s: \"%s\" without \"%s\"", text, error->message, message);
    g_assert_cmpuint(value, ==, 77);
}

static void test_numbers(void)
{
    check("10", 0x10);
    check("0x1F", 0x1f);
    check("0n10", 10);
    check("0t17", 15);
    check("0y101", 5);
    check("0ffh", 0xff);
    check("  a ", 10);
    check("cafe", 0xcafe);
    check("00007ff0`12345678", 0x7ff012345678);
    check("1`2", 0x100000002);
    check("ffffffff`ffffffff", G_MAXUINT64);
    check("'a'", 'a');
    check("'abcd'", 0x61626364);
    check_fails("0n", DK_ERROR_USAGE, "column 2: 'n' is no digit");
    check_fails("0n1f", DK_ERROR_USAGE, "column 4");
    check_fails("0y2", DK_ERROR_USAGE, "column 3");
    check_fails("12xyz", DK_ERROR_USAGE, "column 3: 'x' is no digit");
    check_fails("10000000000000000", DK_ERROR_USAGE, "does not fit in 64 bits");
    check_fails("0n18446744073709551616", DK_ERROR_USAGE, "does not fit in 64 bits");
    check_fails("123456789`0", DK_ERROR_USAGE, "does not fit in 64 bits");
    check_fails("1`123456789", DK_ERROR_USAGE, "1 to 8 digits");
    check_fails("1`", DK_ERROR_USAGE, "1 to 8 digits");
    check_fails("'abcdefghi'", DK_ERROR_USAGE, "more than 8");
    check_fails("'ab", DK_ERROR_USAGE, "no closing");
    check_fails("''", DK_ERROR_USAGE, "no character");
}

static void test_operators(void)
{
    check("1+2*3", 7);
    check("(1+2)*3", 9);
    check("[1+2]*3", 9);
    check("0n10 - 3 - 2", 5);
    check("1 << 4 + 1", 0x20);
    check("8000000000000000 >> 3f", 1);
    check("8000000000000000 >>> 3f", G_MAXUINT64);
    check("1 << 40", 0);
    check("7 mod 4", 3);
    check("7 % 4", 3);
    check("7 / 2", 3);
    check("1 | 2 ^ 3 & 1", 3);
    check("1 or 2 xor 3 and 1", 3);
    check("1 = 1", 1);
    check("1 == 2", 0);
    check("1 != 2", 1);
    check("2 >= 3", 0);
    check("2 <= 3", 1);
    check("1 < 2 = 1", 1);
    check("-1", G_MAXUINT64);
    check("- -1", 1);
    check("~0", G_MAXUINT64);
    check("not 5", 0);
    check("not(0)", 1);
    check("hi(12345678)", 0x1234);
    check("low(12345678)", 0x5678);
    check_fails("1/0", DK_ERROR_USAGE, "column 2: division by zero");
    check_fails("1 mod 0", DK_ERROR_USAGE, "column 3: division by zero");
    check_fails("(1+2", DK_ERROR_USAGE, "column 5: \")\" was expected");
    check_fails("(1]", DK_ERROR_USAGE, "column 3");
    check_fails("", DK_ERROR_USAGE, "ends where a value was expected");
    check_fails("1+", DK_ERROR_USAGE, "column 3");
    check_fails("1+*2", DK_ERROR_USAGE, "column 3");
}

static void test_names(void)
{
    check("rip", 0x1000);
    check("@rip+8", 0x1008);
    check("@$ip", 0x1000);
    check(".", 0x1000);
    check(". + 10", 0x1010);
    check("fun", 0x2000);
    check("app!fun+4", 0x2004);
    check("app!fun!=0", 1);
    check("7z!main", 0x4000);
    check("@!\"ns::a<b, c>\"", 0x3000);
    check("poi(fun)", 0x2000);
    check("poi(poi(rip))+1", 0x1001);
    check("by(123456)", 0x56);
    check("wo(123456)", 0x3456);
    check("dwo(1`23456789)", 0x23456789);
    check("qwo 1`23456789", 0x123456789);
    check_fails("nix + 1", DK_ERROR_NOT_FOUND, "column 1: no symbol \"nix\"");
    check_fails("1 + @fun", DK_ERROR_NOT_FOUND, "column 5");
    check_fails("poi(0)", DK_ERROR_ABSENT, "column 1: poi(): memory at 0x0");
    check_fails("@", DK_ERROR_USAGE, "register");
    check_fails("@!\"x", DK_ERROR_USAGE, "no closing quote");
}

static void test_end(void)
{
    const char *text = "rip L10";
    const char *end = NULL;
    guint64 value = 0;
    g_assert_true(dk_expr_parse(text, text, &host, &end, &value, NULL));
    g_assert_cmpstr(end, ==, "L10");
    g_assert_cmphex(value, ==, 0x1000);
    host.pointer_size = 4;
    check("poi(1`23456789)", 0x23456789);
    host.pointer_size = 8;
}

static void test_depth(void)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < 100000; i++)
        g_string_append_c(text, '(');
    check_fails(text->str, DK_ERROR_USAGE, "nested deeper");
    g_string_truncate(text, 0);
    for (guint i = 0; i < 100000; i++)
        g_string_append_c(text, '-');
    check_fails(text->str, DK_ERROR_USAGE, "nested deeper");
    g_string_truncate(text, 0);
    for (guint i = 0; i < 100000; i++)
        g_string_append(text, "1+");
    g_string_append_c(text, '0');
    check(text->str, 100000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/expr/numbers", test_numbers);
    g_test_add_func("/expr/operators", test_operators);
    g_test_add_func("/expr/names", test_names);
    g_test_add_func("/expr/end", test_end);
    g_test_add_func("/expr/depth", test_depth);
    return g_test_run();
}
