/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Windows machine dumps: those that make-windmp makes of tests/golden/windmp, those of the corpus,
 * and what the writer makes of them, read by check-dmp.py, which shares nothing with the reader.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/arch.h"
#include "base/error.h"
#include "capture/pipeline.h"
#include "capture/transfer-plan.h"
#include "format/registry.h"
#include "image-memory.h"
#include "io/input.h"
#include "io/output.h"

#define PAGE ((guint64)4096)

/* The file that the description called name makes. */
static char *made(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self);
    g_autofree char *maker = g_build_filename(folder, "../make/make-windmp", NULL);
    g_autofree char *file = g_strconcat(name, ".txt", NULL);
    g_autofree char *description = g_build_filename(IMAGE_CHECKERS, "../golden/windmp", file, NULL);
    char *path = g_build_filename(g_get_tmp_dir(), "dumpkit-windmp-XXXXXX", NULL);
    close(g_mkstemp(path));
    char *arguments[] = {maker, description, path, NULL};
    gint status = -1;
    g_assert_true(g_spawn_sync(NULL, arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL,
                               &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return path;
}

static DkSource *open_path(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(path, &error);
    g_assert_no_error(error);
    DkSource *source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(source->format, ==, "dmp");
    g_assert_cmpint(source->subject->kind, ==, DK_SUBJECT_MACHINE);
    g_assert_cmpint(source->subject->os, ==, DK_OS_WINDOWS);
    return source;
}

static DkSource *open_made(const char *name)
{
    g_autofree char *path = made(name);
    DkSource *source = open_path(path);
    g_unlink(path);
    return source;
}

static guint64 reg(const DkSource *source, guint cpu_index, const char *name)
{
    const DkCpu *cpu = g_ptr_array_index(source->subject->system.cpus, cpu_index);
    guint64 value = 0;
    g_assert_nonnull(cpu->regs[DK_REGSET_GENERAL]);
    g_assert_true(dk_arch_reg_by_name(dk_arch_for(source->subject->machine),
                                      cpu->regs[DK_REGSET_GENERAL], name, &value));
    return value;
}

/* Memory of made dumps holds its addresses. */
static void assert_addresses(DkSpace *space, guint64 first, guint64 last)
{
    for (guint64 address = first; address + 7 <= last; address += 8) {
        guint64 value = 0;
        g_assert_cmpuint(dk_space_read(space, address, &value, 8), ==, 8);
        g_assert_cmphex(value, ==, address);
    }
}

static char *runs_text(DkSpace *space)
{
    static const char *const kinds[] = {"data", "zero", "file", "absent", "filtered", "unreadable"};
    GString *text = g_string_new(NULL);
    DkRun run;
    guint64 from = 0;
    while (dk_space_next_run(space, from, &run)) {
        g_string_append_printf(text, "%s%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                               text->len ? ", " : "", kinds[run.kind], run.first, run.last);
        if (run.kind == DK_RUN_DATA)
            assert_addresses(space, run.first, MIN(run.last, run.first + 0x1000));
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
    return g_string_free(text, FALSE);
}

static void assert_runs(const DkSource *source, const char *expected)
{
    g_autofree char *text = runs_text(source->space);
    g_assert_cmpstr(text, ==, expected);
}

/* --- reading --- */

static void test_full(void)
{
    g_autoptr(DkSource) source = open_made("full-x64");
    const DkMachine *system = &source->subject->system;
    const DkWindowsFacts *facts = &system->windows;
    g_assert_true(source->ops->caps & DK_SOURCE_PHYS);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_X86_64);
    assert_runs(source, "data 1000-3fff, data 10000-17fff, data 100000000-100004fff");
    image_assert_ram(source, "1000-3fff 10000-17fff 100000000-100004fff");
    g_assert_cmphex(system->page_root, ==, 0x1ad002);
    g_assert_cmpuint(facts->dump_type, ==, 1);
    g_assert_cmpuint(facts->build, ==, 19041);
    g_assert_cmphex(facts->kdbg_va, ==, 0xfffff8047c600b20);
    g_assert_cmphex(facts->bugcheck_params[3], ==, 0xffff850429891720);
    g_assert_cmpuint(facts->exception.nparams, ==, 2);
    g_assert_cmphex(facts->exception.params[1], ==, 0x10);
    g_assert_cmphex(facts->exception.code, ==, 0xc0000005);
    g_assert_cmpuint(source->subject->cpus, ==, 4);
    g_assert_cmpuint(system->cpus->len, ==, 1);
    g_assert_cmphex(reg(source, 0, "rip"), ==, 0xfffff8047bdf5a80);
    g_assert_cmphex(reg(source, 0, "r8"), ==, 8);
    g_assert_cmphex(reg(source, 0, "r15"), ==, 15);
    const DkCpu *cpu = g_ptr_array_index(system->cpus, 0);
    g_assert_true(cpu->parts & DK_CPU_DEBUG);
    g_assert_cmphex(cpu->dr[0], ==, 0x1234);
    g_assert_cmphex(cpu->dr[7], ==, 0x401);
    g_assert_cmpuint(((const guint8 *)g_bytes_get_data(cpu->regs[DK_REGSET_FP], NULL))[100], ==,
                     0x3f);
    g_assert_cmpuint(system->secondary_size, ==, 9);
    char blob[9];
    g_assert_true(dk_space_read_all(system->secondary, 0, blob, 9, NULL));
    g_assert_cmpmem(blob, 9, "DumpBlob\020", 9);
    g_assert_cmpuint(g_bytes_get_size(dk_subject_text(source->subject, "windows/header")), ==,
                     0x2000);
    g_assert_cmpint(source->subject->origin.time_us, ==, 1613842702787765);
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
}

static void test_x86(void)
{
    g_autoptr(DkSource) source = open_made("full-x86-pae");
    const DkMachine *system = &source->subject->system;
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_X86);
    assert_runs(source, "data 1000-2fff, data 100000-104fff");
    g_assert_true(system->windows.pae);
    g_assert_cmphex(system->page_root, ==, 0xbf62f2e0);
    g_assert_cmpstr(source->subject->origin.writer, ==, "LiveKD");
    g_assert_cmpstr(source->subject->os_version, ==, "6.1.7601");
    g_assert_cmphex(reg(source, 0, "eip"), ==, 0x82874000);
    g_assert_cmphex(reg(source, 0, "esp"), ==, 0x8078b000);
    g_assert_cmpuint(system->windows.exception.params[2], ==, 3);
    const DkCpu *cpu = g_ptr_array_index(system->cpus, 0);
    g_assert_cmphex(cpu->dr[7], ==, 0x400);
    g_assert_nonnull(cpu->regs[DK_REGSET_FXSAVE]);
}

static void test_bitmap(void)
{
    g_autoptr(DkSource) full = open_made("bitmap-full");
    assert_runs(full, "filtered 0-fff, data 1000-9fff, filtered a000-3ffff, data 40000-60fff, "
                      "filtered 61000-7ffff, data 100000-144fff");
    image_assert_ram(full, "0-7ffff 100000-144fff");
    g_assert_cmpuint(full->subject->system.secondary_size, ==, 12);
    g_autoptr(DkSource) kernel = open_made("bitmap-kernel");
    assert_runs(kernel, "data 3000-3fff, data 5000-5fff, data 3f000-40fff, data 7ff000-7fffff");
    image_assert_ram(kernel, "3000-3fff 5000-5fff 3f000-40fff 7ff000-7fffff");
    g_assert_cmphex(reg(kernel, 0, "pc"), ==, 0xfffff803f32de014);
    g_assert_cmphex(reg(kernel, 0, "lr"), ==, 0xfffff803f32de000);
    guint8 page[0x3000];
    g_assert_cmpuint(dk_space_read(kernel->space, 0x3f800, page, sizeof page), ==, 0x1800);
    g_assert_cmpuint(dk_space_read(kernel->space, 0x4000, page, sizeof page), ==, 0);
    g_autoptr(DkSource) narrow = open_made("bitmap-x86");
    assert_runs(narrow, "data 4000-5fff");
}

static void test_live(void)
{
    g_autoptr(DkSource) kernel = open_made("live-kernel");
    assert_runs(kernel, "filtered 1000-1fff, data 2000-4fff, filtered 5000-1ffff, "
                        "data 20000-20fff, filtered 21000-40fff");
    g_assert_cmpstr(kernel->subject->origin.method, ==, "live dump");
    g_autoptr(DkSource) complete = open_made("live-complete");
    assert_runs(complete, "data 0-3fff, filtered 4000-2ffff, data 30000-3ffff");
    g_assert_cmpuint(complete->subject->system.secondary_size, ==, 4);
}

static void test_cut(void)
{
    g_autoptr(DkSource) full = open_made("full-cut");
    assert_runs(full, "data 1000-2fff, data 10000-10fff, absent 11000-12fff, absent 20000-20fff");
    g_assert_cmpuint(full->subject->gaps->len, ==, 2);
    const DkGap *gap = g_ptr_array_index(full->subject->gaps, 0);
    g_assert_cmpstr(gap->what, ==, "data");
    g_assert_cmphex(gap->first, ==, 0x11000);
    g_assert_cmphex(gap->last, ==, 0x12fff);
    g_autoptr(DkSource) bitmap = open_made("bitmap-cut");
    assert_runs(bitmap, "data 2000-4fff, data 20000-20fff, absent 21000-22fff");
    g_assert_cmpuint(bitmap->subject->gaps->len, ==, 1);
    g_autoptr(DkSource) live = open_made("live-cut");
    assert_runs(live, "data 2000-3fff, absent 4000-4fff, absent 20000-20fff");
    g_autoptr(DkSource) triage = open_made("triage-cut");
    g_assert_cmpint(triage->subject->origin.complete, ==, 0);
    assert_runs(triage, "data ffff850429890ee8-ffff850429890f07, "
                        "absent ffff9b00021ff340-ffff9b00021ff37f, "
                        "data fffff8047c62a7a0-fffff8047c62a823, "
                        "absent fffff8047c62a824-fffff8047c62a82f");
}

static void test_opaque(void)
{
    static const char *const names[] = {"summary", "triage-x86", "unknown-type"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(DkSource) source = open_made(names[i]);
        g_assert_cmpuint(source->subject->gaps->len, ==, 1);
        const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
        g_assert_true(g_str_has_prefix(gap->why, "nobody has described"));
    }
    g_autoptr(DkSource) triage = open_made("triage-x86");
    assert_runs(triage, "data 8078b000-8078b0ff");
}

static const DkModule *module_named(const DkSource *source, const char *name)
{
    const GPtrArray *modules = source->subject->system.modules;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = g_ptr_array_index(modules, i);
        if (module->path && g_str_has_suffix(module->path, name))
            return module;
    }
    g_assert_not_reached();
}

static void test_triage(void)
{
    g_autoptr(DkSource) source = open_made("triage-x64");
    const DkMachine *system = &source->subject->system;
    g_assert_true(source->ops->caps & DK_SOURCE_VIRT);
    g_assert_false(source->ops->caps & DK_SOURCE_PHYS);
    g_assert_cmpuint(system->modules->len, ==, 5);
    const DkModule *kernel = module_named(source, "ntoskrnl.exe");
    g_assert_cmphex(kernel->first, ==, 0xfffff8047ba00000);
    g_assert_cmphex(kernel->last, ==, 0xfffff8047ca45fff);
    g_assert_cmphex(kernel->timestamp, ==, 0xd8333e6);
    g_assert_cmphex(kernel->checksum, ==, 0xa5938c);
    g_assert_true(module_named(source, "dam.sys")->unloaded);
    g_assert_cmphex(system->stack_first, ==, 0xffff850429890ee8);
    g_assert_cmphex(system->stack_last, ==, 0xffff850429892fff);
    assert_addresses(source->space, 0xffff850429890ee8, 0xffff850429892fff);
    assert_addresses(source->space, 0xfffff80400001000, 0xfffff80400001fff);
    assert_addresses(source->space, 0xfffff8047c62a7a0, 0xfffff8047c62a83b);
    char tag[4];
    g_assert_true(dk_space_read_all(source->space, 0xfffff8047c600b30, tag, 4, NULL));
    g_assert_cmpmem(tag, 4, "KDBG", 4);
    g_assert_cmpuint(g_bytes_get_size(dk_subject_text(source->subject, "windows/kdbg")), ==, 0x380);
    /* The third CPU stopped the system; the header has the registers of its exception. */
    g_assert_cmphex(reg(source, 0, "rip"), ==, 0xfffff8047bdf5a80);
    g_assert_cmpuint(((const DkCpu *)g_ptr_array_index(system->cpus, 0))->index, ==, 3);
    g_assert_nonnull(system->windows.exception.general);
    g_assert_cmpuint(system->secondary_size, ==, 8);
    g_autoptr(DkSource) other = open_made("triage-stride");
    g_assert_cmphex(module_named(other, "hal.dll")->first, ==, 0xfffff803f0110000);
}

/* Every length of a triage dump and of a bitmap: it opens or says why not. */
static void test_cut_everywhere(void)
{
    static const char *const names[] = {"triage-stride", "bitmap-count"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = made(names[i]);
        g_autofree char *content = NULL;
        gsize size = 0;
        g_assert_true(g_file_get_contents(path, &content, &size, NULL));
        g_unlink(path);
        for (gsize len = 0; len < size; len += len < 0x2000 ? 0x3ff : 5) {
            g_autoptr(GBytes) bytes = g_bytes_new(content, len);
            g_autoptr(DkInput) input = dk_input_new_bytes("cut", bytes);
            g_autoptr(GError) error = NULL;
            g_autoptr(DkSource) source = dk_format_by_name("dmp")->open(input, &error);
            if (len < 0x2000)
                g_assert_error(error, DK_ERROR, (len < 8 ? DK_ERROR_NOT_MINE : DK_ERROR_DAMAGED));
            else
                g_assert_cmpuint(source->subject->gaps->len, >, 0);
        }
    }
}

/* --- the corpus: what another debugger shows --- */

static void test_corpus_triage(void)
{
    static const struct {
        const char *file;
        guint drivers;
        guint unloaded;
        const char *pc_name;
        const char *sp_name;
        guint64 pc;
        guint64 sp;
        guint64 kdbg_base;
    } dumps[] = {
        {"triage_x64.dmp", 151, 4, "rip", "rsp", 0xfffff8047bdf5a80, 0xffff850429890ee8,
         0xfffff8047ba00000},
        {"triage_arm64.dmp", 245, 11, "pc", "sp", 0xfffff803f32de014, 0xffffe00e0e4bc4a0,
         0xfffff803f2e00000},
    };
    for (guint i = 0; i < G_N_ELEMENTS(dumps); i++) {
        g_autofree char *name = g_build_filename("kernel-dmp/rizinorg__rizin-testbins",
                                                 dumps[i].file, NULL);
        g_autofree char *path = image_corpus(name);
        if (!path) {
            g_test_skip("the corpus of Windows dumps is not there");
            return;
        }
        g_autoptr(DkSource) source = open_path(path);
        const DkMachine *system = &source->subject->system;
        g_assert_cmpuint(system->modules->len, ==, dumps[i].drivers + dumps[i].unloaded);
        g_assert_cmphex(module_named(source, "ntoskrnl.exe")->first, ==, dumps[i].kdbg_base);
        g_assert_cmphex(reg(source, 0, dumps[i].pc_name), ==, dumps[i].pc);
        g_assert_cmphex(reg(source, 0, dumps[i].sp_name), ==, dumps[i].sp);
        g_assert_cmphex(system->stack_first, ==, dumps[i].sp);
        guint64 base = 0;
        g_assert_true(dk_space_read_all(source->space, system->windows.kdbg_va + 0x18, &base,
                                        sizeof base, NULL));
        g_assert_cmphex(base, ==, dumps[i].kdbg_base);
        g_assert_cmpuint(source->subject->gaps->len, ==, 0);
        g_assert_cmpint(source->subject->origin.complete, ==, 1);
        g_autofree char *findings = image_verify(source, "dmp", TRUE);
        g_assert_null(strstr(findings, "damaged"));
        char blob[8];
        g_assert_true(dk_space_read_all(system->secondary, 0, blob, sizeof blob, NULL));
        g_assert_cmpmem(blob, sizeof blob, "DumpBlob", 8);
    }
}

/* Registers of the exception and the stack, of the x64 dump; frames as the other debugger has. */
static void test_corpus_stack(void)
{
    g_autofree char *path = image_corpus("kernel-dmp/rizinorg__rizin-testbins/triage_x64.dmp");
    if (!path) {
        g_test_skip("the corpus of Windows dumps is not there");
        return;
    }
    g_autoptr(DkSource) source = open_path(path);
    const DkArch *arch = dk_arch_for(DK_MACHINE_X86_64);
    guint64 value = 0;
    g_assert_true(dk_arch_reg_by_name(arch, source->subject->system.windows.exception.general,
                                      "rip", &value));
    g_assert_cmphex(value, ==, 0xfffff8048b58334c);
    g_assert_true(dk_space_read_all(source->space, 0xffff850429890ee8, &value, 8, NULL));
    g_assert_cmphex(value, ==, 0xfffff8047be0f4e1);
    g_assert_cmphex(reg(source, 0, "rdx"), ==, 0xffffffffc0000005);
    g_assert_cmphex(reg(source, 0, "r11"), ==, 0xffff8afd53400000);
}

static void test_corpus_headers(void)
{
    static const struct {
        const char *file;
        const char *writer;
        guint64 last;
        guint64 ram;
    } dumps[] = {
        {"WerWolv__ImHex-Patterns/dmp64.hexpat.bin", "DumpIt (MoonSols)", 0x7fffffff, 523910},
        {"memflow__memflow-coredump/coredump_win10_64bit_stripped.raw", "LiveKD", 0x47fffffff,
         4193391},
        {"memflow__memflow-coredump/coredump_win7_32bit_stripped.raw", "LiveKD", 0xbffdefff,
         786301},
    };
    for (guint i = 0; i < G_N_ELEMENTS(dumps); i++) {
        g_autofree char *name = g_build_filename("kernel-dmp-header", dumps[i].file, NULL);
        g_autofree char *path = image_corpus(name);
        if (!path) {
            g_test_skip("the corpus of Windows dumps is not there");
            return;
        }
        g_autoptr(DkSource) source = open_path(path);
        const GArray *ram = source->subject->system.ram;
        g_assert_cmpstr(source->subject->origin.writer, ==, dumps[i].writer);
        g_assert_cmphex(g_array_index(ram, DkRamRange, ram->len - 1).last, ==, dumps[i].last);
        g_assert_cmpuint(dk_machine_ram_size(&source->subject->system), ==, dumps[i].ram * PAGE);
        g_assert_cmpuint(source->subject->gaps->len, >, 0);
        g_assert_cmpuint(source->subject->system.windows.bugcheck_code, ==, 0);
        g_autofree char *findings = image_verify(source, "dmp", TRUE);
        g_assert_null(strstr(findings, "damaged"));
    }
}

/* --- writing --- */

/* Writes what source has; the new file's path, or NULL with the error of begin. */
static char *write_dump(DkSource *source, const char *variant, GError **error)
{
    char *path = g_build_filename(g_get_tmp_dir(), "dumpkit-windmp-XXXXXX", NULL);
    close(g_mkstemp(path));
    g_autoptr(DkOutput) output = dk_output_file_new(path, TRUE, 0, NULL);
    const DkSinkOptions options = {.variant = variant};
    g_autoptr(DkSink) sink = dk_format_by_name("dmp")->sink_new(output, &options);
    g_autoptr(DkDumpPlan) plan = dk_transfer_plan(source, 0, NULL, NULL);
    g_autoptr(GPtrArray) gaps = g_ptr_array_new();
    const DkPipeline pipeline = {.source = source, .plan = plan, .sinks = &sink, .nsinks = 1};
    const DkDumpSummary summary = {.complete = TRUE};
    if (!dk_sink_accepts(sink, source->subject, error) ||
        !dk_sink_begin(sink, source->subject, plan, error)) {
        g_unlink(path);
        g_free(path);
        return NULL;
    }
    guint64 size = dk_sink_measure(sink, source->subject, plan);
    g_assert_true(dk_pipeline_run(&pipeline, gaps, NULL));
    g_assert_true(dk_sink_finish(sink, &summary, NULL));
    g_assert_true(dk_output_finish(output, NULL));
    g_assert_cmpuint(size, ==, output->done);
    return path;
}

/* What check-dmp.py says, which has to find nothing wrong; NULL and a skip without python3. */
static char *checked(const char *first, const char *path, const char *other)
{
    g_autofree char *python = g_find_program_in_path("python3");
    if (!python) {
        g_test_skip("python3 is not there");
        return NULL;
    }
    g_autofree char *script = g_build_filename(IMAGE_CHECKERS, "check-dmp.py", NULL);
    char *arguments[] = {
        python,        script, first ? (char *)first : (char *)path, (char *)(first ? path : NULL),
        (char *)other, NULL};
    char *text = NULL;
    gint status = -1;
    g_assert_true(g_spawn_sync(NULL, arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text, NULL,
                               &status, NULL));
    if (status)
        g_test_message("%s", text);
    g_assert_cmpint(status, ==, 0);
    return text;
}

/* Dumps of types 1, 5 and 6, which the checker reads, in both forms: the same pages. */
static void test_write(gconstpointer data)
{
    const char *name = data;
    static const char *const forms[] = {NULL, "dmp-full", "dmp-bitmap"};
    g_autofree char *path = made(name);
    g_autoptr(DkSource) source = open_path(path);
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *written = write_dump(source, forms[i], NULL);
        g_assert_nonnull(written);
        g_autofree char *same = checked("--same", path, written);
        g_autofree char *text = checked(NULL, written, NULL);
        g_autofree char *secondary = g_strdup_printf("secondary %" G_GUINT64_FORMAT ",",
                                                     source->subject->system.secondary_size);
        if (same && text) {
            g_assert_nonnull(strstr(same, "pages compared"));
            g_assert_nonnull(strstr(text, secondary));
        }
        g_autoptr(DkSource) back = open_path(written);
        g_autofree char *findings = image_verify(back, "dmp", TRUE);
        g_assert_null(strstr(findings, "damaged"));
        g_assert_cmpuint(back->subject->gaps->len, ==, 0);
        g_assert_cmphex(back->subject->system.page_root, ==, source->subject->system.page_root);
        g_unlink(written);
    }
    g_unlink(path);
}

/* A full dump that is written as a full one is the same file. */
static void test_write_same(void)
{
    static const char *const names[] = {"full-x64", "full-x86-pae"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = made(names[i]);
        g_autoptr(DkSource) source = open_path(path);
        g_autofree char *written = write_dump(source, NULL, NULL);
        g_autofree char *old = NULL;
        g_autofree char *new = NULL;
        gsize old_len = 0;
        gsize new_len = 0;
        g_assert_true(g_file_get_contents(path, &old, &old_len, NULL));
        g_assert_true(g_file_get_contents(written, &new, &new_len, NULL));
        g_assert_cmpmem(new, new_len, old, old_len);
        g_unlink(path);
        g_unlink(written);
    }
}

/* Live dumps, whose pages the checker cannot read: through our own reader. */
static void test_write_live(void)
{
    g_autoptr(DkSource) source = open_made("live-complete");
    g_autofree char *written = write_dump(source, "dmp-bitmap", NULL);
    g_autofree char *text = checked(NULL, written, NULL);
    g_autoptr(DkSource) back = open_path(written);
    assert_runs(back, "data 0-3fff, filtered 4000-2ffff, data 30000-3ffff");
    g_assert_cmpuint(back->subject->system.windows.dump_type, ==, 6);
    if (text)
        g_assert_true(g_str_has_prefix(text, "type 6, 64 bit, 20 pages, secondary 4,"));
    g_unlink(written);
}

/* So many pieces that a full dump's header has no room for them. */
static void test_write_many(void)
{
    g_autoptr(DkSource) base = open_made("full-x64");
    g_autoptr(ImageMemory) memory = image_memory_new();
    GBytes *header = dk_subject_text(base->subject, "windows/header");
    for (guint64 i = 0; i < 42; i++)
        image_memory_add(memory, i * 0x10000, i * 0x10000 + 0xfff, i % 3 == 0);
    memory->source->subject->system.windows.dump_type = 1;
    dk_subject_set_text(memory->source->subject, "windows/header", header);
    g_autofree char *written = image_write("dmp", "dmp-full", memory);
    g_autofree char *text = checked(NULL, written, NULL);
    if (text)
        g_assert_true(g_str_has_prefix(text, "type 1, 64 bit, 42 pages, "));
    g_autoptr(DkSource) back = open_path(written);
    image_assert_same(back->space, memory);
    g_unlink(written);
    image_memory_add(memory, 0x10000000, 0x107fffff, FALSE);
    g_autoptr(GError) error = NULL;
    g_assert_null(write_dump(memory->source, "dmp-full", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "43 pieces"));
    g_assert_nonnull(strstr(error->message, "dmp-bitmap"));
    g_autofree char *bitmap = image_write("dmp", "dmp-bitmap", memory);
    g_autofree char *bitmap_text = checked(NULL, bitmap, NULL);
    if (bitmap_text)
        g_assert_true(g_str_has_prefix(bitmap_text, "type 5, 64 bit, 2090 pages, "));
    g_autoptr(DkSource) bitmap_back = open_path(bitmap);
    image_assert_same(bitmap_back->space, memory);
    g_unlink(bitmap);
}

static void test_refuses(void)
{
    g_autoptr(DkSource) triage = open_made("triage-x64");
    g_autoptr(DkSource) narrow = open_made("full-x86-pae");
    g_autoptr(DkSubject) process = dk_subject_new();
    g_autoptr(DkSubject) bare = dk_subject_new();
    bare->kind = DK_SUBJECT_MACHINE;
    const struct {
        const DkSubject *subject;
        const char *variant;
        const char *why;
    } cases[] = {
        {process, NULL, "not of a process"},
        {bare, NULL, "not from a Windows dump"},
        {triage->subject, NULL, "no physical memory"},
        {narrow->subject, "dmp-bitmap", "32-bit"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DkSinkOptions options = {.variant = cases[i].variant};
        g_autoptr(DkSink) sink = dk_format_by_name("dmp")->sink_new(NULL, &options);
        g_autoptr(GError) error = NULL;
        g_assert_false(dk_sink_accepts(sink, cases[i].subject, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, cases[i].why));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/windmp/full", test_full);
    g_test_add_func("/windmp/x86", test_x86);
    g_test_add_func("/windmp/bitmap", test_bitmap);
    g_test_add_func("/windmp/live", test_live);
    g_test_add_func("/windmp/triage", test_triage);
    g_test_add_func("/windmp/cut", test_cut);
    g_test_add_func("/windmp/cut-everywhere", test_cut_everywhere);
    g_test_add_func("/windmp/opaque", test_opaque);
    g_test_add_func("/windmp/corpus/triage", test_corpus_triage);
    g_test_add_func("/windmp/corpus/stack", test_corpus_stack);
    g_test_add_func("/windmp/corpus/headers", test_corpus_headers);
    g_test_add_data_func("/windmp/write/full", "full-x64", test_write);
    g_test_add_data_func("/windmp/write/bitmap", "bitmap-full", test_write);
    g_test_add_data_func("/windmp/write/kernel", "bitmap-kernel", test_write);
    g_test_add_func("/windmp/write/same", test_write_same);
    g_test_add_func("/windmp/write/live", test_write_live);
    g_test_add_func("/windmp/write/many-runs", test_write_many);
    g_test_add_func("/windmp/refuses", test_refuses);
    return g_test_run();
}
