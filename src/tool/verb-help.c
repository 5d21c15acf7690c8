/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "tool/verb.h"

static void list_json(DkTool *tool)
{
    static const DkColumn columns[] = {{"name", "NAME", DK_CELL_LEFT, FALSE},
                                       {"summary", "SUMMARY", DK_CELL_LEFT, FALSE}};
    g_autoptr(DkOut) out = dk_tool_out(tool);
    dk_out_table_begin(out, "verbs", columns, G_N_ELEMENTS(columns));
    for (const DkVerb *const *verb = dk_verbs(); *verb; verb++) {
        if ((*verb)->hidden)
            continue;
        dk_out_table_cell(out, "%s", (*verb)->name);
        dk_out_table_cell(out, "%s", (*verb)->summary);
    }
    dk_out_table_end(out);
}

static void list_verbs(void)
{
    printf("usage: dumpkit VERB TARGET [options]\n\n");
    for (const DkVerb *const *verb = dk_verbs(); *verb; verb++) {
        if (!(*verb)->hidden)
            printf("  %-10s %s\n", (*verb)->name, (*verb)->summary);
    }
    printf("\n\"dumpkit VERB --help\" lists the options of a verb, \"dumpkit help VERB\" shows its "
           "manual.\n");
}

/*
 * A file of the manual, found from where the program stands: in the build tree (build/src/tool/ and
 * build/man/) or installed (bin/ and share/).  NULL when it is not there.
 */
static char *manual_file(const char *page, const char *build_suffix, const char *installed,
                         const char *suffix)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    if (!program)
        return NULL;
    g_autofree char *folder = g_path_get_dirname(program);
    g_autofree char *built = g_strdup_printf("%s/../../man/%s%s", folder, page, build_suffix);
    if (g_file_test(built, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&built);
    g_autofree char *placed = g_strdup_printf("%s/../%s/%s%s", folder, installed, page, suffix);
    if (g_file_test(placed, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&placed);
    return NULL;
}

static int show_manual(DkTool *tool, const char *page)
{
    g_autoptr(GError) error = NULL;
    /* man formats for a terminal and pages; elsewhere, and without man, the text is as good. */
    g_autofree char *manual = manual_file(page, ".1", "share/man/man1", ".1");
    if (isatty(STDOUT_FILENO) && manual) {
        execlp("man", "man", "-l", manual, (char *)NULL);
        if (errno != ENOENT) {
            dk_error_set_errno(&error, errno, "man");
            return dk_tool_fail(tool, error);
        }
    }
    g_autofree char *path = manual_file(page, ".txt", "share/dumpkit/help", ".txt");
    if (!path) {
        g_set_error(&error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "the manual page %s is not installed beside the program", page);
        return dk_tool_fail(tool, error);
    }
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error))
        return dk_tool_fail(tool, error);
    fputs(text, stdout);
    return DK_EXIT_DONE;
}

static int run(DkTool *tool, gpointer state, char **args)
{
    if (args[0] && args[1]) {
        fprintf(stderr, "dumpkit help: one verb at a time\n");
        return DK_EXIT_USAGE;
    }
    if (!args[0]) {
        if (tool->json)
            list_json(tool);
        else
            list_verbs();
        return DK_EXIT_DONE;
    }
    if (g_str_equal(args[0], "dumpkit"))
        return show_manual(tool, "dumpkit");
    const DkVerb *verb = dk_verb_by_name(args[0]);
    if (!verb || verb->hidden) {
        dk_verb_complain(args[0]);
        return DK_EXIT_USAGE;
    }
    g_autofree char *page = g_strconcat("dumpkit-", verb->name, NULL);
    return show_manual(tool, page);
}

const DkVerb dk_verb_help = {
    .name = "help",
    .synopsis = "[VERB]",
    .summary = "list the verbs, or show the manual of one",
    .run = run,
};
