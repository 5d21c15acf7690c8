/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "io/age-parts.h"

typedef struct {
    DkOutput base;
    DkOutput *below;
    guint8 key[DK_AGE_KEY_SIZE];
    guint64 index; /* of the chunk in plain */
    gsize used;
    guint8 plain[DK_AGE_CHUNK_SIZE];
    guint8 sealed[DK_AGE_PACKED_CHUNK_SIZE];
} AgeOutput;

static gboolean put_chunk(AgeOutput *output, const guint8 *plain, gsize len, gboolean last,
                          GError **error)
{
    dk_age_chunk_seal(output->key, output->index++, last, plain, len, output->sealed);
    return dk_output_write(output->below, output->sealed, len + DK_AGE_TAG_SIZE, error);
}

/* A full chunk waits until more comes, since the last one is sealed as such. */
static gboolean age_write(DkOutput *base, const void *buf, gsize len, GError **error)
{
    AgeOutput *output = (AgeOutput *)base;
    const guint8 *data = buf;
    while (len) {
        if (output->used == DK_AGE_CHUNK_SIZE) {
            output->used = 0;
            if (!put_chunk(output, output->plain, DK_AGE_CHUNK_SIZE, FALSE, error))
                return FALSE;
        }
        if (!output->used && len > DK_AGE_CHUNK_SIZE) {
            if (!put_chunk(output, data, DK_AGE_CHUNK_SIZE, FALSE, error))
                return FALSE;
            data += DK_AGE_CHUNK_SIZE;
            len -= DK_AGE_CHUNK_SIZE;
            continue;
        }
        gsize part = MIN(len, DK_AGE_CHUNK_SIZE - output->used);
        memcpy(output->plain + output->used, data, part);
        output->used += part;
        data += part;
        len -= part;
    }
    return TRUE;
}

static gboolean age_zeros(DkOutput *base, guint64 len, GError **error)
{
    static const guint8 zeros[DK_AGE_CHUNK_SIZE];
    while (len) {
        gsize part = (gsize)MIN(len, sizeof zeros);
        if (!age_write(base, zeros, part, error))
            return FALSE;
        len -= part;
    }
    return TRUE;
}

static gboolean age_finish(DkOutput *base, GError **error)
{
    AgeOutput *output = (AgeOutput *)base;
    return put_chunk(output, output->plain, output->used, TRUE, error) &&
           dk_output_finish(output->below, error);
}

static void age_destroy(DkOutput *base)
{
    AgeOutput *output = (AgeOutput *)base;
    dk_output_free(output->below);
    sodium_memzero(output->key, sizeof output->key);
    sodium_memzero(output->plain, sizeof output->plain);
    g_free(output);
}

static const DkOutputOps age_ops = {
    .name = "age",
    .write = age_write,
    .zeros = age_zeros,
    .finish = age_finish,
    .destroy = age_destroy,
};

static gboolean begin(AgeOutput *output, const DkAgeRecipient *recipients, guint count,
                      GError **error)
{
    guint8 file_key[DK_AGE_FILE_KEY_SIZE];
    guint8 nonce[DK_AGE_NONCE_SIZE];
    if (count > DK_AGE_RECIPIENTS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%u recipients of age; at most %u are taken",
                    count, DK_AGE_RECIPIENTS_MAX);
        return FALSE;
    }
    if (!dk_age_ready(error))
        return FALSE;
    randombytes_buf(file_key, sizeof file_key);
    randombytes_buf(nonce, sizeof nonce);
    g_autoptr(GString) header = dk_age_header_write(file_key, recipients, count, error);
    dk_age_payload_key(file_key, nonce, output->key);
    sodium_memzero(file_key, sizeof file_key);
    return header && dk_output_write(output->below, header->str, header->len, error) &&
           dk_output_write(output->below, nonce, sizeof nonce, error);
}

DkOutput *dk_age_output_new(DkOutput *below, const DkAgeRecipient *recipients, guint count,
                            GError **error)
{
    g_assert(count);
    AgeOutput *output = g_new0(AgeOutput, 1);
    dk_output_init(&output->base, &age_ops);
    output->below = below;
    g_autoptr(DkOutput) owner = &output->base;
    return begin(output, recipients, count, error) ? g_steal_pointer(&owner) : NULL;
}
