/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkQmpTransport: what carries QMP, QEMU's monitor protocol, in whole messages: a unix socket
 * (proto/qmp), or libvirt.  live/qemu, trigger/ and prepare/ use one without knowing which.
 *
 * To add a transport: embed DkQmpTransport as the first member of your struct, fill in a static
 * const DkQmpTransportOps, and offer a function of type DkQmpOpen.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Bytes of one message, either way; larger ones are refused with DK_ERROR_LIMIT. */
#define DK_QMP_MESSAGE_MAX (16u << 20)

typedef struct DkQmpTransport DkQmpTransport;

typedef struct {
    const char *name;

    /*
     * Sends one command, a JSON object of len bytes on one line, without an end of line.  fd, when
     * not negative, goes along for "getfd"; it stays the caller's.  DK_ERROR_TARGET_GONE when the
     * other side is no longer there.
     */
    gboolean (*send)(DkQmpTransport *transport, const char *text, gsize len, int fd,
                     GError **error);

    /*
     * Waits at most timeout_ms (0: not at all) for the next message, a reply or an event, and gives
     * its text to the caller (NUL-terminated), or NULL when none came in that time.  FALSE with
     * DK_ERROR_TARGET_GONE when the other side is no longer there.
     */
    gboolean (*receive)(DkQmpTransport *transport, guint timeout_ms, char **text, GError **error);

    /* A descriptor that poll() finds readable when receive() may have something. */
    int (*poll_fd)(DkQmpTransport *transport);

    /* The process of QEMU where it is on this machine and can be told; otherwise -1.  May be NULL.
     */
    pid_t (*peer)(DkQmpTransport *transport);

    /*
     * FALSE with DK_ERROR_BUSY, which names it, when the carrier itself has work under way with the
     * guest, besides what QEMU tells.  May be NULL.
     */
    gboolean (*idle)(DkQmpTransport *transport, GError **error);

    void (*close)(DkQmpTransport *transport);
} DkQmpTransportOps;

struct DkQmpTransport {
    const DkQmpTransportOps *ops;
    char *name; /* the target as the user gave it, such as "qmp:/run/vm.sock"; owned */
    /*
     * The other side is a bare monitor: it greets, and takes commands only after
     * "qmp_capabilities".  FALSE where the carrier has done that already.
     */
    gboolean greets;
};

/*
 * Opens the transport that the word of the user names ("qmp:/run/vm.sock").  DK_ERROR_NOT_FOUND,
 * DENIED, BUSY (another client holds the monitor; who, if that can be found), USAGE.
 */
typedef DkQmpTransport *(*DkQmpOpen)(const char *target, GError **error);

static inline void dk_qmp_transport_close(DkQmpTransport *transport)
{
    if (transport)
        transport->ops->close(transport);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQmpTransport, dk_qmp_transport_close)
