/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ?: the value of an expression. */
#include "console/console.h"

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    guint64 value = args[0].value;
    gboolean narrow = console->target && dk_target_pointer_size(console->target) == 4 &&
                      (value <= G_MAXUINT32 || value >= (guint64)G_MININT32);
    gint64 number = narrow ? (gint64)(gint32)value : (gint64)value;
    if (narrow)
        dk_out_text(out, "Evaluate expression: %" G_GINT64_FORMAT " = %08x\n", number,
                    (guint32)value);
    else
        dk_out_text(out, "Evaluate expression: %" G_GINT64_FORMAT " = %08x`%08x\n", number,
                    (guint32)(value >> 32), (guint32)value);
    dk_out_hex(out, "value", value);
    dk_out_int(out, "decimal", number);
    console->last_value = value;
    return TRUE;
}

static const DkArg args[] = {
    {"EXPRESSION", DK_ARG_EXPRESSION, TRUE, "what to evaluate"},
    {NULL},
};

const DkCommand dk_command_evaluate = {
    .name = "?",
    .summary = "evaluate an expression",
    .help = "Numbers are hexadecimal; 0n is decimal, 0t octal, 0y binary.  A word is a number when "
            "it can\n"
            "be one, else a register, else a symbol: @rax and module!name leave no doubt.\n"
            "Operators, strongest first: * / mod, + -, << >> >>>, = == < > <= >= !=, & and, ^ xor, "
            "| or;\n"
            "unary - + ~ not, and poi() by() wo() dwo() qwo() for what stands at an address, hi() "
            "low()\n"
            "for halves of 32 bits.  'abc' is characters, \".\" the current instruction.\n"
            "\n"
            "Example: ? poi(@rsp+8) & 0xfff",
    .args = args,
    .run = run,
};
