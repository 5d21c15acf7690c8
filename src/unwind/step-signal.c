/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signal frames without unwind rules: the code that a handler returns to is one of a few sequences
 * fixed by the kernel's ABI, and stands on a struct with all registers.  Layouts: Linux'
 * arch/x86/include/asm/sigframe.h and uapi asm/sigcontext.h, asm/ucontext.h; for arm64 uapi
 * asm/sigcontext.h and asm/ucontext.h.
 */
#include <string.h>

#include "unwind/unwinder.h"

/* Where the registers stand, relative to the stack pointer, by DWARF number. */
typedef struct {
    guint number;
    guint off;
} Slot;

/* rt_sigreturn of x86-64 stands on a struct ucontext, whose registers begin 40 bytes in. */
static const Slot x86_64_slots[] = {
    {8, 40},  {9, 48},  {10, 56}, {11, 64}, {12, 72}, {13, 80}, {14, 88}, {15, 96},  {5, 104},
    {4, 112}, {6, 120}, {3, 128}, {1, 136}, {0, 144}, {2, 152}, {7, 160}, {16, 168},
};

/* A 32-bit struct sigcontext. */
static const Slot x86_slots[] = {
    {7, 16}, {6, 20}, {5, 24}, {4, 28}, {3, 32}, {2, 36}, {1, 40}, {0, 44}, {8, 56},
};

typedef struct {
    DkMachineId machine;
    guint8 code[9];
    guint8 len;
    /* What va stands at: the registers (x86), or the stack pointer. */
    enum { AT_SP, AT_SP_4, AT_PUC } context;
} Trampoline;

static const Trampoline trampolines[] = {
    /* mov rax,15; syscall */
    {DK_MACHINE_X86_64, {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05}, 9, AT_SP},
    /* pop eax; mov eax,119; int 0x80 */
    {DK_MACHINE_X86, {0x58, 0xb8, 0x77, 0, 0, 0, 0xcd, 0x80}, 8, AT_SP_4},
    /* mov eax,173; int 0x80 */
    {DK_MACHINE_X86, {0xb8, 0xad, 0, 0, 0, 0xcd, 0x80}, 7, AT_PUC},
    /* mov x8,#139; svc #0 */
    {DK_MACHINE_ARM64, {0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4}, 8, AT_SP},
};

/* Of struct rt_sigframe: siginfo_t, then struct ucontext with the registers 184 bytes in. */
#define ARM64_REGS 312
#define ARM64_NREGS 33 /* x0 to x30, sp, pc */

static const Trampoline *find_trampoline(DkUnwinder *unwinder, guint64 pc_va)
{
    guint8 code[9];
    for (guint i = 0; i < G_N_ELEMENTS(trampolines); i++) {
        const Trampoline *trampoline = &trampolines[i];
        if (trampoline->machine == unwinder->arch->machine &&
            dk_stack_memory_read(&unwinder->code, pc_va, code, trampoline->len) &&
            memcmp(code, trampoline->code, trampoline->len) == 0)
            return trampoline;
    }
    return NULL;
}

static gboolean read_slots(DkUnwinder *unwinder, guint64 va, const Slot *slots, guint count,
                           DkRegs *regs)
{
    for (guint i = 0; i < count; i++) {
        guint64 value;
        if (!dk_unwinder_word(unwinder, va + slots[i].off, &value))
            return FALSE;
        dk_regs_set(regs, slots[i].number, value);
    }
    return TRUE;
}

static gboolean read_arm64(DkUnwinder *unwinder, guint64 sp_va, DkRegs *regs)
{
    for (guint i = 0; i < ARM64_NREGS; i++) {
        guint64 value;
        if (!dk_unwinder_word(unwinder, sp_va + ARM64_REGS + 8 * i, &value))
            return FALSE;
        dk_regs_set(regs, i, value);
    }
    return TRUE;
}

DkStep dk_step_signal(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    const Trampoline *trampoline = find_trampoline(unwinder, frame->pc_va);
    if (!trampoline)
        return DK_STEP_NONE;
    guint64 va = frame->sp_va;
    gboolean done;
    if (trampoline->machine == DK_MACHINE_ARM64) {
        done = read_arm64(unwinder, va, &caller->regs);
    } else if (trampoline->machine == DK_MACHINE_X86_64) {
        done = read_slots(unwinder, va, x86_64_slots, G_N_ELEMENTS(x86_64_slots), &caller->regs);
    } else {
        /* Behind the handler's arguments: the number and the registers, or pointers to them. */
        guint64 context = va + 4;
        if (trampoline->context == AT_PUC && dk_unwinder_word(unwinder, va + 8, &context))
            context += 20;
        done = read_slots(unwinder, context, x86_slots, G_N_ELEMENTS(x86_slots), &caller->regs);
    }
    if (!done)
        return DK_STEP_STOP;
    frame->signal_frame = TRUE;
    caller->trust = DK_FRAME_CFI;
    caller->exact_pc = TRUE;
    return DK_STEP_OK;
}
