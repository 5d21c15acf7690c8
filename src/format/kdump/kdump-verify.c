/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Structure against the files' sizes, and with deep whether every page unpacks. */
#include <string.h>

#include "base/error.h"
#include "format/kdump/kdump-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define TOLD_MAX 10u /* findings of one kind that are told one by one */

/* One pass over the pages of a file. */
typedef struct {
    const DkKdumpFile *file;
    DkVerify *verify;
    gboolean deep;
    DkKdumpCache cache;
    DkKdumpUnpackers unpackers;
    guint8 *stored;
    guint8 *out;
    guint64 base;  /* pages of the files before, for the progress */
    guint64 total; /* pages in all */
    guint64 done;
    guint64 missing;
    guint64 bad;
    guint64 broken;    /* do not unpack */
    guint64 unchecked; /* carry no checksum */
    guint64 unknown;   /* of a method that was not built in */
    guint32 methods;   /* of the pages */
    gboolean zero_seen;
} Pass;

static void check_page_content(Pass *pass, guint64 pfn, const DkKdumpPage *page)
{
    const DkKdumpFile *file = pass->file;
    guint64 pa = pfn * file->block_size;
    DkBlockId method;
    if (!dk_kdump_method(page->flags, &method))
        return;
    const DkBlockCodec *codec = method == DK_BLOCK_COUNT ? NULL : dk_block_codec(method);
    if (method != DK_BLOCK_COUNT && !codec) {
        pass->unknown++;
        return;
    }
    gssize got = dk_input_read(file->input, page->off, pass->stored, page->size, NULL);
    gboolean there = got == (gssize)page->size;
    pass->unchecked += !codec || (there && !codec->checked(pass->stored, page->size));
    if (there && dk_kdump_unpack(file, &pass->unpackers, page, pass->stored, pass->out))
        return;
    if (pass->broken++ < TOLD_MAX)
        dk_verify_add(pass->verify, DK_VERIFY_DAMAGED, "pages",
                      "the page at " HEX " (%s, %u bytes at offset " HEX ") %s", pa,
                      codec ? codec->name : "raw", page->size, page->off,
                      there ? "does not unpack" : "cannot be read");
}

static void check_page(Pass *pass, guint64 pfn, guint64 rank)
{
    const DkKdumpFile *file = pass->file;
    DkKdumpPage page;
    if (!dk_kdump_descriptor(file, &pass->cache, rank, &page)) {
        pass->missing++;
        return;
    }
    switch (dk_kdump_page_state(file, &page)) {
    case DK_KDUMP_PAGE_MISSING:
        pass->missing++;
        return;
    case DK_KDUMP_PAGE_BAD:
        if (pass->bad++ < TOLD_MAX)
            dk_verify_add(pass->verify, DK_VERIFY_DAMAGED, "descriptors",
                          "the descriptor at offset " HEX " (page at " HEX ") names %u bytes at "
                          "offset " HEX " with flags 0x%x",
                          file->desc_off + rank * sizeof(DkKdumpDescriptor), pfn * file->block_size,
                          page.size, page.off, page.flags);
        return;
    case DK_KDUMP_PAGE_GOOD:
        break;
    }
    pass->methods |= page.flags & DK_KDUMP_METHODS;
    if (dk_kdump_page_is_zero(file, &page) && pass->zero_seen)
        return;
    pass->zero_seen |= dk_kdump_page_is_zero(file, &page);
    if (pass->deep)
        check_page_content(pass, pfn, &page);
}

static gboolean check_pages(Pass *pass, GError **error)
{
    const DkKdumpFile *file = pass->file;
    guint64 rank = 0;
    guint64 pfn = file->start_pfn;
    while (dk_kdump_next_page(file, &pass->cache, pfn, &pfn) && pfn <= file->last_pfn) {
        if (dk_kdump_bit(file, &pass->cache, 1, pfn)) {
            if (!(rank % 1024) &&
                !dk_progress_tick(pass->verify->progress, (pass->base + rank) * file->block_size,
                                  pass->total * file->block_size, error))
                return FALSE;
            check_page(pass, pfn, rank++);
        }
        pfn++;
    }
    pass->done = rank;
    return TRUE;
}

static void tell_pages(Pass *pass)
{
    DkVerify *verify = pass->verify;
    const DkKdumpFile *file = pass->file;
    if (pass->missing)
        dk_verify_add(verify, DK_VERIFY_LACKS, "data",
                      "the file ends at offset " HEX ": %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                      " pages are cut off or were not written",
                      file->flat.flattened ? file->flat.end : dk_input_size(file->input),
                      pass->missing, file->descriptors);
    if (pass->bad > TOLD_MAX)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "descriptors",
                      "%" G_GUINT64_FORMAT " descriptors in all cannot be", pass->bad);
    if (pass->broken > TOLD_MAX)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "pages",
                      "%" G_GUINT64_FORMAT " pages in all do not unpack", pass->broken);
    if (pass->unknown)
        dk_verify_add(verify, DK_VERIFY_LACKS, "pages",
                      "%" G_GUINT64_FORMAT " pages are packed in a way that this dumpkit was built "
                      "without",
                      pass->unknown);
    guint32 unsaid = pass->methods & ~file->status;
    if (unsaid && file->status & DK_KDUMP_METHODS)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "pages are packed as 0x%x; the header's status says 0x%x", pass->methods,
                      file->status & DK_KDUMP_METHODS);
}

static void check_header(const DkKdumpFile *file, DkVerify *verify)
{
    if (file->version > DK_KDUMP_VERSION)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "version %d at offset 0x8 is later than %d, as which it was read",
                      file->version, DK_KDUMP_VERSION);
    if (file->status & DK_KDUMP_INCOMPLETE)
        dk_verify_add(verify, DK_VERIFY_LACKS, "header",
                      "the dump is marked as incomplete: its writer could not finish");
    if (file->status & DK_KDUMP_EXCLUDED_VMEMMAP)
        dk_verify_add(verify, DK_VERIFY_NOTE, "header",
                      "structures of pages that are left out are left out too");
    if (file->flat.cut)
        dk_verify_add(verify, DK_VERIFY_LACKS, "flattened",
                      "the flattened file has no mark of its end: it was cut off at offset " HEX,
                      file->flat.end);
    guint64 size = dk_input_size(file->input);
    if (file->desc_off > size)
        dk_verify_add(verify, DK_VERIFY_LACKS, "bitmaps",
                      "the file ends at offset " HEX ", the bitmaps reach to " HEX, size,
                      file->desc_off);
    else if (file->data_off > size)
        dk_verify_add(verify, DK_VERIFY_LACKS, "descriptors",
                      "the file ends at offset " HEX ", the page descriptors reach to " HEX, size,
                      file->data_off);
}

static void check_bitmaps(const DkKdumpFile *file, DkVerify *verify)
{
    if (file->outside)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "bitmaps",
                      "bitmap 2 at offset " HEX " has %" G_GUINT64_FORMAT
                      " pages beyond the last one, %" G_GUINT64_FORMAT,
                      file->bitmap_off[1], file->outside, file->pages - 1);
    if (file->not_existing)
        dk_verify_add(verify, DK_VERIFY_DAMAGED, "bitmaps",
                      "bitmap 2 at offset " HEX " has %" G_GUINT64_FORMAT
                      " pages that do not exist in bitmap 1 at offset " HEX,
                      file->bitmap_off[1], file->not_existing, file->bitmap_off[0]);
    guint64 left_out = file->existing + file->not_existing - file->dumped;
    if (!left_out)
        return;
    g_autofree char *text = dk_kdump_level_text((guint)file->sub.dump_level);
    if (*text)
        dk_verify_add(verify, DK_VERIFY_NOTE, "bitmaps",
                      "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                      " pages were left out (dump level %d: %s)",
                      left_out, file->existing, file->sub.dump_level, text);
    else if (file->has_level && file->bitmap_cut == file->pages)
        dk_verify_add(verify, DK_VERIFY_LACKS, "bitmaps",
                      "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                      " pages are not in the dump, and its header names no kind that was left out",
                      left_out, file->existing);
}

static void check_parts(const GPtrArray *files, DkVerify *verify)
{
    const DkKdumpFile *first = g_ptr_array_index(files, 0);
    if (!first->sub.split)
        return;
    guint64 there = 0;
    for (guint i = 0; i < files->len; i++)
        there += ((const DkKdumpFile *)g_ptr_array_index(files, i))->descriptors;
    if (there < first->dumped)
        dk_verify_add(verify, DK_VERIFY_LACKS, "split",
                      "%u files of a split dump hold %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                      " pages",
                      files->len, there, first->dumped);
}

gboolean dk_kdump_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error)
{
    const GPtrArray *files = ((DkKdump *)source)->memory->files;
    check_parts(files, verify);
    check_bitmaps(g_ptr_array_index(files, 0), verify);
    Pass pass = {.verify = verify, .deep = deep};
    guint block = ((const DkKdumpFile *)g_ptr_array_index(files, 0))->block_size;
    pass.stored = g_malloc(block);
    pass.out = g_malloc(block);
    for (guint i = 0; i < files->len; i++)
        pass.total += ((const DkKdumpFile *)g_ptr_array_index(files, i))->descriptors;
    guint64 broken = 0;
    guint64 unchecked = 0;
    gboolean done = TRUE;
    for (guint i = 0; i < files->len && done; i++) {
        pass.file = g_ptr_array_index(files, i);
        pass.missing = pass.bad = pass.broken = pass.unknown = 0;
        pass.methods = 0;
        pass.zero_seen = FALSE;
        check_header(pass.file, verify);
        done = check_pages(&pass, error);
        if (done)
            tell_pages(&pass);
        pass.base += pass.done;
        broken += pass.broken;
        unchecked += pass.unchecked + pass.unknown;
        pass.unchecked = 0;
    }
    dk_kdump_cache_clear(&pass.cache);
    dk_kdump_unpackers_clear(&pass.unpackers);
    g_free(pass.stored);
    g_free(pass.out);
    verify->content_verified = done && deep && !unchecked && pass.total;
    if (done && deep && unchecked && !broken)
        dk_verify_add(verify, DK_VERIFY_NOTE, "pages",
                      "all pages unpack; %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                      " stored ones carry no checksum",
                      unchecked, pass.total);
    return done;
}
