/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the words pid:N, name:NAME and unit:UNIT to processes.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* TRUE when target begins with one of the words above. */
gboolean dk_process_target_is(const char *target);

/*
 * The processes that target means, as GArray of pid_t, ascending, never empty.  name: compares the
 * kernel's name of the process (comm, cut to 15 bytes) and the file name of its program; unit:
 * takes every process in the control group of that unit (".service" is added to a name without a
 * dot). dumpkit itself is left out.  DK_ERROR_USAGE for a malformed target, NOT_FOUND when nothing
 * matches.
 */
GArray *dk_process_target_find(const char *root, const char *target,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* "1234  nginx  nginx: worker process": one line for people. Free with g_free(). */
char *dk_process_target_line(const char *root, pid_t pid);
