/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/minidump/minidump-parts.h"
#include "format/utf16.h"

/* Copies the first len bytes of the stream into raw, which was zeroed; the index or -1. */
static gint read_fixed(DkMinidump *md, guint32 type, void *raw, gsize least, gsize len)
{
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, type);
    gsize have = bytes ? g_bytes_get_size(bytes) : 0;
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes ? g_bytes_get_data(bytes, NULL) : NULL, have, 0, "stream");
    const guint8 *at = have >= least ? dk_cursor_bytes(&cursor, "all", MIN(have, len), NULL) : NULL;
    if (!at) {
        if (bytes)
            dk_minidump_gap(md, "data",
                            "the stream %s has %" G_GSIZE_FORMAT
                            " bytes, expected %" G_GSIZE_FORMAT,
                            dk_minidump_stream_name(type), have, least);
        return -1;
    }
    memcpy(raw, at, MIN(have, len));
    return dk_minidump_find(md, type);
}

/* Some writers put feature bits where others have the vendor's letters. */
static char *vendor_name(const MdmpSystemInfo *info)
{
    for (guint i = 0; i < 8; i++) {
        if (!g_ascii_isalpha(info->vendor[i]))
            return NULL;
    }
    g_autofree char *name = g_strndup(info->vendor, sizeof info->vendor);
    return g_utf8_make_valid(name, -1);
}

static void set_machine(DkMinidump *md, const MdmpSystemInfo *info)
{
    DkSubject *subject = md->base.subject;
    switch (info->cpu) {
    case MDMP_CPU_X86:
    case MDMP_CPU_X86_WIN64:
        subject->machine = DK_MACHINE_X86;
        break;
    case MDMP_CPU_AMD64:
        subject->machine = DK_MACHINE_X86_64;
        break;
    case MDMP_CPU_ARM64:
    case MDMP_CPU_ARM64_OLD:
        subject->machine = DK_MACHINE_ARM64;
        break;
    default:
        dk_minidump_gap(md, "regset",
                        "processor architecture %u is not known: no registers can be shown",
                        info->cpu);
        break;
    }
    subject->cpus = info->cpus;
    if (subject->machine != DK_MACHINE_X86 && subject->machine != DK_MACHINE_X86_64)
        return;
    g_autofree char *valid = vendor_name(info);
    if (info->level)
        subject->cpu = g_strdup_printf("%s%sfamily %u model %u stepping %u", valid ? valid : "",
                                       valid ? " " : "", info->level, info->revision >> 8,
                                       info->revision & 0xff);
    else
        subject->cpu = g_steal_pointer(&valid);
}

static void set_os(DkMinidump *md, const MdmpSystemInfo *info)
{
    DkSubject *subject = md->base.subject;
    g_autofree char *csd = dk_minidump_string(md, info->csd_rva);
    g_autofree char *number = g_strdup_printf("%u.%u.%u", info->major, info->minor, info->build);
    switch (info->platform) {
    case MDMP_OS_WIN32S:
    case MDMP_OS_WINDOWS:
    case MDMP_OS_NT:
    case MDMP_OS_CE:
        subject->os = DK_OS_WINDOWS;
        break;
    case MDMP_OS_MACOS:
    case MDMP_OS_IOS:
        subject->os = DK_OS_MACOS;
        break;
    case MDMP_OS_LINUX:
    case MDMP_OS_ANDROID:
        subject->os = DK_OS_LINUX;
        break;
    default:
        subject->os = DK_OS_OTHER;
        break;
    }
    /* Breakpad's text is all of uname, Crashpad's is what follows the numbers. */
    if (subject->os == DK_OS_LINUX && csd &&
        (g_str_has_prefix(csd, "Linux") || g_ascii_isdigit(*csd)))
        subject->os_version = g_steal_pointer(&csd);
    else if (csd)
        subject->os_version = g_strdup_printf("%s%s%s", number, g_ascii_isalnum(*csd) ? " " : "",
                                              csd);
    else
        subject->os_version = g_steal_pointer(&number);
}

void dk_minidump_read_system(DkMinidump *md)
{
    MdmpSystemInfo info = {0};
    gint index = read_fixed(md, MDMP_SYSTEM_INFO, &info, G_STRUCT_OFFSET(MdmpSystemInfo, vendor),
                            sizeof info);
    if (index < 0) {
        dk_minidump_gap(md, "regset", "there is no SystemInfo: machine and system are not known");
        return;
    }
    set_machine(md, &info);
    set_os(md, &info);
    dk_minidump_note(md, index, "%s, %s %s, %u CPUs", dk_machine_name(md->base.subject->machine),
                     dk_os_name(md->base.subject->os), md->base.subject->os_version, info.cpus);
}

static void read_misc_info(DkMinidump *md)
{
    MdmpMiscInfo info = {0};
    gint index = read_fixed(md, MDMP_MISC_INFO, &info, G_STRUCT_OFFSET(MdmpMiscInfo, create_time),
                            sizeof info);
    if (index < 0 || !(info.flags & MDMP_MISC_PROCESS_ID))
        return;
    md->base.subject->process.pid = info.pid;
    dk_minidump_note(md, index, "process %u", info.pid);
}

static void read_comments(DkMinidump *md)
{
    char **comment = &md->base.subject->origin.comment;
    g_autoptr(GBytes) wide = dk_minidump_stream(md, MDMP_COMMENT_W);
    g_autoptr(GBytes) narrow = dk_minidump_stream(md, MDMP_COMMENT_A);
    gsize len = 0;
    const guint8 *data = wide ? g_bytes_get_data(wide, &len) : NULL;
    if (data)
        *comment = dk_utf16_text(data, MIN(len, DK_MINIDUMP_STRING_MAX));
    data = narrow ? g_bytes_get_data(narrow, &len) : NULL;
    if (data && (!*comment || !**comment)) {
        g_autofree char *text = g_strndup((const char *)data, MIN(len, DK_MINIDUMP_STRING_MAX));
        g_free(*comment);
        *comment = g_utf8_make_valid(text, -1);
    }
    if (!*comment || !**comment)
        g_clear_pointer(comment, g_free);
}

static void read_handles(DkMinidump *md)
{
    MdmpHandleData handles = {0};
    gint index = read_fixed(md, MDMP_HANDLE_DATA, &handles, sizeof handles, sizeof handles);
    if (index >= 0)
        dk_minidump_note(md, index, "%u handles", handles.count);
}

static void read_breakpad(DkMinidump *md)
{
    MdmpBreakpadInfo info = {0};
    gint index = read_fixed(md, MDMP_BREAKPAD_INFO, &info, sizeof info, sizeof info);
    if (index < 0)
        return;
    if (info.validity & 2)
        md->first_tid = info.requesting_tid;
    dk_minidump_note(md, index, "dump thread %u, requesting thread %u", info.dump_tid,
                     info.requesting_tid);
}

static const char *guess_writer(const DkMinidump *md)
{
    gboolean breakpad = FALSE;
    for (guint i = 0; i < md->streams->len; i++) {
        guint32 type = g_array_index(md->streams, MdmpDirectory, i).type;
        if (type == MDMP_CRASHPAD_INFO)
            return "Crashpad";
        if (type == MDMP_LLDB_GENERATED)
            return "lldb";
        if (type >= MDMP_MOZILLA_FIRST && type <= MDMP_MOZILLA_LAST)
            return "minidump-writer";
        if (type >= MDMP_BREAKPAD_INFO && type <= MDMP_LINUX_DSO_DEBUG)
            breakpad = TRUE;
    }
    if (breakpad)
        return "Breakpad";
    return md->base.subject->os == DK_OS_WINDOWS ? "MiniDumpWriteDump" : NULL;
}

void dk_minidump_read_misc(DkMinidump *md)
{
    DkOrigin *origin = &md->base.subject->origin;
    read_misc_info(md);
    read_comments(md);
    read_handles(md);
    read_breakpad(md);
    origin->writer = g_strdup(guess_writer(md));
    if (md->header.time)
        origin->time_us = (gint64)md->header.time * G_USEC_PER_SEC;
}
