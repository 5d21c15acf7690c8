/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/windows/nt.h"

#include <string.h>

#include "base/error.h"
#include "target/windows/nt-offsets.h"

struct DkNt {
    DkNtParts parts;
    guint64 *prcbs;
};

const char *dk_nt_origin_name(DkNtOrigin origin)
{
    static const char *const names[] = {
        [DK_NT_FROM_SYMBOLS] = "symbols", [DK_NT_FROM_EXPORTS] = "exports",
        [DK_NT_FROM_KDBG] = "KDBG",       [DK_NT_FROM_HEADER] = "dump header",
        [DK_NT_FROM_TABLE] = "table",
    };
    return names[origin];
}

DkNt *dk_nt_new(const DkNtParts *parts)
{
    DkNt *nt = g_new0(DkNt, 1);
    nt->parts = *parts;
    nt->prcbs = g_memdup2(parts->prcbs, parts->nprcbs * sizeof *parts->prcbs);
    nt->parts.prcbs = nt->prcbs;
    if (parts->phys)
        dk_space_ref(parts->phys);
    dk_space_ref(parts->space);
    if (parts->kdbg)
        g_bytes_ref(parts->kdbg);
    return nt;
}

void dk_nt_free(DkNt *nt)
{
    if (!nt)
        return;
    if (nt->parts.phys)
        dk_space_unref(nt->parts.phys);
    dk_space_unref(nt->parts.space);
    if (nt->parts.kdbg)
        g_bytes_unref(nt->parts.kdbg);
    g_free(nt->prcbs);
    g_free(nt);
}

const DkNtParts *dk_nt_parts(const DkNt *nt)
{
    return &nt->parts;
}

DkSpace *dk_nt_space(const DkNt *nt)
{
    return nt->parts.space;
}

guint dk_nt_pointer_size(const DkNt *nt)
{
    return dk_machine_pointer_size(nt->parts.machine);
}

/* Variables whose addresses KDDEBUGGER_DATA64 tells; offsets as the facts have them, 2.5 and 4.6.
 */
static gboolean kdbg_symbol(const DkNt *nt, const char *name, guint64 *va)
{
    static const struct {
        const char *name;
        guint off;
    } known[] = {
        {"PsLoadedModuleList", 0x48},
        {"PsActiveProcessHead", 0x50},
        {"PspCidTable", 0x58},
        {"KiBugCheckData", 0x88},
        {"ObpRootDirectoryObject", 0x98},
        {"MmPfnDatabase", 0xc0},
        {"PoolTrackTable", 0x1b8},
        {"NtBuildLab", 0x208},
        {"KiProcessorBlock", 0x218},
        {"MmUnloadedDrivers", 0x220},
        {"MmLastUnloadedDriver", 0x228},
        {"MmSpecialPoolTag", 0x238},
        {"MmPhysicalMemoryBlock", 0x270},
        {"KeLoaderBlock", 0x2d8},
    };
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_str_equal(known[i].name, name))
            return dk_nt_kdbg(nt, known[i].off, 8, va) && *va;
    }
    return FALSE;
}

gboolean dk_nt_symbol(DkNt *nt, const char *name, guint64 *va, DkNtOrigin *origin, GError **error)
{
    DkSymFile *const files[] = {nt->parts.symbols, nt->parts.exports};
    static const DkNtOrigin origins[] = {DK_NT_FROM_SYMBOLS, DK_NT_FROM_EXPORTS};
    DkNtOrigin found = DK_NT_FROM_KDBG;
    guint64 at = 0;
    for (guint i = 0; !at && i < G_N_ELEMENTS(files); i++) {
        const DkSymbol *symbol = files[i] ? dk_symfile_by_name(files[i], name) : NULL;
        if (symbol) {
            at = nt->parts.base_va + symbol->rva;
            found = origins[i];
        }
    }
    if (!at && !kdbg_symbol(nt, name, &at)) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "where nt!%s is cannot be told: %s", name,
                    nt->parts.symbols ? "the kernel's symbols do not have it"
                                      : "the kernel's symbols are not at hand (see \"dumpkit "
                                        "symbols\")");
        return FALSE;
    }
    *va = at;
    if (origin)
        *origin = found;
    return TRUE;
}

/* The member called name of type, in unnamed members too; adds its offset to *offset. */
static const DkMember *find_member(const DkType *type, const char *name, gsize len, guint depth,
                                   guint64 *offset)
{
    type = dk_type_strip(type);
    if (!type || depth > 8)
        return NULL;
    for (guint i = 0; i < type->nmembers; i++) {
        const DkMember *member = &type->members[i];
        guint64 inner = 0;
        if (member->name && *member->name) {
            if (strlen(member->name) == len && memcmp(member->name, name, len) == 0) {
                *offset += member->offset;
                return member;
            }
            continue;
        }
        const DkMember *found = find_member(member->type, name, len, depth + 1, &inner);
        if (found) {
            *offset += member->offset + inner;
            return found;
        }
    }
    return NULL;
}

static gboolean symbol_member(const DkNt *nt, const char *type_name, const char *path,
                              DkNtMember *member)
{
    DkSymFile *file = nt->parts.symbols;
    const DkType *type = file && file->ops->type ? file->ops->type(file, type_name) : NULL;
    const DkMember *found = NULL;
    guint64 offset = 0;
    while (type && *path) {
        gsize len = strcspn(path, ".");
        found = find_member(type, path, len, 0, &offset);
        if (!found)
            return FALSE;
        type = found->type;
        path += len + (path[len] == '.');
    }
    if (!found)
        return FALSE;
    const DkType *plain = dk_type_strip(found->type);
    *member = (DkNtMember){
        .offset = offset,
        .size = plain ? plain->size : 0,
        .bit_offset = found->bit_offset,
        .bit_size = found->bit_size,
        .count = plain && plain->kind == DK_TYPE_ARRAY ? plain->count : 1,
        .type = found->type,
        .origin = DK_NT_FROM_SYMBOLS,
    };
    return TRUE;
}

static gboolean look_up_member(DkNt *nt, const char *type, const char *path, DkNtMember *member)
{
    if (symbol_member(nt, type, path, member))
        return TRUE;
    return nt->parts.machine == DK_MACHINE_X86_64 &&
           dk_nt_offsets_member(nt->parts.build, type, path, member);
}

gboolean dk_nt_member(DkNt *nt, const char *type, const char *path, DkNtMember *member,
                      GError **error)
{
    if (look_up_member(nt, type, path, member))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "where %s.%s is cannot be told: %s", type,
                path,
                nt->parts.symbols ? "the kernel's symbols do not have it"
                                  : "the kernel's symbols are not at hand, and no table of its "
                                    "build has it");
    return FALSE;
}

gboolean dk_nt_has_member(DkNt *nt, const char *type, const char *path)
{
    DkNtMember member;
    return look_up_member(nt, type, path, &member);
}

gboolean dk_nt_size(DkNt *nt, const char *type, guint64 *size, DkNtOrigin *origin, GError **error)
{
    DkSymFile *file = nt->parts.symbols;
    const DkType *found = file && file->ops->type ? file->ops->type(file, type) : NULL;
    DkNtOrigin from = DK_NT_FROM_SYMBOLS;
    if (found && found->size) {
        *size = found->size;
    } else if (nt->parts.machine == DK_MACHINE_X86_64 &&
               dk_nt_offsets_size(nt->parts.build, type, size)) {
        from = DK_NT_FROM_TABLE;
    } else {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "the size of %s cannot be told", type);
        return FALSE;
    }
    if (origin)
        *origin = from;
    return TRUE;
}

gboolean dk_nt_read_int(DkNt *nt, guint64 va, guint size, guint64 *value, GError **error)
{
    guint8 raw[8];
    g_assert(size <= sizeof raw);
    if (!dk_space_read_all(nt->parts.space, va, raw, size, error))
        return FALSE;
    guint64 sum = 0;
    for (guint i = size; i > 0; i--)
        sum = sum << 8 | raw[i - 1];
    *value = sum;
    return TRUE;
}

gboolean dk_nt_read_pointer(DkNt *nt, guint64 va, guint64 *value, GError **error)
{
    return dk_nt_read_int(nt, va, dk_nt_pointer_size(nt), value, error);
}

gboolean dk_nt_read_member(DkNt *nt, guint64 va, const char *type, const char *path, guint64 *value,
                           GError **error)
{
    DkNtMember member;
    guint64 unit;
    if (!dk_nt_member(nt, type, path, &member, error))
        return FALSE;
    if (member.size != 1 && member.size != 2 && member.size != 4 && member.size != 8) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s.%s is no integer: %" G_GUINT64_FORMAT " bytes", type, path, member.size);
        return FALSE;
    }
    if (!dk_nt_read_int(nt, va + member.offset, (guint)member.size, &unit, error)) {
        g_prefix_error(error, "%s.%s: ", type, path);
        return FALSE;
    }
    if (member.bit_size && member.bit_size < 64)
        unit = unit >> member.bit_offset & (((guint64)1 << member.bit_size) - 1);
    *value = unit;
    return TRUE;
}

gboolean dk_nt_read_variable(DkNt *nt, const char *name, guint size, guint64 *value, GError **error)
{
    guint64 va;
    if (!dk_nt_symbol(nt, name, &va, NULL, error))
        return FALSE;
    if (dk_nt_read_int(nt, va, size ? size : dk_nt_pointer_size(nt), value, error))
        return TRUE;
    g_prefix_error(error, "nt!%s: ", name);
    return FALSE;
}

char *dk_nt_read_unicode(DkNt *nt, guint64 va, GError **error)
{
    guint64 bytes, buffer_va;
    guint pointer = dk_nt_pointer_size(nt);
    if (!dk_nt_read_int(nt, va, 2, &bytes, error) ||
        !dk_nt_read_pointer(nt, va + pointer, &buffer_va, error))
        return NULL;
    gsize units = MIN(bytes / 2, DK_NT_STRING_MAX);
    g_autofree gunichar2 *text = g_new0(gunichar2, units + 1);
    if (units && !dk_space_read_all(nt->parts.space, buffer_va, text, units * 2, error))
        return NULL;
    GString *out = g_string_new(NULL);
    for (gsize i = 0; i < units; i++) {
        gunichar c = GUINT16_FROM_LE(text[i]);
        if (c >= 0xd800 && c <= 0xdfff)
            c = 0xfffd;
        if (c)
            g_string_append_unichar(out, c);
    }
    return g_string_free(out, FALSE);
}

gboolean dk_nt_kdbg(const DkNt *nt, guint off, guint size, guint64 *value)
{
    gsize len = 0;
    const guint8 *raw = nt->parts.kdbg ? g_bytes_get_data(nt->parts.kdbg, &len) : NULL;
    g_assert(size <= 8);
    if (!raw || off > len || size > len - off)
        return FALSE;
    guint64 sum = 0;
    for (guint i = size; i > 0; i--)
        sum = sum << 8 | raw[off + i - 1];
    *value = sum;
    return TRUE;
}

gboolean dk_nt_walk_list(DkNt *nt, guint64 head_va, guint64 offset, guint max,
                         gboolean (*each)(guint64 va, gpointer data), gpointer data, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    guint64 link_va, at = head_va;
    for (;;) {
        if (!dk_nt_read_pointer(nt, at, &link_va, error)) {
            g_prefix_error(error, "list at 0x%" G_GINT64_MODIFIER "x: ", head_va);
            return FALSE;
        }
        if (link_va == head_va)
            return TRUE;
        if (!g_hash_table_add(seen, g_memdup2(&link_va, sizeof link_va))) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "list at 0x%" G_GINT64_MODIFIER "x: goes round at 0x%" G_GINT64_MODIFIER
                        "x without coming back to its head",
                        head_va, link_va);
            return FALSE;
        }
        if (g_hash_table_size(seen) > max) {
            g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                        "list at 0x%" G_GINT64_MODIFIER "x: more than %u entries", head_va, max);
            return FALSE;
        }
        if (!each(link_va - offset, data))
            return TRUE;
        at = link_va;
    }
}
