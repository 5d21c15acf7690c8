/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a monitor may send: the input is all that comes over the socket, up to its end. */
#include <glib.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/qmp/qmp-socket.h"
#include "proto/qmp/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What fits into a socket's buffer, so that nobody has to read at the other end. */
#define INPUT_MAX 65536

static void ask(DkQmp *qmp)
{
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-status", NULL, &error);
        g_assert(node || error->domain == DK_ERROR);
        JsonObject *object = dk_json_node_object(node);
        dk_json_string(object, "status");
        dk_json_boolean(object, "running");
        dk_json_int(object, "total", 0);
        dk_json_array(object, "jobs");
    }
    g_free(dk_qmp_human(qmp, "info mtree -f", NULL));
    for (guint i = 0; i < DK_QMP_EVENTS_MAX; i++) {
        g_autoptr(DkQmpEvent) event = NULL;
        if (!dk_qmp_next_event(qmp, 0, &event, NULL) || !event)
            break;
        g_assert(event->name && event->time_us >= -1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int pair[2];
    if (size > INPUT_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    dk_autofd int other = pair[1];
    g_assert(dk_fd_write_all(other, data, size) == (gssize)size);
    shutdown(other, SHUT_WR);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = dk_qmp_new(dk_qmp_socket_new(pair[0], "fuzz", TRUE), 100, &error);
    if (qmp)
        ask(qmp);
    else
        g_assert(error->domain == DK_ERROR);
    return 0;
}
