/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/windmp/windmp-layout.h"
#include "format/windmp/windmp-write.h"

static GBytes *old_header(const DkSubject *subject)
{
    return dk_subject_text(subject, "windows/header");
}

static gboolean refuse(GError **error, const char *why)
{
    g_set_error_literal(error, DK_ERROR, DK_ERROR_UNSUPPORTED, why);
    return FALSE;
}

gsize dk_windmp_header_size(const DkSubject *subject)
{
    GBytes *header = old_header(subject);
    return header ? g_bytes_get_size(header) : 0;
}

gboolean dk_windmp_can_compose(const DkSubject *subject, gboolean bitmap, GError **error)
{
    gsize size = dk_windmp_header_size(subject);
    guint32 type = subject->system.windows.dump_type;
    if (subject->kind != DK_SUBJECT_MACHINE)
        return refuse(error, "a Windows machine dump holds the memory of a machine, not of a "
                             "process");
    if (size != sizeof(DmpHeader64) && size != sizeof(DmpHeader32))
        return refuse(error, "not from a Windows dump: the header of one cannot be made yet from "
                             "memory alone");
    if (type == DMP_TYPE_TRIAGE || type == DMP_TYPE_HEADER)
        return refuse(error, "the dump has no physical memory that could be written");
    if (bitmap && size == sizeof(DmpHeader32))
        return refuse(error, "nobody has described bitmap dumps of 32-bit Windows; dmp-full can "
                             "be written");
    return TRUE;
}

/* Whether the header has these runs already, as they are or in touching pieces. */
static gboolean same_runs(const DmpRun64 *runs, guint nruns, const GArray *wanted)
{
    guint at = 0;
    for (guint i = 0; i < wanted->len; i++) {
        const DkRamRange *range = &g_array_index(wanted, DkRamRange, i);
        guint64 next = range->first >> DMP_PAGE_SHIFT;
        guint64 end = (range->last >> DMP_PAGE_SHIFT) + 1;
        while (next < end) {
            if (at == nruns || runs[at].base != next || !runs[at].count ||
                runs[at].count > end - next)
                return FALSE;
            next += runs[at++].count;
        }
    }
    return at == nruns;
}

static gboolean check_count(const GArray *runs, guint max, GError **error)
{
    if (runs->len <= max)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "the memory has %u pieces, and the header of a full dump has room for %u; "
                "dmp-bitmap can be written",
                runs->len, max);
    return FALSE;
}

static gboolean compose64(DmpHeader64 *raw, const DkWindmpShape *shape, GError **error)
{
    gboolean same = raw->type == shape->type && shape->runs && raw->nruns <= DMP_RUNS64_MAX &&
                    same_runs(raw->runs, raw->nruns, shape->runs);
    if (same)
        return TRUE;
    raw->type = shape->type;
    raw->required_space = shape->bytes;
    if (!shape->runs)
        return TRUE;
    if (!check_count(shape->runs, DMP_RUNS64_MAX, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(raw->runs); i++)
        raw->runs[i] = (DmpRun64){DMP_FILL64, DMP_FILL64};
    raw->nruns = shape->runs->len;
    raw->pages = 0;
    for (guint i = 0; i < shape->runs->len; i++) {
        const DkRamRange *range = &g_array_index(shape->runs, DkRamRange, i);
        guint64 count = (range->last - range->first + 1) >> DMP_PAGE_SHIFT;
        raw->runs[i] = (DmpRun64){range->first >> DMP_PAGE_SHIFT, count};
        raw->pages += count;
    }
    return TRUE;
}

static gboolean compose32(DmpHeader32 *raw, const DkWindmpShape *shape, GError **error)
{
    DmpRun64 old[DMP_RUNS32_MAX];
    for (guint i = 0; i < DMP_RUNS32_MAX; i++)
        old[i] = (DmpRun64){raw->runs[i].base, raw->runs[i].count};
    if (raw->type == shape->type && raw->nruns <= DMP_RUNS32_MAX &&
        same_runs(old, raw->nruns, shape->runs))
        return TRUE;
    if (!check_count(shape->runs, DMP_RUNS32_MAX, error))
        return FALSE;
    const DkRamRange *tail = shape->runs->len
                                 ? &g_array_index(shape->runs, DkRamRange, shape->runs->len - 1)
                                 : NULL;
    if (tail && tail->last >> DMP_PAGE_SHIFT >= G_MAXUINT32)
        return refuse(error, "memory above 16 TiB does not fit into a 32-bit dump");
    raw->type = shape->type;
    raw->required_space = shape->bytes;
    for (guint i = 0; i < G_N_ELEMENTS(raw->runs); i++)
        raw->runs[i] = (DmpRun32){DMP_SIGNATURE, DMP_SIGNATURE};
    raw->nruns = shape->runs->len;
    raw->pages = 0;
    for (guint i = 0; i < shape->runs->len; i++) {
        const DkRamRange *range = &g_array_index(shape->runs, DkRamRange, i);
        guint32 count = (guint32)((range->last - range->first + 1) >> DMP_PAGE_SHIFT);
        raw->runs[i] = (DmpRun32){(guint32)(range->first >> DMP_PAGE_SHIFT), count};
        raw->pages += count;
    }
    return TRUE;
}

GBytes *dk_windmp_compose(const DkSubject *subject, const DkWindmpShape *shape, GError **error)
{
    gsize size;
    const void *old = g_bytes_get_data(old_header(subject), &size);
    g_autofree guint8 *raw = g_memdup2(old, size);
    gboolean ok = size == sizeof(DmpHeader64)
                      ? compose64((DmpHeader64 *)(gpointer)raw, shape, error)
                      : compose32((DmpHeader32 *)(gpointer)raw, shape, error);
    return ok ? g_bytes_new_take(g_steal_pointer(&raw), size) : NULL;
}
