/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * MASM-like expressions as kd and WinDbg read them (Microsoft's page "MASM numbers and operators").
 * Numbers are hexadecimal unless 0n (decimal), 0t (octal), 0y (binary) or 0x says otherwise; a word
 * that can be read as a hexadecimal number is one; then it is a register, then a symbol.
 *
 * Binary operators, strongest first: * / mod %; + -; << >> >>>; = == < > <= >= !=; & and; ^ xor;
 * | or.  Unary: - + ~ not (1 for zero) hi low (upper and lower half of the low 32 bits) by wo dwo
 * qwo poi (what stands at an address).  All arithmetic is unsigned and wraps at 64 bits.
 */
#pragma once

#include <glib.h>

/* What names and addresses mean. */
typedef struct DkExprHost DkExprHost;
struct DkExprHost {
    guint pointer_size; /* bytes that poi() reads: 4 or 8 */
    /*
     * The value of a name: with at_sign it stood behind "@" ("rip", "$ip") and can only be a
     * register; "." is the current instruction.  FALSE with an error when there is none.
     */
    gboolean (*name)(DkExprHost *host, const char *name, gboolean at_sign, guint64 *value,
                     GError **error);
    /* The integer of size bytes (1, 2, 4 or 8) at va. */
    gboolean (*read)(DkExprHost *host, guint64 va, guint size, guint64 *value, GError **error);
};

/*
 * Evaluates the expression that starts at text and ends where no operator follows an operand; *end
 * gets that place (blanks behind it are skipped).  Columns in messages count from origin, which is
 * text or a place before it in the same string.  DK_ERROR_USAGE for a syntax error.
 */
gboolean dk_expr_parse(const char *text, const char *origin, DkExprHost *host, const char **end,
                       guint64 *value, GError **error) G_GNUC_WARN_UNUSED_RESULT;
