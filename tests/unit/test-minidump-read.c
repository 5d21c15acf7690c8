/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The minidump reader: the descriptions in tests/golden/minidump, made into files by make-minidump
 * and compared with expect-NAME, and the files of the corpus.
 */
#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"

#define GOLDEN "tests/golden/minidump"

/* --- a dump as text --- */

static void print_regs(GString *out, const DkThread *thread)
{
    static const char *const kinds[DK_REGSET_COUNT] = {"general", "fp", "xstate", "fxsave",
                                                       "siginfo"};
    for (guint kind = 0; kind < DK_REGSET_COUNT; kind++) {
        gsize len;
        if (!thread->regs[kind])
            continue;
        const guint8 *data = g_bytes_get_data(thread->regs[kind], &len);
        g_string_append_printf(out, "    %s %" G_GSIZE_FORMAT ":", kinds[kind], len);
        /* The words that are not zero, each with its offset. */
        for (gsize i = 0; i + 4 <= len; i += 4) {
            guint32 word;
            memcpy(&word, data + i, sizeof word);
            if (word)
                g_string_append_printf(out, " %" G_GSIZE_FORMAT "=%x", i, word);
        }
        g_string_append_c(out, '\n');
    }
}

static void print_threads(GString *out, const DkSubject *subject)
{
    for (guint i = 0; i < subject->process.threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(subject->process.threads, i);
        g_string_append_printf(out, "thread %u", thread->tid);
        if (thread->name)
            g_string_append_printf(out, " \"%s\"", thread->name);
        if (thread->stack_first <= thread->stack_last)
            g_string_append_printf(out, " stack %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                   thread->stack_first, thread->stack_last);
        g_string_append_printf(out, " teb %" G_GINT64_MODIFIER "x suspended %u signal %d",
                               thread->teb_va, thread->suspended, thread->signal);
        g_string_append_printf(
            out, " user %" G_GUINT64_FORMAT " system %" G_GUINT64_FORMAT "%s%s\n", thread->user_ns,
            thread->system_ns, thread->missing ? " missing: " : "",
            thread->missing ? thread->missing : "");
        print_regs(out, thread);
    }
}

static void print_hex(GString *out, const guint8 *data, gsize len)
{
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(out, "%02x", data[i]);
}

static void print_modules(GString *out, const DkSubject *subject)
{
    for (guint i = 0; i < subject->process.modules->len; i++) {
        const DkModule *module = g_ptr_array_index(subject->process.modules, i);
        g_string_append_printf(
            out, "module %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %s time %x checksum %x",
            module->first, module->last, module->path ? module->path : "-", module->timestamp,
            module->checksum);
        if (module->version)
            g_string_append_printf(out, " version %s", module->version);
        if (module->build_id) {
            gsize len;
            const guint8 *data = g_bytes_get_data(module->build_id, &len);
            g_string_append(out, " build-id ");
            print_hex(out, data, len);
        }
        if (module->debug_file) {
            g_string_append_printf(out, " debug %s age %u guid ", module->debug_file, module->age);
            print_hex(out, module->guid, sizeof module->guid);
        }
        g_string_append(out, module->unloaded ? " unloaded\n" : "\n");
    }
    for (guint i = 0; i < subject->process.mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
        g_autofree char *path = g_strescape(mapping->path ? mapping->path : "-", NULL);
        g_string_append_printf(out,
                               "mapping %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER
                               "x flags %x offset %" G_GINT64_MODIFIER
                               "x device %" G_GINT64_MODIFIER "x inode %" G_GUINT64_FORMAT " %s\n",
                               mapping->first, mapping->last, mapping->flags, mapping->file_offset,
                               mapping->device, mapping->inode, path);
    }
}

static void print_head(GString *out, const DkSubject *subject)
{
    const DkProcess *process = &subject->process;
    const DkException *exception = &process->exception;
    g_string_append_printf(out, "machine %s\nos %s \"%s\"\ncpu \"%s\" cpus %u\n",
                           dk_machine_name(subject->machine), dk_os_name(subject->os),
                           subject->os_version ? subject->os_version : "",
                           subject->cpu ? subject->cpu : "", subject->cpus);
    g_string_append_printf(out,
                           "process %" G_GINT64_FORMAT " ns %" G_GINT64_FORMAT
                           " parent %" G_GINT64_FORMAT " uid %" G_GINT64_FORMAT
                           " gid %" G_GINT64_FORMAT " name \"%s\" exe \"%s\" command \"%s\"\n",
                           process->pid, process->ns_pid, process->ppid, process->uid, process->gid,
                           process->name ? process->name : "", process->exe ? process->exe : "",
                           process->command ? process->command : "");
    g_string_append_printf(out, "writer \"%s\" time %" G_GINT64_FORMAT " comment \"%s\" auxv %u\n",
                           subject->origin.writer ? subject->origin.writer : "",
                           subject->origin.time_us,
                           subject->origin.comment ? subject->origin.comment : "",
                           process->auxv ? (guint)g_bytes_get_size(process->auxv) : 0);
    if (exception->valid) {
        g_string_append_printf(out, "exception tid %u code %x flags %x at %" G_GINT64_MODIFIER "x",
                               exception->tid, exception->code, exception->flags,
                               exception->address);
        for (guint i = 0; i < exception->nparams; i++)
            g_string_append_printf(out, " %" G_GINT64_MODIFIER "x", exception->params[i]);
        g_string_append_c(out, '\n');
    }
}

static void print_runs(GString *out, DkSpace *space)
{
    DkRun run;
    for (guint64 from = 0; dk_space_next_run(space, from, &run); from = run.last + 1) {
        g_autofree guint8 *data = g_malloc(run.last - run.first + 1);
        gsize got = dk_space_read(space, run.first, data, run.last - run.first + 1);
        g_string_append_printf(out,
                               "run %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER
                               "x kind %d read %" G_GSIZE_FORMAT ": %02x..%02x\n",
                               run.first, run.last, run.kind, got, got ? data[0] : 0,
                               got ? data[got - 1] : 0);
        if (run.last == G_MAXUINT64)
            break;
    }
}

static void print_note(const DkNote *note, gpointer data)
{
    g_string_append_printf(data, "note %s at %" G_GINT64_MODIFIER "x, %" G_GUINT64_FORMAT ": %s\n",
                           note->name, note->off, note->size, note->text ? note->text : "-");
}

typedef struct {
    DkVerify base;
    GString *out;
    guint bad;
} Findings;

static void print_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    static const char *const verdicts[] = {"ok", "note", "lacks", "damaged"};
    Findings *findings = (Findings *)verify;
    findings->bad += verdict >= DK_VERIFY_LACKS;
    g_string_append_printf(findings->out, "%s %s: %s\n", verdicts[verdict], part, text);
}

/* Bytes beyond ASCII as \xNN, so that messages show them in any locale. */
static char *to_ascii(const GString *text)
{
    GString *out = g_string_new(NULL);
    for (gsize i = 0; i < text->len; i++) {
        if ((guchar)text->str[i] < 0x80)
            g_string_append_c(out, text->str[i]);
        else
            g_string_append_printf(out, "\\x%02x", (guchar)text->str[i]);
    }
    return g_string_free(out, FALSE);
}

/* All that the reader says of input; *bad (may be NULL) counts what verify finds wrong. */
static char *describe(DkInput *input, guint *bad)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    const DkFormat *format = NULL;
    g_autoptr(DkSource) source = dk_format_open(input, &format, &error);
    if (!source) {
        g_string_append_printf(out, "%s: %s\n", dk_error_code_name(error->code), error->message);
        return to_ascii(out);
    }
    g_assert_cmpstr(format->name, ==, "minidump");
    print_head(out, source->subject);
    print_threads(out, source->subject);
    print_modules(out, source->subject);
    print_runs(out, source->space);
    for (guint i = 0; i < source->subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(source->subject->gaps, i);
        g_string_append_printf(out, "gap %s", gap->what);
        if (gap->first <= gap->last)
            g_string_append_printf(out, " %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                   gap->first, gap->last);
        if (gap->tid)
            g_string_append_printf(out, " tid %u", gap->tid);
        g_string_append_printf(out, ": %s\n", gap->why);
    }
    source->ops->foreach_note(source, print_note, out);
    Findings findings = {.base.finding = print_finding, .out = out};
    g_assert_true(format->verify(source, TRUE, &findings.base, &error));
    g_assert_no_error(error);
    if (bad)
        *bad = findings.bad;
    return to_ascii(out);
}

/* --- golden --- */

static char *maker;

static GBytes *make_dump(const char *description)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    gint fd = g_file_open_tmp("minidump-XXXXXX", &out, &error);
    g_assert_no_error(error);
    g_close(fd, NULL);
    g_autoptr(GSubprocess) child = g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, maker,
                                                    description, out, NULL);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_wait_check(child, NULL, &error));
    char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(out, &data, &len, &error));
    g_unlink(out);
    return g_bytes_new_take(data, len);
}

static void test_golden(gconstpointer data)
{
    const char *name = data;
    g_autofree char *description = g_strdup_printf(GOLDEN "/%s.txt", name);
    g_autofree char *expected = g_strdup_printf(GOLDEN "/expect-%s", name);
    g_autoptr(GBytes) bytes = make_dump(description);
    g_autoptr(DkInput) input = dk_input_new_bytes(name, bytes);
    g_autofree char *got = describe(input, NULL);
    g_autofree char *want = NULL;
    g_file_get_contents(expected, &want, NULL, NULL);
    if (g_strcmp0(got, want) != 0) {
        g_test_message("%s is:\n%s", name, got);
        g_error("%s differs from what is read, which is:\n%s", expected, got);
    }
}

static void add_golden(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(GOLDEN, 0, &error);
    g_assert_no_error(error);
    for (const char *file = g_dir_read_name(dir); file; file = g_dir_read_name(dir)) {
        if (!g_str_has_suffix(file, ".txt"))
            continue;
        g_autofree char *name = g_strndup(file, strlen(file) - strlen(".txt"));
        g_autofree char *path = g_strdup_printf("/minidump-read/golden/%s", name);
        g_test_add_data_func_full(path, g_steal_pointer(&name), test_golden, g_free);
    }
}

/* --- corpus --- */

static char *corpus_path(const char *file)
{
    const char *corpus = g_getenv("DUMPKIT_CORPUS");
    char *path = g_build_filename(corpus ? corpus : "../shared/corpus", "user-mdmp", file, NULL);
    if (g_file_test(path, G_FILE_TEST_EXISTS))
        return path;
    g_free(path);
    g_test_skip("the corpus (DUMPKIT_CORPUS) is not there");
    return NULL;
}

static void add_files(GPtrArray *files, const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    for (const char *name = dir ? g_dir_read_name(dir) : NULL; name; name = g_dir_read_name(dir)) {
        char *inner = g_build_filename(path, name, NULL);
        if (g_file_test(inner, G_FILE_TEST_IS_DIR)) {
            add_files(files, inner);
            g_free(inner);
        } else if (strstr(name, ".expect")) {
            g_free(inner);
        } else {
            g_ptr_array_add(files, inner);
        }
    }
}

static DkInput *open_input(const char *path)
{
    g_autoptr(GError) error = NULL;
    DkInput *input = dk_input_open(path, &error);
    g_assert_no_error(error);
    return input;
}

/* The files that are broken on purpose; all others open. */
static gboolean may_fail(const char *path)
{
    return strstr(path, "rizinorg") != NULL;
}

static void test_corpus(void)
{
    g_autofree char *path = corpus_path("");
    if (!path)
        return;
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    add_files(files, path);
    g_assert_cmpuint(files->len, >, 70);
    guint opened = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *file = g_ptr_array_index(files, i);
        g_autoptr(DkInput) input = open_input(file);
        g_autofree char *text = describe(input, NULL);
        if (g_str_has_prefix(text, "machine ")) {
            opened++;
            continue;
        }
        g_test_message("%s", text);
        g_assert_true(may_fail(file));
        g_assert_true(g_str_has_prefix(text, "damaged: "));
        g_assert_nonnull(strstr(text, "at offset 0x"));
    }
    g_assert_cmpuint(opened, >=, files->len - 7);
}

static void expect_lines(const char *file, const char *const *lines)
{
    g_autofree char *path = corpus_path(file);
    if (!path)
        return;
    g_autoptr(DkInput) input = open_input(path);
    g_autofree char *text = describe(input, NULL);
    for (guint i = 0; lines[i]; i++) {
        if (!strstr(text, lines[i]))
            g_error("\"%s\" is not in what is read of %s:\n%.8000s", lines[i], file, text);
    }
}

/* What rust-minidump's own tests say of these files (NAME.expect.txt beside them). */
static void test_known_x86(void)
{
    /* eip=0x40429e (offset 48), esp=0x12fe84 (60), ebp (20), ebx (0), eax (24), eflags (56) */
    static const char *const lines[] = {
        "machine x86\nos Windows \"5.1.2600 Service Pack 2\"\n"
        "cpu \"GenuineIntel family 6 model 13 stepping 8\" cpus 1\n",
        "exception tid 3060 code c0000005 flags 0 at 40429e 1 45\n",
        " 0=7c80abc1 ",
        " 20=12fe88 24=45 ",
        " 48=40429e ",
        " 56=10246 60=12fe84 ",
        "module 400000-42cfff ",
        "module 7c800000-7c8f3fff C:\\WINDOWS\\system32\\kernel32.dll ",
        " version 5.1.2600.2945 ",
        NULL};
    expect_lines("rust-minidump__rust-minidump/test.dmp", lines);
}

/* The crash handler's log of the same crash (crash.dmp.expect.txt). */
static void test_known_x64(void)
{
    /* rbp, rbx, rip, rsp at their offsets in the general registers. */
    static const char *const lines[] = {" 32=bed1d280 36=5e ", " 40=32d04510 44=21e ",
                                        " 128=f4d221fd 132=7ff9 ", " 152=bed1d180 156=5e ", NULL};
    expect_lines("LYJ-Kerman__crash-log/crash.dmp", lines);
}

static void test_known_linux(void)
{
    static const char *const lines[] = {
        "os Linux \"Linux 4.9.60-linuxkit-aufs #1 SMP Mon Nov 6 16:00:12 UTC 2017 x86_64\"",
        "exception tid 1304 code b ",
        "note stream LinuxEnviron at ",
        "mapping 400000-419fff flags 5 offset 0 device 47 inode 8612374361 "
        "/work/linux/build/crash\n",
        "writer \"Breakpad\"",
        NULL};
    expect_lines("rust-minidump__rust-minidump/linux-mini.8802cd.dmp", lines);
}

static void test_known_damage(void)
{
    static const char *const twice[] = {"damaged directory: entry 10 at offset 0x98: a second "
                                        "stream ThreadList\n",
                                        NULL};
    static const char *const overlap[] = {" overlap at offset ", NULL};
    static const char *const cut[] = {"lacks memory: truncated: ", "the file ends at 0xdfc00",
                                      NULL};
    expect_lines("llvm-mirror__lldb/bad_duplicate_streams.dmp", twice);
    expect_lines("llvm-mirror__lldb/bad_overlapping_streams.dmp", overlap);
    expect_lines("rizinorg__rizin-testbins/crash-71087187fb883c4a4d92b11c8663d47a", cut);
}

/* --- Breakpad's minidump_dump agrees --- */

/* The value of "  NAME = VALUE" when the line is one of NAME. */
static gboolean line_value(const char *line, const char *name, guint64 *value)
{
    if (!g_str_has_prefix(line, "  ") || !g_str_has_prefix(line + 2, name))
        return FALSE;
    const char *at = line + 2 + strlen(name);
    while (*at == ' ')
        at++;
    if (*at != '=')
        return FALSE;
    *value = g_ascii_strtoull(at + 1, NULL, 0);
    return TRUE;
}

static guint64 program_counter(const DkSubject *subject, const DkThread *thread)
{
    static const gsize offs[] = {
        [DK_MACHINE_X86] = 48, [DK_MACHINE_X86_64] = 128, [DK_MACHINE_ARM64] = 256};
    gsize size = dk_machine_pointer_size(subject->machine);
    guint64 pc = 0;
    const guint8 *data = g_bytes_get_data(thread->regs[DK_REGSET_GENERAL], NULL);
    memcpy(&pc, data + offs[subject->machine], size);
    return pc;
}

static gboolean has_module(const DkSubject *subject, guint64 first, guint64 size)
{
    for (guint i = 0; i < subject->process.modules->len; i++) {
        const DkModule *module = g_ptr_array_index(subject->process.modules, i);
        if (module->first == first && module->last - module->first + 1 == size)
            return TRUE;
    }
    return FALSE;
}

/* The number of things compared. */
static guint compare_with(const DkSubject *subject, const char *text, gsize len)
{
    guint compared = 0;
    guint64 tid = 0;
    guint64 base = 0;
    guint64 value;
    /* The context of the exception comes behind those of the threads and replaces its thread's. */
    g_autoptr(GHashTable) counters = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    /* Line by line: g_strsplit() takes minutes for megabytes under the address sanitizer. */
    const char *next = text;
    while (next < text + len) {
        const char *end = memchr(next, '\n', (gsize)(text + len - next));
        gsize size = end ? (gsize)(end - next) : (gsize)(text + len - next);
        g_autofree char *line = g_strndup(next, size);
        next += size + 1;
        if (line_value(line, "thread_id", &value)) {
            tid = value;
        } else if (line_value(line, "rip", &value) || line_value(line, "eip", &value) ||
                   line_value(line, "iregs[32]", &value)) {
            g_hash_table_insert(counters, GUINT_TO_POINTER((guint)tid),
                                g_memdup2(&value, sizeof value));
        } else if (line_value(line, "base_of_image", &value)) {
            base = value;
        } else if (line_value(line, "size_of_image", &value)) {
            g_assert_true(has_module(subject, base, value));
            compared++;
        }
    }
    GHashTableIter iter;
    gpointer key;
    gpointer counter;
    g_hash_table_iter_init(&iter, counters);
    while (g_hash_table_iter_next(&iter, &key, &counter)) {
        const DkThread *thread = dk_subject_thread(subject, GPOINTER_TO_UINT(key));
        g_assert_nonnull(thread);
        g_assert_nonnull(thread->regs[DK_REGSET_GENERAL]);
        g_assert_cmphex(program_counter(subject, thread), ==, *(guint64 *)counter);
        compared++;
    }
    return compared;
}

static void test_minidump_dump_agrees(void)
{
    const char *peers = g_getenv("DUMPKIT_PEERS");
    g_autofree char *program = g_build_filename(peers ? peers : "build-peers/node_modules",
                                                "minidump", "bin", "linux-x64", "minidump_dump",
                                                NULL);
    g_autofree char *path = corpus_path("");
    if (!path)
        return;
    if (!g_file_test(program, G_FILE_TEST_IS_EXECUTABLE)) {
        g_test_skip("minidump_dump of npm's package minidump is not there");
        return;
    }
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    add_files(files, path);
    guint compared = 0;
    for (guint i = 0; i < files->len; i++) {
        const char *file = g_ptr_array_index(files, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkInput) input = open_input(file);
        g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
        g_autoptr(GSubprocess) child = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                                            G_SUBPROCESS_FLAGS_STDERR_SILENCE,
                                                        &error, program, file, NULL);
        g_assert_no_error(error);
        g_autoptr(GBytes) out = NULL;
        g_assert_true(g_subprocess_communicate(child, NULL, NULL, &out, NULL, &error));
        if (!source)
            continue;
        gsize len;
        const char *data = g_bytes_get_data(out, &len);
        compared += data ? compare_with(source->subject, data, len) : 0;
    }
    g_test_message("%u registers and modules agree", compared);
    g_assert_cmpuint(compared, >, 2000);
}

int main(int argc, char **argv)
{
    g_autofree char *dir = g_path_get_dirname(argv[0]);
    maker = g_build_filename(dir, "..", "make", "make-minidump", NULL);
    g_test_init(&argc, &argv, NULL);
    add_golden();
    g_test_add_func("/minidump-read/corpus", test_corpus);
    g_test_add_func("/minidump-read/minidump_dump-agrees", test_minidump_dump_agrees);
    g_test_add_func("/minidump-read/known-x86", test_known_x86);
    g_test_add_func("/minidump-read/known-x64", test_known_x64);
    g_test_add_func("/minidump-read/known-linux", test_known_linux);
    g_test_add_func("/minidump-read/known-damage", test_known_damage);
    return g_test_run();
}
