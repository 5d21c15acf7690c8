/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/minidump/minidump-front.h"
#include "format/minidump/minidump-parts.h"
#include "format/own-record.h"
#include "io/output.h"

typedef struct {
    DkSink base;
    DkMinidumpFront front;
    DkOwnSums *sums;
} Writer;

static gboolean accepts(DkSink *sink, const DkSubject *subject, GError **error)
{
    const GPtrArray *threads = subject->process.threads;
    const char *lack = NULL;
    if (subject->kind != DK_SUBJECT_PROCESS)
        lack = "a minidump is of a process, not of a machine";
    else if (subject->os != DK_OS_LINUX || subject->machine != DK_MACHINE_X86_64)
        lack = "minidumps are written of Linux processes on x86-64";
    for (guint i = 0; !lack && i < threads->len; i++) {
        if (((DkThread *)g_ptr_array_index(threads, i))->regs[DK_REGSET_GENERAL])
            return TRUE;
    }
    if (!lack)
        lack = "no thread has registers, without which no reader opens a minidump";
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "%s (this is %s, %s)", lack,
                dk_os_name(subject->os), dk_machine_name(subject->machine));
    return FALSE;
}

static guint64 measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan)
{
    DkMinidumpFront front = {0};
    if (!dk_minidump_front_build(&front, subject, plan, NULL))
        return 0;
    dk_minidump_front_clear(&front);
    return front.closing_off + front.closing_size;
}

static gboolean begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                      GError **error)
{
    Writer *writer = (Writer *)sink;
    if (!dk_minidump_front_build(&writer->front, subject, plan, error))
        return FALSE;
    const GByteArray *bytes = writer->front.bytes;
    dk_own_sums_update(writer->sums, bytes->data, bytes->len);
    gboolean done = dk_output_write(sink->output, bytes->data, bytes->len, error);
    g_clear_pointer(&writer->front.bytes, g_byte_array_unref);
    return done;
}

static gboolean data(DkSink *sink, guint64 va, const void *buf, gsize len, GError **error)
{
    Writer *writer = (Writer *)sink;
    dk_own_sums_update(writer->sums, buf, len);
    return dk_output_write(sink->output, buf, len, error);
}

static gboolean hole(DkSink *sink, const DkRun *run, GError **error)
{
    Writer *writer = (Writer *)sink;
    guint64 len = run->last - run->first + 1;
    dk_own_sums_update_zeros(writer->sums, len);
    return dk_output_zeros(sink->output, len, error);
}

static gboolean finish(DkSink *sink, const DkDumpSummary *summary, GError **error)
{
    Writer *writer = (Writer *)sink;
    g_autoptr(GBytes) table = dk_own_sums_finish(writer->sums);
    g_autoptr(GBytes) result = dk_own_result_write(summary, DK_OWN_RESULT_SIZE);
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    guint8 digest[DK_CHECKSUM_SIZE];
    gsize table_len;
    gsize result_len;
    const void *table_data = g_bytes_get_data(table, &table_len);
    const void *result_data = g_bytes_get_data(result, &result_len);
    g_assert(table_len + result_len + sizeof digest == writer->front.closing_size);
    dk_checksum_update(checksum, table_data, table_len);
    dk_checksum_update(checksum, result_data, result_len);
    dk_checksum_finish(checksum, digest);
    return dk_output_write(sink->output, table_data, table_len, error) &&
           dk_output_write(sink->output, result_data, result_len, error) &&
           dk_output_write(sink->output, digest, sizeof digest, error);
}

static void destroy(DkSink *sink)
{
    Writer *writer = (Writer *)sink;
    dk_minidump_front_clear(&writer->front);
    dk_own_sums_free(writer->sums);
    g_free(writer);
}

static const DkSinkOps minidump_sink_ops = {
    .name = "minidump",
    .caps = DK_SINK_STREAM | DK_SINK_ORDERED,
    .accepts = accepts,
    .measure = measure,
    .begin = begin,
    .data = data,
    .hole = hole,
    .finish = finish,
    .destroy = destroy,
};

DkSink *dk_minidump_sink_new(DkOutput *output, const DkSinkOptions *options)
{
    Writer *writer = g_new0(Writer, 1);
    dk_sink_init(&writer->base, &minidump_sink_ops, output);
    writer->sums = dk_own_sums_new();
    return &writer->base;
}
