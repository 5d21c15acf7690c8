/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The AVML reader and writer, and the frames of snappy below them. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "codec/crc32c.h"
#include "codec/snappy-frame.h"
#include "format/registry.h"
#include "image-memory.h"
#include "io/input.h"

/* RFC 3720, appendix B.4. */
static void test_crc(void)
{
    guint8 bytes[32] = {0};
    g_assert_cmphex(dk_crc32c(bytes, sizeof bytes), ==, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    g_assert_cmphex(dk_crc32c(bytes, sizeof bytes), ==, 0x62a8ab43);
    for (guint8 i = 0; i < 32; i++)
        bytes[i] = i;
    g_assert_cmphex(dk_crc32c(bytes, sizeof bytes), ==, 0x46dd794e);
    g_assert_cmphex(dk_crc32c("123456789", 9), ==, 0xe3069283);
    g_assert_cmphex(dk_crc32c("", 0), ==, 0);
}

static void test_chunks(void)
{
    DkSnappyPacker *packer = dk_snappy_packer_new();
    g_autofree guint8 *in = g_malloc0(DK_SNAPPY_CONTENT_MAX);
    g_autofree guint8 *out = g_malloc(DK_SNAPPY_CONTENT_MAX);
    for (guint turn = 0; turn < 40; turn++) {
        gsize len = turn < 20 ? turn + 1 : DK_SNAPPY_CONTENT_MAX - (turn - 20) * 1000;
        for (gsize i = 0; i < len; i++)
            in[i] = turn & 1 ? (guint8)(i / 100) : (guint8)g_test_rand_int();
        g_autoptr(GByteArray) packed = g_byte_array_new();
        dk_snappy_chunk_pack(packer, in, len, packed);
        DkSnappyChunk chunk;
        g_assert_true(
            dk_snappy_chunk_look(packed->data, MIN(packed->len, DK_SNAPPY_LOOK), 0, &chunk, NULL));
        g_assert_cmpuint(chunk.size, ==, packed->len);
        g_assert_cmpuint(chunk.content, ==, len);
        g_assert_true(dk_snappy_chunk_unpack(packed->data, packed->len, 0, out, len, NULL));
        g_assert_cmpmem(in, len, out, len);
        /* A byte that is wrong is noticed, unless the content is the same all the same. */
        g_autoptr(GError) error = NULL;
        packed->data[4 + g_test_rand_int_range(0, (gint)packed->len - 4)] ^= 0x10;
        if (dk_snappy_chunk_unpack(packed->data, packed->len, 0x77, out, len, &error)) {
            g_assert_cmpmem(in, len, out, len);
        } else {
            g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
            g_assert_nonnull(strstr(error->message, "0x77"));
        }
    }
    dk_snappy_packer_free(packer);
}

static void put(GByteArray *file, guint64 value, guint size)
{
    guint64 raw = GUINT64_TO_LE(value);
    g_byte_array_append(file, (const guint8 *)&raw, size);
}

/* A record of the pattern machine in chunks of step bytes. */
static void put_record(GByteArray *file, guint64 first, guint64 last, guint step)
{
    DkSnappyPacker *packer = dk_snappy_packer_new();
    put(file, 0x4c4d5641, 4);
    put(file, 2, 4);
    put(file, first, 8);
    put(file, last, 8);
    put(file, 0, 8);
    guint start = file->len;
    g_byte_array_append(file, (const guint8 *)"\xff\x06\x00\x00sNaPpY", 10);
    for (guint64 pa = first; pa <= last; pa += step) {
        g_autoptr(GByteArray) memory = g_byte_array_new();
        image_put_memory(memory, pa, MIN(last, pa + step - 1));
        dk_snappy_chunk_pack(packer, memory->data, memory->len, file);
    }
    put(file, file->len - start, 8);
    dk_snappy_packer_free(packer);
}

static void test_read(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    put_record(file, 0x100000, 0x10ffff + (3 << 20), 65536);
    put_record(file, 0x1000, 0x9fbff, 5000);
    put_record(file, 0x800000, 0x801fff, 1);
    g_autoptr(DkSource) source = image_open("avml", file, NULL);
    image_assert_ram(source, "1000-9fbff 100000-40ffff 800000-801fff");
    image_assert_runs(source->space, "data 1000-9fbff, data 100000-40ffff, data 800000-801fff");
    image_assert_memory(source->space, 0x1000, 0x9fbff);
    image_assert_memory(source->space, 0x100000, 0x40ffff);
    image_assert_memory(source->space, 0x800000, 0x801fff);
    for (guint i = 0; i < 500; i++) {
        guint64 pa = 0x100000 + (guint64)g_test_rand_int_range(0, 3 << 20);
        image_assert_memory(source->space, pa, pa + 4095);
    }
    g_autofree char *findings = image_verify(source, "avml", TRUE);
    g_assert_null(strstr(findings, "damaged"));
}

static gpointer read_all(gpointer data)
{
    for (guint i = 0; i < 2; i++)
        image_assert_memory(data, 0x100000, 0x2fffff);
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    put_record(file, 0x100000, 0x2fffff, 30000);
    g_autoptr(DkSource) source = image_open("avml", file, NULL);
    GThread *threads[4];
    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("reader", read_all, source->space);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
}

static void test_cut_everywhere(void)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    put_record(whole, 0x1000, 0x13ff, 300);
    guint border = whole->len;
    put_record(whole, 0x5000, 0x50ff, 100);
    for (guint len = 0; len < whole->len; len++) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        g_byte_array_append(cut, whole->data, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = image_open("avml", cut, &error);
        if (len < 32) {
            gint expected = len < 4 ? DK_ERROR_NOT_MINE : DK_ERROR_DAMAGED;
            g_assert_error(error, DK_ERROR, expected);
            continue;
        }
        g_assert_no_error(error);
        g_autofree char *findings = image_verify(source, "avml", TRUE);
        g_assert_cmpint(strstr(findings, "damaged") != NULL, ==, len != border);
        g_assert_cmpint(source->subject->gaps->len != 0, ==, len != border);
        if (len >= border)
            image_assert_memory(source->space, 0x1000, 0x13ff);
    }
}

/* A damaged chunk is not read; those around it are. */
static void test_damaged(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    put_record(file, 0x10000, 0x4ffff, 65536);
    file->data[32 + 10 + 8 + 65536 + 8 + 1000] ^= 4;
    g_autoptr(DkSource) source = image_open("avml", file, NULL);
    image_assert_memory(source->space, 0x10000, 0x1ffff);
    image_assert_memory(source->space, 0x30000, 0x4ffff);
    guint8 page[4096];
    g_assert_cmpuint(dk_space_read(source->space, 0x20000, page, sizeof page), ==, 0);
    g_assert_cmpuint(dk_space_read(source->space, 0x1f800, page, sizeof page), ==, 0x800);
    g_autofree char *shallow = image_verify(source, "avml", FALSE);
    g_assert_null(strstr(shallow, "damaged"));
    g_autofree char *deep = image_verify(source, "avml", TRUE);
    g_assert_nonnull(strstr(deep, "damaged content: snappy chunk at offset 0x10032 differs"));
}

/*
 * Ranges that begin and end with zeros, with zero blocks inside and holes between them that are as
 * long as blocks: nothing of it is lost.
 */
static void test_write(void)
{
    const guint64 block = 16 << 20;
    const guint64 base = 0x100000;
    g_autoptr(ImageMemory) memory = image_memory_new();
    image_memory_add(memory, 0x1000, 0x9ffff, FALSE);
    image_memory_add(memory, base, base + block - 1, TRUE);
    image_memory_add(memory, base + block, base + block + 0x300fff, FALSE);
    image_memory_add(memory, base + block + 0x301000, base + 2 * block - 1, TRUE);
    image_memory_add(memory, base + 2 * block, base + 2 * block + 0xfff, FALSE);
    image_memory_add(memory, base + 2 * block + 0x1000, base + 6 * block - 1, TRUE);
    image_memory_add(memory, base + 7 * block, base + 8 * block - 1, TRUE);
    image_memory_add(memory, base + 9 * block, base + 9 * block + 0x2fff, FALSE);
    g_autofree char *path = image_write("avml", NULL, memory);
    g_autofree char *records = image_check("check-avml.py", path, memory);
    g_autoptr(DkInput) input = dk_input_open(path, NULL);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
    g_assert_cmpstr(source->format, ==, "avml");
    image_assert_same(source->space, memory);
    image_assert_ram(source, "1000-9ffff 100000-60fffff 7100000-80fffff 9100000-9102fff");
    image_assert_runs(source->space, "data 1000-9ffff, data 100000-30fffff, zero 3100000-50fffff, "
                                     "data 5100000-60fffff, data 7100000-80fffff, "
                                     "data 9100000-9102fff");
    if (*records)
        g_assert_cmpstr(records, ==,
                        "0x1000-0x9ffff\n0x100000-0x10fffff\n0x1100000-0x20fffff\n"
                        "0x2100000-0x30fffff\n0x5100000-0x60fefff\n0x60ff000-0x60fffff\n"
                        "0x7100000-0x80fefff\n0x80ff000-0x80fffff\n0x9100000-0x9102fff\n");
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/avml/crc", test_crc);
    if (!dk_snappy_available())
        return g_test_run();
    g_test_add_func("/avml/chunks", test_chunks);
    g_test_add_func("/avml/read", test_read);
    g_test_add_func("/avml/threads", test_threads);
    g_test_add_func("/avml/cut-everywhere", test_cut_everywhere);
    g_test_add_func("/avml/damaged", test_damaged);
    g_test_add_func("/avml/write", test_write);
    return g_test_run();
}
