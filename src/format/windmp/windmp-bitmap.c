/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/windmp/windmp-file.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"
#define READ_STEP 65536u

/* Words of the bitmap between two counts of the bits before. */
#define BLOCK_WORDS 64u

typedef struct {
    DkWindmpIndex index;
    guint64 bits;   /* of words; the bits above are 0 */
    guint64 *words; /* bit N is in word N / 64 */
    guint64 *ranks; /* set bits before word i * BLOCK_WORDS */
    guint64 first_page_off;
    guint64 have; /* pages that the file has, of those with a bit */
} BitmapIndex;

/* The first bit at or above from and not above upto that is value; bits when there is none. */
static guint64 find_bit(const BitmapIndex *self, guint64 from, guint64 upto, gboolean value)
{
    guint64 last = MIN(upto, self->bits - 1);
    while (from <= last) {
        guint64 word = self->words[from / 64];
        word = (value ? word : ~word) & (~(guint64)0 << from % 64);
        if (word) {
            guint64 bit = from / 64 * 64 + (guint)__builtin_ctzll(word);
            return bit <= last ? bit : self->bits;
        }
        from = (from / 64 + 1) * 64;
    }
    return self->bits;
}

/* How many bits are set below bit. */
static guint64 rank_of(const BitmapIndex *self, guint64 bit)
{
    guint64 word = bit / 64;
    guint64 sum = self->ranks[word / BLOCK_WORDS];
    for (guint64 i = word / BLOCK_WORDS * BLOCK_WORDS; i < word; i++)
        sum += (guint)__builtin_popcountll(self->words[i]);
    if (bit % 64)
        sum += (guint)__builtin_popcountll(self->words[word] & (((guint64)1 << bit % 64) - 1));
    return sum;
}

static gboolean bitmap_find(const DkWindmpIndex *index, guint64 from, guint64 upto,
                            DkWindmpPiece *piece)
{
    const BitmapIndex *self = (const BitmapIndex *)index;
    guint64 pfn = from >> DMP_PAGE_SHIFT;
    guint64 last = upto >> DMP_PAGE_SHIFT;
    guint64 first = pfn < self->bits ? find_bit(self, pfn, last, TRUE) : self->bits;
    if (first >= self->bits)
        return FALSE;
    guint64 rank = rank_of(self, first);
    guint64 end = find_bit(self, first, last, FALSE);
    if (end == self->bits && last < self->bits - 1)
        end = last + 1;
    gboolean cut = rank >= self->have;
    if (!cut)
        end = MIN(end, first + (self->have - rank));
    *piece = (DkWindmpPiece){first << DMP_PAGE_SHIFT, (end << DMP_PAGE_SHIFT) - 1,
                             self->first_page_off + (rank << DMP_PAGE_SHIFT), cut};
    return TRUE;
}

static void bitmap_free(DkWindmpIndex *index)
{
    BitmapIndex *self = (BitmapIndex *)index;
    g_free(self->words);
    g_free(self->ranks);
    g_free(self);
}

/* Reads the bits at off, which the file has; FALSE when memory or the file fails. */
static gboolean read_bits(DkWindmp *dump, BitmapIndex *self, guint64 off)
{
    guint64 nwords = (self->bits + 63) / 64;
    guint64 nbytes = (self->bits + 7) / 8;
    guint64 blocks = (nwords + BLOCK_WORDS - 1) / BLOCK_WORDS;
    self->words = g_try_malloc0_n((gsize)nwords, sizeof *self->words);
    self->ranks = g_try_malloc0_n((gsize)blocks, sizeof *self->ranks);
    if (!self->words || !self->ranks) {
        dk_windmp_damage(dump, "no memory for a bitmap of %" G_GUINT64_FORMAT " bits", self->bits);
        return FALSE;
    }
    for (guint64 at = 0; at < nbytes; at += READ_STEP) {
        gsize step = (gsize)MIN(nbytes - at, READ_STEP);
        if (!dk_windmp_raw(dump, off + at, (guint8 *)self->words + at, step)) {
            dk_windmp_damage(dump, "the bitmap at offset " X64 " cannot be read", off + at);
            return FALSE;
        }
    }
    /* The last byte may have bits that stand for nothing. */
    if (self->bits % 64)
        self->words[nwords - 1] &= ((guint64)1 << self->bits % 64) - 1;
    return TRUE;
}

/* Fills in the counts; how many bits are set in all. */
static guint64 count_bits(BitmapIndex *self)
{
    guint64 sum = 0;
    guint64 nwords = (self->bits + 63) / 64;
    for (guint64 i = 0; i < nwords; i++) {
        if (i % BLOCK_WORDS == 0)
            self->ranks[i / BLOCK_WORDS] = sum;
        sum += (guint)__builtin_popcountll(self->words[i]);
    }
    return sum;
}

/* The bit that has so many set ones below it; there has to be one. */
static guint64 bit_of_rank(const BitmapIndex *self, guint64 rank)
{
    guint64 low = 0;
    guint64 high = self->bits - 1;
    while (low < high) {
        guint64 middle = low + (high - low) / 2;
        if (rank_of(self, middle + 1) > rank)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Compares the pages with the file's end. */
static void check_end(DkWindmp *dump, BitmapIndex *self, guint64 count)
{
    guint64 there = self->first_page_off < dump->size
                        ? (dump->size - self->first_page_off) >> DMP_PAGE_SHIFT
                        : 0;
    self->have = MIN(there, count);
    dump->npages = count;
    dump->data_end = self->first_page_off + (count << DMP_PAGE_SHIFT);
    if (self->have == count)
        return;
    guint64 first = bit_of_rank(self, self->have);
    guint64 last = bit_of_rank(self, count - 1);
    dk_windmp_cut(dump, first << DMP_PAGE_SHIFT, (last << DMP_PAGE_SHIFT) + (DMP_PAGE - 1),
                  "truncated: of %" G_GUINT64_FORMAT " pages from offset " X64
                  " on, %" G_GUINT64_FORMAT " are there, the file ends at " X64,
                  count, self->first_page_off, self->have, dump->size);
}

static gboolean header_is_sane(DkWindmp *dump, const DmpBitmap *raw, guint64 off)
{
    guint64 bits_off = off + sizeof *raw;
    if ((raw->signature != DMP_SDMP && raw->signature != DMP_FDMP) || raw->valid != DMP_VALID32) {
        dk_windmp_damage(dump,
                         "at offset " X64 " there is 0x%08x 0x%08x, expected SDMP or FDMP, then "
                         "DUMP",
                         off, raw->signature, raw->valid);
        return FALSE;
    }
    if (!raw->bits || raw->bits > DK_WINDMP_BITS_MAX) {
        dk_windmp_damage(dump,
                         "the bitmap at offset " X64 " has %" G_GUINT64_FORMAT
                         " bits, expected 1 to %" G_GUINT64_FORMAT,
                         off, raw->bits, DK_WINDMP_BITS_MAX);
        return FALSE;
    }
    if (bits_off + (raw->bits + 7) / 8 > dump->size) {
        dk_windmp_cut(dump, 1, 0,
                      "truncated: the bitmap at offset " X64 " needs %" G_GUINT64_FORMAT
                      " bytes, the file ends at " X64,
                      bits_off, (raw->bits + 7) / 8, dump->size);
        return FALSE;
    }
    if (raw->first_page_off < bits_off + (raw->bits + 7) / 8 || raw->first_page_off > G_MAXINT64) {
        dk_windmp_damage(dump, "the pages begin at offset " X64 ", the bitmap takes all up to " X64,
                         raw->first_page_off, bits_off + (raw->bits + 7) / 8);
        return FALSE;
    }
    return TRUE;
}

static DkWindmpIndex *read_bitmap(DkWindmp *dump)
{
    DmpBitmap raw;
    guint64 off = dump->header.size;
    if (!dk_windmp_raw(dump, off, &raw, sizeof raw)) {
        dk_windmp_cut(dump, 1, 0, "truncated: the file ends at " X64 ", in front of its bitmap",
                      dump->size);
        return NULL;
    }
    if (!header_is_sane(dump, &raw, off))
        return NULL;
    BitmapIndex *self = g_new0(BitmapIndex, 1);
    self->index.find = bitmap_find;
    self->index.free = bitmap_free;
    self->bits = raw.bits;
    self->first_page_off = raw.first_page_off;
    if (!read_bits(dump, self, off + sizeof raw)) {
        bitmap_free(&self->index);
        return NULL;
    }
    guint64 count = count_bits(self);
    dk_windmp_note(
        dump, "bitmap", off, sizeof raw + (raw.bits + 7) / 8,
        "%s, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " pages, from offset " X64 " on",
        raw.signature == DMP_FDMP ? "FDMP" : "SDMP", count, raw.bits, raw.first_page_off);
    if (count != raw.present)
        dk_windmp_damage(dump,
                         "the bitmap at offset " X64 " has %" G_GUINT64_FORMAT
                         " bits set, its header says %" G_GUINT64_FORMAT,
                         off, count, raw.present);
    check_end(dump, self, count);
    return &self->index;
}

DkWindmpIndex *dk_windmp_index_bitmap(DkWindmp *dump)
{
    guint32 type = dump->header.type;
    guint before = dump->damage->len;
    DkWindmpIndex *index = read_bitmap(dump);
    /*
     * Nobody has described kernel dumps from before Windows 8, nor bitmaps of 32 bits: they are
     * read when every number agrees with the layout of the others, and else not complained of.
     */
    gboolean sure = type != DMP_TYPE_SUMMARY && type != DMP_TYPE_AUTOMATIC && dump->header.wide;
    if (sure || dump->damage->len == before)
        return index;
    g_ptr_array_set_size(dump->damage, (gint)before);
    dump->opaque = TRUE;
    dump->data_end = dump->npages = 0;
    if (index)
        index->free(index);
    return NULL;
}
