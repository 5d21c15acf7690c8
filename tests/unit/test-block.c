/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Compression of small blocks: what is packed unpacks, and nothing else does. */
#include <glib.h>
#include <string.h>

#include "codec/block.h"

#define PAGE 4096

/* Text-like bytes that every codec makes smaller. */
static void fill(guint8 *page, guint seed)
{
    for (guint i = 0; i < PAGE; i++)
        page[i] = (guint8)("the quick brown fox "[i % 20] + (i / 512 + seed) % 7);
}

static const DkBlockCodec *codec_of(gconstpointer data)
{
    const DkBlockCodec *codec = dk_block_codec((DkBlockId)GPOINTER_TO_UINT(data));
    if (!codec)
        g_test_skip("not built in");
    return codec;
}

static void test_round_trip(gconstpointer data)
{
    const DkBlockCodec *codec = codec_of(data);
    if (!codec)
        return;
    for (gint level = codec->level_min; level <= codec->level_max; level++) {
        gpointer packer = codec->packer_new(level, PAGE);
        gpointer unpacker = codec->unpacker_new();
        for (guint seed = 0; seed < 3; seed++) {
            guint8 page[PAGE], packed[PAGE], back[PAGE + 1];
            fill(page, seed);
            gsize size = codec->pack(packer, page, PAGE, packed, PAGE - 1);
            g_assert_cmpuint(size, >, 0);
            g_assert_cmpuint(size, <, PAGE / 2);
            g_assert_true(codec->unpack(unpacker, packed, size, back, PAGE));
            g_assert_cmpmem(back, PAGE, page, PAGE);
            /* One byte more or less is another block. */
            g_assert_false(codec->unpack(unpacker, packed, size, back, PAGE + 1));
            g_assert_false(codec->unpack(unpacker, packed, size, back, PAGE - 1));
            g_assert_false(codec->unpack(unpacker, packed, size - 1, back, PAGE));
        }
        codec->packer_free(packer);
        codec->unpacker_free(unpacker);
    }
}

static void test_no_room(gconstpointer data)
{
    const DkBlockCodec *codec = codec_of(data);
    if (!codec)
        return;
    guint8 page[PAGE], packed[PAGE];
    guint32 state = 1;
    for (guint i = 0; i < PAGE; i++)
        page[i] = (guint8)((state = state * 1664525 + 1013904223) >> 24);
    gpointer packer = codec->packer_new(codec->level_normal, PAGE);
    g_assert_cmpuint(codec->pack(packer, page, PAGE, packed, PAGE - 1), ==, 0);
    fill(page, 0);
    g_assert_cmpuint(codec->pack(packer, page, PAGE, packed, 16), ==, 0);
    g_assert_cmpuint(codec->pack(packer, page, PAGE, packed, PAGE - 1), >, 0);
    codec->packer_free(packer);
}

/* A changed byte is found where the block has a checksum, and is harmless elsewhere. */
static void test_damage(gconstpointer data)
{
    const DkBlockCodec *codec = codec_of(data);
    if (!codec)
        return;
    guint8 page[PAGE], packed[PAGE], back[PAGE];
    fill(page, 1);
    gpointer packer = codec->packer_new(codec->level_normal, PAGE);
    gpointer unpacker = codec->unpacker_new();
    gsize size = codec->pack(packer, page, PAGE, packed, PAGE - 1);
    gboolean checked = codec->checked(packed, size);
    g_assert_cmpint(checked, ==,
                    g_str_equal(codec->name, "zlib") || g_str_equal(codec->name, "zstd"));
    for (gsize at = 0; at < size; at++) {
        packed[at] ^= 0x10;
        gboolean done = codec->unpack(unpacker, packed, size, back, PAGE);
        if (done && checked)
            g_assert_cmpmem(back, PAGE, page, PAGE);
        packed[at] ^= 0x10;
    }
    g_assert_true(codec->unpack(unpacker, packed, size, back, PAGE));
    codec->packer_free(packer);
    codec->unpacker_free(unpacker);
}

typedef struct {
    DkBlockPool *pool;
    const DkBlockCodec *codec;
    guint seed;
} Work;

static gpointer pack_many(gpointer data)
{
    Work *work = data;
    gpointer unpacker = work->codec->unpacker_new();
    for (guint i = 0; i < 200; i++) {
        guint8 page[PAGE], packed[PAGE], back[PAGE];
        fill(page, work->seed + i);
        gpointer packer = dk_block_pool_take(work->pool);
        gsize size = work->codec->pack(packer, page, PAGE, packed, PAGE - 1);
        dk_block_pool_give(work->pool, packer);
        g_assert_true(work->codec->unpack(unpacker, packed, size, back, PAGE));
        g_assert_cmpmem(back, PAGE, page, PAGE);
    }
    work->codec->unpacker_free(unpacker);
    return NULL;
}

static void test_threads(gconstpointer data)
{
    const DkBlockCodec *codec = codec_of(data);
    if (!codec)
        return;
    g_autoptr(DkBlockPool) pool = dk_block_pool_new(codec, 0, PAGE);
    Work works[3];
    GThread *threads[3];
    for (guint i = 0; i < 3; i++) {
        works[i] = (Work){pool, codec, i};
        threads[i] = g_thread_new("pack", pack_many, &works[i]);
    }
    for (guint i = 0; i < 3; i++)
        g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint id = 0; id < DK_BLOCK_COUNT; id++) {
        static const struct {
            const char *name;
            void (*run)(gconstpointer);
        } tests[] = {{"round-trip", test_round_trip},
                     {"no-room", test_no_room},
                     {"damage", test_damage},
                     {"threads", test_threads}};
        for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
            g_autofree char *path = g_strdup_printf("/block/%s/%s", dk_block_name((DkBlockId)id),
                                                    tests[i].name);
            g_test_add_data_func(path, GUINT_TO_POINTER(id), tests[i].run);
        }
    }
    return g_test_run();
}
