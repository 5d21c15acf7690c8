/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ELF notes of a machine dump, which an ELF vmcore and a kdump file carry alike: "CORE"
 * NT_PRSTATUS and "QEMU" CPU state for each CPU, "VMCOREINFO", and dumpkit's own record.
 */
#pragma once

#include <glib.h>

#include "mem/format.h"

/* What is taken from a file before it is called hostile. */
#define DK_MACHINE_CPUS_MAX 65536u
#define DK_VMCOREINFO_MAX (1u << 20) /* bytes of its text */

/*
 * Takes the notes in len bytes, which stand at offset off of the file and are called name in
 * messages (such as "notes"), into subject->system and subject->origin; subject->machine is set
 * before and says how wide the registers are, and system.ram holds what the file itself says.  A
 * note that is cut off or makes no sense becomes a gap of the subject.  Notes of owners that are
 * not known are passed over.
 */
void dk_machine_notes_read(DkSubject *subject, const void *notes, gsize len, guint64 off,
                           const char *name);

/*
 * The notes of subject: for each CPU that has general registers NT_PRSTATUS (and NT_FPREGSET where
 * it has that set), then the "QEMU" note for each of them that has segments and control registers
 * (up to the first that lacks them), then VMCOREINFO where it is known, then dumpkit's own.  Never
 * NULL.
 */
GBytes *dk_machine_notes_write(const DkSubject *subject);

/*
 * Takes the text of a VMCOREINFO (of len bytes; NULs at its end do not count) into subject:
 * system.vmcoreinfo, and what it says of the system where that is not known yet.  FALSE when it is
 * empty or above DK_VMCOREINFO_MAX.
 */
gboolean dk_machine_vmcoreinfo_take(DkSubject *subject, const void *text, gsize len);

/*
 * The value of a key of subject's VMCOREINFO, such as "OSRELEASE" or "NUMBER(phys_base)", up to the
 * end of its line; NULL when it is not there.  Free with g_free().
 */
char *dk_machine_vmcoreinfo_get(const DkSubject *subject, const char *key);
