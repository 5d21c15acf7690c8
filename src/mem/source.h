/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSource: where memory comes from: a dump file opened by a format's reader, or a live target.
 *
 * To add a source: embed DkSource as the first member of your struct, fill in a static const
 * DkSourceOps, and call dk_source_init().  A dump reader has caps VIRT or PHYS and REGS, and leaves
 * pause and resume NULL.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

typedef struct DkSource DkSource;

typedef enum {
    DK_SOURCE_PHYS = 1 << 0, /* space() is physical memory */
    DK_SOURCE_VIRT = 1 << 1, /* space() is the virtual memory of a process */
    DK_SOURCE_REGS = 1 << 2,
    DK_SOURCE_LIVE = 1 << 3,
    DK_SOURCE_PAUSE = 1 << 4,
    DK_SOURCE_WRITE = 1 << 5,
    DK_SOURCE_EXEC = 1 << 6,
} DkSourceCaps;

/* A named fact that a file carries beside the subject, for `info` and `check`. */
typedef struct {
    const char *name; /* such as "NT_FILE" or "stream 0x47670009" */
    guint64 off;      /* where it stands in the file */
    guint64 size;     /* bytes */
    char *text;       /* what it says, one line; NULL when it is opaque */
} DkNote;

typedef struct {
    const char *name;
    guint32 caps; /* DkSourceCaps */

    /*
     * Makes an instant: from its return until resume() or close(), subject, space and regs speak of
     * one moment of the target.  A source that works on a copy lets the target run on before it
     * returns.  NULL when the source is always of one instant.
     */
    gboolean (*pause)(DkSource *source, GError **error);
    /* Lets the target run on, if the instant holds it. */
    gboolean (*resume)(DkSource *source, GError **error);

    /*
     * Asked when a read failed: FALSE with DK_ERROR_TARGET_GONE when nothing can be read any more
     * because the target ended.  NULL for a source that cannot end.
     */
    gboolean (*alive)(DkSource *source, GError **error);

    /*
     * Calls each for every note, stream or section that the file has, in file order.  May be NULL.
     */
    void (*foreach_note)(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                         gpointer data);

    /* Ends all work on the target, which runs on as it was; frees the struct and what it owns. */
    void (*close)(DkSource *source);
} DkSourceOps;

struct DkSource {
    const DkSourceOps *ops;
    char *name; /* the file or target, for messages; owned */
    const char
        *format; /* short name of the format, such as "elf"; static; NULL for a live target */
    DkSubject *subject; /* owned; set when the source is open (live: after pause) */
    DkSpace *space;     /* owned reference; as subject */
};

void dk_source_init(DkSource *source, const DkSourceOps *ops, const char *name);

/* Closes through the slot, then frees what DkSource itself owns; NULL is allowed. */
void dk_source_close(DkSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSource, dk_source_close)
