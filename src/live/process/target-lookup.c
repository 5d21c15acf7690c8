/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/target-lookup.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "live/process/proc-files.h"

#define COMM_MAX 15

gboolean dk_process_target_is(const char *target)
{
    return g_str_has_prefix(target, "pid:") || g_str_has_prefix(target, "name:") ||
           g_str_has_prefix(target, "unit:");
}

static gboolean name_matches(const char *root, pid_t pid, const char *name)
{
    g_auto(DkProcStat) stat = {0};
    if (!dk_proc_stat_read(root, pid, 0, &stat, NULL) || stat.state == 'Z')
        return FALSE;
    /* The kernel cuts names, so a long word can only be compared with the program's file name. */
    if (strlen(name) <= COMM_MAX && g_str_equal(stat.name, name))
        return TRUE;
    g_autofree char *exe = dk_proc_link(root, pid, "exe");
    g_autofree char *base = exe ? g_path_get_basename(exe) : NULL;
    return base && g_str_equal(base, name);
}

/* A line of /proc/PID/cgroup is "id:controllers:/system.slice/nginx.service". */
static gboolean unit_matches(const char *root, pid_t pid, const char *unit)
{
    g_autofree char *text = dk_proc_read(root, pid, "cgroup", NULL, NULL);
    g_auto(GStrv) parts = text ? g_strsplit_set(text, "/\n", -1) : NULL;
    return parts && g_strv_contains((const char *const *)parts, unit);
}

static gint compare_pids(gconstpointer a, gconstpointer b)
{
    pid_t left = *(const pid_t *)a;
    pid_t right = *(const pid_t *)b;
    return (left > right) - (left < right);
}

static GArray *find_all(const char *root, const char *word,
                        gboolean (*matches)(const char *root, pid_t pid, const char *word))
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(pid_t));
    g_autofree char *path = g_strconcat(root, "/proc", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        pid_t pid = (pid_t)g_ascii_strtoll(name, NULL, 10);
        if (pid > 0 && pid != getpid() && matches(root, pid, word))
            g_array_append_val(found, pid);
    }
    g_array_sort(found, compare_pids);
    return found;
}

static GArray *one_pid(const char *word, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(word, 10, 1, G_MAXINT32, &number, NULL)) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "pid:%s: not a process id", word);
        return NULL;
    }
    GArray *found = g_array_new(FALSE, FALSE, sizeof(pid_t));
    pid_t pid = (pid_t)number;
    g_array_append_val(found, pid);
    return found;
}

GArray *dk_process_target_find(const char *root, const char *target, GError **error)
{
    const char *word = strchr(target, ':');
    if (!word || !word[1] || !dk_process_target_is(target)) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "%s: not a process; say pid:N, name:NAME or unit:UNIT", target);
        return NULL;
    }
    word++;
    if (g_str_has_prefix(target, "pid:"))
        return one_pid(word, error);
    g_autoptr(GArray) found = NULL;
    if (g_str_has_prefix(target, "name:")) {
        found = find_all(root, word, name_matches);
    } else {
        g_autofree char *unit = strchr(word, '.') ? g_strdup(word)
                                                  : g_strconcat(word, ".service", NULL);
        found = find_all(root, unit, unit_matches);
    }
    if (found->len)
        return g_steal_pointer(&found);
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "no process matches %s", target);
    return NULL;
}

char *dk_process_target_line(const char *root, pid_t pid)
{
    g_auto(DkProcStat) stat = {0};
    g_autofree char *command = dk_proc_command(root, pid);
    if (!dk_proc_stat_read(root, pid, 0, &stat, NULL))
        return g_strdup_printf("%-8d (ended)", (int)pid);
    return g_strdup_printf("%-8d %-15s %s", (int)pid, stat.name, command ? command : "");
}
