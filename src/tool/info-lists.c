/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/info-lists.h"

#include <signal.h>
#include <string.h>

#include "base/size.h"
#include "capture/coverage.h"
#include "mem/source.h"
#include "tool/gap-json.h"
#include "tool/info-print.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* Rows of a table in text when not all are asked for. */
#define ROWS 16

guint dk_info_rows(const DkInfoList *list, guint count)
{
    return list->all || dk_out_is_json(list->out) ? count : MIN(count, ROWS);
}

void dk_info_begin(const DkInfoList *list, const char *title, guint count, const DkColumn *columns,
                   guint ncolumns)
{
    DkOut *out = list->out;
    dk_out_text(out, "\n%s%s (%u)%s\n", dk_out_bold(out), title, count, dk_out_reset(out));
    if (!dk_out_is_json(out))
        dk_out_table_begin(out, "", columns, ncolumns);
}

void dk_info_end(const DkInfoList *list, guint count, const char *option)
{
    DkOut *out = list->out;
    guint shown = dk_info_rows(list, count);
    if (dk_out_is_json(out))
        return;
    dk_out_table_end(out);
    if (shown < count)
        dk_out_text(out, "%sand %u more (%s shows all)%s\n", dk_out_dim(out), count - shown, option,
                    dk_out_reset(out));
}

void dk_info_range_cell(DkOut *out, guint64 first, guint64 last)
{
    if (first <= last)
        dk_out_table_cell(out, HEX "-" HEX, first, last);
    else
        dk_out_table_cell(out, "%s", "");
}

void dk_info_json_range(DkOut *out, guint64 first, guint64 last)
{
    if (first > last) {
        dk_out_string(out, "first", NULL);
        dk_out_string(out, "last", NULL);
        return;
    }
    dk_out_hex(out, "first", first);
    dk_out_hex(out, "last", last);
}

/* --- threads --- */

/* "SIGSEGV", or NULL: a number means a signal of Linux only there. */
static char *signal_name(const DkSubject *subject, gint number)
{
    const char *name = subject->os == DK_OS_LINUX ? sigabbrev_np(number) : NULL;
    if (name)
        return g_strconcat("SIG", name, NULL);
    return number ? g_strdup_printf("%d", number) : NULL;
}

static const char *const regset_names[DK_REGSET_COUNT] = {
    [DK_REGSET_GENERAL] = "general", [DK_REGSET_FP] = "fp",           [DK_REGSET_XSTATE] = "xstate",
    [DK_REGSET_FXSAVE] = "fxsave",   [DK_REGSET_SIGINFO] = "siginfo",
};

static char *regset_text(const DkThread *thread)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < DK_REGSET_COUNT; i++) {
        if (thread->regs[i])
            g_string_append_printf(text, "%s%s", text->len ? " " : "", regset_names[i]);
    }
    if (thread->missing)
        g_string_append_printf(text, "%s(%s)", text->len ? " " : "", thread->missing);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* FALSE when the register is not known; number is DWARF's. */
static gboolean reg_of(const DkInfoList *list, const DkThread *thread, gboolean pc, guint64 *value)
{
    const DkArch *arch = list->arch;
    GBytes *general = thread->regs[DK_REGSET_GENERAL];
    DkRegs regs = {0};
    if (!arch || !general || !dk_arch_regs_from_general(arch, general, &regs))
        return FALSE;
    guint number = pc ? arch->pc : arch->sp;
    *value = dk_regs_has(&regs, number) ? regs.value[number] : 0;
    return dk_regs_has(&regs, number);
}

static void reg_cell(const DkInfoList *list, const DkThread *thread, gboolean pc)
{
    guint64 value;
    if (reg_of(list, thread, pc, &value))
        dk_out_table_cell(list->out, HEX, value);
    else
        dk_out_table_cell(list->out, "%s", "");
}

static void thread_row(const DkInfoList *list, guint index, const DkThread *thread)
{
    DkOut *out = list->out;
    g_autofree char *signal = signal_name(list->subject, thread->signal);
    g_autofree char *regsets = regset_text(thread);
    dk_out_table_cell(out, "%u", index);
    dk_out_table_cell(out, "%u", thread->tid);
    dk_out_table_cell(out, "%s", dk_or_empty(thread->name));
    dk_out_table_cell(out, "%.1s", thread->state ? &thread->state : "");
    dk_out_table_cell(out, "%s", dk_or_empty(signal));
    reg_cell(list, thread, TRUE);
    reg_cell(list, thread, FALSE);
    dk_out_table_cell(out, "%s", regsets);
}

static void json_reg(const DkInfoList *list, const DkThread *thread, gboolean pc)
{
    guint64 value;
    if (reg_of(list, thread, pc, &value))
        dk_out_hex(list->out, pc ? "pc" : "sp", value);
    else
        dk_out_string(list->out, pc ? "pc" : "sp", NULL);
}

static void json_thread(const DkInfoList *list, guint index, const DkThread *thread)
{
    DkOut *out = list->out;
    const char state[2] = {thread->state, 0};
    g_autofree char *signal = signal_name(list->subject, thread->signal);
    dk_out_begin_object(out, NULL);
    dk_out_int(out, "index", index);
    dk_out_int(out, "tid", thread->tid);
    if (thread->ns_tid)
        dk_out_int(out, "ns_tid", thread->ns_tid);
    dk_out_string(out, "name", thread->name);
    dk_out_string(out, "state", *state ? state : NULL);
    dk_out_int(out, "signal", thread->signal);
    dk_out_string(out, "signal_name", signal);
    json_reg(list, thread, TRUE);
    json_reg(list, thread, FALSE);
    dk_out_begin_array(out, "registers");
    for (guint i = 0; i < DK_REGSET_COUNT; i++) {
        if (thread->regs[i])
            dk_out_string(out, NULL, regset_names[i]);
    }
    dk_out_end(out);
    dk_out_string(out, "missing", thread->missing);
    if (thread->stack_first < thread->stack_last) {
        dk_out_hex(out, "stack_first", thread->stack_first);
        dk_out_hex(out, "stack_last", thread->stack_last);
    }
    if (thread->teb_va)
        dk_out_hex(out, "teb", thread->teb_va);
    dk_out_hex(out, "signals_pending", thread->signals_pending);
    dk_out_hex(out, "signals_blocked", thread->signals_blocked);
    dk_info_json_size(out, "user_ns", thread->user_ns);
    dk_info_json_size(out, "system_ns", thread->system_ns);
    dk_out_end(out);
}

void dk_info_threads(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"index", "#", DK_CELL_RIGHT, TRUE},       {"tid", "TID", DK_CELL_RIGHT, TRUE},
        {"name", "NAME", DK_CELL_LEFT, FALSE},     {"state", "S", DK_CELL_LEFT, FALSE},
        {"signal", "SIGNAL", DK_CELL_LEFT, FALSE}, {"pc", "PC", DK_CELL_RIGHT, FALSE},
        {"sp", "SP", DK_CELL_RIGHT, FALSE},        {"registers", "REGISTERS", DK_CELL_LEFT, FALSE},
    };
    const GPtrArray *threads = list->subject->process.threads;
    dk_info_begin(list, "Threads", threads->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "threads");
    for (guint i = 0; i < dk_info_rows(list, threads->len); i++) {
        if (dk_out_is_json(list->out))
            json_thread(list, i, g_ptr_array_index(threads, i));
        else
            thread_row(list, i, g_ptr_array_index(threads, i));
    }
    dk_out_end(list->out);
    dk_info_end(list, threads->len, "--threads");
}

/* --- modules --- */

static char *hex_of(GBytes *bytes)
{
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", data[i]);
    return g_string_free(text, FALSE);
}

/* As Windows writes it, or NULL when there is none: the first three fields are little-endian. */
static char *guid_of(const DkModule *module)
{
    static const guint8 none[16];
    const guint8 *g = module->guid;
    if (memcmp(g, none, sizeof none) == 0)
        return NULL;
    return g_strdup_printf("%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-"
                           "%02X%02X%02X%02X%02X%02X",
                           g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11],
                           g[12], g[13], g[14], g[15]);
}

static char *identity_of(const DkModule *module)
{
    if (module->build_id)
        return hex_of(module->build_id);
    g_autofree char *guid = guid_of(module);
    if (guid)
        return g_strdup_printf("%s age %u", guid, module->age);
    return module->timestamp ? g_strdup_printf("timestamp %08x", module->timestamp) : g_strdup("");
}

static void module_row(const DkInfoList *list, const DkModule *module)
{
    DkOut *out = list->out;
    g_autofree char *identity = identity_of(module);
    dk_info_range_cell(out, module->first, module->last);
    dk_out_table_cell(out, "%s", identity);
    dk_out_table_cell(out, "%s", dk_or_empty(module->version));
    dk_out_table_cell(out, "%s%s", dk_or_empty(module->path),
                      module->unloaded ? " (unloaded)" : "");
}

static void json_module(const DkInfoList *list, const DkModule *module)
{
    DkOut *out = list->out;
    g_autofree char *build_id = module->build_id ? hex_of(module->build_id) : NULL;
    g_autofree char *guid = guid_of(module);
    dk_out_begin_object(out, NULL);
    dk_info_json_range(out, module->first, module->last);
    dk_out_string(out, "path", module->path);
    dk_out_string(out, "build_id", build_id);
    dk_out_string(out, "pdb", module->debug_file);
    dk_out_string(out, "pdb_guid", guid);
    dk_out_int(out, "pdb_age", module->age);
    dk_out_string(out, "version", module->version);
    dk_out_hex(out, "timestamp", module->timestamp);
    dk_out_hex(out, "checksum", module->checksum);
    dk_out_bool(out, "unloaded", module->unloaded);
    dk_out_end(out);
}

void dk_info_modules(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"range", "RANGE", DK_CELL_LEFT, FALSE},
        {"identity", "BUILD-ID OR PDB", DK_CELL_LEFT, FALSE},
        {"version", "VERSION", DK_CELL_LEFT, FALSE},
        {"path", "PATH", DK_CELL_LEFT, FALSE},
    };
    const GPtrArray *modules = list->subject->kind == DK_SUBJECT_MACHINE
                                   ? list->subject->system.modules
                                   : list->subject->process.modules;
    dk_info_begin(list, "Modules", modules->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "modules");
    for (guint i = 0; i < dk_info_rows(list, modules->len); i++) {
        if (dk_out_is_json(list->out))
            json_module(list, g_ptr_array_index(modules, i));
        else
            module_row(list, g_ptr_array_index(modules, i));
    }
    dk_out_end(list->out);
    dk_info_end(list, modules->len, "--modules");
}

/* --- memory map --- */

static const struct {
    guint32 flag;
    const char *name;
} map_flags[] = {
    {DK_MAP_DONTDUMP, "dontdump"}, {DK_MAP_DONTFORK, "dontfork"}, {DK_MAP_WIPEONFORK, "wipeonfork"},
    {DK_MAP_IO, "device"},         {DK_MAP_HUGETLB, "hugetlb"},   {DK_MAP_DELETED, "deleted"},
};

static void permissions(const DkMapping *mapping, char text[5])
{
    text[0] = mapping->flags & DK_MAP_READ ? 'r' : '-';
    text[1] = mapping->flags & DK_MAP_WRITE ? 'w' : '-';
    text[2] = mapping->flags & DK_MAP_EXEC ? 'x' : '-';
    text[3] = mapping->flags & DK_MAP_SHARED ? 's' : 'p';
    text[4] = 0;
}

static gboolean is_file(const DkMapping *mapping)
{
    return mapping->path && mapping->path[0] && mapping->path[0] != '[';
}

static void map_row(const DkInfoList *list, const DkMapping *mapping)
{
    DkOut *out = list->out;
    DkCoverage coverage = dk_coverage_of(list->source->space, mapping->first, mapping->last);
    g_autofree char *size = dk_size_text(coverage.size);
    g_autofree char *present = dk_size_text(coverage.present);
    g_autoptr(GString) path = g_string_new(mapping->path);
    for (gsize i = 0; i < G_N_ELEMENTS(map_flags); i++) {
        if (mapping->flags & map_flags[i].flag)
            g_string_append_printf(path, "%s(%s)", path->len ? " " : "", map_flags[i].name);
    }
    char perms[5];
    permissions(mapping, perms);
    dk_info_range_cell(out, mapping->first, mapping->last);
    dk_out_table_cell(out, "%s", perms);
    dk_out_table_cell(out, "%s", size);
    dk_out_table_cell(out, "%s",
                      coverage.present == coverage.size ? "all"
                      : coverage.present                ? present
                                                        : "none");
    if (is_file(mapping))
        dk_out_table_cell(out, HEX, mapping->file_offset);
    else
        dk_out_table_cell(out, "%s", "");
    dk_out_table_cell(out, "%s", path->str);
}

static void json_map(const DkInfoList *list, const DkMapping *mapping)
{
    DkOut *out = list->out;
    DkCoverage coverage = dk_coverage_of(list->source->space, mapping->first, mapping->last);
    char perms[5];
    permissions(mapping, perms);
    dk_out_begin_object(out, NULL);
    dk_info_json_range(out, mapping->first, mapping->last);
    dk_out_string(out, "permissions", perms);
    dk_info_json_size(out, "size", coverage.size);
    dk_info_json_size(out, "present", coverage.present);
    dk_out_hex(out, "offset", mapping->file_offset);
    dk_out_string(out, "path", mapping->path);
    dk_out_bool(out, "anonymous", (mapping->flags & DK_MAP_ANON) != 0);
    dk_out_begin_array(out, "flags");
    for (gsize i = 0; i < G_N_ELEMENTS(map_flags); i++) {
        if (mapping->flags & map_flags[i].flag)
            dk_out_string(out, NULL, map_flags[i].name);
    }
    dk_out_end(out);
    dk_out_end(out);
}

void dk_info_maps(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"range", "RANGE", DK_CELL_LEFT, FALSE},    {"permissions", "PERM", DK_CELL_LEFT, FALSE},
        {"size", "SIZE", DK_CELL_RIGHT, FALSE},     {"present", "PRESENT", DK_CELL_RIGHT, FALSE},
        {"offset", "OFFSET", DK_CELL_RIGHT, FALSE}, {"path", "PATH", DK_CELL_LEFT, FALSE},
    };
    const GPtrArray *mappings = list->subject->process.mappings;
    dk_info_begin(list, "Memory map", mappings->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "maps");
    for (guint i = 0; i < dk_info_rows(list, mappings->len); i++) {
        if (dk_out_is_json(list->out))
            json_map(list, g_ptr_array_index(mappings, i));
        else
            map_row(list, g_ptr_array_index(mappings, i));
    }
    dk_out_end(list->out);
    dk_info_end(list, mappings->len, "--maps");
}

/* --- notes --- */

typedef struct {
    const DkInfoList *list;
    guint count;
    guint rows;
} Notes;

static void count_note(const DkNote *note, gpointer data)
{
    ((Notes *)data)->count++;
}

static void print_note(const DkNote *note, gpointer data)
{
    Notes *notes = data;
    DkOut *out = notes->list->out;
    if (dk_out_is_json(out)) {
        dk_out_begin_object(out, NULL);
        dk_info_json_size(out, "offset", note->off);
        dk_info_json_size(out, "size", note->size);
        dk_out_string(out, "name", note->name);
        dk_out_string(out, "text", note->text);
        dk_out_end(out);
    } else if (notes->rows) {
        notes->rows--;
        dk_out_table_cell(out, HEX, note->off);
        dk_out_table_cell(out, "%" G_GUINT64_FORMAT, note->size);
        dk_out_table_cell(out, "%s", note->name);
        dk_out_table_cell(out, "%s", dk_or_empty(note->text));
    }
}

void dk_info_notes(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"offset", "OFFSET", DK_CELL_RIGHT, FALSE},
        {"size", "BYTES", DK_CELL_RIGHT, TRUE},
        {"name", "NAME", DK_CELL_LEFT, FALSE},
        {"text", "SAYS", DK_CELL_LEFT, FALSE},
    };
    DkSource *source = list->source;
    Notes notes = {.list = list};
    if (source->ops->foreach_note)
        source->ops->foreach_note(source, count_note, &notes);
    notes.rows = dk_info_rows(list, notes.count);
    dk_info_begin(list, "Notes", notes.count, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "notes");
    if (source->ops->foreach_note)
        source->ops->foreach_note(source, print_note, &notes);
    dk_out_end(list->out);
    dk_info_end(list, notes.count, "--notes");
}

/* --- gaps --- */

static void gap_row(const DkInfoList *list, const DkGap *gap)
{
    DkOut *out = list->out;
    g_autofree char *size = dk_size_text(dk_size_of_range(gap->first, gap->last));
    dk_out_table_cell(out, "%s", gap->what);
    dk_info_range_cell(out, gap->first, gap->last);
    dk_out_table_cell(out, "%s", gap->first <= gap->last ? size : "");
    if (gap->tid)
        dk_out_table_cell(out, "%u", gap->tid);
    else
        dk_out_table_cell(out, "%s", "");
    dk_out_table_cell(out, "%s", gap->why);
}

void dk_info_gaps(const DkInfoList *list)
{
    static const DkColumn columns[] = {
        {"what", "WHAT", DK_CELL_LEFT, FALSE},  {"range", "RANGE", DK_CELL_LEFT, FALSE},
        {"size", "SIZE", DK_CELL_RIGHT, FALSE}, {"tid", "THREAD", DK_CELL_RIGHT, TRUE},
        {"why", "WHY", DK_CELL_LEFT, FALSE},
    };
    const GPtrArray *gaps = list->subject->gaps;
    dk_info_begin(list, "Gaps", gaps->len, columns, G_N_ELEMENTS(columns));
    dk_out_begin_array(list->out, "gaps");
    for (guint i = 0; i < dk_info_rows(list, gaps->len); i++) {
        if (dk_out_is_json(list->out))
            dk_gap_json(list->out, g_ptr_array_index(gaps, i));
        else
            gap_row(list, g_ptr_array_index(gaps, i));
    }
    dk_out_end(list->out);
    dk_info_end(list, gaps->len, "--gaps");
}
