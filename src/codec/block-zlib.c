/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zlib blocks by zlib itself; block-deflate.c does the same two to three times as fast. */
#include <zlib.h>

#include "codec/block-codecs.h"

#define WINDOW_BITS 15
#define MEM_LEVEL 8

static gpointer packer_new(gint level, gsize size)
{
    z_stream *stream = g_new0(z_stream, 1);
    if (deflateInit2(stream, level, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        g_error("zlib: no memory");
    return stream;
}

static void packer_free(gpointer packer)
{
    deflateEnd(packer);
    g_free(packer);
}

static gsize pack(gpointer packer, const void *data, gsize size, void *out, gsize room)
{
    z_stream *stream = packer;
    deflateReset(stream);
    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    stream->next_out = out;
    stream->avail_out = (uInt)room;
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? room - stream->avail_out : 0;
}

static gpointer unpacker_new(void)
{
    z_stream *stream = g_new0(z_stream, 1);
    if (inflateInit(stream) != Z_OK)
        g_error("zlib: no memory");
    return stream;
}

static void unpacker_free(gpointer unpacker)
{
    inflateEnd(unpacker);
    g_free(unpacker);
}

static gboolean unpack(gpointer unpacker, const void *data, gsize size, void *out, gsize out_size)
{
    z_stream *stream = unpacker;
    inflateReset(stream);
    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    stream->next_out = out;
    stream->avail_out = (uInt)out_size;
    return inflate(stream, Z_FINISH) == Z_STREAM_END && !stream->avail_out;
}

static gboolean checked(const void *data, gsize size)
{
    return TRUE;
}

const DkBlockCodec dk_block_zlib = {
    .name = "zlib",
    .levels = TRUE,
    .level_min = 1,
    .level_max = 9,
    .level_normal = 1,
    .packer_new = packer_new,
    .packer_free = packer_free,
    .unpacker_new = unpacker_new,
    .unpacker_free = unpacker_free,
    .pack = pack,
    .unpack = unpack,
    .checked = checked,
};
