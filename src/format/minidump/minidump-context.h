/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register contexts of minidumps to and from the normal form of mem/regset.h.
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"

/* Bytes of a context that are looked at; what is behind (XSAVE areas) is not. */
#define DK_MINIDUMP_CONTEXT_MAX 4096u

/*
 * Sets the register sets GENERAL and FP (FXSAVE for x86) of thread from the len bytes of a context
 * of the machine; those that the context says it does not hold stay away.  old_arm64 says that the
 * file has Breakpad's old processor number; the layout is taken from the length and the flags.
 * Linux sets are left as they are when the context cannot be used: FALSE with DK_ERROR_DAMAGED (too
 * short) or DK_ERROR_UNSUPPORTED (other machine).
 */
gboolean dk_minidump_context_read(DkMachineId machine, gboolean old_arm64, const void *data,
                                  gsize len, DkThread *thread,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends the context (CONTEXT of x64) of a thread that has GENERAL registers; its size in bytes.
 */
gsize dk_minidump_context_write(GByteArray *out, const DkThread *thread);
