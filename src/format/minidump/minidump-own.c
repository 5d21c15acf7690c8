/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/minidump/minidump-parts.h"
#include "format/own-record.h"

#define CLOSING_VERSION 1u
#define CLOSING_MAX ((guint64)64 << 20)

static gboolean read_locator(DkMinidump *md, MdmpClosing *locator, GError **error)
{
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, MDMP_DUMPKIT_CLOSING);
    gsize len = 0;
    const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "DumpkitClosing");
    const guint8 *at = dk_cursor_bytes(&cursor, "locator", sizeof *locator, error);
    if (!at)
        return FALSE;
    memcpy(locator, at, sizeof *locator);
    if (locator->version == CLOSING_VERSION && locator->size <= CLOSING_MAX &&
        locator->off + locator->size >= locator->off && locator->result_size <= DK_OWN_INFO_MAX &&
        locator->size >= (guint64)locator->result_size + DK_CHECKSUM_SIZE + DK_OWN_SUMS_HEADER)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "DumpkitClosing: version %u, %" G_GUINT64_FORMAT
                " bytes at offset 0x%" G_GINT64_MODIFIER
                "x with a result of %u bytes make no sense",
                locator->version, locator->size, locator->off, locator->result_size);
    return FALSE;
}

GBytes *dk_minidump_closing(DkMinidump *md, MdmpClosing *locator, GError **error)
{
    if (!read_locator(md, locator, error))
        return NULL;
    if (locator->off > md->size || locator->size > md->size - locator->off) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT,
                    "the file is cut off: its closing part ends at offset 0x%" G_GINT64_MODIFIER
                    "x, the file at 0x%" G_GINT64_MODIFIER "x",
                    locator->off + locator->size, md->size);
        return NULL;
    }
    g_autoptr(GBytes) closing = dk_input_read_bytes(md->input, "closing part", locator->off,
                                                    locator->size, CLOSING_MAX, error);
    if (!closing)
        return NULL;
    gsize len;
    const guint8 *data = g_bytes_get_data(closing, &len);
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    guint8 digest[DK_CHECKSUM_SIZE];
    dk_checksum_update(checksum, data, len - sizeof digest);
    dk_checksum_finish(checksum, digest);
    if (memcmp(digest, data + len - sizeof digest, sizeof digest) == 0)
        return g_steal_pointer(&closing);
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "the closing part at offset 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER
                "x differs from what was written (XXH3)",
                locator->off, locator->off + locator->size - 1);
    return NULL;
}

void dk_minidump_read_own(DkMinidump *md)
{
    DkSubject *subject = md->base.subject;
    g_autoptr(GBytes) info = dk_minidump_stream(md, MDMP_DUMPKIT_INFO);
    g_autoptr(GError) local = NULL;
    gsize len;
    md->reader_gaps = subject->gaps->len;
    if (!info)
        return;
    const void *data = g_bytes_get_data(info, &len);
    if (!dk_own_info_read(subject, data, len, &local)) {
        dk_minidump_gap(md, "data", "%s", local->message);
        return;
    }
    md->has_own = TRUE;
    dk_minidump_note(md, dk_minidump_find(md, MDMP_DUMPKIT_INFO), "%s, method %s, level %s",
                     subject->origin.writer ? subject->origin.writer : "dumpkit",
                     subject->origin.method ? subject->origin.method : "not known",
                     subject->origin.level ? subject->origin.level : "not known");
    MdmpClosing locator;
    g_autoptr(GBytes) closing = dk_minidump_closing(md, &locator, &local);
    if (!closing) {
        subject->origin.complete = 0;
        dk_minidump_gap(md, "data", "%s", local->message);
        return;
    }
    const char *bytes = g_bytes_get_data(closing, &len);
    const char *result = bytes + len - DK_CHECKSUM_SIZE - locator.result_size;
    if (!dk_own_result_read(subject, result, locator.result_size, &local)) {
        subject->origin.complete = 0;
        dk_minidump_gap(md, "data", "%s (at offset 0x%" G_GINT64_MODIFIER "x)", local->message,
                        locator.off + (guint64)(result - bytes));
        return;
    }
    dk_minidump_note(md, dk_minidump_find(md, MDMP_DUMPKIT_CLOSING),
                     "sums and result at offset 0x%" G_GINT64_MODIFIER "x, %s", locator.off,
                     subject->origin.complete == 1 ? "complete" : "not complete");
}
