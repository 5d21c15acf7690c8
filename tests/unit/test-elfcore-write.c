/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the writer makes of a subject: read back by our reader and by others, and verified. */
#include <elf.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

#define MIB ((guint64)1 << 20)

/* An output that keeps what it gets. */
typedef struct {
    DkOutput output;
    GByteArray *bytes;
    guint64 zeros; /* bytes that came as holes */
} Memory;

static gboolean memory_write(DkOutput *output, const void *buf, gsize len, GError **error)
{
    g_byte_array_append(((Memory *)output)->bytes, buf, (guint)len);
    return TRUE;
}

static gboolean memory_zeros(DkOutput *output, guint64 len, GError **error)
{
    Memory *memory = (Memory *)output;
    guint old = memory->bytes->len;
    g_byte_array_set_size(memory->bytes, old + (guint)len);
    memset(memory->bytes->data + old, 0, len);
    memory->zeros += len;
    return TRUE;
}

static gboolean memory_finish(DkOutput *output, GError **error)
{
    return TRUE;
}

static void memory_destroy(DkOutput *output)
{
    Memory *memory = (Memory *)output;
    g_clear_pointer(&memory->bytes, g_byte_array_unref);
    g_free(memory);
}

static const DkOutputOps memory_ops = {
    .name = "memory",
    .write = memory_write,
    .zeros = memory_zeros,
    .finish = memory_finish,
    .destroy = memory_destroy,
};

static Memory *memory_new(void)
{
    Memory *memory = g_new0(Memory, 1);
    dk_output_init(&memory->output, &memory_ops);
    memory->bytes = g_byte_array_new();
    return memory;
}

static GBytes *filled(gsize size, guint8 byte)
{
    guint8 *data = g_malloc(size);
    memset(data, byte, size);
    return g_bytes_new_take(data, size);
}

/* An XSAVE area with x87, SSE and AVX in use: XCR0 (where the kernel says it), XSTATE_BV, xmm. */
static GBytes *xstate(guint8 byte)
{
    guint8 *data = g_malloc0(832);
    memset(data + 160, byte, 256);
    data[464] = data[512] = 7;
    return g_bytes_new_take(data, 832);
}

static void set_word(guint8 *regs, guint word, guint index, guint64 value)
{
    for (guint i = 0; i < word; i++)
        regs[index * word + i] = (guint8)(value >> 8 * i);
}

static GBytes *registers(DkMachineId machine, guint64 pc, guint64 sp)
{
    guint8 regs[272] = {0};
    gsize size = machine == DK_MACHINE_X86_64 ? 216 : machine == DK_MACHINE_X86 ? 68 : 272;
    guint word = machine == DK_MACHINE_X86 ? 4 : 8;
    guint pc_index = machine == DK_MACHINE_X86_64 ? 16 : machine == DK_MACHINE_X86 ? 12 : 32;
    guint sp_index = machine == DK_MACHINE_X86_64 ? 19 : machine == DK_MACHINE_X86 ? 15 : 31;
    set_word(regs, word, pc_index, pc);
    set_word(regs, word, sp_index, sp);
    return g_bytes_new(regs, size);
}

static DkMapping *add_mapping(DkSubject *subject, guint64 first, guint64 last, guint32 flags,
                              const char *path)
{
    DkMapping *mapping = dk_subject_add_mapping(subject, first, last);
    mapping->flags = flags;
    mapping->path = g_strdup(path);
    return mapping;
}

static void add_auxv(DkSubject *subject, guint64 entry)
{
    const guint64 auxv[] = {AT_PAGESZ, 4096, AT_ENTRY, entry, AT_NULL, 0};
    if (subject->machine != DK_MACHINE_X86)
        subject->process.auxv = g_bytes_new(auxv, sizeof auxv);
}

/* A process of two threads and one that could not be stopped. */
static DkSubject *sample(DkMachineId machine)
{
    DkSubject *subject = dk_subject_new();
    DkProcess *process = &subject->process;
    subject->machine = machine;
    subject->os = DK_OS_LINUX;
    subject->os_version = g_strdup("6.1.0");
    process->pid = 100;
    process->ns_pid = 7;
    process->ppid = 1;
    process->pgrp = 100;
    process->sid = 99;
    process->uid = 1000;
    process->gid = 1001;
    process->name = g_strdup("prog");
    process->command = g_strdup_printf("/bin/prog --secret=%0100d", 5);
    process->exe = g_strdup("/bin/prog");
    process->exception = (DkException){TRUE, 101, 11, 1, 0xabcd, 0, {0}};
    add_auxv(subject, 0x401000);
    const guint32 tids[] = {101, 100};
    for (guint i = 0; i < G_N_ELEMENTS(tids); i++) {
        DkThread *thread = dk_subject_add_thread(subject, tids[i]);
        thread->name = g_strdup_printf("worker %u \"\xff\"", i);
        thread->state = 'S';
        thread->ns_tid = i + 7;
        thread->signal = i ? 0 : 11;
        thread->signals_blocked = 0x10;
        thread->user_ns = 5000000000 + 7000;
        thread->regs[DK_REGSET_GENERAL] = registers(machine, 0x401010 + i, 0x7fff0800 + i * 8);
        thread->regs[DK_REGSET_FP] = filled(machine == DK_MACHINE_X86_64 ? 512
                                            : machine == DK_MACHINE_X86  ? 108
                                                                         : 528,
                                            (guint8)(0xf0 + i));
        if (machine != DK_MACHINE_ARM64)
            thread->regs[DK_REGSET_XSTATE] = xstate((guint8)(0xe0 + i));
    }
    DkThread *stuck = dk_subject_add_thread(subject, 102);
    stuck->missing = g_strdup("in uninterruptible sleep");
    dk_subject_add_gap(subject, "thread", 1, 0, 102, "in uninterruptible sleep");
    dk_subject_add_gap(subject, "mapping", 0x500000, 0x5fffff, 0, "MADV_DONTDUMP");
    add_mapping(subject, 0x400000, 0x400fff, DK_MAP_READ, "/bin/prog");
    add_mapping(subject, 0x401000, 0x401fff, DK_MAP_READ | DK_MAP_EXEC, "/bin/prog")->file_offset =
        0x1000;
    add_mapping(subject, 0x500000, 0x5fffff,
                DK_MAP_READ | DK_MAP_WRITE | DK_MAP_ANON | DK_MAP_DONTDUMP, NULL);
    add_mapping(subject, 0x600000, 0x600fff, DK_MAP_READ | DK_MAP_SHARED | DK_MAP_DELETED,
                "/tmp/a\nb\\c\xfe")
        ->inode = 42;
    add_mapping(subject, 0x7fff0000, 0x7fff0fff, DK_MAP_READ | DK_MAP_WRITE | DK_MAP_ANON,
                "[stack]");
    subject->origin.method = g_strdup("snapshot");
    subject->origin.level = g_strdup("full");
    subject->origin.time_us = 1700000000000000;
    return subject;
}

static DkDumpPlan *sample_plan(void)
{
    DkDumpPlan *plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0x400000, 0x400fff, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x401000, 0x401fff, DK_MAP_READ | DK_MAP_EXEC);
    dk_dump_plan_add(plan, 0x600000, 0x600fff, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x7fff0000, 0x7fff0fff, DK_MAP_READ | DK_MAP_WRITE);
    return plan;
}

/* What stands at va of every sample. */
static guint8 pattern(guint64 va)
{
    return (guint8)(va >> 12 ^ va * 7);
}

/* Writes the plan in steps of `step` bytes; every third step is a hole. */
static void write_memory(DkSink *sink, const DkDumpPlan *plan, guint64 step)
{
    g_autofree guint8 *buffer = g_malloc(step);
    guint count = 0;
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        guint64 va = extent->first;
        while (va <= extent->last) {
            guint64 len = MIN(step, extent->last - va + 1);
            g_autoptr(GError) error = NULL;
            gboolean ok;
            if (++count % 3 == 0) {
                DkRun run = {va, va + len - 1, DK_RUN_ZERO};
                ok = dk_sink_hole(sink, &run, &error);
            } else {
                for (guint64 k = 0; k < len; k++)
                    buffer[k] = pattern(va + k);
                ok = dk_sink_data(sink, va, buffer, len, &error);
            }
            g_assert_no_error(error);
            g_assert_true(ok);
            va += len;
        }
    }
}

/* The file for subject and plan; the size is as it was measured. */
static GBytes *write_file(const DkSubject *subject, const DkDumpPlan *plan, guint64 step,
                          const DkDumpSummary *summary)
{
    g_autoptr(GError) error = NULL;
    Memory *memory = memory_new();
    g_autoptr(DkOutput) output = &memory->output;
    g_autoptr(DkSink) sink = dk_format_by_name("elf")->sink_new(output, NULL);
    g_assert_true(dk_sink_accepts(sink, subject, &error));
    guint64 size = dk_sink_measure(sink, subject, plan);
    g_assert_true(dk_sink_begin(sink, subject, plan, &error));
    write_memory(sink, plan, step);
    g_assert_true(dk_sink_finish(sink, summary, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(memory->bytes->len, ==, size);
    g_assert_cmpuint(output->done, ==, size);
    return g_byte_array_free_to_bytes(g_steal_pointer(&memory->bytes));
}

static const DkDumpSummary whole = {1500000, 2500000, TRUE, NULL};

static GBytes *sample_file(DkMachineId machine)
{
    g_autoptr(DkSubject) subject = sample(machine);
    g_autoptr(DkDumpPlan) plan = sample_plan();
    return write_file(subject, plan, 4096, &whole);
}

static DkSource *open_bytes(GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_new_bytes("core", bytes);
    DkSource *source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    return source;
}

typedef struct {
    DkVerify verify;
    guint count[4];
    char *text; /* of the last LACKS or DAMAGED */
} Findings;

static void collect(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    Findings *findings = (Findings *)verify;
    findings->count[verdict]++;
    if (verdict < DK_VERIFY_LACKS)
        return;
    g_free(findings->text);
    findings->text = g_strdup(text);
}

static void verify_source(DkSource *source, gboolean deep, Findings *findings)
{
    *findings = (Findings){{collect, NULL, FALSE}, {0}, NULL};
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_format_by_name("elf")->verify(source, deep, &findings->verify, &error));
    g_assert_no_error(error);
}

static void check_thread(const DkThread *was, const DkThread *is)
{
    g_assert_cmpuint(is->tid, ==, was->tid);
    g_assert_cmpuint(is->ns_tid, ==, was->ns_tid);
    g_assert_cmpint(is->state, ==, was->state);
    /* As in the kernel's cores each has the signal of the dump. */
    g_assert_cmpint(is->signal, ==, was->missing ? 0 : 11);
    g_assert_cmpuint(is->signals_blocked, ==, was->signals_blocked);
    g_assert_cmpuint(is->user_ns, ==, was->user_ns);
    g_assert_cmpstr(is->missing, ==, was->missing);
    for (guint kind = 0; kind < DK_REGSET_COUNT; kind++) {
        /* The reason of the dump makes a siginfo. */
        if (kind == DK_REGSET_SIGINFO)
            continue;
        g_assert_cmpint(is->regs[kind] != NULL, ==, was->regs[kind] != NULL);
        if (is->regs[kind])
            g_assert_true(g_bytes_equal(is->regs[kind], was->regs[kind]));
    }
}

static void check_mappings(const DkSubject *was, const DkSubject *is)
{
    g_assert_cmpuint(is->process.mappings->len, ==, was->process.mappings->len);
    for (guint i = 0; i < was->process.mappings->len; i++) {
        const DkMapping *a = g_ptr_array_index(was->process.mappings, i);
        const DkMapping *b = g_ptr_array_index(is->process.mappings, i);
        g_assert_cmphex(b->first, ==, a->first);
        g_assert_cmphex(b->last, ==, a->last);
        g_assert_cmphex(b->flags, ==, a->flags);
        g_assert_cmphex(b->file_offset, ==, a->file_offset);
        g_assert_cmpuint(b->inode, ==, a->inode);
        g_assert_cmpstr(b->path, ==, a->path);
    }
}

static void check_process(const DkSubject *was, const DkSubject *is)
{
    const DkProcess *a = &was->process;
    const DkProcess *b = &is->process;
    g_assert_cmpint(is->machine, ==, was->machine);
    g_assert_cmpstr(is->os_version, ==, was->os_version);
    g_assert_cmpint(b->pid, ==, a->pid);
    g_assert_cmpint(b->ns_pid, ==, a->ns_pid);
    g_assert_cmpint(b->ppid, ==, a->ppid);
    g_assert_cmpint(b->sid, ==, a->sid);
    g_assert_cmpint(b->uid, ==, a->uid);
    g_assert_cmpint(b->gid, ==, a->gid);
    g_assert_cmpstr(b->name, ==, a->name);
    g_assert_cmpstr(b->command, ==, a->command);
    g_assert_cmpstr(b->exe, ==, a->exe);
    g_assert_true(b->exception.valid);
    g_assert_cmpuint(b->exception.tid, ==, a->exception.tid);
    g_assert_cmpuint(b->exception.code, ==, a->exception.code);
    g_assert_cmphex(b->exception.address, ==, a->exception.address);
    g_assert_cmpuint(b->threads->len, ==, a->threads->len);
    for (guint i = 0; i < a->threads->len; i++)
        check_thread(g_ptr_array_index(a->threads, i), g_ptr_array_index(b->threads, i));
    check_mappings(was, is);
}

static void check_origin(const DkSubject *is)
{
    g_assert_true(g_str_has_prefix(is->origin.writer, "dumpkit "));
    g_assert_cmpstr(is->origin.method, ==, "snapshot");
    g_assert_cmpstr(is->origin.level, ==, "full");
    g_assert_cmpint(is->origin.time_us, ==, 1700000000000000);
    g_assert_cmpint(is->origin.pause_ns, ==, 1500000);
    g_assert_cmpint(is->origin.duration_ns, ==, 2500000);
    g_assert_cmpint(is->origin.complete, ==, 1);
    g_assert_cmpuint(is->gaps->len, ==, 2);
    const DkGap *gap = g_ptr_array_index(is->gaps, 1);
    g_assert_cmpstr(gap->what, ==, "mapping");
    g_assert_cmphex(gap->first, ==, 0x500000);
    g_assert_cmpstr(gap->why, ==, "MADV_DONTDUMP");
}

/* Memory as write_memory() made it. */
static void check_memory(DkSpace *space, const DkDumpPlan *plan, guint64 step)
{
    g_autofree guint8 *buffer = g_malloc(step);
    guint count = 0;
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        for (guint64 va = extent->first; va <= extent->last; va += step) {
            gsize len = (gsize)MIN(step, extent->last - va + 1);
            gboolean hole = ++count % 3 == 0;
            g_assert_cmpuint(dk_space_read(space, va, buffer, len), ==, len);
            for (gsize k = 0; k < len; k += k + 4096 < len ? 1021 : 1)
                g_assert_cmphex(buffer[k], ==, hole ? 0 : pattern(va + k));
        }
    }
}

static void test_round_trip(void)
{
    const DkMachineId machines[] = {DK_MACHINE_X86_64, DK_MACHINE_X86, DK_MACHINE_ARM64};
    for (guint i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(DkSubject) subject = sample(machines[i]);
        g_autoptr(DkDumpPlan) plan = sample_plan();
        g_autoptr(GBytes) file = write_file(subject, plan, 4096, &whole);
        g_autoptr(DkSource) source = open_bytes(file);
        check_process(subject, source->subject);
        check_origin(source->subject);
        check_memory(source->space, plan, 4096);
        /* What is not in the file is absent, not zero. */
        guint8 byte;
        g_assert_cmpuint(dk_space_read(source->space, 0x500000, &byte, 1), ==, 0);
        DkRun run;
        g_assert_true(dk_space_next_run(source->space, 0x402000, &run));
        g_assert_cmphex(run.first, ==, 0x600000);
        Findings findings;
        verify_source(source, TRUE, &findings);
        /* The thread that could not be stopped. */
        g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], ==, 1);
        g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
        g_assert_nonnull(strstr(findings.text, "thread 102 has no registers: in uninterr"));
        g_assert_true(findings.verify.content_verified);
        g_free(findings.text);
    }
}

static void append_name(const DkNote *note, gpointer data)
{
    g_string_append_printf(data, "%s ", note->name);
}

static void test_note_order(void)
{
    g_autoptr(GBytes) file = sample_file(DK_MACHINE_X86_64);
    g_autoptr(DkSource) source = open_bytes(file);
    g_autoptr(GString) names = g_string_new(NULL);
    source->ops->foreach_note(source, append_name, names);
    g_assert_cmpstr(names->str, ==,
                    "NT_PRSTATUS NT_PRPSINFO NT_SIGINFO NT_AUXV NT_FILE NT_FPREGSET NT_X86_XSTATE "
                    "NT_PRSTATUS NT_FPREGSET NT_X86_XSTATE "
                    "dumpkit info dumpkit mappings dumpkit checksums dumpkit result dumpkit seal ");
}

/* Any changed byte is found: each of the notes and headers, samples of the memory. */
static void test_deep_finds_every_byte(void)
{
    g_autoptr(GBytes) file = sample_file(DK_MACHINE_X86_64);
    gsize len;
    const guint8 *data = g_bytes_get_data(file, &len);
    g_autofree guint8 *copy = g_memdup2(data, len);
    for (gsize off = 0; off < len; off += off < 0x200 || len - off < 0x100 ? 1 : 61) {
        copy[off] ^= 0x20;
        g_autoptr(GBytes) bytes = g_bytes_new_static(copy, len);
        g_autoptr(DkInput) input = dk_input_new_bytes("core", bytes);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
        if (source) {
            Findings findings;
            verify_source(source, TRUE, &findings);
            if (!findings.count[DK_VERIFY_DAMAGED])
                g_error("the change at 0x%" G_GSIZE_MODIFIER "x was not found", off);
            g_free(findings.text);
        }
        copy[off] ^= 0x20;
    }
}

static void test_finding_names_the_chunk(void)
{
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0x10000000, 0x10000000 + 40 * MIB - 1, DK_MAP_READ);
    g_autoptr(GBytes) file = write_file(subject, plan, 5 * MIB + 4096, &whole);
    gsize len;
    const guint8 *data = g_bytes_get_data(file, &len);
    guint8 *copy = g_memdup2(data, len);
    copy[20 * MIB] ^= 1;
    g_autoptr(GBytes) changed = g_bytes_new_take(copy, len);
    g_autoptr(DkSource) source = open_bytes(changed);
    Findings findings;
    verify_source(source, FALSE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_assert_false(findings.verify.content_verified);
    g_free(findings.text);
    verify_source(source, TRUE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 1);
    g_assert_nonnull(strstr(findings.text, "0x1000000 to 0x1ffffff"));
    g_free(findings.text);
}

/* Extents and holes that cross chunks; whole chunks of zeros. */
static void test_many_chunks(void)
{
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0x10000000, 0x10000000 + 17 * MIB - 1, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x20000000, 0x20000000 + 9 * MIB - 1, DK_MAP_WRITE);
    dk_dump_plan_add(plan, 0x30000000, 0x30000000 + 70 * MIB - 1, DK_MAP_READ);
    dk_dump_plan_add(plan, 0x40000000, 0x40000000 + 4095, DK_MAP_READ);
    g_autoptr(GBytes) file = write_file(subject, plan, 40 * MIB, &whole);
    g_autoptr(DkSource) source = open_bytes(file);
    check_memory(source->space, plan, 40 * MIB);
    Findings findings;
    verify_source(source, TRUE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_assert_true(findings.verify.content_verified);
    g_free(findings.text);
}

static void test_xnum(void)
{
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    for (guint i = 0; i < 70000; i++)
        dk_dump_plan_add(plan, 0x10000000 + i * (guint64)8192,
                         0x10000000 + i * (guint64)8192 + 4095, DK_MAP_READ);
    g_autoptr(GBytes) file = write_file(subject, plan, 4096, &whole);
    g_autoptr(DkSource) source = open_bytes(file);
    check_memory(source->space, plan, 4096);
    Findings findings;
    verify_source(source, TRUE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_free(findings.text);
    const guint8 *data = g_bytes_get_data(file, NULL);
    g_assert_cmphex(data[0x38] | data[0x39] << 8, ==, 0xffff);
}

static void test_triage_hides_the_command(void)
{
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = sample_plan();
    g_free(subject->origin.level);
    subject->origin.level = g_strdup("triage");
    g_autoptr(GBytes) file = write_file(subject, plan, 4096, &whole);
    gsize len;
    const char *data = g_bytes_get_data(file, &len);
    g_assert_null(memmem(data, len, "secret", 6));
    g_autoptr(DkSource) source = open_bytes(file);
    g_assert_null(source->subject->process.command);
}

static void test_result(void)
{
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(DkSubject) failed = dk_subject_new();
    g_autoptr(DkDumpPlan) plan = sample_plan();
    dk_subject_add_gap(failed, "pages", 0x401000, 0x401fff, 0, "Input/output error");
    const DkDumpSummary summary = {1, 2, FALSE, failed->gaps};
    g_autoptr(GBytes) file = write_file(subject, plan, 4096, &summary);
    g_autoptr(DkSource) source = open_bytes(file);
    g_assert_cmpint(source->subject->origin.complete, ==, 0);
    g_assert_cmpuint(source->subject->gaps->len, ==, 3);
    Findings findings;
    verify_source(source, TRUE, &findings);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_assert_nonnull(strstr(findings.text, "not complete"));
    g_free(findings.text);
}

/* Cut anywhere behind the headers it opens, and is told to lack its end. */
static void test_cut(void)
{
    g_autoptr(GBytes) file = sample_file(DK_MACHINE_X86_64);
    gsize len = g_bytes_get_size(file);
    for (gsize left = 0x200; left < len; left += 397) {
        g_autoptr(GBytes) part = g_bytes_new_from_bytes(file, 0, left);
        g_autoptr(DkSource) source = open_bytes(part);
        Findings findings;
        g_assert_cmpint(source->subject->origin.complete, !=, 1);
        verify_source(source, TRUE, &findings);
        g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], >=, 2);
        g_assert_false(findings.verify.content_verified);
        g_free(findings.text);
    }
}

static void test_refused(void)
{
    Memory *memory = memory_new();
    g_autoptr(DkOutput) output = &memory->output;
    g_autoptr(DkSink) sink = dk_format_by_name("elf")->sink_new(output, NULL);
    g_autoptr(DkSubject) subject = sample(DK_MACHINE_X86_64);
    g_autoptr(GError) error = NULL;
    subject->os = DK_OS_WINDOWS;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    subject->os = DK_OS_LINUX;
    subject->machine = DK_MACHINE_UNKNOWN;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_clear_error(&error);
    subject->machine = DK_MACHINE_ARM64;
    g_assert_false(dk_sink_accepts(sink, subject, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "216 bytes, expected 272"));
    /* 5 GiB do not fit a file of 32-bit offsets. */
    g_clear_error(&error);
    g_autoptr(DkSubject) small = sample(DK_MACHINE_X86);
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0, 5120 * MIB - 1, DK_MAP_READ);
    g_assert_false(dk_sink_begin(sink, small, plan, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
}

/* The first process of the path's name, run over a file; its output, or NULL where it is missing.
 */
static char *run_reader(GBytes *file, const char *const *words)
{
    g_autofree char *program = g_find_program_in_path(words[0]);
    if (!program) {
        g_autofree char *why = g_strdup_printf("%s is not installed", words[0]);
        g_test_skip(why);
        return NULL;
    }
    g_autofree char *path = g_strdup("/tmp/dumpkit-elfcore-XXXXXX");
    int fd = g_mkstemp(path);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    gsize len;
    const void *data = g_bytes_get_data(file, &len);
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(path, data, (gssize)len, &error));
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (guint i = 0; words[i]; i++)
        g_ptr_array_add(argv, g_str_equal(words[i], "FILE") ? path : (char *)words[i]);
    g_ptr_array_add(argv, NULL);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    int status = -1;
    g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
                 &status, &error);
    unlink(path);
    g_assert_no_error(error);
    if (status)
        g_error("%s failed:\n%s%s", words[0], out, err);
    return g_strconcat(out, err, NULL);
}

static void expect(const char *out, const char *text)
{
    if (!strstr(out, text))
        g_error("expected \"%s\" in:\n%s", text, out);
}

static void test_eu_readelf(void)
{
    static const char *const words[] = {"eu-readelf", "-n", "-l", "FILE", NULL};
    g_autoptr(GBytes) file = sample_file(DK_MACHINE_X86_64);
    g_autofree char *out = run_reader(file, words);
    if (!out)
        return;
    expect(out, "info.si_signo: 11, info.si_code: 0, info.si_errno: 0, cursig: 11");
    expect(out, "pid: 101, ppid: 1, pgrp: 100, sid: 99");
    expect(out, "utime: 5.000007");
    expect(out, "rip:      0x0000000000401010");
    expect(out, "rip:      0x0000000000401011");
    expect(out, "uid: 1000, gid: 1001, pid: 100");
    expect(out, "fname: prog");
    expect(out, "fault address: 0xabcd");
    expect(out, "ENTRY: 0x401000");
    expect(out, "00401000-00402000 00001000 4096                /bin/prog");
    expect(out, "xmm0:  0xf0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0");
    expect(out, "X86_XSTATE");
    expect(out, "DUMPKIT");
    expect(out, "0x0000000000401000 0x0000000000000000 0x001000 0x001000 R E 0x1000");
}

static void test_eu_readelf_other_machines(void)
{
    static const char *const words[] = {"eu-readelf", "-n", "-l", "FILE", NULL};
    g_autoptr(GBytes) x86 = sample_file(DK_MACHINE_X86);
    g_autofree char *out = run_reader(x86, words);
    if (!out)
        return;
    expect(out, "eip:     0x00401010");
    expect(out, "pid: 101, ppid: 1, pgrp: 100, sid: 99");
    g_autoptr(GBytes) arm64 = sample_file(DK_MACHINE_ARM64);
    g_autofree char *other = run_reader(arm64, words);
    expect(other, "pc: 0x0000000000401010");
}

static void test_gdb(void)
{
    static const char *const script[] = {"gdb",
                                         "-nx",
                                         "-batch",
                                         "-c",
                                         "FILE",
                                         "-ex",
                                         "x/1xb 0x500000",
                                         "-ex",
                                         "info threads",
                                         "-ex",
                                         "x/4xb 0x400000",
                                         "-ex",
                                         "info registers rip rsp",
                                         "-ex",
                                         "p $_siginfo.si_signo",
                                         "-ex",
                                         "p/x $xmm0.uint128",
                                         "-ex",
                                         "thread 2",
                                         "-ex",
                                         "p/x $xmm0.uint128",
                                         NULL};
    g_autoptr(GBytes) file = sample_file(DK_MACHINE_X86_64);
    g_autofree char *out = run_reader(file, script);
    if (!out)
        return;
    expect(out, "LWP 101");
    expect(out, "LWP 100");
    expect(out, "Program terminated with signal SIGSEGV, Segmentation fault");
    expect(out, "0x401010");
    expect(out, "0x7fff0800");
    expect(out, "$1 = 11");
    expect(out, "$2 = 0xe0e0e0e0");
    expect(out, "$3 = 0xe1e1e1e1");
    expect(out, "0x400000:\t0x00\t0x07\t0x0e\t0x15");
    /* What is left out is not shown as zeros. */
    expect(out, "Cannot access memory at address 0x500000");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/elfcore-write/round-trip", test_round_trip);
    g_test_add_func("/elfcore-write/note-order", test_note_order);
    g_test_add_func("/elfcore-write/deep-finds-every-byte", test_deep_finds_every_byte);
    g_test_add_func("/elfcore-write/finding-names-the-chunk", test_finding_names_the_chunk);
    g_test_add_func("/elfcore-write/many-chunks", test_many_chunks);
    g_test_add_func("/elfcore-write/xnum", test_xnum);
    g_test_add_func("/elfcore-write/triage-hides-the-command", test_triage_hides_the_command);
    g_test_add_func("/elfcore-write/result", test_result);
    g_test_add_func("/elfcore-write/cut", test_cut);
    g_test_add_func("/elfcore-write/refused", test_refused);
    g_test_add_func("/elfcore-write/eu-readelf", test_eu_readelf);
    g_test_add_func("/elfcore-write/eu-readelf-other-machines", test_eu_readelf_other_machines);
    g_test_add_func("/elfcore-write/gdb", test_gdb);
    return g_test_run();
}
