/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names for the stubs of the procedure linkage table of x86-64, which have no symbols.  A stub
 * jumps through a slot of the global offset table, and a relocation says whose address the slot
 * holds (System V ABI, AMD64 supplement, sections 5.2 and 13.2).
 */
#include <string.h>

#include "sym/demangle.h"
#include "sym/elf/elf-file.h"

#define RELOCATIONS_MAX (1 << 20)

/* Adds what the relocations of one section say: slot -> name, which elf lends. */
static void read_slots(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, GHashTable *slots)
{
    GElf_Shdr symtab;
    Elf_Scn *symbols = elf_getscn(elf, header->sh_link);
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Data *names = symbols ? elf_getdata(symbols, NULL) : NULL;
    if (!data || !names || !gelf_getshdr(symbols, &symtab) || symtab.sh_type != SHT_DYNSYM)
        return;
    GElf_Rela rela;
    for (int i = 0; i < RELOCATIONS_MAX && gelf_getrela(data, i, &rela); i++) {
        GElf_Sym sym;
        guint type = (guint)GELF_R_TYPE(rela.r_info);
        if ((type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) ||
            !gelf_getsym(names, (int)GELF_R_SYM(rela.r_info), &sym))
            continue;
        const char *name = elf_strptr(elf, symtab.sh_link, sym.st_name);
        if (name && *name)
            g_hash_table_insert(slots, g_memdup2(&rela.r_offset, sizeof rela.r_offset),
                                (gpointer)name);
    }
}

/* [endbr64] [bnd] jmp *slot(%rip): the slot's vaddr; FALSE for other code. */
static gboolean decode_stub(const guint8 *code, gsize len, guint64 vaddr, guint64 *slot)
{
    static const guint8 endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    gsize at = len >= 4 && memcmp(code, endbr64, 4) == 0 ? 4 : 0;
    at += at < len && code[at] == 0xf2;
    if (len - at < 6 || code[at] != 0xff || code[at + 1] != 0x25)
        return FALSE;
    gint32 distance;
    memcpy(&distance, code + at + 2, sizeof distance);
    *slot = vaddr + at + 6 + (guint64)(gint64)GINT32_FROM_LE(distance);
    return TRUE;
}

static void name_stubs(Elf_Scn *section, const GElf_Shdr *header, GHashTable *slots,
                       DkElfPltEach each, gpointer context)
{
    Elf_Data *data = elf_getdata(section, NULL);
    gsize step = header->sh_entsize == 8 ? 8 : 16, size = data && data->d_buf ? data->d_size : 0;
    for (gsize at = 0; at < size; at += step) {
        guint64 slot;
        gsize len = MIN(step, size - at);
        if (!decode_stub((const guint8 *)data->d_buf + at, len, header->sh_addr + at, &slot))
            continue;
        const char *name = g_hash_table_lookup(slots, &slot);
        g_autofree char *plain = name ? dk_demangle(name) : NULL;
        g_autofree char *full = name ? g_strconcat(plain ? plain : name, "@plt", NULL) : NULL;
        if (full)
            each(full, header->sh_addr + at, len, context);
    }
}

void dk_elf_plt_foreach(Elf *elf, DkElfPltEach each, gpointer context)
{
    GElf_Ehdr ehdr;
    GElf_Shdr header;
    size_t strings;
    if (!elf || !gelf_getehdr(elf, &ehdr) || ehdr.e_machine != EM_X86_64 ||
        elf_getshdrstrndx(elf, &strings) != 0)
        return;
    g_autoptr(GHashTable) slots = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
            read_slots(elf, section, &header, slots);
    }
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section));) {
        const char *name = gelf_getshdr(section, &header) && header.sh_type == SHT_PROGBITS
                               ? elf_strptr(elf, strings, header.sh_name)
                               : NULL;
        if (!name || (strcmp(name, ".plt") != 0 && !g_str_has_prefix(name, ".plt.")))
            continue;
        /* What of it is no stub with a name; else it would seem to belong to what stands before. */
        each(name, header.sh_addr, header.sh_size, context);
        name_stubs(section, &header, slots, each, context);
    }
}
