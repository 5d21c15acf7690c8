/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QMP over a unix stream socket: messages are lines, a descriptor travels with the line that speaks
 * of it (SCM_RIGHTS).
 */
#pragma once

#include <glib.h>

#include "proto/qmp-transport.h"

/* How long a monitor that nobody holds may take to greet. */
#define DK_QMP_GREETING_MS 5000u

/*
 * Connects to the monitor that target names: "qmp:PATH".  A DkQmpOpen.  A monitor serves one client
 * at a time and lets others wait without a word, so one that does not greet within
 * DK_QMP_GREETING_MS gives DK_ERROR_BUSY, naming the process that holds it where it can be found.
 */
DkQmpTransport *dk_qmp_socket_open(const char *target, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A transport over a connected socket, which it owns from now on.  name is for messages. */
DkQmpTransport *dk_qmp_socket_new(int fd, const char *name, gboolean greets);

/*
 * A process that is connected to the listening socket at path other than this one; -1 when none can
 * be found (its descriptors may not be ours to see).
 */
pid_t dk_qmp_socket_holder(const char *path);
