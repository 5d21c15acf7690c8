/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unwind expressions: a byte of flags, then operations of a code and two operands each, run on
 * registers and memory that are always the same.
 */
#include <stdint.h>

#include "base/cursor.h"
#include "unwind/dwarf-expression.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OPS_MAX 512

static gsize some_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    /* 64 KiB, of which each byte is its address. */
    gsize done = 0;
    for (; done < len && addr + done >= 0x10000 && addr + done < 0x20000; done++)
        ((guint8 *)buf)[done] = (guint8)(addr + done);
    return done;
}

static gboolean some_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    *run = (DkRun){MAX(from, 0x10000), 0x1ffff, DK_RUN_DATA};
    return from < 0x20000;
}

static void some_destroy(DkSpace *space)
{
    g_free(space);
}

static const DkSpaceOps some_ops = {
    .name = "some", .read = some_read, .next_run = some_next_run, .destroy = some_destroy};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, data, size, 0, "input");
    guint8 flags;
    if (!dk_cursor_u8(&cursor, "flags", &flags, NULL))
        return 0;
    DkDwarfOp ops[OPS_MAX];
    guint nops = 0;
    guint8 width;
    while (nops < OPS_MAX && dk_cursor_u8(&cursor, "atom", &ops[nops].atom, NULL) &&
           dk_cursor_u8(&cursor, "width", &width, NULL)) {
        DkDwarfOp *op = &ops[nops];
        op->offset = nops * 3;
        op->number = op->number2 = 0;
        if ((width & 1) && !dk_cursor_u64(&cursor, "number", &op->number, NULL))
            break;
        if ((width & 2) && !dk_cursor_u64(&cursor, "number2", &op->number2, NULL))
            break;
        if (!(width & 1))
            op->number = (guint64)(gint8)(width & ~3u);
        nops++;
    }
    g_autoptr(DkSpace) space = g_new0(DkSpace, 1);
    dk_space_init(space, &some_ops);
    g_autofree DkStackMemory *memory = g_new0(DkStackMemory, 1);
    dk_stack_memory_init(memory, space);
    DkRegs regs = {.valid = 0x1ffff};
    for (guint i = 0; i < 17; i++)
        regs.value[i] = 0x10000 + i * 0x777;
    DkExpressionFrame frame = {.memory = memory,
                               .regs = &regs,
                               .pointer_size = flags & 1 ? 4 : 8,
                               .has_cfa = flags >> 1 & 1,
                               .cfa_va = 0x18000};
    guint64 value = 0;
    g_autofree char *why = NULL;
    gboolean done = dk_expression_evaluate(&frame, ops, nops, flags >> 2 & 1, &value, &why);
    g_assert(done ? why == NULL : why != NULL);
    g_assert(!(done && (flags & 1)) || value <= G_MAXUINT32);
    return 0;
}
