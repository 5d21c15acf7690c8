/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The minidump writer: read back by our reader, by Breakpad's tools and by lldb. */
#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

#define PROG_VA 0x555555554000
#define HEAP_VA 0x555555600000
/* All zero; what stands behind it is above 4 GiB of the file. */
#define HUGE_VA 0x600000000000
#define HUGE_SIZE ((guint64)5 << 30)
#define LIBC_VA 0x7ffff7c00000
#define THREAD_STACK_VA 0x7ffff7400000
#define STACK_VA 0x7ffffffde000
#define STACK_LAST 0x7fffffffefff
#define FRAME_RET (LIBC_VA + 0x1234)

enum { RBP = 4, RAX = 10, RIP = 16, CS, EFLAGS, RSP, SS, FS_BASE };

/* What the memory of the sample holds at va: each word is its address, but for the frames. */
static guint64 word_at(guint64 va)
{
    switch (va) {
    case STACK_LAST - 0xfff + 0x100: /* a frame: caller's rbp, return address */
        return STACK_LAST - 0xfff + 0x200;
    case STACK_LAST - 0xfff + 0x108:
        return FRAME_RET;
    case STACK_LAST - 0xfff + 0x208:
        return PROG_VA + 0x1010;
    case STACK_LAST - 0xfff + 0x200:
    case STACK_LAST - 0xfff + 0x210:
        return 0;
    default:
        if (va >= HUGE_VA && va < HUGE_VA + HUGE_SIZE)
            return 0;
        return va >= HEAP_VA && va < HEAP_VA + 0x2000 ? 0 : va;
    }
}

static DkThread *add_thread(DkSubject *subject, guint32 tid, const char *name, guint64 rip,
                            guint64 rsp)
{
    DkThread *thread = dk_subject_add_thread(subject, tid);
    guint64 regs[27];
    guint8 fp[512];
    for (guint i = 0; i < G_N_ELEMENTS(regs); i++)
        regs[i] = 0x1111111111110000 + tid + i * 0x100;
    regs[RIP] = rip;
    regs[RSP] = rsp;
    regs[RBP] = rsp + 0xc0;
    regs[CS] = 0x33;
    regs[SS] = 0x2b;
    regs[EFLAGS] = 0x246;
    for (guint i = 23; i < 27; i++)
        regs[i] = 0;
    for (guint i = 0; i < sizeof fp; i++)
        fp[i] = (guint8)(i + tid);
    thread->name = g_strdup(name);
    thread->state = 'S';
    thread->user_ns = 1500000000;
    thread->system_ns = 20000000;
    thread->regs[DK_REGSET_GENERAL] = g_bytes_new(regs, sizeof regs);
    thread->regs[DK_REGSET_FP] = g_bytes_new(fp, sizeof fp);
    return thread;
}

static void add_mapping(DkSubject *subject, guint64 first, guint64 size, guint32 flags,
                        guint64 offset, const char *path)
{
    DkMapping *mapping = dk_subject_add_mapping(subject, first, first + size - 1);
    mapping->flags = flags;
    mapping->path = g_strdup(path);
    if (path && *path == '/') {
        mapping->file_offset = offset;
        mapping->device = 0xfd12;
        mapping->inode = 4242;
    }
}

static void add_module(DkSubject *subject, guint64 first, guint64 size, const char *path, guint8 id)
{
    DkModule *module = dk_subject_add_module(subject, first, first + size - 1);
    guint8 build_id[20];
    memset(build_id, id, sizeof build_id);
    build_id[0] = 0x42;
    module->path = g_strdup(path);
    module->build_id = g_bytes_new(build_id, sizeof build_id);
}

static void set_text(DkSubject *subject, const char *name, const char *text)
{
    g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
    dk_subject_set_text(subject, name, bytes);
}

static DkSubject *sample(const char *level)
{
    static const guint64 auxv[] = {6, 4096, 9, PROG_VA + 0x1000, 0, 0};
    DkSubject *subject = dk_subject_new();
    subject->machine = DK_MACHINE_X86_64;
    subject->os = DK_OS_LINUX;
    subject->os_version = g_strdup("Linux 6.1.0-18-amd64 #1 SMP Debian 6.1.76-1 x86_64");
    subject->cpus = 4;
    subject->process.pid = 4711;
    subject->process.ppid = 1;
    subject->process.uid = 1000;
    subject->process.gid = 100;
    subject->process.name = g_strdup("prog");
    subject->process.exe = g_strdup("/opt/sample/prog");
    subject->process.command = g_strdup("/opt/sample/prog --token=hunter2");
    subject->process.auxv = g_bytes_new(auxv, sizeof auxv);
    subject->origin.method = g_strdup("snapshot");
    subject->origin.level = g_strdup(level);
    subject->origin.time_us = G_GINT64_CONSTANT(1700000000000000);
    add_thread(subject, 4713, "worker \xc3\xa9", LIBC_VA + 0x2000, STACK_LAST - 0xfff + 0x40);
    add_thread(subject, 4711, "prog", PROG_VA + 0x1004, THREAD_STACK_VA + 0x1800);
    DkThread *missing = dk_subject_add_thread(subject, 4715);
    missing->missing = g_strdup("in uninterruptible sleep");
    dk_subject_add_gap(subject, "thread", 1, 0, 4715, "in uninterruptible sleep");
    dk_subject_add_gap(subject, "mapping", 0x7ffff7000000, 0x7ffff7000fff, 0, "MADV_DONTDUMP");
    const guint32 r = DK_MAP_READ;
    const guint32 rx = DK_MAP_READ | DK_MAP_EXEC;
    const guint32 rw = DK_MAP_READ | DK_MAP_WRITE;
    add_mapping(subject, PROG_VA, 0x1000, r, 0, "/opt/sample/prog");
    add_mapping(subject, PROG_VA + 0x1000, 0x1000, rx, 0x1000, "/opt/sample/prog");
    add_mapping(subject, HEAP_VA, 0x3000, rw | DK_MAP_ANON, 0, "[heap]");
    add_mapping(subject, 0x7ffff7000000, 0x1000, rw | DK_MAP_SHARED | DK_MAP_DELETED, 0,
                "/tmp/a\nb");
    add_mapping(subject, THREAD_STACK_VA, 0x4000, rw | DK_MAP_ANON, 0, NULL);
    add_mapping(subject, LIBC_VA, 0x3000, rx, 0, "/lib/x86_64-linux-gnu/libc.so.6");
    add_mapping(subject, STACK_VA, 0x21000, rw | DK_MAP_ANON, 0, "[stack]");
    add_module(subject, LIBC_VA, 0x3000, "/lib/x86_64-linux-gnu/libc.so.6", 0xbb);
    add_module(subject, PROG_VA, 0x2000, "/opt/sample/prog", 0xaa);
    dk_subject_sort(subject);
    set_text(subject, "linux/cpuinfo",
             "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 33\n"
             "model name\t: AMD Ryzen\nstepping\t: 2\n\nprocessor\t: 1\n");
    set_text(subject, "linux/lsb-release", "DISTRIB_ID=Debian\n");
    return subject;
}

static DkDumpPlan *sample_plan(gboolean huge)
{
    DkDumpPlan *plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, PROG_VA, PROG_VA + 0xfff, DK_MAP_READ);
    dk_dump_plan_add(plan, PROG_VA + 0x1000, PROG_VA + 0x1fff, DK_MAP_READ | DK_MAP_EXEC);
    dk_dump_plan_add(plan, HEAP_VA, HEAP_VA + 0x2fff, DK_MAP_READ | DK_MAP_WRITE);
    if (huge)
        dk_dump_plan_add(plan, HUGE_VA, HUGE_VA + HUGE_SIZE - 1, DK_MAP_READ);
    dk_dump_plan_add(plan, THREAD_STACK_VA, THREAD_STACK_VA + 0x3fff, DK_MAP_READ | DK_MAP_WRITE);
    dk_dump_plan_add(plan, LIBC_VA, LIBC_VA + 0x2fff, DK_MAP_READ | DK_MAP_EXEC);
    dk_dump_plan_add(plan, STACK_LAST - 0x1fff, STACK_LAST, DK_MAP_READ | DK_MAP_WRITE);
    return plan;
}

static void write_memory(DkSink *sink, const DkDumpPlan *plan)
{
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        guint64 from = extent->first;
        if (from == HEAP_VA || from == HUGE_VA) {
            const DkRun run = {from, from == HEAP_VA ? from + 0x1fff : extent->last, DK_RUN_ZERO};
            g_assert_true(dk_sink_hole(sink, &run, &error));
            from = run.last + 1;
        }
        for (; from <= extent->last; from += 0x1000) {
            guint64 page[512];
            for (guint k = 0; k < 512; k++)
                page[k] = word_at(from + k * 8);
            g_assert_true(dk_sink_data(sink, from, page, sizeof page, &error));
        }
    }
    g_assert_no_error(error);
}

/* Writes the sample; the path of the file. */
static char *write_sample(const DkSubject *subject, const DkDumpPlan *plan)
{
    const DkFormat *format = dk_format_by_name("minidump");
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("test-minidump-XXXXXX", NULL);
    char *path = g_build_filename(dir, "sample.dmp", NULL);
    g_autoptr(DkOutput) output = dk_output_file_new(path, FALSE, 0, &error);
    g_assert_no_error(error);
    g_autoptr(DkSink) sink = format->sink_new(output, NULL);
    g_assert_true(dk_sink_accepts(sink, subject, &error));
    guint64 size = dk_sink_measure(sink, subject, plan);
    g_assert_true(dk_sink_begin(sink, subject, plan, &error));
    write_memory(sink, plan);
    g_autoptr(DkSubject) late = dk_subject_new();
    dk_subject_add_gap(late, "pages", HEAP_VA + 0x2000, HEAP_VA + 0x2fff, 0, "EIO");
    const DkDumpSummary summary = {
        .pause_ns = 2500000, .duration_ns = 77000000, .complete = TRUE, .gaps = late->gaps};
    g_assert_true(dk_sink_finish(sink, &summary, &error));
    g_assert_cmpuint(output->done, ==, size);
    g_assert_true(dk_output_finish(output, &error));
    g_assert_no_error(error);
    return path;
}

static void remove_sample(const char *path)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_unlink(path);
    g_rmdir(dir);
}

static DkSource *open_path(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(path, &error);
    g_assert_no_error(error);
    DkSource *source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    return source;
}

static void compare_threads(const DkSubject *wrote, const DkSubject *read)
{
    g_assert_cmpuint(read->process.threads->len, ==, wrote->process.threads->len);
    for (guint i = 0; i < wrote->process.threads->len; i++) {
        const DkThread *a = g_ptr_array_index(wrote->process.threads, i);
        const DkThread *b = g_ptr_array_index(read->process.threads, i);
        g_assert_cmpuint(a->tid, ==, b->tid);
        g_assert_cmpstr(a->name, ==, b->name);
        g_assert_cmpint(a->state, ==, b->state);
        g_assert_cmpstr(a->missing, ==, b->missing);
        g_assert_cmpuint(a->user_ns, ==, b->user_ns);
        g_assert_cmpuint(a->system_ns, ==, b->system_ns);
        for (guint kind = 0; kind < DK_REGSET_COUNT; kind++) {
            g_assert_true(!a->regs[kind] == !b->regs[kind]);
            if (a->regs[kind])
                g_assert_true(g_bytes_equal(a->regs[kind], b->regs[kind]));
        }
    }
}

static void compare_mappings(const DkSubject *wrote, const DkSubject *read)
{
    g_assert_cmpuint(read->process.mappings->len, ==, wrote->process.mappings->len);
    for (guint i = 0; i < wrote->process.mappings->len; i++) {
        const DkMapping *a = g_ptr_array_index(wrote->process.mappings, i);
        const DkMapping *b = g_ptr_array_index(read->process.mappings, i);
        g_assert_cmphex(a->first, ==, b->first);
        g_assert_cmphex(a->last, ==, b->last);
        g_assert_cmphex(a->flags, ==, b->flags);
        g_assert_cmphex(a->file_offset, ==, b->file_offset);
        g_assert_cmphex(a->device, ==, b->device);
        g_assert_cmpuint(a->inode, ==, b->inode);
        g_assert_cmpstr(a->path, ==, b->path);
    }
    g_assert_cmpuint(read->process.modules->len, ==, wrote->process.modules->len);
    for (guint i = 0; i < wrote->process.modules->len; i++) {
        const DkModule *a = g_ptr_array_index(wrote->process.modules, i);
        const DkModule *b = g_ptr_array_index(read->process.modules, i);
        g_assert_cmphex(a->first, ==, b->first);
        g_assert_cmphex(a->last, ==, b->last);
        g_assert_cmpstr(a->path, ==, b->path);
        g_assert_true(g_bytes_equal(a->build_id, b->build_id));
    }
}

static void compare_memory(DkSpace *space, const DkDumpPlan *plan)
{
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        guint64 step = extent->first == HUGE_VA ? (guint64)1 << 28 : 8;
        for (guint64 va = extent->first; va < extent->last; va += step) {
            guint64 word = 0x5555;
            g_assert_cmpuint(dk_space_read(space, va, &word, sizeof word), ==, sizeof word);
            g_assert_cmphex(word, ==, word_at(va));
        }
    }
    guint8 byte;
    g_assert_cmpuint(dk_space_read(space, PROG_VA + 0x2000, &byte, 1), ==, 0);
    g_assert_cmpuint(dk_space_read(space, STACK_VA, &byte, 1), ==, 0);
}

static void test_round_trip(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_autofree char *path = write_sample(subject, plan);
    g_autoptr(DkSource) source = open_path(path);
    const DkSubject *read = source->subject;
    g_assert_cmpint(read->machine, ==, DK_MACHINE_X86_64);
    g_assert_cmpint(read->os, ==, DK_OS_LINUX);
    g_assert_cmpstr(read->os_version, ==, subject->os_version);
    g_assert_cmpstr(read->cpu, ==, "AuthenticAMD family 25 model 33 stepping 2");
    g_assert_cmpuint(read->cpus, ==, 4);
    g_assert_cmpint(read->process.pid, ==, 4711);
    g_assert_cmpint(read->process.uid, ==, 1000);
    g_assert_cmpstr(read->process.name, ==, "prog");
    g_assert_cmpstr(read->process.exe, ==, "/opt/sample/prog");
    g_assert_cmpstr(read->process.command, ==, "/opt/sample/prog --token=hunter2");
    g_assert_true(g_bytes_equal(read->process.auxv, subject->process.auxv));
    g_assert_false(read->process.exception.valid);
    g_assert_true(g_str_has_prefix(read->origin.writer, "dumpkit "));
    g_assert_cmpstr(read->origin.method, ==, "snapshot");
    g_assert_cmpint(read->origin.complete, ==, 1);
    g_assert_cmpint(read->origin.pause_ns, ==, 2500000);
    g_assert_cmpint(read->origin.time_us, ==, subject->origin.time_us);
    g_assert_cmpuint(read->gaps->len, ==, 3); /* two known at the start, one late */
    compare_threads(subject, read);
    compare_mappings(subject, read);
    compare_memory(source->space, plan);
    remove_sample(path);
}

static void test_exception(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    DkException *exception = &subject->process.exception;
    *exception = (DkException){
        .valid = TRUE, .tid = 4713, .code = 11, .flags = 1, .address = 0xdead0000};
    g_autofree char *path = write_sample(subject, plan);
    g_autoptr(DkSource) source = open_path(path);
    const DkException *read = &source->subject->process.exception;
    g_assert_true(read->valid);
    g_assert_cmpuint(read->tid, ==, 4713);
    g_assert_cmpuint(read->code, ==, 11);
    g_assert_cmphex(read->address, ==, 0xdead0000);
    g_assert_cmpint(dk_subject_thread(source->subject, 4713)->signal, ==, 11);
    compare_threads(subject, source->subject);
    remove_sample(path);
}

static gboolean file_has(const char *path, const char *text)
{
    g_autofree char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    return memmem(data, len, text, strlen(text)) != NULL;
}

static void test_triage(void)
{
    g_autoptr(DkSubject) full = sample("full");
    g_autoptr(DkSubject) triage = sample("triage");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_autofree char *path = write_sample(full, plan);
    g_assert_true(file_has(path, "hunter2"));
    remove_sample(path);
    g_free(path);
    path = write_sample(triage, plan);
    g_assert_false(file_has(path, "hunter2"));
    remove_sample(path);
}

static void test_refuses(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autoptr(DkOutput) output = dk_output_fd_new(1, "stdout");
    g_autoptr(DkSink) sink = dk_format_by_name("minidump")->sink_new(output, NULL);
    g_autoptr(GError) error = NULL;
    subject->os = DK_OS_LINUX;
    subject->machine = DK_MACHINE_ARM64;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    subject->machine = DK_MACHINE_X86_64;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
}

/* --- verify --- */

typedef struct {
    DkVerify base;
    guint count[4];
    GString *text;
} Findings;

static void finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    Findings *findings = (Findings *)verify;
    findings->count[verdict]++;
    g_string_append_printf(findings->text, "%d %s: %s\n", verdict, part, text);
}

static void verify_path(const char *path, gboolean deep, Findings *findings)
{
    g_autoptr(DkSource) source = open_path(path);
    g_autoptr(GError) error = NULL;
    if (findings->text)
        g_string_free(findings->text, TRUE);
    *findings = (Findings){.base.finding = finding, .text = g_string_new(NULL)};
    g_assert_true(dk_format_by_name("minidump")->verify(source, deep, &findings->base, &error));
    g_assert_no_error(error);
}

static void flip(const char *path, gsize off)
{
    g_autofree char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(off, <, len);
    data[off] ^= 0x10;
    g_assert_true(g_file_set_contents(path, data, (gssize)len, NULL));
}

static void test_verify(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_ptr_array_remove_index(subject->process.threads, 2);
    g_autofree char *path = write_sample(subject, plan);
    Findings findings = {0};
    verify_path(path, FALSE, &findings);
    g_assert_false(findings.base.content_verified);
    verify_path(path, TRUE, &findings);
    g_test_message("%s", findings.text->str);
    g_assert_true(findings.base.content_verified);
    g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], ==, 0);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    GStatBuf info;
    g_assert_cmpint(g_stat(path, &info), ==, 0);
    /* Any changed byte is found: in front (the reserved tail of the directory), in the memory, in
     * the table of sums, in the result, in the sum of both. */
    const gsize size = (gsize)info.st_size;
    const gsize offs[] = {0x180, size - 16 - 16384 - 48 - 5000, size - 16 - 16384 - 1,
                          size - 16 - 100, size - 3};
    for (guint i = 0; i < G_N_ELEMENTS(offs); i++) {
        flip(path, offs[i]);
        verify_path(path, TRUE, &findings);
        g_test_message("flip 0x%zx: %s", offs[i], findings.text->str);
        g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], >, 0);
        flip(path, offs[i]);
    }
    verify_path(path, TRUE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_string_free(findings.text, TRUE);
    remove_sample(path);
}

/* A file that is cut at any place opens or is refused, and never looks whole. */
static void test_cut(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_autofree char *path = write_sample(subject, plan);
    g_autofree char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    guint opened = 0;
    for (gsize cut = 0; cut < len; cut += cut < 4096 ? 13 : 997) {
        g_autoptr(GBytes) bytes = g_bytes_new(data, cut);
        g_autoptr(DkInput) input = dk_input_new_bytes("cut", bytes);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
        if (!source) {
            g_assert_true(cut < 32 + 20 * 12 || !error);
            continue;
        }
        opened++;
        g_assert_cmpint(source->subject->origin.complete, !=, 1);
        Findings findings = {.base.finding = finding, .text = g_string_new(NULL)};
        g_assert_true(dk_format_by_name("minidump")->verify(source, TRUE, &findings.base, &error));
        g_assert_cmpuint(findings.count[DK_VERIFY_LACKS] + findings.count[DK_VERIFY_DAMAGED], >, 0);
        g_string_free(findings.text, TRUE);
    }
    g_assert_cmpuint(opened, >, 20);
    remove_sample(path);
}

/* --- independent readers --- */

/* What the program prints, or NULL (and the test is skipped) when it is not there. */
static char *run(const char *const *argv, gboolean may_complain)
{
    g_autofree char *program = g_find_program_in_path(argv[0]);
    if (!program) {
        g_autofree char *why = g_strdup_printf("%s is not there", argv[0]);
        g_test_skip(why);
        return NULL;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) child = g_subprocess_newv(
        argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
    g_assert_no_error(error);
    char *text = NULL;
    g_autofree char *log = NULL;
    g_assert_true(g_subprocess_communicate_utf8(child, NULL, NULL, &text, &log, &error));
    g_assert_no_error(error);
    g_assert_nonnull(text);
    g_test_message("%s", log);
    g_assert_true(may_complain || !strstr(log, ": ERROR:")); /* of Breakpad */
    g_test_message("%s", text);
    g_assert_true(g_subprocess_get_if_exited(child));
    return text;
}

/* Breakpad's tools come from npm; tools/deps.sh puts them there. */
static char *peer(const char *name)
{
    const char *peers = g_getenv("DUMPKIT_PEERS");
    return g_build_filename(peers ? peers : "build-peers/node_modules", "minidump", "bin",
                            "linux-x64", name, NULL);
}

static void expect(const char *text, const char *pattern)
{
    if (!g_regex_match_simple(pattern, text, G_REGEX_MULTILINE, 0))
        g_error("\"%s\" is not in:\n%s", pattern, text);
}

static void test_minidump_dump(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_autofree char *path = write_sample(subject, plan);
    g_autofree char *program = peer("minidump_dump");
    const char *const argv[] = {program, path, NULL};
    g_autofree char *text = run(argv, FALSE);
    remove_sample(path);
    if (!text)
        return;
    expect(text, "thread_count = 2$");
    expect(text, "^  rip +=  ?0x555555555004");
    expect(text, "^  rsp +=  ?0x7ffff7401800");
    expect(text, "module_count = 2$");
    expect(text, "base_of_image += 0x555555554000");
    expect(text, "size_of_image += 0x2000");
    expect(text, "\\(code_file\\) += \"/opt/sample/prog\"");
    expect(text, "\\(code_identifier\\) += \"42aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"");
    expect(text, "thread_name += \"worker \xc3\xa9\"");
    expect(text, "process_id += 4711");
    expect(text, "platform_id += 0x8201");
    expect(text, "processor_architecture += 0x9");
    expect(text, "processor_level += 25");
    expect(text, "csd_version.*\"Linux 6.1.0-18-amd64");
    expect(text, "region_count = 2$");
    expect(text, "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 +\\[stack\\]");
}

static void test_minidump_stackwalk(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    g_autofree char *path = write_sample(subject, plan);
    g_autofree char *program = peer("minidump_stackwalk");
    const char *const argv[] = {program, path, NULL};
    g_autofree char *text = run(argv, FALSE);
    remove_sample(path);
    if (!text)
        return;
    expect(text, "^Operating system: Linux");
    expect(text, "^CPU: amd64\n +AuthenticAMD|family 25 model 33 stepping 2");
    expect(text, "^ 0  libc.so.6 \\+ 0x2000");
    expect(text, "^ 1  libc.so.6 \\+ 0x1234");
    expect(text, "^ 2  prog \\+ 0x1010");
    expect(text, "^ 0  prog \\+ 0x1004");
    expect(text, "^0x555555554000 - 0x555555555fff  prog .*\\(main\\)");
}

/* Behind 4 GiB Breakpad has no stacks; threads, registers and modules it reads still. */
static void test_huge(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(TRUE);
    g_autofree char *path = write_sample(subject, plan);
    GStatBuf info;
    g_assert_cmpint(g_stat(path, &info), ==, 0);
    g_assert_cmpuint((guint64)info.st_size, >, HUGE_SIZE);
    g_assert_cmpuint((guint64)info.st_blocks * 512, <, 1 << 20);
    g_autoptr(DkSource) source = open_path(path);
    compare_threads(subject, source->subject);
    compare_memory(source->space, plan);
    g_assert_cmpint(source->subject->origin.complete, ==, 1);
    g_autofree char *program = peer("minidump_stackwalk");
    const char *const argv[] = {program, "-m", path, NULL};
    g_autofree char *text = run(argv, TRUE);
    remove_sample(path);
    if (!text)
        return;
    expect(text, "^0\\|0\\|libc.so.6\\|");
    expect(text, "^1\\|0\\|prog\\|");
    expect(text, "^Module\\|prog\\|.*\\|0x555555554000\\|");
}

static void test_lldb(void)
{
    g_autoptr(DkSubject) subject = sample("full");
    g_autoptr(DkDumpPlan) plan = sample_plan(FALSE);
    subject->process.exception = (DkException){
        .valid = TRUE, .tid = 4713, .code = 11, .address = 0xdead0000};
    g_autofree char *path = write_sample(subject, plan);
    const char *const argv[] = {"lldb-14",
                                "-b",
                                "-x",
                                "-c",
                                path,
                                "-o",
                                "process status",
                                "-o",
                                "thread list",
                                "-o",
                                "image list -b -h",
                                "-o",
                                "register read rax rip rsp",
                                "-o",
                                "memory read -s8 -fx -c2 0x7ffff7400010",
                                "-o",
                                "memory read -s8 -fx -c1 0x555555600ff8",
                                "-o",
                                "memory region 0x7ffff7400000",
                                NULL};
    g_autofree char *text = run(argv, FALSE);
    remove_sample(path);
    if (!text)
        return;
    expect(text, "Process 4711 stopped");
    expect(text, "thread #1.*stop reason = signal SIGSEGV");
    expect(text, "tid = 4713|tid = 0x1269");
    expect(text, "tid = 4711|tid = 0x1267");
    expect(text, "rip = 0x00007ffff7c02000");
    expect(text, "rax = 0x1111111111111c69");
    expect(text, "0x7ffff7400010: 0x00007ffff7400010 0x00007ffff7400018");
    expect(text, "0x555555600ff8: 0x0000000000000000");
    expect(text, "\\[0x00007ffff7400000-0x00007ffff7404000\\) rw-");
    expect(text, "0x0*555555554000");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/minidump-write/round-trip", test_round_trip);
    g_test_add_func("/minidump-write/exception", test_exception);
    g_test_add_func("/minidump-write/triage", test_triage);
    g_test_add_func("/minidump-write/refuses", test_refuses);
    g_test_add_func("/minidump-write/verify", test_verify);
    g_test_add_func("/minidump-write/cut", test_cut);
    g_test_add_func("/minidump-write/minidump_dump", test_minidump_dump);
    g_test_add_func("/minidump-write/minidump_stackwalk", test_minidump_stackwalk);
    g_test_add_func("/minidump-write/huge", test_huge);
    g_test_add_func("/minidump-write/lldb", test_lldb);
    return g_test_run();
}
