/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine of a DkSubject: its CPUs, where its RAM lies in physical memory, and what the dump or
 * the hypervisor told of the kernel that runs on it.  Plain data, as mem/subject.h.
 */
#pragma once

#include <glib.h>

#include "mem/regset.h"
#include "mem/space.h"

/* A segment, or a register that holds the place of a descriptor table (gdt, idt: no selector). */
typedef struct {
    guint32 selector;
    guint32 limit;
    guint32
        flags; /* attributes as in the second word of a descriptor, bits 8 to 23; 0: not known */
    guint64 base;
} DkX86Segment;

typedef enum {
    DK_SEG_ES,
    DK_SEG_CS,
    DK_SEG_SS,
    DK_SEG_DS,
    DK_SEG_FS,
    DK_SEG_GS,
    DK_SEG_LDT,
    DK_SEG_TR,
    DK_SEG_GDT,
    DK_SEG_IDT,
    DK_SEG_COUNT
} DkX86SegmentId;

/* Which members of a DkCpu are known. */
typedef enum {
    DK_CPU_SEGMENTS = 1 << 0,  /* seg[] */
    DK_CPU_CONTROL = 1 << 1,   /* cr0, cr2, cr3, cr4 */
    DK_CPU_CR8 = 1 << 2,       /* cr8 */
    DK_CPU_DEBUG = 1 << 3,     /* dr[] */
    DK_CPU_EFER = 1 << 4,      /* efer */
    DK_CPU_SYSCALL = 1 << 5,   /* star, lstar, cstar, fmask */
    DK_CPU_KERNEL_GS = 1 << 6, /* kernel_gs_base */
    DK_CPU_SYSENTER = 1 << 7,  /* sysenter_* */
} DkCpuParts;

/* A CPU (virtual or not) at the instant of the dump. */
typedef struct {
    guint32 index;
    guint32 parts; /* DkCpuParts */
    /*
     * As mem/regset.h says; GENERAL holds fs_base and gs_base too.  DK_REGSET_FP is the FXSAVE area
     * (x86-64).  NULL: not there.
     */
    GBytes *regs[DK_REGSET_COUNT];
    DkX86Segment seg[DK_SEG_COUNT];
    guint64 cr0, cr2, cr3, cr4, cr8;
    guint64 dr[8];
    guint64 efer, star, lstar, cstar, fmask;
    guint64 kernel_gs_base;
    guint64 sysenter_cs, sysenter_esp, sysenter_eip;
    guint32 pid;   /* Linux: the task that ran (of NT_PRSTATUS); 0 when not known */
    char *missing; /* why it has no registers; NULL when it has */
} DkCpu;

/* EXCEPTION_RECORD: why the CPU whose registers the header has stopped. */
typedef struct {
    gboolean valid;
    guint32 code; /* NTSTATUS */
    guint32 flags;
    guint64 record_va; /* of the record that this one came from; 0: none */
    guint64 address;   /* of the instruction */
    guint nparams;
    guint64 params[15];
    /* Registers at the exception, GENERAL form, where they are not those of the CPU; or NULL. */
    GBytes *general;
} DkWindowsException;

/* What the header of a Windows dump says of the system; 0 is "not known" throughout. */
typedef struct {
    gboolean valid;
    guint32 dump_type;
    guint32 major; /* 0xF free, 0xC checked */
    guint32 build; /* such as 19041 */
    guint64 pfn_database_va;
    guint64 ps_loaded_module_list_va;
    guint64 ps_active_process_head_va;
    guint64 kdbg_va; /* KDDEBUGGER_DATA64 */
    guint32 bugcheck_code;
    guint64 bugcheck_params[4];
    guint64 system_time; /* FILETIME: 100 ns since 1601 */
    guint64 up_time;     /* 100 ns */
    guint32 product_type;
    guint32 suite_mask;
    gboolean pae; /* x86: page tables are PAE's */
    DkWindowsException exception;
} DkWindowsFacts;

/* A range of physical addresses, both ends inside. */
typedef struct {
    guint64 first;
    guint64 last;
} DkRamRange;

typedef struct {
    char *name;      /* of the guest or board, such as "pc-i440fx-7.2"; NULL when not known */
    GPtrArray *cpus; /* of DkCpu, by index */
    /*
     * Where the machine has RAM, as far as the source knows, ascending and not overlapping: GArray
     * of DkRamRange.  The space of a source may lack parts of it (filtered, cut off).
     */
    GArray *ram;
    GBytes *vmcoreinfo; /* the text of Linux's VMCOREINFO, without the note's head; or NULL */
    guint64 page_root;  /* page table root that the header names (CR3 form); 0: not known */
    GPtrArray *modules; /* of DkModule: drivers that the file lists (a triage dump); ascending */
    /* The stack that a triage dump has (virtual, both inside); last 0: none. */
    guint64 stack_first;
    guint64 stack_last;
    DkWindowsFacts windows;
    /* Data behind the pages that nobody understands, copied whole; NULL, or 0..secondary_size-1. */
    DkSpace *secondary;
    guint64 secondary_size;
} DkMachine;

void dk_machine_init(DkMachine *machine);
void dk_machine_clear(DkMachine *machine);

/* Appends a fresh CPU that the machine owns, and lends it. */
DkCpu *dk_machine_add_cpu(DkMachine *machine, guint32 index);

/* Appends first..last, which must lie above what is there; joins it to the last one if they touch.
 */
void dk_machine_add_ram(DkMachine *machine, guint64 first, guint64 last);

/* Bytes of all RAM ranges. */
guint64 dk_machine_ram_size(const DkMachine *machine);
