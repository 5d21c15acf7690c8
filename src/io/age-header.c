/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The header of an age file: stanzas with the file key for each recipient, and a MAC. */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "io/age-parts.h"

#define WRAPPED_SIZE (DK_AGE_FILE_KEY_SIZE + DK_AGE_TAG_SIZE)
#define X25519_INFO "age-encryption.org/v1/X25519"
/* A body is broken into lines of this length; a shorter one, which may be empty, ends it. */
#define COLUMNS 64
#define BASE64 sodium_base64_VARIANT_ORIGINAL_NO_PADDING

/* The MAC of a header up to and including "---". */
static void header_mac(const guint8 file_key[DK_AGE_FILE_KEY_SIZE], const char *text, gsize len,
                       guint8 mac[DK_AGE_KEY_SIZE])
{
    guint8 key[DK_AGE_KEY_SIZE];
    /* No salt; libsodium wants a place all the same. */
    static const guint8 none[1];
    dk_age_hkdf(file_key, DK_AGE_FILE_KEY_SIZE, none, 0, "header", key);
    crypto_auth_hmacsha256(mac, (const guint8 *)text, len, key);
    sodium_memzero(key, sizeof key);
}

/* The key that wraps the file key; FALSE when shared is zero, as a key of low order makes it. */
static gboolean wrap_key(const guint8 shared[DK_AGE_KEY_SIZE], const guint8 share[DK_AGE_KEY_SIZE],
                         const guint8 recipient[DK_AGE_KEY_SIZE], guint8 key[DK_AGE_KEY_SIZE])
{
    guint8 salt[2 * DK_AGE_KEY_SIZE];
    if (sodium_is_zero(shared, DK_AGE_KEY_SIZE))
        return FALSE;
    memcpy(salt, share, DK_AGE_KEY_SIZE);
    memcpy(salt + DK_AGE_KEY_SIZE, recipient, DK_AGE_KEY_SIZE);
    dk_age_hkdf(shared, DK_AGE_KEY_SIZE, salt, sizeof salt, X25519_INFO, key);
    return TRUE;
}

static void append_base64(GString *text, const guint8 *data, gsize len)
{
    char encoded[sodium_base64_ENCODED_LEN(64, BASE64)];
    g_assert(len <= 64);
    sodium_bin2base64(encoded, sizeof encoded, data, len, BASE64);
    g_string_append(text, encoded);
}

static gboolean append_stanza(GString *text, const guint8 file_key[DK_AGE_FILE_KEY_SIZE],
                              const DkAgeRecipient *recipient)
{
    guint8 secret[DK_AGE_KEY_SIZE];
    guint8 share[DK_AGE_KEY_SIZE];
    guint8 shared[DK_AGE_KEY_SIZE];
    guint8 key[DK_AGE_KEY_SIZE];
    guint8 wrapped[WRAPPED_SIZE];
    randombytes_buf(secret, sizeof secret);
    gboolean done = crypto_scalarmult_base(share, secret) == 0 &&
                    crypto_scalarmult(shared, secret, recipient->key) == 0 &&
                    wrap_key(shared, share, recipient->key, key);
    if (done) {
        dk_age_chunk_seal(key, 0, FALSE, file_key, DK_AGE_FILE_KEY_SIZE, wrapped);
        g_string_append(text, "-> X25519 ");
        append_base64(text, share, sizeof share);
        g_string_append_c(text, '\n');
        append_base64(text, wrapped, sizeof wrapped);
        g_string_append_c(text, '\n');
    }
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(key, sizeof key);
    return done;
}

GString *dk_age_header_write(const guint8 file_key[DK_AGE_FILE_KEY_SIZE],
                             const DkAgeRecipient *recipients, guint count, GError **error)
{
    g_autoptr(GString) text = g_string_new(DK_AGE_VERSION_LINE);
    for (guint i = 0; i < count; i++) {
        if (!append_stanza(text, file_key, &recipients[i])) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "age recipient number %u is a key that protects nothing", i + 1);
            return NULL;
        }
    }
    guint8 mac[DK_AGE_KEY_SIZE];
    g_string_append(text, "---");
    header_mac(file_key, text->str, text->len, mac);
    g_string_append_c(text, ' ');
    append_base64(text, mac, sizeof mac);
    g_string_append_c(text, '\n');
    return g_steal_pointer(&text);
}

/* --- reading --- */

typedef struct {
    const char *text;
    gsize len;
    gsize pos;
    const DkAgeIdentities *identities;
    guint8 *file_key;
    gboolean opened;
    guint stanzas;
    gboolean other_kinds; /* stanzas that are not X25519 */
} Reader;

static gboolean fail(const Reader *reader, GError **error, const char *what)
{
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "age header at offset 0x%" G_GSIZE_MODIFIER "x: %s", reader->pos, what);
    return FALSE;
}

/* The next line without its newline; NULL with LIMIT when it does not end. */
static const char *next_line(Reader *reader, gsize *len, GError **error)
{
    const char *line = reader->text + reader->pos;
    const char *end = memchr(line, '\n', reader->len - reader->pos);
    if (!end) {
        g_set_error(error, DK_ERROR,
                    reader->len < DK_AGE_HEADER_MAX ? DK_ERROR_DAMAGED : DK_ERROR_LIMIT,
                    "age header: does not end within 0x%" G_GSIZE_MODIFIER "x bytes", reader->len);
        return NULL;
    }
    *len = (gsize)(end - line);
    reader->pos += *len + 1;
    return line;
}

static gboolean decode_base64(const char *text, gsize len, guint8 *out, gsize size)
{
    gsize made = 0;
    return sodium_base642bin(out, size, text, len, NULL, &made, NULL, BASE64) == 0 && made == size;
}

/* Tries one identity on one stanza. */
static void try_identity(Reader *reader, const guint8 *identity, const guint8 *share,
                         const guint8 *wrapped)
{
    guint8 recipient[DK_AGE_KEY_SIZE];
    guint8 shared[DK_AGE_KEY_SIZE];
    guint8 key[DK_AGE_KEY_SIZE];
    if (crypto_scalarmult_base(recipient, identity) == 0 &&
        crypto_scalarmult(shared, identity, share) == 0 &&
        wrap_key(shared, share, recipient, key) &&
        dk_age_chunk_open(key, 0, FALSE, wrapped, WRAPPED_SIZE, reader->file_key))
        reader->opened = TRUE;
    sodium_memzero(shared, sizeof shared);
    sodium_memzero(key, sizeof key);
}

/* The body of a stanza: appended to body, as base64 in one piece. */
static gboolean read_body(Reader *reader, GString *body, GError **error)
{
    for (;;) {
        gsize len;
        const char *line = next_line(reader, &len, error);
        if (!line)
            return FALSE;
        if (len > COLUMNS)
            return fail(reader, error, "a line of more than 64 letters in a stanza");
        g_string_append_len(body, line, (gssize)len);
        if (len < COLUMNS)
            return TRUE;
    }
}

static gboolean read_stanza(Reader *reader, const char *line, gsize len, GError **error)
{
    static const char x25519[] = "-> X25519 ";
    g_autoptr(GString) body = g_string_new(NULL);
    guint8 share[DK_AGE_KEY_SIZE];
    guint8 wrapped[WRAPPED_SIZE];
    gsize prefix = strlen(x25519);
    if (!read_body(reader, body, error))
        return FALSE;
    reader->stanzas++;
    if (len < prefix || memcmp(line, x25519, prefix) != 0) {
        reader->other_kinds = TRUE;
        return TRUE;
    }
    if (!decode_base64(line + prefix, len - prefix, share, sizeof share) ||
        !decode_base64(body->str, body->len, wrapped, sizeof wrapped))
        return fail(reader, error, "the X25519 stanza before it makes no sense");
    const GArray *keys = reader->identities ? reader->identities->keys : NULL;
    for (guint i = 0; keys && i < keys->len && !reader->opened; i++)
        try_identity(reader, (const guint8 *)keys->data + (gsize)i * DK_AGE_KEY_SIZE, share,
                     wrapped);
    return TRUE;
}

static gboolean check_mac(Reader *reader, const char *line, gsize len, GError **error)
{
    guint8 said[DK_AGE_KEY_SIZE];
    guint8 mac[DK_AGE_KEY_SIZE];
    if (len < 4 || line[3] != ' ' || !decode_base64(line + 4, len - 4, said, sizeof said))
        return fail(reader, error, "expected \"--- \" and a MAC before it");
    if (!reader->opened) {
        g_set_error(error, DK_ERROR, DK_ERROR_DENIED,
                    "is encrypted with age; %s (%u stanza%s in its header%s)",
                    reader->identities ? "none of the identities opens it"
                                       : "--identity FILE opens it",
                    reader->stanzas, reader->stanzas == 1 ? "" : "s",
                    reader->other_kinds ? ", some for keys other than X25519" : "");
        return FALSE;
    }
    header_mac(reader->file_key, reader->text, (gsize)(line + 3 - reader->text), mac);
    return sodium_memcmp(said, mac, sizeof mac) == 0 ||
           fail(reader, error, "its MAC is not right: the header was changed");
}

gboolean dk_age_header_read(const char *text, gsize len, const DkAgeIdentities *identities,
                            guint8 file_key[DK_AGE_FILE_KEY_SIZE], gsize *header_len,
                            GError **error)
{
    static const char armor[] = "-----BEGIN AGE ENCRYPTED FILE-----";
    gsize version = strlen(DK_AGE_VERSION_LINE);
    if (len >= strlen(armor) && !memcmp(text, armor, strlen(armor))) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                            "is an armored age file; `age -d` opens it");
        return FALSE;
    }
    if (len < version || memcmp(text, DK_AGE_VERSION_LINE, version) != 0) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NOT_MINE, "no age file");
        return FALSE;
    }
    Reader reader = {
        .text = text, .len = len, .pos = version, .identities = identities, .file_key = file_key};
    for (;;) {
        gsize line_len;
        const char *line = next_line(&reader, &line_len, error);
        if (!line)
            return FALSE;
        if (line_len >= 3 && !memcmp(line, "---", 3)) {
            *header_len = reader.pos;
            return check_mac(&reader, line, line_len, error);
        }
        if (line_len < 3 || memcmp(line, "-> ", 3) != 0)
            return fail(&reader, error, "expected a stanza (\"-> \") before it");
        if (!read_stanza(&reader, line, line_len, error))
            return FALSE;
    }
}
