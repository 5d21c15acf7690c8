/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dumpkit's side of the guardian: starts it, and speaks to the monitor through it. */
#pragma once

#include <glib.h>

#include "live/qemu/qemu-plan.h"
#include "proto/qmp/qmp.h"

typedef struct DkGuard DkGuard;

/* Starts a guardian for the target and agrees with the monitor.  Errors of options->open. */
DkGuard *dk_guard_new(const DkQemuOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The monitor; lent. */
DkQmp *dk_guard_qmp(DkGuard *guard);

/*
 * What is to be done when this process ends without having done it: a JSON array of QMP commands,
 * as guardian.h says; NULL: nothing.  To be called before the change.
 */
gboolean dk_guard_set_undo(DkGuard *guard, const char *commands,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Has the guardian read fd, the stream of a snapshot, to its end first; fd stays the caller's. Ends
 * with the promise.
 */
gboolean dk_guard_set_drain(DkGuard *guard, int fd, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Does it now, if anything is promised, and takes the promise back. */
gboolean dk_guard_put_back(DkGuard *guard, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Has everything put back that is not yet, and waits for the guardian to end.  If it was killed,
 * does its work over a connection of its own.  FALSE when that failed too; *why (fresh) then says
 * how.
 */
gboolean dk_guard_close(DkGuard *guard, char **why);
