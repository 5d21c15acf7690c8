/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A flattened kdump file as the ordinary one that it stands for, without unpacking it: an index of
 * its records, in memory up to a limit; a file with more records is put in order in an unlinked
 * temporary file.
 */
#pragma once

#include <glib.h>

#include "io/input.h"

/* What is said of a flattened file besides its content. */
typedef struct {
    gboolean flattened; /* it was one */
    gboolean cut;       /* the mark at its end is missing */
    guint64 end;        /* offset in the flattened file where reading ended */
    guint64 records;
    gboolean copied; /* to a temporary file */
} DkKdumpFlatFacts;

/* Records that are kept in memory, at 24 bytes each. */
#define DK_KDUMP_RECORDS_MAX (1u << 20)
/* Largest ordinary file that a flattened one may stand for; what ext4 takes as one file. */
#define DK_KDUMP_FLAT_MAX ((guint64)1 << 44)

/*
 * If below is flattened, a fresh input of what it stands for; else a reference to below.  Ranges
 * that no record fills are zero; where records overlap, the later one counts.  max_records is
 * DK_KDUMP_RECORDS_MAX but in tests.  DK_ERROR_DAMAGED for a record that cannot be.
 */
DkInput *dk_kdump_flat_open(DkInput *below, guint max_records, DkKdumpFlatFacts *facts,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
