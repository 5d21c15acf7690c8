/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* s: search memory. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

#define PATTERN_MAX_BYTES 4096
#define MATCHES_MAX 65536
#define BLOCK_BYTES (256 * 1024)
#define SHOWN_BYTES 16

typedef struct {
    DkConsole *console;
    DkOut *out;
    char kind;          /* b w d q a u */
    gboolean addresses; /* -[1]: nothing but addresses */
    GByteArray *pattern;
    guint64 matches;
} Searcher;

static guint unit_of(char kind)
{
    switch (kind) {
    case 'w':
    case 'u':
        return 2;
    case 'd':
        return 4;
    case 'q':
        return 8;
    default:
        return 1;
    }
}

/* "-b", "-[1]d": *at is moved behind it; without it the search is for bytes. */
static gboolean parse_kind(Searcher *searcher, const char **at, GError **error)
{
    const char *start = *at;
    searcher->kind = 'b';
    if (*start != '-')
        return TRUE;
    const char *cursor = start + 1;
    if (*cursor == '[') {
        const char *end = strchr(cursor, ']');
        if (!end)
            return dk_console_usage(searcher->console, cursor, error, "\"]\" is missing");
        searcher->addresses = memchr(cursor, '1', end - cursor) != NULL;
        cursor = end + 1;
    }
    if (!*cursor || !strchr("bwdqau", *cursor) || (cursor[1] && cursor[1] != ' '))
        return dk_console_usage(searcher->console, cursor, error,
                                "b, w, d, q, a or u was expected behind \"-\"");
    searcher->kind = *cursor++;
    while (*cursor == ' ')
        cursor++;
    *at = cursor;
    return TRUE;
}

static void append_unit(GByteArray *pattern, guint64 value, guint size)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> (i * 8));
        g_byte_array_append(pattern, &byte, 1);
    }
}

/* Text in quotes, or up to the end. */
static gboolean parse_text(Searcher *searcher, const char *at, GError **error)
{
    gsize len = strlen(at);
    if (*at == '"') {
        const char *end = strrchr(at + 1, '"');
        if (!end || end[1])
            return dk_console_usage(searcher->console, at, error, "no closing quote at the end");
        at++;
        len = end - at;
    }
    if (searcher->kind == 'a') {
        g_byte_array_append(searcher->pattern, (const guint8 *)at, len);
        return TRUE;
    }
    glong units = 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(at, (glong)len, NULL, &units, NULL);
    if (!wide)
        return dk_console_usage(searcher->console, at, error, "the text is not valid UTF-8");
    for (glong i = 0; i < units; i++)
        append_unit(searcher->pattern, wide[i], 2);
    return TRUE;
}

static gboolean parse_pattern(Searcher *searcher, const char *at, GError **error)
{
    guint unit = unit_of(searcher->kind);
    if (searcher->kind == 'a' || searcher->kind == 'u') {
        if (!parse_text(searcher, at, error))
            return FALSE;
        at += strlen(at);
    }
    while (*at) {
        const char *start = at;
        guint64 value;
        if (*at == '"') {
            g_autofree char *word = dk_console_word(&at);
            for (const char *c = word; *c; c++)
                append_unit(searcher->pattern, (guchar)*c, unit);
            continue;
        }
        if (!dk_console_parse(searcher->console, &at, &value, error))
            return FALSE;
        if (unit < 8 && value >> (unit * 8))
            return dk_console_usage(searcher->console, start, error,
                                    "the value does not fit in %u byte%s", unit,
                                    unit == 1 ? "" : "s");
        append_unit(searcher->pattern, value, unit);
        if (searcher->pattern->len > PATTERN_MAX_BYTES)
            break;
    }
    if (!searcher->pattern->len)
        return dk_console_usage(searcher->console, at, error, "what to search for is missing");
    if (searcher->pattern->len > PATTERN_MAX_BYTES)
        return dk_console_usage(searcher->console, at, error, "the pattern is longer than %d bytes",
                                PATTERN_MAX_BYTES);
    return TRUE;
}

/* The row of memory that begins with the match, as the d command of the same kind shows it. */
static void show_match(Searcher *searcher, guint64 va)
{
    DkOut *out = searcher->out;
    searcher->matches++;
    if (dk_out_is_json(out)) {
        dk_out_hex(out, NULL, va);
        return;
    }
    g_autofree char *address = dk_target_format_va(searcher->console->target, va);
    if (searcher->addresses) {
        dk_out_text(out, "%s\n", address);
        return;
    }
    guint8 bytes[SHOWN_BYTES], present[SHOWN_BYTES];
    dk_console_fetch(searcher->console, va, bytes, present, sizeof bytes);
    guint unit = unit_of(searcher->kind);
    g_autoptr(GString) row = g_string_new(address);
    g_string_append_c(row, ' ');
    for (guint i = 0; i < SHOWN_BYTES; i += unit) {
        g_string_append_c(row, unit == 1 && i == 8 ? '-' : ' ');
        guint64 value = dk_console_integer(bytes + i, unit);
        if (memchr(present + i, 0, unit))
            g_string_append_printf(row, "%.*s", (int)unit * 2, "????????????????");
        else if (unit == 8)
            g_string_append_printf(row, "%08x`%08x", (guint32)(value >> 32), (guint32)value);
        else
            g_string_append_printf(row, "%0*" G_GINT64_MODIFIER "x", (int)unit * 2, value);
    }
    g_string_append(row, "  ");
    for (guint i = 0; i < SHOWN_BYTES; i++)
        g_string_append_c(row, !present[i]                 ? '?'
                               : g_ascii_isprint(bytes[i]) ? (char)bytes[i]
                                                           : '.');
    dk_out_text(out, "%s\n", row->str);
}

/* Searches len bytes at va, of which the match has to begin in the first `starts`. */
static gboolean search_block(Searcher *searcher, guint64 va, const guint8 *data, gsize len,
                             gsize starts)
{
    const GByteArray *pattern = searcher->pattern;
    const guint8 *from = data;
    while (searcher->matches < MATCHES_MAX && from < data + len) {
        const guint8 *hit = memmem(from, data + len - from, pattern->data, pattern->len);
        if (!hit || (gsize)(hit - data) >= starts)
            return TRUE;
        show_match(searcher, va + (guint64)(hit - data));
        from = hit + 1;
    }
    return searcher->matches < MATCHES_MAX;
}

/* One run of memory that is there, first..last, both inside. */
static gboolean search_run(Searcher *searcher, guint64 first, guint64 last, guint8 *block,
                           gboolean *full, GError **error)
{
    gsize overlap = searcher->pattern->len - 1;
    guint64 va = first;
    for (;;) {
        gsize want = (gsize)MIN(last - va, BLOCK_BYTES - 1) + 1;
        gsize tail = (gsize)MIN(last - va - (want - 1), overlap);
        gsize got = dk_space_read(dk_target_space(searcher->console->target), va, block,
                                  want + tail);
        if (!search_block(searcher, va, block, got, want)) {
            *full = TRUE;
            return TRUE;
        }
        if (!dk_console_tick(searcher->console, error))
            return FALSE;
        /* A page that cannot be read is stepped over. */
        gsize step = got ? MIN(got, want) : (gsize)MIN(want, 4096 - (va & 4095));
        if (last - va < step)
            return TRUE;
        va += step;
        if (va > last)
            return TRUE;
    }
}

/* Neighbouring runs that can be read are one, so that a match may lie across. */
static gboolean search_range(Searcher *searcher, guint64 first, guint64 last, gboolean *full,
                             GError **error)
{
    DkSpace *space = dk_target_space(searcher->console->target);
    g_autofree guint8 *block = g_malloc(BLOCK_BYTES + PATTERN_MAX_BYTES);
    DkRun run;
    guint64 from = first;
    while (!*full && from <= last && dk_space_next_run(space, from, &run) && run.first <= last) {
        guint64 end = run.last;
        if (dk_console_readable(&run)) {
            DkRun next;
            while (end < last && end != G_MAXUINT64 && dk_space_next_run(space, end + 1, &next) &&
                   next.first <= end + 1 && dk_console_readable(&next))
                end = next.last;
            if (!search_run(searcher, MAX(run.first, from), MIN(end, last), block, full, error))
                return FALSE;
        }
        if (end >= last)
            break;
        from = end + 1;
    }
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    const char *at = args[0].text;
    g_autoptr(GByteArray) pattern = g_byte_array_new();
    Searcher searcher = {.console = console, .out = out, .pattern = pattern};
    DkArgValue range = {0};
    if (!parse_kind(&searcher, &at, error) || !dk_console_parse_range(console, &at, &range, error))
        return FALSE;
    if (!range.count || range.here)
        return dk_console_usage(console, at, error, "the range needs an address, and L or an end");
    if (!parse_pattern(&searcher, at, error))
        return FALSE;
    guint unit = range.bytes ? 1 : unit_of(searcher.kind);
    guint64 len = range.count > G_MAXUINT64 / unit ? G_MAXUINT64 : range.count * unit;
    guint64 last = len - 1 > G_MAXUINT64 - range.value ? G_MAXUINT64 : range.value + (len - 1);
    gboolean full = FALSE;
    dk_out_begin_array(out, "matches");
    gboolean ok = search_range(&searcher, range.value, last, &full, error);
    dk_out_end(out);
    dk_out_bool(out, "cut", full);
    if (full)
        dk_out_text(out, "(the first %d matches; there may be more)\n", MATCHES_MAX);
    return ok;
}

static const DkArg args[] = {
    {"[-b|-w|-d|-q|-a|-u] RANGE PATTERN", DK_ARG_REST, TRUE, "how, where and for what"},
    {NULL},
};

const DkCommand dk_command_search = {
    .name = "s",
    .summary = "search memory",
    .help = "RANGE is \"ADDRESS Lcount\" or \"ADDRESS END\"; what the dump does not hold is passed "
            "over, so\n"
            "that \"0 L?7fffffffffff\" searches all of it.  -b searches for bytes, -w, -d and -q "
            "for 16-,\n"
            "32- and 64-bit values (little end first), -a for text and -u for text in UTF-16.  "
            "PATTERN is\n"
            "values with blanks between them, or the text.  -[1]b and so on print addresses only.\n"
            "\n"
            "Example: s -a 0 L?7fffffffffff \"password\"; s -q @rsp L200 @rip",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
