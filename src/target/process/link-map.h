/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The modules of a Linux process as its own memory names them: the program from the auxiliary
 * vector, libraries from the dynamic linker's list (r_debug and link_map of <link.h>), the vDSO.
 * For dumps whose format names none (cores of kernels before 3.7 have no NT_FILE note).
 */
#pragma once

#include "mem/space.h"
#include "mem/subject.h"

/* An entry of subject's auxiliary vector; FALSE when it has none of that type. */
gboolean dk_auxv_find(const DkSubject *subject, guint64 type, guint64 *value);

/*
 * Adds the modules that memory names and subject lacks: all when it has none, else only the vDSO.
 * What is not in the dump is left out; loops and counts are bounded.
 */
void dk_link_map_add_modules(DkSubject *subject, DkSpace *space);
