/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes in bytes as people read them, and the sizes of ranges with both ends inside. */
#pragma once

#include <glib.h>

/* A size with a binary unit: "512 B", "1.5 KiB", "20.0 GiB".  Free with g_free(). */
char *dk_size_text(guint64 bytes);

/*
 * Bytes of first..last, both inside; 0 when first > last, and G_MAXUINT64 for all 2^64 of them,
 * which no number has room for.
 */
static inline guint64 dk_size_of_range(guint64 first, guint64 last)
{
    if (first > last)
        return 0;
    return last - first == G_MAXUINT64 ? G_MAXUINT64 : last - first + 1;
}

/* The sum, or G_MAXUINT64 when it is larger. */
static inline guint64 dk_size_add(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}
