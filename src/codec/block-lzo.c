/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LZO1X-1 by liblzo2, which is under the GPL; block-lzo-none.c stands in without it. */
#include <lzo/lzo1x.h>
#include <string.h>

#include "codec/block-codecs.h"

typedef struct {
    gpointer work;
    guint8 *out; /* liblzo2 does not look at the room */
} Packer;

static gsize bound(gsize size)
{
    return size + size / 16 + 64 + 3; /* the LZO FAQ */
}

static gpointer packer_new(gint level, gsize size)
{
    Packer *packer = g_new0(Packer, 1);
    packer->work = g_malloc(LZO1X_1_MEM_COMPRESS);
    packer->out = g_malloc(bound(size));
    return packer;
}

static void packer_free(gpointer data)
{
    Packer *packer = data;
    g_free(packer->work);
    g_free(packer->out);
    g_free(packer);
}

static gsize pack(gpointer data, const void *in, gsize size, void *out, gsize room)
{
    Packer *packer = data;
    lzo_uint len = 0;
    if (lzo1x_1_compress(in, size, packer->out, &len, packer->work) != LZO_E_OK || len > room)
        return 0;
    memcpy(out, packer->out, len);
    return len;
}

static gpointer unpacker_new(void)
{
    return g_malloc(1); /* none is needed */
}

static gboolean unpack(gpointer unpacker, const void *data, gsize size, void *out, gsize out_size)
{
    lzo_uint len = out_size;
    return lzo1x_decompress_safe(data, size, out, &len, NULL) == LZO_E_OK && len == out_size;
}

static gboolean checked(const void *data, gsize size)
{
    return FALSE;
}

const DkBlockCodec dk_block_lzo = {
    .name = "lzo",
    .level_normal = 1,
    .level_min = 1,
    .level_max = 1,
    .packer_new = packer_new,
    .packer_free = packer_free,
    .unpacker_new = unpacker_new,
    .unpacker_free = g_free,
    .pack = pack,
    .unpack = unpack,
    .checked = checked,
};
