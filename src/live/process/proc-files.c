/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/proc-files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* A flag of /proc/PID/stat. */
#define PF_EXITING 0x4U

/* No file of /proc that we read whole is larger: 70,000 mappings make 10 MB of maps. */
#define PROC_FILE_LIMIT ((gsize)1 << 30)

void dk_proc_stat_clear(DkProcStat *stat)
{
    g_clear_pointer(&stat->name, g_free);
}

gboolean dk_proc_is_ending(const DkProcStat *stat)
{
    return stat->state == 'Z' || stat->state == 'X' || stat->flags & PF_EXITING;
}

static char *read_whole(const char *path, gsize *len, GError **error)
{
    dk_autofd int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "%s", path);
        return NULL;
    }
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 piece[16384];
    for (;;) {
        gssize got = read(fd, piece, sizeof piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            dk_error_set_errno(error, errno, "%s", path);
            return NULL;
        }
        if (got == 0)
            break;
        if (bytes->len + (gsize)got > PROC_FILE_LIMIT) {
            g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: longer than 1 GiB", path);
            return NULL;
        }
        g_byte_array_append(bytes, piece, (guint)got);
    }
    if (len)
        *len = bytes->len;
    guint8 nul = 0;
    g_byte_array_append(bytes, &nul, 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

char *dk_proc_read(const char *root, pid_t pid, const char *name, gsize *len, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/%s", root, (int)pid, name);
    return read_whole(path, len, error);
}

static char *read_task(const char *root, pid_t pid, pid_t tid, const char *name, GError **error)
{
    g_autofree char *path = NULL;
    if (tid)
        path = g_strdup_printf("%s/proc/%d/task/%d/%s", root, (int)pid, (int)tid, name);
    else
        path = g_strdup_printf("%s/proc/%d/%s", root, (int)pid, name);
    return read_whole(path, NULL, error);
}

gboolean dk_proc_stat_read(const char *root, pid_t pid, pid_t tid, DkProcStat *stat, GError **error)
{
    g_autofree char *text = read_task(root, pid, tid, "stat", error);
    if (!text)
        return FALSE;
    /* The name may hold blanks and parentheses, so the last ")" ends it. */
    char *open_at = strchr(text, '(');
    char *close_at = strrchr(text, ')');
    guint64 utime = 0;
    guint64 stime = 0;
    guint64 start = 0;
    char state = 0;
    int ppid = 0;
    int pgrp = 0;
    int sid = 0;
    guint flags = 0;
    int exit_signal = 0;
    if (!open_at || !close_at || close_at < open_at ||
        sscanf(close_at + 1,
               " %c %d %d %d %*d %*d %u %*u %*u %*u %*u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT
               " %*d %*d %*d %*d %*d %*d %" G_GUINT64_FORMAT
               " %*u %*d %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %d",
               &state, &ppid, &pgrp, &sid, &flags, &utime, &stime, &start, &exit_signal) < 8) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "/proc/%d/stat does not parse", (int)pid);
        return FALSE;
    }
    guint64 tick_ns = G_GUINT64_CONSTANT(1000000000) / (guint64)MAX(1, sysconf(_SC_CLK_TCK));
    *stat = (DkProcStat){
        .name = g_strndup(open_at + 1, (gsize)(close_at - open_at - 1)),
        .state = state,
        .ppid = ppid,
        .pgrp = pgrp,
        .sid = sid,
        .flags = flags,
        .user_ns = utime * tick_ns,
        .system_ns = stime * tick_ns,
        .start_ticks = start,
        .exit_signal = exit_signal,
    };
    return TRUE;
}

/* The rest of the line that begins with key, behind blanks; NULL when there is none. */
static const char *line_value(const char *text, const char *key)
{
    gsize len = strlen(key);
    for (const char *line = text; line && *line;) {
        if (!strncmp(line, key, len)) {
            line += len;
            while (*line == ' ' || *line == '\t')
                line++;
            return line;
        }
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return NULL;
}

static guint64 line_number(const char *text, const char *key, guint base, guint64 otherwise)
{
    const char *value = line_value(text, key);
    return value ? g_ascii_strtoull(value, NULL, base) : otherwise;
}

gboolean dk_proc_status_read(const char *root, pid_t pid, pid_t tid, DkProcStatus *status,
                             GError **error)
{
    g_autofree char *text = read_task(root, pid, tid, "status", error);
    if (!text)
        return FALSE;
    *status = (DkProcStatus){
        .tracer = (pid_t)line_number(text, "TracerPid:", 10, 0),
        .threads = (guint)line_number(text, "Threads:", 10, 1),
        .seccomp = (gint)line_number(text, "Seccomp:", 10, (guint64)-1),
        .vm_size = line_number(text, "VmSize:", 10, 0) * 1024,
        .rss = line_number(text, "VmRSS:", 10, 0) * 1024,
        .swap = line_number(text, "VmSwap:", 10, 0) * 1024,
        .page_tables = line_number(text, "VmPTE:", 10, 0) * 1024,
        .uid = (gint64)line_number(text, "Uid:", 10, (guint64)-1),
        .gid = (gint64)line_number(text, "Gid:", 10, (guint64)-1),
        .signals_pending = line_number(text, "SigPnd:", 16, 0),
        .signals_blocked = line_number(text, "SigBlk:", 16, 0),
        .signals_ignored = line_number(text, "SigIgn:", 16, 0),
        .signals_caught = line_number(text, "SigCgt:", 16, 0),
    };
    const char *inner = line_value(text, "NSpid:");
    while (inner && *inner && *inner != '\n') {
        char *end = NULL;
        status->ns_pid = (pid_t)g_ascii_strtoull(inner, &end, 10);
        if (end == inner)
            break;
        for (inner = end; *inner == ' ' || *inner == '\t';)
            inner++;
    }
    return TRUE;
}

GArray *dk_proc_tasks(const char *root, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/task", root, (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir)
        return NULL;
    GArray *tasks = g_array_new(FALSE, FALSE, sizeof(pid_t));
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        pid_t tid = (pid_t)g_ascii_strtoll(name, NULL, 10);
        if (tid > 0)
            g_array_append_val(tasks, tid);
    }
    return tasks;
}

/* One line of maps up to its end: "first-last perms offset dev inode   path". */
static gboolean parse_map(const char *line, gsize len, DkSubject *subject)
{
    guint64 first = 0;
    guint64 end = 0;
    guint64 offset = 0;
    guint64 inode = 0;
    guint major_id = 0;
    guint minor_id = 0;
    char perms[5] = "";
    int path_at = 0;
    char head[128];
    gsize copy = MIN(len, sizeof head - 1);
    memcpy(head, line, copy);
    head[copy] = 0;
    if (sscanf(head,
               "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x %4s %" G_GINT64_MODIFIER
               "x %x:%x %" G_GUINT64_FORMAT "%n",
               &first, &end, perms, &offset, &major_id, &minor_id, &inode, &path_at) < 7 ||
        end <= first || !path_at)
        return FALSE;
    DkMapping *mapping = dk_subject_add_mapping(subject, first, end - 1);
    mapping->flags = (perms[0] == 'r' ? DK_MAP_READ : 0U) | (perms[1] == 'w' ? DK_MAP_WRITE : 0U) |
                     (perms[2] == 'x' ? DK_MAP_EXEC : 0U) | (perms[3] == 's' ? DK_MAP_SHARED : 0U);
    mapping->file_offset = offset;
    mapping->inode = inode;
    mapping->device = makedev(major_id, minor_id);
    const char *path = line + path_at;
    const char *stop = line + len;
    while (path < stop && *path == ' ')
        path++;
    if (path < stop) {
        static const char gone[] = " (deleted)";
        mapping->path = g_strndup(path, (gsize)(stop - path));
        if (*mapping->path == '/' && g_str_has_suffix(mapping->path, gone)) {
            mapping->path[strlen(mapping->path) - strlen(gone)] = 0;
            mapping->flags |= DK_MAP_DELETED;
        }
    }
    if (!inode && !(mapping->flags & DK_MAP_SHARED))
        mapping->flags |= DK_MAP_ANON;
    return TRUE;
}

gboolean dk_proc_maps_parse(const char *text, DkSubject *subject, GError **error)
{
    guint number = 0;
    while (*text) {
        const char *end = strchrnul(text, '\n');
        number++;
        if (end > text && !parse_map(text, (gsize)(end - text), subject)) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "line %u of maps is not \"first-last perms offset device inode path\"",
                        number);
            return FALSE;
        }
        text = *end ? end + 1 : end;
    }
    return TRUE;
}

void dk_proc_find_stack(const DkSubject *subject, guint64 *first, guint64 *last)
{
    *first = 1;
    *last = 0;
    for (guint i = 0; i < subject->process.mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(subject->process.mappings, i);
        if (mapping->path && g_str_equal(mapping->path, "[stack]")) {
            *first = mapping->first;
            *last = mapping->last;
        }
    }
}

static guint32 vm_flags(const char *words)
{
    /* Two letters each, see proc(5), "VmFlags". */
    static const struct {
        char word[4];
        guint32 flag;
    } known[] = {
        {"dd ", DK_MAP_DONTDUMP}, {"dc ", DK_MAP_DONTFORK}, {"wf ", DK_MAP_WIPEONFORK},
        {"io ", DK_MAP_IO},       {"pf ", DK_MAP_IO},       {"ht ", DK_MAP_HUGETLB},
    };
    guint32 flags = 0;
    const char *end = strchrnul(words, '\n');
    for (const char *at = words; at + 2 <= end; at++) {
        for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
            if (at[0] == known[i].word[0] && at[1] == known[i].word[1] &&
                (at + 2 == end || at[2] == ' '))
                flags |= known[i].flag;
        }
        at = memchr(at, ' ', (gsize)(end - at));
        if (!at)
            break;
    }
    return flags;
}

/* Adds the number of a line such as "Rss:    12 kB" to the sum that it belongs to. */
static void add_up(const char *line, DkProcSums *sums)
{
    const struct {
        const char *key;
        guint64 *sum;
    } known[] = {
        {"Rss:", &sums->rss},
        {"Anonymous:", &sums->anonymous},
        {"AnonHugePages:", &sums->huge},
        {"Swap:", &sums->swap},
    };
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        gsize len = strlen(known[i].key);
        if (!strncmp(line, known[i].key, len))
            *known[i].sum += g_ascii_strtoull(line + len, NULL, 10) * 1024;
    }
}

GArray *dk_proc_smaps(const char *root, pid_t pid, DkProcSums *sums, GError **error)
{
    DkProcSums total = {0};
    g_autofree char *path = g_strdup_printf("%s/proc/%d/smaps", root, (int)pid);
    FILE *file = fopen(path, "re");
    if (!file) {
        dk_error_set_errno(error, errno, "%s", path);
        return NULL;
    }
    GArray *smaps = g_array_new(FALSE, TRUE, sizeof(DkSmap));
    char *line = NULL;
    gsize room = 0;
    while (getline(&line, &room, file) > 0) {
        guint64 first = 0;
        guint64 end = 0;
        if (g_ascii_isxdigit(line[0]) && !g_ascii_isupper(line[0]) &&
            sscanf(line, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x ", &first, &end) == 2 &&
            end > first) {
            DkSmap smap = {.first = first, .last = end - 1};
            g_array_append_val(smaps, smap);
        } else if (smaps->len && g_str_has_prefix(line, "VmFlags: ")) {
            const char *words = line + strlen("VmFlags: ");
            g_array_index(smaps, DkSmap, smaps->len - 1).flags = vm_flags(words);
        } else {
            add_up(line, &total);
        }
    }
    free(line);
    fclose(file);
    if (sums)
        *sums = total;
    return smaps;
}

gboolean dk_sys_number(const char *root, const char *path, gint64 *value)
{
    g_autofree char *full = g_strconcat(root, path, NULL);
    g_autofree char *text = read_whole(full, NULL, NULL);
    char *end = NULL;
    if (!text)
        return FALSE;
    gint64 number = g_ascii_strtoll(text, &end, 10);
    if (end == text)
        return FALSE;
    *value = number;
    return TRUE;
}

char *dk_proc_link(const char *root, pid_t pid, const char *name)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d/%s", root, (int)pid, name);
    char *to = g_file_read_link(path, NULL);
    if (to && g_str_has_suffix(to, " (deleted)"))
        to[strlen(to) - strlen(" (deleted)")] = 0;
    return to;
}

char *dk_proc_command(const char *root, pid_t pid)
{
    gsize len = 0;
    g_autofree char *text = dk_proc_read(root, pid, "cmdline", &len, NULL);
    if (!text)
        return NULL;
    while (len && !text[len - 1])
        len--;
    if (!len)
        return NULL;
    for (gsize i = 0; i < len; i++) {
        if (!text[i])
            text[i] = ' ';
    }
    return g_strndup(text, len);
}
