/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a kdump file from a text description, for golden tests and fuzz corpora.  Lays everything
 * out by itself; only the compression of pages is dumpkit's.
 *
 *   make-kdump DESCRIPTION OUTPUT        ("-" for standard input or output)
 *
 * A description has one statement a line; words are split and quoted as in a shell, "#" begins a
 * comment.  Numbers are decimal, 0x hexadecimal or 0 octal.
 *
 *   magic TEXT            8 bytes (default "KDUMP   ")
 *   shape SHAPE           64 (default), arm or x86: how a machine of that kind lays headers out
 *   order ORDER           le (default) or be
 *   version N             header_version (default 6)
 *   uts I TEXT            field I of utsname: sysname nodename release version machine domainname
 *   time SEC USEC, status N, block N (default 4096), cpus N (default 1), level N
 *   split FIRST END       a part of a split dump: pages from FIRST up to END, which is not in it
 *   max N                 pages that the bitmaps speak of (default 64)
 *   one-bitmap            there is one bitmap instead of two
 *   vmcoreinfo TEXT       C escapes
 *   note OWNER TYPE HEX   an ELF note
 *   exist FIRST LAST      pages of bitmap 1; pages that are dumped exist too
 *   page PFN METHOD WHAT  METHOD: raw, zlib, lzo, snappy, zstd; WHAT: fill=BYTE, noise, text=TEXT
 *   zero FIRST LAST       pages that share one page of zeros, which stands in front of all others
 *   unwritten PFN         a page whose descriptor was not written
 *
 * At the end, in the order given:
 *
 *   patch PLACE SIZE VALUE   writes SIZE (1, 2, 4, 8) bytes in the file's order
 *   truncate PLACE           cuts the file off there
 *   flat SIZE [reverse] [twice] [open]   flattens it: records of SIZE bytes; in reverse order; each
 *                            written before with other bytes; without the mark at its end
 *   PLACE: N, end-N, desc:I+N, page:I+N (counted among those dumped)
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/block.h"

typedef struct {
    guint64 pfn;
    guint64 off; /* in the file */
    guint32 size;
    guint32 flags;
    gboolean zero;
    gboolean unwritten;
    GByteArray *stored;
} Page;

typedef struct {
    char magic[9];
    gboolean wide;
    gboolean packed;
    gboolean big;
    guint32 version;
    char uts[6][65];
    guint64 sec, usec;
    guint32 status;
    guint32 block;
    guint32 cpus;
    guint32 level;
    gboolean split;
    guint64 first, end;
    guint64 max;
    gboolean one_bitmap;
    GByteArray *vmcoreinfo;
    GByteArray *notes;
    guint8 *exist; /* a byte a page */
    GArray *pages;
    GPtrArray *after; /* of char ** */
    guint64 desc_off;
    const char *where;
    guint line;
} Dump;

static void G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN die(const Dump *dump, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "make-kdump: %s:%u: %s\n", dump->where, dump->line, text);
    exit(2);
}

static guint64 number(const Dump *dump, const char *text)
{
    char *end;
    guint64 value = text ? g_ascii_strtoull(text, &end, 0) : 0;
    if (!text || end == text || *end)
        die(dump, "\"%s\" is no number", text ? text : "");
    return value;
}

static void put(const Dump *dump, GByteArray *out, guint size, guint64 value)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> 8 * (dump->big ? size - 1 - i : i));
        g_byte_array_append(out, &byte, 1);
    }
}

static void put_long(const Dump *dump, GByteArray *out, guint64 value)
{
    put(dump, out, dump->wide ? 8 : 4, value);
}

static void put_quad(const Dump *dump, GByteArray *out, guint64 value)
{
    while (out->len % (dump->packed ? 4 : 8))
        put(dump, out, 1, 0);
    put(dump, out, 8, value);
}

static void pad_to(GByteArray *out, guint64 len)
{
    guint old = out->len;
    if (old >= len)
        return;
    g_byte_array_set_size(out, (guint)len);
    memset(out->data + old, 0, (gsize)len - old);
}

static void pad_block(const Dump *dump, GByteArray *out)
{
    pad_to(out, (out->len + dump->block - 1) / dump->block * dump->block);
}

static void add_note(Dump *dump, char **words)
{
    const char *hex = words[3] ? words[3] : "";
    gsize len = strlen(hex) / 2;
    put(dump, dump->notes, 4, strlen(words[1]) + 1);
    put(dump, dump->notes, 4, len);
    put(dump, dump->notes, 4, number(dump, words[2]));
    g_byte_array_append(dump->notes, (const guint8 *)words[1], (guint)strlen(words[1]) + 1);
    pad_to(dump->notes, (dump->notes->len + 3) / 4 * 4);
    for (gsize i = 0; i < len; i++) {
        char digits[] = {hex[2 * i], hex[2 * i + 1], 0};
        put(dump, dump->notes, 1, g_ascii_strtoull(digits, NULL, 16));
    }
    pad_to(dump->notes, (dump->notes->len + 3) / 4 * 4);
}

static void fill_page(const Dump *dump, guint8 *bytes, const char *what, guint64 pfn)
{
    if (what && g_str_has_prefix(what, "fill=")) {
        memset(bytes, (int)number(dump, what + 5), dump->block);
    } else if (what && g_str_equal(what, "noise")) {
        guint32 state = (guint32)pfn + 1;
        for (guint i = 0; i < dump->block; i++) {
            state = state * 1664525 + 1013904223;
            bytes[i] = (guint8)(state >> 24);
        }
    } else if (what && g_str_has_prefix(what, "text=")) {
        gsize len = strlen(what + 5);
        for (guint i = 0; i < dump->block && len; i++)
            bytes[i] = (guint8)what[5 + i % len];
    } else {
        die(dump, "page PFN METHOD fill=BYTE, noise or text=TEXT");
    }
}

static void add_page(Dump *dump, char **words)
{
    static const struct {
        const char *name;
        DkBlockId id;
        guint32 flag;
    } methods[] = {{"zlib", DK_BLOCK_ZLIB, 1},
                   {"lzo", DK_BLOCK_LZO, 2},
                   {"snappy", DK_BLOCK_SNAPPY, 4},
                   {"zstd", DK_BLOCK_ZSTD, 0x20}};
    Page page = {.pfn = number(dump, words[1]), .stored = g_byte_array_new()};
    pad_to(page.stored, dump->block);
    fill_page(dump, page.stored->data, words[3], page.pfn);
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (!g_str_equal(words[2], methods[i].name))
            continue;
        const DkBlockCodec *codec = dk_block_codec(methods[i].id);
        if (!codec)
            die(dump, "%s is not built in", methods[i].name);
        g_autofree guint8 *out = g_malloc(dump->block);
        gpointer packer = codec->packer_new(codec->level_normal, dump->block);
        gsize len = codec->pack(packer, page.stored->data, dump->block, out, dump->block - 1);
        codec->packer_free(packer);
        if (len) {
            g_byte_array_set_size(page.stored, 0);
            g_byte_array_append(page.stored, out, (guint)len);
            page.flags = methods[i].flag;
        }
    }
    page.size = page.stored->len;
    g_array_append_val(dump->pages, page);
}

static void add_plain(Dump *dump, guint64 first, guint64 last, gboolean zero)
{
    for (guint64 pfn = first; pfn <= last; pfn++) {
        Page page = {.pfn = pfn, .zero = zero, .unwritten = !zero, .stored = g_byte_array_new()};
        g_array_append_val(dump->pages, page);
    }
}

static void set_shape(Dump *dump, const char *name)
{
    dump->wide = g_str_equal(name, "64");
    dump->packed = g_str_equal(name, "x86");
    if (!dump->wide && !dump->packed && !g_str_equal(name, "arm"))
        die(dump, "shape 64, arm or x86");
}

static void set_exist(Dump *dump, guint64 first, guint64 last)
{
    for (guint64 pfn = first; pfn <= last; pfn++) {
        if (pfn >= dump->max)
            die(dump, "there are %" G_GUINT64_FORMAT " pages only", dump->max);
        dump->exist[pfn] = 1;
    }
}

static gboolean take_number(Dump *dump, const char *word, const char *text)
{
    const struct {
        const char *name;
        guint32 *value;
    } numbers[] = {{"version", &dump->version},
                   {"status", &dump->status},
                   {"block", &dump->block},
                   {"cpus", &dump->cpus},
                   {"level", &dump->level}};
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (g_str_equal(word, numbers[i].name)) {
            *numbers[i].value = (guint32)number(dump, text);
            return TRUE;
        }
    }
    return FALSE;
}

static void take(Dump *dump, char **words, guint count)
{
    const char *word = words[0];
    if (count == 2 && take_number(dump, word, words[1]))
        return;
    if (count == 2 && g_str_equal(word, "magic")) {
        g_strlcpy(dump->magic, words[1], sizeof dump->magic);
    } else if (count == 2 && g_str_equal(word, "shape")) {
        set_shape(dump, words[1]);
    } else if (count == 2 && g_str_equal(word, "order")) {
        dump->big = g_str_equal(words[1], "be");
    } else if (count == 3 && g_str_equal(word, "uts")) {
        g_strlcpy(dump->uts[number(dump, words[1]) % 6], words[2], 65);
    } else if (count == 3 && g_str_equal(word, "time")) {
        dump->sec = number(dump, words[1]);
        dump->usec = number(dump, words[2]);
    } else if (count == 3 && g_str_equal(word, "split")) {
        dump->split = TRUE;
        dump->first = number(dump, words[1]);
        dump->end = number(dump, words[2]);
    } else if (count == 2 && g_str_equal(word, "max")) {
        dump->max = number(dump, words[1]);
        dump->exist = g_realloc(dump->exist, dump->max + 1);
        memset(dump->exist, 0, dump->max + 1);
    } else if (g_str_equal(word, "one-bitmap")) {
        dump->one_bitmap = TRUE;
    } else if (count == 2 && g_str_equal(word, "vmcoreinfo")) {
        g_autofree char *text = g_strcompress(words[1]);
        g_byte_array_append(dump->vmcoreinfo, (const guint8 *)text, (guint)strlen(text));
    } else if (count >= 3 && g_str_equal(word, "note")) {
        add_note(dump, words);
    } else if (count == 3 && g_str_equal(word, "exist")) {
        set_exist(dump, number(dump, words[1]), number(dump, words[2]));
    } else if (count == 4 && g_str_equal(word, "page")) {
        add_page(dump, words);
    } else if (count == 3 && g_str_equal(word, "zero")) {
        add_plain(dump, number(dump, words[1]), number(dump, words[2]), TRUE);
    } else if (count == 2 && g_str_equal(word, "unwritten")) {
        add_plain(dump, number(dump, words[1]), number(dump, words[1]), FALSE);
    } else if (g_str_equal(word, "patch") || g_str_equal(word, "truncate") ||
               g_str_equal(word, "flat")) {
        g_ptr_array_add(dump->after, g_strdupv(words));
    } else {
        die(dump, "\"%s\" is not understood", word);
    }
}

static gint compare_pages(gconstpointer a, gconstpointer b)
{
    const Page *left = a;
    const Page *right = b;
    return (left->pfn > right->pfn) - (left->pfn < right->pfn);
}

static guint bitmap_blocks(const Dump *dump)
{
    return (guint)(((dump->max + 7) / 8 + dump->block - 1) / dump->block);
}

static GByteArray *make_header(const Dump *dump, guint sub_blocks)
{
    GByteArray *out = g_byte_array_new();
    g_byte_array_append(out, (const guint8 *)dump->magic, 8);
    put(dump, out, 4, dump->version);
    for (guint i = 0; i < 6; i++)
        g_byte_array_append(out, (const guint8 *)dump->uts[i], 65);
    pad_to(out, dump->wide ? 408 : 404);
    put_long(dump, out, dump->sec);
    put_long(dump, out, dump->usec);
    put(dump, out, 4, dump->status);
    put(dump, out, 4, dump->block);
    put(dump, out, 4, sub_blocks);
    put(dump, out, 4, bitmap_blocks(dump) * (dump->one_bitmap ? 1 : 2));
    put(dump, out, 4, dump->max);
    for (guint i = 0; i < 4; i++)
        put(dump, out, 4, 0);
    put(dump, out, 4, dump->cpus);
    pad_block(dump, out);
    return out;
}

/* The sub header, whose areas follow it. */
static GByteArray *make_sub(const Dump *dump)
{
    GByteArray *out = g_byte_array_new();
    guint64 area = dump->block + 112; /* behind the fields of every shape */
    guint64 notes = area + (dump->vmcoreinfo->len + 3) / 4 * 4;
    put_long(dump, out, 0);
    put(dump, out, 4, dump->level);
    put(dump, out, 4, dump->split);
    put_long(dump, out, dump->first);
    put_long(dump, out, dump->end);
    put_quad(dump, out, dump->vmcoreinfo->len ? area : 0);
    put_long(dump, out, dump->vmcoreinfo->len);
    put_quad(dump, out, dump->notes->len ? notes : 0);
    put_long(dump, out, dump->notes->len);
    put_quad(dump, out, 0);
    put_long(dump, out, 0);
    put_quad(dump, out, dump->first);
    put_quad(dump, out, dump->end);
    put_quad(dump, out, dump->max);
    pad_to(out, area - dump->block);
    g_byte_array_append(out, dump->vmcoreinfo->data, dump->vmcoreinfo->len);
    pad_to(out, notes - dump->block);
    g_byte_array_append(out, dump->notes->data, dump->notes->len);
    pad_block(dump, out);
    return out;
}

static void set_bit(guint8 *bitmap, guint64 pfn)
{
    bitmap[pfn / 8] |= (guint8)(1u << (pfn % 8));
}

static void put_bitmaps(const Dump *dump, GByteArray *out)
{
    guint size = bitmap_blocks(dump) * dump->block;
    g_autofree guint8 *exist = g_malloc0(size);
    g_autofree guint8 *dumped = g_malloc0(size);
    for (guint64 pfn = 0; pfn < dump->max; pfn++) {
        if (dump->exist[pfn])
            set_bit(exist, pfn);
    }
    for (guint i = 0; i < dump->pages->len; i++) {
        set_bit(exist, g_array_index(dump->pages, Page, i).pfn);
        set_bit(dumped, g_array_index(dump->pages, Page, i).pfn);
    }
    if (!dump->one_bitmap)
        g_byte_array_append(out, exist, size);
    g_byte_array_append(out, dumped, size);
}

static gboolean in_part(const Dump *dump, const Page *page)
{
    return !dump->split || (page->pfn >= dump->first && page->pfn < dump->end);
}

static void place_pages(Dump *dump, guint64 off)
{
    guint64 zero_off = off;
    gboolean zeros = FALSE;
    for (guint i = 0; i < dump->pages->len; i++)
        zeros = zeros || g_array_index(dump->pages, Page, i).zero;
    off += zeros ? dump->block : 0;
    for (guint i = 0; i < dump->pages->len; i++) {
        Page *page = &g_array_index(dump->pages, Page, i);
        if (!in_part(dump, page) || page->unwritten)
            continue;
        page->off = page->zero ? zero_off : off;
        page->size = page->zero ? dump->block : page->stored->len;
        off += page->stored->len;
    }
}

static GByteArray *make_file(Dump *dump)
{
    g_array_sort(dump->pages, compare_pages);
    g_autoptr(GByteArray) sub = make_sub(dump);
    GByteArray *out = make_header(dump, sub->len / dump->block);
    g_byte_array_append(out, sub->data, sub->len);
    put_bitmaps(dump, out);
    dump->desc_off = out->len;
    guint count = 0;
    gboolean zeros = FALSE;
    for (guint i = 0; i < dump->pages->len; i++) {
        count += in_part(dump, &g_array_index(dump->pages, Page, i));
        zeros = zeros || g_array_index(dump->pages, Page, i).zero;
    }
    place_pages(dump, out->len + count * 24);
    for (guint i = 0; i < dump->pages->len; i++) {
        const Page *page = &g_array_index(dump->pages, Page, i);
        if (!in_part(dump, page))
            continue;
        put(dump, out, 8, page->off);
        put(dump, out, 4, page->size);
        put(dump, out, 4, page->flags);
        put(dump, out, 8, 0);
    }
    if (zeros)
        pad_to(out, out->len + (guint64)dump->block);
    for (guint i = 0; i < dump->pages->len; i++) {
        const Page *page = &g_array_index(dump->pages, Page, i);
        if (in_part(dump, page))
            g_byte_array_append(out, page->stored->data, page->stored->len);
    }
    return out;
}

static guint64 place_of(const Dump *dump, const GByteArray *out, const char *text)
{
    if (g_str_has_prefix(text, "end-"))
        return out->len - number(dump, text + 4);
    const char *colon = strchr(text, ':');
    if (!colon)
        return number(dump, text);
    g_auto(GStrv) parts = g_strsplit(colon + 1, "+", 2);
    guint64 index = number(dump, parts[0]);
    guint64 more = parts[1] ? number(dump, parts[1]) : 0;
    if (g_str_has_prefix(text, "desc:"))
        return dump->desc_off + index * 24 + more;
    if (index >= dump->pages->len)
        die(dump, "there is no page %s", text);
    return g_array_index(dump->pages, Page, index).off + more;
}

static void put_big(GByteArray *out, guint64 value)
{
    value = GUINT64_TO_BE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof value);
}

static void put_record(GByteArray *out, const GByteArray *file, guint64 off, guint64 len,
                       gboolean wrong)
{
    put_big(out, off);
    put_big(out, len);
    if (wrong) {
        pad_to(out, out->len + len);
        memset(out->data + out->len - len, 0xee, (gsize)len);
        return;
    }
    g_byte_array_append(out, file->data + off, (guint)len);
}

static GByteArray *flatten(const Dump *dump, GByteArray *file, char **words)
{
    GByteArray *out = g_byte_array_new();
    guint64 step = number(dump, words[1]);
    const gchar *const *options = (const gchar *const *)(words + 1);
    gboolean reverse = g_strv_contains(options, "reverse");
    gboolean twice = g_strv_contains(options, "twice");
    g_byte_array_append(out, (const guint8 *)"makedumpfile\0\0\0", 16);
    put_big(out, 1);
    put_big(out, 1);
    pad_to(out, 4096);
    guint64 count = (file->len + step - 1) / step;
    for (guint64 i = 0; twice && i < count; i += 2)
        put_record(out, file, i * step, MIN(step + step / 2, file->len - i * step), TRUE);
    for (guint64 i = 0; i < count; i++) {
        guint64 off = (reverse ? count - 1 - i : i) * step;
        put_record(out, file, off, MIN(step, file->len - off), FALSE);
    }
    if (!g_strv_contains(options, "open")) {
        put_big(out, G_MAXUINT64);
        put_big(out, G_MAXUINT64);
    }
    g_byte_array_unref(file);
    return out;
}

static GByteArray *finish(Dump *dump, GByteArray *out)
{
    for (guint i = 0; i < dump->after->len; i++) {
        char **words = g_ptr_array_index(dump->after, i);
        guint count = g_strv_length(words);
        if (g_str_equal(words[0], "truncate") && count == 2) {
            g_byte_array_set_size(out, (guint)place_of(dump, out, words[1]));
        } else if (g_str_equal(words[0], "patch") && count == 4) {
            guint64 place = place_of(dump, out, words[1]);
            g_autoptr(GByteArray) bytes = g_byte_array_new();
            put(dump, bytes, (guint)number(dump, words[2]), number(dump, words[3]));
            if (place > out->len || bytes->len > out->len - place)
                die(dump, "%s is outside of the file", words[1]);
            memcpy(out->data + place, bytes->data, bytes->len);
        } else if (g_str_equal(words[0], "flat") && count >= 2) {
            out = flatten(dump, out, words);
        } else {
            die(dump, "%s: wrong arguments", words[0]);
        }
    }
    return out;
}

static void read_description(Dump *dump, const char *path)
{
    g_autofree char *text = NULL;
    gsize len;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(g_str_equal(path, "-") ? "/dev/stdin" : path, &text, &len, &error))
        die(dump, "%s", error->message);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        dump->line = i + 1;
        gint count;
        g_auto(GStrv) words = NULL;
        g_autoptr(GError) why = NULL;
        if (g_shell_parse_argv(lines[i], &count, &words, &why))
            take(dump, words, (guint)count);
        else if (!g_error_matches(why, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
            die(dump, "%s", why->message);
    }
}

static void page_clear(gpointer data)
{
    g_byte_array_unref(((Page *)data)->stored);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: make-kdump DESCRIPTION OUTPUT\n");
        return 2;
    }
    Dump dump = {.magic = "KDUMP   ",
                 .wide = TRUE,
                 .version = 6,
                 .block = 4096,
                 .cpus = 1,
                 .max = 64,
                 .where = argv[1]};
    dump.exist = g_malloc0(dump.max + 1);
    dump.vmcoreinfo = g_byte_array_new();
    dump.notes = g_byte_array_new();
    dump.pages = g_array_new(FALSE, FALSE, sizeof(Page));
    g_array_set_clear_func(dump.pages, page_clear);
    dump.after = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    read_description(&dump, argv[1]);
    GByteArray *out = finish(&dump, make_file(&dump));
    FILE *file = g_str_equal(argv[2], "-") ? stdout : fopen(argv[2], "wb");
    if (!file || fwrite(out->data, 1, out->len, file) != out->len || fflush(file)) {
        perror(argv[2]);
        return 1;
    }
    if (file != stdout)
        fclose(file);
    g_byte_array_unref(out);
    g_byte_array_unref(dump.vmcoreinfo);
    g_byte_array_unref(dump.notes);
    g_array_unref(dump.pages);
    g_ptr_array_unref(dump.after);
    g_free(dump.exist);
    return 0;
}
