/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guardian: a small process of its own that holds the monitor of a guest, carries dumpkit's
 * commands to it, and when dumpkit ends for whatever reason puts back what was changed: ends our
 * migration, restores capabilities, lets the guest run on.  When the monitor is lost while there is
 * something to be put back, it opens it anew for a minute, unless the guest has ended.
 *
 * Between the two runs a stream socket with a line for each message, as between QEMU and its
 * client.  A line that begins with "!" is theirs alone:
 *
 * guardian: "!ready G"          the monitor is open; G is 1 when a greeting follows, else 0
 *           "!failed CODE TEXT" it is not; a DkErrorCode
 * dumpkit:  "!undo [COMMAND, ...]"  from now on these QMP commands, in this order, are what is to
 *           be done when the socket closes.  They are idempotent.  Before the first one that
 *           follows "migrate_cancel", and before "cont", the guardian waits until neither a
 *           migration nor a dump is under way.
 *           "!drain", with a descriptor: the stream of a background snapshot, which the guardian
 *           reads to its end before it undoes anything.  "!undo []" takes this back too.
 *
 * A snapshot is drained since QEMU (7.2 at least) keeps its write tracking when one is cancelled or
 * its pipe breaks, and could never make another one.
 */
#pragma once

#include <glib.h>

#include "proto/qmp-transport.h"

/* Descriptor that the guardian finds open: its end of the socket. */
#define DK_GUARDIAN_FD 3

/* The guardian's whole life, for the monitor that target names; its exit status. */
int dk_guardian_main(const char *target, DkQmpOpen open);
