/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Little-endian bytes that are put together for an ELF core, and the notes of Linux made of them.
 */
#pragma once

#include <glib.h>

#include "format/elfcore/elfcore-machine.h"
#include "mem/subject.h"

/* Where a run of bytes goes that is made piece by piece; FALSE stops the making. */
typedef struct DkElfcorePut DkElfcorePut;
struct DkElfcorePut {
    gboolean (*bytes)(DkElfcorePut *put, const void *data, gsize len, GError **error);
    guint64 size; /* bytes put so far */
};

gboolean dk_elfcore_put(DkElfcorePut *put, const void *data, gsize len,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Appends an integer, or a word of that many bytes. */
void dk_elfcore_pack16(GByteArray *out, guint16 value);
void dk_elfcore_pack32(GByteArray *out, guint32 value);
void dk_elfcore_pack64(GByteArray *out, guint64 value);
void dk_elfcore_pack_word(GByteArray *out, guint word, guint64 value);
void dk_elfcore_pack_zeros(GByteArray *out, gsize len);

/* Bytes that a note of that owner and content takes up. */
guint64 dk_elfcore_note_size(const char *owner, guint64 len);

/* Puts a note: header, owner, content, padding to 4. */
gboolean dk_elfcore_put_note(DkElfcorePut *put, const char *owner, guint32 type, const void *data,
                             gsize len, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Puts all notes of the process in the kernel's order: NT_PRSTATUS of the first thread that has
 * registers, NT_PRPSINFO, NT_SIGINFO, NT_AUXV, NT_FILE, its register sets, then the other threads.
 */
gboolean dk_elfcore_put_process(DkElfcorePut *put, const DkElfcoreMachine *machine,
                                const DkSubject *subject, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The content of our note of all mappings: docs/formats/elfcore.md has the form of its lines. */
GBytes *dk_elfcore_mappings_text(const DkSubject *subject);
