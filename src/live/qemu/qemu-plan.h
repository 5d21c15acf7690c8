/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at a QEMU guest through its monitor and says how it would be captured: method, why that
 * one, how long it would stand still.  Read only: nothing of the guest or of QEMU's settings is
 * changed.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "base/progress.h"
#include "live/mtree.h"
#include "proto/qmp-transport.h"

typedef enum {
    DK_QEMU_AUTO,
    DK_QEMU_SNAPSHOT, /* background snapshot, streamed to us */
    DK_QEMU_STOP,     /* stop, read the memory of the QEMU process, go on */
    DK_QEMU_DUMP,     /* dump-guest-memory into our pipe */
} DkQemuMethod;

/* "auto", "snapshot", "stop" and "dump". */
const char *dk_qemu_method_name(DkQemuMethod method);
gboolean dk_qemu_method_from_name(const char *name, DkQemuMethod *method,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct {
    const char *target; /* as the user gave it: "qmp:/run/vm.sock" */
    DkQmpOpen open;     /* makes a transport of it */
    /*
     * Program and arguments that end up in dk_guardian_main(); the target is appended.
     * NULL-terminated.  Not needed for a plan.
     */
    const char *const *guardian_argv;
    DkQemuMethod method;
    const char *spool_dir; /* where copies wait, for SNAPSHOT and DUMP; never NULL for a source */
    const char *root;      /* "" for this machine; tests put a folder with a made-up /proc here */
    gint64 max_stop_ms;    /* -1: no limit */
    guint timeout_ms;      /* that the monitor may take for an answer; 0: DK_QEMU_TIMEOUT_MS */
    DkProgress *progress;  /* of pause(), which carries the memory for SNAPSHOT and DUMP; or NULL */
} DkQemuOptions;

#define DK_QEMU_TIMEOUT_MS 30000u

/* Something that was looked at to choose the method. */
typedef struct {
    DkQemuMethod method; /* the one it matters to; AUTO: to all */
    gboolean ok;
    char *text; /* a phrase */
} DkQemuCheck;

typedef struct {
    char *target;
    pid_t pid;     /* of QEMU; -1 when not known or not on this machine */
    char *name;    /* -name of the guest, or NULL */
    char *version; /* of QEMU, such as "7.2.22" */
    char *machine; /* such as "pc-i440fx-7.2" */
    char *arch;    /* such as "x86_64" */
    char *status;  /* query-status: "running", "paused", "io-error", ... */
    gboolean running;
    guint cpus;
    GPtrArray *ranges;   /* of DkQemuRange, ascending */
    guint64 ram_size;    /* bytes of all ranges */
    guint64 present;     /* of them touched by the guest, ram_size when not known */
    guint64 highest;     /* last physical address of all ranges */
    guint64 spool_bytes; /* what the spool will take at most: 0 for STOP */
    DkQemuMethod method; /* never AUTO */
    char *why;           /* of the method, a phrase */
    GPtrArray *checks;   /* of DkQemuCheck */
    gint64 pause_ns;     /* estimate */
} DkQemuPlan;

/*
 * Errors: those of options->open; BUSY (a migration, dump, backup or other block job runs, which is
 * named), UNSUPPORTED (a confidential guest, one that is being loaded, a method that was asked for
 * and cannot be had, with the reason), LIMIT (the estimate is above max_stop_ms), TARGET_GONE.
 */
DkQemuPlan *dk_qemu_plan_new(const DkQemuOptions *options,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_qemu_plan_free(DkQemuPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQemuPlan, dk_qemu_plan_free)
