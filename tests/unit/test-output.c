/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "io/output.h"

typedef struct {
    char *dir;
    char *path; /* "out" in dir */
} Place;

static void set_up(Place *place, gconstpointer data)
{
    place->dir = g_dir_make_tmp("dumpkit-output-XXXXXX", NULL);
    place->path = g_build_filename(place->dir, "out", NULL);
}

/* Entries of a folder, hidden ones as well. */
static guint count_files(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint count = 0;
    while (g_dir_read_name(dir))
        count++;
    return count;
}

static void tear_down(Place *place, gconstpointer data)
{
    g_remove(place->path);
    /* Fails when a test has left anything else. */
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->path);
    g_free(place->dir);
}

static void expect_content(const char *path, GByteArray *expected)
{
    g_autofree char *content = NULL;
    gsize len = 0;
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    g_assert_cmpmem(content, len, expected->data, expected->len);
}

/* Writes and zeros of all sizes around the buffer's, in an order without a pattern. */
static void append_all(DkOutput *output, GByteArray *expected)
{
    static const gsize sizes[] = {1,     100,   4095,  4096, 4097,   65535,
                                  65536, 65537, 30000, 3,    300000, 0};
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    for (guint i = 0; i < 200; i++) {
        gsize size = sizes[g_rand_int_range(rand, 0, G_N_ELEMENTS(sizes))];
        guint at = expected->len;
        g_byte_array_set_size(expected, at + (guint)size);
        gboolean zeros = g_rand_boolean(rand);
        for (gsize k = 0; k < size; k++)
            expected->data[at + k] = zeros ? 0 : (guint8)(k * 7 + i);
        g_assert_true(zeros ? dk_output_zeros(output, size, NULL)
                            : dk_output_write(output, expected->data + at, size, NULL));
    }
    g_assert_cmpuint(output->done, ==, expected->len);
}

static void test_round_trip(Place *place, gconstpointer data)
{
    mode_t mask = umask(0);
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    umask(mask);
    g_assert_nonnull(output);
    g_autoptr(GByteArray) expected = g_byte_array_new();
    append_all(output, expected);
    g_assert_false(g_file_test(place->path, G_FILE_TEST_EXISTS));
    g_assert_true(dk_output_finish(output, NULL));
    expect_content(place->path, expected);
    struct stat st;
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmphex(st.st_mode, ==, S_IFREG | 0600);
    g_assert_cmpuint(st.st_nlink, ==, 1);
    g_assert_cmpuint(count_files(place->dir), ==, 1);
}

/* Bytes replaced in what is buffered, in what is on disk, and in holes, the last one included. */
static void test_rewrite(Place *place, gconstpointer data)
{
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    g_autofree guint8 *bytes = g_malloc0(300000);
    g_assert_true(dk_output_can_rewrite(output));
    g_assert_true(dk_output_write(output, bytes, 200000, NULL));
    g_assert_true(dk_output_zeros(output, 90000, NULL));
    g_assert_true(dk_output_write(output, "tail", 4, NULL));
    g_assert_true(dk_output_rewrite(output, 290000, "TA", 2, NULL));
    g_assert_true(dk_output_zeros(output, 9996, NULL));
    g_assert_true(dk_output_rewrite(output, 299998, "zz", 2, NULL));
    g_assert_true(dk_output_rewrite(output, 250000, "hole", 4, NULL));
    g_assert_true(dk_output_rewrite(output, 0, "head", 4, NULL));
    g_assert_true(dk_output_finish(output, NULL));
    memcpy(bytes, "head", 4);          /* NOLINT(bugprone-not-null-terminated-result): bytes */
    memcpy(bytes + 250000, "hole", 4); /* NOLINT(bugprone-not-null-terminated-result): bytes */
    memcpy(bytes + 290000, "TAil", 4); /* NOLINT(bugprone-not-null-terminated-result): bytes */
    memcpy(bytes + 299998, "zz", 2);   /* NOLINT(bugprone-not-null-terminated-result): bytes */
    g_autofree char *content = NULL;
    gsize len = 0;
    g_assert_true(g_file_get_contents(place->path, &content, &len, NULL));
    g_assert_cmpmem(content, len, bytes, 300000);
}

static void test_holes(Place *place, gconstpointer data)
{
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    g_assert_true(dk_output_zeros(output, 1 << 30, NULL));
    g_assert_true(dk_output_write(output, "x", 1, NULL));
    g_assert_true(dk_output_zeros(output, 1 << 30, NULL));
    g_assert_true(dk_output_finish(output, NULL));
    struct stat st;
    g_assert_cmpint(stat(place->path, &st), ==, 0);
    g_assert_cmpuint((guint64)st.st_size, ==, (2u << 30) + 1u);
    g_assert_cmpuint((guint64)st.st_blocks * 512, <=, 64 << 10);
}

static void test_nothing_left(Place *place, gconstpointer data)
{
    g_autofree guint8 *block = g_malloc0(1 << 20);
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    g_assert_true(dk_output_write(output, block, 1 << 20, NULL));
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 0);
}

static void test_exists(Place *place, gconstpointer data)
{
    g_assert_true(g_file_set_contents(place->path, "old", 3, NULL));
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_output_file_new(place->path, FALSE, 0, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_EXISTS);
    g_assert_nonnull(strstr(error->message, place->path));
    g_autoptr(GByteArray) content = g_byte_array_new();
    g_byte_array_append(content, (const guint8 *)"old", 3);
    expect_content(place->path, content);

    g_autoptr(DkOutput) output = dk_output_file_new(place->path, TRUE, 0, NULL);
    g_assert_true(dk_output_write(output, "new", 3, NULL));
    expect_content(place->path, content);
    g_assert_true(dk_output_finish(output, NULL));
    memcpy(content->data, "new", 3);
    expect_content(place->path, content);
    g_assert_cmpuint(count_files(place->dir), ==, 1);
}

/* Someone else takes the name while we write. */
static void test_exists_late(Place *place, gconstpointer data)
{
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    g_assert_true(dk_output_write(output, "new", 3, NULL));
    g_assert_true(g_file_set_contents(place->path, "old", 3, NULL));
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_output_finish(output, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_EXISTS);
    g_clear_error(&error);
    g_assert_false(dk_output_finish(output, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_SYSTEM);
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 1);
}

static void expect_refused(const char *path, int code)
{
    for (guint replace = 0; replace < 2; replace++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(dk_output_file_new(path, replace, 0, &error));
        g_assert_error(error, DK_ERROR, code);
        g_assert_nonnull(strstr(error->message, path));
    }
}

static void test_refused(Place *place, gconstpointer data)
{
    g_autofree char *link = g_build_filename(place->dir, "link", NULL);
    g_autofree char *fifo = g_build_filename(place->dir, "fifo", NULL);
    g_autofree char *slash = g_strconcat(place->path, "/", NULL);
    g_autofree char *deep = g_build_filename(place->dir, "none", "out", NULL);
    g_assert_cmpint(symlink(place->path, link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    expect_refused(link, DK_ERROR_EXISTS);
    expect_refused(fifo, DK_ERROR_USAGE);
    expect_refused(place->dir, DK_ERROR_USAGE);
    expect_refused("/dev/null", DK_ERROR_USAGE);
    expect_refused(".", DK_ERROR_USAGE);
    expect_refused(slash, DK_ERROR_USAGE);
    expect_refused("", DK_ERROR_USAGE);
    expect_refused(deep, DK_ERROR_NOT_FOUND);
    /* A link that appears while we write is not written through, nor replaced. */
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, TRUE, 0, NULL);
    g_assert_cmpint(symlink("/dev/null", place->path), ==, 0);
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_output_finish(output, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_EXISTS);
    g_remove(link);
    g_remove(fifo);
}

static void test_expected(Place *place, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_output_file_new(place->path, FALSE, (guint64)1 << 62, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
    g_assert_nonnull(strstr(error->message, place->path));
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 4096, NULL);
    g_assert_nonnull(output);
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 0);
}

/* A limit on the size of files is an error, not the end of the process by SIGXFSZ. */
static void test_limit(Place *place, gconstpointer data)
{
    struct rlimit before;
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    if (before.rlim_cur != RLIM_INFINITY) {
        g_test_skip("there is a limit on the size of files already");
        return;
    }
    struct rlimit limit = {.rlim_cur = 100000, .rlim_max = before.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_autofree guint8 *block = g_malloc0(70000);
    for (guint zeros = 0; zeros < 2; zeros++) {
        g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
        g_autoptr(GError) error = NULL;
        g_assert_true(dk_output_write(output, block, 70000, NULL));
        g_assert_false(zeros ? dk_output_zeros(output, 70000, &error)
                             : dk_output_write(output, block, 70000, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
        g_assert_nonnull(strstr(error->message, place->path));
    }
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
    g_assert_cmpuint(count_files(place->dir), ==, 0);
}

static void test_disk_full(Place *place, gconstpointer data)
{
    if (mount("tmpfs", place->dir, "tmpfs", 0, "size=1m") < 0) {
        g_test_skip("mounting a tmpfs is not possible");
        return;
    }
    g_autofree guint8 *block = g_malloc(300000);
    memset(block, 1, 300000);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_output_file_new(place->path, FALSE, 2 << 20, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
    g_clear_error(&error);
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, FALSE, 0, NULL);
    guint written = 0;
    while (written < 10 && dk_output_write(output, block, 300000, &error))
        written++;
    g_assert_cmpuint(written, ==, 3);
    g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
    g_assert_nonnull(strstr(error->message, place->path));
    g_assert_false(dk_output_finish(output, NULL));
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 0);
    /* All of the space is back. */
    output = dk_output_file_new(place->path, FALSE, 900000, NULL);
    g_assert_nonnull(output);
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpint(umount(place->dir), ==, 0);
}

/*
 * Makes the process see a file system without O_TMPFILE and, with no_noreplace, without
 * RENAME_NOREPLACE, for good.
 */
static gboolean lack_features(gboolean no_noreplace)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_renameat2, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, O_TMPFILE & ~O_DIRECTORY, 2, 1),
        BPF_STMT(BPF_RET | BPF_K, no_noreplace ? SECCOMP_RET_ERRNO | EINVAL : SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
    };
    struct sock_fprog program = {.len = G_N_ELEMENTS(filter), .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void use_hidden_names(Place *place)
{
    for (guint replace = 0; replace < 2; replace++) {
        g_autoptr(DkOutput) output = dk_output_file_new(place->path, replace, 0, NULL);
        g_assert_nonnull(output);
        g_assert_cmpuint(count_files(place->dir), ==, replace + 1);
        g_autoptr(GByteArray) expected = g_byte_array_new();
        append_all(output, expected);
        g_assert_true(dk_output_finish(output, NULL));
        g_clear_pointer(&output, dk_output_free);
        expect_content(place->path, expected);
        g_assert_cmpuint(count_files(place->dir), ==, 1);
    }
    g_autoptr(DkOutput) output = dk_output_file_new(place->path, TRUE, 0, NULL);
    g_assert_true(dk_output_write(output, "x", 1, NULL));
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 1);
    g_remove(place->path);
    output = dk_output_file_new(place->path, FALSE, 0, NULL);
    g_assert_true(g_file_set_contents(place->path, "old", 3, NULL));
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_output_finish(output, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_EXISTS);
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpuint(count_files(place->dir), ==, 1);
}

/* Without O_TMPFILE the hidden name is used, and tidied up. */
static void test_hidden_name(Place *place, gconstpointer data)
{
    for (guint no_noreplace = 0; no_noreplace < 2; no_noreplace++) {
        pid_t child = fork();
        if (child == 0) {
            if (!lack_features(no_noreplace))
                _exit(77);
            use_hidden_names(place);
            _exit(0);
        }
        int status = 0;
        g_assert_cmpint(waitpid(child, &status, 0), ==, child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            g_test_skip("seccomp filters are not possible");
            return;
        }
        g_assert_cmpint(status, ==, 0);
        g_remove(place->path);
    }
}

/* A child killed in the middle leaves nothing. */
static void test_killed(Place *place, gconstpointer data)
{
    int ready[2];
    g_assert_cmpint(pipe2(ready, O_CLOEXEC), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        DkOutput *output = dk_output_file_new(place->path, FALSE, 0, NULL);
        g_autofree guint8 *block = g_malloc0(1 << 20);
        gboolean ok = output && dk_output_write(output, block, 1 << 20, NULL);
        if (ok && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    char byte;
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    close(ready[0]);
    g_assert_cmpuint(count_files(place->dir), ==, 0);
}

static void test_fd(Place *place, gconstpointer data)
{
    dk_autofd int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    g_autoptr(DkOutput) output = dk_output_fd_new(fd, "standard output");
    g_autoptr(GByteArray) expected = g_byte_array_new();
    append_all(output, expected);
    g_assert_true(dk_output_finish(output, NULL));
    g_clear_pointer(&output, dk_output_free);
    g_assert_cmpint(fcntl(fd, F_GETFD), >=, 0);
    expect_content(place->path, expected);
}

static gpointer drain(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    GByteArray *content = g_byte_array_new();
    guint8 buf[5000];
    gssize got;
    while ((got = read(fd, buf, sizeof buf)) > 0)
        g_byte_array_append(content, buf, (guint)got);
    return content;
}

/* A pipe that does not block takes all; one without a reader is an error. */
static void test_pipe(Place *place, gconstpointer data)
{
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(fcntl(ends[1], F_SETFL, O_NONBLOCK), ==, 0);
    GThread *reader = g_thread_new("drain", drain, GINT_TO_POINTER(ends[0]));
    g_autoptr(DkOutput) output = dk_output_fd_new(ends[1], "standard output");
    g_autoptr(GByteArray) expected = g_byte_array_new();
    append_all(output, expected);
    g_assert_true(dk_output_finish(output, NULL));
    g_clear_pointer(&output, dk_output_free);
    close(ends[1]);
    g_autoptr(GByteArray) got = g_thread_join(reader);
    close(ends[0]);
    g_assert_cmpmem(got->data, got->len, expected->data, expected->len);

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    close(ends[0]);
    output = dk_output_fd_new(ends[1], "standard output");
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_output_write(output, "x", 1, NULL));
    g_assert_false(dk_output_finish(output, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_SYSTEM);
    g_assert_nonnull(strstr(error->message, "standard output"));
    close(ends[1]);
}

static void test_fd_full(Place *place, gconstpointer data)
{
    dk_autofd int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        g_test_skip("/dev/full is missing");
        return;
    }
    g_autoptr(DkOutput) output = dk_output_fd_new(fd, "standard output");
    g_autoptr(GError) error = NULL;
    g_assert_false(dk_output_zeros(output, 1 << 20, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NO_SPACE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    static const struct {
        const char *name;
        void (*run)(Place *place, gconstpointer data);
    } tests[] = {
        {"/output/round-trip", test_round_trip},
        {"/output/holes", test_holes},
        {"/output/rewrite", test_rewrite},
        {"/output/nothing-left", test_nothing_left},
        {"/output/exists", test_exists},
        {"/output/exists-late", test_exists_late},
        {"/output/refused", test_refused},
        {"/output/expected", test_expected},
        {"/output/limit", test_limit},
        {"/output/disk-full", test_disk_full},
        {"/output/hidden-name", test_hidden_name},
        {"/output/killed", test_killed},
        {"/output/fd", test_fd},
        {"/output/pipe", test_pipe},
        {"/output/fd-full", test_fd_full},
    };
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Place, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
