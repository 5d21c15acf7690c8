/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stack machine of unwind rules: what each operation gives, and what hostile ones get. */
#include <dwarf.h>
#include <string.h>

#include "self-process.h"
#include "unwind/dwarf-expression.h"

static DkStackMemory memory;
static DkRegs regs;
static guint64 words[4] = {0x1122334455667788, 0xffffffffffffff80, 3, 4};

static gboolean evaluate(const DkDwarfOp *ops, guint nops, guint pointer_size, guint64 *value,
                         char **why)
{
    DkExpressionFrame frame = {.memory = &memory,
                               .regs = &regs,
                               .pointer_size = pointer_size,
                               .base_va = 0x400000,
                               .has_cfa = TRUE,
                               .cfa_va = 0x7ffe0000};
    return dk_expression_evaluate(&frame, ops, nops, TRUE, value, why);
}

typedef struct {
    DkDwarfOp ops[8]; /* ended by atom 0; offsets are filled in as one byte each */
    guint64 wanted;
    guint64 wanted_32; /* 0: the low half of wanted */
} Case;

static guint count_ops(const DkDwarfOp *ops)
{
    guint count = 0;
    while (count < 8 && ops[count].atom)
        count++;
    return count;
}

static void test_operations(void)
{
    const Case cases[] = {
        {{{DW_OP_nop}}, 0x7ffe0000},
        {{{DW_OP_plus_uconst, 16}}, 0x7ffe0010},
        {{{DW_OP_lit0 + 7}}, 7},
        {{{DW_OP_const1s, (guint64)-5}}, (guint64)-5},
        {{{DW_OP_constu, 0x123456789a}}, 0x123456789a},
        {{{DW_OP_addr, 0x1000}}, 0x401000},
        {{{DW_OP_breg3, 8}}, 0x1008},
        {{{DW_OP_bregx, 3, (guint64)-8}}, 0xff8},
        {{{DW_OP_lit5}, {DW_OP_dup}, {DW_OP_mul}}, 25},
        {{{DW_OP_lit5}, {DW_OP_lit3}, {DW_OP_drop}}, 5},
        {{{DW_OP_lit5}, {DW_OP_lit3}, {DW_OP_over}}, 5},
        {{{DW_OP_lit5}, {DW_OP_lit3}, {DW_OP_lit2}, {DW_OP_pick, 2}}, 5},
        {{{DW_OP_lit5}, {DW_OP_lit3}, {DW_OP_swap}, {DW_OP_minus}}, (guint64)-2},
        /* 1 2 3 rot: 3 1 2 */
        {{{DW_OP_lit1}, {DW_OP_lit2}, {DW_OP_lit3}, {DW_OP_rot}}, 2},
        {{{DW_OP_lit1}, {DW_OP_lit2}, {DW_OP_lit3}, {DW_OP_rot}, {DW_OP_drop}}, 1},
        {{{DW_OP_const1s, (guint64)-5}, {DW_OP_abs}}, 5},
        {{{DW_OP_lit6}, {DW_OP_neg}}, (guint64)-6},
        {{{DW_OP_lit0}, {DW_OP_not}}, G_MAXUINT64},
        {{{DW_OP_lit12}, {DW_OP_lit10}, {DW_OP_and}}, 8},
        {{{DW_OP_lit12}, {DW_OP_lit10}, {DW_OP_or}}, 14},
        {{{DW_OP_lit12}, {DW_OP_lit10}, {DW_OP_xor}}, 6},
        {{{DW_OP_const1s, (guint64)-7}, {DW_OP_lit2}, {DW_OP_div}}, (guint64)-3},
        {{{DW_OP_lit7}, {DW_OP_lit4}, {DW_OP_mod}}, 3},
        {{{DW_OP_lit1}, {DW_OP_lit4}, {DW_OP_shl}}, 16},
        {{{DW_OP_lit1}, {DW_OP_const1u, 64}, {DW_OP_shl}}, 0},
        {{{DW_OP_const1s, (guint64)-16}, {DW_OP_lit2}, {DW_OP_shra}}, (guint64)-4},
        {{{DW_OP_const1s, (guint64)-1}, {DW_OP_const1u, 200}, {DW_OP_shra}}, (guint64)-1},
        {{{DW_OP_const1s, (guint64)-1}, {DW_OP_const1u, 28}, {DW_OP_shr}}, 0xfffffffff, 0xf},
        {{{DW_OP_const1s, (guint64)-1}, {DW_OP_lit1}, {DW_OP_lt}}, 1},
        {{{DW_OP_const1s, (guint64)-1}, {DW_OP_lit1}, {DW_OP_gt}}, 0},
        {{{DW_OP_lit3}, {DW_OP_lit3}, {DW_OP_ge}}, 1},
        {{{DW_OP_lit3}, {DW_OP_lit3}, {DW_OP_le}}, 1},
        {{{DW_OP_lit3}, {DW_OP_lit3}, {DW_OP_ne}}, 0},
        {{{DW_OP_lit3}, {DW_OP_lit3}, {DW_OP_eq}}, 1},
        {{{DW_OP_call_frame_cfa}, {DW_OP_minus}}, 0},
        {{{DW_OP_lit9}, {DW_OP_stack_value}}, 9},
        /* The smallest number by -1 wraps instead of trapping. */
        {{{DW_OP_const8u, (guint64)1 << 63}, {DW_OP_const1s, (guint64)-1}, {DW_OP_div}},
         (guint64)1 << 63},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        DkDwarfOp ops[8];
        guint nops = count_ops(cases[i].ops);
        memcpy(ops, cases[i].ops, sizeof ops);
        for (guint o = 0; o < nops; o++)
            ops[o].offset = o;
        g_autofree char *why = NULL;
        guint64 value = 0;
        g_assert_true(evaluate(ops, nops, 8, &value, &why));
        g_assert_cmphex(value, ==, cases[i].wanted);
        g_assert_true(evaluate(ops, nops, 4, &value, &why));
        g_assert_cmphex(value, ==,
                        cases[i].wanted_32 ? cases[i].wanted_32 : (guint32)cases[i].wanted);
    }
}

static void test_memory(void)
{
    const struct {
        DkDwarfOp last;
        guint64 wanted;
    } cases[] = {
        {{DW_OP_deref}, 0x1122334455667788},
        {{DW_OP_deref_size, 4}, 0x55667788},
        {{DW_OP_deref_size, 2}, 0x7788},
        {{DW_OP_deref_size, 1}, 0x88},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DkDwarfOp ops[] = {{DW_OP_constu, (guint64)(guintptr)words}, cases[i].last};
        guint64 value = 0;
        g_autofree char *why = NULL;
        g_assert_true(evaluate(ops, 2, 8, &value, &why));
        g_assert_cmphex(value, ==, cases[i].wanted);
    }
    const DkDwarfOp gone[] = {{DW_OP_constu, 0x10}, {DW_OP_deref}};
    guint64 value = 77;
    g_autofree char *why = NULL;
    g_assert_false(evaluate(gone, 2, 8, &value, &why));
    g_assert_cmpstr(why, ==, "memory at 0x10 is not in the dump");
    g_assert_cmphex(value, ==, 77);
}

/* Branches count bytes from the end of the operation, which is three long. */
static void test_branches(void)
{
    const DkDwarfOp ahead[] = {
        {DW_OP_lit1, 0, 0, 0}, {DW_OP_bra, 1, 0, 1}, {DW_OP_lit2, 0, 0, 4}, {DW_OP_lit3, 0, 0, 5}};
    guint64 value = 0;
    g_autofree char *why = NULL;
    /* Behind the branch only lit3 runs: the CFA stands below it. */
    DkDwarfOp with_add[5];
    memcpy(with_add, ahead, sizeof ahead);
    with_add[4] = (DkDwarfOp){DW_OP_plus, 0, 0, 6};
    g_assert_true(evaluate(with_add, 5, 8, &value, &why));
    g_assert_cmphex(value, ==, 0x7ffe0003);
    with_add[0].atom = DW_OP_lit0;
    g_assert_true(evaluate(with_add, 5, 8, &value, &why));
    g_assert_cmphex(value, ==, 5);

    /* Backwards, to count down from 5: CFA stays, then 1 is added at each turn. */
    const DkDwarfOp loop[] = {
        {DW_OP_lit5, 0, 0, 0}, {DW_OP_lit1, 0, 0, 1},           {DW_OP_minus, 0, 0, 2},
        {DW_OP_swap, 0, 0, 3}, {DW_OP_plus_uconst, 1, 0, 4},    {DW_OP_swap, 0, 0, 6},
        {DW_OP_dup, 0, 0, 7},  {DW_OP_bra, (guint64)-10, 0, 8}, {DW_OP_drop, 0, 0, 11}};
    g_assert_true(evaluate(loop, G_N_ELEMENTS(loop), 8, &value, &why));
    g_assert_cmphex(value, ==, 0x7ffe0005);

    const DkDwarfOp to_end[] = {{DW_OP_skip, 1, 0, 0}, {DW_OP_drop, 0, 0, 3}};
    g_assert_true(evaluate(to_end, 2, 8, &value, &why));
    g_assert_cmphex(value, ==, 0x7ffe0000);
}

static void test_hostile(void)
{
    DkDwarfOp deep[200];
    for (guint i = 0; i < G_N_ELEMENTS(deep); i++)
        deep[i] = (DkDwarfOp){DW_OP_dup, 0, 0, i};
    const DkDwarfOp forever[] = {{DW_OP_skip, (guint64)-3, 0, 0}};
    const DkDwarfOp inside[] = {{DW_OP_skip, (guint64)-2, 0, 0}, {DW_OP_nop, 0, 0, 3}};
    const DkDwarfOp empty[] = {{DW_OP_drop}, {DW_OP_drop}};
    const DkDwarfOp nothing[] = {{DW_OP_drop}};
    const DkDwarfOp zero[] = {{DW_OP_lit1}, {DW_OP_lit0}, {DW_OP_div}};
    const DkDwarfOp modulo[] = {{DW_OP_lit1}, {DW_OP_lit0}, {DW_OP_mod}};
    const DkDwarfOp unknown_reg[] = {{DW_OP_breg9}};
    const DkDwarfOp far_reg[] = {{DW_OP_bregx, G_MAXUINT64}};
    const DkDwarfOp pick[] = {{DW_OP_pick, 200}};
    const DkDwarfOp rot[] = {{DW_OP_lit1}, {DW_OP_rot}};
    const DkDwarfOp swap[] = {{DW_OP_swap}};
    const DkDwarfOp odd[] = {{DW_OP_deref_size, 3}};
    const DkDwarfOp odd_large[] = {{DW_OP_deref_size, (guint64)1 << 32 | 8}};
    const DkDwarfOp strange[] = {{DW_OP_fbreg, 1}};
    const struct {
        const DkDwarfOp *ops;
        guint nops;
        const char *why;
    } cases[] = {
        {deep, 200, "an unwind expression needs too deep a stack"},
        {forever, 1, "an unwind expression does not end"},
        {inside, 2, "an unwind expression branches out of itself"},
        {empty, 2, "an unwind expression takes from an empty stack"},
        {nothing, 1, "an unwind expression takes from an empty stack"},
        {zero, 3, "an unwind expression divides by zero"},
        {modulo, 3, "an unwind expression divides by zero"},
        {unknown_reg, 1, "an unwind expression needs register 9, which is not known"},
        {far_reg, 1,
         "an unwind expression needs register 18446744073709551615, which is not known"},
        {pick, 1, "an unwind expression takes from an empty stack"},
        {rot, 2, "an unwind expression takes from an empty stack"},
        {swap, 1, "an unwind expression takes from an empty stack"},
        {odd, 1, "an unwind expression reads an odd number of bytes"},
        {odd_large, 1, "an unwind expression reads an odd number of bytes"},
        {strange, 1, "unwind expressions with operation 0x91 are not handled"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 value = 77;
        g_autofree char *why = NULL;
        g_assert_false(evaluate(cases[i].ops, cases[i].nops, 8, &value, &why));
        g_assert_cmpstr(why, ==, cases[i].why);
        g_assert_cmphex(value, ==, 77);
    }
}

/* The trampoline of signals has rules by expression; the rest of libc has offsets. */
static void test_signal_rules(void)
{
#ifdef __x86_64__
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    SelfHost host;
    self_host_init(&host, subject, space);
    const DkModule *libc = self_module(subject, "libc.so.6");
    /* mov $15,%rax; syscall */
    static const guint8 code[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    gsize len = libc->last - libc->first + 1;
    g_autofree guint8 *text = g_malloc0(len);
    for (gsize at = 0; at < len; at += 4096)
        dk_space_read(space, libc->first + at, text + at, MIN(4096, len - at));
    const guint8 *found = memmem(text, len, code, sizeof code);
    g_assert_nonnull(found);
    guint64 rva;
    DkSymFile *file = self_symbols(&host, libc->first, &rva);
    const DkCfiRow *row = file->ops->cfi(file, (guint64)(found - text));
    g_assert_nonnull(row);
    g_assert_true(row->signal_frame);
    g_assert_true(row->cfa_is_expression);
    g_assert_cmpuint(row->return_register, ==, 16);
    /* rip stands 168 bytes into the ucontext, which the stack pointer is at. */
    g_assert_true(row->rules[16].kind == DK_CFI_AT_EXPR);
    DkRegs at_trampoline = {.valid = 0};
    dk_regs_set(&at_trampoline, 7, 0x7ffc0000);
    DkExpressionFrame frame = {
        .memory = &memory, .regs = &at_trampoline, .pointer_size = 8, .has_cfa = TRUE};
    g_autofree char *why = NULL;
    guint64 value = 0;
    g_assert_true(dk_expression_evaluate(&frame, row->rules[16].ops, row->rules[16].nops, TRUE,
                                         &value, &why));
    g_assert_cmphex(value, ==, 0x7ffc0000 + 168);
    self_host_clear(&host);
#else
    g_test_skip("runs on x86-64");
#endif
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autoptr(DkSpace) space = self_space_new();
    dk_stack_memory_init(&memory, space);
    dk_regs_set(&regs, 3, 0x1000);
    g_test_add_func("/cfi/operations", test_operations);
    g_test_add_func("/cfi/memory", test_memory);
    g_test_add_func("/cfi/branches", test_branches);
    g_test_add_func("/cfi/hostile", test_hostile);
    g_test_add_func("/cfi/signal-rules", test_signal_rules);
    return g_test_run();
}
