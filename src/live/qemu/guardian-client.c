/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/guardian-client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/qemu/guardian-undo.h"
#include "live/qemu/guardian.h"
#include "proto/qmp/qmp-socket.h"

/* To open the monitor, the greeting included. */
#define OPEN_TIMEOUT_MS 30000u

struct DkGuard {
    const DkQemuOptions *options;
    pid_t pid;
    DkQmpTransport *transport; /* of qmp */
    DkQmp *qmp;
    char *undo; /* JSON; NULL: nothing is to be put back */
};

static void become_guardian(int socket, char *const *argv)
{
    if (socket == DK_GUARDIAN_FD) {
        if (fcntl(socket, F_SETFD, 0) < 0)
            _exit(127);
    } else if (dup2(socket, DK_GUARDIAN_FD) < 0) {
        _exit(127);
    }
    execv(argv[0], argv);
    _exit(127);
}

static gboolean spawn(DkGuard *guard, GError **error)
{
    int pair[2];
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (const char *const *word = guard->options->guardian_argv; *word; word++)
        g_ptr_array_add(argv, (gpointer)*word);
    g_ptr_array_add(argv, (gpointer)guard->options->target);
    g_ptr_array_add(argv, NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        dk_error_set_errno(error, errno, "socketpair");
        return FALSE;
    }
    guard->pid = fork();
    if (guard->pid == 0)
        become_guardian(pair[1], (char *const *)argv->pdata);
    int err = errno;
    close(pair[1]);
    if (guard->pid < 0) {
        close(pair[0]);
        dk_error_set_errno(error, err, "start of the guardian");
        return FALSE;
    }
    guard->transport = dk_qmp_socket_new(pair[0], guard->options->target, TRUE);
    return TRUE;
}

/* What the guardian says of the monitor. */
static gboolean wait_ready(DkGuard *guard, GError **error)
{
    g_autofree char *line = NULL;
    if (!guard->transport->ops->receive(guard->transport, OPEN_TIMEOUT_MS, &line, NULL) || !line) {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the guardian (pid %d) does not start",
                    guard->options->target, (int)guard->pid);
        return FALSE;
    }
    if (g_str_has_prefix(line, DK_GUARDIAN_READY)) {
        guard->transport->greets = line[strlen(DK_GUARDIAN_READY)] == '1';
        return TRUE;
    }
    char *text = line;
    long code = DK_ERROR_PEER;
    if (g_str_has_prefix(line, DK_GUARDIAN_FAILED)) {
        code = strtol(line + strlen(DK_GUARDIAN_FAILED), &text, 10);
        text += *text == ' ';
    }
    g_set_error(error, DK_ERROR, (int)code, "%s", text);
    return FALSE;
}

DkGuard *dk_guard_new(const DkQemuOptions *options, GError **error)
{
    guint timeout_ms = options->timeout_ms ? options->timeout_ms : DK_QEMU_TIMEOUT_MS;
    DkGuard *guard = g_new0(DkGuard, 1);
    guard->options = options;
    if (spawn(guard, error) && wait_ready(guard, error))
        guard->qmp = dk_qmp_new(g_steal_pointer(&guard->transport), timeout_ms, error);
    if (guard->qmp)
        return guard;
    g_autofree char *why = NULL;
    dk_guard_close(guard, &why);
    return NULL;
}

DkQmp *dk_guard_qmp(DkGuard *guard)
{
    return guard->qmp;
}

gboolean dk_guard_set_undo(DkGuard *guard, const char *commands, GError **error)
{
    g_autofree char *line = commands ? g_strconcat(DK_GUARDIAN_UNDO, commands, NULL)
                                     : g_strdup(DK_GUARDIAN_NOTHING);
    /* Kept first: should the guardian not hear it, we do the work. */
    g_free(guard->undo);
    guard->undo = g_strdup(commands);
    return dk_qmp_send_raw(guard->qmp, line, -1, error);
}

gboolean dk_guard_set_drain(DkGuard *guard, int fd, GError **error)
{
    return dk_qmp_send_raw(guard->qmp, DK_GUARDIAN_DRAIN, fd, error);
}

gboolean dk_guard_put_back(DkGuard *guard, GError **error)
{
    if (!guard->undo)
        return TRUE;
    if (dk_guardian_undo(guard->qmp, guard->undo))
        return dk_guard_set_undo(guard, NULL, error);
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: the monitor is gone",
                guard->options->target);
    return FALSE;
}

static gboolean put_back(DkGuard *guard, char **why)
{
    g_autoptr(GError) error = NULL;
    DkQmpTransport *transport = guard->options->open(guard->options->target, &error);
    g_autoptr(DkQmp) qmp = transport ? dk_qmp_new(transport, DK_QEMU_TIMEOUT_MS, &error) : NULL;
    if (qmp && dk_guardian_undo(qmp, guard->undo))
        return TRUE;
    *why = g_strdup_printf("the guardian was killed, and what was changed in QEMU could not be put "
                           "back: %s",
                           error ? error->message : "the monitor is gone");
    return FALSE;
}

gboolean dk_guard_close(DkGuard *guard, char **why)
{
    int status = 0;
    gboolean is_done = TRUE;
    g_clear_pointer(&guard->qmp, dk_qmp_free);
    g_clear_pointer(&guard->transport, dk_qmp_transport_close);
    while (guard->pid > 0 && waitpid(guard->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && guard->undo)
        is_done = put_back(guard, why);
    g_free(guard->undo);
    g_free(guard);
    return is_done;
}
