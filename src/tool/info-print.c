/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/info-print.h"

#include <stdarg.h>

void dk_info_field(DkOut *out, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *clean = dk_out_clean(text);
    if (*clean)
        dk_out_text(out, "  %-9s  %s\n", name, clean);
}

void dk_info_title(DkOut *out, const char *text)
{
    dk_out_text(out, "\n%s%s%s\n", dk_out_bold(out), text, dk_out_reset(out));
}

void dk_info_json_known(DkOut *out, const char *name, gint64 value)
{
    if (value < 0)
        dk_out_string(out, name, NULL);
    else
        dk_out_int(out, name, value);
}

void dk_info_json_size(DkOut *out, const char *name, guint64 size)
{
    dk_out_int(out, name, (gint64)MIN(size, (guint64)G_MAXINT64));
}
