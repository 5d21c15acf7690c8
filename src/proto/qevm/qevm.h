/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's migration stream ("QEVM", version 3), parsed as it flows: bytes go in as they come, in
 * pieces of any size, and calls for the machine's name, its RAM blocks, pages and devices come out.
 * Memory used is bounded (DK_QEVM_STATE_MAX and a page); pages are lent where they lie in the bytes
 * that were fed.  Layout: QEMU's docs/devel/migration and the facts in docs/formats/qevm.md.
 */
#pragma once

#include <glib.h>

/* The first eight bytes of a stream: "QEVM" and the version 3. */
#define DK_QEVM_MAGIC "QEVM\0\0\0\3"
#define DK_QEVM_MAGIC_SIZE 8

/* Device state and its description together; what is above it is passed over and said so. */
#define DK_QEVM_STATE_MAX (16u << 20)
#define DK_QEVM_BLOCKS_MAX 4096
/* Sum of the sizes of all RAM blocks: 16 TiB. */
#define DK_QEVM_RAM_MAX (G_GUINT64_CONSTANT(1) << 44)
#define DK_QEVM_PAGE_MAX 65536u

typedef struct DkQevm DkQevm;
typedef struct DkVmstate DkVmstate;

/* A RAM block as the stream announces it, before the first page. */
typedef struct {
    const char *id; /* such as "pc.ram", "0000:00:02.0/vga.vram"; lent for the call */
    guint64 size;   /* bytes, a multiple of the page size or not */
    /* Only of a "mapped-ram" stream (a file): where QEMU put the pages. */
    gboolean mapped;
    guint64 mapped_page_size;
    guint64 bitmap_off; /* of a bit for each page, LSB first; 0: not in the file, so zero */
    guint64 pages_off;  /* of page 0, if it were there; offsets are those of the file */
} DkQevmBlock;

/*
 * Pages of one block that lie in the fed bytes: page i (of `count`) has the block's offset
 * offset + i * page_size and stands at data + i * stride; its bytes are at stream_off + i * stride
 * of the file.  stride is page_size plus the header between two pages, so pages are contiguous in
 * the block but not in the data.
 */
typedef struct {
    guint block;    /* index, in the order of block() */
    guint64 offset; /* in the block, bytes */
    const guint8 *data;
    gsize count;
    gsize stride;
    guint page_size;
    guint64 stream_off;
} DkQevmPages;

/* The state of one device, cut out of the stream with the help of the description. */
typedef struct {
    const char *name; /* "cpu", "0000:00:02.0/vga", ... */
    guint32 instance; /* tells devices of one name apart */
    guint32 version;
    DkVmstate *vmstate; /* the description, for dk_vmstate_walk() (vmstate.h) */
    guint index;        /* of the device in it */
    const guint8 *data;
    gsize len;
    guint64 stream_off;
} DkQevmDevice;

/* What is known once the stream has ended. */
typedef struct {
    guint64 bytes;          /* that were fed */
    gboolean ram_ended;     /* the devices began behind the memory: all pages have come */
    gboolean snapshot;      /* ... and "ram" was never closed, as a background snapshot leaves it */
    gboolean whole;         /* the end mark was seen */
    guint devices;          /* for which device() was called */
    const char *no_devices; /* why device() was not called for all of them, lent; or NULL */
} DkQevmEnd;

/*
 * What the parser calls, in the order of the stream.  Each returns FALSE with an error to stop: the
 * feeding function then fails with that error.  NULL: not wanted.  All pointers are lent for the
 * call.
 */
typedef struct {
    /* The machine type, such as "pc-i440fx-7.2".  Not called for machines before 2.4. */
    gboolean (*machine)(const char *name, gpointer data, GError **error);

    /* One RAM block; index counts from 0.  All come before the first page. */
    gboolean (*block)(guint index, const DkQevmBlock *block, gpointer data, GError **error);

    /* All blocks have been told. */
    gboolean (*blocks_done)(guint count, gpointer data, GError **error);

    /*
     * Neighbouring pages.  A page may come more than once, and then the later one counts (not in a
     * background snapshot, where each comes once at most).  A page that never comes is not known.
     */
    gboolean (*pages)(const DkQevmPages *pages, gpointer data, GError **error);

    /* len bytes (of neighbouring pages) at offset of block are all `fill`, nearly always 0. */
    gboolean (*fill)(guint block, guint64 offset, guint64 len, guint8 fill, gpointer data,
                     GError **error);

    /* The JSON text that describes the devices, from dk_qevm_end(), before the first device(). */
    gboolean (*description)(const char *json, gsize len, gpointer data, GError **error);

    /* A device, from dk_qevm_end(). */
    gboolean (*device)(const DkQevmDevice *device, gpointer data, GError **error);

    /* The last call, from dk_qevm_end(), of a whole stream and of one that is cut off. */
    gboolean (*end)(const DkQevmEnd *end, gpointer data, GError **error);
} DkQevmCallbacks;

/*
 * A parser; callbacks must stay as long as it does.  Messages begin with name, the guest's or the
 * file's, unless it is NULL; origin is the offset of the first byte that will be fed, for messages
 * and stream_off.
 */
DkQevm *dk_qevm_new(const DkQevmCallbacks *callbacks, gpointer data, const char *name,
                    guint64 origin);
void dk_qevm_free(DkQevm *qevm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkQevm, dk_qevm_free)

/*
 * Takes the next len bytes, all of them.  DK_ERROR_NOT_MINE when the stream does not begin with
 * "QEVM"; DK_ERROR_UNSUPPORTED for another version, XBZRLE or compressed pages, RDMA, postcopy, and
 * sections that are not known, each by name and offset; DK_ERROR_DAMAGED; DK_ERROR_LIMIT; or the
 * error of a callback.  After a failure nothing but dk_qevm_free() and dk_qevm_end() may be called.
 */
gboolean dk_qevm_feed(DkQevm *qevm, const void *bytes, gsize len,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * How many of the next bytes the parser would pass over without a look (in a mapped-ram file the
 * pages); the caller may take them as fed by dk_qevm_skip().  0 most of the time.
 */
guint64 dk_qevm_skippable(const DkQevm *qevm);
void dk_qevm_skip(DkQevm *qevm, guint64 len);

/*
 * No more bytes come: finds the devices, makes the last calls.  FALSE with DK_ERROR_DAMAGED that
 * names the offset when the stream was cut off (end() was called all the same), or with the error
 * of a callback.
 */
gboolean dk_qevm_end(DkQevm *qevm, GError **error) G_GNUC_WARN_UNUSED_RESULT;
