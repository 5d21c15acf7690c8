/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/size.h"
#include "format/lime-record.h"
#include "format/lime/lime.h"
#include "format/piece-space.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define PAGE ((guint64)4096)

typedef struct {
    DkSource source;
    char *damage; /* why the walk over the records ended before the file did; NULL: it did not */
    guint records;
    guint unsorted;
    guint parts_of_pages; /* records that do not begin and end at borders of pages */
    guint overlapping;
    guint64 overlap_pa;
    gboolean split; /* blocks of 16 MiB, as AVML writes them */
} LimeSource;

static void tell_damage(LimeSource *self, const char *text)
{
    self->damage = g_strdup(text);
    dk_subject_add_gap(self->source.subject, "data", 1, 0, 0, "%s", text);
}

/* Takes one record whose data stand at off; its part that is in the file becomes a piece. */
static void take_record(LimeSource *self, const DkLimeRecord *record, guint64 off, guint64 size,
                        GArray *pieces, GArray *ranges)
{
    guint64 len = dk_size_of_range(record->first, record->last);
    guint64 present = MIN(len, size - off);
    DkPiece piece = {record->first, record->last, off, DK_RUN_DATA};
    g_array_append_val(ranges, piece);
    if (present < len)
        dk_subject_add_gap(self->source.subject, "data", record->first + present, record->last, 0,
                           "the file ends at offset " HEX ", the record that begins at " HEX
                           " needs " HEX " bytes more",
                           size, off - DK_LIME_HEADER_SIZE, len - present);
    if (!present)
        return;
    piece.last = piece.first + (present - 1);
    if (pieces->len) {
        const DkPiece *before = &g_array_index(pieces, DkPiece, pieces->len - 1);
        self->unsorted += piece.first < before->first;
    }
    g_array_append_val(pieces, piece);
}

/* Collects the records; FALSE when there is not even one. */
static gboolean walk(LimeSource *self, DkInput *input, GArray *pieces, GArray *ranges,
                     GError **error)
{
    guint64 size = dk_input_size(input);
    guint64 off = 0;
    while (off < size || !self->records) {
        g_autoptr(GError) local = NULL;
        DkLimeRecord record;
        if (self->records == DK_LIME_RECORDS_MAX) {
            tell_damage(self, "has more than 1048576 records; the rest is not read");
            return TRUE;
        }
        if (!dk_lime_record_read(input, off, DK_LIME_MAGIC, DK_LIME_VERSION, &record, &local)) {
            if (!self->records) {
                g_propagate_error(error, g_steal_pointer(&local));
                return FALSE;
            }
            tell_damage(self, local->message);
            return TRUE;
        }
        self->records++;
        self->parts_of_pages += record.first % PAGE || (record.last + 1) % PAGE;
        off += DK_LIME_HEADER_SIZE;
        take_record(self, &record, off, size, pieces, ranges);
        guint64 len = dk_size_of_range(record.first, record.last);
        off = len > size - off ? size : off + len;
    }
    return TRUE;
}

/*
 * Whether AVML wrote it, uncompressed: records of at most 16 MiB, of which a whole one touches the
 * next.  LiME makes one record of a range.
 */
static gboolean is_split(const GArray *pieces)
{
    gboolean touching = FALSE;
    for (guint i = 0; i < pieces->len; i++) {
        const DkPiece *piece = &g_array_index(pieces, DkPiece, i);
        guint64 len = dk_size_of_range(piece->first, piece->last);
        if (len > DK_AVML_BLOCK)
            return FALSE;
        if (len == DK_AVML_BLOCK && i + 1 < pieces->len)
            touching |= g_array_index(pieces, DkPiece, i + 1).first == piece->last + 1;
    }
    return touching;
}

static void lime_close(DkSource *source)
{
    g_free(((LimeSource *)source)->damage);
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "lime",
    .caps = DK_SOURCE_PHYS,
    .close = lime_close,
};

DkSource *dk_lime_open(DkInput *input, GError **error)
{
    LimeSource *self = g_new0(LimeSource, 1);
    dk_source_init(&self->source, &source_ops, dk_input_name(input));
    g_autoptr(DkSource) source = &self->source;
    g_autoptr(GArray) pieces = dk_pieces_new();
    g_autoptr(GArray) ranges = dk_pieces_new();
    source->subject = dk_subject_new();
    source->subject->kind = DK_SUBJECT_MACHINE;
    if (!walk(self, input, pieces, ranges, error))
        return NULL;
    self->overlapping = dk_pieces_untangle(pieces, &self->overlap_pa);
    dk_pieces_untangle(ranges, NULL);
    self->split = is_split(pieces) && !self->overlapping;
    if (self->split) {
        dk_pieces_fill_avml(pieces);
        dk_pieces_fill_avml(ranges);
    }
    dk_pieces_add_ram(ranges, &source->subject->system);
    source->space = dk_piece_space_new(input, g_steal_pointer(&pieces), FALSE);
    return g_steal_pointer(&source);
}

gboolean dk_lime_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const LimeSource *self = (const LimeSource *)source;
    if (self->damage)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "records", "%s", self->damage);
    if (self->overlapping)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "records",
                      "%u of %u overlap others, first at " HEX
                      "; the one with the lower start counts",
                      self->overlapping, self->records, self->overlap_pa);
    if (self->unsorted)
        dk_verify_add(verify, DK_VERIFY_NOTE, "records", "%u of %u are not in ascending order",
                      self->unsorted, self->records);
    if (self->parts_of_pages)
        dk_verify_add(verify, DK_VERIFY_NOTE, "records",
                      "%u of %u begin or end inside a page; convert leaves out what is no whole "
                      "page",
                      self->parts_of_pages, self->records);
    if (self->split)
        dk_verify_add(verify, DK_VERIFY_NOTE, "records",
                      "blocks of 16 MiB as AVML writes them: it leaves out those that are zero, so "
                      "memory that is missing here may have been zeros");
    return TRUE;
}
