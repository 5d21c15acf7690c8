/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "base/error.h"
#include "console/console.h"
#include "test-cmd-dump.h"

typedef struct {
    DkTarget *target;
    DkConsole *console;
    GString *text;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->target = fake_target_new();
    fixture->console = dk_console_new(fixture->target);
    fixture->text = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    dk_console_free(fixture->console);
    dk_target_free(fixture->target);
    g_string_free(fixture->text, TRUE);
}

static void collect(const char *text, gsize len, gpointer data)
{
    g_string_append_len(data, text, (gssize)len);
}

/* Runs the line; the text it printed is lent until the next run. */
static const char *run(Fixture *fixture, const char *line, gint expected_code)
{
    g_string_truncate(fixture->text, 0);
    g_autoptr(DkOut) out = dk_out_new(DK_OUT_TEXT, FALSE, collect, fixture->text);
    g_autoptr(GError) error = NULL;
    gboolean ok = dk_console_run(fixture->console, line, out, &error);
    if (expected_code < 0) {
        g_assert_no_error(error);
        g_assert_true(ok);
    } else {
        g_assert_false(ok);
        g_assert_error(error, DK_ERROR, expected_code);
    }
    return fixture->text->str;
}

static void test_splitting(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpstr(run(fixture, ".echo a; .echo b;;\n.echo c", -1), ==, "a\nb\nc\n");
    g_assert_cmpstr(run(fixture, ".echo \"a; b\"", -1), ==, "a; b\n");
    g_assert_cmpstr(run(fixture, ".echo {a; b}", -1), ==, "{a; b}\n");
    g_assert_cmpstr(run(fixture, ".echo don't; .echo it", -1), ==, "don't\nit\n");
    g_assert_cmpstr(run(fixture, "? ';'", -1), ==, "Evaluate expression: 59 = 00000000`0000003b\n");
    g_assert_cmpstr(run(fixture, "* .echo a; .echo b\n.echo c", -1), ==, "c\n");
    g_assert_cmpstr(run(fixture, "$$ no; .echo c", -1), ==, "c\n");
    g_assert_cmpstr(run(fixture, "?5", -1), ==, "Evaluate expression: 5 = 00000000`00000005\n");
    g_assert_cmpstr(run(fixture, "q; .echo never", -1), ==, "");
    g_assert_true(dk_console_done(fixture->console));
}

static void test_errors(Fixture *fixture, gconstpointer data)
{
    const char *text = run(fixture, "nix; .echo on; ? 1/0", DK_ERROR_NOT_FOUND);
    g_assert_cmpstr(text, ==,
                    "error: no command \"nix\"; \".help\" lists the commands\n"
                    "on\n"
                    "error: column 4: division by zero\n");
    run(fixture, "?", DK_ERROR_USAGE);
    run(fixture, "? 1 2", DK_ERROR_USAGE);
    g_assert_nonnull(strstr(fixture->text->str, "column 5: nothing was expected"));
    run(fixture, "db 2000 1000", DK_ERROR_USAGE);
    run(fixture, "db 1000 L0", DK_ERROR_USAGE);
    run(fixture, "db 0 L?ffffffffffffffff", DK_ERROR_LIMIT);
    run(fixture, "r rax=5", DK_ERROR_UNSUPPORTED);
    run(fixture, "~9s", DK_ERROR_USAGE);
    run(fixture, "~1k", DK_ERROR_ABSENT);
    run(fixture, "x app!nix", DK_ERROR_NOT_FOUND);
    run(fixture, "dt nix", DK_ERROR_NOT_FOUND);
    run(fixture, "!address 5", DK_ERROR_FAULT);
    run(fixture, ".logclose", DK_ERROR_NOT_FOUND);
    run(fixture, "s -b 0 5", DK_ERROR_USAGE);
    run(fixture, "s -b 0 L5 123", DK_ERROR_USAGE);
    g_assert_nonnull(strstr(fixture->text->str, "column 11: the value does not fit in 1 byte"));
}

static void test_no_target(void)
{
    g_autoptr(DkConsole) console = dk_console_new(NULL);
    guint64 value = 0;
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_console_evaluate(console, "1+1", &value, NULL));
    g_assert_cmphex(value, ==, 2);
    g_assert_false(dk_console_evaluate(console, "@rip", &value, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_ABSENT);
    g_clear_error(&error);
    g_assert_false(dk_console_evaluate(console, "1 1", &value, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(DkOut) out = dk_out_new(DK_OUT_TEXT, FALSE, collect, text);
    for (const DkCommand *const *command = dk_commands(); *command; command++) {
        g_autoptr(GError) failure = NULL;
        if ((*command)->needs == DK_NEEDS_NOTHING)
            continue;
        g_assert_false(dk_console_run(console, (*command)->name, out, &failure));
        g_assert_error(failure, DK_ERROR, DK_ERROR_ABSENT);
    }
}

static void test_context(Fixture *fixture, gconstpointer data)
{
    guint64 value = 0;
    g_assert_true(dk_console_evaluate(fixture->console, "poi(@rsp)", &value, NULL));
    g_assert_cmphex(value, ==, FAKE_VA + 0x84);
    g_assert_true(dk_console_evaluate(fixture->console, ". - @$ip + al", &value, NULL));
    g_assert_cmphex(value, ==, 0x88);
    g_assert_true(dk_console_evaluate(fixture->console, "@$tid + @$ptrsize", &value, NULL));
    g_assert_cmphex(value, ==, 0x123c);
    run(fixture, "r @$t3 = @$csp + 8; ? poi(@$t3); ? @$exp = @rax", -1);
    g_assert_nonnull(strstr(fixture->text->str, "11223344`55667788"));
    g_assert_nonnull(strstr(fixture->text->str, "Evaluate expression: 1 ="));
}

static void test_threads(Fixture *fixture, gconstpointer data)
{
    g_autofree char *before = dk_console_prompt(fixture->console);
    g_assert_cmpstr(before, ==, "0:000> ");
    run(fixture, "~", -1);
    g_assert_cmpstr(fixture->text->str, ==,
                    ".  0  Id: 1234.1234 Tid: 0n4660 \"main\\x1b[31m\"\n"
                    "#  1  Id: 1234.1240 Tid: 0n4672 (no registers: it ended)\n");
    run(fixture, "~#s; r", DK_ERROR_ABSENT);
    g_autofree char *after = dk_console_prompt(fixture->console);
    g_assert_cmpstr(after, ==, "0:001> ");
    g_assert_cmpstr(run(fixture, "~*e .echo a; .echo b", -1), ==, "a\nb\na\nb\n");
    run(fixture, "~~[1234]e r rax", -1);
    g_assert_cmpstr(fixture->text->str, ==, "rax=1122334455667788\n");
    g_assert_cmpuint(dk_target_current(fixture->target), ==, 1);
}

static void test_log(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;
    gint fd = g_file_open_tmp("console-log-XXXXXX", &path, &error);
    g_assert_no_error(error);
    g_close(fd, NULL);
    g_autofree char *open = g_strdup_printf(".logopen %s; .echo one", path);
    run(fixture, open, -1);
    run(fixture, ".echo two; .logclose; .echo three", -1);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_autofree char *expected = g_strdup_printf(
        "Opened log file '%s'\none\n0:000> .echo two; .logclose; .echo three\ntwo\n"
        "Closing open log file %s\n",
        path, path);
    g_assert_cmpstr(text, ==, expected);
    g_unlink(path);
}

static void test_cancel(Fixture *fixture, gconstpointer data)
{
    DkProgress progress = {.cancelled = 1};
    dk_console_set_progress(fixture->console, &progress);
    run(fixture, "db @rsp L1000; .echo never", DK_ERROR_CANCELLED);
    g_assert_null(strstr(fixture->text->str, "never"));
}

static void test_completion(Fixture *fixture, gconstpointer data)
{
    g_auto(GStrv) commands = dk_console_complete(fixture->console, "k; .form");
    g_assert_cmpstr(commands[0], ==, ".formats");
    g_assert_null(commands[1]);
    g_auto(GStrv) modules = dk_console_complete(fixture->console, "x libst");
    g_assert_cmpuint(g_strv_length(modules), ==, 2);
    g_assert_cmpstr(modules[0], ==, "libstdc__");
    g_auto(GStrv) registers = dk_console_complete(fixture->console, "? poi(@ri");
    g_assert_cmpstr(registers[0], ==, "@rip");
    g_auto(GStrv) none = dk_console_complete(fixture->console, "? zzz");
    g_assert_null(none[0]);
}

/* Every command says what it is for, and its help ends with an example. */
static void test_table(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (const DkCommand *const *command = dk_commands(); *command; command++) {
        g_assert_true(g_hash_table_add(seen, (gpointer)(*command)->name));
        for (guint i = 0; (*command)->aliases && (*command)->aliases[i]; i++)
            g_assert_true(g_hash_table_add(seen, (gpointer)(*command)->aliases[i]));
        const char *example = g_strrstr((*command)->help, "\n\nExample: ");
        g_assert_nonnull(example);
        g_assert_null(strchr(example + 2, '\n'));
        g_assert_nonnull((*command)->summary);
    }
}

/* JSON of commands that succeed, that fail, and that run others. */
static void test_json(Fixture *fixture, gconstpointer data)
{
    DkOut *out = dk_out_new(DK_OUT_JSON, FALSE, collect, fixture->text);
    g_autoptr(GError) error = NULL;
    dk_out_begin_array(out, "results");
    g_assert_false(
        dk_console_run(fixture->console, "? 1+1; nix; db @rsp L2; ~; lm; ~*e r rax", out, &error));
    dk_out_end(out);
    dk_out_free(out);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_assert_true(json_parser_load_from_data(parser, fixture->text->str, -1, NULL));
    JsonArray *results = json_object_get_array_member(
        json_node_get_object(json_parser_get_root(parser)), "results");
    g_assert_cmpuint(json_array_get_length(results), ==, 6);
    JsonObject *sum = json_array_get_object_element(results, 0);
    g_assert_cmpstr(json_object_get_string_member(sum, "command"), ==, "? 1+1");
    g_assert_cmpstr(json_object_get_string_member(sum, "value"), ==, "0x2");
    JsonObject *failed = json_object_get_object_member(json_array_get_object_element(results, 1),
                                                       "error");
    g_assert_cmpstr(json_object_get_string_member(failed, "code"), ==,
                    dk_error_code_name(DK_ERROR_NOT_FOUND));
    JsonArray *threads = json_object_get_array_member(json_array_get_object_element(results, 5),
                                                      "threads");
    g_assert_cmpuint(json_array_get_length(threads), ==, 2);
    JsonObject *inner = json_array_get_object_element(
        json_object_get_array_member(json_array_get_object_element(threads, 0), "results"), 0);
    JsonObject *registers = json_object_get_object_member(inner, "registers");
    g_assert_cmpstr(json_object_get_string_member(registers, "rax"), ==, "0x1122334455667788");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/console/splitting", Fixture, NULL, set_up, test_splitting, tear_down);
    g_test_add("/console/errors", Fixture, NULL, set_up, test_errors, tear_down);
    g_test_add_func("/console/no-target", test_no_target);
    g_test_add("/console/context", Fixture, NULL, set_up, test_context, tear_down);
    g_test_add("/console/threads", Fixture, NULL, set_up, test_threads, tear_down);
    g_test_add("/console/log", Fixture, NULL, set_up, test_log, tear_down);
    g_test_add("/console/cancel", Fixture, NULL, set_up, test_cancel, tear_down);
    g_test_add("/console/completion", Fixture, NULL, set_up, test_completion, tear_down);
    g_test_add_func("/console/table", test_table);
    g_test_add("/console/json", Fixture, NULL, set_up, test_json, tear_down);
    return g_test_run();
}
