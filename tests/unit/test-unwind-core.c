/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stacks of real cores of three machines, against what eu-stack prints for them. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "format/registry.h"
#include "io/input.h"
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    work = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    g_test_add_data_func("/unwind-core/i386", "i386", test_core);
    g_test_add_data_func("/unwind-core/aarch64", "aarch64", test_core);
    int status = g_test_run();
    g_rmdir(work);
    g_free(work);
    return status;
}
