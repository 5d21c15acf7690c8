/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opens the input as a Windows machine dump, walks all that the reader gives, and verifies. */
#include <glib.h>
#include <stdint.h>

#include "format/registry.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_assert(part && g_utf8_validate(text, -1, NULL));
}

static void note(const DkNote *note, gpointer data)
{
    g_assert(note->name && (!note->text || g_utf8_validate(note->text, -1, NULL)));
}

static void walk(DkSpace *space)
{
    DkRun run;
    guint64 from = 0;
    guint64 end = 0;
    for (guint count = 0; count < 2000 && dk_space_next_run(space, from, &run); count++) {
        guint8 buffer[5000];
        g_assert(!count || run.first >= end);
        gsize first = dk_space_read(space, run.first, buffer, sizeof buffer);
        gsize last = dk_space_read(space, run.last, buffer, sizeof buffer);
        g_assert(!first == (run.kind != DK_RUN_DATA) && !last == (run.kind != DK_RUN_DATA));
        dk_space_read(space, run.first + (run.last - run.first) / 2, buffer, 16);
        if (run.last == G_MAXUINT64)
            break;
        from = end = run.last + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const DkFormat *format = dk_format_by_name("dmp");
    g_autoptr(GBytes) bytes = g_bytes_new_static(data, size);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    if (!source) {
        g_assert(error && g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    const GArray *ram = source->subject->system.ram;
    for (guint i = 1; i < ram->len; i++)
        g_assert(g_array_index(ram, DkRamRange, i - 1).last <
                 g_array_index(ram, DkRamRange, i).first);
    walk(source->space);
    if (source->subject->system.secondary)
        walk(source->subject->system.secondary);
    source->ops->foreach_note(source, note, NULL);
    DkVerify verify = {finding, NULL, FALSE};
    g_assert(format->verify(source, TRUE, &verify, NULL));
    return 0;
}
