/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkInput: a file that is read at any offset.  Looks through encryption and compression: files
 * encrypted with age, and those in the seekable zstd format, are read in place; another zstd file
 * is unpacked once into an unlinked temporary file.
 * All offsets and sizes are those of the content.  Safe to read from several threads.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"

typedef struct DkInput DkInput;
typedef struct DkAgeIdentities DkAgeIdentities;

/* Opens path.  DK_ERROR_NOT_FOUND, DENIED, DAMAGED (broken zstd) or SYSTEM; the message names it.
 */
DkInput *dk_input_open(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The same for a file that may be encrypted to one of identities (borrowed for the call; may be
 * NULL): DK_ERROR_DENIED when it is encrypted and none of them opens it.
 */
DkInput *dk_input_open_with(const char *path, const DkAgeIdentities *identities,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Takes bytes as the content of a file called name; for tests and fuzz targets. */
DkInput *dk_input_new_bytes(const char *name, GBytes *bytes);

DkInput *dk_input_ref(DkInput *input);
void dk_input_unref(DkInput *input);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkInput, dk_input_unref)

const char *dk_input_name(const DkInput *input);

/* Bytes of the content. */
guint64 dk_input_size(const DkInput *input);

/* "plain", "seekable zstd", "zstd", "age", "seekable zstd in age", "zstd in age"; static. */
const char *dk_input_container(const DkInput *input);

/*
 * Reads len bytes at off; the result is how many there were before the end of the file, or -1 with
 * an error (DK_ERROR_DAMAGED for a frame that does not unpack, SYSTEM).
 */
gssize dk_input_read(DkInput *input, guint64 off, void *buf, gsize len,
                     GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The offset behind the stretch of one kind that off, which is below the size, lies in.  *hole:
 * whether it is a hole of a sparse file, which reads as zeros.  A stretch is not always the longest
 * one; where nothing is known of holes, all the rest is one stretch of data.
 */
guint64 dk_input_stretch(DkInput *input, guint64 off, gboolean *hole);

/*
 * All of len bytes at off as a fresh block, or NULL: DK_ERROR_DAMAGED when the file ends before
 * (the message names what, off, and the file's size), DK_ERROR_LIMIT when len is above limit.
 */
GBytes *dk_input_read_bytes(DkInput *input, const char *what, guint64 off, guint64 len,
                            guint64 limit, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Unpacks every compressed frame and compares its checksum; *verified says whether the container
 * has checksums at all (FALSE for a plain file).  DK_ERROR_DAMAGED names the frame's offset.
 */
gboolean dk_input_verify(DkInput *input, gboolean *verified, DkProgress *progress,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
