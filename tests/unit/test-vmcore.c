/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ELF dumps of machines: those made by make-elfcore from tests/golden/elfcore are read and
 * verified; what the writer makes is read back.
 */
#include <elf.h>
#include <gio/gio.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "format/machine-notes.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

#define KERNEL_VA G_GUINT64_CONSTANT(0xffffffff80000000)

static GBytes *make(const char *name)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder = g_path_get_dirname(self);
    g_autofree char *program = g_build_filename(folder, "../make/make-elfcore", NULL);
    g_autofree char *file = g_strdup_printf("%s.txt", name);
    g_autofree char *text = g_build_filename(folder, "../../../tests/golden/elfcore", file, NULL);
    g_autofree char *output = g_strdup("/tmp/dumpkit-vmcore-XXXXXX");
    char *argv[] = {program, text, output, NULL};
    g_autoptr(GError) error = NULL;
    int status = -1;
    close(g_mkstemp(output));
    g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
    char *content = NULL;
    gsize len = 0;
    g_assert_true(g_file_get_contents(output, &content, &len, &error));
    unlink(output);
    return g_bytes_new_take(content, len);
}

static DkSource *open_bytes(GBytes *bytes)
{
    g_autoptr(DkInput) input = dk_input_new_bytes("vmcore", bytes);
    g_autoptr(GError) error = NULL;
    DkSource *source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(source->format, ==, "elf");
    g_assert_cmpint(source->subject->kind, ==, DK_SUBJECT_MACHINE);
    g_assert_true(source->ops->caps & DK_SOURCE_PHYS);
    return source;
}

static DkSource *open_made(const char *name)
{
    g_autoptr(GBytes) bytes = make(name);
    return open_bytes(bytes);
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

/* The findings of a file; free text. */
static Findings verify(DkSource *source)
{
    Findings findings = {{collect, NULL, FALSE}, g_string_new(NULL), {0}};
    g_autoptr(GError) error = NULL;
    g_assert_true(dk_format_by_name("elf")->verify(source, TRUE, &findings.verify, &error));
    g_assert_no_error(error);
    return findings;
}

static void assert_findings(DkSource *source, guint notes, guint lacks, guint damaged,
                            const char *text)
{
    Findings findings = verify(source);
    g_test_message("%s", findings.text->str);
    g_assert_cmpuint(findings.count[DK_VERIFY_NOTE], ==, notes);
    g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], ==, lacks);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, damaged);
    g_assert_nonnull(strstr(findings.text->str, text));
    g_string_free(findings.text, TRUE);
}

static guint8 byte_at(DkSource *source, guint64 pa)
{
    guint8 byte = 0xee;
    return dk_space_read(source->space, pa, &byte, 1) ? byte : 0xee;
}

static DkRunKind kind_at(DkSource *source, guint64 pa)
{
    DkRun run;
    return dk_space_next_run(source->space, pa, &run) && run.first <= pa ? run.kind : DK_RUN_ABSENT;
}

static const DkCpu *cpu_of(DkSource *source, guint index)
{
    g_assert_cmpuint(source->subject->system.cpus->len, >, index);
    return g_ptr_array_index(source->subject->system.cpus, index);
}

static guint64 word_of(GBytes *regs, guint index)
{
    guint64 value;
    memcpy(&value, (const guint8 *)g_bytes_get_data(regs, NULL) + index * 8, sizeof value);
    return GUINT64_FROM_LE(value);
}

static const DkRamRange *ram_of(DkSource *source, guint index, guint count)
{
    const GArray *ram = source->subject->system.ram;
    g_assert_cmpuint(ram->len, ==, count);
    return &g_array_index(ram, DkRamRange, index);
}

static void test_qemu(void)
{
    g_autoptr(DkSource) source = open_made("vmcore-qemu");
    const DkSubject *subject = source->subject;
    g_assert_cmpstr(subject->origin.writer, ==, "QEMU");
    g_assert_cmpint(subject->machine, ==, DK_MACHINE_X86_64);
    g_assert_cmpint(subject->os, ==, DK_OS_LINUX);
    g_assert_cmpuint(subject->cpus, ==, 2);
    const DkCpu *cpu = cpu_of(source, 0);
    g_assert_cmphex(word_of(cpu->regs[DK_REGSET_GENERAL], 10), ==, 0x77);
    g_assert_cmphex(word_of(cpu->regs[DK_REGSET_GENERAL], 22), ==, 0xffff888000001000);
    g_assert_cmphex(cpu->cr3, ==, 0x2000);
    g_assert_cmphex(cpu->cr2, ==, 0x7f0000001000);
    g_assert_cmphex(cpu->kernel_gs_base, ==, 0x7f0000002000);
    g_assert_cmpuint(cpu->pid, ==, 0);
    cpu = cpu_of(source, 1);
    g_assert_false(cpu->parts & DK_CPU_KERNEL_GS);
    g_assert_cmphex(word_of(cpu->regs[DK_REGSET_GENERAL], 22), ==, 0xffff888000009000);
    g_assert_cmphex(ram_of(source, 1, 2)->first, ==, 0x100000000);
    g_assert_cmpuint(byte_at(source, 0xfff), ==, 1);
    g_assert_cmpuint(byte_at(source, 0x1000), ==, 0);
    g_assert_cmpuint(byte_at(source, 0x2000), ==, 0xee);
    g_assert_cmpuint(byte_at(source, 0x100000fff), ==, 3);
    g_assert_cmpuint(subject->gaps->len, ==, 0);
    assert_findings(source, 0, 0, 0, "");
}

static void test_qemu72(void)
{
    g_autoptr(DkSource) source = open_made("vmcore-qemu72");
    g_assert_cmpstr(source->subject->origin.writer, ==, "QEMU 7.2 or later");
    g_assert_cmpuint(byte_at(source, 0xfffc0fff), ==, 2);
    assert_findings(source, 2, 0, 0, "e_ehsize is 8, expected 64 (an error of QEMU 7.2)");
    g_autoptr(DkSource) narrow = open_made("vmcore-qemu32");
    g_assert_cmpint(narrow->subject->machine, ==, DK_MACHINE_X86);
    g_assert_cmphex(cpu_of(narrow, 0)->cr4, ==, 0x6d0);
    g_assert_cmpuint(byte_at(narrow, 0x1000), ==, 1);
    assert_findings(narrow, 2, 0, 0, "e_ehsize is 8, expected 52");
}

/* The same memory under several virtual addresses. */
static void test_twice(void)
{
    g_autoptr(DkSource) paging = open_made("vmcore-paging");
    g_assert_cmpuint(ram_of(paging, 0, 1)->last, ==, 0x3fff);
    g_assert_cmpuint(byte_at(paging, 0xfff), ==, 2);
    g_assert_cmpuint(byte_at(paging, 0x1000), ==, 1);
    g_assert_cmpuint(byte_at(paging, 0x2000), ==, 3);
    assert_findings(paging, 1, 0, 0, "more than once, in 1 places, first at address 0x1000");
    g_autoptr(DkSource) kexec = open_made("vmcore-kexec");
    g_assert_cmpstr(kexec->subject->origin.method, ==, "/proc/vmcore");
    g_assert_cmphex(ram_of(kexec, 1, 3)->first, ==, 0xfff000);
    g_assert_cmphex(ram_of(kexec, 1, 3)->last, ==, 0x1001fff);
    g_assert_cmpuint(byte_at(kexec, 0x1000fff), ==, 5);
    g_assert_cmpuint(byte_at(kexec, 0x1001000), ==, 6);
    g_assert_cmpuint(byte_at(kexec, 0x40001fff), ==, 7);
    g_assert_cmpuint(cpu_of(kexec, 0)->pid, ==, 4711);
    g_assert_cmpuint(cpu_of(kexec, 1)->pid, ==, 0);
    assert_findings(kexec, 1, 0, 0, "more than once");
    DkRun run = {0};
    guint64 next = 0;
    while (dk_space_next_run(kexec->space, next, &run)) {
        g_assert_cmphex(run.first, >=, next);
        next = run.last + 1;
    }
}

static void test_filtered(void)
{
    g_autoptr(DkSource) source = open_made("vmcore-filtered");
    g_assert_cmpstr(source->subject->origin.writer, ==, "makedumpfile");
    g_assert_cmpint(kind_at(source, 0), ==, DK_RUN_DATA);
    g_assert_cmpint(kind_at(source, 0x1000), ==, DK_RUN_FILTERED);
    g_assert_cmpint(kind_at(source, 0x200000), ==, DK_RUN_FILTERED);
    g_assert_cmpint(kind_at(source, 0x2fffff), ==, DK_RUN_FILTERED);
    g_assert_cmpint(kind_at(source, 0x301000), ==, DK_RUN_DATA);
    g_assert_cmphex(ram_of(source, 0, 2)->last, ==, 0xfffff);
    g_assert_cmpuint(source->subject->gaps->len, ==, 1);
    const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
    g_assert_cmpstr(gap->what, ==, "excluded");
    assert_findings(source, 0, 0, 0, "");
}

static void test_cut(void)
{
    g_autoptr(DkSource) source = open_made("vmcore-cut");
    g_assert_cmpuint(source->subject->gaps->len, ==, 2);
    const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
    g_assert_cmphex(gap->first, ==, 0x101800);
    g_assert_cmphex(gap->last, ==, 0x102fff);
    g_assert_cmpint(kind_at(source, 0x1017ff), ==, DK_RUN_DATA);
    g_assert_cmpint(kind_at(source, 0x101800), ==, DK_RUN_ABSENT);
    g_assert_cmphex(ram_of(source, 2, 3)->last, ==, 0x200fff);
    assert_findings(source, 0, 1, 0, "memory of 2 of 3 segments is cut off, 0x2800 bytes");
    g_autoptr(DkSource) notes = open_made("vmcore-cut-notes");
    g_assert_cmphex(cpu_of(notes, 0)->cr3, ==, 0x2000);
    g_assert_cmpuint(cpu_of(notes, 1)->parts, ==, 0);
    assert_findings(notes, 0, 2, 0, "of notes from offset 0x5a8 are cut off");
}

static void test_hostile(void)
{
    g_autoptr(DkSource) source = open_made("vmcore-hostile");
    g_assert_cmpuint(byte_at(source, 0x7fff), ==, 2);
    g_assert_cmpuint(byte_at(source, 0x8000), ==, 2);
    g_assert_cmpuint(byte_at(source, 0x9000), ==, 1);
    g_assert_cmpuint(byte_at(source, 0x20fff), ==, 5);
    g_assert_cmpuint(byte_at(source, 0x21000), ==, 0xee);
    g_assert_cmpuint(source->subject->system.cpus->len, ==, 1);
    g_assert_cmpuint(source->subject->gaps->len, ==, 1);
    assert_findings(source, 1, 0, 4, "goes over the end of the address space");
}

static void test_other_machines(void)
{
    g_autoptr(DkSource) arm = open_made("vmcore-arm64");
    g_assert_cmpint(arm->subject->machine, ==, DK_MACHINE_ARM64);
    g_assert_cmpuint(arm->subject->page_size, ==, 65536);
    g_assert_cmphex(word_of(cpu_of(arm, 0)->regs[DK_REGSET_GENERAL], 32), ==, 0xffff800008010000);
    assert_findings(arm, 0, 0, 0, "");
    g_autoptr(DkSource) s390 = open_made("vmcore-s390");
    g_assert_cmpint(s390->subject->machine, ==, DK_MACHINE_UNKNOWN);
    g_assert_cmpstr(s390->subject->os_version, ==, "6.1.0-9-s390x");
    g_assert_cmpuint(byte_at(s390, 0x100000), ==, 1);
    assert_findings(s390, 0, 1, 0, "no registers of any CPU");
}

static void test_other_systems(void)
{
    g_autoptr(DkSource) freebsd = open_made("vmcore-freebsd");
    g_assert_cmpstr(freebsd->subject->origin.writer, ==, "FreeBSD kernel");
    g_assert_cmpint(freebsd->subject->os, ==, DK_OS_OTHER);
    g_assert_cmpuint(byte_at(freebsd, 0x100fff), ==, 2);
    g_autoptr(DkSource) virtualbox = open_made("vmcore-virtualbox");
    g_assert_cmpstr(virtualbox->subject->origin.writer, ==, "VirtualBox");
    g_autoptr(DkSource) physical = open_made("physical");
    g_assert_cmphex(ram_of(physical, 0, 1)->first, ==, 0x1000);
    static const char *const xen[] = {"vmcore-xen", "vmcore-xen-notes"};
    for (guint i = 0; i < G_N_ELEMENTS(xen); i++) {
        g_autoptr(GBytes) bytes = make(xen[i]);
        g_autoptr(DkInput) input = dk_input_new_bytes("vmcore", bytes);
        g_autoptr(GError) error = NULL;
        g_assert_null(dk_format_open(input, NULL, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "Xen"));
    }
}

/* --- the writer --- */

static GBytes *general(DkMachineId id, guint8 byte)
{
    gsize size = id == DK_MACHINE_X86_64 ? 216 : id == DK_MACHINE_X86 ? 68 : 272;
    guint8 *regs = g_malloc(size);
    memset(regs, byte, size);
    return g_bytes_new_take(regs, size);
}

static DkSubject *machine_new(DkMachineId id)
{
    DkSubject *subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    subject->machine = id;
    subject->origin.method = g_strdup("snapshot");
    for (guint32 i = 0; i < 2; i++) {
        DkCpu *cpu = dk_machine_add_cpu(&subject->system, i);
        cpu->regs[DK_REGSET_GENERAL] = general(id, (guint8)(0x10 + i));
        if (id == DK_MACHINE_ARM64)
            continue;
        cpu->parts = DK_CPU_SEGMENTS | DK_CPU_CONTROL;
        cpu->cr3 = 0x5000 + 0x1000 * i;
    }
    return subject;
}

static guint8 expected_byte(guint64 pa)
{
    return (guint8)(pa >> 12 | 1);
}

/* The plan's memory, every fourth page of which is zero. */
static void put_memory(DkSink *sink, const DkDumpPlan *plan)
{
    guint8 page[4096];
    for (guint i = 0; i < plan->extents->len; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        for (guint64 pa = extent->first; pa < extent->last; pa += sizeof page) {
            DkRun hole = {pa, pa + sizeof page - 1, DK_RUN_ZERO};
            gboolean zero = (pa >> 12) % 4 == 3;
            memset(page, expected_byte(pa), sizeof page);
            if (zero)
                g_assert_true(dk_sink_hole(sink, &hole, NULL));
            else
                g_assert_true(dk_sink_data(sink, pa, page, sizeof page, NULL));
        }
    }
}

/* Writes subject to a fresh file and says its name. */
static char *write_file(const DkSubject *subject, const DkDumpPlan *plan, gboolean zeros)
{
    char *path = g_strdup("/tmp/dumpkit-vmcore-XXXXXX");
    close(g_mkstemp(path));
    g_autoptr(GError) error = NULL;
    g_autoptr(DkOutput) output = dk_output_file_new(path, TRUE, 0, &error);
    g_assert_no_error(error);
    g_autoptr(DkSink) sink = dk_format_by_name("elf")->sink_new(output, NULL);
    g_assert_true(dk_sink_accepts(sink, subject, &error));
    guint64 size = dk_sink_measure(sink, subject, plan);
    g_assert_true(dk_sink_begin(sink, subject, plan, &error));
    g_assert_no_error(error);
    if (zeros) {
        for (guint i = 0; i < plan->extents->len; i++) {
            const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
            DkRun hole = {extent->first, extent->last, DK_RUN_ZERO};
            g_assert_true(dk_sink_hole(sink, &hole, &error));
        }
    } else {
        put_memory(sink, plan);
    }
    DkDumpSummary summary = {.pause_ns = 2000000, .duration_ns = 5, .complete = TRUE};
    g_assert_true(dk_sink_finish(sink, &summary, &error));
    g_assert_true(dk_output_finish(output, &error));
    GStatBuf info;
    g_assert_cmpint(g_stat(path, &info), ==, 0);
    g_assert_cmpuint((guint64)info.st_size, ==, size);
    return path;
}

static GBytes *write_bytes(const DkSubject *subject, const DkDumpPlan *plan)
{
    g_autofree char *path = write_file(subject, plan, FALSE);
    char *content = NULL;
    gsize len = 0;
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    unlink(path);
    return g_bytes_new_take(content, len);
}

static DkDumpPlan *plan_new(void)
{
    DkDumpPlan *plan = dk_dump_plan_new();
    dk_dump_plan_add(plan, 0, 0x9ffff, 0);
    dk_dump_plan_add(plan, 0x100000, 0x2fffff, 0);
    dk_dump_plan_add(plan, 0x100000000, 0x100000fff, 0);
    return plan;
}

static void test_written(void)
{
    static const DkMachineId ids[] = {DK_MACHINE_X86_64, DK_MACHINE_X86, DK_MACHINE_ARM64};
    for (guint i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(DkSubject) subject = machine_new(ids[i]);
        g_autoptr(DkDumpPlan) plan = plan_new();
        g_autoptr(GBytes) bytes = write_bytes(subject, plan);
        g_autoptr(DkSource) source = open_bytes(bytes);
        g_assert_cmpint(source->subject->machine, ==, ids[i]);
        g_assert_true(g_str_has_prefix(source->subject->origin.writer, "dumpkit "));
        g_assert_cmpstr(source->subject->origin.method, ==, "snapshot");
        g_assert_cmpint(source->subject->origin.complete, ==, 1);
        g_assert_cmpint(source->subject->origin.pause_ns, ==, 2000000);
        g_assert_cmpuint(source->subject->gaps->len, ==, 0);
        for (guint c = 0; c < 2; c++) {
            const DkCpu *want = g_ptr_array_index(subject->system.cpus, c);
            const DkCpu *cpu = cpu_of(source, c);
            g_assert_cmphex(cpu->cr3, ==, want->cr3);
            g_assert_cmphex(cpu->parts, ==, want->parts);
        }
        for (guint64 pa = 0; pa < 0x300000; pa += 4096) {
            guint8 want = pa >= 0xa0000 && pa < 0x100000 ? 0xee
                          : (pa >> 12) % 4 == 3          ? 0
                                                         : expected_byte(pa);
            g_assert_cmphex(byte_at(source, pa), ==, want);
        }
        g_assert_cmphex(byte_at(source, 0x100000fff), ==, expected_byte(0x100000000));
        Findings findings = verify(source);
        g_assert_cmpstr(findings.text->str, ==, "");
        g_assert_true(findings.verify.content_verified);
        g_string_free(findings.text, TRUE);
    }
}

static Elf64_Phdr phdr_at(GBytes *bytes, guint index)
{
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    Elf64_Phdr phdr;
    memcpy(&phdr, data + 64 + index * sizeof phdr, sizeof phdr);
    return phdr;
}

/* What other readers rely on, looked at without our reader. */
static void test_layout(void)
{
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = plan_new();
    g_autofree char *text = g_strdup_printf(
        "OSRELEASE=6.1.0\nSYMBOL(_stext)=%lx\nSYMBOL(swapper_pg_dir)=%lx\nSYMBOL(prb)=%lx\n"
        "SYMBOL(mem_section)=ffff888000001000\nNUMBER(phys_base)=-16777216\n",
        KERNEL_VA + 0x1100000, KERNEL_VA + 0x1210000, KERNEL_VA + 0x1220008);
    g_assert_true(dk_machine_vmcoreinfo_take(subject, text, strlen(text)));
    g_autoptr(GBytes) bytes = write_bytes(subject, plan);
    Elf64_Ehdr header;
    memcpy(&header, g_bytes_get_data(bytes, NULL), sizeof header);
    g_assert_cmpuint(header.e_machine, ==, EM_X86_64);
    g_assert_cmpuint(header.e_ehsize, ==, 64);
    g_assert_cmpuint(header.e_phoff, ==, 64);
    g_assert_cmpuint(header.e_phnum, ==, 5);
    g_assert_cmpuint(phdr_at(bytes, 0).p_type, ==, PT_NOTE);
    for (guint i = 0; i < 3; i++) {
        const DkExtent *extent = &g_array_index(plan->extents, DkExtent, i);
        Elf64_Phdr load = phdr_at(bytes, i + 1);
        g_assert_cmpuint(load.p_type, ==, PT_LOAD);
        g_assert_cmphex(load.p_paddr, ==, extent->first);
        g_assert_cmphex(load.p_filesz, ==, extent->last - extent->first + 1);
        g_assert_cmphex(load.p_memsz, ==, load.p_filesz);
        /* Otherwise crash takes it for the format of netdump. */
        g_assert_cmphex(load.p_align, ==, 0);
    }
    /* The kernel's image once more, in the bytes of its extent. */
    Elf64_Phdr image = phdr_at(bytes, 4);
    Elf64_Phdr extent = phdr_at(bytes, 2);
    g_assert_cmphex(image.p_vaddr, ==, KERNEL_VA + 0x1100000);
    g_assert_cmphex(image.p_paddr, ==, 0x100000);
    g_assert_cmphex(image.p_memsz, ==, 0x121000);
    g_assert_cmphex(image.p_offset - extent.p_offset, ==, image.p_paddr - extent.p_paddr);
    g_autoptr(DkSource) source = open_bytes(bytes);
    assert_findings(source, 0, 0, 0, "");
}

/* VMCOREINFO that leads nowhere must not lead out of the plan. */
static void test_bad_image(void)
{
    static const char *const texts[] = {
        "SYMBOL(swapper_pg_dir)=ffffffff81210000\nNUMBER(phys_base)=x\n",
        "SYMBOL(swapper_pg_dir)=ffffffff81210000\nNUMBER(phys_base)=-1\n",
        "SYMBOL(swapper_pg_dir)=ffffffffffffffff\nNUMBER(phys_base)=0\n",
        "SYMBOL(swapper_pg_dir)=1000\nNUMBER(phys_base)=-2147483648\n",
        "SYMBOL(swapper_pg_dir)=fffffffffffff000\nNUMBER(phys_base)=9223372036854775807\n",
        "SYMBOL(swapper_pg_dir)=ffffffff800a0000\nNUMBER(phys_base)=0\n",
        "NUMBER(phys_base)=0\n",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
        g_autoptr(DkDumpPlan) plan = plan_new();
        g_assert_true(dk_machine_vmcoreinfo_take(subject, texts[i], strlen(texts[i])));
        g_autoptr(GBytes) bytes = write_bytes(subject, plan);
        g_assert_cmpuint(((const guint8 *)g_bytes_get_data(bytes, NULL))[0x38], ==, 4);
    }
}

/* Without registers, of a machine that nobody knows, and without memory. */
static void test_bare(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    g_autoptr(DkDumpPlan) plan = plan_new();
    g_autoptr(GBytes) bytes = write_bytes(subject, plan);
    g_autoptr(DkSource) source = open_bytes(bytes);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_UNKNOWN);
    assert_findings(source, 0, 1, 0, "no registers of any CPU");
    g_autoptr(DkDumpPlan) empty = dk_dump_plan_new();
    g_autoptr(GBytes) nothing = write_bytes(subject, empty);
    g_autoptr(DkSource) hollow = open_bytes(nothing);
    assert_findings(hollow, 0, 2, 0, "the file has no memory");
}

/* More program headers than e_phnum can say. */
static void test_many(void)
{
    const guint count = 0x10000 + 7;
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = dk_dump_plan_new();
    for (guint64 i = 0; i < count; i++)
        dk_dump_plan_add(plan, i * 0x2000, i * 0x2000 + 0xfff, 0);
    g_autofree char *path = write_file(subject, plan, TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkInput) input = dk_input_open(path, &error);
    g_assert_no_error(error);
    unlink(path);
    guint16 phnum = 0;
    g_assert_cmpint(dk_input_read(input, 0x38, &phnum, 2, &error), ==, 2);
    g_assert_cmpuint(GUINT16_FROM_LE(phnum), ==, PN_XNUM);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(source->subject->system.ram->len, ==, count);
    g_assert_cmpuint(byte_at(source, (guint64)(count - 1) * 0x2000 + 0xfff), ==, 0);
    g_assert_cmpuint(byte_at(source, (guint64)count * 0x2000), ==, 0xee);
    assert_findings(source, 0, 0, 0, "");
}

static void test_written_damaged(void)
{
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = plan_new();
    g_autoptr(GBytes) bytes = write_bytes(subject, plan);
    gsize len = g_bytes_get_size(bytes);
    /* One bit of memory, then one of the closing notes. */
    for (guint i = 0; i < 2; i++) {
        g_autofree guint8 *copy = g_memdup2(g_bytes_get_data(bytes, NULL), len);
        copy[i ? len - 100 : 0x20000] ^= 4;
        g_autoptr(GBytes) bad = g_bytes_new_static(copy, len);
        g_autoptr(DkSource) source = open_bytes(bad);
        Findings findings = verify(source);
        g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], >=, 1);
        g_string_free(findings.text, TRUE);
    }
    g_autoptr(GBytes) cut = g_bytes_new_from_bytes(bytes, 0, len - 20000);
    g_autoptr(DkSource) source = open_bytes(cut);
    g_assert_cmpint(source->subject->origin.complete, ==, 0);
    Findings findings = verify(source);
    g_assert_cmpuint(findings.count[DK_VERIFY_DAMAGED], ==, 0);
    g_assert_cmpuint(findings.count[DK_VERIFY_LACKS], >=, 2);
    g_string_free(findings.text, TRUE);
}

/* makedumpfile copies our notes into a file of its own. */
static void test_rewritten(void)
{
    g_autoptr(DkSubject) subject = machine_new(DK_MACHINE_X86_64);
    g_autoptr(DkDumpPlan) plan = plan_new();
    g_autoptr(GBytes) bytes = write_bytes(subject, plan);
    gsize len = g_bytes_get_size(bytes);
    g_autofree guint8 *copy = g_memdup2(g_bytes_get_data(bytes, NULL), len);
    Elf64_Phdr load;
    for (guint i = 1; i < 4; i++) {
        memcpy(&load, copy + 64 + i * sizeof load, sizeof load);
        load.p_offset += 4;
        load.p_filesz -= 4096;
        memcpy(copy + 64 + i * sizeof load, &load, sizeof load);
    }
    g_autoptr(GBytes) other = g_bytes_new_static(copy, len);
    g_autoptr(DkSource) source = open_bytes(other);
    g_assert_cmpstr(source->subject->origin.writer, ==, "makedumpfile");
    g_assert_cmpstr(source->subject->origin.method, ==, "snapshot");
    g_assert_cmpint(source->subject->origin.complete, ==, -1);
}

/* Whatever the length that a dump is cut to, it opens or fails with a reason. */
static void test_every_length(void)
{
    static const char *const names[] = {"vmcore-qemu", "vmcore-qemu32"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GBytes) whole = make(names[i]);
        for (gsize len = 0; len < g_bytes_get_size(whole); len += len < 2200 ? 1 : 509) {
            g_autoptr(GBytes) part = g_bytes_new_from_bytes(whole, 0, len);
            g_autoptr(DkInput) input = dk_input_new_bytes("vmcore", part);
            g_autoptr(GError) error = NULL;
            g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
            if (source)
                g_assert_cmpuint(source->subject->gaps->len, >, 0);
            else
                g_assert_nonnull(error);
        }
    }
}

static void test_corpus(void)
{
    const char *corpus = g_getenv("DUMPKIT_CORPUS");
    g_autofree char *path = g_build_filename(
        corpus ? corpus : "../shared/corpus",
        "freebsd-vmcore/llvm-toolchain-16/vmcore-amd64-full.bz2", NULL);
    g_autofree char *bzcat = g_find_program_in_path("bzcat");
    if (!bzcat || !g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_test_skip("no corpus or no bzcat");
        return;
    }
    char *argv[] = {bzcat, path, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) process = g_subprocess_newv((const gchar *const *)argv,
                                                       G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    g_assert_no_error(error);
    GBytes *raw = NULL;
    g_assert_true(g_subprocess_communicate(process, NULL, NULL, &raw, NULL, &error));
    g_autoptr(GBytes) bytes = raw;
    g_autoptr(DkSource) source = open_bytes(bytes);
    g_assert_cmpstr(source->subject->origin.writer, ==, "FreeBSD kernel");
    /* eu-readelf -l */
    g_assert_cmphex(ram_of(source, 1, 2)->first, ==, 0x104000);
    g_assert_cmphex(ram_of(source, 1, 2)->last, ==, 0x104000 + 0x7edb000 - 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmcore/qemu", test_qemu);
    g_test_add_func("/vmcore/qemu72", test_qemu72);
    g_test_add_func("/vmcore/twice", test_twice);
    g_test_add_func("/vmcore/filtered", test_filtered);
    g_test_add_func("/vmcore/cut", test_cut);
    g_test_add_func("/vmcore/hostile", test_hostile);
    g_test_add_func("/vmcore/other-machines", test_other_machines);
    g_test_add_func("/vmcore/other-systems", test_other_systems);
    g_test_add_func("/vmcore/written", test_written);
    g_test_add_func("/vmcore/layout", test_layout);
    g_test_add_func("/vmcore/bad-image", test_bad_image);
    g_test_add_func("/vmcore/bare", test_bare);
    g_test_add_func("/vmcore/many", test_many);
    g_test_add_func("/vmcore/written-damaged", test_written_damaged);
    g_test_add_func("/vmcore/rewritten", test_rewritten);
    g_test_add_func("/vmcore/every-length", test_every_length);
    g_test_add_func("/vmcore/corpus", test_corpus);
    return g_test_run();
}
