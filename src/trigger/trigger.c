/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trigger/trigger.h"

#include <string.h>

#include "base/error.h"
#include "trigger/trigger-list.h"

#define X(name) extern const DkTrigger dk_trigger_##name;
DK_TRIGGER_LIST(X)
#undef X

#define X(name) &dk_trigger_##name,
static const DkTrigger *const all[] = {DK_TRIGGER_LIST(X) NULL};
#undef X

const DkTrigger *const *dk_triggers(void)
{
    return all;
}

const DkTrigger *dk_trigger_by_kind(const char *kind, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; all[i]; i++) {
        if (strcmp(all[i]->kind, kind) == 0)
            return all[i];
        g_string_append_printf(names, "%s%s", i ? ", " : "", all[i]->kind);
    }
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "no trigger \"%s\": there are %s", kind,
                names->str);
    return NULL;
}

const char *dk_trigger_outcome_name(DkTriggerOutcome outcome)
{
    static const char *const names[] = {
        [DK_TRIGGER_NOTHING] = "nothing",   [DK_TRIGGER_PANICKED] = "panicked",
        [DK_TRIGGER_DUMPING] = "dumping",   [DK_TRIGGER_DUMPED] = "dumped",
        [DK_TRIGGER_REBOOTED] = "rebooted", [DK_TRIGGER_STOPPED] = "stopped",
    };
    return names[outcome];
}

static void step_free(DkTriggerStep *step)
{
    g_free(step->command);
    g_clear_pointer(&step->arguments, json_object_unref);
    g_free(step);
}

GPtrArray *dk_trigger_steps_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
}

void dk_trigger_steps_add(GPtrArray *steps, const char *command, JsonObject *arguments,
                          guint pause_ms)
{
    DkTriggerStep *step = g_new0(DkTriggerStep, 1);
    step->command = g_strdup(command);
    step->arguments = arguments;
    step->pause_ms = pause_ms;
    g_ptr_array_add(steps, step);
}

char *dk_trigger_step_text(const DkTriggerStep *step)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "execute", step->command);
    if (step->arguments)
        json_object_set_object_member(object, "arguments", json_object_ref(step->arguments));
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    return json_to_string(root, FALSE);
}

gboolean dk_trigger_fire_any(DkQmp *qmp, GPtrArray *steps, GError **error)
{
    for (guint i = 0; i < steps->len; i++) {
        const DkTriggerStep *step = g_ptr_array_index(steps, i);
        JsonObject *arguments = step->arguments ? json_object_ref(step->arguments) : NULL;
        g_autoptr(GError) own = NULL;
        if (!dk_qmp_do(qmp, step->command, arguments, &own)) {
            /* QEMU may end with its guest before the last key is released. */
            if (i && g_error_matches(own, DK_ERROR, DK_ERROR_TARGET_GONE))
                return TRUE;
            g_propagate_error(error, g_steal_pointer(&own));
            return FALSE;
        }
        g_usleep((gulong)step->pause_ms * 1000);
    }
    return TRUE;
}

gboolean dk_trigger_fire_running(DkQmp *qmp, GPtrArray *steps, GError **error)
{
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-status", NULL, error);
    if (!node)
        return FALSE;
    JsonObject *answer = dk_json_node_object(node);
    const char *status = dk_json_string(answer, "status");
    if (dk_json_boolean(answer, "running"))
        return dk_trigger_fire_any(qmp, steps, error);
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "the guest does not run (status \"%s\"), so it cannot react",
                status ? status : "unknown");
    return FALSE;
}
