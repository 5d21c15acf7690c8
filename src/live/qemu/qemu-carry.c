/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "live/qemu/guardian-undo.h"
#include "live/qemu/qemu-instant.h"

/* What QEMU can be ahead of us, so that a disk that is slow for a moment does not hold the guest;
 * and what a user who is not privileged may have. */
#define PIPE_SIZE (16 << 20)
#define PIPE_SIZE_USER (1 << 20)
#define READ_SIZE (1u << 20)
/* How often somebody who cancels is heard while nothing comes. */
#define TICK_MS 100

gboolean dk_qemu_take_events(DkQemuInstant *instant, guint timeout_ms, GError **error)
{
    for (;;) {
        g_autoptr(DkQmpEvent) event = NULL;
        if (!dk_qmp_next_event(instant->qmp, timeout_ms, &event, error))
            return FALSE;
        if (!event)
            return TRUE;
        if (strcmp(event->name, "STOP") == 0)
            instant->stop_us = event->time_us;
        else if (strcmp(event->name, "RESUME") == 0)
            instant->resume_us = event->time_us;
        timeout_ms = 0;
    }
}

gboolean dk_qemu_promise(DkQemuInstant *instant, const char *text, GError **error)
{
    return dk_guard_set_undo(instant->guard, text, error);
}

gboolean dk_qemu_put_back(DkQemuInstant *instant, GError **error)
{
    GError *ignored = NULL;
    gboolean is_done = dk_guard_put_back(instant->guard, &ignored);
    if (!is_done && error && !*error)
        g_propagate_error(error, g_steal_pointer(&ignored));
    g_clear_error(&ignored);
    return is_done;
}

/* The command with our pipe; the write end is QEMU's alone when this returns. */
static gboolean start(DkQemuInstant *instant, const char *command, JsonObject *arguments,
                      const char *member, gboolean drains, int *out, GError **error)
{
    int ends[2];
    g_autofree char *name = g_strdup_printf("dumpkit-%d", (int)getpid());
    g_autofree char *address = g_strconcat("fd:", name, NULL);
    if (pipe2(ends, O_CLOEXEC) < 0) {
        json_object_unref(arguments);
        dk_error_set_errno(error, errno, "pipe");
        return FALSE;
    }
    if (fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE) < 0)
        (void)!fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE_USER);
    *out = ends[0];
    gboolean is_given = (!drains || dk_guard_set_drain(instant->guard, ends[0], error)) &&
                        dk_qmp_give_fd(instant->qmp, name, ends[1], error);
    close(ends[1]);
    if (!is_given) {
        json_object_unref(arguments);
        return FALSE;
    }
    json_object_set_string_member(arguments, member, address);
    if (dk_qmp_do(instant->qmp, command, arguments, error))
        return TRUE;
    JsonObject *closing = json_object_new();
    json_object_set_string_member(closing, "fdname", name);
    if (!dk_qmp_do(instant->qmp, "closefd", closing, NULL))
        return FALSE;
    return FALSE;
}

static gboolean take(int fd, guint8 *buffer, const DkQemuTaker *taker, guint64 *done,
                     gboolean *is_end, GError **error)
{
    gssize got = read(fd, buffer, READ_SIZE);
    if (got < 0 && errno != EINTR && errno != EAGAIN) {
        dk_error_set_errno(error, errno, "pipe from QEMU");
        return FALSE;
    }
    *is_end = got == 0;
    *done += got > 0 ? (guint64)got : 0;
    return got <= 0 || taker->feed(taker->data, buffer, (gsize)got, error);
}

static gboolean follow(DkQemuInstant *instant, int fd, const DkQemuTaker *taker, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(READ_SIZE);
    struct pollfd polls[2] = {{.fd = fd, .events = POLLIN},
                              {.fd = dk_qmp_poll_fd(instant->qmp), .events = POLLIN}};
    guint64 done = 0;
    for (gboolean is_end = FALSE; !is_end;) {
        poll(polls, 2, TICK_MS);
        if (polls[1].revents && !dk_qemu_take_events(instant, 0, error))
            return FALSE;
        if (polls[0].revents && !take(fd, buffer, taker, &done, &is_end, error))
            return FALSE;
        guint64 total = MAX(done, instant->plan->present);
        if (!dk_progress_tick(instant->options->progress, done, total, error))
            return FALSE;
    }
    return TRUE;
}

gboolean dk_qemu_carry(DkQemuInstant *instant, const char *command, JsonObject *arguments,
                       const char *member, const DkQemuTaker *taker, gboolean *began,
                       GError **error)
{
    dk_autofd int fd = -1;
    *began = FALSE;
    if (!start(instant, command, arguments, member, taker->drains, &fd, error))
        return FALSE;
    *began = TRUE;
    if (follow(instant, fd, taker, error))
        return TRUE;
    if (taker->drains)
        dk_guardian_drain(instant->qmp, fd);
    return FALSE;
}
