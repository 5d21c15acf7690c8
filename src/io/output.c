/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/output.h"

void dk_output_init(DkOutput *output, const DkOutputOps *ops)
{
    g_assert(ops->write && ops->zeros && ops->finish && ops->destroy);
    output->ops = ops;
}

gboolean dk_output_write(DkOutput *output, const void *buf, gsize len, GError **error)
{
    g_assert(!output->finished);
    if (!len)
        return TRUE;
    if (!output->ops->write(output, buf, len, error))
        return FALSE;
    output->done += len;
    return TRUE;
}

gboolean dk_output_zeros(DkOutput *output, guint64 len, GError **error)
{
    g_assert(!output->finished);
    if (!len)
        return TRUE;
    if (!output->ops->zeros(output, len, error))
        return FALSE;
    output->done += len;
    return TRUE;
}

gboolean dk_output_finish(DkOutput *output, GError **error)
{
    g_assert(!output->finished);
    output->finished = output->ops->finish(output, error);
    return output->finished;
}

void dk_output_free(DkOutput *output)
{
    if (output)
        output->ops->destroy(output);
}
