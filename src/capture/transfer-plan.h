/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which memory of an open source goes into a file made from it: everything that is there, but for
 * pages that a filter leaves out.
 */
#pragma once

#include "base/progress.h"
#include "mem/sink.h"
#include "mem/source.h"

/*
 * The plan for source, with filter as DkFilterBits of capture/transfer.h say (zero is the writers'
 * part).  What the filter leaves out is added to the gaps of the subject as "excluded".
 * DK_ERROR_UNSUPPORTED for a filter that the kernel's description of its pages is not enough for;
 * CANCELLED.
 */
DkDumpPlan *dk_transfer_plan(DkSource *source, guint filter, DkProgress *progress,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
