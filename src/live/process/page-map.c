/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/page-map.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bisect.h"
#include "base/error.h"
#include "base/fd.h"

/* uapi/linux/fs.h of Linux 6.7; Debian 12's headers are older. */
typedef struct {
    guint64 start;
    guint64 end;
    guint64 categories;
} PageRegion;

typedef struct {
    guint64 size;
    guint64 flags;
    guint64 start;
    guint64 end;
    guint64 walk_end;
    guint64 vec;
    guint64 vec_len;
    guint64 max_pages;
    guint64 category_inverted;
    guint64 category_mask;
    guint64 category_anyof_mask;
    guint64 return_mask;
} PmScanArg;
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, PmScanArg)
#define PAGE_IS_FILE (1 << 2)
#define PAGE_IS_PRESENT (1 << 3)
#define PAGE_IS_SWAPPED (1 << 4)
#define PAGE_IS_PFNZERO (1 << 5)

/* Bits of an entry of /proc/PID/pagemap. */
#define PM_PRESENT ((guint64)1 << 63)
#define PM_SWAP ((guint64)1 << 62)
#define PM_FILE ((guint64)1 << 61)

/* 16 bytes each: 16 MiB at most. */
#define RUNS_MAX ((guint)1 << 20)

#define REGIONS 2048

static void add(DkPageMap *map, guint64 first, guint64 last, DkPageKind kind);

/* Closes gaps between anonymous runs until few enough are left. */
static void coarsen(DkPageMap *map)
{
    while (map->runs->len >= RUNS_MAX / 2) {
        map->merge = map->merge ? map->merge * 2 : 4096;
        GArray *old = g_steal_pointer(&map->runs);
        map->runs = g_array_new(FALSE, FALSE, sizeof(DkPageRun));
        map->anon = 0;
        for (guint i = 0; i < old->len; i++) {
            const DkPageRun *run = &g_array_index(old, DkPageRun, i);
            add(map, dk_page_run_first(run), run->last, dk_page_run_kind(run));
        }
        g_array_unref(old);
    }
}

static void add(DkPageMap *map, guint64 first, guint64 last, DkPageKind kind)
{
    if (map->runs->len) {
        DkPageRun *tail = &g_array_index(map->runs, DkPageRun, map->runs->len - 1);
        guint64 gap = first - tail->last - 1;
        if (dk_page_run_kind(tail) == kind &&
            (!gap || (gap <= map->merge && kind == DK_PAGES_ANON))) {
            if (kind == DK_PAGES_ANON)
                map->anon += last - tail->last;
            tail->last = last;
            return;
        }
    }
    DkPageRun run = {.first = first | kind, .last = last};
    g_array_append_val(map->runs, run);
    if (kind == DK_PAGES_ANON)
        map->anon += last - first + 1;
}

static void add_checked(DkPageMap *map, guint64 first, guint64 last, DkPageKind kind)
{
    add(map, first, last, kind);
    if (map->runs->len >= RUNS_MAX)
        coarsen(map);
}

/* FALSE with errno; ENOTTY when the kernel does not know the call. */
static gboolean scan(DkPageMap *map, int fd, guint64 start, guint64 end)
{
    g_autofree PageRegion *regions = g_new(PageRegion, REGIONS);
    while (start < end) {
        PmScanArg arg = {
            .size = sizeof arg,
            .start = start,
            .end = end,
            .vec = (guint64)(guintptr)regions,
            .vec_len = REGIONS,
            .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
            .return_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO,
        };
        int count = ioctl(fd, PAGEMAP_SCAN_CALL, &arg);
        if (count < 0)
            return FALSE;
        for (int i = 0; i < count; i++) {
            /* The shared zero page stands for memory that was only read: nothing is there. */
            if (regions[i].categories & PAGE_IS_PFNZERO)
                continue;
            add_checked(map, regions[i].start, regions[i].end - 1,
                        regions[i].categories & PAGE_IS_FILE ? DK_PAGES_FILE : DK_PAGES_ANON);
        }
        if (arg.walk_end <= start)
            break;
        start = arg.walk_end;
    }
    return TRUE;
}

static gboolean read_entries(DkPageMap *map, int fd, guint64 first, guint64 last, GError **error)
{
    guint64 entries[4096];
    for (guint64 va = first; va < last;) {
        gsize want = (gsize)MIN(G_N_ELEMENTS(entries), (last - va + 1) / 4096) * sizeof entries[0];
        gssize got = dk_fd_pread_all(fd, entries, want, va / 4096 * sizeof entries[0]);
        if (got < 0) {
            dk_error_set_errno(error, errno, "pagemap at 0x%" G_GINT64_MODIFIER "x", va);
            return FALSE;
        }
        if (got < (gssize)sizeof entries[0])
            return TRUE;
        for (gsize i = 0; i < (gsize)got / sizeof entries[0]; i++, va += 4096) {
            if (entries[i] & (PM_PRESENT | PM_SWAP))
                add_checked(map, va, va + 4095,
                            entries[i] & PM_FILE ? DK_PAGES_FILE : DK_PAGES_ANON);
        }
    }
    return TRUE;
}

DkPageMap *dk_page_map_read(int pagemap_fd, const DkSubject *subject, GError **error)
{
    g_autoptr(DkPageMap) map = g_new0(DkPageMap, 1);
    map->runs = g_array_new(FALSE, FALSE, sizeof(DkPageRun));
    const GPtrArray *mappings = subject->process.mappings;
    if (!mappings->len)
        return g_steal_pointer(&map);
    const DkMapping *lowest = g_ptr_array_index(mappings, 0);
    guint64 end = 0;
    for (guint i = mappings->len; i-- > 0 && !end;) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        /* [vsyscall] is the kernel's. */
        if (!(mapping->first >> 63))
            end = mapping->last + 1;
    }
    if (scan(map, pagemap_fd, lowest->first, end)) {
        map->scanned = TRUE;
        return g_steal_pointer(&map);
    }
    if (errno != ENOTTY && errno != EINVAL) {
        dk_error_set_errno(error, errno, "scan of the page map");
        return NULL;
    }
    g_array_set_size(map->runs, 0);
    map->anon = 0;
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        if (!(mapping->first >> 63) &&
            !read_entries(map, pagemap_fd, mapping->first, mapping->last, error))
            return NULL;
    }
    return g_steal_pointer(&map);
}

void dk_page_map_free(DkPageMap *map)
{
    if (!map)
        return;
    if (map->runs)
        g_array_unref(map->runs);
    g_free(map);
}

static gboolean run_before(gconstpointer data, gsize index, guint64 va)
{
    const GArray *runs = data;
    return g_array_index(runs, DkPageRun, index).last < va;
}

guint dk_page_map_find(const DkPageMap *map, guint64 va)
{
    return (guint)dk_bisect(map->runs->len, run_before, map->runs, va);
}
