/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The entry for the symbols of ELF modules, which needs nothing of elfutils: a build without it
 * (-Delfutils=disabled) links elf-none.c in its place.
 */
#pragma once

#include "sym/symfile.h"

/*
 * dk_symstore_open()'s part for ELF modules: NULL with DK_ERROR_NOT_FOUND that says what was tried,
 * or that dumpkit was built without elfutils.
 */
DkSymFile *dk_elf_open(const DkSubject *subject, const DkModule *module, DkSpace *space,
                       const DkSymOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;
