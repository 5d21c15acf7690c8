/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/gdbstub/gdb-source.h"

#include <string.h>

#include "base/error.h"
#include "live/cpu-text.h"
#include "live/gdbstub/gdb-guardian.h"
#include "live/gdbstub/gdb-registers.h"
#include "live/mtree.h"
#include "proto/gdbrsp/gdbrsp.h"

#define PAGE 4096u

/* The connection, which the space may outlive the source with; one reader at a time. */
typedef struct {
    DkSpace base;
    GMutex lock;
    DkGdbrsp *rsp;     /* NULL when the machine runs again */
    GPtrArray *ranges; /* of DkQemuRange */
    gboolean is_gone;
} GdbSpace;

typedef struct {
    DkSource base;
    guint timeout_ms;
    DkGdbGuardian guardian;
    GdbSpace *space; /* a reference of our own; NULL before pause() */
    gint64 start_us; /* when it was stopped */
    gint64 pause_ns;
} GdbSource;

static const DkQemuRange *range_from(const GdbSpace *space, guint64 from)
{
    for (guint i = 0; i < space->ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(space->ranges, i);
        if (range->last >= from)
            return range;
    }
    return NULL;
}

static gsize gdb_space_read(DkSpace *base, guint64 addr, void *buf, gsize len)
{
    GdbSpace *space = (GdbSpace *)base;
    gsize done = 0;
    g_mutex_lock(&space->lock);
    while (done < len && space->rsp) {
        const DkQemuRange *range = range_from(space, addr + done);
        if (!range || range->first > addr + done)
            break;
        gsize part = (gsize)MIN((guint64)(len - done), range->last - (addr + done) + 1);
        g_autoptr(GError) error = NULL;
        gssize got = dk_gdbrsp_read(space->rsp, addr + done, (guint8 *)buf + done, part, &error);
        space->is_gone |= got < 0;
        if (got <= 0)
            break;
        done += (gsize)got;
    }
    g_mutex_unlock(&space->lock);
    return done;
}

static gboolean gdb_space_next_run(DkSpace *base, guint64 from, DkRun *run)
{
    const DkQemuRange *range = range_from((GdbSpace *)base, from);
    if (!range)
        return FALSE;
    *run = (DkRun){range->first, range->last, DK_RUN_DATA};
    return TRUE;
}

static void gdb_space_destroy(DkSpace *base)
{
    GdbSpace *space = (GdbSpace *)base;
    dk_gdbrsp_free(space->rsp);
    g_ptr_array_unref(space->ranges);
    g_mutex_clear(&space->lock);
    g_free(space);
}

static const DkSpaceOps gdb_space_ops = {
    .name = "gdb",
    .read = gdb_space_read,
    .next_run = gdb_space_next_run,
    .destroy = gdb_space_destroy,
};

static void range_free(DkQemuRange *range)
{
    g_free(range->block);
    g_free(range);
}

/* Physical addresses from now on, and where there is memory. */
static gboolean prepare_memory(GdbSource *source, GError **error)
{
    GdbSpace *space = source->space;
    g_autoptr(GError) own = NULL;
    if (!dk_gdbrsp_do(space->rsp, "Qqemu.PhyMemMode:1", &own)) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "the stub cannot read physical memory, as QEMU's does since 4.1 (%s)",
                    own->message);
        return FALSE;
    }
    g_autofree char *text = dk_gdbrsp_monitor(space->rsp, "info mtree -f", &own);
    if (!text) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "the stub does not say where RAM is: %s",
                    own->message);
        return FALSE;
    }
    return dk_mtree_parse(text, space->ranges, error);
}

static gboolean describe(DkGdbrsp *rsp, DkGdbDescription *description, GError **error)
{
    g_ptr_array_add(description->includes, g_strdup("target.xml"));
    for (guint i = 0; i < description->includes->len; i++) {
        g_autofree char *text = dk_gdbrsp_features(rsp, g_ptr_array_index(description->includes, i),
                                                   error);
        if (!text || !dk_gdb_description_add(description, text, error))
            return FALSE;
    }
    return TRUE;
}

/* Parts that the text of QEMU's monitor does not have. */
static void overlay(DkCpu *cpu, DkCpu *other)
{
    guint32 more = other->parts & ~cpu->parts;
    if (more & DK_CPU_CR8)
        cpu->cr8 = other->cr8;
    if (more & DK_CPU_KERNEL_GS)
        cpu->kernel_gs_base = other->kernel_gs_base;
    cpu->parts |= more & (DK_CPU_CR8 | DK_CPU_KERNEL_GS);
}

static gboolean read_threads(GdbSource *source, DkSubject *subject, GError **error)
{
    DkGdbrsp *rsp = source->space->rsp;
    g_autoptr(DkGdbDescription) description = dk_gdb_description_new();
    g_autoptr(GPtrArray) threads = dk_gdbrsp_threads(rsp, error);
    if (!threads || !describe(rsp, description, error))
        return FALSE;
    if (g_strcmp0(description->architecture, "i386:x86-64") != 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "registers of \"%s\" are not read",
                    description->architecture ? description->architecture : "no architecture");
        return FALSE;
    }
    subject->machine = DK_MACHINE_X86_64;
    for (guint i = 0; i < threads->len; i++) {
        g_autofree char *packet = g_strconcat("Hg", g_ptr_array_index(threads, i), NULL);
        g_autofree char *reply = NULL;
        if (!dk_gdbrsp_do(rsp, packet, error) || !(reply = dk_gdbrsp_ask(rsp, "g", NULL, error)))
            return FALSE;
        DkCpu *cpu = dk_machine_add_cpu(&subject->system, i);
        if (!dk_gdb_description_take(description, reply, cpu)) {
            cpu->missing = g_strdup("the stub does not give its general registers");
            dk_subject_add_gap(subject, "cpu", 1, 0, 0, "CPU %u: %s", i, cpu->missing);
        }
    }
    return TRUE;
}

/* The description has what any stub knows, QEMU's monitor segments and debug registers too. */
static void read_cpus(GdbSource *source, DkSubject *subject)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSubject) by_text = dk_subject_new();
    g_autofree char *text = dk_gdbrsp_monitor(source->space->rsp, "info registers -a", NULL);
    gboolean is_read = read_threads(source, subject, &error);
    if (text && dk_cpu_text_parse(text, by_text)) {
        GPtrArray *cpus = by_text->system.cpus;
        for (guint i = 0; i < MIN(cpus->len, subject->system.cpus->len); i++)
            overlay(g_ptr_array_index(cpus, i), g_ptr_array_index(subject->system.cpus, i));
        by_text->system.cpus = subject->system.cpus;
        subject->system.cpus = cpus;
        subject->machine = DK_MACHINE_X86_64;
    } else if (!is_read) {
        dk_subject_add_gap(subject, "cpu", 1, 0, 0, "%s", error->message);
    }
    subject->cpus = subject->system.cpus->len;
}

static DkSubject *make_subject(GdbSource *source)
{
    DkSubject *subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    subject->page_size = PAGE;
    for (guint i = 0; i < source->space->ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(source->space->ranges, i);
        dk_machine_add_ram(&subject->system, range->first, range->last);
    }
    g_free(subject->origin.writer);
    subject->origin.writer = g_strdup("GDB stub");
    g_free(subject->origin.method);
    subject->origin.method = g_strdup("gdb");
    subject->origin.time_us = g_get_real_time();
    read_cpus(source, subject);
    return subject;
}

/* Lets the machine run; FALSE when the stub did not say that it does. */
static gboolean let_go(GdbSource *source, GError **error)
{
    gboolean is_done = TRUE;
    GdbSpace *space = source->space;
    if (!space)
        return TRUE;
    g_mutex_lock(&space->lock);
    if (space->rsp) {
        g_autoptr(GError) ignored = NULL;
        if (!dk_gdbrsp_do(space->rsp, "Qqemu.PhyMemMode:0", &ignored))
            g_debug("%s", ignored->message);
        is_done = dk_gdbrsp_do(space->rsp, "D", error);
        /* What we could not do, the guardian tries over the same connection. */
        dk_gdb_guardian_end(&source->guardian, is_done);
        source->pause_ns = (g_get_monotonic_time() - source->start_us) * 1000;
        g_clear_pointer(&space->rsp, dk_gdbrsp_free);
    }
    g_mutex_unlock(&space->lock);
    return is_done;
}

static gboolean attach(GdbSource *source, GError **error)
{
    const char *address = source->base.name + strlen("gdb:");
    DkGdbrsp *rsp = dk_gdbrsp_connect(address, source->base.name, source->timeout_ms, error);
    if (!rsp)
        return FALSE;
    source->start_us = g_get_monotonic_time();
    GdbSpace *space = g_new0(GdbSpace, 1);
    dk_space_init(&space->base, &gdb_space_ops);
    g_mutex_init(&space->lock);
    space->rsp = rsp;
    space->ranges = g_ptr_array_new_with_free_func((GDestroyNotify)range_free);
    source->space = space;
    source->base.space = dk_space_ref(&space->base);
    return dk_gdb_guardian_start(&source->guardian, dk_gdbrsp_fd(rsp), error) &&
           dk_gdbrsp_start(rsp, error) && prepare_memory(source, error);
}

static void drop_space(GdbSource *source)
{
    GdbSpace *space = g_steal_pointer(&source->space);
    if (space)
        dk_space_unref(&space->base);
}

static gboolean gdb_pause(DkSource *base, GError **error)
{
    GdbSource *source = (GdbSource *)base;
    if (!attach(source, error)) {
        if (!let_go(source, NULL))
            g_debug("%s: left to the guardian", base->name);
        drop_space(source);
        g_clear_pointer(&base->space, dk_space_unref);
        if (!g_str_has_prefix((*error)->message, base->name))
            g_prefix_error(error, "%s: ", base->name);
        return FALSE;
    }
    base->subject = make_subject(source);
    return TRUE;
}

static gboolean gdb_resume(DkSource *base, GError **error)
{
    GdbSource *source = (GdbSource *)base;
    if (!let_go(source, error))
        return FALSE;
    if (base->subject)
        base->subject->origin.pause_ns = source->pause_ns;
    return TRUE;
}

static gboolean gdb_alive(DkSource *base, GError **error)
{
    const GdbSource *source = (GdbSource *)base;
    if (!source->space || !source->space->is_gone)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: the stub is gone, or does not answer",
                base->name);
    return FALSE;
}

static void gdb_close(DkSource *base)
{
    GdbSource *source = (GdbSource *)base;
    if (!let_go(source, NULL))
        g_debug("gdb: left to the guardian");
    drop_space(source);
    g_free(source);
}

static const DkSourceOps gdb_ops = {
    .name = "gdb",
    .caps = DK_SOURCE_PHYS | DK_SOURCE_REGS | DK_SOURCE_LIVE | DK_SOURCE_PAUSE,
    .pause = gdb_pause,
    .resume = gdb_resume,
    .alive = gdb_alive,
    .close = gdb_close,
};

DkSource *dk_gdb_source_new(const char *target, guint timeout_ms)
{
    GdbSource *source = g_new0(GdbSource, 1);
    dk_source_init(&source->base, &gdb_ops, target);
    source->timeout_ms = timeout_ms;
    source->guardian.pipe = -1;
    source->pause_ns = -1;
    return &source->base;
}

gint64 dk_gdb_source_pause_ns(const DkSource *source)
{
    return ((const GdbSource *)source)->pause_ns;
}
