/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "codec/checksum.h"

static char *hex(const guint8 digest[DK_CHECKSUM_SIZE])
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < DK_CHECKSUM_SIZE; i++)
        g_string_append_printf(text, "%02x", digest[i]);
    return g_string_free(text, FALSE);
}

static char *digest_of(const void *data, gsize len)
{
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    guint8 digest[DK_CHECKSUM_SIZE];
    dk_checksum_update(checksum, data, len);
    dk_checksum_finish(checksum, digest);
    return hex(digest);
}

/* XXH3_128bits of nothing with seed 0, as xxHash's own sanity test has it. */
static void test_known(void)
{
    g_autofree char *text = digest_of("", 0);
    g_assert_cmpstr(text, ==, "99aa06d3014798d86001c324468d497f");
}

static void test_agrees_with_xxhsum(void)
{
    g_autofree char *program = g_find_program_in_path("xxhsum");
    if (!program) {
        g_test_skip("xxhsum is missing");
        return;
    }
    g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "data", NULL);
    static const gsize sizes[] = {1, 16, 241, 4096, 100001};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree guint8 *data = g_malloc(sizes[i]);
        for (gsize k = 0; k < sizes[i]; k++)
            data[k] = (guint8)(k * k >> 3);
        g_assert_true(g_file_set_contents(path, (char *)data, (gssize)sizes[i], NULL));
        char *argv[] = {program, (char *)"-H2", path, NULL};
        g_autofree char *out = NULL;
        g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out,
                                   NULL, NULL, NULL));
        g_autofree char *ours = digest_of(data, sizes[i]);
        g_assert_true(g_str_has_prefix(out, ours));
    }
    g_remove(path);
    g_rmdir(dir);
}

static void test_pieces(void)
{
    guint8 data[3000];
    for (gsize i = 0; i < sizeof data; i++)
        data[i] = (guint8)(i * 31);
    memset(data + 1000, 0, 1500);
    g_autofree char *whole = digest_of(data, sizeof data);
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    for (guint round = 0; round < 3; round++) {
        guint8 digest[DK_CHECKSUM_SIZE];
        dk_checksum_update(checksum, data, 7);
        dk_checksum_update(checksum, data + 7, 993);
        dk_checksum_update_zeros(checksum, 0);
        dk_checksum_update_zeros(checksum, 1499);
        dk_checksum_update_zeros(checksum, 1);
        dk_checksum_update(checksum, data + 2500, 500);
        dk_checksum_finish(checksum, digest);
        g_autofree char *text = hex(digest);
        g_assert_cmpstr(text, ==, whole);
    }
}

/* Zeros at the start are counted first and hashed late, and a run of a known size not at all. */
static void test_zeros(void)
{
    static const gsize sizes[] = {1, 100, 65536, 65536, 65536, 100, 100001, 65536};
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    g_autofree guint8 *zeros = g_malloc0(100002);
    guint8 digest[DK_CHECKSUM_SIZE];
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        dk_checksum_update_zeros(checksum, sizes[i]);
        dk_checksum_finish(checksum, digest);
        g_autofree char *text = hex(digest);
        g_autofree char *expected = digest_of(zeros, sizes[i]);
        g_assert_cmpstr(text, ==, expected);
    }
    zeros[100001] = 1;
    dk_checksum_update_zeros(checksum, 65536);
    dk_checksum_update_zeros(checksum, 100001 - 65536);
    dk_checksum_update(checksum, "\1", 1);
    dk_checksum_finish(checksum, digest);
    g_autofree char *text = hex(digest);
    g_autofree char *expected = digest_of(zeros, 100002);
    g_assert_cmpstr(text, ==, expected);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/checksum/known", test_known);
    g_test_add_func("/checksum/xxhsum", test_agrees_with_xxhsum);
    g_test_add_func("/checksum/pieces", test_pieces);
    g_test_add_func("/checksum/zeros", test_zeros);
    return g_test_run();
}
