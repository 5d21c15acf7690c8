/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw images: which files are, holes of the file, and the writer. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "image-memory.h"
#include "io/input.h"

static DkSource *open_named(const char *name, gsize size, gboolean forced, GError **error)
{
    g_autofree guint8 *data = g_malloc(size + 1);
    memset(data, 0x5a, size);
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes(name, bytes);
    return dk_format_open_parts(&input, 1, forced ? dk_format_by_name("raw") : NULL, NULL, error);
}

static void test_names(void)
{
    static const char *const ours[] = {"a.raw", "/x/b.MEM",    "c.dd",      "d.bin",
                                       "e.img", "f.with.vmem", "g.raw.zst", "h.mem.zst.age"};
    static const char *const others[] = {"raw", "a.raw.gz", "b.txt", "c.vmss", ".zst", "mem.zst"};
    for (guint i = 0; i < G_N_ELEMENTS(ours); i++) {
        g_autoptr(DkSource) source = open_named(ours[i], 8192, FALSE, NULL);
        g_assert_nonnull(source);
        g_assert_cmpstr(source->format, ==, "raw");
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(open_named(others[i], 8192, FALSE, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_NOT_MINE);
        g_autoptr(DkSource) source = open_named(others[i], 8192, TRUE, NULL);
        g_assert_cmpstr(source->format, ==, "raw");
    }
}

static void test_sizes(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(open_named("x", 4095, TRUE, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    g_autoptr(DkSource) source = open_named("x", 3 * 4096 + 100, TRUE, NULL);
    image_assert_ram(source, "0-2fff");
    g_assert_cmpuint(source->subject->gaps->len, ==, 1);
    const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
    g_assert_cmpstr(gap->what, ==, "data");
    g_assert_cmphex(gap->first, ==, 0x3000);
    g_assert_cmphex(gap->last, ==, 0x3fff);
    guint8 page[4096];
    g_assert_cmpuint(dk_space_read(source->space, 0x2800, page, sizeof page), ==, 0x800);
}

/* Holes of the file are zero by whole pages; a page with a byte in it is data. */
static void test_holes(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-raw-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sparse.raw", NULL);
    int fd = g_open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(fd, 16 << 20), ==, 0);
    g_assert_cmpint(pwrite(fd, "x", 1, 1 << 20), ==, 1);
    g_assert_cmpint(pwrite(fd, "yz", 2, (9 << 20) - 1), ==, 2);
    off_t data = lseek(fd, 0, SEEK_DATA);
    close(fd);
    {
        g_autoptr(DkInput) input = dk_input_open(path, NULL);
        g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
        char bytes[2];
        g_assert_cmpuint(dk_space_read(source->space, (9 << 20) - 1, bytes, 2), ==, 2);
        g_assert_cmpmem(bytes, 2, "yz", 2);
        if (data == 1 << 20)
            image_assert_runs(source->space,
                              "zero 0-fffff, data 100000-100fff, zero 101000-8fefff, "
                              "data 8ff000-900fff, zero 901000-ffffff");
        else
            g_test_skip("the file system has no holes of pages");
    }
    g_unlink(path);
    g_rmdir(dir);
}

static void test_write(void)
{
    g_autoptr(ImageMemory) memory = image_memory_new();
    image_memory_add(memory, 0x1000, 0x9ffff, FALSE);
    image_memory_add(memory, 0x100000, 0x5fffff, TRUE);
    image_memory_add(memory, 0x600000, 0x6fffff, FALSE);
    image_memory_add(memory, 0x10000000, 0x10000fff, FALSE);
    /* RAM that the plan leaves out, at the end. */
    dk_machine_add_ram(&memory->source->subject->system, 0x20000000, 0x20003fff);
    g_autofree char *path = image_write("raw", NULL, memory);
    g_autoptr(DkInput) input = dk_input_open(path, NULL);
    g_assert_cmphex(dk_input_size(input), ==, 0x20004000);
    g_autoptr(DkSource) source = dk_format_by_name("raw")->open_forced(input, NULL);
    image_assert_same(source->space, memory);
    g_autofree guint8 *whole = g_malloc(0x20004000);
    g_assert_cmpint(dk_input_read(input, 0, whole, 0x20004000, NULL), ==, 0x20004000);
    static const guint8 zeros[0x60000];
    g_assert_cmpmem(whole, 0x1000, zeros, 0x1000);
    g_assert_cmpmem(whole + 0xa0000, 0x60000, zeros, 0x60000);
    g_assert_true(!whole[0x700000] &&
                  !memcmp(whole + 0x700000, whole + 0x700001, 0x10000000 - 0x700001));
    g_assert_true(!whole[0x10001000] &&
                  !memcmp(whole + 0x10001000, whole + 0x10001001, 0x20004000 - 0x10001001));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/raw/names", test_names);
    g_test_add_func("/raw/sizes", test_sizes);
    g_test_add_func("/raw/holes", test_holes);
    g_test_add_func("/raw/write", test_write);
    return g_test_run();
}
