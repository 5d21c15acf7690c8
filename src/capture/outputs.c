/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/outputs.h"

#include <unistd.h>

#include "capture/zstd-output.h"
#include "io/output.h"

struct DkOutputs {
    guint count;
    DkOutput **outputs;
    DkSink **sinks;
};

static DkOutput *open_one(const DkCaptureOutput *wanted, gboolean replace, guint64 expected,
                          GError **error)
{
    DkOutput *output = NULL;
    if (g_str_equal(wanted->path, "-"))
        output = dk_output_fd_new(STDOUT_FILENO, "standard output");
    else
        output = dk_output_file_new(wanted->path, replace, wanted->zstd_level ? 0 : expected,
                                    error);
    if (output && wanted->nrecipients)
        output = dk_age_output_new(output, wanted->recipients, wanted->nrecipients, error);
    if (output && wanted->zstd_level)
        output = dk_zstd_output_new(output, wanted->zstd_level, 0, error);
    return output;
}

DkOutputs *dk_outputs_open(const DkCaptureOutput *wanted, guint count, gboolean replace,
                           guint64 expected, GError **error)
{
    g_autoptr(DkOutputs) outputs = g_new0(DkOutputs, 1);
    outputs->count = count;
    outputs->outputs = g_new0(DkOutput *, count);
    outputs->sinks = g_new0(DkSink *, count);
    for (guint i = 0; i < count; i++) {
        outputs->outputs[i] = open_one(&wanted[i], replace, expected, error);
        if (!outputs->outputs[i])
            return NULL;
        outputs->sinks[i] = wanted[i].format->sink_new(outputs->outputs[i], &wanted[i].sink);
    }
    return g_steal_pointer(&outputs);
}

void dk_outputs_free(DkOutputs *outputs)
{
    if (!outputs)
        return;
    for (guint i = 0; i < outputs->count; i++) {
        dk_sink_free(outputs->sinks[i]);
        dk_output_free(outputs->outputs[i]);
    }
    g_free(outputs->sinks);
    g_free(outputs->outputs);
    g_free(outputs);
}

gboolean dk_outputs_accept(DkOutputs *outputs, const DkSubject *subject, GError **error)
{
    for (guint i = 0; i < outputs->count; i++) {
        if (!dk_sink_accepts(outputs->sinks[i], subject, error))
            return FALSE;
    }
    return TRUE;
}

gboolean dk_outputs_begin(DkOutputs *outputs, const DkSubject *subject, const DkDumpPlan *plan,
                          GError **error)
{
    for (guint i = 0; i < outputs->count; i++) {
        if (!dk_sink_begin(outputs->sinks[i], subject, plan, error))
            return FALSE;
    }
    return TRUE;
}

DkSink **dk_outputs_sinks(DkOutputs *outputs)
{
    return outputs->sinks;
}

gboolean dk_outputs_finish(DkOutputs *outputs, const DkDumpSummary *summary, GError **error)
{
    for (guint i = 0; i < outputs->count; i++) {
        if (!dk_sink_finish(outputs->sinks[i], summary, error) ||
            !dk_output_finish(outputs->outputs[i], error))
            return FALSE;
    }
    return TRUE;
}
