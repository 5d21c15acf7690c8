/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The progress line: bytes, share, rate and time left on one line of a terminal, rewritten in place
 * at most ten times a second and erased before anything else is printed.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"

typedef struct {
    DkProgress progress; /* first: its report() finds the line */
    GMutex lock;
    const char *label;  /* static */
    int fd;             /* the terminal */
    gint64 start_us;    /* monotonic time of the first report; 0: none yet */
    gint64 shown_us;    /* monotonic time of the last drawing */
    guint64 start_done; /* bytes done at the first report */
    gboolean visible;
} DkProgressLine;

/* Makes reports of line->progress draw on the terminal fd; label stands in front of the line. */
void dk_progress_line_start(DkProgressLine *line, int fd, const char *label);

/* Takes the line off the terminal, if it is there; a later report draws it again. */
void dk_progress_line_erase(DkProgressLine *line);

/* A size with a binary unit: "512 B", "1.5 KiB", "20.0 GiB".  Free with g_free(). */
char *dk_progress_size_text(guint64 bytes);

/*
 * The line itself, at most columns characters long: "LABEL: 1.0 GiB of 4.0 GiB, 25 %, 512.0 MiB/s,
 * 6 s left".  Share and time left are there only when total is known (not 0), the rate only after
 * 100 ms.  since is how much was done when the clock started, elapsed_us what it shows now.
 * Free with g_free().
 */
char *dk_progress_line_text(const char *label, guint64 done, guint64 total, guint64 since,
                            gint64 elapsed_us, guint columns);
