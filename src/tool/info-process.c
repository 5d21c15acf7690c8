/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `info` says of a process. */
#include "tool/info-lists.h"
#include "tool/info-print.h"

static char *pid_text(const DkProcess *process)
{
    GString *text = g_string_new(NULL);
    if (process->pid >= 0)
        g_string_append_printf(text, "%" G_GINT64_FORMAT, process->pid);
    if (process->ns_pid > 0 && process->ns_pid != process->pid)
        g_string_append_printf(text, " (%" G_GINT64_FORMAT " in its namespace)", process->ns_pid);
    if (text->len && process->ppid > 0)
        g_string_append_printf(text, ", parent %" G_GINT64_FORMAT, process->ppid);
    return g_string_free(text, FALSE);
}

static char *user_text(const DkProcess *process)
{
    if (process->uid < 0)
        return g_strdup("");
    if (process->gid < 0)
        return g_strdup_printf("uid %" G_GINT64_FORMAT, process->uid);
    return g_strdup_printf("uid %" G_GINT64_FORMAT ", gid %" G_GINT64_FORMAT, process->uid,
                           process->gid);
}

char *dk_info_system_text(const DkSubject *subject)
{
    GString *text = g_string_new(NULL);
    const char *os = dk_os_name(subject->os);
    const char *version = dk_or_empty(subject->os_version);
    /* uname's line begins with the name of the system. */
    if (!g_str_has_prefix(version, os))
        g_string_append_printf(text, "%s%s", os, *version ? " " : "");
    g_string_append_printf(text, "%s on %s", version, dk_machine_name(subject->machine));
    if (subject->cpus)
        g_string_append_printf(text, ", %u CPU%s", subject->cpus, subject->cpus == 1 ? "" : "s");
    if (subject->cpu)
        g_string_append_printf(text, " (%s)", subject->cpu);
    return g_string_free(text, FALSE);
}

void dk_info_json_system(DkOut *out, const DkSubject *subject)
{
    dk_out_begin_object(out, "system");
    dk_out_string(out, "os", dk_os_name(subject->os));
    dk_out_string(out, "os_version", subject->os_version);
    dk_out_string(out, "machine", dk_machine_name(subject->machine));
    dk_out_string(out, "cpu", subject->cpu);
    dk_out_int(out, "cpus", subject->cpus);
    dk_out_int(out, "page_size", subject->page_size);
    dk_out_end(out);
}

static void json_exception(DkOut *out, const DkException *exception, const char *reason)
{
    if (!exception->valid) {
        dk_out_string(out, "exception", NULL);
        return;
    }
    dk_out_begin_object(out, "exception");
    dk_out_int(out, "tid", exception->tid);
    dk_out_hex(out, "code", exception->code);
    dk_out_hex(out, "flags", exception->flags);
    dk_out_hex(out, "address", exception->address);
    dk_out_string(out, "reason", reason);
    dk_out_begin_array(out, "parameters");
    for (guint i = 0; i < exception->nparams && i < G_N_ELEMENTS(exception->params); i++)
        dk_out_hex(out, NULL, exception->params[i]);
    dk_out_end(out);
    dk_out_end(out);
}

static void json_process(DkOut *out, const DkSubject *subject, const char *reason)
{
    const DkProcess *process = &subject->process;
    dk_out_begin_object(out, "process");
    dk_info_json_known(out, "pid", process->pid);
    dk_info_json_known(out, "ns_pid", process->ns_pid);
    dk_info_json_known(out, "ppid", process->ppid);
    dk_info_json_known(out, "pgrp", process->pgrp);
    dk_info_json_known(out, "sid", process->sid);
    dk_info_json_known(out, "uid", process->uid);
    dk_info_json_known(out, "gid", process->gid);
    dk_out_string(out, "name", process->name);
    dk_out_string(out, "command", process->command);
    dk_out_string(out, "exe", process->exe);
    json_exception(out, &process->exception, reason);
    dk_out_end(out);
    dk_info_json_system(out, subject);
}

void dk_info_process(DkOut *out, DkTarget *target)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkProcess *process = &subject->process;
    g_autofree char *pid = pid_text(process);
    g_autofree char *user = user_text(process);
    g_autofree char *system = dk_info_system_text(subject);
    g_autofree char *reason = dk_target_reason(target);
    json_process(out, subject, reason);
    dk_info_title(out, "Process");
    dk_info_field(out, "name", "%s", dk_or_empty(process->name));
    dk_info_field(out, "pid", "%s", pid);
    dk_info_field(out, "command", "%s", dk_or_empty(process->command));
    dk_info_field(out, "program", "%s", dk_or_empty(process->exe));
    dk_info_field(out, "user", "%s", user);
    dk_info_field(out, "system", "%s", system);
    if (reason && process->exception.tid)
        dk_info_field(out, "reason", "%s, in thread %u", reason, process->exception.tid);
    else
        dk_info_field(out, "reason", "%s", dk_or_empty(reason));
}
