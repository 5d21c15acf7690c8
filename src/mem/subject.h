/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSubject: what a dump is of, as its source or reader found it.  A process now (threads with
 * register sets, mappings, modules) or a machine.  Whatever could not be had stands in `gaps`,
 * with the reason.  Plain data: sources fill it in, everyone else reads it.
 */
#pragma once

#include <glib.h>

#include "mem/machine.h"
#include "mem/regset.h"

typedef enum { DK_SUBJECT_PROCESS, DK_SUBJECT_MACHINE } DkSubjectKind;

typedef enum { DK_OS_UNKNOWN, DK_OS_LINUX, DK_OS_WINDOWS, DK_OS_MACOS, DK_OS_OTHER } DkOs;

/* "Linux" and so on; never NULL. */
const char *dk_os_name(DkOs os);

/* A part that is missing from the dump, and why. */
typedef struct {
    /*
     * What fails a dump: "thread", "regset", "pages" (could not be read), "data" (of a cut file).
     * What was meant to be so: "excluded" (left out on purpose, or nobody can read it), "instant"
     * (there, but not of the same instant as the rest).
     */
    char *what;
    guint64 first; /* addresses of the part (virtual; physical of a machine), both inside; first >
                      last: none */
    guint64 last;
    guint32 tid; /* the thread that is meant; 0 when none is */
    char *why;   /* a phrase, such as "MADV_DONTDUMP"; never NULL */
} DkGap;

void dk_gap_free(DkGap *gap);

/* Protection and kind of a mapping, and of memory regions of other systems. */
typedef enum {
    DK_MAP_READ = 1 << 0,
    DK_MAP_WRITE = 1 << 1,
    DK_MAP_EXEC = 1 << 2,
    DK_MAP_SHARED = 1 << 3,
    DK_MAP_DONTDUMP = 1 << 4,   /* MADV_DONTDUMP */
    DK_MAP_DONTFORK = 1 << 5,   /* MADV_DONTFORK */
    DK_MAP_WIPEONFORK = 1 << 6, /* MADV_WIPEONFORK */
    DK_MAP_IO = 1 << 7,         /* device memory (VM_IO, VM_PFNMAP) */
    DK_MAP_HUGETLB = 1 << 8,
    DK_MAP_ANON = 1 << 9,    /* no file behind it (private; [heap] and [stack] included) */
    DK_MAP_DELETED = 1 << 10 /* the file was unlinked */
} DkMapFlags;

typedef struct {
    guint64 first; /* virtual addresses, both inside */
    guint64 last;
    guint32 flags;       /* DkMapFlags */
    guint64 file_offset; /* bytes */
    guint64 device;      /* st_dev of the file; 0 for none */
    guint64 inode;
    char *path; /* file, or "[stack]", "[heap]", "[vdso]", ...; NULL when it has no name */
} DkMapping;

/* A loaded program or library. */
typedef struct {
    guint64 first; /* virtual addresses, both inside, from the lowest to the highest mapped byte */
    guint64 last;
    char *path;
    GBytes *build_id;  /* ELF build-id, or NULL */
    guint32 timestamp; /* of a PE; 0 otherwise */
    guint32 checksum;  /* of a PE; 0 otherwise */
    char *debug_file;  /* name of the PDB, or NULL */
    guint8 guid[16];   /* of the PDB; all zero when there is none */
    guint32 age;       /* of the PDB */
    char *version;     /* "10.0.19041.1", or NULL */
    gboolean unloaded; /* was loaded earlier */
} DkModule;

typedef struct {
    guint32 tid;
    guint32 ns_tid; /* inside the process's own pid namespace; 0 when not known */
    char *name;     /* NULL when not known */
    char state;     /* of /proc/PID/stat: 'R', 'S', 'D', ...; 0 when not known */
    gint signal;    /* the signal it stopped on; 0 for none */
    guint64 signals_pending;
    guint64 signals_blocked;
    guint64 user_ns; /* CPU time */
    guint64 system_ns;
    GBytes *regs[DK_REGSET_COUNT]; /* NULL: not there */
    guint64 stack_first;           /* the stack that the dump promises; first > last for none */
    guint64 stack_last;
    guint64 teb_va;    /* Windows: the TEB; 0 otherwise */
    guint32 suspended; /* Windows: suspend count */
    char *missing;     /* why it has no registers; NULL when it has */
} DkThread;

/* Why the process was dumped. */
typedef struct {
    gboolean valid;
    guint32 tid;
    guint32 code;    /* signal on Unix, NTSTATUS on Windows */
    guint32 flags;   /* Windows; si_code on Linux */
    guint64 address; /* the faulting address or instruction */
    guint nparams;
    guint64 params[15];
} DkException;

typedef struct {
    gint64 pid; /* -1 when not known */
    gint64 ns_pid;
    gint64 ppid;
    gint64 pgrp;
    gint64 sid;
    gint64 uid; /* -1 when not known */
    gint64 gid;
    char *name;    /* comm */
    char *command; /* arguments joined by blanks; NULL when not known */
    char *exe;     /* path of the program; NULL when not known */
    GBytes *auxv;  /* ELF auxiliary vector as the kernel lays it out, or NULL */
    DkException exception;
    GPtrArray *threads;  /* of DkThread; the one that triggered the dump is first */
    GPtrArray *mappings; /* of DkMapping, ascending */
    GPtrArray *modules;  /* of DkModule, ascending; the program itself may stand anywhere */
} DkProcess;

/* How, when and by what a dump was made; texts are NULL and numbers -1 when not known. */
typedef struct {
    char *writer;       /* "dumpkit 0.1", "Linux kernel", "gcore", "Breakpad", ... */
    char *method;       /* "snapshot", "stop", ... */
    char *level;        /* "full", "mini", ... */
    char *comment;      /* what the file itself says */
    gint64 time_us;     /* when the memory was as it is, microseconds since 1970 */
    gint64 pause_ns;    /* how long the target stood still */
    gint64 duration_ns; /* how long the capture took in all */
    gint complete;      /* 1: whole as planned; 0: something failed in the middle; -1 */
} DkOrigin;

typedef struct {
    DkSubjectKind kind;
    DkMachineId machine;
    DkOs os;
    char *os_version;
    char *cpu; /* model name, or NULL */
    guint cpus;
    guint page_size;   /* bytes */
    DkProcess process; /* for DK_SUBJECT_PROCESS */
    DkMachine system;  /* for DK_SUBJECT_MACHINE */
    DkOrigin origin;
    GPtrArray *gaps; /* of DkGap */
    /*
     * Texts of the system that some formats carry as they are, by name: "linux/cpuinfo",
     * "linux/status", "linux/maps" (of a file read; writers make maps of the mappings),
     * "linux/lsb-release"; "windows/header" is the header of a Windows dump, all of it (0x1000 or
     * 0x2000 bytes), "windows/kdbg" the decoded KDDEBUGGER_DATA64 of a triage dump.  Never the
     * environment.  From char * to GBytes.
     */
    GHashTable *texts;
} DkSubject;

/* An empty subject, of a process until kind is set: page size 4096, everything unknown. */
DkSubject *dk_subject_new(void);
void dk_subject_free(DkSubject *subject);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSubject, dk_subject_free)

/* Each appends a fresh element that the subject owns, and lends it. */
DkThread *dk_subject_add_thread(DkSubject *subject, guint32 tid);
DkMapping *dk_subject_add_mapping(DkSubject *subject, guint64 first, guint64 last);
DkModule *dk_subject_add_module(DkSubject *subject, guint64 first, guint64 last);

/* Adds a gap over first..last; first > last for a part without addresses. */
void dk_subject_add_gap(DkSubject *subject, const char *what, guint64 first, guint64 last,
                        guint32 tid, const char *why_format, ...) G_GNUC_PRINTF(6, 7);

/* Keeps text, taking a reference of its own, in place of what had that name. */
void dk_subject_set_text(DkSubject *subject, const char *name, GBytes *text);

/* Borrows the text of that name, or NULL. */
GBytes *dk_subject_text(const DkSubject *subject, const char *name);

/* The mapping, module or thread asked for, or NULL.  Mappings and modules must be ascending. */
const DkMapping *dk_subject_mapping_at(const DkSubject *subject, guint64 va);
const DkModule *dk_subject_module_at(const DkSubject *subject, guint64 va);
DkThread *dk_subject_thread(const DkSubject *subject, guint32 tid);

/* Sorts mappings and modules (a machine's too) ascending; readers call it once when they are done.
 */
void dk_subject_sort(DkSubject *subject);
