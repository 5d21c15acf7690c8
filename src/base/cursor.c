/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"

#include <string.h>

#include "base/error.h"

void dk_cursor_init(DkCursor *cursor, const void *data, gsize len, guint64 origin, const char *what)
{
    *cursor = (DkCursor){.data = data, .len = len, .origin = origin, .what = what};
}

static const guint8 *take(DkCursor *cursor, const char *field, guint64 len, GError **error)
{
    if (len > dk_cursor_left(cursor)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s at offset 0x%" G_GINT64_MODIFIER "x: %s needs %" G_GUINT64_FORMAT
                    " bytes, %" G_GSIZE_FORMAT " are left",
                    cursor->what, dk_cursor_off(cursor), field, len, dk_cursor_left(cursor));
        return NULL;
    }
    const guint8 *at = cursor->data + cursor->pos;
    cursor->pos += (gsize)len;
    return at;
}

gboolean dk_cursor_u8(DkCursor *cursor, const char *field, guint8 *value, GError **error)
{
    const guint8 *at = take(cursor, field, 1, error);
    if (!at)
        return FALSE;
    *value = *at;
    return TRUE;
}

gboolean dk_cursor_u16(DkCursor *cursor, const char *field, guint16 *value, GError **error)
{
    guint16 raw;
    const guint8 *at = take(cursor, field, sizeof raw, error);
    if (!at)
        return FALSE;
    memcpy(&raw, at, sizeof raw);
    *value = cursor->big_endian ? GUINT16_FROM_BE(raw) : GUINT16_FROM_LE(raw);
    return TRUE;
}

gboolean dk_cursor_u32(DkCursor *cursor, const char *field, guint32 *value, GError **error)
{
    guint32 raw;
    const guint8 *at = take(cursor, field, sizeof raw, error);
    if (!at)
        return FALSE;
    memcpy(&raw, at, sizeof raw);
    *value = cursor->big_endian ? GUINT32_FROM_BE(raw) : GUINT32_FROM_LE(raw);
    return TRUE;
}

gboolean dk_cursor_u64(DkCursor *cursor, const char *field, guint64 *value, GError **error)
{
    guint64 raw;
    const guint8 *at = take(cursor, field, sizeof raw, error);
    if (!at)
        return FALSE;
    memcpy(&raw, at, sizeof raw);
    *value = cursor->big_endian ? GUINT64_FROM_BE(raw) : GUINT64_FROM_LE(raw);
    return TRUE;
}

const guint8 *dk_cursor_bytes(DkCursor *cursor, const char *field, gsize len, GError **error)
{
    return take(cursor, field, len, error);
}

const char *dk_cursor_string(DkCursor *cursor, const char *field, GError **error)
{
    const guint8 *start = cursor->data + cursor->pos;
    const guint8 *nul = dk_cursor_left(cursor) ? memchr(start, 0, dk_cursor_left(cursor)) : NULL;
    if (!nul) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s at offset 0x%" G_GINT64_MODIFIER "x: %s has no end", cursor->what,
                    dk_cursor_off(cursor), field);
        return NULL;
    }
    cursor->pos += (gsize)(nul - start) + 1;
    return (const char *)start;
}

gboolean dk_cursor_seek(DkCursor *cursor, const char *field, guint64 pos, GError **error)
{
    if (pos > cursor->len) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s at offset 0x%" G_GINT64_MODIFIER "x: %s lies 0x%" G_GINT64_MODIFIER
                    "x bytes in, behind the end at 0x%" G_GSIZE_MODIFIER "x",
                    cursor->what, cursor->origin, field, pos, cursor->len);
        return FALSE;
    }
    cursor->pos = (gsize)pos;
    return TRUE;
}

void dk_cursor_align(DkCursor *cursor, gsize align)
{
    gsize rest = cursor->pos & (align - 1);
    if (rest)
        cursor->pos += MIN(align - rest, dk_cursor_left(cursor));
}
