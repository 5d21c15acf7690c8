/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Snappy's framed streams: an identifier, then chunks of at most 64 KiB of content, each with a
 * masked CRC-32C of the content.  Every chunk can be unpacked alone.
 *
 * Source: github.com/google/snappy, framing_format.txt.  A chunk:
 *
 *   0  u8   type: 0 snappy, 1 stored, 0xff the identifier, 0x80 to 0xfe to be passed over
 *   1  u24  bytes that follow, little-endian
 *   4  u32  checksum of the content, masked (types 0 and 1)
 *   8       the content, raw snappy or as it is (types 0 and 1)
 */
#pragma once

#include <glib.h>

/* The chunk that begins a stream. */
#define DK_SNAPPY_IDENTIFIER "\xff\x06\x00\x00sNaPpY"
#define DK_SNAPPY_IDENTIFIER_SIZE 10u
/* Bytes of content in a chunk, at most. */
#define DK_SNAPPY_CONTENT_MAX 65536u
/* Bytes of a chunk of content with its head, at most: raw snappy never grows by more than this. */
#define DK_SNAPPY_CHUNK_MAX (8u + 32u + DK_SNAPPY_CONTENT_MAX + DK_SNAPPY_CONTENT_MAX / 6)
/* Bytes of a chunk that dk_snappy_chunk_look() wants to see, if there are as many. */
#define DK_SNAPPY_LOOK 16u

typedef struct {
    guint32 size;    /* bytes of the chunk with its head */
    guint32 content; /* bytes of its content; 0 for one that has none */
} DkSnappyChunk;

/* Whether dumpkit was built with snappy; without it only stored chunks unpack. */
gboolean dk_snappy_available(void);

/*
 * What the chunk is whose first len bytes are at data; off is where it stands in the file.
 * DK_ERROR_DAMAGED when that many bytes cannot be one, or its type must not be passed over.
 */
gboolean dk_snappy_chunk_look(const void *data, gsize len, guint64 off, DkSnappyChunk *chunk,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Unpacks a whole chunk of content, of len bytes at data, to exactly content bytes at out.
 * DK_ERROR_DAMAGED when it does not unpack or its checksum differs.
 */
gboolean dk_snappy_chunk_unpack(const void *data, gsize len, guint64 off, void *out, gsize content,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

typedef struct DkSnappyPacker DkSnappyPacker;

/* For several threads at once.  Only where dk_snappy_available(). */
DkSnappyPacker *dk_snappy_packer_new(void);
void dk_snappy_packer_free(DkSnappyPacker *packer);

/*
 * Appends the chunk of len bytes (1 to DK_SNAPPY_CONTENT_MAX) at data; it is stored as it is where
 * snappy would save less than an eighth.
 */
void dk_snappy_chunk_pack(DkSnappyPacker *packer, const void *data, gsize len, GByteArray *out);
