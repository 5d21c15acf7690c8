/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/input-options.h"

#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/age.h"
#include "io/input.h"

void dk_input_options_entries(DkInputOptions *options, GOptionEntry entries[DK_INPUT_OPTIONS])
{
    const GOptionEntry all[DK_INPUT_OPTIONS] = {
        {"input-format", 0, 0, G_OPTION_ARG_STRING, &options->format,
         "What FILE is, for a format that does not say so itself, such as raw", "NAME"},
        {"identity", 'i', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->identities,
         "Open what is encrypted with the age identities in KEYFILE", "KEYFILE"},
    };
    memcpy(entries, all, sizeof all);
}

void dk_input_options_clear(DkInputOptions *options)
{
    g_clear_pointer(&options->format, g_free);
    g_clear_pointer(&options->identities, g_strfreev);
}

/* *identities stays NULL when none are given. */
static gboolean load_identities(const DkInputOptions *options, DkAgeIdentities **identities,
                                GError **error)
{
    if (options->identities)
        *identities = dk_age_identities_new();
    for (guint i = 0; options->identities && options->identities[i]; i++) {
        if (!dk_age_identities_load(*identities, options->identities[i], error))
            return FALSE;
    }
    return TRUE;
}

gboolean dk_input_options_open(const DkInputOptions *options, char **paths, DkOpened *opened,
                               GError **error)
{
    opened->inputs = g_ptr_array_new_with_free_func((GDestroyNotify)dk_input_unref);
    g_autoptr(DkAgeIdentities) identities = NULL;
    if (!load_identities(options, &identities, error))
        return FALSE;
    for (guint i = 0; paths[i]; i++) {
        DkInput *input = dk_input_open_with(paths[i], identities, error);
        if (!input)
            return FALSE;
        g_ptr_array_add(opened->inputs, input);
    }
    const DkFormat *format = NULL;
    if (options->format) {
        format = dk_format_by_name(options->format);
        if (!format) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "--input-format %s: there is no such format", options->format);
            return FALSE;
        }
    }
    opened->source = dk_format_open_parts((DkInput *const *)opened->inputs->pdata,
                                          opened->inputs->len, format, &opened->format, error);
    return opened->source != NULL;
}

void dk_opened_clear(DkOpened *opened)
{
    g_clear_pointer(&opened->source, dk_source_close);
    g_clear_pointer(&opened->inputs, g_ptr_array_unref);
    opened->format = NULL;
}

DkInput *dk_opened_input(const DkOpened *opened)
{
    return opened->inputs && opened->inputs->len ? opened->inputs->pdata[0] : NULL;
}
