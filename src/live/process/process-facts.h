/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fills a subject with what /proc says of a process beside its memory and registers.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "mem/subject.h"

/*
 * Names, ids, auxv, command line, program, the system's version and CPU, and the texts that
 * minidumps carry; not the machine.  What cannot be read stays unknown.
 */
void dk_process_describe(const char *root, pid_t pid, DkSubject *subject);

/* Name, state, times and signals of one thread; leaves it as it is when the thread is gone. */
void dk_process_describe_thread(const char *root, pid_t pid, DkThread *thread);

/* The same for threads that came up after the listing: those without a name. */
void dk_process_describe_late_threads(const char *root, pid_t pid, DkSubject *subject);

/*
 * Adds the marks of smaps (GArray of DkSmap) to the mappings of subject that have the same first
 * and last address.  Result: GArray of guint, the indexes of those whose marks changed.
 */
GArray *dk_process_take_smaps(DkSubject *subject, const GArray *smaps);

/* Device memory and pages of the kernel's own ("[vvar]", "[vsyscall]") that nobody can read. */
gboolean dk_process_is_unreadable(const DkMapping *mapping);

/* Modules: files that are mapped with code; and the vdso. */
void dk_process_find_modules(DkSubject *subject);
