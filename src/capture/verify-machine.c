/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/verify-machine.h"

#include <stdarg.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/translate-space.h"
#include "base/size.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* Findings of one kind that are told one by one; the rest is counted. */
#define TOLD_MAX 10
/* The kernel's half of the address space begins here on 64-bit machines. */
#define KERNEL_HALF ((guint64)1 << 63)

typedef struct {
    DkVerify *verify;
    GPtrArray *unanswered;
    const DkSource *source;
    const DkSubject *subject;
    const DkMachine *machine;
    DkSpace *space;
    const DkArch *arch; /* NULL for a machine that is not known */
    const DkMachineLook *look;
} Run;

static void say(Run *run, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(Run *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(run->unanswered, g_strdup_vprintf(format, args));
    va_end(args);
}

/* --- RAM --- */

static void check_ram(Run *run)
{
    const DkRamShare *share = &run->look->share;
    g_autofree char *text = dk_ram_share_text(share);
    guint64 there = dk_size_add(share->data, share->zero);
    if (!there) {
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "memory", "there is none in the file");
        return;
    }
    dk_verify_add(run->verify, share->missing ? DK_VERIFY_LACKS : DK_VERIFY_OK, "memory",
                  "%s; in %" G_GUINT64_FORMAT " range%s", text, share->runs,
                  share->runs == 1 ? "" : "s");
    if (!share->known)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "memory",
                      "the file does not say where the machine has RAM, so nothing tells whether "
                      "all of it is there");
    if (share->filtered) {
        g_autofree char *size = dk_size_text(share->filtered);
        say(run, "what was in the %s of RAM that were left out on purpose", size);
    }
    if (share->missing) {
        g_autofree char *size = dk_size_text(share->missing);
        say(run, "what was in the %s of RAM that the file does not hold", size);
    }
}

/* --- CPUs --- */

typedef struct {
    guint bare;      /* without registers */
    guint elsewhere; /* the same in a Windows dump, whose header has those of one CPU only */
    guint off;       /* paging is off */
    guint unknown;   /* control registers or machine not known */
    guint broken;    /* the walk ends where a table is not in the file */
    guint unmapped;  /* the instruction pointer is mapped by no table */
    guint lost;      /* it is, and the page is not in the file */
    guint filtered;  /* the page was left out on purpose */
    guint good;
    const char *paging;
} Cpus;

static DkRunKind kind_at(DkSpace *space, guint64 pa)
{
    DkRun run;
    if (dk_space_next_run(space, pa, &run) && run.first <= pa)
        return run.kind;
    return DK_RUN_ABSENT;
}

/* A finding of which no more than TOLD_MAX are told; counts in *count. */
static void tell(Run *run, guint *count, DkVerdict verdict, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static void tell(Run *run, guint *count, DkVerdict verdict, const char *format, ...)
{
    if ((*count)++ >= TOLD_MAX)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    dk_verify_add(run->verify, verdict, "cpus", "%s", text);
}

static void check_walk(Run *run, const DkCpu *cpu, const DkPageTables *tables, guint64 pc,
                       Cpus *cpus)
{
    DkWalk walk;
    guint64 pa = 0;
    cpus->paging = tables->paging->name;
    if (!dk_walk_begin(tables, pc, &walk)) {
        tell(run, &cpus->unmapped, DK_VERIFY_NOTE,
             "CPU %u: its instruction pointer " HEX " is no address of %s paging", cpu->index, pc,
             tables->paging->name);
        return;
    }
    if (!dk_page_walk(tables, run->space, pc, &walk, &pa)) {
        const DkWalkStep *last = dk_walk_last(&walk);
        if (last->kind == DK_PTE_ABSENT)
            tell(run, &cpus->broken, DK_VERIFY_LACKS,
                 "CPU %u: CR3 " HEX ": the table at " HEX " (%s) is not in the file", cpu->index,
                 cpu->cr3, last->table_pa, last->name);
        else
            tell(run, &cpus->unmapped, DK_VERIFY_NOTE,
                 "CPU %u: its page tables (CR3 " HEX ") do not map its instruction pointer " HEX
                 ": %s " HEX " is %s",
                 cpu->index, cpu->cr3, pc, last->name, last->entry, dk_pte_kind_text(last->kind));
        return;
    }
    DkRunKind kind = kind_at(run->space, pa);
    if (kind <= DK_RUN_FILE)
        cpus->good++;
    else if (kind == DK_RUN_FILTERED)
        tell(run, &cpus->filtered, DK_VERIFY_NOTE,
             "CPU %u: the page of its instruction pointer " HEX " was left out on purpose",
             cpu->index, pc);
    else
        tell(run, &cpus->lost, DK_VERIFY_LACKS,
             "CPU %u: the page of its instruction pointer " HEX " (at " HEX
             " of physical memory) is not in the file",
             cpu->index, pc, pa);
}

static void check_cpu(Run *run, const DkCpu *cpu, Cpus *cpus)
{
    DkRegs regs = {0};
    DkPageTables tables;
    if (!cpu->regs[DK_REGSET_GENERAL] && run->machine->windows.valid) {
        cpus->elsewhere++;
        return;
    }
    if (!cpu->regs[DK_REGSET_GENERAL]) {
        tell(run, &cpus->bare, DK_VERIFY_LACKS, "CPU %u has no registers: %s", cpu->index,
             cpu->missing ? cpu->missing : "they are not in the file");
        return;
    }
    if (!run->arch || !dk_arch_regs_from_general(run->arch, cpu->regs[DK_REGSET_GENERAL], &regs) ||
        !(cpu->parts & DK_CPU_CONTROL)) {
        cpus->unknown++;
        return;
    }
    if (!dk_page_tables_of_cpu(cpu, run->subject->machine, &tables)) {
        cpus->off++;
        return;
    }
    if (run->look->linux_kernel)
        tables.ignored = dk_linux_kernel_tables(run->look->linux_kernel)->ignored;
    check_walk(run, cpu, &tables, regs.value[run->arch->pc], cpus);
}

/* Windows itself writes no more into its header, so a dump of it is whole with one CPU. */
static void tell_windows_cpus(Run *run, guint without)
{
    guint count = run->machine->cpus->len;
    if (!count)
        return;
    const DkCpu *last = g_ptr_array_index(run->machine->cpus, count - 1);
    for (guint i = 0; i < count && !last->missing; i++)
        last = g_ptr_array_index(run->machine->cpus, i);
    if (without == count)
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "cpus", "none of %u has registers", count);
    else if (without)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "cpus",
                      "the header has the registers of %u of %u, as Windows writes it; of the "
                      "others: %s",
                      count - without, count, last->missing ? last->missing : "not known");
}

static void sum_cpus(Run *run, const Cpus *cpus)
{
    guint count = run->machine->cpus->len - cpus->elsewhere;
    if (cpus->good && cpus->good + cpus->off == count)
        dk_verify_add(run->verify, DK_VERIFY_OK, "cpus",
                      "%u with registers, whose page tables (%s) map the instruction pointer to "
                      "memory of the file",
                      cpus->good, cpus->paging);
    else if (cpus->good)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "cpus",
                      "%u of %u with page tables (%s) that map the instruction pointer to memory "
                      "of the file",
                      cpus->good, count, cpus->paging);
    if (cpus->off)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "cpus", "%u of %u have paging off", cpus->off,
                      count);
    if (cpus->unknown)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "cpus",
                      "%u of %u have general registers without control registers, so their page "
                      "tables are not known",
                      cpus->unknown, count);
    guint walked = cpus->good + cpus->filtered + cpus->lost + cpus->broken + cpus->unmapped;
    if (cpus->unmapped && cpus->unmapped == walked)
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "cpus",
                      "no CPU's page tables map what it executes: registers and memory are not of "
                      "one instant, or memory is not what the guest sees");
}

static void check_cpus(Run *run)
{
    Cpus cpus = {0};
    gboolean fp = FALSE;
    for (guint i = 0; i < run->machine->cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(run->machine->cpus, i);
        check_cpu(run, cpu, &cpus);
        fp = fp || cpu->regs[DK_REGSET_FP] || cpu->regs[DK_REGSET_XSTATE];
    }
    if (!run->machine->cpus->len) {
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "cpus", "the file has no registers");
        say(run, "what the CPUs were doing: no registers are in the file, so stacks are only those "
                 "that tasks left in memory");
        return;
    }
    sum_cpus(run, &cpus);
    if (run->machine->windows.valid)
        tell_windows_cpus(run, cpus.elsewhere);
    if (cpus.bare + cpus.elsewhere == run->machine->cpus->len)
        say(run, "what the CPUs were doing: none of them has registers in the file");
    else if (!fp)
        say(run, "no values of the CPUs' floating-point and vector registers");
}

/* --- kernel --- */

static gboolean is_there(DkSpace *space, guint64 va)
{
    guint8 byte;
    return dk_space_read(space, va, &byte, 1) == 1;
}

/* What every tool begins with; a filter never leaves it out. */
static void check_linux_structures(Run *run)
{
    static const char *const names[] = {
        "_stext",         "init_uts_ns", "node_online_map", "swapper_pg_dir", "mem_section",
        "vmap_area_list", "prb",         "log_buf",         "kallsyms_names", "node_data"};
    DkSpace *space = dk_linux_kernel_space(run->look->linux_kernel);
    g_autoptr(GString) lost = g_string_new(NULL);
    guint known = 0, count = 0;
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 va;
        if (!dk_vmcoreinfo_symbol(run->look->vmcoreinfo, names[i], &va))
            continue;
        known++;
        if (is_there(space, va))
            continue;
        g_string_append_printf(lost, "%s%s", count++ ? ", " : "", names[i]);
    }
    if (count)
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "kernel",
                      "%u of %u of its structures that VMCOREINFO names are not in the file: %s",
                      count, known, lost->str);
    else
        dk_verify_add(run->verify, DK_VERIFY_OK, "kernel",
                      "page tables (%s) in place, %u of its structures looked up and there",
                      dk_linux_kernel_tables(run->look->linux_kernel)->paging->name, known);
}

static void check_vmcoreinfo(Run *run)
{
    const DkMachineLook *look = run->look;
    if (look->vmcoreinfo_error) {
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "vmcoreinfo", "%s", look->vmcoreinfo_error);
    } else if (look->vmcoreinfo_in_file) {
        dk_verify_add(run->verify, DK_VERIFY_OK, "vmcoreinfo", "in the file, of kernel %s",
                      dk_vmcoreinfo_release(look->vmcoreinfo));
    } else if (look->vmcoreinfo) {
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "vmcoreinfo",
                      "not published to the file, but found in memory, of kernel %s",
                      dk_vmcoreinfo_release(look->vmcoreinfo));
        say(run,
            "nothing, to tools that look for a VMCOREINFO note (makedumpfile, drgn): the file has "
            "none; dumpkit convert writes it");
    } else {
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "vmcoreinfo", "neither in the file nor in %s",
                      look->searched_all ? "memory"
                                         : "the part of memory that was searched (--deep: all)");
        say(run, "where the kernel's structures are: without VMCOREINFO, makedumpfile and drgn "
                 "refuse the file, and pages cannot be told apart by kind");
    }
}

static void check_linux(Run *run)
{
    const DkMachineLook *look = run->look;
    if (look->banner)
        dk_verify_add(run->verify, DK_VERIFY_OK, "kernel", "%s", look->banner);
    else
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "kernel", "Linux %s, whose banner is not in %s",
                      dk_vmcoreinfo_release(look->vmcoreinfo),
                      look->linux_kernel ? "its image" : "reach");
    if (look->linux_error)
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "kernel", "its page tables are not known: %s",
                      look->linux_error);
    if (look->linux_kernel && look->linux_in_place)
        check_linux_structures(run);
    else if (look->linux_kernel)
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "kernel",
                      "its page tables are not in the file at " HEX ", where VMCOREINFO says",
                      dk_linux_kernel_tables(look->linux_kernel)->root);
    check_vmcoreinfo(run);
}

static void check_nt(Run *run)
{
    const DkNtKernel *nt = &run->look->nt;
    g_autofree char *build = nt->build ? g_strdup_printf(" build %u", nt->build) : g_strdup("");
    dk_verify_add(run->verify, DK_VERIFY_OK, "kernel", "Windows NT %u.%u%s, system in %s",
                  nt->major, nt->minor, build, nt->root);
    if (!run->machine->windows.valid)
        say(run, "which bug check, drivers and kernel data there are, to WinDbg: the file is no "
                 "Windows dump");
}

static void check_kernel(Run *run)
{
    const DkMachineLook *look = run->look;
    if (look->is_ciphertext) {
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "kernel",
                      "memory reads as ciphertext: %u of %u pages that were sampled are evenly "
                      "random; the memory of a confidential guest (SEV, TDX) or an encrypted copy",
                      look->random, look->sampled);
        say(run, "anything about the content of memory: it is encrypted");
    } else if (look->nt_valid) {
        check_nt(run);
    } else if (look->banner || look->vmcoreinfo) {
        check_linux(run);
    } else if (run->machine->windows.valid) {
        dk_verify_add(run->verify, DK_VERIFY_NOTE, "kernel",
                      "Windows, by the header (build %u); its shared data page is not in the file",
                      run->machine->windows.build);
    } else {
        dk_verify_add(
            run->verify, DK_VERIFY_NOTE, "kernel", "none was recognised%s",
            look->searched_all ? "" : " in the part of memory that was searched (--deep: all)");
        say(run, "which system ran: neither a Linux kernel nor NT was recognised in memory");
    }
}

/* --- the rest --- */

static void check_origin(Run *run)
{
    const DkOrigin *origin = &run->subject->origin;
    if (origin->complete == 0)
        dk_verify_add(run->verify, DK_VERIFY_LACKS, "record",
                      "the file was not written to its end");
    else if (origin->writer)
        dk_verify_add(run->verify, DK_VERIFY_OK, "record", "%s%s%s%s%s", origin->writer,
                      origin->method ? ", method " : "", origin->method ? origin->method : "",
                      origin->level ? ", level " : "", origin->level ? origin->level : "");
    if (origin->time_us < 0)
        say(run, "no time at which the dump was taken");
}

/* A small Windows dump: pieces of virtual memory. */
static void check_virtual(Run *run)
{
    guint64 pieces = 0, size = 0, addr = 0;
    DkRun piece;
    while (dk_space_next_run(run->space, addr, &piece)) {
        if (piece.kind <= DK_RUN_FILE) {
            pieces++;
            size = dk_size_add(size, dk_size_of_range(piece.first, piece.last));
        }
        if (piece.last == G_MAXUINT64)
            break;
        addr = piece.last + 1;
    }
    g_autofree char *text = dk_size_text(size);
    dk_verify_add(run->verify, pieces ? DK_VERIFY_OK : DK_VERIFY_LACKS, "memory",
                  "%s of virtual memory in %" G_GUINT64_FORMAT " piece%s", text, pieces,
                  pieces == 1 ? "" : "s");
    guint bare = 0;
    for (guint i = 0; i < run->machine->cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(run->machine->cpus, i);
        bare += !cpu->regs[DK_REGSET_GENERAL];
    }
    tell_windows_cpus(run, bare);
    if (run->machine->cpus->len && !bare)
        dk_verify_add(run->verify, DK_VERIFY_OK, "cpus", "%u with registers",
                      run->machine->cpus->len);
    say(run, "physical memory, page tables, other processes, pool: a small dump holds the stack of "
             "one thread and little else");
}

gboolean dk_verify_machine(DkSource *source, gboolean deep, DkVerify *verify, GPtrArray *unanswered,
                           DkMachineLook **look, GError **error)
{
    g_autoptr(DkMachineLook) own = NULL;
    Run run = {
        .verify = verify,
        .unanswered = unanswered,
        .source = source,
        .subject = source->subject,
        .machine = &source->subject->system,
        .space = source->space,
        .arch = dk_arch_for(source->subject->machine),
    };
    if (source->ops->caps & DK_SOURCE_PHYS) {
        own = dk_machine_look(run.subject, run.space, deep, verify->progress, error);
        if (!own)
            return FALSE;
        run.look = own;
        check_ram(&run);
        check_cpus(&run);
        check_kernel(&run);
    } else {
        check_virtual(&run);
    }
    check_origin(&run);
    *look = g_steal_pointer(&own);
    return TRUE;
}
