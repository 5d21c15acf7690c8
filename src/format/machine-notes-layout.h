/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in the ELF notes of a machine dump, all little-endian.  Sources: elf(5) and the uapi
 * header linux/elfcore.h for NT_PRSTATUS; QEMU's documentation of dump-guest-memory and the facts
 * of its target/i386/arch_dump.c for the CPU state; Documentation/admin-guide/kdump/vmcoreinfo.rst
 * of Linux for VMCOREINFO.
 */
#pragma once

#include <assert.h>
#include <glib.h>
#include <stddef.h>

/* Header of a note; the owner's name with its NUL and the content follow, each padded to 4. */
typedef struct {
    guint32 namesz; /* 0x00 */
    guint32 descsz; /* 0x04 */
    guint32 type;   /* 0x08 */
} DkMachineNoteHeader;
static_assert(sizeof(DkMachineNoteHeader) == 12, "");

/* "CORE" NT_PRSTATUS (1) of 64-bit Linux as far as dumps of machines fill it in. */
typedef struct {
    guint8 signal[32]; /* 0x00 */
    guint32 pid;       /* 0x20: the task that ran; QEMU: number of the CPU from 1 on */
    guint8 times[76];  /* 0x24 */
    guint8 regs[];     /* 0x70: user_regs_struct; then fpvalid, padded to 8 */
} DkMachinePrstatus64;
static_assert(offsetof(DkMachinePrstatus64, pid) == 0x20, "");
static_assert(sizeof(DkMachinePrstatus64) == 0x70, "");

/* The same of 32-bit Linux. */
typedef struct {
    guint8 signal[24]; /* 0x00 */
    guint32 pid;       /* 0x18 */
    guint8 times[44];  /* 0x1c */
    guint8 regs[];     /* 0x48; then fpvalid */
} DkMachinePrstatus32;
static_assert(offsetof(DkMachinePrstatus32, pid) == 0x18, "");
static_assert(sizeof(DkMachinePrstatus32) == 0x48, "");

typedef struct {
    guint32 selector; /* 0x00 */
    guint32 limit;    /* 0x04 */
    guint32 flags;    /* 0x08: as in the second word of a descriptor */
    guint32 pad;      /* 0x0c */
    guint64 base;     /* 0x10 */
} DkQemuSegment;
static_assert(sizeof(DkQemuSegment) == 24, "");
static_assert(offsetof(DkQemuSegment, base) == 0x10, "");

/* "QEMU" type 0: the state of an x86 CPU, version 1. */
typedef struct {
    guint32 version;                      /* 0x000: 1 */
    guint32 size;                         /* 0x004: of all of this */
    guint64 general[16];                  /* 0x008: rax rbx rcx rdx rsi rdi rsp rbp r8 .. r15 */
    guint64 rip;                          /* 0x088 */
    guint64 rflags;                       /* 0x090 */
    DkQemuSegment cs, ds, es, fs, gs, ss; /* 0x098 */
    DkQemuSegment ldt, tr, gdt, idt;      /* 0x128 */
    guint64 cr[5];                        /* 0x188: cr1 is 0 */
    guint64 kernel_gs_base;               /* 0x1b0: since QEMU 5.1, or not there */
} DkQemuCpuState;
static_assert(offsetof(DkQemuCpuState, rip) == 0x88, "");
static_assert(offsetof(DkQemuCpuState, cs) == 0x98, "");
static_assert(offsetof(DkQemuCpuState, ldt) == 0x128, "");
static_assert(offsetof(DkQemuCpuState, cr) == 0x188, "");
static_assert(offsetof(DkQemuCpuState, kernel_gs_base) == 0x1b0, "");
static_assert(sizeof(DkQemuCpuState) == 0x1b8, "");
#define DK_QEMU_CPU_STATE_VERSION 1
