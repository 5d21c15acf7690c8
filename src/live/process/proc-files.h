/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel says of a process under /proc (proc(5)).  Every function takes the root under
 * which proc and sys are looked for ("" for the machine's own), so that tests can show states that
 * a machine cannot be put into.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "mem/subject.h"

typedef struct {
    char *name; /* comm */
    char state;
    pid_t ppid;
    pid_t pgrp;
    pid_t sid;
    guint flags; /* PF_* of the kernel */
    guint64 user_ns;
    guint64 system_ns;
    guint64 start_ticks; /* since boot; with the pid it names a process for good */
    gint exit_signal;
} DkProcStat;

void dk_proc_stat_clear(DkProcStat *stat);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkProcStat, dk_proc_stat_clear)

/* TRUE for a process that is a zombie or on its way there: its memory is gone or going. */
gboolean dk_proc_is_ending(const DkProcStat *stat);

/*
 * Reads /proc/PID/stat, or /proc/PID/task/TID/stat when tid is not 0.  DK_ERROR_NOT_FOUND when
 * there is no such process or thread.
 */
gboolean dk_proc_stat_read(const char *root, pid_t pid, pid_t tid, DkProcStat *stat,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
    pid_t tracer; /* 0: none */
    pid_t ns_pid; /* the innermost one of NSpid */
    guint threads;
    gint seccomp;    /* 0 off, 1 strict, 2 filter; -1 when the kernel does not say */
    guint64 vm_size; /* bytes; 0 for a kernel thread or zombie */
    guint64 rss;     /* bytes */
    guint64 swap;
    guint64 page_tables;
    gint64 uid;
    gint64 gid;
    guint64 signals_pending;
    guint64 signals_blocked;
    guint64 signals_ignored;
    guint64 signals_caught;
} DkProcStatus;

/* Reads /proc/PID/status, or that of one thread. */
gboolean dk_proc_status_read(const char *root, pid_t pid, pid_t tid, DkProcStatus *status,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The thread ids of a process, ascending as the kernel lists them, as GArray of pid_t; NULL if
 * gone. */
GArray *dk_proc_tasks(const char *root, pid_t pid);

/*
 * Parses the text of /proc/PID/maps into mappings of subject, ascending.  flags get READ, WRITE,
 * EXEC, SHARED, ANON and DELETED.  Lines that do not parse fail with DK_ERROR_DAMAGED.
 */
gboolean dk_proc_maps_parse(const char *text, DkSubject *subject,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The mapping of the main thread's stack; *first = 1 and *last = 0 when there is none. */
void dk_proc_find_stack(const DkSubject *subject, guint64 *first, guint64 *last);

/* The whole text of a file below /proc/PID, such as "maps"; NULL with an error. */
char *dk_proc_read(const char *root, pid_t pid, const char *name, gsize *len, GError **error);

/* What smaps says of one mapping. */
typedef struct {
    guint64 first;
    guint64 last;
    guint32 flags; /* DkMapFlags: DONTDUMP, DONTFORK, WIPEONFORK, IO, HUGETLB */
} DkSmap;

/* Sums over all mappings, in bytes. */
typedef struct {
    guint64 rss;
    guint64 anonymous;
    guint64 huge; /* anonymous memory in huge pages */
    guint64 swap;
} DkProcSums;

/*
 * Reads /proc/PID/smaps as GArray of DkSmap, ascending, and adds up *sums (may be NULL).  The
 * kernel walks all page tables for it: 25 ms for a GiB of small pages.  NULL with an error.
 */
GArray *dk_proc_smaps(const char *root, pid_t pid, DkProcSums *sums, GError **error);

/* One number of a file below root such as /proc/sys/vm/overcommit_memory; FALSE if not there. */
gboolean dk_sys_number(const char *root, const char *path, gint64 *value);

/* The link /proc/PID/NAME ("exe"), without " (deleted)"; NULL when it cannot be read. */
char *dk_proc_link(const char *root, pid_t pid, const char *name);

/* The arguments of a process, joined by blanks; NULL when it has none. */
char *dk_proc_command(const char *root, pid_t pid);
