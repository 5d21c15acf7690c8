/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * File descriptors that close themselves.  "dk_autofd int fd = -1;" owns a descriptor; it is closed
 * when the scope ends, unless dk_fd_steal() took it out.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* Closes *fd when it is not negative and sets it to -1; errno is kept. */
void dk_fd_close(int *fd);

static inline int dk_fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define dk_autofd __attribute__((cleanup(dk_fd_close)))

/* Whether fd is open and a socket; errno is lost. */
gboolean dk_fd_is_socket(int fd);

/*
 * A file in dir without a name, mode 0600, for reading and writing; it is gone when it is closed.
 * -1 with errno.  Where the file system has no such files (NFS), a name .dumpkit-XXXXXX is there
 * for a moment.
 */
int dk_fd_open_unlinked(const char *dir);

/*
 * Reads or writes all len bytes at off, going on after short transfers and EINTR.  The read ends
 * early only at the end of the file; both return the bytes done, or -1 with errno.
 */
gssize dk_fd_pread_all(int fd, void *buf, gsize len, guint64 off);
gssize dk_fd_pwrite_all(int fd, const void *buf, gsize len, guint64 off);

/* As dk_fd_pwrite_all(), at the descriptor's own position: for pipes and terminals. */
gssize dk_fd_write_all(int fd, const void *buf, gsize len);
