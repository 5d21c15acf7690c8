/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/minidump/minidump-file.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "format/utf16.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

const char *dk_minidump_stream_name(guint32 type)
{
    static const struct {
        guint32 type;
        const char *name;
    } names[] = {
        {MDMP_UNUSED, "Unused"},
        {MDMP_THREAD_LIST, "ThreadList"},
        {MDMP_MODULE_LIST, "ModuleList"},
        {MDMP_MEMORY_LIST, "MemoryList"},
        {MDMP_EXCEPTION, "Exception"},
        {MDMP_SYSTEM_INFO, "SystemInfo"},
        {MDMP_THREAD_EX_LIST, "ThreadExList"},
        {MDMP_MEMORY64_LIST, "Memory64List"},
        {MDMP_COMMENT_A, "CommentA"},
        {MDMP_COMMENT_W, "CommentW"},
        {MDMP_HANDLE_DATA, "HandleData"},
        {MDMP_FUNCTION_TABLE, "FunctionTable"},
        {MDMP_UNLOADED_MODULE_LIST, "UnloadedModuleList"},
        {MDMP_MISC_INFO, "MiscInfo"},
        {MDMP_MEMORY_INFO_LIST, "MemoryInfoList"},
        {MDMP_THREAD_INFO_LIST, "ThreadInfoList"},
        {18, "HandleOperationList"},
        {19, "Token"},
        {20, "JavaScriptData"},
        {21, "SystemMemoryInfo"},
        {22, "ProcessVmCounters"},
        {23, "IptTrace"},
        {MDMP_THREAD_NAMES, "ThreadNames"},
        {MDMP_CRASHPAD_INFO, "CrashpadInfo"},
        {MDMP_BREAKPAD_INFO, "BreakpadInfo"},
        {MDMP_ASSERTION_INFO, "AssertionInfo"},
        {MDMP_LINUX_CPU_INFO, "LinuxCpuInfo"},
        {MDMP_LINUX_PROC_STATUS, "LinuxProcStatus"},
        {MDMP_LINUX_LSB_RELEASE, "LinuxLsbRelease"},
        {MDMP_LINUX_CMD_LINE, "LinuxCmdLine"},
        {MDMP_LINUX_ENVIRON, "LinuxEnviron"},
        {MDMP_LINUX_AUXV, "LinuxAuxv"},
        {MDMP_LINUX_MAPS, "LinuxMaps"},
        {MDMP_LINUX_DSO_DEBUG, "LinuxDsoDebug"},
        {MDMP_DUMPKIT_INFO, "DumpkitInfo"},
        {MDMP_DUMPKIT_CLOSING, "DumpkitClosing"},
        {MDMP_DUMPKIT_REGS, "DumpkitRegs"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i].type == type)
            return names[i].name;
    }
    return NULL;
}

static gboolean damaged(GError **error, guint64 off, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean damaged(GError **error, guint64 off, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "minidump at offset " X64 ": %s", off, text);
    return FALSE;
}

static gboolean read_header(DkMinidump *md, GError **error)
{
    guint8 head[sizeof(MdmpHeader)];
    gssize got = dk_input_read(md->input, 0, head, sizeof head, error);
    if (got < 0)
        return FALSE;
    DkCursor cursor;
    guint32 signature = 0;
    dk_cursor_init(&cursor, head, (gsize)got, 0, "minidump header");
    if (!dk_cursor_u32(&cursor, "signature", &signature, NULL) ||
        (signature != MDMP_SIGNATURE && signature != MDMP_SIGNATURE_SWAPPED)) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NOT_MINE, "not a minidump");
        return FALSE;
    }
    if (signature == MDMP_SIGNATURE_SWAPPED) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                            "minidump at offset 0x0: written by a big-endian machine");
        return FALSE;
    }
    cursor.pos = 0;
    const guint8 *raw = dk_cursor_bytes(&cursor, "header", sizeof md->header, error);
    if (!raw)
        return FALSE;
    memcpy(&md->header, raw, sizeof md->header);
    if ((md->header.version & 0xffff) != MDMP_VERSION)
        return damaged(error, G_STRUCT_OFFSET(MdmpHeader, version),
                       "version 0x%x, expected 0x%x in the low half", md->header.version,
                       MDMP_VERSION);
    return TRUE;
}

gboolean dk_minidump_read_directory(DkMinidump *md, GError **error)
{
    if (!read_header(md, error))
        return FALSE;
    const MdmpHeader *header = &md->header;
    guint64 size = (guint64)header->stream_count * sizeof(MdmpDirectory);
    if (header->stream_count > DK_MINIDUMP_STREAMS_MAX)
        return damaged(error, G_STRUCT_OFFSET(MdmpHeader, stream_count),
                       "%u streams, expected at most %u", header->stream_count,
                       DK_MINIDUMP_STREAMS_MAX);
    if (header->directory_rva > md->size || size > md->size - header->directory_rva)
        return damaged(error, header->directory_rva,
                       "the directory of %u streams needs %" G_GUINT64_FORMAT
                       " bytes, the file ends at " X64,
                       header->stream_count, size, md->size);
    g_autoptr(GBytes) bytes = dk_input_read_bytes(md->input, "minidump directory",
                                                  header->directory_rva, size, size, error);
    if (!bytes)
        return FALSE;
    DkCursor cursor;
    dk_cursor_init(&cursor, g_bytes_get_data(bytes, NULL), (gsize)size, header->directory_rva,
                   "minidump directory");
    for (guint32 i = 0; i < header->stream_count; i++) {
        MdmpDirectory entry;
        const guint8 *raw = dk_cursor_bytes(&cursor, "entry", sizeof entry, error);
        if (!raw)
            return FALSE;
        memcpy(&entry, raw, sizeof entry);
        g_array_append_val(md->streams, entry);
    }
    g_ptr_array_set_size(md->notes, (gint)header->stream_count);
    return TRUE;
}

gint dk_minidump_find(const DkMinidump *md, guint32 type)
{
    for (guint i = 0; i < md->streams->len; i++) {
        if (g_array_index(md->streams, MdmpDirectory, i).type == type)
            return (gint)i;
    }
    return -1;
}

void dk_minidump_note(DkMinidump *md, gint index, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(md->notes->pdata[index]);
    md->notes->pdata[index] = g_strdup_vprintf(format, args);
    va_end(args);
}

void dk_minidump_gap(DkMinidump *md, const char *what, const char *format, ...)
{
    if (md->base.subject->gaps->len >= DK_MINIDUMP_GAPS_MAX)
        return;
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    dk_subject_add_gap(md->base.subject, what, 1, 0, 0, "%s", text);
}

GBytes *dk_minidump_bytes(DkMinidump *md, guint64 off, guint64 size, guint64 limit)
{
    if (off >= md->size)
        return NULL;
    size = MIN(size, md->size - off);
    size = MIN(size, limit);
    return size ? dk_input_read_bytes(md->input, "minidump", off, size, limit, NULL) : NULL;
}

GBytes *dk_minidump_stream(DkMinidump *md, guint32 type)
{
    gint index = dk_minidump_find(md, type);
    if (index < 0)
        return NULL;
    const MdmpLocation *at = &g_array_index(md->streams, MdmpDirectory, index).location;
    GBytes *bytes = dk_minidump_bytes(md, at->rva, at->size, DK_MINIDUMP_STREAM_MAX);
    gsize have = bytes ? g_bytes_get_size(bytes) : 0;
    const char *name = dk_minidump_stream_name(type);
    if (have < at->size)
        dk_minidump_gap(md, "data",
                        "truncated: of the stream %s, %u bytes at offset 0x%x, %" G_GSIZE_FORMAT
                        " are there",
                        name ? name : "of another kind", at->size, at->rva, have);
    return bytes;
}

char *dk_minidump_string(DkMinidump *md, guint64 off)
{
    g_autoptr(GBytes) head = off ? dk_minidump_bytes(md, off, 4, 4) : NULL;
    if (!head)
        return NULL;
    DkCursor cursor;
    guint32 len = 0;
    dk_cursor_init(&cursor, g_bytes_get_data(head, NULL), g_bytes_get_size(head), off, "string");
    if (!dk_cursor_u32(&cursor, "length", &len, NULL) || off + 4 < off)
        return NULL;
    gsize limit = MIN(DK_MINIDUMP_STRING_MAX, md->text_left);
    g_autoptr(GBytes) bytes = dk_minidump_bytes(md, off + 4, len, limit);
    if (!bytes)
        return NULL;
    gsize have;
    const guint8 *data = g_bytes_get_data(bytes, &have);
    md->text_left -= have;
    g_autofree char *text = dk_utf16_text(data, have);
    return *text ? g_steal_pointer(&text) : NULL;
}

void dk_minidump_list_clear(DkMinidumpList *list)
{
    g_clear_pointer(&list->bytes, g_bytes_unref);
}

/* Cuts count to what the bytes hold behind start, and to limit. */
static gboolean finish_list(DkMinidump *md, DkMinidumpList *list, guint32 type, guint64 count,
                            guint64 limit)
{
    gsize len = list->cursor.len;
    guint64 room = list->start < len ? (len - list->start) / list->stride : 0;
    list->count = MIN(MIN(count, room), limit);
    guint32 size = g_array_index(md->streams, MdmpDirectory, list->stream).location.size;
    if (list->count < count)
        dk_minidump_gap(
            md, "data",
            "%s%s at offset " X64 ": of %" G_GUINT64_FORMAT " entries %" G_GUINT64_FORMAT " are %s",
            len < size ? "truncated: " : "", dk_minidump_stream_name(type), list->cursor.origin,
            count, list->count, list->count == limit ? "read" : "there");
    return TRUE;
}

static gboolean start_list(DkMinidump *md, guint32 type, DkMinidumpList *list)
{
    *list = (DkMinidumpList){.bytes = dk_minidump_stream(md, type),
                             .stream = dk_minidump_find(md, type)};
    if (!list->bytes)
        return FALSE;
    gsize len;
    const void *data = g_bytes_get_data(list->bytes, &len);
    guint32 rva = g_array_index(md->streams, MdmpDirectory, list->stream).location.rva;
    dk_cursor_init(&list->cursor, data, len, rva, dk_minidump_stream_name(type));
    return TRUE;
}

/* Makes a gap of a list whose head cannot be read. */
static gboolean broken_list(DkMinidump *md, DkMinidumpList *list, const GError *why)
{
    dk_minidump_gap(md, "data", "%s", why->message);
    dk_minidump_list_clear(list);
    return FALSE;
}

gboolean dk_minidump_list_open(DkMinidump *md, guint32 type, gsize stride, guint64 limit,
                               DkMinidumpList *list)
{
    guint32 count;
    g_autoptr(GError) local = NULL;
    if (!start_list(md, type, list))
        return FALSE;
    if (!dk_cursor_u32(&list->cursor, "count", &count, &local))
        return broken_list(md, list, local);
    /* Writers differ on whether the entries are aligned to 8 bytes; the stream's size tells. */
    list->start = list->cursor.len == 8 + (guint64)count * stride ? 8 : 4;
    list->stride = stride;
    return finish_list(md, list, type, count, limit);
}

gboolean dk_minidump_list_open_sized(DkMinidump *md, guint32 type, gsize smallest, gboolean wide,
                                     guint64 limit, DkMinidumpList *list)
{
    guint32 header_size;
    guint32 stride;
    guint32 count32 = 0;
    guint64 count = 0;
    g_autoptr(GError) local = NULL;
    if (!start_list(md, type, list))
        return FALSE;
    if (!dk_cursor_u32(&list->cursor, "size of the header", &header_size, &local) ||
        !dk_cursor_u32(&list->cursor, "size of an entry", &stride, &local) ||
        !(wide ? dk_cursor_u64(&list->cursor, "count", &count, &local)
               : dk_cursor_u32(&list->cursor, "count", &count32, &local)))
        return broken_list(md, list, local);
    if (header_size < list->cursor.pos || stride < smallest) {
        dk_minidump_gap(md, "data",
                        "%s at offset " X64
                        ": header of %u and entries of %u bytes, expected at least %" G_GSIZE_FORMAT
                        " and %" G_GSIZE_FORMAT,
                        dk_minidump_stream_name(type), list->cursor.origin, header_size, stride,
                        list->cursor.pos, smallest);
        dk_minidump_list_clear(list);
        return FALSE;
    }
    list->start = header_size;
    list->stride = stride;
    return finish_list(md, list, type, wide ? count : count32, limit);
}

gboolean dk_minidump_list_next(DkMinidumpList *list, void *entry, gsize len)
{
    if (list->at >= list->count)
        return FALSE;
    /* The last entry of a sized list may be cut short of its stride, never of len. */
    if (!dk_cursor_seek(&list->cursor, "entry", list->start + list->at * list->stride, NULL))
        return FALSE;
    const guint8 *raw = dk_cursor_bytes(&list->cursor, "entry", len, NULL);
    if (!raw)
        return FALSE;
    memcpy(entry, raw, len);
    list->at++;
    return TRUE;
}
