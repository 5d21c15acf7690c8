/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmp/qmp-socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define READ_SIZE 65536u

typedef struct {
    DkQmpTransport base;
    int fd;
    pid_t peer;
    GByteArray *input; /* received and not given out yet */
    gsize scanned;     /* bytes of it that hold no end of line */
} SocketTransport;

static void set_gone(DkQmpTransport *transport, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: the monitor has closed its socket",
                transport->name);
}

/* What sendmsg() did with the first byte, which the descriptor travels with. */
static gssize send_some(int socket, const char *text, gsize len, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = (gpointer)text, .iov_len = len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL);
}

static gboolean socket_send(DkQmpTransport *transport, const char *text, gsize len, int fd,
                            GError **error)
{
    SocketTransport *socket = (SocketTransport *)transport;
    if (len >= DK_QMP_MESSAGE_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: a command of %zu bytes is too large",
                    transport->name, len);
        return FALSE;
    }
    g_autofree char *line = g_strdup_printf("%s\n", text);
    for (gsize done = 0; done < len + 1;) {
        gssize sent = send_some(socket->fd, line + done, len + 1 - done, fd);
        if (sent < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = socket->fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (sent < 0 && errno != EINTR) {
            int err = errno;
            if (err == EPIPE || err == ECONNRESET)
                set_gone(transport, error);
            else
                dk_error_set_errno(error, err, "%s: command", transport->name);
            return FALSE;
        } else if (sent > 0) {
            done += (gsize)sent;
            fd = -1;
        }
    }
    return TRUE;
}

/* Cuts the first line out of what was received; NULL when there is no whole one. */
static char *take_line(SocketTransport *socket)
{
    GByteArray *input = socket->input;
    while (input->len > socket->scanned) {
        const guint8 *end = memchr(input->data + socket->scanned, '\n',
                                   input->len - socket->scanned);
        if (!end) {
            socket->scanned = input->len;
            return NULL;
        }
        gsize len = (gsize)(end - input->data);
        gsize kept = len && input->data[len - 1] == '\r' ? len - 1 : len;
        char *line = g_strndup((const char *)input->data, kept);
        g_byte_array_remove_range(input, 0, (guint)len + 1);
        socket->scanned = 0;
        if (*line)
            return line;
        g_free(line);
    }
    return NULL;
}

/* 1: something came; 0: nothing within timeout_ms; -1: error. */
static int fill(SocketTransport *socket, guint timeout_ms, GError **error)
{
    struct pollfd wait = {.fd = socket->fd, .events = POLLIN};
    int ready = poll(&wait, 1, timeout_ms > G_MAXINT ? G_MAXINT : (int)timeout_ms);
    if (ready == 0 || (ready < 0 && errno == EINTR))
        return 0;
    guint8 bytes[READ_SIZE];
    gssize got = recv(socket->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got > 0) {
        g_byte_array_append(socket->input, bytes, (guint)got);
        return 1;
    }
    int err = errno;
    if (got < 0 && (err == EAGAIN || err == EINTR))
        return 0;
    if (got == 0 || err == ECONNRESET)
        set_gone(&socket->base, error);
    else
        dk_error_set_errno(error, err, "%s: answer", socket->base.name);
    return -1;
}

static gboolean socket_receive(DkQmpTransport *transport, guint timeout_ms, char **text,
                               GError **error)
{
    SocketTransport *socket = (SocketTransport *)transport;
    gint64 end_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    for (;;) {
        char *line = take_line(socket);
        if (line) {
            *text = line;
            return TRUE;
        }
        if (socket->input->len >= DK_QMP_MESSAGE_MAX) {
            g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                        "%s: the monitor sends a line of more than %u bytes", transport->name,
                        DK_QMP_MESSAGE_MAX);
            return FALSE;
        }
        gint64 left_us = end_us - g_get_monotonic_time();
        guint left_ms = left_us > 0 ? (guint)((left_us + 999) / 1000) : 0;
        int got = fill(socket, left_ms, error);
        if (got < 0)
            return FALSE;
        if (got == 0 && g_get_monotonic_time() >= end_us) {
            *text = NULL;
            return TRUE;
        }
    }
}

static int socket_poll_fd(DkQmpTransport *transport)
{
    return ((SocketTransport *)transport)->fd;
}

static pid_t socket_peer(DkQmpTransport *transport)
{
    return ((SocketTransport *)transport)->peer;
}

static void socket_close(DkQmpTransport *transport)
{
    SocketTransport *socket = (SocketTransport *)transport;
    dk_fd_close(&socket->fd);
    g_byte_array_unref(socket->input);
    g_free(transport->name);
    g_free(socket);
}

static const DkQmpTransportOps socket_ops = {
    .name = "unix",
    .send = socket_send,
    .receive = socket_receive,
    .poll_fd = socket_poll_fd,
    .peer = socket_peer,
    .close = socket_close,
};

DkQmpTransport *dk_qmp_socket_new(int fd, const char *name, gboolean greets)
{
    SocketTransport *transport = g_new0(SocketTransport, 1);
    struct ucred peer = {.pid = -1};
    socklen_t size = sizeof peer;
    transport->base.ops = &socket_ops;
    transport->base.name = g_strdup(name);
    transport->base.greets = greets;
    transport->fd = fd;
    transport->input = g_byte_array_new();
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0)
        peer.pid = -1;
    transport->peer = peer.pid;
    return &transport->base;
}

static gboolean wait_greeting(int fd, const char *target, const char *path, GError **error)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    gint64 end_us = g_get_monotonic_time() + (gint64)DK_QMP_GREETING_MS * 1000;
    for (;;) {
        gint64 left_us = end_us - g_get_monotonic_time();
        int ready = left_us > 0 ? poll(&wait, 1, (int)(left_us / 1000) + 1) : 0;
        if (ready > 0)
            return TRUE;
        if (ready < 0 && errno == EINTR)
            continue;
        break;
    }
    pid_t holder = dk_qmp_socket_holder(path);
    g_autofree char *comm_path = g_strdup_printf("/proc/%d/comm", (int)holder);
    g_autofree char *comm = NULL;
    if (holder > 0 && g_file_get_contents(comm_path, &comm, NULL, NULL))
        g_set_error(error, DK_ERROR, DK_ERROR_BUSY, "%s: %s (pid %d) holds the monitor", target,
                    g_strchomp(comm), (int)holder);
    else
        g_set_error(error, DK_ERROR, DK_ERROR_BUSY,
                    "%s: the monitor does not greet within %u s: another client holds it, or QEMU "
                    "does not answer",
                    target, DK_QMP_GREETING_MS / 1000);
    return FALSE;
}

DkQmpTransport *dk_qmp_socket_open(const char *target, GError **error)
{
    const char *path = g_str_has_prefix(target, "qmp:") ? target + strlen("qmp:") : target;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!*path || strlen(path) >= sizeof address.sun_path) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "%s: the path of a unix socket is expected",
                    target);
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path));
    dk_autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int err = errno;
        if (err == ECONNREFUSED)
            g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                        "%s: nobody listens on this socket (has QEMU ended?)", target);
        else
            dk_error_set_errno(error, err, "%s", target);
        return NULL;
    }
    if (!wait_greeting(fd, target, path, error))
        return NULL;
    return dk_qmp_socket_new(dk_fd_steal(&fd), target, TRUE);
}
