/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of a stream: device sections, whose lengths only the description behind them gives, the
 * end mark, and the description.
 */
#include "proto/qevm/qevm-parser.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "proto/qevm/vmstate.h"

/* Bytes in front of the description's text: end mark, type, length. */
#define DESCRIPTION_HEAD 6

/*
 * Finds the description: an end mark, its type, a length that reaches to the end of what there is
 * (or before it, if no other fits) and a text that begins as JSON does.
 */
static gboolean find_description(const guint8 *bytes, gsize len, gsize *start, gsize *size)
{
    gboolean found = FALSE;
    const guint8 *next = bytes;
    while ((next = memchr(next, '{', len - (gsize)(next - bytes)))) {
        gsize pos = (gsize)(next - bytes);
        guint32 text = 0;
        if (pos >= DESCRIPTION_HEAD) {
            memcpy(&text, next - 4, sizeof text);
            text = GUINT32_FROM_BE(text);
        }
        if (pos >= DESCRIPTION_HEAD && next[-6] == QEVM_EOF && next[-5] == QEVM_VMDESCRIPTION &&
            text > 2 && text <= len - pos && next[1] == '"' && next[text - 1] == '}') {
            gboolean exact = text == len - pos;
            if (exact || !found) {
                *start = pos;
                *size = text;
                found = TRUE;
            }
            if (exact) {
                break;
            }
        }
        next++;
    }
    return found;
}

/* The head of a device section: name goes to *name (fresh), the rest to device. */
static gboolean read_head(DkCursor *cursor, guint32 *section, char **name, DkQevmDevice *device,
                          GError **error)
{
    guint8 len = 0;
    const guint8 *text = NULL;
    if (!dk_cursor_u32(cursor, "section number", section, error) ||
        !dk_cursor_u8(cursor, "length of the name", &len, error) ||
        !(text = dk_cursor_bytes(cursor, "name", len, error)) ||
        !dk_cursor_u32(cursor, "instance", &device->instance, error) ||
        !dk_cursor_u32(cursor, "version", &device->version, error)) {
        return FALSE;
    }
    g_autofree char *raw = g_strndup((const char *)text, len);
    *name = g_strescape(raw, NULL);
    device->name = *name;
    return TRUE;
}

/* The device in the description, from *index on; some were told before the memory. */
static gboolean match_device(const DkVmstate *vmstate, const DkQevmDevice *device, guint *index)
{
    for (guint i = *index; i < dk_vmstate_devices(vmstate); i++) {
        guint32 instance = 0;
        const char *name = dk_vmstate_device_name(vmstate, i, &instance);
        if (instance == device->instance && g_str_equal(name, device->name)) {
            *index = i;
            return TRUE;
        }
    }
    return FALSE;
}

static gboolean read_footer(const DkQevm *qevm, DkCursor *cursor, guint32 section, GError **error)
{
    guint8 type = 0;
    guint32 footer = 0;
    if (!qevm->footers) {
        return TRUE;
    }
    guint64 off = dk_cursor_off(cursor);
    if (!dk_cursor_u8(cursor, "footer", &type, error) ||
        !dk_cursor_u32(cursor, "footer", &footer, error)) {
        return FALSE;
    }
    if (type != QEVM_FOOTER || footer != section) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off,
                         "the footer of section %u is not where the description puts it", section);
    }
    return TRUE;
}

/* The device sections up to the end mark.  *callback says whose the error is. */
static gboolean read_devices(DkQevm *qevm, DkVmstate *vmstate, DkCursor *cursor, guint *devices,
                             gboolean *callback, GError **error)
{
    guint index = 0;
    for (;;) {
        guint64 off = dk_cursor_off(cursor);
        guint8 type = 0;
        if (!dk_cursor_u8(cursor, "type of a section", &type, error)) {
            return FALSE;
        }
        if (type == QEVM_EOF) {
            return TRUE;
        }
        if (type != QEVM_SECTION_FULL) {
            return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off,
                             "a byte of type 0x%02x, where a device was expected", type);
        }
        guint32 section = 0;
        g_autofree char *name = NULL;
        DkQevmDevice device = {0};
        if (!read_head(cursor, &section, &name, &device, error)) {
            return FALSE;
        }
        if (!match_device(vmstate, &device, &index)) {
            return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off,
                             "the device \"%s\" %u is not described", name, device.instance);
        }
        device.vmstate = vmstate;
        device.index = index;
        device.data = cursor->data + cursor->pos;
        device.stream_off = dk_cursor_off(cursor);
        if (!dk_vmstate_walk(vmstate, index, device.data, dk_cursor_left(cursor), NULL, NULL,
                             &device.len, error)) {
            g_prefix_error(error,
                           "%s: device \"%s\" at offset 0x%" G_GINT64_MODIFIER "x: ", qevm->name,
                           name, device.stream_off);
            return FALSE;
        }
        if (!dk_cursor_bytes(cursor, "device", device.len, error) ||
            !read_footer(qevm, cursor, section, error)) {
            return FALSE;
        }
        index++;
        ++*devices;
        if (qevm->callbacks->device && !qevm->callbacks->device(&device, qevm->data, error)) {
            *callback = TRUE;
            return FALSE;
        }
    }
}

/*
 * Whether the bytes, without a description, end as a stream does.  Machines whose sections have
 * footers (2.4) are younger than the description (2.3), so that theirs has been cut off.
 */
static gboolean ends_whole(const DkQevm *qevm, const guint8 *bytes, gsize len)
{
    return !qevm->footers && len > 0 && bytes[len - 1] == QEVM_EOF;
}

gboolean qevm_state_end(DkQevm *qevm, DkQevmEnd *end, GError **error)
{
    if (qevm->want != QEVM_WANT_STATE) {
        end->no_devices = "the stream ends before them";
        return FALSE;
    }
    if (!qevm->state) {
        end->no_devices = "their state takes more than 16 MiB";
        end->whole = TRUE; /* as far as anyone can tell: what was passed over is not known */
        return TRUE;
    }
    const guint8 *bytes = qevm->state->data;
    gsize start = 0;
    gsize size = 0;
    if (!find_description(bytes, qevm->state->len, &start, &size)) {
        end->whole = ends_whole(qevm, bytes, qevm->state->len);
        end->no_devices = end->whole ? "the stream has no description of them"
                                     : "the stream ends inside them";
        return end->whole;
    }
    end->whole = TRUE;
    const char *json = (const char *)bytes + start;
    if (qevm->callbacks->description &&
        !qevm->callbacks->description(json, size, qevm->data, error)) {
        return FALSE;
    }
    g_autoptr(GError) failed = NULL;
    g_autoptr(DkVmstate) vmstate = dk_vmstate_new(json, size, &failed);
    if (!vmstate) {
        end->no_devices = qevm->no_devices = g_strdup(failed->message);
        return TRUE;
    }
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes, start - DESCRIPTION_HEAD + 1, qevm->state_off, "devices");
    cursor.big_endian = TRUE;
    gboolean callback = FALSE;
    if (!read_devices(qevm, vmstate, &cursor, &end->devices, &callback, &failed)) {
        if (callback) {
            g_propagate_error(error, g_steal_pointer(&failed));
            return FALSE;
        }
        end->no_devices = qevm->no_devices = g_strdup(failed->message);
    }
    return TRUE;
}
