/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qevm/qevm.h"

#include <stdarg.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "proto/qevm/qevm-parser.h"

/* A machine type has at most this many characters. */
#define QEVM_MACHINE_MAX 255u
#define QEVM_CAPS_MAX 256u

gboolean qevm_fail(const DkQevm *qevm, GError **error, int code, guint64 off, const char *format,
                   ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DK_ERROR, code, "%s%smigration stream, offset 0x%" G_GINT64_MODIFIER "x: %s",
                qevm->name ? qevm->name : "", qevm->name ? ": " : "", off, text);
    return FALSE;
}

DkQevm *dk_qevm_new(const DkQevmCallbacks *callbacks, gpointer data, const char *name,
                    guint64 origin)
{
    DkQevm *qevm = g_new0(DkQevm, 1);
    qevm->callbacks = callbacks;
    qevm->data = data;
    qevm->name = g_strdup(name);
    qevm->origin = origin;
    qevm->off = origin;
    qevm->gather = g_malloc(DK_QEVM_PAGE_MAX);
    qevm->page_size = 4096;
    qevm->blocks = g_array_new(FALSE, FALSE, sizeof(guint64));
    qevm->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    qevm->state = g_byte_array_new();
    qevm_want(qevm, QEVM_WANT_MAGIC, DK_QEVM_MAGIC_SIZE);
    return qevm;
}

void dk_qevm_free(DkQevm *qevm)
{
    if (!qevm) {
        return;
    }
    g_free(qevm->name);
    g_free(qevm->gather);
    g_free(qevm->no_devices);
    g_array_unref(qevm->blocks);
    g_hash_table_unref(qevm->ids);
    g_clear_pointer(&qevm->state, g_byte_array_unref);
    g_free(qevm);
}

static guint32 be32(const guint8 *bytes)
{
    guint32 value;
    memcpy(&value, bytes, sizeof value);
    return GUINT32_FROM_BE(value);
}

static gboolean take_magic(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    if (memcmp(bytes, DK_QEVM_MAGIC, 4) != 0) {
        return qevm_fail(qevm, error, DK_ERROR_NOT_MINE, qevm->off, "\"QEVM\" is not there");
    }
    if (be32(bytes + 4) != 3) {
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off + 4,
                         "version %u of the stream; 3 is read", be32(bytes + 4));
    }
    qevm_want(qevm, QEVM_WANT_TYPE, 1);
    return TRUE;
}

/* Devices follow until the end; where each ends is known only from the description behind them. */
static void begin_state(DkQevm *qevm, guint8 type)
{
    qevm->ram_ended = TRUE;
    qevm->state_off = qevm->off;
    qevm->open = FALSE;
    g_byte_array_append(qevm->state, &type, 1);
    qevm_want(qevm, QEVM_WANT_STATE, 0);
}

static gboolean take_type(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    guint8 type = bytes[0];
    gboolean early = !qevm->have_ram && !qevm->open;
    switch (type) {
    case QEVM_CONFIGURATION:
        if (early && qevm->off == qevm->origin + DK_QEVM_MAGIC_SIZE) {
            qevm_want(qevm, QEVM_WANT_MACHINE_LEN, 4);
            return TRUE;
        }
        break;
    case QEVM_SUBSECTION:
        if (early) {
            qevm_want(qevm, QEVM_WANT_SUBSECTION_LEN, 1);
            return TRUE;
        }
        break;
    case QEVM_SECTION_START:
    case QEVM_SECTION_FULL:
        if (type == QEVM_SECTION_FULL && qevm->blocks_done) {
            begin_state(qevm, type);
            return TRUE;
        }
        qevm->section_type = type;
        qevm_want(qevm, QEVM_WANT_START_LEN, 5);
        return TRUE;
    case QEVM_SECTION_PART:
    case QEVM_SECTION_END:
        qevm->section_type = type;
        qevm_want(qevm, QEVM_WANT_PART, 4);
        return TRUE;
    case QEVM_FOOTER:
        if (qevm->open) {
            qevm_want(qevm, QEVM_WANT_FOOTER, 4);
            return TRUE;
        }
        break;
    case QEVM_COMMAND:
        qevm_want(qevm, QEVM_WANT_COMMAND, 4);
        return TRUE;
    case QEVM_EOF:
        if (qevm->blocks_done) {
            begin_state(qevm, type);
            return TRUE;
        }
        break;
    default:
        break;
    }
    return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                     "a byte of type 0x%02x, where a section was expected", type);
}

static gboolean take_machine(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    if (qevm->want == QEVM_WANT_MACHINE_LEN) {
        guint32 len = be32(bytes);
        if (len > QEVM_MACHINE_MAX) {
            return qevm_fail(qevm, error, DK_ERROR_LIMIT, qevm->off,
                             "a machine type of %u characters; at most %u are taken", len,
                             QEVM_MACHINE_MAX);
        }
        qevm_want(qevm, QEVM_WANT_MACHINE, len);
        return TRUE;
    }
    g_autofree char *machine = g_strndup((const char *)bytes, qevm->want_len);
    qevm_want(qevm, QEVM_WANT_TYPE, 1);
    return !qevm->callbacks->machine || qevm->callbacks->machine(machine, qevm->data, error);
}

static gboolean begin_subsection(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    g_autofree char *name = g_strndup((const char *)bytes, qevm->want_len - 4);
    if (g_str_equal(name, "configuration/target-page-bits")) {
        qevm_want(qevm, QEVM_WANT_PAGE_BITS, 4);
    } else if (g_str_equal(name, "configuration/capabilities")) {
        qevm_want(qevm, QEVM_WANT_CAPS, 4);
    } else if (g_str_equal(name, "configuration/uuid")) {
        qevm_want(qevm, QEVM_WANT_UUID, 16);
    } else {
        g_autofree char *shown = g_strescape(name, NULL);
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                         "a subsection \"%s\", which is not known", shown);
    }
    return TRUE;
}

static void next_capability(DkQevm *qevm)
{
    if (qevm->caps_left > 0) {
        qevm->caps_left--;
        qevm_want(qevm, QEVM_WANT_CAP_LEN, 1);
    } else {
        qevm_want(qevm, QEVM_WANT_TYPE, 1);
    }
}

static gboolean take_capability(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    g_autofree char *name = g_strndup((const char *)bytes, qevm->want_len);
    if (g_str_equal(name, "mapped-ram")) {
        qevm->mapped = TRUE;
    } else if (g_str_equal(name, "x-ignore-shared")) {
        qevm->shared = TRUE;
    } else {
        g_autofree char *shown = g_strescape(name, NULL);
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                         "the stream was made with the capability \"%s\", which is not known",
                         shown);
    }
    next_capability(qevm);
    return TRUE;
}

static gboolean take_configuration(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    switch (qevm->want) {
    case QEVM_WANT_SUBSECTION_LEN:
        qevm_want(qevm, QEVM_WANT_SUBSECTION, bytes[0] + 4u);
        return TRUE;
    case QEVM_WANT_SUBSECTION:
        return begin_subsection(qevm, bytes, error);
    case QEVM_WANT_PAGE_BITS:
        if (be32(bytes) < 12 || be32(bytes) > 16) {
            return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                             "pages of 2^%u bytes; 12 to 16 is read", be32(bytes));
        }
        qevm->page_size = 1u << be32(bytes);
        qevm_want(qevm, QEVM_WANT_TYPE, 1);
        return TRUE;
    case QEVM_WANT_CAPS:
        if (be32(bytes) > QEVM_CAPS_MAX) {
            return qevm_fail(qevm, error, DK_ERROR_LIMIT, qevm->off,
                             "%u capabilities; at most %u are taken", be32(bytes), QEVM_CAPS_MAX);
        }
        qevm->caps_left = be32(bytes);
        next_capability(qevm);
        return TRUE;
    case QEVM_WANT_CAP_LEN:
        qevm_want(qevm, QEVM_WANT_CAP, bytes[0]);
        return TRUE;
    case QEVM_WANT_CAP:
        return take_capability(qevm, bytes, error);
    default: /* QEVM_WANT_UUID */
        qevm_want(qevm, QEVM_WANT_TYPE, 1);
        return TRUE;
    }
}

/* The head of a section with a name: only "ram" may come before the devices. */
static gboolean take_start(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    if (qevm->want == QEVM_WANT_START_LEN) {
        qevm->section = be32(bytes);
        qevm_want(qevm, QEVM_WANT_START, bytes[4] + 8u);
        return TRUE;
    }
    g_autofree char *name = g_strndup((const char *)bytes, qevm->want_len - 8);
    if (!g_str_equal(name, "ram")) {
        g_autofree char *shown = g_strescape(name, NULL);
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                         "a section \"%s\" before the end of the memory, whose length nobody can "
                         "tell",
                         shown);
    }
    if (qevm->section_type != QEVM_SECTION_START || qevm->have_ram) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a second beginning of the section \"ram\"");
    }
    if (be32(bytes + qevm->want_len - 4) != 4) {
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                         "version %u of the section \"ram\"; 4 is read",
                         be32(bytes + qevm->want_len - 4));
    }
    qevm->have_ram = TRUE;
    qevm->ram_section = qevm->section;
    qevm->open = TRUE;
    qevm_want(qevm, QEVM_WANT_RAM, 8);
    return TRUE;
}

static gboolean take_part(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    if (!qevm->have_ram || be32(bytes) != qevm->ram_section || qevm->ram_closed) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a part of section %u, which was not begun", be32(bytes));
    }
    qevm->section = qevm->ram_section;
    qevm->open = TRUE;
    qevm_want(qevm, QEVM_WANT_RAM, 8);
    return TRUE;
}

static gboolean take_footer(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    if (be32(bytes) != qevm->section) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "the section's footer says %u, its head %u", be32(bytes), qevm->section);
    }
    qevm->footers = TRUE;
    qevm->open = FALSE;
    qevm_want(qevm, QEVM_WANT_TYPE, 1);
    return TRUE;
}

/* Commands of the source to the destination.  Those that put memory elsewhere end the reading. */
static gboolean take_command(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    guint command = (guint)bytes[0] << 8 | bytes[1];
    switch (command) {
    case 1:  /* open the return path */
    case 2:  /* ping */
    case 3:  /* postcopy may come */
    case 11: /* switchover starts */
        qevm->skip = (guint)bytes[2] << 8 | bytes[3];
        qevm_want(qevm, QEVM_WANT_TYPE, 1);
        return TRUE;
    default:
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off,
                         "command %u of a migration to another machine (postcopy or COLO)",
                         command);
    }
}

static gboolean run_state(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    switch (qevm->want) {
    case QEVM_WANT_MAGIC:
        return take_magic(qevm, bytes, error);
    case QEVM_WANT_TYPE:
        return take_type(qevm, bytes, error);
    case QEVM_WANT_MACHINE_LEN:
    case QEVM_WANT_MACHINE:
        return take_machine(qevm, bytes, error);
    case QEVM_WANT_SUBSECTION_LEN:
    case QEVM_WANT_SUBSECTION:
    case QEVM_WANT_PAGE_BITS:
    case QEVM_WANT_CAPS:
    case QEVM_WANT_CAP_LEN:
    case QEVM_WANT_CAP:
    case QEVM_WANT_UUID:
        return take_configuration(qevm, bytes, error);
    case QEVM_WANT_START_LEN:
    case QEVM_WANT_START:
        return take_start(qevm, bytes, error);
    case QEVM_WANT_PART:
        return take_part(qevm, bytes, error);
    case QEVM_WANT_FOOTER:
        return take_footer(qevm, bytes, error);
    case QEVM_WANT_COMMAND:
        return take_command(qevm, bytes, error);
    default:
        return qevm_ram_run(qevm, bytes, error);
    }
}

/* What is above the limit is given up as a whole: half a description is none. */
static void keep_state(DkQevm *qevm, const guint8 *bytes, gsize len)
{
    if (!qevm->state) {
        return;
    }
    if (len > DK_QEVM_STATE_MAX || qevm->state->len > DK_QEVM_STATE_MAX - len) {
        g_clear_pointer(&qevm->state, g_byte_array_unref);
        return;
    }
    g_byte_array_append(qevm->state, bytes, (guint)len);
}

/* Gives the state its bytes, from where they lie if they lie in one piece; *used of them. */
static gboolean feed_state(DkQevm *qevm, const guint8 *bytes, gsize len, gsize *used,
                           GError **error)
{
    gsize want = qevm->want_len;
    const guint8 *piece = bytes;
    *used = want;
    if (qevm->gathered > 0 || len < want) {
        *used = MIN(want - qevm->gathered, len);
        memcpy(qevm->gather + qevm->gathered, bytes, *used);
        qevm->gathered += *used;
        if (qevm->gathered < want) {
            return TRUE;
        }
        piece = qevm->gather;
        qevm->gathered = 0;
    }
    if (!run_state(qevm, piece, error)) {
        return FALSE;
    }
    qevm->off += want;
    return TRUE;
}

gboolean dk_qevm_feed(DkQevm *qevm, const void *bytes, gsize len, GError **error)
{
    const guint8 *next = bytes;
    while (len > 0 || (qevm->want_len == 0 && qevm->want != QEVM_WANT_STATE && qevm->skip == 0)) {
        gsize used = 0;
        if (qevm->skip > 0) {
            used = (gsize)MIN(qevm->skip, len);
            qevm->skip -= used;
            qevm->off += used;
        } else if (qevm->want == QEVM_WANT_STATE) {
            keep_state(qevm, next, len);
            used = len;
            qevm->off += len;
        } else if (qevm->want == QEVM_WANT_RAM && qevm->gathered == 0) {
            if (!qevm_ram_fast(qevm, next, len, &used, error)) {
                return FALSE;
            }
            qevm->off += used;
        }
        if (used == 0 && !feed_state(qevm, next, len, &used, error)) {
            return FALSE;
        }
        next += used;
        len -= used;
    }
    return TRUE;
}

guint64 dk_qevm_skippable(const DkQevm *qevm)
{
    return qevm->skip;
}

void dk_qevm_skip(DkQevm *qevm, guint64 len)
{
    g_assert(len <= qevm->skip);
    qevm->skip -= len;
    qevm->off += len;
}

gboolean dk_qevm_end(DkQevm *qevm, GError **error)
{
    DkQevmEnd end = {.ram_ended = qevm->ram_ended,
                     .snapshot = qevm->ram_ended && !qevm->ram_closed};
    guint64 off = qevm->off + qevm->gathered;
    end.bytes = off - qevm->origin;
    g_autoptr(GError) failed = NULL;
    if (!qevm_state_end(qevm, &end, &failed)) {
        if (failed) {
            g_propagate_error(error, g_steal_pointer(&failed));
            return FALSE;
        }
    }
    if (qevm->callbacks->end && !qevm->callbacks->end(&end, qevm->data, error)) {
        return FALSE;
    }
    if (end.whole) {
        return TRUE;
    }
    return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off,
                     qevm->ram_ended  ? "the stream ends inside the state of the devices"
                     : qevm->have_ram ? "the stream ends inside the memory"
                                      : "the stream ends before the memory");
}
