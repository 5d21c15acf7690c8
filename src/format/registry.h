/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * All formats, and opening a file of any of them.  The table is made from the Meson list `formats`.
 */
#pragma once

#include "mem/format.h"

/* NULL-terminated, in the order of the list. */
const DkFormat *const *dk_formats(void);

/* By its name ("elf"), or NULL. */
const DkFormat *dk_format_by_name(const char *name);

/*
 * The format with this name or with a variant of this name, or NULL; *variant is NULL for the
 * format's own name.
 */
const DkFormat *dk_format_for_writing(const char *name, const DkFormatVariant **variant);

/*
 * Opens input with the first format that recognises it; *format (may be NULL) gets which.
 * DK_ERROR_NOT_MINE when none does: the message says what the first bytes look like and which
 * formats are read.  DK_ERROR_UNSUPPORTED for a file that is known and not read
 * (format/foreign.h).  Other errors are the format's own.
 */
DkSource *dk_format_open(DkInput *input, const DkFormat **format,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The same for a dump that may lie in several files (ninputs is at least 1), and for a format that
 * the user names (wanted; NULL: the first that recognises it).
 */
DkSource *dk_format_open_parts(DkInput *const *inputs, guint ninputs, const DkFormat *wanted,
                               const DkFormat **format, GError **error) G_GNUC_WARN_UNUSED_RESULT;
