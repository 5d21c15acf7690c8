/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSpace: anything that is addressed and read, such as the physical memory of a machine, the
 * virtual memory of a process, or one of these with pages replaced.  Spaces stack: a space may hold
 * a reference to the one below it.
 *
 * To add a space: embed DkSpace as the first member of your struct, fill in a static const
 * DkSpaceOps, allocate the struct with g_new0() and call dk_space_init() on it.  The front
 * functions below check ranges and state, so that slots stay naive.
 */
#pragma once

#include <glib.h>

typedef struct DkSpace DkSpace;

typedef enum {
    DK_RUN_DATA, /* can be read */
    DK_RUN_ZERO, /* known to be zero; reads as zeros */
    DK_RUN_FILE, /* can be read, and is what a file or shared memory holds, not the process's own */
    DK_RUN_ABSENT,     /* not in the dump: never was, or was cut off */
    DK_RUN_FILTERED,   /* left out on purpose when the dump was made */
    DK_RUN_UNREADABLE, /* mapped, but reading failed */
} DkRunKind;

/* A run of addresses of one kind; first and last are both inside. */
typedef struct {
    guint64 first;
    guint64 last;
    DkRunKind kind;
} DkRun;

typedef struct {
    const char *name;

    /*
     * Reads up to len bytes at addr; len is at least 1 and addr + len - 1 does not overflow.
     * Returns how many bytes were read from addr on without a break; the byte behind them is not
     * readable.  Memory that is not there is an ordinary answer (0), not an error.
     */
    gsize (*read)(DkSpace *space, guint64 addr, void *buf, gsize len);

    /*
     * The first run that ends at or above from; FALSE when there is none.  Runs do not overlap,
     * ascend, and may leave addresses out, which are then absent.
     */
    gboolean (*next_run)(DkSpace *space, guint64 from, DkRun *run);

    /* Writes; same rules as read.  NULL when the space is read only. */
    gsize (*write)(DkSpace *space, guint64 addr, const void *buf, gsize len);

    /* Frees the struct and what it owns. */
    void (*destroy)(DkSpace *space);
} DkSpaceOps;

struct DkSpace {
    const DkSpaceOps *ops;
    gint refs;
};

/* Makes a fresh space with one reference. */
void dk_space_init(DkSpace *space, const DkSpaceOps *ops);

DkSpace *dk_space_ref(DkSpace *space);
void dk_space_unref(DkSpace *space);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSpace, dk_space_unref)

/* How many of len bytes at addr could be read in one piece from addr on.  buf behind them is
 * undefined. */
gsize dk_space_read(DkSpace *space, guint64 addr, void *buf, gsize len);

/* All of len bytes at addr, or FALSE with DK_ERROR_ABSENT that names the first byte not there. */
gboolean dk_space_read_all(DkSpace *space, guint64 addr, void *buf, gsize len,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * A NUL-terminated string at addr of at most max bytes without the NUL; a longer one is cut.  NULL
 * when its first byte is not there.  Free with g_free().
 */
char *dk_space_read_string(DkSpace *space, guint64 addr, gsize max);

gboolean dk_space_next_run(DkSpace *space, guint64 from, DkRun *run);

gboolean dk_space_can_write(const DkSpace *space);

/* As dk_space_read(), for writing; 0 for a space that is read only. */
gsize dk_space_write(DkSpace *space, guint64 addr, const void *buf, gsize len);
