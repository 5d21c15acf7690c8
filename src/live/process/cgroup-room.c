/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/cgroup-room.h"

#include <string.h>

#include "live/process/proc-files.h"

/* The files of one controller; v1 mounts each controller in a folder of its own. */
typedef struct {
    const char *controller;
    const char *v1_dir;
    const char *v1_limit;
    const char *v1_used;
    const char *v2_limit;
    const char *v2_used;
} Controller;

static const Controller pids_controller = {
    "pids", "/sys/fs/cgroup/pids", "pids.max", "pids.current", "pids.max", "pids.current",
};
static const Controller memory_controller = {
    "memory",     "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
    "memory.max", "memory.current",
};

/* Says of one group how much is left; G_MAXINT64 without a limit ("max" does not parse). */
static gint64 room_of(const char *root, const char *dir, const char *path, const char *limit_name,
                      const char *used_name)
{
    g_autofree char *limit_path = g_strdup_printf("%s%s/%s", dir, path, limit_name);
    g_autofree char *used_path = g_strdup_printf("%s%s/%s", dir, path, used_name);
    gint64 limit = 0;
    gint64 used = 0;
    if (!dk_sys_number(root, limit_path, &limit) || !dk_sys_number(root, used_path, &used))
        return G_MAXINT64;
    return limit - used;
}

/* The least room in the group at path and all groups above it. */
static gint64 least_room(const char *root, const char *dir, const char *path,
                         const char *limit_name, const char *used_name)
{
    g_autofree char *at = g_strdup(path);
    gint64 least = G_MAXINT64;
    for (;;) {
        least = MIN(least, room_of(root, dir, at, limit_name, used_name));
        char *slash = strrchr(at, '/');
        if (!slash || !*at)
            return least;
        *slash = 0;
    }
}

/* TRUE when the comma-separated list has the word. */
static gboolean has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)words, word);
}

static gint64 controller_room(const char *root, const char *groups, const Controller *controller)
{
    g_auto(GStrv) lines = g_strsplit(groups, "\n", -1);
    gint64 least = G_MAXINT64;
    for (guint i = 0; lines[i]; i++) {
        /* "id:controllers:path"; v2 has id 0 and no controllers. */
        g_auto(GStrv) parts = g_strsplit(lines[i], ":", 3);
        if (g_strv_length(parts) != 3)
            continue;
        gint64 room = G_MAXINT64;
        if (has_word(parts[1], controller->controller))
            room = least_room(root, controller->v1_dir, parts[2], controller->v1_limit,
                              controller->v1_used);
        else if (!*parts[1])
            room = least_room(root, "/sys/fs/cgroup", parts[2], controller->v2_limit,
                              controller->v2_used);
        least = MIN(least, room);
    }
    return least;
}

char *dk_cgroup_blocker(const char *root, pid_t pid, guint64 anonymous)
{
    g_autofree char *groups = dk_proc_read(root, pid, "cgroup", NULL, NULL);
    if (!groups)
        return NULL;
    gint64 pids = controller_room(root, groups, &pids_controller);
    if (pids < 2)
        return g_strdup_printf("its control group has room for %" G_GINT64_FORMAT
                               " more processes (pids.max), two are needed",
                               MAX(pids, 0));
    gint64 memory = controller_room(root, groups, &memory_controller);
    gint64 need = (gint64)(anonymous / 4 + anonymous / 512 + (1 << 20));
    if (memory < need)
        return g_strdup_printf("its control group has %" G_GINT64_FORMAT
                               " MiB of memory left, up to %" G_GINT64_FORMAT
                               " MiB may be needed while it runs on",
                               MAX(memory, 0) >> 20, (need >> 20) + 1);
    return NULL;
}
