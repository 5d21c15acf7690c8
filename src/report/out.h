/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkOut: where commands and verbs put what they have to say.  One call tree serves text and JSON:
 * dk_out_text() prints in text mode only; the object, array and value calls build JSON in JSON mode
 * only; a table does both.  The result goes to a callback, so that console, script, REST and test
 * share it.
 */
#pragma once

#include <glib.h>

typedef struct DkOut DkOut;

typedef enum { DK_OUT_TEXT, DK_OUT_JSON } DkOutMode;

/* Receives finished text (UTF-8, not NUL-terminated). */
typedef void (*DkOutWrite)(const char *text, gsize len, gpointer data);

/* colour: terminal colours may be used in text mode. */
DkOut *dk_out_new(DkOutMode mode, gboolean colour, DkOutWrite write, gpointer data);
/* Ends the JSON document (a newline follows) and frees. */
void dk_out_free(DkOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkOut, dk_out_free)

DkOutMode dk_out_mode(const DkOut *out);
static inline gboolean dk_out_is_json(const DkOut *out)
{
    return dk_out_mode(out) == DK_OUT_JSON;
}

/* Text mode only.  Control characters in strings from dumps have to be escaped by the caller with
 * dk_out_clean(). */
void dk_out_text(DkOut *out, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* text with control and invalid UTF-8 bytes as \xNN; free with g_free().  NULL gives "". */
char *dk_out_clean(const char *text);

/* Colours of text mode; all "" when colours are off.  End with dk_out_reset(). */
const char *dk_out_bold(const DkOut *out);
const char *dk_out_red(const DkOut *out);
const char *dk_out_green(const DkOut *out);
const char *dk_out_yellow(const DkOut *out);
const char *dk_out_dim(const DkOut *out);
const char *dk_out_reset(const DkOut *out);

/*
 * JSON mode only.  name is the member's name inside an object, and NULL inside an array or at the
 * top.  The top is an object that is open from the start.
 */
void dk_out_begin_object(DkOut *out, const char *name);
void dk_out_begin_array(DkOut *out, const char *name);
void dk_out_end(DkOut *out);
void dk_out_string(DkOut *out, const char *name, const char *value); /* NULL gives null */
void dk_out_int(DkOut *out, const char *name, gint64 value);
void dk_out_hex(DkOut *out, const char *name, guint64 value); /* a string "0x..." */
void dk_out_bool(DkOut *out, const char *name, gboolean value);

/*
 * A table: columns with headings; in JSON an array of objects called name with the columns' keys.
 * Rows are printed when the table ends.
 */
typedef enum { DK_CELL_LEFT, DK_CELL_RIGHT } DkCellAlign;
typedef struct {
    const char *key;     /* JSON member */
    const char *heading; /* text */
    DkCellAlign align;
    gboolean number; /* JSON value is a number: cells are decimal */
} DkColumn;

void dk_out_table_begin(DkOut *out, const char *name, const DkColumn *columns, guint ncolumns);
void dk_out_table_cell(DkOut *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
void dk_out_table_end(DkOut *out);
