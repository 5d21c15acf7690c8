/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unwind rules from .eh_frame and .debug_frame.  elfutils gives each register as a location
 * description in a form of its own (see dwarf_frame_register() in libdw.h), which is turned into
 * DkCfiRule here; rows are kept by the range they are good for.
 */
#include <dwarf.h>
#include <string.h>

#include "sym/elf/elf-file.h"

/* Limits for hostile rules. */
#define ROWS_MAX \
    65536            /* rows are lent until close; of one module that has more, no more are given */
#define OPS_MAX 4096 /* operations of one expression */
#define MISSES_MAX 65536

/* A row with the operations that its expressions lend. */
typedef struct {
    DkCfiRow row;
    GSList *ops; /* of DkDwarfOp arrays */
} OwnedRow;

struct DkElfCfi {
    GTree *rows;        /* guint64 * (first of the row) -> OwnedRow * */
    GHashTable *misses; /* RVAs without rules */
};

static void owned_row_free(gpointer data)
{
    OwnedRow *owned = data;
    g_slist_free_full(owned->ops, g_free);
    g_free(owned);
}

static gint compare_rva(gconstpointer first, gconstpointer second, gpointer data)
{
    guint64 a = *(const guint64 *)first;
    guint64 b = *(const guint64 *)second;
    return a < b ? -1 : a > b;
}

static DkElfCfi *cfi_get(DkElfFile *file)
{
    if (!file->cfi) {
        file->cfi = g_new0(DkElfCfi, 1);
        file->cfi->rows = g_tree_new_full(compare_rva, NULL, NULL, owned_row_free);
        file->cfi->misses = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    }
    return file->cfi;
}

void dk_elf_cfi_free(DkElfCfi *cfi)
{
    g_tree_unref(cfi->rows);
    g_hash_table_unref(cfi->misses);
    g_free(cfi);
}

/* Copies an expression, its addresses as RVAs; FALSE when it is too long. */
static gboolean copy_ops(OwnedRow *owned, DkCfiRule *rule, const Dwarf_Op *ops, size_t nops,
                         guint64 to_rva)
{
    if (nops > OPS_MAX)
        return FALSE;
    DkDwarfOp *copy = g_new0(DkDwarfOp, MAX(nops, 1));
    for (size_t i = 0; i < nops; i++) {
        copy[i] = (DkDwarfOp){ops[i].atom, ops[i].number, ops[i].number2, ops[i].offset};
        if (ops[i].atom == DW_OP_addr)
            copy[i].number += to_rva;
    }
    owned->ops = g_slist_prepend(owned->ops, copy);
    rule->ops = copy;
    rule->nops = (guint)nops;
    return TRUE;
}

static gboolean make_rule(OwnedRow *owned, DkCfiRule *rule, Dwarf_Frame *frame, int number,
                          guint64 to_rva)
{
    Dwarf_Op memory[3];
    Dwarf_Op *ops = NULL;
    size_t nops = 0;
    if (dwarf_frame_register(frame, number, memory, &ops, &nops) != 0)
        return FALSE;
    if (!nops) {
        rule->kind = ops == memory ? DK_CFI_UNDEFINED : DK_CFI_SAME;
        return TRUE;
    }
    if (ops[0].atom != DW_OP_call_frame_cfa) {
        rule->kind = DK_CFI_REGISTER;
        if (nops == 1 && ops[0].atom == DW_OP_regx)
            rule->offset = (gint64)ops[0].number;
        else if (nops == 1 && ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
            rule->offset = ops[0].atom - DW_OP_reg0;
        else
            return FALSE;
        return TRUE;
    }
    gboolean value = ops[nops - 1].atom == DW_OP_stack_value;
    size_t inner = nops - 1 - value; /* without the CFA in front and the mark behind */
    if (ops == memory && (!inner || (inner == 1 && ops[1].atom == DW_OP_plus_uconst))) {
        rule->kind = value ? DK_CFI_CFA_PLUS : DK_CFI_AT_CFA;
        rule->offset = inner ? (gint64)ops[1].number : 0;
        return TRUE;
    }
    rule->kind = value ? DK_CFI_EXPR : DK_CFI_AT_EXPR;
    return copy_ops(owned, rule, ops + 1, inner, to_rva);
}

static gboolean make_cfa(OwnedRow *owned, Dwarf_Frame *frame, guint64 to_rva)
{
    DkCfiRow *row = &owned->row;
    Dwarf_Op *ops = NULL;
    size_t nops = 0;
    if (dwarf_frame_cfa(frame, &ops, &nops) != 0 || !nops)
        return FALSE;
    if (nops == 1 && ops[0].atom == DW_OP_bregx) {
        row->cfa_register = (guint)ops[0].number;
        row->cfa_offset = (gint64)ops[0].number2;
        return ops[0].number < DK_ARCH_REGS_MAX;
    }
    row->cfa_is_expression = TRUE;
    row->cfa_expression.kind = DK_CFI_EXPR;
    return copy_ops(owned, &row->cfa_expression, ops, nops, to_rva);
}

/* The registers that the machine's rules may name: those of which the arch has values. */
static gboolean make_rules(const DkElfFile *file, OwnedRow *owned, Dwarf_Frame *frame,
                           guint64 to_rva)
{
    guint64 wanted = (guint64)1 << owned->row.return_register;
    for (guint i = 0; i < file->arch->nnames; i++) {
        if (file->arch->names[i].dwarf >= 0)
            wanted |= (guint64)1 << file->arch->names[i].dwarf;
    }
    for (guint number = 0; number < DK_ARCH_REGS_MAX; number++) {
        DkCfiRule *rule = &owned->row.rules[number];
        rule->kind = DK_CFI_SAME;
        if ((wanted >> number & 1) && !make_rule(owned, rule, frame, (int)number, to_rva))
            return FALSE;
    }
    return TRUE;
}

/* The row at vaddr by one of the two sections. */
static OwnedRow *make_row(const DkElfFile *file, Dwarf_CFI *cfi, Dwarf_Addr bias, guint64 vaddr)
{
    Dwarf_Frame *frame = NULL;
    if (!cfi || dwarf_cfi_addrframe(cfi, vaddr - bias, &frame) != 0)
        return NULL;
    OwnedRow *owned = g_new0(OwnedRow, 1);
    Dwarf_Addr start;
    Dwarf_Addr end;
    bool signal_frame = false;
    int column = dwarf_frame_info(frame, &start, &end, &signal_frame);
    guint64 to_rva = bias - file->low_vaddr;
    gboolean done = FALSE;
    if (column >= 0 && column < DK_ARCH_REGS_MAX && start < end) {
        owned->row.first = start + to_rva;
        owned->row.last = end - 1 + to_rva;
        owned->row.signal_frame = signal_frame;
        owned->row.return_register = (guint)column;
        done = make_cfa(owned, frame, to_rva) && make_rules(file, owned, frame, to_rva);
    }
    free(frame);
    if (!done)
        g_clear_pointer(&owned, owned_row_free);
    return owned;
}

static const DkCfiRow *known_row(DkElfCfi *cfi, guint64 rva)
{
    GTreeNode *behind = g_tree_upper_bound(cfi->rows, &rva);
    GTreeNode *node = behind ? g_tree_node_previous(behind) : g_tree_node_last(cfi->rows);
    OwnedRow *owned = node ? g_tree_node_value(node) : NULL;
    return owned && rva <= owned->row.last ? &owned->row : NULL;
}

const DkCfiRow *dk_elf_cfi(DkSymFile *base, guint64 rva)
{
    DkElfFile *file = (DkElfFile *)base;
    if (!file->arch || rva >= file->size)
        return NULL;
    DkElfCfi *cfi = cfi_get(file);
    const DkCfiRow *row = known_row(cfi, rva);
    if (row || g_hash_table_contains(cfi->misses, &rva) || g_tree_nnodes(cfi->rows) >= ROWS_MAX)
        return row;
    guint64 vaddr = rva + file->low_vaddr;
    Dwarf_Addr bias;
    Dwarf_CFI *section = dwfl_module_eh_cfi(file->module, &bias);
    OwnedRow *owned = make_row(file, section, bias, vaddr);
    if (!owned) {
        section = dwfl_module_dwarf_cfi(file->module, &bias);
        owned = make_row(file, section, bias, vaddr);
    }
    /* A row that does not hold what it was looked up for, or crosses others, comes of bad rules. */
    if (owned && (rva < owned->row.first || rva > owned->row.last))
        g_clear_pointer(&owned, owned_row_free);
    if (!owned) {
        if (g_hash_table_size(cfi->misses) < MISSES_MAX)
            g_hash_table_add(cfi->misses, g_memdup2(&rva, sizeof rva));
        return NULL;
    }
    OwnedRow *same = g_tree_lookup(cfi->rows, &owned->row.first);
    if (same) {
        /* Its range is shorter than this one's; rows are lent until close, so both must stay. */
        owned->row.first = rva;
    }
    g_tree_insert(cfi->rows, &owned->row.first, owned);
    return &owned->row;
}
