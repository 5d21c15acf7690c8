/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "self-process.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* process_vm_readv() on oneself: checks addresses as /proc/self/mem does, without its rights. */
static gsize self_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    struct iovec to = {buf, len};
    struct iovec from = {(void *)(guintptr)addr, len};
    ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    if (got == (ssize_t)len)
        return len;
    /* Parts of an area that cannot be read fail as a whole: go by pages. */
    gsize done = 0;
    while (done < len) {
        gsize piece = MIN(4096 - (addr + done) % 4096, len - done);
        struct iovec page_to = {(char *)buf + done, piece};
        struct iovec page_from = {(void *)(guintptr)(addr + done), piece};
        if (process_vm_readv(getpid(), &page_to, 1, &page_from, 1, 0) != (ssize_t)piece)
            break;
        done += piece;
    }
    return done;
}

static gboolean self_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    *run = (DkRun){from, G_MAXUINT64, DK_RUN_DATA};
    return TRUE;
}

static void self_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps self_ops = {
    .name = "self", .read = self_read, .next_run = self_next_run, .destroy = self_destroy};

DkSpace *self_space_new(void)
{
    DkSpace *space = g_new0(DkSpace, 1);
    dk_space_init(space, &self_ops);
    return space;
}

static void add_mapping(DkSubject *subject, const char *line)
{
    guint64 first;
    guint64 end;
    guint64 offset;
    char flags[5];
    char path[512] = "";
    if (sscanf(line,
               "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s %" G_GINT64_MODIFIER
               "x %*s %*s %511[^\n]",
               &first, &end, flags, &offset, path) < 4)
        return;
    DkMapping *mapping = dk_subject_add_mapping(subject, first, end - 1);
    mapping->file_offset = offset;
    mapping->path = *path ? g_strdup(path) : NULL;
    mapping->flags |= flags[0] == 'r' ? DK_MAP_READ : 0;
    mapping->flags |= flags[2] == 'x' ? DK_MAP_EXEC : 0;
}

static void add_modules(DkSubject *subject, DkSpace *space)
{
    DkModule *module = NULL;
    for (guint i = 0; i < subject->process.mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
        char magic[4];
        if (mapping->path && module && g_str_equal(module->path, mapping->path)) {
            module->last = mapping->last;
        } else if (mapping->path && !mapping->file_offset &&
                   dk_space_read(space, mapping->first, magic, 4) == 4 &&
                   memcmp(magic, "\177ELF", 4) == 0) {
            module = dk_subject_add_module(subject, mapping->first, mapping->last);
            module->path = g_strdup(mapping->path);
        }
    }
}

DkSubject *self_subject_new(DkSpace *space)
{
    DkSubject *subject = dk_subject_new();
    subject->os = DK_OS_LINUX;
#if defined(__x86_64__)
    subject->machine = DK_MACHINE_X86_64;
#elif defined(__aarch64__)
    subject->machine = DK_MACHINE_ARM64;
#endif
    g_autofree char *maps = NULL;
    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(maps, "\n", 0);
    for (guint i = 0; lines[i]; i++)
        add_mapping(subject, lines[i]);
    dk_subject_sort(subject);
    add_modules(subject, space);
    dk_elf_identify_modules(subject, space);
    return subject;
}

DkModule *self_module(DkSubject *subject, const char *name)
{
    for (guint i = 0; i < subject->process.modules->len; i++) {
        DkModule *module = g_ptr_array_index(subject->process.modules, i);
        if (module->path && g_str_has_suffix(module->path, name))
            return module;
    }
    return NULL;
}

DkSymFile *self_symbols(SelfHost *host, guint64 va, guint64 *rva)
{
    const DkModule *module = dk_subject_module_at(host->subject, va);
    if (!module)
        return NULL;
    if (!g_hash_table_contains(host->symbols, module)) {
        DkSymFile *file = dk_symstore_open(host->subject, module, host->host.space, host->options,
                                           NULL);
        g_hash_table_insert(host->symbols, (gpointer)module, file);
    }
    *rva = va - module->first;
    return g_hash_table_lookup(host->symbols, module);
}

static const DkCfiRow *host_cfi(DkUnwindHost *base, guint64 pc_va, guint64 *base_va)
{
    SelfHost *host = (SelfHost *)base;
    guint64 rva;
    DkSymFile *file = host->no_cfi ? NULL : self_symbols(host, pc_va, &rva);
    if (!file)
        return NULL;
    *base_va = pc_va - rva;
    return file->ops->cfi(file, rva);
}

static gboolean host_is_code(DkUnwindHost *base, guint64 pc_va)
{
    SelfHost *host = (SelfHost *)base;
    const DkMapping *mapping = dk_subject_mapping_at(host->subject, pc_va);
    return mapping && (mapping->flags & DK_MAP_EXEC);
}

static void close_symbols(gpointer file)
{
    dk_symfile_close(file);
}

void self_host_init(SelfHost *host, DkSubject *subject, DkSpace *space)
{
    *host = (SelfHost){.host = {.arch = dk_arch_for(subject->machine),
                                .space = space,
                                .cfi = host_cfi,
                                .is_code = host_is_code},
                       .subject = subject,
                       .symbols = g_hash_table_new_full(NULL, NULL, NULL, close_symbols)};
}

void self_host_clear(SelfHost *host)
{
    g_hash_table_unref(host->symbols);
}

const char *self_frame_name(SelfHost *host, const DkFrame *frame)
{
    guint64 rva;
    DkSymFile *file = self_symbols(host, frame->pc_va, &rva);
    if (!file)
        return "?";
    const DkSymbol *symbol = dk_symfile_at(file, frame->exact_pc ? rva : rva - 1);
    return symbol ? symbol->name : "?";
}
