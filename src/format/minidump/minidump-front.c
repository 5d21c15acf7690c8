/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/minidump/minidump-front.h"

#include <string.h>

#include "base/bisect.h"
#include "base/error.h"
#include "format/minidump/minidump-builder.h"
#include "format/own-record.h"

#define PAGE 4096u
#define CLOSING_VERSION 1u
/* Far below 4 GiB, so that no sum of offsets in the front can overflow. */
#define FRONT_MAX (2000u << 20)

guint32 dk_minidump_put(DkMinidumpBuilder *builder, const void *data, gsize len, guint align)
{
    static const guint8 zeros[PAGE];
    guint rest = builder->bytes->len & (align - 1);
    if (rest)
        g_byte_array_append(builder->bytes, zeros, align - rest);
    guint32 at = builder->bytes->len;
    g_byte_array_append(builder->bytes, data, (guint)len);
    return at;
}

guint32 dk_minidump_put_string(DkMinidumpBuilder *builder, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    glong units = 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(valid, -1, NULL, &units, NULL);
    guint32 len = (guint32)units * (guint32)sizeof *wide;
    guint32 at = dk_minidump_put(builder, &len, sizeof len, 4);
    dk_minidump_put(builder, wide, len + sizeof *wide, 1);
    return at;
}

void dk_minidump_add_stream(DkMinidumpBuilder *builder, guint32 type, guint32 from)
{
    const MdmpDirectory entry = {type, {builder->bytes->len - from, from}};
    g_assert(builder->directory->len < DK_MINIDUMP_DIRECTORY_MAX);
    g_array_append_val(builder->directory, entry);
}

void dk_minidump_add_bytes(DkMinidumpBuilder *builder, guint32 type, GBytes *bytes)
{
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    if (len)
        dk_minidump_add_stream(builder, type, dk_minidump_put(builder, data, len, 8));
}

guint32 dk_minidump_put_list(DkMinidumpBuilder *builder, guint32 count, gsize stride)
{
    guint32 at = dk_minidump_put(builder, &count, sizeof count, 8);
    guint old = builder->bytes->len;
    guint size = (guint)(count * stride);
    g_byte_array_set_size(builder->bytes, old + size);
    memset(builder->bytes->data + old, 0, size);
    return at;
}

void dk_minidump_set(DkMinidumpBuilder *builder, guint32 at, const void *data, gsize len)
{
    g_assert(at + len <= builder->bytes->len);
    memcpy(builder->bytes->data + at, data, len);
}

static void write_memory64(DkMinidumpBuilder *builder)
{
    const GArray *extents = builder->plan->extents;
    const MdmpMemory64List head = {extents->len, 0};
    guint32 list = dk_minidump_put(builder, &head, sizeof head, 8);
    for (guint i = 0; i < extents->len; i++) {
        const DkExtent *extent = &g_array_index(extents, DkExtent, i);
        const MdmpMemory64 raw = {extent->first, extent->last - extent->first + 1};
        dk_minidump_put(builder, &raw, sizeof raw, 1);
    }
    builder->base_field = list + G_STRUCT_OFFSET(MdmpMemory64List, base_rva);
    dk_minidump_add_stream(builder, MDMP_MEMORY64_LIST, list);
}

static void measure_extents(DkMinidumpBuilder *builder)
{
    const GArray *extents = builder->plan->extents;
    guint64 off = 0;
    for (guint i = 0; i < extents->len; i++) {
        const DkExtent *extent = &g_array_index(extents, DkExtent, i);
        builder->offs[i] = off;
        off += extent->last - extent->first + 1;
    }
}

static gboolean starts_at_or_below(gconstpointer data, gsize index, guint64 va)
{
    const GArray *extents = data;
    return g_array_index(extents, DkExtent, index).first <= va;
}

guint64 dk_minidump_place(const DkMinidumpBuilder *builder, guint64 data_off,
                          const DkMinidumpStack *stack)
{
    const GArray *extents = builder->plan->extents;
    gsize low = dk_bisect(extents->len, starts_at_or_below, extents, stack->va);
    low -= low != 0;
    return data_off + builder->offs[low] +
           (stack->va - g_array_index(extents, DkExtent, low).first);
}

gboolean dk_minidump_reaches(const DkMinidumpBuilder *builder, guint64 data_off,
                             const DkMinidumpStack *stack)
{
    return dk_minidump_place(builder, data_off, stack) + stack->size <= G_MAXUINT32;
}

/* Fills in where the stacks stand, now that it is known where the memory begins. */
static void place_stacks(DkMinidumpBuilder *builder, guint64 data_off)
{
    for (guint i = 0; i < builder->stacks->len; i++) {
        const DkMinidumpStack *stack = &g_array_index(builder->stacks, DkMinidumpStack, i);
        /* A stack that no RVA reaches is in the Memory64List alone. */
        MdmpLocation location = {0};
        if (dk_minidump_reaches(builder, data_off, stack))
            location = (MdmpLocation){stack->size,
                                      (guint32)dk_minidump_place(builder, data_off, stack)};
        dk_minidump_set(builder, stack->field, &location, sizeof location);
    }
}

static guint64 type_flags(const DkSubject *subject)
{
    static const struct {
        const char *level;
        guint64 flags;
    } levels[] = {
        {"full", MDMP_WITH_FULL_MEMORY},
        {"mini", MDMP_SCAN_MEMORY | MDMP_INDIRECTLY_REFERENCED},
        {"miniplus", MDMP_PRIVATE_READ_WRITE},
        {"triage", MDMP_FILTER_MEMORY | MDMP_FILTER_TRIAGE},
    };
    guint64 flags = MDMP_FULL_MEMORY_INFO | MDMP_THREAD_INFO | MDMP_IGNORE_INACCESSIBLE;
    for (guint i = 0; i < G_N_ELEMENTS(levels); i++) {
        if (g_strcmp0(subject->origin.level, levels[i].level) == 0)
            return flags | levels[i].flags;
    }
    return flags;
}

static void write_head(DkMinidumpBuilder *builder)
{
    gint64 seconds = builder->subject->origin.time_us / G_USEC_PER_SEC;
    const MdmpHeader header = {
        .signature = MDMP_SIGNATURE,
        .version = MDMP_VERSION,
        .stream_count = builder->directory->len,
        .directory_rva = sizeof header,
        .time = seconds > 0 ? (guint32)MIN(seconds, G_MAXUINT32) : 0,
        .flags = type_flags(builder->subject),
    };
    dk_minidump_set(builder, 0, &header, sizeof header);
    dk_minidump_set(builder, sizeof header, builder->directory->data,
                    builder->directory->len * sizeof(MdmpDirectory));
}

static void build(DkMinidumpBuilder *builder, DkMinidumpFront *front)
{
    guint head = sizeof(MdmpHeader) + DK_MINIDUMP_DIRECTORY_MAX * sizeof(MdmpDirectory);
    g_byte_array_set_size(builder->bytes, head);
    memset(builder->bytes->data, 0, head);
    dk_minidump_write_threads(builder);
    dk_minidump_write_modules(builder);
    dk_minidump_write_system(builder);
    g_autoptr(GBytes) info = dk_own_info_write(builder->subject);
    dk_minidump_add_bytes(builder, MDMP_DUMPKIT_INFO, info);
    write_memory64(builder);
    MdmpClosing closing = {.version = CLOSING_VERSION, .result_size = DK_OWN_RESULT_SIZE};
    guint32 locator = dk_minidump_put(builder, &closing, sizeof closing, 8);
    dk_minidump_add_stream(builder, MDMP_DUMPKIT_CLOSING, locator);
    /* The list's own length moves the memory: its upper bound decides what it can hold. */
    guint64 bound = builder->bytes->len + PAGE +
                    ((guint64)builder->stacks->len + 1) * sizeof(MdmpMemory);
    dk_minidump_write_memory_list(builder, bound);
    guint64 data_off = dk_minidump_put(builder, &closing, 0, PAGE);
    closing.off = data_off + builder->plan->bytes;
    closing.size = dk_own_sums_size(closing.off) + DK_OWN_RESULT_SIZE + DK_CHECKSUM_SIZE;
    dk_minidump_set(builder, locator, &closing, sizeof closing);
    dk_minidump_set(builder, (guint32)builder->base_field, &data_off, sizeof data_off);
    place_stacks(builder, data_off);
    write_head(builder);
    front->bytes = g_byte_array_ref(builder->bytes);
    front->closing_off = closing.off;
    front->closing_size = closing.size;
}

/* An upper bound of the bytes in front, without the texts' small change. */
static guint64 estimate(const DkSubject *subject, const DkDumpPlan *plan)
{
    guint64 size = (guint64)plan->extents->len * sizeof(MdmpMemory64);
    const DkProcess *process = &subject->process;
    for (guint i = 0; i < process->threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(process->threads, i);
        size += 4096;
        for (guint kind = 0; kind < DK_REGSET_COUNT; kind++)
            size += thread->regs[kind] ? g_bytes_get_size(thread->regs[kind]) : 0;
    }
    for (guint i = 0; i < process->mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(process->mappings, i);
        size += 256 + (mapping->path ? strlen(mapping->path) * 4 : 0);
    }
    for (guint i = 0; i < process->modules->len; i++) {
        const DkModule *module = g_ptr_array_index(process->modules, i);
        size += 256 + (module->path ? strlen(module->path) * 4 : 0);
    }
    return size;
}

gboolean dk_minidump_front_build(DkMinidumpFront *front, const DkSubject *subject,
                                 const DkDumpPlan *plan, GError **error)
{
    guint64 size = estimate(subject, plan);
    if (size > FRONT_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "a minidump of %u threads and %u mappings needs about %" G_GUINT64_FORMAT
                    " bytes for its lists, which have to lie in the first 4 GiB; write ELF",
                    subject->process.threads->len, subject->process.mappings->len, size);
        return FALSE;
    }
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GArray) directory = g_array_new(FALSE, FALSE, sizeof(MdmpDirectory));
    g_autoptr(GArray) stacks = g_array_new(FALSE, FALSE, sizeof(DkMinidumpStack));
    DkMinidumpBuilder builder = {
        .bytes = bytes, .directory = directory, .subject = subject, .plan = plan, .stacks = stacks};
    g_autofree guint64 *offs = g_new(guint64, plan->extents->len + 1);
    builder.offs = offs;
    measure_extents(&builder);
    build(&builder, front);
    return TRUE;
}

void dk_minidump_front_clear(DkMinidumpFront *front)
{
    g_clear_pointer(&front->bytes, g_byte_array_unref);
}
