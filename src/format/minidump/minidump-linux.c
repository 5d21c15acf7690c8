/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/sysmacros.h>

#include "format/minidump/minidump-parts.h"

#define TEXT_LINE_MAX 8192u

/* The next line of the cursor as text without its end, or NULL; NULs in it become blanks. */
static char *next_line(DkCursor *cursor)
{
    gsize left = dk_cursor_left(cursor);
    if (!left)
        return NULL;
    const guint8 *start = cursor->data + cursor->pos;
    const guint8 *newline = memchr(start, '\n', left);
    gsize len = newline ? (gsize)(newline - start) : left;
    const guint8 *at = dk_cursor_bytes(cursor, "line", len + (newline != NULL), NULL);
    if (!at)
        return NULL;
    char *line = g_strndup((const char *)at, MIN(len, TEXT_LINE_MAX));
    return line;
}

static gboolean take_hex(const char **at, char end, guint64 *value)
{
    char *stop;
    if (!g_ascii_isxdigit(**at))
        return FALSE;
    *value = g_ascii_strtoull(*at, &stop, 16);
    if (end && *stop != end)
        return FALSE;
    *at = stop + (end != 0);
    return TRUE;
}

static guint32 parse_flags(const char *perms)
{
    return (perms[0] == 'r' ? DK_MAP_READ : 0) | (perms[1] == 'w' ? DK_MAP_WRITE : 0) |
           (perms[2] == 'x' ? DK_MAP_EXEC : 0) | (perms[3] == 's' ? DK_MAP_SHARED : 0);
}

/* The kernel writes a newline in a path as \012. */
static char *unescape(const char *path)
{
    GString *text = g_string_new(path);
    g_string_replace(text, "\\012", "\n", 0);
    return g_string_free(text, FALSE);
}

static void set_path(DkMapping *mapping, const char *path)
{
    static const char deleted[] = " (deleted)";
    while (*path == ' ')
        path++;
    if (*path) {
        mapping->path = unescape(path);
        if (g_str_has_suffix(mapping->path, deleted)) {
            mapping->path[strlen(mapping->path) - strlen(deleted)] = 0;
            mapping->flags |= DK_MAP_DELETED;
        }
    }
    path = mapping->path;
    if (!(mapping->flags & DK_MAP_SHARED) && !mapping->inode &&
        (!path || g_str_equal(path, "[heap]") || g_str_has_prefix(path, "[stack") ||
         g_str_has_prefix(path, "[anon")))
        mapping->flags |= DK_MAP_ANON;
}

/* A line of /proc/PID/maps: "first-end perms offset major:minor inode path". */
static gboolean parse_map(DkSubject *subject, const char *line)
{
    guint64 first;
    guint64 end;
    guint64 offset;
    guint64 major_id;
    guint64 minor_id;
    const char *at = line;
    if (!take_hex(&at, '-', &first) || !take_hex(&at, ' ', &end) || end <= first)
        return FALSE;
    const char *perms = at;
    if (strnlen(perms, 5) < 5 || perms[4] != ' ')
        return FALSE;
    at += 5;
    if (!take_hex(&at, ' ', &offset) || !take_hex(&at, ':', &major_id) ||
        !take_hex(&at, ' ', &minor_id) || !g_ascii_isdigit(*at))
        return FALSE;
    char *rest;
    guint64 inode = g_ascii_strtoull(at, &rest, 10);
    DkMapping *mapping = dk_subject_add_mapping(subject, first, end - 1);
    mapping->flags = parse_flags(perms);
    mapping->file_offset = offset;
    mapping->device = makedev((guint)major_id, (guint)minor_id);
    mapping->inode = inode;
    set_path(mapping, rest);
    return TRUE;
}

static void keep_text(DkMinidump *md, guint32 type, const char *name)
{
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, type);
    if (bytes)
        dk_subject_set_text(md->base.subject, name, bytes);
}

static void read_maps(DkMinidump *md)
{
    GBytes *bytes = dk_subject_text(md->base.subject, "linux/maps");
    if (!bytes)
        return;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    guint count = 0;
    guint bad = 0;
    dk_cursor_init(&cursor, data, len, 0, "LinuxMaps");
    while (count < DK_MINIDUMP_MAPPINGS_MAX) {
        g_autofree char *line = next_line(&cursor);
        if (!line)
            break;
        if (parse_map(md->base.subject, line))
            count++;
        else if (*line)
            bad++;
    }
    if (bad)
        dk_minidump_gap(md, "mapping", "%u lines of LinuxMaps are no mappings", bad);
    dk_minidump_note(md, dk_minidump_find(md, MDMP_LINUX_MAPS), "%u mappings", count);
}

static void read_status_line(DkProcess *process, const char *line)
{
    static const struct {
        const char *key;
        gsize offset;
    } numbers[] = {
        {"Pid:", G_STRUCT_OFFSET(DkProcess, pid)},
        {"PPid:", G_STRUCT_OFFSET(DkProcess, ppid)},
        {"Uid:", G_STRUCT_OFFSET(DkProcess, uid)},
        {"Gid:", G_STRUCT_OFFSET(DkProcess, gid)},
    };
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (g_str_has_prefix(line, numbers[i].key)) {
            gint64 value = g_ascii_strtoll(line + strlen(numbers[i].key), NULL, 10);
            if (value >= 0)
                *(gint64 *)((char *)process + numbers[i].offset) = value;
        }
    }
    if (g_str_has_prefix(line, "Name:\t") && line[6]) {
        g_free(process->name);
        process->name = g_utf8_make_valid(line + 6, -1);
    } else if (g_str_has_prefix(line, "NSpid:")) {
        /* The last number is that of the innermost namespace. */
        const char *last = strrchr(line, '\t');
        if (last && g_ascii_isdigit(last[1]))
            process->ns_pid = g_ascii_strtoll(last + 1, NULL, 10);
    }
}

static void read_status(DkMinidump *md)
{
    GBytes *bytes = dk_subject_text(md->base.subject, "linux/status");
    if (!bytes)
        return;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "LinuxProcStatus");
    for (;;) {
        g_autofree char *line = next_line(&cursor);
        if (!line)
            break;
        read_status_line(&md->base.subject->process, line);
    }
    dk_minidump_note(md, dk_minidump_find(md, MDMP_LINUX_PROC_STATUS), "process %" G_GINT64_FORMAT,
                     md->base.subject->process.pid);
}

static void read_command(DkMinidump *md)
{
    g_autoptr(GBytes) bytes = dk_minidump_stream(md, MDMP_LINUX_CMD_LINE);
    if (!bytes)
        return;
    gsize len;
    const char *data = g_bytes_get_data(bytes, &len);
    len = MIN(len, DK_MINIDUMP_STRING_MAX);
    while (len && !data[len - 1])
        len--;
    g_autoptr(GString) text = g_string_new_len(data, (gssize)len);
    for (gsize i = 0; i < text->len; i++) {
        if (!text->str[i])
            text->str[i] = ' ';
    }
    if (text->len)
        md->base.subject->process.command = g_utf8_make_valid(text->str, (gssize)text->len);
}

void dk_minidump_read_linux(DkMinidump *md)
{
    keep_text(md, MDMP_LINUX_MAPS, "linux/maps");
    keep_text(md, MDMP_LINUX_PROC_STATUS, "linux/status");
    keep_text(md, MDMP_LINUX_CPU_INFO, "linux/cpuinfo");
    keep_text(md, MDMP_LINUX_LSB_RELEASE, "linux/lsb-release");
    md->base.subject->process.auxv = dk_minidump_stream(md, MDMP_LINUX_AUXV);
    read_status(md);
    read_command(md);
    read_maps(md);
}
