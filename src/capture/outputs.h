/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files that a dump is written to: for each a chain of outputs (file or standard output, with
 * encryption and compression in front) and the writer of its format.
 */
#pragma once

#include <glib.h>

#include "io/age.h"
#include "mem/format.h"

/* One file to write. */
typedef struct {
    char *path; /* "-" is standard output */
    const DkFormat *format;
    DkSinkOptions sink;
    int zstd_level; /* around the whole file; 0: not compressed */
    /* Encrypts to them, around all of it; borrowed; none when nrecipients is 0. */
    const DkAgeRecipient *recipients;
    guint nrecipients;
} DkCaptureOutput;

typedef struct DkOutputs DkOutputs;

/*
 * Opens them all, so that what is wrong with one shows before the target is touched; wanted is
 * borrowed.  expected is the size in bytes that has to be free for one that is not compressed; 0
 * skips that.  After an error, and after dk_outputs_free() without finish, no file is there.
 */
DkOutputs *dk_outputs_open(const DkCaptureOutput *wanted, guint count, gboolean replace,
                           guint64 expected, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_outputs_free(DkOutputs *outputs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkOutputs, dk_outputs_free)

/* accepts() of every writer. */
gboolean dk_outputs_accept(DkOutputs *outputs, const DkSubject *subject,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* begin() of every writer; both are borrowed until dk_outputs_free(). */
gboolean dk_outputs_begin(DkOutputs *outputs, const DkSubject *subject, const DkDumpPlan *plan,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The writers, in the order of wanted; borrowed. */
DkSink **dk_outputs_sinks(DkOutputs *outputs);

/* Finishes every writer and file: they appear under their names. */
gboolean dk_outputs_finish(DkOutputs *outputs, const DkDumpSummary *summary,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
