/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `info` says of a machine: the system, its CPUs and its RAM. */
#include "base/size.h"
#include "capture/coverage.h"
#include "tool/info-lists.h"
#include "tool/info-print.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

static void json_hex_known(DkOut *out, const char *name, guint64 value)
{
    if (value)
        dk_out_hex(out, name, value);
    else
        dk_out_string(out, name, NULL);
}

static void json_windows(DkOut *out, const DkWindowsFacts *facts)
{
    if (!facts->valid) {
        dk_out_string(out, "windows", NULL);
        return;
    }
    dk_out_begin_object(out, "windows");
    dk_out_int(out, "dump_type", facts->dump_type);
    dk_out_int(out, "build", facts->build);
    json_hex_known(out, "kernel_debugger_data", facts->kdbg_va);
    json_hex_known(out, "loaded_module_list", facts->ps_loaded_module_list_va);
    json_hex_known(out, "active_process_head", facts->ps_active_process_head_va);
    json_hex_known(out, "pfn_database", facts->pfn_database_va);
    dk_out_hex(out, "bug_check", facts->bugcheck_code);
    dk_out_begin_array(out, "bug_check_parameters");
    for (guint i = 0; i < G_N_ELEMENTS(facts->bugcheck_params); i++)
        dk_out_hex(out, NULL, facts->bugcheck_params[i]);
    dk_out_end(out);
    dk_out_end(out);
}

static void print_windows(DkOut *out, const DkWindowsFacts *facts)
{
    if (!facts->valid)
        return;
    const guint64 *params = facts->bugcheck_params;
    if (facts->bugcheck_code)
        dk_info_field(out, "bug check", "%X (" HEX ", " HEX ", " HEX ", " HEX ")",
                      facts->bugcheck_code, params[0], params[1], params[2], params[3]);
    if (facts->kdbg_va)
        dk_info_field(out, "KDBG", HEX, facts->kdbg_va);
    if (facts->up_time) {
        guint64 seconds = facts->up_time / 10000000;
        dk_info_field(out, "uptime", "%" G_GUINT64_FORMAT " d %02u:%02u:%02u", seconds / 86400,
                      (guint)(seconds / 3600 % 24), (guint)(seconds / 60 % 60),
                      (guint)(seconds % 60));
    }
}

void dk_info_machine(const DkInfoList *list)
{
    DkOut *out = list->out;
    const DkSubject *subject = list->subject;
    const DkMachine *machine = &subject->system;
    guint64 ram = dk_machine_ram_size(machine);
    g_autofree char *system = dk_info_system_text(subject);
    g_autofree char *ram_text = dk_size_text(ram);
    dk_out_begin_object(out, "machine");
    dk_out_string(out, "name", machine->name);
    dk_info_json_size(out, "ram", ram);
    json_hex_known(out, "page_root", machine->page_root);
    dk_out_bool(out, "vmcoreinfo", machine->vmcoreinfo != NULL);
    json_windows(out, &machine->windows);
    dk_out_end(out);
    dk_info_json_system(out, subject);
    dk_info_title(out, "Machine");
    dk_info_field(out, "name", "%s", dk_or_empty(machine->name));
    if (subject->os != DK_OS_UNKNOWN || subject->machine != DK_MACHINE_UNKNOWN)
        dk_info_field(out, "system", "%s", system);
    if (ram)
        dk_info_field(out, "RAM", "%s in %u range%s", ram_text, machine->ram->len,
                      machine->ram->len == 1 ? "" : "s");
    if (machine->page_root)
        dk_info_field(out, "page root", HEX, machine->page_root);
    if (machine->vmcoreinfo)
        dk_info_field(out, "vmcore", "VMCOREINFO of %" G_GSIZE_FORMAT " bytes",
                      g_bytes_get_size(machine->vmcoreinfo));
    print_windows(out, &machine->windows);
}

/* --- CPUs --- */

/* FALSE when the CPU has no such register; number is DWARF's. */
static gboolean reg_of(const DkInfoList *list, const DkCpu *cpu, guint number, guint64 *value)
{
    DkRegs regs = {0};
    GBytes *general = cpu->regs[DK_REGSET_GENERAL];
    if (!general || !dk_arch_regs_from_general(list->arch, general, &regs) ||
        !dk_regs_has(&regs, number))
        return FALSE;
    *value = regs.value[number];
    return TRUE;
}

static void hex_or_nothing(const DkInfoList *list, const char *name, gboolean known, guint64 value)
{
    if (dk_out_is_json(list->out) && known)
        dk_out_hex(list->out, name, value);
    else if (dk_out_is_json(list->out))
        dk_out_string(list->out, name, NULL);
    else if (known)
        dk_out_table_cell(list->out, HEX, value);
    else
        dk_out_table_cell(list->out, "%s", "");
}

static void cpu_row(const DkInfoList *list, const DkCpu *cpu)
{
    DkOut *out = list->out;
    guint64 pc = 0;
    guint64 sp = 0;
    gboolean has_pc = list->arch && reg_of(list, cpu, list->arch->pc, &pc);
    gboolean has_sp = list->arch && reg_of(list, cpu, list->arch->sp, &sp);
    if (dk_out_is_json(out)) {
        dk_out_begin_object(out, NULL);
        dk_out_int(out, "index", cpu->index);
    } else {
        dk_out_table_cell(out, "%u", cpu->index);
    }
    hex_or_nothing(list, "pc", has_pc, pc);
    hex_or_nothing(list, "sp", has_sp, sp);
    hex_or_nothing(list, "cr3", cpu->parts & DK_CPU_CONTROL, cpu->cr3);
    if (dk_out_is_json(out)) {
        hex_or_nothing(list, "cr0", cpu->parts & DK_CPU_CONTROL, cpu->cr0);
        hex_or_nothing(list, "cr2", cpu->parts & DK_CPU_CONTROL, cpu->cr2);
        hex_or_nothing(list, "cr4", cpu->parts & DK_CPU_CONTROL, cpu->cr4);
        hex_or_nothing(list, "efer", cpu->parts & DK_CPU_EFER, cpu->efer);
        dk_out_int(out, "pid", cpu->pid);
        dk_out_string(out, "missing", cpu->missing);
        dk_out_end(out);
        return;
    }
    if (cpu->pid)
        dk_out_table_cell(out, "%u", cpu->pid);
    else
        dk_out_table_cell(out, "%s", "");
    dk_out_table_cell(out, "%s", dk_or_empty(cpu->missing));
}

void dk_info_cpus(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"index", "CPU", DK_CELL_RIGHT, TRUE}, {"pc", "PC", DK_CELL_RIGHT, FALSE},
        {"sp", "SP", DK_CELL_RIGHT, FALSE},    {"cr3", "CR3", DK_CELL_RIGHT, FALSE},
        {"pid", "PID", DK_CELL_RIGHT, TRUE},   {"missing", "", DK_CELL_LEFT, FALSE},
    };
    const GPtrArray *cpus = list->subject->system.cpus;
    dk_info_begin(list, "CPUs", cpus->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "cpus");
    for (guint i = 0; i < dk_info_rows(list, cpus->len); i++)
        cpu_row(list, g_ptr_array_index(cpus, i));
    dk_out_end(list->out);
    dk_info_end(list, cpus->len, "--threads");
}

/* --- RAM --- */

static void ram_row(const DkInfoList *list, const DkRamRange *range)
{
    DkOut *out = list->out;
    DkCoverage coverage = dk_coverage_of(list->source->space, range->first, range->last);
    if (dk_out_is_json(out)) {
        dk_out_begin_object(out, NULL);
        dk_info_json_range(out, range->first, range->last);
        dk_info_json_size(out, "size", coverage.size);
        dk_info_json_size(out, "present", coverage.present);
        dk_info_json_size(out, "zero", coverage.zero);
        dk_out_end(out);
        return;
    }
    g_autofree char *size = dk_size_text(coverage.size);
    g_autofree char *present = dk_size_text(coverage.present);
    g_autofree char *zero = dk_size_text(coverage.zero);
    dk_info_range_cell(out, range->first, range->last);
    dk_out_table_cell(out, "%s", size);
    dk_out_table_cell(out, "%s",
                      coverage.present == coverage.size ? "all"
                      : coverage.present                ? present
                                                        : "none");
    dk_out_table_cell(out, "%s", coverage.zero ? zero : "");
}

void dk_info_ram(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"range", "PHYSICAL RANGE", DK_CELL_LEFT, FALSE},
        {"size", "SIZE", DK_CELL_RIGHT, FALSE},
        {"present", "PRESENT", DK_CELL_RIGHT, FALSE},
        {"zero", "ZERO", DK_CELL_RIGHT, FALSE},
    };
    const GArray *ram = list->subject->system.ram;
    dk_info_begin(list, "RAM", ram->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "ram");
    for (guint i = 0; i < dk_info_rows(list, ram->len); i++)
        ram_row(list, &g_array_index(ram, DkRamRange, i));
    dk_out_end(list->out);
    dk_info_end(list, ram->len, "--maps");
}
