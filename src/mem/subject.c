/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mem/subject.h"

#include <stdarg.h>

#include "base/bisect.h"

const char *dk_machine_name(DkMachineId machine)
{
    switch (machine) {
    case DK_MACHINE_X86:
        return "x86";
    case DK_MACHINE_X86_64:
        return "x86-64";
    case DK_MACHINE_ARM64:
        return "arm64";
    case DK_MACHINE_UNKNOWN:
        break;
    }
    return "unknown";
}

guint dk_machine_pointer_size(DkMachineId machine)
{
    return machine == DK_MACHINE_X86 ? 4 : 8;
}

const char *dk_os_name(DkOs os)
{
    switch (os) {
    case DK_OS_LINUX:
        return "Linux";
    case DK_OS_WINDOWS:
        return "Windows";
    case DK_OS_MACOS:
        return "macOS";
    case DK_OS_OTHER:
        return "other";
    case DK_OS_UNKNOWN:
        break;
    }
    return "unknown";
}

void dk_gap_free(DkGap *gap)
{
    g_free(gap->what);
    g_free(gap->why);
    g_free(gap);
}

static void mapping_free(gpointer data)
{
    DkMapping *mapping = data;
    g_free(mapping->path);
    g_free(mapping);
}

static void module_free(gpointer data)
{
    DkModule *module = data;
    g_free(module->path);
    g_clear_pointer(&module->build_id, g_bytes_unref);
    g_free(module->debug_file);
    g_free(module->version);
    g_free(module);
}

static void thread_free(gpointer data)
{
    DkThread *thread = data;
    g_free(thread->name);
    for (guint i = 0; i < DK_REGSET_COUNT; i++)
        g_clear_pointer(&thread->regs[i], g_bytes_unref);
    g_free(thread->missing);
    g_free(thread);
}

DkSubject *dk_subject_new(void)
{
    DkSubject *subject = g_new0(DkSubject, 1);
    subject->page_size = 4096;
    subject->gaps = g_ptr_array_new_with_free_func((GDestroyNotify)dk_gap_free);
    subject->texts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                           (GDestroyNotify)g_bytes_unref);
    subject->process.pid = subject->process.uid = subject->process.gid = -1;
    subject->process.ns_pid = -1;
    subject->process.threads = g_ptr_array_new_with_free_func(thread_free);
    subject->process.mappings = g_ptr_array_new_with_free_func(mapping_free);
    subject->process.modules = g_ptr_array_new_with_free_func(module_free);
    dk_machine_init(&subject->system);
    subject->system.modules = g_ptr_array_new_with_free_func(module_free);
    subject->origin.time_us = subject->origin.pause_ns = subject->origin.duration_ns = -1;
    subject->origin.complete = -1;
    return subject;
}

void dk_subject_free(DkSubject *subject)
{
    if (!subject)
        return;
    DkProcess *process = &subject->process;
    g_free(process->name);
    g_free(process->command);
    g_free(process->exe);
    g_clear_pointer(&process->auxv, g_bytes_unref);
    g_ptr_array_unref(process->threads);
    g_ptr_array_unref(process->mappings);
    g_ptr_array_unref(process->modules);
    dk_machine_clear(&subject->system);
    g_free(subject->origin.writer);
    g_free(subject->origin.method);
    g_free(subject->origin.level);
    g_free(subject->origin.comment);
    g_free(subject->os_version);
    g_free(subject->cpu);
    g_ptr_array_unref(subject->gaps);
    g_hash_table_unref(subject->texts);
    g_free(subject);
}

DkThread *dk_subject_add_thread(DkSubject *subject, guint32 tid)
{
    DkThread *thread = g_new0(DkThread, 1);
    thread->tid = tid;
    thread->stack_first = 1;
    g_ptr_array_add(subject->process.threads, thread);
    return thread;
}

DkMapping *dk_subject_add_mapping(DkSubject *subject, guint64 first, guint64 last)
{
    DkMapping *mapping = g_new0(DkMapping, 1);
    mapping->first = first;
    mapping->last = last;
    g_ptr_array_add(subject->process.mappings, mapping);
    return mapping;
}

DkModule *dk_subject_add_module(DkSubject *subject, guint64 first, guint64 last)
{
    DkModule *module = g_new0(DkModule, 1);
    module->first = first;
    module->last = last;
    g_ptr_array_add(subject->process.modules, module);
    return module;
}

void dk_subject_add_gap(DkSubject *subject, const char *what, guint64 first, guint64 last,
                        guint32 tid, const char *why_format, ...)
{
    DkGap *gap = g_new0(DkGap, 1);
    gap->what = g_strdup(what);
    gap->first = first;
    gap->last = last;
    gap->tid = tid;
    va_list args;
    va_start(args, why_format);
    gap->why = g_strdup_vprintf(why_format, args);
    va_end(args);
    g_ptr_array_add(subject->gaps, gap);
}

void dk_subject_set_text(DkSubject *subject, const char *name, GBytes *text)
{
    g_hash_table_replace(subject->texts, g_strdup(name), g_bytes_ref(text));
}

GBytes *dk_subject_text(const DkSubject *subject, const char *name)
{
    return g_hash_table_lookup(subject->texts, name);
}

/* DkMapping and DkModule both begin with first and last. */
typedef struct {
    guint64 first;
    guint64 last;
} Interval;

static gboolean interval_before(gconstpointer data, gsize index, guint64 va)
{
    const GPtrArray *sorted = data;
    return ((const Interval *)g_ptr_array_index(sorted, index))->last < va;
}

static gpointer interval_at(const GPtrArray *sorted, guint64 va)
{
    gsize index = dk_bisect(sorted->len, interval_before, sorted, va);
    if (index == sorted->len)
        return NULL;
    const Interval *interval = g_ptr_array_index(sorted, index);
    return interval->first <= va ? g_ptr_array_index(sorted, index) : NULL;
}

const DkMapping *dk_subject_mapping_at(const DkSubject *subject, guint64 va)
{
    return interval_at(subject->process.mappings, va);
}

const DkModule *dk_subject_module_at(const DkSubject *subject, guint64 va)
{
    /* Modules of a damaged or Windows dump may overlap unloaded ones, so every one is looked at. */
    const GPtrArray *modules = subject->process.modules;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = g_ptr_array_index(modules, i);
        if (!module->unloaded && va >= module->first && va <= module->last)
            return module;
    }
    return NULL;
}

DkThread *dk_subject_thread(const DkSubject *subject, guint32 tid)
{
    const GPtrArray *threads = subject->process.threads;
    for (guint i = 0; i < threads->len; i++) {
        DkThread *thread = g_ptr_array_index(threads, i);
        if (thread->tid == tid)
            return thread;
    }
    return NULL;
}

static gint compare_intervals(gconstpointer a, gconstpointer b)
{
    const Interval *left = *(const Interval *const *)a;
    const Interval *right = *(const Interval *const *)b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->last > right->last) - (left->last < right->last);
}

void dk_subject_sort(DkSubject *subject)
{
    g_ptr_array_sort(subject->process.mappings, compare_intervals);
    g_ptr_array_sort(subject->process.modules, compare_intervals);
    g_ptr_array_sort(subject->system.modules, compare_intervals);
}
