/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/gdbstub/gdb-guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define TRIES 5
#define ANSWER_MS 2000
#define FDS_MAX 4096
/* What a stub shall take after whatever stood half in the connection: the rest of a packet that is
 * no good, memory by virtual addresses again, and the end. */
#define FAREWELL "+#00$Qqemu.PhyMemMode:0#76+$D#44"

/*
 * Whether the stub says "OK" to the last packet; an error or a wish for repetition is none. Nothing
 * is acknowledged: of one byte too many QEMU stops its machine again.
 */
static gboolean wait_ok(int socket)
{
    char bytes[4096];
    char tail[5] = "";
    for (guint oks = 0; oks < 2;) {
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        if (poll(&wait, 1, ANSWER_MS) <= 0)
            return FALSE;
        ssize_t got = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
            return TRUE; /* the stub is gone, and nothing can be done */
        for (ssize_t i = 0; i < got; i++) {
            memmove(tail, tail + 1, 3);
            tail[3] = bytes[i];
            oks += memcmp(tail, "$OK#", 4) == 0;
        }
    }
    return TRUE;
}

/* The guardian's life; only what a child of a process with threads may call. */
static void run(int socket, int pipe_end)
{
    char word = 0;
    sigset_t all;
    setsid();
    prctl(PR_SET_NAME, "dumpkit-guard");
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0)
        (void)!write(score, "-1000", 5);
    /* Outputs that stay open here would keep their readers waiting. */
    for (int fd = 0; fd < FDS_MAX; fd++) {
        if (fd != socket && fd != pipe_end)
            close(fd);
    }
    while (read(pipe_end, &word, 1) < 0 && errno == EINTR)
        ;
    for (int i = 0; word != '!' && i < TRIES; i++) {
        if (send(socket, FAREWELL, strlen(FAREWELL), MSG_NOSIGNAL) < 0 || wait_ok(socket))
            break;
    }
    _exit(0);
}

gboolean dk_gdb_guardian_start(DkGdbGuardian *guardian, int socket, GError **error)
{
    int ends[2];
    guardian->pid = 0;
    guardian->pipe = -1;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        dk_error_set_errno(error, errno, "pipe");
        return FALSE;
    }
    pid_t pid = fork();
    if (pid == 0)
        run(socket, ends[0]);
    int err = errno;
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        dk_error_set_errno(error, err, "start of the guardian");
        return FALSE;
    }
    guardian->pid = pid;
    guardian->pipe = ends[1];
    return TRUE;
}

void dk_gdb_guardian_end(DkGdbGuardian *guardian, gboolean is_done)
{
    int status;
    if (!guardian->pid)
        return;
    if (is_done)
        (void)!write(guardian->pipe, "!", 1);
    dk_fd_close(&guardian->pipe);
    while (waitpid(guardian->pid, &status, 0) < 0 && errno == EINTR)
        ;
    guardian->pid = 0;
}
