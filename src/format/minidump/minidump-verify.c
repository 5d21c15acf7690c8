/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "format/minidump/minidump-parts.h"
#include "format/own-record.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

static const char *name_of(guint32 type, char buf[32])
{
    const char *name = dk_minidump_stream_name(type);
    if (!name) {
        g_snprintf(buf, 32, "0x%x", type);
        name = buf;
    }
    return name;
}

typedef struct {
    guint64 off;
    guint64 end;
    guint32 type;
} Extent;

static gint compare_extents(gconstpointer a, gconstpointer b)
{
    const Extent *left = a;
    const Extent *right = b;
    if (left->off != right->off)
        return left->off < right->off ? -1 : 1;
    return (left->end > right->end) - (left->end < right->end);
}

static void verify_directory(DkMinidump *md, DkVerify *verify)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) extents = g_array_new(FALSE, FALSE, sizeof(Extent));
    char buf[32];
    for (guint i = 0; i < md->streams->len; i++) {
        const MdmpDirectory *entry = &g_array_index(md->streams, MdmpDirectory, i);
        guint64 off = md->header.directory_rva + (guint64)i * sizeof *entry;
        guint64 end = (guint64)entry->location.rva + entry->location.size;
        if (entry->type == MDMP_UNUSED)
            continue;
        const char *name = name_of(entry->type, buf);
        if (!g_hash_table_add(seen, GUINT_TO_POINTER(entry->type)))
            dk_verify_add(verify, DK_VERIFY_DAMAGED, "directory",
                          "entry %u at offset " X64 ": a second stream %s", i, off, name);
        if (end > md->size)
            dk_verify_add(verify, DK_VERIFY_LACKS, "directory",
                          "stream %s: %u bytes at offset 0x%x, the file ends at " X64, name,
                          entry->location.size, entry->location.rva, md->size);
        const Extent extent = {entry->location.rva, end, entry->type};
        if (entry->location.size)
            g_array_append_val(extents, extent);
    }
    g_array_sort(extents, compare_extents);
    for (guint i = 1; i < extents->len; i++) {
        const Extent *before = &g_array_index(extents, Extent, i - 1);
        const Extent *extent = &g_array_index(extents, Extent, i);
        char buf2[32];
        if (extent->off < before->end)
            dk_verify_add(verify, DK_VERIFY_DAMAGED, "directory",
                          "streams %s and %s overlap at offset " X64, name_of(before->type, buf),
                          name_of(extent->type, buf2), extent->off);
    }
    dk_verify_add(verify, DK_VERIFY_OK, "directory", "%u streams at offset 0x%x",
                  md->header.stream_count, md->header.directory_rva);
}

/* What every reader needs. */
static void verify_needed(DkMinidump *md, DkVerify *verify)
{
    if (dk_minidump_find(md, MDMP_SYSTEM_INFO) < 0)
        dk_verify_add(verify, DK_VERIFY_LACKS, "system", "there is no stream SystemInfo");
    if (dk_minidump_find(md, MDMP_THREAD_LIST) < 0 && dk_minidump_find(md, MDMP_THREAD_EX_LIST) < 0)
        dk_verify_add(verify, DK_VERIFY_LACKS, "threads", "there is no stream ThreadList");
    if (dk_minidump_find(md, MDMP_MODULE_LIST) < 0)
        dk_verify_add(verify, DK_VERIFY_LACKS, "modules", "there is no stream ModuleList");
    if (dk_minidump_find(md, MDMP_LINUX_ENVIRON) >= 0)
        dk_verify_add(verify, DK_VERIFY_NOTE, "environment",
                      "the file holds the environment of the process, which may have secrets");
}

static void verify_threads(DkMinidump *md, DkVerify *verify)
{
    const GPtrArray *threads = md->base.subject->process.threads;
    guint good = 0;
    for (guint i = 0; i < threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        guint8 byte;
        if (!thread->regs[DK_REGSET_GENERAL])
            dk_verify_add(verify, DK_VERIFY_LACKS, "threads", "thread %u: no registers: %s",
                          thread->tid, thread->missing ? thread->missing : "no reason is given");
        else if (thread->stack_first <= thread->stack_last &&
                 !dk_space_read(md->base.space, thread->stack_first, &byte, 1))
            dk_verify_add(verify, DK_VERIFY_LACKS, "threads",
                          "thread %u: its stack at " X64 " is not in the file", thread->tid,
                          thread->stack_first);
        else
            good++;
    }
    if (threads->len && good == threads->len)
        dk_verify_add(verify, DK_VERIFY_OK, "threads", "%u threads have registers", good);
}

static void verify_memory(DkMinidump *md, DkVerify *verify)
{
    guint64 bytes = 0;
    guint64 lost = 0;
    for (guint i = 0; i < md->ranges->len; i++)
        bytes += g_array_index(md->ranges, DkMinidumpRange, i).size;
    for (guint i = 0; i < md->cut->len; i++)
        lost += g_array_index(md->cut, DkMinidumpRange, i).size;
    if (md->cut->len) {
        const DkMinidumpRange *first = &g_array_index(md->cut, DkMinidumpRange, 0);
        dk_verify_add(verify, DK_VERIFY_LACKS, "memory",
                      "truncated: %" G_GUINT64_FORMAT " bytes of %u ranges are behind the end of "
                      "the file at " X64 "; the first is the memory at " X64
                      ", whose bytes would stand at offset " X64,
                      lost, md->cut->len, md->size, first->va, first->off);
    }
    if (md->overlaps)
        dk_verify_add(verify, DK_VERIFY_NOTE, "memory",
                      "%" G_GUINT64_FORMAT
                      " ranges lie over others and have bytes of their own: of two the one that "
                      "begins first is shown",
                      md->overlaps);
    if (!md->cut->len)
        dk_verify_add(verify, DK_VERIFY_OK, "memory", "%" G_GUINT64_FORMAT " bytes in %u ranges",
                      bytes, md->ranges->len);
}

/* Gaps that the reader found are of the file; those that our info names are told by others. */
static void verify_gaps(DkMinidump *md, DkVerify *verify)
{
    for (guint i = 0; i < md->base.subject->gaps->len && i < md->reader_gaps; i++) {
        const DkGap *gap = g_ptr_array_index(md->base.subject->gaps, i);
        if (g_str_equal(gap->what, "data") && gap->first > gap->last &&
            !g_str_has_prefix(gap->why, "truncated"))
            dk_verify_add(verify, DK_VERIFY_DAMAGED, "streams", "%s", gap->why);
    }
}

/* The closing part, or NULL with a finding. */
static GBytes *verify_closing(DkMinidump *md, MdmpClosing *locator, DkVerify *verify)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) closing = dk_minidump_closing(md, locator, &local);
    if (!closing) {
        DkVerdict verdict = g_error_matches(local, DK_ERROR, DK_ERROR_ABSENT) ? DK_VERIFY_LACKS
                                                                              : DK_VERIFY_DAMAGED;
        dk_verify_add(verify, verdict, "checksums", "%s", local->message);
        return NULL;
    }
    if (locator->off + locator->size < md->size)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "checksums",
                      "bytes follow behind the end of the dump at offset " X64,
                      locator->off + locator->size);
    return g_steal_pointer(&closing);
}

static gboolean verify_sums(DkMinidump *md, gboolean deep, DkVerify *verify, GError **error)
{
    MdmpClosing locator;
    g_autoptr(GBytes) closing = verify_closing(md, &locator, verify);
    if (!closing)
        return TRUE;
    guint64 covered;
    g_autoptr(GBytes) table = g_bytes_new_from_bytes(
        closing, 0, g_bytes_get_size(closing) - DK_CHECKSUM_SIZE - locator.result_size);
    if (dk_own_sums_check(table, locator.off, md->size, &covered, NULL) && covered != locator.off)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "checksums",
                      "the sums at offset " X64 " cover %" G_GUINT64_FORMAT
                      " bytes, expected all before them",
                      locator.off, covered);
    return !deep || dk_own_sums_verify(md->input, table, locator.off, verify, error);
}

gboolean dk_minidump_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    g_assert(dk_minidump_is(source));
    DkMinidump *md = (DkMinidump *)source;
    verify_directory(md, verify);
    verify_needed(md, verify);
    verify_threads(md, verify);
    verify_memory(md, verify);
    verify_gaps(md, verify);
    return dk_minidump_find(md, MDMP_DUMPKIT_CLOSING) < 0 || verify_sums(md, deep, verify, error);
}
