/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kdump reader: files of others, split files, and flattened ones with many records. */
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "format/kdump/kdump-reader.h"
#include "format/registry.h"

#define PAGE 4096u

/* A small file as makedumpfile lays it out: raw pages, page N filled with N + 1. */
typedef struct {
    guint64 pages; /* max_mapnr */
    gint split;
    guint64 start, end;
} Shape;

static void put32(GByteArray *out, gsize at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(out->data + at, &value, sizeof value);
}

static void put64(GByteArray *out, gsize at, guint64 value)
{
    value = GUINT64_TO_LE(value);
    memcpy(out->data + at, &value, sizeof value);
}

static GByteArray *make(const Shape *shape)
{
    GByteArray *out = g_byte_array_new();
    gsize desc = 4 * PAGE;
    guint64 start = shape->split ? shape->start : 0;
    guint64 end = shape->split ? shape->end : shape->pages;
    gsize data = desc + (gsize)(end - start) * 24;
    gsize size = data + (gsize)(end - start) * PAGE;
    g_byte_array_set_size(out, (guint)size);
    memset(out->data, 0, size);
    memcpy(out->data, DK_KDUMP_MAGIC, 8);
    put32(out, 8, 6);
    memcpy(out->data + 12 + 4 * 65, "x86_64", 6);
    put32(out, 428, PAGE);
    put32(out, 432, 1);
    put32(out, 436, 2);
    put32(out, 440, (guint32)shape->pages);
    put32(out, PAGE + 12, (guint32)shape->split);
    put64(out, PAGE + 80, shape->start);
    put64(out, PAGE + 88, shape->end);
    put64(out, PAGE + 96, shape->pages);
    for (guint64 pfn = 0; pfn < shape->pages; pfn++) {
        out->data[2 * PAGE + pfn / 8] |= (guint8)(1u << pfn % 8);
        out->data[3 * PAGE + pfn / 8] |= (guint8)(1u << pfn % 8);
        if (pfn < start || pfn >= end)
            continue;
        put64(out, desc + (gsize)(pfn - start) * 24, data + (pfn - start) * PAGE);
        put32(out, desc + (gsize)(pfn - start) * 24 + 8, PAGE);
        memset(out->data + data + (pfn - start) * PAGE, (int)(pfn + 1), PAGE);
    }
    return out;
}

static DkInput *input_of(GByteArray *bytes, const char *name)
{
    g_autoptr(GBytes) content = g_byte_array_free_to_bytes(bytes);
    return dk_input_new_bytes(name, content);
}

static DkInput *make_part(guint64 pages, guint64 start, guint64 end, const char *name)
{
    Shape shape = {pages, 1, start, end};
    return input_of(make(&shape), name);
}

static guint count_there(DkSpace *space, guint64 pages)
{
    guint there = 0;
    guint8 page[PAGE];
    for (guint64 pfn = 0; pfn < pages; pfn++) {
        if (dk_space_read(space, pfn * PAGE, page, PAGE) != PAGE)
            continue;
        g_assert_cmpuint(page[0], ==, (guint8)(pfn + 1));
        g_assert_cmpuint(page[PAGE - 1], ==, (guint8)(pfn + 1));
        there++;
    }
    return there;
}

static void test_split_in_any_order(void)
{
    static const guint orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}};
    const DkFormat *format = dk_format_by_name("kdump");
    for (guint i = 0; i < G_N_ELEMENTS(orders); i++) {
        /* The third part is empty, as makedumpfile makes them. */
        DkInput *parts[] = {make_part(100, 0, 40, "a"), make_part(100, 40, 70, "b"),
                            make_part(100, 100, 100, "c"), make_part(100, 70, 100, "d")};
        DkInput *given[4];
        for (guint j = 0; j < 4; j++)
            given[j] = parts[orders[i][j]];
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = format->open_parts(given, 4, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(source->subject->gaps->len, ==, 0);
        g_assert_cmpuint(count_there(source->space, 100), ==, 100);
        /* One read over the border of two parts. */
        g_autofree guint8 *pages = g_malloc(60 * PAGE);
        g_assert_cmpuint(dk_space_read(source->space, 20 * PAGE, pages, 60 * PAGE), ==, 60 * PAGE);
        for (guint j = 0; j < 60; j++)
            g_assert_cmpuint(pages[j * PAGE + 77], ==, 20 + j + 1);
        for (guint j = 0; j < 4; j++)
            dk_input_unref(parts[j]);
    }
}

static void test_split_with_gaps(void)
{
    g_autoptr(DkInput) middle = make_part(100, 40, 70, "b");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = dk_format_by_name("kdump")->open(middle, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(source->subject->gaps->len, ==, 2);
    const DkGap *before = g_ptr_array_index(source->subject->gaps, 0);
    const DkGap *behind = g_ptr_array_index(source->subject->gaps, 1);
    g_assert_cmpstr(before->what, ==, "data");
    g_assert_cmphex(before->first, ==, 0);
    g_assert_cmphex(before->last, ==, 40 * PAGE - 1);
    g_assert_cmphex(behind->first, ==, 70 * PAGE);
    g_assert_cmphex(behind->last, ==, 100 * PAGE - 1);
    g_assert_cmpuint(count_there(source->space, 100), ==, 30);
}

static void refuse_parts(DkInput *a, DkInput *b, const char *expected)
{
    DkInput *parts[] = {a, b};
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_format_by_name("kdump")->open_parts(parts, 2, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, expected));
    dk_input_unref(a);
    dk_input_unref(b);
}

static void test_wrong_parts(void)
{
    Shape whole = {100, 0, 0, 0};
    refuse_parts(make_part(100, 0, 50, "a"), make_part(100, 49, 100, "b"), "both hold");
    refuse_parts(make_part(100, 0, 50, "a"), make_part(200, 50, 200, "b"), "same dump");
    refuse_parts(make_part(100, 0, 50, "a"), input_of(make(&whole), "w"), "no part");
    DkInput *a = make_part(100, 0, 50, "a");
    refuse_parts(a, dk_input_ref(a), "both hold");
}

static void put_big(GByteArray *out, guint64 value)
{
    value = GUINT64_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

/*
 * Flattens file: records of random sizes in random order, over earlier ones with other bytes, so
 * that what counts is the latest.
 */
static GByteArray *flatten(const GByteArray *file, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    GByteArray *out = g_byte_array_new();
    g_byte_array_set_size(out, DK_KDUMP_FLAT_HEADER_SIZE);
    memset(out->data, 0, out->len);
    memcpy(out->data, "makedumpfile", 12);
    out->data[23] = out->data[31] = 1;
    guint8 wrong[3000];
    memset(wrong, 0xee, sizeof wrong);
    for (guint i = 0; i < 200; i++) {
        guint len = (guint)g_rand_int_range(rand, 0, sizeof wrong);
        put_big(out, (guint64)g_rand_int_range(rand, 0, (gint32)(file->len - len)));
        put_big(out, len);
        g_byte_array_append(out, wrong, len);
    }
    g_autoptr(GArray) cuts = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint at = 0; at < file->len; at += (guint)g_rand_int_range(rand, 1, 5000))
        g_array_append_val(cuts, at);
    guint count = cuts->len;
    g_autofree guint *order = g_new(guint, count);
    for (guint i = 0; i < count; i++) {
        guint j = (guint)g_rand_int_range(rand, 0, (gint32)i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (guint i = 0; i < count; i++) {
        guint at = g_array_index(cuts, guint, order[i]);
        guint end = order[i] + 1 < count ? g_array_index(cuts, guint, order[i] + 1) : file->len;
        put_big(out, at);
        put_big(out, end - at);
        g_byte_array_append(out, file->data + at, end - at);
    }
    put_big(out, G_MAXUINT64);
    put_big(out, G_MAXUINT64);
    return out;
}

/* The index in memory and the temporary file give the same bytes. */
static void test_flattened(gconstpointer data)
{
    guint max_records = GPOINTER_TO_UINT(data);
    Shape shape = {50, 0, 0, 0};
    g_autoptr(GByteArray) file = make(&shape);
    for (guint32 seed = 1; seed <= 20; seed++) {
        g_autoptr(DkInput) flat = input_of(flatten(file, seed), "flat");
        DkKdumpFlatFacts facts;
        g_autoptr(GError) error = NULL;
        g_autoptr(DkInput) input = dk_kdump_flat_open(flat, max_records, &facts, &error);
        g_assert_no_error(error);
        g_assert_true(facts.flattened);
        g_assert_false(facts.cut);
        g_assert_cmpint(facts.copied, ==, max_records == 10);
        g_assert_cmpuint(dk_input_size(input), ==, file->len);
        g_autofree guint8 *bytes = g_malloc(file->len);
        g_assert_cmpint(dk_input_read(input, 0, bytes, file->len, &error), ==, file->len);
        g_assert_cmpmem(bytes, file->len, file->data, file->len);
        g_assert_cmpint(dk_input_read(input, 4000, bytes, 9000, &error), ==, 9000);
        g_assert_cmpmem(bytes, 9000, file->data + 4000, 9000);
    }
}

/* What no record fills is zero. */
static void test_flattened_holes(void)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_set_size(out, DK_KDUMP_FLAT_HEADER_SIZE);
    memset(out->data, 0, out->len);
    memcpy(out->data, "makedumpfile", 12);
    out->data[23] = out->data[31] = 1;
    put_big(out, 100);
    put_big(out, 4);
    g_byte_array_append(out, (const guint8 *)"abcd", 4);
    put_big(out, 5);
    put_big(out, 2);
    g_byte_array_append(out, (const guint8 *)"xy", 2);
    g_autoptr(DkInput) flat = input_of(out, "flat");
    DkKdumpFlatFacts facts;
    g_autoptr(DkInput) input = dk_kdump_flat_open(flat, 100, &facts, NULL);
    g_assert_nonnull(input);
    g_assert_true(facts.cut);
    g_assert_cmpuint(dk_input_size(input), ==, 104);
    guint8 got[104];
    guint8 want[104] = {0};
    memcpy(want + 100, "abcd", 4); /* NOLINT(bugprone-not-null-terminated-result): bytes */
    memcpy(want + 5, "xy", 2);     /* NOLINT(bugprone-not-null-terminated-result): bytes */
    g_assert_cmpint(dk_input_read(input, 0, got, sizeof got, NULL), ==, sizeof got);
    g_assert_cmpmem(got, sizeof got, want, sizeof want);
}

static char *corpus_file(const char *name)
{
    const char *folder = g_getenv("DUMPKIT_CORPUS");
    char *path = g_build_filename(folder ? folder : "../shared/corpus", "kdump",
                                  "ptesarik__libkdumpfile", name, NULL);
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_test_skip("no corpus");
        g_clear_pointer(&path, g_free);
    }
    return path;
}

/* 32-bit files of libkdumpfile's tests: one page, packed in a way of its own. */
static void test_corpus(gconstpointer data)
{
    g_autofree char *path = corpus_file(data);
    if (!path)
        return;
    gboolean arm = g_str_has_suffix(data, "arm");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(path, &error);
    g_assert_no_error(error);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    const DkSubject *subject = source->subject;
    g_assert_cmpstr(subject->os_version, ==, arm ? "6.4.3-1-default" : "6.4.3-1-pae");
    g_assert_cmpuint(subject->cpus, ==, arm ? 2 : 1);
    g_assert_cmpint(subject->machine, ==, arm ? DK_MACHINE_UNKNOWN : DK_MACHINE_X86);
    g_assert_cmpint(subject->origin.time_us / G_USEC_PER_SEC, ==, arm ? 0x64adae6c : 0x64ad9861);
    g_assert_nonnull(subject->system.vmcoreinfo);
    g_assert_cmpuint(g_bytes_get_size(subject->system.vmcoreinfo), ==, arm ? 0x3d : 0x39);
    guint8 page[PAGE];
    g_assert_cmpuint(dk_space_read(source->space, 0, page, PAGE), ==, PAGE);
    g_assert_cmpuint(page[3], ==, 3);
    g_assert_cmpuint(dk_space_read(source->space, PAGE, page, PAGE), ==, 0);
}

/* What the sub header of a version did not have is not looked at. */
static void test_versions(void)
{
    for (guint version = 0; version <= 7; version++) {
        Shape shape = {20, 1, 5, 10};
        GByteArray *bytes = make(&shape);
        put32(bytes, 8, version);
        g_autoptr(DkInput) input = input_of(bytes, "v");
        g_autoptr(GError) error = NULL;
        DkKdumpFile *file = dk_kdump_file_open(input, 100, &error);
        if (version >= 2 && version < 6) {
            /* Split, and the old fields say that it has no page. */
            g_assert_no_error(error);
            g_assert_cmpuint(file->start_pfn, >, file->last_pfn);
        } else if (version >= 6) {
            g_assert_no_error(error);
            g_assert_cmpuint(file->start_pfn, ==, 5);
            g_assert_cmpuint(file->last_pfn, ==, 9);
        } else {
            g_assert_no_error(error);
            g_assert_cmpuint(file->last_pfn, ==, 19);
        }
        dk_kdump_file_free(file);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kdump-read/split-in-any-order", test_split_in_any_order);
    g_test_add_func("/kdump-read/split-with-gaps", test_split_with_gaps);
    g_test_add_func("/kdump-read/wrong-parts", test_wrong_parts);
    g_test_add_data_func("/kdump-read/flattened-index", GUINT_TO_POINTER(1u << 20), test_flattened);
    g_test_add_data_func("/kdump-read/flattened-copied", GUINT_TO_POINTER(10), test_flattened);
    g_test_add_func("/kdump-read/flattened-holes", test_flattened_holes);
    g_test_add_data_func("/kdump-read/corpus-arm", "diskdump-v6-arm", test_corpus);
    g_test_add_data_func("/kdump-read/corpus-ia32", "diskdump-v6-ia32", test_corpus);
    g_test_add_func("/kdump-read/versions", test_versions);
    return g_test_run();
}
