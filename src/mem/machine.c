/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/machine.h"

#include "base/size.h"

static void cpu_free(gpointer data)
{
    DkCpu *cpu = data;
    for (guint i = 0; i < DK_REGSET_COUNT; i++)
        g_clear_pointer(&cpu->regs[i], g_bytes_unref);
    g_free(cpu->missing);
    g_free(cpu);
}

void dk_machine_init(DkMachine *machine)
{
    machine->cpus = g_ptr_array_new_with_free_func(cpu_free);
    machine->ram = g_array_new(FALSE, FALSE, sizeof(DkRamRange));
    /* dk_subject_new() makes modules, whose elements are the subject's. */
}

void dk_machine_clear(DkMachine *machine)
{
    g_clear_pointer(&machine->name, g_free);
    g_clear_pointer(&machine->cpus, g_ptr_array_unref);
    g_clear_pointer(&machine->ram, g_array_unref);
    g_clear_pointer(&machine->vmcoreinfo, g_bytes_unref);
    g_clear_pointer(&machine->modules, g_ptr_array_unref);
    g_clear_pointer(&machine->secondary, dk_space_unref);
    g_clear_pointer(&machine->windows.exception.general, g_bytes_unref);
}

DkCpu *dk_machine_add_cpu(DkMachine *machine, guint32 index)
{
    DkCpu *cpu = g_new0(DkCpu, 1);
    cpu->index = index;
    g_ptr_array_add(machine->cpus, cpu);
    return cpu;
}

void dk_machine_add_ram(DkMachine *machine, guint64 first, guint64 last)
{
    g_assert(first <= last);
    if (machine->ram->len) {
        DkRamRange *tail = &g_array_index(machine->ram, DkRamRange, machine->ram->len - 1);
        g_assert(first > tail->last);
        if (tail->last + 1 == first) {
            tail->last = last;
            return;
        }
    }
    DkRamRange range = {first, last};
    g_array_append_val(machine->ram, range);
}

guint64 dk_machine_ram_size(const DkMachine *machine)
{
    guint64 sum = 0;
    for (guint i = 0; i < machine->ram->len; i++) {
        const DkRamRange *range = &g_array_index(machine->ram, DkRamRange, i);
        sum = dk_size_add(sum, dk_size_of_range(range->first, range->last));
    }
    return sum;
}
