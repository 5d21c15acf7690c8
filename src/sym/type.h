/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types as the symbols of a program describe them, neutral of where they come from (DWARF, PDB,
 * BTF).  Types belong to the symbol file that made them and live as long as it.
 */
#pragma once

#include <glib.h>

typedef enum {
    DK_TYPE_VOID,
    DK_TYPE_INT, /* signed or unsigned, see is_signed */
    DK_TYPE_BOOL,
    DK_TYPE_CHAR,
    DK_TYPE_FLOAT,
    DK_TYPE_POINTER,
    DK_TYPE_ARRAY,
    DK_TYPE_STRUCT,
    DK_TYPE_UNION,
    DK_TYPE_CLASS,
    DK_TYPE_ENUM,
    DK_TYPE_TYPEDEF,
    DK_TYPE_FUNCTION,
    DK_TYPE_QUALIFIED, /* const, volatile: see base */
} DkTypeKind;

typedef struct DkType DkType;

typedef struct {
    const char *name; /* NULL for an unnamed union or struct, or a base class */
    guint64 offset;   /* bytes from the start of the whole */
    guint bit_offset; /* within the storage unit at offset, from its lowest bit */
    guint bit_size;   /* 0 when it is no bit field */
    const DkType *type;
} DkMember;

typedef struct {
    const char *name;
    gint64 value;
} DkEnumerator;

struct DkType {
    DkTypeKind kind;
    const char *name; /* NULL for an unnamed one; "const", "volatile", ... of a qualified one */
    guint64 size;     /* bytes; 0 when not known */
    gboolean is_signed;
    const DkType *base; /* pointed to, element, underlying or qualified type; NULL for void */
    guint64 count;      /* elements of an array; 0 when open */
    const DkMember *members;
    guint nmembers;
    const DkEnumerator *enumerators;
    guint nenumerators;
};

/* The type without typedefs and qualifiers. */
const DkType *dk_type_strip(const DkType *type);

/* "struct list_head *", "int[4]", ...: the type as C writes it.  Free with g_free(). */
char *dk_type_describe(const DkType *type);
