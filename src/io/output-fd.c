/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "io/output.h"

#define BUFFER_SIZE ((gsize)64 << 10)

typedef struct {
    DkOutput base;
    int fd; /* borrowed */
    char *name;
    gsize used; /* bytes that wait in buffer */
    guint8 buffer[BUFFER_SIZE];
} FdOutput;

static gboolean put(FdOutput *output, const guint8 *data, gsize len, GError **error)
{
    while (len) {
        gssize done = write(output->fd, data, len);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            GPollFD wait = {.fd = output->fd, .events = G_IO_OUT};
            g_poll(&wait, 1, -1);
            continue;
        }
        if (done < 0) {
            dk_output_set_errno(error, errno, output->name);
            return FALSE;
        }
        data += done;
        len -= (gsize)done;
    }
    return TRUE;
}

static gboolean flush(FdOutput *output, GError **error)
{
    gsize len = output->used;
    output->used = 0;
    return put(output, output->buffer, len, error);
}

static gboolean fd_write(DkOutput *base, const void *buf, gsize len, GError **error)
{
    FdOutput *output = (FdOutput *)base;
    if (len > BUFFER_SIZE - output->used && !flush(output, error))
        return FALSE;
    if (len >= BUFFER_SIZE)
        return put(output, buf, len, error);
    memcpy(output->buffer + output->used, buf, len);
    output->used += len;
    return TRUE;
}

static gboolean fd_zeros(DkOutput *base, guint64 len, GError **error)
{
    static const guint8 zeros[16384];
    while (len) {
        gsize part = (gsize)MIN(len, sizeof zeros);
        if (!fd_write(base, zeros, part, error))
            return FALSE;
        len -= part;
    }
    return TRUE;
}

static gboolean fd_finish(DkOutput *base, GError **error)
{
    return flush((FdOutput *)base, error);
}

static void fd_destroy(DkOutput *base)
{
    FdOutput *output = (FdOutput *)base;
    g_free(output->name);
    g_free(output);
}

static const DkOutputOps fd_ops = {
    .name = "stream",
    .write = fd_write,
    .zeros = fd_zeros,
    .finish = fd_finish,
    .destroy = fd_destroy,
};

DkOutput *dk_output_fd_new(int fd, const char *name)
{
    FdOutput *output = g_new0(FdOutput, 1);
    dk_output_init(&output->base, &fd_ops);
    output->fd = fd;
    output->name = g_strdup(name);
    return &output->base;
}
