/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* debug: the console, on a terminal with line editing, on a script, or for -c. */
#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "capture/coverage.h"
#include "console/command.h"
#include "tool/gap-json.h"
#include "tool/input-options.h"
#include "tool/verb.h"

#define HISTORY_LINES 1000
#define GAPS_SHOWN 6
#define COMPLETION_COLUMNS 78

typedef struct {
    DkInputOptions input;
    char **commands;
    char *sysroot;
    char *debug_path;
} State;

/* One run of the verb. */
typedef struct {
    DkTool *tool;
    DkTarget *target;
    DkConsole *console;
    DkOut *out;
    gboolean failed; /* a command did */
    EditLine *editor;
    char *prompt;
} Session;

/* What Ctrl-C stops. */
static DkProgress *interruptible;
static volatile sig_atomic_t interrupted;

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    static GOptionEntry entries[4 + DK_INPUT_OPTIONS];
    const GOptionEntry all[] = {
        {"command", 'c', 0, G_OPTION_ARG_STRING_ARRAY, &state->commands,
         "Run the commands and exit; may be repeated", "COMMANDS"},
        {"sysroot", 0, 0, G_OPTION_ARG_FILENAME, &state->sysroot,
         "Look for programs and libraries below DIR", "DIR"},
        {"debug-path", 0, 0, G_OPTION_ARG_STRING, &state->debug_path,
         "Where separate debug files are, as for eu-readelf", "PATH"},
        {NULL},
    };
    dk_input_options_entries(&state->input, entries);
    memcpy(entries + DK_INPUT_OPTIONS, all, sizeof all);
    return entries;
}

static DkTarget *open_target(char **paths, const State *state, GError **error)
{
    g_auto(DkOpened) opened = {0};
    if (!dk_input_options_open(&state->input, paths, &opened, error))
        return NULL;
    if (opened.source->subject->kind == DK_SUBJECT_MACHINE) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s: is the dump of a machine; debug opens those of processes", paths[0]);
        return NULL;
    }
    const char *servers = g_getenv("DEBUGINFOD_URLS");
    const DkSymOptions symbols = {
        .sysroot = state->sysroot,
        .debug_path = state->debug_path,
        .debuginfod = servers && *servers,
    };
    return dk_target_new(g_steal_pointer(&opened.source), &symbols);
}

/* Text of a dump, safe for a terminal. */
G_GNUC_PRINTF(2, 3)
static void say(Session *session, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *clean = dk_out_clean(text);
    dk_out_text(session->out, "%s\n", clean);
}

static void say_process(Session *session)
{
    const DkSubject *subject = dk_target_subject(session->target);
    const DkProcess *process = &subject->process;
    g_autoptr(GString) text = g_string_new("process");
    if (process->pid >= 0)
        g_string_append_printf(text, " %" G_GINT64_FORMAT, process->pid);
    const char *name = process->command ? process->command
                       : process->exe   ? process->exe
                                        : process->name;
    if (name)
        g_string_append_printf(text, ": %s", name);
    guint threads = process->threads->len, modules = process->modules->len;
    g_string_append_printf(text, "; %u thread%s, %u module%s", threads, threads == 1 ? "" : "s",
                           modules, modules == 1 ? "" : "s");
    say(session, "%s", text->str);
}

static void say_reason(Session *session)
{
    const DkException *exception = &dk_target_subject(session->target)->process.exception;
    g_autofree char *reason = dk_target_reason(session->target);
    if (!reason)
        return;
    for (guint i = 0; i < dk_target_nthreads(session->target); i++) {
        if (dk_target_thread(session->target, i)->tid == exception->tid) {
            say(session, "reason: %s, in thread %u (tid %u)", reason, i, exception->tid);
            return;
        }
    }
    say(session, "reason: %s", reason);
}

static void say_gap(Session *session, const DkGap *gap)
{
    g_autoptr(GString) text = g_string_new(NULL);
    if (gap->first <= gap->last) {
        g_autofree char *first = dk_target_format_va(session->target, gap->first);
        g_autofree char *last = dk_target_format_va(session->target, gap->last);
        g_string_append_printf(text, " %s to %s", first, last);
    }
    if (gap->tid)
        g_string_append_printf(text, "%s thread %u", text->len ? " of" : "", gap->tid);
    say(session, "the dump lacks: %s%s (%s)", gap->what, text->str, gap->why);
}

/* What failed, one by one; of what was meant to be so, how much. */
static void say_gaps(Session *session)
{
    const GPtrArray *gaps = dk_target_subject(session->target)->gaps;
    guint failures = 0;
    for (guint i = 0; i < gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(gaps, i);
        if (dk_gap_is_failure(gap) && ++failures <= GAPS_SHOWN)
            say_gap(session, gap);
    }
    if (failures > GAPS_SHOWN)
        say(session, "the dump lacks %u more things; \"dumpkit check\" names them",
            failures - GAPS_SHOWN);
    if (gaps->len > failures)
        say(session, "%u part%s left out on purpose; \"dumpkit check\" says which",
            gaps->len - failures, gaps->len - failures == 1 ? " was" : "s were");
}

static void greet(Session *session)
{
    if (session->tool->quiet)
        return;
    const DkSource *source = dk_target_source(session->target);
    const DkSubject *subject = dk_target_subject(session->target);
    say(session, "%s: %s dump, %s, %s%s%s", source->name, source->format ? source->format : "live",
        dk_os_name(subject->os), dk_machine_name(subject->machine),
        subject->origin.writer ? ", by " : "",
        subject->origin.writer ? subject->origin.writer : "");
    say_process(session);
    say_reason(session);
    say_gaps(session);
}

static void greet_json(Session *session)
{
    DkOut *out = session->out;
    const DkSource *source = dk_target_source(session->target);
    const DkSubject *subject = dk_target_subject(session->target);
    g_autofree char *reason = dk_target_reason(session->target);
    dk_out_string(out, "file", source->name);
    dk_out_string(out, "format", source->format);
    dk_out_string(out, "os", dk_os_name(subject->os));
    dk_out_string(out, "machine", dk_machine_name(subject->machine));
    dk_out_int(out, "pid", subject->process.pid);
    dk_out_string(out, "name", subject->process.name);
    dk_out_string(out, "exe", subject->process.exe);
    dk_out_int(out, "threads", subject->process.threads->len);
    dk_out_string(out, "reason", reason);
    dk_gaps_json(out, subject->gaps);
}

/* Errors were printed where the command's output goes. */
static void run_line(Session *session, const char *line)
{
    g_autoptr(GError) error = NULL;
    if (!dk_console_run(session->console, line, session->out, &error))
        session->failed = TRUE;
}

static gboolean is_cancelled(const Session *session)
{
    return g_atomic_int_get(&session->tool->progress->cancelled) != 0;
}

static gboolean goes_on(const Session *session)
{
    return !dk_console_done(session->console) && !is_cancelled(session);
}

static void run_commands(Session *session, char **commands)
{
    for (char **command = commands; *command && goes_on(session); command++)
        run_line(session, *command);
}

static void run_script(Session *session)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while (goes_on(session) && (len = getline(&line, &size, stdin)) > 0) {
        /* A NUL would hide what follows it on the line. */
        for (ssize_t i = 0; i < len; i++) {
            if (!line[i])
                line[i] = ' ';
        }
        run_line(session, line);
        fflush(stdout);
    }
    free(line);
}

static void on_interrupt(int number)
{
    interrupted = 1;
    g_atomic_int_set(&interruptible->cancelled, 1);
}

/*
 * The first Ctrl-C lets the running command end, the second one ends the program: a command can be
 * stuck in a library.  There is nothing to tidy up, so that other signals end it at once.
 */
static void catch_interrupt(Session *session)
{
    interruptible = session->tool->progress;
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    signal(SIGTERM, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
}

static const char *prompt_of(EditLine *editor)
{
    Session *session = NULL;
    el_get(editor, EL_CLIENTDATA, &session);
    return session->prompt;
}

/* The text that all words begin with; free with g_free(). */
static char *common_prefix(char **words)
{
    gsize len = strlen(words[0]);
    for (char **word = words + 1; *word; word++) {
        gsize same = 0;
        while (same < len && (*word)[same] == words[0][same])
            same++;
        len = same;
    }
    return g_strndup(words[0], len);
}

static void print_choices(char **words)
{
    gsize width = 1;
    for (char **word = words; *word; word++)
        width = MAX(width, strlen(*word) + 2);
    guint columns = MAX(1, (guint)(COMPLETION_COLUMNS / width)), column = 0;
    putchar('\n');
    for (char **word = words; *word; word++) {
        g_autofree char *clean = dk_out_clean(*word);
        gboolean last = ++column == columns || !word[1];
        printf("%-*s%s", last ? 0 : (int)width, clean, last ? "\n" : "");
        if (last)
            column = 0;
    }
}

static unsigned char complete(EditLine *editor, int key)
{
    Session *session = NULL;
    el_get(editor, EL_CLIENTDATA, &session);
    const LineInfo *info = el_line(editor);
    g_autofree char *line = g_strndup(info->buffer, info->cursor - info->buffer);
    g_auto(GStrv) words = dk_console_complete(session->console, line);
    if (!words[0])
        return CC_REFRESH_BEEP;
    g_autofree char *prefix = common_prefix(words);
    /* What of the prefix is typed already: its longest start that the line ends with. */
    gsize typed = MIN(strlen(prefix), strlen(line));
    while (typed && strncmp(line + strlen(line) - typed, prefix, typed) != 0)
        typed--;
    gboolean inserted = prefix[typed] && el_insertstr(editor, prefix + typed) == 0;
    if (!words[1]) {
        if (el_insertstr(editor, " ") != 0)
            return CC_ERROR;
        return CC_REFRESH;
    }
    if (inserted)
        return CC_REFRESH;
    print_choices(words);
    return CC_REDISPLAY;
}

/* One line of the terminal; NULL at Ctrl-D.  Ctrl-C gives an empty one. */
static const char *read_line(Session *session)
{
    int count = 0;
    interrupted = 0;
    const char *line = el_gets(session->editor, &count);
    if (line && count > 0 && !interrupted)
        return line;
    putchar('\n');
    if (!interrupted)
        return NULL;
    el_reset(session->editor);
    return "";
}

static void interact(Session *session)
{
    HistEvent event;
    History *past = history_init();
    session->editor = el_init("dumpkit", stdin, stdout, stderr);
    if (!past || !session->editor) {
        run_script(session);
    } else {
        history(past, &event, H_SETSIZE, HISTORY_LINES);
        history(past, &event, H_SETUNIQUE, 1);
        el_set(session->editor, EL_CLIENTDATA, session);
        el_set(session->editor, EL_PROMPT, prompt_of);
        el_set(session->editor, EL_EDITOR, "emacs");
        el_set(session->editor, EL_HIST, history, past);
        el_set(session->editor, EL_ADDFN, "dumpkit-complete", "complete the word", complete);
        el_set(session->editor, EL_BIND, "^I", "dumpkit-complete", NULL);
        el_set(session->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
        while (goes_on(session)) {
            g_free(session->prompt);
            session->prompt = dk_console_prompt(session->console);
            catch_interrupt(session);
            const char *line = read_line(session);
            if (!line)
                break;
            if (*line && *line != '\n') {
                history(past, &event, H_ENTER, line);
                run_line(session, line);
                fflush(stdout);
            }
            if (interrupted)
                g_atomic_int_set(&session->tool->progress->cancelled, 0);
        }
    }
    g_clear_pointer(&session->prompt, g_free);
    g_clear_pointer(&session->editor, el_end);
    if (past)
        history_end(past);
}

static int run_session(Session *session, const State *state, gboolean terminal)
{
    if (dk_out_is_json(session->out))
        greet_json(session);
    else
        greet(session);
    fflush(stdout);
    catch_interrupt(session);
    dk_out_begin_array(session->out, "results");
    if (state->commands) {
        run_commands(session, state->commands);
    } else if (terminal) {
        interact(session);
        return DK_EXIT_DONE;
    } else {
        run_script(session);
    }
    dk_out_end(session->out);
    if (is_cancelled(session))
        return DK_EXIT_INTERRUPTED;
    return session->failed ? DK_EXIT_FAILED : DK_EXIT_DONE;
}

static int run(DkTool *tool, gpointer data, char **args)
{
    State *state = data;
    gboolean terminal = !state->commands && isatty(STDIN_FILENO);
    int status = DK_EXIT_USAGE;
    if (!args[0]) {
        fprintf(stderr, "dumpkit debug: a dump file was expected\n");
    } else if (terminal && tool->json) {
        fprintf(stderr, "dumpkit debug: --json needs -c or commands on standard input\n");
    } else {
        g_autoptr(GError) error = NULL;
        g_autoptr(DkTarget) target = open_target(args, state, &error);
        if (!target) {
            status = dk_tool_fail(tool, error);
        } else {
            g_autoptr(DkConsole) console = dk_console_new(target);
            g_autoptr(DkOut) out = dk_tool_out(tool);
            dk_console_set_progress(console, tool->progress);
            Session session = {.tool = tool, .target = target, .console = console, .out = out};
            status = run_session(&session, state, terminal);
        }
    }
    dk_input_options_clear(&state->input);
    g_strfreev(state->commands);
    g_free(state->sysroot);
    g_free(state->debug_path);
    return status;
}

const DkVerb dk_verb_debug = {
    .name = "debug",
    .synopsis = "FILE... [-c COMMANDS]",
    .summary = "open a dump in a console with the commands of kd and WinDbg",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
