/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/qemu-space.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define PAGE 4096u
/* Of /proc/PID/pagemap, see the kernel's admin-guide/mm/pagemap. */
#define PAGEMAP_PRESENT ((guint64)1 << 63)
#define PAGEMAP_SWAPPED ((guint64)1 << 62)
#define PAGEMAP_PFN (((guint64)1 << 55) - 1)
#define HUGE_SIZE ((gsize)2 << 20)
#define PAGEMAP_PIECE 8192u /* entries read at once */
/* Pages that are read although they are absent, to keep the list of runs short. */
#define RUNS_MAX ((guint)4 << 20)

typedef struct {
    guint64 first; /* physical, both inside */
    guint64 last;
    guint64 va;  /* of first in QEMU */
    guint64 off; /* of first in the file, when fd is not -1 */
    int fd;
} Piece;

typedef struct {
    DkSpace base;
    pid_t pid;
    int pidfd;
    GArray *pieces; /* of Piece, ascending */
    GArray *runs;   /* of DkRun, ascending */
    guint64 present;
    guint64 zero_pfn; /* of the kernel's page of zeros; 0: not known */
    guint64 huge_pfn; /* and of the first of its huge one */
} QemuSpace;

/* A line of /proc/PID/maps. */
typedef struct {
    guint64 first;
    guint64 last; /* inside */
    guint64 offset;
    guint64 device;
    guint64 inode;
    gboolean shared;
} Mapping;

static gboolean parse_mapping(const char *line, Mapping *mapping)
{
    char perms[5];
    guint64 end;
    guint major;
    guint minor;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &mapping->first,
               &end, perms, &mapping->offset, &major, &minor, &mapping->inode) != 7 ||
        end <= mapping->first)
        return FALSE;
    mapping->last = end - 1;
    mapping->device = makedev(major, minor);
    mapping->shared = perms[3] == 's';
    return TRUE;
}

static GArray *read_maps(const char *root, pid_t pid, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/maps", root, (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) {
        dk_error_set_errno(error, errno, "%s", path);
        return NULL;
    }
    GArray *maps = g_array_new(FALSE, FALSE, sizeof(Mapping));
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, file) >= 0) {
        Mapping mapping;
        if (parse_mapping(line, &mapping))
            g_array_append_val(maps, mapping);
    }
    free(line);
    fclose(file);
    return maps;
}

/* A descriptor of the file behind a shared mapping: one that QEMU has open; -1: none to be had. */
static int open_backing(const char *root, pid_t pid, const Mapping *mapping)
{
    g_autofree char *folder = g_strdup_printf("%s/proc/%d/fd", root, (int)pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        struct stat status;
        if (stat(path, &status) < 0 || !S_ISREG(status.st_mode) ||
            status.st_ino != mapping->inode || status.st_dev != mapping->device)
            continue;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

static void add_run(QemuSpace *space, guint64 first, guint64 last, DkRunKind kind)
{
    DkRun *before = space->runs->len ? &g_array_index(space->runs, DkRun, space->runs->len - 1)
                                     : NULL;
    if (kind == DK_RUN_DATA)
        space->present += last - first + 1;
    /* Reading zeros is no error, so of too many runs the later ones are data. */
    if (before && before->last + 1 == first &&
        (before->kind == kind || (space->runs->len >= RUNS_MAX && before->kind == DK_RUN_DATA))) {
        before->last = last;
        return;
    }
    DkRun run = {first, last, kind};
    g_array_append_val(space->runs, run);
}

static guint64 own_pfn(int pagemap, const void *at)
{
    guint64 entry = 0;
    guint64 off = GPOINTER_TO_SIZE(at) / PAGE * sizeof entry;
    if (dk_fd_pread_all(pagemap, &entry, sizeof entry, off) != sizeof entry ||
        !(entry & PAGEMAP_PRESENT))
        return 0;
    return entry & PAGEMAP_PFN;
}

/*
 * Memory that was only ever read, as QEMU itself does before a snapshot, maps the kernel's page of
 * zeros.  Its number is found by doing the same; 0 where the kernel hides numbers from us.
 */
static void find_zero_pages(QemuSpace *space)
{
    dk_autofd int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    guint8 *area = mmap(NULL, 2 * HUGE_SIZE + PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED)
        return;
    guint8 *huge = area + (HUGE_SIZE - GPOINTER_TO_SIZE(area) % HUGE_SIZE) % HUGE_SIZE;
    guint8 *small = area + 2 * HUGE_SIZE;
    madvise(small, PAGE, MADV_NOHUGEPAGE);
    if (pagemap >= 0 && *(volatile guint8 *)small == 0)
        space->zero_pfn = own_pfn(pagemap, small);
    if (madvise(huge, HUGE_SIZE, MADV_HUGEPAGE) == 0 && *(volatile guint8 *)huge == 0) {
        guint64 pfn = own_pfn(pagemap, huge);
        if (pfn && pfn % (HUGE_SIZE / PAGE) == 0 && own_pfn(pagemap, huge + PAGE) == pfn + 1)
            space->huge_pfn = pfn;
    }
    munmap(area, 2 * HUGE_SIZE + PAGE);
}

static gboolean is_data(const QemuSpace *space, guint64 entry)
{
    guint64 pfn = entry & PAGEMAP_PFN;
    if (!(entry & PAGEMAP_PRESENT))
        return (entry & PAGEMAP_SWAPPED) != 0;
    if (pfn && pfn == space->zero_pfn)
        return FALSE;
    return !space->huge_pfn || pfn < space->huge_pfn || pfn - space->huge_pfn >= HUGE_SIZE / PAGE;
}

/* Private anonymous memory: what was never touched is zero. */
static gboolean add_by_pagemap(QemuSpace *space, int pagemap, const Piece *piece, GError **error)
{
    g_autofree guint64 *entries = g_new(guint64, PAGEMAP_PIECE);
    guint64 pages = (piece->last - piece->first + 1) / PAGE;
    for (guint64 page = 0; page < pages;) {
        gsize count = MIN(pages - page, PAGEMAP_PIECE);
        gssize got = dk_fd_pread_all(pagemap, entries, count * sizeof *entries,
                                     (piece->va / PAGE + page) * sizeof *entries);
        if (got != (gssize)(count * sizeof *entries)) {
            dk_error_set_errno(error, got < 0 ? errno : ESRCH, "pagemap of QEMU (pid %d)",
                               (int)space->pid);
            return FALSE;
        }
        for (gsize i = 0; i < count; i++, page++) {
            guint64 first = piece->first + page * PAGE;
            add_run(space, first, first + PAGE - 1,
                    is_data(space, entries[i]) ? DK_RUN_DATA : DK_RUN_ZERO);
        }
    }
    return TRUE;
}

/* A shared file, most often a memfd: its holes are zero. */
static void add_by_holes(QemuSpace *space, const Piece *piece)
{
    guint64 len = piece->last - piece->first + 1;
    for (guint64 done = 0; done < len;) {
        off_t data = lseek(piece->fd, (off_t)(piece->off + done), SEEK_DATA);
        guint64 start = len;
        if (data >= 0)
            start = MIN((guint64)data - piece->off, len);
        else if (errno != ENXIO)
            start = done;
        start = start / PAGE * PAGE;
        if (start > done)
            add_run(space, piece->first + done, piece->first + start - 1, DK_RUN_ZERO);
        if (start >= len)
            return;
        off_t hole = lseek(piece->fd, (off_t)(piece->off + start), SEEK_HOLE);
        guint64 end = hole >= 0 ? MIN((guint64)hole - piece->off, len) : len;
        end = MIN((end + PAGE - 1) / PAGE * PAGE, len);
        if (end <= start)
            end = len;
        add_run(space, piece->first + start, piece->first + end - 1, DK_RUN_DATA);
        done = end;
    }
}

static gboolean add_piece(QemuSpace *space, const char *root, const Mapping *mapping, int pagemap,
                          Piece piece, GError **error)
{
    piece.fd = -1;
    if (mapping->shared && mapping->inode) {
        piece.fd = open_backing(root, space->pid, mapping);
        piece.off = mapping->offset + (piece.va - mapping->first);
    }
    g_array_append_val(space->pieces, piece);
    if (piece.fd >= 0)
        add_by_holes(space, &piece);
    else if (!mapping->shared && !mapping->inode)
        return add_by_pagemap(space, pagemap, &piece, error);
    else
        add_run(space, piece.first, piece.last, DK_RUN_DATA);
    return TRUE;
}

/* The parts of a range may lie in more than one mapping. */
static gboolean add_range(QemuSpace *space, const char *root, GArray *maps, int pagemap,
                          const DkQemuRange *range, GError **error)
{
    guint64 len = range->last - range->first + 1;
    for (guint64 done = 0; done < len;) {
        guint64 va = range->va + done;
        const Mapping *found = NULL;
        for (guint i = 0; i < maps->len && !found; i++) {
            const Mapping *mapping = &g_array_index(maps, Mapping, i);
            if (mapping->first <= va && va <= mapping->last)
                found = mapping;
        }
        if (!found || !range->va) {
            g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                        "%s at 0x%" PRIx64 " of the guest is not mapped in QEMU (pid %d)",
                        range->block, range->first + done, (int)space->pid);
            return FALSE;
        }
        guint64 part = MIN(len - done, found->last - va + 1);
        Piece piece = {
            .first = range->first + done, .last = range->first + done + part - 1, .va = va};
        if (!add_piece(space, root, found, pagemap, piece, error))
            return FALSE;
        done += part;
    }
    return TRUE;
}

static int compare_piece(guint64 addr, const Piece *piece)
{
    return addr < piece->first ? -1 : addr > piece->last;
}

/* The piece that has addr, or NULL. */
static const Piece *piece_at(const QemuSpace *space, guint64 addr)
{
    guint low = 0;
    guint high = space->pieces->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const Piece *piece = &g_array_index(space->pieces, Piece, middle);
        int order = compare_piece(addr, piece);
        if (order == 0)
            return piece;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* The first run that ends at or above addr; runs->len when there is none. */
static guint run_from(const QemuSpace *space, guint64 addr)
{
    guint low = 0;
    guint high = space->runs->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(space->runs, DkRun, middle).last < addr)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static gsize read_data(const QemuSpace *space, const Piece *piece, guint64 addr, void *buf,
                       gsize len)
{
    if (piece->fd >= 0) {
        gssize got = dk_fd_pread_all(piece->fd, buf, len, piece->off + (addr - piece->first));
        return got > 0 ? (gsize)got : 0;
    }
    struct iovec here = {buf, len};
    struct iovec there = {GSIZE_TO_POINTER(piece->va + (addr - piece->first)), len};
    gssize got = process_vm_readv(space->pid, &here, 1, &there, 1, 0);
    return got > 0 ? (gsize)got : 0;
}

static gsize qemu_space_read(DkSpace *base, guint64 addr, void *buf, gsize len)
{
    const QemuSpace *space = (QemuSpace *)base;
    gsize done = 0;
    for (guint i = run_from(space, addr); done < len && i < space->runs->len; i++) {
        const DkRun *run = &g_array_index(space->runs, DkRun, i);
        while (done < len && addr + done >= run->first && addr + done <= run->last) {
            const Piece *piece = piece_at(space, addr + done);
            guint64 end = MIN(run->last, piece ? piece->last : 0);
            if (!piece)
                return done;
            gsize part = (gsize)MIN((guint64)(len - done), end - (addr + done) + 1);
            gsize got = part;
            if (run->kind == DK_RUN_ZERO)
                memset((guint8 *)buf + done, 0, part);
            else
                got = read_data(space, piece, addr + done, (guint8 *)buf + done, part);
            done += got;
            if (got < part)
                return done;
        }
        if (i + 1 < space->runs->len &&
            g_array_index(space->runs, DkRun, i + 1).first > addr + done)
            break;
    }
    return done;
}

static gboolean qemu_space_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    const QemuSpace *space = (QemuSpace *)base;
    guint i = run_from(space, from);
    if (i >= space->runs->len)
        return FALSE;
    *run = g_array_index(space->runs, DkRun, i);
    return TRUE;
}

static void qemu_space_destroy(DkSpace *base)
{
    QemuSpace *space = (QemuSpace *)base;
    for (guint i = 0; i < space->pieces->len; i++)
        dk_fd_close(&g_array_index(space->pieces, Piece, i).fd);
    g_array_unref(space->pieces);
    g_array_unref(space->runs);
    dk_fd_close(&space->pidfd);
    g_free(space);
}

static const DkSpaceOps qemu_space_ops = {
    .name = "qemu",
    .read = qemu_space_read,
    .next_run = qemu_space_next_run,
    .destroy = qemu_space_destroy,
};

/* Whether this process may read that one's memory. */
static gboolean check_access(const QemuSpace *space, GError **error)
{
    const Piece *piece = &g_array_index(space->pieces, Piece, 0);
    guint8 byte;
    struct iovec here = {&byte, 1};
    struct iovec there = {GSIZE_TO_POINTER(piece->va), 1};
    if (piece->fd >= 0 || process_vm_readv(space->pid, &here, 1, &there, 1, 0) == 1)
        return TRUE;
    dk_error_set_errno(error, errno, "memory of QEMU (pid %d)", (int)space->pid);
    return FALSE;
}

DkSpace *dk_qemu_space_new(const DkQemuPlan *plan, const char *root, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/pagemap", root, (int)plan->pid);
    g_autoptr(GArray) maps = read_maps(root, plan->pid, error);
    if (!maps)
        return NULL;
    dk_autofd int pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (pagemap < 0) {
        dk_error_set_errno(error, errno, "%s", path);
        return NULL;
    }
    QemuSpace *space = g_new0(QemuSpace, 1);
    dk_space_init(&space->base, &qemu_space_ops);
    g_autoptr(DkSpace) owner = &space->base;
    space->pid = plan->pid;
    space->pidfd = (int)syscall(SYS_pidfd_open, plan->pid, 0);
    space->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    space->runs = g_array_new(FALSE, FALSE, sizeof(DkRun));
    find_zero_pages(space);
    for (guint i = 0; i < plan->ranges->len; i++) {
        if (!add_range(space, root, maps, pagemap, g_ptr_array_index(plan->ranges, i), error))
            return NULL;
    }
    if (!space->pieces->len || !check_access(space, error))
        return NULL;
    return g_steal_pointer(&owner);
}

guint64 dk_qemu_space_present(DkSpace *space)
{
    return ((QemuSpace *)space)->present;
}

gboolean dk_qemu_space_alive(DkSpace *space)
{
    struct pollfd end = {.fd = ((QemuSpace *)space)->pidfd, .events = POLLIN};
    return end.fd < 0 || poll(&end, 1, 0) == 0;
}
