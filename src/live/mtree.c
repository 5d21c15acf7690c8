/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/mtree.h"

#include <string.h>

#include "base/error.h"

#define PAGE 4096u
#define VIEW "FlatView #"
#define SPACE " AS \"memory\", root:"

/* A hexadecimal number and the text behind it. */
static gboolean take_hex(const char **at, guint64 *value)
{
    const char *start = *at;
    guint64 number = 0;
    for (; g_ascii_isxdigit(**at); (*at)++) {
        if (*at - start == 16)
            return FALSE;
        number = number << 4 | (guint64)g_ascii_xdigit_value(**at);
    }
    *value = number;
    return *at > start;
}

static gboolean take_text(const char **at, const char *text)
{
    if (!g_str_has_prefix(*at, text))
        return FALSE;
    *at += strlen(text);
    return TRUE;
}

/* The name ends where the offset or what QEMU adds of accelerators and owners begins. */
static char *take_name(const char *at, guint64 *offset)
{
    static const char *const ends[] = {" @", " KVM", " kvm", " HVF", " hvf", " owner:", " parent:"};
    gsize len = strlen(at);
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        const char *end = g_strstr_len(at, (gssize)len, ends[i]);
        if (end)
            len = (gsize)(end - at);
    }
    const char *behind = at + len;
    *offset = 0;
    if (take_text(&behind, " @") && !take_hex(&behind, offset))
        return NULL;
    return g_strndup(at, len);
}

/* NULL when the line is none of memory. */
static DkQemuRange *parse_line(const char *line)
{
    guint64 first;
    guint64 last;
    guint64 offset;
    while (*line == ' ')
        line++;
    if (!take_hex(&line, &first) || !take_text(&line, "-") || !take_hex(&line, &last) ||
        !take_text(&line, " (prio "))
        return NULL;
    const char *kind = strstr(line, ", ");
    const char *end = kind ? strstr(kind, "): ") : NULL;
    if (!end)
        return NULL;
    kind += strlen(", ");
    if (g_str_has_prefix(kind, "nv-"))
        kind += strlen("nv-");
    gsize len = (gsize)(end - kind);
    gboolean is_rom = len == 3 && strncmp(kind, "rom", 3) == 0;
    gboolean is_ram = len == 3 && strncmp(kind, "ram", 3) == 0;
    if ((!is_ram && !is_rom) || first > last || first % PAGE || last % PAGE != PAGE - 1)
        return NULL;
    g_autofree char *name = take_name(end + strlen("): "), &offset);
    if (!name || !*name || offset % PAGE || offset + (last - first) < offset)
        return NULL;
    DkQemuRange *range = g_new0(DkQemuRange, 1);
    range->first = first;
    range->last = last;
    range->offset = offset;
    range->rom = is_rom;
    range->block = g_steal_pointer(&name);
    return range;
}

static void range_free(DkQemuRange *range)
{
    g_free(range->block);
    g_free(range);
}

static gboolean add_range(GPtrArray *ranges, guint from, DkQemuRange *range, GError **error)
{
    DkQemuRange *before = ranges->len > from ? g_ptr_array_index(ranges, ranges->len - 1) : NULL;
    if (before && before->last >= range->first) {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                    "info mtree: %" G_GINT64_MODIFIER "x overlaps what stands before it",
                    range->first);
        return FALSE;
    }
    if (ranges->len >= DK_MTREE_RANGES_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "info mtree: more than %u ranges",
                    DK_MTREE_RANGES_MAX);
        return FALSE;
    }
    if (before && before->last + 1 == range->first && before->rom == range->rom &&
        before->offset + (before->last - before->first) + 1 == range->offset &&
        strcmp(before->block, range->block) == 0) {
        before->last = range->last;
        range_free(range);
    } else {
        g_ptr_array_add(ranges, range);
    }
    return TRUE;
}

gboolean dk_mtree_parse(const char *text, GPtrArray *ranges, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gboolean in_view = FALSE;
    guint from = ranges->len;
    for (guint i = 0; lines[i]; i++) {
        char *line = g_strchomp(lines[i]);
        if (g_str_has_prefix(line, VIEW)) {
            if (in_view)
                break;
        } else if (g_str_has_prefix(line, SPACE)) {
            in_view = TRUE;
        } else if (in_view) {
            DkQemuRange *range = parse_line(line);
            if (range && !add_range(ranges, from, range, error)) {
                range_free(range);
                return FALSE;
            }
        }
    }
    if (ranges->len > from)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                "info mtree: no memory in what QEMU shows of the address space \"memory\"");
    return FALSE;
}
