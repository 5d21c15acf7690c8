/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A DkOutput that compresses to the seekable zstd format (docs/formats/zstd-seekable.md) and passes
 * the result on to another output.  Frames are compressed by threads of its own, and written in
 * order by the thread that calls.
 */
#pragma once

#include <glib.h>

#include "io/output.h"

/* Content of a frame within a long run of zeros; readers keep up to this much in memory. */
#define DK_ZSTD_ZERO_FRAME_SIZE ((gsize)8 << 20)

/* Above this level a thread takes more memory than all buffers together. */
#define DK_ZSTD_LEVEL_LIGHT 6

/* Most threads that one output may have. */
#define DK_ZSTD_THREADS_MAX 64u

/*
 * A filter in front of below, which it takes over (also when this fails).  level is
 * DK_ZSTD_LEVEL_MIN to DK_ZSTD_LEVEL_MAX without 0, else DK_ERROR_USAGE; threads is 0 for as many
 * as there are CPUs, at most 4, or 2 at levels above DK_ZSTD_LEVEL_LIGHT.  Memory does not grow
 * with the dump, but for 12 bytes a frame for the seek table; for each thread it is about 4 MiB at
 * level 1, 6 at 3, 8 at 6, 17 at 9, and 22 at 19.
 *
 * finish() writes the seek table and finishes below.  An error in a thread or below comes out of
 * the next call.  The threads block all signals.
 */
DkOutput *dk_zstd_output_new(DkOutput *below, int level, guint threads,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
