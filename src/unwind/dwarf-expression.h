/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stack machine of DWARF expressions (DWARF 5, section 2.5), as far as unwind rules use it. */
#pragma once

#include <glib.h>

#include "arch/arch.h"
#include "sym/symfile.h"
#include "unwind/stack-memory.h"

#define DK_EXPRESSION_STACK_MAX 64
#define DK_EXPRESSION_STEPS_MAX 10000

/* What an expression may look at. */
typedef struct {
    DkStackMemory *memory;
    const DkRegs *regs;
    guint pointer_size; /* bytes: values are as wide */
    guint64 base_va;    /* of the module, which DW_OP_addr counts from */
    gboolean has_cfa;
    guint64 cfa_va;
} DkExpressionFrame;

/*
 * Evaluates nops operations on a stack that starts empty, or with the CFA when push_cfa.  The top
 * of the stack is the result.  FALSE when it fails, with *why a phrase (free with g_free()).
 */
gboolean dk_expression_evaluate(const DkExpressionFrame *frame, const DkDwarfOp *ops, guint nops,
                                gboolean push_cfa, guint64 *result, char **why);
