/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arch/arch.h"

#include <string.h>

extern const DkArch dk_arch_x86;
extern const DkArch dk_arch_x86_64;
extern const DkArch dk_arch_arm64;

static const DkArch *const arches[] = {&dk_arch_x86, &dk_arch_x86_64, &dk_arch_arm64};

const DkArch *dk_arch_for(DkMachineId machine)
{
    for (guint i = 0; i < G_N_ELEMENTS(arches); i++) {
        if (arches[i]->machine == machine)
            return arches[i];
    }
    return NULL;
}

/* The little-endian integer of 4 or 8 bytes at off. */
static guint64 load(const guint8 *data, guint off, guint size)
{
    if (size == 4) {
        guint32 value;
        memcpy(&value, data + off, sizeof value);
        return GUINT32_FROM_LE(value);
    }
    guint64 value;
    memcpy(&value, data + off, sizeof value);
    return GUINT64_FROM_LE(value);
}

gboolean dk_arch_regs_from_general(const DkArch *arch, GBytes *general, DkRegs *regs)
{
    gsize len = 0;
    const guint8 *data = general ? g_bytes_get_data(general, &len) : NULL;
    if (!data || len < arch->general_size)
        return FALSE;
    DkRegs found = {.valid = 0};
    for (guint i = 0; i < arch->nnames; i++) {
        const DkRegName *name = &arch->names[i];
        if (name->dwarf >= 0)
            dk_regs_set(&found, (guint)name->dwarf, load(data, name->off, name->size));
    }
    *regs = found;
    return TRUE;
}

static const DkRegName *full_by_name(const DkArch *arch, const char *name)
{
    for (guint i = 0; i < arch->nnames; i++) {
        if (g_ascii_strcasecmp(arch->names[i].name, name) == 0)
            return &arch->names[i];
    }
    return NULL;
}

gboolean dk_arch_reg_by_name(const DkArch *arch, GBytes *general, const char *name, guint64 *value)
{
    gsize len = 0;
    const guint8 *data = general ? g_bytes_get_data(general, &len) : NULL;
    if (!data || len < arch->general_size)
        return FALSE;
    const DkRegName *full = full_by_name(arch, name);
    if (full) {
        *value = load(data, full->off, full->size);
        return TRUE;
    }
    for (guint i = 0; i < arch->nparts; i++) {
        const DkRegPart *part = &arch->parts[i];
        if (g_ascii_strcasecmp(part->name, name) != 0)
            continue;
        full = full_by_name(arch, part->of);
        g_assert(full);
        guint64 mask = part->bits == 64 ? G_MAXUINT64 : ((guint64)1 << part->bits) - 1;
        *value = load(data, full->off, full->size) >> part->shift & mask;
        return TRUE;
    }
    return FALSE;
}
