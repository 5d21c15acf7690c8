/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes images of a machine's memory (LiME, AVML, raw, VMware) from a text description, for golden
 * tests and fuzz corpora.  Shares no code with src/, so that a mistake there is not made here too.
 * It is built under several names, which all do the same.
 *
 *   make-lime DESCRIPTION OUTPUT        ("-" for standard input or output)
 *
 * A description has one statement a line; words are split and quoted as in a shell, "#" begins a
 * comment.  Numbers are decimal, 0x hexadecimal or 0 octal.  Statements append to the file:
 *
 *   u8 N..., u16 N..., u32 N..., u64 N...   integers, little-endian
 *   zeros COUNT, fill BYTE COUNT, hex DIGITS, text STRING (C escapes; no NUL is added)
 *   memory PA COUNT          what the pattern machine has there: each u64 is its address times
 *                            0x9e3779b97f4a7c15
 *   record MAGIC VERSION FIRST LAST RESERVED    the header of a LiME or AVML record
 *   lime FIRST LAST          a whole LiME record of the pattern machine
 *   stream                   AVML: the identifier of a snappy framed stream
 *   stored PA COUNT          AVML: a chunk as it is
 *   packed PA COUNT          AVML: a chunk of raw snappy, all literals
 *   packed-zeros COUNT       AVML: a chunk of raw snappy, a literal and copies
 *   chunk TYPE HEX           AVML: any chunk
 *   trailer [DIFFERENCE]     AVML: bytes since "stream"
 *
 * VMware's groups of tags (they get their places at the end; what follows "data" comes behind):
 *
 *   vmss MAGIC VERSION       the header; first of all
 *   group NAME
 *   tag NAME SIZE INDICES VALUE...          INDICES: - or 0,3; VALUE: integers of SIZE bytes
 *   block NAME INDICES PAD SIZE MEMSIZE     its head and padding; content follows
 *   end                                     of the group's tags
 *   data                                    ends the groups
 *
 * Last: patch PLACE SIZE VALUE, truncate PLACE; PLACE is a number or end-N.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char *name;
    guint64 off; /* in tags */
    guint64 size;
} Group;

typedef struct {
    GByteArray *file;
    GByteArray *tags;    /* of VMware's groups, until "data" */
    GByteArray *current; /* borrowed: where content goes */
    GArray *groups;
    guint64 stream; /* where the stream began */
    const char *where;
    guint line;
} Image;

static void G_GNUC_PRINTF(2, 3) die(const Image *image, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "make-image: %s:%u: %s\n", image->where, image->line, text);
    exit(2);
}

static guint64 number(const Image *image, const char *text)
{
    char *end;
    guint64 value = text ? g_ascii_strtoull(text, &end, 0) : 0;
    if (!text || end == text || *end)
        die(image, "\"%s\" is no number", text ? text : "");
    return value;
}

static void put(GByteArray *out, guint size, guint64 value)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = i < 8 ? (guint8)(value >> 8 * i) : 0;
        g_byte_array_append(out, &byte, 1);
    }
}

static void put_fill(GByteArray *out, guint8 byte, guint64 count)
{
    guint old = out->len;
    g_byte_array_set_size(out, old + (guint)count);
    if (count)
        memset(out->data + old, byte, (gsize)count);
}

static void put_hex(const Image *image, GByteArray *out, const char *digits)
{
    for (; digits && digits[0]; digits += 2) {
        gint high = g_ascii_xdigit_value(digits[0]);
        gint low = g_ascii_xdigit_value(digits[1]);
        if (high < 0 || low < 0)
            die(image, "\"%s\" is not hex", digits);
        put(out, 1, (guint64)(high << 4 | low));
    }
}

static void put_memory(GByteArray *out, guint64 pa, guint64 count)
{
    for (guint64 at = pa; at < pa + count; at++) {
        guint64 word = (at & ~(guint64)7) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
        put(out, 1, word >> 8 * (at & 7));
    }
}

static void put_record(GByteArray *out, guint64 magic, guint64 version, guint64 first, guint64 last,
                       guint64 reserved)
{
    put(out, 4, magic);
    put(out, 4, version);
    put(out, 8, first);
    put(out, 8, last);
    put(out, 8, reserved);
}

/* google/snappy, framing_format.txt, section 3: CRC-32C, rotated and moved. */
static guint32 masked_crc(const guint8 *data, gsize len)
{
    guint32 crc = 0xffffffff;
    for (gsize i = 0; i < len; i++) {
        crc ^= data[i];
        for (guint bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static void put_chunk(GByteArray *out, guint type, const GByteArray *content,
                      const GByteArray *body)
{
    put(out, 1, type);
    put(out, 3, body->len + 4);
    put(out, 4, masked_crc(content->data, content->len));
    g_byte_array_append(out, body->data, body->len);
}

static void put_varint(GByteArray *out, guint64 value)
{
    for (; value > 127; value >>= 7)
        put(out, 1, (value & 127) | 128);
    put(out, 1, value);
}

/* A chunk of content: stored, all literals, or (zeros) one literal and copies of the byte before.
 */
static void put_content(Image *image, const char *how, const GByteArray *content)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    if (g_str_equal(how, "stored")) {
        put_chunk(image->file, 1, content, content);
        return;
    }
    put_varint(body, content->len);
    if (g_str_equal(how, "packed")) {
        put(body, 1, 61 << 2);
        put(body, 2, content->len - 1);
        g_byte_array_append(body, content->data, content->len);
    } else {
        put(body, 2, 0);
        for (guint left = content->len - 1; left; left -= MIN(left, 64)) {
            put(body, 1, (MIN(left, 64) - 1) << 2 | 2);
            put(body, 2, 1);
        }
    }
    put_chunk(image->file, 0, content, body);
}

static void do_chunk(Image *image, char **words)
{
    g_autoptr(GByteArray) content = g_byte_array_new();
    if (g_str_equal(words[0], "chunk")) {
        put_hex(image, content, words[2]);
        put(image->file, 1, number(image, words[1]));
        put(image->file, 3, content->len);
        g_byte_array_append(image->file, content->data, content->len);
        return;
    }
    if (g_str_equal(words[0], "packed-zeros"))
        put_fill(content, 0, number(image, words[1]));
    else
        put_memory(content, number(image, words[1]), number(image, words[2]));
    put_content(image, words[0], content);
}

/* --- VMware --- */

static void put_tag(Image *image, const char *name, guint valsize, const char *indices)
{
    g_auto(GStrv) parts = g_strsplit(g_str_equal(indices, "-") ? "" : indices, ",", -1);
    guint count = g_strv_length(parts);
    put(image->tags, 1, (count & 3) << 6 | valsize);
    put(image->tags, 1, strlen(name));
    g_byte_array_append(image->tags, (const guint8 *)name, (guint)strlen(name));
    for (guint i = 0; i < count; i++)
        put(image->tags, 4, number(image, parts[i]));
}

static Group *last_group(const Image *image)
{
    if (!image->groups->len)
        die(image, "no group was begun");
    return &g_array_index(image->groups, Group, image->groups->len - 1);
}

static void close_groups(Image *image)
{
    guint64 base = image->file->len + 80 * (guint64)image->groups->len;
    put(image->file, 4, image->groups->len);
    base += 4;
    for (guint i = 0; i < image->groups->len; i++) {
        const Group *group = &g_array_index(image->groups, Group, i);
        g_byte_array_append(image->file, (const guint8 *)group->name, (guint)strlen(group->name));
        put_fill(image->file, 0, 64 - strlen(group->name));
        put(image->file, 8, base + group->off);
        put(image->file, 8, group->size);
    }
    g_byte_array_append(image->file, image->tags->data, image->tags->len);
    image->current = image->file;
}

static gboolean do_vmware(Image *image, char **words, guint count)
{
    if (g_str_equal(words[0], "vmss") && count == 3) {
        put(image->file, 4, number(image, words[1]));
        put(image->file, 4, number(image, words[2]));
        image->current = image->tags;
    } else if (g_str_equal(words[0], "group") && count == 2) {
        Group group = {g_strdup(words[1]), image->tags->len, 0};
        g_array_append_val(image->groups, group);
    } else if (g_str_equal(words[0], "tag") && count >= 5) {
        guint size = (guint)number(image, words[2]);
        put_tag(image, words[1], size, words[3]);
        for (guint i = 4; i < count; i++)
            put(image->tags, size, number(image, words[i]));
    } else if (g_str_equal(words[0], "block") && count == 6) {
        put_tag(image, words[1], 63, words[2]);
        put(image->tags, 8, number(image, words[4]));
        put(image->tags, 8, number(image, words[5]));
        put(image->tags, 2, number(image, words[3]));
        put_fill(image->tags, 0xee, number(image, words[3]));
    } else if (g_str_equal(words[0], "end") && count == 1) {
        put(image->tags, 2, 0);
        last_group(image)->size = image->tags->len - last_group(image)->off;
    } else if (g_str_equal(words[0], "data") && count == 1) {
        close_groups(image);
    } else {
        return FALSE;
    }
    return TRUE;
}

/* --- the rest --- */

static guint64 place(const Image *image, const char *text)
{
    guint64 at = g_str_has_prefix(text, "end-") ? image->file->len - number(image, text + 4)
                                                : number(image, text);
    if (at > image->file->len)
        die(image, "%s lies outside of the file", text);
    return at;
}

static void do_patch(Image *image, char **words)
{
    guint64 at = place(image, words[1]);
    guint64 size = number(image, words[2]);
    guint64 value = number(image, words[3]);
    if (size > 8 || at + size > image->file->len)
        die(image, "patch lies outside of the file");
    for (guint i = 0; i < size; i++)
        image->file->data[at + i] = (guint8)(value >> 8 * i);
}

static gboolean do_content(Image *image, char **words, guint count)
{
    GByteArray *out = image->current;
    guint width = (guint)(words[0][0] == 'u' ? strtoul(words[0] + 1, NULL, 10) / 8 : 0);
    if (width) {
        for (guint i = 1; i < count; i++)
            put(out, width, number(image, words[i]));
    } else if (g_str_equal(words[0], "zeros") && count == 2) {
        put_fill(out, 0, number(image, words[1]));
    } else if (g_str_equal(words[0], "fill") && count == 3) {
        put_fill(out, (guint8)number(image, words[1]), number(image, words[2]));
    } else if (g_str_equal(words[0], "hex") && count == 2) {
        put_hex(image, out, words[1]);
    } else if (g_str_equal(words[0], "text") && count == 2) {
        g_autofree char *text = g_strcompress(words[1]);
        g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
    } else if (g_str_equal(words[0], "memory") && count == 3) {
        put_memory(out, number(image, words[1]), number(image, words[2]));
    } else {
        return FALSE;
    }
    return TRUE;
}

static gboolean do_record(Image *image, char **words, guint count)
{
    GByteArray *out = image->file;
    if (g_str_equal(words[0], "record") && count == 6) {
        put_record(out, number(image, words[1]), number(image, words[2]), number(image, words[3]),
                   number(image, words[4]), number(image, words[5]));
    } else if (g_str_equal(words[0], "lime") && count == 3) {
        guint64 first = number(image, words[1]);
        guint64 last = number(image, words[2]);
        put_record(out, 0x4c694d45, 1, first, last, 0);
        put_memory(out, first, last - first + 1);
    } else if (g_str_equal(words[0], "stream")) {
        image->stream = out->len;
        put_hex(image, out, "ff060000734e61507059");
    } else if (g_str_equal(words[0], "trailer")) {
        put(out, 8, out->len - image->stream + (count > 1 ? number(image, words[1]) : 0));
    } else if ((g_str_equal(words[0], "packed-zeros") && count == 2) ||
               (count == 3 && (g_str_equal(words[0], "stored") || g_str_equal(words[0], "packed") ||
                               g_str_equal(words[0], "chunk")))) {
        do_chunk(image, words);
    } else {
        return FALSE;
    }
    return TRUE;
}

static void do_statement(Image *image, char **words, guint count)
{
    if (g_str_equal(words[0], "patch") && count == 4)
        do_patch(image, words);
    else if (g_str_equal(words[0], "truncate") && count == 2)
        g_byte_array_set_size(image->file, (guint)place(image, words[1]));
    else if (!do_record(image, words, count) && !do_vmware(image, words, count) &&
             !do_content(image, words, count))
        die(image, "\"%s\" is not understood, or lacks words", words[0]);
}

static char *read_description(const char *path)
{
    char *text = NULL;
    if (g_file_get_contents(g_str_equal(path, "-") ? "/dev/stdin" : path, &text, NULL, NULL))
        return text;
    fprintf(stderr, "make-image: %s: cannot be read\n", path);
    exit(2);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: make-image DESCRIPTION OUTPUT\n");
        return 2;
    }
    Image image = {.where = argv[1]};
    image.file = image.current = g_byte_array_new();
    image.tags = g_byte_array_new();
    image.groups = g_array_new(FALSE, FALSE, sizeof(Group));
    g_autofree char *text = read_description(argv[1]);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = NULL;
        gint count = 0;
        image.line = i + 1;
        if (g_shell_parse_argv(lines[i], &count, &words, NULL))
            do_statement(&image, words, (guint)count);
    }
    const char *path = g_str_equal(argv[2], "-") ? "/dev/stdout" : argv[2];
    FILE *file = fopen(path, "wb");
    gboolean done = file && fwrite(image.file->data, 1, image.file->len, file) == image.file->len;
    done = file && fclose(file) == 0 && done;
    for (guint i = 0; i < image.groups->len; i++)
        g_free(g_array_index(image.groups, Group, i).name);
    g_array_unref(image.groups);
    g_byte_array_unref(image.tags);
    g_byte_array_unref(image.file);
    if (!done)
        fprintf(stderr, "make-image: %s: cannot be written\n", path);
    return done ? 0 : 2;
}
