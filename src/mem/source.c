/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/source.h"

void dk_source_init(DkSource *source, const DkSourceOps *ops, const char *name)
{
    g_assert(ops && ops->close);
    source->ops = ops;
    source->name = g_strdup(name);
}

void dk_source_close(DkSource *source)
{
    if (!source)
        return;
    g_clear_pointer(&source->space, dk_space_unref);
    g_clear_pointer(&source->subject, dk_subject_free);
    g_clear_pointer(&source->name, g_free);
    source->ops->close(source);
}
