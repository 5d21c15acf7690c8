/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/pipeline.h"

#include <string.h>

#include "base/error.h"

#define PAGE ((gsize)4096)
/* One read: long enough for process_vm_readv to be fast, and of a size that stays in the cache. */
#define PIECE ((gsize)256 << 10)
/* Pieces that wait for their turn to be handed to the sinks, when one thread helps to read. */
#define AHEAD 3
/* Buffers beside these: what the sinks have in hand. */
#define BUFFERS_BEHIND 9
/* Most threads that help, where a sink has work for them. */
#define HELPERS_MAX 15u
/* Zero pages become a hole when so many bytes of them follow each other. */
#define HOLE_MIN ((gsize)64 << 10)

/* A buffer with data, shared by the sinks; or a hole, which has no buffer. */
typedef struct {
    gint refs;
    guint8 *bytes; /* NULL for a hole */
    DkRun run;
    GByteArray *packed[]; /* one for each sink, NULL for one that does not pack */
} Piece;

/*
 * What is read, in plan order, and packed for the sinks that want it.  The caller's thread, which
 * hands the pieces on in their order, and helpers ahead of it do this.
 */
typedef struct {
    gint refs;     /* the row's and the helpers' */
    gint taken;    /* by the thread that reads it */
    gboolean done; /* guarded by lock */
    DkRun run;
    guint8 *bytes; /* NULL for what has none */
    gsize got;     /* whole pages */
    GError *error; /* of packing */
    GByteArray *packed[];
} Job;

typedef struct Flow Flow;

typedef struct {
    Flow *flow;
    DkSink *sink;
    GAsyncQueue *queue; /* of Piece; end_mark ends it */
    GThread *thread;
    GError *error;
} Writer;

struct Flow {
    const DkPipeline *pipeline;
    GAsyncQueue *free_buffers; /* of guint8[PIECE] */
    GAsyncQueue *free_packed;  /* of GByteArray, empty ones that keep their room */
    gboolean packs;            /* a sink does */
    GQueue row;                /* of Job, oldest first; of the caller's thread only */
    guint ahead;               /* most of them */
    GAsyncQueue *todo;         /* of Job, for helpers; one without references ends a helper */
    GThread *helpers[HELPERS_MAX];
    guint nhelpers;
    GMutex lock;
    GCond progress; /* done of some job has changed */
    Writer *writers;
    gint failed; /* a writer has: the reader stops */
    GPtrArray *gaps;
    guint64 done; /* bytes read */
};

static void recycle_packed(Flow *flow, GByteArray **packed)
{
    for (guint i = 0; i < flow->pipeline->nsinks; i++) {
        if (packed[i])
            g_async_queue_push_front(flow->free_packed, g_byte_array_set_size(packed[i], 0));
        packed[i] = NULL;
    }
}

static void piece_unref(Flow *flow, Piece *piece)
{
    if (!g_atomic_int_dec_and_test(&piece->refs))
        return;
    /* To the front: the buffer used last is in the cache. */
    if (piece->bytes)
        g_async_queue_push_front(flow->free_buffers, piece->bytes);
    recycle_packed(flow, piece->packed);
    g_free(piece);
}

static gboolean is_zero(const guint8 *bytes, gsize len)
{
    /* Compares the block with itself moved by one word: as fast as memory allows. */
    static const guint8 zeros[64];
    return !memcmp(bytes, zeros, MIN(len, sizeof zeros)) &&
           (len <= sizeof zeros || !memcmp(bytes, bytes + sizeof zeros, len - sizeof zeros));
}

static gboolean put_data(DkSink *sink, guint64 va, const guint8 *bytes, gsize len, GError **error)
{
    return !len || dk_sink_data(sink, va, bytes, len, error);
}

/* Writes a buffer, with long stretches of zero pages as holes. */
static gboolean write_data(DkSink *sink, guint64 va, const guint8 *bytes, gsize len, GError **error)
{
    gsize start = 0; /* of what is not written yet */
    gsize at = 0;
    while (at < len) {
        gsize zeros = 0;
        while (at + zeros < len && is_zero(bytes + at + zeros, MIN(PAGE, len - at - zeros)))
            zeros += MIN(PAGE, len - at - zeros);
        if (zeros >= HOLE_MIN || (zeros && at + zeros == len && at == 0)) {
            DkRun hole = {va + at, va + at + zeros - 1, DK_RUN_ZERO};
            if (!put_data(sink, va + start, bytes + start, at - start, error) ||
                !dk_sink_hole(sink, &hole, error))
                return FALSE;
            start = at + zeros;
        }
        at += zeros ? zeros : MIN(PAGE, len - at);
    }
    return put_data(sink, va + start, bytes + start, len - start, error);
}

static gboolean write_piece(Writer *writer, const Piece *piece, GError **error)
{
    gsize len = (gsize)(piece->run.last - piece->run.first + 1);
    const GByteArray *packed = piece->packed[writer - writer->flow->writers];
    if (packed)
        return dk_sink_data_packed(writer->sink, piece->run.first, len, packed, error);
    if (piece->bytes)
        return write_data(writer->sink, piece->run.first, piece->bytes, len, error);
    return dk_sink_hole(writer->sink, &piece->run, error);
}

/* A writer's thread. */
static gpointer write_pieces(gpointer data)
{
    Writer *writer = data;
    Flow *flow = writer->flow;
    for (;;) {
        Piece *piece = g_async_queue_pop(writer->queue);
        if (!piece->refs) {
            g_free(piece);
            return NULL;
        }
        if (!writer->error && !write_piece(writer, piece, &writer->error))
            g_atomic_int_set(&flow->failed, 1);
        piece_unref(flow, piece);
    }
}

/* packed, which may be NULL, is emptied. */
static void send(Flow *flow, guint8 *bytes, GByteArray **packed, const DkRun *run)
{
    gsize size = flow->pipeline->nsinks * sizeof(GByteArray *);
    Piece *piece = g_malloc0(sizeof *piece + size);
    if (packed) {
        memcpy(piece->packed, packed, size);
        memset(packed, 0, size);
    }
    piece->refs = (gint)flow->pipeline->nsinks;
    piece->bytes = bytes;
    piece->run = *run;
    for (guint i = 0; i < flow->pipeline->nsinks; i++)
        g_async_queue_push(flow->writers[i].queue, piece);
}

static void note_unreadable(Flow *flow, guint64 first, guint64 last)
{
    if (flow->gaps->len) {
        DkGap *tail = g_ptr_array_index(flow->gaps, flow->gaps->len - 1);
        if (tail->last + 1 == first) {
            tail->last = last;
            return;
        }
    }
    DkGap *gap = g_new0(DkGap, 1);
    gap->what = g_strdup("pages");
    gap->first = first;
    gap->last = last;
    gap->why = g_strdup("could not be read; zero in the file");
    g_ptr_array_add(flow->gaps, gap);
}

static void job_unref(Job *job)
{
    if (g_atomic_int_dec_and_test(&job->refs))
        g_free(job);
}

static GByteArray *take_packed(Flow *flow)
{
    GByteArray *packed = g_async_queue_try_pop(flow->free_packed);
    return packed ? packed : g_byte_array_sized_new(PIECE);
}

/*
 * Filters len bytes at va and packs them for the sinks that want it, unless they are all zero,
 * which is a hole.
 */
static gboolean prepare(Flow *flow, guint64 va, guint8 *bytes, gsize len, GByteArray **packed,
                        GError **error)
{
    const DkPipeline *pipeline = flow->pipeline;
    if (pipeline->filter)
        pipeline->filter(pipeline->source->subject, va, bytes, len);
    if (!flow->packs || is_zero(bytes, len))
        return TRUE;
    for (guint i = 0; i < pipeline->nsinks; i++) {
        DkSink *sink = pipeline->sinks[i];
        if (!sink->ops->pack)
            continue;
        packed[i] = take_packed(flow);
        if (!sink->ops->pack(sink, va, bytes, len, packed[i], error))
            return FALSE;
    }
    return TRUE;
}

/* Reads a job, unless another thread does or did. */
static gboolean job_read(Flow *flow, Job *job)
{
    if (!g_atomic_int_compare_and_exchange(&job->taken, 0, 1))
        return FALSE;
    gsize want = (gsize)(job->run.last - job->run.first + 1);
    job->got = dk_space_read(flow->pipeline->source->space, job->run.first, job->bytes, want) &
               ~(PAGE - 1);
    if (job->got)
        prepare(flow, job->run.first, job->bytes, job->got, job->packed, &job->error);
    g_mutex_lock(&flow->lock);
    job->done = TRUE;
    g_cond_signal(&flow->progress);
    g_mutex_unlock(&flow->lock);
    return TRUE;
}

/* The helper's thread. */
static gpointer read_ahead(gpointer data)
{
    Flow *flow = data;
    for (;;) {
        Job *job = g_async_queue_pop(flow->todo);
        if (!g_atomic_int_get(&job->refs)) {
            g_free(job);
            return NULL;
        }
        job_read(flow, job);
        job_unref(job);
    }
}

static gboolean job_is_done(Flow *flow, Job *job)
{
    g_mutex_lock(&flow->lock);
    gboolean done = job->done;
    g_mutex_unlock(&flow->lock);
    return done;
}

/* Until the oldest job is done, reads what nobody reads yet, or waits. */
static void await_oldest(Flow *flow)
{
    Job *oldest = g_queue_peek_head(&flow->row);
    for (GList *link = flow->row.head; link && !job_is_done(flow, oldest); link = link->next)
        job_read(flow, link->data);
    g_mutex_lock(&flow->lock);
    while (!oldest->done)
        g_cond_wait(&flow->progress, &flow->lock);
    g_mutex_unlock(&flow->lock);
}

/* A piece that prepare() has seen. */
static void send_data(Flow *flow, guint64 first, guint8 *bytes, gsize len, GByteArray **packed)
{
    DkRun run = {first, first + len - 1, DK_RUN_DATA};
    send(flow, bytes, packed, &run);
}

/*
 * What reading in one go did not get: where it stopped, one page is given up and the rest tried
 * again.
 */
static gboolean read_rest(Flow *flow, guint64 first, guint64 last, GError **error)
{
    DkSource *source = flow->pipeline->source;
    while (first <= last) {
        guint8 *bytes = g_async_queue_pop(flow->free_buffers);
        gsize want = (gsize)(last - first + 1);
        gsize got = dk_space_read(source->space, first, bytes, want) & ~(PAGE - 1);
        if (got) {
            g_autofree GByteArray **packed = g_new0(GByteArray *, flow->pipeline->nsinks);
            if (!prepare(flow, first, bytes, got, packed, error)) {
                recycle_packed(flow, packed);
                g_async_queue_push_front(flow->free_buffers, bytes);
                return FALSE;
            }
            send_data(flow, first, bytes, got, packed);
            first += got;
            continue;
        }
        g_async_queue_push_front(flow->free_buffers, bytes);
        if (source->ops->alive && !source->ops->alive(source, error))
            return FALSE;
        DkRun hole = {first, first + PAGE - 1, DK_RUN_UNREADABLE};
        note_unreadable(flow, hole.first, hole.last);
        send(flow, NULL, NULL, &hole);
        first += PAGE;
    }
    return TRUE;
}

/* Hands the oldest job to the sinks. */
static gboolean deliver(Flow *flow, GError **error)
{
    await_oldest(flow);
    Job *job = g_queue_pop_head(&flow->row);
    DkRun run = job->run;
    guint8 *bytes = job->bytes;
    gsize got = job->got;
    if (job->error) {
        g_propagate_error(error, g_steal_pointer(&job->error));
        recycle_packed(flow, job->packed);
        g_async_queue_push_front(flow->free_buffers, bytes);
        job_unref(job);
        return FALSE;
    }
    if (!bytes)
        send(flow, NULL, NULL, &run);
    else if (got)
        send_data(flow, run.first, bytes, got, job->packed);
    else
        g_async_queue_push_front(flow->free_buffers, bytes);
    job_unref(job);
    if (!bytes)
        return TRUE;
    guint64 want = run.last - run.first + 1;
    if (got < want && !read_rest(flow, run.first + got, run.last, error))
        return FALSE;
    flow->done += want;
    return dk_progress_tick(flow->pipeline->progress, flow->done, flow->pipeline->plan->present,
                            error);
}

/* Adds a job at the end of the row, and delivers what is more than may wait. */
static gboolean add_job(Flow *flow, const DkRun *run, GError **error)
{
    Job *job = g_malloc0(sizeof *job + flow->pipeline->nsinks * sizeof(GByteArray *));
    job->run = *run;
    job->refs = 1;
    if (run->kind == DK_RUN_ZERO) {
        job->taken = 1;
        job->done = TRUE;
    } else {
        job->bytes = g_async_queue_pop(flow->free_buffers);
    }
    g_queue_push_tail(&flow->row, job);
    if (job->bytes && flow->nhelpers) {
        job->refs = 2;
        g_async_queue_push(flow->todo, job);
    }
    while (flow->row.length > flow->ahead) {
        if (!deliver(flow, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean read_run(Flow *flow, const DkRun *run, GError **error)
{
    if (run->kind == DK_RUN_ZERO)
        return add_job(flow, run, error);
    for (guint64 va = run->first; va <= run->last; va += PIECE) {
        DkRun piece = {va, MIN(run->last, va + PIECE - 1), run->kind};
        if (g_atomic_int_get(&flow->failed))
            return TRUE;
        if (!add_job(flow, &piece, error))
            return FALSE;
        if (piece.last == G_MAXUINT64)
            break;
    }
    return TRUE;
}

static gboolean read_extent(Flow *flow, const DkExtent *extent, GError **error)
{
    guint64 va = extent->first;
    for (;;) {
        DkRun run = {0};
        if (!dk_space_next_run(flow->pipeline->source->space, va, &run) || run.first > va)
            run = (DkRun){va, extent->last, DK_RUN_DATA};
        run.first = va;
        run.last = MIN(run.last, extent->last);
        if (!read_run(flow, &run, error))
            return FALSE;
        if (run.last == extent->last || g_atomic_int_get(&flow->failed))
            return TRUE;
        va = run.last + 1;
    }
}

static gboolean read_all(Flow *flow, GError **error)
{
    const GArray *extents = flow->pipeline->plan->extents;
    for (guint i = 0; i < extents->len && !g_atomic_int_get(&flow->failed); i++) {
        if (!read_extent(flow, &g_array_index(extents, DkExtent, i), error))
            return FALSE;
    }
    while (flow->row.length) {
        if (!deliver(flow, error))
            return FALSE;
    }
    return TRUE;
}

/* How many threads may help: one to read, as many as there are CPUs to pack. */
static guint helpers_wanted(const Flow *flow)
{
    guint others = g_get_num_processors() - 1;
    return MIN(others, flow->packs ? HELPERS_MAX : 1);
}

static void start_helpers(Flow *flow)
{
    g_mutex_init(&flow->lock);
    g_cond_init(&flow->progress);
    g_queue_init(&flow->row);
    flow->todo = g_async_queue_new();
    while (flow->nhelpers < helpers_wanted(flow)) {
        GThread *helper = g_thread_try_new("dumpkit-reader", read_ahead, flow, NULL);
        if (!helper)
            break;
        flow->helpers[flow->nhelpers++] = helper;
    }
}

/* Ends the helpers; nothing of the row is read any more. */
static void end_helpers(Flow *flow)
{
    for (GList *link = flow->row.head; link; link = link->next)
        g_atomic_int_set(&((Job *)link->data)->taken, 1);
    for (guint i = 0; i < flow->nhelpers; i++)
        g_async_queue_push(flow->todo, g_new0(Job, 1));
    for (guint i = 0; i < flow->nhelpers; i++)
        g_thread_join(flow->helpers[i]);
    Job *job;
    while ((job = g_queue_pop_head(&flow->row))) {
        g_free(job->bytes);
        recycle_packed(flow, job->packed);
        g_clear_error(&job->error);
        job_unref(job);
    }
    g_async_queue_unref(flow->todo);
    g_cond_clear(&flow->progress);
    g_mutex_clear(&flow->lock);
}

static void start_writers(Flow *flow)
{
    flow->free_buffers = g_async_queue_new();
    flow->free_packed = g_async_queue_new();
    for (guint i = 0; i < flow->ahead + BUFFERS_BEHIND; i++)
        g_async_queue_push(flow->free_buffers, g_malloc(PIECE));
    flow->writers = g_new0(Writer, flow->pipeline->nsinks);
    for (guint i = 0; i < flow->pipeline->nsinks; i++) {
        Writer *writer = &flow->writers[i];
        writer->flow = flow;
        writer->sink = flow->pipeline->sinks[i];
        writer->queue = g_async_queue_new();
        writer->thread = g_thread_new("dumpkit-writer", write_pieces, writer);
    }
}

/* Ends all writers; the first error of any of them. */
static GError *end_writers(Flow *flow)
{
    GError *first = NULL;
    for (guint i = 0; i < flow->pipeline->nsinks; i++) {
        Writer *writer = &flow->writers[i];
        g_async_queue_push(writer->queue, g_new0(Piece, 1));
        g_thread_join(writer->thread);
        g_async_queue_unref(writer->queue);
        if (writer->error && !first)
            first = g_steal_pointer(&writer->error);
        g_clear_error(&writer->error);
    }
    gpointer bytes;
    while ((bytes = g_async_queue_try_pop(flow->free_buffers)))
        g_free(bytes);
    g_async_queue_unref(flow->free_buffers);
    GByteArray *packed;
    while ((packed = g_async_queue_try_pop(flow->free_packed)))
        g_byte_array_unref(packed);
    g_async_queue_unref(flow->free_packed);
    g_free(flow->writers);
    return first;
}

gboolean dk_pipeline_run(const DkPipeline *pipeline, GPtrArray *gaps, GError **error)
{
    Flow flow = {.pipeline = pipeline, .gaps = gaps};
    g_autoptr(GError) read_error = NULL;
    for (guint i = 0; i < pipeline->nsinks; i++)
        flow.packs = flow.packs || pipeline->sinks[i]->ops->pack;
    flow.ahead = MAX(AHEAD, 2 * helpers_wanted(&flow) + 1);
    start_writers(&flow);
    start_helpers(&flow);
    gboolean done = read_all(&flow, &read_error);
    end_helpers(&flow);
    GError *write_error = end_writers(&flow);
    if (write_error) {
        g_propagate_error(error, write_error);
        return FALSE;
    }
    if (!done)
        g_propagate_error(error, g_steal_pointer(&read_error));
    return done;
}
