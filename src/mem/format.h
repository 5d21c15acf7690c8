/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkFormat: one dump format, its reader and its writer.  The table of all formats is made from the
 * Meson list `formats` (src/format/meson.build): adding a word there and a folder format/NAME with
 * `const DkFormat dk_format_NAME` is the whole registration.  A test fails until a registered
 * format has reader tests, a fuzz target, a section in the manual and docs/formats/NAME.md.
 */
#pragma once

#include <glib.h>

#include "mem/sink.h"
#include "mem/source.h"

typedef struct DkInput DkInput;
typedef struct DkProgress DkProgress;

typedef enum {
    DK_VERIFY_OK,      /* looked at and found right */
    DK_VERIFY_NOTE,    /* worth knowing, nothing is wrong */
    DK_VERIFY_LACKS,   /* something is missing: exit status 3 */
    DK_VERIFY_DAMAGED, /* the structure or a byte is wrong: exit status 1 */
} DkVerdict;

/* Where a verify slot puts what it finds. */
typedef struct DkVerify DkVerify;
struct DkVerify {
    /* text is borrowed; it names the offset where there is one. */
    void (*finding)(DkVerify *verify, DkVerdict verdict, const char *part, const char *text);
    DkProgress *progress; /* may be NULL */
    /* Set by the slot: the content was compared with checksums in the file. */
    gboolean content_verified;
};

/* A way of writing one format, such as its method of compression. */
typedef struct {
    const char *name;    /* the word for --format, such as "kdump-lzo" */
    const char *summary; /* one line for help */
} DkFormatVariant;

typedef struct {
    const char *name;    /* the word for --format, such as "elf" */
    const char *summary; /* one line for help */

    /*
     * Opens the dump in input.  Fails with DK_ERROR_NOT_MINE when the magic is not this format's,
     * and with DK_ERROR_DAMAGED (message with offset and expectation) when the magic matched and
     * the rest is so broken that nothing can be read.  A file that is merely cut off or lacks parts
     * opens, with gaps in its subject.  On success the source has taken its own reference to input.
     * NULL when dumpkit does not read the format.
     */
    DkSource *(*open)(DkInput *input, GError **error);

    /*
     * As open(), when the user says that it is this format, for one that nothing in the file tells
     * (raw memory).  NULL: the same as open().
     */
    DkSource *(*open_forced)(DkInput *input, GError **error);

    /*
     * Opens a dump that lies in several files, given in any order (ninputs is at least 2); errors
     * as of open(), NOT_MINE by the first of them.  Takes references of its own.  NULL for a format
     * that is always one file.
     */
    DkSource *(*open_parts)(DkInput *const *inputs, guint ninputs, GError **error);

    /*
     * A writer that puts the dump into output, which it borrows, as options say (borrowed for the
     * call; NULL for all defaults).  NULL when there is none.
     */
    DkSink *(*sink_new)(DkOutput *output, const DkSinkOptions *options);

    /* Of sink_new: bits 1 << DkSubjectKind of what it takes. */
    guint32 writes;
    /* How names of files of this format end, without the dot, such as "core"; ended by NULL. */
    const char *const *extensions;

    /* Other words for --format, ended by an entry without a name; NULL when there are none. */
    const DkFormatVariant *variants;

    /*
     * Checks what only the format knows: structure against the file's size, its own checksums when
     * deep.  Calls finding() for each thing that is wrong.  NULL: nothing to check beyond open().
     */
    gboolean (*verify)(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
} DkFormat;

/* As verify->finding() with a format. */
void dk_verify_add(DkVerify *verify, DkVerdict verdict, const char *part, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
