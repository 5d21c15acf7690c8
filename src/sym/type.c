/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/type.h"

/* Hostile symbols may chain types without end. */
#define CHAIN_MAX 64

const DkType *dk_type_strip(const DkType *type)
{
    for (guint i = 0; i < CHAIN_MAX && type; i++) {
        if (type->kind != DK_TYPE_TYPEDEF && type->kind != DK_TYPE_QUALIFIED)
            break;
        type = type->base;
    }
    return type;
}

static const char *keyword(DkTypeKind kind)
{
    switch (kind) {
    case DK_TYPE_STRUCT:
        return "struct ";
    case DK_TYPE_UNION:
        return "union ";
    case DK_TYPE_CLASS:
        return "class ";
    case DK_TYPE_ENUM:
        return "enum ";
    default:
        return "";
    }
}

/*
 * C writes a type around the name it declares: before and after grow outwards from there.  A
 * pointer to an array or function needs parentheses.
 */
char *dk_type_describe(const DkType *type)
{
    g_autoptr(GString) before = g_string_new(NULL);
    g_autoptr(GString) after = g_string_new(NULL);
    g_autoptr(GString) front = g_string_new(NULL); /* qualifiers of what is named in the end */
    gboolean pointer = FALSE;
    for (guint i = 0; i < CHAIN_MAX; i++) {
        DkTypeKind kind = type ? type->kind : DK_TYPE_VOID;
        if (kind == DK_TYPE_POINTER) {
            g_string_prepend(before, "*");
            pointer = TRUE;
        } else if (kind == DK_TYPE_ARRAY || kind == DK_TYPE_FUNCTION) {
            if (pointer) {
                g_string_prepend_c(before, '(');
                g_string_append_c(after, ')');
            }
            if (kind == DK_TYPE_FUNCTION)
                g_string_append(after, "()");
            else if (type->count)
                g_string_append_printf(after, "[%" G_GUINT64_FORMAT "]", type->count);
            else
                g_string_append(after, "[]");
            pointer = FALSE;
        } else if (kind == DK_TYPE_QUALIFIED) {
            const char *word = type->name ? type->name : "const";
            if (type->base && type->base->kind == DK_TYPE_POINTER) {
                if (before->len)
                    g_string_prepend_c(before, ' ');
                g_string_prepend(before, word);
            } else {
                g_string_append_printf(front, "%s ", word);
            }
        } else {
            const char *name = kind == DK_TYPE_VOID ? "void"
                               : type->name         ? type->name
                               : keyword(kind)[0]   ? "<unnamed>"
                                                    : "?";
            gboolean blank = before->len && (before->str[0] == '*' || before->str[0] == '(');
            return g_strconcat(front->str, keyword(kind), name, blank ? " " : "", before->str,
                               after->str, NULL);
        }
        type = type->base;
    }
    return g_strdup("<type too deep>");
}
