/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "base/progress.h"
#include "format/own-record.h"
#include "io/input.h"

#define VERSION 1u
#define ALGORITHM_XXH3 1u
#define CHUNK_MIN ((guint64)4 << 10)
#define CHUNK_MAX ((guint64)1 << 30)
#define PIECE (1u << 20)

struct DkOwnSums {
    DkChecksum *checksum;
    GByteArray *table; /* header space, then the sums so far */
    guint64 covered;
    guint64 in_chunk; /* bytes of the current chunk */
};

DkOwnSums *dk_own_sums_new(void)
{
    static const guint8 header[DK_OWN_SUMS_HEADER];
    DkOwnSums *sums = g_new0(DkOwnSums, 1);
    sums->checksum = dk_checksum_new();
    sums->table = g_byte_array_new();
    g_byte_array_append(sums->table, header, sizeof header);
    return sums;
}

void dk_own_sums_free(DkOwnSums *sums)
{
    if (!sums)
        return;
    dk_checksum_free(sums->checksum);
    g_clear_pointer(&sums->table, g_byte_array_unref);
    g_free(sums);
}

static void close_chunk(DkOwnSums *sums)
{
    guint8 digest[DK_CHECKSUM_SIZE];
    dk_checksum_finish(sums->checksum, digest);
    g_byte_array_append(sums->table, digest, sizeof digest);
    sums->in_chunk = 0;
}

/* data is NULL for zeros. */
static void update(DkOwnSums *sums, const guint8 *data, guint64 len)
{
    while (len) {
        guint64 part = MIN(len, DK_OWN_SUMS_CHUNK - sums->in_chunk);
        if (data) {
            dk_checksum_update(sums->checksum, data, (gsize)part);
            data += part;
        } else {
            dk_checksum_update_zeros(sums->checksum, part);
        }
        len -= part;
        sums->covered += part;
        sums->in_chunk += part;
        if (sums->in_chunk == DK_OWN_SUMS_CHUNK)
            close_chunk(sums);
    }
}

void dk_own_sums_update(DkOwnSums *sums, const void *data, gsize len)
{
    update(sums, data, len);
}

void dk_own_sums_update_zeros(DkOwnSums *sums, guint64 len)
{
    update(sums, NULL, len);
}

static guint64 count_of(guint64 covered, guint64 chunk)
{
    return covered / chunk + (covered % chunk != 0);
}

guint64 dk_own_sums_size(guint64 covered)
{
    return DK_OWN_SUMS_HEADER + count_of(covered, DK_OWN_SUMS_CHUNK) * DK_CHECKSUM_SIZE;
}

GBytes *dk_own_sums_finish(DkOwnSums *sums)
{
    if (sums->in_chunk)
        close_chunk(sums);
    const guint32 words[2] = {GUINT32_TO_LE(VERSION), GUINT32_TO_LE(ALGORITHM_XXH3)};
    const guint64 sizes[3] = {
        GUINT64_TO_LE(DK_OWN_SUMS_CHUNK), GUINT64_TO_LE(sums->covered),
        GUINT64_TO_LE((sums->table->len - DK_OWN_SUMS_HEADER) / DK_CHECKSUM_SIZE)};
    memcpy(sums->table->data, words, sizeof words);
    memcpy(sums->table->data + sizeof words, sizes, sizeof sizes);
    return g_byte_array_free_to_bytes(g_steal_pointer(&sums->table));
}

typedef struct {
    guint64 chunk;
    guint64 covered;
    guint64 count;
    const guint8 *digests;
} Table;

static gboolean parse(GBytes *bytes, guint64 table_off, guint64 file_size, Table *table,
                      GError **error)
{
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, table_off, "checksum table");
    guint32 version;
    guint32 algorithm;
    if (!dk_cursor_u32(&cursor, "version", &version, error) ||
        !dk_cursor_u32(&cursor, "algorithm", &algorithm, error) ||
        !dk_cursor_u64(&cursor, "chunk size", &table->chunk, error) ||
        !dk_cursor_u64(&cursor, "covered bytes", &table->covered, error) ||
        !dk_cursor_u64(&cursor, "number of sums", &table->count, error))
        return FALSE;
    if (version != VERSION || algorithm != ALGORITHM_XXH3) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "checksum table at offset 0x%" G_GINT64_MODIFIER
                    "x: version %u with algorithm %u, known are version 1 with algorithm 1",
                    table_off, version, algorithm);
        return FALSE;
    }
    if (table->chunk < CHUNK_MIN || table->chunk > CHUNK_MAX || table->covered > file_size ||
        table->count != count_of(table->covered, table->chunk) ||
        table->count > dk_cursor_left(&cursor) / DK_CHECKSUM_SIZE) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "checksum table at offset 0x%" G_GINT64_MODIFIER "x: %" G_GUINT64_FORMAT
                    " sums of %" G_GUINT64_FORMAT " bytes over %" G_GUINT64_FORMAT
                    " do not fit a table of %" G_GSIZE_FORMAT
                    " bytes in a file of %" G_GUINT64_FORMAT,
                    table_off, table->count, table->chunk, table->covered, len, file_size);
        return FALSE;
    }
    table->digests = (const guint8 *)data + cursor.pos;
    return TRUE;
}

gboolean dk_own_sums_check(GBytes *table, guint64 table_off, guint64 file_size, guint64 *covered,
                           GError **error)
{
    Table parsed;
    if (!parse(table, table_off, file_size, &parsed, error))
        return FALSE;
    if (covered)
        *covered = parsed.covered;
    return TRUE;
}

/* Takes from..to of the input into checksum; piece is room for PIECE bytes. */
static gboolean sum_range(DkInput *input, DkChecksum *checksum, guint64 from, guint64 to,
                          guint8 *piece, GError **error)
{
    while (from < to) {
        gsize want = (gsize)MIN(to - from, PIECE);
        gssize got = dk_input_read(input, from, piece, want, error);
        if (got < 0)
            return FALSE;
        if ((gsize)got < want) {
            g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                        "%s: the file ends at offset 0x%" G_GINT64_MODIFIER
                        "x, before the bytes that its checksums cover",
                        dk_input_name(input), from + (guint64)got);
            return FALSE;
        }
        dk_checksum_update(checksum, piece, want);
        from += want;
    }
    return TRUE;
}

static void report_bad(DkVerify *verify, guint64 from, guint64 to)
{
    dk_verify_add(verify, DK_VERIFY_DAMAGED, "checksums",
                  "bytes 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER
                  "x of the file differ from what was written (XXH3)",
                  from, to - 1);
}

gboolean dk_own_sums_verify(DkInput *input, GBytes *bytes, guint64 table_off, DkVerify *verify,
                            GError **error)
{
    Table table;
    g_autoptr(GError) local = NULL;
    if (!parse(bytes, table_off, dk_input_size(input), &table, &local)) {
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "checksums", "%s", local->message);
        return TRUE;
    }
    g_autoptr(DkChecksum) checksum = dk_checksum_new();
    g_autofree guint8 *piece = g_malloc(PIECE);
    guint64 bad_from = 0;
    gboolean bad = FALSE;
    for (guint64 i = 0; i < table.count; i++) {
        guint64 from = i * table.chunk;
        guint64 to = MIN(from + table.chunk, table.covered);
        guint8 digest[DK_CHECKSUM_SIZE];
        if (!dk_progress_tick(verify->progress, from, table.covered, error) ||
            !sum_range(input, checksum, from, to, piece, error))
            return FALSE;
        dk_checksum_finish(checksum, digest);
        gboolean differs = memcmp(digest, table.digests + i * DK_CHECKSUM_SIZE, sizeof digest) != 0;
        if (differs && !bad)
            bad_from = from;
        else if (!differs && bad)
            report_bad(verify, bad_from, from);
        bad = differs;
    }
    if (bad)
        report_bad(verify, bad_from, table.covered);
    verify->content_verified = TRUE;
    return dk_progress_tick(verify->progress, table.covered, table.covered, error);
}
