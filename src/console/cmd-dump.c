/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* db dw dd dq dc da du dp dps dds dqs: memory. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

#define ROW_BYTES 16
#define STRING_ROW_CHARS 32
#define STRING_MAX_CHARS 0x10000
/* kd asks for "L?" above 256 MB; nobody reads that much. */
#define DUMP_MAX_BYTES ((guint64)256 << 20)

typedef struct {
    const char *word;
    guint size;          /* of an object; 0: a pointer */
    guint default_count; /* objects */
    gboolean text;       /* characters beside */
    gboolean symbols;    /* one a row, with its name */
    gboolean string;     /* da, du */
} DumpKind;

static const DumpKind kinds[] = {
    {"db", 1, 128, TRUE, FALSE, FALSE}, {"dw", 2, 64, FALSE, FALSE, FALSE},
    {"dd", 4, 32, FALSE, FALSE, FALSE}, {"dq", 8, 16, FALSE, FALSE, FALSE},
    {"dc", 4, 32, TRUE, FALSE, FALSE},  {"dp", 0, 16, FALSE, FALSE, FALSE},
    {"dps", 0, 16, FALSE, TRUE, FALSE}, {"dds", 4, 16, FALSE, TRUE, FALSE},
    {"dqs", 8, 16, FALSE, TRUE, FALSE}, {"da", 1, 0, FALSE, FALSE, TRUE},
    {"du", 2, 0, FALSE, FALSE, TRUE},
};

typedef struct {
    DkConsole *console;
    DkOut *out;
    const DumpKind *kind;
    guint size;
} Dumper;

static const DumpKind *kind_of(DkConsole *console, const char *word)
{
    if (g_str_equal(word, "d"))
        word = console->dump_word ? console->dump_word : "db";
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (g_str_equal(kinds[i].word, word))
            return &kinds[i];
    }
    g_assert_not_reached();
}

static gboolean all_present(const guint8 *present, guint size)
{
    return !memchr(present, 0, size);
}

/* An object as kd prints it; 64-bit ones are split. */
static char *object_text(const guint8 *bytes, const guint8 *present, guint size)
{
    static const char *const absent[] = {
        [1] = "??", [2] = "????", [4] = "????????", [8] = "????????`????????"};
    if (!all_present(present, size))
        return g_strdup(absent[size]);
    guint64 value = dk_console_integer(bytes, size);
    if (size == 8)
        return g_strdup_printf("%08x`%08x", (guint32)(value >> 32), (guint32)value);
    return g_strdup_printf("%0*" G_GINT64_MODIFIER "x", (int)size * 2, value);
}

static void characters(GString *text, const guint8 *bytes, const guint8 *present, gsize len)
{
    for (gsize i = 0; i < len; i++)
        g_string_append_c(text, !present[i]                 ? '?'
                                : g_ascii_isprint(bytes[i]) ? (char)bytes[i]
                                                            : '.');
}

static void json_row(const Dumper *dumper, guint64 va, const guint8 *bytes, const guint8 *present,
                     gsize len)
{
    DkOut *out = dumper->out;
    dk_out_begin_object(out, NULL);
    dk_out_hex(out, "address", va);
    dk_out_begin_array(out, "values");
    for (gsize i = 0; i + dumper->size <= len; i += dumper->size) {
        if (all_present(present + i, dumper->size))
            dk_out_hex(out, NULL, dk_console_integer(bytes + i, dumper->size));
        else
            dk_out_string(out, NULL, NULL);
    }
    dk_out_end(out);
    if (dumper->kind->text) {
        g_autoptr(GString) text = g_string_new(NULL);
        characters(text, bytes, present, len);
        dk_out_string(out, "text", text->str);
    }
    dk_out_end(out);
}

static void show_row(const Dumper *dumper, guint64 va, const guint8 *bytes, const guint8 *present,
                     gsize len)
{
    if (dk_out_is_json(dumper->out)) {
        json_row(dumper, va, bytes, present, len);
        return;
    }
    g_autofree char *address = dk_target_format_va(dumper->console->target, va);
    g_autoptr(GString) row = g_string_new(address);
    g_string_append_c(row, ' ');
    guint per_row = ROW_BYTES / dumper->size;
    for (guint i = 0; i < per_row; i++) {
        gsize at = (gsize)i * dumper->size;
        /* kd sets the two halves of a row of bytes apart by a dash. */
        g_string_append_c(row, dumper->size == 1 && i == 8 && at < len ? '-' : ' ');
        if (at < len) {
            g_autofree char *text = object_text(bytes + at, present + at, dumper->size);
            g_string_append(row, text);
        } else if (dumper->kind->text) {
            g_string_append_printf(row, "%*s", (int)dumper->size * 2, "");
        }
    }
    if (dumper->kind->text) {
        g_string_append(row, "  ");
        characters(row, bytes, present, len);
    } else {
        g_strchomp(row->str);
    }
    dk_out_text(dumper->out, "%s\n", row->str);
}

/* A row of dps: the value and what it points to. */
static void show_symbol(const Dumper *dumper, guint64 va, const guint8 *bytes,
                        const guint8 *present)
{
    DkTarget *target = dumper->console->target;
    DkOut *out = dumper->out;
    g_autofree char *address = dk_target_format_va(target, va);
    g_autofree char *object = object_text(bytes, present, dumper->size);
    gboolean there = all_present(present, dumper->size);
    guint64 value = there ? dk_console_integer(bytes, dumper->size) : 0;
    DkPlace place = {0};
    DkLine line = {0};
    gboolean named = there && dk_target_place(target, value, &place);
    g_autofree char *name = named ? dk_target_describe_place(target, &place, value) : NULL;
    gboolean has_line = named && dk_target_line(target, value, &line);
    dk_out_text(out, "%s  %s", address, object);
    if (name) {
        g_autofree char *clean = dk_out_clean(name);
        dk_out_text(out, " %s", clean);
    }
    if (has_line) {
        g_autofree char *text = dk_console_line_text(&line);
        dk_out_text(out, " %s", text);
    }
    dk_out_text(out, "\n");
    dk_out_begin_object(out, NULL);
    dk_out_hex(out, "address", va);
    if (there)
        dk_out_hex(out, "value", value);
    else
        dk_out_string(out, "value", NULL);
    dk_out_string(out, "symbol", name);
    if (has_line)
        dk_console_line_json(out, &line);
    dk_out_end(out);
}

static gboolean show_objects(const Dumper *dumper, guint64 va, guint64 bytes, GError **error)
{
    gsize step = dumper->kind->symbols ? dumper->size : ROW_BYTES;
    gboolean ok = TRUE;
    dk_out_begin_array(dumper->out, "rows");
    while (bytes && ok) {
        guint8 data[ROW_BYTES], present[ROW_BYTES];
        gsize len = (gsize)MIN(bytes, step);
        dk_console_fetch(dumper->console, va, data, present, len);
        if (dumper->kind->symbols)
            show_symbol(dumper, va, data, present);
        else
            show_row(dumper, va, data, present, len);
        bytes -= len;
        va = dk_console_va(dumper->console, va + len);
        ok = dk_console_tick(dumper->console, error);
    }
    dk_out_end(dumper->out);
    dumper->console->dump_va = va;
    return ok;
}

/* Appends the unit as kd prints it inside quotes. */
static void append_char(GString *text, guint64 unit)
{
    if (unit >= 0xd800 && unit <= 0xdfff)
        g_string_append_c(text, '?');
    else if (unit < 0x20 || unit == 0x7f)
        g_string_append_c(text, '.');
    else if (unit < 0x80)
        g_string_append_c(text, (char)unit);
    else
        g_string_append_unichar(text, (gunichar)unit);
}

/* One row of da or du; FALSE at the end of the string. */
static gboolean string_row(const Dumper *dumper, guint64 *va, guint64 *left, GString *whole)
{
    guint8 data[STRING_ROW_CHARS * 2], present[STRING_ROW_CHARS * 2];
    gsize want = (gsize)MIN(*left, STRING_ROW_CHARS);
    dk_console_fetch(dumper->console, *va, data, present, want * dumper->size);
    g_autofree char *address = dk_target_format_va(dumper->console->target, *va);
    g_autoptr(GString) text = g_string_new(NULL);
    gboolean more = TRUE, missing = FALSE;
    gsize i = 0;
    for (; i < want && more; i++) {
        gsize at = i * dumper->size;
        missing = !all_present(present + at, dumper->size);
        guint64 unit = missing ? 0 : dk_console_integer(data + at, dumper->size);
        more = !missing && unit;
        /* Bytes above 0x7f have no meaning without a code page; kd prints them as they are. */
        if (more)
            append_char(text, dumper->size == 1 && unit >= 0x80 ? '.' : unit);
    }
    g_string_append(whole, text->str);
    dk_out_text(dumper->out, "%s  \"%s%s\"\n", address, text->str, missing ? "???" : "");
    *va = dk_console_va(dumper->console, *va + i * dumper->size);
    *left -= i;
    return more && *left;
}

static gboolean show_string(const Dumper *dumper, guint64 va, guint64 count, GError **error)
{
    g_autoptr(GString) whole = g_string_new(NULL);
    guint64 left = count ? count : STRING_MAX_CHARS;
    guint8 first[2], present[2];
    dk_out_hex(dumper->out, "address", va);
    gboolean there = dk_console_fetch(dumper->console, va, first, present, dumper->size) ==
                     dumper->size;
    while (string_row(dumper, &va, &left, whole)) {
        if (!dk_console_tick(dumper->console, error))
            return FALSE;
    }
    dk_out_string(dumper->out, "text", there ? whole->str : NULL);
    dumper->console->dump_va = va;
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    const DumpKind *kind = kind_of(console, word);
    Dumper dumper = {.console = console, .out = out, .kind = kind, .size = kind->size};
    if (!dumper.size)
        dumper.size = dk_target_pointer_size(console->target);
    gboolean placed = args[0].given && !args[0].here;
    guint64 va = placed ? args[0].value : console->dump_va;
    guint64 count = args[0].count;
    if (!placed && !console->dump_word && !dk_console_ip(console, &va, error))
        return FALSE;
    if (args[0].bytes)
        count = count / dumper.size + (count % dumper.size != 0);
    else if (!count && !kind->string)
        count = kind->default_count;
    if (count > DUMP_MAX_BYTES / dumper.size) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "the range is larger than 0x%" G_GINT64_MODIFIER "x bytes", DUMP_MAX_BYTES);
        return FALSE;
    }
    console->dump_word = kind->word;
    if (kind->string)
        return show_string(&dumper, va, count, error);
    dk_out_int(out, "size", dumper.size);
    return show_objects(&dumper, va, count * dumper.size, error);
}

static const DkArg args[] = {
    {"[ADDRESS [Lcount | END]]", DK_ARG_RANGE, FALSE, "what to show; goes on without it"},
    {NULL},
};

static const char *const aliases[] = {"db",  "dw",  "dd",  "dq", "dc", "dp",
                                      "dps", "dds", "dqs", "da", "du", NULL};

const DkCommand dk_command_dump = {
    .name = "d",
    .aliases = aliases,
    .summary = "show memory",
    .help =
        "db shows bytes and characters, dw 16-bit, dd 32-bit and dq 64-bit words, dc 32-bit words "
        "and\n"
        "characters, dp pointers, da a string, du a string of 16-bit characters.  dps, dds and "
        "dqs\n"
        "show a word a row and what it points to, with the source line.  L gives the number of\n"
        "objects; a second address is the last byte.  Memory that the dump does not hold shows as\n"
        "\"?\".  Without an address it goes on where the last one ended; d alone repeats the "
        "kind.\n"
        "\n"
        "Example: db @rsp L20; dps @rsp; da poi(@rsp+8)",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
