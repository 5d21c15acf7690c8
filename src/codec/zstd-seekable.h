/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seekable zstd format: independent zstd frames followed by a skippable frame with a table of
 * their sizes.  `zstd -d` undoes it.  Source:
 * zstd/contrib/seekable_format/zstd_seekable_compression_format.md (facebook/zstd, BSD).  This is
 * the stateless part: single frames and the table; io/ reads files with it, capture/ writes them in
 * parallel.
 */
#pragma once

#include <glib.h>

/* Content bytes of a frame as we write them; readers take any up to the maximum. */
#define DK_ZSTD_FRAME_SIZE ((gsize)1 << 20)
#define DK_ZSTD_FRAME_MAX ((gsize)1 << 30)
/* Frames in a table: what the reference implementation allows (ZSTD_SEEKABLE_MAXFRAMES). */
#define DK_ZSTD_FRAMES_MAX ((guint32)1 << 27)
#define DK_ZSTD_LEVEL_DEFAULT 1
/*
 * For what is compressed while somebody waits for the memory: about twice as fast as level 1, and
 * text takes twice as much room.
 */
#define DK_ZSTD_LEVEL_LIVE (-10)
/* Levels below 0 are fast ones (`zstd --fast=N`); 0 is none. */
#define DK_ZSTD_LEVEL_MIN (-20)
#define DK_ZSTD_LEVEL_MAX 19

typedef struct {
    guint64 packed_off; /* of the frame, in the compressed file */
    guint64 off;        /* of its first byte, in the content */
    guint32 packed_size;
    guint32 size;
    guint32 checksum; /* low 32 bits of XXH64 of the content; meaningful with has_checksum */
} DkZstdFrame;

/* Compresses frames one after the other; one for each thread. */
typedef struct DkZstdPacker DkZstdPacker;

DkZstdPacker *dk_zstd_packer_new(int level);
void dk_zstd_packer_free(DkZstdPacker *packer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkZstdPacker, dk_zstd_packer_free)

/* Room that a frame of size content bytes may need. */
gsize dk_zstd_bound(gsize size);

/*
 * Compresses size bytes (1 to DK_ZSTD_FRAME_MAX) to one frame with content size and checksum.  out
 * has dk_zstd_bound(size) bytes.  Fills in packed_size, size and checksum of *frame.
 */
gboolean dk_zstd_pack(DkZstdPacker *packer, const void *data, gsize size, void *out,
                      DkZstdFrame *frame, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The closing skippable frame for frames (GArray of DkZstdFrame), with checksums. */
GBytes *dk_zstd_table_write(const GArray *frames);

/*
 * The same made piece by piece, with 12 bytes of memory for each frame: starts one; appends the
 * sizes and the checksum of frame; closes it, which consumes table.  At most DK_ZSTD_FRAMES_MAX
 * frames: dk_zstd_table_add() fails with DK_ERROR_LIMIT above.
 */
GByteArray *dk_zstd_table_new(void);
gboolean dk_zstd_table_add(GByteArray *table, const DkZstdFrame *frame,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
GBytes *dk_zstd_table_close(GByteArray *table);

/* Bytes from the end of a file that dk_zstd_table_size() needs. */
#define DK_ZSTD_FOOTER_SIZE 9

/*
 * From the last DK_ZSTD_FOOTER_SIZE bytes of a file: how long the closing frame is in all, so that
 * it can be read.  DK_ERROR_NOT_MINE when there is none.
 */
gboolean dk_zstd_table_size(const guint8 footer[DK_ZSTD_FOOTER_SIZE], guint64 *size,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Parses a closing frame (table, of size bytes) of a file whose frames take up exactly packed_size
 * bytes in front of it.  Result: GArray of DkZstdFrame, ascending.  DK_ERROR_DAMAGED when the sums
 * do not fit, LIMIT when a frame is above DK_ZSTD_FRAME_MAX.
 */
GArray *dk_zstd_table_read(const void *table, gsize size, guint64 packed_size,
                           gboolean *has_checksum, GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct DkZstdUnpacker DkZstdUnpacker;

DkZstdUnpacker *dk_zstd_unpacker_new(void);
void dk_zstd_unpacker_free(DkZstdUnpacker *unpacker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkZstdUnpacker, dk_zstd_unpacker_free)

/*
 * Unpacks one frame (size bytes at data) into exactly out_size bytes at out; libzstd compares the
 * frame's own checksum.  DK_ERROR_DAMAGED otherwise.  A skippable frame unpacks to 0 bytes.
 */
gboolean dk_zstd_unpack(DkZstdUnpacker *unpacker, const void *data, gsize size, void *out,
                        gsize out_size, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * DK_ERROR_DAMAGED when the header of the frame at data says that it holds another number of bytes
 * than content; to be asked before content bytes are allocated.
 */
gboolean dk_zstd_frame_holds(const void *data, gsize size, guint64 content,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The checksum of DkZstdFrame: low 32 bits of XXH64 with seed 0. */
guint32 dk_zstd_checksum(const void *content, gsize size);
