/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkQmp: a client of QEMU's monitor protocol.  One command at a time is sent and its reply waited
 * for; events that come meanwhile are kept until they are asked for.  Protocol: QEMU's
 * docs/interop/qmp-spec.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "proto/qmp-transport.h"

typedef struct DkQmp DkQmp;

/* How deep objects and arrays of a message may nest. */
#define DK_QMP_DEPTH_MAX 64u
/* Events that wait to be asked for; of more, the oldest are dropped. */
#define DK_QMP_EVENTS_MAX 4096u

/* What a monitor tells by itself. */
typedef struct {
    char *name;       /* "STOP", "RESUME", "GUEST_PANICKED", ... */
    JsonObject *data; /* or NULL */
    gint64 time_us;   /* QEMU's clock when it happened, since 1970; -1 when not told */
} DkQmpEvent;

void dk_qmp_event_free(DkQmpEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQmpEvent, dk_qmp_event_free)

/*
 * A client over transport, which it owns from now on, also on failure: takes the greeting and
 * agrees on capabilities where the transport says so.  timeout_ms is how long any reply may take;
 * DK_ERROR_PEER names the command that was not answered in that time.
 */
DkQmp *dk_qmp_new(DkQmpTransport *transport, guint timeout_ms,
                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_qmp_free(DkQmp *qmp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQmp, dk_qmp_free)

/* The version in the greeting, such as "7.2.22"; NULL when there was none.  Lent. */
const char *dk_qmp_version(const DkQmp *qmp);

/* See DkQmpTransportOps. */
int dk_qmp_poll_fd(DkQmp *qmp);
pid_t dk_qmp_peer(DkQmp *qmp);
gboolean dk_qmp_carrier_idle(DkQmp *qmp, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Runs a command and gives what it returns, fresh.  arguments (NULL: none) is taken.  fd goes along
 * when it is not negative and stays the caller's.  DK_ERROR_UNSUPPORTED when this QEMU does not
 * know the command, PEER with the monitor's own words when it refuses, TARGET_GONE when QEMU ended,
 * PEER for what is no QMP, LIMIT for what is too large or too deep.
 */
JsonNode *dk_qmp_call_fd(DkQmp *qmp, const char *command, JsonObject *arguments, int fd,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
JsonNode *dk_qmp_call(DkQmp *qmp, const char *command, JsonObject *arguments,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A command whose answer says nothing. */
gboolean dk_qmp_do(DkQmp *qmp, const char *command, JsonObject *arguments,
                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Hands fd (which stays the caller's) to QEMU under a name, for "fd:NAME" of later commands. */
gboolean dk_qmp_give_fd(DkQmp *qmp, const char *name, int fd,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A command of the human monitor; what it says, with plain line ends, fresh. */
char *dk_qmp_human(DkQmp *qmp, const char *line, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The oldest event that was not taken yet, waiting at most timeout_ms for one: the caller's, or
 * NULL in *event when none came.  FALSE when the monitor is gone.
 */
gboolean dk_qmp_next_event(DkQmp *qmp, guint timeout_ms, DkQmpEvent **event,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Sends a line that is no command, and fd when it is not negative, to a carrier that has words of
 * its own (live/qemu/guardian.h).
 */
gboolean dk_qmp_send_raw(DkQmp *qmp, const char *line, int fd,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Forgets all events that wait. */
void dk_qmp_drop_events(DkQmp *qmp);

/* Members of objects as monitors give them: a default where they are missing or of another type. */
const char *dk_json_string(JsonObject *object, const char *name);
gint64 dk_json_int(JsonObject *object, const char *name, gint64 otherwise);
gboolean dk_json_boolean(JsonObject *object, const char *name);
JsonObject *dk_json_object(JsonObject *object, const char *name);
JsonArray *dk_json_array(JsonObject *object, const char *name);
/* node as an object or array, or NULL. */
JsonObject *dk_json_node_object(JsonNode *node);
JsonArray *dk_json_node_array(JsonNode *node);
