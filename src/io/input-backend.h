/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands behind a DkInput: a plain file, bytes in memory, or a container that is looked
 * through.
 *
 * To add a container: embed DkInput as the first member, fill in a static const DkInputOps, call
 * dk_input_init(), and recognise its magic in dk_input_open().
 */
#pragma once

#include "io/input.h"

typedef struct {
    const char *container; /* see dk_input_container() */

    /*
     * Reads len bytes at off; the front function has checked that all of them lie below size.
     * Returns what dk_input_read() does; called from several threads at once.
     */
    gssize (*read)(DkInput *input, guint64 off, void *buf, gsize len, GError **error);

    /* As dk_input_stretch(); the result may lie beyond size.  NULL: it knows of no holes. */
    guint64 (*stretch)(DkInput *input, guint64 off, gboolean *hole);

    /* As dk_input_verify(); NULL: the container has no checksums. */
    gboolean (*verify)(DkInput *input, gboolean *verified, DkProgress *progress, GError **error);

    /* Releases what the backend holds, not the struct. */
    void (*clear)(DkInput *input);
} DkInputOps;

struct DkInput {
    const DkInputOps *ops;
    gatomicrefcount refs;
    char *name;
    const char *container; /* as dk_input_container() says; static */
    guint64 size;          /* bytes of the content */
};

/* For a fresh struct of zero bytes from g_new0(). */
void dk_input_init(DkInput *input, const DkInputOps *ops, const char *name, guint64 size);

/* Whether all len bytes at data are zero. */
gboolean dk_input_is_zero(const void *data, gsize len);

/* Reads exactly len bytes at off of the file fd; DK_ERROR_DAMAGED when it ends before. */
gboolean dk_input_pread(const char *name, int fd, guint64 off, void *buf, gsize len,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* All len bytes at off of input; DK_ERROR_DAMAGED when it ends before. */
gboolean dk_input_read_exactly(DkInput *input, guint64 off, void *buf, gsize len,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * What below, which is referenced, holds in the seekable format.  Fails with DK_ERROR_NOT_MINE when
 * below does not end with a seek table.
 */
DkInput *dk_input_seekable_new(DkInput *below, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Whether input is one that dk_input_seekable_new() made. */
gboolean dk_input_is_seekable(const DkInput *input);

/* What any other zstd file holds: unpacks it into a temporary file. */
DkInput *dk_input_unpacked_new(DkInput *below, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * What a file encrypted with age holds (docs/formats/age.md), read in place.  NULL with NOT_MINE
 * when below does not begin as such a file, with DK_ERROR_DENIED when none of identities opens it.
 */
DkInput *dk_input_age_new(DkInput *below, const DkAgeIdentities *identities,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
