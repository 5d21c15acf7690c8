/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console/value.h"

#include <string.h>

#define NAME_DEPTH_MAX 16
#define STRING_MAX_BYTES 256

static const char absent[] = "???";

static gboolean is_compound(const DkType *type)
{
    return type->kind == DK_TYPE_STRUCT || type->kind == DK_TYPE_UNION ||
           type->kind == DK_TYPE_CLASS;
}

static gboolean is_char(const DkType *type)
{
    return type && (type->kind == DK_TYPE_CHAR || (type->kind == DK_TYPE_INT && type->size == 1));
}

/* kd's names: Int4B, Uint8B, Char, Ptr64 X, [4] X. */
static void append_name(GString *text, DkTarget *target, const DkType *whole, guint depth)
{
    const DkType *type = dk_type_strip(whole);
    if (!type || type->kind == DK_TYPE_VOID) {
        g_string_append(text, "Void");
        return;
    }
    if (depth > NAME_DEPTH_MAX) {
        g_string_append(text, "...");
        return;
    }
    switch (type->kind) {
    case DK_TYPE_INT:
    case DK_TYPE_CHAR:
        if (type->size == 1)
            g_string_append(text, type->is_signed ? "Char" : "UChar");
        else
            g_string_append_printf(text, "%s%" G_GINT64_MODIFIER "uB",
                                   type->is_signed ? "Int" : "Uint", type->size);
        return;
    case DK_TYPE_BOOL:
        g_string_append(text, "Bool");
        return;
    case DK_TYPE_FLOAT:
        g_string_append(text, type->size == 4   ? "Float"
                              : type->size == 8 ? "Double"
                              : type->name      ? type->name
                                                : "Float");
        return;
    case DK_TYPE_POINTER:
        g_string_append_printf(text, "Ptr%u ", dk_target_pointer_size(target) * 8);
        append_name(text, target, type->base, depth + 1);
        return;
    case DK_TYPE_ARRAY:
        g_string_append_printf(text, "[%" G_GINT64_MODIFIER "u] ", type->count);
        append_name(text, target, type->base, depth + 1);
        return;
    default: {
        g_autofree char *described = type->name ? g_strdup(type->name) : NULL;
        /* An unnamed struct is known by its typedef, when it has one. */
        if (!described && whole->kind == DK_TYPE_TYPEDEF)
            described = g_strdup(whole->name);
        if (!described && type->kind == DK_TYPE_FUNCTION)
            described = dk_type_describe(type);
        g_string_append(text, described ? described : "<unnamed-tag>");
        return;
    }
    }
}

static gboolean read_integer(DkTarget *target, guint64 va, guint64 size, guint64 *value)
{
    guint8 bytes[8];
    if (!size || size > sizeof bytes ||
        dk_space_read(dk_target_space(target), va, bytes, (gsize)size) != size)
        return FALSE;
    *value = 0;
    for (guint i = 0; i < size; i++)
        *value |= (guint64)bytes[i] << (i * 8);
    return TRUE;
}

static gint64 sign_extend(guint64 value, guint bits)
{
    guint shift = 64 - MIN(bits, 64);
    return bits ? (gint64)(value << shift) >> shift : 0;
}

static char *printable(guint64 value)
{
    return value >= 0x20 && value < 0x7f ? g_strdup_printf("'%c'", (char)value) : g_strdup("''");
}

static char *integer_text(const DkType *type, guint64 value)
{
    gint64 number = sign_extend(value, (guint)type->size * 8);
    if (is_char(type)) {
        g_autofree char *letter = printable(value);
        return type->is_signed ? g_strdup_printf("%" G_GINT64_FORMAT " %s", number, letter)
                               : g_strdup_printf("0x%" G_GINT64_MODIFIER "x %s", value, letter);
    }
    return type->is_signed ? g_strdup_printf("0n%" G_GINT64_FORMAT, number)
                           : g_strdup_printf("0x%" G_GINT64_MODIFIER "x", value);
}

static char *enum_text(const DkType *type, guint64 value)
{
    gint64 number = sign_extend(value, (guint)type->size * 8);
    for (guint i = 0; i < type->nenumerators; i++) {
        gint64 each = type->enumerators[i].value;
        if (each == number || (guint64)each == value)
            return g_strdup_printf("%" G_GINT64_FORMAT " ( %s )", number,
                                   type->enumerators[i].name);
    }
    return g_strdup_printf("%" G_GINT64_FORMAT " (No matching name)", number);
}

static char *quoted(DkTarget *target, guint64 va, gsize max)
{
    g_autofree char *text = dk_space_read_string(dk_target_space(target), va, max);
    if (!text)
        return g_strdup(absent);
    g_autofree char *clean = g_strescape(text, NULL);
    return g_strdup_printf("\"%s\"", clean);
}

static char *pointer_text(DkTarget *target, const DkType *type, guint64 value)
{
    if (!value)
        return g_strdup("(null) ");
    const DkType *base = dk_type_strip(type->base);
    g_autofree char *address = dk_target_format_va(target, value);
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "0x%s ", address);
    if (is_char(base)) {
        g_autofree char *string = quoted(target, value, STRING_MAX_BYTES);
        g_string_append_printf(text, " %s", string);
    } else if (base && base->kind == DK_TYPE_FUNCTION) {
        g_autofree char *where = dk_target_describe(target, value);
        g_string_append(text, where);
    } else {
        append_name(text, target, type->base, 1);
    }
    return g_strdup(text->str);
}

static char *float_text(DkTarget *target, const DkType *type, guint64 va)
{
    guint64 bits;
    if (type->size == sizeof(float) && read_integer(target, va, sizeof(float), &bits)) {
        guint32 half = (guint32)bits;
        float number;
        memcpy(&number, &half, sizeof number);
        return g_strdup_printf("%g ", (double)number);
    }
    if (type->size == sizeof(double) && read_integer(target, va, sizeof(double), &bits)) {
        double number;
        memcpy(&number, &bits, sizeof number);
        return g_strdup_printf("%g ", number);
    }
    return g_strdup(type->size > sizeof(double) ? "(no display of this format)" : absent);
}

/* _LIST_ENTRY, list_head: two pointers to the same type show as the pair they are. */
static gboolean is_list(const DkType *type)
{
    if (type->kind != DK_TYPE_STRUCT || type->nmembers != 2)
        return FALSE;
    for (guint i = 0; i < 2; i++) {
        const DkType *member = dk_type_strip(type->members[i].type);
        if (!member || member->kind != DK_TYPE_POINTER || !member->base)
            return FALSE;
        const DkType *base = dk_type_strip(member->base);
        if (!base || (base != type && g_strcmp0(base->name, type->name) != 0) || !type->name)
            return FALSE;
    }
    return TRUE;
}

/* _UNICODE_STRING and _STRING: { u16 Length; u16 MaximumLength; pointer Buffer } */
static char *counted_string(DkTarget *target, const DkType *type, guint64 va)
{
    gboolean wide = g_strcmp0(type->name, "_UNICODE_STRING") == 0;
    guint64 len, buffer_va;
    guint pointer = dk_target_pointer_size(target);
    if ((!wide && g_strcmp0(type->name, "_STRING") != 0) || !read_integer(target, va, 2, &len) ||
        !read_integer(target, va + pointer, pointer, &buffer_va))
        return NULL;
    guint8 data[STRING_MAX_BYTES * 2];
    gsize want = MIN((gsize)len, sizeof data);
    if (want && dk_space_read(dk_target_space(target), buffer_va, data, want) != want)
        return g_strdup(absent);
    g_autoptr(GString) text = g_string_new("\"");
    for (gsize i = 0; i + wide < want; i += 1 + wide) {
        guint unit = data[i] | (wide ? (guint)data[i + 1] << 8 : 0);
        g_string_append_c(text, unit >= 0x20 && unit < 0x7f ? (char)unit : '?');
    }
    g_string_append_c(text, '"');
    return g_strdup(text->str);
}

static char *compound_text(DkTarget *target, const DkType *whole, const DkType *type, guint64 va)
{
    g_autoptr(GString) text = g_string_new(NULL);
    append_name(text, target, whole, 0);
    guint pointer = dk_target_pointer_size(target);
    guint64 first, second;
    g_autofree char *string = counted_string(target, type, va);
    if (string)
        g_string_append_printf(text, " %s", string);
    else if (is_list(type) && read_integer(target, va + type->members[0].offset, pointer, &first) &&
             read_integer(target, va + type->members[1].offset, pointer, &second)) {
        g_autofree char *left = dk_target_format_va(target, first);
        g_autofree char *right = dk_target_format_va(target, second);
        g_string_append_printf(text, " [ 0x%s - 0x%s ]", left, right);
    }
    return g_strdup(text->str);
}

static char *scalar_text(DkTarget *target, const DkType *whole, guint64 va, guint depth);

static char *array_text(DkTarget *target, const DkType *type, guint64 va, guint depth)
{
    const DkType *base = dk_type_strip(type->base);
    g_autofree char *inner = is_char(base)
                                 ? quoted(target, va, (gsize)MIN(type->count, STRING_MAX_BYTES))
                                 : scalar_text(target, type->base, va, depth + 1);
    return g_strdup_printf("[%" G_GINT64_MODIFIER "u] %s%s", type->count, is_char(base) ? " " : "",
                           inner);
}

static char *scalar_text(DkTarget *target, const DkType *whole, guint64 va, guint depth)
{
    const DkType *type = dk_type_strip(whole);
    guint64 value;
    if (!type || depth > NAME_DEPTH_MAX)
        return g_strdup("Void");
    if (is_compound(type))
        return compound_text(target, whole, type, va);
    switch (type->kind) {
    case DK_TYPE_FLOAT:
        return float_text(target, type, va);
    case DK_TYPE_ARRAY:
        return array_text(target, type, va, depth);
    case DK_TYPE_FUNCTION:
        return dk_target_describe(target, va);
    case DK_TYPE_VOID:
        return g_strdup("Void");
    default:
        break;
    }
    guint64 size = type->size;
    if (!size && type->kind == DK_TYPE_POINTER)
        size = dk_target_pointer_size(target);
    if (size > 8) {
        g_autoptr(GString) text = g_string_new(NULL);
        append_name(text, target, whole, 0);
        return g_strdup(text->str);
    }
    if (!read_integer(target, va, size, &value))
        return g_strdup(absent);
    switch (type->kind) {
    case DK_TYPE_POINTER:
        return pointer_text(target, type, value);
    case DK_TYPE_ENUM:
        return enum_text(type, value);
    case DK_TYPE_BOOL:
        return g_strdup_printf("%" G_GINT64_MODIFIER "u", value);
    default:
        return integer_text(type, value);
    }
}

static char *bits_text(DkTarget *target, const DkMember *member, const guint64 *va)
{
    guint width = MIN(member->bit_size, 64);
    if (!va)
        return g_strdup_printf("Pos %u, %u Bit%s", member->bit_offset, width,
                               width == 1 ? "" : "s");
    const DkType *type = dk_type_strip(member->type);
    /* The unit may be read only as far as the field needs it. */
    guint64 bytes = ((guint64)member->bit_offset + width + 7) / 8;
    guint64 value;
    if (!read_integer(target, *va, bytes, &value))
        return g_strdup(absent);
    value >>= member->bit_offset;
    if (width < 64)
        value &= ((guint64)1 << width) - 1;
    if (type && type->kind == DK_TYPE_ENUM)
        return enum_text(type, value);
    GString *text = g_string_new("0y");
    for (guint bit = width; bit > 0; bit--)
        g_string_append_c(text, value >> (bit - 1) & 1 ? '1' : '0');
    if (width > 8)
        g_string_append_printf(text, " (0x%" G_GINT64_MODIFIER "x)", value);
    return g_string_free(text, FALSE);
}

char *dk_value_text(DkTarget *target, const DkMember *member, const guint64 *va)
{
    if (member->bit_size)
        return bits_text(target, member, va);
    if (va)
        return scalar_text(target, member->type, *va, 0);
    GString *text = g_string_new(NULL);
    append_name(text, target, member->type, 0);
    return g_string_free(text, FALSE);
}
