/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One step by unwind rules (DWARF 5, section 6.4.3). */
#include "unwind/dwarf-expression.h"
#include "unwind/unwinder.h"

typedef struct {
    DkUnwinder *unwinder;
    const DkFrame *frame;
    const DkCfiRow *row;
    DkExpressionFrame expression;
} Rules;

static gboolean evaluate(Rules *rules, const DkCfiRule *rule, gboolean push_cfa, guint64 *value)
{
    g_autofree char *why = NULL;
    if (dk_expression_evaluate(&rules->expression, rule->ops, rule->nops, push_cfa, value, &why))
        return TRUE;
    dk_unwinder_note(rules->unwinder, "%s", why);
    return FALSE;
}

static gboolean find_cfa(Rules *rules)
{
    const DkCfiRow *row = rules->row;
    guint64 cfa;
    if (row->cfa_is_expression) {
        if (!evaluate(rules, &row->cfa_expression, FALSE, &cfa))
            return FALSE;
    } else {
        if (!dk_regs_has(&rules->frame->regs, row->cfa_register)) {
            dk_unwinder_note(rules->unwinder,
                             "the frame of 0x%" G_GINT64_MODIFIER
                             "x stands on register %u, which is not known",
                             rules->frame->pc_va, row->cfa_register);
            return FALSE;
        }
        cfa = rules->frame->regs.value[row->cfa_register] + (guint64)row->cfa_offset;
    }
    if (rules->expression.pointer_size == 4)
        cfa &= G_MAXUINT32;
    rules->expression.cfa_va = cfa;
    rules->expression.has_cfa = TRUE;
    return TRUE;
}

/* What a register has in the calling frame; FALSE when that is not known. */
static gboolean recover(Rules *rules, guint number, guint64 *value)
{
    const DkCfiRule *rule = &rules->row->rules[number];
    const DkRegs *regs = &rules->frame->regs;
    guint64 cfa = rules->expression.cfa_va;
    guint64 va;
    switch (rule->kind) {
    case DK_CFI_SAME:
        *value = regs->value[number];
        return dk_regs_has(regs, number);
    case DK_CFI_AT_CFA:
        return dk_unwinder_word(rules->unwinder, cfa + (guint64)rule->offset, value);
    case DK_CFI_CFA_PLUS:
        *value = cfa + (guint64)rule->offset;
        return TRUE;
    case DK_CFI_REGISTER:
        if (rule->offset < 0 || rule->offset >= DK_ARCH_REGS_MAX ||
            !dk_regs_has(regs, (guint)rule->offset))
            return FALSE;
        *value = regs->value[rule->offset];
        return TRUE;
    case DK_CFI_AT_EXPR:
        return evaluate(rules, rule, TRUE, &va) && dk_unwinder_word(rules->unwinder, va, value);
    case DK_CFI_EXPR:
        return evaluate(rules, rule, TRUE, value);
    case DK_CFI_UNDEFINED:
        break;
    }
    return FALSE;
}

/* Rules say "same" for registers that they do not speak of; a call leaves only some of them so. */
static gboolean is_kept(const Rules *rules, guint number)
{
    return rules->row->rules[number].kind != DK_CFI_SAME || rules->row->signal_frame ||
           (rules->unwinder->arch->preserved >> number & 1);
}

static void recover_all(Rules *rules, DkRegs *regs)
{
    const DkArch *arch = rules->unwinder->arch;
    for (guint i = 0; i < arch->nnames; i++) {
        gint number = arch->names[i].dwarf;
        guint64 value;
        if (number < 0 || (guint)number == arch->pc || (guint)number == arch->sp ||
            !is_kept(rules, (guint)number) || !recover(rules, (guint)number, &value))
            continue;
        dk_regs_set(regs, (guint)number, arch->pointer_size == 4 ? value & G_MAXUINT32 : value);
    }
    DkCfiKind kind = rules->row->rules[arch->sp].kind;
    guint64 sp = rules->expression.cfa_va;
    if (kind == DK_CFI_SAME || kind == DK_CFI_UNDEFINED || recover(rules, arch->sp, &sp))
        dk_regs_set(regs, arch->sp, sp);
}

/* The rules at the call, or at the start of a trampoline that a handler returns to. */
static const DkCfiRow *find_row(DkUnwinder *unwinder, const DkFrame *frame, guint64 *base_va)
{
    DkUnwindHost *host = unwinder->host;
    const DkCfiRow *row = host->cfi(host, frame->exact_pc ? frame->pc_va : frame->pc_va - 1,
                                    base_va);
    if (!row && !frame->exact_pc) {
        row = host->cfi(host, frame->pc_va, base_va);
        if (row && !row->signal_frame)
            row = NULL;
    }
    return row;
}

DkStep dk_step_cfi(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    guint64 base_va = 0;
    const DkCfiRow *row = find_row(unwinder, frame, &base_va);
    if (!row)
        return DK_STEP_NONE;
    Rules rules = {.unwinder = unwinder,
                   .frame = frame,
                   .row = row,
                   .expression = {.memory = &unwinder->stack,
                                  .regs = &frame->regs,
                                  .pointer_size = unwinder->arch->pointer_size,
                                  .base_va = base_va}};
    frame->signal_frame = row->signal_frame;
    if (row->return_register >= DK_ARCH_REGS_MAX)
        return DK_STEP_NONE;
    if (row->rules[row->return_register].kind == DK_CFI_UNDEFINED)
        return DK_STEP_END;
    if (!find_cfa(&rules))
        return DK_STEP_NONE;
    frame->cfa_va = rules.expression.cfa_va;
    guint64 pc;
    if (!recover(&rules, row->return_register, &pc)) {
        /* Without the stack there is nothing for the other methods either. */
        return unwinder->why ? DK_STEP_STOP : DK_STEP_NONE;
    }
    recover_all(&rules, &caller->regs);
    dk_regs_set(&caller->regs, unwinder->arch->pc, dk_unwinder_strip(unwinder, pc));
    caller->trust = DK_FRAME_CFI;
    caller->exact_pc = row->signal_frame;
    return DK_STEP_OK;
}
