/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Steps without unwind rules: by the frame pointer, or by what on the stack looks right. */
#include <elf.h>

#include "unwind/unwinder.h"

/* A frame pointer further out than this is none, in bytes. */
#define FRAME_MAX ((guint64)256 << 20)

/* How many words are looked through for a return address. */
#define SCAN_WORDS 512

#define AUXV_TYPE_MAX 64 /* no type of the auxiliary vector is above this */

/* DWARF number of the link register of arm64. */
#define ARM64_LR 30

/* FF /2 of x86 with len bytes from the opcode to its end (Intel SDM, tables 2-2 and 2-3). */
static gboolean is_indirect_call(const guint8 *code, guint len)
{
    guint8 modrm = code[1];
    guint mod = modrm >> 6;
    guint rm = modrm & 7;
    if (code[0] != 0xff || (modrm >> 3 & 7) != 2)
        return FALSE;
    guint size = 2;
    if (mod != 3 && rm == 4) {
        size++;
        if (mod == 0 && len > 2 && (code[2] & 7) == 5)
            size += 4;
    } else if (mod == 0 && rm == 5) {
        size += 4;
    }
    if (mod == 1)
        size += 1;
    else if (mod == 2)
        size += 4;
    return size == len;
}

static DkCallBefore x86_call_before(DkUnwinder *unwinder, guint64 va)
{
    guint8 code[7];
    if (va < sizeof code || !dk_stack_memory_read(&unwinder->code, va - sizeof code, code, 7))
        return DK_CALL_UNKNOWN;
    if (code[2] == 0xe8)
        return DK_CALL_YES;
    for (guint len = 2; len <= 7; len++) {
        if (is_indirect_call(code + 7 - len, len))
            return DK_CALL_YES;
    }
    return DK_CALL_NO;
}

/* BL, BLR and its authenticating forms (Arm ARM, C4.1.66). */
static DkCallBefore arm64_call_before(DkUnwinder *unwinder, guint64 va)
{
    guint64 code;
    if (va & 3)
        return DK_CALL_NO;
    if (va < 4 || !dk_stack_memory_word(&unwinder->code, va - 4, 4, &code))
        return DK_CALL_UNKNOWN;
    gboolean bl = (code & 0xfc000000) == 0x94000000;
    gboolean blr = (code & 0xfefff000) == 0xd63f0000;
    return bl || blr ? DK_CALL_YES : DK_CALL_NO;
}

DkCallBefore dk_call_before(DkUnwinder *unwinder, guint64 va)
{
    return unwinder->arch->machine == DK_MACHINE_ARM64 ? arm64_call_before(unwinder, va)
                                                       : x86_call_before(unwinder, va);
}

static gboolean is_return_address(DkUnwinder *unwinder, guint64 va)
{
    return va && unwinder->host->is_code(unwinder->host, va) &&
           dk_call_before(unwinder, va) != DK_CALL_NO;
}

/* Stricter, for words that only happen to stand on the stack. */
static gboolean looks_like_return_address(DkUnwinder *unwinder, guint64 va)
{
    if (!va || !unwinder->host->is_code(unwinder->host, va))
        return FALSE;
    DkCallBefore call = dk_call_before(unwinder, va);
    guint64 base_va;
    /* Where the code is not in the dump, rules for it say at least that a function stands there. */
    return call == DK_CALL_YES || (call == DK_CALL_UNKNOWN &&
                                   unwinder->host->cfi(unwinder->host, va - 1, &base_va) != NULL);
}

DkStep dk_step_frame_pointer(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    const DkArch *arch = unwinder->arch;
    guint size = arch->pointer_size;
    if (!dk_regs_has(&frame->regs, arch->fp))
        return DK_STEP_NONE;
    guint64 fp = frame->regs.value[arch->fp];
    /* The first function of a thread has none, by every ABI here. */
    if (!fp && (frame->trust == DK_FRAME_CFI || frame->trust == DK_FRAME_FRAME_POINTER))
        return DK_STEP_END;
    if (fp % size || fp < frame->sp_va || fp - frame->sp_va > FRAME_MAX)
        return DK_STEP_NONE;
    guint64 saved;
    guint64 pc;
    if (!dk_unwinder_word(unwinder, fp, &saved) || !dk_unwinder_word(unwinder, fp + size, &pc))
        return DK_STEP_NONE;
    if (!saved && !pc)
        return DK_STEP_END;
    pc = dk_unwinder_strip(unwinder, pc);
    if (!is_return_address(unwinder, pc))
        return DK_STEP_NONE;
    frame->cfa_va = fp + 2 * size;
    dk_regs_set(&caller->regs, arch->pc, pc);
    dk_regs_set(&caller->regs, arch->sp, fp + 2 * size);
    if (!saved || saved > fp)
        dk_regs_set(&caller->regs, arch->fp, saved);
    caller->trust = DK_FRAME_FRAME_POINTER;
    return DK_STEP_OK;
}

static void found_by_scan(DkUnwinder *unwinder, const DkFrame *frame, DkFrame *caller, guint64 pc,
                          guint64 sp)
{
    const DkArch *arch = unwinder->arch;
    dk_regs_set(&caller->regs, arch->pc, pc);
    dk_regs_set(&caller->regs, arch->sp, sp);
    /* A frame pointer into what is still to come may be the caller's own. */
    if (dk_regs_has(&frame->regs, arch->fp) && frame->regs.value[arch->fp] >= sp)
        dk_regs_set(&caller->regs, arch->fp, frame->regs.value[arch->fp]);
    caller->trust = DK_FRAME_SCAN;
}

/* In a function that has not saved it yet, arm64's link register is the return address. */
static gboolean link_register(DkUnwinder *unwinder, const DkFrame *frame, guint64 *pc)
{
    if (unwinder->arch->machine != DK_MACHINE_ARM64 || !frame->exact_pc ||
        !dk_regs_has(&frame->regs, ARM64_LR))
        return FALSE;
    *pc = dk_unwinder_strip(unwinder, frame->regs.value[ARM64_LR]);
    return *pc != frame->pc_va && looks_like_return_address(unwinder, *pc);
}

/* How far into the program's entry point its call can stand, in bytes. */
#define ENTRY_MAX 256

/*
 * Whether va is the value of AT_ENTRY in what the kernel put on the stack of a new program, which
 * looks like a return address where the code before the entry point ends in a call.
 */
static gboolean is_auxv_entry(DkUnwinder *unwinder, guint64 va)
{
    guint size = unwinder->arch->pointer_size;
    guint64 type;
    guint64 next;
    return dk_stack_memory_word(&unwinder->stack, va - size, size, &type) &&
           dk_stack_memory_word(&unwinder->stack, va + size, size, &next) && type == AT_ENTRY &&
           next <= AUXV_TYPE_MAX;
}

DkStep dk_step_scan(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    guint size = unwinder->arch->pointer_size;
    guint64 pc;
    if (link_register(unwinder, frame, &pc)) {
        found_by_scan(unwinder, frame, caller, pc, frame->sp_va);
        return DK_STEP_OK;
    }
    guint64 va = (frame->sp_va + size - 1) / size * size;
    for (guint i = 0; i < SCAN_WORDS; i++, va += size) {
        if (!dk_stack_memory_word(&unwinder->stack, va, size, &pc))
            return DK_STEP_NONE;
        if (is_auxv_entry(unwinder, va)) {
            if (frame->pc_va - pc < ENTRY_MAX)
                return DK_STEP_END;
            continue;
        }
        pc = dk_unwinder_strip(unwinder, pc);
        if (looks_like_return_address(unwinder, pc)) {
            found_by_scan(unwinder, frame, caller, pc, va + size);
            return DK_STEP_OK;
        }
    }
    return DK_STEP_NONE;
}

DkStep dk_step_wild_jump(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    const DkArch *arch = unwinder->arch;
    guint64 pc;
    guint64 sp = frame->sp_va;
    if (arch->machine == DK_MACHINE_ARM64) {
        if (!link_register(unwinder, frame, &pc))
            return DK_STEP_NONE;
    } else {
        if (!dk_unwinder_word(unwinder, sp, &pc) || !is_return_address(unwinder, pc))
            return DK_STEP_NONE;
        sp += arch->pointer_size;
    }
    /* Nothing has run since the call, so that its registers are all as they were. */
    caller->regs = frame->regs;
    dk_regs_set(&caller->regs, arch->pc, pc);
    dk_regs_set(&caller->regs, arch->sp, sp);
    frame->cfa_va = sp;
    caller->trust = DK_FRAME_SCAN;
    return DK_STEP_OK;
}
