/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A module that is only in memory: its headers, build-id and soname, the image that is made again
 * of it, and what elfutils makes of that: symbols, types, lines, unwind rules, a stack.
 */
#include <stdint.h>
#include <string.h>

#include "unwind/unwind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BASE_VA 0x7f0000000000
#define BASE_VA_32 0x56000000

typedef struct {
    DkSpace base;
    guint64 first;
    const guint8 *data;
    gsize len;
} InputSpace;

static gsize input_read(DkSpace *base, guint64 addr, void *buf, gsize len)
{
    InputSpace *space = (InputSpace *)base;
    if (addr < space->first || addr - space->first >= space->len)
        return 0;
    gsize got = MIN(len, space->len - (addr - space->first));
    memcpy(buf, space->data + (addr - space->first), got);
    return got;
}

static gboolean input_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    InputSpace *space = (InputSpace *)base;
    guint64 last = space->first + space->len - 1;
    *run = (DkRun){MAX(from, space->first), last, DK_RUN_DATA};
    return space->len && from <= last;
}

static void input_destroy(DkSpace *base)
{
    g_free(base);
}

static const DkSpaceOps input_ops = {
    .name = "input", .read = input_read, .next_run = input_next_run, .destroy = input_destroy};

typedef struct {
    DkUnwindHost host;
    DkSymFile *file;
    const DkModule *module;
} InputHost;

static const DkCfiRow *input_cfi(DkUnwindHost *base, guint64 pc_va, guint64 *base_va)
{
    InputHost *host = (InputHost *)base;
    *base_va = host->module->first;
    return pc_va >= host->module->first && pc_va <= host->module->last
               ? host->file->ops->cfi(host->file, pc_va - host->module->first)
               : NULL;
}

static gboolean input_is_code(DkUnwindHost *base, guint64 pc_va)
{
    InputHost *host = (InputHost *)base;
    return pc_va >= host->module->first && pc_va <= host->module->last;
}

static gboolean ignore_type(const DkType *type, gpointer data)
{
    g_free(dk_type_describe(type));
    return ++*(guint *)data < 1000;
}

static void use(DkSymFile *file, const DkSubject *subject, const DkModule *module, DkSpace *space)
{
    gsize count;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    for (gsize i = 1; i < count; i++)
        g_assert(symbols[i - 1].rva <= symbols[i].rva);
    guint seen = 0;
    file->ops->foreach_type(file, ignore_type, &seen);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(DkLine));
    InputHost host = {.host = {.arch = dk_arch_for(subject->machine),
                               .space = space,
                               .cfi = input_cfi,
                               .is_code = input_is_code},
                      .file = file,
                      .module = module};
    for (gsize i = 0; i < MIN(count, 16); i++) {
        DkLine line;
        guint64 rva = symbols[i].rva;
        if (file->ops->line(file, rva, &line))
            g_assert(line.file);
        file->ops->inlines(file, rva, names, calls);
        g_assert(dk_symfile_by_name(file, symbols[i].name));
        DkRegs regs = {.valid = 0};
        for (guint r = 0; r < 33; r++)
            dk_regs_set(&regs, r, module->first + 8 * r);
        dk_regs_set(&regs, host.host.arch->pc, module->first + rva);
        g_autofree char *why = NULL;
        g_autoptr(GArray) frames = dk_unwind(&host.host, &regs, 64, &why);
        g_assert(frames->len >= 1 && frames->len <= 64);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gboolean small = size > 4 && data[4] == 1;
    g_autoptr(DkSubject) subject = dk_subject_new();
    subject->os = DK_OS_LINUX;
    subject->machine = small                           ? DK_MACHINE_X86
                       : size > 18 && data[18] == 0xb7 ? DK_MACHINE_ARM64
                                                       : DK_MACHINE_X86_64;
    InputSpace *space = g_new0(InputSpace, 1);
    dk_space_init(&space->base, &input_ops);
    g_autoptr(DkSpace) owned = &space->base;
    space->first = small ? BASE_VA_32 : BASE_VA;
    space->data = data;
    space->len = size;
    DkModule *module = dk_subject_add_module(subject, space->first, space->first + 0xfffff);
    dk_elf_identify_modules(subject, owned);
    if (module->path && module->path[0] == '/') /* no file of this machine */
        g_clear_pointer(&module->path, g_free);
    const DkSymOptions options = {.debug_path = "/nowhere"};
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSymFile) file = dk_symstore_open(subject, module, owned, &options, &error);
    if (file)
        use(file, subject, module, owned);
    return 0;
}
