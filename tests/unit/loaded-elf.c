/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loaded-elf.h"

#include <elf.h>
#include <string.h>

#include "arch/arch.h"

typedef struct {
    DkSpace base;
    guint64 first;
    gsize len;
    guint8 *data;
    guint8 *there; /* a byte for each byte */
} ImageSpace;

static gsize image_read(DkSpace *base, guint64 addr, void *buf, gsize len)
{
    ImageSpace *space = (ImageSpace *)base;
    gsize done = 0;
    while (done < len && addr + done - space->first < space->len &&
           space->there[addr + done - space->first]) {
        ((guint8 *)buf)[done] = space->data[addr + done - space->first];
        done++;
    }
    return done;
}

static gboolean image_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    ImageSpace *space = (ImageSpace *)base;
    guint64 va = MAX(from, space->first);
    while (va - space->first < space->len && !space->there[va - space->first])
        va++;
    if (va - space->first >= space->len)
        return FALSE;
    run->first = va;
    while (va - space->first < space->len && space->there[va - space->first])
        va++;
    run->last = va - 1;
    run->kind = DK_RUN_DATA;
    return TRUE;
}

static void image_destroy(DkSpace *base)
{
    ImageSpace *space = (ImageSpace *)base;
    g_free(space->data);
    g_free(space->there);
    g_free(space);
}

static const DkSpaceOps image_ops = {
    .name = "image", .read = image_read, .next_run = image_next_run, .destroy = image_destroy};

void loaded_elf_init(LoadedElf *elf, const char *path, guint64 base_va)
{
    g_autofree char *content = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &content, &len, NULL));
    const Elf64_Ehdr *header = (const void *)content;
    g_assert_cmpint(header->e_ident[EI_CLASS], ==, ELFCLASS64);
    const Elf64_Phdr *segments = (const void *)(content + header->e_phoff);
    guint64 low = G_MAXUINT64;
    guint64 high = 0;
    for (guint i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type != PT_LOAD)
            continue;
        low = MIN(low, segments[i].p_vaddr & ~0xfffull);
        high = MAX(high, (segments[i].p_vaddr + segments[i].p_memsz + 0xfff) & ~0xfffull);
    }
    guint64 first = base_va ? base_va : low;
    ImageSpace *space = g_new0(ImageSpace, 1);
    dk_space_init(&space->base, &image_ops);
    space->first = first;
    space->len = high - low;
    space->data = g_malloc0(space->len);
    space->there = g_malloc0(space->len);
    elf->space = &space->base;
    elf->subject = dk_subject_new();
    elf->subject->os = DK_OS_LINUX;
    elf->subject->machine = header->e_machine == EM_AARCH64 ? DK_MACHINE_ARM64 : DK_MACHINE_X86_64;
    for (guint i = 0; i < header->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments[i];
        if (segment->p_type != PT_LOAD)
            continue;
        guint64 at = segment->p_vaddr - low;
        guint64 page = at & ~0xfffull;
        guint64 end = (at + segment->p_memsz + 0xfff) & ~0xfffull;
        memcpy(space->data + at, content + segment->p_offset, segment->p_filesz);
        memset(space->there + page, 1, end - page);
        DkMapping *mapping = dk_subject_add_mapping(elf->subject, first + page, first + end - 1);
        mapping->path = g_strdup(path);
        mapping->file_offset = segment->p_offset & ~0xfffull;
        mapping->flags = segment->p_flags & PF_X ? DK_MAP_EXEC | DK_MAP_READ : DK_MAP_READ;
    }
    elf->module = dk_subject_add_module(elf->subject, first, first + space->len - 1);
    elf->module->path = g_strdup(path);
    dk_subject_sort(elf->subject);
    dk_elf_identify_modules(elf->subject, elf->space);
}

void loaded_elf_clear(LoadedElf *elf)
{
    dk_space_unref(elf->space);
    dk_subject_free(elf->subject);
}

void loaded_elf_forget(LoadedElf *elf, guint64 first_rva, guint64 len)
{
    ImageSpace *space = (ImageSpace *)elf->space;
    memset(space->there + first_rva, 0, MIN(len, space->len - first_rva));
}
