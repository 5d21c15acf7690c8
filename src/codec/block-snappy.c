/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <snappy-c.h>
#include <string.h>

#include "codec/block-codecs.h"

typedef struct {
    guint8 *out; /* of the size that snappy may need, which is above most rooms */
    gsize out_size;
} Packer;

static gpointer packer_new(gint level, gsize size)
{
    Packer *packer = g_new0(Packer, 1);
    packer->out_size = snappy_max_compressed_length(size);
    packer->out = g_malloc(packer->out_size);
    return packer;
}

static void packer_free(gpointer data)
{
    Packer *packer = data;
    g_free(packer->out);
    g_free(packer);
}

static gsize pack(gpointer data, const void *in, gsize size, void *out, gsize room)
{
    Packer *packer = data;
    gsize len = packer->out_size;
    if (snappy_compress(in, size, (char *)packer->out, &len) != SNAPPY_OK || len > room)
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
    /* The block says how long it is; more than there is room for must not be unpacked. */
    gsize len = 0;
    if (snappy_uncompressed_length(data, size, &len) != SNAPPY_OK || len != out_size)
        return FALSE;
    return snappy_uncompress(data, size, out, &len) == SNAPPY_OK && len == out_size;
}

static gboolean checked(const void *data, gsize size)
{
    return FALSE;
}

const DkBlockCodec dk_block_snappy = {
    .name = "snappy",
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
