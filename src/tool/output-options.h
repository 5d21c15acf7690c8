/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The options of verbs that write dumps: -o, --format, --zstd, --encrypt-to,
 * --force; and the files they stand
 * for.
 */
#pragma once

#include <glib.h>

#include "capture/outputs.h"
#include "mem/subject.h"

/* Must be the first member of the verb's state. */
typedef struct {
    char **paths;
    char **formats;
    int zstd_default; /* level when none is given; set by the verb; 0: DK_ZSTD_LEVEL_DEFAULT */
    int zstd_level;   /* 0: not given */
    gboolean zstd;    /* --zstd, with a level or without */
    gboolean force;
    GArray *recipients; /* of DkAgeRecipient; NULL: none */
} DkOutputOptions;

/* How many entries dk_output_options_entries() fills in. */
#define DK_OUTPUT_OPTIONS 5

/* The formats of --format, for its description; a test compares it with the table of formats. */
#define DK_OUTPUT_FORMATS "elf|minidump|kdump|lime|avml|raw|dmp"

/* formats is the description of --format's argument, such as "elf|minidump"; static. */
void dk_output_options_entries(DkOutputOptions *options, const char *formats,
                               GOptionEntry entries[DK_OUTPUT_OPTIONS]);
void dk_output_options_clear(DkOutputOptions *options);

/*
 * Makes a path of what -o says, or without -o (pattern is NULL) of nothing: fresh.  format and zstd
 * are for names that are made up.  NULL with an error when there has to be a -o.
 */
typedef char *(*DkOutputName)(const char *pattern, const DkFormat *format, gboolean zstd,
                              gpointer data, GError **error);

/*
 * The files to write of a subject of this kind: GArray of DkCaptureOutput, which owns the paths;
 * for dk_outputs_open() and as long as options live.  The format is what --format says, else what
 * the file's name ends in, else ELF.  NULL with DK_ERROR_USAGE.
 */
GArray *dk_output_options_make(const DkOutputOptions *options, DkSubjectKind kind,
                               DkOutputName name, gpointer data,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Tells the writers of outputs what --filter leaves out (DkFilterBits): zero pages are theirs. */
void dk_output_options_filter(GArray *outputs, guint filter);

/* Whether -o - is among them. */
gboolean dk_output_options_to_stdout(const DkOutputOptions *options);
