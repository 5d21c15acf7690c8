/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "format/piece-space.h"
#include "format/raw/raw.h"
#include "io/input.h"

#define PAGE ((guint64)4096)
/* Where x86 machines may begin to leave room for devices below 4 GiB. */
#define LOWEST_HOLE ((guint64)2 << 30)

typedef struct {
    DkSource source;
    DkInput *input;
} RawSource;

static void raw_close(DkSource *source)
{
    dk_input_unref(((RawSource *)source)->input);
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "raw",
    .caps = DK_SOURCE_PHYS,
    .close = raw_close,
};

static const char *const extensions[] = {"raw", "mem", "img", "vmem", "dd", "bin", NULL};

/* Whether the name ends as names of raw images do, perhaps with that of a container behind it. */
static gboolean has_name(const char *name)
{
    static const char *const containers[] = {".age", ".zst"};
    g_autofree char *lower = g_ascii_strdown(name, -1);
    for (guint i = 0; i < G_N_ELEMENTS(containers); i++) {
        if (g_str_has_suffix(lower, containers[i]))
            lower[strlen(lower) - strlen(containers[i])] = '\0';
    }
    const char *dot = strrchr(lower, '.');
    for (guint i = 0; dot && extensions[i]; i++) {
        if (g_str_equal(dot + 1, extensions[i]))
            return TRUE;
    }
    return FALSE;
}

DkSource *dk_raw_open_forced(DkInput *input, GError **error)
{
    guint64 size = dk_input_size(input);
    guint64 whole = size & ~(PAGE - 1);
    if (!whole) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "has %" G_GUINT64_FORMAT " bytes, less than a page of memory", size);
        return NULL;
    }
    RawSource *self = g_new0(RawSource, 1);
    dk_source_init(&self->source, &source_ops, dk_input_name(input));
    DkSubject *subject = self->source.subject = dk_subject_new();
    subject->kind = DK_SUBJECT_MACHINE;
    self->input = dk_input_ref(input);
    GArray *pieces = dk_pieces_new();
    DkPiece piece = {0, whole - 1, 0, DK_RUN_DATA};
    g_array_append_val(pieces, piece);
    dk_pieces_add_ram(pieces, &subject->system);
    if (whole < size)
        dk_subject_add_gap(subject, "data", whole, whole + PAGE - 1, 0,
                           "the file ends inside a page, at offset 0x%" G_GINT64_MODIFIER
                           "x; what it has of the page is not read",
                           size);
    self->source.space = dk_piece_space_new(input, pieces, TRUE);
    return &self->source;
}

DkSource *dk_raw_open(DkInput *input, GError **error)
{
    if (dk_input_size(input) && has_name(dk_input_name(input)))
        return dk_raw_open_forced(input, error);
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "is not named as raw images are");
    return NULL;
}

gboolean dk_raw_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const RawSource *self = (const RawSource *)source;
    guint8 end[2] = {0};
    dk_verify_add(verify, DK_VERIFY_NOTE, "image",
                  "nothing in the file says that it is memory, or which addresses were RAM: zeros "
                  "may be RAM, holes of the machine or pages that were left out");
    if (dk_input_size(self->input) > LOWEST_HOLE)
        dk_verify_add(verify, DK_VERIFY_NOTE, "image",
                      "addresses are offsets in the file; where the machine has room for devices "
                      "below 4 GiB and the image has none, memory above it is misplaced");
    if (g_str_has_suffix(source->name, ".vmem"))
        dk_verify_add(verify, DK_VERIFY_NOTE, "image",
                      "there is no .vmss or .vmsn of the same name beside it: it would say where "
                      "the memory lies, and has the registers");
    if (dk_input_read(self->input, 510, end, sizeof end, NULL) == sizeof end && end[0] == 0x55 &&
        end[1] == 0xaa)
        dk_verify_add(verify, DK_VERIFY_NOTE, "image",
                      "begins as a boot sector does (55 aa at offset 510): it may be a disk");
    return TRUE;
}

extern const DkFormat dk_format_raw;

const DkFormat dk_format_raw = {
    .name = "raw",
    .summary = "physical memory as it is, each byte at its address; a sparse file",
    .open = dk_raw_open,
    .open_forced = dk_raw_open_forced,
    .sink_new = dk_raw_sink_new,
    .writes = 1 << DK_SUBJECT_MACHINE,
    .extensions = extensions,
    .verify = dk_raw_verify,
};
