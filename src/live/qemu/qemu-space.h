/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The physical memory of a guest as the memory of its QEMU process: pages that were touched are
 * read from the process (process_vm_readv) or from the file that backs them; pages that never were
 * are known to be zero.
 */
#pragma once

#include <glib.h>

#include "live/qemu/qemu-plan.h"
#include "mem/space.h"

/*
 * A space over the plan's ranges, all of which must have a va.  What is present is looked at now:
 * the guest must stand still from before this until the last read.  root: see DkQemuOptions.
 * DK_ERROR_DENIED, TARGET_GONE; PEER when a range is not mapped in the process.
 */
DkSpace *dk_qemu_space_new(const DkQemuPlan *plan, const char *root,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Bytes that are data, those of files included. */
guint64 dk_qemu_space_present(DkSpace *space);

/* FALSE when the QEMU process has ended. */
gboolean dk_qemu_space_alive(DkSpace *space);
