/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "sym/elf/elf-open.h"

DkSymFile *dk_elf_open(const DkSubject *subject, const DkModule *module, DkSpace *space,
                       const DkSymOptions *options, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                "no symbols of %s: dumpkit was built without elfutils",
                module->path ? module->path : "a module without a name");
    return NULL;
}
