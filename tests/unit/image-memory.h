/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A made-up machine for tests of plain images: each u64 of its memory is its address times a
 * constant, or zero.  And what such tests have in common.
 */
#pragma once

#include "mem/format.h"

/* Its source, subject (a machine) and space. */
typedef struct {
    DkSource *source;
    DkDumpPlan *plan;
} ImageMemory;

ImageMemory *image_memory_new(void);
void image_memory_free(ImageMemory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageMemory, image_memory_free)

/* More RAM, above what is there. */
void image_memory_add(ImageMemory *memory, guint64 first, guint64 last, gboolean zero);

/* Appends what the machine has at first..last. */
void image_put_memory(GByteArray *file, guint64 first, guint64 last);

/* Opens file by the format's name; error may be NULL, and then it has to open. */
DkSource *image_open(const char *format, const GByteArray *file, GError **error);

/* RAM as "1000-1fff 3000-3fff". */
void image_assert_ram(const DkSource *source, const char *expected);

/* Runs as "data 1000-1fff, zero 3000-3fff". */
void image_assert_runs(DkSpace *space, const char *expected);

/* That space holds what the machine has at first..last. */
void image_assert_memory(DkSpace *space, guint64 first, guint64 last);

/* That space holds all of memory, byte by byte. */
void image_assert_same(DkSpace *space, const ImageMemory *memory);

/* Writes memory to a fresh temporary file through the pipeline; its path. */
char *image_write(const char *format, const char *variant, ImageMemory *memory);

/*
 * Has the checker (a name in tests/make) read the file at path, and compares what it read with
 * memory; its output, or an empty text and a skip where there is no python3.
 */
char *image_check(const char *checker, const char *path, const ImageMemory *memory);

/* The findings of the verify slot, a line each as "damaged records: text". */
char *image_verify(DkSource *source, const char *format, gboolean deep);

/* A file of the corpus, or NULL. */
char *image_corpus(const char *name);
