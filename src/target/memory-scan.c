/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/memory-scan.h"

#include <string.h>

#include "base/progress.h"

#define CHUNK ((gsize)1 << 20)
#define NEEDLE_MAX ((gsize)4096)

typedef struct {
    const DkScan *scan;
    DkScanHit hit;
    gpointer data;
    guint8 *buf;   /* of NEEDLE_MAX + CHUNK bytes */
    gsize kept;    /* bytes at buf that the last piece ended with */
    guint64 after; /* address behind them */
    guint64 read;  /* bytes */
} Run;

/* Looks at len new bytes, which stand in buf behind those kept; FALSE when hit has ended it. */
static gboolean look(Run *run, guint64 addr, gsize len)
{
    gsize total = run->kept + len;
    guint64 base = addr - run->kept;
    const guint8 *at = run->buf;
    const guint8 *end = run->buf + total;
    while ((at = memmem(at, (gsize)(end - at), run->scan->needle, run->scan->len))) {
        if (!run->hit(base + (guint64)(at - run->buf), run->data))
            return FALSE;
        at++;
    }
    gsize keep = MIN(total, run->scan->len - 1);
    memmove(run->buf, end - keep, keep);
    run->kept = keep;
    run->after = addr + len;
    return TRUE;
}

/* All of first..last; *more is FALSE when the search is over. */
static gboolean scan_run(Run *run, DkSpace *space, guint64 first, guint64 last, gboolean *more,
                         DkProgress *progress, GError **error)
{
    guint64 addr = first;
    while (*more) {
        if (run->after != addr)
            run->kept = 0;
        gsize want = (gsize)MIN(CHUNK - 1, last - addr) + 1;
        gsize got = dk_space_read(space, addr, run->buf + run->kept, want);
        run->read += got;
        if (got && !look(run, addr, got))
            *more = FALSE;
        if (!dk_progress_tick(progress, run->read, 0, error))
            return FALSE;
        if (run->scan->max_bytes && run->read >= run->scan->max_bytes)
            *more = FALSE;
        /* A page that a run promised and that cannot be read is stepped over. */
        guint64 next = got < want ? (addr + got) | 4095 : addr + (want - 1);
        if (next >= last)
            break;
        addr = next + 1;
    }
    return TRUE;
}

gboolean dk_scan_memory(DkSpace *space, const DkScan *scan, DkScanHit hit, gpointer data,
                        gboolean *whole, DkProgress *progress, GError **error)
{
    g_assert(scan->len >= 1 && scan->len <= NEEDLE_MAX);
    g_autofree guint8 *buf = g_malloc(NEEDLE_MAX + CHUNK);
    Run state = {.scan = scan, .hit = hit, .data = data, .buf = buf, .after = G_MAXUINT64};
    gboolean more = TRUE;
    guint64 from = scan->first;
    DkRun run;
    while (more && from <= scan->last && dk_space_next_run(space, from, &run) &&
           run.first <= scan->last) {
        guint64 first = MAX(run.first, from);
        guint64 last = MIN(run.last, scan->last);
        if ((run.kind == DK_RUN_DATA || run.kind == DK_RUN_FILE) &&
            !scan_run(&state, space, first, last, &more, progress, error))
            return FALSE;
        if (last == scan->last)
            break;
        from = last + 1;
    }
    if (whole)
        *whole = more;
    return TRUE;
}
