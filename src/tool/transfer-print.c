/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/transfer-print.h"

#include <sys/stat.h>

#include "base/size.h"
#include "capture/coverage.h"
#include "tool/gap-json.h"

static guint64 size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (guint64)st.st_size : 0;
}

void dk_outputs_print(DkOut *out, const GArray *outputs)
{
    dk_out_begin_array(out, "outputs");
    for (guint i = 0; i < outputs->len; i++) {
        const DkCaptureOutput *output = &g_array_index(outputs, DkCaptureOutput, i);
        const char *format = output->sink.variant ? output->sink.variant : output->format->name;
        g_autofree char *size = dk_size_text(size_of(output->path));
        if (!g_str_equal(output->path, "-"))
            dk_out_text(out, "%s: %s\n", output->path, size);
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "path", output->path);
        dk_out_string(out, "format", format);
        dk_out_int(out, "size_bytes", (gint64)size_of(output->path));
        dk_out_end(out);
    }
    dk_out_end(out);
}

void dk_result_gaps_print(const DkTool *tool, DkOut *out, const GPtrArray *gaps)
{
    dk_gaps_json(out, gaps);
    for (guint i = 0; i < gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(gaps, i);
        gboolean failure = dk_gap_is_failure(gap);
        g_autofree char *where = gap->tid ? g_strdup_printf("thread %u", gap->tid)
                                 : gap->first <= gap->last
                                     ? g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER
                                                       "x",
                                                       gap->first, gap->last + 1)
                                     : g_strdup("");
        if (failure || tool->verbosity || g_str_equal(gap->what, "instant"))
            dk_out_text(out, "  %s: %s %s: %s\n", failure ? "missing" : "note", gap->what, where,
                        gap->why);
    }
}

void dk_transfer_print(const DkTool *tool, DkOut *out, const char *from, const DkSource *source,
                       const GArray *outputs, const DkTransferResult *result)
{
    g_autofree char *memory = dk_size_text(result->bytes);
    g_autofree char *present = dk_size_text(result->present);
    dk_out_string(out, "from", from);
    dk_out_string(out, "from_format", source->format);
    dk_out_int(out, "memory_bytes", (gint64)result->bytes);
    dk_out_int(out, "present_bytes", (gint64)result->present);
    dk_out_int(out, "duration_ns", result->duration_ns);
    if (result->pause_ns >= 0)
        dk_out_int(out, "pause_ns", result->pause_ns);
    dk_out_bool(out, "complete", result->complete);
    dk_outputs_print(out, outputs);
    dk_out_text(out, "  %s of memory, %s of it not known to be zero\n", memory, present);
    if (source->subject->kind == DK_SUBJECT_MACHINE)
        dk_out_bool(out, "vmcoreinfo_found", result->vmcoreinfo_found);
    if (result->vmcoreinfo_found)
        dk_out_text(out, "  VMCOREINFO was not published; found in memory and written as a note\n");
    dk_result_gaps_print(tool, out, result->gaps);
    if (result->pause_ns >= 0)
        dk_out_text(out, "pause %.1f ms, ", (double)result->pause_ns / 1e6);
    dk_out_text(out, "%.2f s in all, %s%s%s\n", (double)result->duration_ns / 1e9,
                result->complete ? dk_out_green(out) : dk_out_yellow(out),
                result->complete ? "complete" : "not complete", dk_out_reset(out));
}
