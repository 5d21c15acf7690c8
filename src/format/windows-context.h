/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register contexts of Windows (CONTEXT), as minidumps and machine dumps carry them, to and from
 * the normal form of mem/regset.h.
 */
#pragma once

#include <glib.h>

#include "mem/regset.h"

/* Bytes of a context that are looked at; what is behind (XSAVE areas) is not. */
#define DK_WINDOWS_CONTEXT_MAX 4096u

/*
 * Sets GENERAL and FP (FXSAVE for x86) of regs, an array of DK_REGSET_COUNT, from the len bytes of
 * a context of the machine; those that the context says it does not hold stay away.  gs_base is
 * that register of x64, which a context lacks.  old_arm64 says that the file has Breakpad's old
 * processor number; the layout is taken from the length and the flags.  regs are left as they are
 * when the context cannot be used: FALSE with DK_ERROR_DAMAGED (too short, not of the machine) or
 * DK_ERROR_UNSUPPORTED (other machine).
 */
gboolean dk_windows_context_read(DkMachineId machine, gboolean old_arm64, const void *data,
                                 gsize len, guint64 gs_base, GBytes **regs,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Appends the context (CONTEXT of x64) made of regs, an array of DK_REGSET_COUNT that has GENERAL;
 * its size in bytes.
 */
gsize dk_windows_context_write(GByteArray *out, GBytes *const *regs);
