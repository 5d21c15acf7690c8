/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/block.h"

#include "codec/block-codecs.h"

struct DkBlockPool {
    const DkBlockCodec *codec;
    gint level;
    gsize size;
    GMutex lock;
    GPtrArray *idle; /* guarded by lock */
};

const DkBlockCodec *dk_block_codec(DkBlockId id)
{
    static const DkBlockCodec *const codecs[DK_BLOCK_COUNT] = {
        [DK_BLOCK_ZLIB] = &dk_block_zlib,
        [DK_BLOCK_LZO] = &dk_block_lzo,
        [DK_BLOCK_SNAPPY] = &dk_block_snappy,
        [DK_BLOCK_ZSTD] = &dk_block_zstd,
    };
    g_assert(id < DK_BLOCK_COUNT);
    return codecs[id]->pack ? codecs[id] : NULL;
}

const char *dk_block_name(DkBlockId id)
{
    static const char *const names[DK_BLOCK_COUNT] = {"zlib", "lzo", "snappy", "zstd"};
    g_assert(id < DK_BLOCK_COUNT);
    return names[id];
}

DkBlockPool *dk_block_pool_new(const DkBlockCodec *codec, gint level, gsize size)
{
    DkBlockPool *pool = g_new0(DkBlockPool, 1);
    pool->codec = codec;
    pool->level = level ? CLAMP(level, codec->level_min, codec->level_max) : codec->level_normal;
    pool->size = size;
    g_mutex_init(&pool->lock);
    pool->idle = g_ptr_array_new_with_free_func(codec->packer_free);
    return pool;
}

void dk_block_pool_free(DkBlockPool *pool)
{
    if (!pool)
        return;
    g_ptr_array_unref(pool->idle);
    g_mutex_clear(&pool->lock);
    g_free(pool);
}

gpointer dk_block_pool_take(DkBlockPool *pool)
{
    g_mutex_lock(&pool->lock);
    gpointer packer = pool->idle->len
                          ? g_ptr_array_steal_index_fast(pool->idle, pool->idle->len - 1)
                          : NULL;
    g_mutex_unlock(&pool->lock);
    return packer ? packer : pool->codec->packer_new(pool->level, pool->size);
}

void dk_block_pool_give(DkBlockPool *pool, gpointer packer)
{
    g_mutex_lock(&pool->lock);
    g_ptr_array_add(pool->idle, packer);
    g_mutex_unlock(&pool->lock);
}
