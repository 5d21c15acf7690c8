/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The symbols of a module: .symtab of the file or its debug file, else .dynsym; and those that a
 * linkage table should have.
 */
#include <string.h>

#include "sym/demangle.h"
#include "sym/elf/elf-file.h"

struct DkElfNames {
    GArray *symbols;     /* of Entry until sorted, then of DkSymbol */
    GStringChunk *chunk; /* names that no file lends */
};

/* A symbol with what only sorting needs. */
typedef struct {
    DkSymbol symbol;
    guint8 binding; /* 0 is best */
    guint8 underscores;
} Entry;

void dk_elf_names_free(DkElfNames *names)
{
    g_array_unref(names->symbols);
    g_string_chunk_free(names->chunk);
    g_free(names);
}

static gint compare(gconstpointer first, gconstpointer second)
{
    const Entry *a = first;
    const Entry *b = second;
    if (a->symbol.rva != b->symbol.rva)
        return a->symbol.rva < b->symbol.rva ? -1 : 1;
    if (a->binding != b->binding)
        return a->binding < b->binding ? -1 : 1;
    if (a->symbol.is_function != b->symbol.is_function)
        return a->symbol.is_function ? -1 : 1;
    if (!a->symbol.size != !b->symbol.size)
        return a->symbol.size ? -1 : 1;
    if (a->underscores != b->underscores)
        return a->underscores < b->underscores ? -1 : 1;
    return strcmp(a->symbol.name, b->symbol.name);
}

static gboolean is_wanted(const DkElfFile *file, const char *name, const GElf_Sym *sym,
                          GElf_Word section)
{
    int type = GELF_ST_TYPE(sym->st_info);
    if (!name || !*name || section == SHN_UNDEF || section == SHN_ABS || section == SHN_COMMON)
        return FALSE;
    if (type != STT_NOTYPE && type != STT_OBJECT && type != STT_FUNC && type != STT_GNU_IFUNC)
        return FALSE;
    /* Mapping symbols of the AArch64 ELF ABI, section 5.5.4. */
    gboolean mapping = file->arch && file->arch->machine == DK_MACHINE_ARM64 && name[0] == '$';
    return !mapping;
}

static gboolean in_code(Elf *elf, GElf_Word section)
{
    GElf_Shdr header;
    Elf_Scn *scn = elf ? elf_getscn(elf, section) : NULL;
    return scn && gelf_getshdr(scn, &header) && (header.sh_flags & SHF_EXECINSTR);
}

static void add(const DkElfFile *file, DkElfNames *names, int index)
{
    GElf_Sym sym;
    GElf_Addr vaddr;
    GElf_Word section;
    Elf *elf;
    Dwarf_Addr bias;
    const char *name = dwfl_module_getsym_info(file->module, index, &sym, &vaddr, &section, &elf,
                                               &bias);
    if (!is_wanted(file, name, &sym, section) || vaddr < file->low_vaddr)
        return;
    int type = GELF_ST_TYPE(sym.st_info);
    int binding = GELF_ST_BIND(sym.st_info);
    g_autofree char *plain = dk_demangle(name);
    Entry entry = {
        .symbol = {.name = plain ? g_string_chunk_insert_const(names->chunk, plain) : name,
                   .rva = vaddr - file->low_vaddr,
                   .size = sym.st_size,
                   .is_function = type == STT_FUNC || type == STT_GNU_IFUNC ||
                                  (type == STT_NOTYPE && in_code(elf, section)),
                   .is_global = binding != STB_LOCAL},
        .binding = binding == STB_LOCAL  ? 2
                   : binding == STB_WEAK ? 1
                                         : 0,
        .underscores = (guint8)MIN(strspn(name, "_"), 255),
    };
    g_array_append_val(names->symbols, entry);
}

typedef struct {
    const DkElfFile *file;
    DkElfNames *names;
    Dwarf_Addr bias;
} Stubs;

static void add_stub(const char *name, guint64 vaddr, guint64 size, gpointer context)
{
    Stubs *stubs = context;
    vaddr += stubs->bias;
    if (vaddr < stubs->file->low_vaddr)
        return;
    Entry entry = {
        .symbol = {.name = g_string_chunk_insert_const(stubs->names->chunk, name),
                   .rva = vaddr - stubs->file->low_vaddr,
                   .size = size,
                   .is_function = TRUE},
        .binding = 3,
        .underscores = name[0] == '.' ? 255 : 0,
    };
    g_array_append_val(stubs->names->symbols, entry);
}

static DkElfNames *names_new(const DkElfFile *file)
{
    DkElfNames *names = g_new0(DkElfNames, 1);
    names->chunk = g_string_chunk_new(4096);
    names->symbols = g_array_new(FALSE, FALSE, sizeof(Entry));
    int count = dwfl_module_getsymtab(file->module);
    for (int i = 1; i < count; i++)
        add(file, names, i);
    Stubs stubs = {.file = file, .names = names};
    dk_elf_plt_foreach(dwfl_module_getelf(file->module, &stubs.bias), add_stub, &stubs);
    g_array_sort(names->symbols, compare);

    GArray *sorted = g_array_sized_new(FALSE, FALSE, sizeof(DkSymbol), MAX(names->symbols->len, 1));
    for (guint i = 0; i < names->symbols->len; i++) {
        const DkSymbol *symbol = &g_array_index(names->symbols, Entry, i).symbol;
        const DkSymbol *last = sorted->len ? &g_array_index(sorted, DkSymbol, sorted->len - 1)
                                           : NULL;
        /* .gnu_debugdata and versions repeat names. */
        if (last && last->rva == symbol->rva && strcmp(last->name, symbol->name) == 0)
            continue;
        g_array_append_val(sorted, *symbol);
    }
    g_array_unref(names->symbols);
    names->symbols = sorted;
    return names;
}

const DkSymbol *dk_elf_symbols(DkSymFile *base, gsize *count)
{
    DkElfFile *file = (DkElfFile *)base;
    if (!file->names)
        file->names = names_new(file);
    *count = file->names->symbols->len;
    return (const DkSymbol *)(void *)file->names->symbols->data;
}
