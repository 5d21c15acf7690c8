/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* r: registers of the current thread. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

/* Bits of EFLAGS as `r` spells them: position, letters when set, when clear. */
typedef struct {
    guint bit;
    const char *set;
    const char *clear;
} FlagName;

static const FlagName flag_names[] = {
    {11, "ov", "nv"}, {10, "dn", "up"}, {9, "ei", "di"}, {7, "ng", "pl"},
    {6, "zr", "nz"},  {4, "ac", "na"},  {2, "pe", "po"}, {0, "cy", "nc"},
};

static void show_flags(guint64 flags, DkOut *out)
{
    dk_out_text(out, "iopl=%u        ", (guint)(flags >> 12 & 3));
    for (gsize i = 0; i < G_N_ELEMENTS(flag_names); i++) {
        const FlagName *flag = &flag_names[i];
        dk_out_text(out, " %s", flags >> flag->bit & 1 ? flag->set : flag->clear);
    }
}

static const DkRegName *find_name(const DkArch *arch, const char *name)
{
    for (guint i = 0; i < arch->nnames; i++) {
        if (g_ascii_strcasecmp(arch->names[i].name, name) == 0)
            return &arch->names[i];
    }
    return NULL;
}

static gboolean is_segment(const char *name)
{
    return strlen(name) == 2 && name[1] == 's' && strchr("cdefgs", name[0]);
}

/* Segments have 4 digits and flags 8, the rest the width of the register. */
static int digits_of(const DkArch *arch, const char *name)
{
    if (arch->machine != DK_MACHINE_ARM64 && is_segment(name))
        return 4;
    if (arch->flags_name && g_str_equal(arch->flags_name, name))
        return 8;
    const DkRegName *reg = find_name(arch, name);
    return reg && reg->size == 4 ? 8 : (int)arch->pointer_size * 2;
}

static void show_one_text(DkTarget *target, const char *name, guint64 value, DkOut *out)
{
    const DkArch *arch = dk_target_arch(target);
    dk_out_text(out, "%s=%0*" G_GINT64_MODIFIER "x", name, digits_of(arch, name), value);
}

/* kd sets segments apart by two blanks and the flags behind them by thirteen. */
static const char *gap_before(const DkArch *arch, const char *name, gboolean first)
{
    if (first)
        return "";
    if (arch->machine == DK_MACHINE_ARM64 || !is_segment(name))
        return arch->flags_name && g_str_equal(name, arch->flags_name) ? "             " : " ";
    return "  ";
}

static void show_line(DkTarget *target, const char *line, DkOut *out)
{
    const DkArch *arch = dk_target_arch(target);
    guint thread = dk_target_current(target);
    g_auto(GStrv) names = g_strsplit(line, " ", 0);
    gboolean any = FALSE;
    for (char **name = names; *name; name++) {
        guint64 value;
        if (g_str_equal(*name, "iopl") && arch->flags_name &&
            dk_target_reg(target, thread, arch->flags_name, &value, NULL)) {
            dk_out_text(out, "%s", any ? " " : "");
            show_flags(value, out);
            any = TRUE;
        } else if (dk_target_reg(target, thread, *name, &value, NULL)) {
            gboolean general = arch->pointer_size == 8 && !is_segment(*name);
            dk_out_text(out, "%s%*s=%0*" G_GINT64_MODIFIER "x", gap_before(arch, *name, !any),
                        general ? 3 : 0, *name, digits_of(arch, *name), value);
            any = TRUE;
        }
    }
    if (any)
        dk_out_text(out, "\n");
}

/* `r` alone: the lists of the arch; "iopl" stands for the flags in words. */
static void show_table(DkTarget *target, DkOut *out)
{
    for (const char *const *line = dk_target_arch(target)->display; *line; line++)
        show_line(target, *line, out);
}

static void show_json(DkTarget *target, DkOut *out)
{
    const DkArch *arch = dk_target_arch(target);
    dk_out_begin_object(out, "registers");
    for (guint i = 0; i < arch->nnames; i++) {
        guint64 value;
        if (dk_target_reg(target, dk_target_current(target), arch->names[i].name, &value, NULL))
            dk_out_hex(out, arch->names[i].name, value);
    }
    dk_out_end(out);
}

/* The instruction at the ip, as `r` ends with it. */
static void show_instruction(DkConsole *console, DkOut *out)
{
    if (dk_out_is_json(out))
        return;
    guint64 saved_va = console->code_va;
    gboolean saved = console->code_valid;
    const DkCommand *unassemble = dk_command_by_word("u");
    guint64 ip;
    if (dk_console_ip(console, &ip, NULL)) {
        const DkArgValue range[2] = {{.given = TRUE, .value = ip, .count = 1}};
        /* What cannot be read prints as such; there is nothing more to say. */
        g_autoptr(GError) unreadable = NULL;
        if (!unassemble->run(console, "u", range, out, &unreadable))
            g_debug("%s", unreadable->message);
    }
    console->code_va = saved_va;
    console->code_valid = saved;
}

static gboolean show_all(DkConsole *console, DkOut *out)
{
    show_table(console->target, out);
    show_json(console->target, out);
    show_instruction(console, out);
    return TRUE;
}

/* "$t0 = EXPR"; other registers of a dump cannot be set. */
static gboolean assign(DkConsole *console, const char *name, const char *text, GError **error)
{
    guint64 number, value;
    if (!g_str_has_prefix(name, "$t") ||
        !g_ascii_string_to_unsigned(name + 2, 10, 0, DK_CONSOLE_TEMPS - 1, &number, NULL)) {
        g_set_error(
            error, DK_ERROR, DK_ERROR_UNSUPPORTED,
            "\"%s\" cannot be set: registers of a dump stay as they are; @$t0 to @$t%d are free",
            name, DK_CONSOLE_TEMPS - 1);
        return FALSE;
    }
    const char *at = text;
    if (!dk_console_parse(console, &at, &value, error))
        return FALSE;
    if (*at)
        return dk_console_usage(console, at, error, "an operator or the end was expected");
    console->temps[number] = value;
    return TRUE;
}

static gboolean show_named(DkConsole *console, const char *name, DkOut *out, GError **error)
{
    g_autofree char *expression = g_strconcat("@", name, NULL);
    guint64 value;
    g_autoptr(GError) cause = NULL;
    if (!dk_console_evaluate(console, expression, &value, &cause)) {
        /* Without the column: that of an expression the user did not type. */
        const char *colon = strstr(cause->message, ": ");
        g_set_error_literal(error, DK_ERROR, cause->code, colon ? colon + 2 : cause->message);
        return FALSE;
    }
    g_autofree char *lower = g_ascii_strdown(name, -1);
    if (dk_target_arch(console->target))
        show_one_text(console->target, lower, value, out);
    dk_out_text(out, "\n");
    dk_out_hex(out, lower, value);
    return TRUE;
}

static gboolean show_list(DkConsole *console, const char *text, DkOut *out, GError **error)
{
    g_auto(GStrv) names = g_strsplit_set(text, ", ", 0);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    gboolean ok = TRUE;
    dk_out_begin_object(out, "registers");
    for (char **name = names; ok && *name; name++) {
        const char *plain = **name == '@' ? *name + 1 : *name;
        if (*plain && g_hash_table_add(seen, (gpointer)plain))
            ok = show_named(console, plain, out, error);
    }
    dk_out_end(out);
    return ok;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    if (!args[0].given) {
        DkRegs regs = {0};
        return dk_target_regs(console->target, dk_target_current(console->target), &regs, error) &&
               show_all(console, out);
    }
    const char *text = args[0].text;
    const char *equals = strchr(text, '=');
    if (!equals)
        return show_list(console, text, out, error);
    g_autofree char *name = g_strndup(text + (*text == '@'), equals - text - (*text == '@'));
    return assign(console, g_strstrip(name), equals + 1, error);
}

static const DkArg args[] = {
    {"[REGISTER[,REGISTER...] | @$tN=EXPRESSION]", DK_ARG_REST, FALSE, "which; all without it"},
    {NULL},
};

const DkCommand dk_command_register = {
    .name = "r",
    .summary = "show registers",
    .help =
        "Without names all general registers of the current thread are shown, and the instruction\n"
        "that comes next.  Names may be parts (eax, al) and pseudo-registers: @$ip, @$csp (stack\n"
        "pointer), @$ra (return address), @$tid, @$tpid, @$teb, @$exentry, @$ptrsize, @$pagesize,\n"
        "@$exp (last value of ?), and @$t0 to @$t19, which can be set and used in expressions.\n"
        "\n"
        "Example: r rax,rbx; r @$t0=poi(@rsp); ? @$t0+8",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
