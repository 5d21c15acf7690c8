/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/cursor.h"
#include "format/windmp/windmp-file.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"
#define READ_STEP 65536u

/* The ranges of one dump while they are read. */
typedef struct {
    DkWindmp *dump;
    GArray *pieces;
    guint64 off;   /* where the pages of the next range stand */
    guint64 left;  /* ranges that may come */
    gboolean done; /* the end was found, or something is wrong */
    gboolean bad;  /* something is wrong */
} Ranges;

/* Takes a range; counted says that the table's header has their number, so that zeros are no end.
 */
static void take_range(Ranges *ranges, guint64 at, guint64 base, guint64 count, gboolean counted)
{
    if (!counted && !base) {
        ranges->done = TRUE;
        return;
    }
    if (base >= DK_WINDMP_PFN_MAX || count > DK_WINDMP_PFN_MAX - base || !count) {
        dk_windmp_damage(ranges->dump,
                         "the range at offset " X64 " is page " X64 ", %" G_GUINT64_FORMAT
                         " pages: no memory lies there",
                         at, base, count);
        ranges->done = ranges->bad = TRUE;
        return;
    }
    if (ranges->pieces->len >= DK_WINDMP_RANGES_MAX) {
        dk_windmp_damage(ranges->dump, "more than %u ranges of memory", DK_WINDMP_RANGES_MAX);
        ranges->done = ranges->bad = TRUE;
        return;
    }
    DkWindmpPiece piece = {
        .first = base << DMP_PAGE_SHIFT,
        .last = ((base + count) << DMP_PAGE_SHIFT) - 1,
        .off = ranges->off,
    };
    g_array_append_val(ranges->pieces, piece);
    ranges->dump->npages += count;
    ranges->off += count << DMP_PAGE_SHIFT;
    if (ranges->off > G_MAXINT64) {
        dk_windmp_damage(ranges->dump, "the ranges up to offset " X64 " are larger than any file",
                         at);
        ranges->done = ranges->bad = TRUE;
    }
}

static void read_ranges(Ranges *ranges, guint64 off, guint64 end, gboolean counted)
{
    while (off < end && ranges->left && !ranges->done) {
        guint64 want = MIN(end - off, READ_STEP);
        g_autoptr(GBytes) bytes = dk_windmp_bytes(ranges->dump, off, want, want);
        gsize len = 0;
        const void *data = bytes ? g_bytes_get_data(bytes, &len) : NULL;
        DkCursor cursor;
        dk_cursor_init(&cursor, data, len, off, "range");
        guint64 base;
        guint64 count;
        while (ranges->left && !ranges->done && dk_cursor_left(&cursor) >= sizeof(DmpRun64)) {
            guint64 at = dk_cursor_off(&cursor);
            if (!dk_cursor_u64(&cursor, "page", &base, NULL) ||
                !dk_cursor_u64(&cursor, "count", &count, NULL))
                break;
            take_range(ranges, at, base, count, counted);
            ranges->left--;
        }
        if (len < want) {
            dk_windmp_cut(ranges->dump, 1, 0,
                          "truncated: the file ends at " X64 ", in its list of memory ranges",
                          ranges->dump->size);
            return;
        }
        off += len;
    }
}

static gboolean header_is_sane(DkWindmp *dump, const DmpLive *raw, guint64 off)
{
    if (raw->marker != DMP_LIVE_MARKER || raw->signature != DMP_RDMP || raw->valid != DMP_VALID32) {
        dk_windmp_damage(dump,
                         "at offset " X64 " there is 0x%08x 0x%08x 0x%08x, expected 0x40, RDMP, "
                         "DUMP",
                         off, raw->marker, raw->signature, raw->valid);
        return FALSE;
    }
    if (raw->metadata_size > G_MAXINT64 ||
        raw->first_page_off != raw->metadata_size + DMP_LIVE_BIAS ||
        raw->first_page_off < off + sizeof *raw) {
        dk_windmp_damage(dump,
                         "at offset " X64 ": pages begin at " X64 " behind " X64
                         " bytes of ranges, expected 0x2020 more than that",
                         off, raw->first_page_off, raw->metadata_size);
        return FALSE;
    }
    return TRUE;
}

DkWindmpIndex *dk_windmp_index_live(DkWindmp *dump)
{
    DmpLive raw;
    guint64 off = dump->header.size;
    gboolean counted = dump->header.type == DMP_TYPE_LIVE_COMPLETE;
    if (!dump->header.wide) {
        dump->opaque = TRUE;
        return NULL;
    }
    if (!dk_windmp_raw(dump, off, &raw, sizeof raw)) {
        dk_windmp_cut(dump, 1, 0,
                      "truncated: the file ends at " X64 ", in front of its memory ranges",
                      dump->size);
        return NULL;
    }
    if (!header_is_sane(dump, &raw, off))
        return NULL;
    guint64 room = (raw.first_page_off - (off + sizeof raw)) / sizeof(DmpRun64);
    if (counted && raw.nranges > room) {
        dk_windmp_damage(dump,
                         "%u ranges at offset " X64 ", but there is room for %" G_GUINT64_FORMAT,
                         raw.nranges, off + sizeof raw, room);
        return NULL;
    }
    Ranges ranges = {
        .dump = dump,
        .pieces = g_array_new(FALSE, FALSE, sizeof(DkWindmpPiece)),
        .off = raw.first_page_off,
        .left = counted ? raw.nranges : room,
    };
    read_ranges(&ranges, off + sizeof raw, raw.first_page_off, counted);
    dk_windmp_note(dump, "memory ranges", off, raw.first_page_off - off,
                   "RDMP, %u ranges, %" G_GUINT64_FORMAT " pages, from offset " X64 " on",
                   ranges.pieces->len, dump->npages, raw.first_page_off);
    if (counted && !dump->cut && raw.pages != dump->npages)
        dk_windmp_damage(dump,
                         "the ranges at offset " X64 " have %" G_GUINT64_FORMAT
                         " pages, their header says %" G_GUINT64_FORMAT,
                         off, dump->npages, raw.pages);
    /* With ranges lost, what follows the pages cannot be told from them. */
    dump->data_end = dump->cut || ranges.bad ? 0 : ranges.off;
    guint overlaps = 0;
    DkWindmpIndex *index = dk_windmp_index_pieces(dump, ranges.pieces, TRUE, &overlaps);
    if (overlaps)
        dk_windmp_damage(dump, "%u ranges of memory at offset " X64 " overlap others", overlaps,
                         off);
    return index;
}
