/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkArch: what the registers of a machine are called and where they stand in the blocks of
 * mem/regset.h; how its instructions read; its page tables.  One const table a machine;
 * dk_arch_for() finds it.
 *
 * To add a machine: add a DkArch in a file of its own and a line in arch.c.
 */
#pragma once

#include <glib.h>

#include "arch/paging.h"
#include "mem/regset.h"
#include "mem/subject.h"

/* Register numbers are those of DWARF for the machine; none is above this. */
#define DK_ARCH_REGS_MAX 64

/* Values of general registers by DWARF number. */
typedef struct {
    guint64 value[DK_ARCH_REGS_MAX];
    guint64 valid; /* bit n: value[n] is known */
} DkRegs;

static inline gboolean dk_regs_has(const DkRegs *regs, guint number)
{
    return number < DK_ARCH_REGS_MAX && (regs->valid >> number & 1);
}

static inline void dk_regs_set(DkRegs *regs, guint number, guint64 value)
{
    regs->value[number] = value;
    regs->valid |= (guint64)1 << number;
}

typedef struct {
    const char *name; /* as kd prints it: "rax", "eip", "lr" */
    gint dwarf;  /* DWARF number, or -1 for one that unwinding does not know (segments, flags) */
    guint16 off; /* in DK_REGSET_GENERAL */
    guint8 size; /* bytes there: 4 or 8 */
} DkRegName;

/* A name for some bits of a register: "eax", "ah", "zf", and other names of whole registers. */
typedef struct {
    const char *name;
    const char *of; /* a DkRegName of the same machine */
    guint8 shift;
    guint8 bits;
} DkRegPart;

typedef struct DkArch DkArch;

struct DkArch {
    DkMachineId machine;
    const char *name;
    guint pointer_size; /* bytes */
    gsize general_size; /* of DK_REGSET_GENERAL */
    guint pc;           /* DWARF numbers */
    guint sp;
    guint fp;
    const DkRegName *names;
    guint nnames;
    const DkRegPart *parts;
    guint nparts;
    /*
     * The display of `r`: name lists, a line each, ended by NULL; kd's order.  flags_name is the
     * register whose bits `r` spells out, or NULL; the word "iopl" in a list stands where kd does.
     */
    const char *const *display;
    const char *flags_name;
    /* Registers that a call preserves (DWARF numbers), for unwinding without rules. */
    guint64 preserved;
    /* The kinds of paging that the machine has, ended by NULL; each has a step for its levels. */
    const DkPaging *const *pagings;
};

/* NULL for a machine that is not known. */
const DkArch *dk_arch_for(DkMachineId machine);

/* Fills *regs from a block in DK_REGSET_GENERAL form; FALSE when it is too short. */
gboolean dk_arch_regs_from_general(const DkArch *arch, GBytes *general, DkRegs *regs);

/* A register of a block by its name (sub-registers such as "eax", "al" included); FALSE if unknown.
 */
gboolean dk_arch_reg_by_name(const DkArch *arch, GBytes *general, const char *name, guint64 *value);

/*
 * One instruction.  In operands, target_va and memory_va stand as plain lower-case hex digits (8 or
 * 16, as wide as a pointer, memory_va in brackets on x86), which the caller may replace by a name.
 */
typedef struct {
    guint size; /* bytes */
    char mnemonic[32];
    char operands[192];
    gboolean is_call;
    gboolean is_jump;
    guint64 target_va; /* of a direct call or jump; 0 otherwise */
    guint64 memory_va; /* absolute memory operand (rip relative resolved); 0 otherwise */
    gboolean ends;     /* ret, unconditional jump: nothing flows on */
} DkInsn;

/* A disassembler; kd's MASM look (hex with h, "qword ptr"). */
typedef struct DkDisasm DkDisasm;

DkDisasm *dk_disasm_new(const DkArch *arch, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_disasm_free(DkDisasm *disasm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkDisasm, dk_disasm_free)

/* Decodes the instruction at code, which stands at va; FALSE when the bytes are none. */
gboolean dk_disasm_one(DkDisasm *disasm, const guint8 *code, gsize len, guint64 va, DkInsn *insn);
