/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/output-options.h"

#include <string.h>

#include "base/error.h"
#include "capture/transfer.h"
#include "codec/zstd-seekable.h"
#include "format/registry.h"
#include "tool/verb.h"

static gboolean take_zstd(const char *name, const char *value, gpointer data, GError **error)
{
    DkOutputOptions *options = ((const DkTool *)data)->state;
    gint64 level = 0;
    if (value &&
        (!g_ascii_string_to_signed(value, 10, DK_ZSTD_LEVEL_MIN, DK_ZSTD_LEVEL_MAX, &level, NULL) ||
         !level)) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "--zstd=%s: levels are 1 to %d, and %d to -1 for fast ones", value,
                    DK_ZSTD_LEVEL_MAX, DK_ZSTD_LEVEL_MIN);
        return FALSE;
    }
    options->zstd = TRUE;
    options->zstd_level = (int)level;
    return TRUE;
}

static gboolean take_recipient(const char *name, const char *value, gpointer data, GError **error)
{
    DkOutputOptions *options = ((const DkTool *)data)->state;
    DkAgeRecipient recipient;
    if (!dk_age_recipient_parse(value, &recipient, error)) {
        g_prefix_error(error, "--encrypt-to: ");
        return FALSE;
    }
    if (!options->recipients)
        options->recipients = g_array_new(FALSE, FALSE, sizeof(DkAgeRecipient));
    g_array_append_val(options->recipients, recipient);
    return TRUE;
}

void dk_output_options_entries(DkOutputOptions *options, const char *formats,
                               GOptionEntry entries[DK_OUTPUT_OPTIONS])
{
    const GOptionEntry all[DK_OUTPUT_OPTIONS] = {
        {"output", 'o', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->paths,
         "Write to FILE (- for standard output); may be given twice", "FILE"},
        {"format", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->formats,
         "What to write; as often as -o", formats},
        {"zstd", 0, G_OPTION_FLAG_OPTIONAL_ARG, G_OPTION_ARG_CALLBACK, (gpointer)take_zstd,
         "Compress (seekable zstd), level 1 to 19, or -20 to -1: fast", "LEVEL"},
        {"encrypt-to", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer)take_recipient,
         "Encrypt to the age recipient KEY (age1...); may be repeated", "KEY"},
        {"force", 'f', 0, G_OPTION_ARG_NONE, &options->force, "Replace FILE when it exists", NULL},
    };
    memcpy(entries, all, sizeof all);
}

void dk_output_options_clear(DkOutputOptions *options)
{
    g_clear_pointer(&options->paths, g_strfreev);
    g_clear_pointer(&options->formats, g_strfreev);
    g_clear_pointer(&options->recipients, g_array_unref);
}

static gboolean writes(const DkFormat *format, DkSubjectKind kind)
{
    return format->sink_new && (format->writes >> kind & 1);
}

/* All words that --format takes for this kind of subject. */
static char *all_words(DkSubjectKind kind)
{
    GString *words = g_string_new(NULL);
    for (guint i = 0; dk_formats()[i]; i++) {
        const DkFormat *format = dk_formats()[i];
        if (!writes(format, kind))
            continue;
        g_string_append_printf(words, "%s%s", words->len ? ", " : "", format->name);
        for (const DkFormatVariant *variant = format->variants; variant && variant->name;
             variant++) {
            if (!g_str_equal(variant->name, format->name))
                g_string_append_printf(words, ", %s", variant->name);
        }
    }
    return g_string_free(words, FALSE);
}

/* A word of --format: NAME or VARIANT, with :LEVEL behind it. */
static gboolean take_format(const char *word, DkSubjectKind kind, DkCaptureOutput *output,
                            GError **error)
{
    g_auto(GStrv) parts = g_strsplit(word, ":", 2);
    const DkFormatVariant *variant = NULL;
    output->format = dk_format_for_writing(parts[0], &variant);
    output->sink.variant = variant ? variant->name : NULL;
    if (!output->format || !writes(output->format, kind)) {
        g_autofree char *words = all_words(kind);
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "--format %s: for a %s there are %s", parts[0],
                    kind == DK_SUBJECT_PROCESS ? "process" : "machine", words);
        return FALSE;
    }
    gint64 level = 0;
    if (parts[0] && parts[1] &&
        (!g_ascii_string_to_signed(parts[1], 10, DK_ZSTD_LEVEL_MIN, DK_ZSTD_LEVEL_MAX, &level,
                                   NULL) ||
         !level)) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "--format %s: levels are 1 to %d, and %d to -1 for fast ones", word,
                    DK_ZSTD_LEVEL_MAX, DK_ZSTD_LEVEL_MIN);
        return FALSE;
    }
    output->sink.level = (gint)level;
    return TRUE;
}

/* The format whose files have names like this one; NULL for none. */
static const DkFormat *format_of_name(const char *path, DkSubjectKind kind)
{
    g_autofree char *plain = g_strdup(path);
    static const char *const wraps[] = {".age", ".zst"};
    for (guint i = 0; i < G_N_ELEMENTS(wraps); i++) {
        if (g_str_has_suffix(plain, wraps[i]))
            plain[strlen(plain) - strlen(wraps[i])] = 0;
    }
    const char *dot = strrchr(plain, '.');
    for (guint i = 0; dot && dk_formats()[i]; i++) {
        const DkFormat *format = dk_formats()[i];
        if (writes(format, kind) && format->extensions &&
            g_strv_contains(format->extensions, dot + 1))
            return format;
    }
    return NULL;
}

static gboolean choose_format(const DkOutputOptions *options, guint index, DkSubjectKind kind,
                              DkCaptureOutput *output, GError **error)
{
    guint paths = options->paths ? g_strv_length(options->paths) : 1;
    guint given = options->formats ? g_strv_length(options->formats) : 0;
    if (given > paths) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE, "more --format than -o");
        return FALSE;
    }
    if (given == paths)
        return take_format(options->formats[index], kind, output, error);
    if (options->paths)
        output->format = format_of_name(options->paths[index], kind);
    return output->format ||
           take_format(given ? options->formats[given - 1] : "elf", kind, output, error);
}

static void output_clear(gpointer data)
{
    g_free(((DkCaptureOutput *)data)->path);
}

static gboolean has_path(const GArray *outputs, const char *path)
{
    for (guint i = 0; i < outputs->len; i++) {
        if (g_str_equal(g_array_index(outputs, DkCaptureOutput, i).path, path))
            return TRUE;
    }
    return FALSE;
}

GArray *dk_output_options_make(const DkOutputOptions *options, DkSubjectKind kind,
                               DkOutputName name, gpointer data, GError **error)
{
    g_autoptr(GArray) outputs = g_array_new(FALSE, TRUE, sizeof(DkCaptureOutput));
    g_array_set_clear_func(outputs, output_clear);
    guint count = options->paths ? g_strv_length(options->paths) : 1;
    for (guint i = 0; i < count; i++) {
        const char *pattern = options->paths ? options->paths[i] : NULL;
        DkCaptureOutput output = {0};
        if (!choose_format(options, i, kind, &output, error))
            return NULL;
        gboolean zst = pattern &&
                       (g_str_has_suffix(pattern, ".zst") || g_str_has_suffix(pattern, ".zst.age"));
        if (options->zstd || zst)
            output.zstd_level = options->zstd_level     ? options->zstd_level
                                : options->zstd_default ? options->zstd_default
                                                        : DK_ZSTD_LEVEL_DEFAULT;
        if (options->recipients) {
            output.recipients = (const DkAgeRecipient *)(gpointer)options->recipients->data;
            output.nrecipients = options->recipients->len;
        }
        output.sink.raw_inside = output.zstd_level != 0;
        output.path = name(pattern, output.format, output.zstd_level != 0, data, error);
        if (!output.path)
            return NULL;
        if (has_path(outputs, output.path)) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "-o %s is given twice", output.path);
            output_clear(&output);
            return NULL;
        }
        g_array_append_val(outputs, output);
    }
    return g_steal_pointer(&outputs);
}

void dk_output_options_filter(GArray *outputs, guint filter)
{
    for (guint i = 0; i < outputs->len; i++) {
        DkSinkOptions *sink = &g_array_index(outputs, DkCaptureOutput, i).sink;
        sink->dump_level = filter;
        sink->drop_zero = (filter & DK_FILTER_ZERO) != 0;
    }
}

gboolean dk_output_options_to_stdout(const DkOutputOptions *options)
{
    return options->paths && g_strv_contains((const char *const *)options->paths, "-");
}
