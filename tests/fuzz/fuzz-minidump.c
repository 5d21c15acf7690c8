/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the input as a minidump, walks all that the reader gives, and verifies it deeply. */
#include <glib.h>
#include <stdint.h>

#include "format/registry.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_assert_nonnull(part);
    g_assert_true(g_utf8_validate(text, -1, NULL));
}

static void note(const DkNote *note, gpointer data)
{
    g_assert_nonnull(note->name);
}

static void walk(DkSpace *space)
{
    DkRun run;
    guint64 from = 0;
    while (dk_space_next_run(space, from, &run)) {
        guint8 buf[64];
        gsize got = dk_space_read(space, run.first, buf, sizeof buf);
        g_assert_cmpuint(got, >, 0);
        dk_space_read(space, run.last, buf, sizeof buf);
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const DkFormat *format = dk_format_by_name("minidump");
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    if (!source) {
        g_assert_nonnull(error);
        return 0;
    }
    walk(source->space);
    source->ops->foreach_note(source, note, NULL);
    DkVerify verify = {.finding = finding};
    if (!format->verify(source, TRUE, &verify, &error))
        g_assert_nonnull(error);
    return 0;
}
