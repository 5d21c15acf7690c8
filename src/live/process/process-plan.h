/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at a process from outside and says how it would be captured: method, why that one, how long
 * it would stand still.  Read only: the target is not touched.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef enum {
    DK_METHOD_AUTO,
    DK_METHOD_SNAPSHOT, /* copy-on-write child */
    DK_METHOD_STOP,     /* stop, copy, go on */
} DkMethod;

/* "snapshot" and "stop"; "auto". */
const char *dk_method_name(DkMethod method);

typedef struct DkTracerClient DkTracerClient;

typedef struct {
    pid_t pid;
    const char *root; /* see proc-files.h; "" for this machine */
    DkMethod method;
    gint64 max_stop_ms;      /* -1: no limit */
    guint thread_timeout_ms; /* for a thread that does not come to a stop */
    const char *const *tracer_argv;
    /*
     * A tracer that runs already (see tracer-client.h), so that its start is not waited for; the
     * source takes it over and leaves NULL.  NULL, or of NULL: the source starts one.
     */
    DkTracerClient **tracer;
} DkProcessOptions;

typedef struct {
    pid_t pid;
    pid_t ns_pid;
    char *name;
    guint64 start_ticks;
    DkMethod method;    /* SNAPSHOT or STOP */
    char *why;          /* of the method, a phrase */
    gboolean of_target; /* the copy becomes a child of the target, not an orphan; see snapshot.h */
    gboolean is_32bit;
    gboolean job_stopped; /* stopped by job control already */
    guint threads;
    guint64 vm_size; /* bytes, as are the following */
    guint64 rss;
    guint64 anonymous;
    guint64 huge; /* of anonymous, in huge pages */
    guint64 swap;
    GArray *smaps;   /* of DkSmap, as it was then */
    gint64 pause_ns; /* estimate */
} DkProcessPlan;

/*
 * Errors: NOT_FOUND (no such process; a thread's id is named as such), UNSUPPORTED (kernel thread),
 * TARGET_GONE (zombie), BUSY (traced already, by whom), DENIED (with the fix), LIMIT (the estimate
 * is above max_stop_ms), UNSUPPORTED when method SNAPSHOT was asked for and cannot be had.
 */
DkProcessPlan *dk_process_plan_new(const DkProcessOptions *options,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_process_plan_free(DkProcessPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkProcessPlan, dk_process_plan_free)

/* What STOP would take for a plan, in ns: for the case that a snapshot fails under way. */
gint64 dk_process_plan_stop_ns(const DkProcessPlan *plan);
