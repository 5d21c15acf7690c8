/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/output.h"

#include <errno.h>

#include "base/error.h"

void dk_output_init(DkOutput *output, const DkOutputOps *ops)
{
    g_assert(ops->write && ops->zeros && ops->finish && ops->destroy);
    *output = (DkOutput){.ops = ops};
}

static gboolean usable(DkOutput *output, GError **error)
{
    g_assert(!output->finished);
    if (!output->failed)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_SYSTEM, "the %s output has failed before",
                output->ops->name);
    return FALSE;
}

gboolean dk_output_write(DkOutput *output, const void *buf, gsize len, GError **error)
{
    if (!usable(output, error))
        return FALSE;
    if (!len)
        return TRUE;
    output->failed = !output->ops->write(output, buf, len, error);
    if (output->failed)
        return FALSE;
    output->done += len;
    return TRUE;
}

gboolean dk_output_zeros(DkOutput *output, guint64 len, GError **error)
{
    if (!usable(output, error))
        return FALSE;
    if (!len)
        return TRUE;
    output->failed = !output->ops->zeros(output, len, error);
    if (output->failed)
        return FALSE;
    output->done += len;
    return TRUE;
}

gboolean dk_output_can_rewrite(const DkOutput *output)
{
    return output->ops->rewrite != NULL;
}

gboolean dk_output_rewrite(DkOutput *output, guint64 off, const void *buf, gsize len,
                           GError **error)
{
    if (!usable(output, error))
        return FALSE;
    g_assert(off <= output->done && len <= output->done - off);
    output->failed = len && !output->ops->rewrite(output, off, buf, len, error);
    return !output->failed;
}

gboolean dk_output_finish(DkOutput *output, GError **error)
{
    if (!usable(output, error))
        return FALSE;
    output->finished = output->ops->finish(output, error);
    output->failed = !output->finished;
    return output->finished;
}

void dk_output_free(DkOutput *output)
{
    if (output)
        output->ops->destroy(output);
}

void dk_output_set_errno(GError **error, int err, const char *name)
{
    if (err == EFBIG)
        g_set_error(error, DK_ERROR, DK_ERROR_NO_SPACE,
                    "%s: the file would become larger than the limit of the process (ulimit -f) "
                    "or the file system allows",
                    name);
    else
        dk_error_set_errno(error, err, "%s: cannot write", name);
}
