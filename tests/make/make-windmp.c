/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes a Windows machine dump from a text description: make-windmp DESCRIPTION OUTPUT.  It shares
 * the layout with the reader and nothing with the writer.  One statement a line; words are quoted
 * as in a shell, # starts a comment, numbers are decimal or 0x.
 *
 *   dump BITS TYPE            64 or 32, and the DumpType; first of all
 *   set FIELD=VALUE...        machine build major cpus dtb pfndb modules processes kdbg bugcheck
 *                             p1 p2 p3 p4 time uptime product suite pae required comment
 *                             nruns pages (in place of what the runs have)
 *   context REGISTER=VALUE... the machine's own names; flags= ("default" when not given), fx=BYTE
 *   exception code= flags= record= address= params=A,B...
 *   run PAGE COUNT            a run of the header; a full dump has all its pages
 *   pages PAGE COUNT          pages that a bitmap or live dump has
 *   mark TEXT, bits N         of a bitmap: SDMP or FDMP, and how many bits (to the last page if not
 *                             given); `filling N`: bits set behind the last one, in its byte
 *   stack VA SIZE | block VA SIZE | kdbg SIZE | datapage VA SIZE          of a triage dump
 *   prcb VA NUMBER REGISTER=VALUE...      the KPRCB, with the address of a CONTEXT, which is a
 * block driver base= size= name= time= checksum= | unloaded first= end= name= | stride N secondary
 * TEXT            bytes behind the memory patch PLACE SIZE VALUE    PLACE: N or end-N truncate
 * PLACE
 *
 * Memory holds its own addresses: eight bytes at a multiple of eight are that number.
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "format/windmp/windmp-layout.h"
#include "format/windows-context-layout.h"

typedef struct {
    guint64 first;
    guint64 count;
} Stretch;

typedef struct {
    gboolean wide;
    guint32 type;
    GByteArray *out;
    GArray *runs;     /* of Stretch, pages */
    GArray *pages;    /* of Stretch, pages */
    GArray *blocks;   /* of Stretch, bytes */
    GPtrArray *lines; /* of char **: drivers and so on, for later */
    guint64 npages;   /* of set; G_MAXUINT64: as the runs have */
    guint64 nruns;
    guint64 bits;
    guint32 filling;
    guint32 stride;
    char mark[5];
    Stretch stack;
    Stretch data_page;
    guint32 kdbg_size;
    char **prcb; /* the words of its statement */
    char *secondary;
} Maker;

static void die(const char *format, ...) G_GNUC_PRINTF(1, 2) G_GNUC_NORETURN;

static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_printerr("make-windmp: %s\n", text);
    exit(1);
}

static guint64 number(const char *text)
{
    char *end;
    guint64 value = text ? g_ascii_strtoull(text, &end, 0) : 0;
    if (!text || *end || !*text)
        die("\"%s\" is not a number", text ? text : "");
    return value;
}

/* The value of KEY=VALUE among words, or NULL. */
static const char *value_of(char **words, const char *key)
{
    gsize len = strlen(key);
    for (guint i = 1; words[i]; i++) {
        if (strncmp(words[i], key, len) == 0 && words[i][len] == '=')
            return words[i] + len + 1;
    }
    return NULL;
}

static guint64 number_of(char **words, const char *key)
{
    const char *text = value_of(words, key);
    return text ? number(text) : 0;
}

static gpointer at(Maker *maker, gsize off, gsize size)
{
    if (off + size > maker->out->len)
        g_byte_array_set_size(maker->out, (guint)(off + size));
    return maker->out->data + off;
}

static guint32 append(Maker *maker, const void *data, gsize size)
{
    guint32 off = maker->out->len;
    g_byte_array_append(maker->out, data, (guint)size);
    return off;
}

static void append_memory(Maker *maker, guint64 address, guint64 size)
{
    for (guint64 end = address + size; address < end; address++) {
        guint8 byte = (guint8)((address & ~(guint64)7) >> 8 * (address & 7));
        g_byte_array_append(maker->out, &byte, 1);
    }
}

/* --- the header --- */

typedef struct {
    const char *name;
    guint16 off64;
    guint8 size64;
    guint16 off32;
    guint8 size32;
} Field;

#define FIELD(name, field)                                                            \
    {                                                                                 \
        name, G_STRUCT_OFFSET(DmpHeader64, field), sizeof(((DmpHeader64 *)0)->field), \
            G_STRUCT_OFFSET(DmpHeader32, field), sizeof(((DmpHeader32 *)0)->field)    \
    }
#define PARAM(name, i)                                                    \
    {                                                                     \
        name, G_STRUCT_OFFSET(DmpHeader64, bugcheck_params) + 8 * (i), 8, \
            G_STRUCT_OFFSET(DmpHeader32, bugcheck_params) + 4 * (i), 4    \
    }

static const Field fields[] = {
    FIELD("machine", machine),
    FIELD("build", minor),
    FIELD("major", major),
    FIELD("cpus", cpus),
    FIELD("dtb", directory_table_base),
    FIELD("pfndb", pfn_database_va),
    FIELD("modules", loaded_modules_va),
    FIELD("processes", active_processes_va),
    FIELD("kdbg", kdbg_va),
    FIELD("bugcheck", bugcheck_code),
    PARAM("p1", 0),
    PARAM("p2", 1),
    PARAM("p3", 2),
    PARAM("p4", 3),
    FIELD("time", system_time),
    FIELD("uptime", up_time),
    FIELD("product", product_type),
    FIELD("suite", suite_mask),
    FIELD("required", required_space),
    FIELD("type", type),
};

static void put(guint8 *to, guint size, guint64 value)
{
    for (guint i = 0; i < size; i++)
        to[i] = (guint8)(value >> 8 * i);
}

static void put_field(Maker *maker, const char *name, guint64 value)
{
    if (strcmp(name, "pae") == 0 && !maker->wide) {
        ((DmpHeader32 *)(gpointer)maker->out->data)->pae = (guint8)value;
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        const Field *field = &fields[i];
        if (strcmp(field->name, name) == 0) {
            put(maker->out->data + (maker->wide ? field->off64 : field->off32),
                maker->wide ? field->size64 : field->size32, value);
            return;
        }
    }
    die("there is no field \"%s\"", name);
}

static void start(Maker *maker, char **words)
{
    maker->wide = number(words[1]) == 64;
    maker->type = (guint32)number(words[2]);
    gsize size = maker->wide ? sizeof(DmpHeader64) : sizeof(DmpHeader32);
    for (gsize i = 0; i < size; i += 4)
        g_byte_array_append(maker->out, (const guint8 *)"PAGE", 4);
    put(maker->out->data + 4, 4, maker->wide ? DMP_VALID64 : DMP_VALID32);
    put_field(maker, "type", maker->type);
    put_field(maker, "major", 15);
}

static void set_fields(Maker *maker, char **words)
{
    for (guint i = 1; words[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(words[i], "=", 2);
        if (!pair[0] || !pair[1])
            die("\"%s\" is not FIELD=VALUE", words[i]);
        if (strcmp(pair[0], "comment") == 0)
            g_strlcpy((char *)maker->out->data + (maker->wide
                                                      ? G_STRUCT_OFFSET(DmpHeader64, comment)
                                                      : G_STRUCT_OFFSET(DmpHeader32, comment)),
                      pair[1], 128);
        else if (strcmp(pair[0], "nruns") == 0)
            maker->nruns = number(pair[1]);
        else if (strcmp(pair[0], "pages") == 0)
            maker->npages = number(pair[1]);
        else
            put_field(maker, pair[0], number(pair[1]));
    }
}

typedef struct {
    const char *name;
    guint16 off;
    guint8 size;
} Register;

#define REGISTER(type, field)                                            \
    {                                                                    \
#field, G_STRUCT_OFFSET(type, field), sizeof(((type *)0)->field) \
    }

static const Register amd64_registers[] = {
    REGISTER(WinContextAmd64, flags),
    REGISTER(WinContextAmd64, cs),
    REGISTER(WinContextAmd64, ss),
    REGISTER(WinContextAmd64, eflags),
    REGISTER(WinContextAmd64, rax),
    REGISTER(WinContextAmd64, rcx),
    REGISTER(WinContextAmd64, rbx),
    REGISTER(WinContextAmd64, rsp),
    REGISTER(WinContextAmd64, rbp),
    REGISTER(WinContextAmd64, rip),
    {"r8", 0xb8, 8},
    {"r15", 0xf0, 8},
    {"dr0", 0x48, 8},
    {"dr7", 0x70, 8},
    {NULL, 0, 0},
};
static const Register x86_registers[] = {
    REGISTER(WinContextX86, flags),
    REGISTER(WinContextX86, cs),
    REGISTER(WinContextX86, ss),
    REGISTER(WinContextX86, eflags),
    REGISTER(WinContextX86, eax),
    REGISTER(WinContextX86, ebx),
    REGISTER(WinContextX86, esp),
    REGISTER(WinContextX86, ebp),
    REGISTER(WinContextX86, eip),
    {"dr0", 0x04, 4},
    {"dr7", 0x18, 4},
    {NULL, 0, 0},
};
static const Register arm64_registers[] = {
    REGISTER(WinContextArm64, flags),
    REGISTER(WinContextArm64, cpsr),
    REGISTER(WinContextArm64, sp),
    REGISTER(WinContextArm64, pc),
    {"x0", 0x08, 8},
    {"x30", 0xf8, 8},
    REGISTER(WinContextArm64, fpcr),
    {NULL, 0, 0},
};

/* The CONTEXT that words describe, of the header's machine; *size gets its bytes. */
static guint8 *make_context(const Maker *maker, char **words, gsize *size)
{
    guint32 machine;
    memcpy(&machine, maker->out->data + (maker->wide ? 0x30 : 0x20), sizeof machine);
    const Register *table = machine == DMP_MACHINE_X86     ? x86_registers
                            : machine == DMP_MACHINE_AMD64 ? amd64_registers
                                                           : arm64_registers;
    guint32 flags = machine == DMP_MACHINE_X86     ? 0x1003f
                    : machine == DMP_MACHINE_AMD64 ? 0x10001f
                                                   : 0x400007;
    *size = machine == DMP_MACHINE_X86     ? sizeof(WinContextX86)
            : machine == DMP_MACHINE_AMD64 ? sizeof(WinContextAmd64)
                                           : sizeof(WinContextArm64);
    gsize fx = machine == DMP_MACHINE_X86 ? 0xcc : machine == DMP_MACHINE_AMD64 ? 0x100 : 0x110;
    guint8 *to = g_malloc0(*size);
    memset(to + fx, (gint)number_of(words, "fx"), 512);
    put(to + table[0].off, 4, flags);
    for (guint i = 0; table[i].name; i++) {
        if (value_of(words, table[i].name))
            put(to + table[i].off, table[i].size, number_of(words, table[i].name));
    }
    return to;
}

static void set_context(Maker *maker, char **words)
{
    gsize size;
    g_autofree guint8 *context = make_context(maker, words, &size);
    memcpy(maker->out->data + (maker->wide ? G_STRUCT_OFFSET(DmpHeader64, context)
                                           : G_STRUCT_OFFSET(DmpHeader32, context)),
           context, size);
}

static void set_exception(Maker *maker, char **words)
{
    const char *text = value_of(words, "params");
    g_auto(GStrv) params = g_strsplit(text ? text : "", ",", 15);
    DmpException64 raw = {
        .code = (guint32)number_of(words, "code"),
        .flags = (guint32)number_of(words, "flags"),
        .record_va = number_of(words, "record"),
        .address = number_of(words, "address"),
        .nparams = g_strv_length(params),
    };
    for (guint i = 0; i < raw.nparams; i++)
        raw.params[i] = number(params[i]);
    if (maker->wide) {
        memcpy(maker->out->data + G_STRUCT_OFFSET(DmpHeader64, exception), &raw, sizeof raw);
        return;
    }
    DmpException32 narrow = {raw.code,    raw.flags, (guint32)raw.record_va, (guint32)raw.address,
                             raw.nparams, {0}};
    for (guint i = 0; i < raw.nparams; i++)
        narrow.params[i] = (guint32)raw.params[i];
    memcpy(maker->out->data + G_STRUCT_OFFSET(DmpHeader32, exception), &narrow, sizeof narrow);
}

static void finish_runs(Maker *maker)
{
    guint64 sum = 0;
    guint64 nruns = maker->nruns == G_MAXUINT64 ? maker->runs->len : maker->nruns;
    for (guint i = 0; i < maker->runs->len; i++) {
        const Stretch *run = &g_array_index(maker->runs, Stretch, i);
        guint8 *to = maker->out->data + (maker->wide ? 0x98 + 16 * i : 0x6c + 8 * i);
        put(to, maker->wide ? 8 : 4, run->first);
        put(to + (maker->wide ? 8 : 4), maker->wide ? 8 : 4, run->count);
        sum += run->count;
    }
    if (!nruns && maker->npages == G_MAXUINT64)
        return;
    sum = maker->npages == G_MAXUINT64 ? sum : maker->npages;
    put(maker->out->data + (maker->wide ? 0x88 : 0x64), 4, nruns);
    put(maker->out->data + (maker->wide ? 0x90 : 0x68), maker->wide ? 8 : 4, sum);
}

/* --- the memory --- */

static void append_pages(Maker *maker, const GArray *stretches)
{
    for (guint i = 0; i < stretches->len; i++) {
        const Stretch *pages = &g_array_index(stretches, Stretch, i);
        append_memory(maker, pages->first * DMP_PAGE, pages->count * DMP_PAGE);
    }
}

static void make_bitmap(Maker *maker)
{
    guint64 present = 0;
    guint64 bits = 0;
    guint off = maker->out->len;
    for (guint i = 0; i < maker->pages->len; i++) {
        const Stretch *pages = &g_array_index(maker->pages, Stretch, i);
        present += pages->count;
        bits = MAX(bits, pages->first + pages->count);
    }
    bits = maker->bits ? maker->bits : bits;
    gsize bytes = (gsize)(bits + 7) / 8;
    guint8 *map = (guint8 *)at(maker, off, sizeof(DmpBitmap) + bytes) + sizeof(DmpBitmap);
    memset(map - sizeof(DmpBitmap), 0, sizeof(DmpBitmap) + bytes);
    for (guint i = 0; i < maker->pages->len; i++) {
        const Stretch *pages = &g_array_index(maker->pages, Stretch, i);
        for (guint64 pfn = pages->first; pfn < pages->first + pages->count && pfn < bits; pfn++)
            map[pfn / 8] |= (guint8)(1 << pfn % 8);
    }
    if (maker->filling && bits % 8)
        map[bytes - 1] |= (guint8)(0xff << bits % 8);
    DmpBitmap raw = {
        .valid = DMP_VALID32,
        .first_page_off = (maker->out->len + DMP_PAGE - 1) & ~(DMP_PAGE - 1),
        .present = present,
        .bits = bits,
    };
    memcpy(&raw.signature, maker->mark, 4);
    memcpy(maker->out->data + off, &raw, sizeof raw);
    guint len = maker->out->len;
    guint8 *pad = at(maker, raw.first_page_off, 0);
    memset(pad - (raw.first_page_off - len), 0, raw.first_page_off - len);
    append_pages(maker, maker->pages);
}

static void make_live(Maker *maker)
{
    guint64 sum = 0;
    gboolean counted = maker->type == DMP_TYPE_LIVE_COMPLETE;
    gsize room = (maker->pages->len + (counted ? 0 : 1)) * sizeof(DmpRun64);
    for (guint i = 0; i < maker->pages->len; i++)
        sum += g_array_index(maker->pages, Stretch, i).count;
    DmpLive raw = {
        .marker = DMP_LIVE_MARKER,
        .signature = DMP_RDMP,
        .valid = DMP_VALID32,
        .metadata_size = 0x10 + room,
        .first_page_off = DMP_LIVE_BIAS + 0x10 + room,
        .nranges = counted ? maker->pages->len : 0x99,
        .pages = counted ? sum : 0x77,
    };
    append(maker, &raw, sizeof raw);
    for (guint i = 0; i < maker->pages->len; i++) {
        const Stretch *pages = &g_array_index(maker->pages, Stretch, i);
        DmpRun64 run = {pages->first, pages->count};
        append(maker, &run, sizeof run);
    }
    const DmpRun64 end = {0, 0};
    if (!counted)
        append(maker, &end, sizeof end);
    append_pages(maker, maker->pages);
}

/* --- triage --- */

static guint32 append_string(Maker *maker, const char *text)
{
    glong units = 0;
    g_autofree gunichar2 *wide = g_utf8_to_utf16(text ? text : "", -1, NULL, &units, NULL);
    guint32 count = (guint32)units;
    guint32 off = append(maker, &count, sizeof count);
    append(maker, wide, (gsize)count * 2 + 2);
    return off;
}

static guint count_lines(const Maker *maker, const char *word)
{
    guint count = 0;
    for (guint i = 0; i < maker->lines->len; i++)
        count += strcmp(((char **)g_ptr_array_index(maker->lines, i))[0], word) == 0;
    return count;
}

static guint32 make_unloaded(Maker *maker)
{
    guint64 count = count_lines(maker, "unloaded");
    guint32 off = append(maker, &count, sizeof count);
    for (guint i = 0; i < maker->lines->len; i++) {
        char **words = g_ptr_array_index(maker->lines, i);
        if (strcmp(words[0], "unloaded") != 0)
            continue;
        glong units = 0;
        g_autofree gunichar2 *name = g_utf8_to_utf16(value_of(words, "name"), -1, NULL, &units,
                                                     NULL);
        DmpUnloaded64 raw = {
            .name_size = (guint16)(units * 2),
            .name_max = (guint16)(units * 2),
            .first_va = number_of(words, "first"),
            .end_va = number_of(words, "end"),
        };
        memcpy(raw.name, name, MIN((gsize)units * 2, sizeof raw.name));
        append(maker, &raw, sizeof raw);
    }
    return off;
}

static void make_drivers(Maker *maker, DmpTriage64 *triage)
{
    triage->ndrivers = count_lines(maker, "driver");
    triage->drivers_off = maker->out->len;
    gsize size = (gsize)triage->ndrivers * maker->stride;
    memset(at(maker, triage->drivers_off, size), 0, size);
    triage->strings_off = maker->out->len;
    guint n = 0;
    for (guint i = 0; i < maker->lines->len; i++) {
        char **words = g_ptr_array_index(maker->lines, i);
        if (strcmp(words[0], "driver") != 0)
            continue;
        DmpDriver64 raw = {
            .name_off = append_string(maker, value_of(words, "name")),
            .base_va = number_of(words, "base"),
            .size = (guint32)number_of(words, "size"),
            .checksum = (guint32)number_of(words, "checksum"),
            .time = (guint32)number_of(words, "time"),
        };
        memcpy(maker->out->data + triage->drivers_off + (gsize)n++ * maker->stride, &raw,
               sizeof raw);
    }
    triage->strings_size = maker->out->len - triage->strings_off;
}

static void make_blocks(Maker *maker, DmpTriage64 *triage)
{
    triage->nblocks = maker->blocks->len + (maker->prcb ? 1 : 0);
    triage->blocks_off = maker->out->len;
    gsize size = triage->nblocks * sizeof(DmpBlock64);
    memset(at(maker, triage->blocks_off, size), 0, size);
    if (maker->prcb) {
        gsize len;
        g_autofree guint8 *context = make_context(maker, maker->prcb, &len);
        DmpBlock64 raw = {number(maker->prcb[1]), maker->out->len, (guint32)len};
        memcpy(maker->out->data + triage->blocks_off + maker->blocks->len * sizeof raw, &raw,
               sizeof raw);
        append(maker, context, len);
    }
    for (guint i = 0; i < maker->blocks->len; i++) {
        const Stretch *block = &g_array_index(maker->blocks, Stretch, i);
        DmpBlock64 raw = {block->first, maker->out->len, (guint32)block->count};
        memcpy(maker->out->data + triage->blocks_off + i * sizeof raw, &raw, sizeof raw);
        append_memory(maker, block->first, block->count);
    }
}

static void make_triage(Maker *maker)
{
    DmpTriage64 triage = {
        .context_off = maker->wide ? 0x348 : 0x320,
        .exception_off = maker->wide ? 0xf00 : 0x7d0,
        .options = 0xffffffff,
        .stack_va = maker->stack.first,
        .stack_size = (guint32)maker->stack.count,
        .page_va = maker->data_page.first,
        .page_size = (guint32)maker->data_page.count,
        .kdbg_size = maker->kdbg_size,
    };
    guint32 off = maker->out->len;
    memset(at(maker, off, sizeof triage), 0, sizeof triage);
    triage.unloaded_off = make_unloaded(maker);
    triage.stack_off = maker->out->len;
    append_memory(maker, maker->stack.first, maker->stack.count);
    if (maker->data_page.count) {
        triage.page_off = maker->out->len;
        append_memory(maker, maker->data_page.first, maker->data_page.count);
    }
    if (maker->kdbg_size) {
        triage.kdbg_off = maker->out->len;
        guint8 *kdbg = at(maker, triage.kdbg_off, maker->kdbg_size);
        memset(kdbg, 0x11, maker->kdbg_size);
        /* NOLINTNEXTLINE(bugprone-not-null-terminated-result): bytes */
        memcpy(kdbg + DMP_KDBG_TAG_OFF, "KDBG", 4);
        put(kdbg + DMP_KDBG_SIZE_OFF, 4, maker->kdbg_size);
    }
    if (maker->prcb) {
        put(at(maker, triage.kdbg_off + DMP_KDBG_PRCB_NUMBER_OFF, 2), 2, 0x24);
        put(at(maker, triage.kdbg_off + DMP_KDBG_PRCB_CONTEXT_OFF, 2), 2, 0x40);
        triage.prcb_off = maker->out->len;
        memset(at(maker, triage.prcb_off, 0x80), 0, 0x80);
        put(maker->out->data + triage.prcb_off + 0x24, 4, number(maker->prcb[2]));
        put(maker->out->data + triage.prcb_off + 0x40, 8, number(maker->prcb[1]));
    }
    make_drivers(maker, &triage);
    make_blocks(maker, &triage);
    triage.valid_off = append(maker, "TRGD", 4);
    triage.size = triage.valid_off + 4;
    memcpy(maker->out->data + off, &triage, maker->wide ? sizeof triage : DMP_TRIAGE_COMMON + 4);
}

static void make_memory(Maker *maker)
{
    switch (maker->type) {
    case DMP_TYPE_FULL:
        append_pages(maker, maker->runs);
        break;
    case DMP_TYPE_TRIAGE:
        make_triage(maker);
        break;
    case DMP_TYPE_LIVE_KERNEL:
    case DMP_TYPE_LIVE_KERNEL_USER:
    case DMP_TYPE_LIVE_COMPLETE:
        make_live(maker);
        break;
    case DMP_TYPE_HEADER:
        break;
    default:
        make_bitmap(maker);
    }
    if (maker->secondary)
        append(maker, maker->secondary, strlen(maker->secondary));
}

/* --- statements --- */

static void add_stretch(GArray *list, char **words)
{
    Stretch stretch = {number(words[1]), number(words[2])};
    g_array_append_val(list, stretch);
}

static guint64 place(const Maker *maker, const char *text)
{
    guint64 value = g_str_has_prefix(text, "end-") ? maker->out->len - number(text + 4)
                                                   : number(text);
    if (value > maker->out->len)
        die("%s lies outside of the file of %u bytes", text, maker->out->len);
    return value;
}

/* A statement that changes the finished file. */
static gboolean late(const char *word)
{
    return strcmp(word, "patch") == 0 || strcmp(word, "truncate") == 0;
}

static void run_late(Maker *maker, char **words)
{
    guint64 off = place(maker, words[1]);
    if (strcmp(words[0], "truncate") == 0)
        g_byte_array_set_size(maker->out, (guint)off);
    else
        put(at(maker, off, number(words[2])), (guint)number(words[2]), number(words[3]));
}

static void run_early(Maker *maker, char **words, guint count)
{
    const struct {
        const char *word;
        guint words; /* at least */
    } known[] = {
        {"dump", 3},   {"set", 2},       {"context", 1},  {"exception", 2}, {"run", 3},
        {"pages", 3},  {"mark", 2},      {"bits", 2},     {"filling", 2},   {"stack", 3},
        {"block", 3},  {"kdbg", 2},      {"datapage", 3}, {"driver", 2},    {"unloaded", 2},
        {"stride", 2}, {"secondary", 2}, {"prcb", 3},
    };
    guint i = 0;
    while (i < G_N_ELEMENTS(known) && strcmp(known[i].word, words[0]) != 0)
        i++;
    if (i == G_N_ELEMENTS(known) || count < known[i].words)
        die("\"%s\" is not understood", words[0]);
    if (strcmp(words[0], "dump") == 0)
        start(maker, words);
    else if (!maker->out->len)
        die("no dump");
    else if (strcmp(words[0], "set") == 0)
        set_fields(maker, words);
    else if (strcmp(words[0], "context") == 0)
        set_context(maker, words);
    else if (strcmp(words[0], "exception") == 0)
        set_exception(maker, words);
    else if (strcmp(words[0], "run") == 0)
        add_stretch(maker->runs, words);
    else if (strcmp(words[0], "pages") == 0)
        add_stretch(maker->pages, words);
    else if (strcmp(words[0], "block") == 0)
        add_stretch(maker->blocks, words);
    else if (strcmp(words[0], "stack") == 0)
        maker->stack = (Stretch){number(words[1]), number(words[2])};
    else if (strcmp(words[0], "datapage") == 0)
        maker->data_page = (Stretch){number(words[1]), number(words[2])};
    else if (strcmp(words[0], "mark") == 0)
        g_strlcpy(maker->mark, words[1], sizeof maker->mark);
    else if (strcmp(words[0], "bits") == 0)
        maker->bits = number(words[1]);
    else if (strcmp(words[0], "filling") == 0)
        maker->filling = (guint32)number(words[1]);
    else if (strcmp(words[0], "prcb") == 0)
        maker->prcb = g_strdupv(words);
    else if (strcmp(words[0], "kdbg") == 0)
        maker->kdbg_size = (guint32)number(words[1]);
    else if (strcmp(words[0], "stride") == 0)
        maker->stride = (guint32)number(words[1]);
    else if (strcmp(words[0], "secondary") == 0)
        maker->secondary = g_strcompress(words[1]);
    else
        g_ptr_array_add(maker->lines, g_strdupv(words));
}

static void make(Maker *maker, char **lines)
{
    for (guint pass = 0; pass < 2; pass++) {
        for (guint i = 0; lines[i]; i++) {
            g_auto(GStrv) words = NULL;
            gint count;
            g_autoptr(GError) error = NULL;
            if (!g_shell_parse_argv(lines[i], &count, &words, &error)) {
                if (g_error_matches(error, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING))
                    continue;
                die("line %u: %s", i + 1, error->message);
            }
            if (pass == 1 && late(words[0]))
                run_late(maker, words);
            else if (pass == 0 && !late(words[0]))
                run_early(maker, words, (guint)count);
        }
        if (pass == 0) {
            finish_runs(maker);
            make_memory(maker);
        }
    }
}

int main(int argc, char **argv)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (argc != 3)
        die("usage: make-windmp DESCRIPTION OUTPUT");
    if (!g_file_get_contents(argv[1], &text, NULL, &error))
        die("%s", error->message);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Maker maker = {
        .out = g_byte_array_new(),
        .runs = g_array_new(FALSE, FALSE, sizeof(Stretch)),
        .pages = g_array_new(FALSE, FALSE, sizeof(Stretch)),
        .blocks = g_array_new(FALSE, FALSE, sizeof(Stretch)),
        .lines = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev),
        .npages = G_MAXUINT64,
        .nruns = G_MAXUINT64,
        .stride = 0x90,
        .mark = "FDMP",
    };
    make(&maker, lines);
    if (!g_file_set_contents(argv[2], (const char *)maker.out->data, maker.out->len, &error))
        die("%s", error->message);
    g_byte_array_unref(maker.out);
    g_array_unref(maker.runs);
    g_array_unref(maker.pages);
    g_array_unref(maker.blocks);
    g_ptr_array_unref(maker.lines);
    g_free(maker.secondary);
    g_strfreev(maker.prcb);
    return 0;
}
