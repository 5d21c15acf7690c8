/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cores that other programs wrote, from $DUMPKIT_CORPUS (else ../shared/corpus): each opens, and
 * what we say of its threads is what eu-readelf says.
 */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"

typedef struct {
    const char *name;
    DkMachineId machine;
    DkOs os;
    guint threads;
    guint32 signal;
    guint64 address;
    guint modules;
    const char *writer;
} Expectation;

/* What eu-readelf -n -l and the files' own sources say. */
static const Expectation expectations[] = {
    {"llvm-toolchain-16/linux-x86_64.core", DK_MACHINE_X86_64, DK_OS_LINUX, 1, 11, 0, 2,
     "Linux kernel"},
    {"llvm-toolchain-16/linux-i386.core", DK_MACHINE_X86, DK_OS_LINUX, 1, 11, 0, 2, "Linux kernel"},
    {"llvm-toolchain-16/gcore/linux-i386.core", DK_MACHINE_X86, DK_OS_LINUX, 3, 0, 0, 1, "gcore"},
    {"llvm-toolchain-16/thread_crash/linux-x86_64.core", DK_MACHINE_X86_64, DK_OS_LINUX, 3, 4, 0, 8,
     "Linux kernel"},
    {"llvm-toolchain-16/thread_crash/linux-i386.core", DK_MACHINE_X86, DK_OS_LINUX, 3, 4, 0, 8,
     "Linux kernel"},
    {"llvm-toolchain-16/linux-aarch64-sve-full.core", DK_MACHINE_ARM64, DK_OS_LINUX, 1, 11, 0, 2,
     "Linux kernel"},
    {"llvm-toolchain-16/linux-s390x.core", DK_MACHINE_UNKNOWN, DK_OS_LINUX, 1, 11, 0, 1,
     "Linux kernel"},
    {"llvm-toolchain-16/1lwp_SIGSEGV.aarch64.core", DK_MACHINE_ARM64, DK_OS_OTHER, 0, 0, 0, 0,
     NULL},
    {"llvm-toolchain-16/x86-64-freebsd.core", DK_MACHINE_X86_64, DK_OS_OTHER, 0, 0, 0, 0, NULL},
    {"memfault__memfault-linux-sdk/elf-core-runtime-ld-paths.elf", DK_MACHINE_X86_64, DK_OS_LINUX,
     1, 11, 0xdeadbeef, 5, "Linux kernel"},
    {"osandov__drgn/crashme_pie.core.zst", DK_MACHINE_X86_64, DK_OS_LINUX, 1, 11, 0xabc, 5,
     "Linux kernel"},
    {"rizinorg__rizin-testbins/core-linux-arm64", DK_MACHINE_ARM64, DK_OS_LINUX, 1, 11, 0, 3,
     "Linux kernel"},
    {"rizinorg__rizin-testbins/core-linux-riscv64", DK_MACHINE_UNKNOWN, DK_OS_LINUX, 1, 11, 0, 4,
     "Linux kernel"},
    {"rizinorg__rizin-testbins/core-linux-m68k", DK_MACHINE_UNKNOWN, DK_OS_LINUX, 1, 11, 0, 3,
     "Linux kernel"},
    {"sourceware-org__elfutils/backtrace.aarch64.core.bz2", DK_MACHINE_ARM64, DK_OS_LINUX, 2, 6, 0,
     2, "Linux kernel"},
    {"sourceware-org__elfutils/testfile_aarch64_core.bz2", DK_MACHINE_ARM64, DK_OS_LINUX, 1, 11,
     0x12345678, 4, "Linux kernel"},
};

static char *corpus(void)
{
    const char *set = g_getenv("DUMPKIT_CORPUS");
    if (set)
        return g_build_filename(set, "elf-core", NULL);
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_assert_nonnull(self);
    g_autofree char *folder = g_path_get_dirname(self);
    return g_build_filename(folder, "../../../../shared/corpus/elf-core", NULL);
}

/* The corpus, or NULL and a skip. */
static char *corpus_or_skip(void)
{
    char *path = corpus();
    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return path;
    g_test_skip("the corpus of ELF cores is not there");
    g_free(path);
    return NULL;
}

static void list_files(const char *folder, GPtrArray *files)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            list_files(path, files);
            g_free(path);
        } else {
            g_ptr_array_add(files, path);
        }
    }
}

/* A plain copy of path, to be unlinked; NULL when the program that unpacks it is missing. */
static char *unpack(const char *path)
{
    const char *program = g_str_has_suffix(path, ".bz2")   ? "bzip2"
                          : g_str_has_suffix(path, ".gz")  ? "gzip"
                          : g_str_has_suffix(path, ".zst") ? "zstd"
                                                           : "cat";
    g_autofree char *found = g_find_program_in_path(program);
    if (!found)
        return NULL;
    char *copy = g_strdup("/tmp/dumpkit-elfcore-XXXXXX");
    int fd = g_mkstemp(copy);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_autofree char *from = g_shell_quote(path);
    g_autofree char *line = g_strdup_printf("%s%s < %s > %s", program,
                                            g_str_equal(program, "cat") ? "" : " -dc", from, copy);
    char *argv[] = {(char *)"sh", (char *)"-c", line, NULL};
    int status = -1;
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL);
    g_assert_cmpint(status, ==, 0);
    return copy;
}

/* zstd is unpacked by our own input. */
static DkSource *open_file(const char *path, GError **error)
{
    g_autofree char *copy = NULL;
    if (g_str_has_suffix(path, ".bz2") || g_str_has_suffix(path, ".gz")) {
        copy = unpack(path);
        if (!copy) {
            g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "nothing unpacks %s", path);
            return NULL;
        }
    }
    g_autoptr(DkInput) input = dk_input_open(copy ? copy : path, error);
    if (copy)
        unlink(copy);
    return input ? dk_format_open(input, NULL, error) : NULL;
}

static void ignore_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_assert_nonnull(text);
}

static void count_note(const DkNote *note, gpointer data)
{
    g_assert_nonnull(note->name);
    (*(guint *)data)++;
}

/* Reads all memory; every byte of a data run is there, none of another. */
static void read_all(DkSpace *space)
{
    static guint8 buffer[65536];
    DkRun run;
    guint64 from = 0;
    while (dk_space_next_run(space, from, &run)) {
        guint64 first = MAX(run.first, from);
        gsize want = (gsize)MIN(run.last - first, sizeof buffer - 1) + 1;
        gsize got = dk_space_read(space, first, buffer, want);
        g_assert_cmpuint(got, ==, run.kind == DK_RUN_DATA ? want : 0);
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
}

static void test_all_open(void)
{
    g_autofree char *folder = corpus_or_skip();
    if (!folder)
        return;
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    list_files(folder, files);
    guint opened = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *path = g_ptr_array_index(files, i);
        if (strstr(path, ".expect"))
            continue;
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = open_file(path, &error);
        if (g_error_matches(error, DK_ERROR, DK_ERROR_NOT_FOUND)) {
            g_test_message("%s", error->message);
            continue;
        }
        g_assert_no_error(error);
        DkVerify verify = {ignore_finding, NULL, FALSE};
        guint notes = 0;
        g_assert_true(dk_format_by_name("elf")->verify(source, TRUE, &verify, &error));
        g_assert_false(verify.content_verified);
        source->ops->foreach_note(source, count_note, &notes);
        read_all(source->space);
        opened++;
    }
    g_test_message("%u files", opened);
    g_assert_cmpuint(opened, >, 20);
}

static void check_expectation(const char *folder, const Expectation *expected)
{
    g_autofree char *path = g_build_filename(folder, expected->name, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_file(path, &error);
    if (g_error_matches(error, DK_ERROR, DK_ERROR_NOT_FOUND)) {
        g_test_message("%s", error->message);
        return;
    }
    g_assert_no_error(error);
    g_test_message("%s", expected->name);
    const DkSubject *subject = source->subject;
    g_assert_cmpint(subject->machine, ==, expected->machine);
    g_assert_cmpint(subject->os, ==, expected->os);
    g_assert_cmpuint(subject->process.threads->len, ==, expected->threads);
    g_assert_cmpuint(subject->process.exception.code, ==, expected->signal);
    g_assert_cmphex(subject->process.exception.address, ==, expected->address);
    g_assert_cmpuint(subject->process.modules->len, ==, expected->modules);
    g_assert_cmpstr(subject->origin.writer, ==, expected->writer);
    g_assert_cmpint(subject->gaps->len > 0, ==,
                    expected->machine == DK_MACHINE_UNKNOWN || expected->os == DK_OS_OTHER);
}

static void test_expectations(void)
{
    g_autofree char *folder = corpus_or_skip();
    for (guint i = 0; folder && i < G_N_ELEMENTS(expectations); i++)
        check_expectation(folder, &expectations[i]);
}

/* The numbers behind "    pid: " in what eu-readelf -n prints, one of each NT_PRSTATUS. */
static GArray *readelf_threads(const char *path)
{
    g_autofree char *out = NULL;
    g_autofree char *plain = unpack(path);
    char *argv[] = {(char *)"eu-readelf", (char *)"-n", plain, NULL};
    g_assert_nonnull(plain);
    g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                 &out, NULL, NULL, NULL);
    unlink(plain);
    GArray *tids = g_array_new(FALSE, FALSE, sizeof(guint32));
    g_auto(GStrv) lines = g_strsplit(out ? out : "", "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (!g_str_has_prefix(lines[i], "    pid: "))
            continue;
        guint32 tid = (guint32)g_ascii_strtoull(lines[i] + strlen("    pid: "), NULL, 10);
        g_array_append_val(tids, tid);
    }
    return tids;
}

static void test_eu_readelf_agrees(void)
{
    g_autofree char *folder = corpus_or_skip();
    g_autofree char *program = g_find_program_in_path("eu-readelf");
    if (!folder)
        return;
    if (!program) {
        g_test_skip("eu-readelf is not installed");
        return;
    }
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    list_files(folder, files);
    guint compared = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *path = g_ptr_array_index(files, i);
        if (strstr(path, ".expect"))
            continue;
        g_autoptr(DkSource) source = open_file(path, NULL);
        if (!source || source->subject->os != DK_OS_LINUX)
            continue;
        g_autoptr(GArray) tids = readelf_threads(path);
        /* It does not know every machine's notes. */
        if (!tids->len)
            continue;
        g_test_message("%s", path);
        const GPtrArray *threads = source->subject->process.threads;
        g_assert_cmpuint(threads->len, ==, tids->len);
        for (guint k = 0; k < threads->len; k++) {
            const DkThread *thread = g_ptr_array_index(threads, k);
            g_assert_cmpuint(thread->tid, ==, g_array_index(tids, guint32, k));
        }
        compared++;
    }
    g_test_message("%u files", compared);
    g_assert_cmpuint(compared, >, 15);
}

/* 131,070 segments by PN_XNUM. */
static void test_many_segments(void)
{
    g_autofree char *folder = corpus_or_skip();
    if (!folder)
        return;
    g_autofree char *path = g_build_filename(
        folder, "rizinorg__rizin-testbins/more-than-65535-segments.gz", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_file(path, &error);
    if (g_error_matches(error, DK_ERROR, DK_ERROR_NOT_FOUND)) {
        g_test_skip("gzip is not installed");
        return;
    }
    g_assert_no_error(error);
    g_assert_cmpuint(source->subject->process.mappings->len, ==, 131070);
    guint8 byte;
    g_assert_cmpuint(dk_space_read(source->space, 131069 * (guint64)4096, &byte, 1), ==, 1);
    g_assert_cmpuint(dk_space_read(source->space, 131070 * (guint64)4096, &byte, 1), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/elfcore-corpus/all-open", test_all_open);
    g_test_add_func("/elfcore-corpus/expectations", test_expectations);
    g_test_add_func("/elfcore-corpus/eu-readelf-agrees", test_eu_readelf_agrees);
    g_test_add_func("/elfcore-corpus/many-segments", test_many_segments);
    return g_test_run();
}
