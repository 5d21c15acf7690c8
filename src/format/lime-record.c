/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/lime-record.h"

#include <string.h>

#include "base/bisect.h"
#include "base/cursor.h"
#include "base/error.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define PAGE ((guint64)4096)

static gboolean refuse(GError **error, guint64 off, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean refuse(GError **error, guint64 off, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "record at offset " HEX " %s", off, text);
    return FALSE;
}

static gboolean check(guint64 off, const DkLimeRecord *record, guint64 reserved, GError **error)
{
    if (record->first > record->last)
        return refuse(error, off, "runs backwards: from " HEX " to " HEX, record->first,
                      record->last);
    if (record->last > DK_LIME_PA_MAX)
        return refuse(error, off, "ends at " HEX ", physical addresses end at " HEX, record->last,
                      DK_LIME_PA_MAX);
    if (reserved)
        return refuse(error, off, "has " HEX " in its reserved field, expected 0", reserved);
    return TRUE;
}

gboolean dk_lime_record_read(DkInput *input, guint64 off, guint32 magic, guint32 version,
                             DkLimeRecord *record, GError **error)
{
    guint8 raw[DK_LIME_HEADER_SIZE];
    gssize got = dk_input_read(input, off, raw, sizeof raw, error);
    if (got < 0)
        return FALSE;
    DkCursor cursor;
    guint32 found_magic = 0;
    guint32 found_version = 0;
    guint64 reserved = 0;
    DkLimeRecord found = {0};
    dk_cursor_init(&cursor, raw, (gsize)got, off, "record header");
    if (!dk_cursor_u32(&cursor, "magic", &found_magic, NULL) || found_magic != magic) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                    "no record at offset " HEX ": expected the magic 0x%08x", off, magic);
        return FALSE;
    }
    if (!dk_cursor_u32(&cursor, "version", &found_version, error) ||
        !dk_cursor_u64(&cursor, "first address", &found.first, error) ||
        !dk_cursor_u64(&cursor, "last address", &found.last, error) ||
        !dk_cursor_u64(&cursor, "reserved field", &reserved, error))
        return FALSE;
    if (found_version != version) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "record at offset " HEX " is of version %u, read is %u", off, found_version,
                    version);
        return FALSE;
    }
    if (!check(off, &found, reserved, error))
        return FALSE;
    *record = found;
    return TRUE;
}

static void put(guint8 *at, guint64 value, guint size)
{
    for (guint i = 0; i < size; i++)
        at[i] = (guint8)(value >> 8 * i);
}

void dk_lime_record_write(guint8 header[DK_LIME_HEADER_SIZE], guint32 magic, guint32 version,
                          guint64 first, guint64 last)
{
    memset(header, 0, DK_LIME_HEADER_SIZE);
    put(header, magic, 4);
    put(header + 4, version, 4);
    put(header + 8, first, 8);
    put(header + 16, last, 8);
}

static gboolean extent_before(gconstpointer data, gsize index, guint64 pa)
{
    const GArray *extents = data;
    return g_array_index(extents, DkExtent, index).last < pa;
}

DkLimeRecord dk_lime_range_at(const DkDumpPlan *plan, guint64 pa)
{
    const GArray *extents = plan->extents;
    guint low = (guint)dk_bisect(extents->len, extent_before, extents, pa);
    g_assert(low < extents->len);
    guint high = low;
    while (low > 0 && g_array_index(extents, DkExtent, low - 1).last + 1 ==
                          g_array_index(extents, DkExtent, low).first)
        low--;
    while (high + 1 < extents->len && g_array_index(extents, DkExtent, high).last + 1 ==
                                          g_array_index(extents, DkExtent, high + 1).first)
        high++;
    return (DkLimeRecord){g_array_index(extents, DkExtent, low).first,
                          g_array_index(extents, DkExtent, high).last};
}

DkLimeRecord dk_lime_block_at(const DkDumpPlan *plan, guint64 pa, gboolean *edge)
{
    DkLimeRecord range = dk_lime_range_at(plan, pa);
    g_assert(range.first <= pa);
    DkLimeRecord block = {pa - (pa - range.first) % DK_AVML_BLOCK, range.last};
    if (range.last - block.first >= DK_AVML_BLOCK) {
        block.last = block.first + (DK_AVML_BLOCK - 1);
    } else if (range.last - block.first == DK_AVML_BLOCK - 1) {
        if (pa > range.last - PAGE)
            block.first = range.last - (PAGE - 1);
        else
            block.last = range.last - PAGE;
    }
    *edge = block.first == range.first || range.last - block.last <= PAGE;
    return block;
}
