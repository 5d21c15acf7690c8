/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/registry.h"

#include "base/error.h"
#include "format/format-list.h"
#include "io/input.h"

#define DECLARE(name) extern const DkFormat dk_format_##name;
DK_FORMAT_LIST(DECLARE)

#define ENTRY(name) &dk_format_##name,
static const DkFormat *const formats[] = {DK_FORMAT_LIST(ENTRY) NULL};

const DkFormat *const *dk_formats(void)
{
    return formats;
}

const DkFormat *dk_format_by_name(const char *name)
{
    for (guint i = 0; formats[i]; i++) {
        if (g_str_equal(formats[i]->name, name))
            return formats[i];
    }
    return NULL;
}

const DkFormat *dk_format_for_writing(const char *name, const DkFormatVariant **variant)
{
    *variant = NULL;
    for (guint i = 0; formats[i]; i++) {
        if (g_str_equal(formats[i]->name, name))
            return formats[i];
        const DkFormatVariant *each = formats[i]->variants;
        for (; each && each->name; each++) {
            if (g_str_equal(each->name, name)) {
                *variant = each;
                return formats[i];
            }
        }
    }
    return NULL;
}

/* The first bytes, for people: printable ones as they are. */
static char *first_bytes(DkInput *input)
{
    guint8 head[8];
    gssize got = dk_input_read(input, 0, head, sizeof head, NULL);
    GString *text = g_string_new(NULL);
    for (gssize i = 0; i < got; i++) {
        if (g_ascii_isgraph(head[i]))
            g_string_append_c(text, (char)head[i]);
        else
            g_string_append_printf(text, "\\x%02x", head[i]);
    }
    return g_string_free(text, FALSE);
}

DkSource *dk_format_open(DkInput *input, const DkFormat **format, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; formats[i]; i++) {
        if (!formats[i]->open)
            continue;
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", formats[i]->name);
        g_autoptr(GError) local = NULL;
        DkSource *source = formats[i]->open(input, &local);
        if (source) {
            source->format = formats[i]->name;
            if (format)
                *format = formats[i];
            return source;
        }
        if (!g_error_matches(local, DK_ERROR, DK_ERROR_NOT_MINE)) {
            g_propagate_prefixed_error(error, g_steal_pointer(&local),
                                       "%s: ", dk_input_name(input));
            return NULL;
        }
    }
    if (!dk_input_size(input)) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "%s: the file is empty",
                    dk_input_name(input));
        return NULL;
    }
    g_autofree char *head = first_bytes(input);
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                "%s: not a dump that dumpkit reads (it begins with \"%s\"; read are: %s)",
                dk_input_name(input), head, names->str);
    return NULL;
}
