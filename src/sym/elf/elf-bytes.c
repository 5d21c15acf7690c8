/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the file of a module holds of its memory: dumps often leave out code and constants, since
 * they are in the file.
 */
#include <string.h>

#include "sym/elf/elf-file.h"

/* TRUE when the section around vaddr has no bytes in the file, as in one made by strip -g. */
static gboolean is_stripped(Elf *elf, guint64 vaddr)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_ALLOC) &&
            header.sh_type == SHT_NOBITS && vaddr >= header.sh_addr &&
            vaddr - header.sh_addr < header.sh_size)
            return TRUE;
    }
    return FALSE;
}

/* The segment that has vaddr in the file and is not writable. */
static gboolean find_segment(Elf *elf, guint64 vaddr, GElf_Phdr *found)
{
    size_t count = 0;
    if (elf_getphdrnum(elf, &count) != 0)
        return FALSE;
    for (size_t i = 0; i < count && i < DK_ELF_SEGMENTS_MAX; i++) {
        if (gelf_getphdr(elf, (int)i, found) && found->p_type == PT_LOAD &&
            !(found->p_flags & PF_W) && vaddr >= found->p_vaddr &&
            vaddr - found->p_vaddr < found->p_filesz)
            return TRUE;
    }
    return FALSE;
}

gsize dk_elf_bytes(DkSymFile *base, guint64 rva, void *buf, gsize len)
{
    const DkElfFile *file = (DkElfFile *)base;
    GElf_Addr bias;
    GElf_Phdr segment;
    size_t size = 0;
    Elf *elf = file->from_disk && rva < file->size ? dwfl_module_getelf(file->module, &bias) : NULL;
    guint64 vaddr = rva + file->low_vaddr;
    if (!elf || !find_segment(elf, vaddr, &segment) || is_stripped(elf, vaddr))
        return 0;
    const char *data = elf_rawfile(elf, &size);
    guint64 into = vaddr - segment.p_vaddr;
    if (!data || segment.p_offset > size || into >= size - segment.p_offset)
        return 0;
    guint64 there = MIN(segment.p_filesz - into, size - segment.p_offset - into);
    there = MIN(there, file->size - rva);
    gsize done = (gsize)MIN(there, len);
    memcpy(buf, data + segment.p_offset + into, done);
    return done;
}
