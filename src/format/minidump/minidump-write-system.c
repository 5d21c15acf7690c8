/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/sysmacros.h>

#include "format/minidump/minidump-builder.h"
#include "format/own-record.h"

/* The value behind "key\t: " in the first processor of /proc/cpuinfo, or NULL. */
static char *cpuinfo_value(const char *cpuinfo, const char *key)
{
    for (const char *at = strstr(cpuinfo, key); at; at = strstr(at + 1, key)) {
        const char *colon = at + strlen(key);
        while (*colon == '\t' || *colon == ' ')
            colon++;
        if ((at == cpuinfo || at[-1] == '\n') && *colon == ':')
            return g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n")));
    }
    return NULL;
}

static guint64 cpuinfo_number(const char *cpuinfo, const char *key)
{
    g_autofree char *value = cpuinfo_value(cpuinfo, key);
    return value ? g_ascii_strtoull(value, NULL, 10) : 0;
}

static guint count_processors(const char *cpuinfo)
{
    guint count = 0;
    for (const char *at = strstr(cpuinfo, "processor\t"); at; at = strstr(at + 1, "processor\t"))
        count += at == cpuinfo || at[-1] == '\n';
    return count;
}

static char *text_of(GBytes *bytes)
{
    gsize len = 0;
    const char *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
    return g_strndup(data ? data : "", len);
}

static void write_system_info(DkMinidumpBuilder *builder)
{
    const DkSubject *subject = builder->subject;
    g_autofree char *cpuinfo = text_of(dk_subject_text(subject, "linux/cpuinfo"));
    g_autofree char *vendor = cpuinfo_value(cpuinfo, "vendor_id");
    guint cpus = subject->cpus ? subject->cpus : count_processors(cpuinfo);
    MdmpSystemInfo info = {
        .cpu = MDMP_CPU_AMD64,
        .platform = MDMP_OS_LINUX,
        .cpus = (guint8)MIN(cpus, G_MAXUINT8),
        .level = (guint16)cpuinfo_number(cpuinfo, "cpu family"),
        .revision = (guint16)(cpuinfo_number(cpuinfo, "model") << 8 |
                              cpuinfo_number(cpuinfo, "stepping")),
    };
    if (vendor)
        memcpy(info.vendor, vendor, MIN(strlen(vendor), sizeof info.vendor));
    const char *version = subject->os_version ? subject->os_version : "";
    while (*version && !g_ascii_isdigit(*version))
        version++;
    guint32 numbers[3] = {0};
    g_auto(GStrv) words = g_strsplit_set(version, ".- ", 4);
    for (guint i = 0; i < G_N_ELEMENTS(numbers) && words[i]; i++) {
        guint64 value;
        if (!g_ascii_string_to_unsigned(words[i], 10, 0, G_MAXUINT32, &value, NULL))
            break;
        numbers[i] = (guint32)value;
    }
    info.major = numbers[0];
    info.minor = numbers[1];
    info.build = numbers[2];
    info.csd_rva = dk_minidump_put_string(builder, subject->os_version ? subject->os_version : "");
    dk_minidump_add_stream(builder, MDMP_SYSTEM_INFO,
                           dk_minidump_put(builder, &info, sizeof info, 8));
}

static void write_misc_info(DkMinidumpBuilder *builder)
{
    gint64 pid = builder->subject->process.pid;
    if (pid < 0 || pid > G_MAXUINT32)
        return;
    const MdmpMiscInfo info = {
        .size = sizeof info, .flags = MDMP_MISC_PROCESS_ID, .pid = (guint32)pid};
    dk_minidump_add_stream(builder, MDMP_MISC_INFO,
                           dk_minidump_put(builder, &info, sizeof info, 8));
}

static void write_comment(DkMinidumpBuilder *builder)
{
    const char *comment = builder->subject->origin.comment;
    if (!comment || !*comment)
        return;
    g_autofree char *valid = g_utf8_make_valid(comment, -1);
    glong units = 0;
    g_autofree gunichar2 *text = g_utf8_to_utf16(valid, -1, NULL, &units, NULL);
    dk_minidump_add_stream(builder, MDMP_COMMENT_W,
                           dk_minidump_put(builder, text, ((gsize)units + 1) * sizeof *text, 8));
}

static guint32 protection(guint32 flags)
{
    static const guint32 by_bits[8] = {
        MDMP_PAGE_NOACCESS,          MDMP_PAGE_READONLY,          MDMP_PAGE_READWRITE,
        MDMP_PAGE_READWRITE,         MDMP_PAGE_EXECUTE,           MDMP_PAGE_EXECUTE_READ,
        MDMP_PAGE_EXECUTE_READWRITE, MDMP_PAGE_EXECUTE_READWRITE,
    };
    return by_bits[flags & (DK_MAP_READ | DK_MAP_WRITE | DK_MAP_EXEC)];
}

static void write_memory_info(DkMinidumpBuilder *builder)
{
    const GPtrArray *mappings = builder->subject->process.mappings;
    const MdmpMemoryInfoList head = {sizeof head, sizeof(MdmpMemoryInfo), mappings->len};
    guint32 list = dk_minidump_put(builder, &head, sizeof head, 8);
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        const MdmpMemoryInfo raw = {
            .base_va = mapping->first,
            .allocation_va = mapping->first,
            .allocation_protect = protection(mapping->flags),
            .size = mapping->last - mapping->first + 1,
            .state = MDMP_MEM_COMMIT,
            .protect = protection(mapping->flags),
            .type = mapping->flags & DK_MAP_SHARED ? MDMP_MEM_MAPPED : MDMP_MEM_PRIVATE,
        };
        dk_minidump_put(builder, &raw, sizeof raw, 1);
    }
    dk_minidump_add_stream(builder, MDMP_MEMORY_INFO_LIST, list);
}

/* As the kernel writes /proc/PID/maps. */
static void append_map(GString *text, const DkMapping *mapping)
{
    gsize start = text->len;
    g_string_append_printf(
        text,
        "%08" G_GINT64_MODIFIER "x-%08" G_GINT64_MODIFIER "x %c%c%c%c %08" G_GINT64_MODIFIER
        "x %02x:%02x %" G_GUINT64_FORMAT " ",
        mapping->first, mapping->last + 1, mapping->flags & DK_MAP_READ ? 'r' : '-',
        mapping->flags & DK_MAP_WRITE ? 'w' : '-', mapping->flags & DK_MAP_EXEC ? 'x' : '-',
        mapping->flags & DK_MAP_SHARED ? 's' : 'p', mapping->file_offset, major(mapping->device),
        minor(mapping->device), mapping->inode);
    if (mapping->path) {
        while (text->len - start < 73)
            g_string_append_c(text, ' ');
        for (const char *c = mapping->path; *c; c++) {
            if (*c == '\n')
                g_string_append(text, "\\012");
            else
                g_string_append_c(text, *c);
        }
        if (mapping->flags & DK_MAP_DELETED && !g_str_has_suffix(mapping->path, " (deleted)"))
            g_string_append(text, " (deleted)");
    }
    g_string_append_c(text, '\n');
}

static void write_maps(DkMinidumpBuilder *builder)
{
    const GPtrArray *mappings = builder->subject->process.mappings;
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < mappings->len; i++)
        append_map(text, g_ptr_array_index(mappings, i));
    g_autoptr(GBytes) bytes = g_bytes_new(text->str, text->len);
    dk_minidump_add_bytes(builder, MDMP_LINUX_MAPS, bytes);
}

static void write_status(DkMinidumpBuilder *builder)
{
    const DkProcess *process = &builder->subject->process;
    GBytes *status = dk_subject_text(builder->subject, "linux/status");
    if (status) {
        dk_minidump_add_bytes(builder, MDMP_LINUX_PROC_STATUS, status);
        return;
    }
    if (process->pid < 0)
        return;
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text,
                           "Name:\t%s\nTgid:\t%" G_GINT64_FORMAT "\nPid:\t%" G_GINT64_FORMAT
                           "\nPPid:\t%" G_GINT64_FORMAT "\n",
                           process->name ? process->name : "", process->pid, process->pid,
                           process->ppid);
    if (process->uid >= 0)
        g_string_append_printf(text, "Uid:\t%" G_GINT64_FORMAT "\n", process->uid);
    if (process->gid >= 0)
        g_string_append_printf(text, "Gid:\t%" G_GINT64_FORMAT "\n", process->gid);
    g_autoptr(GBytes) bytes = g_bytes_new(text->str, text->len);
    dk_minidump_add_bytes(builder, MDMP_LINUX_PROC_STATUS, bytes);
}

static void write_command(DkMinidumpBuilder *builder)
{
    const char *command = builder->subject->process.command;
    if (!command || !dk_own_keeps_command(builder->subject))
        return;
    g_autoptr(GBytes) bytes = g_bytes_new(command, strlen(command) + 1);
    dk_minidump_add_bytes(builder, MDMP_LINUX_CMD_LINE, bytes);
}

void dk_minidump_write_system(DkMinidumpBuilder *builder)
{
    const DkSubject *subject = builder->subject;
    write_system_info(builder);
    write_misc_info(builder);
    write_comment(builder);
    write_memory_info(builder);
    dk_minidump_add_bytes(builder, MDMP_LINUX_CPU_INFO, dk_subject_text(subject, "linux/cpuinfo"));
    write_status(builder);
    dk_minidump_add_bytes(builder, MDMP_LINUX_LSB_RELEASE,
                          dk_subject_text(subject, "linux/lsb-release"));
    write_command(builder);
    dk_minidump_add_bytes(builder, MDMP_LINUX_AUXV, subject->process.auxv);
    write_maps(builder);
}
