/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/process/snapshot.h"
#include "live/process/tracer-protocol.h"

typedef struct {
    DkTracees tracees;
    DkSnapshot snapshot;
    DkGadgets gadgets;
    gint64 stop_ns;
    gint64 resume_ns;
    const DkTracee *keep; /* stays stopped when the others are resumed */
} Tracer;

static gint64 now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (gint64)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Best effort: a capture must not die of what it is meant to show. */
static void protect(void)
{
    setsid();
    prctl(PR_SET_NAME, "dumpkit-tracer");
    dk_autofd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, "-1000", 5);
    setpriority(PRIO_PROCESS, 0, DK_PAUSE_NICE);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}

static void stop(Tracer *tracer, const DkTracerRequest *request, DkTracerReply *reply)
{
    tracer->stop_ns = now_ns();
    reply->stop_ns = tracer->stop_ns;
    reply->err = dk_tracees_stop(&tracer->tracees, request->pid, request->thread_timeout_ms);
    if (reply->err) {
        dk_tracees_clear(&tracer->tracees);
        return;
    }
    reply->err = dk_tracees_save(&tracer->tracees, DK_TRACER_MEMORY_FD, &reply->saved_bytes);
    if (reply->err)
        dk_tracees_resume(&tracer->tracees);
}

static void resume_others(gpointer data)
{
    Tracer *tracer = data;
    GArray *threads = tracer->tracees.threads;
    for (guint i = 0; i < threads->len; i++) {
        DkTracee *tracee = &g_array_index(threads, DkTracee, i);
        if (tracee != tracer->keep)
            dk_tracee_detach(tracee);
    }
    tracer->resume_ns = now_ns();
}

/*
 * The thread that lends itself: one that job control has not stopped, in 64-bit mode, best with its
 * stack pointer in the process's main stack, where there is room for frames.
 */
static DkTracee *choose(Tracer *tracer, const DkTracerRequest *request, DkBorrower *borrower)
{
    GArray *threads = tracer->tracees.threads;
    for (guint pass = 0; pass < 2; pass++) {
        for (guint i = 0; i < threads->len; i++) {
            DkTracee *tracee = &g_array_index(threads, DkTracee, i);
            if (tracee->state != DK_TRACEE_STOPPED || tracee->group_stop)
                continue;
            if (dk_borrower_init(borrower, tracee, &request->gadgets, 0, request->stack_first,
                                 request->stack_last) != 0)
                continue;
            if (borrower->frame_va || pass)
                return tracee;
            dk_borrower_clear(borrower);
            if (i >= 64)
                break;
        }
    }
    return NULL;
}

/* FALSE when every thread that was stopped has been killed since. */
static gboolean is_anyone_left(const DkTracees *tracees)
{
    for (guint i = 0; tracees->threads && i < tracees->threads->len; i++) {
        const DkTracee *tracee = &g_array_index(tracees->threads, DkTracee, i);
        struct user_regs_struct regs;
        if (tracee->state == DK_TRACEE_STOPPED &&
            ptrace(PTRACE_GETREGS, tracee->tid, NULL, &regs) == 0)
            return TRUE;
    }
    return FALSE;
}

static void snapshot(Tracer *tracer, const DkTracerRequest *request, DkTracerReply *reply)
{
    DkBorrower borrower;
    const char *stage = "choosing a thread";
    DkTracee *tracee = tracer->tracees.threads ? choose(tracer, request, &borrower) : NULL;
    tracer->gadgets = request->gadgets;
    tracer->keep = tracee;
    reply->stop_ns = tracer->stop_ns;
    if (!tracee) {
        reply->err = is_anyone_left(&tracer->tracees) ? EOPNOTSUPP : ESRCH;
    } else {
        reply->err = dk_snapshot_make(&tracer->snapshot, &borrower, tracer->tracees.pid,
                                      request->of_target, resume_others, tracer, &stage);
        dk_borrower_clear(&borrower);
    }
    tracer->keep = NULL;
    if (reply->err && tracer->snapshot.copy) {
        dk_snapshot_end(&tracer->snapshot, &tracer->gadgets);
    } else if (!reply->err) {
        dk_tracee_detach(tracee);
        tracer->resume_ns = now_ns();
        dk_snapshot_leave_files(&tracer->snapshot, &tracer->gadgets);
    }
    reply->copy = tracer->snapshot.copy;
    reply->resume_ns = tracer->resume_ns;
    if (reply->err)
        g_strlcpy(reply->stage, stage, sizeof reply->stage);
}

static void resume(Tracer *tracer, DkTracerReply *reply)
{
    dk_tracees_resume(&tracer->tracees);
    reply->stop_ns = tracer->stop_ns;
    reply->resume_ns = now_ns();
}

static void serve(Tracer *tracer, const DkTracerRequest *request, DkTracerReply *reply)
{
    switch (request->verb) {
    case DK_TRACER_STOP:
        stop(tracer, request, reply);
        break;
    case DK_TRACER_SNAPSHOT:
        snapshot(tracer, request, reply);
        break;
    case DK_TRACER_RESUME:
        resume(tracer, reply);
        break;
    case DK_TRACER_MOP:
        reply->err = dk_snapshot_mop(request->pid, request->since, &request->gadgets);
        break;
    default:
        reply->err = EINVAL;
        break;
    }
}

int dk_tracer_main(void)
{
    Tracer tracer = {0};
    /* Run by hand it would wait for ever, with all signals blocked. */
    if (!dk_fd_is_socket(DK_TRACER_SOCKET_FD))
        return 2;
    protect();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    dk_autofd int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return 1;
    struct pollfd polls[2] = {{.fd = DK_TRACER_SOCKET_FD, .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    for (;;) {
        /* The wait for other threads may have taken a late one's signal, so time wakes us too. */
        guint late = dk_tracees_release_late(&tracer.tracees);
        if (poll(polls, 2, late ? 20 : -1) < 0)
            break;
        if (polls[1].revents & POLLIN) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) == sizeof info)
                ;
        }
        if (!polls[0].revents)
            continue;
        DkTracerRequest request;
        if (recv(DK_TRACER_SOCKET_FD, &request, sizeof request, 0) != sizeof request)
            break;
        DkTracerReply reply = {0};
        serve(&tracer, &request, &reply);
        if (send(DK_TRACER_SOCKET_FD, &reply, sizeof reply, MSG_NOSIGNAL) != sizeof reply)
            break;
    }
    dk_tracees_resume(&tracer.tracees);
    dk_snapshot_end(&tracer.snapshot, &tracer.gadgets);
    dk_tracees_clear(&tracer.tracees);
    return 0;
}
