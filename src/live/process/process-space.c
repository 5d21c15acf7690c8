/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/process-space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/bisect.h"
#include "base/fd.h"

#define PAGE ((guint64)4096)

/* Holes of one shared mapping that are told apart; behind that all is read. */
#define HOLES_MAX 65536

/* What is known of a mapping beside its DkMapping. */
typedef struct {
    DkFrom from;
    guint64 end;   /* first address that its file no longer backs */
    GArray *holes; /* of DkRun, of shared memory; NULL for none */
} Part;

struct DkProcessSpace {
    DkSpace base;
    const DkSubject *subject;
    DkPageMap *pages;
    pid_t target;
    pid_t copy;
    int target_mem; /* /proc/PID/mem */
    int copy_mem;
    Part *parts;      /* one for each mapping */
    GArray *overlays; /* of DkOverlay, ascending */
    GMutex lock;      /* guards the next two */
    guint file_index; /* mapping whose file is open */
    int file;
};

static const DkMapping *mapping_of(const DkProcessSpace *space, guint index)
{
    return g_ptr_array_index(space->subject->process.mappings, index);
}

static gboolean mapping_before(gconstpointer data, gsize index, guint64 va)
{
    return mapping_of(data, (guint)index)->last < va;
}

/* The mapping that holds va, or the next one above; the number of mappings when there is none. */
static guint find_mapping(const DkProcessSpace *space, guint64 va)
{
    return (guint)dk_bisect(space->subject->process.mappings->len, mapping_before, space, va);
}

static gboolean overlay_before(gconstpointer data, gsize index, guint64 va)
{
    const GArray *overlays = data;
    return g_array_index(overlays, DkOverlay, index).last < va;
}

static const DkOverlay *find_overlay(const DkProcessSpace *space, guint64 va)
{
    const GArray *overlays = space->overlays;
    gsize index = dk_bisect(overlays->len, overlay_before, overlays, va);
    return index < overlays->len ? &g_array_index(overlays, DkOverlay, index) : NULL;
}

/* Bytes read of a process from va on, through its mem file. */
static gsize read_mem(int mem, guint64 va, guint8 *buf, gsize len)
{
    gsize done = 0;
    while (done < len && mem >= 0) {
        gssize got = pread(mem, buf + done, len - done, (off_t)(va + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (gsize)got;
    }
    return done;
}

/*
 * The target is read with process_vm_readv, which is fastest, and then by its mem file, which alone
 * reads pages without permissions.
 */
static gsize read_target(const DkProcessSpace *space, guint64 va, void *buf, gsize len)
{
    struct iovec here = {buf, len};
    struct iovec there = {(void *)(guintptr)va, len};
    gssize got = process_vm_readv(space->target, &here, 1, &there, 1, 0);
    gsize done = got > 0 ? (gsize)got : 0;
    return done + read_mem(space->target_mem, va + done, (guint8 *)buf + done, len - done);
}

/*
 * The copy is read by its mem file only.  process_vm_readv pins pages, and the kernel gives a
 * process a page of its own before a page that it shares copy-on-write is pinned (gup_must_unshare
 * in mm/gup.c, since Linux 5.19): all of the target's memory would be copied, slowly, at the cost
 * of its control group.
 */
static gsize read_copy(const DkProcessSpace *space, guint64 va, void *buf, gsize len)
{
    return read_mem(space->copy_mem, va, buf, len);
}

/* Opens the file of a mapping as the target sees it; -1 when that cannot be. */
static int open_file(const DkProcessSpace *space, const DkMapping *mapping)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/map_files/%" G_GINT64_MODIFIER
                                            "x-%" G_GINT64_MODIFIER "x",
                                            (int)space->target, mapping->first, mapping->last + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 || !mapping->path || *mapping->path != '/' || mapping->flags & DK_MAP_DELETED)
        return fd;
    g_autofree char *inside = g_strdup_printf("/proc/%d/root%s", (int)space->target, mapping->path);
    struct stat st;
    fd = open(inside, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_ino != mapping->inode || !S_ISREG(st.st_mode)))
        dk_fd_close(&fd);
    return fd;
}

/* Untouched pages of a file, without making the target touch them. */
static gsize read_file(DkProcessSpace *space, guint index, guint64 va, void *buf, gsize len)
{
    const DkMapping *mapping = mapping_of(space, index);
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&space->lock);
    (void)locker;
    if (space->file_index != index) {
        dk_fd_close(&space->file);
        space->file = open_file(space, mapping);
        space->file_index = index;
    }
    if (space->file < 0)
        return 0;
    gssize got = dk_fd_pread_all(space->file, buf, len, mapping->file_offset + va - mapping->first);
    if (got <= 0)
        return 0;
    /* The last page of a file is filled up with zeros. */
    gsize whole = MIN(len, ((gsize)got + PAGE - 1) & ~(gsize)(PAGE - 1));
    memset((guint8 *)buf + got, 0, whole - (gsize)got);
    return whole;
}

/* From va on, up to len bytes that all come the same way: out of the same mapping, overlay or not.
 */
static gsize read_part(DkProcessSpace *space, guint index, guint64 va, void *buf, gsize len)
{
    const DkMapping *mapping = mapping_of(space, index);
    const Part *part = &space->parts[index];
    const DkOverlay *overlay = find_overlay(space, va);
    len = (gsize)MIN((guint64)len, mapping->last - va + 1);
    if (overlay && va >= overlay->first) {
        len = (gsize)MIN((guint64)len, overlay->last - va + 1);
        memcpy(buf, overlay->bytes + (va - overlay->first), len);
        return len;
    }
    if (overlay)
        len = (gsize)MIN((guint64)len, overlay->first - va);
    if (part->from == DK_FROM_NOBODY)
        return 0;
    if (part->from == DK_FROM_COPY)
        return read_copy(space, va, buf, len);
    if (mapping->inode && !(mapping->flags & DK_MAP_ANON)) {
        guint at = dk_page_map_find(space->pages, va);
        const DkPageRun *run = at < space->pages->runs->len
                                   ? &g_array_index(space->pages->runs, DkPageRun, at)
                                   : NULL;
        guint64 present = run ? dk_page_run_first(run) : G_MAXUINT64;
        if (!run || va < present) {
            gsize untouched = (gsize)MIN((guint64)len, present - va);
            gsize got = read_file(space, index, va, buf, untouched);
            if (got)
                return got;
        } else {
            len = (gsize)MIN((guint64)len, run->last - va + 1);
        }
    }
    return read_target(space, va, buf, len);
}

static gsize space_read(DkSpace *base, guint64 va, void *buf, gsize len)
{
    DkProcessSpace *space = (DkProcessSpace *)base;
    gsize done = 0;
    while (done < len) {
        guint index = find_mapping(space, va + done);
        if (index >= space->subject->process.mappings->len ||
            mapping_of(space, index)->first > va + done)
            break;
        gsize got = read_part(space, index, va + done, (guint8 *)buf + done, len - done);
        if (!got)
            break;
        done += got;
    }
    return done;
}

/* What lies between the pages that are there. */
static DkRunKind kind_untouched(const DkMapping *mapping)
{
    if (mapping->flags & DK_MAP_ANON)
        return DK_RUN_ZERO;
    if (mapping->flags & DK_MAP_HUGETLB)
        return mapping->path && g_str_has_prefix(mapping->path, "/anon_hugepage")
                   ? DK_RUN_ZERO
                   : DK_RUN_UNREADABLE;
    return DK_RUN_FILE;
}

/* Cuts a run of file content where the file ends or a hole of shared memory begins or ends. */
static void cut_by_file(const Part *part, DkRun *run)
{
    if (run->kind != DK_RUN_FILE)
        return;
    if (run->first >= part->end) {
        run->kind = DK_RUN_UNREADABLE;
        return;
    }
    run->last = MIN(run->last, part->end - 1);
    for (guint i = 0; part->holes && i < part->holes->len; i++) {
        const DkRun *hole = &g_array_index(part->holes, DkRun, i);
        if (hole->last < run->first)
            continue;
        if (hole->first <= run->first) {
            run->kind = DK_RUN_ZERO;
            run->last = MIN(run->last, hole->last);
        } else if (hole->first <= run->last) {
            run->last = hole->first - 1;
        }
        return;
    }
}

static gboolean space_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    DkProcessSpace *space = (DkProcessSpace *)base;
    guint index = find_mapping(space, from);
    if (index >= space->subject->process.mappings->len)
        return FALSE;
    const DkMapping *mapping = mapping_of(space, index);
    const Part *part = &space->parts[index];
    *run = (DkRun){MAX(from, mapping->first), mapping->last, DK_RUN_UNREADABLE};
    if (part->from == DK_FROM_NOBODY)
        return TRUE;
    run->kind = kind_untouched(mapping);
    gboolean own = (mapping->flags & (DK_MAP_ANON | DK_MAP_HUGETLB)) != 0;
    /* Shared memory is nobody's own, whether it is mapped or not. */
    gboolean shared = mapping->flags & DK_MAP_SHARED && !own;
    guint at = shared ? space->pages->runs->len : dk_page_map_find(space->pages, run->first);
    for (; at < space->pages->runs->len; at++) {
        const DkPageRun *pages = &g_array_index(space->pages->runs, DkPageRun, at);
        guint64 first = dk_page_run_first(pages);
        if (first > run->last)
            break;
        /* Pages of a file that are mapped are file content like those that are not. */
        if (dk_page_run_kind(pages) == DK_PAGES_FILE && !own)
            continue;
        if (first <= run->first) {
            run->kind = DK_RUN_DATA;
            run->last = MIN(run->last, pages->last);
        } else {
            run->last = first - 1;
        }
        break;
    }
    cut_by_file(part, run);
    return TRUE;
}

static void space_destroy(DkSpace *base)
{
    DkProcessSpace *space = (DkProcessSpace *)base;
    for (guint i = 0; i < space->overlays->len; i++)
        g_free(g_array_index(space->overlays, DkOverlay, i).bytes);
    for (guint i = 0; i < space->subject->process.mappings->len; i++)
        g_clear_pointer(&space->parts[i].holes, g_array_unref);
    g_array_unref(space->overlays);
    g_free(space->parts);
    dk_page_map_free(space->pages);
    dk_fd_close(&space->target_mem);
    dk_fd_close(&space->copy_mem);
    dk_fd_close(&space->file);
    g_mutex_clear(&space->lock);
    g_free(space);
}

static const DkSpaceOps process_space_ops = {
    .name = "process",
    .read = space_read,
    .next_run = space_next_run,
    .destroy = space_destroy,
};

static int open_mem(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/mem", (int)pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

DkProcessSpace *dk_process_space_new(const DkSubject *subject, DkPageMap *pages, pid_t target,
                                     pid_t copy)
{
    DkProcessSpace *space = g_new0(DkProcessSpace, 1);
    g_mutex_init(&space->lock);
    dk_space_init(&space->base, &process_space_ops);
    space->subject = subject;
    space->pages = pages;
    space->target = target;
    space->copy = copy;
    space->target_mem = open_mem(target);
    space->copy_mem = copy ? open_mem(copy) : -1;
    space->file = -1;
    space->file_index = G_MAXUINT;
    space->overlays = g_array_new(FALSE, FALSE, sizeof(DkOverlay));
    guint count = subject->process.mappings->len;
    space->parts = g_new0(Part, count + 1);
    for (guint i = 0; i < count; i++) {
        space->parts[i].from = copy ? DK_FROM_COPY : DK_FROM_TARGET;
        space->parts[i].end = G_MAXUINT64;
    }
    return space;
}

DkSpace *dk_process_space_base(DkProcessSpace *space)
{
    return &space->base;
}

void dk_process_space_set_copy(DkProcessSpace *space, pid_t copy)
{
    space->copy = copy;
    space->copy_mem = open_mem(copy);
    for (guint i = 0; i < space->subject->process.mappings->len; i++)
        space->parts[i].from = DK_FROM_COPY;
}

void dk_process_space_set_from(DkProcessSpace *space, guint index, DkFrom from)
{
    space->parts[index].from = from;
}

gboolean dk_process_space_keep(DkProcessSpace *space, guint index, guint64 *budget)
{
    const DkMapping *mapping = mapping_of(space, index);
    guint at = dk_page_map_find(space->pages, mapping->first);
    for (; at < space->pages->runs->len; at++) {
        const DkPageRun *run = &g_array_index(space->pages->runs, DkPageRun, at);
        if (dk_page_run_first(run) > mapping->last)
            break;
        DkOverlay overlay = {MAX(dk_page_run_first(run), mapping->first),
                             MIN(run->last, mapping->last), NULL};
        guint64 len = overlay.last - overlay.first + 1;
        if (len > *budget)
            return FALSE;
        overlay.bytes = g_malloc(len);
        gsize got = read_target(space, overlay.first, overlay.bytes, (gsize)len);
        if (got != len) {
            g_free(overlay.bytes);
            return FALSE;
        }
        *budget -= len;
        g_array_append_val(space->overlays, overlay);
    }
    return TRUE;
}

static void find_holes(Part *part, const DkMapping *mapping, int fd)
{
    guint64 size = mapping->last - mapping->first + 1;
    guint64 pos = mapping->file_offset;
    guint64 end = pos + size;
    part->holes = g_array_new(FALSE, FALSE, sizeof(DkRun));
    while (pos < end && part->holes->len < HOLES_MAX) {
        off_t hole = lseek(fd, (off_t)pos, SEEK_HOLE);
        if (hole < 0 || (guint64)hole >= end)
            return;
        off_t data = lseek(fd, hole, SEEK_DATA);
        guint64 stop = data < 0 ? end : MIN(end, (guint64)data);
        DkRun run = {mapping->first + (guint64)hole - mapping->file_offset,
                     mapping->first + stop - mapping->file_offset - 1, DK_RUN_ZERO};
        g_array_append_val(part->holes, run);
        pos = stop;
    }
}

void dk_process_space_look_at_file(DkProcessSpace *space, guint index)
{
    const DkMapping *mapping = mapping_of(space, index);
    Part *part = &space->parts[index];
    struct stat st;
    struct statfs fs;
    dk_autofd int fd = open_file(space, mapping);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    guint64 size = ((guint64)st.st_size + PAGE - 1) & ~(PAGE - 1);
    if (size <= mapping->file_offset)
        part->end = mapping->first;
    else if (size - mapping->file_offset <= mapping->last - mapping->first)
        part->end = mapping->first + (size - mapping->file_offset);
    if (fstatfs(fd, &fs) == 0 && fs.f_type == TMPFS_MAGIC && mapping->flags & DK_MAP_SHARED)
        find_holes(part, mapping, fd);
}
