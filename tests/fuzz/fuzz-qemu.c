/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What live/qemu reads of QEMU: the first byte chooses between the text of "info mtree -f" and the
 * stream of dump-guest-memory; for the latter it is also the size of the pieces.
 */
#include <glib.h>
#include <stdint.h>

#include "base/error.h"
#include "live/cpu-text.h"
#include "live/mtree.h"
#include "live/qemu/elf-stream.h"
#include "live/qemu/qemu-plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void range_free(DkQemuRange *range)
{
    g_free(range->block);
    g_free(range);
}

static void run_mtree(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) ranges = g_ptr_array_new_with_free_func((GDestroyNotify)range_free);
    if (!dk_mtree_parse(text, ranges, &error)) {
        g_assert(error->domain == DK_ERROR);
        return;
    }
    for (guint i = 0; i < ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(ranges, i);
        g_assert(range->first < range->last && *range->block);
        g_assert(range->offset + (range->last - range->first) >= range->offset);
        if (i)
            g_assert(((DkQemuRange *)g_ptr_array_index(ranges, i - 1))->last < range->first);
    }
}

static void run_cpus(const char *text)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    gboolean is_taken = dk_cpu_text_parse(text, subject);
    g_assert(is_taken == (subject->system.cpus->len > 0));
}

static gboolean see_notes(const void *bytes, gsize len, guint64 off, guint16 machine, gboolean wide,
                          gpointer data, GError **error)
{
    return len <= DK_ELF_STREAM_HEAD_MAX;
}

static gboolean see_memory(guint64 pa, const guint8 *bytes, gsize len, gpointer data,
                           GError **error)
{
    g_assert(len && len % 4096 == 0 && pa % 4096 == 0 && pa + (len - 1) >= pa);
    return TRUE;
}

static void run_stream(const uint8_t *data, size_t size, size_t piece)
{
    static const DkElfStreamCallbacks callbacks = {see_notes, see_memory};
    g_autoptr(GError) error = NULL;
    g_autoptr(DkElfStream) stream = dk_elf_stream_new(&callbacks, NULL);
    gboolean goes_on = TRUE;
    for (size_t done = 0; goes_on && done < size; done += piece)
        goes_on = dk_elf_stream_feed(stream, data + done, MIN(piece, size - done), &error);
    if (goes_on)
        goes_on = dk_elf_stream_end(stream, &error);
    g_assert(goes_on || error->domain == DK_ERROR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    if (data[0]) {
        run_stream(data + 1, size - 1, data[0]);
    } else {
        g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
        run_mtree(text);
        run_cpus(text);
    }
    return 0;
}
