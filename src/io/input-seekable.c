/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file in the seekable zstd format, read in place through a cache of unpacked frames. */
#include <string.h>

#include "base/bisect.h"
#include "base/error.h"
#include "codec/zstd-seekable.h"
#include "codec/zstd-stream.h"
#include "io/input-backend.h"

/* Content bytes in the cache; one frame may be larger, and is then the only one. */
#define CACHE_BYTES ((gsize)8 << 20)
/* Frames in the cache: frames of zeros take no bytes. */
#define CACHE_FRAMES 64
/* A larger buffer for packed bytes is not kept. */
#define PACKED_KEEP ((gsize)2 << 20)
/* Longest packed frame of zeros that is remembered. */
#define ZERO_PACKED_MAX ((gsize)64 << 10)
/* Bits of the table's descriptor without a meaning: written as 0, ignored by readers. */
#define UNUSED_BITS 0x03u
#define DESCRIPTOR_AT 4 /* in the footer */

typedef struct {
    guint index;
    gsize size;
    guint8 *data; /* NULL: all zeros */
} Cached;

typedef struct {
    DkInput base;
    DkInput *below;
    GArray *frames; /* of DkZstdFrame */
    gboolean has_checksum;
    GMutex lock;  /* for all below */
    GQueue cache; /* of Cached, last used first */
    gsize cached; /* bytes in cache */
    DkZstdUnpacker *unpacker;
    guint8 *packed; /* the packed bytes of a frame */
    gsize packed_room;
    /*
     * The packed bytes of a frame that was all zeros: terabytes of zeros are one such frame again
     * and again, which then needs neither unpacking nor memory.
     */
    GBytes *zero_packed;
    gsize zero_size;
    guint32 zero_checksum; /* what the table says of it */
} SeekableInput;

static void cached_free(gpointer data)
{
    Cached *entry = data;
    g_free(entry->data);
    g_free(entry);
}

static const DkZstdFrame *frame_at(SeekableInput *input, guint index)
{
    return &g_array_index(input->frames, DkZstdFrame, index);
}

/* Adds to an error which frame it was. */
static gboolean fail(SeekableInput *input, guint index, GError **error)
{
    g_prefix_error(error,
                   "%s: zstd frame %u at offset 0x%" G_GINT64_MODIFIER "x: ", input->base.name,
                   index, frame_at(input, index)->packed_off);
    return FALSE;
}

static gboolean fail_memory(SeekableInput *input, guint index, gsize size, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "no memory for %" G_GSIZE_FORMAT " bytes", size);
    return fail(input, index, error);
}

static gboolean frame_begins(gconstpointer data, gsize index, guint64 off)
{
    const GArray *frames = data;
    return g_array_index(frames, DkZstdFrame, index).off <= off;
}

/* The index of the frame that holds off, which is below the size of the content. */
static guint find_frame(SeekableInput *input, guint64 off)
{
    return (guint)dk_bisect(input->frames->len, frame_begins, input->frames, off) - 1;
}

/* Reads the packed bytes of a frame. */
static gboolean load_packed(SeekableInput *input, guint index, GError **error)
{
    const DkZstdFrame *frame = frame_at(input, index);
    if (input->packed_room < frame->packed_size || input->packed_room > PACKED_KEEP) {
        g_free(input->packed);
        input->packed_room = 0;
        input->packed = g_try_malloc(frame->packed_size);
        if (!input->packed)
            return fail_memory(input, index, frame->packed_size, error);
        input->packed_room = frame->packed_size;
    }
    if (!dk_input_read_exactly(input->below, frame->packed_off, input->packed, frame->packed_size,
                               error))
        return FALSE;
    return dk_zstd_frame_holds(input->packed, frame->packed_size, frame->size, error) ||
           fail(input, index, error);
}

/* Whether the packed bytes are those of a frame that was found to be all zeros. */
static gboolean is_known_zero(SeekableInput *input, guint index)
{
    const DkZstdFrame *frame = frame_at(input, index);
    gsize size = 0;
    gconstpointer data = input->zero_packed ? g_bytes_get_data(input->zero_packed, &size) : NULL;
    return data && size == frame->packed_size && input->zero_size == frame->size &&
           input->zero_checksum == frame->checksum && !memcmp(data, input->packed, size);
}

static void remember_zero(SeekableInput *input, guint index)
{
    const DkZstdFrame *frame = frame_at(input, index);
    if (frame->packed_size > ZERO_PACKED_MAX)
        return;
    g_clear_pointer(&input->zero_packed, g_bytes_unref);
    input->zero_packed = g_bytes_new(input->packed, frame->packed_size);
    input->zero_size = frame->size;
    input->zero_checksum = frame->checksum;
}

/* Unpacks the frame whose packed bytes are loaded to out, of the frame's size. */
static gboolean unpack(SeekableInput *input, guint index, guint8 *out, gboolean *zero,
                       GError **error)
{
    const DkZstdFrame *frame = frame_at(input, index);
    if (!dk_zstd_unpack(input->unpacker, input->packed, frame->packed_size, out, frame->size,
                        error))
        return fail(input, index, error);
    if (input->has_checksum && frame->size) {
        guint32 checksum = dk_zstd_checksum(out, frame->size);
        if (checksum != frame->checksum) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "the content has the checksum 0x%08x, the seek table says 0x%08x", checksum,
                        frame->checksum);
            return fail(input, index, error);
        }
    }
    *zero = dk_input_is_zero(out, frame->size);
    if (*zero)
        remember_zero(input, index);
    return TRUE;
}

/* Makes room in the cache for one more frame of size bytes. */
static void evict(SeekableInput *input, gsize size)
{
    while (input->cache.length &&
           (input->cache.length >= CACHE_FRAMES || input->cached > CACHE_BYTES ||
            size > CACHE_BYTES - input->cached)) {
        Cached *entry = g_queue_pop_tail(&input->cache);
        if (entry->data)
            input->cached -= entry->size;
        cached_free(entry);
    }
}

static Cached *find_cached(SeekableInput *input, guint index)
{
    for (GList *link = input->cache.head; link; link = link->next) {
        Cached *entry = link->data;
        if (entry->index != index)
            continue;
        g_queue_unlink(&input->cache, link);
        g_queue_push_head_link(&input->cache, link);
        return entry;
    }
    return NULL;
}

static Cached *load_cached(SeekableInput *input, guint index, GError **error)
{
    gsize size = frame_at(input, index)->size;
    g_autofree guint8 *data = NULL;
    if (!load_packed(input, index, error))
        return NULL;
    gboolean zero = is_known_zero(input, index);
    evict(input, zero ? 0 : size);
    if (!zero) {
        data = g_try_malloc(size);
        if (data ? !unpack(input, index, data, &zero, error)
                 : !fail_memory(input, index, size, error))
            return NULL;
    }
    Cached *entry = g_new0(Cached, 1);
    entry->index = index;
    entry->size = size;
    if (!zero) {
        entry->data = g_steal_pointer(&data);
        input->cached += size;
    }
    g_queue_push_head(&input->cache, entry);
    return entry;
}

/* Reads a part of one frame; a whole frame that is not in the cache goes past it. */
static gboolean read_part(SeekableInput *input, guint index, gsize from, guint8 *buf, gsize len,
                          GError **error)
{
    Cached *entry = find_cached(input, index);
    gboolean zero;
    if (!entry && len == frame_at(input, index)->size) {
        if (!load_packed(input, index, error))
            return FALSE;
        if (!is_known_zero(input, index))
            return unpack(input, index, buf, &zero, error);
        memset(buf, 0, len);
        return TRUE;
    }
    if (!entry && !(entry = load_cached(input, index, error)))
        return FALSE;
    if (entry->data)
        memcpy(buf, entry->data + from, len);
    else
        memset(buf, 0, len);
    return TRUE;
}

static gssize seekable_read(DkInput *base, guint64 off, void *buf, gsize len, GError **error)
{
    SeekableInput *input = (SeekableInput *)base;
    guint8 *to = buf;
    guint index = find_frame(input, off);
    for (gsize done = 0; done < len; index++) {
        const DkZstdFrame *frame = frame_at(input, index);
        gsize from = (gsize)(off + done - frame->off);
        gsize part = MIN(len - done, frame->size - from);
        if (!part)
            continue;
        g_mutex_lock(&input->lock);
        gboolean ok = read_part(input, index, from, to + done, part, error);
        g_mutex_unlock(&input->lock);
        if (!ok)
            return -1;
        done += part;
    }
    return (gssize)len;
}

/* A long frame without content is not loaded: only its header says anything. */
static gboolean verify_skippable(SeekableInput *input, guint index, GError **error)
{
    const DkZstdFrame *frame = frame_at(input, index);
    guint8 head[DK_ZSTD_SKIPPABLE_HEADER_SIZE];
    if (!dk_input_read_exactly(input->below, frame->packed_off, head, sizeof head, error))
        return FALSE;
    guint32 size;
    memcpy(&size, head + DK_ZSTD_MAGIC_SIZE, sizeof size);
    if (dk_zstd_magic(head) == DK_ZSTD_MAGIC_SKIPPABLE &&
        frame->packed_size - sizeof head == GUINT32_FROM_LE(size))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "no skippable frame of %u bytes",
                frame->packed_size);
    return fail(input, index, error);
}

/* Unpacks a frame to *out, which grows to *room bytes; *checked: it has a checksum. */
static gboolean verify_frame(SeekableInput *input, guint index, guint8 **out, gsize *room,
                             gboolean *checked, GError **error)
{
    const DkZstdFrame *frame = frame_at(input, index);
    *checked = TRUE;
    if (!frame->size && frame->packed_size > PACKED_KEEP)
        return verify_skippable(input, index, error);
    if (!load_packed(input, index, error))
        return FALSE;
    guint8 descriptor = dk_zstd_descriptor(input->packed, frame->packed_size);
    if (descriptor & DK_ZSTD_DESCRIPTOR_UNUSED) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the descriptor 0x%02x has a bit without a meaning", descriptor);
        return fail(input, index, error);
    }
    *checked = input->has_checksum || !frame->size || (descriptor & DK_ZSTD_DESCRIPTOR_CHECKSUM);
    if (is_known_zero(input, index))
        return TRUE;
    if (*room < frame->size) {
        g_free(*out);
        *room = 0;
        *out = g_try_malloc(frame->size);
        if (!*out)
            return fail_memory(input, index, frame->size, error);
        *room = frame->size;
    }
    gboolean zero;
    return unpack(input, index, *out, &zero, error);
}

static gboolean verify_footer(SeekableInput *input, GError **error)
{
    guint8 footer[DK_ZSTD_FOOTER_SIZE];
    guint64 off = input->below->size - sizeof footer;
    if (!dk_input_read_exactly(input->below, off, footer, sizeof footer, error))
        return FALSE;
    if (!(footer[DESCRIPTOR_AT] & UNUSED_BITS))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "%s: seek table: descriptor 0x%02x at offset 0x%" G_GINT64_MODIFIER
                "x has bits without a meaning",
                input->base.name, footer[DESCRIPTOR_AT], off + DESCRIPTOR_AT);
    return FALSE;
}

static gboolean seekable_verify(DkInput *base, gboolean *verified, DkProgress *progress,
                                GError **error)
{
    SeekableInput *input = (SeekableInput *)base;
    g_autofree guint8 *out = NULL;
    gsize room = 0;
    gboolean all_checked = TRUE;
    for (guint i = 0; i < input->frames->len; i++) {
        gboolean checked;
        if (!dk_progress_tick(progress, frame_at(input, i)->off, base->size, error))
            return FALSE;
        g_mutex_lock(&input->lock);
        gboolean ok = verify_frame(input, i, &out, &room, &checked, error);
        g_mutex_unlock(&input->lock);
        if (!ok)
            return FALSE;
        all_checked = all_checked && checked;
    }
    if (!verify_footer(input, error) || !dk_progress_tick(progress, base->size, base->size, error))
        return FALSE;
    *verified = all_checked;
    return TRUE;
}

static void seekable_clear(DkInput *base)
{
    SeekableInput *input = (SeekableInput *)base;
    dk_input_unref(input->below);
    g_array_unref(input->frames);
    g_queue_clear_full(&input->cache, cached_free);
    dk_zstd_unpacker_free(input->unpacker);
    g_free(input->packed);
    g_clear_pointer(&input->zero_packed, g_bytes_unref);
    g_mutex_clear(&input->lock);
}

static const DkInputOps seekable_ops = {
    .container = "seekable zstd",
    .read = seekable_read,
    .verify = seekable_verify,
    .clear = seekable_clear,
};

gboolean dk_input_is_seekable(const DkInput *input)
{
    return input->ops == &seekable_ops;
}

/* Reads the seek table at the end of the file. */
static GArray *read_table(DkInput *below, gboolean *has_checksum, GError **error)
{
    const char *name = below->name;
    guint64 packed_size = below->size;
    guint8 footer[DK_ZSTD_FOOTER_SIZE];
    guint64 size;
    if (packed_size < sizeof footer) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "%s: has no seek table", name);
        return NULL;
    }
    guint64 footer_off = packed_size - sizeof footer;
    if (!dk_input_read_exactly(below, footer_off, footer, sizeof footer, error))
        return NULL;
    if (!dk_zstd_table_size(footer, &size, error)) {
        g_prefix_error(error, "%s: footer at offset 0x%" G_GINT64_MODIFIER "x: ", name, footer_off);
        return NULL;
    }
    if (size > packed_size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s: footer at offset 0x%" G_GINT64_MODIFIER
                    "x: a seek table of %" G_GUINT64_FORMAT
                    " bytes does not fit in a file of %" G_GUINT64_FORMAT,
                    name, footer_off, size, packed_size);
        return NULL;
    }
    g_autofree guint8 *table = g_try_malloc((gsize)size);
    if (!table) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: no memory for a seek table of %" G_GUINT64_FORMAT " bytes", name, size);
        return NULL;
    }
    guint64 off = packed_size - size;
    if (!dk_input_read_exactly(below, off, table, (gsize)size, error))
        return NULL;
    GArray *frames = dk_zstd_table_read(table, (gsize)size, off, has_checksum, error);
    if (!frames)
        g_prefix_error(error, "%s: ", name);
    return frames;
}

DkInput *dk_input_seekable_new(DkInput *below, GError **error)
{
    gboolean has_checksum;
    GArray *frames = read_table(below, &has_checksum, error);
    if (!frames)
        return NULL;
    guint64 size = 0;
    if (frames->len) {
        const DkZstdFrame *last = &g_array_index(frames, DkZstdFrame, frames->len - 1);
        size = last->off + last->size;
    }
    SeekableInput *input = g_new0(SeekableInput, 1);
    dk_input_init(&input->base, &seekable_ops, below->name, size);
    input->below = dk_input_ref(below);
    input->frames = frames;
    input->has_checksum = has_checksum;
    g_mutex_init(&input->lock);
    g_queue_init(&input->cache);
    input->unpacker = dk_zstd_unpacker_new();
    return &input->base;
}
