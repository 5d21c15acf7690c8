/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/windows-context.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/windows-context-layout.h"

/* Indices in user_regs_struct of the Linux kernel, as mem/regset.h takes it over. */
enum { R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI, ORIG_RAX };
enum { RIP = 16, CS, EFLAGS, RSP, SS, FS_BASE, GS_BASE, DS, ES, FS, GS, AMD64_COUNT };
enum { EBX, ECX, EDX, ESI, EDI, EBP, EAX, X86_DS, X86_ES, X86_FS, X86_GS, ORIG_EAX };
enum { EIP = 12, X86_CS, X86_EFLAGS, ESP, X86_SS, X86_COUNT };
enum { ARM64_SP = 31, ARM64_PC, ARM64_PSTATE, ARM64_COUNT };

#define ARM64_FP_SIZE 528

static void set(GBytes **regs, DkRegsetKind kind, const void *data, gsize len)
{
    g_clear_pointer(&regs[kind], g_bytes_unref);
    regs[kind] = g_bytes_new(data, len);
}

/* Copies size bytes of the context into raw; wants the machine's bit in its flags. */
static gboolean take(const void *data, gsize len, void *raw, gsize size, GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "thread context");
    const guint8 *at = dk_cursor_bytes(&cursor, "registers", size, error);
    if (at)
        memcpy(raw, at, size);
    return at != NULL;
}

static gboolean check_flags(guint64 flags, guint32 machine_bit, GError **error)
{
    if (flags & machine_bit)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "thread context: flags 0x%" G_GINT64_MODIFIER "x lack the machine's bit 0x%x",
                flags, machine_bit);
    return FALSE;
}

static gboolean read_amd64(const void *data, gsize len, guint64 gs_base, GBytes **regs,
                           GError **error)
{
    WinContextAmd64 raw;
    if (!take(data, len, &raw, sizeof raw, error) ||
        !check_flags(raw.flags, WIN_CONTEXT_AMD64, error))
        return FALSE;
    guint64 r[AMD64_COUNT] = {
        [RBP] = raw.rbp, [RBX] = raw.rbx,     [RAX] = raw.rax,       [RCX] = raw.rcx,
        [RDX] = raw.rdx, [RSI] = raw.rsi,     [RDI] = raw.rdi,       [ORIG_RAX] = G_MAXUINT64,
        [RIP] = raw.rip, [CS] = raw.cs,       [EFLAGS] = raw.eflags, [RSP] = raw.rsp,
        [SS] = raw.ss,   [GS_BASE] = gs_base, [DS] = raw.ds,         [ES] = raw.es,
        [FS] = raw.fs,   [GS] = raw.gs,
    };
    for (guint i = 0; i < 4; i++) {
        r[R8 - i] = raw.r8_to_r15[i];
        r[R12 - i] = raw.r8_to_r15[4 + i];
    }
    set(regs, DK_REGSET_GENERAL, r, sizeof r);
    if (raw.flags & WIN_CONTEXT_FP)
        set(regs, DK_REGSET_FP, raw.fxsave, sizeof raw.fxsave);
    return TRUE;
}

static gboolean read_x86(const void *data, gsize len, GBytes **regs, GError **error)
{
    WinContextX86 raw;
    if (!take(data, len, &raw, sizeof raw, error) ||
        !check_flags(raw.flags, WIN_CONTEXT_X86, error))
        return FALSE;
    const guint32 r[X86_COUNT] = {
        [EBX] = raw.ebx,   [ECX] = raw.ecx,   [EDX] = raw.edx,           [ESI] = raw.esi,
        [EDI] = raw.edi,   [EBP] = raw.ebp,   [EAX] = raw.eax,           [X86_DS] = raw.ds,
        [X86_ES] = raw.es, [X86_FS] = raw.fs, [X86_GS] = raw.gs,         [ORIG_EAX] = G_MAXUINT32,
        [EIP] = raw.eip,   [X86_CS] = raw.cs, [X86_EFLAGS] = raw.eflags, [ESP] = raw.esp,
        [X86_SS] = raw.ss,
    };
    set(regs, DK_REGSET_GENERAL, r, sizeof r);
    if (raw.flags & WIN_CONTEXT_FP)
        set(regs, DK_REGSET_FP, raw.fsave, sizeof raw.fsave);
    if (raw.flags & WIN_CONTEXT_X86_EXTENDED)
        set(regs, DK_REGSET_FXSAVE, raw.fxsave, sizeof raw.fxsave);
    return TRUE;
}

static void set_arm64(GBytes **regs, const guint8 *x31, guint64 sp, guint64 pc, guint32 cpsr)
{
    guint64 r[ARM64_COUNT];
    memcpy(r, x31, 31 * sizeof *r);
    r[ARM64_SP] = sp;
    r[ARM64_PC] = pc;
    r[ARM64_PSTATE] = cpsr;
    set(regs, DK_REGSET_GENERAL, r, sizeof r);
}

static void set_arm64_fp(GBytes **regs, const guint8 *vectors, guint32 fpsr, guint32 fpcr)
{
    guint8 fp[ARM64_FP_SIZE] = {0};
    memcpy(fp, vectors, 512);
    memcpy(fp + 512, &fpsr, sizeof fpsr);
    memcpy(fp + 516, &fpcr, sizeof fpcr);
    set(regs, DK_REGSET_FP, fp, sizeof fp);
}

static gboolean read_arm64(const void *data, gsize len, GBytes **regs, GError **error)
{
    WinContextArm64 raw;
    if (!take(data, len, &raw, sizeof raw, error) ||
        !check_flags(raw.flags, WIN_CONTEXT_ARM64, error))
        return FALSE;
    set_arm64(regs, (const guint8 *)&raw + G_STRUCT_OFFSET(WinContextArm64, x), raw.sp, raw.pc,
              raw.cpsr);
    if (raw.flags & WIN_CONTEXT_FP_ARM64)
        set_arm64_fp(regs, raw.vectors, raw.fpsr, raw.fpcr);
    return TRUE;
}

static gboolean read_arm64_old(const void *data, gsize len, GBytes **regs, GError **error)
{
    WinContextArm64Old raw;
    if (!take(data, len, &raw, sizeof raw, error) ||
        !check_flags(raw.flags, WIN_CONTEXT_ARM64_OLD, error))
        return FALSE;
    set_arm64(regs, (const guint8 *)&raw + G_STRUCT_OFFSET(WinContextArm64Old, x), raw.sp, raw.pc,
              raw.cpsr);
    if (raw.flags & WIN_CONTEXT_FP_ARM64)
        set_arm64_fp(regs, raw.vectors, raw.fpsr, raw.fpcr);
    return TRUE;
}

gboolean dk_windows_context_read(DkMachineId machine, gboolean old_arm64, const void *data,
                                 gsize len, guint64 gs_base, GBytes **regs, GError **error)
{
    switch (machine) {
    case DK_MACHINE_X86:
        return read_x86(data, len, regs, error);
    case DK_MACHINE_X86_64:
        return read_amd64(data, len, gs_base, regs, error);
    case DK_MACHINE_ARM64:
        /* lldb writes the current layout under the old processor number too. */
        if (len == sizeof(WinContextArm64Old) || (old_arm64 && len < sizeof(WinContextArm64)))
            return read_arm64_old(data, len, regs, error);
        return read_arm64(data, len, regs, error);
    case DK_MACHINE_UNKNOWN:
        break;
    }
    g_set_error_literal(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                        "thread context of a machine that is not known");
    return FALSE;
}

gsize dk_windows_context_write(GByteArray *out, GBytes *const *regs)
{
    guint64 r[AMD64_COUNT] = {0};
    gsize len;
    const void *data = g_bytes_get_data(regs[DK_REGSET_GENERAL], &len);
    memcpy(r, data, MIN(len, sizeof r));
    WinContextAmd64 raw = {
        .flags = WIN_CONTEXT_AMD64 | WIN_CONTEXT_CONTROL | WIN_CONTEXT_INTEGER |
                 WIN_CONTEXT_SEGMENTS,
        .cs = (guint16)r[CS],
        .ds = (guint16)r[DS],
        .es = (guint16)r[ES],
        .fs = (guint16)r[FS],
        .gs = (guint16)r[GS],
        .ss = (guint16)r[SS],
        .eflags = (guint32)r[EFLAGS],
        .rax = r[RAX],
        .rcx = r[RCX],
        .rdx = r[RDX],
        .rbx = r[RBX],
        .rsp = r[RSP],
        .rbp = r[RBP],
        .rsi = r[RSI],
        .rdi = r[RDI],
        .rip = r[RIP],
    };
    for (guint i = 0; i < 4; i++) {
        raw.r8_to_r15[i] = r[R8 - i];
        raw.r8_to_r15[4 + i] = r[R12 - i];
    }
    GBytes *fp = regs[DK_REGSET_FP];
    if (fp && g_bytes_get_size(fp) >= sizeof raw.fxsave) {
        memcpy(raw.fxsave, g_bytes_get_data(fp, NULL), sizeof raw.fxsave);
        memcpy(&raw.mxcsr, raw.fxsave + 24, sizeof raw.mxcsr);
        raw.flags |= WIN_CONTEXT_FP;
    }
    g_byte_array_append(out, (const guint8 *)&raw, sizeof raw);
    return sizeof raw;
}
