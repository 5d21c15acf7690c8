/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compression of small blocks, such as the pages of a kdump file: each is packed alone and unpacks
 * to a size that is known beforehand.  One table an algorithm, and a pool of states so that several
 * threads can work at once without making a state for each block.
 *
 * To add an algorithm: a word in DkBlockId, a file block-NAME.c with `const DkBlockCodec
 * dk_block_NAME`, and its row in block.c.
 */
#pragma once

#include <glib.h>

typedef enum {
    DK_BLOCK_ZLIB,   /* RFC 1950 */
    DK_BLOCK_LZO,    /* LZO1X; liblzo2 */
    DK_BLOCK_SNAPPY, /* raw snappy, without frames */
    DK_BLOCK_ZSTD,   /* one frame, RFC 8878 */
    DK_BLOCK_COUNT
} DkBlockId;

typedef struct {
    const char *name;
    gboolean levels;   /* whether level means anything */
    gint level_min;    /* the fastest */
    gint level_max;    /* the smallest */
    gint level_normal; /* the one for level 0 */

    /*
     * The state of one packer for blocks of up to size bytes at that level, and of one unpacker;
     * never NULL.  A state serves one thread at a time.
     */
    gpointer (*packer_new)(gint level, gsize size);
    void (*packer_free)(gpointer packer);
    gpointer (*unpacker_new)(void);
    void (*unpacker_free)(gpointer unpacker);

    /*
     * Packs size bytes (at least 1, at most what packer_new() was told) into at most room bytes at
     * out.  Returns how many they are; 0 when they do not fit.
     */
    gsize (*pack)(gpointer packer, const void *data, gsize size, void *out, gsize room);

    /* Whether size bytes at data unpack into exactly out_size bytes at out. */
    gboolean (*unpack)(gpointer unpacker, const void *data, gsize size, void *out, gsize out_size);

    /* Whether the size bytes of a packed block carry a checksum that unpack() compares. */
    gboolean (*checked)(const void *data, gsize size);
} DkBlockCodec;

/* NULL when dumpkit was built without it. */
const DkBlockCodec *dk_block_codec(DkBlockId id);

/* "zlib" and so on, also for what is not built in; never NULL. */
const char *dk_block_name(DkBlockId id);

/* A pool of packers of one kind. */
typedef struct DkBlockPool DkBlockPool;

/* level 0 is the codec's normal one; others are brought into its range. */
DkBlockPool *dk_block_pool_new(const DkBlockCodec *codec, gint level, gsize size);
void dk_block_pool_free(DkBlockPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkBlockPool, dk_block_pool_free)

/*
 * Lends a packer to the calling thread, a fresh one when all are lent; give returns it.  May be
 * called by several threads at once.
 */
gpointer dk_block_pool_take(DkBlockPool *pool);
void dk_block_pool_give(DkBlockPool *pool, gpointer packer);
