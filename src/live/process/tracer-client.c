/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/tracer-client.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/fd.h"

/* 64 KiB for each of 65,536 threads. */
#define SAVED_LIMIT ((guint64)1 << 32)

struct DkTracerClient {
    pid_t pid;
    int socket;
    int memory;
};

/* In the child between fork and exec: only calls that are safe there. */
static void become_tracer(int socket, int memory, char *const *argv)
{
    /* Both are above 4 (see below), so neither dup2 overwrites the other. */
    if (dup2(socket, DK_TRACER_SOCKET_FD) < 0 || dup2(memory, DK_TRACER_MEMORY_FD) < 0)
        _exit(127);
    execv(argv[0], argv);
    _exit(127);
}

/* Moves a descriptor out of the way of the tracer's fixed ones. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, DK_TRACER_MEMORY_FD + 1);
    dk_fd_close(&fd);
    return moved;
}

DkTracerClient *dk_tracer_client_new(const char *const *argv, GError **error)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        dk_error_set_errno(error, errno, "socketpair");
        return NULL;
    }
    dk_autofd int ours = pair[0];
    dk_autofd int theirs = move_up(pair[1]);
    dk_autofd int memory = move_up(memfd_create("dumpkit-threads", MFD_CLOEXEC));
    if (theirs < 0 || memory < 0) {
        dk_error_set_errno(error, errno, "descriptors for the tracer");
        return NULL;
    }
    pid_t pid = fork();
    if (pid < 0) {
        dk_error_set_errno(error, errno, "start of the tracer");
        return NULL;
    }
    if (!pid)
        become_tracer(theirs, memory, (char *const *)(gpointer)argv);
    DkTracerClient *client = g_new0(DkTracerClient, 1);
    client->pid = pid;
    client->socket = dk_fd_steal(&ours);
    client->memory = dk_fd_steal(&memory);
    return client;
}

void dk_tracer_client_release(DkTracerClient *client)
{
    /* It sees the end of the requests; our end stays open, since its number may be waited upon. */
    shutdown(client->socket, SHUT_RDWR);
}

gboolean dk_tracer_client_close(DkTracerClient *client)
{
    int status = 0;
    dk_fd_close(&client->socket);
    dk_fd_close(&client->memory);
    while (waitpid(client->pid, &status, 0) < 0 && errno == EINTR)
        ;
    g_free(client);
    return !WIFSIGNALED(status);
}

void dk_tracer_client_free(DkTracerClient *client)
{
    if (client)
        dk_tracer_client_close(client);
}

pid_t dk_tracer_client_pid(const DkTracerClient *client)
{
    return client->pid;
}

gboolean dk_tracer_call(DkTracerClient *client, const DkTracerRequest *request,
                        DkTracerReply *reply, GError **error)
{
    gssize got = -1;
    if (send(client->socket, request, sizeof *request, MSG_NOSIGNAL) == sizeof *request) {
        do {
            got = recv(client->socket, reply, sizeof *reply, 0);
        } while (got < 0 && errno == EINTR);
    }
    if (got == sizeof *reply)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "the tracer (pid %d) is gone", (int)client->pid);
    return FALSE;
}

static GBytes *take_block(DkCursor *cursor, const char *field, guint32 len, GError **error)
{
    const guint8 *at = dk_cursor_bytes(cursor, field, len, error);
    return at ? g_bytes_new(at, len) : NULL;
}

static gboolean take_thread(DkCursor *cursor, guint timeout_ms, GHashTable *by_tid,
                            DkSubject *subject, GError **error)
{
    DkSavedThread head;
    const guint8 *raw = dk_cursor_bytes(cursor, "thread", sizeof head, error);
    if (!raw)
        return FALSE;
    memcpy(&head, raw, sizeof head);
    DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER(head.tid));
    if (!thread)
        thread = dk_subject_add_thread(subject, head.tid);
    const struct {
        DkRegsetKind kind;
        guint32 len;
    } blocks[] = {
        {DK_REGSET_GENERAL, head.general_len}, {DK_REGSET_FP, head.fp_len},
        {DK_REGSET_XSTATE, head.xstate_len},   {DK_REGSET_FXSAVE, head.fxsave_len},
        {DK_REGSET_SIGINFO, head.siginfo_len},
    };
    for (guint i = 0; i < G_N_ELEMENTS(blocks); i++) {
        if (!blocks[i].len)
            continue;
        thread->regs[blocks[i].kind] = take_block(cursor, "registers", blocks[i].len, error);
        if (!thread->regs[blocks[i].kind])
            return FALSE;
    }
    thread->signal = head.group_stop;
    if (head.state == DK_TRACEE_LATE) {
        thread->missing = g_strdup_printf("did not stop within %u ms (uninterruptible sleep)",
                                          timeout_ms);
        dk_subject_add_gap(subject, "thread", 1, 0, head.tid, "%s", thread->missing);
    }
    return TRUE;
}

/* Threads that had been listed before the stop and were not there any more end here. */
static void drop_ended(DkSubject *subject)
{
    GPtrArray *threads = subject->process.threads;
    for (guint i = threads->len; i-- > 0;) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        if (!thread->regs[DK_REGSET_GENERAL] && !thread->missing)
            g_ptr_array_remove_index(threads, i);
    }
}

gboolean dk_tracer_take_threads(DkTracerClient *client, guint64 bytes, guint timeout_ms,
                                DkSubject *subject, GError **error)
{
    g_autoptr(GHashTable) by_tid = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < subject->process.threads->len; i++) {
        DkThread *thread = g_ptr_array_index(subject->process.threads, i);
        g_hash_table_insert(by_tid, GUINT_TO_POINTER(thread->tid), thread);
    }
    g_autofree guint8 *saved = bytes <= SAVED_LIMIT ? g_try_malloc(bytes) : NULL;
    if (!saved || dk_fd_pread_all(client->memory, saved, bytes, 0) != (gssize)bytes) {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                    "the tracer's registers (%" G_GUINT64_FORMAT " bytes) cannot be read", bytes);
        return FALSE;
    }
    DkCursor cursor;
    dk_cursor_init(&cursor, saved, bytes, 0, "saved threads");
    while (dk_cursor_left(&cursor)) {
        if (!take_thread(&cursor, timeout_ms, by_tid, subject, error))
            return FALSE;
    }
    drop_ended(subject);
    return TRUE;
}
