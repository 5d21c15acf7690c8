/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the control groups of a process leave room for a copy-on-write child (cgroup v1 and v2).
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * Why a copy of pid with so many anonymous bytes does not fit: pids.max leaves fewer than two, or
 * the memory limit of a group leaves less than page tables and a quarter of the anonymous memory,
 * which is what a busy target rewrites at most while it is read.  NULL when it fits; free with
 * g_free().
 */
char *dk_cgroup_blocker(const char *root, pid_t pid, guint64 anonymous);
