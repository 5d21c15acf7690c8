/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/guardian-undo.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define IDLE_ROUND_US 5000
#define IDLE_ROUNDS 12000
#define DRAIN_SIZE 65536
#define DRAIN_MS 200

gboolean dk_qemu_is_busy_status(const char *status)
{
    static const char *const idle[] = {"none", "completed", "failed", "cancelled"};
    for (guint i = 0; status && i < G_N_ELEMENTS(idle); i++) {
        if (strcmp(status, idle[i]) == 0)
            return FALSE;
    }
    return status != NULL;
}

static gboolean is_busy(DkQmp *qmp, const char *query, gboolean *busy, GError **error)
{
    g_autoptr(GError) own = NULL;
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, query, NULL, &own);
    if (!node && !g_error_matches(own, DK_ERROR, DK_ERROR_UNSUPPORTED)) {
        g_propagate_error(error, g_steal_pointer(&own));
        return FALSE;
    }
    *busy |= dk_qemu_is_busy_status(dk_json_string(dk_json_node_object(node), "status"));
    return TRUE;
}

/* FALSE when the stream has ended. */
static gboolean drain_some(int fd, guint8 *buffer)
{
    gssize got = read(fd, buffer, DRAIN_SIZE);
    return got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN));
}

void dk_guardian_drain(DkQmp *qmp, int fd)
{
    g_autofree guint8 *buffer = g_malloc(DRAIN_SIZE);
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int ready = poll(&wait, 1, DRAIN_MS);
        gboolean busy = FALSE;
        if (ready > 0 && !drain_some(fd, buffer))
            return;
        if (ready == 0 && (!is_busy(qmp, "query-migrate", &busy, NULL) || !busy))
            return;
    }
}

gboolean dk_qemu_wait_idle(DkQmp *qmp, GError **error)
{
    for (guint i = 0; i < IDLE_ROUNDS; i++) {
        gboolean busy = FALSE;
        if (!is_busy(qmp, "query-migrate", &busy, error) ||
            !is_busy(qmp, "query-dump", &busy, error))
            return FALSE;
        if (!busy)
            return TRUE;
        g_usleep(IDLE_ROUND_US);
    }
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "QEMU does not end its migration or dump");
    return FALSE;
}

gboolean dk_guardian_undo(DkQmp *qmp, const char *commands)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_data(parser, commands, -1, NULL))
        return TRUE;
    JsonArray *array = dk_json_node_array(json_parser_get_root(parser));
    gboolean waits = FALSE;
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonObject *command = dk_json_node_object(json_array_get_element(array, i));
        const char *name = dk_json_string(command, "execute");
        JsonObject *arguments = dk_json_object(command, "arguments");
        g_autoptr(GError) error = NULL;
        if (!name)
            continue;
        if ((waits || strcmp(name, "cont") == 0) && !dk_qemu_wait_idle(qmp, &error) &&
            g_error_matches(error, DK_ERROR, DK_ERROR_TARGET_GONE))
            return FALSE;
        g_clear_error(&error);
        waits = strcmp(name, "migrate_cancel") == 0;
        if (!dk_qmp_do(qmp, name, arguments ? json_object_ref(arguments) : NULL, &error) &&
            g_error_matches(error, DK_ERROR, DK_ERROR_TARGET_GONE))
            return FALSE;
    }
    return TRUE;
}
