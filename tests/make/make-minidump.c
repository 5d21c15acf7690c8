/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a minidump from a text description: make-minidump DESCRIPTION OUTPUT.  It shares the layout
 * with the reader and nothing with the writer.  A line is a word and KEY=VALUE pairs in the shell's
 * quoting; # starts a comment.  Numbers are decimal or 0x.
 *
 *   header version= flags= time=
 *   system cpu= platform= cpus= level= revision= major= minor= build= csd= vendor=
 *   misc pid=
 *   thread tid= context=amd64|x86|arm64|arm64old flags= REGISTER= stack=VA:SIZE teb= suspend= more=
 *   exception tid= code= flags= address= params=A,B context=... REGISTER=
 *   name tid= name=         info tid= user= kernel=
 *   module base= size= name= time= checksum= version=A.B.C.D buildid=HEX pdb= guid=HEX age=
 *   unloaded base= size= name= time=
 *   memory va= size= fill= | memory64 va= size= fill=      (fill: one byte)
 *   region base= size= state= protect= type=
 *   handles count=          comment text=
 *   stream type= text= | hex=                              (text takes C escapes)
 *   padded type=            the list of that type gets four bytes behind its count
 *   again type=             a second entry in the directory for the stream
 *   patch at= u8= | u16= | u32= | u64=                     (at: OFFSET, TYPE+OFFSET in the stream,
 * or entry:TYPE+OFFSET in the directory) truncate size=          (negative: bytes to cut off the
 * end)
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "format/minidump/minidump-layout.h"
#include "format/windows-context-layout.h"

#define ENTRIES 48u

typedef struct {
    const char *word;
    GHashTable *pairs;
    GHashTable *used;
} Line;

typedef struct {
    guint32 type;
    gsize entry; /* bytes of an entry; 0 for a stream that is no list */
    guint32 count;
    gboolean padded;
    GByteArray *bytes; /* the entries, or all of a stream that is no list */
} Stream;

typedef struct {
    GByteArray *out;
    GByteArray *data64;
    GPtrArray *streams;
    GArray *directory; /* of MdmpDirectory, at the end */
    MdmpHeader header;
} Maker;

static void die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("make-minidump: %s\n", text);
    exit(1);
}

static const char *text_of(Line *line, const char *key)
{
    g_hash_table_add(line->used, (gpointer)key);
    return g_hash_table_lookup(line->pairs, key);
}

static guint64 parse_number(const char *text)
{
    char *end;
    guint64 value = g_ascii_strtoull(text, &end, 0);
    if (*end || !*text)
        die("\"%s\" is not a number", text);
    return value;
}

static guint64 number(Line *line, const char *key)
{
    const char *text = text_of(line, key);
    return text ? parse_number(text) : 0;
}

static guint32 put(Maker *maker, const void *data, gsize len)
{
    guint32 at = maker->out->len;
    g_byte_array_append(maker->out, data, (guint)len);
    return at;
}

static guint32 put_string(Maker *maker, const char *text)
{
    glong units = 0;
    if (!text)
        return 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(text, -1, NULL, &units, NULL);
    guint32 len = (guint32)units * 2;
    guint32 at = put(maker, &len, sizeof len);
    put(maker, wide, len + 2);
    return at;
}

static GByteArray *parse_hex(const char *text)
{
    GByteArray *bytes = g_byte_array_new();
    for (; text && *text; text += 2) {
        while (*text == ' ')
            text++;
        if (!*text)
            break;
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]))
            die("\"%s\" is not hex", text);
        guint8 byte = (guint8)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

static Stream *stream_of(Maker *maker, guint32 type)
{
    for (guint i = 0; i < maker->streams->len; i++) {
        Stream *stream = g_ptr_array_index(maker->streams, i);
        if (stream->type == type)
            return stream;
    }
    Stream *stream = g_new0(Stream, 1);
    stream->type = type;
    stream->bytes = g_byte_array_new();
    g_ptr_array_add(maker->streams, stream);
    return stream;
}

static void add_entry(Maker *maker, guint32 type, const void *entry, gsize len)
{
    Stream *stream = stream_of(maker, type);
    stream->entry = len;
    g_byte_array_append(stream->bytes, entry, (guint)len);
    stream->count++;
}

static void add_whole(Maker *maker, guint32 type, const void *data, gsize len)
{
    g_byte_array_append(stream_of(maker, type)->bytes, data, (guint)len);
}

static void add_header(Maker *maker, Line *line)
{
    if (text_of(line, "version"))
        maker->header.version = (guint32)number(line, "version");
    maker->header.flags = number(line, "flags");
    maker->header.time = (guint32)number(line, "time");
}

static void add_system(Maker *maker, Line *line)
{
    MdmpSystemInfo info = {
        .cpu = (guint16)number(line, "cpu"),
        .level = (guint16)number(line, "level"),
        .revision = (guint16)number(line, "revision"),
        .cpus = (guint8)number(line, "cpus"),
        .platform = (guint32)number(line, "platform"),
        .major = (guint32)number(line, "major"),
        .minor = (guint32)number(line, "minor"),
        .build = (guint32)number(line, "build"),
        .csd_rva = put_string(maker, text_of(line, "csd")),
    };
    const char *vendor = text_of(line, "vendor");
    if (vendor)
        memcpy(info.vendor, vendor, MIN(strlen(vendor), sizeof info.vendor));
    add_whole(maker, MDMP_SYSTEM_INFO, &info, sizeof info);
}

static void add_misc(Maker *maker, Line *line)
{
    const MdmpMiscInfo info = {
        .size = sizeof info, .flags = MDMP_MISC_PROCESS_ID, .pid = (guint32)number(line, "pid")};
    add_whole(maker, MDMP_MISC_INFO, &info, sizeof info);
}

static guint32 flags_of(Line *line, guint32 usual)
{
    return text_of(line, "flags") ? (guint32)number(line, "flags") : usual;
}

static MdmpLocation put_amd64(Maker *maker, Line *line, guint32 flags)
{
    WinContextAmd64 raw = {
        .flags = flags,
        .cs = (guint16)number(line, "cs"),
        .eflags = (guint32)number(line, "eflags"),
        .rax = number(line, "rax"),
        .rcx = number(line, "rcx"),
        .rbx = number(line, "rbx"),
        .rsp = number(line, "rsp"),
        .rbp = number(line, "rbp"),
        .rip = number(line, "rip"),
        .r8_to_r15 = {number(line, "r8"), number(line, "r9"), [7] = number(line, "r15")},
        .fxsave = {[0] = 0x7f, [1] = 0x03, [160] = (guint8)number(line, "xmm0")},
    };
    return (MdmpLocation){sizeof raw, put(maker, &raw, sizeof raw)};
}

static MdmpLocation put_x86(Maker *maker, Line *line, guint32 flags)
{
    WinContextX86 raw = {
        .flags = flags,
        .eax = (guint32)number(line, "eax"),
        .ebx = (guint32)number(line, "ebx"),
        .ebp = (guint32)number(line, "ebp"),
        .eip = (guint32)number(line, "eip"),
        .esp = (guint32)number(line, "esp"),
        .eflags = (guint32)number(line, "eflags"),
    };
    return (MdmpLocation){sizeof raw, put(maker, &raw, sizeof raw)};
}

static MdmpLocation put_arm64(Maker *maker, Line *line, guint32 flags)
{
    WinContextArm64 raw = {
        .flags = flags,
        .cpsr = (guint32)number(line, "cpsr"),
        .x = {number(line, "x0"), [29] = number(line, "fp"), [30] = number(line, "lr")},
        .sp = number(line, "sp"),
        .pc = number(line, "pc"),
        .fpcr = (guint32)number(line, "fpcr"),
        .fpsr = (guint32)number(line, "fpsr"),
    };
    return (MdmpLocation){sizeof raw, put(maker, &raw, sizeof raw)};
}

static MdmpLocation put_arm64_old(Maker *maker, Line *line, guint32 flags)
{
    WinContextArm64Old raw = {
        .flags = flags,
        .cpsr = (guint32)number(line, "cpsr"),
        .x = {number(line, "x0"), [29] = number(line, "fp"), [30] = number(line, "lr")},
        .sp = number(line, "sp"),
        .pc = number(line, "pc"),
        .fpcr = (guint32)number(line, "fpcr"),
        .fpsr = (guint32)number(line, "fpsr"),
    };
    return (MdmpLocation){sizeof raw, put(maker, &raw, sizeof raw)};
}

/* more=N appends N bytes to the context, as an XSAVE area would. */
static MdmpLocation put_context(Maker *maker, Line *line, guint32 flags)
{
    static const struct {
        const char *name;
        guint32 flags;
        MdmpLocation (*put)(Maker *maker, Line *line, guint32 flags);
    } contexts[] = {
        {"amd64", WIN_CONTEXT_AMD64 | 0xf, put_amd64},
        {"x86", WIN_CONTEXT_X86 | 0x2f, put_x86},
        {"arm64", WIN_CONTEXT_ARM64 | 7, put_arm64},
        {"arm64old", WIN_CONTEXT_ARM64_OLD | 6, put_arm64_old},
    };
    const char *name = text_of(line, "context");
    if (!name)
        return (MdmpLocation){0};
    for (guint i = 0; i < G_N_ELEMENTS(contexts); i++) {
        if (!g_str_equal(contexts[i].name, name))
            continue;
        MdmpLocation at = contexts[i].put(maker, line, flags ? flags : contexts[i].flags);
        guint64 more = number(line, "more");
        g_autofree guint8 *zeros = g_malloc0(more + 1);
        put(maker, zeros, more);
        at.size += (guint32)more;
        return at;
    }
    die("context=%s is not known", name);
}

static guint32 put_fill(Maker *maker, guint64 size, guint8 byte)
{
    g_autofree guint8 *data = g_malloc(size + 1);
    memset(data, byte, size);
    return put(maker, data, size);
}

static void add_thread(Maker *maker, Line *line)
{
    MdmpThread raw = {
        .tid = (guint32)number(line, "tid"),
        .suspend_count = (guint32)number(line, "suspend"),
        .teb_va = number(line, "teb"),
        .context = put_context(maker, line, flags_of(line, 0)),
    };
    const char *stack = text_of(line, "stack");
    if (stack) {
        g_auto(GStrv) parts = g_strsplit(stack, ":", 2);
        if (!parts[1])
            die("stack=%s: expected VA:SIZE", stack);
        raw.stack.va = parse_number(parts[0]);
        raw.stack.location.size = (guint32)parse_number(parts[1]);
        raw.stack.location.rva = put_fill(maker, raw.stack.location.size, 0x5a);
    }
    add_entry(maker, MDMP_THREAD_LIST, &raw, sizeof raw);
}

static void add_exception(Maker *maker, Line *line)
{
    MdmpException raw = {
        .tid = (guint32)number(line, "tid"),
        .record = {.code = (guint32)number(line, "code"),
                   .flags = (guint32)number(line, "flags"),
                   .address = number(line, "address")},
        .context = put_context(maker, line, 0),
    };
    const char *params = text_of(line, "params");
    g_auto(GStrv) parts = g_strsplit(params ? params : "", ",", 15);
    for (guint i = 0; parts[i]; i++)
        raw.record.params[raw.record.nparams++] = parse_number(parts[i]);
    add_whole(maker, MDMP_EXCEPTION, &raw, sizeof raw);
}

static void add_name(Maker *maker, Line *line)
{
    const MdmpThreadName raw = {(guint32)number(line, "tid"),
                                put_string(maker, text_of(line, "name"))};
    add_entry(maker, MDMP_THREAD_NAMES, &raw, sizeof raw);
}

static void add_info(Maker *maker, Line *line)
{
    const MdmpThreadInfo raw = {.tid = (guint32)number(line, "tid"),
                                .user_time = number(line, "user"),
                                .kernel_time = number(line, "kernel")};
    add_entry(maker, MDMP_THREAD_INFO_LIST, &raw, sizeof raw);
}

static void put_codeview(Maker *maker, Line *line, MdmpModule *raw)
{
    const char *build_id = text_of(line, "buildid");
    const char *pdb = text_of(line, "pdb");
    const char *guid_text = text_of(line, "guid");
    guint32 age = (guint32)number(line, "age");
    g_autoptr(GByteArray) id = parse_hex(build_id);
    g_autoptr(GByteArray) guid = parse_hex(guid_text);
    guint32 signature = build_id ? MDMP_CV_BPEL : MDMP_CV_RSDS;
    if (!build_id && !pdb)
        return;
    while (guid->len < 16)
        g_byte_array_append(guid, (const guint8 *)"", 1);
    raw->codeview.rva = put(maker, &signature, sizeof signature);
    if (build_id) {
        put(maker, id->data, id->len);
    } else {
        put(maker, guid->data, guid->len);
        put(maker, &age, sizeof age);
        put(maker, pdb, strlen(pdb) + 1);
    }
    raw->codeview.size = maker->out->len - raw->codeview.rva;
}

static void add_module(Maker *maker, Line *line)
{
    MdmpModule raw = {
        .base_va = number(line, "base"),
        .size = (guint32)number(line, "size"),
        .checksum = (guint32)number(line, "checksum"),
        .time = (guint32)number(line, "time"),
        .name_rva = put_string(maker, text_of(line, "name")),
    };
    const char *version = text_of(line, "version");
    if (version) {
        g_auto(GStrv) parts = g_strsplit(version, ".", 4);
        if (g_strv_length(parts) != 4)
            die("version=%s: expected A.B.C.D", version);
        raw.version.signature = MDMP_VERSION_SIGNATURE;
        raw.version.file_version_high = (guint32)(parse_number(parts[0]) << 16 |
                                                  parse_number(parts[1]));
        raw.version.file_version_low = (guint32)(parse_number(parts[2]) << 16 |
                                                 parse_number(parts[3]));
    }
    put_codeview(maker, line, &raw);
    add_entry(maker, MDMP_MODULE_LIST, &raw, sizeof raw);
}

static void add_unloaded(Maker *maker, Line *line)
{
    const MdmpUnloadedModule raw = {
        .base_va = number(line, "base"),
        .size = (guint32)number(line, "size"),
        .time = (guint32)number(line, "time"),
        .name_rva = put_string(maker, text_of(line, "name")),
    };
    add_entry(maker, MDMP_UNLOADED_MODULE_LIST, &raw, sizeof raw);
}

static void add_memory(Maker *maker, Line *line)
{
    MdmpMemory raw = {.va = number(line, "va")};
    raw.location.size = (guint32)number(line, "size");
    raw.location.rva = put_fill(maker, raw.location.size, (guint8)number(line, "fill"));
    add_entry(maker, MDMP_MEMORY_LIST, &raw, sizeof raw);
}

static void add_memory64(Maker *maker, Line *line)
{
    const MdmpMemory64 raw = {number(line, "va"), number(line, "size")};
    guint8 byte = (guint8)number(line, "fill");
    for (guint64 i = 0; i < raw.size; i++)
        g_byte_array_append(maker->data64, &byte, 1);
    add_entry(maker, MDMP_MEMORY64_LIST, &raw, sizeof raw);
}

static void add_region(Maker *maker, Line *line)
{
    const MdmpMemoryInfo raw = {
        .base_va = number(line, "base"),
        .size = number(line, "size"),
        .state = (guint32)number(line, "state"),
        .protect = (guint32)number(line, "protect"),
        .type = (guint32)number(line, "type"),
    };
    add_entry(maker, MDMP_MEMORY_INFO_LIST, &raw, sizeof raw);
}

static void add_handles(Maker *maker, Line *line)
{
    const MdmpHandleData raw = {sizeof raw, 32, (guint32)number(line, "count"), 0};
    add_whole(maker, MDMP_HANDLE_DATA, &raw, sizeof raw);
}

static void add_comment(Maker *maker, Line *line)
{
    glong units = 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(text_of(line, "text"), -1, NULL, &units, NULL);
    add_whole(maker, MDMP_COMMENT_W, wide, ((gsize)units + 1) * 2);
}

static void add_stream(Maker *maker, Line *line)
{
    guint32 type = (guint32)number(line, "type");
    const char *text = text_of(line, "text");
    g_autofree char *plain = g_strcompress(text ? text : "");
    g_autoptr(GByteArray) bytes = parse_hex(text_of(line, "hex"));
    g_byte_array_append(bytes, (const guint8 *)plain, (guint)strlen(plain));
    add_whole(maker, type, bytes->data, bytes->len);
}

static void set_padded(Maker *maker, Line *line)
{
    stream_of(maker, (guint32)number(line, "type"))->padded = TRUE;
}

/* --- the end: the lists and the directory --- */

static void put_list_head(Maker *maker, const Stream *stream)
{
    const guint32 padding = 0;
    switch (stream->type) {
    case MDMP_UNLOADED_MODULE_LIST:
    case MDMP_THREAD_INFO_LIST: {
        const MdmpSizedList head = {sizeof head, (guint32)stream->entry, stream->count};
        put(maker, &head, sizeof head);
        break;
    }
    case MDMP_MEMORY_INFO_LIST: {
        const MdmpMemoryInfoList head = {sizeof head, (guint32)stream->entry, stream->count};
        put(maker, &head, sizeof head);
        break;
    }
    case MDMP_MEMORY64_LIST: {
        const MdmpMemory64List head = {stream->count, 0};
        put(maker, &head, sizeof head);
        break;
    }
    default:
        put(maker, &stream->count, sizeof stream->count);
        if (stream->padded)
            put(maker, &padding, sizeof padding);
    }
}

static const MdmpDirectory *find_entry(const Maker *maker, guint32 type, guint *index)
{
    for (guint i = 0; i < maker->directory->len; i++) {
        const MdmpDirectory *entry = &g_array_index(maker->directory, MdmpDirectory, i);
        if (entry->type == type) {
            *index = i;
            return entry;
        }
    }
    die("there is no stream of type %u", type);
}

static void lay_out(Maker *maker)
{
    guint64 base_field = 0;
    for (guint i = 0; i < maker->streams->len; i++) {
        const Stream *stream = g_ptr_array_index(maker->streams, i);
        guint32 start = maker->out->len;
        if (stream->type == MDMP_MEMORY64_LIST)
            base_field = start + 8;
        if (stream->entry)
            put_list_head(maker, stream);
        put(maker, stream->bytes->data, stream->bytes->len);
        const MdmpDirectory entry = {stream->type, {maker->out->len - start, start}};
        g_array_append_val(maker->directory, entry);
    }
    if (base_field) {
        guint64 base = put(maker, maker->data64->data, maker->data64->len);
        memcpy(maker->out->data + base_field, &base, sizeof base);
    }
}

static guint64 place_of(const Maker *maker, const char *at)
{
    const char *plus = strchr(at, '+');
    gboolean entry = g_str_has_prefix(at, "entry:");
    if (!plus)
        return parse_number(at);
    const char *type_text = entry ? at + strlen("entry:") : at;
    g_autofree char *type = g_strndup(type_text, (gsize)(plus - type_text));
    guint index = 0;
    const MdmpDirectory *found = find_entry(maker, (guint32)parse_number(type), &index);
    guint64 base = entry ? sizeof(MdmpHeader) + index * sizeof(MdmpDirectory) : found->location.rva;
    return base + parse_number(plus + 1);
}

static void patch(Maker *maker, Line *line)
{
    static const struct {
        const char *key;
        gsize size;
    } widths[] = {{"u8", 1}, {"u16", 2}, {"u32", 4}, {"u64", 8}};
    const char *at = text_of(line, "at");
    guint64 off = place_of(maker, at ? at : "");
    for (guint i = 0; i < G_N_ELEMENTS(widths); i++) {
        if (!text_of(line, widths[i].key))
            continue;
        guint64 value = number(line, widths[i].key);
        if (off + widths[i].size > maker->out->len)
            die("patch at=%s lies behind the end", at);
        memcpy(maker->out->data + off, &value, widths[i].size);
    }
}

static void truncate_out(Maker *maker, Line *line)
{
    const char *text = text_of(line, "size");
    if (!text)
        die("truncate: expected size=");
    guint64 size = *text == '-' ? maker->out->len - parse_number(text + 1) : parse_number(text);
    if (size > maker->out->len)
        die("truncate size=%s: the file has %u bytes", text, maker->out->len);
    g_byte_array_set_size(maker->out, (guint)size);
}

static void again(Maker *maker, Line *line)
{
    guint index = 0;
    const MdmpDirectory entry = *find_entry(maker, (guint32)number(line, "type"), &index);
    g_array_append_val(maker->directory, entry);
}

static const struct {
    const char *word;
    void (*run)(Maker *maker, Line *line);
    guint pass; /* 0: while reading; 1: before the directory is written; 2: at the end */
} words[] = {
    {"header", add_header, 0},
    {"system", add_system, 0},
    {"misc", add_misc, 0},
    {"thread", add_thread, 0},
    {"exception", add_exception, 0},
    {"name", add_name, 0},
    {"info", add_info, 0},
    {"module", add_module, 0},
    {"unloaded", add_unloaded, 0},
    {"memory", add_memory, 0},
    {"memory64", add_memory64, 0},
    {"region", add_region, 0},
    {"handles", add_handles, 0},
    {"comment", add_comment, 0},
    {"stream", add_stream, 0},
    {"padded", set_padded, 0},
    {"again", again, 1},
    {"patch", patch, 2},
    {"truncate", truncate_out, 2},
};

static void run_line(Maker *maker, const char *text, guint pass)
{
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) error = NULL;
    if (!g_shell_parse_argv(text, NULL, &argv, &error)) {
        if (g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
            return;
        die("%s: %s", text, error->message);
    }
    g_autoptr(GHashTable) pairs = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 1; argv[i]; i++) {
        char *equals = strchr(argv[i], '=');
        if (!equals)
            die("%s: \"%s\" is no KEY=VALUE", text, argv[i]);
        *equals = 0;
        g_hash_table_insert(pairs, argv[i], equals + 1);
    }
    Line line = {argv[0], pairs, used};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (!g_str_equal(words[i].word, line.word))
            continue;
        if (words[i].pass != pass)
            return;
        words[i].run(maker, &line);
        GHashTableIter iter;
        gpointer key;
        g_hash_table_iter_init(&iter, pairs);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
            if (!g_hash_table_contains(used, key))
                die("%s: \"%s=\" is not known", text, (char *)key);
        }
        return;
    }
    die("%s: the word is not known", text);
}

int main(int argc, char **argv)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (argc != 3)
        die("usage: make-minidump DESCRIPTION OUTPUT");
    if (!g_file_get_contents(argv[1], &text, NULL, &error))
        die("%s", error->message);
    Maker maker = {
        .out = g_byte_array_new(),
        .data64 = g_byte_array_new(),
        .streams = g_ptr_array_new(),
        .directory = g_array_new(FALSE, FALSE, sizeof(MdmpDirectory)),
        .header = {.signature = MDMP_SIGNATURE,
                   .version = MDMP_VERSION,
                   .directory_rva = sizeof(MdmpHeader)},
    };
    guint head = sizeof(MdmpHeader) + ENTRIES * sizeof(MdmpDirectory);
    g_byte_array_set_size(maker.out, head);
    memset(maker.out->data, 0, head);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        run_line(&maker, lines[i], 0);
    lay_out(&maker);
    for (guint i = 0; lines[i]; i++)
        run_line(&maker, lines[i], 1);
    if (maker.directory->len > ENTRIES)
        die("more than %u streams", ENTRIES);
    maker.header.stream_count = maker.directory->len;
    memcpy(maker.out->data, &maker.header, sizeof maker.header);
    if (maker.directory->len)
        memcpy(maker.out->data + sizeof maker.header, maker.directory->data,
               maker.directory->len * sizeof(MdmpDirectory));
    for (guint i = 0; lines[i]; i++)
        run_line(&maker, lines[i], 2);
    if (!g_file_set_contents(argv[2], (const char *)maker.out->data, maker.out->len, &error))
        die("%s", error->message);
    return 0;
}
