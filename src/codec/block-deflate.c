/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zlib blocks by libdeflate, which is made for blocks that are in memory as a whole. */
#include <libdeflate.h>

#include "codec/block-codecs.h"

static gpointer packer_new(gint level, gsize size)
{
    gpointer packer = libdeflate_alloc_compressor(level);
    if (!packer)
        g_error("libdeflate: no memory");
    return packer;
}

static void packer_free(gpointer packer)
{
    libdeflate_free_compressor(packer);
}

static gsize pack(gpointer packer, const void *data, gsize size, void *out, gsize room)
{
    return libdeflate_zlib_compress(packer, data, size, out, room);
}

static gpointer unpacker_new(void)
{
    gpointer unpacker = libdeflate_alloc_decompressor();
    if (!unpacker)
        g_error("libdeflate: no memory");
    return unpacker;
}

static void unpacker_free(gpointer unpacker)
{
    libdeflate_free_decompressor(unpacker);
}

static gboolean unpack(gpointer unpacker, const void *data, gsize size, void *out, gsize out_size)
{
    /* Without a place for the size, fewer bytes are an error too. */
    return libdeflate_zlib_decompress(unpacker, data, size, out, out_size, NULL) ==
           LIBDEFLATE_SUCCESS;
}

static gboolean checked(const void *data, gsize size)
{
    return TRUE;
}

const DkBlockCodec dk_block_zlib = {
    .name = "zlib",
    .levels = TRUE,
    .level_min = 1,
    .level_max = 12,
    .level_normal = 1,
    .packer_new = packer_new,
    .packer_free = packer_free,
    .unpacker_new = unpacker_new,
    .unpacker_free = unpacker_free,
    .pack = pack,
    .unpack = unpack,
    .checked = checked,
};
