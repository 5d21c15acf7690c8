/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "base/error.h"
#include "format/windmp/windmp-file.h"
#include "format/windows-context-layout.h"
#include "format/windows-context.h"

#define X64 "0x%" G_GINT64_MODIFIER "x"

/* 1601 to 1970 in units of 100 ns. */
#define FILETIME_EPOCH G_GUINT64_CONSTANT(116444736000000000)

const char *dk_windmp_type_name(guint32 type)
{
    static const char *const names[] = {
        [DMP_TYPE_FULL] = "full",
        [DMP_TYPE_SUMMARY] = "kernel",
        [DMP_TYPE_HEADER] = "header",
        [DMP_TYPE_TRIAGE] = "triage",
        [DMP_TYPE_BITMAP_FULL] = "full bitmap",
        [DMP_TYPE_BITMAP_KERNEL] = "kernel bitmap",
        [DMP_TYPE_AUTOMATIC] = "automatic",
        [DMP_TYPE_LIVE_KERNEL] = "live kernel",
        [DMP_TYPE_LIVE_KERNEL_USER] = "live kernel and user",
        [DMP_TYPE_LIVE_COMPLETE] = "live complete",
    };
    return type < G_N_ELEMENTS(names) && names[type] ? names[type] : "unknown";
}

static guint32 known32(guint32 value)
{
    return value == DMP_SIGNATURE ? 0 : value;
}

static guint64 known64(guint64 value)
{
    return value == DMP_FILL64 ? 0 : value;
}

/* A field of text, without what follows its NUL; NULL when it is empty or filling. */
static char *known_text(const char *text, gsize size)
{
    gsize len = strnlen(text, size);
    if (len == size && memcmp(text, "PAGEPAGE", 8) == 0)
        return NULL;
    g_autofree char *copy = g_strndup(text, len);
    g_strstrip(copy);
    return *copy ? g_utf8_make_valid(copy, -1) : NULL;
}

/* --- what is the same for both widths --- */

static char *version_of(guint32 build)
{
    static const struct {
        guint32 from;
        const char *version;
    } names[] = {
        {10240, "10.0"}, {9600, "6.3"}, {9200, "6.2"}, {7600, "6.1"},
        {6000, "6.0"},   {3790, "5.2"}, {2600, "5.1"}, {2195, "5.0"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (build >= names[i].from)
            return g_strdup_printf("%s.%u", names[i].version, build);
    }
    return build ? g_strdup_printf("build %u", build) : NULL;
}

static DkMachineId machine_of(guint32 machine)
{
    switch (machine) {
    case DMP_MACHINE_X86:
        return DK_MACHINE_X86;
    case DMP_MACHINE_AMD64:
        return DK_MACHINE_X86_64;
    case DMP_MACHINE_ARM64:
        return DK_MACHINE_ARM64;
    default:
        return DK_MACHINE_UNKNOWN;
    }
}

/* Who made the dump, as far as it shows; takes away what is no bug check. */
static void set_writer(DkSubject *subject)
{
    DkWindowsFacts *facts = &subject->system.windows;
    DkOrigin *origin = &subject->origin;
    gboolean dumpit = facts->bugcheck_code == DMP_DUMPIT_CODE &&
                      facts->bugcheck_params[0] == DMP_DUMPIT_PARAM1 &&
                      facts->bugcheck_params[1] == DMP_DUMPIT_PARAM2;
    if (dumpit) {
        facts->bugcheck_code = 0;
        memset(facts->bugcheck_params, 0, sizeof facts->bugcheck_params);
        origin->writer = g_strdup("DumpIt (MoonSols)");
    } else if (origin->comment && g_str_has_prefix(origin->comment, "LiveKD")) {
        origin->writer = g_strdup("LiveKD");
    } else {
        origin->writer = g_strdup("Windows");
    }
    if (facts->bugcheck_code == DMP_BUGCHECK_LIVE || facts->dump_type >= DMP_TYPE_LIVE_KERNEL)
        origin->method = g_strdup("live dump");
    else if (facts->bugcheck_code)
        origin->method = g_strdup("bug check");
}

static void set_time(DkSubject *subject)
{
    guint64 time = subject->system.windows.system_time;
    if (time > FILETIME_EPOCH && time < G_MAXINT64)
        subject->origin.time_us = (gint64)((time - FILETIME_EPOCH) / 10);
}

gboolean dk_windmp_context(const DkWindmp *dump, const guint8 *context, gsize size, DkCpu *cpu,
                           GError **error)
{
    DkMachineId machine = dump->base.subject->machine;
    guint32 mark;
    g_assert(size >= sizeof(WinContextAmd64) || machine != DK_MACHINE_X86_64);
    memcpy(&mark, context, sizeof mark);
    if (mark == DMP_SIGNATURE) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_ABSENT, "it is filling");
        return FALSE;
    }
    if (!dk_windows_context_read(machine, FALSE, context, size, 0, cpu->regs, error))
        return FALSE;
    cpu->parts &= ~(guint32)DK_CPU_DEBUG;
    if (machine == DK_MACHINE_X86_64) {
        WinContextAmd64 raw;
        memcpy(&raw, context, sizeof raw);
        cpu->parts |= raw.flags & WIN_CONTEXT_DEBUG ? DK_CPU_DEBUG : 0;
        for (guint i = 0; i < 6; i++)
            cpu->dr[i < 4 ? i : i + 2] = raw.flags & WIN_CONTEXT_DEBUG ? raw.debug[i] : 0;
    } else if (machine == DK_MACHINE_X86) {
        WinContextX86 raw;
        memcpy(&raw, context, sizeof raw);
        cpu->parts |= raw.flags & WIN_CONTEXT_DEBUG ? DK_CPU_DEBUG : 0;
        for (guint i = 0; i < 6; i++)
            cpu->dr[i < 4 ? i : i + 2] = raw.flags & WIN_CONTEXT_DEBUG ? raw.debug[i] : 0;
    }
    return TRUE;
}

/*
 * The CPU whose registers the header has.  Those of the others are no gap of the file: they are in
 * the kernel's memory (KPRCB), and a small dump is made without them.
 */
static void add_cpu(DkWindmp *dump, const guint8 *context, gsize size)
{
    DkSubject *subject = dump->base.subject;
    DkCpu *cpu = dk_machine_add_cpu(&subject->system, 0);
    g_autoptr(GError) local = NULL;
    if (!dk_windmp_context(dump, context, size, cpu, &local))
        cpu->missing = g_strdup_printf("the header at offset " X64 " has no context: %s",
                                       dump->header.context_off, local->message);
    dk_windmp_note(dump, "context record", dump->header.context_off, size, "%s",
                   cpu->missing ? cpu->missing : "registers of one CPU");
}

static void note_exception(DkWindmp *dump, guint64 size)
{
    DkWindowsException *exception = &dump->base.subject->system.windows.exception;
    exception->valid = exception->code && exception->code != DMP_SIGNATURE;
    exception->nparams = MIN(exception->nparams, G_N_ELEMENTS(exception->params));
    if (!exception->valid)
        memset(exception, 0, sizeof *exception);
    else
        dk_windmp_note(dump, "exception record", dump->header.exception_off, size,
                       "code 0x%08x at " X64, exception->code, exception->address);
}

/* All that follows from the facts and the header once both are filled in. */
static void finish(DkWindmp *dump, const guint8 *context, gsize context_size, gsize record_size)
{
    DkSubject *subject = dump->base.subject;
    DkWindowsFacts *facts = &subject->system.windows;
    const DkWindmpHeader *header = &dump->header;
    facts->valid = TRUE;
    facts->dump_type = header->type;
    subject->machine = machine_of(header->machine);
    subject->cpus = MIN(header->cpus, DK_WINDMP_CPUS_MAX);
    subject->os_version = version_of(facts->build);
    subject->origin.level = g_strdup(dk_windmp_type_name(header->type));
    set_writer(subject);
    set_time(subject);
    if (header->cpus > DK_WINDMP_CPUS_MAX)
        dk_windmp_damage(dump, "the header at offset 0x0 speaks of %u CPUs", header->cpus);
    if (subject->machine == DK_MACHINE_UNKNOWN)
        dk_windmp_damage(dump,
                         "the header's machine is 0x%x, expected 0x14c (x86), 0x8664 (x64) or "
                         "0xaa64 (ARM64)",
                         header->machine);
    dk_windmp_note(dump, "header", 0, header->size, "%s, type %u (%s), build %u",
                   header->wide ? "PAGEDU64" : "PAGEDUMP", header->type,
                   dk_windmp_type_name(header->type), facts->build);
    add_cpu(dump, context, context_size);
    note_exception(dump, record_size);
    if (subject->origin.comment)
        dk_windmp_note(dump, "comment", header->comment_off, sizeof((DmpHeader64 *)0)->comment,
                       "%s", subject->origin.comment);
}

/* --- each width --- */

static void take64(DkWindmp *dump, const DmpHeader64 *raw)
{
    DkSubject *subject = dump->base.subject;
    DkWindowsFacts *facts = &subject->system.windows;
    dump->header = (DkWindmpHeader){
        .wide = TRUE,
        .size = sizeof *raw,
        .type = known32(raw->type),
        .machine = known32(raw->machine),
        .cpus = known32(raw->cpus),
        .has_runs = raw->nruns != DMP_SIGNATURE && raw->pages != DMP_FILL64,
        .nruns = raw->nruns,
        .pages = raw->pages,
        .required_space = known64(raw->required_space),
        .attributes = known32(raw->attributes),
        .writer_status = known32(raw->writer_status),
        .context_off = G_STRUCT_OFFSET(DmpHeader64, context),
        .exception_off = G_STRUCT_OFFSET(DmpHeader64, exception),
        .comment_off = G_STRUCT_OFFSET(DmpHeader64, comment),
        .runs_off = G_STRUCT_OFFSET(DmpHeader64, runs),
    };
    facts->major = known32(raw->major);
    facts->build = known32(raw->minor);
    facts->pfn_database_va = known64(raw->pfn_database_va);
    facts->ps_loaded_module_list_va = known64(raw->loaded_modules_va);
    facts->ps_active_process_head_va = known64(raw->active_processes_va);
    facts->kdbg_va = known64(raw->kdbg_va);
    facts->bugcheck_code = known32(raw->bugcheck_code);
    for (guint i = 0; i < G_N_ELEMENTS(facts->bugcheck_params); i++)
        facts->bugcheck_params[i] = known64(raw->bugcheck_params[i]);
    facts->system_time = known64(raw->system_time);
    facts->up_time = known64(raw->up_time);
    facts->product_type = known32(raw->product_type);
    facts->suite_mask = known32(raw->suite_mask);
    facts->exception = (DkWindowsException){
        .code = raw->exception.code,
        .flags = raw->exception.flags,
        .record_va = known64(raw->exception.record_va),
        .address = known64(raw->exception.address),
        .nparams = known32(raw->exception.nparams),
    };
    for (guint i = 0; i < MIN(facts->exception.nparams, 15u); i++)
        facts->exception.params[i] = raw->exception.params[i];
    subject->system.page_root = known64(raw->directory_table_base);
    subject->origin.comment = known_text(raw->comment, sizeof raw->comment);
    finish(dump, raw->context, sizeof raw->context, sizeof raw->exception);
}

static void take32(DkWindmp *dump, const DmpHeader32 *raw)
{
    DkSubject *subject = dump->base.subject;
    DkWindowsFacts *facts = &subject->system.windows;
    dump->header = (DkWindmpHeader){
        .wide = FALSE,
        .size = sizeof *raw,
        .type = known32(raw->type),
        .machine = known32(raw->machine),
        .cpus = known32(raw->cpus),
        .has_runs = raw->nruns != DMP_SIGNATURE && raw->pages != DMP_SIGNATURE,
        .nruns = raw->nruns,
        .pages = raw->pages,
        .required_space = known64(raw->required_space),
        .writer_status = known32(raw->writer_status),
        .context_off = G_STRUCT_OFFSET(DmpHeader32, context),
        .exception_off = G_STRUCT_OFFSET(DmpHeader32, exception),
        .comment_off = G_STRUCT_OFFSET(DmpHeader32, comment),
        .runs_off = G_STRUCT_OFFSET(DmpHeader32, runs),
    };
    facts->major = known32(raw->major);
    facts->build = known32(raw->minor);
    facts->pfn_database_va = known32(raw->pfn_database_va);
    facts->ps_loaded_module_list_va = known32(raw->loaded_modules_va);
    facts->ps_active_process_head_va = known32(raw->active_processes_va);
    facts->kdbg_va = known32(raw->kdbg_va);
    facts->bugcheck_code = known32(raw->bugcheck_code);
    for (guint i = 0; i < G_N_ELEMENTS(facts->bugcheck_params); i++)
        facts->bugcheck_params[i] = known32(raw->bugcheck_params[i]);
    facts->system_time = known64(raw->system_time);
    facts->up_time = known64(raw->up_time);
    facts->product_type = known32(raw->product_type);
    facts->suite_mask = known32(raw->suite_mask);
    facts->pae = raw->pae == 1;
    facts->exception = (DkWindowsException){
        .code = raw->exception.code,
        .flags = raw->exception.flags,
        .record_va = known32(raw->exception.record_va),
        .address = known32(raw->exception.address),
        .nparams = known32(raw->exception.nparams),
    };
    for (guint i = 0; i < MIN(facts->exception.nparams, 15u); i++)
        facts->exception.params[i] = raw->exception.params[i];
    subject->system.page_root = known32(raw->directory_table_base);
    subject->origin.comment = known_text(raw->comment, sizeof raw->comment);
    finish(dump, raw->context, sizeof raw->context, sizeof raw->exception);
}

gboolean dk_windmp_read_header(DkWindmp *dump, GError **error)
{
    guint32 magic[2] = {0};
    if (dk_input_read(dump->input, 0, magic, sizeof magic, error) < 0)
        return FALSE;
    if (magic[0] != DMP_SIGNATURE || (magic[1] != DMP_VALID64 && magic[1] != DMP_VALID32)) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_NOT_MINE, "not a Windows machine dump");
        return FALSE;
    }
    gboolean wide = magic[1] == DMP_VALID64;
    gsize size = wide ? sizeof(DmpHeader64) : sizeof(DmpHeader32);
    g_autoptr(GBytes) bytes = dk_input_read_bytes(dump->input, "Windows dump header", 0, size, size,
                                                  error);
    if (!bytes)
        return FALSE;
    dump->base.subject->kind = DK_SUBJECT_MACHINE;
    dump->base.subject->os = DK_OS_WINDOWS;
    dk_subject_set_text(dump->base.subject, "windows/header", bytes);
    g_autofree guint8 *raw = g_memdup2(g_bytes_get_data(bytes, NULL), size);
    if (wide)
        take64(dump, (const DmpHeader64 *)(gconstpointer)raw);
    else
        take32(dump, (const DmpHeader32 *)(gconstpointer)raw);
    return TRUE;
}

/* --- the memory block --- */

static void run_at(DkWindmp *dump, GBytes *header, guint32 index, DmpRun64 *run)
{
    const guint8 *at = (const guint8 *)g_bytes_get_data(header, NULL) + dump->header.runs_off;
    if (dump->header.wide) {
        memcpy(run, at + index * sizeof *run, sizeof *run);
        return;
    }
    DmpRun32 narrow;
    memcpy(&narrow, at + index * sizeof narrow, sizeof narrow);
    *run = (DmpRun64){narrow.base, narrow.count};
}

GArray *dk_windmp_runs(DkWindmp *dump)
{
    const DkWindmpHeader *header = &dump->header;
    guint32 limit = header->wide ? DMP_RUNS64_MAX : DMP_RUNS32_MAX;
    if (!header->has_runs)
        return NULL;
    if (header->nruns > limit) {
        dk_windmp_damage(dump, "the header at offset " X64 " has %u runs, at most %u fit",
                         header->runs_off, header->nruns, limit);
        return NULL;
    }
    GBytes *bytes = dk_subject_text(dump->base.subject, "windows/header");
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(DkWindmpPiece));
    guint64 pages = 0;
    guint64 next = 0;
    for (guint32 i = 0; i < header->nruns; i++) {
        DmpRun64 run;
        run_at(dump, bytes, i, &run);
        if (!run.count || run.base < next || run.base >= DK_WINDMP_PFN_MAX ||
            run.count > DK_WINDMP_PFN_MAX - run.base) {
            dk_windmp_damage(dump,
                             "run %u at offset " X64 ": page " X64 ", %" G_GUINT64_FORMAT
                             " pages; expected runs that ascend and do not overlap",
                             i, header->runs_off + i * (header->wide ? 16 : 8), run.base,
                             run.count);
            break;
        }
        DkWindmpPiece piece = {
            .first = run.base << DMP_PAGE_SHIFT,
            .last = ((run.base + run.count) << DMP_PAGE_SHIFT) - 1,
            .off = header->size + (pages << DMP_PAGE_SHIFT),
        };
        g_array_append_val(runs, piece);
        pages += run.count;
        next = run.base + run.count;
    }
    if (pages != header->pages && runs->len == header->nruns)
        dk_windmp_damage(dump,
                         "the runs at offset " X64 " have %" G_GUINT64_FORMAT
                         " pages, the header says %" G_GUINT64_FORMAT,
                         header->runs_off, pages, header->pages);
    return runs;
}

DkWindmpIndex *dk_windmp_index_full(DkWindmp *dump)
{
    g_autoptr(GArray) runs = dk_windmp_runs(dump);
    if (!runs) {
        if (!dump->header.has_runs)
            dk_windmp_damage(dump, "the header at offset " X64 " has no runs of memory",
                             dump->header.runs_off);
        return NULL;
    }
    for (guint i = 0; i < runs->len; i++) {
        const DkWindmpPiece *run = &g_array_index(runs, DkWindmpPiece, i);
        dump->npages += (run->last - run->first + 1) >> DMP_PAGE_SHIFT;
    }
    /* With a run that makes no sense, nobody knows where the memory ends. */
    dump->data_end = runs->len == dump->header.nruns
                         ? dump->header.size + (dump->npages << DMP_PAGE_SHIFT)
                         : 0;
    dk_windmp_note(dump, "memory runs", dump->header.runs_off,
                   (guint64)dump->header.nruns * (dump->header.wide ? 16 : 8),
                   "%u runs, %" G_GUINT64_FORMAT " pages from offset 0x%x on", runs->len,
                   dump->npages, dump->header.size);
    return dk_windmp_index_pieces(dump, g_steal_pointer(&runs), TRUE, NULL);
}
