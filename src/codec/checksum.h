/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XXH3 with 128 bits (libxxhash): the checksum that our own files carry for each 16 MiB.  It finds
 * damage, not forgery.  Bytes are in the canonical (big-endian) order that `xxhsum -H2` prints.
 */
#pragma once

#include <glib.h>

#define DK_CHECKSUM_SIZE 16

typedef struct DkChecksum DkChecksum;

DkChecksum *dk_checksum_new(void);
void dk_checksum_free(DkChecksum *checksum);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkChecksum, dk_checksum_free)

void dk_checksum_update(DkChecksum *checksum, const void *data, gsize len);

/* As dk_checksum_update() with len zero bytes. */
void dk_checksum_update_zeros(DkChecksum *checksum, guint64 len);

/* Gives the checksum of all since the last call and starts anew. */
void dk_checksum_finish(DkChecksum *checksum, guint8 digest[DK_CHECKSUM_SIZE]);
