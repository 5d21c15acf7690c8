/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ELF notes of a machine dump, which an ELF vmcore and a kdump file carry alike: "CORE"
 * NT_PRSTATUS and "QEMU" CPU state for each CPU, "VMCOREINFO", and dumpkit's own record.
 */
#pragma once

#include <glib.h>

#include "mem/format.h"

/*
 * Takes the notes in len bytes, which stand at offset off of the file called name (for messages),
 * into subject->system and subject->origin; wide says whether registers are those of a 64-bit
 * machine (subject->machine is set before).  A note that is cut off or makes no sense becomes a gap
 * of the subject.  Notes of owners that are not known are passed over.
 */
void dk_machine_notes_read(DkSubject *subject, const void *notes, gsize len, guint64 off,
                           const char *name);

/*
 * The notes of subject: for each CPU NT_PRSTATUS, then for each CPU that has segments and control
 * registers the "QEMU" note, then VMCOREINFO where it is known, then dumpkit's own.  Never NULL.
 */
GBytes *dk_machine_notes_write(const DkSubject *subject);
