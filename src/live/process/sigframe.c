/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/sigframe.h"

#include <elf.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* uapi/asm/sigcontext.h: how the kernel knows that xstate follows the FXSAVE area. */
#define FP_XSTATE_MAGIC1 0x46505853U
#define FP_XSTATE_MAGIC2 0x46505845U
#define FP_SW_OFFSET 464 /* of struct _fpx_sw_bytes in the FXSAVE area */

/* uapi/asm/ucontext.h */
#define UC_FP_XSTATE 1
#define UC_SIGCONTEXT_SS 2
#define UC_STRICT_RESTORE_SS 4

#ifndef PTRACE_GETSIGMASK
#define PTRACE_GETSIGMASK 0x420a
#endif

typedef struct {
    guint64 r8, r9, r10, r11, r12, r13, r14, r15;
    guint64 rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    guint16 cs, gs, fs, ss;
    guint64 err, trapno, oldmask, cr2;
    guint64 fpstate_va;
    guint64 reserved[8];
} Sigcontext;
G_STATIC_ASSERT(sizeof(Sigcontext) == 256);

typedef struct {
    guint64 return_va; /* what the first `ret` pops */
    guint64 uc_flags;
    guint64 uc_link;
    guint64 ss_sp;
    guint32 ss_flags;
    guint32 pad;
    guint64 ss_size;
    Sigcontext context;
    guint64 sigmask;
} Frame;
G_STATIC_ASSERT(sizeof(Frame) == 312);

typedef struct {
    guint32 magic1;
    guint32 extended_size;
    guint64 xfeatures;
    guint32 xstate_size;
    guint32 padding[7];
} FpSwBytes;
G_STATIC_ASSERT(sizeof(FpSwBytes) == 48);

/* Both frames, in this order, behind the FP area. */
#define FRAME_ROOM ((gsize)384)

static void fill_own(Frame *frame, const struct user_regs_struct *regs, guint64 sigmask,
                     const DkGadgets *gadgets)
{
    *frame = (Frame){
        .return_va = gadgets->sigreturn_va,
        .uc_flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS,
        /* An alternate stack that is refused, so that the thread keeps the one it has. */
        .ss_flags = 0x7fffffff,
        .sigmask = sigmask,
    };
    Sigcontext *to = &frame->context;
    to->r8 = regs->r8;
    to->r9 = regs->r9;
    to->r10 = regs->r10;
    to->r11 = regs->r11;
    to->r12 = regs->r12;
    to->r13 = regs->r13;
    to->r14 = regs->r14;
    to->r15 = regs->r15;
    to->rdi = regs->rdi;
    to->rsi = regs->rsi;
    to->rbp = regs->rbp;
    to->rbx = regs->rbx;
    to->rdx = regs->rdx;
    to->rax = regs->rax;
    to->rcx = regs->rcx;
    to->rsp = regs->rsp;
    to->rip = regs->rip;
    to->rflags = regs->eflags;
    to->cs = (guint16)regs->cs;
    to->ss = (guint16)regs->ss;
    /* What the kernel would do on its way out of an interrupted call: make it again. */
    long result = (long)regs->rax;
    if ((long)regs->orig_rax >= 0 && result <= -512 && result >= -516) {
        to->rax = regs->orig_rax;
        to->rip = regs->rip - 2;
    }
}

static void fill_child(Frame *frame, const struct user_regs_struct *regs, const DkGadgets *gadgets)
{
    *frame = (Frame){
        .return_va = gadgets->sigreturn_va,
        .uc_flags = UC_SIGCONTEXT_SS,
        .ss_flags = 0x7fffffff,
        .sigmask = ~(guint64)0,
    };
    frame->context.rax = SYS_exit_group;
    frame->context.rip = gadgets->syscall_va;
    frame->context.rflags = 0x202;
    frame->context.cs = (guint16)regs->cs;
    frame->context.ss = (guint16)regs->ss;
}

gboolean dk_sigframes_make(DkSigframes *frames, pid_t tid, const struct user_regs_struct *regs,
                           const DkGadgets *gadgets)
{
    guint64 sigmask = 0;
    g_autofree guint8 *xstate = g_malloc0(DK_TRACEE_XSTATE_MAX);
    struct iovec io = {xstate, DK_TRACEE_XSTATE_MAX};
    if (ptrace((enum __ptrace_request)PTRACE_GETSIGMASK, tid, (void *)sizeof sigmask, &sigmask) <
            0 ||
        ptrace(PTRACE_GETREGSET, tid, (void *)NT_X86_XSTATE, &io) < 0 || io.iov_len < 512 + 64 ||
        io.iov_len > DK_TRACEE_XSTATE_MAX - 64)
        return FALSE;
    FpSwBytes sw = {
        .magic1 = FP_XSTATE_MAGIC1,
        .extended_size = (guint32)io.iov_len + 4,
        .xstate_size = (guint32)io.iov_len,
    };
    /* The kernel's own mark there says which parts the XSAVE area has. */
    memcpy(&sw.xfeatures, xstate + FP_SW_OFFSET, sizeof sw.xfeatures);
    memcpy(xstate + FP_SW_OFFSET, &sw, sizeof sw);
    guint32 magic2 = FP_XSTATE_MAGIC2;
    memcpy(xstate + io.iov_len, &magic2, sizeof magic2);
    frames->fp_len = (io.iov_len + sizeof magic2 + 63) & ~(gsize)63;
    frames->len = frames->fp_len + 2 * FRAME_ROOM;
    frames->bytes = g_malloc0(frames->len);
    memcpy(frames->bytes, xstate, io.iov_len + sizeof magic2);
    Frame frame;
    fill_own(&frame, regs, sigmask, gadgets);
    memcpy(frames->bytes + frames->fp_len, &frame, sizeof frame);
    fill_child(&frame, regs, gadgets);
    memcpy(frames->bytes + frames->fp_len + FRAME_ROOM, &frame, sizeof frame);
    return TRUE;
}

void dk_sigframes_place(DkSigframes *frames, guint64 base_va)
{
    frames->frame_va = base_va + frames->fp_len;
    frames->child_frame_va = frames->frame_va + FRAME_ROOM;
    Frame *own = (Frame *)(void *)(frames->bytes + frames->fp_len);
    own->context.fpstate_va = base_va;
    Frame *child = (Frame *)(void *)(frames->bytes + frames->fp_len + FRAME_ROOM);
    child->context.rsp = frames->child_frame_va;
}

void dk_sigframes_clear(DkSigframes *frames)
{
    g_clear_pointer(&frames->bytes, g_free);
}
