/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <zstd.h>

#include "codec/block-codecs.h"
#include "codec/zstd-stream.h"

static gpointer packer_new(gint level, gsize size)
{
    ZSTD_CCtx *packer = ZSTD_createCCtx();
    if (!packer)
        g_error("zstd: no memory");
    ZSTD_CCtx_setParameter(packer, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(packer, ZSTD_c_checksumFlag, 1);
    return packer;
}

static void packer_free(gpointer packer)
{
    ZSTD_freeCCtx(packer);
}

static gsize pack(gpointer packer, const void *data, gsize size, void *out, gsize room)
{
    gsize made = ZSTD_compress2(packer, out, room, data, size);
    return ZSTD_isError(made) ? 0 : made;
}

static gpointer unpacker_new(void)
{
    ZSTD_DCtx *unpacker = ZSTD_createDCtx();
    if (!unpacker)
        g_error("zstd: no memory");
    return unpacker;
}

static void unpacker_free(gpointer unpacker)
{
    ZSTD_freeDCtx(unpacker);
}

static gboolean unpack(gpointer unpacker, const void *data, gsize size, void *out, gsize out_size)
{
    return ZSTD_decompressDCtx(unpacker, out, out_size, data, size) == out_size;
}

static gboolean checked(const void *data, gsize size)
{
    return (dk_zstd_descriptor(data, size) & DK_ZSTD_DESCRIPTOR_CHECKSUM) != 0;
}

const DkBlockCodec dk_block_zstd = {
    .name = "zstd",
    .levels = TRUE,
    /* Faster ones make pages larger than LZO does, and gain little. */
    .level_min = -1,
    .level_max = 19,
    .level_normal = 1,
    .packer_new = packer_new,
    .packer_free = packer_free,
    .unpacker_new = unpacker_new,
    .unpacker_free = unpacker_free,
    .pack = pack,
    .unpack = unpack,
    .checked = checked,
};
