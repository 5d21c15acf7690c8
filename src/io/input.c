/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "codec/zstd-stream.h"
#include "io/input-backend.h"

/* Skippable frames in front of the first real one that are looked behind. */
#define SKIPPABLE_LIMIT 64

/*
 * Reads up to SMALL_READ bytes that the page cache lacks bring what lies around: NEAR at once, and
 * AROUND behind it, in a file that is small enough for most of it to be wanted in the end.
 */
#define SMALL_READ ((gsize)32 << 10)
#define NEAR ((guint64)128 << 10)
#define AROUND ((guint64)2 << 20)
#define AROUND_FILE_MAX ((guint64)1 << 30)

typedef struct {
    DkInput base;
    int fd;
    gint no_nowait; /* the file system cannot say what is in the page cache */
} PlainInput;

typedef struct {
    DkInput base;
    GBytes *bytes;
} BytesInput;

void dk_input_init(DkInput *input, const DkInputOps *ops, const char *name, guint64 size)
{
    g_assert(ops->container && ops->read && ops->clear);
    input->ops = ops;
    input->name = g_strdup(name);
    input->container = ops->container;
    input->size = size;
    g_atomic_ref_count_init(&input->refs);
}

DkInput *dk_input_ref(DkInput *input)
{
    g_atomic_ref_count_inc(&input->refs);
    return input;
}

void dk_input_unref(DkInput *input)
{
    if (!input || !g_atomic_ref_count_dec(&input->refs))
        return;
    input->ops->clear(input);
    g_free(input->name);
    g_free(input);
}

const char *dk_input_name(const DkInput *input)
{
    return input->name;
}

guint64 dk_input_size(const DkInput *input)
{
    return input->size;
}

const char *dk_input_container(const DkInput *input)
{
    return input->container;
}

gboolean dk_input_is_zero(const void *data, gsize len)
{
    const guint8 *bytes = data;
    /* A block whose first byte is zero and that equals itself one further on. */
    return !len || (!bytes[0] && !memcmp(bytes, bytes + 1, len - 1));
}

gboolean dk_input_pread(const char *name, int fd, guint64 off, void *buf, gsize len, GError **error)
{
    gssize got = dk_fd_pread_all(fd, buf, len, off);
    if (got < 0) {
        dk_error_set_errno(error, errno, "%s: cannot read at offset 0x%" G_GINT64_MODIFIER "x",
                           name, off);
        return FALSE;
    }
    if ((gsize)got < len) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "%s: ends at offset 0x%" G_GINT64_MODIFIER "x, expected %" G_GSIZE_FORMAT
                    " bytes at 0x%" G_GINT64_MODIFIER "x",
                    name, off + (gsize)got, len, off);
        return FALSE;
    }
    return TRUE;
}

/*
 * Reads what is in the page cache already; FALSE when that is not all of it.  Readers of dumps
 * jump, and the kernel reads nothing ahead for those who do.  What lies around is wanted soon all
 * the same, so it is asked for: random pages of a file on disk come several times as fast.
 */
static gboolean read_near(PlainInput *input, guint64 off, void *buf, gsize len)
{
    struct iovec part = {buf, len};
    if (len > SMALL_READ || g_atomic_int_get(&input->no_nowait))
        return FALSE;
    gssize got = preadv2(input->fd, &part, 1, (off_t)off, RWF_NOWAIT);
    if (got == (gssize)len)
        return TRUE;
    if (got >= 0 || errno == EAGAIN)
        (void)posix_fadvise(input->fd, (off_t)(off / AROUND * AROUND), AROUND, POSIX_FADV_WILLNEED);
    else
        g_atomic_int_set(&input->no_nowait, 1);
    return FALSE;
}

static gssize plain_read(DkInput *input, guint64 off, void *buf, gsize len, GError **error)
{
    PlainInput *plain = (PlainInput *)input;
    if (read_near(plain, off, buf, len))
        return (gssize)len;
    gssize got = dk_fd_pread_all(plain->fd, buf, len, off);
    if (got < 0)
        dk_error_set_errno(error, errno, "%s: cannot read at offset 0x%" G_GINT64_MODIFIER "x",
                           input->name, off);
    return got;
}

/* Moves the descriptor's place, which no other slot uses. */
static guint64 plain_stretch(DkInput *input, guint64 off, gboolean *hole)
{
    int fd = ((PlainInput *)input)->fd;
    off_t data = lseek(fd, (off_t)off, SEEK_DATA);
    *hole = data < 0 ? errno == ENXIO : (guint64)data > off;
    if (*hole)
        return data < 0 ? input->size : (guint64)data;
    off_t end = lseek(fd, (off_t)off, SEEK_HOLE);
    return end < 0 ? input->size : (guint64)end;
}

static void plain_clear(DkInput *input)
{
    dk_fd_close(&((PlainInput *)input)->fd);
}

static const DkInputOps plain_ops = {
    .container = "plain",
    .read = plain_read,
    .stretch = plain_stretch,
    .clear = plain_clear,
};

static gssize bytes_read(DkInput *input, guint64 off, void *buf, gsize len, GError **error)
{
    const guint8 *data = g_bytes_get_data(((BytesInput *)input)->bytes, NULL);
    memcpy(buf, data + off, len);
    return (gssize)len;
}

static void bytes_clear(DkInput *input)
{
    g_bytes_unref(((BytesInput *)input)->bytes);
}

static const DkInputOps bytes_ops = {
    .container = "plain",
    .read = bytes_read,
    .clear = bytes_clear,
};

DkInput *dk_input_new_bytes(const char *name, GBytes *bytes)
{
    BytesInput *input = g_new0(BytesInput, 1);
    dk_input_init(&input->base, &bytes_ops, name, g_bytes_get_size(bytes));
    input->bytes = g_bytes_ref(bytes);
    return &input->base;
}

static const char *kind_name(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static gboolean check_regular(const char *path, const struct stat *st, GError **error)
{
    if (S_ISREG(st->st_mode))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_SYSTEM, "%s: is %s; expected a regular file", path,
                kind_name(st->st_mode));
    return FALSE;
}

/* Opens a regular file; anything else is not even opened, since that may block or have effects. */
static int open_regular(const char *path, guint64 *size, GError **error)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        dk_error_set_errno(error, errno, "%s", path);
        return -1;
    }
    if (!check_regular(path, &st, error))
        return -1;
    /* It may have been exchanged for a pipe meanwhile. */
    dk_autofd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        dk_error_set_errno(error, errno, "%s", path);
        return -1;
    }
    if (!check_regular(path, &st, error))
        return -1;
    *size = (guint64)st.st_size;
    return dk_fd_steal(&fd);
}

/*
 * Whether a file starts with a zstd frame.  Skippable frames alone do not tell: LZ4 has them too;
 * what matters is what they are followed by.  A file of nothing else counts as zstd.
 */
static gboolean starts_as_zstd(DkInput *input)
{
    guint64 size = input->size;
    guint64 off = 0;
    for (guint i = 0; i < SKIPPABLE_LIMIT && off < size; i++) {
        guint8 head[DK_ZSTD_SKIPPABLE_HEADER_SIZE];
        gssize got = dk_input_read(input, off, head, sizeof head, NULL);
        if (got < DK_ZSTD_MAGIC_SIZE)
            return FALSE;
        DkZstdMagic magic = dk_zstd_magic(head);
        if (magic != DK_ZSTD_MAGIC_SKIPPABLE)
            return magic == DK_ZSTD_MAGIC_FRAME;
        if ((gsize)got < sizeof head)
            return FALSE;
        guint32 rest;
        memcpy(&rest, head + DK_ZSTD_MAGIC_SIZE, sizeof rest);
        off += sizeof head + GUINT32_FROM_LE(rest);
    }
    return size && off == size;
}

static DkInput *open_zstd(DkInput *below, GError **error)
{
    g_autoptr(GError) why = NULL;
    DkInput *input = dk_input_seekable_new(below, &why);
    if (!input && g_error_matches(why, DK_ERROR, DK_ERROR_NOT_MINE))
        return dk_input_unpacked_new(below, error);
    if (!input)
        g_propagate_error(error, g_steal_pointer(&why));
    return input;
}

static DkInput *open_plain(const char *path, GError **error)
{
    guint64 size;
    dk_autofd int fd = open_regular(path, &size, error);
    if (fd < 0)
        return NULL;
    PlainInput *input = g_new0(PlainInput, 1);
    dk_input_init(&input->base, &plain_ops, path, size);
    input->fd = dk_fd_steal(&fd);
    return &input->base;
}

DkInput *dk_input_open_with(const char *path, const DkAgeIdentities *identities, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(DkInput) input = open_plain(path, error);
    if (!input)
        return NULL;
    g_autoptr(DkInput) clear = dk_input_age_new(input, identities, &why);
    if (!clear && !g_error_matches(why, DK_ERROR, DK_ERROR_NOT_MINE)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    DkInput *content = clear ? clear : input;
    if (!starts_as_zstd(content))
        return dk_input_ref(content);
    DkInput *unpacked = open_zstd(content, error);
    if (unpacked && clear)
        unpacked->container = dk_input_is_seekable(unpacked) ? "seekable zstd in age"
                                                             : "zstd in age";
    return unpacked;
}

DkInput *dk_input_open(const char *path, GError **error)
{
    return dk_input_open_with(path, NULL, error);
}

gssize dk_input_read(DkInput *input, guint64 off, void *buf, gsize len, GError **error)
{
    if (off >= input->size || !len)
        return 0;
    guint64 there = MIN(input->size - off, (guint64)G_MAXSSIZE);
    return input->ops->read(input, off, buf, (gsize)MIN(len, there), error);
}

guint64 dk_input_stretch(DkInput *input, guint64 off, gboolean *hole)
{
    g_assert(off < input->size);
    *hole = FALSE;
    guint64 end = input->ops->stretch ? input->ops->stretch(input, off, hole) : input->size;
    /* A file that was cut meanwhile ends where it ended. */
    return end > off ? MIN(end, input->size) : input->size;
}

gboolean dk_input_read_exactly(DkInput *input, guint64 off, void *buf, gsize len, GError **error)
{
    gssize got = dk_input_read(input, off, buf, len, error);
    if (got < 0 || (gsize)got == len)
        return got >= 0;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "%s: ends at offset 0x%" G_GINT64_MODIFIER "x, expected %" G_GSIZE_FORMAT
                " bytes at 0x%" G_GINT64_MODIFIER "x",
                input->name, off + (gsize)got, len, off);
    return FALSE;
}

static void set_too_short(DkInput *input, const char *what, guint64 off, guint64 len,
                          GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "%s: %s needs %" G_GUINT64_FORMAT " bytes at offset 0x%" G_GINT64_MODIFIER
                "x, the file has 0x%" G_GINT64_MODIFIER "x",
                input->name, what, len, off, input->size);
}

GBytes *dk_input_read_bytes(DkInput *input, const char *what, guint64 off, guint64 len,
                            guint64 limit, GError **error)
{
    if (len > limit) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: %s at offset 0x%" G_GINT64_MODIFIER "x has %" G_GUINT64_FORMAT
                    " bytes, at most %" G_GUINT64_FORMAT " are read",
                    input->name, what, off, len, limit);
        return NULL;
    }
    if (off > input->size || len > input->size - off) {
        set_too_short(input, what, off, len, error);
        return NULL;
    }
    g_autofree guint8 *data = len < G_MAXSIZE ? g_try_malloc((gsize)len + 1) : NULL;
    if (!data) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "%s: no memory for the %" G_GUINT64_FORMAT " bytes of %s", input->name, len,
                    what);
        return NULL;
    }
    gssize got = dk_input_read(input, off, data, (gsize)len, error);
    if (got < 0)
        return NULL;
    /* The file has been cut since it was opened. */
    if ((guint64)got < len) {
        set_too_short(input, what, off, len, error);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), (gsize)len);
}

gboolean dk_input_verify(DkInput *input, gboolean *verified, DkProgress *progress, GError **error)
{
    if (input->ops->verify)
        return input->ops->verify(input, verified, progress, error);
    *verified = FALSE;
    return TRUE;
}
