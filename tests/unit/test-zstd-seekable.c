/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "codec/zstd-seekable.h"
#include "codec/zstd-stream.h"

/* Text for even, noise for odd kinds. */
static guint8 *make_data(gsize len, guint kind)
{
    guint8 *data = g_malloc(len + 1);
    guint32 state = 1 + kind;
    for (gsize i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = kind % 2 ? (guint8)(state >> 24) : (guint8)("stack heap "[i % 11]);
    }
    return data;
}

static void test_frame(void)
{
    static const gsize sizes[] = {1, 2, 255, 4096, 131073, 1 << 20};
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(DK_ZSTD_LEVEL_DEFAULT);
    g_autoptr(DkZstdUnpacker) unpacker = dk_zstd_unpacker_new();
    for (guint i = 0; i < G_N_ELEMENTS(sizes) * 2; i++) {
        gsize size = sizes[i / 2];
        g_autofree guint8 *data = make_data(size, i);
        g_autofree guint8 *packed = g_malloc(dk_zstd_bound(size));
        g_autofree guint8 *back = g_malloc(size);
        DkZstdFrame frame = {0};
        g_assert_true(dk_zstd_pack(packer, data, size, packed, &frame, NULL));
        g_assert_cmpuint(frame.size, ==, size);
        g_assert_cmpuint(frame.checksum, ==, dk_zstd_checksum(data, size));
        g_assert_true(dk_zstd_frame_holds(packed, frame.packed_size, size, NULL));
        g_assert_true(dk_zstd_unpack(unpacker, packed, frame.packed_size, back, size, NULL));
        g_assert_cmpmem(back, size, data, size);
    }
}

/* No wrong size and no changed byte passes. */
static void test_frame_damaged(void)
{
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(1);
    g_autoptr(DkZstdUnpacker) unpacker = dk_zstd_unpacker_new();
    enum { SIZE = 700 };
    g_autofree guint8 *data = make_data(SIZE, 1);
    g_autofree guint8 *packed = g_malloc(2 * dk_zstd_bound(SIZE));
    guint8 back[SIZE + 1];
    DkZstdFrame frame = {0};
    g_assert_true(dk_zstd_pack(packer, data, SIZE, packed, &frame, NULL));
    gsize len = frame.packed_size;
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_zstd_unpack(unpacker, packed, len - 1, back, SIZE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    g_assert_false(dk_zstd_unpack(unpacker, packed, len, back, SIZE - 1, NULL));
    g_assert_false(dk_zstd_unpack(unpacker, packed, len, back, SIZE + 1, NULL));
    g_assert_false(dk_zstd_unpack(unpacker, packed, len, NULL, 0, NULL));
    g_assert_false(dk_zstd_frame_holds(packed, len, SIZE + 1, NULL));
    g_assert_false(dk_zstd_frame_holds(packed + 1, len - 1, SIZE, NULL));
    /* Two frames are not one. */
    memcpy(packed + len, packed, len);
    g_assert_false(dk_zstd_unpack(unpacker, packed, 2 * len, back, SIZE, NULL));
    for (gsize i = 0; i < len; i++) {
        packed[i] ^= 0x41;
        g_assert_false(dk_zstd_unpack(unpacker, packed, len, back, SIZE, NULL));
        packed[i] ^= 0x41;
    }
    g_assert_true(dk_zstd_unpack(unpacker, packed, len, back, SIZE, NULL));
}

/* The bytes that the format's description gives for one frame of 0x20 bytes with 0x1000 in it. */
static const guint8 one_frame[] = {
    0x5e, 0x2a, 0x4d, 0x18, 21,   0,    0,    0, /* skippable frame, 21 bytes */
    0x20, 0,    0,    0,    0,    0x10, 0,    0,    0x78, 0x56, 0x34, 0x12, /* sizes, checksum */
    1,    0,    0,    0,    0x80, 0xb1, 0xea, 0x92, 0x8f,                   /* footer */
};

static void test_table_layout(void)
{
    g_autoptr(GArray) frames = g_array_new(FALSE, TRUE, sizeof(DkZstdFrame));
    DkZstdFrame frame = {.packed_size = 0x20, .size = 0x1000, .checksum = 0x12345678};
    g_array_append_val(frames, frame);
    g_autoptr(GBytes) table = dk_zstd_table_write(frames);
    g_assert_cmpmem(g_bytes_get_data(table, NULL), g_bytes_get_size(table), one_frame,
                    sizeof one_frame);
    guint64 size = 0;
    g_assert_true(
        dk_zstd_table_size(one_frame + sizeof one_frame - DK_ZSTD_FOOTER_SIZE, &size, NULL));
    g_assert_cmpuint(size, ==, sizeof one_frame);
}

static void test_table_round_trip(void)
{
    g_autoptr(GArray) frames = g_array_new(FALSE, TRUE, sizeof(DkZstdFrame));
    guint64 packed_size = 0;
    for (guint i = 0; i < 1000; i++) {
        DkZstdFrame frame = {.packed_size = 100 + i, .size = i * 7, .checksum = i * 0x01020304};
        g_array_append_val(frames, frame);
        packed_size += frame.packed_size;
    }
    g_autoptr(GBytes) table = dk_zstd_table_write(frames);
    gboolean has_checksum = FALSE;
    g_autoptr(GArray) back = dk_zstd_table_read(
        g_bytes_get_data(table, NULL), g_bytes_get_size(table), packed_size, &has_checksum, NULL);
    g_assert_nonnull(back);
    g_assert_true(has_checksum);
    g_assert_cmpuint(back->len, ==, 1000);
    const DkZstdFrame *last = &g_array_index(back, DkZstdFrame, 999);
    g_assert_cmpuint(last->packed_off, ==, packed_size - last->packed_size);
    g_assert_cmpuint(last->off, ==, 7 * 999 * 998 / 2);
    g_assert_cmpuint(last->checksum, ==, 999 * 0x01020304u);
}

static void expect_table_error(const guint8 *table, gsize size, guint64 packed_size, int code)
{
    gboolean has_checksum = FALSE;
    g_autoptr(GError) error = NULL;
    GArray *frames = dk_zstd_table_read(table, size, packed_size, &has_checksum, &error);
    g_assert_null(frames);
    g_assert_error(error, DK_ERROR, code);
}

static void poke32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

static void test_table_lies(void)
{
    guint8 table[sizeof one_frame];
    gsize size = sizeof table;
#define FRESH memcpy(table, one_frame, size)
    FRESH;
    expect_table_error(table, size, 0x21, DK_ERROR_DAMAGED); /* the frames end before the table */
    expect_table_error(table, size, 0x1f, DK_ERROR_DAMAGED);
    for (gsize left = 0; left < size; left++)
        expect_table_error(table, left, 0x20, left < 17 ? DK_ERROR_DAMAGED : DK_ERROR_NOT_MINE);
    poke32(table, 0x184d2a50); /* another skippable frame */
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 4, 22);
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 8, 7); /* shorter than any frame */
    expect_table_error(table, size, 7, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 8, 0xffffffff);
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 12, 0x10000000); /* 32 bytes cannot unpack to 256 MiB */
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 8, 0x40000000);
    poke32(table + 12, (guint32)DK_ZSTD_FRAME_MAX + 1);
    expect_table_error(table, size, 0x40000000, DK_ERROR_LIMIT);
    FRESH;
    poke32(table + 20, 2); /* more frames than entries */
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 20, 0);
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    FRESH;
    poke32(table + 20, 0xffffffff);
    expect_table_error(table, size, 0x20, DK_ERROR_LIMIT);
    FRESH;
    table[24] = 0x00; /* no checksums: entries of 8 bytes do not fit */
    expect_table_error(table, size, 0x20, DK_ERROR_DAMAGED);
    table[24] = 0xc0;
    expect_table_error(table, size, 0x20, DK_ERROR_UNSUPPORTED);
    FRESH;
    table[24] = 0x83; /* bits that readers have to ignore */
    gboolean has_checksum = FALSE;
    g_autoptr(GArray) frames = dk_zstd_table_read(table, size, 0x20, &has_checksum, NULL);
    g_assert_nonnull(frames);
    table[28] ^= 1;
    guint64 got = 0;
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_zstd_table_size(table + size - DK_ZSTD_FOOTER_SIZE, &got, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_MINE);
}

/* Frames with and without checksum, a skippable one, all input and output sizes. */
static void test_stream(void)
{
    enum { SIZE = 5000 };
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(3);
    g_autofree guint8 *data = make_data(SIZE, 0);
    g_autoptr(GByteArray) file = g_byte_array_new();
    for (guint i = 0; i < 3; i++) {
        g_autofree guint8 *packed = g_malloc(dk_zstd_bound(SIZE));
        DkZstdFrame frame = {0};
        g_assert_true(dk_zstd_pack(packer, data, SIZE - i, packed, &frame, NULL));
        g_byte_array_append(file, packed, frame.packed_size);
        g_byte_array_append(file, one_frame, sizeof one_frame);
    }
    for (gsize step = 1; step < 40; step++) {
        g_autoptr(DkZstdStream) stream = dk_zstd_stream_new();
        g_assert_true(dk_zstd_stream_between_frames(stream));
        g_autoptr(GByteArray) content = g_byte_array_new();
        guint8 out[64];
        gsize pos = 0, made = 0;
        while (pos < file->len || made) {
            gsize used;
            g_assert_true(dk_zstd_stream_run(stream, file->data + pos,
                                             MIN(step * 3, file->len - pos), &used, out, step,
                                             &made, NULL));
            g_byte_array_append(content, out, (guint)made);
            pos += used;
        }
        g_assert_true(dk_zstd_stream_between_frames(stream));
        g_assert_true(dk_zstd_stream_has_checksums(stream));
        g_assert_cmpuint(content->len, ==, 3 * SIZE - 3);
        g_assert_cmpmem(content->data, SIZE, data, SIZE);
        g_assert_cmpmem(content->data + SIZE, SIZE - 1, data, SIZE - 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zstd-seekable/frame", test_frame);
    g_test_add_func("/zstd-seekable/frame-damaged", test_frame_damaged);
    g_test_add_func("/zstd-seekable/table-layout", test_table_layout);
    g_test_add_func("/zstd-seekable/table-round-trip", test_table_round_trip);
    g_test_add_func("/zstd-seekable/table-lies", test_table_lies);
    g_test_add_func("/zstd-seekable/stream", test_stream);
    return g_test_run();
}
