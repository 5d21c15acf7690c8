/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ELF dump that QEMU's dump-guest-memory writes into a pipe, parsed as it flows: headers in
 * either order (version 7.2 puts section headers in front of the program headers), notes, then the
 * memory of each PT_LOAD.  Layout: elf(5).
 */
#pragma once

#include <glib.h>

/* Headers and notes together. */
#define DK_ELF_STREAM_HEAD_MAX (64u << 20)

typedef struct DkElfStream DkElfStream;

typedef struct {
    /* The note segment, once; wide: of a 64-bit machine.  off: of the first byte in the stream. */
    gboolean (*notes)(const void *bytes, gsize len, guint64 off, guint16 machine, gboolean wide,
                      gpointer data, GError **error);
    /* len bytes (a multiple of 4096) of memory at the physical address pa (also a multiple). */
    gboolean (*memory)(guint64 pa, const guint8 *bytes, gsize len, gpointer data, GError **error);
} DkElfStreamCallbacks;

DkElfStream *dk_elf_stream_new(const DkElfStreamCallbacks *callbacks, gpointer data);
void dk_elf_stream_free(DkElfStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkElfStream, dk_elf_stream_free)

/*
 * Takes the next len bytes.  DK_ERROR_DAMAGED for what is no ELF core of a little-endian machine or
 * not in the order of a stream, LIMIT for too much before the memory, or the error of a callback.
 */
gboolean dk_elf_stream_feed(DkElfStream *stream, const void *bytes, gsize len,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* No more bytes come; DK_ERROR_DAMAGED when memory is missing. */
gboolean dk_elf_stream_end(DkElfStream *stream, GError **error) G_GNUC_WARN_UNUSED_RESULT;
