/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void dk_fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int saved = errno;
    close(*fd);
    errno = saved;
    *fd = -1;
}

gssize dk_fd_pread_all(int fd, void *buf, gsize len, guint64 off)
{
    gsize done = 0;
    while (done < len) {
        gssize got = pread(fd, (guint8 *)buf + done, len - done, (off_t)(off + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (gsize)got;
    }
    return (gssize)done;
}

gssize dk_fd_pwrite_all(int fd, const void *buf, gsize len, guint64 off)
{
    gsize done = 0;
    while (done < len) {
        gssize put = pwrite(fd, (const guint8 *)buf + done, len - done, (off_t)(off + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        done += (gsize)put;
    }
    return (gssize)done;
}

gssize dk_fd_write_all(int fd, const void *buf, gsize len)
{
    gsize done = 0;
    while (done < len) {
        gssize put = write(fd, (const guint8 *)buf + done, len - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        done += (gsize)put;
    }
    return (gssize)done;
}

int dk_fd_open_unlinked(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    g_autofree char *name = g_build_filename(dir, ".dumpkit-XXXXXX", NULL);
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

gboolean dk_fd_is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}
