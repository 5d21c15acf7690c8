/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/format.h"

#include <stdarg.h>

void dk_verify_add(DkVerify *verify, DkVerdict verdict, const char *part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    verify->finding(verify, verdict, part, text);
}
