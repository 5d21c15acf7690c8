/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file with a migration stream, or libvirt's header before one: opened, verified, read. */
#include <glib.h>
#include <stdint.h>

#include "format/registry.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_assert(part && text);
}

static void ignore_note(const DkNote *note, gpointer data)
{
    g_assert(note->name);
}

static void read_runs(DkSpace *space)
{
    guint8 buffer[20000];
    guint64 from = 0;
    DkRun run;
    for (guint count = 0; count < 1000 && dk_space_next_run(space, from, &run); count++) {
        g_assert(run.first >= from && run.last >= run.first);
        gsize want = (gsize)MIN(sizeof buffer - 1, run.last - run.first) + 1;
        gsize got = dk_space_read(space, run.first, buffer, want);
        g_assert(got == want);
        if (run.last == G_MAXUINT64) {
            break;
        }
        from = run.last + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    const DkFormat *format = dk_format_by_name("qevm");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    g_assert(!source == !!error);
    if (!source) {
        return 0;
    }
    DkVerify verify = {.finding = ignore_finding};
    if (!format->verify(source, TRUE, &verify, &error)) {
        g_assert(error);
    }
    source->ops->foreach_note(source, ignore_note, NULL);
    read_runs(source->space);
    return 0;
}
