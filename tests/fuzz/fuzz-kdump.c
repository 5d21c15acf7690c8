/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole kdump file, flattened or not: opened, verified, its notes told and its memory read. */
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
    static const gsize lengths[] = {16, 512, 9000};
    g_autofree guint8 *buffer = g_malloc(9000);
    guint64 from = 0;
    DkRun run;
    for (guint count = 0; count < 1000 && dk_space_next_run(space, from, &run); count++) {
        g_assert(run.last >= from && (run.first >= from || !count));
        gsize got = dk_space_read(space, run.first + count % 7, buffer, lengths[count % 3]);
        g_assert(run.kind == DK_RUN_DATA || run.kind == DK_RUN_ZERO || !got);
        from = run.last + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    const DkFormat *format = dk_format_by_name("kdump");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    if (!source) {
        g_assert(error);
        return 0;
    }
    DkVerify verify = {ignore_finding, NULL, FALSE};
    g_assert(format->verify(source, TRUE, &verify, NULL));
    source->ops->foreach_note(source, ignore_note, NULL);
    read_runs(source->space);
    return 0;
}
