/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a process at its instant, put together of what the copy-on-write child holds, what
 * was copied during the stop, what is read of the target itself, and what files hold.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "live/process/page-map.h"
#include "mem/space.h"
#include "mem/subject.h"

typedef enum {
    DK_FROM_COPY,   /* read of the child */
    DK_FROM_TARGET, /* read of the target, standing or running */
    DK_FROM_NOBODY, /* cannot be read: device memory, the kernel's own pages */
} DkFrom;

/* Bytes copied during the stop. */
typedef struct {
    guint64 first;
    guint64 last;
    guint8 *bytes; /* owned by the space */
} DkOverlay;

typedef struct DkProcessSpace DkProcessSpace;

/*
 * A space over the mappings of subject, which is borrowed and must not change as long as the space
 * is used.  copy is 0 when there is none; then everything comes from the target.  Takes over pages.
 */
DkProcessSpace *dk_process_space_new(const DkSubject *subject, DkPageMap *pages, pid_t target,
                                     pid_t copy);
DkSpace *dk_process_space_base(DkProcessSpace *space);

/* From now on everything is read of the copy, unless set otherwise. */
void dk_process_space_set_copy(DkProcessSpace *space, pid_t copy);

/* Sets where mapping number index comes from. */
void dk_process_space_set_from(DkProcessSpace *space, guint index, DkFrom from);

/*
 * Copies the present pages of mapping number index into the space, when they fit into *budget
 * bytes, which go down.  TRUE when all were copied.
 */
gboolean dk_process_space_keep(DkProcessSpace *space, guint index, guint64 *budget);

/*
 * Looks at the file behind mapping number index: pages behind its end can be read by nobody, holes
 * of shared memory are zero.
 */
void dk_process_space_look_at_file(DkProcessSpace *space, guint index);
