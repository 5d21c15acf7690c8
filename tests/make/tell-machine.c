/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells what a machine dump says, for comparison with the machine itself.
 *
 *   tell-machine DUMP MEMORY SIZE
 *
 * Writes the first SIZE bytes of physical memory to the file MEMORY (what is absent is 0xcc), and
 * prints a line for each CPU: its number, then NAME=VALUE (hexadecimal) for what is known.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "arch/arch.h"
#include "format/registry.h"
#include "io/input.h"

#define STEP (1u << 20)

static gboolean write_memory(DkSpace *space, const char *path, guint64 size)
{
    FILE *file = fopen(path, "wb");
    g_autofree guint8 *piece = g_malloc(STEP);
    gboolean good = file != NULL;
    for (guint64 pa = 0; good && pa < size; pa += STEP) {
        gsize want = (gsize)MIN(STEP, size - pa);
        memset(piece, 0xcc, STEP);
        for (gsize done = 0; done < want; done += 4096) {
            if (dk_space_read(space, pa + done, piece + done, 4096) != 4096) {
                memset(piece + done, 0xcc, 4096);
            }
        }
        good = fwrite(piece, 1, want, file) == want;
    }
    return file && fclose(file) == 0 && good;
}

static void tell(const char *name, guint64 value)
{
    printf(" %s=%" G_GINT64_MODIFIER "x", name, value);
}

static guint64 load(const guint8 *bytes, gsize off, gsize size)
{
    guint64 value = 0;
    memcpy(&value, bytes + off, size);
    return GUINT64_FROM_LE(value);
}

static void tell_fxsave(const guint8 *area)
{
    tell("fcw", load(area, 0, 2));
    tell("fsw", load(area, 2, 2));
    tell("mxcsr", load(area, 24, 4));
    for (guint i = 0; i < 16; i++) {
        g_autofree char *name = g_strdup_printf("xmm%02u", i);
        printf(" %s=%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x", name,
               load(area, 168 + 16 * i, 8), load(area, 160 + 16 * i, 8));
    }
}

static void tell_cpu(const DkCpu *cpu, DkMachineId machine)
{
    static const char *const names[] = {"es", "cs",  "ss", "ds",  "fs",
                                        "gs", "ldt", "tr", "gdt", "idt"};
    const DkArch *arch = dk_arch_for(machine);
    printf("cpu %u", cpu->index);
    for (guint i = 0; cpu->regs[DK_REGSET_GENERAL] && i < arch->nnames; i++) {
        guint64 value = 0;
        if (dk_arch_reg_by_name(arch, cpu->regs[DK_REGSET_GENERAL], arch->names[i].name, &value)) {
            tell(arch->names[i].name, value);
        }
    }
    for (guint i = 0; i < DK_SEG_COUNT; i++) {
        printf(" %s_sel=%x %s_base=%" G_GINT64_MODIFIER "x %s_limit=%x %s_flags=%x", names[i],
               cpu->seg[i].selector, names[i], cpu->seg[i].base, names[i], cpu->seg[i].limit,
               names[i], cpu->seg[i].flags);
    }
    tell("cr0", cpu->cr0);
    tell("cr2", cpu->cr2);
    tell("cr3", cpu->cr3);
    tell("cr4", cpu->cr4);
    tell("efer", cpu->efer);
    for (guint i = 0; i < 8; i++) {
        printf(" dr%u=%" G_GINT64_MODIFIER "x", i, cpu->dr[i]);
    }
    if (cpu->regs[DK_REGSET_FP]) {
        tell_fxsave(g_bytes_get_data(cpu->regs[DK_REGSET_FP], NULL));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (argc != 4) {
        fprintf(stderr, "usage: tell-machine DUMP MEMORY SIZE\n");
        return 2;
    }
    g_autoptr(DkInput) input = dk_input_open(argv[1], &error);
    g_autoptr(DkSource) source = input ? dk_format_open(input, NULL, &error) : NULL;
    if (!source || source->subject->kind != DK_SUBJECT_MACHINE) {
        fprintf(stderr, "tell-machine: %s\n", error ? error->message : "no machine");
        return 1;
    }
    if (!write_memory(source->space, argv[2], g_ascii_strtoull(argv[3], NULL, 0))) {
        fprintf(stderr, "tell-machine: %s cannot be written\n", argv[2]);
        return 1;
    }
    printf("machine %s complete %d gaps %u\n", source->subject->system.name,
           source->subject->origin.complete, source->subject->gaps->len);
    for (guint i = 0; i < source->subject->system.cpus->len; i++) {
        tell_cpu(source->subject->system.cpus->pdata[i], source->subject->machine);
    }
    return 0;
}
