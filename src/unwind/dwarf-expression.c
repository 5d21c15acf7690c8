/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unwind/dwarf-expression.h"

/* Operation codes of DWARF 5, table 7.9, and DW_OP_GNU_encoded_addr's neighbours are not used. */
enum {
    OP_ADDR = 0x03,
    OP_DEREF = 0x06,
    OP_CONST1U = 0x08,
    OP_CONST1S,
    OP_CONST2U,
    OP_CONST2S,
    OP_CONST4U,
    OP_CONST4S,
    OP_CONST8U,
    OP_CONST8S,
    OP_CONSTU,
    OP_CONSTS,
    OP_DUP,
    OP_DROP,
    OP_OVER,
    OP_PICK,
    OP_SWAP,
    OP_ROT,
    OP_ABS = 0x19,
    OP_AND,
    OP_DIV,
    OP_MINUS,
    OP_MOD,
    OP_MUL,
    OP_NEG,
    OP_NOT,
    OP_OR,
    OP_PLUS,
    OP_PLUS_UCONST,
    OP_SHL,
    OP_SHR,
    OP_SHRA,
    OP_XOR,
    OP_BRA,
    OP_EQ,
    OP_GE,
    OP_GT,
    OP_LE,
    OP_LT,
    OP_NE,
    OP_SKIP,
    OP_LIT0,
    OP_LIT31 = 0x4f,
    OP_BREG0 = 0x70,
    OP_BREG31 = 0x8f,
    OP_BREGX = 0x92,
    OP_DEREF_SIZE = 0x94,
    OP_NOP = 0x96,
    OP_CALL_FRAME_CFA = 0x9c,
    OP_STACK_VALUE = 0x9f,
};

#define BRANCH_SIZE 3 /* bytes of DW_OP_skip and DW_OP_bra */

typedef struct {
    const DkExpressionFrame *frame;
    guint64 stack[DK_EXPRESSION_STACK_MAX];
    guint depth;
    char *why;
} Machine;

static gboolean fail(Machine *machine, const char *why)
{
    if (!machine->why)
        machine->why = g_strdup(why);
    return FALSE;
}

static guint64 narrow(const Machine *machine, guint64 value)
{
    return machine->frame->pointer_size == 4 ? value & G_MAXUINT32 : value;
}

static gint64 as_signed(const Machine *machine, guint64 value)
{
    return machine->frame->pointer_size == 4 ? (gint32)value : (gint64)value;
}

static gboolean push(Machine *machine, guint64 value)
{
    if (machine->depth == DK_EXPRESSION_STACK_MAX)
        return fail(machine, "an unwind expression needs too deep a stack");
    machine->stack[machine->depth++] = narrow(machine, value);
    return TRUE;
}

static gboolean pop(Machine *machine, guint64 *value)
{
    if (!machine->depth)
        return fail(machine, "an unwind expression takes from an empty stack");
    *value = machine->stack[--machine->depth];
    return TRUE;
}

static gboolean push_register(Machine *machine, guint64 number, guint64 offset)
{
    if (number >= DK_ARCH_REGS_MAX || !dk_regs_has(machine->frame->regs, (guint)number)) {
        if (!machine->why)
            machine->why = g_strdup_printf("an unwind expression needs register %" G_GUINT64_FORMAT
                                           ", which is not known",
                                           number);
        return FALSE;
    }
    return push(machine, machine->frame->regs->value[number] + offset);
}

static gboolean deref(Machine *machine, guint size)
{
    guint64 va;
    guint64 value;
    if (!pop(machine, &va))
        return FALSE;
    if (size != 1 && size != 2 && size != 4 && size != 8)
        return fail(machine, "an unwind expression reads an odd number of bytes");
    if (!dk_stack_memory_word(machine->frame->memory, va, size, &value)) {
        if (!machine->why)
            machine->why = g_strdup_printf("memory at 0x%" G_GINT64_MODIFIER "x is not in the dump",
                                           machine->frame->memory->missing_va);
        return FALSE;
    }
    return push(machine, value);
}

static gboolean divide(Machine *machine, guint8 atom, guint64 a, guint64 b)
{
    if (!b)
        return fail(machine, "an unwind expression divides by zero");
    if (atom == OP_MOD)
        return push(machine, a % b);
    gint64 divisor = as_signed(machine, b);
    /* The one quotient that does not fit wraps, as a negation does. */
    return push(machine, divisor == -1 ? -a : (guint64)(as_signed(machine, a) / divisor));
}

static guint64 shift(const Machine *machine, guint8 atom, guint64 value, guint64 count)
{
    guint bits = machine->frame->pointer_size * 8;
    if (atom == OP_SHRA)
        return (guint64)(as_signed(machine, value) >> MIN(count, bits - 1));
    if (count >= bits)
        return 0;
    return atom == OP_SHL ? value << count : value >> count;
}

static gboolean compare(const Machine *machine, guint8 atom, guint64 first, guint64 second)
{
    gint64 a = as_signed(machine, first);
    gint64 b = as_signed(machine, second);
    switch (atom) {
    case OP_EQ:
        return a == b;
    case OP_GE:
        return a >= b;
    case OP_GT:
        return a > b;
    case OP_LE:
        return a <= b;
    case OP_LT:
        return a < b;
    default:
        return a != b;
    }
}

/* Operations that take two values and give one. */
static gboolean binary(Machine *machine, guint8 atom)
{
    guint64 a;
    guint64 b;
    if (!pop(machine, &b) || !pop(machine, &a))
        return FALSE;
    switch (atom) {
    case OP_AND:
        return push(machine, a & b);
    case OP_OR:
        return push(machine, a | b);
    case OP_XOR:
        return push(machine, a ^ b);
    case OP_PLUS:
        return push(machine, a + b);
    case OP_MINUS:
        return push(machine, a - b);
    case OP_MUL:
        return push(machine, a * b);
    case OP_DIV:
    case OP_MOD:
        return divide(machine, atom, a, b);
    case OP_SHL:
    case OP_SHR:
    case OP_SHRA:
        return push(machine, shift(machine, atom, a, b));
    default:
        return push(machine, compare(machine, atom, a, b));
    }
}

static gboolean unary(Machine *machine, const DkDwarfOp *op)
{
    guint64 a;
    if (!pop(machine, &a))
        return FALSE;
    switch (op->atom) {
    case OP_ABS:
        return push(machine, as_signed(machine, a) < 0 ? -a : a);
    case OP_NEG:
        return push(machine, -a);
    case OP_NOT:
        return push(machine, ~a);
    default:
        return push(machine, a + op->number);
    }
}

/* Operations that move values on the stack. */
static gboolean rearrange(Machine *machine, const DkDwarfOp *op)
{
    guint64 *top = machine->stack + machine->depth; /* one above */
    guint64 pick = op->atom == OP_DUP ? 0 : op->atom == OP_OVER ? 1 : op->number;
    guint64 value;
    switch (op->atom) {
    case OP_DROP:
        return pop(machine, &value);
    case OP_SWAP:
        if (machine->depth < 2)
            return fail(machine, "an unwind expression takes from an empty stack");
        value = top[-1];
        top[-1] = top[-2];
        top[-2] = value;
        return TRUE;
    case OP_ROT:
        if (machine->depth < 3)
            return fail(machine, "an unwind expression takes from an empty stack");
        value = top[-1];
        top[-1] = top[-2];
        top[-2] = top[-3];
        top[-3] = value;
        return TRUE;
    default:
        if (pick >= machine->depth)
            return fail(machine, "an unwind expression takes from an empty stack");
        return push(machine, machine->stack[machine->depth - 1 - pick]);
    }
}

static gboolean execute(Machine *machine, const DkDwarfOp *op)
{
    guint8 atom = op->atom;
    if (atom >= OP_LIT0 && atom <= OP_LIT31)
        return push(machine, atom - OP_LIT0);
    if (atom >= OP_BREG0 && atom <= OP_BREG31)
        return push_register(machine, atom - OP_BREG0, op->number);
    if ((atom >= OP_CONST1U && atom <= OP_CONSTS))
        return push(machine, op->number);
    switch (atom) {
    case OP_ADDR:
        return push(machine, op->number + machine->frame->base_va);
    case OP_BREGX:
        return push_register(machine, op->number, op->number2);
    case OP_DEREF:
        return deref(machine, machine->frame->pointer_size);
    case OP_DEREF_SIZE:
        return deref(machine, op->number <= 8 ? (guint)op->number : 0);
    case OP_DUP:
    case OP_DROP:
    case OP_OVER:
    case OP_PICK:
    case OP_SWAP:
    case OP_ROT:
        return rearrange(machine, op);
    case OP_ABS:
    case OP_NEG:
    case OP_NOT:
    case OP_PLUS_UCONST:
        return unary(machine, op);
    case OP_CALL_FRAME_CFA:
        if (!machine->frame->has_cfa)
            return fail(machine, "an unwind expression needs the CFA that it defines");
        return push(machine, machine->frame->cfa_va);
    case OP_NOP:
    case OP_STACK_VALUE:
        return TRUE;
    default:
        break;
    }
    if ((atom >= OP_AND && atom <= OP_XOR) || (atom >= OP_EQ && atom <= OP_NE))
        return binary(machine, atom);
    if (!machine->why)
        machine->why = g_strdup_printf("unwind expressions with operation 0x%02x are not handled",
                                       atom);
    return FALSE;
}

/* The index of the operation at offset; nops for the end; G_MAXUINT when there is none. */
static guint find_op(const DkDwarfOp *ops, guint nops, guint64 offset)
{
    for (guint i = 0; i < nops; i++) {
        if (ops[i].offset == offset)
            return i;
    }
    return nops && offset > ops[nops - 1].offset ? nops : G_MAXUINT;
}

/* Whether the branch is taken. */
static gboolean branches(Machine *machine, guint8 atom, gboolean *taken)
{
    guint64 value = 1;
    if (atom == OP_BRA && !pop(machine, &value))
        return FALSE;
    *taken = value != 0;
    return TRUE;
}

static gboolean run(Machine *machine, const DkDwarfOp *ops, guint nops)
{
    guint steps = 0;
    for (guint i = 0; i < nops;) {
        if (steps++ == DK_EXPRESSION_STEPS_MAX)
            return fail(machine, "an unwind expression does not end");
        const DkDwarfOp *op = &ops[i++];
        if (op->atom != OP_SKIP && op->atom != OP_BRA) {
            if (!execute(machine, op))
                return FALSE;
            continue;
        }
        gboolean taken;
        if (!branches(machine, op->atom, &taken))
            return FALSE;
        if (!taken)
            continue;
        i = find_op(ops, nops, op->offset + BRANCH_SIZE + (guint64)(gint16)op->number);
        if (i == G_MAXUINT)
            return fail(machine, "an unwind expression branches out of itself");
    }
    return TRUE;
}

gboolean dk_expression_evaluate(const DkExpressionFrame *frame, const DkDwarfOp *ops, guint nops,
                                gboolean push_cfa, guint64 *result, char **why)
{
    Machine machine = {.frame = frame};
    guint64 value;
    gboolean done = (!push_cfa || push(&machine, frame->cfa_va)) && run(&machine, ops, nops) &&
                    pop(&machine, &value);
    if (!done) {
        g_free(*why);
        *why = machine.why;
        return FALSE;
    }
    *result = value;
    return TRUE;
}
