/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Binary search in anything that is sorted.
 */
#pragma once

#include <glib.h>

/*
 * Of count elements, which data holds in ascending order, the index of the first for which
 * before(data, index, key) is FALSE; count when it is TRUE for all.  before() has to be TRUE for
 * a first part of the elements and FALSE for the rest.
 */
static inline gsize dk_bisect(gsize count,
                              gboolean (*before)(gconstpointer data, gsize index, guint64 key),
                              gconstpointer data, guint64 key)
{
    gsize low = 0;
    gsize high = count;
    while (low < high) {
        gsize middle = low + (high - low) / 2;
        if (before(data, middle, key))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
