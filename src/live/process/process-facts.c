/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/process/process-facts.h"

#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "live/process/proc-files.h"

/* No text that goes into a dump is longer. */
#define TEXT_MAX ((gsize)1 << 20)

static void take_text(DkSubject *subject, const char *name, char *text, gsize len)
{
    if (!text || len > TEXT_MAX) {
        g_free(text);
        return;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(text, len);
    dk_subject_set_text(subject, name, bytes);
}

static void describe_system(const char *root, DkSubject *subject)
{
    struct utsname names;
    if (uname(&names) == 0)
        subject->os_version = g_strdup_printf("Linux %s %s %s", names.release, names.version,
                                              names.machine);
    subject->cpus = (guint)MAX(1, sysconf(_SC_NPROCESSORS_ONLN));
    g_autofree char *path = g_strconcat(root, "/proc/cpuinfo", NULL);
    char *text = NULL;
    gsize len = 0;
    if (g_file_get_contents(path, &text, &len, NULL)) {
        const char *model = strstr(text, "model name");
        const char *colon = model ? strchr(model, ':') : NULL;
        if (colon)
            subject->cpu = g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n")));
        take_text(subject, "linux/cpuinfo", text, len);
    }
    g_autofree char *release = g_strconcat(root, "/etc/os-release", NULL);
    g_autofree char *lsb = g_strconcat(root, "/etc/lsb-release", NULL);
    text = NULL;
    if (g_file_get_contents(lsb, &text, &len, NULL) ||
        g_file_get_contents(release, &text, &len, NULL))
        take_text(subject, "linux/lsb-release", text, len);
}

void dk_process_describe(const char *root, pid_t pid, DkSubject *subject)
{
    DkProcess *process = &subject->process;
    g_auto(DkProcStat) stat = {0};
    DkProcStatus status;
    gsize len = 0;
    subject->kind = DK_SUBJECT_PROCESS;
    subject->os = DK_OS_LINUX;
    process->pid = pid;
    describe_system(root, subject);
    if (dk_proc_stat_read(root, pid, 0, &stat, NULL)) {
        process->name = g_steal_pointer(&stat.name);
        process->ppid = stat.ppid;
        process->pgrp = stat.pgrp;
        process->sid = stat.sid;
    }
    if (dk_proc_status_read(root, pid, 0, &status, NULL)) {
        process->uid = status.uid;
        process->gid = status.gid;
        process->ns_pid = status.ns_pid;
    }
    process->exe = dk_proc_link(root, pid, "exe");
    process->command = dk_proc_command(root, pid);
    char *auxv = dk_proc_read(root, pid, "auxv", &len, NULL);
    if (auxv && len)
        process->auxv = g_bytes_new_take(auxv, len);
    else
        g_free(auxv);
    char *text = dk_proc_read(root, pid, "status", &len, NULL);
    take_text(subject, "linux/status", text, len);
}

void dk_process_describe_thread(const char *root, pid_t pid, DkThread *thread)
{
    g_auto(DkProcStat) stat = {0};
    DkProcStatus status;
    if (!dk_proc_stat_read(root, pid, (pid_t)thread->tid, &stat, NULL))
        return;
    g_free(thread->name);
    thread->name = g_steal_pointer(&stat.name);
    thread->state = stat.state;
    thread->user_ns = stat.user_ns;
    thread->system_ns = stat.system_ns;
    if (dk_proc_status_read(root, pid, (pid_t)thread->tid, &status, NULL)) {
        thread->ns_tid = (guint32)status.ns_pid;
        thread->signals_pending = status.signals_pending;
        thread->signals_blocked = status.signals_blocked;
    }
}

void dk_process_describe_late_threads(const char *root, pid_t pid, DkSubject *subject)
{
    for (guint i = 0; i < subject->process.threads->len; i++) {
        DkThread *thread = g_ptr_array_index(subject->process.threads, i);
        if (!thread->name)
            dk_process_describe_thread(root, pid, thread);
    }
}

GArray *dk_process_take_smaps(DkSubject *subject, const GArray *smaps)
{
    GArray *changed = g_array_new(FALSE, FALSE, sizeof(guint));
    GPtrArray *mappings = subject->process.mappings;
    guint at = 0;
    for (guint i = 0; i < mappings->len; i++) {
        DkMapping *mapping = g_ptr_array_index(mappings, i);
        while (at < smaps->len && g_array_index(smaps, DkSmap, at).last < mapping->first)
            at++;
        if (at == smaps->len)
            break;
        /* A mapping that was split or joined since keeps every mark that a part of it had. */
        guint32 before = mapping->flags;
        for (guint j = at; j < smaps->len; j++) {
            const DkSmap *smap = &g_array_index(smaps, DkSmap, j);
            if (smap->first > mapping->last)
                break;
            mapping->flags |= smap->flags;
        }
        if (mapping->flags != before)
            g_array_append_val(changed, i);
    }
    return changed;
}

gboolean dk_process_is_unreadable(const DkMapping *mapping)
{
    return mapping->first >> 63 || mapping->flags & DK_MAP_IO ||
           (mapping->path &&
            (g_str_has_prefix(mapping->path, "[vvar") || g_str_equal(mapping->path, "[vsyscall]")));
}

/* Mappings of one file that follow each other, anonymous ones (.bss) in between left out. */
void dk_process_find_modules(DkSubject *subject)
{
    GPtrArray *mappings = subject->process.mappings;
    g_autoptr(GHashTable) by_path = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) with_code = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        if (!mapping->path)
            continue;
        gboolean vdso = g_str_equal(mapping->path, "[vdso]");
        if (!vdso && (*mapping->path != '/' || mapping->flags & (DK_MAP_SHARED | DK_MAP_IO)))
            continue;
        DkModule *module = g_hash_table_lookup(by_path, mapping->path);
        /* The same file mapped anew from its start is another module, or no module at all. */
        if (module && mapping->file_offset) {
            module->last = MAX(module->last, mapping->last);
        } else {
            module = dk_subject_add_module(subject, mapping->first, mapping->last);
            module->path = g_strdup(mapping->path);
            g_hash_table_replace(by_path, module->path, module);
        }
        if (mapping->flags & DK_MAP_EXEC)
            g_hash_table_add(with_code, module);
    }
    GPtrArray *modules = subject->process.modules;
    for (guint i = modules->len; i-- > 0;) {
        if (!g_hash_table_contains(with_code, g_ptr_array_index(modules, i)))
            g_ptr_array_remove_index(modules, i);
    }
    dk_subject_sort(subject);
}
