/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the instructions that an injection needs in the code of the target.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "live/process/inject.h"
#include "mem/subject.h"

/*
 * Searches the executable mappings of subject in process pid.  FALSE when not even a "syscall" was
 * found; members stay 0 for what was not.
 */
gboolean dk_gadgets_find(pid_t pid, const DkSubject *subject, DkGadgets *gadgets);

/*
 * TRUE when the instructions still stand where they were found in process (or thread) pid, which is
 * stopped: a program that has replaced itself (execve) since has other code there, or none.
 */
gboolean dk_gadgets_stand(pid_t pid, const DkGadgets *gadgets);
