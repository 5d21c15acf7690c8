/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys of age as people write them: Bech32 (BIP 173, without its limit of length). */
#include <sodium.h>
#include <string.h>

#include "base/error.h"
#include "io/age-parts.h"

#define FILE_MAX ((gsize)1 << 20)
/* Letters of the checksum. */
#define CHECK_LEN 6
#define PREFIX_MAX 32

static const char recipient_prefix[] = "age";
static const char identity_prefix[] = "age-secret-key-";

static guint32 checksum_step(guint32 sum, guint8 value)
{
    static const guint32 generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    guint32 top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (guint i = 0; i < 5; i++)
        sum ^= top >> i & 1 ? generator[i] : 0;
    return sum;
}

static gint letter_value(char letter)
{
    static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const char *at = letter ? strchr(letters, letter) : NULL;
    return at ? (gint)(at - letters) : -1;
}

/* The key in a lower-case text PREFIX1...; FALSE when it is none. */
static gboolean decode(const char *text, const char *prefix, guint8 key[DK_AGE_KEY_SIZE])
{
    gsize prefix_len = strlen(prefix);
    const char *data = text + prefix_len + 1;
    if (!g_str_has_prefix(text, prefix) || text[prefix_len] != '1' ||
        strlen(data) != (DK_AGE_KEY_SIZE * 8 + 4) / 5 + CHECK_LEN)
        return FALSE;
    guint32 sum = 1;
    for (gsize i = 0; i < prefix_len; i++)
        sum = checksum_step(sum, (guint8)prefix[i] >> 5);
    sum = checksum_step(sum, 0);
    for (gsize i = 0; i < prefix_len; i++)
        sum = checksum_step(sum, (guint8)prefix[i] & 31);
    guint32 bits = 0;
    guint nbits = 0;
    gsize made = 0;
    for (gsize i = 0; data[i]; i++) {
        gint value = letter_value(data[i]);
        if (value < 0)
            return FALSE;
        sum = checksum_step(sum, (guint8)value);
        bits = bits << 5 | (guint32)value;
        nbits += 5;
        if (nbits >= 8 && made < DK_AGE_KEY_SIZE) {
            nbits -= 8;
            key[made++] = (guint8)(bits >> nbits);
            /* The last letter of the key has four bits that must be zero. */
            if (made == DK_AGE_KEY_SIZE && (bits & ((1u << nbits) - 1)))
                return FALSE;
        }
    }
    return sum == 1 && made == DK_AGE_KEY_SIZE;
}

static gboolean mixes_case(const char *text)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);
    g_autofree char *upper = g_ascii_strup(text, -1);
    return strcmp(text, lower) != 0 && strcmp(text, upper) != 0;
}

gboolean dk_age_recipient_parse(const char *text, DkAgeRecipient *recipient, GError **error)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (!mixes_case(text) && decode(lower, recipient_prefix, recipient->key))
        return TRUE;
    if (g_str_has_prefix(lower, identity_prefix))
        /* A secret key is not repeated in a message. */
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE,
                            "this is a secret key; expected the public one, age1...");
    else
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "%s: not an X25519 recipient of age (age1...); others, such as SSH keys and "
                    "plugins, are not supported",
                    text);
    return FALSE;
}

DkAgeIdentities *dk_age_identities_new(void)
{
    DkAgeIdentities *identities = g_new0(DkAgeIdentities, 1);
    identities->keys = g_array_new(FALSE, FALSE, DK_AGE_KEY_SIZE);
    return identities;
}

void dk_age_identities_free(DkAgeIdentities *identities)
{
    if (!identities)
        return;
    sodium_memzero(identities->keys->data, (gsize)identities->keys->len * DK_AGE_KEY_SIZE);
    g_array_unref(identities->keys);
    g_free(identities);
}

gboolean dk_age_identities_parse(DkAgeIdentities *identities, const char *name, const char *text,
                                 GError **error)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint before = identities->keys->len;
    for (guint i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        guint8 key[DK_AGE_KEY_SIZE];
        if (!*line || *line == '#')
            continue;
        g_autofree char *lower = g_ascii_strdown(line, -1);
        gboolean ok = !mixes_case(line) && decode(lower, identity_prefix, key);
        if (ok)
            g_array_append_val(identities->keys, key);
        sodium_memzero(key, sizeof key);
        sodium_memzero(lower, strlen(lower));
        sodium_memzero(line, strlen(line));
        if (!ok) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                        "%s: line %u is no X25519 identity of age (AGE-SECRET-KEY-1...)", name,
                        i + 1);
            return FALSE;
        }
    }
    if (identities->keys->len > before)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "%s: holds no identity (AGE-SECRET-KEY-1...)",
                name);
    return FALSE;
}

gboolean dk_age_identities_load(DkAgeIdentities *identities, const char *path, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *text = NULL;
    gsize len = 0;
    if (!g_file_get_contents(path, &text, &len, &local)) {
        DkErrorCode code = g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT)
                               ? DK_ERROR_NOT_FOUND
                           : g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_ACCES)
                               ? DK_ERROR_DENIED
                               : DK_ERROR_SYSTEM;
        g_set_error(error, DK_ERROR, code, "identity file: %s", local->message);
        return FALSE;
    }
    gboolean done = len <= FILE_MAX && !memchr(text, 0, len);
    if (!done)
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: is no file of identities", path);
    else
        done = dk_age_identities_parse(identities, path, text, error);
    sodium_memzero(text, len);
    return done;
}
