/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that dumpkit does not read but knows by their first bytes: dumps of other systems and
 * hypervisors, disk images, compressed files.  Naming them is kinder than "not a dump".
 */
#pragma once

#include <glib.h>

typedef struct DkInput DkInput;

/*
 * TRUE with DK_ERROR_UNSUPPORTED in *error, which says what input is and what can be done with it,
 * when it is such a file.
 */
gboolean dk_foreign_recognise(DkInput *input, GError **error);
