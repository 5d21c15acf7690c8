/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What expressions and ranges mean in a console; reading memory with holes. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

typedef struct {
    DkExprHost base;
    DkConsole *console;
} ConsoleHost;

gboolean dk_console_tick(DkConsole *console, GError **error)
{
    return dk_progress_tick(console->progress, 0, 0, error);
}

guint64 dk_console_va(DkConsole *console, guint64 value)
{
    if (console->target && dk_target_pointer_size(console->target) == 4)
        return value & G_MAXUINT32;
    return value;
}

static gboolean need_target(DkConsole *console, GError **error)
{
    if (console->target)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "no dump is open");
    return FALSE;
}

static gboolean current_regs(DkConsole *console, DkRegs *regs, GError **error)
{
    return need_target(console, error) &&
           dk_target_regs(console->target, dk_target_current(console->target), regs, error);
}

static gboolean numbered(const DkRegs *regs, guint number, guint64 *value, GError **error)
{
    if (!dk_regs_has(regs, number)) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "the dump does not hold this register");
        return FALSE;
    }
    *value = regs->value[number];
    return TRUE;
}

gboolean dk_console_ip(DkConsole *console, guint64 *va, GError **error)
{
    DkRegs regs = {0};
    return current_regs(console, &regs, error) &&
           numbered(&regs, dk_target_arch(console->target)->pc, va, error);
}

static gboolean return_address(DkConsole *console, guint64 *value, GError **error)
{
    if (!need_target(console, error))
        return FALSE;
    DkTarget *target = console->target;
    g_autofree char *why = NULL;
    g_autoptr(GArray) frames = dk_target_stack(target, dk_target_current(target), 2, &why, error);
    if (!frames)
        return FALSE;
    if (!frames->len || !g_array_index(frames, DkFrame, 0).return_va) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "the return address is not known");
        return FALSE;
    }
    *value = g_array_index(frames, DkFrame, 0).return_va;
    return TRUE;
}

/* @$t0 .. @$t19; NULL when name is another one. */
static guint64 *temporary(DkConsole *console, const char *name)
{
    guint64 number;
    if (g_str_has_prefix(name, "$t") &&
        g_ascii_string_to_unsigned(name + 2, 10, 0, DK_CONSOLE_TEMPS - 1, &number, NULL))
        return &console->temps[number];
    return NULL;
}

static gboolean pseudo_thread(DkConsole *console, const char *name, guint64 *value, GError **error)
{
    DkTarget *target = console->target;
    const DkThread *thread = dk_target_thread(target, dk_target_current(target));
    if (g_str_equal(name, "$tid") && thread)
        *value = thread->tid;
    else if (g_str_equal(name, "$teb") && thread && thread->teb_va)
        *value = thread->teb_va;
    else if (g_str_equal(name, "$tpid") && dk_target_subject(target)->process.pid >= 0)
        *value = (guint64)dk_target_subject(target)->process.pid;
    else if (g_str_equal(name, "$ptrsize"))
        *value = dk_target_pointer_size(target);
    else if (g_str_equal(name, "$pagesize"))
        *value = dk_target_subject(target)->page_size;
    else if (g_str_equal(name, "$exentry") && dk_target_auxv(target, 9 /* AT_ENTRY */, value))
        return TRUE;
    else {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "\"@%s\" is not known here", name);
        return FALSE;
    }
    return TRUE;
}

static gboolean pseudo(DkConsole *console, const char *name, guint64 *value, GError **error)
{
    const guint64 *temp = temporary(console, name);
    if (temp) {
        *value = *temp;
        return TRUE;
    }
    if (g_str_equal(name, "$exp")) {
        *value = console->last_value;
        return TRUE;
    }
    if (g_str_equal(name, "$ip") || g_str_equal(name, "$scopeip"))
        return dk_console_ip(console, value, error);
    if (g_str_equal(name, "$ra"))
        return return_address(console, value, error);
    DkRegs regs = {0};
    if (g_str_equal(name, "$csp"))
        return current_regs(console, &regs, error) &&
               numbered(&regs, dk_target_arch(console->target)->sp, value, error);
    return need_target(console, error) && pseudo_thread(console, name, value, error);
}

static gboolean host_name(DkExprHost *base, const char *name, gboolean at_sign, guint64 *value,
                          GError **error)
{
    DkConsole *console = ((ConsoleHost *)base)->console;
    if (g_str_equal(name, "."))
        return dk_console_ip(console, value, error);
    if (*name == '$')
        return pseudo(console, name, value, error);
    if (!need_target(console, error))
        return FALSE;
    guint thread = dk_target_current(console->target);
    if (at_sign)
        return dk_target_reg(console->target, thread, name, value, error);
    return dk_target_reg(console->target, thread, name, value, NULL) ||
           dk_target_resolve(console->target, name, value, error);
}

guint64 dk_console_integer(const guint8 *bytes, guint size)
{
    guint64 value = 0;
    for (guint i = 0; i < size; i++)
        value |= (guint64)bytes[i] << (i * 8);
    return value;
}

static gboolean host_read(DkExprHost *base, guint64 va, guint size, guint64 *value, GError **error)
{
    DkConsole *console = ((ConsoleHost *)base)->console;
    guint8 bytes[8];
    if (!need_target(console, error) ||
        !dk_space_read_all(dk_target_space(console->target), dk_console_va(console, va), bytes,
                           size, error))
        return FALSE;
    *value = dk_console_integer(bytes, size);
    return TRUE;
}

gboolean dk_console_parse(DkConsole *console, const char **at, guint64 *value, GError **error)
{
    ConsoleHost host = {
        .base = {.pointer_size = console->target ? dk_target_pointer_size(console->target) : 8,
                 .name = host_name,
                 .read = host_read},
        .console = console,
    };
    return dk_expr_parse(*at, console->origin, &host.base, at, value, error);
}

gboolean dk_console_evaluate(DkConsole *console, const char *expression, guint64 *value,
                             GError **error)
{
    const char *outer = console->origin;
    console->origin = expression;
    const char *at = expression;
    guint64 found;
    gboolean ok = dk_console_parse(console, &at, &found, error);
    if (ok && *at)
        ok = dk_console_usage(console, at, error, "an operator or the end was expected");
    console->origin = outer;
    if (ok)
        *value = found;
    return ok;
}

/* TRUE when the word at at is "L" with a count behind it. */
static gboolean is_length(const char *at)
{
    if (*at == 'L')
        return TRUE;
    return *at == 'l' && at[1] && (g_ascii_isxdigit(at[1]) || strchr("?@( ", at[1]));
}

/* "Lcount" or "L?count", of which "L" was seen. */
static gboolean parse_length(DkConsole *console, const char **at, DkArgValue *range, GError **error)
{
    const char *length = ++*at;
    if (**at == '?')
        ++*at;
    if (!dk_console_parse(console, at, &range->count, error))
        return FALSE;
    return range->count || dk_console_usage(console, length, error, "the length is zero");
}

gboolean dk_console_parse_range(DkConsole *console, const char **at, DkArgValue *range,
                                GError **error)
{
    range->given = TRUE;
    /* Behind "L" alone a symbol would be as good; a digit tells that it is none. */
    if (is_length(*at) && (g_ascii_isxdigit((*at)[1]) || (*at)[1] == '?')) {
        range->here = TRUE;
        return parse_length(console, at, range, error);
    }
    if (!dk_console_parse(console, at, &range->value, error))
        return FALSE;
    range->value = dk_console_va(console, range->value);
    if (is_length(*at))
        return parse_length(console, at, range, error);
    if (!**at)
        return TRUE;
    const char *second = *at;
    guint64 end_va;
    if (!dk_console_parse(console, at, &end_va, error))
        return FALSE;
    end_va = dk_console_va(console, end_va);
    if (end_va < range->value)
        return dk_console_usage(console, second, error, "the range ends before it starts");
    /* Both ends are inside, as kd has it. */
    range->count = end_va - range->value == G_MAXUINT64 ? G_MAXUINT64 : end_va - range->value + 1;
    range->bytes = TRUE;
    return TRUE;
}

/* The first address at or above va that can be read, or FALSE. */
static gboolean next_readable(DkSpace *space, guint64 va, guint64 *found)
{
    DkRun run;
    guint64 from = va;
    while (dk_space_next_run(space, from, &run)) {
        if (dk_console_readable(&run)) {
            *found = MAX(run.first, va);
            return TRUE;
        }
        if (run.last == G_MAXUINT64)
            return FALSE;
        from = run.last + 1;
    }
    return FALSE;
}

gsize dk_console_fetch(DkConsole *console, guint64 va, guint8 *buf, guint8 *present, gsize len)
{
    DkSpace *space = dk_target_space(console->target);
    gsize at = 0, there = 0;
    memset(present, 0, len);
    if (va > G_MAXUINT64 - (len ? len - 1 : 0))
        len = (gsize)(G_MAXUINT64 - va) + 1;
    while (at < len) {
        gsize done = dk_space_read(space, va + at, buf + at, len - at);
        memset(present + at, 1, done);
        there += done;
        at += done;
        if (at >= len)
            break;
        /*
         * The byte at `at` is not there.  The next that may be is that of the next run, or of the
         * next page: a space can hold bytes that its runs do not promise (files of modules).
         */
        guint64 next = ((va + at) | 4095) + 1, readable;
        if (next_readable(space, va + at, &readable) && readable > va + at)
            next = MIN(next, readable);
        at += (gsize)MIN(next - (va + at), len - at);
    }
    return there;
}

static gboolean same_char(char pattern, char c, gboolean fold)
{
    return pattern == '?' || pattern == c ||
           (fold && g_ascii_tolower(pattern) == g_ascii_tolower(c));
}

gboolean dk_console_glob(const char *pattern, const char *text, gboolean fold)
{
    /* Where to go on when the text behind the last star does not fit. */
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern && same_char(*pattern, *text, fold)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return FALSE;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

char *dk_console_line_text(const DkLine *line)
{
    g_autofree char *file = dk_out_clean(line->file);
    return g_strdup_printf("[%s @ %u]", file, line->line);
}

void dk_console_line_json(DkOut *out, const DkLine *line)
{
    dk_out_string(out, "file", line->file);
    dk_out_int(out, "line", line->line);
}
