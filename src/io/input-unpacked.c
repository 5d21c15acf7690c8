/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A zstd file without a seek table: unpacked from first to last into an unlinked file. */
#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "codec/zstd-stream.h"
#include "io/input-backend.h"
#include "io/output.h"

#define IN_SIZE ((gsize)128 << 10)
/* Content of a zstd block at most: what the file may have a hole for. */
#define OUT_SIZE ((gsize)128 << 10)
/* Largest content; what ext4 takes as one file. */
#define CONTENT_MAX ((guint64)1 << 44)

typedef struct {
    DkInput base;
    DkInput *below;
    int content;
} UnpackedInput;

/* One run over a packed file. */
typedef struct {
    const char *name;
    const char *dir; /* of content, for messages */
    DkInput *below;
    int content; /* receives what is unpacked; -1: only checks */
    DkProgress *progress;
    DkZstdStream *stream;
    guint64 off;   /* in the packed file */
    guint64 frame; /* start of the frame at hand, in the packed file */
    guint64 made;  /* bytes of content */
    gboolean has_checksums;
    gboolean after_table;
} Unpack;

static gboolean put_content(Unpack *unpack, const guint8 *data, gsize len, GError **error)
{
    if (len > CONTENT_MAX - unpack->made) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: unpacks to more than %" G_GUINT64_FORMAT " bytes", unpack->name,
                    CONTENT_MAX);
        return FALSE;
    }
    if (unpack->content >= 0 && !dk_input_is_zero(data, len) &&
        dk_fd_pwrite_all(unpack->content, data, len, unpack->made) < 0) {
        dk_output_set_errno(error, errno, unpack->dir);
        g_prefix_error(error,
                       "%s: cannot be unpacked (TMPDIR names another place): ", unpack->name);
        return FALSE;
    }
    unpack->made += len;
    return TRUE;
}

/* Unpacks len bytes of the file, which stand at unpack->off. */
static gboolean feed(Unpack *unpack, const guint8 *in, gsize len, guint8 *out, GError **error)
{
    gsize pos = 0, made = 0;
    while (pos < len || made == OUT_SIZE) {
        if (dk_zstd_stream_between_frames(unpack->stream))
            unpack->frame = unpack->off + pos;
        gsize used;
        if (!dk_zstd_stream_run(unpack->stream, in + pos, len - pos, &used, out, OUT_SIZE, &made,
                                error)) {
            g_prefix_error(error,
                           "%s: zstd frame at offset 0x%" G_GINT64_MODIFIER
                           "x, read up to 0x%" G_GINT64_MODIFIER "x: ",
                           unpack->name, unpack->frame, unpack->off + len);
            return FALSE;
        }
        if (!put_content(unpack, out, made, error))
            return FALSE;
        pos += used;
    }
    unpack->off += len;
    return TRUE;
}

static gboolean unpack_all(Unpack *unpack, GError **error)
{
    g_autoptr(DkZstdStream) stream = dk_zstd_stream_new();
    g_autofree guint8 *in = g_malloc(IN_SIZE);
    g_autofree guint8 *out = g_malloc(OUT_SIZE);
    unpack->stream = stream;
    while (unpack->off < unpack->below->size) {
        gsize len = (gsize)MIN(IN_SIZE, unpack->below->size - unpack->off);
        if (!dk_progress_tick(unpack->progress, unpack->off, unpack->below->size, error) ||
            !dk_input_read_exactly(unpack->below, unpack->off, in, len, error) ||
            !feed(unpack, in, len, out, error))
            return FALSE;
    }
    unpack->has_checksums = dk_zstd_stream_has_checksums(stream);
    unpack->after_table = dk_zstd_stream_after_table(stream);
    if (dk_zstd_stream_between_frames(stream))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "%s: ends at offset 0x%" G_GINT64_MODIFIER
                "x, inside the zstd frame that starts at 0x%" G_GINT64_MODIFIER "x",
                unpack->name, unpack->off, unpack->frame);
    return FALSE;
}

static int open_temporary(const char *dir, GError **error)
{
    int fd = dk_fd_open_unlinked(dir);
    if (fd < 0)
        dk_error_set_errno(error, errno, "cannot create a temporary file in %s", dir);
    return fd;
}

static gssize unpacked_read(DkInput *base, guint64 off, void *buf, gsize len, GError **error)
{
    UnpackedInput *input = (UnpackedInput *)base;
    if (!dk_input_pread(base->name, input->content, off, buf, len, error))
        return -1;
    return (gssize)len;
}

static gboolean unpacked_verify(DkInput *base, gboolean *verified, DkProgress *progress,
                                GError **error)
{
    UnpackedInput *input = (UnpackedInput *)base;
    Unpack unpack = {
        .name = base->name,
        .below = input->below,
        .content = -1,
        .progress = progress,
    };
    if (!unpack_all(&unpack, error) ||
        !dk_progress_tick(progress, unpack.off, input->below->size, error))
        return FALSE;
    if (unpack.made != base->size) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED, "%s: has changed while it was open",
                    base->name);
        return FALSE;
    }
    /* With a right one it would have been opened as a seekable file. */
    if (unpack.after_table) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s: ends with a seek table whose footer before offset 0x%" G_GINT64_MODIFIER
                    "x is damaged",
                    base->name, input->below->size);
        return FALSE;
    }
    *verified = unpack.has_checksums;
    return TRUE;
}

static void unpacked_clear(DkInput *base)
{
    UnpackedInput *input = (UnpackedInput *)base;
    dk_input_unref(input->below);
    dk_fd_close(&input->content);
}

static const DkInputOps unpacked_ops = {
    .container = "zstd",
    .read = unpacked_read,
    .verify = unpacked_verify,
    .clear = unpacked_clear,
};

DkInput *dk_input_unpacked_new(DkInput *below, GError **error)
{
    const char *name = below->name;
    const char *dir = g_get_tmp_dir();
    dk_autofd int content = open_temporary(dir, error);
    if (content < 0) {
        g_prefix_error(error, "%s: cannot be unpacked: ", name);
        return NULL;
    }
    Unpack unpack = {.name = name, .dir = dir, .below = below, .content = content};
    if (!unpack_all(&unpack, error))
        return NULL;
    if (ftruncate(content, (off_t)unpack.made) < 0) {
        dk_output_set_errno(error, errno, dir);
        return NULL;
    }
    UnpackedInput *input = g_new0(UnpackedInput, 1);
    dk_input_init(&input->base, &unpacked_ops, name, unpack.made);
    input->below = dk_input_ref(below);
    input->content = dk_fd_steal(&content);
    return &input->base;
}
