/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cores made by make-elfcore from tests/golden/elfcore, read and verified. */
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"

/* The folder of this program; the build folder is in the root of the tree. */
static char *own_folder(void)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_assert_nonnull(self);
    return g_path_get_dirname(self);
}

static GBytes *make(const char *name)
{
    g_autofree char *folder = own_folder();
    g_autofree char *program = g_build_filename(folder, "../make/make-elfcore", NULL);
    g_autofree char *file = g_strdup_printf("%s.txt", name);
    g_autofree char *description = g_build_filename(folder, "../../../tests/golden/elfcore", file,
                                                    NULL);
    g_autofree char *output = g_strdup("/tmp/dumpkit-elfcore-XXXXXX");
    char *argv[] = {program, description, output, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;
    int fd = g_mkstemp(output);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    char *content = NULL;
    gsize len = 0;
    g_assert_true(g_file_get_contents(output, &content, &len, &error));
    unlink(output);
    return g_bytes_new_take(content, len);
}

static DkSource *open_bytes(GBytes *bytes, GError **error)
{
    g_autoptr(DkInput) input = dk_input_new_bytes("core", bytes);
    return dk_format_open(input, NULL, error);
}

static DkSource *open_made(const char *name)
{
    g_autoptr(GBytes) bytes = make(name);
    g_autoptr(GError) error = NULL;
    DkSource *source = open_bytes(bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(source->format, ==, "elf");
    return source;
}

static void open_fails(const char *name, gint code, const char *text)
{
    g_autoptr(GBytes) bytes = make(name);
    g_autoptr(GError) error = NULL;
    g_assert_null(open_bytes(bytes, &error));
    g_assert_error(error, DK_ERROR, code);
    g_assert_nonnull(strstr(error->message, text));
}

typedef struct {
    DkVerify verify;
    GString *text; /* "VERDICT PART: TEXT\n" */
    guint count[4];
} Findings;

static void collect(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    Findings *findings = (Findings *)verify;
    findings->count[verdict]++;
    g_string_append_printf(findings->text, "%d %s: %s\n", (gint)verdict, part, text);
}

/* Verifies; text must be in what is found. */
static void verify_finds(DkSource *source, guint lacks, guint damaged, const char *text)
{
    Findings findings = {{collect, NULL, FALSE}, g_string_new(NULL), {0}};
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_format_by_name("elf")->verify(source, TRUE, &findings.verify, &error));
    g_assert_no_error(error);
    g_assert_false(findings.verify.content_verified);
    if (findings.count[DK_VERIFY_LACKS] != lacks || findings.count[DK_VERIFY_DAMAGED] != damaged ||
        !strstr(findings.text->str, text))
        g_error("expected %u lacks, %u damaged and \"%s\"; found:\n%s", lacks, damaged, text,
                findings.text->str);
    g_string_free(findings.text, TRUE);
}

static const DkThread *thread_at(const DkSource *source, guint index)
{
    g_assert_cmpuint(index, <, source->subject->process.threads->len);
    return g_ptr_array_index(source->subject->process.threads, index);
}

static const DkModule *module_at(const DkSource *source, guint index)
{
    g_assert_cmpuint(index, <, source->subject->process.modules->len);
    return g_ptr_array_index(source->subject->process.modules, index);
}

/* The first gap of that kind. */
static const DkGap *gap_of(const DkSource *source, const char *what)
{
    for (guint i = 0; i < source->subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(source->subject->gaps, i);
        if (g_str_equal(gap->what, what))
            return gap;
    }
    g_error("no gap \"%s\"", what);
}

static guint64 reg64(const DkThread *thread, guint index)
{
    gsize len;
    const guint8 *data = g_bytes_get_data(thread->regs[DK_REGSET_GENERAL], &len);
    guint64 value;
    g_assert_cmpuint(index * 8 + 8, <=, len);
    memcpy(&value, data + index * 8, sizeof value);
    return GUINT64_FROM_LE(value);
}

static void check_mapping(const DkSource *source, guint64 va, guint32 flags, guint64 offset,
                          const char *path)
{
    const DkMapping *mapping = dk_subject_mapping_at(source->subject, va);
    g_assert_nonnull(mapping);
    g_assert_cmphex(mapping->first, ==, va);
    g_assert_cmphex(mapping->flags, ==, flags);
    g_assert_cmphex(mapping->file_offset, ==, offset);
    g_assert_cmpstr(mapping->path, ==, path);
}

static void check_regset(const DkThread *thread, DkRegsetKind kind, gsize size, guint8 byte)
{
    g_assert_nonnull(thread->regs[kind]);
    g_assert_cmpuint(g_bytes_get_size(thread->regs[kind]), ==, size);
    g_assert_cmphex(*(const guint8 *)g_bytes_get_data(thread->regs[kind], NULL), ==, byte);
}

static void test_x86_64_threads(void)
{
    g_autoptr(DkSource) source = open_made("x86-64");
    const DkSubject *subject = source->subject;
    const DkProcess *process = &subject->process;
    g_assert_cmpint(subject->machine, ==, DK_MACHINE_X86_64);
    g_assert_cmpint(subject->os, ==, DK_OS_LINUX);
    g_assert_cmpuint(subject->page_size, ==, 4096);
    g_assert_cmpuint(subject->gaps->len, ==, 0);
    g_assert_cmpint(process->pid, ==, 100);
    g_assert_cmpint(process->uid, ==, 1000);
    g_assert_cmpint(process->gid, ==, 100);
    g_assert_cmpint(process->ppid, ==, 1);
    g_assert_cmpint(process->sid, ==, 3);
    g_assert_cmpstr(process->name, ==, "prog");
    g_assert_cmpstr(process->command, ==, "/bin/prog --flag");
    g_assert_cmpstr(process->exe, ==, "/bin/prog");
    g_assert_cmpuint(g_bytes_get_size(process->auxv), ==, 96);
    g_assert_true(process->exception.valid);
    g_assert_cmpuint(process->exception.tid, ==, 101);
    g_assert_cmpuint(process->exception.code, ==, 11);
    g_assert_cmpuint(process->exception.flags, ==, 1);
    g_assert_cmphex(process->exception.address, ==, 0xabcd);
    g_assert_cmpstr(subject->origin.writer, ==, "Linux kernel");
    g_assert_cmpuint(process->threads->len, ==, 2);
    const DkThread *first = thread_at(source, 0);
    g_assert_cmpuint(first->tid, ==, 101);
    g_assert_cmpint(first->signal, ==, 11);
    g_assert_cmphex(reg64(first, 16), ==, 0x401234);
    g_assert_cmphex(reg64(first, 10), ==, 0xdeadbeef);
    /* utime is {0 s, 1 us}, stime {2 s, 3 us} */
    g_assert_cmpuint(first->user_ns, ==, 1000);
    g_assert_cmpuint(first->system_ns, ==, 2000003000);
    check_regset(first, DK_REGSET_FP, 512, 0xf1);
    check_regset(first, DK_REGSET_XSTATE, 576, 0);
    check_regset(first, DK_REGSET_SIGINFO, 128, 11);
    const DkThread *second = thread_at(source, 1);
    g_assert_cmpuint(second->tid, ==, 100);
    g_assert_cmphex(reg64(second, 16), ==, 0x401111);
    check_regset(second, DK_REGSET_FP, 512, 0xf2);
    g_assert_null(second->regs[DK_REGSET_XSTATE]);
    g_assert_null(second->regs[DK_REGSET_SIGINFO]);
    verify_finds(source, 0, 0, "");
}

static void test_x86_64_memory(void)
{
    g_autoptr(DkSource) source = open_made("x86-64");
    check_mapping(source, 0x400000, DK_MAP_READ, 0, "/bin/prog");
    check_mapping(source, 0x401000, DK_MAP_READ | DK_MAP_EXEC, 0x1000, "/bin/prog");
    check_mapping(source, 0x403000, DK_MAP_READ | DK_MAP_WRITE | DK_MAP_ANON, 0, NULL);
    check_mapping(source, 0x7f0000200000, DK_MAP_READ | DK_MAP_WRITE | DK_MAP_DELETED, 0,
                  "/tmp/gone");
    check_mapping(source, 0x7ffc00000000, DK_MAP_READ | DK_MAP_WRITE | DK_MAP_ANON, 0, "[stack]");
    check_mapping(source, 0x7ffd00000000, DK_MAP_READ | DK_MAP_EXEC | DK_MAP_ANON, 0, "[vdso]");
    /* The data file is no module; the bss is part of the program. */
    g_assert_cmpuint(source->subject->process.modules->len, ==, 3);
    const DkModule *program = module_at(source, 0);
    g_assert_cmpstr(program->path, ==, "/bin/prog");
    g_assert_cmphex(program->first, ==, 0x400000);
    g_assert_cmphex(program->last, ==, 0x403fff);
    g_assert_nonnull(program->build_id);
    g_assert_cmpuint(g_bytes_get_size(program->build_id), ==, 20);
    g_assert_cmphex(((const guint8 *)g_bytes_get_data(program->build_id, NULL))[19], ==, 0x13);
    g_assert_cmpstr(module_at(source, 1)->path, ==, "/lib/libc.so");
    g_assert_cmphex(module_at(source, 1)->last, ==, 0x7f0000001fff);
    g_assert_cmpstr(module_at(source, 2)->path, ==, "[vdso]");
    guint8 buffer[8192];
    g_assert_cmpuint(dk_space_read(source->space, 0x401fff, buffer, 4), ==, 4);
    g_assert_cmphex(buffer[0], ==, 0xcc);
    g_assert_cmphex(buffer[1], ==, 0x22);
    /* Not in the file, and only its first 100 bytes. */
    g_assert_cmpuint(dk_space_read(source->space, 0x7f0000000000, buffer, 4), ==, 0);
    g_assert_cmpuint(dk_space_read(source->space, 0x7f0000200000, buffer, 4096), ==, 100);
    g_assert_cmpuint(dk_space_read(source->space, 0x7f0000200064, buffer, 1), ==, 0);
    DkRun run;
    g_assert_true(dk_space_next_run(source->space, 0x404000, &run));
    g_assert_cmphex(run.first, ==, 0x7f0000000000);
    g_assert_cmpint(run.kind, ==, DK_RUN_ABSENT);
    g_assert_true(dk_space_next_run(source->space, 0x7f0000200064, &run));
    g_assert_cmphex(run.first, ==, 0x7f0000200064);
    g_assert_cmphex(run.last, ==, 0x7f0000200fff);
    g_assert_cmpint(run.kind, ==, DK_RUN_ABSENT);
    g_assert_false(dk_space_next_run(source->space, 0x7ffd00001000, &run));
}

static void test_x86(void)
{
    g_autoptr(DkSource) source = open_made("x86");
    const DkThread *thread = thread_at(source, 0);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_X86);
    g_assert_cmpint(source->subject->process.pid, ==, 77);
    g_assert_cmpint(source->subject->process.uid, ==, 1000);
    g_assert_null(source->subject->process.command);
    g_assert_cmpuint(g_bytes_get_size(thread->regs[DK_REGSET_GENERAL]), ==, 68);
    check_regset(thread, DK_REGSET_FP, 108, 1);
    check_regset(thread, DK_REGSET_FXSAVE, 512, 2);
    /* SI_TKILL has no address. */
    g_assert_cmpint((gint32)source->subject->process.exception.flags, ==, -6);
    g_assert_cmphex(source->subject->process.exception.address, ==, 0);
    check_mapping(source, 0xbffff000, DK_MAP_READ | DK_MAP_WRITE, 0, "[stack]");
    verify_finds(source, 0, 0, "no NT_FILE");
}

static void collect_note(const DkNote *note, gpointer data)
{
    g_string_append_printf(data, "%s=%s\n", note->name, note->text ? note->text : "-");
}

static void test_arm64(void)
{
    g_autoptr(DkSource) source = open_made("arm64");
    const DkThread *thread = thread_at(source, 0);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_ARM64);
    g_assert_cmpuint(source->subject->page_size, ==, 65536);
    g_assert_cmpuint(g_bytes_get_size(thread->regs[DK_REGSET_GENERAL]), ==, 272);
    g_assert_cmphex(reg64(thread, 32), ==, 0x400000);
    g_assert_cmphex(reg64(thread, 30), ==, 0x1234);
    check_regset(thread, DK_REGSET_FP, 528, 3);
    g_assert_cmphex(source->subject->process.exception.address, ==, 0x99);
    g_autoptr(GString) notes = g_string_new(NULL);
    source->ops->foreach_note(source, collect_note, notes);
    g_assert_cmpstr(notes->str, ==,
                    "NT_PRSTATUS=thread 5, signal 7 (SIGBUS), pc 0x400000, sp 0xffff0100\n"
                    "NT_PRPSINFO=arm, pid 5, uid 1000\n"
                    "NT_SIGINFO=signal 7 (SIGBUS), code 2, address 0x99\n"
                    "NT_AUXV=1 entries, entry point 0x0, vdso 0x0\n"
                    "NT_FPREGSET=-\n"
                    "NT_ARM_TLS=-\n");
}

static void test_other_machine(void)
{
    g_autoptr(DkSource) source = open_made("other-machine");
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_UNKNOWN);
    g_assert_cmpint(source->subject->os, ==, DK_OS_LINUX);
    g_assert_cmpint(source->subject->process.pid, ==, 9);
    g_assert_cmpuint(thread_at(source, 0)->tid, ==, 9);
    g_assert_null(thread_at(source, 0)->regs[DK_REGSET_GENERAL]);
    g_assert_nonnull(strstr(gap_of(source, "regset")->why, "machine 20 (PowerPC, 32-bit, big"));
    check_mapping(source, 0x10000000, DK_MAP_READ | DK_MAP_EXEC, 0, "/bin/ppc");
    guint8 byte;
    g_assert_cmpuint(dk_space_read(source->space, 0x1000ffff, &byte, 1), ==, 1);
    g_assert_cmphex(byte, ==, 0x7c);
    verify_finds(source, 1, 0, "thread 9 has no registers");
}

static void test_freebsd(void)
{
    g_autoptr(DkSource) source = open_made("freebsd");
    g_assert_cmpint(source->subject->os, ==, DK_OS_OTHER);
    g_assert_cmpuint(source->subject->process.threads->len, ==, 0);
    g_assert_nonnull(strstr(gap_of(source, "thread")->why, "FreeBSD"));
    guint8 byte;
    g_assert_cmpuint(dk_space_read(source->space, 0x1000, &byte, 1), ==, 1);
}

static void test_no_memory(void)
{
    g_autoptr(DkSource) source = open_made("no-memory");
    DkRun run;
    guint8 byte;
    g_assert_null(source->subject->process.exe);
    g_assert_cmpuint(dk_space_read(source->space, 0x1000, &byte, 1), ==, 0);
    g_assert_false(dk_space_next_run(source->space, 0, &run));
    verify_finds(source, 0, 0, "");
}

static void test_note_alignment(void)
{
    g_autoptr(DkSource) eight = open_made("align8");
    g_assert_cmpstr(eight->subject->process.name, ==, "eight");
    g_assert_cmphex(reg64(thread_at(eight, 0), 19), ==, 0x1800);
    verify_finds(eight, 0, 0, "");
    g_autoptr(DkSource) four = open_made("align8-lie");
    g_assert_cmpstr(four->subject->process.name, ==, "four");
    g_assert_cmphex(reg64(thread_at(four, 0), 19), ==, 0x1800);
    verify_finds(four, 0, 0, "");
}

static void test_refused(void)
{
    open_fails("executable", DK_ERROR_UNSUPPORTED, "is an ELF executable");
    open_fails("cut-table", DK_ERROR_DAMAGED, "the file ends at 0x8c");
    g_autoptr(GBytes) garbage = g_bytes_new_static("garbage garbage garbage", 23);
    g_autoptr(GError) error = NULL;
    g_assert_null(open_bytes(garbage, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_MINE);
}

/* Whatever the length that a core is cut to, it opens or fails with a reason. */
static void test_every_length(void)
{
    g_autoptr(GBytes) whole = make("x86");
    for (gsize len = 0; len < g_bytes_get_size(whole); len += len < 1600 ? 1 : 509) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(whole, 0, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = open_bytes(part, &error);
        if (!source) {
            gint code = len < 4 ? DK_ERROR_NOT_MINE : DK_ERROR_DAMAGED;
            g_assert_error(error, DK_ERROR, code);
            continue;
        }
        g_assert_cmpstr(gap_of(source, "data")->what, ==, "data");
        Findings findings = {{collect, NULL, FALSE}, g_string_new(NULL), {0}};
        g_assert_true(dk_format_by_name("elf")->verify(source, TRUE, &findings.verify, &error));
        g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], >, 0);
        g_string_free(findings.text, TRUE);
    }
}

static void test_header_fields(void)
{
    static const struct {
        guint off;
        guint8 value;
        const char *text;
    } cases[] = {
        {4, 3, "ELF class at offset 4 is 3"},
        {5, 0, "ELF byte order at offset 5 is 0"},
        {0x10, 9, "type 0x9"},
        {0x36, 55, "e_phentsize is 55"},
        {0x38, 0, "e_phnum is 0"},
        {0x27, 0x80, "e_phoff is 0x8000000000000040"},
    };
    g_autoptr(GBytes) whole = make("align8");
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize len;
        const guint8 *data = g_bytes_get_data(whole, &len);
        guint8 *copy = g_memdup2(data, len);
        copy[cases[i].off] = cases[i].value;
        g_autoptr(GBytes) bytes = g_bytes_new_take(copy, len);
        g_autoptr(GError) error = NULL;
        g_assert_null(open_bytes(bytes, &error));
        if (!strstr(error->message, cases[i].text))
            g_error("expected \"%s\": %s", cases[i].text, error->message);
    }
}

static void test_cut_data(void)
{
    g_autoptr(DkSource) source = open_made("cut-data");
    const DkGap *gap = gap_of(source, "data");
    g_assert_cmphex(gap->first, ==, 0x3800);
    g_assert_cmphex(gap->last, ==, 0x3fff);
    g_assert_nonnull(strstr(gap->why, "0x2800 to 0x2fff"));
    guint8 buffer[8192];
    g_assert_cmpuint(dk_space_read(source->space, 0x3000, buffer, 4096), ==, 0x800);
    DkRun run;
    g_assert_true(dk_space_next_run(source->space, 0x5000, &run));
    g_assert_cmpint(run.kind, ==, DK_RUN_ABSENT);
    verify_finds(source, 1, 0, "first at offset 0x2800 (address 0x3800)");
}

static void test_cut_notes(void)
{
    g_autoptr(DkSource) source = open_made("cut-notes");
    g_assert_cmpuint(source->subject->process.threads->len, ==, 1);
    g_assert_nonnull(strstr(gap_of(source, "thread")->why, "offset 0x2b0 is cut off"));
    verify_finds(source, 2, 1, "0x100 bytes of notes from offset 0x314 are cut off");
}

static void test_xnum(void)
{
    static const char *const names[] = {"xnum", "xnum-bare"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(DkSource) source = open_made(names[i]);
        g_assert_cmpuint(source->subject->process.mappings->len, ==, 1 + i);
        g_assert_cmpuint(source->subject->process.threads->len, ==, 1);
        verify_finds(source, 0, 1, "PN_XNUM");
    }
}

static void test_overlap(void)
{
    g_autoptr(DkSource) source = open_made("overlap");
    guint8 buffer[0x3000];
    g_assert_cmpuint(dk_space_read(source->space, 0x1000, buffer, sizeof buffer), ==, 0x1800);
    g_assert_cmphex(buffer[0x7ff], ==, 1);
    g_assert_cmphex(buffer[0x800], ==, 1);
    g_assert_cmphex(buffer[0xfff], ==, 1);
    g_assert_cmphex(buffer[0x1000], ==, 2);
    g_assert_cmpuint(dk_space_read(source->space, 0x3000, buffer, sizeof buffer), ==, 0x800);
    g_assert_cmphex(buffer[0], ==, 3);
    DkRun run = {0};
    guint64 from = 0;
    for (guint count = 0; dk_space_next_run(source->space, from, &run); count++) {
        g_assert_cmphex(run.first, >=, from);
        g_assert_cmpuint(count, <, 10);
        from = run.last + 1;
    }
    verify_finds(source, 0, 1, "2 segments overlap an earlier one, first at address 0x1800");
}

static void test_overflow(void)
{
    g_autoptr(DkSource) source = open_made("overflow");
    guint8 buffer[4096];
    g_assert_cmpuint(dk_space_read(source->space, 0xfffffffffffff000, buffer, 4096), ==, 4096);
    g_assert_cmphex(buffer[4095], ==, 9);
    g_assert_cmpuint(dk_space_read(source->space, 0x1000, buffer, 16), ==, 0);
    /* p_memsz bounds it. */
    g_assert_cmpuint(dk_space_read(source->space, 0x3000, buffer, 4096), ==, 0x800);
    verify_finds(source, 1, 4, "goes over the end of the address space");
}

static void test_hostile_notes(void)
{
    g_autoptr(DkSource) note = open_made("huge-note");
    g_assert_cmpuint(note->subject->process.threads->len, ==, 1);
    verify_finds(note, 0, 2, "a content of 4294967280 bytes");
    g_autoptr(DkSource) name = open_made("huge-name");
    verify_finds(name, 0, 1, "a name of 4294967295");
    g_autoptr(DkSource) files = open_made("bad-files");
    g_assert_cmpstr(files->subject->process.name, ==, "x");
    verify_finds(files, 0, 1, "says 1152921504606846977 files");
    g_autoptr(DkSource) odd = open_made("odd-files");
    check_mapping(odd, 0x1000, DK_MAP_READ | DK_MAP_WRITE, 0, "/a");
    check_mapping(odd, 0xa000, 0, 0x1000, "/d");
    verify_finds(odd, 0, 2, "1 of 2 mapped files have no program header");
    g_autoptr(DkSource) status = open_made("bad-prstatus");
    g_assert_cmpuint(status->subject->process.threads->len, ==, 2);
    g_assert_null(thread_at(status, 0)->regs[DK_REGSET_FP]);
    g_assert_nonnull(strstr(thread_at(status, 1)->missing, "200 bytes, expected 336"));
    verify_finds(status, 1, 1, "too few for a thread");
}

static void test_own_hostile(void)
{
    g_autoptr(DkSource) source = open_made("own-hostile");
    g_assert_cmpstr(source->subject->origin.writer, ==, "dumpkit 9");
    g_assert_cmpint(source->subject->origin.complete, ==, 0);
    g_assert_cmpstr(thread_at(source, 1)->missing, ==, "why");
    g_assert_cmpuint(source->subject->process.mappings->len, ==, 2);
    check_mapping(source, 0x1000, DK_MAP_READ | DK_MAP_WRITE, 0, "/a\\b");
    check_mapping(source, 0x2000, DK_MAP_READ | DK_MAP_WRITE | DK_MAP_ANON, 0, "[heap]");
    verify_finds(source, 2, 4, "do not fit a table");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/elfcore/x86-64-threads", test_x86_64_threads);
    g_test_add_func("/elfcore/x86-64-memory", test_x86_64_memory);
    g_test_add_func("/elfcore/x86", test_x86);
    g_test_add_func("/elfcore/arm64", test_arm64);
    g_test_add_func("/elfcore/other-machine", test_other_machine);
    g_test_add_func("/elfcore/freebsd", test_freebsd);
    g_test_add_func("/elfcore/no-memory", test_no_memory);
    g_test_add_func("/elfcore/note-alignment", test_note_alignment);
    g_test_add_func("/elfcore/refused", test_refused);
    g_test_add_func("/elfcore/every-length", test_every_length);
    g_test_add_func("/elfcore/header-fields", test_header_fields);
    g_test_add_func("/elfcore/cut-data", test_cut_data);
    g_test_add_func("/elfcore/cut-notes", test_cut_notes);
    g_test_add_func("/elfcore/xnum", test_xnum);
    g_test_add_func("/elfcore/overlap", test_overlap);
    g_test_add_func("/elfcore/overflow", test_overflow);
    g_test_add_func("/elfcore/hostile-notes", test_hostile_notes);
    g_test_add_func("/elfcore/own-hostile", test_own_hostile);
    return g_test_run();
}
