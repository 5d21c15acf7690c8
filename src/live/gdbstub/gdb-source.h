/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A machine behind a GDB stub (QEMU's -gdb) as a source of physical memory and CPU registers.  The
 * stub stops the machine when pause() attaches, and lets it run when resume() detaches; a guardian
 * process sees to that when dumpkit dies.  A machine that was stopped before runs then too: a stub
 * does not tell.  RAM is where QEMU's monitor, which the stub carries, says so.
 */
#pragma once

#include <glib.h>

#include "mem/source.h"

/*
 * A source for "gdb:HOST:PORT"; nothing is touched before pause().  Errors of pause(): those of
 * proto/gdbrsp, and UNSUPPORTED for a stub that cannot read physical memory or does not say where
 * RAM is.
 */
DkSource *dk_gdb_source_new(const char *target, guint timeout_ms);

/* How long the machine stood, ns; -1 while it stands, or before. */
gint64 dk_gdb_source_pause_ns(const DkSource *source);
