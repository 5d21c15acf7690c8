/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkOutput: where the bytes of a dump go, from first to last: a file that appears under its name
 * only when it is whole, a stream, or a filter (compression, encryption) in front of another
 * output.
 *
 * To add an output: embed DkOutput as the first member, fill in a static const DkOutputOps, call
 * dk_output_init().
 */
#pragma once

#include <glib.h>

typedef struct DkOutput DkOutput;

typedef struct {
    const char *name;

    /* Appends len bytes. */
    gboolean (*write)(DkOutput *output, const void *buf, gsize len, GError **error);

    /* Appends len zero bytes; a file makes a hole of them. */
    gboolean (*zeros)(DkOutput *output, guint64 len, GError **error);

    /*
     * Replaces len bytes at off, all of which were appended before.  NULL for an output that goes
     * one way only.
     */
    gboolean (*rewrite)(DkOutput *output, guint64 off, const void *buf, gsize len, GError **error);

    /* Writes out what is buffered and makes the result lasting and visible; once, on success. */
    gboolean (*finish)(DkOutput *output, GError **error);

    /* Frees the struct; without finish() before, nothing of ours stays behind. */
    void (*destroy)(DkOutput *output);
} DkOutputOps;

struct DkOutput {
    const DkOutputOps *ops;
    guint64 done; /* bytes appended so far, before compression */
    gboolean finished;
    gboolean failed; /* a slot has failed: all later calls but free fail too */
};

void dk_output_init(DkOutput *output, const DkOutputOps *ops);

/*
 * The front functions: append, and make the result lasting and visible.  After one has failed, the
 * others fail as well (DK_ERROR_SYSTEM), so a result that lacks bytes never becomes visible.
 */
gboolean dk_output_write(DkOutput *output, const void *buf, gsize len,
                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_output_zeros(DkOutput *output, guint64 len, GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_output_finish(DkOutput *output, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whether dk_output_rewrite() may be called. */
gboolean dk_output_can_rewrite(const DkOutput *output);
/* Replaces len bytes at off, which together must not reach beyond what was appended. */
gboolean dk_output_rewrite(DkOutput *output, guint64 off, const void *buf, gsize len,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Without finish() before, nothing of the output stays behind. */
void dk_output_free(DkOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkOutput, dk_output_free)

/*
 * For outputs: sets *error for the errno value err of a failed write to what name says.  A full
 * disk, a quota and a limit on the size of files are DK_ERROR_NO_SPACE.
 */
void dk_output_set_errno(GError **error, int err, const char *name);

/*
 * A file that will be called path: written to an unlinked temporary file (O_TMPFILE, else a hidden
 * name) in the same directory, mode 0600, then fsync, link, fsync of the directory.  An existing
 * path fails with DK_ERROR_EXISTS unless replace, which renames over it.  A path that is a symbolic
 * link, directory or device is refused (DK_ERROR_EXISTS or USAGE).  When less than expected bytes
 * are free on the file system it fails with DK_ERROR_NO_SPACE before anything is written; 0 skips
 * that.  A kill leaves nothing behind where the file system has O_TMPFILE; elsewhere (NFS, FAT) it
 * leaves .dumpkit-*.tmp.
 *
 * The process's limit on the size of files (RLIMIT_FSIZE, read when the output is made) is
 * respected without a write that would raise SIGXFSZ.  A limit that is lowered later is noticed
 * too, provided that the program ignores SIGXFSZ; tool/ does so for all verbs.
 */
DkOutput *dk_output_file_new(const char *path, gboolean replace, guint64 expected,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Writes to a descriptor such as standard output, which it borrows and which may be non-blocking.
 * name stands in messages.  What has been written cannot be taken back: free() without finish()
 * leaves the bytes that went out, and drops those that wait in the buffer.  That the reader of a
 * pipe is gone (DK_ERROR_SYSTEM), or a file has become too large, is noticed provided that the
 * program ignores SIGPIPE and SIGXFSZ.
 */
DkOutput *dk_output_fd_new(int fd, const char *name);
