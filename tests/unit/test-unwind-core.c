/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks of real cores of three machines, against what eu-stack prints for them. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "format/registry.h"
#include "io/input.h"
#include "loaded-elf.h"
#include "self-process.h"

static char *work; /* a temporary folder */

static char *corpus_file(const char *name)
{
    const char *given = g_getenv("DUMPKIT_CORPUS");
    g_autofree char *path = g_build_filename(given ? given : DK_SOURCE_ROOT "/../shared/corpus",
                                             name, NULL);
    return g_file_test(path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&path) : NULL;
}

/* Unpacks a file of the corpus into the work folder; NULL when it, or bzip2, is not there. */
static char *unpack(const char *kind, const char *name)
{
    g_autofree char *inner = g_strdup_printf("%s/sourceware-org__elfutils/%s.bz2", kind, name);
    g_autofree char *packed = corpus_file(inner);
    if (!packed)
        return NULL;
    g_autofree char *path = g_build_filename(work, name, NULL);
    g_autofree char *command = g_strdup_printf("sh -c 'bzip2 -dc %s > %s'", packed, path);
    int status;
    if (!g_spawn_command_line_sync(command, NULL, NULL, &status, NULL) || status != 0)
        return NULL;
    return g_steal_pointer(&path);
}

/* eu-stack's frames, in lines "TID 1:" and "#0  0x123 name". */
static GStrv eu_stack(const char *core, const char *program)
{
    g_autofree char *command = g_strdup_printf("eu-stack --core %s --executable %s", core, program);
    g_autofree char *text = NULL;
    int status;
    if (!g_spawn_command_line_sync(command, &text, NULL, &status, NULL))
        return NULL;
    return g_strsplit(text, "\n", 0);
}

/* The frames of a thread as eu-stack numbers them; the line behind the last. */
static guint compare_thread(SelfHost *host, const DkThread *thread, GStrv lines, guint at,
                            gboolean repeats)
{
    DkRegs regs;
    g_assert_true(
        dk_arch_regs_from_general(host->host.arch, thread->regs[DK_REGSET_GENERAL], &regs));
    g_autofree char *why = NULL;
    g_autoptr(GArray) frames = dk_unwind(&host->host, &regs, 100, &why);
    guint count = 0;
    guint64 last = 0;
    for (; lines[at] && lines[at][0] == '#'; at++) {
        guint number;
        guint64 pc;
        char name[256] = "";
        g_assert_cmpint(
            sscanf(lines[at], "#%u 0x%" G_GINT64_MODIFIER "x %255s", &number, &pc, name), >=, 2);
        /* eu-stack 0.188 shows the outermost frame of arm64 twice, which it is not. */
        if (repeats && pc == last)
            continue;
        last = pc;
        g_assert_cmpuint(count, <, frames->len);
        const DkFrame *frame = &g_array_index(frames, DkFrame, count);
        g_assert_cmphex(frame->pc_va, ==, pc);
        /* "$x" marks code in arm64 files and is no name of a function. */
        if (name[0] != '$')
            g_assert_cmpstr(self_frame_name(host, frame), ==, name);
        count++;
    }
    g_assert_cmpuint(frames->len, ==, count);
    g_assert_cmpstr(why, ==, NULL);
    return at;
}

static void test_core(gconstpointer machine)
{
    g_autofree char *core_name = g_strdup_printf("backtrace.%s.core", (const char *)machine);
    g_autofree char *program_name = g_strdup_printf("backtrace.%s.exec", (const char *)machine);
    g_autofree char *core = unpack("elf-core", core_name);
    g_autofree char *program = unpack("elf-bin", program_name);
    g_auto(GStrv) lines = core && program ? eu_stack(core, program) : NULL;
    if (!lines) {
        g_test_skip("needs the corpus, bzip2 and eu-stack");
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(core, &error);
    g_assert_no_error(error);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    DkModule *module = NULL;
    for (guint i = 0; i < source->subject->process.modules->len; i++) {
        DkModule *each = g_ptr_array_index(source->subject->process.modules, i);
        if (each->path && strstr(each->path, "backtrace"))
            module = each;
    }
    g_assert_nonnull(module);
    g_free(module->path);
    module->path = g_strdup(program);

    SelfHost host;
    self_host_init(&host, source->subject, source->space);
    guint threads = 0;
    for (guint at = 0; lines[at];) {
        guint tid;
        if (sscanf(lines[at++], "TID %u:", &tid) != 1)
            continue;
        DkThread *thread = dk_subject_thread(source->subject, tid);
        g_assert_nonnull(thread);
        at = compare_thread(&host, thread, lines, at, source->subject->machine == DK_MACHINE_ARM64);
        threads++;
    }
    g_assert_cmpuint(threads, ==, 2);
    self_host_clear(&host);
    g_unlink(core);
    g_unlink(program);
}

/* A core with the pages of the program that it left out. */
typedef struct {
    DkSpace base;
    DkSpace *core;
    DkSpace *program;
} BothSpace;

static gsize both_read(DkSpace *base, guint64 addr, void *buf, gsize len)
{
    BothSpace *space = (BothSpace *)base;
    gsize got = dk_space_read(space->core, addr, buf, len);
    return got ? got : dk_space_read(space->program, addr, buf, len);
}

static gboolean both_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    *run = (DkRun){from, G_MAXUINT64, DK_RUN_DATA};
    return TRUE;
}

static void both_destroy(DkSpace *base)
{
    g_free(base);
}

static const DkSpaceOps both_ops = {
    .name = "both", .read = both_read, .next_run = both_next_run, .destroy = both_destroy};

/* Signed return addresses, in registers and on the stack; the program does bar, foo, _start. */
static void test_signed(void)
{
    g_autofree char *core = corpus_file("elf-core/llvm-toolchain-16/linux-aarch64-pac.core");
    g_autofree char *program = corpus_file("elf-bin/llvm-toolchain-16/linux-aarch64-pac.out");
    if (!core || !program) {
        g_test_skip("needs the corpus");
        return;
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(core, &error);
    g_assert_no_error(error);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    DkModule *module = g_ptr_array_index(source->subject->process.modules, 0);
    g_free(module->path);
    module->path = g_strdup(program);
    LoadedElf loaded;
    loaded_elf_init(&loaded, program, 0);
    BothSpace *both = g_new0(BothSpace, 1);
    dk_space_init(&both->base, &both_ops);
    both->core = source->space;
    both->program = loaded.space;

    SelfHost host;
    self_host_init(&host, source->subject, &both->base);
    DkThread *thread = g_ptr_array_index(source->subject->process.threads, 0);
    DkRegs regs;
    g_assert_true(
        dk_arch_regs_from_general(host.host.arch, thread->regs[DK_REGSET_GENERAL], &regs));
    g_assert_cmphex(regs.value[30] >> 48, !=, 0);
    static const guint64 pcs[] = {0x4001c8, 0x4001a0, 0x400168};
    static const char *const names[] = {"bar", "foo", "_start"};
    g_autoptr(GArray) frames = dk_unwind(&host.host, &regs, 100, NULL);
    g_assert_cmpuint(frames->len, ==, G_N_ELEMENTS(pcs));
    for (guint i = 0; i < frames->len; i++) {
        const DkFrame *frame = &g_array_index(frames, DkFrame, i);
        g_assert_cmphex(frame->pc_va, ==, pcs[i]);
        g_assert_cmpstr(self_frame_name(&host, frame), ==, names[i]);
        g_assert_true(frame->trust == (i ? DK_FRAME_CFI : DK_FRAME_CONTEXT));
    }
    self_host_clear(&host);
    dk_space_unref(&both->base);
    loaded_elf_clear(&loaded);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    work = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    g_test_add_data_func("/unwind-core/i386", "i386", test_core);
    g_test_add_data_func("/unwind-core/aarch64", "aarch64", test_core);
    g_test_add_func("/unwind-core/signed", test_signed);
    int status = g_test_run();
    g_rmdir(work);
    g_free(work);
    return status;
}
