/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A migration stream in a file, opened: what reader and verification share. */
#pragma once

#include "format/qevm-place.h"
#include "format/qevm/qevm-index.h"
#include "format/qevm/qevm-libvirt.h"
#include "mem/format.h"
#include "proto/qevm/qevm.h"

typedef struct {
    char *id;
    guint64 size;
    DkQevmPlaceKind kind;
    gboolean mapped;
    guint64 bitmap_off;
    guint64 pages_off;
} DkQevmFileBlock;

typedef struct {
    DkSource source;
    DkInput *input;
    guint64 size;           /* of the file */
    guint64 stream_off;     /* of the stream in it */
    DkQevmLibvirt *libvirt; /* NULL for a bare stream */
    GArray *blocks;         /* of DkQevmFileBlock */
    GArray *places;         /* of DkQevmPlace */
    guint page_size;
    gboolean open; /* the space was made, and owns the index */
    DkQevmIndex *index;
    guint64 repeated; /* pages that came more than once */
    gboolean ram_ended;
    gboolean whole; /* the end mark was seen */
    gboolean mapped;
    gboolean mapped_cut; /* the file ends before mapped pages or bitmaps */
    char *no_devices;    /* why some or all devices are not known; NULL when they are */
    char *damage;        /* why the stream could not be read to its end; NULL when it could */
    gboolean cut;        /* ... because the file ends before it */
    guint devices;
    GArray *notes; /* of DkNote, names and texts owned */
} DkQevmFile;

gboolean dk_qevm_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
