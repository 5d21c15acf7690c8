/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Running lines: splitting them into commands, finding the command, parsing its arguments. */
#include "console/console.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "console/command-list.h"

#define ARGS_MAX 8
#define NESTING_MAX 4

#define DECLARE(name) extern const DkCommand dk_command_##name;
DK_COMMAND_LIST(DECLARE)

#define ENTRY(name) &dk_command_##name,
static const DkCommand *const commands[] = {DK_COMMAND_LIST(ENTRY) NULL};

const DkCommand *const *dk_commands(void)
{
    return commands;
}

const DkCommand *dk_command_by_word(const char *word)
{
    for (guint i = 0; commands[i]; i++) {
        if (g_str_equal(commands[i]->name, word))
            return commands[i];
        if (commands[i]->aliases && g_strv_contains(commands[i]->aliases, word))
            return commands[i];
    }
    return NULL;
}

DkConsole *dk_console_new(DkTarget *target)
{
    DkConsole *console = g_new0(DkConsole, 1);
    console->target = target;
    console->log_fd = -1;
    console->origin = "";
    return console;
}

void dk_console_free(DkConsole *console)
{
    if (!console)
        return;
    dk_fd_close(&console->log_fd);
    g_free(console->log_name);
    g_free(console);
}

DkTarget *dk_console_target(DkConsole *console)
{
    return console->target;
}

void dk_console_set_progress(DkConsole *console, DkProgress *progress)
{
    console->progress = progress;
}

gboolean dk_console_done(const DkConsole *console)
{
    return console->done;
}

char *dk_console_prompt(DkConsole *console)
{
    if (!console->target)
        return g_strdup("> ");
    return g_strdup_printf("0:%03u> ", dk_target_current(console->target));
}

static gboolean is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The end of a quoted piece that starts at at, or at itself when it is none. */
static const char *skip_quoted(const char *start, const char *at)
{
    if (*at == '"') {
        const char *end = at + 1;
        while (*end && *end != '"' && *end != '\n')
            end++;
        return *end == '"' ? end + 1 : at;
    }
    /* A character constant, and not the apostrophe of a word. */
    if (*at == '\'' && (at == start || !g_ascii_isalnum(at[-1]))) {
        for (guint i = 1; i <= 9 && at[i] && at[i] != '\n'; i++) {
            if (at[i] == '\'')
                return at + i + 1;
        }
    }
    return at;
}

/* TRUE for "~*e CMD" and the like: what follows is one command up to the end of the line. */
static gboolean takes_line(const char *at)
{
    if (*at != '~')
        return FALSE;
    at++;
    while (*at == '*' || *at == '.' || *at == '#' || g_ascii_isdigit(*at))
        at++;
    if (*at == '~' && at[1] == '[') {
        const char *end = strchr(at, ']');
        at = end ? end + 1 : at;
    }
    return *at == 'e' && is_blank(at[1]);
}

/* Takes the next command from *at; NULL at the end.  Free with g_free(). */
static char *next_command(const char **at)
{
    while (is_blank(**at) || **at == ';' || **at == '\n')
        (*at)++;
    if (!**at)
        return NULL;
    const char *start = *at;
    const char *end = start;
    gboolean whole = *start == '*' || takes_line(start);
    guint braces = 0;
    while (*end && *end != '\n' && (whole || *end != ';' || braces)) {
        const char *behind = skip_quoted(start, end);
        if (behind != end) {
            end = behind;
            continue;
        }
        if (*end == '{')
            braces++;
        else if (*end == '}' && braces)
            braces--;
        end++;
    }
    *at = end;
    while (end > start && is_blank(end[-1]))
        end--;
    return g_strndup(start, end - start);
}

/* The length of the command word that text begins with. */
static gsize word_length(const char *text)
{
    if (strchr("?~|*", *text))
        return 1;
    if (g_str_has_prefix(text, "$$"))
        return 2;
    gsize len = *text == '!' || *text == '.';
    while (g_ascii_isalnum(text[len]) || text[len] == '_')
        len++;
    return len;
}

/* Finds the command; also "k5" and "~0s", where an argument follows without a blank. */
static const DkCommand *find_command(const char *text, char **word)
{
    gsize len = word_length(text);
    g_autofree char *whole = g_strndup(text, len);
    const DkCommand *command = dk_command_by_word(whole);
    gsize letters = 0;
    while (letters < len && g_ascii_isalpha(whole[letters]))
        letters++;
    if (!command && letters && letters < len) {
        whole[letters] = 0;
        command = dk_command_by_word(whole);
    }
    if (command)
        *word = g_steal_pointer(&whole);
    return command;
}

/* kd's backslash rules do not hold in words: paths of Windows would need doubling. */
char *dk_console_word(const char **at)
{
    while (is_blank(**at))
        (*at)++;
    if (!**at)
        return NULL;
    const char *start = *at;
    char *word;
    if (*start == '"') {
        const char *end = strchr(start + 1, '"');
        word = end ? g_strndup(start + 1, end - start - 1) : g_strdup(start + 1);
        *at = end ? end + 1 : start + strlen(start);
    } else {
        while (**at && !is_blank(**at))
            (*at)++;
        word = g_strndup(start, *at - start);
    }
    while (is_blank(**at))
        (*at)++;
    return word;
}

gboolean dk_console_usage(DkConsole *console, const char *at, GError **error, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "column %d: %s", (int)(at - console->origin) + 1,
                text);
    return FALSE;
}

static gboolean parse_one(DkConsole *console, const DkArg *arg, const char **at, DkArgValue *value,
                          GPtrArray *words, GError **error)
{
    switch (arg->kind) {
    case DK_ARG_EXPRESSION:
        value->given = TRUE;
        return dk_console_parse(console, at, &value->value, error);
    case DK_ARG_RANGE:
        return dk_console_parse_range(console, at, value, error);
    case DK_ARG_WORD: {
        char *word = dk_console_word(at);
        g_ptr_array_add(words, word);
        value->given = TRUE;
        value->text = word;
        return TRUE;
    }
    case DK_ARG_REST:
        value->given = TRUE;
        value->text = *at;
        *at += strlen(*at);
        return TRUE;
    }
    g_assert_not_reached();
}

static gboolean parse_args(DkConsole *console, const DkCommand *command, const char *at,
                           DkArgValue *values, GPtrArray *words, GError **error)
{
    for (guint i = 0; command->args && command->args[i].name; i++) {
        g_assert(i < ARGS_MAX);
        while (is_blank(*at))
            at++;
        if (!*at && command->args[i].required)
            return dk_console_usage(console, at, error, "%s is missing; \".help %s\" tells more",
                                    command->args[i].name, command->name);
        if (*at && !parse_one(console, &command->args[i], &at, &values[i], words, error))
            return FALSE;
    }
    while (is_blank(*at))
        at++;
    if (*at)
        return dk_console_usage(console, at, error,
                                "nothing was expected here; \".help %s\" tells more",
                                command->name);
    return TRUE;
}

static gboolean check_needs(DkConsole *console, const DkCommand *command, GError **error)
{
    if ((command->needs & (DK_NEEDS_TARGET | DK_NEEDS_THREAD)) && !console->target) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "no dump is open");
        return FALSE;
    }
    DkRegs regs = {0};
    return !(command->needs & DK_NEEDS_THREAD) ||
           dk_target_regs(console->target, dk_target_current(console->target), &regs, error);
}

static gboolean run_command(DkConsole *console, const char *text, DkOut *out, GError **error)
{
    if (*text == '*' || g_str_has_prefix(text, "$$"))
        return TRUE;
    g_autofree char *word = NULL;
    const DkCommand *command = find_command(text, &word);
    if (!command) {
        g_autofree char *bad = dk_console_word(&(const char *){text});
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "no command \"%s\"; \".help\" lists the commands", bad);
        return FALSE;
    }
    DkArgValue values[ARGS_MAX] = {0};
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    return check_needs(console, command, error) &&
           parse_args(console, command, text + strlen(word), values, words, error) &&
           command->run(console, word, values, out, error);
}

static void print_error(DkOut *out, const GError *error)
{
    g_autofree char *clean = dk_out_clean(error->message);
    dk_out_text(out, "%serror:%s %s\n", dk_out_red(out), dk_out_reset(out), clean);
    dk_out_begin_object(out, "error");
    dk_out_string(out, "code", dk_error_code_name(error->code));
    dk_out_string(out, "message", error->message);
    dk_out_end(out);
}

/* One command as dk_console_run() has it: an object in JSON, errors printed. */
static gboolean run_shown(DkConsole *console, const char *text, DkOut *out, GError **error)
{
    const char *outer = console->origin;
    console->origin = text;
    dk_out_begin_object(out, NULL);
    dk_out_string(out, "command", text);
    g_autoptr(GError) failure = NULL;
    gboolean ok = run_command(console, text, out, &failure);
    if (!ok)
        print_error(out, failure);
    dk_out_end(out);
    console->origin = outer;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&failure));
    return ok;
}

static gboolean run_line(DkConsole *console, const char *line, DkOut *out, GError **error)
{
    g_autoptr(GError) first = NULL;
    const char *at = line;
    g_autofree char *text = NULL;
    while (!console->done && (text = next_command(&at))) {
        g_autoptr(GError) failure = NULL;
        gboolean ok = run_shown(console, text, out, &failure);
        g_clear_pointer(&text, g_free);
        gboolean stop = !ok && g_error_matches(failure, DK_ERROR, DK_ERROR_CANCELLED);
        if (!ok && (!first || stop)) {
            g_clear_error(&first);
            first = g_steal_pointer(&failure);
        }
        if (stop)
            break;
    }
    if (!first)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&first));
    return FALSE;
}

/* The way of text through the log to the caller's DkOut. */
typedef struct {
    DkConsole *console;
    DkOut *out;
} Tee;

static void write_log(DkConsole *console, const char *text, gsize len)
{
    /* A full disk must not end the session: the log ends instead, and .logclose says so. */
    if (console->log_fd >= 0 && dk_fd_write_all(console->log_fd, text, len) < 0)
        dk_fd_close(&console->log_fd);
}

static void tee(const char *text, gsize len, gpointer data)
{
    const Tee *way = data;
    dk_out_text(way->out, "%.*s", (int)len, text);
    write_log(way->console, text, len);
}

gboolean dk_console_run(DkConsole *console, const char *line, DkOut *out, GError **error)
{
    if (console->depth >= NESTING_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "commands are nested deeper than %d",
                    NESTING_MAX);
        return FALSE;
    }
    gboolean ok;
    console->depth++;
    if (console->depth > 1 || dk_out_is_json(out)) {
        ok = run_line(console, line, out, error);
    } else {
        g_autofree char *prompt = dk_console_prompt(console);
        write_log(console, prompt, strlen(prompt));
        write_log(console, line, strlen(line));
        write_log(console, "\n", 1);
        Tee way = {.console = console, .out = out};
        g_autoptr(DkOut) inner = dk_out_new(DK_OUT_TEXT, FALSE, tee, &way);
        ok = run_line(console, line, inner, error);
    }
    console->depth--;
    return ok;
}
