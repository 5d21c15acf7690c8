/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which other programs open a machine's dump, by its format and by what is in it. */
#pragma once

#include <glib.h>

#include "capture/machine-look.h"

typedef struct {
    const char *tool; /* "crash"; static */
    gboolean opens;
    char *text; /* what it needs besides, or why it does not; never NULL */
} DkOpener;

/*
 * The programs worth naming for a dump of that format (DkFormat's name), of DkOpener.  look may be
 * NULL, for one whose memory is not physical.
 */
GPtrArray *dk_openers(const DkSubject *subject, const char *format, const DkMachineLook *look);
