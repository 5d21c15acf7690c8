/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The background snapshot: a migration that writes the guest's state of one instant into our pipe
 * while the guest runs on.  QEMU copies what the guest is about to overwrite first, so a guest that
 * writes much waits for us: nothing slower than the spool stands between.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/qevm-cpu.h"
#include "live/qemu/guardian-undo.h"
#include "live/qemu/qemu-instant.h"
#include "proto/qevm/qevm.h"
#include "proto/qevm/vmstate.h"

#define PAGE 4096u
#define RUN_MAX (256u << 10)
#define VMCOREINFO_MAX (1u << 20)

/* len bytes at offset of a block stand at pa. */
typedef struct {
    guint64 offset;
    guint64 len;
    guint64 pa;
} Place;

typedef struct {
    DkQemuInstant *instant;
    GPtrArray *blocks; /* of GArray of Place, by the stream's index */
    gboolean *placed;  /* of each range of the plan */
    guint8 *run;       /* pages on their way to the spool, neighbours */
    guint64 run_pa;
    gsize run_len;
    guint64 vmcoreinfo_pa;
    guint64 vmcoreinfo_size;
    DkQevm *qevm;
} Taker;

/* The stream names a block of a device by the device's path and the region's name. */
static gboolean is_block_of(const DkQemuRange *range, const DkQevmBlock *block)
{
    gsize len = strlen(block->id);
    gsize name = strlen(range->block);
    guint64 size = range->last - range->first + 1;
    if (range->offset > block->size || size > block->size - range->offset)
        return FALSE;
    return strcmp(block->id, range->block) == 0 ||
           (len > name && block->id[len - name - 1] == '/' &&
            strcmp(block->id + len - name, range->block) == 0);
}

static gboolean take_block(guint index, const DkQevmBlock *block, gpointer data, GError **error)
{
    Taker *taker = data;
    const GPtrArray *ranges = taker->instant->plan->ranges;
    GArray *places = g_array_new(FALSE, FALSE, sizeof(Place));
    for (guint i = 0; i < ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(ranges, i);
        if (!is_block_of(range, block))
            continue;
        Place place = {range->offset, range->last - range->first + 1, range->first};
        g_array_append_val(places, place);
        taker->placed[i] = TRUE;
    }
    g_ptr_array_add(taker->blocks, places);
    return TRUE;
}

static gboolean take_blocks_done(guint count, gpointer data, GError **error)
{
    Taker *taker = data;
    const GPtrArray *ranges = taker->instant->plan->ranges;
    for (guint i = 0; i < ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(ranges, i);
        if (!taker->placed[i])
            dk_subject_add_gap(taker->instant->subject, "pages", range->first, range->last, 0,
                               "%s is not in QEMU's snapshot", range->block);
    }
    return TRUE;
}

static gboolean flush(Taker *taker, GError **error)
{
    gsize len = taker->run_len;
    taker->run_len = 0;
    return !len || dk_spool_put(taker->instant->spool, taker->run_pa, taker->run, len, error);
}

static gboolean put(Taker *taker, guint64 pa, const guint8 *bytes, gsize len, GError **error)
{
    if ((taker->run_pa + taker->run_len != pa || taker->run_len + len > RUN_MAX) &&
        !flush(taker, error))
        return FALSE;
    if (!taker->run_len)
        taker->run_pa = pa;
    memcpy(taker->run + taker->run_len, bytes, len);
    taker->run_len += len;
    return TRUE;
}

/* The part of offset..offset + len that place has; FALSE for none. */
static gboolean cut(const Place *place, guint64 offset, guint64 len, Place *part)
{
    guint64 first = MAX(offset, place->offset);
    guint64 end = MIN(offset + len, place->offset + place->len);
    if (first >= end)
        return FALSE;
    *part = (Place){first, end - first, place->pa + (first - place->offset)};
    return TRUE;
}

static gboolean take_pages(const DkQevmPages *pages, gpointer data, GError **error)
{
    Taker *taker = data;
    const GArray *places = g_ptr_array_index(taker->blocks, pages->block);
    for (guint i = 0; i < places->len; i++) {
        const Place *place = &g_array_index(places, Place, i);
        for (gsize page = 0; page < pages->count; page++) {
            Place part;
            guint64 offset = pages->offset + (guint64)page * pages->page_size;
            if (!cut(place, offset, pages->page_size, &part))
                continue;
            const guint8 *bytes = pages->data + page * pages->stride + (part.offset - offset);
            if (!put(taker, part.pa, bytes, (gsize)part.len, error))
                return FALSE;
        }
    }
    return TRUE;
}

static gboolean take_fill(guint block, guint64 offset, guint64 len, guint8 fill, gpointer data,
                          GError **error)
{
    Taker *taker = data;
    const GArray *places = g_ptr_array_index(taker->blocks, block);
    for (guint i = 0; i < places->len; i++) {
        Place part;
        if (!cut(&g_array_index(places, Place, i), offset, len, &part))
            continue;
        if (!fill) {
            if (!dk_spool_put_zeros(taker->instant->spool, part.pa, part.len, error))
                return FALSE;
            continue;
        }
        guint8 page[PAGE];
        memset(page, fill, sizeof page);
        for (guint64 done = 0; done < part.len; done += PAGE) {
            if (!put(taker, part.pa + done, page, PAGE, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* QEMU's device that keeps where the guest has its VMCOREINFO. */
static void take_vmcoreinfo(const DkVmstateValue *value, gpointer user)
{
    Taker *taker = user;
    guint64 number;
    if (!dk_vmstate_integer(value, 0, &number))
        return;
    if (g_str_has_suffix(value->path, "vmcoreinfo.paddr"))
        taker->vmcoreinfo_pa = number;
    else if (g_str_has_suffix(value->path, "vmcoreinfo.size"))
        taker->vmcoreinfo_size = number;
}

static gboolean take_device(const DkQevmDevice *device, gpointer data, GError **error)
{
    Taker *taker = data;
    if (strcmp(device->name, "vmcoreinfo") == 0) {
        gsize used;
        if (!dk_vmstate_walk(device->vmstate, device->index, device->data, device->len,
                             take_vmcoreinfo, taker, &used, NULL))
            taker->vmcoreinfo_pa = 0;
    }
    dk_qevm_cpu_take(taker->instant->subject, device);
    return TRUE;
}

static gboolean take_end(const DkQevmEnd *end, gpointer data, GError **error)
{
    Taker *taker = data;
    if (end->no_devices && !taker->instant->subject->system.cpus->len)
        dk_subject_add_gap(taker->instant->subject, "cpu", 1, 0, 0, "%s", end->no_devices);
    return TRUE;
}

static const DkQevmCallbacks callbacks = {
    .block = take_block,
    .blocks_done = take_blocks_done,
    .pages = take_pages,
    .fill = take_fill,
    .device = take_device,
    .end = take_end,
};

static gboolean feed(gpointer data, const guint8 *bytes, gsize len, GError **error)
{
    Taker *taker = data;
    /* Pages are lent for the call only, but put() has copied them. */
    return dk_qevm_feed(taker->qevm, bytes, len, error);
}

/* The guest keeps an ELF note; its text is what others call VMCOREINFO. */
static void read_vmcoreinfo(Taker *taker)
{
    guint64 size = taker->vmcoreinfo_size;
    guint32 namesz;
    guint32 descsz;
    guint32 kind;
    DkCursor cursor;
    if (!taker->vmcoreinfo_pa || size < 12 || size > VMCOREINFO_MAX)
        return;
    g_autofree guint8 *note = g_malloc((gsize)size);
    g_autoptr(DkSpace) space = dk_spool_space(taker->instant->spool);
    if (dk_space_read(space, taker->vmcoreinfo_pa, note, (gsize)size) != size)
        return;
    dk_cursor_init(&cursor, note, (gsize)size, taker->vmcoreinfo_pa, "VMCOREINFO note");
    if (!dk_cursor_u32(&cursor, "namesz", &namesz, NULL) ||
        !dk_cursor_u32(&cursor, "descsz", &descsz, NULL) ||
        !dk_cursor_u32(&cursor, "type", &kind, NULL))
        return;
    const guint8 *name = dk_cursor_bytes(&cursor, "name", namesz, NULL);
    dk_cursor_align(&cursor, 4);
    const guint8 *text = name ? dk_cursor_bytes(&cursor, "text", descsz, NULL) : NULL;
    if (text && namesz >= 10 && memcmp(name, "VMCOREINFO", 10) == 0)
        taker->instant->subject->system.vmcoreinfo = g_bytes_new(text, descsz);
}

static void add_capability(JsonBuilder *builder, const char *name, gboolean state)
{
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, "capability");
    json_builder_add_string_value(builder, name);
    json_builder_set_member_name(builder, "state");
    json_builder_add_boolean_value(builder, state);
    json_builder_end_object(builder);
}

/* What does not go together with a snapshot is off meanwhile; "events" does. */
static gboolean is_to_change(const char *name, gboolean state)
{
    gboolean is_ours = strcmp(name, "background-snapshot") == 0;
    return is_ours ? !state : state && strcmp(name, "events") != 0;
}

/* As json-glib wants it: an array of capabilities, as they are (or as they shall be). */
static JsonNode *capabilities(JsonArray *list, gboolean changed)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_array(builder);
    for (guint i = 0; list && i < json_array_get_length(list); i++) {
        JsonObject *entry = dk_json_node_object(json_array_get_element(list, i));
        const char *name = dk_json_string(entry, "capability");
        gboolean state = dk_json_boolean(entry, "state");
        if (name && is_to_change(name, state))
            add_capability(builder, name, changed ? !state : state);
    }
    json_builder_end_array(builder);
    return json_builder_get_root(builder);
}

/* Promises what is to be undone, then turns the capability on. */
static gboolean prepare(DkQemuInstant *instant, GError **error)
{
    g_autoptr(JsonNode) node = dk_qmp_call(instant->qmp, "query-migrate-capabilities", NULL, error);
    if (!node)
        return FALSE;
    JsonArray *list = dk_json_node_array(node);
    g_autoptr(JsonNode) before = capabilities(list, FALSE);
    g_autofree char *before_text = json_to_string(before, FALSE);
    g_autofree char *undo = g_strdup_printf("[{\"execute\":\"migrate_cancel\"},"
                                            "{\"execute\":\"migrate-set-capabilities\","
                                            "\"arguments\":{\"capabilities\":%s}}]",
                                            before_text);
    if (!dk_qemu_promise(instant, undo, error))
        return FALSE;
    JsonObject *arguments = json_object_new();
    json_object_set_member(arguments, "capabilities", capabilities(list, TRUE));
    return dk_qmp_do(instant->qmp, "migrate-set-capabilities", arguments, error);
}

static gboolean check_status(DkQemuInstant *instant, GError **error)
{
    if (!dk_qemu_wait_idle(instant->qmp, error))
        return FALSE;
    g_autoptr(JsonNode) node = dk_qmp_call(instant->qmp, "query-migrate", NULL, error);
    if (!node)
        return FALSE;
    JsonObject *answer = dk_json_node_object(node);
    const char *status = dk_json_string(answer, "status");
    const char *why = dk_json_string(answer, "error-desc");
    if (g_strcmp0(status, "completed") == 0)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the background snapshot ended as \"%s\": %s",
                instant->plan->target, status ? status : "none", why ? why : "no reason given");
    return FALSE;
}

static gboolean run(DkQemuInstant *instant, Taker *taker, GError **error)
{
    gboolean began = FALSE;
    DkQemuTaker pipe_taker = {feed, taker, TRUE};
    if (!prepare(instant, error))
        return FALSE;
    if (!dk_qemu_carry(instant, "migrate", json_object_new(), "uri", &pipe_taker, &began, error))
        return FALSE;
    /* A stream that was cut short is QEMU's to explain. */
    return check_status(instant, error) && dk_qevm_end(taker->qevm, error) && flush(taker, error);
}

gboolean dk_qemu_snapshot(DkQemuInstant *instant, GError **error)
{
    Taker taker = {.instant = instant};
    taker.blocks = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    taker.placed = g_new0(gboolean, instant->plan->ranges->len);
    taker.run = g_malloc(RUN_MAX);
    taker.qevm = dk_qevm_new(&callbacks, &taker, instant->plan->target, 0);
    gboolean is_done = run(instant, &taker, error);
    is_done = dk_qemu_put_back(instant, error) && is_done;
    if (is_done)
        is_done = dk_qemu_take_events(instant, 0, error);
    if (is_done) {
        dk_qevm_cpu_done(instant->subject);
        read_vmcoreinfo(&taker);
    }
    dk_qevm_free(taker.qevm);
    g_ptr_array_unref(taker.blocks);
    g_free(taker.placed);
    g_free(taker.run);
    return is_done;
}
