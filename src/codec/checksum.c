/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "codec/checksum.h"

#include <string.h>
#include <xxhash.h>

G_STATIC_ASSERT(sizeof(XXH128_canonical_t) == DK_CHECKSUM_SIZE);

struct DkChecksum {
    XXH3_state_t *state;
    guint64 zeros; /* bytes at the start that are zero and not in state yet */
    gboolean fed;  /* state holds bytes */
    /* Dumps are full of blocks of zeros of one size: the last such size and its digest. */
    guint64 known_zeros;
    guint8 known[DK_CHECKSUM_SIZE];
};

DkChecksum *dk_checksum_new(void)
{
    DkChecksum *checksum = g_new0(DkChecksum, 1);
    checksum->state = XXH3_createState();
    if (!checksum->state)
        g_error("not enough memory for a checksum");
    XXH3_128bits_reset(checksum->state);
    return checksum;
}

void dk_checksum_free(DkChecksum *checksum)
{
    if (!checksum)
        return;
    XXH3_freeState(checksum->state);
    g_free(checksum);
}

static void feed_zeros(DkChecksum *checksum)
{
    static const guint8 zeros[16384];
    while (checksum->zeros) {
        gsize part = (gsize)MIN(checksum->zeros, sizeof zeros);
        XXH3_128bits_update(checksum->state, zeros, part);
        checksum->zeros -= part;
        checksum->fed = TRUE;
    }
}

void dk_checksum_update(DkChecksum *checksum, const void *data, gsize len)
{
    if (!len)
        return;
    feed_zeros(checksum);
    XXH3_128bits_update(checksum->state, data, len);
    checksum->fed = TRUE;
}

void dk_checksum_update_zeros(DkChecksum *checksum, guint64 len)
{
    checksum->zeros += len;
    if (checksum->fed)
        feed_zeros(checksum);
}

void dk_checksum_finish(DkChecksum *checksum, guint8 digest[DK_CHECKSUM_SIZE])
{
    guint64 only_zeros = checksum->zeros;
    if (only_zeros && only_zeros == checksum->known_zeros) {
        memcpy(digest, checksum->known, DK_CHECKSUM_SIZE);
    } else {
        feed_zeros(checksum);
        XXH128_canonical_t canonical;
        XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(checksum->state));
        memcpy(digest, canonical.digest, DK_CHECKSUM_SIZE);
        if (only_zeros) {
            checksum->known_zeros = only_zeros;
            memcpy(checksum->known, digest, DK_CHECKSUM_SIZE);
        }
        XXH3_128bits_reset(checksum->state);
    }
    checksum->zeros = 0;
    checksum->fed = FALSE;
}
