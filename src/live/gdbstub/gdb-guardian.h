/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A child process that keeps a stub's connection, and lets the machine run on when dumpkit ends
 * without having done so: stubs leave a machine stopped whose client has vanished.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
    pid_t pid; /* 0: there is none */
    int pipe;  /* its other end is the guardian's; -1: there is none */
} DkGdbGuardian;

/* Starts it for the connected socket; no other thread may hold locks. */
gboolean dk_gdb_guardian_start(DkGdbGuardian *guardian, int socket,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Ends it: with is_done since the machine runs on already, otherwise after it has seen to that.
 */
void dk_gdb_guardian_end(DkGdbGuardian *guardian, gboolean is_done);
