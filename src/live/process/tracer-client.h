/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dumpkit's side of the tracer: starts it, sends requests, reads what it saved.
 */
#pragma once

#include <glib.h>

#include "live/process/tracer-protocol.h"
#include "mem/subject.h"

typedef struct DkTracerClient DkTracerClient;

/*
 * Starts the tracer: argv is the program and its arguments (NULL-terminated), which has to end up
 * in dk_tracer_main().
 */
DkTracerClient *dk_tracer_client_new(const char *const *argv,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * No more requests: the tracer lets go of the target, removes the copy and ends; nothing is waited
 * for.  Only dk_tracer_client_close() may follow.
 */
void dk_tracer_client_release(DkTracerClient *client);

/*
 * Closes the socket, upon which the tracer lets go of the target and ends, and waits for that.
 * FALSE when it had been killed, and may have left something in the target.
 */
gboolean dk_tracer_client_close(DkTracerClient *client);
/* The same, for cleanup; NULL is allowed. */
void dk_tracer_client_free(DkTracerClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkTracerClient, dk_tracer_client_free)

pid_t dk_tracer_client_pid(const DkTracerClient *client);

/*
 * One request and its reply.  FALSE with DK_ERROR_PEER when the tracer is gone; reply->err is for
 * the caller to look at.
 */
gboolean dk_tracer_call(DkTracerClient *client, const DkTracerRequest *request,
                        DkTracerReply *reply, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Fills the threads of subject with what the tracer saved (bytes as STOP said): adds threads that
 * are not there yet, sets registers, adds a gap for those that did not stop in time.
 */
gboolean dk_tracer_take_threads(DkTracerClient *client, guint64 bytes, guint timeout_ms,
                                DkSubject *subject, GError **error) G_GNUC_WARN_UNUSED_RESULT;
