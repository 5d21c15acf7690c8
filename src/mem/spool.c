/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/spool.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define PAGE 4096u
#define SIZE_MAX_SPOOL ((guint64)16 << 40)

/* Of a page; two bits each in kinds. */
enum { NEVER, ZERO, DATA };

/* File and notes, shared by the spool and its spaces. */
typedef struct {
    gatomicrefcount refs;
    int fd;
    guint64 pages;
    guint64 data_pages;
    guint8 *kinds;
} Store;

struct DkSpool {
    Store *store;
    char *dir;
};

typedef struct {
    DkSpace base;
    Store *store;
} SpoolSpace;

static void store_unref(Store *store)
{
    if (!g_atomic_ref_count_dec(&store->refs))
        return;
    dk_fd_close(&store->fd);
    g_free(store->kinds);
    g_free(store);
}

static guint kind_at(const Store *store, guint64 page)
{
    return store->kinds[page / 4] >> (page % 4 * 2) & 3;
}

static void set_kind(Store *store, guint64 page, guint kind)
{
    guint shift = (guint)(page % 4 * 2);
    store->data_pages += kind == DATA;
    store->data_pages -= kind_at(store, page) == DATA;
    store->kinds[page / 4] = (guint8)((store->kinds[page / 4] & ~(3u << shift)) | kind << shift);
}

DkSpool *dk_spool_new(const char *dir, guint64 size, GError **error)
{
    g_assert(size % PAGE == 0);
    if (size > SIZE_MAX_SPOOL) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "a machine with addresses up to 0x%" G_GINT64_MODIFIER
                    "x is too large to be spooled (limit 16 TiB)",
                    size);
        return NULL;
    }
    dk_autofd int fd = dk_fd_open_unlinked(dir);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "%s: cannot make a temporary file", dir);
        return NULL;
    }
    guint64 pages = size / PAGE;
    guint8 *kinds = g_try_malloc0((gsize)(pages / 4 + 1));
    if (!kinds) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "no memory for the notes on %" G_GUINT64_FORMAT " pages", pages);
        return NULL;
    }
    DkSpool *spool = g_new0(DkSpool, 1);
    spool->dir = g_strdup(dir);
    spool->store = g_new0(Store, 1);
    g_atomic_ref_count_init(&spool->store->refs);
    spool->store->fd = dk_fd_steal(&fd);
    spool->store->pages = pages;
    spool->store->kinds = kinds;
    return spool;
}

void dk_spool_free(DkSpool *spool)
{
    if (!spool)
        return;
    store_unref(spool->store);
    g_free(spool->dir);
    g_free(spool);
}

static gboolean check_range(const DkSpool *spool, guint64 addr, guint64 len, GError **error)
{
    g_assert(addr % PAGE == 0 && len % PAGE == 0);
    guint64 pages = spool->store->pages;
    if (addr / PAGE <= pages && len / PAGE <= pages - addr / PAGE)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                "0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
                "x lie beyond the machine's memory of 0x%" G_GINT64_MODIFIER "x",
                len, addr, pages * PAGE);
    return FALSE;
}

static void set_kinds(Store *store, guint64 addr, guint64 len, guint kind)
{
    for (guint64 page = addr / PAGE; page < (addr + len) / PAGE; page++)
        set_kind(store, page, kind);
}

gboolean dk_spool_put(DkSpool *spool, guint64 addr, const void *buf, gsize len, GError **error)
{
    if (!check_range(spool, addr, len, error))
        return FALSE;
    if (dk_fd_pwrite_all(spool->store->fd, buf, len, addr) < 0) {
        int err = errno;
        g_autofree char *name = g_strdup_printf("spool in %s", spool->dir);
        if (err == EFBIG)
            g_set_error(error, DK_ERROR, DK_ERROR_NO_SPACE,
                        "%s: its file would become larger than the limit of the process or the "
                        "file system allows",
                        name);
        else
            dk_error_set_errno(error, err, "%s: cannot write", name);
        return FALSE;
    }
    set_kinds(spool->store, addr, len, DATA);
    return TRUE;
}

gboolean dk_spool_put_zeros(DkSpool *spool, guint64 addr, guint64 len, GError **error)
{
    if (!check_range(spool, addr, len, error))
        return FALSE;
    set_kinds(spool->store, addr, len, ZERO);
    return TRUE;
}

guint64 dk_spool_bytes(const DkSpool *spool)
{
    return spool->store->data_pages * PAGE;
}

/* The first page behind first that is of another kind; at most pages. */
static guint64 run_end(const Store *store, guint64 first)
{
    guint kind = kind_at(store, first);
    guint8 four = (guint8)(kind * 0x55);
    guint64 page = first;
    while (page < store->pages && kind_at(store, page) == kind) {
        /* Four pages at once where a byte of the notes has them all. */
        if (page % 4 == 0 && store->pages - page >= 4 && store->kinds[page / 4] == four)
            page += 4;
        else
            page++;
    }
    return page;
}

static gboolean spool_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const Store *store = ((SpoolSpace *)space)->store;
    guint64 page = from / PAGE;
    while (page < store->pages && kind_at(store, page) == NEVER)
        page = run_end(store, page);
    if (page >= store->pages)
        return FALSE;
    run->first = page * PAGE;
    run->last = run_end(store, page) * PAGE - 1;
    run->kind = kind_at(store, page) == ZERO ? DK_RUN_ZERO : DK_RUN_DATA;
    return TRUE;
}

static gsize spool_read(DkSpace *space, guint64 addr, void *buf, gsize len)
{
    const Store *store = ((SpoolSpace *)space)->store;
    gsize done = 0;
    while (done < len) {
        guint64 at = addr + done;
        if (at / PAGE >= store->pages || kind_at(store, at / PAGE) == NEVER)
            break;
        gsize part = (gsize)MIN(len - done, run_end(store, at / PAGE) * PAGE - at);
        if (kind_at(store, at / PAGE) == ZERO)
            memset((guint8 *)buf + done, 0, part);
        else if (dk_fd_pread_all(store->fd, (guint8 *)buf + done, part, at) != (gssize)part)
            break;
        done += part;
    }
    return done;
}

static void spool_destroy(DkSpace *space)
{
    store_unref(((SpoolSpace *)space)->store);
    g_free(space);
}

static const DkSpaceOps spool_ops = {
    .name = "spool",
    .read = spool_read,
    .next_run = spool_next_run,
    .destroy = spool_destroy,
};

DkSpace *dk_spool_space(DkSpool *spool)
{
    SpoolSpace *space = g_new0(SpoolSpace, 1);
    dk_space_init(&space->base, &spool_ops);
    space->store = spool->store;
    g_atomic_ref_count_inc(&space->store->refs);
    return &space->base;
}
