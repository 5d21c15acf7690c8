/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/snappy-frame.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "codec/block.h"
#include "codec/crc32c.h"

#define TYPE_SNAPPY 0x00u
#define TYPE_STORED 0x01u
#define TYPE_IDENTIFIER 0xffu
#define TYPE_SKIPPABLE 0x80u /* and above */
#define HEAD 4u
#define SUM 4u
#define HEX "0x%" G_GINT64_MODIFIER "x"

static guint32 masked_sum(const void *data, gsize len)
{
    guint32 crc = dk_crc32c(data, len);
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static gboolean damaged(GError **error, guint64 off, const char *what)
{
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "snappy chunk at offset " HEX " %s", off, what);
    return FALSE;
}

/* The length that raw snappy begins with: seven bits a byte, low ones first. */
static gboolean read_content(DkCursor *cursor, guint32 *content)
{
    guint32 value = 0;
    for (guint shift = 0; shift < 21; shift += 7) {
        guint8 byte;
        if (!dk_cursor_u8(cursor, "length", &byte, NULL))
            return FALSE;
        value |= (guint32)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *content = value;
            return value && value <= DK_SNAPPY_CONTENT_MAX;
        }
    }
    return FALSE;
}

static gboolean look_content(DkCursor *cursor, guint64 off, guint8 type, guint32 follow,
                             guint32 *content, GError **error)
{
    guint32 sum;
    if (follow <= SUM || follow > DK_SNAPPY_CHUNK_MAX - HEAD)
        return damaged(error, off, "has an impossible length");
    if (type == TYPE_STORED) {
        *content = follow - SUM;
        return *content <= DK_SNAPPY_CONTENT_MAX || damaged(error, off, "has more than 64 KiB");
    }
    if (!dk_cursor_u32(cursor, "checksum", &sum, NULL) || !read_content(cursor, content))
        return damaged(error, off, "does not say a length of 1 to 65536 bytes");
    return TRUE;
}

gboolean dk_snappy_chunk_look(const void *data, gsize len, guint64 off, DkSnappyChunk *chunk,
                              GError **error)
{
    DkCursor cursor;
    guint32 head;
    dk_cursor_init(&cursor, data, len, off, "snappy chunk");
    if (!dk_cursor_u32(&cursor, "type and length", &head, error))
        return FALSE;
    guint8 type = head & 0xff;
    DkSnappyChunk found = {HEAD + (head >> 8), 0};
    if (type == TYPE_IDENTIFIER) {
        const guint8 *text = dk_cursor_bytes(&cursor, "identifier", 6, NULL);
        if (found.size != DK_SNAPPY_IDENTIFIER_SIZE || !text || memcmp(text, "sNaPpY", 6) != 0)
            return damaged(error, off, "is no stream identifier, though of its type");
    } else if (type == TYPE_SNAPPY || type == TYPE_STORED) {
        if (!look_content(&cursor, off, type, head >> 8, &found.content, error))
            return FALSE;
    } else if (type < TYPE_SKIPPABLE) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "snappy chunk at offset " HEX " is of the unknown type 0x%02x", off, type);
        return FALSE;
    }
    *chunk = found;
    return TRUE;
}

gboolean dk_snappy_available(void)
{
    return dk_block_codec(DK_BLOCK_SNAPPY) != NULL;
}

/* Raw snappy needs no state that would be worth keeping. */
static gboolean unpack_raw(const guint8 *body, gsize len, void *out, gsize content)
{
    const DkBlockCodec *codec = dk_block_codec(DK_BLOCK_SNAPPY);
    if (!codec)
        return FALSE;
    gpointer unpacker = codec->unpacker_new();
    gboolean done = codec->unpack(unpacker, body, len, out, content);
    codec->unpacker_free(unpacker);
    return done;
}

gboolean dk_snappy_chunk_unpack(const void *data, gsize len, guint64 off, void *out, gsize content,
                                GError **error)
{
    DkCursor cursor;
    guint32 head;
    guint32 sum;
    dk_cursor_init(&cursor, data, len, off, "snappy chunk");
    if (!dk_cursor_u32(&cursor, "type and length", &head, error) ||
        !dk_cursor_u32(&cursor, "checksum", &sum, error))
        return FALSE;
    gsize left = dk_cursor_left(&cursor);
    const guint8 *body = dk_cursor_bytes(&cursor, "content", left, error);
    if (!body)
        return FALSE;
    if ((head & 0xff) == TYPE_STORED) {
        if (left != content)
            return damaged(error, off, "has another length than it said");
        memcpy(out, body, content);
    } else if (!unpack_raw(body, left, out, content)) {
        return damaged(error, off, "does not unpack");
    }
    if (masked_sum(out, content) != sum)
        return damaged(error, off, "differs from its checksum");
    return TRUE;
}

static void put_u32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

struct DkSnappyPacker {
    const DkBlockCodec *codec;
    DkBlockPool *pool;
};

DkSnappyPacker *dk_snappy_packer_new(void)
{
    DkSnappyPacker *packer = g_new0(DkSnappyPacker, 1);
    packer->codec = dk_block_codec(DK_BLOCK_SNAPPY);
    g_assert(packer->codec);
    packer->pool = dk_block_pool_new(packer->codec, 0, DK_SNAPPY_CONTENT_MAX);
    return packer;
}

void dk_snappy_packer_free(DkSnappyPacker *packer)
{
    if (!packer)
        return;
    dk_block_pool_free(packer->pool);
    g_free(packer);
}

void dk_snappy_chunk_pack(DkSnappyPacker *packer, const void *data, gsize len, GByteArray *out)
{
    g_assert(len && len <= DK_SNAPPY_CONTENT_MAX);
    guint start = out->len;
    g_byte_array_set_size(out, start + HEAD + SUM + (guint)len);
    guint8 *chunk = out->data + start;
    guint8 type = TYPE_SNAPPY;
    /* As other writers do: what saves less than an eighth is not worth unpacking. */
    gpointer state = dk_block_pool_take(packer->pool);
    gsize packed = packer->codec->pack(state, data, len, chunk + HEAD + SUM, len - len / 8);
    dk_block_pool_give(packer->pool, state);
    if (!packed) {
        memcpy(chunk + HEAD + SUM, data, len);
        packed = len;
        type = TYPE_STORED;
    }
    put_u32(chunk, type | (guint32)(packed + SUM) << 8);
    put_u32(chunk + HEAD, masked_sum(data, len));
    g_byte_array_set_size(out, start + HEAD + SUM + (guint)packed);
}
