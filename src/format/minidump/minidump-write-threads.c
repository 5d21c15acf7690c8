/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/bisect.h"
#include "format/minidump/minidump-builder.h"
#include "format/windows-context.h"

#define AMD64_RSP 19         /* in user_regs_struct */
#define RED_ZONE 128u        /* bytes below the stack pointer that a function may use */
#define STACK_MAX (8u << 20) /* readers load a stack whole */
#define LIST_MAX 4096u       /* Breakpad reads no list of memory with more ranges */
#define REGS_VERSION 1u

static const guint32 regs_numbers[DK_REGSET_COUNT] = {
    [DK_REGSET_GENERAL] = 1, [DK_REGSET_FP] = 2,      [DK_REGSET_XSTATE] = 3,
    [DK_REGSET_FXSAVE] = 4,  [DK_REGSET_SIGINFO] = 5,
};

/* Threads without registers are in our info only: readers take a thread without context badly. */
static gboolean is_written(const DkThread *thread)
{
    return thread->regs[DK_REGSET_GENERAL] != NULL;
}

static gboolean extent_before(gconstpointer data, gsize index, guint64 va)
{
    const GArray *extents = data;
    return g_array_index(extents, DkExtent, index).last < va;
}

static const DkExtent *extent_at(const DkDumpPlan *plan, guint64 va)
{
    gsize index = dk_bisect(plan->extents->len, extent_before, plan->extents, va);
    if (index == plan->extents->len)
        return NULL;
    const DkExtent *extent = &g_array_index(plan->extents, DkExtent, index);
    return extent->first <= va ? extent : NULL;
}

static guint64 stack_pointer(const DkThread *thread)
{
    guint64 sp = 0;
    gsize len;
    const guint8 *data = g_bytes_get_data(thread->regs[DK_REGSET_GENERAL], &len);
    if (len >= (AMD64_RSP + 1) * sizeof sp)
        memcpy(&sp, data + AMD64_RSP * sizeof sp, sizeof sp);
    return sp;
}

/* What the plan holds of the thread's stack, from below its pointer to the end of its mapping. */
static gboolean find_stack(const DkMinidumpBuilder *builder, const DkThread *thread,
                           DkMinidumpStack *stack)
{
    const DkSubject *subject = builder->subject;
    guint64 sp = stack_pointer(thread);
    const DkExtent *extent = extent_at(builder->plan, sp);
    if (!extent)
        return FALSE;
    const DkMapping *mapping = dk_subject_mapping_at(subject, sp);
    guint64 page = MAX(subject->page_size, 1);
    guint64 first = sp - MIN(sp, RED_ZONE);
    guint64 last = mapping ? mapping->last : extent->last;
    if (thread->stack_first <= sp && sp <= thread->stack_last)
        last = thread->stack_last;
    first = MAX(first - first % page, extent->first);
    last = MIN(last, extent->last);
    stack->va = first;
    stack->size = (guint32)MIN(last - first + 1, STACK_MAX);
    return TRUE;
}

static guint32 write_context(DkMinidumpBuilder *builder, const DkThread *thread, guint32 *size)
{
    static const guint8 nothing[1];
    guint32 rva = dk_minidump_put(builder, nothing, 0, 16);
    *size = (guint32)dk_windows_context_write(builder->bytes, thread->regs);
    return rva;
}

static void write_exception(DkMinidumpBuilder *builder, const MdmpLocation *context)
{
    const DkException *exception = &builder->subject->process.exception;
    MdmpException raw = {
        .tid = exception->tid,
        .record = {.code = exception->code,
                   .flags = exception->flags,
                   .address = exception->address,
                   .nparams = MIN(exception->nparams, G_N_ELEMENTS(exception->params))},
        .context = *context,
    };
    for (guint i = 0; i < raw.record.nparams; i++)
        raw.record.params[i] = exception->params[i];
    dk_minidump_add_stream(builder, MDMP_EXCEPTION, dk_minidump_put(builder, &raw, sizeof raw, 8));
}

static gint compare_stacks(gconstpointer a, gconstpointer b)
{
    const DkMinidumpStack *left = a;
    const DkMinidumpStack *right = b;
    return left->va < right->va ? -1 : left->va > right->va;
}

static void write_list(DkMinidumpBuilder *builder, const GPtrArray *written)
{
    guint32 list = dk_minidump_put_list(builder, written->len, sizeof(MdmpThread));
    MdmpLocation exception = {0};
    dk_minidump_add_stream(builder, MDMP_THREAD_LIST, list);
    for (guint i = 0; i < written->len; i++) {
        const DkThread *thread = g_ptr_array_index(written, i);
        MdmpThread raw = {
            .tid = thread->tid, .suspend_count = thread->suspended, .teb_va = thread->teb_va};
        guint32 at = list + 4 + i * (guint32)sizeof raw;
        DkMinidumpStack stack;
        raw.stack.va = stack_pointer(thread);
        if (find_stack(builder, thread, &stack)) {
            raw.stack.va = stack.va;
            stack.field = at + G_STRUCT_OFFSET(MdmpThread, stack.location);
            g_array_append_val(builder->stacks, stack);
        }
        raw.context.rva = write_context(builder, thread, &raw.context.size);
        if (thread->tid == builder->subject->process.exception.tid)
            exception = raw.context;
        dk_minidump_set(builder, at, &raw, sizeof raw);
    }
    if (builder->subject->process.exception.valid)
        write_exception(builder, &exception);
}

/*
 * The stacks ascending and without overlaps, as a list of memory has to be; stacks of threads may
 * overlap (one that another thread borrowed).
 */
static GArray *merge_stacks(const GArray *stacks)
{
    g_autoptr(GArray) sorted = g_array_copy((GArray *)stacks);
    GArray *merged = g_array_new(FALSE, FALSE, sizeof(DkMinidumpStack));
    g_array_sort(sorted, compare_stacks);
    for (guint i = 0; i < sorted->len; i++) {
        DkMinidumpStack stack = g_array_index(sorted, DkMinidumpStack, i);
        const DkMinidumpStack *tail = merged->len
                                          ? &g_array_index(merged, DkMinidumpStack, merged->len - 1)
                                          : NULL;
        guint64 from = tail ? tail->va + tail->size : 0;
        guint64 end = stack.va + stack.size;
        if (end <= from)
            continue;
        if (stack.va < from) {
            stack.size = (guint32)(end - from);
            stack.va = from;
        }
        g_array_append_val(merged, stack);
    }
    return merged;
}

void dk_minidump_write_memory_list(DkMinidumpBuilder *builder, guint64 data_off)
{
    g_autoptr(GArray) merged = merge_stacks(builder->stacks);
    guint count = 0;
    for (guint i = 0; i < merged->len && count < LIST_MAX; i++) {
        const DkMinidumpStack stack = g_array_index(merged, DkMinidumpStack, i);
        if (dk_minidump_reaches(builder, data_off, &stack))
            g_array_index(merged, DkMinidumpStack, count++) = stack;
    }
    if (!count)
        return;
    guint32 list = dk_minidump_put_list(builder, count, sizeof(MdmpMemory));
    for (guint i = 0; i < count; i++) {
        DkMinidumpStack stack = g_array_index(merged, DkMinidumpStack, i);
        const MdmpMemory raw = {.va = stack.va};
        guint32 at = list + 4 + i * (guint32)sizeof raw;
        dk_minidump_set(builder, at, &raw, sizeof raw);
        stack.field = at + G_STRUCT_OFFSET(MdmpMemory, location);
        g_array_append_val(builder->stacks, stack);
    }
    dk_minidump_add_stream(builder, MDMP_MEMORY_LIST, list);
}

static void write_names(DkMinidumpBuilder *builder, const GPtrArray *written)
{
    guint32 count = 0;
    for (guint i = 0; i < written->len; i++)
        count += ((DkThread *)g_ptr_array_index(written, i))->name != NULL;
    if (!count)
        return;
    guint32 list = dk_minidump_put_list(builder, count, sizeof(MdmpThreadName));
    dk_minidump_add_stream(builder, MDMP_THREAD_NAMES, list);
    guint32 at = list + 4;
    for (guint i = 0; i < written->len; i++) {
        const DkThread *thread = g_ptr_array_index(written, i);
        if (!thread->name)
            continue;
        const MdmpThreadName raw = {thread->tid, dk_minidump_put_string(builder, thread->name)};
        dk_minidump_set(builder, at, &raw, sizeof raw);
        at += (guint32)sizeof raw;
    }
}

static void write_infos(DkMinidumpBuilder *builder, const GPtrArray *written)
{
    const MdmpSizedList head = {sizeof head, sizeof(MdmpThreadInfo), written->len};
    guint32 list = dk_minidump_put(builder, &head, sizeof head, 8);
    for (guint i = 0; i < written->len; i++) {
        const DkThread *thread = g_ptr_array_index(written, i);
        const MdmpThreadInfo raw = {
            .tid = thread->tid,
            .user_time = thread->user_ns / 100,
            .kernel_time = thread->system_ns / 100,
        };
        dk_minidump_put(builder, &raw, sizeof raw, 1);
    }
    dk_minidump_add_stream(builder, MDMP_THREAD_INFO_LIST, list);
}

/* A context has no room for the xstate, the segment bases and the siginfo. */
static void write_regs(DkMinidumpBuilder *builder, const GPtrArray *written)
{
    guint32 head[2] = {REGS_VERSION, 0};
    for (guint i = 0; i < written->len; i++) {
        const DkThread *thread = g_ptr_array_index(written, i);
        for (guint kind = 0; kind < DK_REGSET_COUNT; kind++)
            head[1] += thread->regs[kind] != NULL;
    }
    guint32 list = dk_minidump_put(builder, head, sizeof head, 8);
    g_byte_array_set_size(builder->bytes,
                          builder->bytes->len + head[1] * (guint32)sizeof(MdmpRegs));
    dk_minidump_add_stream(builder, MDMP_DUMPKIT_REGS, list);
    guint32 at = list + (guint32)sizeof head;
    for (guint i = 0; i < written->len; i++) {
        const DkThread *thread = g_ptr_array_index(written, i);
        for (guint kind = 0; kind < DK_REGSET_COUNT; kind++) {
            gsize len;
            if (!thread->regs[kind])
                continue;
            const void *data = g_bytes_get_data(thread->regs[kind], &len);
            const MdmpRegs raw = {thread->tid,
                                  regs_numbers[kind],
                                  {(guint32)len, dk_minidump_put(builder, data, len, 16)}};
            dk_minidump_set(builder, at, &raw, sizeof raw);
            at += (guint32)sizeof raw;
        }
    }
}

void dk_minidump_write_threads(DkMinidumpBuilder *builder)
{
    const GPtrArray *threads = builder->subject->process.threads;
    g_autoptr(GPtrArray) written = g_ptr_array_new();
    for (guint i = 0; i < threads->len; i++) {
        if (is_written(g_ptr_array_index(threads, i)))
            g_ptr_array_add(written, g_ptr_array_index(threads, i));
    }
    write_list(builder, written);
    write_names(builder, written);
    write_infos(builder, written);
    write_regs(builder, written);
}
