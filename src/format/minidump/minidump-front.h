/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in front of the memory in a minidump that we write: header, directory and all
 * streams.  The layout of the whole file is fixed here; docs/formats/minidump.md shows it.
 */
#pragma once

#include "mem/sink.h"
#include "mem/subject.h"

typedef struct {
    GByteArray *bytes;    /* the file up to its memory; its length is a multiple of 4096 */
    guint64 closing_off;  /* where the closing part begins: behind the memory */
    guint64 closing_size; /* bytes of the closing part */
} DkMinidumpFront;

/*
 * Builds the front for subject and plan; DK_ERROR_LIMIT when it would not fit into the first 4 GiB.
 * On success clear it with dk_minidump_front_clear().
 */
gboolean dk_minidump_front_build(DkMinidumpFront *front, const DkSubject *subject,
                                 const DkDumpPlan *plan, GError **error) G_GNUC_WARN_UNUSED_RESULT;

void dk_minidump_front_clear(DkMinidumpFront *front);
