/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The check of a dump file: its structure and, where asked for, its content through the verify slot
 * of its format and the checksums of its container; threads, stacks, modules and gaps through
 * subject and space, for every format alike; and what the file cannot answer.
 */
#pragma once

#include <glib.h>

#include "capture/machine-look.h"
#include "mem/format.h"

typedef struct DkInput DkInput;

typedef struct {
    DkVerdict verdict;
    char *part; /* "structure", "threads", "memory", ...: one word */
    char *text; /* a phrase that names the offset where there is one */
} DkFinding;

typedef struct {
    GPtrArray *findings;   /* of DkFinding, in the order in which things were looked at */
    GPtrArray *unanswered; /* of char *; see dk_unanswered() */
    DkVerdict verdict;     /* the gravest of the findings */
    gboolean deep;
    /* deep: every byte was compared with checksums of the container, of the format itself. */
    gboolean container_verified;
    gboolean content_verified;
    /* Of a machine's dump only; NULL otherwise. */
    DkMachineLook *machine; /* NULL too for one whose memory is not physical */
    GPtrArray *openers;     /* of DkOpener: what other programs do with the file */
} DkCheck;

/*
 * Checks a dump that is open; source came from format's open() with input.  With deep its content
 * is compared with the checksums that container and format carry.  Fills in build-ids in the
 * source's subject from its memory.  NULL with DK_ERROR_CANCELLED or SYSTEM only: what is wrong
 * with the file is a finding.  Of a machine's dump without deep only a bounded part of the memory
 * is searched and sampled.
 *
 * Formats tell in their verify slot what only they know; what they say of the part "threads", and
 * what they find right of "memory", is dropped, since both are looked at here for all formats.
 */
DkCheck *dk_check_run(DkInput *input, DkSource *source, const DkFormat *format, gboolean deep,
                      DkProgress *progress, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The result for a file that could not be opened, with the one finding why. */
DkCheck *dk_check_new_damaged(const char *part, const char *text);

void dk_check_free(DkCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkCheck, dk_check_free)

/* "complete", "lacks" or "damaged"; static. */
const char *dk_check_word(const DkCheck *check);

/*
 * The verdict as one phrase: "complete", "lacks threads: thread 12 has no registers; and 2 more",
 * "damaged at offset 0x40: ...".  Free with g_free().
 */
char *dk_check_summary(const DkCheck *check);
