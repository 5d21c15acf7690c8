/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The check of a machine's dump: RAM, CPUs against page tables, the kernel, ciphertext; the sibling
 * of what verify.c does for processes.
 */
#pragma once

#include <glib.h>

#include "capture/machine-look.h"
#include "mem/format.h"

/*
 * Tells what it finds through verify->finding(), and appends sentences on what the dump cannot
 * answer to unanswered (of char *).  *look becomes what it is based on, NULL for a dump whose
 * memory is not physical (a small Windows dump); free with dk_machine_look_free().  FALSE with
 * DK_ERROR_CANCELLED only.
 */
gboolean dk_verify_machine(DkSource *source, gboolean deep, DkVerify *verify, GPtrArray *unanswered,
                           DkMachineLook **look, GError **error);
