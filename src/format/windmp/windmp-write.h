/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of a Windows machine dump that is about to be written. */
#pragma once

#include <glib.h>

#include "mem/sink.h"

/* What a header has to say of the file that it will head. */
typedef struct {
    guint32 type;  /* DMP_TYPE_FULL, DMP_TYPE_BITMAP_FULL or DMP_TYPE_BITMAP_KERNEL */
    GArray *runs;  /* of DkRamRange, for DMP_TYPE_FULL: what the file holds; NULL: as they are */
    guint64 bytes; /* of the whole file */
} DkWindmpShape;

/* Whether subject has what a header is made of, and FALSE with DK_ERROR_UNSUPPORTED that says why
 * not. */
gboolean dk_windmp_can_compose(const DkSubject *subject, gboolean bitmap,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Bytes of the header that dk_windmp_compose() makes of subject: 0x1000 or 0x2000. */
gsize dk_windmp_header_size(const DkSubject *subject);

/*
 * The header for subject and shape.  It is that of the dump that the subject came from, with what
 * the shape changes; where it changes nothing, bit for bit.  A header made from memory alone (the
 * facts of DkWindowsFacts and the CPUs' registers) would be composed here too.
 * DK_ERROR_UNSUPPORTED when the header cannot say it (too many runs).
 */
GBytes *dk_windmp_compose(const DkSubject *subject, const DkWindmpShape *shape,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
