/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that need symbols, on the test's own process. */
#include "base/error.h"
#include "console/console.h"
#include "self-process.h"
#include "test-cmd-dump.h"

enum sample_colour { SAMPLE_RED, SAMPLE_GREEN = 5 };

struct sample_node {
    int id;
    unsigned low : 3;
    char name[8];
    const char *text;
    struct sample_node *next;
    enum sample_colour colour;
    struct {
        short x;
    } point;
};

struct sample_node sample_root = {-7, 5, "root", "a text", NULL, SAMPLE_GREEN, {3}};

static void collect(const char *text, gsize len, gpointer data)
{
    g_string_append_len(data, text, (gssize)len);
}

static DkTarget *self_target_new(void)
{
    DkSource *source = g_new0(DkSource, 1);
    dk_source_init(source, &fake_source_ops, "self");
    source->space = self_space_new();
    source->subject = self_subject_new(source->space);
    fake_registers(dk_subject_add_thread(source->subject, 1), (guint64)(gsize)self_target_new, 0,
                   0);
    return dk_target_new(source, NULL);
}

static char *output(DkTarget *target, const char *line)
{
    g_autoptr(DkConsole) console = dk_console_new(target);
    GString *text = g_string_new(NULL);
    g_autoptr(DkOut) out = dk_out_new(DK_OUT_TEXT, FALSE, collect, text);
    g_autoptr(GError) error = NULL;
    gboolean ok = dk_console_run(console, line, out, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    return g_string_free(text, FALSE);
}

static void test_type(void)
{
    g_autoptr(DkTarget) target = self_target_new();
    g_autofree char *type = output(target, "dt sample_node");
    g_assert_true(g_str_has_suffix(type, "!sample_node\n"
                                         "   +0x000 id               : Int4B\n"
                                         "   +0x004 low              : Pos 0, 3 Bits\n"
                                         "   +0x005 name             : [8] Char\n"
                                         "   +0x010 text             : Ptr64 Char\n"
                                         "   +0x018 next             : Ptr64 sample_node\n"
                                         "   +0x020 colour           : sample_colour\n"
                                         "   +0x024 point            : <unnamed-tag>\n"));
    g_autofree char *value = output(target, "dt -r sample_root");
    g_assert_nonnull(strstr(value, "   +0x000 id               : 0n-7\n"
                                   "   +0x004 low              : 0y101\n"
                                   "   +0x005 name             : [8]  \"root\"\n"));
    g_assert_nonnull(strstr(value, "  \"a text\"\n"
                                   "   +0x018 next             : (null) \n"
                                   "   +0x020 colour           : 5 ( SAMPLE_GREEN )\n"
                                   "   +0x024 point            : <unnamed-tag>\n"
                                   "      +0x000 x                : 0n3\n"));
    g_autofree char *some = output(target, "dt sample_node sample_root col* point.x");
    g_assert_true(g_str_has_suffix(some, "   +0x020 colour           : 5 ( SAMPLE_GREEN )\n"
                                         "   +0x024 point            : <unnamed-tag>\n"
                                         "      +0x000 x                : 0n3\n"));
}

static void test_symbols(void)
{
    g_autoptr(DkTarget) target = self_target_new();
    g_autofree char *root = dk_target_format_va(target, (guint64)(gsize)&sample_root);
    g_autofree char *found = output(target, "x *!sample_roo?");
    g_assert_true(g_str_has_prefix(found, root));
    g_assert_true(g_str_has_suffix(found, "!sample_root\n"));
    g_autofree char *value = output(target, "? by(sample_root)");
    g_assert_cmpstr(value, ==, "Evaluate expression: 249 = 00000000`000000f9\n");
    g_autofree char *near = output(target, "ln sample_root+4");
    g_assert_nonnull(strstr(near, "!sample_root+0x4"));
    g_autofree char *label = output(target, "u . L1");
    g_assert_nonnull(strstr(label, "!self_target_new ["));
    g_assert_nonnull(strstr(label, "test-cmd-symbols.c @ "));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (sizeof(void *) != 8) {
        g_test_message("64 bits are needed");
        return 77;
    }
    g_test_add_func("/cmd-symbols/type", test_type);
    g_test_add_func("/cmd-symbols/symbols", test_symbols);
    return g_test_run();
}
