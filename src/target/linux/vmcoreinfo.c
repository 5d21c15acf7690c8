/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/linux/vmcoreinfo.h"

#include <string.h>

#include "base/error.h"

struct DkVmcoreinfo {
    GBytes *text;
    GHashTable *lines; /* key to value, both owned */
    guint64 page_size;
};

/* Lines that are kept; a kernel has about 150. */
#define LINES_MAX 4096

void dk_vmcoreinfo_free(DkVmcoreinfo *info)
{
    if (!info)
        return;
    g_bytes_unref(info->text);
    g_hash_table_unref(info->lines);
    g_free(info);
}

static void take_line(DkVmcoreinfo *info, const char *line, gsize len)
{
    const char *equals = memchr(line, '=', len);
    if (!equals || equals == line || g_hash_table_size(info->lines) >= LINES_MAX)
        return;
    char *key = g_strndup(line, (gsize)(equals - line));
    char *value = g_strndup(equals + 1, (gsize)(line + len - equals - 1));
    /* The kernel appends, so a later line is the newer one. */
    g_hash_table_replace(info->lines, key, value);
}

DkVmcoreinfo *dk_vmcoreinfo_parse(GBytes *text, GError **error)
{
    gsize size = 0;
    const char *data = g_bytes_get_data(text, &size);
    gsize len = data ? strnlen(data, size) : 0;
    if (len > DK_VMCOREINFO_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "VMCOREINFO is %" G_GSIZE_FORMAT " bytes long, more than %" G_GSIZE_FORMAT, len,
                    DK_VMCOREINFO_MAX);
        return NULL;
    }
    g_autoptr(DkVmcoreinfo) info = g_new0(DkVmcoreinfo, 1);
    info->text = g_bytes_new_from_bytes(text, 0, len);
    info->lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (gsize pos = 0; pos < len;) {
        const char *end = memchr(data + pos, '\n', len - pos);
        gsize line = end ? (gsize)(end - data) - pos : len - pos;
        take_line(info, data + pos, line);
        pos += line + 1;
    }
    const char *page_size = dk_vmcoreinfo_get(info, "PAGESIZE");
    if (!dk_vmcoreinfo_get(info, "OSRELEASE") || !page_size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "VMCOREINFO has no line %s",
                    page_size ? "OSRELEASE" : "PAGESIZE");
        return NULL;
    }
    if (!g_ascii_string_to_unsigned(page_size, 10, 4096, 65536, &info->page_size, NULL)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "VMCOREINFO has PAGESIZE \"%s\"", page_size);
        return NULL;
    }
    return g_steal_pointer(&info);
}

const char *dk_vmcoreinfo_get(const DkVmcoreinfo *info, const char *key)
{
    return g_hash_table_lookup(info->lines, key);
}

const char *dk_vmcoreinfo_release(const DkVmcoreinfo *info)
{
    return dk_vmcoreinfo_get(info, "OSRELEASE");
}

/* The value of KIND(name), whole, in base (0: 0x tells); a negative one in two's complement. */
static gboolean lookup(const DkVmcoreinfo *info, const char *kind, const char *name, guint base,
                       guint64 *value)
{
    g_autofree char *key = g_strdup_printf("%s(%s)", kind, name);
    const char *text = dk_vmcoreinfo_get(info, key);
    if (!text)
        return FALSE;
    gboolean negative = *text == '-';
    text += negative;
    if (base != 10 && g_str_has_prefix(text, "0x")) {
        text += 2;
        base = 16;
    }
    guint64 number;
    if (!g_ascii_string_to_unsigned(text, base ? base : 10, 0, G_MAXUINT64, &number, NULL))
        return FALSE;
    *value = negative ? (guint64)0 - number : number;
    return TRUE;
}

gboolean dk_vmcoreinfo_symbol(const DkVmcoreinfo *info, const char *name, guint64 *va)
{
    return lookup(info, "SYMBOL", name, 16, va);
}

gboolean dk_vmcoreinfo_size(const DkVmcoreinfo *info, const char *name, guint64 *bytes)
{
    return lookup(info, "SIZE", name, 10, bytes);
}

gboolean dk_vmcoreinfo_offset(const DkVmcoreinfo *info, const char *name, guint64 *bytes)
{
    return lookup(info, "OFFSET", name, 10, bytes);
}

gboolean dk_vmcoreinfo_length(const DkVmcoreinfo *info, const char *name, guint64 *count)
{
    return lookup(info, "LENGTH", name, 10, count);
}

gboolean dk_vmcoreinfo_number(const DkVmcoreinfo *info, const char *name, guint64 *value)
{
    return lookup(info, "NUMBER", name, 0, value);
}

gboolean dk_vmcoreinfo_kernel_offset(const DkVmcoreinfo *info, guint64 *offset)
{
    const char *text = dk_vmcoreinfo_get(info, "KERNELOFFSET");
    return text && g_ascii_string_to_unsigned(text, 16, 0, G_MAXUINT64, offset, NULL);
}

guint64 dk_vmcoreinfo_page_size(const DkVmcoreinfo *info)
{
    return info->page_size;
}

GBytes *dk_vmcoreinfo_text(const DkVmcoreinfo *info)
{
    return info->text;
}
