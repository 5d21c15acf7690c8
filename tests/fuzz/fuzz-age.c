/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files encrypted with age, and files of keys: the bytes are read as either. */
#include <glib.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "io/age.h"
#include "io/input.h"

/* The key that the stored inputs are encrypted to. */
static const char identity[] =
    "AGE-SECRET-KEY-18SHK2PLD3NNGHHJESHPQ2QSPMNXSL5K5Z5XD29ZSGFGHHNYDE5ZS52VSVQ";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_keys(const char *text)
{
    g_autoptr(DkAgeIdentities) identities = dk_age_identities_new();
    DkAgeRecipient recipient;
    (void)!dk_age_identities_parse(identities, "fuzz", text, NULL);
    (void)!dk_age_recipient_parse(text, &recipient, NULL);
}

static void try_file(const uint8_t *data, size_t size)
{
    g_autoptr(DkAgeIdentities) identities = dk_age_identities_new();
    dk_autofd int fd = memfd_create("fuzz", MFD_CLOEXEC);
    g_assert_true(dk_age_identities_parse(identities, "fuzz", identity, NULL));
    if (fd < 0 || dk_fd_pwrite_all(fd, data, size, 0) < 0)
        return;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(DkInput) input = dk_input_open_with(path, identities, NULL);
    if (!input)
        return;
    guint64 total = dk_input_size(input);
    guint8 buf[5000];
    const guint64 offs[] = {0, 1, total / 2, total ? total - 1 : 0, total};
    for (guint i = 0; i < G_N_ELEMENTS(offs); i++)
        g_assert_cmpint(dk_input_read(input, offs[i], buf, sizeof buf, NULL), <=, sizeof buf);
    gboolean verified;
    if (dk_input_verify(input, &verified, NULL, NULL))
        g_assert_cmpint(dk_input_read(input, 0, buf, 1, NULL), ==, total ? 1 : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    try_keys(text);
    try_file(data, size);
    return 0;
}
