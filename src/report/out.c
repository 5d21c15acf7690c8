/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "report/out.h"

#include <json-glib/json-glib.h>
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

struct DkOut {
    DkOutMode mode;
    gboolean colour;
    DkOutWrite write;
    gpointer data;
    JsonBuilder *builder;         /* JSON mode */
    GString *nesting;             /* 'o' and 'a' for what is open, the top included */
    struct libscols_table *table; /* text mode, between table_begin and table_end */
    struct libscols_line *line;
    const DkColumn *columns;
    guint ncolumns;
    guint column;  /* of the next cell */
    gboolean rows; /* the table has any */
};

DkOut *dk_out_new(DkOutMode mode, gboolean colour, DkOutWrite write, gpointer data)
{
    DkOut *out = g_new0(DkOut, 1);
    out->mode = mode;
    out->colour = colour && mode == DK_OUT_TEXT;
    out->write = write;
    out->data = data;
    if (mode == DK_OUT_JSON) {
        out->builder = json_builder_new();
        out->nesting = g_string_new(NULL);
        dk_out_begin_object(out, NULL);
    }
    return out;
}

static void write_json(DkOut *out)
{
    while (out->nesting->len)
        dk_out_end(out);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    json_generator_set_pretty(generator, TRUE);
    JsonNode *root = json_builder_get_root(out->builder);
    json_generator_set_root(generator, root);
    gsize len = 0;
    g_autofree char *text = json_generator_to_data(generator, &len);
    json_node_unref(root);
    out->write(text, len, out->data);
    out->write("\n", 1, out->data);
}

void dk_out_free(DkOut *out)
{
    if (!out)
        return;
    g_assert(!out->columns);
    if (out->mode == DK_OUT_JSON) {
        write_json(out);
        g_object_unref(out->builder);
        g_string_free(out->nesting, TRUE);
    }
    g_free(out);
}

DkOutMode dk_out_mode(const DkOut *out)
{
    return out->mode;
}

void dk_out_text(DkOut *out, const char *format, ...)
{
    if (out->mode != DK_OUT_TEXT)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    out->write(text, strlen(text), out->data);
}

char *dk_out_clean(const char *text)
{
    GString *clean = g_string_new(NULL);
    for (const char *at = text ? text : ""; *at;) {
        gunichar c = g_utf8_get_char_validated(at, -1);
        if (c == (gunichar)-1 || c == (gunichar)-2 || g_unichar_iscntrl(c)) {
            gsize bytes = c >= (gunichar)-2 ? 1 : (gsize)(g_utf8_next_char(at) - at);
            for (gsize i = 0; i < bytes; i++)
                g_string_append_printf(clean, "\\x%02x", (guchar)at[i]);
            at += bytes;
        } else {
            const char *next = g_utf8_next_char(at);
            g_string_append_len(clean, at, next - at);
            at = next;
        }
    }
    return g_string_free(clean, FALSE);
}

const char *dk_out_bold(const DkOut *out)
{
    return out->colour ? "\033[1m" : "";
}

const char *dk_out_red(const DkOut *out)
{
    return out->colour ? "\033[31m" : "";
}

const char *dk_out_green(const DkOut *out)
{
    return out->colour ? "\033[32m" : "";
}

const char *dk_out_yellow(const DkOut *out)
{
    return out->colour ? "\033[33m" : "";
}

const char *dk_out_dim(const DkOut *out)
{
    return out->colour ? "\033[2m" : "";
}

const char *dk_out_reset(const DkOut *out)
{
    return out->colour ? "\033[0m" : "";
}

/* Sets the member name inside an object; FALSE in text mode. */
static gboolean member(DkOut *out, const char *name)
{
    if (out->mode != DK_OUT_JSON)
        return FALSE;
    gboolean in_object = out->nesting->len && out->nesting->str[out->nesting->len - 1] == 'o';
    g_assert(in_object == (name != NULL));
    if (name)
        json_builder_set_member_name(out->builder, name);
    return TRUE;
}

void dk_out_begin_object(DkOut *out, const char *name)
{
    if (!member(out, name))
        return;
    json_builder_begin_object(out->builder);
    g_string_append_c(out->nesting, 'o');
}

void dk_out_begin_array(DkOut *out, const char *name)
{
    if (!member(out, name))
        return;
    json_builder_begin_array(out->builder);
    g_string_append_c(out->nesting, 'a');
}

void dk_out_end(DkOut *out)
{
    if (out->mode != DK_OUT_JSON)
        return;
    g_assert(out->nesting->len);
    if (out->nesting->str[out->nesting->len - 1] == 'o')
        json_builder_end_object(out->builder);
    else
        json_builder_end_array(out->builder);
    g_string_truncate(out->nesting, out->nesting->len - 1);
}

void dk_out_string(DkOut *out, const char *name, const char *value)
{
    if (!member(out, name))
        return;
    if (!value) {
        json_builder_add_null_value(out->builder);
        return;
    }
    g_autofree char *clean = dk_out_clean(value);
    json_builder_add_string_value(out->builder, clean);
}

void dk_out_int(DkOut *out, const char *name, gint64 value)
{
    if (member(out, name))
        json_builder_add_int_value(out->builder, value);
}

void dk_out_hex(DkOut *out, const char *name, guint64 value)
{
    if (!member(out, name))
        return;
    g_autofree char *text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", value);
    json_builder_add_string_value(out->builder, text);
}

void dk_out_bool(DkOut *out, const char *name, gboolean value)
{
    if (member(out, name))
        json_builder_add_boolean_value(out->builder, value);
}

void dk_out_table_begin(DkOut *out, const char *name, const DkColumn *columns, guint ncolumns)
{
    g_assert(!out->columns && ncolumns);
    out->columns = columns;
    out->ncolumns = ncolumns;
    out->column = 0;
    out->rows = FALSE;
    if (out->mode == DK_OUT_JSON) {
        dk_out_begin_array(out, name);
        return;
    }
    out->table = scols_new_table();
    scols_table_enable_colors(out->table, FALSE);
    scols_table_set_termforce(out->table, SCOLS_TERMFORCE_NEVER);
    /* Cells are escaped already; libsmartcols would escape the escapes. */
    scols_table_enable_noencoding(out->table, TRUE);
    for (guint i = 0; i < ncolumns; i++) {
        int flags = columns[i].align == DK_CELL_RIGHT ? SCOLS_FL_RIGHT : 0;
        scols_table_new_column(out->table, columns[i].heading, 0, flags);
    }
}

static void cell_json(DkOut *out, const DkColumn *column, const char *text)
{
    if (!out->column)
        dk_out_begin_object(out, NULL);
    if (column->number && *text)
        dk_out_int(out, column->key, g_ascii_strtoll(text, NULL, 10));
    else
        dk_out_string(out, column->key, *text ? text : NULL);
    if (out->column + 1 == out->ncolumns)
        dk_out_end(out);
}

void dk_out_table_cell(DkOut *out, const char *format, ...)
{
    g_assert(out->columns);
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (out->mode == DK_OUT_JSON) {
        cell_json(out, &out->columns[out->column], text);
    } else {
        if (!out->column)
            out->line = scols_table_new_line(out->table, NULL);
        g_autofree char *clean = dk_out_clean(text);
        scols_line_set_data(out->line, out->column, clean);
        out->rows = TRUE;
    }
    out->column = (out->column + 1) % out->ncolumns;
}

void dk_out_table_end(DkOut *out)
{
    g_assert(out->columns && !out->column);
    out->columns = NULL;
    if (out->mode == DK_OUT_JSON) {
        dk_out_end(out);
        return;
    }
    if (out->rows) {
        char *text = NULL;
        scols_print_table_to_string(out->table, &text);
        if (text) {
            out->write(text, strlen(text), out->data);
            out->write("\n", 1, out->data);
        }
        free(text);
    }
    scols_unref_table(out->table);
    out->table = NULL;
}
