/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/minidump/minidump-parts.h"
#include "format/windows-context.h"

#define REGSET_MAX 65536u
#define REGS_VERSION 1u

/* The numbers of MdmpRegs. */
static const DkRegsetKind regs_kinds[] = {
    [1] = DK_REGSET_GENERAL, [2] = DK_REGSET_FP,      [3] = DK_REGSET_XSTATE,
    [4] = DK_REGSET_FXSAVE,  [5] = DK_REGSET_SIGINFO,
};

static gboolean has_old_arm64(DkMinidump *md)
{
    gint index = dk_minidump_find(md, MDMP_SYSTEM_INFO);
    if (index < 0)
        return FALSE;
    guint32 rva = g_array_index(md->streams, MdmpDirectory, index).location.rva;
    g_autoptr(GBytes) bytes = dk_minidump_bytes(md, rva, 2, 2);
    DkCursor cursor;
    guint16 cpu = 0;
    if (!bytes)
        return FALSE;
    dk_cursor_init(&cursor, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), rva, "CPU");
    return dk_cursor_u16(&cursor, "CPU", &cpu, NULL) && cpu == MDMP_CPU_ARM64_OLD;
}

/* Reads the context at location into thread, or says in *missing why there are no registers. */
static void read_context(DkMinidump *md, gboolean old_arm64, const MdmpLocation *location,
                         DkThread *thread, char **missing)
{
    g_autoptr(GError) local = NULL;
    if (!location->size) {
        *missing = g_strdup("the file has no context of it");
        return;
    }
    g_autoptr(GBytes) bytes = dk_minidump_bytes(md, location->rva, location->size,
                                                DK_WINDOWS_CONTEXT_MAX);
    if (!bytes) {
        *missing = g_strdup_printf("its context at offset 0x%x lies behind the end of the file",
                                   location->rva);
        return;
    }
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    if (!dk_windows_context_read(md->base.subject->machine, old_arm64, data, len, thread->teb_va,
                                 thread->regs, &local))
        *missing = g_strdup_printf("%s (context of %u bytes at file offset 0x%x)", local->message,
                                   location->size, location->rva);
}

static void read_stack(DkMinidump *md, const MdmpMemory *stack, DkThread *thread)
{
    guint32 size = stack->location.size;
    if (!size || stack->va + size - 1 < stack->va)
        return;
    thread->stack_first = stack->va;
    thread->stack_last = stack->va + size - 1;
    /* Full dumps name the stack without a place: it is in the Memory64List. */
    if (!stack->location.rva)
        return;
    const DkMinidumpRange range = {.va = stack->va, .size = size, .off = stack->location.rva};
    g_array_append_val(md->ranges, range);
}

static void read_list(DkMinidump *md, guint32 type, gsize stride, gboolean old_arm64)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open(md, type, stride, DK_MINIDUMP_THREADS_MAX, &list))
        return;
    MdmpThread raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        DkThread *thread = dk_subject_add_thread(md->base.subject, raw.tid);
        thread->teb_va = raw.teb_va;
        thread->suspended = raw.suspend_count;
        read_stack(md, &raw.stack, thread);
        read_context(md, old_arm64, &raw.context, thread, &thread->missing);
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " threads", list.count);
}

static GHashTable *index_threads(const DkSubject *subject)
{
    GHashTable *by_tid = g_hash_table_new(NULL, NULL);
    const GPtrArray *threads = subject->process.threads;
    for (guint i = threads->len; i-- > 0;) {
        DkThread *thread = g_ptr_array_index(threads, i);
        g_hash_table_insert(by_tid, GUINT_TO_POINTER(thread->tid), thread);
    }
    return by_tid;
}

static void read_names(DkMinidump *md, GHashTable *by_tid)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open(md, MDMP_THREAD_NAMES, sizeof(MdmpThreadName),
                               DK_MINIDUMP_THREADS_MAX, &list))
        return;
    MdmpThreadName raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER(raw.tid));
        if (thread && !thread->name)
            thread->name = dk_minidump_string(md, raw.name_rva);
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " names", list.count);
}

static void read_infos(DkMinidump *md, GHashTable *by_tid)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open_sized(md, MDMP_THREAD_INFO_LIST, sizeof(MdmpThreadInfo), FALSE,
                                     DK_MINIDUMP_THREADS_MAX, &list))
        return;
    MdmpThreadInfo raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER(raw.tid));
        if (!thread || raw.user_time > G_MAXUINT64 / 100 || raw.kernel_time > G_MAXUINT64 / 100)
            continue;
        thread->user_ns = raw.user_time * 100;
        thread->system_ns = raw.kernel_time * 100;
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " threads", list.count);
}

/* Our own register sets hold what a context has no room for, so they win over it. */
static void read_own_regs(DkMinidump *md, GHashTable *by_tid)
{
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, MDMP_DUMPKIT_REGS);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    DkCursor cursor;
    guint32 version = 0;
    guint32 count = 0;
    dk_cursor_init(&cursor, data, len, 0, "register sets");
    if (!dk_cursor_u32(&cursor, "version", &version, NULL) || version != REGS_VERSION ||
        !dk_cursor_u32(&cursor, "count", &count, NULL))
        return;
    count = (guint32)MIN(count, DK_MINIDUMP_THREADS_MAX * (guint64)DK_REGSET_COUNT);
    for (guint32 i = 0; i < count; i++) {
        MdmpRegs raw;
        const guint8 *at = dk_cursor_bytes(&cursor, "entry", sizeof raw, NULL);
        if (!at)
            break;
        memcpy(&raw, at, sizeof raw);
        DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER(raw.tid));
        if (!thread || !raw.kind || raw.kind >= G_N_ELEMENTS(regs_kinds) || !raw.location.size ||
            raw.location.size > MIN(REGSET_MAX, md->text_left))
            continue;
        GBytes *set = dk_minidump_bytes(md, raw.location.rva, raw.location.size, REGSET_MAX);
        if (!set)
            continue;
        md->text_left -= g_bytes_get_size(set);
        g_clear_pointer(&thread->regs[regs_kinds[raw.kind]], g_bytes_unref);
        thread->regs[regs_kinds[raw.kind]] = set;
    }
    dk_minidump_note(md, dk_minidump_find(md, MDMP_DUMPKIT_REGS), "%u register sets", count);
}

static void fill_exception(DkMinidump *md, const MdmpException *raw)
{
    DkSubject *subject = md->base.subject;
    DkException *exception = &subject->process.exception;
    exception->tid = raw->tid;
    exception->code = raw->record.code;
    exception->flags = raw->record.flags;
    exception->address = raw->record.address;
    exception->nparams = MIN(raw->record.nparams, G_N_ELEMENTS(exception->params));
    for (guint i = 0; i < exception->nparams; i++)
        exception->params[i] = raw->record.params[i];
    exception->valid = subject->os != DK_OS_LINUX || raw->record.code != MDMP_LINUX_DUMP_REQUESTED;
}

static void read_exception(DkMinidump *md, GHashTable *by_tid, gboolean old_arm64)
{
    gint index = dk_minidump_find(md, MDMP_EXCEPTION);
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, MDMP_EXCEPTION);
    if (!bytes)
        return;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    g_autoptr(GError) local = NULL;
    MdmpException raw;
    dk_cursor_init(&cursor, data, len,
                   g_array_index(md->streams, MdmpDirectory, index).location.rva, "Exception");
    const guint8 *at = dk_cursor_bytes(&cursor, "record", sizeof raw, &local);
    if (!at) {
        dk_minidump_gap(md, "data", "%s", local->message);
        return;
    }
    memcpy(&raw, at, sizeof raw);
    fill_exception(md, &raw);
    md->first_tid = raw.tid;
    dk_minidump_note(md, index, "code 0x%x at 0x%" G_GINT64_MODIFIER "x in thread %u",
                     raw.record.code, raw.record.address, raw.tid);
    DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER(raw.tid));
    if (!thread) {
        if (!raw.context.size)
            return;
        thread = dk_subject_add_thread(md->base.subject, raw.tid);
        dk_minidump_gap(md, "thread", "thread %u of the exception is not in the list of threads",
                        raw.tid);
        g_hash_table_insert(by_tid, GUINT_TO_POINTER(raw.tid), thread);
    }
    if (md->base.subject->os == DK_OS_LINUX && md->base.subject->process.exception.valid)
        thread->signal = (gint)(raw.record.code & 0x7fffffff);
    g_autofree char *missing = NULL;
    read_context(md, old_arm64, &raw.context, thread, &missing);
    if (!missing)
        g_clear_pointer(&thread->missing, g_free);
    else if (!thread->regs[DK_REGSET_GENERAL] && !thread->missing)
        thread->missing = g_steal_pointer(&missing);
}

static void put_first(DkMinidump *md, GHashTable *by_tid)
{
    GPtrArray *threads = md->base.subject->process.threads;
    gpointer thread = md->first_tid ? g_hash_table_lookup(by_tid, GUINT_TO_POINTER(md->first_tid))
                                    : NULL;
    guint index;
    if (thread && g_ptr_array_find(threads, thread, &index) && index) {
        gpointer moved = g_ptr_array_steal_index(threads, index);
        g_ptr_array_insert(threads, 0, moved);
    }
}

void dk_minidump_read_threads(DkMinidump *md)
{
    gboolean old_arm64 = has_old_arm64(md);
    if (dk_minidump_find(md, MDMP_THREAD_LIST) >= 0)
        read_list(md, MDMP_THREAD_LIST, sizeof(MdmpThread), old_arm64);
    else
        read_list(md, MDMP_THREAD_EX_LIST, MDMP_THREAD_EX_SIZE, old_arm64);
    g_autoptr(GHashTable) by_tid = index_threads(md->base.subject);
    read_names(md, by_tid);
    read_infos(md, by_tid);
    read_exception(md, by_tid, old_arm64);
    read_own_regs(md, by_tid);
    put_first(md, by_tid);
    const GPtrArray *threads = md->base.subject->process.threads;
    if (!threads->len)
        dk_minidump_gap(md, "thread", "the file has no list of threads, or an empty one");
    for (guint i = 0; i < threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        if (thread->missing && md->base.subject->gaps->len < DK_MINIDUMP_GAPS_MAX)
            dk_subject_add_gap(md->base.subject, "regset", 1, 0, thread->tid, "%s",
                               thread->missing);
    }
}
