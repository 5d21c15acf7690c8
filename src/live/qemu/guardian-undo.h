/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guardian and dumpkit's side of it share: the words of their talk (guardian.h), and
 * putting back what was changed.
 */
#pragma once

#include <glib.h>

#include "proto/qmp/qmp.h"

#define DK_GUARDIAN_READY "!ready "
#define DK_GUARDIAN_FAILED "!failed "
#define DK_GUARDIAN_UNDO "!undo "
#define DK_GUARDIAN_NOTHING DK_GUARDIAN_UNDO "[]"
#define DK_GUARDIAN_DRAIN "!drain"

/*
 * Runs the commands of a JSON array in order, whatever becomes of each, and waits as guardian.h
 * says.  FALSE when the monitor was gone before the end.
 */
gboolean dk_guardian_undo(DkQmp *qmp, const char *commands);

/*
 * Reads the stream of a migration to its end, or until none is under way any more; what is read is
 * lost.  fd stays the caller's.
 */
void dk_guardian_drain(DkQmp *qmp, int fd);

/* Whether a status of query-migrate or query-dump is that of work under way. */
gboolean dk_qemu_is_busy_status(const char *status);

/* Waits, a minute at most, until neither a migration nor a dump is under way. */
gboolean dk_qemu_wait_idle(DkQmp *qmp, GError **error) G_GNUC_WARN_UNUSED_RESULT;
