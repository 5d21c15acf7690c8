/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entry of the program: finds the verb, parses its options with the shared ones, runs it. */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/verb-list.h"
#include "tool/verb.h"

#define DECLARE(name) extern const DkVerb dk_verb_##name;
DK_VERB_LIST(DECLARE)

#define ENTRY(name) &dk_verb_##name,
static const DkVerb *const verbs[] = {DK_VERB_LIST(ENTRY) NULL};

static DkProgress progress;

const DkVerb *const *dk_verbs(void)
{
    return verbs;
}

static const DkVerb *find_verb(const char *name)
{
    for (guint i = 0; verbs[i]; i++) {
        if (g_str_equal(verbs[i]->name, name))
            return verbs[i];
    }
    return NULL;
}

int dk_tool_fail(DkTool *tool, GError *error)
{
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    fprintf(stderr, "dumpkit %s: ", tool->verb->name);
    for (guint i = 0; lines[i]; i++) {
        g_autofree char *clean = dk_out_clean(lines[i]);
        fprintf(stderr, "%s\n", clean);
    }
    if (error->domain != DK_ERROR)
        return error->domain == G_OPTION_ERROR ? DK_EXIT_USAGE : DK_EXIT_FAILED;
    switch (error->code) {
    case DK_ERROR_USAGE:
        return DK_EXIT_USAGE;
    case DK_ERROR_CANCELLED:
        return DK_EXIT_INTERRUPTED;
    default:
        return DK_EXIT_FAILED;
    }
}

static void write_stdout(const char *text, gsize len, gpointer data)
{
    fwrite(text, 1, len, stdout);
}

DkOut *dk_tool_out(DkTool *tool)
{
    return dk_out_new(tool->json ? DK_OUT_JSON : DK_OUT_TEXT, tool->colour, write_stdout, NULL);
}

static void write_stderr(const char *text, gsize len, gpointer data)
{
    fwrite(text, 1, len, stderr);
}

DkOut *dk_tool_err_out(DkTool *tool)
{
    return dk_out_new(tool->json ? DK_OUT_JSON : DK_OUT_TEXT, FALSE, write_stderr, NULL);
}

static void on_signal(int number)
{
    g_atomic_int_set(&progress.cancelled, 1);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static gboolean count_verbose(const char *name, const char *value, gpointer data, GError **error)
{
    ((DkTool *)data)->verbosity++;
    return TRUE;
}

static int run_verb(const DkVerb *verb, char **argv)
{
    DkTool tool = {.verb = verb, .progress = &progress};
    const GOptionEntry shared[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &tool.json, "Print JSON", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &tool.quiet, "Print errors only", NULL},
        {"verbose", 'v', G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, (gpointer)count_verbose,
         "Print more; may be repeated", NULL},
        {"no-progress", 0, 0, G_OPTION_ARG_NONE, &tool.no_progress, "No progress line", NULL},
        {NULL},
    };
    g_autofree gpointer state = g_malloc0(verb->state_size + 1);
    tool.state = state;
    g_autoptr(GOptionContext) context = g_option_context_new(verb->synopsis);
    GOptionGroup *group = g_option_group_new(verb->name, "", "", &tool, NULL);
    g_option_group_add_entries(group, shared);
    if (verb->options)
        g_option_group_add_entries(group, verb->options(state));
    g_option_context_set_main_group(context, group);
    g_option_context_set_summary(context, verb->summary);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = g_strdupv(argv);
    if (!g_option_context_parse_strv(context, &words, &error))
        return dk_tool_fail(&tool, error);
    tool.no_progress = tool.no_progress || tool.quiet || !isatty(STDERR_FILENO);
    const char *no_colour = g_getenv("NO_COLOR");
    tool.colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour);
    catch_signals();
    char **args = words + 1;
    if (*args && g_str_equal(*args, "--"))
        args++;
    int status = verb->run(&tool, state, args);
    if (fflush(stdout) != 0 && status == DK_EXIT_DONE) {
        fprintf(stderr, "dumpkit %s: standard output: %m\n", verb->name);
        status = DK_EXIT_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    if (argc < 2) {
        run_verb(find_verb("help"), argv);
        return DK_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (g_str_equal(name, "--version") || g_str_equal(name, "-V"))
        name = "version";
    else if (g_str_equal(name, "--help") || g_str_equal(name, "-h"))
        name = "help";
    const DkVerb *verb = find_verb(name);
    if (!verb) {
        fprintf(stderr, "dumpkit: no verb \"%s\"; \"dumpkit help\" lists them\n", name);
        return DK_EXIT_USAGE;
    }
    return run_verb(verb, argv + 1);
}
