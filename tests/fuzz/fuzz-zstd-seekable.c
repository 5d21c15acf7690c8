/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seekable zstd format: the bytes are read as a seek table, as the entries of a table that fits
 * otherwise, as a frame, and as a whole file, with a table or without.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "codec/zstd-seekable.h"
#include "io/input.h"

#define FRAME_LIMIT ((gsize)1 << 20)
#define READ_SIZE 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frames(const GArray *frames, guint64 packed_size)
{
    guint64 packed = 0, off = 0;
    for (guint i = 0; i < frames->len; i++) {
        const DkZstdFrame *frame = &g_array_index(frames, DkZstdFrame, i);
        g_assert_cmpuint(frame->packed_off, ==, packed);
        g_assert_cmpuint(frame->off, ==, off);
        packed += frame->packed_size;
        off += frame->size;
    }
    g_assert_cmpuint(packed, ==, packed_size);
}

static void try_table(const uint8_t *table, gsize size, guint64 packed_size)
{
    gboolean has_checksum;
    g_autoptr(GArray) frames = dk_zstd_table_read(table, size, packed_size, &has_checksum, NULL);
    if (frames)
        check_frames(frames, packed_size);
}

/* Puts a right header and footer around the bytes, so that each entry is looked at. */
static void try_entries(const uint8_t *data, gsize size)
{
    gboolean checksum = size % 12 == 0;
    guint32 entry = checksum ? 12 : 8;
    guint32 count = (guint32)size / entry;
    guint32 words[] = {GUINT32_TO_LE(0x184d2a5e), GUINT32_TO_LE(count * entry + 9)};
    guint64 packed_size = 0;
    g_autoptr(GByteArray) table = g_byte_array_new();
    g_byte_array_append(table, (const guint8 *)words, sizeof words);
    g_byte_array_append(table, data, count * entry);
    for (guint i = 0; i < count; i++) {
        guint32 packed;
        memcpy(&packed, data + (gsize)i * entry, sizeof packed);
        packed_size += GUINT32_FROM_LE(packed);
    }
    guint8 footer[9] = {[4] = checksum ? 0x80 : 0, 0xb1, 0xea, 0x92, 0x8f};
    words[0] = GUINT32_TO_LE(count);
    memcpy(footer, words, 4);
    g_byte_array_append(table, footer, sizeof footer);
    try_table(table->data, table->len, packed_size);
}

static void try_frame(const uint8_t *data, gsize size)
{
    g_autoptr(DkZstdUnpacker) unpacker = dk_zstd_unpacker_new();
    g_autofree guint8 *out = g_malloc(FRAME_LIMIT);
    for (gsize len = 0; len <= FRAME_LIMIT; len = len ? len * 16 : 1) {
        if (dk_zstd_frame_holds(data, size, len, NULL) &&
            dk_zstd_unpack(unpacker, data, size, out, len, NULL))
            g_assert_true(dk_zstd_frame_holds(data, size, len, NULL));
    }
}

static void try_file(const uint8_t *data, gsize size)
{
    dk_autofd int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || dk_fd_pwrite_all(fd, data, size, 0) < 0)
        return;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(DkInput) input = dk_input_open(path, NULL);
    if (!input)
        return;
    guint64 total = dk_input_size(input);
    const guint64 offs[] = {0, 1, total / 3, total / 2, total ? total - 1 : 0, total, G_MAXUINT64};
    guint8 buf[READ_SIZE];
    for (guint i = 0; i < G_N_ELEMENTS(offs); i++) {
        gssize got = dk_input_read(input, offs[i], buf, sizeof buf, NULL);
        guint64 there = offs[i] < total ? MIN(total - offs[i], sizeof buf) : 0;
        g_assert_true(got == -1 || (guint64)got == there);
    }
    /* Content that has been verified can be read. */
    gboolean verified;
    if (dk_input_verify(input, &verified, NULL, NULL))
        g_assert_cmpint(dk_input_read(input, 0, buf, 1, NULL), ==, total ? 1 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    guint64 table_size;
    if (size >= DK_ZSTD_FOOTER_SIZE &&
        dk_zstd_table_size(data + size - DK_ZSTD_FOOTER_SIZE, &table_size, NULL) &&
        table_size <= size)
        try_table(data + size - table_size, (gsize)table_size, size - table_size);
    try_table(data, size, 0);
    try_table(data, size, size);
    try_entries(data, size);
    try_frame(data, size);
    try_file(data, size);
    return 0;
}
