/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes an ELF core from a text description, for golden tests and fuzz corpora.  Shares no code
 * with src/, so that a mistake there is not made here too.
 *
 *   make-elfcore DESCRIPTION OUTPUT        ("-" for standard input or output)
 *
 * A description has one statement a line; words are split and quoted as in a shell, "#" begins a
 * comment.  Numbers are decimal, 0x hexadecimal or 0 octal.
 *
 *   elf CLASS ORDER MACHINE   "64 le 62": class 32 or 64, le or be, e_machine; first of all
 *   type N, osabi N           e_type (default 4, ET_CORE), e_ident[7]
 *   page N                    PT_LOADs begin at multiples of N in the file (default 4096)
 *   align N                   p_align of the notes and their padding, 4 (default) or 8
 *   xnum                      e_phnum is 0xffff and section header 0 has the number
 *   xnum-bare                 e_phnum is 0xffff and there is no section header
 *   qemu72                    as QEMU 7.2: e_ehsize 8, two section headers before the program
 * headers note OWNER TYPE           a note; statements of content follow load VA MEMSZ FLAGS
 * [PADDR]   a PT_LOAD (FLAGS: letters of rwx, or -); content follows notes                     what
 * comes now goes into a second PT_NOTE behind the memory
 *
 * Content, appended to the last note or load:
 *
 *   u8 N..., u16 N..., u32 N..., u64 N..., word N...     integers in the file's order
 *   zeros COUNT, fill BYTE COUNT, hex DIGITS, text STRING (C escapes; no NUL is added)
 *
 * Notes of Linux, made whole:
 *
 *   prstatus TID SIGNAL [INDEX=VALUE...]   registers by index, as many as the machine has
 *   prpsinfo PID NAME ARGUMENTS
 *   siginfo SIGNAL CODE ADDRESS
 *   auxv TYPE=VALUE...                     AT_NULL is added
 *   files UNIT [START:END:PAGE:PATH...]
 *
 * A note of QEMU, made whole:
 *
 *   cpustate SIZE [INDEX=VALUE...]   version 1, SIZE bytes; u64 by index, rax is 1, cs's base 21
 *
 * At the end, in the order given:
 *
 *   patch PLACE SIZE VALUE   writes SIZE (1, 2, 4, 8) bytes in the file's order
 *   truncate PLACE           cuts the file off there
 *   PLACE: N, end-N, phdr:I+N, note:I+N (from its header), load:I+N (its content)
 */
#include <elf.h>
#include <glib.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char *owner;
    guint32 type;
    gboolean closing;
    guint64 off; /* in the file, once written */
    GByteArray *content;
} Note;

typedef struct {
    guint64 va;
    guint64 memsz;
    guint64 paddr;
    guint32 flags;
    guint64 off;
    GByteArray *content;
} Load;

typedef struct {
    gboolean wide;
    gboolean big;
    guint16 machine;
    guint16 type;
    guint8 osabi;
    guint64 page;
    guint align;
    gboolean xnum;
    gboolean bare;
    gboolean qemu72;
    gboolean closing;
    GArray *notes;
    GArray *loads;
    GByteArray *current; /* borrowed: where content goes */
    GPtrArray *after;    /* of char **: patch and truncate */
    guint64 phdr_off;
    const char *where; /* for messages */
    guint line;
} Core;

static void G_GNUC_PRINTF(2, 3) die(const Core *core, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    fprintf(stderr, "make-elfcore: %s:%u: %s\n", core->where, core->line, text);
    exit(2);
}

static guint64 number(const Core *core, const char *text)
{
    char *end;
    guint64 value = text ? g_ascii_strtoull(text, &end, 0) : 0;
    if (!text || end == text || *end)
        die(core, "\"%s\" is no number", text ? text : "");
    return value;
}

static void put(const Core *core, GByteArray *out, guint size, guint64 value)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> 8 * (core->big ? size - 1 - i : i));
        g_byte_array_append(out, &byte, 1);
    }
}

static void put_word(const Core *core, GByteArray *out, guint64 value)
{
    put(core, out, core->wide ? 8 : 4, value);
}

static void put_fill(GByteArray *out, guint8 byte, guint64 count)
{
    guint old = out->len;
    g_byte_array_set_size(out, old + (guint)count);
    if (count)
        memset(out->data + old, byte, (gsize)count);
}

static void put_aligned(GByteArray *out, guint64 align)
{
    while (align && out->len % align)
        put_fill(out, 0, 1);
}

static GByteArray *add_note(Core *core, const char *owner, guint64 type)
{
    Note note = {g_strdup(owner), (guint32)type, core->closing, 0, g_byte_array_new()};
    g_array_append_val(core->notes, note);
    core->current = note.content;
    return note.content;
}

static void add_load(Core *core, char **words)
{
    Load load = {.va = number(core, words[1]),
                 .memsz = number(core, words[2]),
                 .paddr = words[3] && words[4] ? number(core, words[4]) : 0,
                 .content = g_byte_array_new()};
    const char *flags = words[3] ? words[3] : "";
    load.flags = (strchr(flags, 'r') ? PF_R : 0) | (strchr(flags, 'w') ? PF_W : 0) |
                 (strchr(flags, 'x') ? PF_X : 0);
    g_array_append_val(core->loads, load);
    core->current = load.content;
}

static void make_prstatus(Core *core, char **words)
{
    static const struct {
        guint16 machine;
        guint count;
    } registers[] = {{EM_X86_64, 27}, {EM_386, 17}, {EM_AARCH64, 34}, {EM_ARM, 18}};
    guint64 regs[64] = {0};
    guint count = 32;
    for (gsize i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (registers[i].machine == core->machine)
            count = registers[i].count;
    }
    for (guint i = 3; words[1] && words[2] && words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
        guint64 index = number(core, pair[0]);
        if (index >= count)
            die(core, "register %s is not there", pair[0]);
        regs[index] = number(core, pair[1]);
    }
    guint64 signal = number(core, words[1] ? words[2] : NULL);
    GByteArray *out = add_note(core, "CORE", NT_PRSTATUS);
    put(core, out, 4, signal);
    put(core, out, 8, 0);
    put(core, out, 2, signal);
    put(core, out, 2, 0);
    put_word(core, out, 0);
    put_word(core, out, 0);
    put(core, out, 4, number(core, words[1]));
    for (guint i = 1; i < 4; i++)
        put(core, out, 4, i);
    for (guint i = 0; i < 8; i++)
        put_word(core, out, i);
    for (guint i = 0; i < count; i++)
        put_word(core, out, regs[i]);
    put_word(core, out, 0);
}

static void make_prpsinfo(Core *core, char **words)
{
    if (!words[1] || !words[2] || !words[3])
        die(core, "prpsinfo PID NAME ARGUMENTS");
    GByteArray *out = add_note(core, "CORE", NT_PRPSINFO);
    put(core, out, 1, 0);
    put(core, out, 1, 'R');
    put(core, out, 2, 0);
    if (core->wide)
        put(core, out, 4, 0);
    put_word(core, out, 0);
    put(core, out, core->wide ? 4 : 2, 1000);
    put(core, out, core->wide ? 4 : 2, 100);
    put(core, out, 4, number(core, words[1]));
    for (guint i = 1; i < 4; i++)
        put(core, out, 4, i);
    const gsize sizes[] = {16, 80};
    for (guint i = 0; i < 2; i++) {
        gsize len = strnlen(words[2 + i], sizes[i] - 1);
        g_byte_array_append(out, (const guint8 *)words[2 + i], (guint)len);
        put_fill(out, 0, sizes[i] - len);
    }
}

static void make_siginfo(Core *core, char **words)
{
    GByteArray *out = add_note(core, "CORE", NT_SIGINFO);
    put(core, out, 4, number(core, words[1]));
    put(core, out, 4, 0);
    put(core, out, 4, number(core, words[1] ? words[2] : NULL));
    if (core->wide)
        put(core, out, 4, 0);
    put_word(core, out, number(core, words[1] && words[2] ? words[3] : NULL));
    put_fill(out, 0, 128 - out->len);
}

static void make_auxv(Core *core, char **words)
{
    GByteArray *out = add_note(core, "CORE", NT_AUXV);
    for (guint i = 1; words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
        put_word(core, out, number(core, pair[0]));
        put_word(core, out, number(core, pair[1]));
    }
    put_word(core, out, 0);
    put_word(core, out, 0);
}

static void make_files(Core *core, char **words)
{
    guint count = words[1] ? g_strv_length(words) - 2 : 0;
    guint64 unit = number(core, words[1]);
    GByteArray *out = add_note(core, "CORE", NT_FILE);
    put_word(core, out, count);
    put_word(core, out, unit);
    for (guint i = 0; i < count; i++) {
        g_auto(GStrv) parts = g_strsplit(words[2 + i], ":", 4);
        if (g_strv_length(parts) != 4)
            die(core, "\"%s\" is not START:END:PAGE:PATH", words[2 + i]);
        for (guint k = 0; k < 3; k++)
            put_word(core, out, number(core, parts[k]));
    }
    for (guint i = 0; i < count; i++) {
        g_auto(GStrv) parts = g_strsplit(words[2 + i], ":", 4);
        g_byte_array_append(out, (const guint8 *)parts[3], (guint)strlen(parts[3]) + 1);
    }
}

static void make_cpustate(Core *core, char **words)
{
    guint64 size = number(core, words[1]);
    GByteArray *out = add_note(core, "QEMU", 0);
    put(core, out, 4, 1);
    put(core, out, 4, size);
    put_fill(out, 0, size < 8 ? 0 : size - 8);
    for (guint i = 2; words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
        guint64 off = number(core, pair[0]) * 8;
        g_autoptr(GByteArray) value = g_byte_array_new();
        put(core, value, 8, number(core, pair[1]));
        if (off + 8 > out->len)
            die(core, "%s is not in the note", pair[0]);
        memcpy(out->data + off, value->data, 8);
    }
}

static void set_elf(Core *core, char **words)
{
    if (!words[1] || !words[2] || !words[3])
        die(core, "elf CLASS ORDER MACHINE");
    core->wide = number(core, words[1]) == 64;
    core->big = g_str_equal(words[2], "be");
    core->machine = (guint16)number(core, words[3]);
}

/* Content of the last note or load; FALSE when the statement is none. */
static gboolean take_content(Core *core, char **words)
{
    static const struct {
        const char *name;
        guint size;
    } integers[] = {{"u8", 1}, {"u16", 2}, {"u32", 4}, {"u64", 8}, {"word", 0}};
    GByteArray *out = core->current;
    for (gsize i = 0; i < G_N_ELEMENTS(integers); i++) {
        if (!g_str_equal(words[0], integers[i].name))
            continue;
        for (guint k = 1; words[k]; k++)
            put(core, out,
                integers[i].size ? integers[i].size
                : core->wide     ? 8
                                 : 4,
                number(core, words[k]));
        return TRUE;
    }
    if (g_str_equal(words[0], "zeros")) {
        put_fill(out, 0, number(core, words[1]));
    } else if (g_str_equal(words[0], "fill")) {
        put_fill(out, (guint8)number(core, words[1]), number(core, words[1] ? words[2] : NULL));
    } else if (g_str_equal(words[0], "hex")) {
        for (const char *at = words[1] ? words[1] : ""; at[0] && at[1]; at += 2) {
            guint8 byte = (guint8)(g_ascii_xdigit_value(at[0]) << 4 | g_ascii_xdigit_value(at[1]));
            g_byte_array_append(out, &byte, 1);
        }
    } else if (g_str_equal(words[0], "text")) {
        g_autofree char *text = g_strcompress(words[1] ? words[1] : "");
        g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
    } else {
        return FALSE;
    }
    return TRUE;
}

static void take_statement(Core *core, char **words)
{
    static const struct {
        const char *name;
        void (*make)(Core *core, char **words);
    } makers[] = {{"elf", set_elf},
                  {"load", add_load},
                  {"prstatus", make_prstatus},
                  {"prpsinfo", make_prpsinfo},
                  {"siginfo", make_siginfo},
                  {"auxv", make_auxv},
                  {"files", make_files},
                  {"cpustate", make_cpustate}};
    for (gsize i = 0; i < G_N_ELEMENTS(makers); i++) {
        if (g_str_equal(words[0], makers[i].name)) {
            makers[i].make(core, words);
            return;
        }
    }
    if (g_str_equal(words[0], "type"))
        core->type = (guint16)number(core, words[1]);
    else if (g_str_equal(words[0], "osabi"))
        core->osabi = (guint8)number(core, words[1]);
    else if (g_str_equal(words[0], "page"))
        core->page = number(core, words[1]);
    else if (g_str_equal(words[0], "align"))
        core->align = (guint)number(core, words[1]);
    else if (g_str_equal(words[0], "xnum"))
        core->xnum = TRUE;
    else if (g_str_equal(words[0], "xnum-bare"))
        core->xnum = core->bare = TRUE;
    else if (g_str_equal(words[0], "qemu72"))
        core->qemu72 = TRUE;
    else if (g_str_equal(words[0], "notes"))
        core->closing = TRUE;
    else if (g_str_equal(words[0], "note") && words[1] && words[2])
        add_note(core, words[1], number(core, words[2]));
    else if (g_str_equal(words[0], "patch") || g_str_equal(words[0], "truncate"))
        g_ptr_array_add(core->after, g_strdupv(words));
    else if (!core->current || !take_content(core, words))
        die(core, "\"%s\" is no statement here", words[0]);
}

static void write_notes(Core *core, GByteArray *out, gboolean closing)
{
    for (guint i = 0; i < core->notes->len; i++) {
        Note *note = &g_array_index(core->notes, Note, i);
        if (note->closing != closing)
            continue;
        guint start = out->len;
        note->off = start;
        put(core, out, 4, strlen(note->owner) + 1);
        put(core, out, 4, note->content->len);
        put(core, out, 4, note->type);
        g_byte_array_append(out, (const guint8 *)note->owner, (guint)strlen(note->owner) + 1);
        while ((out->len - start) % core->align)
            put_fill(out, 0, 1);
        g_byte_array_append(out, note->content->data, note->content->len);
        while ((out->len - start) % core->align)
            put_fill(out, 0, 1);
    }
}

typedef struct {
    guint32 type;
    guint32 flags;
    guint64 off;
    guint64 va;
    guint64 pa;
    guint64 filesz;
    guint64 memsz;
    guint64 align;
} Segment;

static void put_segment(const Core *core, GByteArray *out, const Segment *segment)
{
    put(core, out, 4, segment->type);
    if (core->wide)
        put(core, out, 4, segment->flags);
    put_word(core, out, segment->off);
    put_word(core, out, segment->va);
    put_word(core, out, segment->pa);
    put_word(core, out, segment->filesz);
    put_word(core, out, segment->memsz);
    if (!core->wide)
        put(core, out, 4, segment->flags);
    put_word(core, out, segment->align);
}

static void put_header(const Core *core, GByteArray *out, guint count, guint64 section_off)
{
    const guint8 ident[16] = {0x7f, 'E',        'L', 'F', core->wide ? 2 : 1, core->big ? 2 : 1,
                              1,    core->osabi};
    g_byte_array_append(out, ident, sizeof ident);
    put(core, out, 2, core->type);
    put(core, out, 2, core->machine);
    put(core, out, 4, 1);
    put_word(core, out, 0);
    put_word(core, out, core->phdr_off);
    put_word(core, out, section_off);
    put(core, out, 4, 0);
    put(core, out, 2, core->qemu72 ? 8 : core->wide ? 64 : 52);
    put(core, out, 2, core->wide ? 56 : 32);
    put(core, out, 2, core->xnum ? 0xffff : count);
    put(core, out, 2, section_off ? (core->wide ? 64 : 40) : 0);
    put(core, out, 2, core->qemu72 ? 2 : section_off != 0);
    put(core, out, 2, core->qemu72);
}

static void put_section(const Core *core, GByteArray *out, guint count)
{
    put(core, out, 8, 0);
    for (guint i = 0; i < 3; i++)
        put_word(core, out, 0);
    put_word(core, out, 1);
    put(core, out, 4, 0);
    put(core, out, 4, count);
    put_word(core, out, 0);
    put_word(core, out, 0);
}

static GByteArray *write_core(Core *core)
{
    gboolean closing = FALSE;
    for (guint i = 0; i < core->notes->len; i++)
        closing = closing || g_array_index(core->notes, Note, i).closing;
    guint count = core->loads->len + 1 + closing;
    guint64 section_off = 0;
    core->phdr_off = core->wide ? 64 : 52;
    if (core->qemu72) {
        section_off = core->phdr_off;
        core->phdr_off += 2 * (core->wide ? 64 : 40);
    }
    GByteArray *body = g_byte_array_new();
    guint64 start = core->phdr_off + (guint64)count * (core->wide ? 56 : 32);
    put_fill(body, 0, start);
    write_notes(core, body, FALSE);
    guint64 notes_end = body->len;
    if (core->xnum && !core->bare && !core->qemu72) {
        section_off = body->len;
        put_section(core, body, count);
    }
    for (guint i = 0; i < core->loads->len; i++) {
        Load *load = &g_array_index(core->loads, Load, i);
        put_aligned(body, core->page);
        load->off = body->len;
        g_byte_array_append(body, load->content->data, load->content->len);
    }
    put_aligned(body, 8);
    guint64 closing_off = body->len;
    write_notes(core, body, TRUE);
    GByteArray *head = g_byte_array_new();
    put_header(core, head, count, section_off);
    if (core->qemu72) {
        /* Section 0, and the one of names behind everything else. */
        put_section(core, head, core->xnum ? count : 0);
        put(core, head, 4, 1);
        put(core, head, 4, SHT_STRTAB);
        put_word(core, head, 0);
        put_word(core, head, 0);
        put_word(core, head, body->len);
        put_word(core, head, 11);
        put_fill(head, 0, core->wide ? 24 : 16);
        g_byte_array_append(body, (const guint8 *)"\0.shstrtab", 11);
    }
    Segment notes = {PT_NOTE, 0, start, 0, 0, notes_end - start, 0, core->align};
    put_segment(core, head, &notes);
    for (guint i = 0; i < core->loads->len; i++) {
        const Load *load = &g_array_index(core->loads, Load, i);
        Segment segment = {PT_LOAD,     load->flags,        load->off,   load->va,
                           load->paddr, load->content->len, load->memsz, core->page};
        put_segment(core, head, &segment);
    }
    Segment last = {PT_NOTE, 0, closing_off, 0, 0, body->len - closing_off, 0, core->align};
    if (closing)
        put_segment(core, head, &last);
    memcpy(body->data, head->data, head->len);
    g_byte_array_unref(head);
    return body;
}

static guint64 place(const Core *core, const GByteArray *out, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text ? text : "", "+", 2);
    guint64 plus = parts[0] && parts[1] ? number(core, parts[1]) : 0;
    const char *colon = parts[0] ? strchr(parts[0], ':') : NULL;
    if (g_str_has_prefix(text ? text : "", "end-"))
        return out->len - number(core, text + 4);
    if (!colon)
        return number(core, text);
    guint64 index = number(core, colon + 1);
    if (g_str_has_prefix(text, "phdr:"))
        return core->phdr_off + index * (core->wide ? 56 : 32) + plus;
    if (g_str_has_prefix(text, "note:") && index < core->notes->len)
        return g_array_index(core->notes, Note, index).off + plus;
    if (g_str_has_prefix(text, "load:") && index < core->loads->len)
        return g_array_index(core->loads, Load, index).off + plus;
    die(core, "\"%s\" is no place", text);
    return 0;
}

static void apply(const Core *core, GByteArray *out, char **words)
{
    guint64 off = place(core, out, words[1]);
    if (g_str_equal(words[0], "truncate")) {
        if (off > out->len)
            die(core, "truncate %s lies behind the end", words[1]);
        g_byte_array_set_size(out, (guint)off);
        return;
    }
    guint64 size = number(core, words[1] ? words[2] : NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    put(core, bytes, (guint)size, number(core, words[1] && words[2] ? words[3] : NULL));
    if (size > 8 || off + size > out->len)
        die(core, "patch %s lies behind the end", words[1]);
    memcpy(out->data + off, bytes->data, size);
}

static char *read_description(const char *path)
{
    char *text = NULL;
    if (!g_str_equal(path, "-")) {
        g_file_get_contents(path, &text, NULL, NULL);
        return text;
    }
    g_autoptr(GString) all = g_string_new(NULL);
    char piece[4096];
    gsize got;
    while ((got = fread(piece, 1, sizeof piece, stdin)))
        g_string_append_len(all, piece, (gssize)got);
    return g_string_free(g_steal_pointer(&all), FALSE);
}

static int save(const char *path, const GByteArray *out)
{
    if (!g_str_equal(path, "-"))
        return !g_file_set_contents(path, (const char *)out->data, out->len, NULL);
    return fwrite(out->data, 1, out->len, stdout) != out->len || fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: make-elfcore DESCRIPTION OUTPUT\n");
        return 2;
    }
    Core core = {.wide = TRUE, .machine = EM_X86_64, .type = ET_CORE, .page = 4096, .align = 4};
    core.notes = g_array_new(FALSE, FALSE, sizeof(Note));
    core.loads = g_array_new(FALSE, FALSE, sizeof(Load));
    core.after = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    core.where = argv[1];
    g_autofree char *text = read_description(argv[1]);
    if (!text)
        die(&core, "cannot be read");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = NULL;
        g_autoptr(GError) error = NULL;
        core.line = i + 1;
        if (g_shell_parse_argv(lines[i], NULL, &words, &error))
            take_statement(&core, words);
        else if (!g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
            die(&core, "%s", error->message);
    }
    g_autoptr(GByteArray) out = write_core(&core);
    for (guint i = 0; i < core.after->len; i++)
        apply(&core, out, g_ptr_array_index(core.after, i));
    int status = save(argv[2], out);
    for (guint i = 0; i < core.notes->len; i++) {
        g_free(g_array_index(core.notes, Note, i).owner);
        g_byte_array_unref(g_array_index(core.notes, Note, i).content);
    }
    for (guint i = 0; i < core.loads->len; i++)
        g_byte_array_unref(g_array_index(core.loads, Load, i).content);
    g_array_unref(core.notes);
    g_array_unref(core.loads);
    g_ptr_array_unref(core.after);
    return status;
}
