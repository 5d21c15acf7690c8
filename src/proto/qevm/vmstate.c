/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qevm/vmstate.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"

/* Lists and objects inside each other in the text. */
#define NESTING_MAX 256u
/* Fields and elements looked at in all walks over one description. */
#define STEPS_MAX (1u << 24)

struct DkVmstate {
    JsonParser *parser;
    guint page_size;
    GPtrArray *devices; /* of JsonObject, borrowed from the parser */
    guint steps;
};

static gboolean fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "description of the devices: %s%s%s",
                path ? path : "", path && *path ? ": " : "", what);
    return FALSE;
}

/* The parser calls itself for each nesting, so that its depth has to be bounded before. */
static gboolean nesting_ok(const char *json, gsize len)
{
    guint depth = 0;
    gboolean in_string = FALSE;
    for (gsize i = 0; i < len; i++) {
        char c = json[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = FALSE;
            }
        } else if (c == '"') {
            in_string = TRUE;
        } else if (c == '{' || c == '[') {
            if (++depth > NESTING_MAX) {
                return FALSE;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return TRUE;
}

static const char *member_string(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_STRING) {
        return NULL;
    }
    return json_node_get_string(node);
}

/* FALSE when it is not there; negative numbers and what is no integer are as not there. */
static gboolean member_number(JsonObject *object, const char *name, guint64 *value)
{
    JsonNode *node = json_object_get_member(object, name);
    if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 ||
        json_node_get_int(node) < 0) {
        return FALSE;
    }
    *value = (guint64)json_node_get_int(node);
    return TRUE;
}

static JsonArray *member_array(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *member_object(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonObject *element_object(JsonArray *array, guint index)
{
    JsonNode *node = json_array_get_element(array, index);
    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static gboolean take_devices(DkVmstate *vmstate, GError **error)
{
    JsonNode *root = json_parser_get_root(vmstate->parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
        return fail(error, NULL, "it is no object");
    }
    JsonObject *top = json_node_get_object(root);
    guint64 page_size = 0;
    if (member_number(top, "page_size", &page_size) && page_size <= G_MAXUINT) {
        vmstate->page_size = (guint)page_size;
    }
    JsonArray *devices = member_array(top, "devices");
    if (!devices) {
        return fail(error, NULL, "it has no list \"devices\"");
    }
    for (guint i = 0; i < json_array_get_length(devices); i++) {
        JsonObject *device = element_object(devices, i);
        guint64 instance = 0;
        if (!device || !member_string(device, "name") ||
            !member_number(device, "instance_id", &instance)) {
            return fail(error, NULL, "a device has no name or no instance");
        }
        g_ptr_array_add(vmstate->devices, device);
    }
    return TRUE;
}

DkVmstate *dk_vmstate_new(const char *json, gsize len, GError **error)
{
    if (!nesting_ok(json, len)) {
        fail(error, NULL, "it is nested too deeply");
        return NULL;
    }
    g_autoptr(DkVmstate) vmstate = g_new0(DkVmstate, 1);
    vmstate->parser = json_parser_new_immutable();
    vmstate->devices = g_ptr_array_new();
    g_autoptr(GError) failed = NULL;
    if (len > G_MAXINT || !g_utf8_validate(json, (gssize)len, NULL) ||
        !json_parser_load_from_data(vmstate->parser, json, (gssize)len, &failed)) {
        fail(error, NULL, failed ? failed->message : "it is no JSON text");
        return NULL;
    }
    return take_devices(vmstate, error) ? g_steal_pointer(&vmstate) : NULL;
}

void dk_vmstate_free(DkVmstate *vmstate)
{
    if (!vmstate) {
        return;
    }
    g_clear_object(&vmstate->parser);
    g_ptr_array_unref(vmstate->devices);
    g_free(vmstate);
}

guint dk_vmstate_page_size(const DkVmstate *vmstate)
{
    return vmstate->page_size;
}

guint dk_vmstate_devices(const DkVmstate *vmstate)
{
    return vmstate->devices->len;
}

const char *dk_vmstate_device_name(const DkVmstate *vmstate, guint index, guint32 *instance)
{
    JsonObject *device = vmstate->devices->pdata[index];
    guint64 number = 0;
    member_number(device, "instance_id", &number);
    *instance = (guint32)number;
    return member_string(device, "name");
}

gboolean dk_vmstate_integer(const DkVmstateValue *value, gsize element, guint64 *integer)
{
    if (element >= value->count ||
        (value->size != 1 && value->size != 2 && value->size != 4 && value->size != 8)) {
        return FALSE;
    }
    const guint8 *bytes = value->data + element * value->size;
    guint64 result = 0;
    for (gsize i = 0; i < value->size; i++) {
        result = result << 8 | bytes[i];
    }
    *integer = result;
    return TRUE;
}

typedef struct {
    DkVmstate *vmstate;
    DkCursor cursor;
    GString *path;
    guint depth;
    void (*each)(const DkVmstateValue *value, gpointer user);
    gpointer user;
    GError **error;
} Walk;

static gboolean walk_struct(Walk *walk, JsonObject *description);

static gboolean walk_fail(Walk *walk, const char *what)
{
    return fail(walk->error, walk->path->str, what);
}

static gboolean walk_step(Walk *walk)
{
    if (walk->vmstate->steps >= STEPS_MAX) {
        return walk_fail(walk, "it has more values than anyone would send");
    }
    walk->vmstate->steps++;
    return TRUE;
}

static gboolean walk_values(Walk *walk, const char *type, gsize size, gsize count)
{
    gsize left = dk_cursor_left(&walk->cursor);
    if (size > 0 && count > left / size) {
        return walk_fail(walk, "the bytes of the device end before it");
    }
    const guint8 *data = dk_cursor_bytes(&walk->cursor, "value", size * count, walk->error);
    if (!data) {
        return FALSE;
    }
    if (walk->each) {
        DkVmstateValue value = {
            .path = walk->path->str, .type = type, .data = data, .size = size, .count = count};
        walk->each(&value, walk->user);
    }
    return TRUE;
}

/* A field that has parts, or an array of such ones. */
static gboolean walk_parts(Walk *walk, JsonObject *parts, gsize size, gsize count, gboolean array)
{
    gsize path_len = walk->path->len;
    if (walk->depth >= DK_VMSTATE_DEPTH_MAX) {
        return walk_fail(walk, "structures are nested too deeply");
    }
    walk->depth++;
    for (gsize i = 0; i < count; i++) {
        gsize start = walk->cursor.pos;
        if (!walk_step(walk)) {
            return FALSE;
        }
        if (array) {
            g_string_append_printf(walk->path, "[%" G_GSIZE_FORMAT "]", i);
        }
        g_string_append_c(walk->path, '.');
        if (!walk_struct(walk, parts)) {
            return FALSE;
        }
        g_string_truncate(walk->path, path_len);
        if (walk->cursor.pos - start != size) {
            return walk_fail(walk, "its parts do not have the size that it has");
        }
    }
    walk->depth--;
    return TRUE;
}

static gboolean walk_field(Walk *walk, JsonObject *field)
{
    const char *name = member_string(field, "name");
    const char *type = member_string(field, "type");
    guint64 size = 0;
    guint64 count = 1;
    guint64 index = 0;
    if (!name || !type || !member_number(field, "size", &size)) {
        return walk_fail(walk, "a field has no name, type or size");
    }
    gboolean array = member_number(field, "array_len", &count);
    if (count > DK_VMSTATE_ARRAY_MAX || walk->path->len + strlen(name) > DK_VMSTATE_PATH_MAX) {
        return walk_fail(walk, "a field's name or array is too long");
    }
    gsize path_len = walk->path->len;
    g_string_append(walk->path, name);
    if (!array && member_number(field, "index", &index)) {
        g_string_append_printf(walk->path, "[%" G_GUINT64_FORMAT "]", index);
    }
    JsonObject *parts = member_object(field, "struct");
    if (!parts && json_object_has_member(field, "fields")) {
        parts = field;
    }
    gboolean done;
    if (parts) {
        done = walk_parts(walk, parts, size, count, array);
    } else {
        done = walk_values(walk, type, size, count);
    }
    g_string_truncate(walk->path, path_len);
    return done;
}

/* A subsection: its mark, name and version stand in the stream. */
static gboolean walk_subsection(Walk *walk, JsonObject *subsection)
{
    const char *name = member_string(subsection, "vmsd_name");
    if (!name || walk->path->len + strlen(name) > DK_VMSTATE_PATH_MAX ||
        walk->depth >= DK_VMSTATE_DEPTH_MAX) {
        return walk_fail(walk, "a subsection has no name, or is nested too deeply");
    }
    gsize path_len = walk->path->len;
    g_string_append_printf(walk->path, "%s:", name);
    guint8 mark = 0;
    guint8 len = 0;
    guint32 version = 0;
    const guint8 *there = NULL;
    if (!dk_cursor_u8(&walk->cursor, "subsection", &mark, walk->error) ||
        !dk_cursor_u8(&walk->cursor, "subsection", &len, walk->error) ||
        !(there = dk_cursor_bytes(&walk->cursor, "subsection", len, walk->error)) ||
        !dk_cursor_u32(&walk->cursor, "subsection", &version, walk->error)) {
        return FALSE;
    }
    if (mark != 5 || len != strlen(name) || memcmp(there, name, len) != 0) {
        return walk_fail(walk, "the subsection is not there");
    }
    walk->depth++;
    gboolean done = walk_struct(walk, subsection);
    walk->depth--;
    g_string_truncate(walk->path, path_len);
    return done;
}

static gboolean walk_struct(Walk *walk, JsonObject *description)
{
    JsonArray *fields = member_array(description, "fields");
    for (guint i = 0; fields && i < json_array_get_length(fields); i++) {
        JsonObject *field = element_object(fields, i);
        if (!walk_step(walk)) {
            return FALSE;
        }
        if (!field || !walk_field(walk, field)) {
            return field ? FALSE : walk_fail(walk, "a field is no object");
        }
    }
    JsonArray *subsections = member_array(description, "subsections");
    for (guint i = 0; subsections && i < json_array_get_length(subsections); i++) {
        JsonObject *subsection = element_object(subsections, i);
        if (!walk_step(walk)) {
            return FALSE;
        }
        if (!subsection || !walk_subsection(walk, subsection)) {
            return subsection ? FALSE : walk_fail(walk, "a subsection is no object");
        }
    }
    return TRUE;
}

gboolean dk_vmstate_walk(DkVmstate *vmstate, guint index, const guint8 *data, gsize len,
                         void (*each)(const DkVmstateValue *value, gpointer user), gpointer user,
                         gsize *used, GError **error)
{
    g_autoptr(GString) path = g_string_new(NULL);
    Walk walk = {.vmstate = vmstate, .path = path, .each = each, .user = user, .error = error};
    dk_cursor_init(&walk.cursor, data, len, 0, "device");
    walk.cursor.big_endian = TRUE;
    if (!walk_struct(&walk, vmstate->devices->pdata[index])) {
        return FALSE;
    }
    *used = walk.cursor.pos;
    return TRUE;
}
