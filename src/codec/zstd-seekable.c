/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/zstd-seekable.h"

#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/cursor.h"
#include "base/error.h"

#define SKIPPABLE_HEADER 8
#define TABLE_MAGIC 0x184d2a5eu /* of the skippable frame */
#define FOOTER_MAGIC 0x8f92eab1u
#define HAS_CHECKSUM 0x80u
#define RESERVED_BITS 0x7cu /* a reader must refuse them; bits 0 and 1 it must ignore */

/* A skippable frame without content is the shortest of all frames. */
#define FRAME_MIN 8
/* RFC 8878: a block stands for at most 128 KiB and takes a header of 3 bytes and one byte. */
#define BLOCK_MIN 4
#define BLOCK_CONTENT_MAX ((guint64)128 << 10)

struct DkZstdPacker {
    ZSTD_CCtx *context;
    int level;
};

struct DkZstdUnpacker {
    ZSTD_DCtx *context;
};

DkZstdPacker *dk_zstd_packer_new(int level)
{
    DkZstdPacker *packer = g_new0(DkZstdPacker, 1);
    packer->level = CLAMP(level, DK_ZSTD_LEVEL_MIN, DK_ZSTD_LEVEL_MAX);
    return packer;
}

void dk_zstd_packer_free(DkZstdPacker *packer)
{
    if (!packer)
        return;
    ZSTD_freeCCtx(packer->context);
    g_free(packer);
}

gsize dk_zstd_bound(gsize size)
{
    return ZSTD_compressBound(size);
}

static guint32 load_le32(const void *at)
{
    guint32 raw;
    memcpy(&raw, at, sizeof raw);
    return GUINT32_FROM_LE(raw);
}

static void store_le32(void *at, guint32 value)
{
    guint32 raw = GUINT32_TO_LE(value);
    memcpy(at, &raw, sizeof raw);
}

gboolean dk_zstd_pack(DkZstdPacker *packer, const void *data, gsize size, void *out,
                      DkZstdFrame *frame, GError **error)
{
    g_assert(size >= 1 && size <= DK_ZSTD_FRAME_MAX);
    if (!packer->context) {
        packer->context = ZSTD_createCCtx();
        if (!packer->context) {
            g_set_error_literal(error, DK_ERROR, DK_ERROR_SYSTEM,
                                "zstd: not enough memory to compress");
            return FALSE;
        }
        ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, packer->level);
        ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1);
    }
    size_t packed = ZSTD_compress2(packer->context, out, dk_zstd_bound(size), data, size);
    if (ZSTD_isError(packed)) {
        g_set_error(error, DK_ERROR, DK_ERROR_SYSTEM, "zstd: %s", ZSTD_getErrorName(packed));
        return FALSE;
    }
    frame->packed_size = (guint32)packed;
    frame->size = (guint32)size;
    /* A frame ends with the very checksum that the table wants. */
    frame->checksum = load_le32((const guint8 *)out + packed - sizeof frame->checksum);
    return TRUE;
}

GByteArray *dk_zstd_table_new(void)
{
    GByteArray *table = g_byte_array_new();
    g_byte_array_set_size(table, SKIPPABLE_HEADER);
    return table;
}

gboolean dk_zstd_table_add(GByteArray *table, const DkZstdFrame *frame, GError **error)
{
    guint8 entry[12];
    if ((table->len - SKIPPABLE_HEADER) / sizeof entry >= DK_ZSTD_FRAMES_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "seek table: more than %u frames",
                    DK_ZSTD_FRAMES_MAX);
        return FALSE;
    }
    store_le32(entry, frame->packed_size);
    store_le32(entry + 4, frame->size);
    store_le32(entry + 8, frame->checksum);
    g_byte_array_append(table, entry, sizeof entry);
    return TRUE;
}

GBytes *dk_zstd_table_close(GByteArray *table)
{
    guint8 footer[DK_ZSTD_FOOTER_SIZE];
    store_le32(footer, (table->len - SKIPPABLE_HEADER) / 12);
    footer[4] = HAS_CHECKSUM;
    store_le32(footer + 5, FOOTER_MAGIC);
    g_byte_array_append(table, footer, sizeof footer);
    store_le32(table->data, TABLE_MAGIC);
    store_le32(table->data + 4, table->len - SKIPPABLE_HEADER);
    return g_byte_array_free_to_bytes(table);
}

GBytes *dk_zstd_table_write(const GArray *frames)
{
    GByteArray *table = dk_zstd_table_new();
    for (guint i = 0; i < frames->len; i++) {
        g_autoptr(GError) error = NULL;
        if (!dk_zstd_table_add(table, &g_array_index(frames, DkZstdFrame, i), &error))
            g_error("%s", error->message);
    }
    return dk_zstd_table_close(table);
}

/* Bytes of a whole closing frame with count entries. */
static guint64 table_bytes(guint32 count, guint8 descriptor)
{
    guint64 entry = descriptor & HAS_CHECKSUM ? 12 : 8;
    return SKIPPABLE_HEADER + count * entry + DK_ZSTD_FOOTER_SIZE;
}

static gboolean read_footer(DkCursor *cursor, guint32 *count, guint8 *descriptor, GError **error)
{
    guint32 magic;
    if (!dk_cursor_u32(cursor, "number of frames", count, error) ||
        !dk_cursor_u8(cursor, "descriptor", descriptor, error) ||
        !dk_cursor_u32(cursor, "magic", &magic, error))
        return FALSE;
    if (magic != FOOTER_MAGIC) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NOT_MINE,
                            "the file does not end with a seek table");
        return FALSE;
    }
    if (*descriptor & RESERVED_BITS) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "seek table: descriptor 0x%02x has reserved bits", *descriptor);
        return FALSE;
    }
    if (*count > DK_ZSTD_FRAMES_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "seek table: %u frames, at most %u are read",
                    *count, DK_ZSTD_FRAMES_MAX);
        return FALSE;
    }
    return TRUE;
}

gboolean dk_zstd_table_size(const guint8 footer[DK_ZSTD_FOOTER_SIZE], guint64 *size, GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, footer, DK_ZSTD_FOOTER_SIZE, 0, "seek table");
    guint32 count;
    guint8 descriptor;
    if (!read_footer(&cursor, &count, &descriptor, error))
        return FALSE;
    *size = table_bytes(count, descriptor);
    return TRUE;
}

/* Checks what the table says of one frame against what is possible. */
static gboolean check_entry(const DkZstdFrame *frame, guint index, guint64 packed_size,
                            GError **error)
{
    if (frame->packed_size < FRAME_MIN || frame->packed_size > packed_size - frame->packed_off) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "seek table: frame %u at offset 0x%" G_GINT64_MODIFIER
                    "x cannot have %u bytes; the table starts at 0x%" G_GINT64_MODIFIER "x",
                    index, frame->packed_off, frame->packed_size, packed_size);
        return FALSE;
    }
    if (frame->size > frame->packed_size / BLOCK_MIN * BLOCK_CONTENT_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "seek table: frame %u at offset 0x%" G_GINT64_MODIFIER
                    "x: %u bytes cannot hold a content of %u",
                    index, frame->packed_off, frame->packed_size, frame->size);
        return FALSE;
    }
    if (frame->size > DK_ZSTD_FRAME_MAX ||
        (frame->size && frame->packed_size > ZSTD_compressBound(DK_ZSTD_FRAME_MAX))) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "seek table: frame %u at offset 0x%" G_GINT64_MODIFIER
                    "x has %u bytes of content in %u; at most %" G_GSIZE_FORMAT " are read",
                    index, frame->packed_off, frame->size, frame->packed_size, DK_ZSTD_FRAME_MAX);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_entries(DkCursor *cursor, GArray *frames, guint32 count, guint64 packed_size,
                             gboolean has_checksum, GError **error)
{
    DkZstdFrame frame = {0};
    for (guint32 i = 0; i < count; i++) {
        if (!dk_cursor_u32(cursor, "compressed size", &frame.packed_size, error) ||
            !dk_cursor_u32(cursor, "content size", &frame.size, error) ||
            (has_checksum && !dk_cursor_u32(cursor, "checksum", &frame.checksum, error)) ||
            !check_entry(&frame, i, packed_size, error))
            return FALSE;
        g_array_append_val(frames, frame);
        frame.packed_off += frame.packed_size;
        frame.off += frame.size;
    }
    if (frame.packed_off != packed_size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "seek table: its frames end at offset 0x%" G_GINT64_MODIFIER
                    "x, the table starts at 0x%" G_GINT64_MODIFIER "x",
                    frame.packed_off, packed_size);
        return FALSE;
    }
    return TRUE;
}

/* NULL when there is not enough memory for count frames. */
static GArray *frames_new(guint32 count)
{
    gpointer probe = g_try_malloc_n(count + 1u, sizeof(DkZstdFrame));
    if (!probe)
        return NULL;
    g_free(probe);
    return g_array_sized_new(FALSE, FALSE, sizeof(DkZstdFrame), count);
}

GArray *dk_zstd_table_read(const void *table, gsize size, guint64 packed_size,
                           gboolean *has_checksum, GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, table, size, packed_size, "seek table");
    guint32 magic, frame_size, count;
    guint8 descriptor;
    if (size < SKIPPABLE_HEADER + DK_ZSTD_FOOTER_SIZE) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "seek table at offset 0x%" G_GINT64_MODIFIER "x: only %" G_GSIZE_FORMAT
                    " bytes",
                    packed_size, size);
        return NULL;
    }
    if (!dk_cursor_u32(&cursor, "magic", &magic, error) ||
        !dk_cursor_u32(&cursor, "frame size", &frame_size, error) ||
        !dk_cursor_seek(&cursor, "footer", size - DK_ZSTD_FOOTER_SIZE, error) ||
        !read_footer(&cursor, &count, &descriptor, error))
        return NULL;
    if (magic != TABLE_MAGIC || frame_size != size - SKIPPABLE_HEADER ||
        size != table_bytes(count, descriptor)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "seek table at offset 0x%" G_GINT64_MODIFIER
                    "x: magic 0x%08x and %u bytes, expected 0x%08x and %" G_GUINT64_FORMAT
                    " for %u frames",
                    packed_size, magic, frame_size, TABLE_MAGIC,
                    table_bytes(count, descriptor) - SKIPPABLE_HEADER, count);
        return NULL;
    }
    gboolean checksum = (descriptor & HAS_CHECKSUM) != 0;
    g_autoptr(GArray) frames = frames_new(count);
    if (!frames) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "seek table: no memory for %u frames", count);
        return NULL;
    }
    if (!dk_cursor_seek(&cursor, "entries", SKIPPABLE_HEADER, error) ||
        !read_entries(&cursor, frames, count, packed_size, checksum, error))
        return NULL;
    *has_checksum = checksum;
    return g_steal_pointer(&frames);
}

DkZstdUnpacker *dk_zstd_unpacker_new(void)
{
    return g_new0(DkZstdUnpacker, 1);
}

void dk_zstd_unpacker_free(DkZstdUnpacker *unpacker)
{
    if (!unpacker)
        return;
    ZSTD_freeDCtx(unpacker->context);
    g_free(unpacker);
}

gboolean dk_zstd_frame_holds(const void *data, gsize size, guint64 content, GError **error)
{
    unsigned long long said = ZSTD_getFrameContentSize(data, size);
    if (said == ZSTD_CONTENTSIZE_ERROR) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_DAMAGED, "no zstd frame starts here");
        return FALSE;
    }
    if (said != ZSTD_CONTENTSIZE_UNKNOWN && said != content) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the frame says %llu bytes of content, expected %" G_GUINT64_FORMAT, said,
                    content);
        return FALSE;
    }
    return TRUE;
}

gboolean dk_zstd_unpack(DkZstdUnpacker *unpacker, const void *data, gsize size, void *out,
                        gsize out_size, GError **error)
{
    if (!unpacker->context && !(unpacker->context = ZSTD_createDCtx())) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_SYSTEM, "zstd: not enough memory to unpack");
        return FALSE;
    }
    /* libzstd would take several frames for one. */
    size_t whole = ZSTD_findFrameCompressedSize(data, size);
    if (ZSTD_isError(whole) || whole != size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "no zstd frame of %" G_GSIZE_FORMAT " bytes",
                    size);
        return FALSE;
    }
    guint8 nothing;
    size_t got = ZSTD_decompressDCtx(unpacker->context, out_size ? out : &nothing, out_size, data,
                                     size);
    if (ZSTD_isError(got)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "zstd: %s", ZSTD_getErrorName(got));
        return FALSE;
    }
    if (got != out_size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "unpacks to %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT, (gsize)got,
                    out_size);
        return FALSE;
    }
    return TRUE;
}

guint32 dk_zstd_checksum(const void *content, gsize size)
{
    return (guint32)XXH64(content, size, 0);
}
