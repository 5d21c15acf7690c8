/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unwind/unwind.h"

#include <stdarg.h>

#include "unwind/unwinder.h"

/* A thread has one alternate signal stack; nested handlers may go to and fro a few times. */
#define SWITCHES_MAX 4

const char *dk_frame_trust_name(DkFrameTrust trust)
{
    switch (trust) {
    case DK_FRAME_CONTEXT:
        return "context";
    case DK_FRAME_CFI:
        return "cfi";
    case DK_FRAME_FRAME_POINTER:
        return "frame pointer";
    case DK_FRAME_SCAN:
        break;
    }
    return "scan";
}

void dk_unwinder_note(DkUnwinder *unwinder, const char *format, ...)
{
    if (unwinder->why)
        return;
    va_list args;
    va_start(args, format);
    unwinder->why = g_strdup_vprintf(format, args);
    va_end(args);
}

gboolean dk_unwinder_word(DkUnwinder *unwinder, guint64 va, guint64 *value)
{
    if (dk_stack_memory_word(&unwinder->stack, va, unwinder->arch->pointer_size, value))
        return TRUE;
    dk_unwinder_note(unwinder, "memory at 0x%" G_GINT64_MODIFIER "x is not in the dump",
                     unwinder->stack.missing_va);
    return FALSE;
}

guint64 dk_unwinder_strip(DkUnwinder *unwinder, guint64 va)
{
    if (unwinder->arch->machine != DK_MACHINE_ARM64 || unwinder->host->is_code(unwinder->host, va))
        return va;
    /* Bit 55 tells the half of the address space. */
    const guint64 code = 0xff7f000000000000;
    guint64 plain = va >> 55 & 1 ? va | code : va & ~code;
    return unwinder->host->is_code(unwinder->host, plain) ? plain : va;
}

/* Whether the caller's stack lies where it may: further out, or elsewhere behind a signal. */
static gboolean grows(DkUnwinder *unwinder, const DkFrame *frame, const DkFrame *caller)
{
    if (caller->sp_va > frame->sp_va)
        return TRUE;
    if (frame->signal_frame)
        return unwinder->switches++ < SWITCHES_MAX;
    /* A function that was just entered, or needs no stack, where calls do not push. */
    return caller->sp_va == frame->sp_va && frame->exact_pc && caller->pc_va != frame->pc_va;
}

/* Whether what a method found can be the caller. */
static gboolean accept(DkUnwinder *unwinder, const DkFrame *frame, DkFrame *caller)
{
    const DkArch *arch = unwinder->arch;
    if (!dk_regs_has(&caller->regs, arch->pc) || !dk_regs_has(&caller->regs, arch->sp))
        return FALSE;
    caller->pc_va = caller->regs.value[arch->pc];
    caller->sp_va = caller->regs.value[arch->sp];
    if (!caller->pc_va)
        return TRUE;
    if (!grows(unwinder, frame, caller)) {
        dk_unwinder_note(unwinder,
                         "the stack does not grow from 0x%" G_GINT64_MODIFIER
                         "x to 0x%" G_GINT64_MODIFIER "x",
                         frame->sp_va, caller->sp_va);
        return FALSE;
    }
    /* What a signal interrupted may have jumped anywhere. */
    if (!frame->signal_frame && !unwinder->host->is_code(unwinder->host, caller->pc_va)) {
        dk_unwinder_note(unwinder, "return address 0x%" G_GINT64_MODIFIER "x is not code",
                         caller->pc_va);
        return FALSE;
    }
    return TRUE;
}

typedef DkStep (*StepMethod)(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller);

/* The caller of frame by the first method that works. */
static DkStep step(DkUnwinder *unwinder, DkFrame *frame, DkFrame *caller)
{
    static const StepMethod methods[] = {dk_step_cfi, dk_step_signal, dk_step_frame_pointer,
                                         dk_step_scan};
    static const StepMethod signal_first[] = {dk_step_signal, dk_step_cfi, dk_step_frame_pointer,
                                              dk_step_scan};
    static const StepMethod wild[] = {dk_step_wild_jump, dk_step_frame_pointer, dk_step_scan};
    /* The rules of arm64's trampoline, where it has any, lose the pc that was interrupted. */
    const StepMethod *use = unwinder->arch->machine == DK_MACHINE_ARM64 ? signal_first : methods;
    guint count = G_N_ELEMENTS(methods);
    if (frame->exact_pc && !unwinder->host->is_code(unwinder->host, frame->pc_va)) {
        use = wild;
        count = G_N_ELEMENTS(wild);
    }
    g_clear_pointer(&unwinder->why, g_free);
    for (guint i = 0; i < count; i++) {
        *caller = (DkFrame){.regs = {.valid = 0}};
        DkStep done = use[i](unwinder, frame, caller);
        if (done == DK_STEP_END || done == DK_STEP_STOP)
            return done;
        if (done == DK_STEP_OK && accept(unwinder, frame, caller))
            return caller->pc_va ? DK_STEP_OK : DK_STEP_END;
        frame->signal_frame = FALSE;
        frame->cfa_va = 0;
    }
    dk_unwinder_note(unwinder, "nothing tells the caller of 0x%" G_GINT64_MODIFIER "x",
                     frame->pc_va);
    return DK_STEP_STOP;
}

static void walk(DkUnwinder *unwinder, GArray *frames, guint max)
{
    for (;;) {
        DkFrame *frame = &g_array_index(frames, DkFrame, frames->len - 1);
        DkFrame caller;
        DkStep done = step(unwinder, frame, &caller);
        if (done != DK_STEP_OK) {
            if (done == DK_STEP_END)
                g_clear_pointer(&unwinder->why, g_free);
            return;
        }
        g_clear_pointer(&unwinder->why, g_free);
        frame->return_va = caller.pc_va;
        if (frames->len >= max) {
            dk_unwinder_note(unwinder, "limit of %u frames", max);
            return;
        }
        g_array_append_val(frames, caller);
    }
}

GArray *dk_unwind(DkUnwindHost *host, const DkRegs *regs, guint max, char **why)
{
    const DkArch *arch = host->arch;
    GArray *frames = g_array_new(FALSE, FALSE, sizeof(DkFrame));
    if (why)
        *why = NULL;
    if (!max || !dk_regs_has(regs, arch->pc)) {
        if (why)
            *why = g_strdup(max ? "the program counter is not known" : "limit of 0 frames");
        return frames;
    }
    DkFrame first = {.pc_va = regs->value[arch->pc],
                     .sp_va = dk_regs_has(regs, arch->sp) ? regs->value[arch->sp] : 0,
                     .trust = DK_FRAME_CONTEXT,
                     .exact_pc = TRUE,
                     .regs = *regs};
    g_array_append_val(frames, first);
    if (!dk_regs_has(regs, arch->sp)) {
        if (why)
            *why = g_strdup("the stack pointer is not known");
        return frames;
    }
    DkUnwinder *unwinder = g_new0(DkUnwinder, 1);
    unwinder->host = host;
    unwinder->arch = arch;
    dk_stack_memory_init(&unwinder->stack, host->space);
    dk_stack_memory_init(&unwinder->code, host->space);
    walk(unwinder, frames, max);
    if (why)
        *why = g_steal_pointer(&unwinder->why);
    g_free(unwinder->why);
    g_free(unwinder);
    return frames;
}
