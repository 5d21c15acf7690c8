/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qmp/qmp.h"

#include <string.h>

#include "base/error.h"

struct DkQmp {
    DkQmpTransport *transport;
    guint timeout_ms;
    guint64 next_id;
    char *version;
    GQueue events; /* of DkQmpEvent */
};

void dk_qmp_event_free(DkQmpEvent *event)
{
    if (!event)
        return;
    g_free(event->name);
    g_clear_pointer(&event->data, json_object_unref);
    g_free(event);
}

static JsonNode *member(JsonObject *object, const char *name)
{
    return object ? json_object_get_member(object, name) : NULL;
}

const char *dk_json_string(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node)
               : NULL;
}

gint64 dk_json_int(JsonObject *object, const char *name, gint64 otherwise)
{
    JsonNode *node = member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64
               ? json_node_get_int(node)
               : otherwise;
}

gboolean dk_json_boolean(JsonObject *object, const char *name)
{
    JsonNode *node = member(object, name);
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

JsonObject *dk_json_node_object(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *dk_json_node_array(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

JsonObject *dk_json_object(JsonObject *object, const char *name)
{
    return dk_json_node_object(member(object, name));
}

JsonArray *dk_json_array(JsonObject *object, const char *name)
{
    return dk_json_node_array(member(object, name));
}

/* json-glib parses by recursion, so what is too deep must not get there. */
static gboolean is_shallow(const char *text)
{
    guint depth = 0;
    gboolean in_string = FALSE;
    for (; *text; text++) {
        if (in_string) {
            if (*text == '\\' && text[1])
                text++;
            else if (*text == '"')
                in_string = FALSE;
        } else if (*text == '"') {
            in_string = TRUE;
        } else if (*text == '{' || *text == '[') {
            if (++depth > DK_QMP_DEPTH_MAX)
                return FALSE;
        } else if ((*text == '}' || *text == ']') && depth) {
            depth--;
        }
    }
    return TRUE;
}

static JsonObject *parse(DkQmp *qmp, const char *text, GError **error)
{
    const char *name = qmp->transport->name;
    if (!is_shallow(text)) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: a message nests deeper than %u objects and arrays", name,
                    DK_QMP_DEPTH_MAX);
        return NULL;
    }
    /* GLib's and json-glib's texts are meant to be UTF-8. */
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root = NULL;
    if (g_utf8_validate(text, -1, NULL) && json_parser_load_from_data(parser, text, -1, NULL))
        root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_autofree char *start = g_strndup(text, 60);
        g_autofree char *shown = g_strescape(start, NULL);
        g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                    "%s: a JSON object is expected of the monitor, not \"%s\"", name, shown);
        return NULL;
    }
    return json_object_ref(json_node_get_object(root));
}

static void keep_event(DkQmp *qmp, JsonObject *message)
{
    JsonObject *stamp = dk_json_object(message, "timestamp");
    gint64 seconds = dk_json_int(stamp, "seconds", -1);
    gint64 micro = dk_json_int(stamp, "microseconds", -1);
    DkQmpEvent *event = g_new0(DkQmpEvent, 1);
    event->name = g_strdup(dk_json_string(message, "event"));
    event->time_us = -1;
    if (seconds >= 0 && seconds < G_MAXINT64 / 2000000 && micro >= 0 && micro < 1000000)
        event->time_us = seconds * 1000000 + micro;
    JsonObject *data = dk_json_object(message, "data");
    event->data = data ? json_object_ref(data) : NULL;
    if (g_queue_get_length(&qmp->events) >= DK_QMP_EVENTS_MAX)
        dk_qmp_event_free(g_queue_pop_head(&qmp->events));
    g_queue_push_tail(&qmp->events, event);
}

/* The next message that is no event; NULL in *message when none came in time. */
static gboolean next_answer(DkQmp *qmp, gint64 end_us, JsonObject **message, GError **error)
{
    for (;;) {
        gint64 left_us = end_us - g_get_monotonic_time();
        g_autofree char *text = NULL;
        if (!qmp->transport->ops->receive(
                qmp->transport, left_us > 0 ? (guint)(left_us / 1000) + 1 : 0, &text, error))
            return FALSE;
        *message = NULL;
        if (!text)
            return TRUE;
        g_autoptr(JsonObject) object = parse(qmp, text, error);
        if (!object)
            return FALSE;
        if (!dk_json_string(object, "event")) {
            *message = g_steal_pointer(&object);
            return TRUE;
        }
        keep_event(qmp, object);
    }
}

static gint64 deadline(const DkQmp *qmp)
{
    return g_get_monotonic_time() + (gint64)qmp->timeout_ms * 1000;
}

static gboolean take_greeting(DkQmp *qmp, GError **error)
{
    g_autoptr(JsonObject) message = NULL;
    if (!next_answer(qmp, deadline(qmp), &message, error))
        return FALSE;
    JsonObject *greeting = dk_json_object(message, "QMP");
    if (!greeting) {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: %s", qmp->transport->name,
                    message ? "this is no QMP monitor: its greeting is missing"
                            : "the monitor does not greet");
        return FALSE;
    }
    JsonObject *version = dk_json_object(dk_json_object(greeting, "version"), "qemu");
    qmp->version = g_strdup_printf("%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT,
                                   dk_json_int(version, "major", 0),
                                   dk_json_int(version, "minor", 0),
                                   dk_json_int(version, "micro", 0));
    return dk_qmp_do(qmp, "qmp_capabilities", NULL, error);
}

DkQmp *dk_qmp_new(DkQmpTransport *transport, guint timeout_ms, GError **error)
{
    g_autoptr(DkQmp) qmp = g_new0(DkQmp, 1);
    qmp->transport = transport;
    qmp->timeout_ms = timeout_ms;
    g_queue_init(&qmp->events);
    if (transport->greets && !take_greeting(qmp, error))
        return NULL;
    return g_steal_pointer(&qmp);
}

void dk_qmp_free(DkQmp *qmp)
{
    if (!qmp)
        return;
    dk_qmp_drop_events(qmp);
    dk_qmp_transport_close(qmp->transport);
    g_free(qmp->version);
    g_free(qmp);
}

const char *dk_qmp_version(const DkQmp *qmp)
{
    return qmp->version;
}

int dk_qmp_poll_fd(DkQmp *qmp)
{
    return qmp->transport->ops->poll_fd(qmp->transport);
}

pid_t dk_qmp_peer(DkQmp *qmp)
{
    return qmp->transport->ops->peer ? qmp->transport->ops->peer(qmp->transport) : -1;
}

gboolean dk_qmp_carrier_idle(DkQmp *qmp, GError **error)
{
    return !qmp->transport->ops->idle || qmp->transport->ops->idle(qmp->transport, error);
}

/* Takes arguments. */
static char *command_text(const char *command, const char *id, JsonObject *arguments)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "execute", command);
    json_object_set_string_member(object, "id", id);
    if (arguments)
        json_object_set_object_member(object, "arguments", arguments);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    return json_to_string(root, FALSE);
}

static void set_refusal(DkQmp *qmp, const char *command, JsonObject *refusal, GError **error)
{
    const char *class_name = dk_json_string(refusal, "class");
    const char *text = dk_json_string(refusal, "desc");
    DkErrorCode code = DK_ERROR_PEER;
    if (g_strcmp0(class_name, "CommandNotFound") == 0)
        code = DK_ERROR_UNSUPPORTED;
    else if (g_strcmp0(class_name, "DeviceNotFound") == 0)
        code = DK_ERROR_NOT_FOUND;
    g_set_error(error, DK_ERROR, code, "%s: %s: %s", qmp->transport->name, command,
                text ? text : "refused without a reason");
}

/* The answer to the command with this id; those of commands given up before are passed over. */
static JsonNode *wait_reply(DkQmp *qmp, const char *command, const char *id, GError **error)
{
    gint64 end_us = deadline(qmp);
    for (;;) {
        g_autoptr(JsonObject) message = NULL;
        if (!next_answer(qmp, end_us, &message, error))
            return NULL;
        if (!message) {
            g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: %s is not answered within %u ms",
                        qmp->transport->name, command, qmp->timeout_ms);
            return NULL;
        }
        const char *answered = dk_json_string(message, "id");
        if (answered && strcmp(answered, id) != 0)
            continue;
        JsonObject *refusal = dk_json_object(message, "error");
        if (refusal) {
            set_refusal(qmp, command, refusal, error);
            return NULL;
        }
        JsonNode *value = answered ? member(message, "return") : NULL;
        if (value)
            return json_node_copy(value);
        g_set_error(error, DK_ERROR, DK_ERROR_PEER,
                    "%s: %s: neither \"return\" with our id nor \"error\" in the answer",
                    qmp->transport->name, command);
        return NULL;
    }
}

JsonNode *dk_qmp_call_fd(DkQmp *qmp, const char *command, JsonObject *arguments, int fd,
                         GError **error)
{
    g_autofree char *id = g_strdup_printf("dumpkit-%" G_GUINT64_FORMAT, ++qmp->next_id);
    g_autofree char *text = command_text(command, id, arguments);
    if (!qmp->transport->ops->send(qmp->transport, text, strlen(text), fd, error))
        return NULL;
    return wait_reply(qmp, command, id, error);
}

JsonNode *dk_qmp_call(DkQmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
    return dk_qmp_call_fd(qmp, command, arguments, -1, error);
}

gboolean dk_qmp_do(DkQmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
    g_autoptr(JsonNode) value = dk_qmp_call(qmp, command, arguments, error);
    return value != NULL;
}

gboolean dk_qmp_give_fd(DkQmp *qmp, const char *name, int fd, GError **error)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "fdname", name);
    g_autoptr(JsonNode) value = dk_qmp_call_fd(qmp, "getfd", arguments, fd, error);
    return value != NULL;
}

char *dk_qmp_human(DkQmp *qmp, const char *line, GError **error)
{
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(arguments, "command-line", line);
    g_autoptr(JsonNode) value = dk_qmp_call(qmp, "human-monitor-command", arguments, error);
    if (!value)
        return NULL;
    if (!JSON_NODE_HOLDS_VALUE(value) || json_node_get_value_type(value) != G_TYPE_STRING) {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: human-monitor-command: no text",
                    qmp->transport->name);
        return NULL;
    }
    g_auto(GStrv) pieces = g_strsplit(json_node_get_string(value), "\r", -1);
    return g_strjoinv("", pieces);
}

gboolean dk_qmp_next_event(DkQmp *qmp, guint timeout_ms, DkQmpEvent **event, GError **error)
{
    gint64 end_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    while (g_queue_is_empty(&qmp->events)) {
        gint64 left_us = end_us - g_get_monotonic_time();
        g_autofree char *text = NULL;
        if (!qmp->transport->ops->receive(
                qmp->transport, left_us > 0 ? (guint)(left_us / 1000) + 1 : 0, &text, error))
            return FALSE;
        if (!text)
            break;
        g_autoptr(JsonObject) object = parse(qmp, text, error);
        if (!object)
            return FALSE;
        if (dk_json_string(object, "event"))
            keep_event(qmp, object);
    }
    *event = g_queue_pop_head(&qmp->events);
    return TRUE;
}

gboolean dk_qmp_send_raw(DkQmp *qmp, const char *line, int fd, GError **error)
{
    return qmp->transport->ops->send(qmp->transport, line, strlen(line), fd, error);
}

void dk_qmp_drop_events(DkQmp *qmp)
{
    g_queue_clear_full(&qmp->events, (GDestroyNotify)dk_qmp_event_free);
}
