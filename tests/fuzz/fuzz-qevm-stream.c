/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration stream, fed in pieces whose sizes the first byte gives, and in one piece: what comes
 * out has to be the same.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "proto/qevm/qevm.h"
#include "proto/qevm/vmstate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    GChecksum *sum; /* of all that came out */
} Seen;

static void add(Seen *seen, guint64 value)
{
    g_checksum_update(seen->sum, (const guchar *)&value, sizeof value);
}

static gboolean machine(const char *name, gpointer data, GError **error)
{
    add(data, strlen(name));
    return TRUE;
}

static gboolean block(guint index, const DkQevmBlock *told, gpointer data, GError **error)
{
    add(data, index);
    add(data, told->size);
    return TRUE;
}

static gboolean pages(const DkQevmPages *told, gpointer data, GError **error)
{
    for (gsize i = 0; i < told->count; i++) {
        add(data, told->block);
        add(data, told->offset + i * told->page_size);
        add(data, told->stream_off + i * told->stride);
        g_checksum_update(((Seen *)data)->sum, told->data + i * told->stride, told->page_size);
    }
    return TRUE;
}

static gboolean fill(guint index, guint64 offset, guint64 len, guint8 byte, gpointer data,
                     GError **error)
{
    for (guint64 done = 0; done < len; done += 4096) {
        add(data, index);
        add(data, offset + done);
        add(data, byte);
    }
    return TRUE;
}

static void value(const DkVmstateValue *told, gpointer data)
{
    guint64 number = 0;
    for (gsize i = 0; i < MIN(told->count, 16); i++) {
        dk_vmstate_integer(told, i, &number);
    }
    add(data, strlen(told->path) + number);
}

static gboolean device(const DkQevmDevice *told, gpointer data, GError **error)
{
    gsize used = 0;
    add(data, told->len);
    return dk_vmstate_walk(told->vmstate, told->index, told->data, told->len, value, data, &used,
                           error);
}

static gboolean end(const DkQevmEnd *told, gpointer data, GError **error)
{
    add(data, told->bytes);
    add(data, told->whole);
    return TRUE;
}

static const DkQevmCallbacks callbacks = {
    .machine = machine,
    .block = block,
    .pages = pages,
    .fill = fill,
    .device = device,
    .end = end,
};

static char *run(const uint8_t *data, size_t size, size_t step)
{
    Seen seen = {.sum = g_checksum_new(G_CHECKSUM_SHA1)};
    g_autoptr(DkQevm) qevm = dk_qevm_new(&callbacks, &seen, "fuzz", 0);
    g_autoptr(GError) error = NULL;
    gboolean good = TRUE;
    for (size_t done = 0; good && done < size; done += step) {
        size_t len = MIN(step, size - done);
        g_autofree uint8_t *piece = g_memdup2(data + done, len);
        good = dk_qevm_feed(qevm, piece, len, &error);
        g_assert(good == !error);
    }
    if (good && !dk_qevm_end(qevm, &error)) {
        g_assert(error);
    }
    char *text = g_strdup_printf("%s %s", g_checksum_get_string(seen.sum),
                                 error ? error->message : "whole");
    g_checksum_free(seen.sum);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    g_autofree char *whole = run(data + 1, size - 1, size);
    g_autofree char *parts = run(data + 1, size - 1, data[0] == 0 ? 5000 : data[0]);
    g_assert_cmpstr(whole, ==, parts);
    return 0;
}
