/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record that dumpkit leaves in every dump it writes, whatever the format: an info text (what
 * was dumped, how, and what is missing), a result text (what is known only at the end) and a table
 * of checksums.  Here are their bytes; each format gives them a place (notes of the owner
 * "DUMPKIT" in an ELF core, streams of our own in a minidump).  docs/formats/own-record.md
 * describes them for other readers.
 *
 * Info and result are JSON in UTF-8, one object each with the member "version", a number that is 1.
 * Addresses are texts such as "0x7f001000".  Readers skip members that they do not know.
 */
#pragma once

#include <glib.h>

#include "codec/checksum.h"
#include "mem/format.h"
#include "mem/sink.h"
#include "mem/subject.h"

typedef struct DkInput DkInput;

/* As an ELF note: the owner, and the type of the note that is the info text. */
#define DK_OWN_NOTE_OWNER "DUMPKIT"
#define DK_OWN_NOTE_INFO 0x444b0001u
/* The type of the note that is the result text. */
#define DK_OWN_NOTE_RESULT 0x444b0003u

/* The largest info text that is read, in bytes. */
#define DK_OWN_INFO_MAX (32u << 20)
/* Gaps in an info text; further ones are counted in its member "gaps_dropped". */
#define DK_OWN_GAPS_MAX 100000u
/* Bytes that formats reserve for the result text: it ends with blanks up to that size. */
#define DK_OWN_RESULT_SIZE (16u << 10)

/*
 * The info text of subject: tool version, method, level, times, machine, process, threads with
 * names, states and what is missing of them, gaps.  Of the level "triage" it has no command line.
 * Of a machine it has RAM and CPUs (format/own-machine.h) in place of process and threads.
 * Never NULL, at most DK_OWN_INFO_MAX bytes.
 */
GBytes *dk_own_info_write(const DkSubject *subject);

/*
 * Whether writers may put the command line of subject into a file: not for the level "triage".
 */
gboolean dk_own_keeps_command(const DkSubject *subject);

/*
 * Reads an info text into subject: origin is replaced, gaps are appended, threads that subject has
 * get their name, state and ns_tid where these are not known yet, threads that it lacks are
 * appended with the reason, and facts of the process and system that are not known yet are filled
 * in.  Blanks and NULs at the end are skipped.  DK_ERROR_DAMAGED when it is not such a text,
 * DK_ERROR_LIMIT when it is too long or nested too deep, DK_ERROR_UNSUPPORTED for another version;
 * subject is then as it was.
 */
gboolean dk_own_info_read(DkSubject *subject, const void *data, gsize len,
                          GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The result text, exactly size bytes (at least 1024; formats use DK_OWN_RESULT_SIZE) with blanks
 * and a newline at its end: complete, pause, duration, and as many of the summary's gaps as fit;
 * "gaps_dropped" counts the others.
 */
GBytes *dk_own_result_write(const DkDumpSummary *summary, gsize size);

/*
 * Reads a result text into subject: origin.complete, pause_ns, duration_ns; gaps are appended.
 * Errors as for the info.
 */
gboolean dk_own_result_read(DkSubject *subject, const void *data, gsize len,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The table of checksums over a file's bytes from its beginning, one for each DK_OWN_SUMS_CHUNK
 * bytes, the last one over what is left.  As bytes, all little-endian:
 *
 *   0  u32  version, 1
 *   4  u32  algorithm, 1: XXH3-128, canonical (codec/checksum.h)
 *   8  u64  bytes that each sum covers, DK_OWN_SUMS_CHUNK
 *  16  u64  bytes covered in all
 *  24  u64  number of sums, n
 *  32  n sums of 16 bytes
 */
#define DK_OWN_SUMS_CHUNK ((guint64)16 << 20)
#define DK_OWN_SUMS_HEADER 32u

typedef struct DkOwnSums DkOwnSums;

DkOwnSums *dk_own_sums_new(void);
void dk_own_sums_free(DkOwnSums *sums);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkOwnSums, dk_own_sums_free)

/* Takes the next bytes of the file into account. */
void dk_own_sums_update(DkOwnSums *sums, const void *data, gsize len);
void dk_own_sums_update_zeros(DkOwnSums *sums, guint64 len);

/* Bytes of the table over covered bytes. */
guint64 dk_own_sums_size(guint64 covered);

/* The table over all bytes so far, dk_own_sums_size() of them; sums is then used up. */
GBytes *dk_own_sums_finish(DkOwnSums *sums);

/*
 * Checks a table's header: DK_ERROR_DAMAGED when it contradicts itself or covers more than
 * file_size bytes, DK_ERROR_UNSUPPORTED for another version or algorithm.  table_off is where the
 * table stands in the file, for messages.  *covered (may be NULL) gets the bytes covered.
 */
gboolean dk_own_sums_check(GBytes *table, guint64 table_off, guint64 file_size, guint64 *covered,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Compares the covered bytes of input with the table in bytes and adds a DK_VERIFY_DAMAGED finding
 * for each run of chunks that differ, with its offsets; a table that is not right is one too.  Sets
 * verify->content_verified when it compared.  verify->progress is told the bytes done of all
 * covered.  FALSE only when input cannot be read or the user ended it.
 */
gboolean dk_own_sums_verify(DkInput *input, GBytes *bytes, guint64 table_off, DkVerify *verify,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
