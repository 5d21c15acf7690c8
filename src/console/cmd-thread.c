/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ~ ~Ns ~*k ~*e: the list of threads, and commands for some of them. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

static gboolean by_number(DkConsole *console, const char **at, DkThreadSpec *spec, GError **error)
{
    const char *start = *at;
    gboolean by_tid = g_str_has_prefix(start, "~[");
    char *end = NULL;
    guint64 number = g_ascii_strtoull(start + (by_tid ? 2 : 0), &end, by_tid ? 16 : 10);
    if (by_tid && (end == start + 2 || *end != ']'))
        return dk_console_usage(console, start, error,
                                "\"~[TID]\" with a hexadecimal TID was expected");
    *at = end + by_tid;
    spec->given = TRUE;
    guint count = dk_target_nthreads(console->target);
    for (guint i = 0; i < count; i++) {
        if (by_tid ? dk_target_thread(console->target, i)->tid == number : i == number) {
            spec->index = i;
            return TRUE;
        }
    }
    return dk_console_usage(console, start, error, "there is no such thread; \"~\" lists the %u",
                            count);
}

/* The thread that made the dump happen: by the exception's tid, else the first. */
static guint trigger_thread(DkTarget *target)
{
    const DkException *exception = &dk_target_subject(target)->process.exception;
    for (guint i = 0; exception->valid && i < dk_target_nthreads(target); i++) {
        if (dk_target_thread(target, i)->tid == exception->tid)
            return i;
    }
    return 0;
}

gboolean dk_console_thread_spec(DkConsole *console, const char **at, DkThreadSpec *spec,
                                GError **error)
{
    *spec = (DkThreadSpec){.index = dk_target_current(console->target)};
    switch (**at) {
    case '.':
        spec->given = TRUE;
        ++*at;
        break;
    case '#':
        spec->given = TRUE;
        spec->index = trigger_thread(console->target);
        ++*at;
        break;
    case '*':
        spec->given = spec->all = TRUE;
        ++*at;
        break;
    default:
        if (g_ascii_isdigit(**at) || **at == '~')
            return by_number(console, at, spec, error);
    }
    return TRUE;
}

static char marker(DkTarget *target, guint index)
{
    if (index == dk_target_current(target))
        return '.';
    const DkException *exception = &dk_target_subject(target)->process.exception;
    return exception->valid && exception->tid == dk_target_thread(target, index)->tid ? '#' : ' ';
}

static void show_text(DkTarget *target, guint index, DkOut *out)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkThread *thread = dk_target_thread(target, index);
    dk_out_text(out, "%c%3u  Id: %" G_GINT64_MODIFIER "x.%x", marker(target, index), index,
                (guint64)MAX(subject->process.pid, 0), thread->tid);
    if (subject->os == DK_OS_WINDOWS) {
        g_autofree char *teb = dk_target_format_va(target, thread->teb_va);
        dk_out_text(out, " Suspend: %u Teb: %s %s", thread->suspended, teb,
                    thread->suspended > 1 ? "Frozen" : "Unfrozen");
    } else {
        dk_out_text(out, " Tid: 0n%u", thread->tid);
        if (thread->state)
            dk_out_text(out, " State: %c", g_ascii_isprint(thread->state) ? thread->state : '?');
    }
    if (thread->name && *thread->name) {
        g_autofree char *name = dk_out_clean(thread->name);
        dk_out_text(out, " \"%s\"", name);
    }
    if (thread->signal && subject->os != DK_OS_WINDOWS)
        dk_out_text(out, " Signal: %d", thread->signal);
    if (thread->missing) {
        g_autofree char *missing = dk_out_clean(thread->missing);
        dk_out_text(out, " (no registers: %s)", missing);
    }
    dk_out_text(out, "\n");
}

static void show_json(DkTarget *target, guint index, DkOut *out)
{
    const DkThread *thread = dk_target_thread(target, index);
    char state[2] = {thread->state, 0};
    dk_out_int(out, "thread", index);
    dk_out_int(out, "tid", thread->tid);
    dk_out_string(out, "name", thread->name);
    dk_out_string(out, "state", thread->state ? state : NULL);
    dk_out_int(out, "signal", thread->signal);
    dk_out_bool(out, "current", index == dk_target_current(target));
    if (thread->teb_va)
        dk_out_hex(out, "teb", thread->teb_va);
    dk_out_string(out, "missing", thread->missing);
}

static gboolean list(DkConsole *console, guint first, guint last, DkOut *out, GError **error)
{
    gboolean ok = TRUE;
    dk_out_begin_array(out, "threads");
    for (guint i = first; ok && i <= last && i < dk_target_nthreads(console->target); i++) {
        show_text(console->target, i, out);
        dk_out_begin_object(out, NULL);
        show_json(console->target, i, out);
        dk_out_end(out);
        ok = dk_console_tick(console, error);
    }
    dk_out_end(out);
    return ok;
}

/* Runs text in each thread of the range, the first error is the result; then goes back. */
static gboolean run_in(DkConsole *console, guint first, guint last, const char *text,
                       gboolean titled, DkOut *out, GError **error)
{
    DkTarget *target = console->target;
    guint before = dk_target_current(target);
    g_autoptr(GError) failure = NULL;
    guint failed = 0;
    gboolean cancelled = FALSE;
    dk_out_begin_array(out, "threads");
    for (guint i = first; !cancelled && i <= last && i < dk_target_nthreads(target); i++) {
        g_autoptr(GError) local = NULL;
        if (titled) {
            dk_out_text(out, "\n");
            show_text(target, i, out);
        }
        dk_out_begin_object(out, NULL);
        show_json(target, i, out);
        dk_out_begin_array(out, "results");
        if (!dk_target_set_current(target, i, &local) ||
            !dk_console_run(console, text, out, &local)) {
            failed++;
            cancelled = g_error_matches(local, DK_ERROR, DK_ERROR_CANCELLED);
            if (!failure || cancelled) {
                g_clear_error(&failure);
                failure = g_steal_pointer(&local);
            }
        }
        dk_out_end(out);
        dk_out_end(out);
        if (!cancelled && !dk_console_tick(console, &local))
            cancelled = TRUE;
    }
    dk_out_end(out);
    if (!dk_target_set_current(target, before, NULL))
        g_assert_not_reached();
    if (!failure)
        return TRUE;
    if (first != last)
        g_prefix_error(&failure, "in %u of %u threads: ", failed, last - first + 1);
    g_propagate_error(error, g_steal_pointer(&failure));
    return FALSE;
}

static gboolean select_thread(DkConsole *console, guint index, DkOut *out, GError **error)
{
    if (!dk_target_set_current(console->target, index, error))
        return FALSE;
    console->code_valid = FALSE;
    show_text(console->target, index, out);
    dk_out_begin_object(out, "selected");
    show_json(console->target, index, out);
    dk_out_end(out);
    guint64 ip;
    if (dk_console_ip(console, &ip, NULL)) {
        g_autofree char *where = dk_target_describe(console->target, ip);
        g_autofree char *clean = dk_out_clean(where);
        dk_out_text(out, "%s\n", clean);
    }
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    const char *at = args[0].given ? args[0].text : "";
    DkThreadSpec spec;
    if (!dk_console_thread_spec(console, &at, &spec, error))
        return FALSE;
    guint count = dk_target_nthreads(console->target);
    if (!count) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "the dump has no threads");
        return FALSE;
    }
    guint first = spec.all || !spec.given ? 0 : spec.index;
    guint last = spec.all || !spec.given ? count - 1 : spec.index;
    while (*at == ' ')
        at++;
    if (!*at)
        return list(console, first, last, out, error);
    if (!spec.given)
        return dk_console_usage(
            console, at, error,
            "a thread was expected: a number, \"*\", \".\", \"#\" or \"~[TID]\"");
    if (*at == 's' && !at[1] && !spec.all)
        return select_thread(console, spec.index, out, error);
    gboolean each = *at == 'e' && at[1] == ' ';
    return run_in(console, first, last, each ? at + 2 : at, !each, out, error);
}

static const DkArg args[] = {
    {"[THREAD][s | COMMAND | e COMMANDS]", DK_ARG_REST, FALSE, "which thread, and what to do"},
    {NULL},
};

const DkCommand dk_command_thread = {
    .name = "~",
    .summary = "list threads, select one, run a command in some",
    .help = "Without a word the threads are listed: \".\" marks the current one, \"#\" the one "
            "that the\n"
            "dump was made for; Id is the process and thread number in hexadecimal.  THREAD is a "
            "decimal\n"
            "number of that list, \"*\" for all, \".\" for the current one, \"#\", or \"~[TID]\" "
            "with the\n"
            "system's hexadecimal thread number.  \"s\" makes it the current one.  A command "
            "behind it runs\n"
            "in it, under a line that names the thread; \"e\" takes the rest of the line and "
            "prints no such\n"
            "line.\n"
            "\n"
            "Example: ~3s; r; ~*k",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
