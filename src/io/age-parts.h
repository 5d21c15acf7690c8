/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of age v1 among themselves.  Source: https://age-encryption.org/v1 (C2SP age.md).
 *
 * A file is a header of text lines, and behind it a nonce of 16 bytes and the payload in chunks of
 * 64 KiB, each encrypted with ChaCha20-Poly1305 (16 bytes longer) under a key that the file key and
 * the nonce give.  A chunk's own nonce is its number, 11 bytes big-endian, and a byte that is 1 for
 * the last one.  The file key stands in the header once for each recipient.
 */
#pragma once

#include <glib.h>

#include "io/age.h"

#define DK_AGE_VERSION_LINE "age-encryption.org/v1\n"
#define DK_AGE_FILE_KEY_SIZE 16
#define DK_AGE_NONCE_SIZE 16
#define DK_AGE_TAG_SIZE 16
#define DK_AGE_CHUNK_SIZE ((gsize)64 << 10)
#define DK_AGE_PACKED_CHUNK_SIZE (DK_AGE_CHUNK_SIZE + DK_AGE_TAG_SIZE)
#define DK_AGE_RECIPIENTS_MAX 64u
/* Bytes of a header that is read. */
#define DK_AGE_HEADER_MAX ((gsize)256 << 10)

struct DkAgeIdentities {
    GArray *keys; /* of guint8[DK_AGE_KEY_SIZE] */
};

/* Readies libsodium; to be called before anything below.  DK_ERROR_SYSTEM. */
gboolean dk_age_ready(GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* HKDF with SHA-256 (RFC 5869), 32 bytes. */
void dk_age_hkdf(const guint8 *ikm, gsize ikm_len, const guint8 *salt, gsize salt_len,
                 const char *info, guint8 key[DK_AGE_KEY_SIZE]);

/*
 * The header for a file key, as text up to its newline.  DK_ERROR_USAGE for a key of low order.
 */
GString *dk_age_header_write(const guint8 file_key[DK_AGE_FILE_KEY_SIZE],
                             const DkAgeRecipient *recipients, guint count,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Reads the header that the len bytes at text begin with (they may hold more than that), finds the
 * file key with one of identities (may be NULL) and compares the header's MAC.  *header_len gets
 * its length.  NOT_MINE when it is no such file, DAMAGED, DENIED when no identity opens it, LIMIT
 * when the header does not end within len.
 */
gboolean dk_age_header_read(const char *text, gsize len, const DkAgeIdentities *identities,
                            guint8 file_key[DK_AGE_FILE_KEY_SIZE], gsize *header_len,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The key of the payload. */
void dk_age_payload_key(const guint8 file_key[DK_AGE_FILE_KEY_SIZE],
                        const guint8 nonce[DK_AGE_NONCE_SIZE], guint8 key[DK_AGE_KEY_SIZE]);

/* One chunk of len bytes (at most DK_AGE_CHUNK_SIZE); out takes len + DK_AGE_TAG_SIZE. */
void dk_age_chunk_seal(const guint8 key[DK_AGE_KEY_SIZE], guint64 index, gboolean last,
                       const guint8 *in, gsize len, guint8 *out);

/* The reverse for len bytes with the tag; FALSE when it is not what was sealed. */
gboolean dk_age_chunk_open(const guint8 key[DK_AGE_KEY_SIZE], guint64 index, gboolean last,
                           const guint8 *in, gsize len, guint8 *out) G_GNUC_WARN_UNUSED_RESULT;
