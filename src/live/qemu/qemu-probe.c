/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live/qemu/qemu-probe.h"

#include <string.h>

#include "base/error.h"
#include "live/mtree.h"
#include "live/qemu/guardian-undo.h"

/* A property of an object as text; NULL when there is none. */
static char *property(DkQmp *qmp, const char *path, const char *name)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "path", path);
    json_object_set_string_member(arguments, "property", name);
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "qom-get", arguments, NULL);
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;
    return json_node_dup_string(node);
}

/* A question that older versions do not know gives NULL without an error. */
static gboolean ask(DkQmp *qmp, const char *command, JsonNode **answer, GError **error)
{
    g_autoptr(GError) own = NULL;
    *answer = dk_qmp_call(qmp, command, NULL, &own);
    if (*answer || g_error_matches(own, DK_ERROR, DK_ERROR_UNSUPPORTED))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&own));
    return FALSE;
}

/* A carrier that does not greet keeps it to itself. */
static char *version_of(DkQmp *qmp)
{
    if (dk_qmp_version(qmp))
        return g_strdup(dk_qmp_version(qmp));
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-version", NULL, NULL);
    JsonObject *version = dk_json_object(dk_json_node_object(node), "qemu");
    if (!version)
        return g_strdup("?");
    return g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT,
                           dk_json_int(version, "major", 0), dk_json_int(version, "minor", 0),
                           dk_json_int(version, "micro", 0));
}

gboolean dk_qemu_probe_guest(DkQmp *qmp, DkQemuPlan *plan, GError **error)
{
    g_autoptr(JsonNode) status = dk_qmp_call(qmp, "query-status", NULL, error);
    if (!status)
        return FALSE;
    plan->running = dk_json_boolean(dk_json_node_object(status), "running");
    plan->status = g_strdup(dk_json_string(dk_json_node_object(status), "status"));
    g_autoptr(JsonNode) name = NULL;
    g_autoptr(JsonNode) target = NULL;
    g_autoptr(JsonNode) cpus = NULL;
    if (!ask(qmp, "query-name", &name, error) || !ask(qmp, "query-target", &target, error) ||
        !ask(qmp, "query-cpus-fast", &cpus, error))
        return FALSE;
    plan->name = g_strdup(dk_json_string(dk_json_node_object(name), "name"));
    plan->arch = g_strdup(dk_json_string(dk_json_node_object(target), "arch"));
    JsonArray *list = dk_json_node_array(cpus);
    plan->cpus = list ? json_array_get_length(list) : 0;
    plan->version = version_of(qmp);
    plan->machine = property(qmp, "/machine", "type");
    if (plan->machine && g_str_has_suffix(plan->machine, "-machine"))
        plan->machine[strlen(plan->machine) - strlen("-machine")] = 0;
    return TRUE;
}

static gboolean refuse_busy(DkQmp *qmp, const char *query, const char *what, GError **error)
{
    g_autoptr(JsonNode) node = NULL;
    if (!ask(qmp, query, &node, error))
        return FALSE;
    const char *status = dk_json_string(dk_json_node_object(node), "status");
    if (!dk_qemu_is_busy_status(status))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_BUSY, "%s is under way (%s: status \"%s\")", what, query,
                status);
    return FALSE;
}

/* Jobs that have ended, and wait to be looked at, disturb nobody. */
static gboolean is_over(const char *status)
{
    return status && (strcmp(status, "concluded") == 0 || strcmp(status, "null") == 0 ||
                      strcmp(status, "aborting") == 0);
}

static gboolean refuse_jobs(DkQmp *qmp, const char *query, const char *name_member, GError **error)
{
    g_autoptr(JsonNode) node = NULL;
    if (!ask(qmp, query, &node, error))
        return FALSE;
    JsonArray *jobs = dk_json_node_array(node);
    for (guint i = 0; jobs && i < json_array_get_length(jobs); i++) {
        JsonObject *job = dk_json_node_object(json_array_get_element(jobs, i));
        const char *kind = dk_json_string(job, "type");
        const char *name = dk_json_string(job, name_member);
        const char *status = dk_json_string(job, "status");
        if (is_over(status))
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_BUSY, "a job of QEMU is under way: %s \"%s\" (%s)",
                    kind ? kind : "job", name ? name : "", status ? status : "running");
        return FALSE;
    }
    return TRUE;
}

gboolean dk_qemu_probe_idle(DkQmp *qmp, GError **error)
{
    return refuse_busy(qmp, "query-migrate", "a migration", error) &&
           refuse_busy(qmp, "query-dump", "a dump of the guest's memory", error) &&
           refuse_jobs(qmp, "query-block-jobs", "device", error) &&
           refuse_jobs(qmp, "query-jobs", "id", error);
}

gboolean dk_qemu_probe_open(DkQmp *qmp, const DkQemuPlan *plan, GError **error)
{
    static const char *const unready[] = {"inmigrate", "restore-vm", "finish-migrate", "colo"};
    for (guint i = 0; plan->status && i < G_N_ELEMENTS(unready); i++) {
        if (strcmp(plan->status, unready[i]) == 0) {
            g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                        "the guest is not all there yet (status \"%s\")", plan->status);
            return FALSE;
        }
    }
    g_autofree char *guarded = property(qmp, "/machine", "confidential-guest-support");
    if (guarded && *guarded) {
        g_autofree char *kind = property(qmp, guarded, "type");
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "this is a confidential guest (%s): its memory is encrypted, and a dump from "
                    "outside would hold ciphertext only",
                    kind ? kind : guarded);
        return FALSE;
    }
    g_autoptr(JsonNode) sev = dk_qmp_call(qmp, "query-sev", NULL, NULL);
    if (dk_json_boolean(dk_json_node_object(sev), "enabled")) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "this is a confidential guest (SEV): its memory is encrypted, and a dump from "
                    "outside would hold ciphertext only");
        return FALSE;
    }
    return TRUE;
}

/* Where pa lies in QEMU; 0 when it does not say. */
static guint64 place_of(DkQmp *qmp, guint64 pa)
{
    g_autofree char *line = g_strdup_printf("gpa2hva 0x%" G_GINT64_MODIFIER "x", pa);
    g_autofree char *text = dk_qmp_human(qmp, line, NULL);
    const char *at = text ? strstr(text, " is 0x") : NULL;
    return at ? g_ascii_strtoull(at + strlen(" is 0x"), NULL, 16) : 0;
}

gboolean dk_qemu_probe_ranges(DkQmp *qmp, DkQemuPlan *plan, GError **error)
{
    g_autoptr(GHashTable) bases = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    g_autofree char *text = dk_qmp_human(qmp, "info mtree -f", error);
    if (!text || !dk_mtree_parse(text, plan->ranges, error))
        return FALSE;
    for (guint i = 0; i < plan->ranges->len; i++) {
        DkQemuRange *range = g_ptr_array_index(plan->ranges, i);
        guint64 *base = g_hash_table_lookup(bases, range->block);
        if (!base) {
            base = g_new0(guint64, 1);
            guint64 va = place_of(qmp, range->first);
            *base = va > range->offset ? va - range->offset : 0;
            g_hash_table_insert(bases, range->block, base);
        }
        range->va = *base ? *base + range->offset : 0;
        plan->ram_size += range->last - range->first + 1;
        plan->highest = range->last;
    }
    return TRUE;
}

char *dk_qemu_probe_snapshot(DkQmp *qmp, const DkQemuPlan *plan)
{
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-migrate-capabilities", NULL, NULL);
    JsonArray *list = dk_json_node_array(node);
    gboolean is_known = FALSE;
    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonObject *entry = dk_json_node_object(json_array_get_element(list, i));
        is_known |= g_strcmp0(dk_json_string(entry, "capability"), "background-snapshot") == 0;
    }
    if (!is_known)
        return g_strdup("this QEMU has no capability \"background-snapshot\"");
    g_autoptr(JsonNode) migration = dk_qmp_call(qmp, "query-migrate", NULL, NULL);
    JsonArray *reasons = dk_json_array(dk_json_node_object(migration), "blocked-reasons");
    if (reasons && json_array_get_length(reasons)) {
        JsonNode *first = json_array_get_element(reasons, 0);
        const char *text = JSON_NODE_HOLDS_VALUE(first) ? json_node_get_string(first) : NULL;
        return g_strdup_printf("the guest cannot be migrated: %s", text ? text : "no reason given");
    }
    /* QEMU 7.2 lets a guest run on after its snapshot, whatever it did before. */
    if (!plan->running)
        return g_strdup("the guest does not run, and a snapshot would make it");
    return NULL;
}

char *dk_qemu_probe_dump(DkQmp *qmp)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-dump-guest-memory-capability", NULL, &error);
    JsonArray *formats = dk_json_array(dk_json_node_object(node), "formats");
    for (guint i = 0; formats && i < json_array_get_length(formats); i++) {
        JsonNode *format = json_array_get_element(formats, i);
        if (JSON_NODE_HOLDS_VALUE(format) && g_strcmp0(json_node_get_string(format), "elf") == 0)
            return NULL;
    }
    return g_strdup(error ? error->message : "QEMU does not dump this machine");
}
