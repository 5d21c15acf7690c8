/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The LiME reader on hand-made files and one of another program, and the writer. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "image-memory.h"
#include "io/input.h"
#include "io/output.h"

static void put_record(GByteArray *file, guint64 first, guint64 last)
{
    guint64 head[4] = {GUINT64_TO_LE(G_GUINT64_CONSTANT(1) << 32 | 0x4c694d45),
                       GUINT64_TO_LE(first), GUINT64_TO_LE(last), 0};
    g_byte_array_append(file, (const guint8 *)head, sizeof head);
    image_put_memory(file, first, last);
}

static void test_read(void)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    put_record(file, 0x8000, 0xafff);
    put_record(file, 0x1000, 0x37ff);
    g_autoptr(DkSource) source = image_open("lime", file, NULL);
    g_assert_cmpint(source->subject->kind, ==, DK_SUBJECT_MACHINE);
    g_assert_true(source->ops->caps & DK_SOURCE_PHYS);
    image_assert_ram(source, "1000-37ff 8000-afff");
    image_assert_runs(source->space, "data 1000-37ff, data 8000-afff");
    image_assert_memory(source->space, 0x1000, 0x37ff);
    image_assert_memory(source->space, 0x8000, 0xafff);
    guint8 byte;
    g_assert_cmpuint(dk_space_read(source->space, 0x3800, &byte, 1), ==, 0);
    guint8 page[4096];
    g_assert_cmpuint(dk_space_read(source->space, 0x3700, page, sizeof page), ==, 0x100);
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
}

/* Every length of a file of two records: what is there is read, and what is not is named. */
static void test_cut_everywhere(void)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    put_record(whole, 0x1000, 0x1fff);
    put_record(whole, 0x5000, 0x50ff);
    for (guint len = 0; len < whole->len; len++) {
        g_autoptr(GByteArray) cut = g_byte_array_new();
        g_byte_array_append(cut, whole->data, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = image_open("lime", cut, &error);
        if (len < 32) {
            gint expected = (len < 4 ? DK_ERROR_NOT_MINE : DK_ERROR_DAMAGED);
            g_assert_error(error, DK_ERROR, expected);
            continue;
        }
        g_assert_no_error(error);
        g_assert_cmpuint(source->subject->gaps->len, ==, len == 32 + 0x1000 ? 0 : 1);
        guint64 there = MIN(len - 32, 0x1000);
        if (there)
            image_assert_memory(source->space, 0x1000, 0x1000 + there - 1);
        if (len > 32 + 0x1000 + 32)
            image_assert_memory(source->space, 0x5000, 0x5000 + (len - 0x1040) - 1);
    }
}

/* What AVML left out between two of its blocks is zero; what only looks like it is not. */
static void test_avml_blocks(void)
{
    const guint64 block = 16 << 20;
    g_autoptr(GByteArray) file = g_byte_array_new();
    put_record(file, 0x1000, 0x1fff);
    put_record(file, 0x100000, 0x100000 + block - 1);
    put_record(file, 0x100000 + block, 0x100000 + 2 * block - 1);
    put_record(file, 0x100000 + 4 * block, 0x100000 + 4 * block + 0xfff);
    put_record(file, 0x100000 + 6 * block, 0x100000 + 6 * block + 0xfff);
    g_autoptr(DkSource) source = image_open("lime", file, NULL);
    image_assert_runs(source->space,
                      "data 1000-1fff, data 100000-10fffff, data 1100000-20fffff, "
                      "zero 2100000-40fffff, data 4100000-4100fff, data 6100000-6100fff");
    image_assert_ram(source, "1000-1fff 100000-4100fff 6100000-6100fff");
    guint8 page[4096];
    memset(page, 1, sizeof page);
    g_assert_cmpuint(dk_space_read(source->space, 0x3000000, page, sizeof page), ==, sizeof page);
    g_assert_true(!page[0] && !memcmp(page, page + 1, sizeof page - 1));
}

static void test_write(gconstpointer variant)
{
    g_autoptr(ImageMemory) memory = image_memory_new();
    image_memory_add(memory, 0x1000, 0x9ffff, FALSE);
    image_memory_add(memory, 0x100000, 0x1ffffff, FALSE);
    image_memory_add(memory, 0x2000000, 0x5ffffff, TRUE);
    image_memory_add(memory, 0x6000000, 0x6003fff, FALSE);
    image_memory_add(memory, 0x10000000, 0x10ffffff, FALSE);
    image_memory_add(memory, 0x12000000, 0x12000fff, FALSE);
    g_autofree char *path = image_write("lime", variant, memory);
    g_autofree char *ranges = image_check("check-lime.py", path, memory);
    g_autoptr(DkInput) input = dk_input_open(path, NULL);
    g_autoptr(DkSource) source = dk_format_by_name("lime")->open(input, NULL);
    image_assert_ram(source, "1000-9ffff 100000-6003fff 10000000-10ffffff 12000000-12000fff");
    image_assert_same(source->space, memory);
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
    if (variant)
        g_assert_nonnull(strstr(ranges, "0x10000000-0x10ffefff\n0x10fff000-0x10ffffff\n"));
    else
        g_assert_cmpstr(ranges, ==,
                        "0x1000-0x9ffff\n0x100000-0x6003fff\n0x10000000-0x10ffffff\n"
                        "0x12000000-0x12000fff\n");
    g_unlink(path);
}

/* A slice of a capture that LiME itself made. */
static void test_corpus(void)
{
    g_autofree char *path = image_corpus("lime/Marcondiro__memflow-LiME/deb-x86_64-slice.lime");
    if (!path) {
        g_test_skip("the corpus of LiME files is not there");
        return;
    }
    g_autoptr(DkInput) input = dk_input_open(path, NULL);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
    g_assert_nonnull(source);
    g_assert_cmpstr(source->format, ==, "lime");
    image_assert_ram(source, "1000-9ffff");
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
}

static void test_refuses_process(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSink) sink = dk_format_by_name("lime")->sink_new(NULL, NULL);
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lime/read", test_read);
    g_test_add_func("/lime/cut-everywhere", test_cut_everywhere);
    g_test_add_func("/lime/avml-blocks", test_avml_blocks);
    g_test_add_data_func("/lime/write", NULL, test_write);
    g_test_add_data_func("/lime/write-avml", "lime-avml", test_write);
    g_test_add_func("/lime/corpus", test_corpus);
    g_test_add_func("/lime/refuses-process", test_refuses_process);
    return g_test_run();
}
