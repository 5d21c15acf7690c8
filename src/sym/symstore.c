/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "sym/elf/elf-open.h"
#include "sym/symfile.h"

/* The kinds of symbol files, by the system whose modules they describe. */
DkSymFile *dk_symstore_open(const DkSubject *subject, const DkModule *module, DkSpace *space,
                            const DkSymOptions *options, GError **error)
{
    if (subject->os == DK_OS_LINUX || subject->os == DK_OS_UNKNOWN || subject->os == DK_OS_OTHER)
        return dk_elf_open(subject, module, space, options, error);
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no symbols of %s: no reader for %s modules",
                module->path ? module->path : "a module without a name", dk_os_name(subject->os));
    return NULL;
}
