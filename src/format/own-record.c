/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/own-record.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"
#include "format/own-machine.h"
#include "format/own-version.h"

#define VERSION 1
#define DEPTH_MAX 8
#define THREADS_MAX 1000000u

gboolean dk_own_keeps_command(const DkSubject *subject)
{
    return g_strcmp0(subject->origin.level, "triage") != 0;
}

/* --- writing --- */

static void put_text(JsonObject *object, const char *name, const char *text)
{
    if (!text)
        return;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_object_set_string_member(object, name, valid);
}

static void put_number(JsonObject *object, const char *name, gint64 value)
{
    if (value >= 0)
        json_object_set_int_member(object, name, value);
}

static void put_address(JsonObject *object, const char *name, guint64 va)
{
    char text[32];
    g_snprintf(text, sizeof text, "0x%" G_GINT64_MODIFIER "x", va);
    json_object_set_string_member(object, name, text);
}

static void put_time(JsonObject *object, gint64 time_us)
{
    if (time_us < 0)
        return;
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autofree char *text = time ? g_date_time_format_iso8601(time) : NULL;
    put_number(object, "time_us", time_us);
    put_text(object, "time", text);
}

static JsonObject *gap_object(const DkGap *gap)
{
    JsonObject *object = json_object_new();
    put_text(object, "what", gap->what);
    if (gap->first <= gap->last) {
        put_address(object, "first", gap->first);
        put_address(object, "last", gap->last);
    }
    if (gap->tid)
        put_number(object, "tid", gap->tid);
    put_text(object, "why", gap->why);
    return object;
}

static void put_gaps(JsonObject *object, const GPtrArray *gaps, guint max)
{
    guint count = gaps ? MIN(gaps->len, max) : 0;
    JsonArray *array = json_array_new();
    for (guint i = 0; i < count; i++)
        json_array_add_object_element(array, gap_object(g_ptr_array_index(gaps, i)));
    json_object_set_array_member(object, "gaps", array);
    if (gaps && gaps->len > count)
        put_number(object, "gaps_dropped", gaps->len - count);
}

static void put_threads(JsonObject *object, const GPtrArray *threads)
{
    JsonArray *array = json_array_new();
    for (guint i = 0; i < threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        const char state[2] = {g_ascii_isprint(thread->state) ? thread->state : 0, 0};
        JsonObject *item = json_object_new();
        put_number(item, "tid", thread->tid);
        if (thread->ns_tid)
            put_number(item, "ns_tid", thread->ns_tid);
        put_text(item, "name", thread->name);
        put_text(item, "state", *state ? state : NULL);
        if (thread->stack_first <= thread->stack_last) {
            put_address(item, "stack_first", thread->stack_first);
            put_address(item, "stack_last", thread->stack_last);
        }
        put_text(item, "missing", thread->missing);
        json_array_add_object_element(array, item);
    }
    json_object_set_array_member(object, "threads", array);
}

static JsonObject *process_object(const DkSubject *subject)
{
    const DkProcess *process = &subject->process;
    JsonObject *object = json_object_new();
    put_number(object, "pid", process->pid);
    put_number(object, "ns_pid", process->ns_pid);
    put_number(object, "ppid", process->ppid);
    put_number(object, "pgrp", process->pgrp);
    put_number(object, "sid", process->sid);
    put_number(object, "uid", process->uid);
    put_number(object, "gid", process->gid);
    put_text(object, "name", process->name);
    put_text(object, "exe", process->exe);
    if (dk_own_keeps_command(subject))
        put_text(object, "command", process->command);
    return object;
}

static GBytes *to_bytes(JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    char *text = json_to_string(node, FALSE);
    return g_bytes_new_take(text, strlen(text));
}

static GBytes *info_with_gaps(const DkSubject *subject, guint gaps_max)
{
    JsonObject *object = json_object_new();
    put_number(object, "version", VERSION);
    put_text(object, "tool", "dumpkit " DK_VERSION);
    put_text(object, "method", subject->origin.method);
    put_text(object, "level", subject->origin.level);
    put_text(object, "comment", subject->origin.comment);
    put_time(object, subject->origin.time_us);
    put_number(object, "pause_ns", subject->origin.pause_ns);
    put_text(object, "machine", dk_machine_name(subject->machine));
    put_text(object, "os", dk_os_name(subject->os));
    put_text(object, "os_version", subject->os_version);
    put_text(object, "cpu", subject->cpu);
    put_number(object, "cpus", subject->cpus);
    put_number(object, "page_size", subject->page_size);
    if (subject->kind == DK_SUBJECT_MACHINE) {
        put_text(object, "kind", "machine");
        json_object_set_object_member(object, "system", dk_own_machine_object(subject));
    } else {
        json_object_set_object_member(object, "process", process_object(subject));
        put_threads(object, subject->process.threads);
    }
    put_gaps(object, subject->gaps, gaps_max);
    return to_bytes(object);
}

GBytes *dk_own_info_write(const DkSubject *subject)
{
    guint max = DK_OWN_GAPS_MAX;
    for (;;) {
        GBytes *bytes = info_with_gaps(subject, max);
        if (g_bytes_get_size(bytes) <= DK_OWN_INFO_MAX || !max)
            return bytes;
        g_bytes_unref(bytes);
        max /= 4;
    }
}

static GBytes *result_with_gaps(const DkDumpSummary *summary, guint gaps_max)
{
    JsonObject *object = json_object_new();
    put_number(object, "version", VERSION);
    json_object_set_boolean_member(object, "complete", summary->complete);
    put_number(object, "pause_ns", summary->pause_ns);
    put_number(object, "duration_ns", summary->duration_ns);
    put_gaps(object, summary->gaps, gaps_max);
    return to_bytes(object);
}

/* The most gaps, none more than `many`, whose text is shorter than size; many is 0 or too many. */
static GBytes *result_that_fits(const DkDumpSummary *summary, guint many, gsize size)
{
    guint low = 0;
    guint high = many;
    GBytes *best = result_with_gaps(summary, 0);
    g_assert(g_bytes_get_size(best) < size);
    while (low + 1 < high) {
        guint middle = low + (high - low) / 2;
        GBytes *bytes = result_with_gaps(summary, middle);
        if (g_bytes_get_size(bytes) < size) {
            g_bytes_unref(best);
            best = bytes;
            low = middle;
        } else {
            g_bytes_unref(bytes);
            high = middle;
        }
    }
    return best;
}

GBytes *dk_own_result_write(const DkDumpSummary *summary, gsize size)
{
    g_assert(size >= 1024);
    /* No gap takes less than 20 bytes, so more than these can never fit. */
    guint most = (guint)MIN(summary->gaps ? summary->gaps->len : 0, size / 20);
    g_autoptr(GBytes) text = result_with_gaps(summary, most);
    if (g_bytes_get_size(text) >= size) {
        g_bytes_unref(text);
        text = result_that_fits(summary, most, size);
    }
    gsize len;
    const void *data = g_bytes_get_data(text, &len);
    char *padded = g_malloc(size);
    memcpy(padded, data, len);
    memset(padded + len, ' ', size - len);
    padded[size - 1] = '\n';
    return g_bytes_new_take(padded, size);
}

/* --- reading --- */

/* json-glib parses nested values by recursion, so a hostile text is refused before. */
static gboolean too_deep(const char *text, gsize len)
{
    guint depth = 0;
    gboolean quoted = FALSE;
    for (gsize i = 0; i < len; i++) {
        char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']') && depth)
            depth--;
        if (depth > DEPTH_MAX)
            return TRUE;
    }
    return FALSE;
}

static JsonNode *parse(const char *what, const char *text, gsize len, GError **error)
{
    while (len && (!text[len - 1] || g_ascii_isspace(text[len - 1])))
        len--;
    if (len > DK_OWN_INFO_MAX || too_deep(text, len)) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s of %" G_GSIZE_FORMAT
                    " bytes: at most %u bytes, nested at most %u deep, are read",
                    what, len, DK_OWN_INFO_MAX, DEPTH_MAX);
        return NULL;
    }
    if (!len || text[0] != '{' || !g_utf8_validate_len(text, len, NULL)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s: not a JSON object in UTF-8", what);
        return NULL;
    }
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) local = NULL;
    JsonNode *root = NULL;
    if (json_parser_load_from_data(parser, text, (gssize)len, &local))
        root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s: %s", what,
                    local ? local->message : "not a JSON object");
        return NULL;
    }
    return json_node_ref(root);
}

/* Each get_ function leaves *value as it is when the member is not there or of another kind. */

static JsonNode *get_node(JsonObject *object, const char *name, GType type)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ? node
                                                                                         : NULL;
}

static void get_number(JsonObject *object, const char *name, gint64 *value)
{
    JsonNode *node = get_node(object, name, G_TYPE_INT64);
    if (node)
        *value = json_node_get_int(node);
}

static void get_u32(JsonObject *object, const char *name, guint32 *value)
{
    gint64 wide = -1;
    get_number(object, name, &wide);
    if (wide >= 0 && wide <= G_MAXUINT32)
        *value = (guint32)wide;
}

static void get_text(JsonObject *object, const char *name, char **value)
{
    JsonNode *node = get_node(object, name, G_TYPE_STRING);
    if (node) {
        g_free(*value);
        *value = json_node_dup_string(node);
    }
}

static gboolean get_address(JsonObject *object, const char *name, guint64 *value)
{
    JsonNode *node = get_node(object, name, G_TYPE_STRING);
    const char *text = node ? json_node_get_string(node) : NULL;
    return text && g_str_has_prefix(text, "0x") &&
           g_ascii_string_to_unsigned(text + 2, 16, 0, G_MAXUINT64, value, NULL);
}

static gboolean check_version(const char *what, JsonObject *object, GError **error)
{
    gint64 version = -1;
    get_number(object, "version", &version);
    if (version == VERSION)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                "%s: version %" G_GINT64_FORMAT ", known is %d", what, version, VERSION);
    return FALSE;
}

static JsonArray *get_array(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *element(JsonArray *array, guint i)
{
    JsonNode *node = json_array_get_element(array, i);
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static void read_gaps(DkSubject *subject, JsonObject *object)
{
    JsonArray *array = get_array(object, "gaps");
    guint count = array ? MIN(json_array_get_length(array), DK_OWN_GAPS_MAX) : 0;
    for (guint i = 0; i < count; i++) {
        JsonObject *item = element(array, i);
        if (!item)
            continue;
        g_autofree char *what = NULL;
        g_autofree char *why = NULL;
        guint64 first = 1;
        guint64 last = 0;
        guint32 tid = 0;
        get_text(item, "what", &what);
        get_text(item, "why", &why);
        get_u32(item, "tid", &tid);
        if (!get_address(item, "first", &first) || !get_address(item, "last", &last)) {
            first = 1;
            last = 0;
        }
        dk_subject_add_gap(subject, what ? what : "unknown", first, last, tid, "%s",
                           why ? why : "not said");
    }
    gint64 dropped = 0;
    get_number(object, "gaps_dropped", &dropped);
    if (dropped > 0)
        dk_subject_add_gap(subject, "gaps", 1, 0, 0,
                           "%" G_GINT64_FORMAT " more gaps were too many for the dump's own record",
                           dropped);
}

static void read_thread(DkThread *thread, JsonObject *item)
{
    g_autofree char *state = NULL;
    get_text(item, "state", &state);
    if (!thread->ns_tid)
        get_u32(item, "ns_tid", &thread->ns_tid);
    if (!thread->name)
        get_text(item, "name", &thread->name);
    if (!thread->state && state && g_ascii_isprint(state[0]))
        thread->state = state[0];
    guint64 first = 1;
    guint64 last = 0;
    if (thread->stack_first > thread->stack_last && get_address(item, "stack_first", &first) &&
        get_address(item, "stack_last", &last) && first <= last) {
        thread->stack_first = first;
        thread->stack_last = last;
    }
    if (!thread->missing && !thread->regs[DK_REGSET_GENERAL])
        get_text(item, "missing", &thread->missing);
}

static void read_threads(DkSubject *subject, JsonObject *object)
{
    JsonArray *array = get_array(object, "threads");
    guint count = array ? MIN(json_array_get_length(array), THREADS_MAX) : 0;
    const GPtrArray *threads = subject->process.threads;
    g_autoptr(GHashTable) by_tid = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < threads->len; i++) {
        DkThread *thread = g_ptr_array_index(threads, i);
        g_hash_table_insert(by_tid, GUINT_TO_POINTER(thread->tid), thread);
    }
    for (guint i = 0; i < count; i++) {
        JsonObject *item = element(array, i);
        gint64 tid = -1;
        if (item)
            get_number(item, "tid", &tid);
        if (tid < 0 || tid > G_MAXUINT32)
            continue;
        DkThread *thread = g_hash_table_lookup(by_tid, GUINT_TO_POINTER((guint)tid));
        if (!thread) {
            thread = dk_subject_add_thread(subject, (guint32)tid);
            g_hash_table_insert(by_tid, GUINT_TO_POINTER((guint)tid), thread);
        }
        read_thread(thread, item);
        if (!thread->regs[DK_REGSET_GENERAL] && !thread->missing)
            thread->missing = g_strdup("the file has no registers of it");
    }
}

static void read_process(DkProcess *process, JsonObject *object)
{
    const struct {
        const char *name;
        gint64 *value;
    } numbers[] = {
        {"pid", &process->pid},   {"ns_pid", &process->ns_pid}, {"ppid", &process->ppid},
        {"pgrp", &process->pgrp}, {"sid", &process->sid},       {"uid", &process->uid},
        {"gid", &process->gid},
    };
    const struct {
        const char *name;
        char **value;
    } texts[] = {{"name", &process->name}, {"exe", &process->exe}, {"command", &process->command}};
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
        /* ppid, pgrp and sid of a fresh subject are 0. */
        if (*numbers[i].value <= 0)
            get_number(object, numbers[i].name, numbers[i].value);
    }
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!*texts[i].value)
            get_text(object, texts[i].name, texts[i].value);
    }
}

gboolean dk_own_info_read(DkSubject *subject, const void *data, gsize len, GError **error)
{
    g_autoptr(JsonNode) root = parse("dumpkit's info", data, len, error);
    if (!root)
        return FALSE;
    JsonObject *object = json_node_get_object(root);
    if (!check_version("dumpkit's info", object, error))
        return FALSE;
    DkOrigin *origin = &subject->origin;
    get_text(object, "tool", &origin->writer);
    get_text(object, "method", &origin->method);
    get_text(object, "level", &origin->level);
    get_text(object, "comment", &origin->comment);
    get_number(object, "time_us", &origin->time_us);
    get_number(object, "pause_ns", &origin->pause_ns);
    if (!subject->os_version)
        get_text(object, "os_version", &subject->os_version);
    if (!subject->cpu)
        get_text(object, "cpu", &subject->cpu);
    if (!subject->cpus)
        get_u32(object, "cpus", &subject->cpus);
    JsonNode *process = json_object_get_member(object, "process");
    if (process && JSON_NODE_HOLDS_OBJECT(process))
        read_process(&subject->process, json_node_get_object(process));
    read_threads(subject, object);
    JsonNode *system = json_object_get_member(object, "system");
    if (subject->kind == DK_SUBJECT_MACHINE && system && JSON_NODE_HOLDS_OBJECT(system))
        dk_own_machine_read(subject, json_node_get_object(system));
    read_gaps(subject, object);
    return TRUE;
}

gboolean dk_own_result_read(DkSubject *subject, const void *data, gsize len, GError **error)
{
    g_autoptr(JsonNode) root = parse("dumpkit's result", data, len, error);
    if (!root)
        return FALSE;
    JsonObject *object = json_node_get_object(root);
    if (!check_version("dumpkit's result", object, error))
        return FALSE;
    JsonNode *complete = get_node(object, "complete", G_TYPE_BOOLEAN);
    if (complete)
        subject->origin.complete = json_node_get_boolean(complete);
    get_number(object, "pause_ns", &subject->origin.pause_ns);
    get_number(object, "duration_ns", &subject->origin.duration_ns);
    read_gaps(subject, object);
    return TRUE;
}
