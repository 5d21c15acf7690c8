/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded cursor over bytes that came from a file or a peer.  Every read is checked against the
 * end; a failed read names what was read, the offset in the file, and how much was there.  Parsers
 * of dump formats use nothing else to look at foreign bytes.
 */
#pragma once

#include <glib.h>

typedef struct {
    const guint8 *data;  /* borrowed */
    gsize len;           /* bytes at data */
    gsize pos;           /* next byte, never above len */
    guint64 origin;      /* offset in the file of data[0], for messages */
    const char *what;    /* what the bytes are, such as "note segment"; borrowed, for messages */
    gboolean big_endian; /* integers are read in this order; FALSE after init */
} DkCursor;

/* Starts a cursor over len bytes at data, which stand at the file offset origin. */
void dk_cursor_init(DkCursor *cursor, const void *data, gsize len, guint64 origin,
                    const char *what);

static inline gsize dk_cursor_left(const DkCursor *cursor)
{
    return cursor->len - cursor->pos;
}

/* The file offset of the next byte. */
static inline guint64 dk_cursor_off(const DkCursor *cursor)
{
    return cursor->origin + cursor->pos;
}

/*
 * Each of these reads one integer in the cursor's byte order and moves on.  When fewer bytes are
 * left they leave *value and the cursor as they were and fail with DK_ERROR_DAMAGED; field is the
 * name of what was expected.
 */
gboolean dk_cursor_u8(DkCursor *cursor, const char *field, guint8 *value,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_cursor_u16(DkCursor *cursor, const char *field, guint16 *value,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_cursor_u32(DkCursor *cursor, const char *field, guint32 *value,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_cursor_u64(DkCursor *cursor, const char *field, guint64 *value,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Borrows len bytes of the data and moves behind them; NULL with DK_ERROR_DAMAGED if not there. */
const guint8 *dk_cursor_bytes(DkCursor *cursor, const char *field, gsize len,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Borrows a string up to its NUL, moves behind the NUL; NULL with DK_ERROR_DAMAGED when no NUL
 * comes before the end.
 */
const char *dk_cursor_string(DkCursor *cursor, const char *field,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Moves to pos, counted from the start of the data; DK_ERROR_DAMAGED when that is past the end. */
gboolean dk_cursor_seek(DkCursor *cursor, const char *field, guint64 pos,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Moves forward to a multiple of align (a power of two) of pos, or to the end if that comes first.
 */
void dk_cursor_align(DkCursor *cursor, gsize align);
