/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files encrypted to X25519 recipients in the format age v1 (https://age-encryption.org/v1), which
 * `age -d` opens: keys, and an output that encrypts.  What such a file holds is read through
 * dk_input_open_with().
 */
#pragma once

#include <glib.h>

#include "io/output.h"

#define DK_AGE_KEY_SIZE 32

/* A public key, "age1...". */
typedef struct {
    guint8 key[DK_AGE_KEY_SIZE];
} DkAgeRecipient;

/* DK_ERROR_USAGE when text is no such key (other kinds of recipients are named as such). */
gboolean dk_age_recipient_parse(const char *text, DkAgeRecipient *recipient,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Secret keys, out of files as age-keygen writes them. */
typedef struct DkAgeIdentities DkAgeIdentities;

DkAgeIdentities *dk_age_identities_new(void);
/* Overwrites the keys. */
void dk_age_identities_free(DkAgeIdentities *identities);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkAgeIdentities, dk_age_identities_free)

/*
 * Adds the keys of a file: lines "AGE-SECRET-KEY-1...", comments with #.  DK_ERROR_USAGE names the
 * line that is none, or that there is no key; NOT_FOUND, DENIED, LIMIT (above 1 MiB).
 */
gboolean dk_age_identities_load(DkAgeIdentities *identities, const char *path,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Adds the keys of text, which came from what name says. */
gboolean dk_age_identities_parse(DkAgeIdentities *identities, const char *name, const char *text,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * An output that encrypts to all of count recipients (at least 1, at most 64) what is written to
 * it, in front of below, which it takes over (also when this fails).  DK_ERROR_USAGE for a key of
 * low order, LIMIT for too many.
 */
DkOutput *dk_age_output_new(DkOutput *below, const DkAgeRecipient *recipients, guint count,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
