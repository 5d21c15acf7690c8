/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types from DWARF in two steps: an index of all names, made once (elf-type-index.c), and DkTypes,
 * made when they are asked for together with all that they refer to (elf-types.c).
 */
#pragma once

#include <elfutils/libdw.h>
#include <glib.h>

#include "sym/type.h"

/* Limits for hostile DWARF. */
#define DK_DWARF_UNITS_MAX 1000000
#define DK_DWARF_DIES_MAX 100000000 /* entries that the index looks at */
#define DK_DWARF_DEPTH_MAX 32       /* of nested namespaces and classes */
#define DK_DWARF_TYPES_MAX 4000000  /* types of one module */
#define DK_DWARF_MEMBERS_MAX 100000 /* members or enumerators of one type */
#define DK_DWARF_DIMENSIONS_MAX 16

/* Names to the entries (Dwarf_Die *, owned by dies) that define them. */
typedef struct {
    GHashTable *tagged;    /* struct, union, class, enum */
    GHashTable *plain;     /* typedefs and base types */
    GHashTable *variables; /* with a place in memory before those without */
    GHashTable *qualified; /* DIE address -> "space::name", of those inside of something */
    GPtrArray *dies;
    GStringChunk *chunk;
} DkDwarfIndex;

/* dwarf may be NULL: the index is empty. */
DkDwarfIndex *dk_dwarf_index_new(Dwarf *dwarf);
void dk_dwarf_index_free(DkDwarfIndex *index);

/* The complete type that the declaration die stands for, or NULL. */
const Dwarf_Die *dk_dwarf_index_definition(const DkDwarfIndex *index, Dwarf_Die *die);

/* "space::name", or the name alone; NULL for an unnamed one. */
const char *dk_dwarf_index_name(const DkDwarfIndex *index, Dwarf_Die *die);

/* The entry that attribute of die refers to; FALSE when there is none. */
gboolean dk_dwarf_reference(Dwarf_Die *die, unsigned int attribute, Dwarf_Die *target);

gboolean dk_dwarf_has_flag(Dwarf_Die *die, unsigned int attribute);
