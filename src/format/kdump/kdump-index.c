/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bitmaps and descriptors of one file. */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/kdump/kdump-reader.h"

/* Bitmap bytes that are read at once when all of it is counted: 32 chunks. */
#define STEP ((gsize)256 << 10)

/* Of a word's set bits; without popcnt, which the baseline of x86-64 lacks. */
static guint count_bits(guint64 word)
{
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (guint)(word * 0x0101010101010101 >> 56);
}

/* Reads len bytes at off; what the file lacks is zero.  The result is how many it had. */
static gssize read_padded(const DkKdumpFile *file, guint64 off, void *buf, gsize len,
                          GError **error)
{
    gssize got = dk_input_read(file->input, off, buf, len, error);
    if (got >= 0)
        memset((guint8 *)buf + got, 0, len - (gsize)got);
    return got;
}

/* Bits are counted from the lowest of each byte, so words are little-endian on every machine. */
static void to_words(guint64 *words, gsize count)
{
    for (gsize i = 0; i < count; i++)
        words[i] = GUINT64_FROM_LE(words[i]);
}

/* Clears bits of words from page limit on, and says how many there were. */
static guint64 clear_from(guint64 *words, gsize count, guint64 limit)
{
    guint64 cleared = 0;
    for (gsize i = (gsize)MIN(limit / 64, count); i < count; i++) {
        guint64 keep = limit > i * 64 ? ((guint64)1 << (limit - i * 64)) - 1 : 0;
        cleared += count_bits(words[i] & ~keep);
        words[i] &= keep;
    }
    return cleared;
}

typedef struct {
    DkKdumpFile *file;
    DkKdumpEachRun each;
    gpointer data;
    gboolean open; /* a run has begun at first */
    guint64 first;
} Runs;

/* Tells the runs of set bits of words, which begin at page pfn. */
static void tell_runs(Runs *runs, const guint64 *words, gsize count, guint64 pfn)
{
    for (gsize i = 0; i < count; i++) {
        guint64 word = words[i];
        if (word == (runs->open ? G_MAXUINT64 : 0))
            continue;
        for (guint bit = 0; bit < 64; bit++) {
            gboolean set = word >> bit & 1;
            if (set == runs->open)
                continue;
            guint64 at = pfn + i * 64 + bit;
            if (runs->open && runs->each)
                runs->each(runs->first, at - 1, runs->data);
            runs->open = set;
            runs->first = at;
        }
    }
}

/* Counts one step of both bitmaps, which begins at page pfn. */
static void count_step(DkKdumpFile *file, guint64 pfn, guint64 *exist, guint64 *dump, gsize words)
{
    guint64 limit = file->pages - pfn;
    if (limit < (guint64)words * 64) {
        clear_from(exist, words, limit);
        file->outside += clear_from(dump, words, limit);
    }
    for (gsize i = 0; i < words; i++) {
        if (!(i % DK_KDUMP_CHUNK_WORDS))
            file->ranks[(pfn + i * 64) / DK_KDUMP_CHUNK_PAGES] = file->dumped;
        file->dumped += count_bits(dump[i]);
        file->existing += count_bits(exist[i]);
        file->not_existing += count_bits(dump[i] & ~exist[i]);
        exist[i] |= dump[i];
    }
}

static gboolean count_bitmaps(DkKdumpFile *file, Runs *runs, GError **error)
{
    g_autofree guint64 *exist = g_malloc(STEP);
    g_autofree guint64 *dump = g_malloc(STEP);
    for (guint64 off = 0; off < file->bitmap_size; off += STEP) {
        gsize len = (gsize)MIN(STEP, file->bitmap_size - off);
        gsize words = (len + 7) / 8;
        memset((guint8 *)exist + len, 0, words * 8 - len);
        memset((guint8 *)dump + len, 0, words * 8 - len);
        if (read_padded(file, file->bitmap_off[0] + off, exist, len, error) < 0)
            return FALSE;
        gssize got = read_padded(file, file->bitmap_off[1] + off, dump, len, error);
        if (got < 0)
            return FALSE;
        if (got < (gssize)len)
            file->bitmap_cut = MIN(file->bitmap_cut, (off + (guint64)got) * 8);
        to_words(exist, words);
        to_words(dump, words);
        count_step(file, off * 8, exist, dump, words);
        tell_runs(runs, exist, words, off * 8);
        /* The rest of the file is not there: so are the bits. */
        if (!got && file->bitmap_off[1] + off >= dk_input_size(file->input)) {
            for (guint64 i = off * 8 / DK_KDUMP_CHUNK_PAGES; i < file->chunks; i++)
                file->ranks[i] = file->dumped;
            break;
        }
    }
    if (runs->open && runs->each)
        runs->each(runs->first, file->pages - 1, runs->data);
    return TRUE;
}

/* Writers put one page of zeros in front of all others, for all that are zero. */
static void find_zero(DkKdumpFile *file)
{
    g_autofree guint8 *page = g_malloc(file->block_size);
    file->zero_off = file->data_off;
    gssize got = dk_input_read(file->input, file->zero_off, page, file->block_size, NULL);
    file->has_zero = got == (gssize)file->block_size && !page[0] &&
                     !memcmp(page, page + 1, file->block_size - 1);
}

gboolean dk_kdump_index(DkKdumpFile *file, DkKdumpEachRun each, gpointer data, GError **error)
{
    file->chunks = (file->pages + DK_KDUMP_CHUNK_PAGES - 1) / DK_KDUMP_CHUNK_PAGES;
    g_free(file->ranks);
    file->ranks = g_try_new0(guint64, file->chunks);
    if (!file->ranks) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "no memory for an index of %" G_GUINT64_FORMAT " pages", file->pages);
        return FALSE;
    }
    file->dumped = file->existing = file->outside = file->not_existing = 0;
    file->bitmap_cut = file->pages;
    guint64 size = dk_input_size(file->input);
    guint64 have = size > file->bitmap_off[0] ? size - file->bitmap_off[0] : 0;
    file->bits_end = MIN(file->pages, MIN(have, file->bitmap_size) * 8);
    Runs runs = {file, each, data, FALSE, 0};
    if (!count_bitmaps(file, &runs, error))
        return FALSE;
    file->before = 0;
    file->descriptors = file->dumped;
    if (file->sub.split) {
        DkKdumpCache cache = {0};
        guint64 first = dk_kdump_rank(file, &cache, file->start_pfn);
        guint64 end = file->start_pfn > file->last_pfn
                          ? first
                          : dk_kdump_rank(file, &cache, file->last_pfn + 1);
        dk_kdump_cache_clear(&cache);
        file->before = first;
        file->descriptors = end - first;
    }
    file->data_off = file->desc_off + file->descriptors * sizeof(DkKdumpDescriptor);
    find_zero(file);
    return TRUE;
}

void dk_kdump_cache_clear(DkKdumpCache *cache)
{
    for (guint i = 0; i < DK_KDUMP_CHUNK_SLOTS; i++) {
        g_clear_pointer(&cache->chunks[0][i], g_free);
        g_clear_pointer(&cache->chunks[1][i], g_free);
    }
    for (guint i = 0; i < DK_KDUMP_DESC_SLOTS; i++)
        g_clear_pointer(&cache->blocks[i], g_free);
}

/* The chunk of a bitmap; of a file that cannot be read it is zero. */
static const DkKdumpChunk *chunk_at(const DkKdumpFile *file, DkKdumpCache *cache, guint which,
                                    guint64 index)
{
    DkKdumpChunk **slot = &cache->chunks[which][index % DK_KDUMP_CHUNK_SLOTS];
    if (!*slot)
        *slot = g_new0(DkKdumpChunk, 1);
    DkKdumpChunk *chunk = *slot;
    if (chunk->file == file && chunk->index == index)
        return chunk;
    guint64 off = file->bitmap_off[which] + index * DK_KDUMP_CHUNK_BYTES;
    gsize len = (gsize)MIN(DK_KDUMP_CHUNK_BYTES, file->bitmap_size - index * DK_KDUMP_CHUNK_BYTES);
    memset(chunk->words, 0, sizeof chunk->words);
    if (read_padded(file, off, chunk->words, len, NULL) < 0)
        memset(chunk->words, 0, sizeof chunk->words);
    to_words(chunk->words, DK_KDUMP_CHUNK_WORDS);
    clear_from(chunk->words, DK_KDUMP_CHUNK_WORDS, file->pages - index * DK_KDUMP_CHUNK_PAGES);
    guint32 sum = 0;
    for (gsize i = 0; i < DK_KDUMP_CHUNK_WORDS; i++) {
        if (!(i % 8))
            chunk->ranks[i / 8] = sum;
        sum += count_bits(chunk->words[i]);
    }
    chunk->file = file;
    chunk->index = index;
    return chunk;
}

gboolean dk_kdump_bit(const DkKdumpFile *file, DkKdumpCache *cache, guint which, guint64 pfn)
{
    const DkKdumpChunk *chunk = chunk_at(file, cache, which, pfn / DK_KDUMP_CHUNK_PAGES);
    return chunk->words[pfn % DK_KDUMP_CHUNK_PAGES / 64] >> (pfn % 64) & 1;
}

gboolean dk_kdump_next_page(const DkKdumpFile *file, DkKdumpCache *cache, guint64 pfn,
                            guint64 *found)
{
    while (pfn < file->bits_end) {
        guint64 index = pfn / DK_KDUMP_CHUNK_PAGES;
        const DkKdumpChunk *exist = chunk_at(file, cache, 0, index);
        const DkKdumpChunk *dump = chunk_at(file, cache, 1, index);
        for (gsize i = (gsize)(pfn % DK_KDUMP_CHUNK_PAGES / 64); i < DK_KDUMP_CHUNK_WORDS; i++) {
            guint64 word = (exist->words[i] | dump->words[i]) >> (pfn % 64);
            if (word) {
                *found = pfn + (guint)__builtin_ctzll(word);
                return TRUE;
            }
            pfn += 64 - pfn % 64;
        }
    }
    return FALSE;
}

guint64 dk_kdump_rank(const DkKdumpFile *file, DkKdumpCache *cache, guint64 pfn)
{
    if (pfn >= file->pages)
        return file->dumped - file->before;
    guint64 index = pfn / DK_KDUMP_CHUNK_PAGES;
    const DkKdumpChunk *chunk = chunk_at(file, cache, 1, index);
    gsize word = (gsize)(pfn % DK_KDUMP_CHUNK_PAGES / 64);
    guint64 rank = file->ranks[index] + chunk->ranks[word / 8];
    for (gsize i = word / 8 * 8; i < word; i++)
        rank += count_bits(chunk->words[i]);
    rank += count_bits(chunk->words[word] & (((guint64)1 << (pfn % 64)) - 1));
    return rank - file->before;
}

static const DkKdumpDescBlock *block_at(const DkKdumpFile *file, DkKdumpCache *cache,
                                        guint64 number)
{
    guint slots = cache->jumps ? DK_KDUMP_DESC_SLOTS : DK_KDUMP_DESC_SLOTS_FEW;
    DkKdumpDescBlock **slot = &cache->blocks[number % slots];
    if (!*slot)
        *slot = g_new0(DkKdumpDescBlock, 1);
    DkKdumpDescBlock *block = *slot;
    if (block->file == file && block->block == number)
        return block;
    guint64 first = number * DK_KDUMP_DESC_BLOCK;
    gsize want = (gsize)MIN(DK_KDUMP_DESC_BLOCK, file->descriptors - first);
    gssize got = dk_input_read(file->input, file->desc_off + first * sizeof(DkKdumpDescriptor),
                               block->bytes, want * sizeof(DkKdumpDescriptor), NULL);
    block->file = file;
    block->block = number;
    block->got = got < 0 ? 0 : (guint)((gsize)got / sizeof(DkKdumpDescriptor));
    return block;
}

gboolean dk_kdump_descriptor(const DkKdumpFile *file, DkKdumpCache *cache, guint64 index,
                             DkKdumpPage *page)
{
    if (index >= file->descriptors)
        return FALSE;
    const DkKdumpDescBlock *block = block_at(file, cache, index / DK_KDUMP_DESC_BLOCK);
    guint at = (guint)(index % DK_KDUMP_DESC_BLOCK);
    if (at >= block->got)
        return FALSE;
    DkCursor cursor;
    dk_cursor_init(&cursor, block->bytes + at * sizeof(DkKdumpDescriptor),
                   sizeof(DkKdumpDescriptor), 0, "page descriptor");
    cursor.big_endian = file->big_endian;
    return dk_cursor_u64(&cursor, "offset", &page->off, NULL) &&
           dk_cursor_u32(&cursor, "size", &page->size, NULL) &&
           dk_cursor_u32(&cursor, "flags", &page->flags, NULL);
}

gboolean dk_kdump_method(guint32 flags, DkBlockId *method)
{
    switch (flags & DK_KDUMP_METHODS) {
    case 0:
        *method = DK_BLOCK_COUNT;
        return TRUE;
    case DK_KDUMP_ZLIB:
        *method = DK_BLOCK_ZLIB;
        return TRUE;
    case DK_KDUMP_LZO:
        *method = DK_BLOCK_LZO;
        return TRUE;
    case DK_KDUMP_SNAPPY:
        *method = DK_BLOCK_SNAPPY;
        return TRUE;
    case DK_KDUMP_ZSTD:
        *method = DK_BLOCK_ZSTD;
        return TRUE;
    default:
        return FALSE;
    }
}

DkKdumpPageState dk_kdump_page_state(const DkKdumpFile *file, const DkKdumpPage *page)
{
    guint64 end = dk_input_size(file->input);
    DkBlockId method;
    /* What was not written any more is zero. */
    if (!page->off && !page->size)
        return DK_KDUMP_PAGE_MISSING;
    if (!page->size || page->size > file->block_size || page->off < file->desc_off ||
        !dk_kdump_method(page->flags, &method) ||
        (method == DK_BLOCK_COUNT && page->size != file->block_size))
        return DK_KDUMP_PAGE_BAD;
    if (page->off > end || page->size > end - page->off)
        return DK_KDUMP_PAGE_MISSING;
    return DK_KDUMP_PAGE_GOOD;
}

gboolean dk_kdump_unpack(const DkKdumpFile *file, DkKdumpUnpackers *unpackers,
                         const DkKdumpPage *page, const guint8 *stored, guint8 *out)
{
    DkBlockId method;
    if (!dk_kdump_method(page->flags, &method))
        return FALSE;
    if (method == DK_BLOCK_COUNT) {
        memcpy(out, stored, file->block_size);
        return TRUE;
    }
    const DkBlockCodec *codec = dk_block_codec(method);
    if (!codec)
        return FALSE;
    if (!unpackers->unpackers[method])
        unpackers->unpackers[method] = codec->unpacker_new();
    return codec->unpack(unpackers->unpackers[method], stored, page->size, out, file->block_size);
}

void dk_kdump_unpackers_clear(DkKdumpUnpackers *unpackers)
{
    for (guint i = 0; i < DK_BLOCK_COUNT; i++) {
        if (unpackers->unpackers[i])
            dk_block_codec((DkBlockId)i)->unpacker_free(unpackers->unpackers[i]);
        unpackers->unpackers[i] = NULL;
    }
}
