/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* u ub uf: machine code as instructions. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

#define INSTRUCTIONS_DEFAULT 8
#define INSTRUCTIONS_MAX 0x100000
#define INSN_MAX_BYTES 16
/* How far `ub` looks back for the start of the function. */
#define BACK_MAX_BYTES 0x10000

typedef struct {
    DkConsole *console;
    DkTarget *target;
    DkOut *out;
    DkDisasm *disasm;
    guint64 label_va; /* start of the symbol that was printed last */
    gboolean labelled;
} Lister;

/* Reads and decodes at va; *got gets the bytes there were.  FALSE when they are no instruction. */
static gboolean decode(const Lister *lister, guint64 va, guint8 *code, gsize *got, DkInsn *insn)
{
    *got = dk_space_read(dk_target_space(lister->target), va, code, INSN_MAX_BYTES);
    *insn = (DkInsn){0};
    return *got && dk_disasm_one(lister->disasm, code, *got, va, insn) && insn->size &&
           insn->size <= *got;
}

/* The line that names the place, when a symbol begins or at the start of the listing. */
static void label(Lister *lister, guint64 va)
{
    DkPlace place = {0};
    gboolean named = dk_target_place(lister->target, va, &place);
    guint64 start_va = named ? va - place.displacement : va;
    if (lister->labelled && (!named || start_va == lister->label_va))
        return;
    lister->labelled = TRUE;
    lister->label_va = start_va;
    if (!named)
        return;
    g_autofree char *text = dk_target_describe_place(lister->target, &place, va);
    g_autofree char *clean = dk_out_clean(text);
    DkLine line;
    if (dk_target_line(lister->target, va, &line)) {
        g_autofree char *where = dk_console_line_text(&line);
        dk_out_text(lister->out, "%s %s:\n", clean, where);
    } else {
        dk_out_text(lister->out, "%s:\n", clean);
    }
}

/* kd names where a call, a jump or an absolute operand leads. */
static char *operands(const Lister *lister, const DkInsn *insn, char **symbol)
{
    guint64 va = insn->target_va ? insn->target_va : insn->memory_va;
    DkPlace place = {0};
    if (!va || !dk_target_place(lister->target, va, &place))
        return g_strdup(insn->operands);
    *symbol = dk_target_describe_place(lister->target, &place, va);
    g_autofree char *address = dk_target_format_va(lister->target, va);
    if (insn->target_va)
        return g_strdup_printf("%s (%s)", *symbol, address);
    const char *open = strchr(insn->operands, '[');
    const char *close = open ? strchr(open, ']') : NULL;
    if (!close)
        return g_strdup_printf("%s ; %s (%s)", insn->operands, *symbol, address);
    return g_strdup_printf("%.*s[%s (%s)%s", (int)(open - insn->operands), insn->operands, *symbol,
                           address, close);
}

static void show(Lister *lister, guint64 va, const guint8 *code, const DkInsn *insn)
{
    g_autoptr(GString) bytes = g_string_new(NULL);
    for (guint i = 0; i < insn->size; i++)
        g_string_append_printf(bytes, "%02x", code[i]);
    g_autofree char *address = dk_target_format_va(lister->target, va);
    g_autofree char *symbol = NULL;
    g_autofree char *text = operands(lister, insn, &symbol);
    g_autofree char *clean = dk_out_clean(text);
    if (*clean)
        dk_out_text(lister->out, "%s %-15s %-7s %s\n", address, bytes->str, insn->mnemonic, clean);
    else
        dk_out_text(lister->out, "%s %-15s %s\n", address, bytes->str, insn->mnemonic);
    dk_out_begin_object(lister->out, NULL);
    dk_out_hex(lister->out, "address", va);
    dk_out_string(lister->out, "bytes", bytes->str);
    dk_out_string(lister->out, "mnemonic", insn->mnemonic);
    dk_out_string(lister->out, "operands", insn->operands);
    if (insn->target_va)
        dk_out_hex(lister->out, "target", insn->target_va);
    if (insn->memory_va)
        dk_out_hex(lister->out, "memory", insn->memory_va);
    if (symbol)
        dk_out_string(lister->out, "symbol", symbol);
    dk_out_end(lister->out);
}

/* One row at *va, which moves on; FALSE when memory ends there. */
static gboolean show_next(Lister *lister, guint64 *va)
{
    guint8 code[INSN_MAX_BYTES];
    gsize got;
    DkInsn insn;
    label(lister, *va);
    gboolean ok = decode(lister, *va, code, &got, &insn);
    if (!got) {
        g_autofree char *address = dk_target_format_va(lister->target, *va);
        dk_out_text(lister->out, "%s ??              ???\n", address);
        return FALSE;
    }
    if (!ok) {
        /* Arm instructions have 4 bytes, whatever they are. */
        insn.size = dk_target_arch(lister->target)->machine == DK_MACHINE_ARM64 ? MIN(4, (guint)got)
                                                                                : 1;
        g_strlcpy(insn.mnemonic, "???", sizeof insn.mnemonic);
        insn.operands[0] = 0;
    }
    show(lister, *va, code, &insn);
    *va = dk_console_va(lister->console, *va + insn.size);
    return TRUE;
}

/* Rows until count or, when that is 0, until end_va. */
static gboolean list(Lister *lister, guint64 *va, guint64 count, guint64 end_va, GError **error)
{
    gboolean ok = TRUE, there = TRUE;
    guint64 first_va = *va, shown = 0;
    dk_out_begin_array(lister->out, "instructions");
    while (ok && (count ? shown < count : *va < end_va && *va >= first_va)) {
        there = show_next(lister, va);
        if (!there)
            break;
        shown++;
        ok = dk_console_tick(lister->console, error);
    }
    dk_out_end(lister->out);
    if (ok && !there) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT,
                    "memory at 0x%" G_GINT64_MODIFIER "x is not in the dump", *va);
        return FALSE;
    }
    return ok;
}

/*
 * The start of the instruction that is count before va: instructions are decoded from start_va on;
 * FALSE when they do not meet va.
 */
static gboolean walk_back(const Lister *lister, guint64 start_va, guint64 va, guint64 count,
                          guint64 *found)
{
    g_autoptr(GArray) starts = g_array_new(FALSE, FALSE, sizeof(guint64));
    while (start_va < va) {
        guint8 code[INSN_MAX_BYTES];
        gsize got;
        DkInsn insn;
        if (!decode(lister, start_va, code, &got, &insn))
            return FALSE;
        g_array_append_val(starts, start_va);
        start_va += insn.size;
    }
    if (start_va != va || !starts->len)
        return FALSE;
    *found = g_array_index(starts, guint64, starts->len > count ? starts->len - count : 0);
    return TRUE;
}

/* Where `ub` begins: by the function's start, else the farthest start that meets va. */
static gboolean find_back(const Lister *lister, guint64 va, guint64 count, guint64 *found,
                          GError **error)
{
    DkPlace place = {0};
    if (dk_target_place(lister->target, va, &place) && place.symbol && place.displacement &&
        place.displacement <= BACK_MAX_BYTES &&
        walk_back(lister, va - place.displacement, va, count, found))
        return TRUE;
    guint64 farthest = MIN(MIN(count, BACK_MAX_BYTES / INSN_MAX_BYTES) * INSN_MAX_BYTES, va);
    for (guint64 back = farthest; back; back--) {
        if (walk_back(lister, va - back, va, count, found))
            return TRUE;
        if (!dk_console_tick(lister->console, error))
            return FALSE;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_ABSENT,
                "no instructions that end at 0x%" G_GINT64_MODIFIER "x are in the dump", va);
    return FALSE;
}

static gboolean run_function(Lister *lister, guint64 va, GError **error)
{
    DkPlace place = {0};
    if (!dk_target_place(lister->target, va, &place) || !place.symbol) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "no function is known at 0x%" G_GINT64_MODIFIER "x", va);
        return FALSE;
    }
    if (!place.symbol->size) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "the size of %s is not known; use u",
                    place.symbol->name);
        return FALSE;
    }
    va -= place.displacement;
    return list(lister, &va, 0, va + place.symbol->size, error);
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    if (!dk_target_arch(console->target)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "the machine of this dump is not known");
        return FALSE;
    }
    g_autoptr(DkDisasm) disasm = dk_disasm_new(dk_target_arch(console->target), error);
    if (!disasm)
        return FALSE;
    Lister lister = {.console = console, .target = console->target, .out = out, .disasm = disasm};
    gboolean placed = args[0].given && !args[0].here;
    guint64 va = placed ? args[0].value : console->code_va;
    gboolean back = g_str_equal(word, "ub"), whole = g_str_equal(word, "uf");
    if (!placed && (back || whole || !console->code_valid) && !dk_console_ip(console, &va, error))
        return FALSE;
    guint64 count = args[0].bytes ? 0 : args[0].count ? args[0].count : INSTRUCTIONS_DEFAULT;
    if (count > INSTRUCTIONS_MAX || args[0].count > (guint64)INSTRUCTIONS_MAX * INSN_MAX_BYTES) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "more than 0x%x instructions",
                    INSTRUCTIONS_MAX);
        return FALSE;
    }
    if (whole)
        return run_function(&lister, va, error);
    if (back) {
        guint64 start_va;
        if (!find_back(&lister, va, count ? count : INSTRUCTIONS_DEFAULT, &start_va, error))
            return FALSE;
        guint64 at_va = start_va;
        return list(&lister, &at_va, 0, va, error);
    }
    guint64 end_va = va + args[0].count;
    gboolean ok = list(&lister, &va, count, end_va, error);
    console->code_va = va;
    console->code_valid = TRUE;
    return ok;
}

static const DkArg args[] = {
    {"[ADDRESS [Lcount | END]]", DK_ARG_RANGE, FALSE, "where; the current instruction without it"},
    {NULL},
};

static const char *const aliases[] = {"ub", "uf", NULL};

const DkCommand dk_command_disassemble = {
    .name = "u",
    .aliases = aliases,
    .summary = "disassemble",
    .help = "u shows 8 instructions or as many as L says, and goes on there when it is given "
            "without an\n"
            "address.  ub shows those before the address, uf the whole function around it.\n"
            "\n"
            "Example: u .; ub @$ra; uf main",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
