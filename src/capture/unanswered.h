/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a dump cannot answer, in sentences for people: what its gaps say, and what is simply not
 * there (registers, names, the content of libraries, the command line, ...).
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

/*
 * Fresh sentences (char *, freed with the array), without a full stop at the end, the gravest
 * first; of a machine only what its gaps say.  Texts out of the dump stand in them as they are:
 * dk_out_clean() before printing.
 */
GPtrArray *dk_unanswered(const DkSubject *subject, DkSpace *space);
