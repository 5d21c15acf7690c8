/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/qevm/qevm-parser.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"

static inline guint64 be64(const guint8 *bytes)
{
    guint64 value;
    memcpy(&value, bytes, sizeof value);
    return GUINT64_FROM_BE(value);
}

/* Whether a whole page at offset lies in a block of size bytes. */
static inline gboolean page_fits(guint64 size, guint64 offset, guint page_size)
{
    return size >= page_size && offset <= size - page_size;
}

static gboolean blocks_complete(DkQevm *qevm, GError **error)
{
    qevm->blocks_done = TRUE;
    qevm_want(qevm, QEVM_WANT_RAM, 8);
    return !qevm->callbacks->blocks_done ||
           qevm->callbacks->blocks_done(qevm->blocks->len, qevm->data, error);
}

static gboolean begin_blocks(DkQevm *qevm, guint64 total, GError **error)
{
    if (qevm->blocks_done || qevm->blocks->len > 0) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off, "a second list of blocks");
    }
    if (total > DK_QEVM_RAM_MAX) {
        return qevm_fail(qevm, error, DK_ERROR_LIMIT, qevm->off,
                         "%" G_GUINT64_FORMAT " bytes of memory; at most 16 TiB are taken", total);
    }
    qevm->blocks_left = total;
    if (total == 0) {
        return blocks_complete(qevm, error);
    }
    qevm_want(qevm, QEVM_WANT_BLOCK_LEN, 1);
    return TRUE;
}

/* The header of a block in a mapped-ram file; its pages are passed over. */
static gboolean take_mapped(DkQevm *qevm, DkCursor *cursor, DkQevmBlock *block, GError **error)
{
    guint32 version = 0;
    if (!dk_cursor_u32(cursor, "version", &version, error) ||
        !dk_cursor_u64(cursor, "page size", &block->mapped_page_size, error) ||
        !dk_cursor_u64(cursor, "offset of the bitmap", &block->bitmap_off, error) ||
        !dk_cursor_u64(cursor, "offset of the pages", &block->pages_off, error)) {
        return FALSE;
    }
    guint64 off = cursor->origin;
    guint64 end = dk_cursor_off(cursor);
    if (version != 1) {
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, off,
                         "version %u of the header of a mapped block; 1 is read", version);
    }
    if (block->mapped_page_size != qevm->page_size) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off + 4,
                         "mapped pages of %" G_GUINT64_FORMAT " bytes, where the stream has %u",
                         block->mapped_page_size, qevm->page_size);
    }
    guint64 bitmap = block->size / qevm->page_size / 8;
    if (block->bitmap_off < end || block->pages_off < block->bitmap_off ||
        block->pages_off - block->bitmap_off < bitmap || block->pages_off > DK_QEVM_RAM_MAX * 2) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, off,
                         "a mapped block's bitmap at 0x%" G_GINT64_MODIFIER
                         "x and pages at 0x%" G_GINT64_MODIFIER "x overlap what is before them",
                         block->bitmap_off, block->pages_off);
    }
    block->mapped = TRUE;
    qevm->skip = block->pages_off + block->size - end;
    return TRUE;
}

static gboolean check_block(DkQevm *qevm, const DkQevmBlock *block, GError **error)
{
    if (block->size > qevm->blocks_left) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "block \"%s\" has %" G_GUINT64_FORMAT " bytes; %" G_GUINT64_FORMAT
                         " are left of the machine's",
                         block->id, block->size, qevm->blocks_left);
    }
    if (qevm->blocks->len >= DK_QEVM_BLOCKS_MAX) {
        return qevm_fail(qevm, error, DK_ERROR_LIMIT, qevm->off, "more than %u blocks",
                         DK_QEVM_BLOCKS_MAX);
    }
    if (g_hash_table_contains(qevm->ids, block->id)) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off, "a second block \"%s\"",
                         block->id);
    }
    return TRUE;
}

static gboolean take_block(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    DkCursor cursor;
    dk_cursor_init(&cursor, bytes, qevm->want_len, qevm->off, "list of blocks");
    cursor.big_endian = TRUE;
    gsize behind = 8 + (qevm->shared ? 8 : 0) + (qevm->mapped ? QEVM_MAPPED_HEADER : 0);
    gsize id_len = qevm->want_len - behind;
    const guint8 *id = dk_cursor_bytes(&cursor, "name", id_len, error);
    if (!id) {
        return FALSE;
    }
    g_autofree char *raw = g_strndup((const char *)id, id_len);
    g_autofree char *shown = g_strescape(raw, NULL);
    DkQevmBlock block = {.id = shown};
    guint64 address;
    if (!dk_cursor_u64(&cursor, "size", &block.size, error) ||
        (qevm->shared && !dk_cursor_u64(&cursor, "address", &address, error)) ||
        !check_block(qevm, &block, error)) {
        return FALSE;
    }
    if (qevm->mapped) {
        dk_cursor_init(&cursor, bytes + qevm->want_len - QEVM_MAPPED_HEADER, QEVM_MAPPED_HEADER,
                       qevm->off + qevm->want_len - QEVM_MAPPED_HEADER, "header of a block");
        cursor.big_endian = TRUE;
        if (!take_mapped(qevm, &cursor, &block, error)) {
            return FALSE;
        }
    }
    guint index = qevm->blocks->len;
    g_array_append_val(qevm->blocks, block.size);
    g_hash_table_insert(qevm->ids, g_strdup(shown), GUINT_TO_POINTER(index + 1));
    if (qevm->callbacks->block && !qevm->callbacks->block(index, &block, qevm->data, error)) {
        return FALSE;
    }
    qevm->blocks_left -= block.size;
    if (qevm->blocks_left == 0) {
        return blocks_complete(qevm, error);
    }
    qevm_want(qevm, QEVM_WANT_BLOCK_LEN, 1);
    return TRUE;
}

/* What the words of pages that are not read mean. */
static const char *refused(guint32 flags)
{
    if (flags & QEVM_RAM_XBZRLE) {
        return "XBZRLE pages (the capability \"xbzrle\"), which are changes to earlier ones";
    }
    if (flags & QEVM_RAM_HOOK) {
        return "a hook of a migration over RDMA";
    }
    if (flags & QEVM_RAM_COMPRESS) {
        return "compressed pages (the capability \"compress\")";
    }
    return NULL;
}

static gboolean begin_pages(DkQevm *qevm, GError **error)
{
    if (!qevm->blocks_done) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a page before the list of blocks");
    }
    if (!(qevm->ram_flags & QEVM_RAM_CONTINUE)) {
        qevm_want(qevm, QEVM_WANT_RAM_ID_LEN, 1);
        return TRUE;
    }
    if (!qevm->have_block) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a page that goes on with a block, and there was none before");
    }
    guint64 size = g_array_index(qevm->blocks, guint64, qevm->block);
    if (!page_fits(size, qevm->ram_offset, qevm->page_size)) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a page at 0x%" G_GINT64_MODIFIER "x of a block of 0x%" G_GINT64_MODIFIER
                         "x bytes",
                         qevm->ram_offset, size);
    }
    if (qevm->ram_flags & QEVM_RAM_PAGE) {
        qevm_want(qevm, QEVM_WANT_PAGE, qevm->page_size);
    } else {
        qevm_want(qevm, QEVM_WANT_FILL, 1);
    }
    return TRUE;
}

static gboolean take_word(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    guint64 word = be64(bytes);
    guint32 flags = (guint32)(word & (qevm->page_size - 1));
    qevm->ram_flags = flags;
    qevm->ram_offset = word - flags;
    switch (flags & ~QEVM_RAM_CONTINUE) {
    case QEVM_RAM_MEM_SIZE:
        return begin_blocks(qevm, qevm->ram_offset, error);
    case QEVM_RAM_PAGE:
    case QEVM_RAM_ZERO:
        return begin_pages(qevm, error);
    case QEVM_RAM_EOS:
        if (!qevm->blocks_done) {
            break;
        }
        if (qevm->section_type == QEVM_SECTION_END) {
            qevm->ram_closed = TRUE;
        }
        qevm_want(qevm, QEVM_WANT_TYPE, 1);
        return TRUE;
    case QEVM_RAM_MULTIFD_FLUSH:
        qevm_want(qevm, QEVM_WANT_RAM, 8);
        return TRUE;
    default:
        break;
    }
    const char *why = refused(flags);
    if (why) {
        return qevm_fail(qevm, error, DK_ERROR_UNSUPPORTED, qevm->off, "%s", why);
    }
    return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                     "a page with the flags 0x%x, which are not known", flags);
}

static gboolean take_block_of_page(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    g_autofree char *raw = g_strndup((const char *)bytes, qevm->want_len);
    g_autofree char *id = g_strescape(raw, NULL);
    guint index = GPOINTER_TO_UINT(g_hash_table_lookup(qevm->ids, id));
    if (index == 0) {
        return qevm_fail(qevm, error, DK_ERROR_DAMAGED, qevm->off,
                         "a page of the block \"%s\", which is not in the list", id);
    }
    qevm->block = index - 1;
    qevm->have_block = TRUE;
    qevm->ram_flags |= QEVM_RAM_CONTINUE;
    return begin_pages(qevm, error);
}

static gboolean give_pages(DkQevm *qevm, const guint8 *bytes, guint64 offset, gsize count,
                           guint64 off, GError **error)
{
    DkQevmPages pages = {
        .block = qevm->block,
        .offset = offset,
        .data = bytes,
        .count = count,
        .stride = qevm->page_size + 8,
        .page_size = qevm->page_size,
        .stream_off = off,
    };
    return !qevm->callbacks->pages || qevm->callbacks->pages(&pages, qevm->data, error);
}

static gboolean give_fill(DkQevm *qevm, guint64 offset, guint64 len, guint8 fill, GError **error)
{
    return !qevm->callbacks->fill ||
           qevm->callbacks->fill(qevm->block, offset, len, fill, qevm->data, error);
}

gboolean qevm_ram_run(DkQevm *qevm, const guint8 *bytes, GError **error)
{
    gsize behind;
    switch (qevm->want) {
    case QEVM_WANT_RAM:
        return take_word(qevm, bytes, error);
    case QEVM_WANT_BLOCK_LEN:
        behind = 8 + (qevm->shared ? 8 : 0) + (qevm->mapped ? QEVM_MAPPED_HEADER : 0);
        qevm_want(qevm, QEVM_WANT_BLOCK, bytes[0] + behind);
        return TRUE;
    case QEVM_WANT_BLOCK:
        return take_block(qevm, bytes, error);
    case QEVM_WANT_RAM_ID_LEN:
        qevm_want(qevm, QEVM_WANT_RAM_ID, bytes[0]);
        return TRUE;
    case QEVM_WANT_RAM_ID:
        return take_block_of_page(qevm, bytes, error);
    case QEVM_WANT_PAGE:
        qevm_want(qevm, QEVM_WANT_RAM, 8);
        return give_pages(qevm, bytes, qevm->ram_offset, 1, qevm->off, error);
    default: /* QEVM_WANT_FILL */
        qevm_want(qevm, QEVM_WANT_RAM, 8);
        return give_fill(qevm, qevm->ram_offset, qevm->page_size, bytes[0], error);
    }
}

gboolean qevm_ram_fast(DkQevm *qevm, const guint8 *bytes, gsize len, gsize *used, GError **error)
{
    *used = 0;
    if (!qevm->have_block || len < 9) {
        return TRUE;
    }
    guint page_size = qevm->page_size;
    guint64 size = g_array_index(qevm->blocks, guint64, qevm->block);
    guint64 word = be64(bytes);
    guint32 flags = (guint32)(word & (page_size - 1));
    guint64 offset = word - flags;
    gsize count = 0;
    if (flags == (QEVM_RAM_PAGE | QEVM_RAM_CONTINUE)) {
        gsize stride = page_size + 8;
        const guint8 *next = bytes;
        while (len >= stride && page_fits(size, word - flags, page_size) && be64(next) == word) {
            count++;
            next += stride;
            len -= stride;
            word += page_size;
        }
        *used = count * stride;
        return count == 0 || give_pages(qevm, bytes + 8, offset, count, qevm->off + 8, error);
    }
    if (flags == (QEVM_RAM_ZERO | QEVM_RAM_CONTINUE)) {
        const guint8 *next = bytes;
        while (len >= 9 && page_fits(size, word - flags, page_size) && be64(next) == word &&
               next[8] == bytes[8]) {
            count++;
            next += 9;
            len -= 9;
            word += page_size;
        }
        *used = count * 9;
        return count == 0 || give_fill(qevm, offset, count * page_size, bytes[8], error);
    }
    return TRUE;
}
