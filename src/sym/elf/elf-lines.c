/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Source lines and inlined functions.  A compilation unit is found by .debug_aranges, else by an
 * index of the units' own ranges, since not every compiler writes the former.
 */
#include <dwarf.h>
#include <string.h>

#include "base/bisect.h"
#include "sym/demangle.h"
#include "sym/elf/elf-file.h"

/* Limits for hostile DWARF. */
#define UNITS_MAX 1000000  /* compilation units that are indexed */
#define RANGES_MAX 4000000 /* address ranges of all of them */
#define DEPTH_MAX 64       /* of nested scopes */
#define DIES_MAX 2000000   /* entries looked at for one address */
#define CACHE_MAX 65536    /* addresses that are remembered */

typedef struct {
    guint64 first; /* vaddrs */
    guint64 end;
    Dwarf_Die unit;
} UnitRange;

/* What is inlined at an address. */
typedef struct {
    GPtrArray *names; /* of const char * */
    GArray *calls;    /* of DkLine */
} Inlines;

struct DkElfLines {
    GArray *ranges;      /* of UnitRange, sorted; NULL until it is needed */
    GHashTable *inlines; /* guint64 * -> Inlines * */
    GStringChunk *chunk;
};

static void inlines_free(gpointer data)
{
    Inlines *inlines = data;
    g_ptr_array_unref(inlines->names);
    g_array_unref(inlines->calls);
    g_free(inlines);
}

static DkElfLines *lines_get(DkElfFile *file)
{
    if (!file->lines) {
        file->lines = g_new0(DkElfLines, 1);
        file->lines->inlines = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free,
                                                     inlines_free);
        file->lines->chunk = g_string_chunk_new(1024);
    }
    return file->lines;
}

void dk_elf_lines_free(DkElfLines *lines)
{
    g_clear_pointer(&lines->ranges, g_array_unref);
    g_hash_table_unref(lines->inlines);
    g_string_chunk_free(lines->chunk);
    g_free(lines);
}

static gint compare_ranges(gconstpointer first, gconstpointer second)
{
    const UnitRange *a = first;
    const UnitRange *b = second;
    return a->first < b->first ? -1 : a->first > b->first;
}

static GArray *index_units(Dwarf *dwarf, Dwarf_Addr bias)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(UnitRange));
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    Dwarf_Die split;
    guint8 type;
    for (guint i = 0; i < UNITS_MAX && ranges->len < RANGES_MAX; i++) {
        if (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, &split) != 0)
            break;
        Dwarf_Addr low;
        Dwarf_Addr high;
        Dwarf_Addr base_address;
        ptrdiff_t next = 0;
        while (ranges->len < RANGES_MAX &&
               (next = dwarf_ranges(&die, next, &base_address, &low, &high)) > 0) {
            UnitRange range = {low + bias, high + bias, type == DW_UT_skeleton ? split : die};
            if (low < high && range.unit.cu)
                g_array_append_val(ranges, range);
        }
    }
    g_array_sort(ranges, compare_ranges);
    return ranges;
}

static gboolean range_begins(gconstpointer data, gsize index, guint64 vaddr)
{
    const GArray *ranges = data;
    return g_array_index(ranges, UnitRange, index).first <= vaddr;
}

/* The compilation unit of vaddr; *bias is what its addresses lack of vaddrs. */
static gboolean find_unit(DkElfFile *file, guint64 vaddr, Dwarf_Die *unit, Dwarf_Addr *bias)
{
    Dwarf *dwarf = dwfl_module_getdwarf(file->module, bias);
    if (!dwarf)
        return FALSE;
    Dwarf_Die *found = dwfl_module_addrdie(file->module, vaddr, bias);
    if (found) {
        *unit = *found;
        return TRUE;
    }
    DkElfLines *lines = lines_get(file);
    if (!lines->ranges)
        lines->ranges = index_units(dwarf, *bias);
    gsize low = dk_bisect(lines->ranges->len, range_begins, lines->ranges, vaddr);
    if (!low || vaddr >= g_array_index(lines->ranges, UnitRange, low - 1).end)
        return FALSE;
    *unit = g_array_index(lines->ranges, UnitRange, low - 1).unit;
    return TRUE;
}

/*
 * The path of a source file: names in DWARF may be relative to where the compiler ran.  A relative
 * folder of the compiler says nothing, as the "./nptl" of Debian's libc.
 */
static const char *full_path(DkElfFile *file, Dwarf_Die *unit, const char *name)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *found = name[0] == '/' ? NULL
                                            : dwarf_attr_integrate(unit, DW_AT_comp_dir, &memory);
    const char *dir = found ? dwarf_formstring(found) : NULL;
    if (!dir || dir[0] != '/')
        return name;
    g_autofree char *path = g_strconcat(dir, "/", name, NULL);
    return g_string_chunk_insert_const(lines_get(file)->chunk, path);
}

gboolean dk_elf_line(DkSymFile *base, guint64 rva, DkLine *line)
{
    DkElfFile *file = (DkElfFile *)base;
    Dwarf_Die unit;
    Dwarf_Addr bias;
    guint64 vaddr = rva + file->low_vaddr;
    if (!find_unit(file, vaddr, &unit, &bias))
        return FALSE;
    Dwarf_Line *found = dwarf_getsrc_die(&unit, vaddr - bias);
    const char *name = found ? dwarf_linesrc(found, NULL, NULL) : NULL;
    int number = 0;
    int column = 0;
    bool ends = false;
    if (!name || dwarf_lineno(found, &number) != 0 || number <= 0 ||
        (dwarf_lineendsequence(found, &ends) == 0 && ends))
        return FALSE;
    if (dwarf_linecol(found, &column) != 0 || column < 0)
        column = 0;
    *line = (DkLine){
        .file = full_path(file, &unit, name), .line = (guint)number, .column = (guint)column};
    return TRUE;
}

static gboolean is_scope(int tag)
{
    switch (tag) {
    case DW_TAG_subprogram:
    case DW_TAG_inlined_subroutine:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        return TRUE;
    default:
        return FALSE;
    }
}

/* Scopes without addresses of their own in which functions may stand. */
static gboolean is_container(int tag)
{
    return tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type ||
           tag == DW_TAG_module || tag == DW_TAG_union_type;
}

typedef struct {
    Dwarf_Addr pc;
    guint dies; /* looked at so far */
    guint depth;
    Dwarf_Die path[DEPTH_MAX]; /* scopes around pc, outermost first */
} ScopeWalk;

/* Goes down from parent to the innermost scope around pc; TRUE when there is one. */
static gboolean walk_scopes(ScopeWalk *walk, Dwarf_Die *parent, guint level)
{
    Dwarf_Die die;
    if (level >= DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return FALSE;
    do {
        if (walk->dies++ >= DIES_MAX)
            return FALSE;
        int tag = dwarf_tag(&die);
        if (is_container(tag)) {
            if (walk_scopes(walk, &die, level + 1))
                return TRUE;
        } else if (is_scope(tag) && dwarf_haspc(&die, walk->pc) > 0) {
            if (walk->depth < DEPTH_MAX)
                walk->path[walk->depth++] = die;
            walk_scopes(walk, &die, level + 1);
            return TRUE;
        }
    } while (dwarf_siblingof(&die, &die) == 0);
    return FALSE;
}

static const char *function_name(DkElfLines *lines, Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *linkage = dwarf_attr_integrate(die, DW_AT_linkage_name, &memory);
    if (!linkage)
        linkage = dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &memory);
    const char *mangled = linkage ? dwarf_formstring(linkage) : NULL;
    g_autofree char *plain = mangled ? dk_demangle(mangled) : NULL;
    if (plain)
        return g_string_chunk_insert_const(lines->chunk, plain);
    const char *name = dwarf_diename(die);
    return name ? name : mangled;
}

static guint number_of(Dwarf_Die *die, unsigned int attribute)
{
    Dwarf_Attribute memory;
    Dwarf_Word value;
    Dwarf_Attribute *found = dwarf_attr(die, attribute, &memory);
    return found && dwarf_formudata(found, &value) == 0 && value <= G_MAXUINT ? (guint)value : 0;
}

static Inlines *find_inlines(DkElfFile *file, guint64 vaddr)
{
    Inlines *inlines = g_new0(Inlines, 1);
    inlines->names = g_ptr_array_new();
    inlines->calls = g_array_new(FALSE, FALSE, sizeof(DkLine));
    Dwarf_Die unit;
    Dwarf_Addr bias;
    if (!find_unit(file, vaddr, &unit, &bias))
        return inlines;
    g_autofree ScopeWalk *walk = g_new0(ScopeWalk, 1);
    walk->pc = vaddr - bias;
    walk_scopes(walk, &unit, 0);
    Dwarf_Files *files = NULL;
    size_t nfiles = 0;
    for (guint i = walk->depth; i-- > 0;) {
        Dwarf_Die *die = &walk->path[i];
        if (dwarf_tag(die) != DW_TAG_inlined_subroutine)
            continue;
        const char *name = function_name(lines_get(file), die);
        if (!files && dwarf_getsrcfiles(&unit, &files, &nfiles) != 0)
            files = NULL;
        guint number = number_of(die, DW_AT_call_file);
        const char *path = files && number < nfiles ? dwarf_filesrc(files, number, NULL, NULL)
                                                    : NULL;
        DkLine call = {path ? full_path(file, &unit, path) : "", number_of(die, DW_AT_call_line),
                       number_of(die, DW_AT_call_column)};
        g_ptr_array_add(inlines->names, (gpointer)(name ? name : "<inlined>"));
        g_array_append_val(inlines->calls, call);
    }
    return inlines;
}

void dk_elf_inlines(DkSymFile *base, guint64 rva, GPtrArray *names, GArray *calls)
{
    DkElfFile *file = (DkElfFile *)base;
    DkElfLines *lines = lines_get(file);
    Inlines *inlines = g_hash_table_lookup(lines->inlines, &rva);
    if (!inlines) {
        inlines = find_inlines(file, rva + file->low_vaddr);
        if (g_hash_table_size(lines->inlines) >= CACHE_MAX)
            g_hash_table_remove_all(lines->inlines);
        g_hash_table_insert(lines->inlines, g_memdup2(&rva, sizeof rva), inlines);
    }
    for (guint i = 0; i < inlines->names->len; i++) {
        g_ptr_array_add(names, g_ptr_array_index(inlines->names, i));
        g_array_append_val(calls, g_array_index(inlines->calls, DkLine, i));
    }
}
