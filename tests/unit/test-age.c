/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encryption with age: our own round trip, and both ways with the program `age` where it is. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "io/age.h"
#include "io/input.h"

#define CHUNK 65536

/* Made with age-keygen for these tests. */
static const char identity[] =
    "# a comment\nAGE-SECRET-KEY-18SHK2PLD3NNGHHJESHPQ2QSPMNXSL5K5Z5XD29ZSGFGHHNYDE5ZS52VSVQ\n";

typedef struct {
    char *dir;
    char *file;
    char *keys;
    DkAgeRecipient recipient;
    char *recipient_text;
    DkAgeIdentities *identities;
} Place;

static gboolean has_age(void)
{
    g_autofree char *path = g_find_program_in_path("age");
    return path != NULL;
}

static void run_shell(const char *format, ...) G_GNUC_PRINTF(1, 2);

static void run_shell(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *script = g_strdup_vprintf(format, args);
    va_end(args);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    gint status = 0;
    g_autoptr(GError) error = NULL;
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

static void set_up(Place *place, gconstpointer data)
{
    place->dir = g_dir_make_tmp("dumpkit-age-XXXXXX", NULL);
    place->file = g_build_filename(place->dir, "file.age", NULL);
    place->keys = g_build_filename(place->dir, "keys", NULL);
    g_assert_true(g_file_set_contents(place->keys, identity, -1, NULL));
    place->recipient_text = g_strdup(
        "age13ddc6tyhvr08mz5gp8yrhelj2gplq9dq4sxg7k2k3e9m79a5pg7srj8mka");
    g_assert_true(dk_age_recipient_parse(place->recipient_text, &place->recipient, NULL));
    place->identities = dk_age_identities_new();
    g_assert_true(dk_age_identities_load(place->identities, place->keys, NULL));
}

static void tear_down(Place *place, gconstpointer data)
{
    dk_age_identities_free(place->identities);
    g_remove(place->file);
    g_remove(place->keys);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->recipient_text);
    g_free(place->keys);
    g_free(place->file);
    g_free(place->dir);
}

static guint8 *pattern(gsize len)
{
    guint8 *bytes = g_malloc(len + 1);
    for (gsize i = 0; i < len; i++)
        bytes[i] = (guint8)(i * 2654435761u >> 13);
    return bytes;
}

/* Writes len bytes in pieces of odd sizes. */
static void encrypt(Place *place, const guint8 *bytes, gsize len)
{
    DkOutput *below = dk_output_file_new(place->file, TRUE, 0, NULL);
    g_autoptr(DkOutput) output = dk_age_output_new(below, &place->recipient, 1, NULL);
    g_assert_nonnull(output);
    g_assert_false(dk_output_can_rewrite(output));
    for (gsize at = 0; at < len;) {
        gsize part = MIN(len - at, (at * 7 + 1) % (3 * CHUNK) + 1);
        g_assert_true(dk_output_write(output, bytes + at, part, NULL));
        at += part;
    }
    g_assert_true(dk_output_finish(output, NULL));
}

static void expect(DkInput *input, const guint8 *bytes, gsize len)
{
    g_assert_cmpuint(dk_input_size(input), ==, len);
    g_autofree guint8 *got = g_malloc(len + 1);
    g_assert_cmpint(dk_input_read(input, 0, got, len + 1, NULL), ==, (gssize)len);
    g_assert_cmpmem(got, len, bytes, len);
    /* Any place, across the borders of chunks. */
    for (guint i = 0; i < 100 && len; i++) {
        gsize off = (gsize)g_random_int_range(0, (gint32)len);
        gsize part = (gsize)g_random_int_range(1, 2 * CHUNK);
        part = MIN(part, len - off);
        g_assert_cmpint(dk_input_read(input, off, got, part, NULL), ==, (gssize)part);
        g_assert_cmpmem(got, part, bytes + off, part);
    }
}

static const gsize sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 5 * CHUNK + 77};

static void test_round_trip(Place *place, gconstpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree guint8 *bytes = pattern(sizes[i]);
        g_autoptr(GError) error = NULL;
        encrypt(place, bytes, sizes[i]);
        g_autoptr(DkInput) input = dk_input_open_with(place->file, place->identities, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(dk_input_container(input), ==, "age");
        expect(input, bytes, sizes[i]);
        gboolean verified = FALSE;
        g_assert_true(dk_input_verify(input, &verified, NULL, NULL));
        g_assert_true(verified);
    }
}

static void test_agrees_with_age(Place *place, gconstpointer data)
{
    if (!has_age()) {
        g_test_skip("age is not installed");
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree guint8 *bytes = pattern(sizes[i]);
        g_autofree char *plain = g_build_filename(place->dir, "plain", NULL);
        g_autofree char *content = NULL;
        gsize len = 0;
        encrypt(place, bytes, sizes[i]);
        run_shell("age -d -i '%s' '%s' >'%s'", place->keys, place->file, plain);
        g_assert_true(g_file_get_contents(plain, &content, &len, NULL));
        g_assert_cmpmem(content, len, bytes, sizes[i]);
        /* For others too, one of them an unknown kind. */
        run_shell("age -r '%s' -r \"$(age-keygen 2>/dev/null | age-keygen -y)\" -o '%s' '%s'",
                  place->recipient_text, place->file, plain);
        g_autoptr(DkInput) input = dk_input_open_with(place->file, place->identities, NULL);
        g_assert_nonnull(input);
        expect(input, bytes, sizes[i]);
        g_remove(plain);
    }
}

static void test_damage(Place *place, gconstpointer data)
{
    gsize len = 3 * CHUNK + 5;
    g_autofree guint8 *bytes = pattern(len);
    g_autofree char *packed = NULL;
    gsize size = 0;
    encrypt(place, bytes, len);
    g_assert_true(g_file_get_contents(place->file, &packed, &size, NULL));
    for (gsize at = 0; at < size; at += at < 300 ? 1 : 4999) {
        g_autoptr(GError) error = NULL;
        gboolean verified = FALSE;
        packed[at] ^= 0x20;
        g_assert_true(g_file_set_contents(place->file, packed, (gssize)size, NULL));
        packed[at] ^= 0x20;
        g_autoptr(DkInput) input = dk_input_open_with(place->file, place->identities, &error);
        /* What does not open at all has lost its magic, or is damaged; the rest is found. */
        if (input && g_str_equal(dk_input_container(input), "age"))
            g_assert_false(dk_input_verify(input, &verified, NULL, &error));
        else if (!input)
            g_assert_nonnull(error);
        else
            g_assert_cmpuint(at, <, 22);
    }
}

/* A file that was cut has its whole chunks, and is never taken for complete. */
static void test_cut(Place *place, gconstpointer data)
{
    gsize len = 3 * CHUNK;
    g_autofree guint8 *bytes = pattern(len);
    g_autofree char *packed = NULL;
    gsize size = 0;
    encrypt(place, bytes, len);
    g_assert_true(g_file_get_contents(place->file, &packed, &size, NULL));
    static const gsize cuts[] = {1, 15, 16, 17, CHUNK, CHUNK + 15, CHUNK + 16, CHUNK + 17};
    for (guint i = 0; i < G_N_ELEMENTS(cuts); i++) {
        gboolean verified = FALSE;
        g_autoptr(GError) error = NULL;
        g_assert_true(g_file_set_contents(place->file, packed, (gssize)(size - cuts[i]), NULL));
        g_autoptr(DkInput) input = dk_input_open_with(place->file, place->identities, &error);
        g_assert_no_error(error);
        expect(input, bytes, cuts[i] > CHUNK + 16 ? CHUNK : 2 * CHUNK);
        g_assert_false(dk_input_verify(input, &verified, NULL, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    }
}

static void test_keys(Place *place, gconstpointer data)
{
    static const char *const bad[] = {
        "",
        "age1",
        "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ",
        "AGE-SECRET-KEY-18SHK2PLD3NNGHHJESHPQ2QSPMNXSL5K5Z5XD29ZSGFGHHNYDE5ZS52VSVQ",
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        DkAgeRecipient recipient;
        g_assert_false(dk_age_recipient_parse(bad[i], &recipient, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
        g_assert_null(strstr(error->message, "8SHK2PLD3N"));
    }
    /* Every changed letter is found. */
    for (gsize at = 4; place->recipient_text[at]; at++) {
        g_autofree char *text = g_strdup(place->recipient_text);
        DkAgeRecipient recipient;
        text[at] = text[at] == 'q' ? 'p' : 'q';
        g_assert_false(dk_age_recipient_parse(text, &recipient, NULL));
    }
    g_autoptr(DkAgeIdentities) none = dk_age_identities_new();
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_age_identities_parse(none, "keys", "# nothing\n", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    g_clear_error(&error);
    g_assert_false(dk_age_identities_parse(none, "keys", "\nAGE-SECRET-KEY-1QFND\n", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, "line 2"));
    g_clear_error(&error);
    g_assert_false(dk_age_identities_load(none, "/nowhere/at/all", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);

    encrypt(place, (const guint8 *)"secret", 6);
    g_clear_error(&error);
    g_assert_null(dk_input_open(place->file, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DENIED);
    g_assert_nonnull(strstr(error->message, "--identity"));
    g_clear_error(&error);
    g_assert_null(dk_input_open_with(place->file, none, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DENIED);
    /* A key of low order protects nothing. */
    DkAgeRecipient zero = {0};
    g_clear_error(&error);
    DkOutput *below = dk_output_file_new(place->file, TRUE, 0, NULL);
    g_assert_null(dk_age_output_new(below, &zero, 1, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    static const struct {
        const char *name;
        void (*run)(Place *place, gconstpointer data);
    } tests[] = {
        {"/age/round-trip", test_round_trip},
        {"/age/agrees-with-age", test_agrees_with_age},
        {"/age/damage", test_damage},
        {"/age/cut", test_cut},
        {"/age/keys", test_keys},
    };
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Place, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
