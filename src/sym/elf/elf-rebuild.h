/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A module's ELF file made again from its memory, for libdw to read. */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "sym/elf/elf-image.h"

/* The largest file that is rebuilt, and the most bytes that are copied, in bytes. */
#define DK_ELF_REBUILD_MAX ((guint64)4 << 30)
#define DK_ELF_COPY_MAX ((guint64)512 << 20)

/*
 * Writes what space holds of the segments of image, loaded bias bytes above its own addresses, at
 * their file offsets into an anonymous file; the rest is holes.  Pointers in the dynamic segment
 * become the file's own addresses again; section headers are dropped when memory has not all of
 * them.  Returns the descriptor, or -1: DK_ERROR_ABSENT when nothing of it is there, LIMIT, SYSTEM.
 * *bytes says how much was there, *all whether nothing was missing.
 */
int dk_elf_rebuild(const DkElfImage *image, DkSpace *space, guint64 bias, guint64 *bytes,
                   gboolean *all, GError **error) G_GNUC_WARN_UNUSED_RESULT;
