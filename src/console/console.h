/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What commands need beyond command.h: the console's state, and helpers to parse arguments that the
 * argument table cannot express, to read memory with holes, and to be interrupted.
 */
#pragma once

#include "console/command.h"
#include "console/expr.h"

#define DK_CONSOLE_TEMPS 20

struct DkConsole {
    DkTarget *target;     /* borrowed; may be NULL */
    DkProgress *progress; /* borrowed; may be NULL */
    gboolean done;
    int log_fd; /* -1: no log */
    char *log_name;
    const char *origin; /* the text of the command that runs; columns count from here */
    guint depth;        /* of dk_console_run() inside itself */

    const char *dump_word; /* the last d* command, static; NULL: none yet */
    guint64 dump_va;       /* where the next d* without an address goes on */
    gboolean code_valid;   /* u without an address goes on at code_va, else at the ip */
    guint64 code_va;
    guint64 last_value;              /* @$exp */
    guint64 temps[DK_CONSOLE_TEMPS]; /* @$t0 .. @$t19 */
};

/* FALSE with DK_ERROR_CANCELLED when the user wants the command to end; cheap. */
gboolean dk_console_tick(DkConsole *console, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The instruction pointer of the current thread. */
gboolean dk_console_ip(DkConsole *console, guint64 *va, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An address cut to the width of the target. */
guint64 dk_console_va(DkConsole *console, guint64 value);

/* Evaluates the expression at *at and moves behind it and the blanks that follow. */
gboolean dk_console_parse(DkConsole *console, const char **at, guint64 *value,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * As dk_console_parse() for a range: "addr", "addr Lcount", "addr L?count",
 * "addr addr", or "Lcount" alone (then `here` is set).
 */
gboolean dk_console_parse_range(DkConsole *console, const char **at, DkArgValue *range,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Takes the word at *at, up to a blank or inside double quotes, and moves behind it and the blanks
 * that follow.  NULL when nothing is left.  Free with g_free().
 */
char *dk_console_word(const char **at);

/* Sets DK_ERROR_USAGE with the column of at.  Always FALSE. */
gboolean dk_console_usage(DkConsole *console, const char *at, GError **error, const char *format,
                          ...) G_GNUC_PRINTF(4, 5);

/*
 * Reads len bytes at va; present[i] is 1 where buf[i] was there and 0 where it was not.  Returns
 * how many were there.
 */
gsize dk_console_fetch(DkConsole *console, guint64 va, guint8 *buf, guint8 *present, gsize len);

/* Whether the bytes of the run can be read. */
static inline gboolean dk_console_readable(const DkRun *run)
{
    return run->kind == DK_RUN_DATA || run->kind == DK_RUN_ZERO || run->kind == DK_RUN_FILE;
}

/* A little-endian integer of size bytes (1, 2, 4 or 8). */
guint64 dk_console_integer(const guint8 *bytes, guint size);

/* The command called word, by name or alias; NULL when there is none. */
const DkCommand *dk_command_by_word(const char *word);

/*
 * TRUE when text matches pattern, in which "*" stands for any characters and "?" for one; fold:
 * case does not count.  Works on bytes, since names in a dump need not be valid UTF-8.
 */
gboolean dk_console_glob(const char *pattern, const char *text, gboolean fold);

/* "[file @ line]" of a line; free with g_free(). */
char *dk_console_line_text(const DkLine *line);

/* In JSON mode, the members "file" and "line". */
void dk_console_line_json(DkOut *out, const DkLine *line);

/*
 * The thread specifier at *at behind "~": ".", "#", "*", a decimal number or "~[tid]" (hex).
 * TRUE with *all or *index; FALSE when none stands there or it names no thread.
 */
typedef struct {
    gboolean given;
    gboolean all;
    guint index;
} DkThreadSpec;
gboolean dk_console_thread_spec(DkConsole *console, const char **at, DkThreadSpec *spec,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;
