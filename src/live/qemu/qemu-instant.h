/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the instant of a guest is made, by one method a file, for qemu-source.c.
 */
#pragma once

#include <glib.h>

#include "live/qemu/guardian-client.h"
#include "live/qemu/qemu-plan.h"
#include "mem/spool.h"
#include "mem/subject.h"

typedef struct {
    const DkQemuOptions *options;
    const DkQemuPlan *plan;
    DkGuard *guard;
    DkQmp *qmp; /* of guard */
    /* QEMU's times of its last events STOP and RESUME, us since 1970; -1: did not come. */
    gint64 stop_us;
    gint64 resume_us;
    DkSubject *subject;
    DkSpool *spool;
} DkQemuInstant;

/* One method's way: takes what QEMU writes into a pipe. */
typedef struct {
    gboolean (*feed)(gpointer data, const guint8 *bytes, gsize len, GError **error);
    gpointer data;
    gboolean drains; /* what is not taken is read all the same, up to its end: see guardian.h */
} DkQemuTaker;

/*
 * Makes a pipe, hands its write end to QEMU as "fd:..." and runs start, a command of QMP whose
 * argument `member` takes that address; arguments is taken.  Then gives all that comes to taker,
 * until QEMU closes the pipe, while events are noted.  Errors: of the command (PEER), of taker,
 * CANCELLED, TARGET_GONE.  *began tells whether QEMU had accepted the command.
 */
gboolean dk_qemu_carry(DkQemuInstant *instant, const char *command, JsonObject *arguments,
                       const char *member, const DkQemuTaker *taker, gboolean *began,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes the events that wait. */
gboolean dk_qemu_take_events(DkQemuInstant *instant, guint timeout_ms,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Notes what is to be put back when we end; text is a JSON array.  See dk_guard_set_undo(). */
gboolean dk_qemu_promise(DkQemuInstant *instant, const char *text,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Puts back what was promised.  The error of work that failed before goes first. */
gboolean dk_qemu_put_back(DkQemuInstant *instant, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The methods.  When they fail, everything has been put back as far as QEMU lives. */
gboolean dk_qemu_snapshot(DkQemuInstant *instant, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_qemu_dump(DkQemuInstant *instant, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Registers and VMCOREINFO of a guest that stands still, from a dump of one page. */
gboolean dk_qemu_read_cpus(DkQemuInstant *instant, GError **error) G_GNUC_WARN_UNUSED_RESULT;
