/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What dumpkit and its tracer say to each other over a SOCK_SEQPACKET socket pair: one request, one
 * reply.  Both ends are the same program, so the structs need no version.  When the socket closes,
 * the tracer lets go of everything and ends.
 */
#pragma once

#include <glib.h>

#include "live/process/inject.h"

typedef enum {
    DK_TRACER_STOP,     /* stop all threads, save registers into the memory file */
    DK_TRACER_SNAPSHOT, /* make the copy, let the target run on */
    DK_TRACER_RESUME,   /* let the target run on */
    DK_TRACER_MOP,      /* reap what a tracer that was killed has left in the target */
} DkTracerVerb;

typedef struct {
    guint32 verb;
    gint32 pid;
    guint32 thread_timeout_ms;
    gboolean of_target; /* SNAPSHOT: make the copy a child of the target */
    guint64 since;      /* MOP: start time of the oldest child that may be ours, see DkProcStat */
    DkGadgets gadgets;
    guint64 stack_first; /* of the "[stack]" mapping; first > last: none */
    guint64 stack_last;
} DkTracerRequest;

typedef struct {
    gint32 err; /* 0 or an errno value */
    gint32 copy;
    guint64 saved_bytes; /* in the memory file, after STOP */
    gint64 stop_ns;      /* CLOCK_MONOTONIC when the first thread was asked to stop */
    gint64 resume_ns;    /* when the last one was let go; after SNAPSHOT and RESUME */
    char stage[64];      /* what failed; "" for nothing */
} DkTracerReply;

/*
 * Priority of whoever works while the target stands still, where that is allowed: on a busy machine
 * the target would wait for our turn as well as for our work.
 */
#define DK_PAUSE_NICE (-20)

/* Descriptors that the tracer finds open: the socket and the memory file. */
#define DK_TRACER_SOCKET_FD 3
#define DK_TRACER_MEMORY_FD 4
