/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Questions to QEMU's monitor whose answers a plan is made of.  All of them only look.
 */
#pragma once

#include <glib.h>

#include "live/qemu/qemu-plan.h"
#include "proto/qmp/qmp.h"

/* Name, machine, architecture, CPUs, status of the guest, into plan. */
gboolean dk_qemu_probe_guest(DkQmp *qmp, DkQemuPlan *plan,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* DK_ERROR_BUSY when a migration, dump, or job runs, which is named with its state. */
gboolean dk_qemu_probe_idle(DkQmp *qmp, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* DK_ERROR_UNSUPPORTED for a guest whose memory or state QEMU cannot give. */
gboolean dk_qemu_probe_open(DkQmp *qmp, const DkQemuPlan *plan,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The ranges of physical memory, with where they lie in QEMU. */
gboolean dk_qemu_probe_ranges(DkQmp *qmp, DkQemuPlan *plan,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Why QEMU cannot make a background snapshot of this guest, fresh; NULL when nothing speaks
 * against.
 */
char *dk_qemu_probe_snapshot(DkQmp *qmp, const DkQemuPlan *plan);

/* The same for dump-guest-memory. */
char *dk_qemu_probe_dump(DkQmp *qmp);
