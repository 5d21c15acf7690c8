/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/registry.h"

#include "base/error.h"
#include "format/foreign.h"
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

/* With format; NOT_MINE when it cannot be. */
static DkSource *open_with(const DkFormat *format, DkInput *const *inputs, guint ninputs,
                           gboolean forced, GError **error)
{
    DkSource *source = NULL;
    if (ninputs > 1 && format->open_parts)
        source = format->open_parts(inputs, ninputs, error);
    else if (ninputs > 1 || !format->open)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "format %s is not read from %u files",
                    format->name, ninputs);
    else if (forced && format->open_forced)
        source = format->open_forced(inputs[0], error);
    else
        source = format->open(inputs[0], error);
    if (source)
        source->format = format->name;
    return source;
}

static void set_unknown(DkInput *const *inputs, guint ninputs, const char *names, GError **error)
{
    const char *name = dk_input_name(inputs[0]);
    if (!dk_input_size(inputs[0])) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "%s: the file is empty", name);
        return;
    }
    g_autofree char *head = first_bytes(inputs[0]);
    if (ninputs > 1)
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                    "%s: this and the other %u are not the parts of one dump (it begins with "
                    "\"%s\"; read in parts are: %s)",
                    name, ninputs - 1, head, names);
    else
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE,
                    "%s: not a dump that dumpkit reads (it begins with \"%s\"; read are: %s)", name,
                    head, names);
}

DkSource *dk_format_open_parts(DkInput *const *inputs, guint ninputs, const DkFormat *wanted,
                               const DkFormat **format, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    if (!wanted && dk_foreign_recognise(inputs[0], error)) {
        g_prefix_error(error, "%s: ", dk_input_name(inputs[0]));
        return NULL;
    }
    for (guint i = 0; formats[i]; i++) {
        const DkFormat *each = formats[i];
        if (!each->open || (wanted && each != wanted) || (ninputs > 1 && !each->open_parts))
            continue;
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", each->name);
        g_autoptr(GError) local = NULL;
        DkSource *source = open_with(each, inputs, ninputs, wanted != NULL, &local);
        if (source) {
            if (format)
                *format = each;
            return source;
        }
        if (wanted || !g_error_matches(local, DK_ERROR, DK_ERROR_NOT_MINE)) {
            g_propagate_prefixed_error(error, g_steal_pointer(&local),
                                       "%s: ", dk_input_name(inputs[0]));
            return NULL;
        }
    }
    set_unknown(inputs, ninputs, names->str, error);
    return NULL;
}

DkSource *dk_format_open(DkInput *input, const DkFormat **format, GError **error)
{
    return dk_format_open_parts(&input, 1, NULL, format, error);
}
