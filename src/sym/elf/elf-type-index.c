/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dwarf.h>
#include <string.h>

#include "sym/elf/elf-types.h"

gboolean dk_dwarf_reference(Dwarf_Die *die, unsigned int attribute, Dwarf_Die *target)
{
    Dwarf_Attribute memory;
    Dwarf_Attribute *found = dwarf_attr_integrate(die, attribute, &memory);
    return found && dwarf_formref_die(found, target) != NULL;
}

gboolean dk_dwarf_has_flag(Dwarf_Die *die, unsigned int attribute)
{
    Dwarf_Attribute memory;
    bool value = false;
    Dwarf_Attribute *found = dwarf_attr(die, attribute, &memory);
    return found && dwarf_formflag(found, &value) == 0 && value;
}

static gboolean is_tagged(int tag)
{
    return tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type ||
           tag == DW_TAG_enumeration_type;
}

const char *dk_dwarf_index_name(const DkDwarfIndex *index, Dwarf_Die *die)
{
    const char *name = g_hash_table_lookup(index->qualified, die->addr);
    return name ? name : dwarf_diename(die);
}

static void add(DkDwarfIndex *index, GHashTable *table, const char *name, Dwarf_Die *die)
{
    Dwarf_Die *kept = g_memdup2(die, sizeof *die);
    g_ptr_array_add(index->dies, kept);
    g_hash_table_insert(table, (gpointer)name, kept);
}

typedef struct {
    DkDwarfIndex *index;
    guint64 dies;
    gboolean nested_types; /* of a language that has them */
} Walk;

static void index_variable(DkDwarfIndex *index, const char *name, Dwarf_Die *die)
{
    Dwarf_Die type;
    if (!dk_dwarf_reference(die, DW_AT_type, &type))
        return;
    gboolean placed = dwarf_hasattr(die, DW_AT_location) || dwarf_hasattr(die, DW_AT_const_value);
    if (placed || !g_hash_table_contains(index->variables, name)) {
        Dwarf_Die *known = g_hash_table_lookup(index->variables, name);
        if (!known || !dwarf_hasattr(known, DW_AT_location))
            add(index, index->variables, name, die);
    }
}

static void index_die(Walk *walk, Dwarf_Die *die, int tag, const char *name)
{
    DkDwarfIndex *index = walk->index;
    if (tag == DW_TAG_variable) {
        index_variable(index, name, die);
    } else if (is_tagged(tag)) {
        if (!dk_dwarf_has_flag(die, DW_AT_declaration) &&
            !g_hash_table_contains(index->tagged, name))
            add(index, index->tagged, name, die);
    } else if (!g_hash_table_contains(index->plain, name)) {
        add(index, index->plain, name, die);
    }
}

static void index_children(Walk *walk, Dwarf_Die *parent, const char *prefix, guint level)
{
    Dwarf_Die die;
    if (level > DK_DWARF_DEPTH_MAX || dwarf_child(parent, &die) != 0)
        return;
    do {
        if (walk->dies++ >= DK_DWARF_DIES_MAX)
            return;
        int tag = dwarf_tag(&die);
        gboolean space = tag == DW_TAG_namespace;
        gboolean tagged = is_tagged(tag);
        if (!space && !tagged && tag != DW_TAG_typedef && tag != DW_TAG_base_type &&
            tag != DW_TAG_variable)
            continue;
        const char *name = dwarf_diename(&die);
        if (!name && !space)
            continue;
        if (prefix && name && tag != DW_TAG_base_type) {
            g_autofree char *full = g_strconcat(prefix, "::", name, NULL);
            name = g_string_chunk_insert_const(walk->index->chunk, full);
            g_hash_table_insert(walk->index->qualified, die.addr, (gpointer)name);
        }
        if (!space)
            index_die(walk, &die, tag, name);
        gboolean inside = tagged && walk->nested_types && tag != DW_TAG_enumeration_type;
        if (space || inside)
            index_children(walk, &die, name ? name : prefix, level + 1);
    } while (dwarf_siblingof(&die, &die) == 0);
}

static gboolean has_nested_types(Dwarf_Die *unit)
{
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
    case DW_LANG_Mips_Assembler:
        return FALSE;
    default:
        return TRUE;
    }
}

static void index_dwarf(DkDwarfIndex *index, Dwarf *dwarf)
{
    Walk walk = {.index = index};
    Dwarf_CU *unit = NULL;
    for (guint i = 0; i < DK_DWARF_UNITS_MAX; i++) {
        guint8 type;
        Dwarf_Die die;
        Dwarf_Die split;
        if (dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, &split) != 0)
            break;
        if (type == DW_UT_skeleton && split.cu)
            die = split;
        walk.nested_types = has_nested_types(&die);
        index_children(&walk, &die, NULL, 0);
    }
}

DkDwarfIndex *dk_dwarf_index_new(Dwarf *dwarf)
{
    DkDwarfIndex *index = g_new0(DkDwarfIndex, 1);
    index->tagged = g_hash_table_new(g_str_hash, g_str_equal);
    index->plain = g_hash_table_new(g_str_hash, g_str_equal);
    index->variables = g_hash_table_new(g_str_hash, g_str_equal);
    index->qualified = g_hash_table_new(g_direct_hash, g_direct_equal);
    index->dies = g_ptr_array_new_with_free_func(g_free);
    index->chunk = g_string_chunk_new(4096);
    if (dwarf) {
        index_dwarf(index, dwarf);
        Dwarf *alt = dwarf_getalt(dwarf);
        if (alt)
            index_dwarf(index, alt);
    }
    return index;
}

void dk_dwarf_index_free(DkDwarfIndex *index)
{
    g_hash_table_unref(index->tagged);
    g_hash_table_unref(index->plain);
    g_hash_table_unref(index->variables);
    g_hash_table_unref(index->qualified);
    g_ptr_array_unref(index->dies);
    g_string_chunk_free(index->chunk);
    g_free(index);
}

const Dwarf_Die *dk_dwarf_index_definition(const DkDwarfIndex *index, Dwarf_Die *die)
{
    const char *name = dk_dwarf_index_name(index, die);
    Dwarf_Die *found = name ? g_hash_table_lookup(index->tagged, name) : NULL;
    if (!found)
        return NULL;
    /* C++ lets class and struct stand for each other. */
    int wanted = dwarf_tag(die);
    int tag = dwarf_tag(found);
    gboolean record = (wanted == DW_TAG_structure_type || wanted == DW_TAG_class_type) &&
                      (tag == DW_TAG_structure_type || tag == DW_TAG_class_type);
    return record || wanted == tag ? found : NULL;
}
