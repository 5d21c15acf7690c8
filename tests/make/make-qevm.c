/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a QEMU migration stream, with libvirt's header if wanted, from a text description, for
 * tests and fuzz corpora.  Shares no code with src/, so that a mistake there is not made here too.
 *
 *   make-qevm DESCRIPTION OUTPUT        ("-" for standard input or output)
 *
 * A description has one statement a line; words are split and quoted as in a shell, "#" begins a
 * comment.  Numbers are decimal, 0x hexadecimal or 0 octal.
 *
 *   libvirt MAGIC FORMAT XML        libvirt's header (version 2); MAGIC is Save or Part
 *   stream VERSION                  "QEVM"
 *   machine NAME                    the configuration section
 *   capabilities NAME...            its subsection; mapped-ram makes a mapped-ram file
 *   pagebits N                      its subsection
 *   ram SECTION ID=SIZE...          begins the section "ram": the list of blocks
 *   part SECTION, close SECTION     begins a part, the last part
 *   page ID OFFSET SEED [COUNT]     pages; ID is - to go on with the block.  The first eight bytes
 *                                   of a page are SEED + its number (little-endian), then come
 *                                   bytes of the seed
 *   zero ID OFFSET FILL [COUNT]     pages that are filled with a byte
 *   mapped ID PAGE SEED             a page of a mapped-ram file
 *   word N                          a word of the section "ram" (flags and offset)
 *   eos [SECTION]                   ends the section; with a footer
 *   device SECTION NAME INSTANCE VERSION   begins a device
 *   field NAME SIZE VALUE...        integers, an array if there are several
 *   subsection NAME                 begins a subsection of the device
 *   cpu SECTION INSTANCE NAME=VALUE...     a device "cpu" with the fields that QEMU 7.2 has; NAME
 * is rax to r15, rip, rflags, cr0 to cr4, efer, lstar, tr, gdt, idt (bases), fs, gs, kernelgs, dr6,
 * dr7, cs, ss, mxcsr, fcw, fsw footer SECTION                  ends a device end the end mark and
 * the description of the devices eof                             the end mark alone hex DIGITS
 * bytes as they are patch PLACE SIZE VALUE          writes SIZE big-endian bytes; PLACE is N or
 * end-N truncate PLACE                  cuts the file off there
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096

typedef struct {
    char *id;
    guint64 size;
    gsize bitmap;
    gsize pages;
} Block;

typedef struct {
    GByteArray *out;
    GString *json;
    GArray *blocks;
    gboolean mapped;
    gboolean in_device;
    gboolean in_subsection;
    gboolean first_field;
    guint line;
} Maker;

static void die(const Maker *maker, const char *what) G_GNUC_NORETURN;

static void die(const Maker *maker, const char *what)
{
    fprintf(stderr, "make-qevm: line %u: %s\n", maker->line, what);
    exit(1);
}

static void put(Maker *maker, guint64 value, guint size)
{
    for (guint i = size; i > 0; i--) {
        guint8 byte = (guint8)(value >> (8 * (i - 1)));
        g_byte_array_append(maker->out, &byte, 1);
    }
}

static void put_text(Maker *maker, const char *text)
{
    g_byte_array_append(maker->out, (const guint8 *)text, (guint)strlen(text));
}

static void put_name(Maker *maker, const char *name)
{
    put(maker, strlen(name), 1);
    put_text(maker, name);
}

static void put_page(Maker *maker, gsize at, guint64 seed)
{
    guint8 *page = maker->out->data + at;
    memset(page, (gint)(seed & 0xff), PAGE);
    for (guint i = 0; i < 8; i++) {
        page[i] = (guint8)(seed >> (8 * i));
    }
}

static gsize grow(Maker *maker, gsize size)
{
    gsize at = maker->out->len;
    g_byte_array_set_size(maker->out, (guint)(at + size));
    memset(maker->out->data + at, 0, size);
    return at;
}

static guint64 number(const char *text)
{
    return g_ascii_strtoull(text, NULL, 0);
}

static guint64 arg(const Maker *maker, gint argc, char **argv, gint i)
{
    if (i >= argc) {
        die(maker, "a number is missing");
    }
    return number(argv[i]);
}

static void put_libvirt(Maker *maker, const char *magic, guint32 format, const char *xml)
{
    guint32 words[19] = {2, (guint32)strlen(xml) + 1, 1, format, 0};
    put_text(maker, "LibvirtQemud");
    put_text(maker, magic);
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        guint32 word = GUINT32_TO_LE(words[i]);
        g_byte_array_append(maker->out, (const guint8 *)&word, 4);
    }
    put_text(maker, xml);
    put(maker, 0, 1);
}

static void put_mapped_header(Maker *maker, Block *block)
{
    gsize bits = ((block->size / PAGE + 63) / 64) * 8;
    gsize at = maker->out->len + 28;
    block->bitmap = at;
    block->pages = (at + bits + 0xfffff) & ~(gsize)0xfffff;
    put(maker, 1, 4);
    put(maker, PAGE, 8);
    put(maker, block->bitmap, 8);
    put(maker, block->pages, 8);
    grow(maker, block->pages + block->size - at);
}

static void put_ram(Maker *maker, gint argc, char **argv)
{
    guint64 total = 0;
    for (gint i = 2; i < argc; i++) {
        const char *size = strchr(argv[i], '=');
        Block block = {0};
        if (!size) {
            die(maker, "ram wants ID=SIZE");
        }
        block.id = g_strndup(argv[i], (gsize)(size - argv[i]));
        block.size = number(size + 1);
        total += block.size;
        g_array_append_val(maker->blocks, block);
    }
    put(maker, 1, 1);
    put(maker, number(argv[1]), 4);
    put_name(maker, "ram");
    put(maker, 0, 4);
    put(maker, 4, 4);
    put(maker, total | 4, 8);
    for (guint i = 0; i < maker->blocks->len; i++) {
        Block *block = &g_array_index(maker->blocks, Block, i);
        put_name(maker, block->id);
        put(maker, block->size, 8);
        if (maker->mapped) {
            put_mapped_header(maker, block);
        }
    }
}

static void put_pages(Maker *maker, const char *id, guint64 offset, guint64 seed, guint64 count,
                      gboolean zero)
{
    gboolean same = g_str_equal(id, "-");
    for (guint64 i = 0; i < count; i++) {
        put(maker, (offset + i * PAGE) | (zero ? 0x02 : 0x08) | (same || i > 0 ? 0x20 : 0), 8);
        if (!same && i == 0) {
            put_name(maker, id);
        }
        if (zero) {
            put(maker, seed, 1);
        } else {
            gsize at = grow(maker, PAGE);
            put_page(maker, at, seed + i);
        }
    }
}

static void put_mapped(Maker *maker, const char *id, guint64 page, guint64 seed)
{
    for (guint i = 0; i < maker->blocks->len; i++) {
        const Block *block = &g_array_index(maker->blocks, Block, i);
        if (g_str_equal(block->id, id) && page < block->size / PAGE) {
            maker->out->data[block->bitmap + page / 8] |= (guint8)(1 << (page % 8));
            put_page(maker, block->pages + page * PAGE, seed);
            return;
        }
    }
    die(maker, "no such block, or no such page in it");
}

/* --- devices and their description --- */

static void json_comma(Maker *maker)
{
    if (!maker->first_field) {
        g_string_append(maker->json, ", ");
    }
    maker->first_field = FALSE;
}

static void begin_device(Maker *maker, guint64 section, const char *name, guint64 instance,
                         guint64 version)
{
    put(maker, 4, 1);
    put(maker, section, 4);
    put_name(maker, name);
    put(maker, instance, 4);
    put(maker, version, 4);
    g_string_append_printf(
        maker->json,
        "%s{\"name\": \"%s\", \"instance_id\": %" G_GUINT64_FORMAT
        ", \"vmsd_name\": \"%s\", \"version\": %" G_GUINT64_FORMAT ", \"fields\": [",
        g_str_has_suffix(maker->json->str, "[") ? "" : ", ", name, instance, name, version);
    maker->in_device = TRUE;
    maker->first_field = TRUE;
}

static void field(Maker *maker, const char *name, guint size, guint count, const guint64 *values)
{
    json_comma(maker);
    g_string_append_printf(maker->json, "{\"name\": \"%s\", ", name);
    if (count > 1) {
        g_string_append_printf(maker->json, "\"array_len\": %u, ", count);
    }
    g_string_append_printf(maker->json, "\"type\": \"uint%u\", \"size\": %u}", size * 8, size);
    for (guint i = 0; i < count; i++) {
        put(maker, values ? values[i] : 0, size);
    }
}

static void one(Maker *maker, const char *name, guint size, guint64 value)
{
    field(maker, name, size, 1, &value);
}

static void begin_struct(Maker *maker, const char *name, guint count, guint size, const char *of)
{
    json_comma(maker);
    g_string_append_printf(maker->json, "{\"name\": \"%s\", ", name);
    if (count > 1) {
        g_string_append_printf(maker->json, "\"array_len\": %u, ", count);
    }
    g_string_append_printf(maker->json,
                           "\"type\": \"struct\", \"struct\": {\"vmsd_name\": \"%s\", "
                           "\"version\": 1, \"fields\": [",
                           of);
    maker->first_field = TRUE;
    g_assert(size > 0);
}

static void end_struct(Maker *maker, guint size)
{
    g_string_append_printf(maker->json, "]}, \"size\": %u}", size);
    maker->first_field = FALSE;
}

static void begin_subsection(Maker *maker, const char *name)
{
    g_string_append_printf(maker->json, "%s{\"vmsd_name\": \"%s\", \"version\": 1, \"fields\": [",
                           maker->in_subsection ? "]}, " : "], \"subsections\": [", name);
    put(maker, 5, 1);
    put_name(maker, name);
    put(maker, 1, 4);
    maker->in_subsection = TRUE;
    maker->first_field = TRUE;
}

static void end_device(Maker *maker)
{
    if (maker->in_device) {
        g_string_append(maker->json, maker->in_subsection ? "]}]}" : "]}");
    }
    maker->in_device = FALSE;
    maker->in_subsection = FALSE;
}

/* The value of NAME=VALUE among the words from the third on; 0 when it is not there. */
static guint64 named(gint argc, char **argv, const char *name)
{
    for (gint i = 3; i < argc; i++) {
        gsize len = strlen(name);
        if (strncmp(argv[i], name, len) == 0 && argv[i][len] == '=') {
            return number(argv[i] + len + 1);
        }
    }
    return 0;
}

static void segments(Maker *maker, const char *name, guint count, const guint64 *bases,
                     const guint64 *selectors)
{
    gsize json = 0;
    begin_struct(maker, name, count, 20, "segment");
    for (guint i = 0; i < count; i++) {
        one(maker, "selector", 4, selectors ? selectors[i] : 0);
        one(maker, "base", 8, bases[i]);
        one(maker, "limit", 4, 0xffff);
        one(maker, "flags", 4, 0x9300);
        if (i == 0) {
            json = maker->json->len;
        }
    }
    g_string_truncate(maker->json, json); /* only the first of an array is described */
    end_struct(maker, 20);
}

static void put_cpu_fp(Maker *maker)
{
    gsize json = 0;
    begin_struct(maker, "env.fpregs", 8, 10, "fpreg");
    for (guint i = 0; i < 8; i++) {
        one(maker, "tmp_mant", 8, 0x8000000000000000 | i);
        one(maker, "tmp_exp", 2, 0x4000 + i);
        if (i == 0) {
            json = maker->json->len;
        }
    }
    g_string_truncate(maker->json, json);
    end_struct(maker, 10);
}

static void put_cpu_xmm(Maker *maker)
{
    gsize json = 0;
    begin_struct(maker, "env.xmm_regs[0]", 16, 16, "xmm_reg");
    for (guint i = 0; i < 16; i++) {
        one(maker, "_q_ZMMReg[0]", 8, G_GUINT64_CONSTANT(0x1111111111111111) * i);
        one(maker, "_q_ZMMReg[1]", 8, 0x100 + i);
        if (i == 0) {
            json = maker->json->len;
        }
    }
    g_string_truncate(maker->json, json);
    end_struct(maker, 16);
}

static void put_cpu(Maker *maker, gint argc, char **argv)
{
    static const char *const regs[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    guint64 values[16];
    for (guint i = 0; i < 16; i++) {
        values[i] = named(argc, argv, regs[i]);
    }
    guint64 cs = named(argc, argv, "cs");
    guint64 ss = named(argc, argv, "ss");
    guint64 selectors[6] = {ss, cs, ss, ss, 0, 0};
    guint64 bases[6] = {0, 0, 0, 0, named(argc, argv, "fs"), named(argc, argv, "gs")};
    guint64 tables[4] = {named(argc, argv, "ldt"), named(argc, argv, "tr"),
                         named(argc, argv, "gdt"), named(argc, argv, "idt")};
    guint64 dr[8] = {0, 0, 0, 0, 0, 0, named(argc, argv, "dr6"), named(argc, argv, "dr7")};
    begin_device(maker, number(argv[1]), "cpu", number(argv[2]), 12);
    field(maker, "env.regs", 8, 16, values);
    one(maker, "env.eip", 8, named(argc, argv, "rip"));
    one(maker, "env.eflags", 8, named(argc, argv, "rflags"));
    one(maker, "env.hflags", 4, 0);
    one(maker, "env.fpuc", 2, named(argc, argv, "fcw"));
    one(maker, "env.fpus_vmstate", 2, named(argc, argv, "fsw"));
    one(maker, "env.fptag_vmstate", 2, 0xff);
    one(maker, "env.fpregs_format_vmstate", 2, 0);
    put_cpu_fp(maker);
    segments(maker, "env.segs", 6, bases, selectors);
    segments(maker, "env.ldt", 1, &tables[0], NULL);
    segments(maker, "env.tr", 1, &tables[1], NULL);
    segments(maker, "env.gdt", 1, &tables[2], NULL);
    segments(maker, "env.idt", 1, &tables[3], NULL);
    one(maker, "env.sysenter_cs", 4, 0x10);
    one(maker, "env.sysenter_esp", 8, 0);
    one(maker, "env.sysenter_eip", 8, 0);
    one(maker, "env.cr[0]", 8, named(argc, argv, "cr0"));
    one(maker, "env.cr[2]", 8, named(argc, argv, "cr2"));
    one(maker, "env.cr[3]", 8, named(argc, argv, "cr3"));
    one(maker, "env.cr[4]", 8, named(argc, argv, "cr4"));
    field(maker, "env.dr", 8, 8, dr);
    one(maker, "env.a20_mask", 4, 0xffffffff);
    one(maker, "env.mxcsr", 4, named(argc, argv, "mxcsr"));
    put_cpu_xmm(maker);
    one(maker, "env.efer", 8, named(argc, argv, "efer"));
    one(maker, "env.star", 8, 0);
    one(maker, "env.lstar", 8, named(argc, argv, "lstar"));
    one(maker, "env.cstar", 8, 0);
    one(maker, "env.fmask", 8, 0);
    one(maker, "env.kernelgsbase", 8, named(argc, argv, "kernelgs"));
}

static void put_end(Maker *maker)
{
    put(maker, 0, 1);
    put(maker, 6, 1);
    g_string_append(maker->json, "]}");
    put(maker, maker->json->len, 4);
    put_text(maker, maker->json->str);
}

static void put_hex(Maker *maker, const char *digits)
{
    for (; digits[0] && digits[1]; digits += 2) {
        put(maker,
            (guint64)(g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1])), 1);
    }
}

static gsize place(const Maker *maker, const char *text)
{
    guint64 at = g_str_has_prefix(text, "end-") ? maker->out->len - number(text + 4) : number(text);
    if (at > maker->out->len) {
        die(maker, "a place behind the end");
    }
    return (gsize)at;
}

static void patch(Maker *maker, gint argc, char **argv)
{
    gsize at = place(maker, argv[1]);
    guint64 size = arg(maker, argc, argv, 2);
    guint64 value = arg(maker, argc, argv, 3);
    if (size > 8 || size > maker->out->len - at) {
        die(maker, "a patch behind the end");
    }
    for (guint64 i = 0; i < size; i++) {
        maker->out->data[at + i] = (guint8)(value >> (8 * (size - 1 - i)));
    }
}

static void configuration(Maker *maker, gint argc, char **argv)
{
    if (g_str_equal(argv[0], "machine")) {
        put(maker, 7, 1);
        put(maker, strlen(argv[1]), 4);
        put_text(maker, argv[1]);
    } else if (g_str_equal(argv[0], "pagebits")) {
        put(maker, 5, 1);
        put_name(maker, "configuration/target-page-bits");
        put(maker, 1, 4);
        put(maker, number(argv[1]), 4);
    } else {
        put(maker, 5, 1);
        put_name(maker, "configuration/capabilities");
        put(maker, 1, 4);
        put(maker, (guint64)(argc - 1), 4);
        for (gint i = 1; i < argc; i++) {
            put_name(maker, argv[i]);
            maker->mapped |= g_str_equal(argv[i], "mapped-ram");
        }
    }
}

static gboolean memory(Maker *maker, gint argc, char **argv)
{
    const char *word = argv[0];
    if (g_str_equal(word, "ram")) {
        put_ram(maker, argc, argv);
    } else if (g_str_equal(word, "part") || g_str_equal(word, "close")) {
        put(maker, g_str_equal(word, "part") ? 2 : 3, 1);
        put(maker, arg(maker, argc, argv, 1), 4);
    } else if (g_str_equal(word, "page") || g_str_equal(word, "zero")) {
        put_pages(maker, argv[1], arg(maker, argc, argv, 2), arg(maker, argc, argv, 3),
                  argc > 4 ? number(argv[4]) : 1, g_str_equal(word, "zero"));
    } else if (g_str_equal(word, "mapped")) {
        put_mapped(maker, argv[1], arg(maker, argc, argv, 2), arg(maker, argc, argv, 3));
    } else if (g_str_equal(word, "word")) {
        put(maker, arg(maker, argc, argv, 1), 8);
    } else if (g_str_equal(word, "eos")) {
        put(maker, 0x10, 8);
        if (argc > 1) {
            put(maker, 0x7e, 1);
            put(maker, number(argv[1]), 4);
        }
    } else {
        return FALSE;
    }
    return TRUE;
}

static gboolean devices(Maker *maker, gint argc, char **argv)
{
    const char *word = argv[0];
    if (g_str_equal(word, "device")) {
        begin_device(maker, arg(maker, argc, argv, 1), argv[2], arg(maker, argc, argv, 3),
                     arg(maker, argc, argv, 4));
    } else if (g_str_equal(word, "field")) {
        guint64 values[64] = {0};
        gint count = MIN(argc - 3, 64);
        for (gint i = 0; i < count; i++) {
            values[i] = number(argv[i + 3]);
        }
        field(maker, argv[1], (guint)arg(maker, argc, argv, 2), (guint)MAX(count, 1), values);
    } else if (g_str_equal(word, "subsection")) {
        begin_subsection(maker, argv[1]);
    } else if (g_str_equal(word, "cpu")) {
        put_cpu(maker, argc, argv);
    } else if (g_str_equal(word, "footer")) {
        end_device(maker);
        put(maker, 0x7e, 1);
        put(maker, arg(maker, argc, argv, 1), 4);
    } else if (g_str_equal(word, "end")) {
        put_end(maker);
    } else if (g_str_equal(word, "eof")) {
        put(maker, 0, 1);
    } else {
        return FALSE;
    }
    return TRUE;
}

static void statement(Maker *maker, gint argc, char **argv)
{
    const char *word = argv[0];
    gboolean bare = g_str_equal(word, "end") || g_str_equal(word, "eof") ||
                    g_str_equal(word, "eos");
    if (argc < 2 && !bare && !g_str_equal(word, "capabilities")) {
        die(maker, "the statement wants more words");
    }
    if (g_str_equal(word, "libvirt")) {
        if (argc != 4) {
            die(maker, "libvirt wants MAGIC FORMAT XML");
        }
        put_libvirt(maker, argv[1], (guint32)number(argv[2]), argv[3]);
    } else if (g_str_equal(word, "stream")) {
        put_text(maker, "QEVM");
        put(maker, number(argv[1]), 4);
    } else if (g_str_equal(word, "machine") || g_str_equal(word, "capabilities") ||
               g_str_equal(word, "pagebits")) {
        configuration(maker, argc, argv);
    } else if (g_str_equal(word, "hex")) {
        put_hex(maker, argv[1]);
    } else if (g_str_equal(word, "patch")) {
        patch(maker, argc, argv);
    } else if (g_str_equal(word, "truncate")) {
        g_byte_array_set_size(maker->out, (guint)place(maker, argv[1]));
    } else if (!memory(maker, argc, argv) && !devices(maker, argc, argv)) {
        die(maker, "an unknown statement");
    }
}

static char *read_description(const char *path)
{
    char *text = NULL;
    if (!g_str_equal(path, "-")) {
        g_autoptr(GError) error = NULL;
        if (!g_file_get_contents(path, &text, NULL, &error)) {
            fprintf(stderr, "make-qevm: %s\n", error->message);
            exit(1);
        }
        return text;
    }
    GString *all = g_string_new(NULL);
    char piece[4096];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, stdin)) > 0) {
        g_string_append_len(all, piece, (gssize)got);
    }
    return g_string_free(all, FALSE);
}

static void clear_block(gpointer data)
{
    g_free(((Block *)data)->id);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: make-qevm DESCRIPTION OUTPUT\n");
        return 2;
    }
    Maker maker = {.out = g_byte_array_new(),
                   .json = g_string_new("{\"page_size\": 4096, \"devices\": ["),
                   .blocks = g_array_new(FALSE, FALSE, sizeof(Block))};
    g_array_set_clear_func(maker.blocks, clear_block);
    g_autofree char *text = read_description(argv[1]);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = NULL;
        gint count = 0;
        maker.line = i + 1;
        if (g_shell_parse_argv(lines[i], &count, &words, NULL)) {
            statement(&maker, count, words);
        }
    }
    FILE *out = g_str_equal(argv[2], "-") ? stdout : fopen(argv[2], "wb");
    gboolean written = out && fwrite(maker.out->data, 1, maker.out->len, out) == maker.out->len;
    if (!out || fclose(out) != 0 || !written) {
        fprintf(stderr, "make-qevm: %s cannot be written\n", argv[2]);
        return 1;
    }
    g_byte_array_unref(maker.out);
    g_string_free(maker.json, TRUE);
    g_array_unref(maker.blocks);
    return 0;
}
