/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The threads of a process under ptrace: seize all of them, make them stand still, save what ptrace
 * knows of each, let them go.  Used by the tracer process only.  Nothing here changes the target
 * (but see syscall-restart.h): whoever is killed in the middle, the kernel lets every thread run on
 * as it was.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>
#include <sys/user.h>

typedef enum {
    DK_TRACEE_SEIZED,  /* traced and running, an interrupt is on its way */
    DK_TRACEE_STOPPED, /* stands in a PTRACE_EVENT_STOP; its registers are the target's own */
    DK_TRACEE_LATE,    /* did not stop in time; let go when it does */
    DK_TRACEE_GONE,
} DkTraceeState;

typedef struct {
    pid_t tid;
    DkTraceeState state;
    gint group_stop; /* the stop signal when job control had stopped it; else 0 */
} DkTracee;

typedef struct {
    pid_t pid;
    GArray *threads; /* of DkTracee, in the order found */
} DkTracees;

/*
 * Seizes and stops every thread of pid, listing again until no new one appears.  Threads that have
 * not stopped timeout_ms after the others have are LATE.  Returns 0, or an errno value when no
 * thread could be stopped: EPERM, ESRCH, EBUSY (traced by somebody else), ETIMEDOUT.  Threads that
 * were stopped by then have been let go.
 */
int dk_tracees_stop(DkTracees *tracees, pid_t pid, guint timeout_ms);

/* Lets all stopped threads run on. */
void dk_tracees_resume(DkTracees *tracees);

/*
 * Lets go of late threads that have come to a stop since.  Returns how many are still on their way;
 * has to be called now and then until that is none.
 */
guint dk_tracees_release_late(DkTracees *tracees);

void dk_tracees_clear(DkTracees *tracees);

/*
 * Interrupts a seized thread and waits until it stands in a PTRACE_EVENT_STOP, delivering signals
 * that come first.  Returns 0, ESRCH when it ended, or ETIMEDOUT.
 */
int dk_tracee_interrupt(DkTracee *tracee, guint timeout_ms);

/* Lets a stopped thread run on without the tracer. */
void dk_tracee_detach(DkTracee *tracee);

/* What one thread's registers take at most: the largest xstate (AMX) is about 11 KiB. */
#define DK_TRACEE_XSTATE_MAX 16384

/* The head of a saved thread; followed by general, fp, xstate, fxsave and siginfo bytes. */
typedef struct {
    guint32 tid;
    guint32 state; /* DkTraceeState */
    gint32 group_stop;
    guint32 general_len;
    guint32 fp_len;
    guint32 xstate_len;
    guint32 fxsave_len; /* 32-bit threads only */
    guint32 siginfo_len;
} DkSavedThread;

/* Appends the head and registers of every thread that was found and is not gone to fd, at *off. */
int dk_tracees_save(const DkTracees *tracees, int fd, guint64 *off);
