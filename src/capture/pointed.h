/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pages that a small dump has to hold: stacks, module headers, and for the level mini what
 * registers and stacks point to and what a debugger needs to find the loaded libraries.
 */
#pragma once

#include <glib.h>

#include "mem/source.h"

typedef struct DkPointed DkPointed;

/* with_targets: also the pages that values on stacks and in registers point to. */
DkPointed *dk_pointed_new(DkSource *source, gboolean with_targets);
void dk_pointed_free(DkPointed *pointed);

/* The next stretch of pages within from..to; FALSE when there is none. */
gboolean dk_pointed_next(const DkPointed *pointed, guint64 from, guint64 to, guint64 *first,
                         guint64 *last);

/*
 * Blanks, in len bytes of memory at va (both multiples of 8), every word that is not an address
 * inside a mapping of subject, but for the content of files that cannot be written to: headers of
 * modules.
 */
void dk_pointed_blank(const DkSubject *subject, guint64 va, guint8 *bytes, gsize len);

/*
 * Where the arguments and the environment stand: from *first up to *end, which is not inside. FALSE
 * when auxv does not tell.
 */
gboolean dk_pointed_environment(const DkSubject *subject, guint64 *first, guint64 *end);

/*
 * Zeroes the arguments and the environment, which the kernel put on top of the main thread's stack
 * (create_elf_tables() of Linux's fs/binfmt_elf.c), where the len bytes at va hold some of it.
 */
void dk_pointed_blank_environment(const DkSubject *subject, guint64 va, guint8 *bytes, gsize len);

/* What takes the place of a blanked word: easily told from a zero, and no address. */
#define DK_BLANK_WORD G_GUINT64_CONSTANT(0x0defaced0defaced)

/*
 * Blanks the general registers of all threads in the same way, and takes away the FP and vector
 * registers and the siginfo's values.
 */
void dk_pointed_blank_registers(DkSubject *subject);
