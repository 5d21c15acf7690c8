/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "codec/zstd-seekable.h"
#include "codec/zstd-stream.h"
#include "io/input.h"

typedef struct {
    char *dir;
    char *path; /* "data" in dir */
} Place;

static void set_up(Place *place, gconstpointer data)
{
    place->dir = g_dir_make_tmp("dumpkit-input-XXXXXX", NULL);
    place->path = g_build_filename(place->dir, "data", NULL);
}

static void tear_down(Place *place, gconstpointer data)
{
    g_remove(place->path);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

static void store(Place *place, const void *data, gsize len)
{
    g_assert_true(g_file_set_contents(place->path, data, (gssize)len, NULL));
}

/* A quarter each of zeros, one byte, text and noise. */
static GByteArray *make_content(guint len)
{
    GByteArray *content = g_byte_array_new();
    g_byte_array_set_size(content, len);
    g_autoptr(GRand) rand = g_rand_new_with_seed(len);
    for (guint i = 0; i < len; i++) {
        static const char text[] = "thread stack of worker ";
        guint part = (guint)((guint64)i * 4 / len);
        content->data[i] = part == 0   ? 0
                           : part == 1 ? 0x5a
                           : part == 2 ? (guint8)text[(i + i / 100) % (sizeof text - 1)]
                                       : (guint8)g_rand_int(rand);
    }
    return content;
}

/* A packed file as it grows, with what its table will say. */
typedef struct {
    GByteArray *file;
    GArray *frames;
} Packed;

static void packed_clear(Packed *packed)
{
    g_byte_array_unref(packed->file);
    g_array_unref(packed->frames);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Packed, packed_clear)

static void add_frame(Packed *packed, const guint8 *data, gsize len)
{
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(1);
    g_autofree guint8 *out = g_malloc(dk_zstd_bound(len));
    DkZstdFrame frame = {0};
    g_assert_true(dk_zstd_pack(packer, data, len, out, &frame, NULL));
    g_byte_array_append(packed->file, out, frame.packed_size);
    g_array_append_val(packed->frames, frame);
}

/* A skippable frame with len bytes in it. */
static void add_skippable(Packed *packed, guint32 len)
{
    DkZstdFrame frame = {.packed_size = len + 8};
    guint8 head[8] = {0x53, 0x2a, 0x4d, 0x18};
    guint32 raw = GUINT32_TO_LE(len);
    memcpy(head + 4, &raw, sizeof raw);
    g_autofree guint8 *rest = g_malloc0(len + 1);
    g_byte_array_append(packed->file, head, sizeof head);
    g_byte_array_append(packed->file, rest, len);
    g_array_append_val(packed->frames, frame);
}

static void add_table(Packed *packed)
{
    g_autoptr(GBytes) table = dk_zstd_table_write(packed->frames);
    g_byte_array_append(packed->file, g_bytes_get_data(table, NULL),
                        (guint)g_bytes_get_size(table));
}

static Packed pack(GByteArray *content, gsize frame_size)
{
    Packed packed = {g_byte_array_new(), g_array_new(FALSE, TRUE, sizeof(DkZstdFrame))};
    for (gsize at = 0; at < content->len; at += frame_size)
        add_frame(&packed, content->data + at, MIN(frame_size, content->len - at));
    return packed;
}

static void check_reads(DkInput *input, GByteArray *content)
{
    g_assert_cmpuint(dk_input_size(input), ==, content->len);
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree guint8 *buf = g_malloc(content->len + 10);
    for (guint i = 0; i < 500; i++) {
        guint64 off = content->len ? g_rand_int(rand) % content->len : 0;
        gsize len = g_rand_int(rand) % (i % 10 ? 9000u : content->len + 10);
        gssize got = dk_input_read(input, off, buf, len, NULL);
        g_assert_cmpint(got, ==, MIN(len, content->len - off));
        g_assert_cmpmem(buf, (gsize)got, content->data + off, (gsize)got);
    }
    g_assert_cmpint(dk_input_read(input, content->len, buf, 1, NULL), ==, 0);
    g_assert_cmpint(dk_input_read(input, G_MAXUINT64, buf, 1, NULL), ==, 0);
    g_assert_cmpint(dk_input_read(input, 0, buf, content->len + 10, NULL), ==, content->len);
    g_assert_cmpmem(buf, content->len, content->data, content->len);
}

static DkInput *open_ok(Place *place, const char *container)
{
    g_autoptr(GError) error = NULL;
    DkInput *input = dk_input_open(place->path, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(dk_input_container(input), ==, container);
    g_assert_cmpstr(dk_input_name(input), ==, place->path);
    return input;
}

static void expect_verified(DkInput *input, gboolean expected)
{
    g_autoptr(GError) error = NULL;
    gboolean verified = !expected;
    gboolean ok = dk_input_verify(input, &verified, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpint(verified, ==, expected);
}

static void test_plain(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(100001);
    store(place, content->data, content->len);
    g_autoptr(DkInput) input = open_ok(place, "plain");
    check_reads(input, content);
    expect_verified(input, FALSE);
}

/* A file with a hole in its middle; where the file system has no holes, all of it is data. */
static void test_stretch(Place *place, gconstpointer data)
{
    int fd = g_open(place->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(pwrite(fd, "first", 5, 0), ==, 5);
    g_assert_cmpint(pwrite(fd, "last", 4, 4 << 20), ==, 4);
    gboolean has_holes = lseek(fd, 5, SEEK_HOLE) < (4 << 20);
    close(fd);
    g_autoptr(DkInput) input = dk_input_open(place->path, NULL);
    gboolean hole = TRUE;
    guint64 end = dk_input_stretch(input, 0, &hole);
    g_assert_false(hole);
    if (has_holes) {
        g_assert_cmphex(end, ==, 4096);
        g_assert_cmphex(dk_input_stretch(input, end, &hole), ==, 4 << 20);
        g_assert_true(hole);
        g_assert_cmphex(dk_input_stretch(input, 0x12345, &hole), ==, 4 << 20);
        g_assert_true(hole);
        end = dk_input_stretch(input, (4 << 20) + 1, &hole);
        g_assert_false(hole);
    }
    g_assert_cmphex(end, ==, (4 << 20) + 4);
    /* A file that ends with a hole. */
    g_assert_cmpint(truncate(place->path, 8 << 20), ==, 0);
    g_autoptr(DkInput) longer = dk_input_open(place->path, NULL);
    g_assert_cmphex(dk_input_stretch(longer, 7 << 20, &hole), ==, 8 << 20);
    g_assert_cmpint(hole, ==, has_holes);
}

static void test_empty(Place *place, gconstpointer data)
{
    store(place, "", 0);
    g_autoptr(DkInput) input = open_ok(place, "plain");
    g_assert_cmpuint(dk_input_size(input), ==, 0);
    guint8 byte;
    g_assert_cmpint(dk_input_read(input, 0, &byte, 1, NULL), ==, 0);
}

static void test_bytes(void)
{
    g_autoptr(GByteArray) content = make_content(5000);
    g_autoptr(GBytes) bytes = g_bytes_new(content->data, content->len);
    g_autoptr(DkInput) input = dk_input_new_bytes("sample", bytes);
    g_clear_pointer(&bytes, g_bytes_unref);
    check_reads(input, content);
    g_assert_cmpstr(dk_input_name(input), ==, "sample");
    DkInput *again = dk_input_ref(input);
    dk_input_unref(again);
    expect_verified(input, FALSE);
}

static void test_read_bytes(void)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static("0123456789", 10);
    g_autoptr(DkInput) input = dk_input_new_bytes("sample", bytes);
    g_autoptr(GBytes) part = dk_input_read_bytes(input, "note", 2, 8, 8, NULL);
    g_assert_cmpmem(g_bytes_get_data(part, NULL), g_bytes_get_size(part), "23456789", 8);
    g_autoptr(GBytes) none = dk_input_read_bytes(input, "note", 10, 0, 8, NULL);
    g_assert_cmpuint(g_bytes_get_size(none), ==, 0);
    static const struct {
        guint64 off, len;
        int code;
    } cases[] = {
        {3, 8, DK_ERROR_DAMAGED},           {11, 0, DK_ERROR_DAMAGED},
        {G_MAXUINT64, 8, DK_ERROR_DAMAGED}, {0, 9, DK_ERROR_LIMIT},
        {5, G_MAXUINT64, DK_ERROR_LIMIT},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(dk_input_read_bytes(input, "note", cases[i].off, cases[i].len, 8, &error));
        g_assert_error(error, DK_ERROR, cases[i].code);
        g_assert_nonnull(strstr(error->message, "sample"));
        g_assert_nonnull(strstr(error->message, "note"));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_input_read_bytes(input, "note", 3, 8, 8, &error));
    g_assert_cmpstr(error->message, ==,
                    "sample: note needs 8 bytes at offset 0x3, the file has 0xa");
}

static void test_refused(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_input_open(place->path, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    g_clear_error(&error);
    g_assert_null(dk_input_open(place->dir, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "is a directory; expected a regular file"));
    g_clear_error(&error);
    g_assert_null(dk_input_open("/dev/zero", &error));
    g_assert_nonnull(strstr(error->message, "/dev/zero: is a device"));
    g_clear_error(&error);
    /* Nobody writes to it: an ordinary open would wait for ever. */
    g_assert_cmpint(mkfifo(place->path, 0600), ==, 0);
    alarm(20);
    g_assert_null(dk_input_open(place->path, &error));
    alarm(0);
    g_assert_nonnull(strstr(error->message, "is a pipe"));
    g_assert_nonnull(strstr(error->message, place->path));
}

static void test_seekable(Place *place, gconstpointer data)
{
    static const guint sizes[] = {1, 4095, 4096, 300000, (20 << 20) + 17};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GByteArray) content = make_content(sizes[i]);
        g_auto(Packed) packed = pack(content, sizes[i] < 1 << 20 ? 4096 : DK_ZSTD_FRAME_SIZE);
        add_table(&packed);
        store(place, packed.file->data, packed.file->len);
        g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
        check_reads(input, content);
        expect_verified(input, TRUE);
    }
}

/* Frames above the cache's size, of zeros, without content, and of other sizes in one file. */
static void test_seekable_mixed(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(48 << 20);
    static const guint sizes[] = {12 << 20, 8 << 20, 100, 9 << 20, 0, 0, 1, 5000, 0, 10 << 20};
    memset(content->data + (20 << 20), 0, 9 << 20);
    memset(content->data + (30 << 20), 0, 12 << 20);
    Packed init = {g_byte_array_new(), g_array_new(FALSE, TRUE, sizeof(DkZstdFrame))};
    g_auto(Packed) packed = init;
    gsize at = 0;
    add_skippable(&packed, 3 << 20);
    for (guint i = 0; at < content->len; i++) {
        gsize size = MIN(sizes[i % G_N_ELEMENTS(sizes)], content->len - at);
        if (size)
            add_frame(&packed, content->data + at, size);
        else
            add_skippable(&packed, i);
        at += size;
    }
    add_skippable(&packed, 0);
    add_table(&packed);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
    check_reads(input, content);
    expect_verified(input, TRUE);
}

static void test_seekable_empty(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = g_byte_array_new();
    g_auto(Packed) packed = pack(content, 1);
    add_table(&packed);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
    g_assert_cmpuint(dk_input_size(input), ==, 0);
    expect_verified(input, TRUE);
}

typedef struct {
    DkInput *input;
    GByteArray *content;
} Readers;

static gpointer read_much(gpointer data)
{
    Readers *readers = data;
    check_reads(readers->input, readers->content);
    return NULL;
}

static void test_seekable_threads(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(1000000);
    g_auto(Packed) packed = pack(content, 10000);
    add_table(&packed);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
    Readers readers = {input, content};
    GThread *threads[4];
    for (guint i = 0; i < 4; i++)
        threads[i] = g_thread_new("reader", read_much, &readers);
    for (guint i = 0; i < 4; i++)
        g_thread_join(threads[i]);
}

/*
 * Changes each byte of a file in turn: it is found, or it has no effect on the content (there is
 * more than one way to say the same in zstd's compressed blocks).
 */
static void test_seekable_each_byte(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(1000);
    g_auto(Packed) packed = pack(content, 200);
    add_table(&packed);
    guint silent = 0;
    for (guint i = 0; i < packed.file->len; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            packed.file->data[i] ^= (guint8)(1 << bit);
            store(place, packed.file->data, packed.file->len);
            packed.file->data[i] ^= (guint8)(1 << bit);
            g_autoptr(GError) error = NULL;
            g_autoptr(DkInput) input = dk_input_open(place->path, &error);
            gboolean verified = FALSE;
            if (input && !dk_input_verify(input, &verified, NULL, &error))
                g_clear_pointer(&input, dk_input_unref);
            /* A broken magic at the start: no zstd file at all. */
            if (input && g_str_equal(dk_input_container(input), "plain"))
                continue;
            if (!input) {
                g_assert_nonnull(strstr(error->message, place->path));
                continue;
            }
            guint8 buf[1001];
            g_assert_true(verified);
            g_assert_cmpint(dk_input_read(input, 0, buf, sizeof buf, NULL), ==, 1000);
            g_assert_cmpmem(buf, 1000, content->data, 1000);
            silent++;
        }
    }
    g_test_message("%u changed bits of %u have no effect", silent, packed.file->len * 8);
    g_assert_cmpuint(silent, <=, packed.file->len * 8 / 100);
}

static void test_seekable_damaged(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(40000);
    g_auto(Packed) packed = pack(content, 10000);
    DkZstdFrame *last = &g_array_index(packed.frames, DkZstdFrame, 3);
    guint32 frame_off = packed.file->len - last->packed_size;
    /* The table says another checksum than the content has. */
    last->checksum ^= 1;
    add_table(&packed);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
    g_autofree guint8 *buf = g_malloc(40000);
    g_assert_cmpint(dk_input_read(input, 0, buf, 30000, NULL), ==, 30000);
    g_autofree char *place_of_it = g_strdup_printf("zstd frame 3 at offset 0x%x", frame_off);
    gboolean verified;
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        if (i == 0)
            g_assert_cmpint(dk_input_read(input, 35000, buf, 1, &error), ==, -1);
        else if (i == 1)
            g_assert_cmpint(dk_input_read(input, 0, buf, 40000, &error), ==, -1);
        else
            g_assert_false(dk_input_verify(input, &verified, NULL, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
        g_assert_nonnull(strstr(error->message, place_of_it));
        g_assert_nonnull(strstr(error->message, place->path));
    }
}

/* The file is cut after it was opened. */
static void test_seekable_cut(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(40000);
    g_auto(Packed) packed = pack(content, 10000);
    add_table(&packed);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "seekable zstd");
    g_assert_cmpint(truncate(place->path, 1), ==, 0);
    guint8 byte;
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(dk_input_read(input, 20000, &byte, 1, &error), ==, -1);
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
}

/* A zstd file without a table: several frames, skippable ones in front and between. */
static void test_unpacked(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(3000000);
    for (guint skippables = 0; skippables < 4; skippables++) {
        Packed init = {g_byte_array_new(), g_array_new(FALSE, TRUE, sizeof(DkZstdFrame))};
        g_auto(Packed) packed = init;
        for (guint at = 0; at < content->len; at += 1000000) {
            for (guint i = 0; i < skippables; i++)
                add_skippable(&packed, i * 100000);
            add_frame(&packed, content->data + at, 1000000);
        }
        store(place, packed.file->data, packed.file->len);
        g_autoptr(DkInput) input = open_ok(place, "zstd");
        check_reads(input, content);
        expect_verified(input, TRUE);
    }
}

static void test_unpacked_damaged(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(300000);
    g_auto(Packed) packed = pack(content, 100000);
    const DkZstdFrame *first = &g_array_index(packed.frames, DkZstdFrame, 0);
    const DkZstdFrame *second = first + 1;
    guint32 last_off = first->packed_size + second->packed_size;
    /* Cut inside the last frame. */
    store(place, packed.file->data, packed.file->len - 1);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_input_open(place->path, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    g_autofree char *expected = g_strdup_printf(
        "%s: ends at offset 0x%x, inside the zstd frame that starts at 0x%x", place->path,
        packed.file->len - 1, last_off);
    g_assert_cmpstr(error->message, ==, expected);
    /* A changed byte, and bytes that are no frame. */
    for (guint i = 0; i < 2; i++) {
        packed.file->data[i ? last_off : packed.file->len - 1] ^= 0x55;
        store(place, packed.file->data, packed.file->len);
        packed.file->data[i ? last_off : packed.file->len - 1] ^= 0x55;
        g_clear_error(&error);
        g_assert_null(dk_input_open(place->path, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
        g_autofree char *at = g_strdup_printf("zstd frame at offset 0x%x", last_off);
        g_assert_nonnull(strstr(error->message, at));
        g_assert_nonnull(strstr(error->message, place->path));
    }
    /* Damage that comes after opening is found by verify. */
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "zstd");
    int fd = open(place->path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "x", 1, packed.file->len - 1), ==, 1);
    close(fd);
    gboolean verified;
    g_clear_error(&error);
    g_assert_false(dk_input_verify(input, &verified, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
}

/* Skippable frames that something else follows, as LZ4 has them, are no zstd file. */
static void test_other_skippable(Place *place, gconstpointer data)
{
    Packed init = {g_byte_array_new(), g_array_new(FALSE, TRUE, sizeof(DkZstdFrame))};
    g_auto(Packed) packed = init;
    add_skippable(&packed, 50);
    g_byte_array_append(packed.file, (const guint8 *)"\4\"M\30 an LZ4 frame", 18);
    store(place, packed.file->data, packed.file->len);
    g_autoptr(DkInput) input = open_ok(place, "plain");
    check_reads(input, packed.file);
}

static gboolean run_shell(const char *command)
{
    const char *argv[] = {"sh", "-c", command, NULL};
    int status = -1;
    return g_spawn_sync(NULL, (char **)argv, NULL,
                        G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL |
                            G_SPAWN_STDOUT_TO_DEV_NULL,
                        NULL, NULL, NULL, NULL, &status, NULL) &&
           status == 0;
}

/* What `zstd` makes of a file and, without a size in the frame, of a stream. */
static void test_zstd_program(Place *place, gconstpointer data)
{
    g_autofree char *program = g_find_program_in_path("zstd");
    if (!program) {
        g_test_skip("zstd is missing");
        return;
    }
    g_autoptr(GByteArray) content = make_content(5000000);
    g_autofree char *plain = g_strconcat(place->path, ".plain", NULL);
    g_assert_true(g_file_set_contents(plain, (char *)content->data, (gssize)content->len, NULL));
    static const struct {
        const char *options;
        gboolean checked;
    } cases[] = {{"--check", TRUE},
                 {"--no-check", FALSE},
                 {"--no-content-size", TRUE},
                 {"-19 --long", TRUE}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *command = g_strdup_printf("zstd -q -f %s < '%s' > '%s'", cases[i].options,
                                                   plain, place->path);
        g_assert_true(run_shell(command));
        g_autoptr(DkInput) input = open_ok(place, "zstd");
        check_reads(input, content);
        expect_verified(input, cases[i].checked);
    }
    g_remove(plain);
}

/* A window that zstd itself refuses without --long=31. */
static void test_window_limit(Place *place, gconstpointer data)
{
    /* Magic, descriptor without size, window of 2^(10 + 21) bytes, a last raw block of 1 byte. */
    static const guint8 frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0, 21 << 3, 9, 0, 0, 'x'};
    store(place, frame, sizeof frame);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_input_open(place->path, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
}

/* The temporary file does not fit: the message says where it should have gone. */
static void test_no_room(Place *place, gconstpointer data)
{
    g_autoptr(GByteArray) content = make_content(3000000);
    g_auto(Packed) packed = pack(content, 1000000);
    store(place, packed.file->data, packed.file->len);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 1000000, .rlim_max = 1000000};
        signal(SIGXFSZ, SIG_IGN);
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        g_autoptr(GError) error = NULL;
        g_assert_null(dk_input_open(place->path, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
        g_assert_nonnull(strstr(error->message, place->path));
        g_assert_nonnull(strstr(error->message, g_get_tmp_dir()));
        _exit(0);
    }
    int status = 1;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    static const struct {
        const char *name;
        void (*run)(Place *place, gconstpointer data);
    } tests[] = {
        {"/input/plain", test_plain},
        {"/input/stretch", test_stretch},
        {"/input/empty", test_empty},
        {"/input/refused", test_refused},
        {"/input/seekable", test_seekable},
        {"/input/seekable-mixed", test_seekable_mixed},
        {"/input/seekable-empty", test_seekable_empty},
        {"/input/seekable-threads", test_seekable_threads},
        {"/input/seekable-each-byte", test_seekable_each_byte},
        {"/input/seekable-damaged", test_seekable_damaged},
        {"/input/seekable-cut", test_seekable_cut},
        {"/input/unpacked", test_unpacked},
        {"/input/unpacked-damaged", test_unpacked_damaged},
        {"/input/other-skippable", test_other_skippable},
        {"/input/zstd-program", test_zstd_program},
        {"/input/window-limit", test_window_limit},
        {"/input/no-room", test_no_room},
    };
    g_test_add_func("/input/bytes", test_bytes);
    g_test_add_func("/input/read-bytes", test_read_bytes);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Place, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
