/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The register contexts of Windows (CONTEXT), which minidumps and machine dumps carry alike:
 * little-endian.  Sources: winnt.h as documented on learn.microsoft.com (CONTEXT of x86, x64,
 * ARM64); Breakpad's google_breakpad/common/minidump_cpu_*.h (BSD) for its old ARM64 context.  The
 * structs are copied from and to bytes as they are, so the host has to be little-endian.
 */
#pragma once

#include <assert.h>
#include <glib.h>

static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "contexts are copied as they are");

#pragma pack(push, 1)

/* Only what is converted has names. */

typedef struct {
    guint32 flags;      /* 0x000 */
    guint32 debug[6];   /* 0x004 */
    guint8 fsave[108];  /* 0x01c FSAVE area */
    guint32 cr0_npx;    /* 0x088 */
    guint32 gs;         /* 0x08c */
    guint32 fs;         /* 0x090 */
    guint32 es;         /* 0x094 */
    guint32 ds;         /* 0x098 */
    guint32 edi;        /* 0x09c */
    guint32 esi;        /* 0x0a0 */
    guint32 ebx;        /* 0x0a4 */
    guint32 edx;        /* 0x0a8 */
    guint32 ecx;        /* 0x0ac */
    guint32 eax;        /* 0x0b0 */
    guint32 ebp;        /* 0x0b4 */
    guint32 eip;        /* 0x0b8 */
    guint32 cs;         /* 0x0bc */
    guint32 eflags;     /* 0x0c0 */
    guint32 esp;        /* 0x0c4 */
    guint32 ss;         /* 0x0c8 */
    guint8 fxsave[512]; /* 0x0cc */
} WinContextX86;
static_assert(sizeof(WinContextX86) == 716, "CONTEXT of x86");
#define WIN_CONTEXT_X86 0x10000u

typedef struct {
    guint64 home[6];          /* 0x000 */
    guint32 flags;            /* 0x030 */
    guint32 mxcsr;            /* 0x034 */
    guint16 cs;               /* 0x038 */
    guint16 ds;               /* 0x03a */
    guint16 es;               /* 0x03c */
    guint16 fs;               /* 0x03e */
    guint16 gs;               /* 0x040 */
    guint16 ss;               /* 0x042 */
    guint32 eflags;           /* 0x044 */
    guint64 debug[6];         /* 0x048 */
    guint64 rax;              /* 0x078 */
    guint64 rcx;              /* 0x080 */
    guint64 rdx;              /* 0x088 */
    guint64 rbx;              /* 0x090 */
    guint64 rsp;              /* 0x098 */
    guint64 rbp;              /* 0x0a0 */
    guint64 rsi;              /* 0x0a8 */
    guint64 rdi;              /* 0x0b0 */
    guint64 r8_to_r15[8];     /* 0x0b8 */
    guint64 rip;              /* 0x0f8 */
    guint8 fxsave[512];       /* 0x100 */
    guint8 vectors[26 * 16];  /* 0x300 */
    guint64 vector_control;   /* 0x4a0 */
    guint64 debug_control[5]; /* 0x4a8 */
} WinContextAmd64;
static_assert(sizeof(WinContextAmd64) == 1232, "CONTEXT of x64");
#define WIN_CONTEXT_AMD64 0x100000u

typedef struct {
    guint32 flags;           /* 0x000 */
    guint32 cpsr;            /* 0x004 */
    guint64 x[31];           /* 0x008 */
    guint64 sp;              /* 0x100 */
    guint64 pc;              /* 0x108 */
    guint8 vectors[32 * 16]; /* 0x110 */
    guint32 fpcr;            /* 0x310 */
    guint32 fpsr;            /* 0x314 */
    guint8 debug[120];       /* 0x318 */
} WinContextArm64;
static_assert(sizeof(WinContextArm64) == 912, "CONTEXT of ARM64");
#define WIN_CONTEXT_ARM64 0x400000u

/* Breakpad's own layout before 2018. */
typedef struct {
    guint64 flags;           /* 0x000 */
    guint64 x[31];           /* 0x008 */
    guint64 sp;              /* 0x100 */
    guint64 pc;              /* 0x108 */
    guint32 cpsr;            /* 0x110 */
    guint32 fpsr;            /* 0x114 */
    guint32 fpcr;            /* 0x118 */
    guint8 vectors[32 * 16]; /* 0x11c */
} WinContextArm64Old;
static_assert(sizeof(WinContextArm64Old) == 796, "MDRawContextARM64_Old");
#define WIN_CONTEXT_ARM64_OLD 0x80000000u

/* Parts that a context holds, in the low bits of its flags; ARM64 has no segments: 4 is FP there.
 */
#define WIN_CONTEXT_CONTROL 1u
#define WIN_CONTEXT_INTEGER 2u
#define WIN_CONTEXT_SEGMENTS 4u
#define WIN_CONTEXT_FP 8u
#define WIN_CONTEXT_DEBUG 0x10u
#define WIN_CONTEXT_FP_ARM64 4u
#define WIN_CONTEXT_X86_EXTENDED 0x20u

#pragma pack(pop)
