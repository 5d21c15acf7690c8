/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkVerb: a verb of the command line.  One const entry in a file verb-NAME.c of its own, called
 * dk_verb_NAME; its NAME stands in the Meson list `verbs` (src/tool/meson.build).
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "report/out.h"

/* Exit status of the program. */
enum {
    DK_EXIT_DONE = 0, /* done and complete */
    DK_EXIT_FAILED = 1,
    DK_EXIT_USAGE = 2,
    DK_EXIT_LACKS = 3, /* a result that lacks something; each missing thing was named */
    DK_EXIT_INTERRUPTED = 130,
};

typedef struct DkVerb DkVerb;

/* What main hands to a verb: the shared options and where to print. */
typedef struct {
    const DkVerb *verb;
    gboolean json;
    gboolean quiet;       /* -q */
    gint verbosity;       /* -v, counted */
    gboolean no_progress; /* --no-progress, or standard error is no terminal */
    gboolean colour;      /* standard output is a terminal and NO_COLOR is not set */
    DkProgress *progress; /* cancelled on SIGINT and SIGTERM */
    gpointer state;       /* the verb's own, for callbacks of its options, which get the DkTool */
} DkTool;

struct DkVerb {
    const char *name;
    const char *synopsis; /* what stands behind "dumpkit NAME" in the usage line */
    const char *summary;  /* one line */
    gboolean hidden;      /* not shown by help: for dumpkit's own use */
    /*
     * Options beside the shared ones; NULL for none.  The entries store into state, which is zeroed
     * and state_size bytes large; strings in it are the verb's to free.  An argument's description
     * of the form "snapshot|stop" is a list of the values that completion offers; "FILE" and "DIR"
     * complete paths.  options() may be called more than once.
     */
    const GOptionEntry *(*options)(gpointer state);
    gsize state_size;
    /* args: the remaining words, NULL-terminated.  Returns an exit status. */
    int (*run)(DkTool *tool, gpointer state, char **args);
};

/* All verbs, in the order of the Meson list, NULL-terminated. */
const DkVerb *const *dk_verbs(void);

/* The verb called name, or NULL. */
const DkVerb *dk_verb_by_name(const char *name);

/* Prints to standard error that there is no such verb, with the nearest one there is. */
void dk_verb_complain(const char *name);

/* How many entries dk_tool_options() fills in, the end included. */
#define DK_TOOL_OPTIONS 5

/* The options that all verbs share, storing into tool. */
void dk_tool_options(DkTool *tool, GOptionEntry options[DK_TOOL_OPTIONS]);

/* Prints "dumpkit VERB: message" to standard error and gives the exit status that fits the code. */
int dk_tool_fail(DkTool *tool, GError *error);

/* A DkOut on standard output in the mode that the options ask for. */
DkOut *dk_tool_out(DkTool *tool);
/* The same on standard error, for a verb whose standard output carries data. */
DkOut *dk_tool_err_out(DkTool *tool);
