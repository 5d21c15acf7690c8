/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Published offsets of x64 NT kernels by build, for a kernel whose symbols are not at hand. Source:
 * ../shared/facts/kernel-debugger.md, 2.6 and 2.7 (read there from JPCERTCC's ISF of public PDBs).
 */
#pragma once

#include "target/windows/nt.h"

/*
 * The member or size as the highest known build that is not above build has it; FALSE when the
 * tables lack it, or no known build is near.
 */
gboolean dk_nt_offsets_member(guint32 build, const char *type, const char *path,
                              DkNtMember *member);
gboolean dk_nt_offsets_size(guint32 build, const char *type, guint64 *size);
