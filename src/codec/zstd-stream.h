/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkZstdStream: unpacks any zstd file from its first byte to its last, whatever its frames look
 * like: several, skippable ones, ones that do not say their size.  Source: RFC 8878.
 */
#pragma once

#include <glib.h>

/* Bytes that dk_zstd_stream_magic() looks at. */
#define DK_ZSTD_MAGIC_SIZE 4
/* A skippable frame's magic and the size of what follows, 4 bytes each. */
#define DK_ZSTD_SKIPPABLE_HEADER_SIZE 8

typedef enum {
    DK_ZSTD_MAGIC_NONE,
    DK_ZSTD_MAGIC_FRAME,
    DK_ZSTD_MAGIC_SKIPPABLE, /* LZ4 files may start with such a frame too */
} DkZstdMagic;

/* What the first bytes of a file, or the bytes behind a frame, say. */
DkZstdMagic dk_zstd_magic(const guint8 head[DK_ZSTD_MAGIC_SIZE]);

/*
 * The frame header's descriptor byte (RFC 8878, 3.1.1.1.1) of the frame at data; 0 for a skippable
 * frame and for what is no frame.
 */
guint8 dk_zstd_descriptor(const void *data, gsize size);
#define DK_ZSTD_DESCRIPTOR_CHECKSUM 0x04u /* a checksum of the content ends the frame */
#define DK_ZSTD_DESCRIPTOR_UNUSED 0x10u   /* writers set it to 0, readers ignore it */

typedef struct DkZstdStream DkZstdStream;

DkZstdStream *dk_zstd_stream_new(void);
void dk_zstd_stream_free(DkZstdStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkZstdStream, dk_zstd_stream_free)

/*
 * Takes up to len bytes of the file at in and puts up to out_len bytes of content at out; says how
 * many were used and made.  A call stops at the end of a frame.  Once all input is used, call with
 * len 0 until a call makes less than out_len.  DK_ERROR_DAMAGED when the bytes are no zstd frame or
 * a frame's checksum differs; DK_ERROR_LIMIT when a frame needs a window above 128 MiB (2^27, what
 * `zstd -d` takes); the message does not name the file.
 */
gboolean dk_zstd_stream_run(DkZstdStream *stream, const guint8 *in, gsize len, gsize *used,
                            guint8 *out, gsize out_len, gsize *made,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether the last byte used was the last one of a frame; TRUE at the start. */
gboolean dk_zstd_stream_between_frames(const DkZstdStream *stream);

/* Whether every frame so far that has content has a checksum too (FALSE when there was none). */
gboolean dk_zstd_stream_has_checksums(const DkZstdStream *stream);

/* Whether the last whole frame is one that only seek tables use, be it a right one or not. */
gboolean dk_zstd_stream_after_table(const DkZstdStream *stream);
