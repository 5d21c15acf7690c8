/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .formats: a value in all notations. */
#include <string.h>

#include "console/console.h"

/* Seconds from 1601, where FILETIME begins, to 1970. */
#define FILETIME_EPOCH_SECONDS G_GINT64_CONSTANT(11644473600)

static char *octal(guint64 value, guint bits)
{
    int digits = bits == 32 ? 11 : 22;
    return g_strdup_printf("%0*" G_GINT64_MODIFIER "o", digits, value);
}

static char *binary(guint64 value, guint bits)
{
    GString *text = g_string_new(NULL);
    for (guint bit = bits; bit > 0; bit--) {
        g_string_append_c(text, value >> (bit - 1) & 1 ? '1' : '0');
        if (bit > 1 && (bit - 1) % 8 == 0)
            g_string_append_c(text, ' ');
    }
    return g_string_free(text, FALSE);
}

/* The highest byte first, as in 'abcd'. */
static char *letters(guint64 value, guint bits)
{
    GString *text = g_string_new(NULL);
    for (guint shift = bits; shift > 0; shift -= 8) {
        guint8 byte = (guint8)(value >> (shift - 8));
        g_string_append_c(text, g_ascii_isprint(byte) ? (char)byte : '.');
    }
    return g_string_free(text, FALSE);
}

/* time_t where the value is small enough, else FILETIME (100 ns since 1601). */
static char *date(guint64 value)
{
    gint64 seconds = value <= G_MAXUINT32 ? (gint64)value
                                          : (gint64)(value / 10000000) - FILETIME_EPOCH_SECONDS;
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    char *text = time ? g_date_time_format(time, "%a %b %e %H:%M:%S %Y (UTC)") : NULL;
    return text ? text : g_strdup("***** Invalid");
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    guint64 value = args[0].value;
    guint bits = console->target && dk_target_pointer_size(console->target) == 4 &&
                         (value <= G_MAXUINT32 || value >= (guint64)G_MININT32)
                     ? 32
                     : 64;
    if (bits == 32)
        value &= G_MAXUINT32;
    gint64 number = bits == 32 ? (gint64)(gint32)value : (gint64)value;
    g_autofree char *in_octal = octal(value, bits);
    g_autofree char *in_binary = binary(value, bits);
    g_autofree char *chars = letters(value, bits);
    g_autofree char *time = date(value);
    guint32 low_bits = (guint32)value, high_bits = (guint32)(value >> 32);
    float low, high;
    double wide;
    memcpy(&low, &low_bits, sizeof low);
    memcpy(&high, &high_bits, sizeof high);
    memcpy(&wide, &value, sizeof wide);
    dk_out_text(out, "Evaluate expression:\n");
    if (bits == 64)
        dk_out_text(out, "  Hex:     %08x`%08x\n", high_bits, low_bits);
    else
        dk_out_text(out, "  Hex:     %08x\n", low_bits);
    dk_out_text(out, "  Decimal: %" G_GINT64_FORMAT "\n", number);
    dk_out_text(out, "  Octal:   %s\n  Binary:  %s\n  Chars:   %s\n  Time:    %s\n", in_octal,
                in_binary, chars, time);
    dk_out_text(out, "  Float:   low %g high %g\n  Double:  %g\n", (double)low, (double)high, wide);
    dk_out_hex(out, "hex", value);
    dk_out_int(out, "decimal", number);
    dk_out_string(out, "octal", in_octal);
    dk_out_string(out, "binary", in_binary);
    dk_out_string(out, "chars", chars);
    dk_out_string(out, "time", time);
    console->last_value = value;
    return TRUE;
}

static const DkArg args[] = {
    {"EXPRESSION", DK_ARG_EXPRESSION, TRUE, "what to evaluate"},
    {NULL},
};

const DkCommand dk_command_formats = {
    .name = ".formats",
    .summary = "show a value in all notations",
    .help =
        "Hexadecimal, decimal, octal, binary, characters, time (time_t, or FILETIME for values\n"
        "above 32 bits) and floating point.\n"
        "\n"
        "Example: .formats 0n65",
    .args = args,
    .run = run,
};
