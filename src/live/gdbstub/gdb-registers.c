/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/gdbstub/gdb-registers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define GENERAL 27

/* In the order of struct user_regs_struct of Linux. */
static const char *const general_names[GENERAL] = {
    "r15",    "r14", "r13", "r12",     "rbp",     "rbx", "r11", "r10", "r9",
    "r8",     "rax", "rcx", "rdx",     "rsi",     "rdi", NULL,  "rip", "cs",
    "eflags", "rsp", "ss",  "fs_base", "gs_base", "ds",  "es",  "fs",  "gs"};

#define OF(member) offsetof(DkCpu, member)
static const struct {
    const char *name;
    gsize off;
    guint32 part; /* that is known when this one and those before it of the same part are */
    gboolean last;
} special[] = {
    {"cr0", OF(cr0), DK_CPU_CONTROL, FALSE},
    {"cr2", OF(cr2), DK_CPU_CONTROL, FALSE},
    {"cr3", OF(cr3), DK_CPU_CONTROL, FALSE},
    {"cr4", OF(cr4), DK_CPU_CONTROL, TRUE},
    {"cr8", OF(cr8), DK_CPU_CR8, TRUE},
    {"efer", OF(efer), DK_CPU_EFER, TRUE},
    {"k_gs_base", OF(kernel_gs_base), DK_CPU_KERNEL_GS, TRUE},
};

static void register_free(DkGdbRegister *reg)
{
    g_free(reg->name);
    g_free(reg);
}

DkGdbDescription *dk_gdb_description_new(void)
{
    DkGdbDescription *description = g_new0(DkGdbDescription, 1);
    description->registers = g_ptr_array_new_with_free_func((GDestroyNotify)register_free);
    description->includes = g_ptr_array_new_with_free_func(g_free);
    return description;
}

void dk_gdb_description_free(DkGdbDescription *description)
{
    if (!description)
        return;
    g_ptr_array_unref(description->registers);
    g_ptr_array_unref(description->includes);
    g_free(description->architecture);
    g_free(description);
}

static const char *attribute(const char **names, const char **values, const char *name)
{
    for (guint i = 0; names[i]; i++) {
        if (strcmp(names[i], name) == 0)
            return values[i];
    }
    return NULL;
}

static void start_element(GMarkupParseContext *context, const char *element, const char **names,
                          const char **values, gpointer data, GError **error)
{
    DkGdbDescription *description = data;
    const char *href = attribute(names, values, "href");
    const char *name = attribute(names, values, "name");
    const char *bits = attribute(names, values, "bitsize");
    if (strcmp(element, "xi:include") == 0 && href) {
        if (description->includes->len < DK_GDB_DOCUMENTS_MAX)
            g_ptr_array_add(description->includes, g_strdup(href));
    } else if (strcmp(element, "reg") == 0) {
        guint64 size;
        if (!name || !bits || !g_ascii_string_to_unsigned(bits, 10, 8, 65536, &size, NULL) ||
            size % 8 || description->registers->len >= DK_GDB_REGISTERS_MAX) {
            g_set_error_literal(error, DK_ERROR, DK_ERROR_LIMIT,
                                "target description: a register without a name or with an odd "
                                "size, or too many of them");
            return;
        }
        DkGdbRegister *reg = g_new0(DkGdbRegister, 1);
        reg->name = g_strdup(name);
        reg->bits = (guint)size;
        g_ptr_array_add(description->registers, reg);
    }
}

static void take_text(GMarkupParseContext *context, const char *text, gsize len, gpointer data,
                      GError **error)
{
    DkGdbDescription *description = data;
    if (g_strcmp0(g_markup_parse_context_get_element(context), "architecture") == 0 &&
        !description->architecture)
        description->architecture = g_strndup(text, len);
}

gboolean dk_gdb_description_add(DkGdbDescription *description, const char *text, GError **error)
{
    static const GMarkupParser parser = {.start_element = start_element, .text = take_text};
    g_autoptr(GError) own = NULL;
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, description,
                                                                        NULL);
    if (g_markup_parse_context_parse(context, text, -1, &own) &&
        g_markup_parse_context_end_parse(context, &own))
        return TRUE;
    if (own->domain == DK_ERROR)
        g_propagate_error(error, g_steal_pointer(&own));
    else
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "target description: %s", own->message);
    return FALSE;
}

/* The little-endian number of the digits of a register; FALSE when they are missing or "x". */
static gboolean number_of(const char *digits, guint bits, guint64 *number)
{
    *number = 0;
    for (guint i = 0; i < bits / 8; i++) {
        int high = g_ascii_xdigit_value(digits[i * 2]);
        int low = high < 0 ? -1 : g_ascii_xdigit_value(digits[i * 2 + 1]);
        if (low < 0)
            return FALSE;
        if (i < 8)
            *number |= (guint64)(high << 4 | low) << (i * 8);
    }
    return TRUE;
}

static void take_register(const char *name, guint64 number, guint64 *words, guint32 *have,
                          DkCpu *cpu, guint32 *seen)
{
    for (guint i = 0; i < GENERAL; i++) {
        if (general_names[i] && strcmp(general_names[i], name) == 0) {
            words[i] = number;
            *have |= 1u << i;
        }
    }
    for (guint i = 0; i < G_N_ELEMENTS(special); i++) {
        if (strcmp(special[i].name, name) == 0) {
            memcpy((guint8 *)cpu + special[i].off, &number, sizeof number);
            *seen |= 1u << i;
        }
    }
}

static void take_parts(DkCpu *cpu, guint32 seen)
{
    for (guint i = 0, missing = 0; i < G_N_ELEMENTS(special); i++) {
        missing += !(seen & 1u << i);
        if (special[i].last) {
            cpu->parts |= missing ? 0 : special[i].part;
            missing = 0;
        }
    }
}

gboolean dk_gdb_description_take(const DkGdbDescription *description, const char *reply, DkCpu *cpu)
{
    guint64 words[GENERAL] = {[15] = G_MAXUINT64};
    guint32 have = 0;
    guint32 seen = 0;
    gsize len = strlen(reply);
    gsize at = 0;
    for (guint i = 0; i < description->registers->len; i++) {
        const DkGdbRegister *reg = g_ptr_array_index(description->registers, i);
        guint64 number;
        gsize digits = reg->bits / 4;
        if (digits > len - at)
            break;
        if (number_of(reply + at, reg->bits, &number))
            take_register(reg->name, number, words, &have, cpu, &seen);
        at += digits;
    }
    for (guint i = 0; i < GENERAL; i++) {
        gboolean is_base = i == 21 || i == 22;
        if (general_names[i] && !is_base && !(have & 1u << i))
            return FALSE;
        words[i] = GUINT64_TO_LE(words[i]);
    }
    take_parts(cpu, seen);
    cpu->regs[DK_REGSET_GENERAL] = g_bytes_new(words, sizeof words);
    return TRUE;
}
