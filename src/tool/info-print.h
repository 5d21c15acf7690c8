/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How `info` prints: fields of text mode under titles, and JSON values that may not be known. */
#pragma once

#include "report/out.h"

/* A line of text mode; an empty text prints nothing. */
void dk_info_field(DkOut *out, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);
void dk_info_title(DkOut *out, const char *text);

/* -1 is what a subject has for not known, and null in JSON. */
void dk_info_json_known(DkOut *out, const char *name, gint64 value);

/* A number of bytes, which JSON has room for up to G_MAXINT64. */
void dk_info_json_size(DkOut *out, const char *name, guint64 size);

static inline const char *dk_or_empty(const char *text)
{
    return text ? text : "";
}
