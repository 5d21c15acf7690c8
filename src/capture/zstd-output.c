/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/zstd-output.h"

#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "codec/zstd-seekable.h"

#define THREADS_DEFAULT 4u
#define THREADS_DEFAULT_HEAVY 2u
/* One that is compressed and one that waits to be compressed or written. */
#define SLOTS_PER_THREAD 2u

/* A frame of zeros, packed once. */
typedef struct {
    gsize size; /* of its content */
    guint8 *packed;
    DkZstdFrame frame;
} ZeroFrame;

/* A frame on its way; owned by a worker from take to done, else by the caller's thread. */
typedef struct {
    guint8 *content;
    gsize used; /* bytes of content */
    guint8 *packed;
    DkZstdFrame frame;
    GError *error;
    gboolean done;       /* guarded by lock */
    guint64 zeros_after; /* bytes of zeros that follow, a multiple of DK_ZSTD_FRAME_SIZE */
} Slot;

typedef struct {
    DkOutput base;
    DkOutput *below;
    int level;
    GByteArray *table;
    guint64 zeros;     /* that end the stream so far and are in no frame yet */
    ZeroFrame zero[2]; /* DK_ZSTD_ZERO_FRAME_SIZE, then DK_ZSTD_FRAME_SIZE */

    Slot *slots; /* a ring, used in this order: filled, submitted, taken, done, retired */
    guint n_slots;
    guint64 retired;   /* slots written below; slots[submitted] is being filled */
    guint64 submitted; /* guarded by lock; only the caller's thread changes it */
    guint64 taken;     /* guarded by lock */
    gboolean stop;     /* guarded by lock */
    GMutex lock;
    GCond work;     /* submitted or stop has changed */
    GCond progress; /* done of some slot has changed */
    GThread **threads;
    guint n_threads;
} ZstdOutput;

static Slot *slot_at(ZstdOutput *output, guint64 number)
{
    return &output->slots[number % output->n_slots];
}

static gpointer run_worker(gpointer data)
{
    ZstdOutput *output = data;
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(output->level);
    g_mutex_lock(&output->lock);
    for (;;) {
        while (output->taken == output->submitted && !output->stop)
            g_cond_wait(&output->work, &output->lock);
        if (output->stop)
            break;
        Slot *slot = slot_at(output, output->taken++);
        g_mutex_unlock(&output->lock);
        /* A failure is told by slot->error. */
        gboolean ok = dk_zstd_pack(packer, slot->content, slot->used, slot->packed, &slot->frame,
                                   &slot->error);
        g_mutex_lock(&output->lock);
        g_assert(ok == !slot->error);
        slot->done = TRUE;
        g_cond_signal(&output->progress);
    }
    g_mutex_unlock(&output->lock);
    return NULL;
}

static gboolean write_frame(ZstdOutput *output, const DkZstdFrame *frame, const guint8 *packed,
                            GError **error)
{
    return dk_zstd_table_add(output->table, frame, error) &&
           dk_output_write(output->below, packed, frame->packed_size, error);
}

/* Packs size zeros; always with level 1, since others find nothing more and want more memory. */
static gboolean make_zero_frame(ZeroFrame *zero, GError **error)
{
    g_autoptr(DkZstdPacker) packer = dk_zstd_packer_new(1);
    gsize room = dk_zstd_bound(zero->size);
    /* Neither block is touched but for the few bytes of the result. */
    g_autofree guint8 *content = g_try_malloc0(zero->size);
    g_autofree guint8 *packed = g_try_malloc(room);
    if (!content || !packed) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_LIMIT, "zstd: no memory for a frame");
        return FALSE;
    }
    if (!dk_zstd_pack(packer, content, zero->size, packed, &zero->frame, error))
        return FALSE;
    zero->packed = g_memdup2(packed, zero->frame.packed_size);
    return TRUE;
}

/* Writes frames for len zeros, a multiple of DK_ZSTD_FRAME_SIZE. */
static gboolean write_zero_frames(ZstdOutput *output, guint64 len, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(output->zero); i++) {
        ZeroFrame *zero = &output->zero[i];
        if (len >= zero->size && !zero->packed && !make_zero_frame(zero, error))
            return FALSE;
        for (; len >= zero->size; len -= zero->size) {
            if (!write_frame(output, &zero->frame, zero->packed, error))
                return FALSE;
        }
    }
    return TRUE;
}

/* Writes the oldest slot that is on its way; waits for it when wait, else *idle says it isn't. */
static gboolean retire(ZstdOutput *output, gboolean wait, gboolean *idle, GError **error)
{
    Slot *slot = slot_at(output, output->retired);
    g_mutex_lock(&output->lock);
    while (!slot->done && wait)
        g_cond_wait(&output->progress, &output->lock);
    *idle = !slot->done;
    g_mutex_unlock(&output->lock);
    if (*idle)
        return TRUE;
    if (slot->error) {
        g_propagate_error(error, g_steal_pointer(&slot->error));
        return FALSE;
    }
    if (!write_frame(output, &slot->frame, slot->packed, error) ||
        !write_zero_frames(output, slot->zeros_after, error))
        return FALSE;
    slot->done = FALSE;
    slot->used = 0;
    slot->zeros_after = 0;
    output->retired++;
    return TRUE;
}

/* Writes what is done; with all, waits until nothing is on its way. */
static gboolean retire_done(ZstdOutput *output, gboolean all, GError **error)
{
    gboolean idle = FALSE;
    while (output->retired < output->submitted && !idle) {
        if (!retire(output, all, &idle, error))
            return FALSE;
    }
    return TRUE;
}

/* The slot that is being filled; waits for one to become free. */
static gboolean current_slot(ZstdOutput *output, Slot **slot, GError **error)
{
    gboolean idle;
    if (output->submitted - output->retired == output->n_slots &&
        !retire(output, TRUE, &idle, error))
        return FALSE;
    *slot = slot_at(output, output->submitted);
    return TRUE;
}

static gboolean submit(ZstdOutput *output, GError **error)
{
    g_mutex_lock(&output->lock);
    output->submitted++;
    g_cond_signal(&output->work);
    g_mutex_unlock(&output->lock);
    return retire_done(output, FALSE, error);
}

/* Appends len bytes to frames; data is NULL for zeros. */
static gboolean fill(ZstdOutput *output, const guint8 *data, gsize len, GError **error)
{
    while (len) {
        Slot *slot;
        if (!current_slot(output, &slot, error))
            return FALSE;
        gsize part = MIN(len, DK_ZSTD_FRAME_SIZE - slot->used);
        if (data) {
            memcpy(slot->content + slot->used, data, part);
            data += part;
        } else {
            memset(slot->content + slot->used, 0, part);
        }
        slot->used += part;
        len -= part;
        if (slot->used == DK_ZSTD_FRAME_SIZE && !submit(output, error))
            return FALSE;
    }
    return TRUE;
}

/* How many bytes are in the frame that is being filled. */
static gsize current_used(ZstdOutput *output)
{
    /* When all slots are on their way, there is no such frame. */
    return output->submitted - output->retired < output->n_slots
               ? slot_at(output, output->submitted)->used
               : 0;
}

/* Puts the zeros that wait into frames: whole ones where they go, the rest as bytes. */
static gboolean fill_zeros(ZstdOutput *output, GError **error)
{
    gsize used = current_used(output);
    gsize first = used ? (gsize)MIN(output->zeros, DK_ZSTD_FRAME_SIZE - used) : 0;
    if (!fill(output, NULL, first, error))
        return FALSE;
    output->zeros -= first;
    gsize rest = output->zeros % DK_ZSTD_FRAME_SIZE;
    guint64 whole = output->zeros - rest;
    output->zeros = 0;
    if (whole && output->submitted > output->retired)
        slot_at(output, output->submitted - 1)->zeros_after += whole;
    else if (!write_zero_frames(output, whole, error))
        return FALSE;
    return fill(output, NULL, rest, error);
}

static gboolean zstd_write(DkOutput *base, const void *buf, gsize len, GError **error)
{
    ZstdOutput *output = (ZstdOutput *)base;
    return (!output->zeros || fill_zeros(output, error)) && fill(output, buf, len, error);
}

static gboolean zstd_zeros(DkOutput *base, guint64 len, GError **error)
{
    ZstdOutput *output = (ZstdOutput *)base;
    if (len > G_MAXUINT64 - output->zeros) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_LIMIT, "zstd: too many zeros");
        return FALSE;
    }
    output->zeros += len;
    /* Errors of what is on its way need not wait for the next byte. */
    return retire_done(output, FALSE, error);
}

static gboolean zstd_finish(DkOutput *base, GError **error)
{
    ZstdOutput *output = (ZstdOutput *)base;
    if (!fill_zeros(output, error) || (current_used(output) && !submit(output, error)) ||
        !retire_done(output, TRUE, error))
        return FALSE;
    g_autoptr(GBytes) table = dk_zstd_table_close(g_steal_pointer(&output->table));
    gsize len;
    gconstpointer data = g_bytes_get_data(table, &len);
    return dk_output_write(output->below, data, len, error) &&
           dk_output_finish(output->below, error);
}

static void zstd_destroy(DkOutput *base)
{
    ZstdOutput *output = (ZstdOutput *)base;
    g_mutex_lock(&output->lock);
    output->stop = TRUE;
    g_cond_broadcast(&output->work);
    g_mutex_unlock(&output->lock);
    for (guint i = 0; i < output->n_threads; i++)
        g_thread_join(output->threads[i]);
    for (guint i = 0; i < output->n_slots; i++) {
        g_free(output->slots[i].content);
        g_free(output->slots[i].packed);
        g_clear_error(&output->slots[i].error);
    }
    for (guint i = 0; i < G_N_ELEMENTS(output->zero); i++)
        g_free(output->zero[i].packed);
    g_free(output->slots);
    g_free(output->threads);
    if (output->table)
        g_byte_array_unref(output->table);
    g_cond_clear(&output->work);
    g_cond_clear(&output->progress);
    g_mutex_clear(&output->lock);
    dk_output_free(output->below);
    g_free(output);
}

static const DkOutputOps zstd_ops = {
    .name = "zstd",
    .write = zstd_write,
    .zeros = zstd_zeros,
    .finish = zstd_finish,
    .destroy = zstd_destroy,
};

static gboolean make_slots(ZstdOutput *output, GError **error)
{
    guint count = output->n_slots;
    output->slots = g_new0(Slot, count);
    for (guint i = 0; i < count; i++) {
        Slot *slot = &output->slots[i];
        slot->content = g_try_malloc(DK_ZSTD_FRAME_SIZE);
        slot->packed = g_try_malloc(dk_zstd_bound(DK_ZSTD_FRAME_SIZE));
        if (slot->content && slot->packed)
            continue;
        g_set_error_literal(error, DK_ERROR, DK_ERROR_LIMIT, "zstd: no memory for the buffers");
        return FALSE;
    }
    return TRUE;
}

static gboolean start_threads(ZstdOutput *output, guint count, GError **error)
{
    output->threads = g_new0(GThread *, count);
    /* The signals of the process are for the thread that knows what to do with them. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    g_autoptr(GError) why = NULL;
    for (guint i = 0; i < count; i++) {
        GThread *thread = g_thread_try_new("zstd", run_worker, output, &why);
        if (!thread)
            break;
        output->threads[output->n_threads++] = thread;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    /* One is enough to get on. */
    if (output->n_threads)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_SYSTEM, "zstd: cannot start a thread: %s", why->message);
    return FALSE;
}

DkOutput *dk_zstd_output_new(DkOutput *below, int level, guint threads, GError **error)
{
    if (!threads)
        threads = MIN(g_get_num_processors(),
                      level > DK_ZSTD_LEVEL_LIGHT ? THREADS_DEFAULT_HEAVY : THREADS_DEFAULT);
    threads = MIN(threads, DK_ZSTD_THREADS_MAX);
    ZstdOutput *output = g_new0(ZstdOutput, 1);
    dk_output_init(&output->base, &zstd_ops);
    g_autoptr(DkOutput) owner = &output->base;
    g_mutex_init(&output->lock);
    g_cond_init(&output->work);
    g_cond_init(&output->progress);
    output->below = below;
    output->level = level;
    output->table = dk_zstd_table_new();
    output->zero[0].size = DK_ZSTD_ZERO_FRAME_SIZE;
    output->zero[1].size = DK_ZSTD_FRAME_SIZE;
    if (!level || level < DK_ZSTD_LEVEL_MIN || level > DK_ZSTD_LEVEL_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "zstd level %d: expected %d to -1 or 1 to %d",
                    level, DK_ZSTD_LEVEL_MIN, DK_ZSTD_LEVEL_MAX);
        return NULL;
    }
    output->n_slots = threads * SLOTS_PER_THREAD;
    if (!make_slots(output, error) || !start_threads(output, threads, error))
        return NULL;
    return g_steal_pointer(&owner);
}
