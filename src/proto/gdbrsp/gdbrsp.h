/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkGdbrsp: a client of the GDB remote serial protocol over TCP, for stubs of whole machines: one
 * packet at a time is sent and its reply waited for; stop replies that come unasked are passed
 * over.  Protocol: "Remote Protocol" in GDB's manual; QEMU's additions in its docs/system/gdb.rst.
 */
#pragma once

#include <glib.h>

/* Bytes of one packet as it comes, and of what it means when repeats are written out. */
#define DK_GDBRSP_RAW_MAX (1u << 20)
#define DK_GDBRSP_PACKET_MAX (4u << 20)
/* Bytes of a document or of what a monitor says. */
#define DK_GDBRSP_TEXT_MAX (16u << 20)
#define DK_GDBRSP_THREADS_MAX 4096u

typedef struct DkGdbrsp DkGdbrsp;

/*
 * Connects to "HOST:PORT"; most stubs stop their machine by that, and leave it stopped when the
 * connection ends without the packet "D".  name is for messages.  timeout_ms is how long any reply
 * may take.  DK_ERROR_USAGE, NOT_FOUND when nobody listens.
 */
DkGdbrsp *dk_gdbrsp_connect(const char *host_port, const char *name, guint timeout_ms,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same over a socket that is connected already, and owned from now on. */
DkGdbrsp *dk_gdbrsp_new(int fd, const char *name, guint timeout_ms) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Agrees on features; before anything else.  DK_ERROR_PEER when no stub answers, or another client
 * has it.
 */
gboolean dk_gdbrsp_start(DkGdbrsp *rsp, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_gdbrsp_free(DkGdbrsp *rsp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkGdbrsp, dk_gdbrsp_free)

/* The socket; lent. */
int dk_gdbrsp_fd(const DkGdbrsp *rsp);

/*
 * Sends a packet and gives the reply, fresh, NUL-terminated; len (may be NULL) is its length.  An
 * empty one means that the stub does not know the packet.  DK_ERROR_PEER, LIMIT, TARGET_GONE.
 */
char *dk_gdbrsp_ask(DkGdbrsp *rsp, const char *packet, gsize *len,
                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* As above, for a packet that "OK" answers; DK_ERROR_UNSUPPORTED for an empty reply. */
gboolean dk_gdbrsp_do(DkGdbrsp *rsp, const char *packet, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What the stub's monitor says to a line, fresh; DK_ERROR_UNSUPPORTED when it has none. */
char *dk_gdbrsp_monitor(DkGdbrsp *rsp, const char *line, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A document of the target description, such as "target.xml", fresh. */
char *dk_gdbrsp_features(DkGdbrsp *rsp, const char *annex,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Ids of the threads (CPUs), fresh texts, at least one. */
GPtrArray *dk_gdbrsp_threads(DkGdbrsp *rsp, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads at most len bytes at addr; how many were, 0 where there is no memory; -1 with an error. */
gssize dk_gdbrsp_read(DkGdbrsp *rsp, guint64 addr, void *buf, gsize len,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
