/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/size.h"

char *dk_size_text(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024)
        return g_strdup_printf("%u B", (guint)bytes);
    guint unit = 0;
    double value = (double)bytes;
    /* 1023.95 would be printed as "1024.0". */
    while (value >= 1023.95 && unit + 1 < G_N_ELEMENTS(units)) {
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.1f %s", value, units[unit]);
}
