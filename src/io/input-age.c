/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a file encrypted with age holds, opened chunk by chunk where it is read. */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "io/age-parts.h"
#include "io/input-backend.h"

#define NONE G_MAXUINT64

typedef struct {
    DkInput base;
    DkInput *below;
    guint8 key[DK_AGE_KEY_SIZE];
    guint64 payload; /* offset in below */
    guint64 chunks;
    gboolean cut;   /* below ends before the last chunk, and what is there can be read */
    GMutex lock;    /* for all below */
    guint64 cached; /* index of the chunk in plain; NONE */
    guint8 plain[DK_AGE_CHUNK_SIZE];
    guint8 sealed[DK_AGE_PACKED_CHUNK_SIZE];
} AgeInput;

static gsize chunk_size(const AgeInput *input, guint64 index)
{
    return (gsize)MIN(DK_AGE_CHUNK_SIZE, input->base.size - index * DK_AGE_CHUNK_SIZE);
}

/* Opens a chunk of size bytes to plain; the lock is held. */
static gboolean open_chunk(AgeInput *input, guint64 index, gboolean last, gsize size,
                           GError **error)
{
    guint64 off = input->payload + index * DK_AGE_PACKED_CHUNK_SIZE;
    input->cached = NONE;
    if (!dk_input_read_exactly(input->below, off, input->sealed, size + DK_AGE_TAG_SIZE, error))
        return FALSE;
    if (dk_age_chunk_open(input->key, index, last, input->sealed, size + DK_AGE_TAG_SIZE,
                          input->plain)) {
        input->cached = index;
        return TRUE;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "%s: age chunk %" G_GUINT64_FORMAT " at offset 0x%" G_GINT64_MODIFIER
                "x was changed or cut",
                input->base.name, index, off);
    return FALSE;
}

static gboolean load_chunk(AgeInput *input, guint64 index, GError **error)
{
    gboolean last = !input->cut && index + 1 == input->chunks;
    return input->cached == index ||
           open_chunk(input, index, last, chunk_size(input, index), error);
}

static gssize age_read(DkInput *base, guint64 off, void *buf, gsize len, GError **error)
{
    AgeInput *input = (AgeInput *)base;
    gsize done = 0;
    g_mutex_lock(&input->lock);
    while (done < len) {
        guint64 index = (off + done) / DK_AGE_CHUNK_SIZE;
        gsize within = (gsize)((off + done) % DK_AGE_CHUNK_SIZE);
        if (!load_chunk(input, index, error))
            break;
        gsize part = MIN(len - done, chunk_size(input, index) - within);
        memcpy((guint8 *)buf + done, input->plain + within, part);
        done += part;
    }
    g_mutex_unlock(&input->lock);
    return done == len ? (gssize)done : -1;
}

static gboolean age_verify(DkInput *base, gboolean *verified, DkProgress *progress, GError **error)
{
    AgeInput *input = (AgeInput *)base;
    for (guint64 index = 0; index < input->chunks; index++) {
        g_mutex_lock(&input->lock);
        gboolean ok = load_chunk(input, index, error);
        g_mutex_unlock(&input->lock);
        if (!ok || !dk_progress_tick(progress, index * DK_AGE_CHUNK_SIZE, base->size, error))
            return FALSE;
    }
    if (input->cut) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s: the age file is cut off at offset 0x%" G_GINT64_MODIFIER "x", base->name,
                    input->below->size);
        return FALSE;
    }
    *verified = TRUE;
    return TRUE;
}

static void age_clear(DkInput *base)
{
    AgeInput *input = (AgeInput *)base;
    sodium_memzero(input->key, sizeof input->key);
    sodium_memzero(input->plain, sizeof input->plain);
    dk_input_unref(input->below);
    g_mutex_clear(&input->lock);
}

static const DkInputOps age_ops = {
    .container = "age",
    .read = age_read,
    .verify = age_verify,
    .clear = age_clear,
};

/*
 * Takes the length of the payload, packed bytes.  The last chunk is opened here: it says whether
 * something was cut off behind it.
 */
static gboolean take_payload(AgeInput *input, guint64 packed, GError **error)
{
    g_autoptr(GError) local = NULL;
    guint64 whole = packed / DK_AGE_PACKED_CHUNK_SIZE;
    guint64 rest = packed % DK_AGE_PACKED_CHUNK_SIZE;
    /* Only an empty file has an empty chunk. */
    if (packed < DK_AGE_TAG_SIZE) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s: ends before the first age chunk",
                    input->base.name);
        return FALSE;
    }
    gboolean short_chunk = rest > DK_AGE_TAG_SIZE || (rest == DK_AGE_TAG_SIZE && !whole);
    if (!rest || short_chunk) {
        guint64 index = rest ? whole : whole - 1;
        gsize size = rest ? (gsize)rest - DK_AGE_TAG_SIZE : DK_AGE_CHUNK_SIZE;
        if (open_chunk(input, index, TRUE, size, &local)) {
            input->chunks = index + 1;
            input->base.size = index * DK_AGE_CHUNK_SIZE + size;
            return TRUE;
        }
    }
    /* What can be opened of a file that was cut: its whole chunks. */
    input->cut = TRUE;
    input->chunks = whole;
    input->base.size = whole * DK_AGE_CHUNK_SIZE;
    if (whole && open_chunk(input, whole - 1, FALSE, DK_AGE_CHUNK_SIZE, NULL))
        return TRUE;
    if (local)
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s: the age file is cut off at offset 0x%" G_GINT64_MODIFIER "x",
                    input->base.name, input->below->size);
    return FALSE;
}

DkInput *dk_input_age_new(DkInput *below, const DkAgeIdentities *identities, GError **error)
{
    gsize head_len = (gsize)MIN(below->size, (guint64)DK_AGE_HEADER_MAX);
    g_autofree char *head = g_malloc(head_len + 1);
    guint8 file_key[DK_AGE_FILE_KEY_SIZE] = {0};
    guint8 nonce[DK_AGE_NONCE_SIZE];
    gsize header_len = 0;
    /* Most files are none; 64 bytes tell. */
    gsize first = MIN(head_len, 64);
    g_autoptr(GError) local = NULL;
    if (!dk_input_read_exactly(below, 0, head, first, error))
        return NULL;
    if (!dk_age_header_read(head, first, NULL, file_key, &header_len, &local) &&
        (g_error_matches(local, DK_ERROR, DK_ERROR_NOT_MINE) ||
         g_error_matches(local, DK_ERROR, DK_ERROR_UNSUPPORTED))) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local), "%s: ", below->name);
        return NULL;
    }
    if (!dk_age_ready(error) || !dk_input_read_exactly(below, 0, head, head_len, error))
        return NULL;
    if (!dk_age_header_read(head, head_len, identities, file_key, &header_len, error)) {
        g_prefix_error(error, "%s: ", below->name);
        return NULL;
    }
    if (!dk_input_read_exactly(below, header_len, nonce, sizeof nonce, error))
        return NULL;
    AgeInput *input = g_new0(AgeInput, 1);
    dk_input_init(&input->base, &age_ops, below->name, 0);
    g_autoptr(DkInput) owner = &input->base;
    input->below = dk_input_ref(below);
    input->payload = header_len + DK_AGE_NONCE_SIZE;
    input->cached = NONE;
    g_mutex_init(&input->lock);
    dk_age_payload_key(file_key, nonce, input->key);
    sodium_memzero(file_key, sizeof file_key);
    return take_payload(input, below->size - input->payload, error) ? g_steal_pointer(&owner)
                                                                    : NULL;
}
