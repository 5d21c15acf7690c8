// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Copies the memory of a guest into a sparse raw file by way of live/qemu alone, for its tests.
 *
 * usage: guest-copy TARGET auto|snapshot|stop|dump OUTPUT DUMPKIT [HOLD-MS]
 *
 * Prints one line of JSON: method, why, pause_ns, present, runs that could not be read, CPUs with
 * their instruction pointers and page table roots, the length of VMCOREINFO.  HOLD-MS is how long
 * the instant is kept before it is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "live/qemu/qemu-source.h"
#include "proto/qmp/qmp-socket.h"

#define PIECE (1u << 20)

static int fail(GError *error)
{
    fprintf(stderr, "guest-copy: %s: %s\n", error->domain ? g_quark_to_string(error->domain) : "",
            error->message);
    g_error_free(error);
    return 1;
}

static gboolean copy_run(DkSpace *space, const DkRun *run, int fd, guint64 *bad)
{
    g_autofree guint8 *buffer = g_malloc(PIECE);
    for (guint64 addr = run->first; addr <= run->last;) {
        gsize len = (gsize)MIN((guint64)PIECE, run->last - addr + 1);
        gsize got = dk_space_read(space, addr, buffer, len);
        if (!got) {
            *bad += 4096;
            got = 4096;
        } else if (dk_fd_pwrite_all(fd, buffer, got, addr) < 0) {
            return FALSE;
        }
        addr += got;
    }
    return TRUE;
}

static gboolean copy(DkSource *source, int fd, guint64 *present, guint64 *zero, guint64 *bad)
{
    DkRun run;
    for (guint64 from = 0; dk_space_next_run(source->space, from, &run);) {
        if (run.kind == DK_RUN_DATA) {
            *present += run.last - run.first + 1;
            if (!copy_run(source->space, &run, fd, bad))
                return FALSE;
        } else if (run.kind == DK_RUN_ZERO) {
            *zero += run.last - run.first + 1;
        }
        if (run.last == G_MAXUINT64)
            break;
        from = run.last + 1;
    }
    return TRUE;
}

static void tell_cpus(const DkSubject *subject)
{
    printf(", \"cpus\": [");
    for (guint i = 0; i < subject->system.cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(subject->system.cpus, i);
        guint64 rip = 0;
        gsize size = 0;
        const guint8 *regs = cpu->regs[DK_REGSET_GENERAL]
                                 ? g_bytes_get_data(cpu->regs[DK_REGSET_GENERAL], &size)
                                 : NULL;
        if (size >= 17 * 8)
            memcpy(&rip, regs + 16 * 8, 8);
        printf("%s{\"rip\": %" G_GUINT64_FORMAT ", \"cr3\": %" G_GUINT64_FORMAT "}", i ? ", " : "",
               rip, cpu->cr3);
    }
    printf("]");
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    if (argc < 5)
        return 2;
    const char *guardian[] = {argv[4], "guardian", NULL};
    DkQemuOptions options = {.target = argv[1],
                             .open = dk_qmp_socket_open,
                             .guardian_argv = guardian,
                             .spool_dir = g_get_tmp_dir(),
                             .root = "",
                             .max_stop_ms = -1};
    if (!dk_qemu_method_from_name(argv[2], &options.method, &error))
        return fail(error);
    DkQemuPlan *plan = dk_qemu_plan_new(&options, &error);
    if (!plan)
        return fail(error);
    DkSource *source = dk_qemu_source_new(&options, plan);
    if (!source->ops->pause(source, &error))
        return fail(error);
    if (argc > 5)
        g_usleep((gulong)atol(argv[5]) * 1000);
    int fd = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    guint64 present = 0;
    guint64 zero = 0;
    guint64 bad = 0;
    if (fd < 0 || ftruncate(fd, (off_t)plan->highest + 1) < 0 ||
        !copy(source, fd, &present, &zero, &bad)) {
        perror("guest-copy");
        return 1;
    }
    gboolean alive = source->ops->alive(source, &error);
    if (!alive || !source->ops->resume(source, &error))
        return fail(error);
    const char *why = NULL;
    DkQemuMethod method = dk_qemu_source_method(source, &why);
    GBytes *info = source->subject->system.vmcoreinfo;
    printf("{\"method\": \"%s\", \"why\": \"%s\", \"pause_ns\": %" G_GINT64_FORMAT
           ", \"present\": %" G_GUINT64_FORMAT ", \"zero\": %" G_GUINT64_FORMAT
           ", \"ram\": %" G_GUINT64_FORMAT ", \"bad\": %" G_GUINT64_FORMAT
           ", \"gaps\": %u, \"vmcoreinfo\": %zu",
           dk_qemu_method_name(method), why ? why : plan->why, dk_qemu_source_pause_ns(source),
           present, zero, plan->ram_size, bad, source->subject->gaps->len,
           info ? g_bytes_get_size(info) : 0);
    tell_cpus(source->subject);
    printf("}\n");
    close(fd);
    dk_source_close(source);
    dk_qemu_plan_free(plan);
    return 0;
}
