/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/zstd-stream.h"

#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/error.h"

#define DESCRIPTOR_AT DK_ZSTD_MAGIC_SIZE
/* Skippable frame of the seekable format's table, as its bytes stand in the file. */
#define TABLE_MAGIC "\x5e\x2a\x4d\x18"

struct DkZstdStream {
    ZSTD_DStream *context;
    guint8 head[DESCRIPTOR_AT + 1]; /* first bytes of the frame at hand */
    gsize head_len;                 /* how many of them are there; 0 between frames */
    gboolean inside;
    gboolean after_table;
    guint64 frames;  /* that have content */
    guint64 checked; /* of them, those with a checksum */
};

DkZstdMagic dk_zstd_magic(const guint8 head[DK_ZSTD_MAGIC_SIZE])
{
    guint32 magic;
    memcpy(&magic, head, sizeof magic);
    magic = GUINT32_FROM_LE(magic);
    if (magic == ZSTD_MAGICNUMBER)
        return DK_ZSTD_MAGIC_FRAME;
    if ((magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
        return DK_ZSTD_MAGIC_SKIPPABLE;
    return DK_ZSTD_MAGIC_NONE;
}

guint8 dk_zstd_descriptor(const void *data, gsize size)
{
    const guint8 *head = data;
    if (size <= DESCRIPTOR_AT || dk_zstd_magic(head) != DK_ZSTD_MAGIC_FRAME)
        return 0;
    return head[DESCRIPTOR_AT];
}

DkZstdStream *dk_zstd_stream_new(void)
{
    return g_new0(DkZstdStream, 1);
}

void dk_zstd_stream_free(DkZstdStream *stream)
{
    if (!stream)
        return;
    ZSTD_freeDStream(stream->context);
    g_free(stream);
}

static gboolean fail(size_t result, GError **error)
{
    int code;
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation:
        code = DK_ERROR_SYSTEM;
        break;
    case ZSTD_error_frameParameter_windowTooLarge:
        code = DK_ERROR_LIMIT;
        break;
    default:
        code = DK_ERROR_DAMAGED;
    }
    g_set_error(error, DK_ERROR, code, "zstd: %s", ZSTD_getErrorName(result));
    return FALSE;
}

static void count_frame(DkZstdStream *stream)
{
    if (stream->head_len == sizeof stream->head &&
        dk_zstd_magic(stream->head) == DK_ZSTD_MAGIC_FRAME) {
        stream->frames++;
        if (stream->head[DESCRIPTOR_AT] & DK_ZSTD_DESCRIPTOR_CHECKSUM)
            stream->checked++;
    }
    if (stream->head_len >= DK_ZSTD_MAGIC_SIZE)
        stream->after_table = !memcmp(stream->head, TABLE_MAGIC, DK_ZSTD_MAGIC_SIZE);
    stream->head_len = 0;
}

gboolean dk_zstd_stream_run(DkZstdStream *stream, const guint8 *in, gsize len, gsize *used,
                            guint8 *out, gsize out_len, gsize *made, GError **error)
{
    if (!stream->context && !(stream->context = ZSTD_createDStream()))
        return fail((size_t)-ZSTD_error_memory_allocation, error);
    ZSTD_inBuffer source = {in, len, 0};
    ZSTD_outBuffer target = {out, out_len, 0};
    size_t left = ZSTD_decompressStream(stream->context, &target, &source);
    if (ZSTD_isError(left))
        return fail(left, error);
    gsize head = MIN(sizeof stream->head - stream->head_len, source.pos);
    if (head)
        memcpy(stream->head + stream->head_len, in, head);
    stream->head_len += head;
    if (source.pos || target.pos)
        stream->inside = left != 0;
    if (!stream->inside)
        count_frame(stream);
    *used = source.pos;
    *made = target.pos;
    return TRUE;
}

gboolean dk_zstd_stream_between_frames(const DkZstdStream *stream)
{
    return !stream->inside;
}

gboolean dk_zstd_stream_has_checksums(const DkZstdStream *stream)
{
    return stream->frames > 0 && stream->checked == stream->frames;
}

gboolean dk_zstd_stream_after_table(const DkZstdStream *stream)
{
    return stream->after_table;
}
