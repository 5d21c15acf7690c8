/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/elf/elf-types.h"

#include <dwarf.h>
#include <string.h>

#include "sym/elf/elf-file.h"

/* How many typedefs and the like are looked through for a size. */
#define CHAIN_MAX 64

/* A type whose content is still to be read. */
typedef struct {
    DkType *type;
    Dwarf_Die die;
} Pending;

struct DkElfTypes {
    DkDwarfIndex *index;
    GHashTable *by_die; /* DIE address -> DkType * */
    GHashTable *same;   /* "tag name size line" -> DkType *: one type told in many units */
    GPtrArray *types;   /* of DkType *, all */
    GPtrArray *blocks;  /* members and enumerators */
    GArray *pending;    /* of Pending */
};

static DkElfTypes *types_get(DkElfFile *file)
{
    if (!file->types) {
        DkElfTypes *types = g_new0(DkElfTypes, 1);
        Dwarf_Addr bias;
        types->index = dk_dwarf_index_new(dwfl_module_getdwarf(file->module, &bias));
        types->by_die = g_hash_table_new(g_direct_hash, g_direct_equal);
        types->same = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        types->types = g_ptr_array_new_with_free_func(g_free);
        types->blocks = g_ptr_array_new_with_free_func(g_free);
        types->pending = g_array_new(FALSE, FALSE, sizeof(Pending));
        file->types = types;
    }
    return file->types;
}

void dk_elf_types_free(DkElfTypes *types)
{
    dk_dwarf_index_free(types->index);
    g_hash_table_unref(types->by_die);
    g_hash_table_unref(types->same);
    g_ptr_array_unref(types->types);
    g_ptr_array_unref(types->blocks);
    g_array_unref(types->pending);
    g_free(types);
}

static DkTypeKind kind_of(int tag)
{
    switch (tag) {
    case DW_TAG_base_type:
        return DK_TYPE_INT;
    case DW_TAG_pointer_type:
    case DW_TAG_reference_type:
    case DW_TAG_rvalue_reference_type:
    case DW_TAG_ptr_to_member_type:
        return DK_TYPE_POINTER;
    case DW_TAG_array_type:
        return DK_TYPE_ARRAY;
    case DW_TAG_structure_type:
        return DK_TYPE_STRUCT;
    case DW_TAG_union_type:
        return DK_TYPE_UNION;
    case DW_TAG_class_type:
        return DK_TYPE_CLASS;
    case DW_TAG_enumeration_type:
        return DK_TYPE_ENUM;
    case DW_TAG_typedef:
        return DK_TYPE_TYPEDEF;
    case DW_TAG_subroutine_type:
        return DK_TYPE_FUNCTION;
    case DW_TAG_const_type:
    case DW_TAG_volatile_type:
    case DW_TAG_restrict_type:
    case DW_TAG_atomic_type:
        return DK_TYPE_QUALIFIED;
    default:
        return DK_TYPE_VOID;
    }
}

static const char *qualifier(int tag)
{
    switch (tag) {
    case DW_TAG_volatile_type:
        return "volatile";
    case DW_TAG_restrict_type:
        return "restrict";
    case DW_TAG_atomic_type:
        return "_Atomic";
    default:
        return "const";
    }
}

static gboolean is_record(DkTypeKind kind)
{
    return kind == DK_TYPE_STRUCT || kind == DK_TYPE_UNION || kind == DK_TYPE_CLASS ||
           kind == DK_TYPE_ENUM;
}

static guint64 byte_size(Dwarf_Die *die)
{
    int size = dwarf_bytesize(die);
    return size > 0 ? (guint64)size : 0;
}

static DkType *new_type(DkElfTypes *types, DkTypeKind kind)
{
    DkType *type = g_new0(DkType, 1);
    type->kind = kind;
    g_ptr_array_add(types->types, type);
    return type;
}

/* The type made for an equal definition in another unit, or NULL; *key identifies it. */
static DkType *find_same(DkElfTypes *types, Dwarf_Die *die, const char *name, char **key)
{
    int line = 0;
    dwarf_decl_line(die, &line);
    *key = g_strdup_printf("%d %s %" G_GUINT64_FORMAT " %d", dwarf_tag(die), name, byte_size(die),
                           line);
    return g_hash_table_lookup(types->same, *key);
}

/* The type that die describes, made if need be; its content follows in fill_pending(). */
static DkType *type_for(DkElfTypes *types, const Dwarf_Die *entry)
{
    Dwarf_Die die = *entry;
    DkType *type = g_hash_table_lookup(types->by_die, die.addr);
    if (type || types->types->len >= DK_DWARF_TYPES_MAX)
        return type;
    gpointer address = die.addr;
    DkTypeKind kind = kind_of(dwarf_tag(&die));
    if (is_record(kind) && dk_dwarf_has_flag(&die, DW_AT_declaration)) {
        const Dwarf_Die *definition = dk_dwarf_index_definition(types->index, &die);
        if (definition)
            die = *definition;
        type = g_hash_table_lookup(types->by_die, die.addr);
    }
    const char *name = dk_dwarf_index_name(types->index, &die);
    g_autofree char *key = NULL;
    if (!type && name && is_record(kind))
        type = find_same(types, &die, name, &key);
    if (!type) {
        type = new_type(types, kind);
        type->name = kind == DK_TYPE_QUALIFIED ? qualifier(dwarf_tag(&die)) : name;
        Pending pending = {type, die};
        g_array_append_val(types->pending, pending);
        if (key)
            g_hash_table_insert(types->same, g_steal_pointer(&key), type);
    }
    g_hash_table_insert(types->by_die, die.addr, type);
    g_hash_table_insert(types->by_die, address, type);
    return type;
}

/* The type that an entry's DW_AT_type names; NULL for void. */
static DkType *base_of(DkElfTypes *types, Dwarf_Die *die)
{
    Dwarf_Die target;
    return dk_dwarf_reference(die, DW_AT_type, &target) ? type_for(types, &target) : NULL;
}

static void fill_base(DkType *type, Dwarf_Die *die)
{
    Dwarf_Attribute memory;
    Dwarf_Word encoding = 0;
    Dwarf_Attribute *found = dwarf_attr(die, DW_AT_encoding, &memory);
    if (found)
        dwarf_formudata(found, &encoding);
    switch (encoding) {
    case DW_ATE_boolean:
        type->kind = DK_TYPE_BOOL;
        break;
    case DW_ATE_float:
    case DW_ATE_complex_float:
    case DW_ATE_decimal_float:
        type->kind = DK_TYPE_FLOAT;
        break;
    case DW_ATE_signed_char:
        type->is_signed = TRUE;
        type->kind = DK_TYPE_CHAR;
        break;
    case DW_ATE_unsigned_char:
    case DW_ATE_UTF:
        type->kind = DK_TYPE_CHAR;
        break;
    case DW_ATE_signed:
        type->is_signed = TRUE;
        break;
    default:
        break;
    }
}

/* The bytes of a member's type as DWARF has it, through typedefs. */
static guint64 storage_size(Dwarf_Die *member)
{
    Dwarf_Die die = *member;
    for (guint i = 0; i < CHAIN_MAX; i++) {
        Dwarf_Die next;
        if (!dk_dwarf_reference(&die, DW_AT_type, &next))
            return 0;
        die = next;
        guint64 size = byte_size(&die);
        if (size)
            return size;
    }
    return 0;
}

static gboolean number_of(Dwarf_Die *die, unsigned int attribute, guint64 *value)
{
    Dwarf_Attribute memory;
    Dwarf_Word word;
    Dwarf_Attribute *found = dwarf_attr(die, attribute, &memory);
    if (!found || dwarf_formudata(found, &word) != 0)
        return FALSE;
    *value = word;
    return TRUE;
}

/* DW_AT_data_member_location as a number, or as the one expression that compilers write for it. */
static guint64 member_offset(Dwarf_Die *die)
{
    guint64 offset;
    if (number_of(die, DW_AT_data_member_location, &offset))
        return offset;
    Dwarf_Attribute memory;
    Dwarf_Attribute *found = dwarf_attr(die, DW_AT_data_member_location, &memory);
    Dwarf_Op *ops = NULL;
    size_t nops = 0;
    if (found && dwarf_getlocation(found, &ops, &nops) == 0 && nops == 1 &&
        ops[0].atom == DW_OP_plus_uconst)
        return ops[0].number;
    return 0;
}

/* Bit fields: DWARF 5, section 5.7.6, and the older form of DWARF 3, section 5.6.6. */
static void fill_bits(DkMember *member, Dwarf_Die *die)
{
    guint64 bits;
    if (!number_of(die, DW_AT_bit_size, &bits) || !bits || bits > 128)
        return;
    guint64 unit = storage_size(die);
    guint64 position;
    if (!unit || unit > 16)
        unit = 8;
    if (number_of(die, DW_AT_data_bit_offset, &position)) {
        member->offset = position / (8 * unit) * unit;
        position -= member->offset * 8;
        /* A packed one that crosses its storage unit is counted from its own first byte. */
        if (position + bits > 8 * unit) {
            member->offset += position / 8;
            position %= 8;
        }
    } else if (number_of(die, DW_AT_bit_offset, &position)) {
        guint64 size;
        if (number_of(die, DW_AT_byte_size, &size) && size && size <= 16)
            unit = size;
        /* Counted from the highest bit; it may lie outside, as a negative number. */
        position = unit * 8 - position - bits;
        if (position > unit * 8)
            return;
    } else {
        position = 0;
    }
    member->bit_offset = (guint)position;
    member->bit_size = (guint)bits;
}

static gpointer keep(DkElfTypes *types, GArray *array, guint *count)
{
    *count = array->len;
    gpointer block = g_array_free(array, FALSE);
    g_ptr_array_add(types->blocks, block);
    return block;
}

static void fill_record(DkElfTypes *types, DkType *type, Dwarf_Die *die)
{
    GArray *members = g_array_new(FALSE, FALSE, sizeof(DkMember));
    Dwarf_Die child;
    gboolean more = dwarf_child(die, &child) == 0;
    for (; more && members->len < DK_DWARF_MEMBERS_MAX;
         more = dwarf_siblingof(&child, &child) == 0) {
        int tag = dwarf_tag(&child);
        if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) ||
            dk_dwarf_has_flag(&child, DW_AT_declaration) ||
            dk_dwarf_has_flag(&child, DW_AT_external))
            continue;
        DkMember member = {.name = tag == DW_TAG_member ? dwarf_diename(&child) : NULL,
                           .offset = member_offset(&child),
                           .type = base_of(types, &child)};
        fill_bits(&member, &child);
        g_array_append_val(members, member);
    }
    type->members = keep(types, members, &type->nmembers);
}

static void fill_enum(DkElfTypes *types, DkType *type, Dwarf_Die *die)
{
    GArray *values = g_array_new(FALSE, FALSE, sizeof(DkEnumerator));
    Dwarf_Die child;
    gboolean more = dwarf_child(die, &child) == 0;
    for (; more && values->len < DK_DWARF_MEMBERS_MAX;
         more = dwarf_siblingof(&child, &child) == 0) {
        const char *name = dwarf_diename(&child);
        Dwarf_Attribute memory;
        Dwarf_Attribute *found = dwarf_attr(&child, DW_AT_const_value, &memory);
        Dwarf_Sword value = 0;
        if (dwarf_tag(&child) != DW_TAG_enumerator || !name || !found ||
            dwarf_formsdata(found, &value) != 0)
            continue;
        DkEnumerator enumerator = {name, value};
        /* The fixed forms do not say their sign; compilers keep them for unsigned values. */
        if (dwarf_whatform(found) == DW_FORM_data1)
            enumerator.value = (guint8)value;
        else if (dwarf_whatform(found) == DW_FORM_data2)
            enumerator.value = (guint16)value;
        else if (dwarf_whatform(found) == DW_FORM_data4)
            enumerator.value = (guint32)value;
        type->is_signed |= enumerator.value < 0;
        g_array_append_val(values, enumerator);
    }
    type->enumerators = keep(types, values, &type->nenumerators);
}

/* Each further dimension is an array type between this one and the element. */
static void fill_array(DkElfTypes *types, DkType *type, Dwarf_Die *die)
{
    DkType *element = base_of(types, die);
    DkType *dimension = NULL;
    guint dimensions = 0;
    Dwarf_Die child;
    gboolean more = dwarf_child(die, &child) == 0;
    for (; more && dimensions < DK_DWARF_DIMENSIONS_MAX;
         more = dwarf_siblingof(&child, &child) == 0) {
        if (dwarf_tag(&child) != DW_TAG_subrange_type)
            continue;
        guint64 count = 0;
        guint64 upper;
        if (!number_of(&child, DW_AT_count, &count) &&
            number_of(&child, DW_AT_upper_bound, &upper) && upper < G_MAXUINT64)
            count = upper + 1;
        DkType *next = dimensions++ ? new_type(types, DK_TYPE_ARRAY) : type;
        next->count = count;
        if (dimension)
            dimension->base = next;
        dimension = next;
    }
    (dimension ? dimension : type)->base = element;
}

static void fill(DkElfTypes *types, DkType *type, Dwarf_Die *die)
{
    type->size = byte_size(die);
    switch (type->kind) {
    case DK_TYPE_INT:
        fill_base(type, die);
        break;
    case DK_TYPE_POINTER:
        type->base = base_of(types, die);
        if (!type->size) {
            guint8 address_size = 8;
            Dwarf_Die unit;
            dwarf_diecu(die, &unit, &address_size, NULL);
            type->size = address_size;
        }
        break;
    case DK_TYPE_ARRAY:
        fill_array(types, type, die);
        break;
    case DK_TYPE_STRUCT:
    case DK_TYPE_UNION:
    case DK_TYPE_CLASS:
        fill_record(types, type, die);
        break;
    case DK_TYPE_ENUM:
        type->base = base_of(types, die);
        fill_enum(types, type, die);
        break;
    case DK_TYPE_TYPEDEF:
    case DK_TYPE_QUALIFIED:
    case DK_TYPE_FUNCTION:
        type->base = base_of(types, die);
        break;
    default:
        break;
    }
}

/* Sizes that DWARF leaves to be worked out; the chain may be a circle. */
static guint64 work_out_size(DkType *type, guint depth)
{
    if (type->size || depth > CHAIN_MAX || !type->base)
        return type->size;
    DkType *base = (DkType *)type->base;
    if (type->kind == DK_TYPE_TYPEDEF || type->kind == DK_TYPE_QUALIFIED ||
        type->kind == DK_TYPE_ENUM) {
        type->size = work_out_size(base, depth + 1);
    } else if (type->kind == DK_TYPE_ARRAY) {
        guint64 size = work_out_size(base, depth + 1);
        if (!g_uint64_checked_mul(&type->size, size, type->count))
            type->size = 0;
    }
    return type->size;
}

/* Reads what is pending, and what that refers to, until all is there. */
static const DkType *complete(DkElfTypes *types, DkType *type, guint known)
{
    for (guint i = 0; i < types->pending->len; i++) {
        Pending pending = g_array_index(types->pending, Pending, i);
        fill(types, pending.type, &pending.die);
    }
    g_array_set_size(types->pending, 0);
    for (guint i = known; i < types->types->len; i++)
        work_out_size(g_ptr_array_index(types->types, i), 0);
    return type;
}

static const DkType *make(DkElfTypes *types, const Dwarf_Die *die)
{
    guint known = types->types->len;
    return complete(types, type_for(types, die), known);
}

/* The same integer types under the names that gcc and clang give them. */
static const char *other_name(const char *name)
{
    static const char *const pairs[][2] = {
        {"short", "short int"},
        {"unsigned short", "short unsigned int"},
        {"unsigned", "unsigned int"},
        {"long", "long int"},
        {"unsigned long", "long unsigned int"},
        {"long long", "long long int"},
        {"unsigned long long", "long long unsigned int"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
        for (guint side = 0; side < 2; side++) {
            if (strcmp(name, pairs[i][side]) == 0)
                return pairs[i][!side];
        }
    }
    return NULL;
}

/* After "struct " and the like, or NULL. */
static const char *without_keyword(const char *name, int *tag)
{
    static const struct {
        const char *word;
        int tag;
    } keywords[] = {
        {"struct ", DW_TAG_structure_type},
        {"union ", DW_TAG_union_type},
        {"class ", DW_TAG_class_type},
        {"enum ", DW_TAG_enumeration_type},
    };
    for (guint i = 0; i < G_N_ELEMENTS(keywords); i++) {
        if (g_str_has_prefix(name, keywords[i].word)) {
            *tag = keywords[i].tag;
            return name + strlen(keywords[i].word);
        }
    }
    return NULL;
}

const DkType *dk_elf_type(DkSymFile *base, const char *name)
{
    DkElfTypes *types = types_get((DkElfFile *)base);
    int tag = 0;
    const char *bare = without_keyword(name, &tag);
    Dwarf_Die *die = NULL;
    if (bare) {
        die = g_hash_table_lookup(types->index->tagged, bare);
        if (die && dwarf_tag(die) != tag)
            die = NULL;
    } else {
        die = g_hash_table_lookup(types->index->plain, name);
        if (!die)
            die = g_hash_table_lookup(types->index->tagged, name);
        const char *other = die ? NULL : other_name(name);
        if (other)
            die = g_hash_table_lookup(types->index->plain, other);
    }
    return die ? make(types, die) : NULL;
}

const DkType *dk_elf_type_of(DkSymFile *base, const char *variable)
{
    DkElfTypes *types = types_get((DkElfFile *)base);
    Dwarf_Die *die = g_hash_table_lookup(types->index->variables, variable);
    Dwarf_Die type;
    return die && dk_dwarf_reference(die, DW_AT_type, &type) ? make(types, &type) : NULL;
}

static gint compare_names(gconstpointer first, gconstpointer second)
{
    return strcmp(*(const char *const *)first, *(const char *const *)second);
}

void dk_elf_foreach_type(DkSymFile *base, gboolean (*each)(const DkType *type, gpointer data),
                         gpointer data)
{
    DkElfTypes *types = types_get((DkElfFile *)base);
    GHashTable *tables[] = {types->index->tagged, types->index->plain};
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        guint count;
        g_autofree gpointer *names = g_hash_table_get_keys_as_array(tables[i], &count);
        qsort(names, count, sizeof *names, compare_names);
        for (guint n = 0; n < count; n++) {
            const DkType *type = make(types, g_hash_table_lookup(tables[i], names[n]));
            if (type && !each(type, data))
                return;
        }
    }
}
