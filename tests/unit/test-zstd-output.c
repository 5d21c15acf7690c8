/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "capture/zstd-output.h"
#include "codec/zstd-seekable.h"
#include "io/input.h"

#define MIB ((guint64)1 << 20)

typedef struct {
    char *dir;
    char *path; /* "out.zst" in dir */
} Place;

static void set_up(Place *place, gconstpointer data)
{
    place->dir = g_dir_make_tmp("dumpkit-zstd-XXXXXX", NULL);
    place->path = g_build_filename(place->dir, "out.zst", NULL);
}

static void tear_down(Place *place, gconstpointer data)
{
    g_remove(place->path);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

/* A stretch of the stream. */
typedef struct {
    enum { ZEROS, TEXT, NOISE } kind;
    guint64 len;
} Piece;

static guint8 *make_piece(const Piece *piece)
{
    guint8 *data = g_malloc0(piece->len + 1);
    guint32 state = (guint32)piece->len;
    for (guint64 i = 0; i < piece->len && piece->kind != ZEROS; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = piece->kind == NOISE ? (guint8)(state >> 24)
                                       : (guint8)("mutex waits "[(i + i / 99) % 12]);
    }
    return data;
}

static DkOutput *make_output(Place *place, int level, guint threads)
{
    g_autoptr(GError) error = NULL;
    DkOutput *file = dk_output_file_new(place->path, TRUE, 0, &error);
    g_assert_no_error(error);
    DkOutput *output = dk_zstd_output_new(file, level, threads, &error);
    g_assert_no_error(error);
    return output;
}

/* Writes pieces in parts of step bytes; what they are together. */
static GByteArray *write_pieces(DkOutput *output, const Piece *pieces, guint count, gsize step)
{
    GByteArray *content = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    guint64 total = 0;
    for (guint i = 0; i < count; i++) {
        g_autofree guint8 *data = make_piece(&pieces[i]);
        for (guint64 at = 0; at < pieces[i].len; at += step) {
            gsize part = (gsize)MIN(step, pieces[i].len - at);
            gboolean ok = pieces[i].kind == ZEROS
                              ? dk_output_zeros(output, part, &error)
                              : dk_output_write(output, data + at, part, &error);
            g_assert_no_error(error);
            g_assert_true(ok);
        }
        g_byte_array_append(content, data, (guint)pieces[i].len);
        total += pieces[i].len;
        g_assert_cmpuint(output->done, ==, total);
    }
    g_assert_true(dk_output_finish(output, &error));
    g_assert_no_error(error);
    return content;
}

/* FALSE without the program. */
static gboolean unpack_with_program(Place *place, GByteArray *expected)
{
    g_autofree char *program = g_find_program_in_path("zstd");
    if (!program)
        return FALSE;
    g_autofree char *plain = g_build_filename(place->dir, "plain", NULL);
    char *argv[] = {program,      (char *)"-q", (char *)"-f", (char *)"-d",
                    (char *)"-o", plain,        place->path,  NULL};
    int status = -1;
    g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_autofree char *content = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(plain, &content, &len, NULL));
    g_assert_cmpmem(content, len, expected->data, expected->len);
    g_remove(plain);
    return TRUE;
}

static void read_back(Place *place, GByteArray *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(place->path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(dk_input_container(input), ==, "seekable zstd");
    g_assert_cmpuint(dk_input_size(input), ==, expected->len);
    gboolean verified = FALSE;
    g_assert_true(dk_input_verify(input, &verified, NULL, &error));
    g_assert_true(verified);
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    g_autofree guint8 *buf = g_malloc(3 * MIB);
    for (guint i = 0; i < 300 && expected->len; i++) {
        guint64 off = g_rand_int(rand) % expected->len;
        gsize len = g_rand_int(rand) % (i % 10 ? 5000 : 3 * MIB);
        gssize got = dk_input_read(input, off, buf, len, &error);
        g_assert_no_error(error);
        g_assert_cmpint(got, ==, MIN(len, expected->len - off));
        g_assert_cmpmem(buf, (gsize)got, expected->data + off, (gsize)got);
    }
}

static const Piece all_kinds[] = {
    {ZEROS, 9 * MIB + 5}, {TEXT, 3 * MIB},  {ZEROS, 100},          {NOISE, 2 * MIB + 77},
    {ZEROS, 17 * MIB},    {TEXT, 1},        {ZEROS, MIB - 1},      {NOISE, MIB},
    {ZEROS, MIB},         {NOISE, 5 * MIB}, {ZEROS, 3 * MIB - 11}, {TEXT, 11 * MIB + 4097},
    {ZEROS, 8 * MIB},     {NOISE, 4096},    {ZEROS, 2 * MIB},
};
static const Piece small[] = {{TEXT, 1}};
static const Piece only_zeros[] = {{ZEROS, 33 * MIB + 1}};
static const Piece one_frame[] = {{NOISE, MIB}};

static void test_round_trip(Place *place, gconstpointer data)
{
    static const struct {
        const Piece *pieces;
        guint count;
        gsize step;
        int level;
        guint threads;
    } cases[] = {
        {all_kinds, G_N_ELEMENTS(all_kinds), 4096, 1, 2},
        {all_kinds, G_N_ELEMENTS(all_kinds), 4 * MIB, 1, 0},
        {all_kinds, G_N_ELEMENTS(all_kinds), 99991, 3, 1},
        {all_kinds, G_N_ELEMENTS(all_kinds), 99991, DK_ZSTD_LEVEL_LIVE, 2},
        {all_kinds, G_N_ELEMENTS(all_kinds), MIB, DK_ZSTD_LEVEL_MIN, 1},
        {all_kinds, G_N_ELEMENTS(all_kinds), 40 * MIB, 6, 5},
        {small, 1, 1, DK_ZSTD_LEVEL_MAX, 1},
        {only_zeros, 1, 64 * MIB, 1, 1},
        {only_zeros, 1, 12345, 1, 2},
        {one_frame, 1, MIB, 1, 2},
        {NULL, 0, 1, 1, 2},
    };
    gboolean program = TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(DkOutput) output = make_output(place, cases[i].level, cases[i].threads);
        g_autoptr(GByteArray) content = write_pieces(output, cases[i].pieces, cases[i].count,
                                                     cases[i].step);
        g_clear_pointer(&output, dk_output_free);
        read_back(place, content);
        program = unpack_with_program(place, content);
    }
    if (!program)
        g_test_skip("zstd is missing");
}

/* The program lists our frames, the table as one that is skipped, and all of the content. */
static void test_listing(Place *place, gconstpointer data)
{
    g_autofree char *program = g_find_program_in_path("zstd");
    if (!program) {
        g_test_skip("zstd is missing");
        return;
    }
    g_autoptr(DkOutput) output = make_output(place, 1, 2);
    g_autoptr(GByteArray) content = write_pieces(output, all_kinds, G_N_ELEMENTS(all_kinds), MIB);
    char *argv[] = {program, (char *)"-l", (char *)"-v", place->path, NULL};
    g_autofree char *out = NULL;
    int status = -1;
    g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL,
                               &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_autofree char *size = g_strdup_printf("(%u B)", content->len);
    g_assert_nonnull(strstr(out, size));
    g_assert_nonnull(strstr(out, "Skippable Frames: 1"));
    g_assert_nonnull(strstr(out, "Check: XXH64"));
}

/* Terabytes of zeros take moments, and no memory that grows with them but the table's. */
static void test_zeros(Place *place, gconstpointer data)
{
    const guint64 len = (guint64)1 << 40;
    g_autoptr(DkOutput) output = make_output(place, 1, 2);
    g_assert_true(dk_output_write(output, "a", 1, NULL));
    g_assert_true(dk_output_zeros(output, len, NULL));
    g_assert_true(dk_output_write(output, "b", 1, NULL));
    g_assert_true(dk_output_finish(output, NULL));
    struct stat st;
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint((guint64)st.st_size, <, 64 * MIB);
    g_autoptr(DkInput) input = dk_input_open(place->path, NULL);
    g_assert_cmpuint(dk_input_size(input), ==, len + 2);
    gboolean verified = FALSE;
    g_assert_true(dk_input_verify(input, &verified, NULL, NULL));
    g_assert_true(verified);
    guint8 buf[4];
    g_assert_cmpint(dk_input_read(input, len - 1, buf, 4, NULL), ==, 3);
    g_assert_cmpmem(buf, 3, "\0\0b", 3);
    g_assert_cmpint(dk_input_read(input, 0, buf, 3, NULL), ==, 3);
    g_assert_cmpmem(buf, 3, "a\0\0", 3);
}

static void test_nothing_left(Place *place, gconstpointer data)
{
    static const guint64 sizes[] = {0, 1, MIB, 7 * MIB};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        Piece piece = {NOISE, sizes[i]};
        g_autofree guint8 *noise = make_piece(&piece);
        g_autoptr(DkOutput) output = make_output(place, 1, 2);
        g_assert_true(dk_output_write(output, noise, sizes[i], NULL));
        g_clear_pointer(&output, dk_output_free);
        g_assert_false(g_file_test(place->path, G_FILE_TEST_EXISTS));
        g_autoptr(GDir) dir = g_dir_open(place->dir, 0, NULL);
        g_assert_null(g_dir_read_name(dir));
    }
}

/* An output that fails after so many bytes, and counts how it is used. */
typedef struct {
    DkOutput base;
    guint64 room;
    guint *destroyed;
} Failing;

static gboolean failing_write(DkOutput *base, const void *buf, gsize len, GError **error)
{
    Failing *failing = (Failing *)base;
    if (len > failing->room) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NO_SPACE, "the disk is full");
        return FALSE;
    }
    failing->room -= len;
    return TRUE;
}

static gboolean failing_zeros(DkOutput *base, guint64 len, GError **error)
{
    g_assert_not_reached();
}

static gboolean failing_finish(DkOutput *base, GError **error)
{
    g_set_error_literal(error, DK_ERROR, DK_ERROR_EXISTS, "the name is taken");
    return FALSE;
}

static void failing_destroy(DkOutput *base)
{
    Failing *failing = (Failing *)base;
    (*failing->destroyed)++;
    g_free(failing);
}

static const DkOutputOps failing_ops = {
    .name = "failing",
    .write = failing_write,
    .zeros = failing_zeros,
    .finish = failing_finish,
    .destroy = failing_destroy,
};

static DkOutput *failing_new(guint64 room, guint *destroyed)
{
    Failing *failing = g_new0(Failing, 1);
    dk_output_init(&failing->base, &failing_ops);
    failing->room = room;
    failing->destroyed = destroyed;
    return &failing->base;
}

/* An error below comes out once, whatever call comes next; afterwards all calls fail. */
static void test_error_below(void)
{
    Piece piece = {NOISE, MIB};
    g_autofree guint8 *noise = make_piece(&piece);
    static const guint64 rooms[] = {0, 100, 3 * MIB, 30 * MIB};
    for (guint i = 0; i < G_N_ELEMENTS(rooms); i++) {
        guint destroyed = 0;
        g_autoptr(GError) error = NULL;
        g_autoptr(DkOutput) output = dk_zstd_output_new(failing_new(rooms[i], &destroyed), 1, 2,
                                                        NULL);
        gboolean ok = TRUE;
        for (guint k = 0; k < 20 && ok; k++)
            ok = dk_output_write(output, noise, MIB, &error) &&
                 dk_output_zeros(output, 2 * MIB, &error);
        g_assert_cmpint(ok, ==, i == 3);
        if (ok)
            g_assert_false(dk_output_finish(output, &error));
        int code = i == 3 ? DK_ERROR_EXISTS : DK_ERROR_NO_SPACE;
        g_assert_error(error, DK_ERROR, code);
        g_assert_false(dk_output_finish(output, NULL));
        g_assert_false(dk_output_write(output, "x", 1, NULL));
        g_assert_cmpuint(destroyed, ==, 0);
        g_clear_pointer(&output, dk_output_free);
        g_assert_cmpuint(destroyed, ==, 1);
    }
}

/* What is taken over is freed also when there is no filter. */
static void test_wrong_level(void)
{
    static const int levels[] = {0, DK_ZSTD_LEVEL_MIN - 1, DK_ZSTD_LEVEL_MAX + 1};
    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        guint destroyed = 0;
        g_autoptr(GError) error = NULL;
        g_assert_null(dk_zstd_output_new(failing_new(0, &destroyed), levels[i], 1, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
        g_assert_cmpuint(destroyed, ==, 1);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/zstd-output/round-trip", Place, NULL, set_up, test_round_trip, tear_down);
    g_test_add("/zstd-output/listing", Place, NULL, set_up, test_listing, tear_down);
    g_test_add("/zstd-output/zeros", Place, NULL, set_up, test_zeros, tear_down);
    g_test_add("/zstd-output/nothing-left", Place, NULL, set_up, test_nothing_left, tear_down);
    g_test_add_func("/zstd-output/error-below", test_error_below);
    g_test_add_func("/zstd-output/wrong-level", test_wrong_level);
    return g_test_run();
}
