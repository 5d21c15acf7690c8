/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/qemu/guardian-undo.h"

/* For an answer of the monitor while things are put back. */
#define UNDO_TIMEOUT_MS 60000u
/* For a carrier that was lost to come back: a minute. */
#define REOPEN_ROUNDS 120
#define REOPEN_ROUND_US 500000

typedef struct {
    DkQmpTransport *monitor;
    GByteArray *input; /* of dumpkit, not yet a whole line */
    int fd;            /* that came with it; -1: none */
    char *undo;        /* JSON array, or NULL */
    int drain;         /* stream to be read to its end first; -1: none */
} Guardian;

/* Best effort: whoever ends dumpkit must not end its guardian with it. */
static void protect(void)
{
    setsid();
    prctl(PR_SET_NAME, "dumpkit-guard");
    dk_autofd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "-1000", 5);
    setpriority(PRIO_PROCESS, 0, -20);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static gboolean tell(const char *text)
{
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    for (gsize done = 0, len = strlen(line); done < len;) {
        gssize sent = send(DK_GUARDIAN_FD, line + done, len - done, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return FALSE;
        done += sent > 0 ? (gsize)sent : 0;
    }
    return TRUE;
}

/* FALSE when the monitor is gone. */
static gboolean obey(Guardian *guardian, const char *line, gsize len)
{
    if (g_str_has_prefix(line, DK_GUARDIAN_UNDO)) {
        g_free(guardian->undo);
        guardian->undo = g_strdup(line + strlen(DK_GUARDIAN_UNDO));
        if (g_str_equal(line, DK_GUARDIAN_NOTHING))
            dk_fd_close(&guardian->drain);
        return TRUE;
    }
    if (g_str_equal(line, DK_GUARDIAN_DRAIN)) {
        dk_fd_close(&guardian->drain);
        guardian->drain = dk_fd_steal(&guardian->fd);
        return TRUE;
    }
    gboolean is_sent = guardian->monitor->ops->send(guardian->monitor, line, len, guardian->fd,
                                                    NULL);
    dk_fd_close(&guardian->fd);
    return is_sent;
}

static gssize receive(Guardian *guardian, guint8 *bytes, gsize size)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    gssize got = recvmsg(DK_GUARDIAN_FD, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int))) {
        dk_fd_close(&guardian->fd);
        memcpy(&guardian->fd, CMSG_DATA(head), sizeof(int));
    }
    return got;
}

/* FALSE when either side is gone. */
static gboolean carry_commands(Guardian *guardian)
{
    guint8 bytes[16384];
    gssize got = receive(guardian, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR)
        return TRUE;
    if (got <= 0 || guardian->input->len > DK_QMP_MESSAGE_MAX)
        return FALSE;
    g_byte_array_append(guardian->input, bytes, (guint)got);
    guint8 *end;
    while ((end = memchr(guardian->input->data, '\n', guardian->input->len)) != NULL) {
        gsize len = (gsize)(end - guardian->input->data);
        g_autofree char *line = g_strndup((const char *)guardian->input->data, len);
        g_byte_array_remove_range(guardian->input, 0, (guint)len + 1);
        if (!obey(guardian, line, strlen(line)))
            return FALSE;
    }
    return TRUE;
}

static gboolean carry_answers(Guardian *guardian)
{
    for (;;) {
        g_autofree char *text = NULL;
        if (!guardian->monitor->ops->receive(guardian->monitor, 0, &text, NULL))
            return FALSE;
        if (!text)
            return TRUE;
        if (!tell(text))
            return FALSE;
    }
}

static void carry(Guardian *guardian)
{
    int monitor = guardian->monitor->ops->poll_fd(guardian->monitor);
    struct pollfd polls[2] = {{.fd = DK_GUARDIAN_FD, .events = POLLIN},
                              {.fd = monitor, .events = POLLIN}};
    /* What came together with the greeting is there already. */
    gboolean goes_on = carry_answers(guardian);
    while (goes_on) {
        if (poll(polls, 2, -1) < 0)
            break;
        if (polls[0].revents)
            goes_on = carry_commands(guardian);
        if (goes_on && polls[1].revents)
            goes_on = carry_answers(guardian);
    }
}

/* The carrier is gone, but the guest may be there: a daemon between is started anew at times. */
static void undo_anew(const char *target, DkQmpOpen open, const char *undo)
{
    for (guint i = 0; i < REOPEN_ROUNDS; i++) {
        g_autoptr(GError) error = NULL;
        DkQmpTransport *transport = open(target, &error);
        g_autoptr(DkQmp) qmp = transport ? dk_qmp_new(transport, UNDO_TIMEOUT_MS, NULL) : NULL;
        if ((qmp && dk_guardian_undo(qmp, undo)) ||
            g_error_matches(error, DK_ERROR, DK_ERROR_NOT_FOUND))
            return;
        g_usleep(REOPEN_ROUND_US);
    }
}

int dk_guardian_main(const char *target, DkQmpOpen open)
{
    g_autoptr(GError) error = NULL;
    /* Run by hand it would take its own monitor for dumpkit. */
    if (!dk_fd_is_socket(DK_GUARDIAN_FD))
        return 2;
    protect();
    fcntl(DK_GUARDIAN_FD, F_SETFD, FD_CLOEXEC);
    Guardian guardian = {.fd = -1, .drain = -1};
    guardian.monitor = open(target, &error);
    if (!guardian.monitor) {
        g_autofree char *text = g_strdup_printf(DK_GUARDIAN_FAILED "%d %s", error->code,
                                                error->message);
        tell(g_strdelimit(text, "\n", ' '));
        return 1;
    }
    guardian.input = g_byte_array_new();
    if (tell(guardian.monitor->greets ? DK_GUARDIAN_READY "1" : DK_GUARDIAN_READY "0"))
        carry(&guardian);
    close(DK_GUARDIAN_FD);
    /* The greeting is over, or nothing was undertaken yet. */
    guardian.monitor->greets = FALSE;
    DkQmp *qmp = dk_qmp_new(guardian.monitor, UNDO_TIMEOUT_MS, NULL);
    if (qmp && guardian.drain >= 0)
        dk_guardian_drain(qmp, guardian.drain);
    gboolean is_done = !guardian.undo || (qmp && dk_guardian_undo(qmp, guardian.undo));
    dk_qmp_free(qmp);
    if (!is_done)
        undo_anew(target, open, guardian.undo);
    g_byte_array_unref(guardian.input);
    dk_fd_close(&guardian.fd);
    dk_fd_close(&guardian.drain);
    g_free(guardian.undo);
    return 0;
}
