/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "io/age-parts.h"

#define CHUNK_NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

G_STATIC_ASSERT(CHUNK_NONCE_SIZE == 12);
G_STATIC_ASSERT(crypto_aead_chacha20poly1305_ietf_KEYBYTES == DK_AGE_KEY_SIZE);
G_STATIC_ASSERT(crypto_aead_chacha20poly1305_ietf_ABYTES == DK_AGE_TAG_SIZE);

gboolean dk_age_ready(GError **error)
{
    if (sodium_init() >= 0)
        return TRUE;
    g_set_error_literal(error, DK_ERROR, DK_ERROR_SYSTEM, "libsodium cannot be used here");
    return FALSE;
}

static void hmac(const guint8 *key, gsize key_len, const void *a, gsize a_len, const void *b,
                 gsize b_len, guint8 out[DK_AGE_KEY_SIZE])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_len);
    crypto_auth_hmacsha256_update(&state, a, a_len);
    crypto_auth_hmacsha256_update(&state, b, b_len);
    crypto_auth_hmacsha256_final(&state, out);
}

void dk_age_hkdf(const guint8 *ikm, gsize ikm_len, const guint8 *salt, gsize salt_len,
                 const char *info, guint8 key[DK_AGE_KEY_SIZE])
{
    static const guint8 one = 1;
    guint8 extracted[DK_AGE_KEY_SIZE];
    hmac(salt, salt_len, ikm, ikm_len, ikm, 0, extracted);
    hmac(extracted, sizeof extracted, info, strlen(info), &one, 1, key);
    sodium_memzero(extracted, sizeof extracted);
}

void dk_age_payload_key(const guint8 file_key[DK_AGE_FILE_KEY_SIZE],
                        const guint8 nonce[DK_AGE_NONCE_SIZE], guint8 key[DK_AGE_KEY_SIZE])
{
    dk_age_hkdf(file_key, DK_AGE_FILE_KEY_SIZE, nonce, DK_AGE_NONCE_SIZE, "payload", key);
}

static void chunk_nonce(guint64 index, gboolean last, guint8 nonce[CHUNK_NONCE_SIZE])
{
    guint64 big = GUINT64_TO_BE(index);
    memset(nonce, 0, CHUNK_NONCE_SIZE);
    memcpy(nonce + 3, &big, sizeof big);
    nonce[CHUNK_NONCE_SIZE - 1] = last ? 1 : 0;
}

void dk_age_chunk_seal(const guint8 key[DK_AGE_KEY_SIZE], guint64 index, gboolean last,
                       const guint8 *in, gsize len, guint8 *out)
{
    guint8 nonce[CHUNK_NONCE_SIZE];
    chunk_nonce(index, last, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, NULL, 0, NULL, nonce, key);
}

gboolean dk_age_chunk_open(const guint8 key[DK_AGE_KEY_SIZE], guint64 index, gboolean last,
                           const guint8 *in, gsize len, guint8 *out)
{
    guint8 nonce[CHUNK_NONCE_SIZE];
    chunk_nonce(index, last, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, NULL, 0, nonce,
                                                     key) == 0;
}
