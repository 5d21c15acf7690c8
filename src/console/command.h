/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkCommand: a command of the console.  One const entry in a file cmd-NAME.c of its own, called
 * dk_command_NAME; its NAME stands in the Meson list `commands` (src/console/meson.build), which
 * makes the table.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "report/out.h"
#include "target/target.h"

typedef struct DkConsole DkConsole;
typedef struct DkCommand DkCommand;

typedef enum {
    DK_ARG_EXPRESSION, /* MASM expression, gives an address or number */
    DK_ARG_RANGE,      /* "addr", "addr Lcount", "addr addr" or "Lcount": address and count */
    DK_ARG_WORD,       /* one word, as it stands */
    DK_ARG_REST,       /* the rest of the line, as it stands */
} DkArgKind;

typedef struct {
    const char *name; /* as the synopsis shows it; NULL ends the table */
    DkArgKind kind;
    gboolean required;
    const char *help;
} DkArg;

typedef enum {
    DK_NEEDS_NOTHING = 0,
    DK_NEEDS_TARGET = 1 << 0, /* a dump or live target is open */
    DK_NEEDS_THREAD = 1 << 1, /* with a current thread that has registers */
} DkNeeds;

/* Parsed arguments, in the order of the table; value is meaningful where given is set. */
typedef struct {
    gboolean given;
    guint64 value;    /* DK_ARG_EXPRESSION, DK_ARG_RANGE: the address */
    guint64 count;    /* DK_ARG_RANGE: objects after L, or bytes of "addr addr"; 0: not given */
    gboolean bytes;   /* DK_ARG_RANGE: count is bytes (two addresses were given) */
    gboolean here;    /* DK_ARG_RANGE: only a count was given, value is not meaningful */
    const char *text; /* DK_ARG_WORD, DK_ARG_REST: lent until the command ends */
} DkArgValue;

struct DkCommand {
    const char *name;           /* "k" */
    const char *const *aliases; /* other words that run it ("kb", "kn"), NULL-terminated; or NULL */
    const char *summary;        /* one line */
    const char *help;           /* prose; ends with an example */
    const DkArg *args;          /* or NULL */
    guint needs;                /* DkNeeds */
    /*
     * word is the name or alias that was typed.  Prints through out, whose open JSON object is the
     * command's own.  FALSE with an error when it could not do its job; what was printed until then
     * stands, and every array and object it began is ended.
     */
    gboolean (*run)(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error);
};

/* All commands, in the order of the Meson list, NULL-terminated. */
const DkCommand *const *dk_commands(void);

/* A console on target, which it borrows and which may be NULL. */
DkConsole *dk_console_new(DkTarget *target);
void dk_console_free(DkConsole *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkConsole, dk_console_free)

DkTarget *dk_console_target(DkConsole *console);

/*
 * Lends the console what long commands look at to see that they shall end (DK_ERROR_CANCELLED);
 * NULL: nothing ends them.
 */
void dk_console_set_progress(DkConsole *console, DkProgress *progress);

/*
 * Runs a line: commands separated by ";" or newlines, quotes and braces respected; "*" comments the
 * rest of the line out, "$$" what is before the next ";".  Goes on after a failed command, but not
 * after a cancelled one; the result is FALSE with the first error when any failed.  Each error was
 * also printed to out.  `q` sets what dk_console_done() answers.
 *
 * In JSON mode an array has to be open in out.  Each command adds an object to it: "command" is the
 * text, "error" is {"code", "message"} when it failed, the rest is the command's own.
 */
gboolean dk_console_run(DkConsole *console, const char *line, DkOut *out,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_console_done(const DkConsole *console);

/* The prompt, such as "0:003> ".  Free with g_free(). */
char *dk_console_prompt(DkConsole *console);

/* Completions of the word that ends at the end of line: NULL-terminated, free with g_strfreev(). */
char **dk_console_complete(DkConsole *console, const char *line);

/*
 * Evaluates a MASM expression in the console's context: default radix 16, 0n 0x 0t 0y, symbols and
 * mod!symbol, @reg and reg, poi() dwo() wo() by() qwo(), operators as MASM has them, 'abcd' char
 * constants, 00007ff0`12345678.  DK_ERROR_USAGE with the column for a syntax error.
 */
gboolean dk_console_evaluate(DkConsole *console, const char *expression, guint64 *value,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
