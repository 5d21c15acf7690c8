/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The entry of the program: finds the verb, parses its options with the shared ones, runs it. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/progress-line.h"
#include "tool/verb-list.h"
#include "tool/verb.h"

#define DECLARE(name) extern const DkVerb dk_verb_##name;
DK_VERB_LIST(DECLARE)

#define ENTRY(name) &dk_verb_##name,
static const DkVerb *const verbs[] = {DK_VERB_LIST(ENTRY) NULL};

static DkProgressLine line;

const DkVerb *const *dk_verbs(void)
{
    return verbs;
}

const DkVerb *dk_verb_by_name(const char *name)
{
    for (guint i = 0; verbs[i]; i++) {
        if (g_str_equal(verbs[i]->name, name))
            return verbs[i];
    }
    return NULL;
}

/* Levenshtein's distance, with a swap of neighbours as one step. */
static guint distance(const char *a, const char *b)
{
    gsize rows = strlen(a) + 1, columns = strlen(b) + 1;
    g_autofree guint *cells = g_new0(guint, rows * columns);
    for (gsize i = 0; i < rows; i++) {
        for (gsize j = 0; j < columns; j++) {
            guint *cell = &cells[i * columns + j];
            if (i == 0 || j == 0) {
                *cell = (guint)(i + j);
                continue;
            }
            guint swap = cell[-1 - (gssize)columns] + (a[i - 1] != b[j - 1]);
            *cell = MIN(swap, 1 + MIN(cell[-1], cell[-(gssize)columns]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                *cell = MIN(*cell, 1 + cell[-2 - 2 * (gssize)columns]);
        }
    }
    return cells[rows * columns - 1];
}

void dk_verb_complain(const char *name)
{
    const char *nearest = NULL;
    guint least = 3;
    g_autofree char *shown = dk_out_clean(name);
    if (*name == '-') {
        fprintf(stderr, "dumpkit: the verb comes first: dumpkit VERB %s ...\n", shown);
        return;
    }
    for (guint i = 0; verbs[i] && strlen(name) < 32; i++) {
        guint steps = g_str_has_prefix(verbs[i]->name, name) ? 0 : distance(name, verbs[i]->name);
        if (!verbs[i]->hidden && steps < least && steps < strlen(verbs[i]->name)) {
            nearest = verbs[i]->name;
            least = steps;
        }
    }
    fprintf(stderr, "dumpkit: no verb \"%s\"; ", shown);
    if (nearest)
        fprintf(stderr, "is \"%s\" meant?\n", nearest);
    else
        fprintf(stderr, "\"dumpkit help\" lists them\n");
}

int dk_tool_fail(DkTool *tool, GError *error)
{
    dk_progress_line_erase(&line);
    g_auto(GStrv) lines = g_strsplit(error->message, "\n", -1);
    fprintf(stderr, "dumpkit %s: ", tool->verb->name);
    for (guint i = 0; lines[i]; i++) {
        g_autofree char *clean = dk_out_clean(lines[i]);
        fprintf(stderr, "%s\n", clean);
    }
    if (error->domain == G_OPTION_ERROR) {
        fprintf(stderr, "\"dumpkit %s --help\" lists the options\n", tool->verb->name);
        return DK_EXIT_USAGE;
    }
    if (error->domain != DK_ERROR)
        return DK_EXIT_FAILED;
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
    dk_progress_line_erase(&line);
    fwrite(text, 1, len, stdout);
}

DkOut *dk_tool_out(DkTool *tool)
{
    return dk_out_new(tool->json ? DK_OUT_JSON : DK_OUT_TEXT, tool->colour, write_stdout, NULL);
}

static void write_stderr(const char *text, gsize len, gpointer data)
{
    dk_progress_line_erase(&line);
    fwrite(text, 1, len, stderr);
}

DkOut *dk_tool_err_out(DkTool *tool)
{
    return dk_out_new(tool->json ? DK_OUT_JSON : DK_OUT_TEXT, FALSE, write_stderr, NULL);
}

static void on_signal(int number)
{
    g_atomic_int_set(&line.progress.cancelled, 1);
}

/*
 * The first signal asks for an end, the second one of its kind ends the program at once: files that
 * are not whole have no name yet, and the tracer lets its target go.
 */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* A write above RLIMIT_FSIZE shall fail instead; see io/output.h. */
    signal(SIGXFSZ, SIG_IGN);
}

static gboolean count_verbose(const char *name, const char *value, gpointer data, GError **error)
{
    ((DkTool *)data)->verbosity++;
    return TRUE;
}

void dk_tool_options(DkTool *tool, GOptionEntry options[DK_TOOL_OPTIONS])
{
    const GOptionEntry shared[DK_TOOL_OPTIONS] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &tool->json, "Print JSON", NULL},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &tool->quiet, "Print errors only", NULL},
        {"verbose", 'v', G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, (gpointer)count_verbose,
         "Print more; may be repeated", NULL},
        {"no-progress", 0, 0, G_OPTION_ARG_NONE, &tool->no_progress, "Show no progress line", NULL},
        {NULL},
    };
    memcpy(options, shared, sizeof shared);
}

static GOptionContext *option_context(DkTool *tool, gpointer state)
{
    const DkVerb *verb = tool->verb;
    g_autofree char *program = g_strconcat("dumpkit ", verb->name, NULL);
    g_set_prgname(program);
    GOptionContext *context = g_option_context_new(verb->synopsis);
    GOptionGroup *group = g_option_group_new(verb->name, "", "", tool, NULL);
    if (verb->options)
        g_option_group_add_entries(group, verb->options(state));
    GOptionEntry shared[DK_TOOL_OPTIONS];
    dk_tool_options(tool, shared);
    g_option_group_add_entries(group, shared);
    g_option_context_set_main_group(context, group);
    g_autofree char *summary = g_strdup_printf("%c%s%s", g_ascii_toupper(*verb->summary),
                                               verb->summary + 1,
                                               g_str_has_suffix(verb->summary, "?") ? "" : ".");
    g_option_context_set_summary(context, summary);
    if (!verb->hidden) {
        g_autofree char *more = g_strdup_printf("\"dumpkit help %s\" shows the manual.",
                                                verb->name);
        g_option_context_set_description(context, more);
    }
    return context;
}

static void settle_terminal(DkTool *tool)
{
    tool->no_progress = tool->no_progress || tool->quiet || !isatty(STDERR_FILENO);
    if (!tool->no_progress)
        dk_progress_line_start(&line, STDERR_FILENO, tool->verb->name);
    const char *no_colour = g_getenv("NO_COLOR");
    tool->colour = isatty(STDOUT_FILENO) && !(no_colour && *no_colour) &&
                   g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

static int run_verb(const DkVerb *verb, char **argv)
{
    DkTool tool = {.verb = verb, .progress = &line.progress};
    g_autofree gpointer state = g_malloc0(verb->state_size + 1);
    tool.state = state;
    g_autoptr(GOptionContext) context = option_context(&tool, state);
    g_autoptr(GError) error = NULL;
    /* GOption may drop words from the vector that it is given, which then would leak. */
    g_auto(GStrv) words = g_strdupv(argv);
    if (!g_option_context_parse_strv(context, &words, &error))
        return dk_tool_fail(&tool, error);
    settle_terminal(&tool);
    catch_signals();
    char **args = words + 1;
    if (*args && g_str_equal(*args, "--"))
        args++;
    int status = verb->run(&tool, state, args);
    dk_progress_line_erase(&line);
    if (fflush(stdout) != 0 && status == DK_EXIT_DONE) {
        /* A reader such as head(1) that has seen enough is no news. */
        if (errno != EPIPE)
            fprintf(stderr, "dumpkit %s: standard output: %m\n", verb->name);
        status = DK_EXIT_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    if (argc < 2) {
        fprintf(stderr, "usage: dumpkit VERB TARGET [options]\n"
                        "\"dumpkit help\" lists the verbs\n");
        return DK_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (g_str_equal(name, "--version") || g_str_equal(name, "-V"))
        name = "version";
    else if (g_str_equal(name, "--help") || g_str_equal(name, "-h"))
        name = "help";
    const DkVerb *verb = dk_verb_by_name(name);
    if (!verb) {
        dk_verb_complain(name);
        return DK_EXIT_USAGE;
    }
    return run_verb(verb, argv + 1);
}
