/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the minidump reader.  Each reads what its streams say into md->base.subject, adds
 * gaps for what is broken, and sets the notes of its streams.  They are called in the order in
 * which they stand here.
 */
#pragma once

#include "format/minidump/minidump-file.h"

/* SystemInfo: machine, operating system, version, CPUs. */
void dk_minidump_read_system(DkMinidump *md);

/* MiscInfo, comments, HandleData, BreakpadInfo, and who wrote the file. */
void dk_minidump_read_misc(DkMinidump *md);

/* ModuleList and UnloadedModuleList. */
void dk_minidump_read_modules(DkMinidump *md);

/* Breakpad's Linux streams. */
void dk_minidump_read_linux(DkMinidump *md);

/*
 * ThreadList or ThreadExList, ThreadNames, ThreadInfoList, our register sets; then the exception,
 * whose thread comes first.
 */
void dk_minidump_read_threads(DkMinidump *md);

/* MemoryList, Memory64List and the stacks: md->ranges sorted, and the space of the source. */
void dk_minidump_read_memory(DkMinidump *md);

/* MemoryInfoList, or modules and memory, when the Linux streams gave no mappings. */
void dk_minidump_read_mappings(DkMinidump *md);

/* Our own info and result. */
void dk_minidump_read_own(DkMinidump *md);

/*
 * The whole of our closing part (table of sums, result, sum of both), or NULL with the reason:
 * DK_ERROR_ABSENT when the file is cut off before its end, DK_ERROR_DAMAGED when the locator makes
 * no sense or the sum is not that of the bytes.  *locator gets where it stands.
 */
GBytes *dk_minidump_closing(DkMinidump *md, MdmpClosing *locator,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* DkFormat.verify */
gboolean dk_minidump_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);

/* DkFormat.open and sink_new */
DkSource *dk_minidump_open(DkInput *input, GError **error);
DkSink *dk_minidump_sink_new(DkOutput *output, const DkSinkOptions *options);
