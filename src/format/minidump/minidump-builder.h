/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A minidump's bytes while they grow: streams, strings, and the directory.  Used by the parts of
 * the writer only.
 */
#pragma once

#include "format/minidump/minidump-layout.h"
#include "mem/sink.h"
#include "mem/subject.h"

/* Entries that are reserved for the directory behind the header. */
#define DK_MINIDUMP_DIRECTORY_MAX 32u

typedef struct {
    GByteArray *bytes;
    GArray *directory; /* of MdmpDirectory */
    const DkSubject *subject;
    const DkDumpPlan *plan;
    GArray *stacks;     /* of DkMinidumpStack: where the file's offset has to be filled in */
    guint64 *offs;      /* where each extent of the plan begins, counted from the first one */
    guint64 base_field; /* offset of the base RVA of the Memory64List */
} DkMinidumpBuilder;

/* A descriptor of memory in the builder's bytes whose place in the file is not known yet. */
typedef struct {
    guint64 va;
    guint32 size;
    guint32 field; /* offset of its MdmpLocation */
} DkMinidumpStack;

/* Appends len bytes behind padding to a multiple of align (a power of two); their offset. */
guint32 dk_minidump_put(DkMinidumpBuilder *builder, const void *data, gsize len, guint align);

/* Appends a MINIDUMP_STRING; its offset.  Bytes that are no UTF-8 become U+FFFD. */
guint32 dk_minidump_put_string(DkMinidumpBuilder *builder, const char *text);

/* Adds the bytes from the offset `from` to the end as the stream of that type. */
void dk_minidump_add_stream(DkMinidumpBuilder *builder, guint32 type, guint32 from);

/* Appends bytes as a stream; NULL and empty ones are left out. */
void dk_minidump_add_bytes(DkMinidumpBuilder *builder, guint32 type, GBytes *bytes);

/* Makes room for a list of count entries of `stride` bytes behind a u32 count; its offset. */
guint32 dk_minidump_put_list(DkMinidumpBuilder *builder, guint32 count, gsize stride);

/* Copies an entry to the offset at. */
void dk_minidump_set(DkMinidumpBuilder *builder, guint32 at, const void *data, gsize len);

/*
 * Where the stack's bytes stand in a file whose memory begins at data_off, and whether an RVA of 32
 * bits reaches to their end.
 */
guint64 dk_minidump_place(const DkMinidumpBuilder *builder, guint64 data_off,
                          const DkMinidumpStack *stack);
gboolean dk_minidump_reaches(const DkMinidumpBuilder *builder, guint64 data_off,
                             const DkMinidumpStack *stack);

/*
 * A second description of the stacks, for readers that do not know the Memory64List; those only
 * that an RVA reaches when the memory begins at data_off or before: a range without bytes makes
 * Breakpad refuse the list.
 */
void dk_minidump_write_memory_list(DkMinidumpBuilder *builder, guint64 data_off);

/* The parts: each adds its streams. */
void dk_minidump_write_threads(DkMinidumpBuilder *builder);
void dk_minidump_write_modules(DkMinidumpBuilder *builder);
void dk_minidump_write_system(DkMinidumpBuilder *builder);
