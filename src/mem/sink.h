/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSink: where a dump goes: a format's writer over a DkOutput.  What the file will hold is fixed
 * by a DkDumpPlan before the first byte of memory comes, so that every writer can lay its file out
 * at once and be streamed.
 *
 * To add a writer: embed DkSink as the first member of your struct, fill in a static const
 * DkSinkOps, name its constructor in your DkFormat.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"

typedef struct DkSink DkSink;
typedef struct DkOutput DkOutput;

/* A stretch of memory that the file will hold, every byte of it; page aligned. */
typedef struct {
    guint64 first; /* both inside */
    guint64 last;
    guint32 flags; /* DkMapFlags, of the mapping it belongs to */
} DkExtent;

typedef struct {
    GArray *extents; /* of DkExtent, ascending, not overlapping */
    guint64 bytes;   /* sum of their lengths */
    guint64 present; /* bytes of them that have to be read; the rest is known to be zero */
} DkDumpPlan;

DkDumpPlan *dk_dump_plan_new(void);
void dk_dump_plan_free(DkDumpPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkDumpPlan, dk_dump_plan_free)

/* Appends first..last, which must lie above what is there; joins it to the last extent if they
 * touch and have the same flags. */
void dk_dump_plan_add(DkDumpPlan *plan, guint64 first, guint64 last, guint32 flags);

/* What is known only when all data has passed; goes into the writer's closing record. */
typedef struct {
    gint64 pause_ns;
    gint64 duration_ns;
    gboolean complete; /* nothing of the plan failed */
    GPtrArray *gaps;   /* of DkGap: what failed in the middle; borrowed; may be NULL */
} DkDumpSummary;

typedef enum {
    DK_SINK_SEEK = 1 << 0,      /* uses dk_output_rewrite() where the output can */
    DK_SINK_STREAM = 1 << 1,    /* can write to an output that cannot rewrite */
    DK_SINK_ORDERED = 1 << 2,   /* data must come in ascending order */
    DK_SINK_ANY_ORDER = 1 << 3, /* data may come in any order */
} DkSinkCaps;

/* How a writer is to write, beside what the plan says; zero is the default of everything. */
typedef struct {
    const char *variant; /* a name of DkFormat.variants, or NULL for the first */
    gint level;          /* of the compression inside the format; 0: the format's default */
    gboolean raw_inside; /* all of the file is compressed outside: nothing inside */
    gboolean drop_zero;  /* pages that are zero are left out where the format can say so */
    guint dump_level;    /* bits of makedumpfile's dump level that the plan's filter stands for */
} DkSinkOptions;

typedef struct {
    const char *name;
    guint32 caps; /* DkSinkCaps */

    /* FALSE with DK_ERROR_UNSUPPORTED that names what the format cannot express of the subject. */
    gboolean (*accepts)(DkSink *sink, const DkSubject *subject, GError **error);

    /*
     * The exact size in bytes that the file will have for subject and plan, before compression; for
     * the check of free space and for --plan.  May be called before begin(), and writes nothing.
     * NULL, or a result of 0, when the size is not known before all is written.
     */
    guint64 (*measure)(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan);

    /*
     * Fixes the layout and writes what comes before the memory.  subject and plan are borrowed and
     * stay as they are until destroy().
     */
    gboolean (*begin)(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                      GError **error);

    /*
     * Takes len bytes of memory at va (physical address, for a machine).  With ORDERED, calls of
     * data() and hole() together cover every extent of the plan exactly once, ascending; one call
     * never crosses the end of an extent.
     */
    gboolean (*data)(DkSink *sink, guint64 va, const void *buf, gsize len, GError **error);

    /*
     * The costly part of data(), such as compression, done ahead: appends to packed whatever
     * data_packed() has to know of the len bytes at va.  Called by several threads at once and in
     * any order, after begin(): it changes nothing of the sink.  NULL: data() does all.
     */
    gboolean (*pack)(DkSink *sink, guint64 va, const void *buf, gsize len, GByteArray *packed,
                     GError **error);

    /* In place of data(), in its order: what pack() made of len bytes at va.  With pack only. */
    gboolean (*data_packed)(DkSink *sink, guint64 va, gsize len, const GByteArray *packed,
                            GError **error);

    /*
     * Instead of data: first..last of the run is zero (DK_RUN_ZERO), or could not be read
     * (DK_RUN_UNREADABLE), and is then zero in the file and named in the summary.
     */
    gboolean (*hole)(DkSink *sink, const DkRun *run, GError **error);

    /* Writes what comes behind the memory.  Called once, when all went well until then. */
    gboolean (*finish)(DkSink *sink, const DkDumpSummary *summary, GError **error);

    /* Frees the struct; called always, after finish() or instead of it. */
    void (*destroy)(DkSink *sink);
} DkSinkOps;

struct DkSink {
    const DkSinkOps *ops;
    DkOutput *output;         /* borrowed */
    const DkSubject *subject; /* borrowed, set by begin */
    const DkDumpPlan *plan;
    guint extent;    /* index of the extent that is being written */
    guint64 next_va; /* the address that has to come next */
};

void dk_sink_init(DkSink *sink, const DkSinkOps *ops, DkOutput *output);
void dk_sink_free(DkSink *sink);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSink, dk_sink_free)

/* The slots, with the contract of ordered sinks asserted. */
gboolean dk_sink_accepts(DkSink *sink, const DkSubject *subject,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
guint64 dk_sink_measure(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan);
gboolean dk_sink_begin(DkSink *sink, const DkSubject *subject, const DkDumpPlan *plan,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_sink_data(DkSink *sink, guint64 va, const void *buf, gsize len,
                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_sink_data_packed(DkSink *sink, guint64 va, gsize len, const GByteArray *packed,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_sink_hole(DkSink *sink, const DkRun *run, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_sink_finish(DkSink *sink, const DkDumpSummary *summary,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
