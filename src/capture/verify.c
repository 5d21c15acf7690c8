/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/verify.h"

#include <stdarg.h>
#include <string.h>

#include "arch/arch.h"
#include "base/error.h"
#include "base/size.h"
#include "capture/coverage.h"
#include "capture/openers.h"
#include "capture/unanswered.h"
#include "capture/verify-machine.h"
#include "io/input.h"
#include "mem/source.h"
#include "sym/symfile.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
/* Findings of one kind that are told one by one; the rest is counted. */
#define TOLD_MAX 10
/* No user space of a machine that we know has addresses outside of these. */
#define VA_LOWEST ((guint64)4096)
#define VA_HIGHEST (((guint64)1 << 56) - 1)

/* One check while it runs. */
typedef struct {
    DkVerify verify; /* first: finding() gets it */
    DkCheck *check;
    DkInput *input;
    DkSource *source;
    const DkSubject *subject;
    DkSpace *space;
    const DkArch *arch;  /* NULL for a machine that is not known */
    GArray *failed;      /* see dk_gap_ranges() */
    GHashTable *without; /* tids of threads that were told to have no registers */
    gboolean map_is_whole;
    guint complaints; /* of the format's slot */
    gboolean memory_told;
} Run;

static void finding_free(gpointer data)
{
    DkFinding *finding = data;
    g_free(finding->part);
    g_free(finding->text);
    g_free(finding);
}

static DkCheck *check_new(void)
{
    DkCheck *check = g_new0(DkCheck, 1);
    check->findings = g_ptr_array_new_with_free_func(finding_free);
    check->unanswered = g_ptr_array_new_with_free_func(g_free);
    return check;
}

void dk_check_free(DkCheck *check)
{
    if (!check)
        return;
    g_ptr_array_unref(check->findings);
    g_ptr_array_unref(check->unanswered);
    g_clear_pointer(&check->openers, g_ptr_array_unref);
    dk_machine_look_free(check->machine);
    g_free(check);
}

static void add_text(DkCheck *check, DkVerdict verdict, const char *part, const char *text)
{
    DkFinding *finding = g_new0(DkFinding, 1);
    finding->verdict = verdict;
    finding->part = g_strdup(part);
    finding->text = g_strdup(text);
    g_ptr_array_add(check->findings, finding);
    check->verdict = MAX(check->verdict, verdict);
}

static void add(Run *run, DkVerdict verdict, const char *part, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static void add(Run *run, DkVerdict verdict, const char *part, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    add_text(run->check, verdict, part, text);
}

DkCheck *dk_check_new_damaged(const char *part, const char *text)
{
    DkCheck *check = check_new();
    add_text(check, DK_VERIFY_DAMAGED, part, text);
    return check;
}

/* --- container and format --- */

/* A message without the name of the file in front, which the reader knows. */
static const char *without_name(const Run *run, const char *message)
{
    const char *name = dk_input_name(run->input);
    gsize len = strlen(name);
    if (strncmp(message, name, len) == 0 && strncmp(message + len, ": ", 2) == 0)
        return message + len + 2;
    return message;
}

/* Makes a finding of an error that is about the file; FALSE passes on one that is not. */
static gboolean take_error(Run *run, const char *part, GError *local, GError **error)
{
    if (local->domain == DK_ERROR &&
        (local->code == DK_ERROR_DAMAGED || local->code == DK_ERROR_LIMIT)) {
        add(run, DK_VERIFY_DAMAGED, part, "%s", without_name(run, local->message));
        g_error_free(local);
        return TRUE;
    }
    g_propagate_error(error, local);
    return FALSE;
}

static gboolean check_container(Run *run, gboolean *damaged, GError **error)
{
    DkCheck *check = run->check;
    GError *local = NULL;
    if (!dk_input_verify(run->input, &check->container_verified, run->verify.progress, &local)) {
        *damaged = TRUE;
        return take_error(run, "container", local, error);
    }
    if (check->container_verified)
        add(run, DK_VERIFY_OK, "container", "%s, every frame is as its checksum says",
            dk_input_container(run->input));
    return TRUE;
}

static void slot_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    Run *run = (Run *)verify;
    gboolean memory = g_str_equal(part, "memory");
    if (g_str_equal(part, "threads") || (memory && verdict == DK_VERIFY_OK))
        return;
    run->complaints += verdict == DK_VERIFY_LACKS || verdict == DK_VERIFY_DAMAGED;
    run->memory_told = run->memory_told || (memory && verdict >= DK_VERIFY_LACKS);
    add_text(run->check, verdict, part, text);
}

static gboolean check_format(Run *run, const DkFormat *format, gboolean deep, GError **error)
{
    DkCheck *check = run->check;
    GError *local = NULL;
    if (format->verify && !format->verify(run->source, deep, &run->verify, &local)) {
        run->complaints++;
        if (!take_error(run, "content", local, error))
            return FALSE;
    }
    if (!run->complaints) {
        g_autofree char *size = dk_size_text(dk_input_size(run->input));
        add(run, DK_VERIFY_OK, "structure", "well formed, and nothing of it is behind the end (%s)",
            size);
    }
    check->content_verified = run->verify.content_verified;
    return TRUE;
}

/* --- memory --- */

static void check_memory(Run *run)
{
    if (run->memory_told)
        return;
    DkCoverage coverage = dk_coverage_of(run->space, 0, G_MAXUINT64);
    g_autofree char *size = dk_size_text(coverage.present);
    if (coverage.present)
        add(run, DK_VERIFY_OK, "memory", "%s in %" G_GUINT64_FORMAT " range%s", size, coverage.runs,
            coverage.runs == 1 ? "" : "s");
    else
        add(run, DK_VERIFY_LACKS, "memory", "there is none in the file");
}

/* --- threads --- */

static gboolean can_read(Run *run, guint64 va)
{
    guint8 byte;
    return dk_space_read(run->space, va, &byte, 1) == 1;
}

/*
 * A program can ruin its own stack pointer, which is no fault of its dump: what lies outside of
 * user space, or of a memory map that is known to be whole, is worth a note only.
 */
static DkVerdict judge_stack(const Run *run, const DkThread *thread, guint64 sp)
{
    if (thread->stack_first <= sp && sp <= thread->stack_last)
        return DK_VERIFY_LACKS;
    if (sp < VA_LOWEST || sp > VA_HIGHEST)
        return DK_VERIFY_NOTE;
    if (run->map_is_whole && !dk_subject_mapping_at(run->subject, sp))
        return DK_VERIFY_NOTE;
    return DK_VERIFY_LACKS;
}

typedef struct {
    guint good;
    guint without; /* registers */
    guint unread;  /* registers that are not understood */
    guint stackless;
    guint astray;
} Threads;

/* A stack that nothing is on yet: the pointer is behind the last byte of its mapping. */
static gboolean is_empty_stack(Run *run, guint64 sp)
{
    return sp && !dk_subject_mapping_at(run->subject, sp) &&
           !dk_gap_ranges_touch(run->failed, sp, sp) && can_read(run, sp - 1);
}

static void check_stack(Run *run, const DkThread *thread, guint64 sp, Threads *count)
{
    if (can_read(run, sp) || is_empty_stack(run, sp)) {
        count->good++;
    } else if (judge_stack(run, thread, sp) == DK_VERIFY_NOTE) {
        if (count->astray++ < TOLD_MAX)
            add(run, DK_VERIFY_NOTE, "threads",
                "thread %u: its stack pointer " HEX " points to no memory of the process",
                thread->tid, sp);
    } else if (count->stackless++ < TOLD_MAX) {
        add(run, DK_VERIFY_LACKS, "threads",
            "thread %u: the page of its stack at " HEX " is not in the file", thread->tid, sp);
    }
}

static void check_thread(Run *run, const DkThread *thread, Threads *count)
{
    GBytes *general = thread->regs[DK_REGSET_GENERAL];
    DkRegs regs = {0};
    if (!general) {
        g_hash_table_add(run->without, GUINT_TO_POINTER(thread->tid));
        if (count->without++ < TOLD_MAX)
            add(run, DK_VERIFY_LACKS, "threads", "thread %u has no registers: %s", thread->tid,
                thread->missing ? thread->missing : "they are not in the file");
    } else if (!run->arch || !dk_arch_regs_from_general(run->arch, general, &regs) ||
               !dk_regs_has(&regs, run->arch->sp)) {
        count->unread++;
    } else {
        check_stack(run, thread, regs.value[run->arch->sp], count);
    }
}

static gboolean has_gap(const DkSubject *subject, const char *what)
{
    for (guint i = 0; i < subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(subject->gaps, i);
        if (g_str_equal(gap->what, what))
            return TRUE;
    }
    return FALSE;
}

static void check_threads(Run *run)
{
    const GPtrArray *threads = run->subject->process.threads;
    Threads count = {0};
    for (guint i = 0; i < threads->len; i++)
        check_thread(run, g_ptr_array_index(threads, i), &count);
    if (count.without > TOLD_MAX)
        add(run, DK_VERIFY_LACKS, "threads", "%u of %u threads have no registers", count.without,
            threads->len);
    if (count.stackless > TOLD_MAX)
        add(run, DK_VERIFY_LACKS, "threads", "%u of %u threads have no stack in the file",
            count.stackless, threads->len);
    if (count.unread)
        add(run, DK_VERIFY_NOTE, "threads",
            "the registers of %u threads are not understood, so their stacks were not looked for",
            count.unread);
    if (threads->len && count.good + count.astray == threads->len)
        add(run, DK_VERIFY_OK, "threads",
            "%u with registers, %u with the page of the stack pointer", threads->len, count.good);
    if (!threads->len && !has_gap(run->subject, "thread"))
        add(run, DK_VERIFY_LACKS, "threads", "the file names none");
}

/* --- modules --- */

static gboolean is_identified(const DkModule *module)
{
    static const guint8 none[sizeof module->guid];
    return module->build_id || module->timestamp || memcmp(module->guid, none, sizeof none) != 0;
}

/* FALSE: the header page is there and is none. */
static gboolean is_image(const Run *run, const guint8 head[4])
{
    switch (run->subject->os) {
    case DK_OS_LINUX:
        return memcmp(head, "\177ELF", 4) == 0;
    case DK_OS_WINDOWS:
        return memcmp(head, "MZ", 2) == 0;
    default:
        return TRUE;
    }
}

static void check_module(Run *run, const DkModule *module, guint *lost, guint *odd, guint *there)
{
    const char *name = module->path ? module->path : "(no name)";
    guint8 head[4];
    if (dk_space_read(run->space, module->first, head, sizeof head) == sizeof head) {
        ++*there;
        if (!is_image(run, head) && (*odd)++ < TOLD_MAX)
            add(run, DK_VERIFY_NOTE, "modules",
                "%s: the memory at " HEX " is no header of a program file", name, module->first);
    } else if (dk_gap_ranges_touch(run->failed, module->first, module->first) &&
               (*lost)++ < TOLD_MAX) {
        add(run, DK_VERIFY_LACKS, "modules", "%s: its first page at " HEX " is not in the file",
            name, module->first);
    }
}

static void check_modules(Run *run)
{
    const GPtrArray *modules = run->subject->process.modules;
    guint loaded = 0, lost = 0, odd = 0, there = 0, identified = 0;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = g_ptr_array_index(modules, i);
        if (module->unloaded)
            continue;
        loaded++;
        identified += is_identified(module);
        check_module(run, module, &lost, &odd, &there);
    }
    if (lost > TOLD_MAX)
        add(run, DK_VERIFY_LACKS, "modules", "%u of %u have no first page in the file", lost,
            loaded);
    if (!loaded)
        add(run, DK_VERIFY_NOTE, "modules", "none is known");
    else if (!lost)
        add(run, there == loaded || identified == loaded ? DK_VERIFY_OK : DK_VERIFY_NOTE, "modules",
            "%u: %u with the header page in memory, %u identified by build-id, PDB or timestamp",
            loaded, there, identified);
}

/* --- gaps and the record --- */

static void tell_gap(Run *run, const DkGap *gap)
{
    if (g_str_equal(gap->what, "pages") || g_str_equal(gap->what, "data")) {
        g_autofree char *size = dk_size_text(dk_size_of_range(gap->first, gap->last));
        const char *what = g_str_equal(gap->what, "data") ? "data" : "memory";
        if (gap->first <= gap->last)
            add(run, DK_VERIFY_LACKS, what, HEX " to " HEX " (%s): %s", gap->first, gap->last, size,
                gap->why);
        else
            add(run, DK_VERIFY_LACKS, what, "%s", gap->why);
        return;
    }
    const char *part = g_str_equal(gap->what, "thread") ? "threads" : "registers";
    if (g_str_equal(gap->what, "cpu"))
        part = "cpus";
    if (gap->tid)
        add(run, DK_VERIFY_LACKS, part, "thread %u: %s", gap->tid, gap->why);
    else
        add(run, DK_VERIFY_LACKS, part, "%s", gap->why);
}

/* Whether a finding says already what gap says. */
static gboolean is_told(const Run *run, const DkGap *gap)
{
    if (gap->tid && g_hash_table_contains(run->without, GUINT_TO_POINTER(gap->tid)))
        return TRUE;
    /* The format's slot has looked at the file's end with more detail. */
    if (g_str_equal(gap->what, "data") && run->complaints)
        return TRUE;
    for (guint i = 0; i < run->check->findings->len && i < 100; i++) {
        const DkFinding *finding = g_ptr_array_index(run->check->findings, i);
        if (finding->verdict >= DK_VERIFY_LACKS && g_str_equal(finding->text, gap->why))
            return TRUE;
    }
    return FALSE;
}

static void check_gaps(Run *run)
{
    guint told = 0;
    for (guint i = 0; i < run->subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(run->subject->gaps, i);
        if (dk_gap_is_failure(gap) && !is_told(run, gap) && told++ < TOLD_MAX)
            tell_gap(run, gap);
    }
    if (told > TOLD_MAX)
        add(run, DK_VERIFY_LACKS, "gaps", "%u more parts are missing", told - TOLD_MAX);
}

static void check_record(Run *run)
{
    const DkOrigin *origin = &run->subject->origin;
    if (!origin->writer || !g_str_has_prefix(origin->writer, "dumpkit")) {
        add(run, DK_VERIFY_NOTE, "record",
            "the file has no record of dumpkit, so nothing says what was left out on purpose");
        return;
    }
    if (origin->complete != 1 && run->check->verdict < DK_VERIFY_LACKS)
        add(run, DK_VERIFY_LACKS, "record", "it says that the capture was not complete");
    else
        add(run, DK_VERIFY_OK, "record", "%s, method %s, level %s", origin->writer,
            origin->method ? origin->method : "unknown", origin->level ? origin->level : "unknown");
}

static void check_content(Run *run)
{
    const DkCheck *check = run->check;
    if (check->verdict == DK_VERIFY_DAMAGED)
        return;
    if (check->content_verified)
        add(run, DK_VERIFY_OK, "content", "every byte is as the checksums in the dump say");
    else if (!check->container_verified)
        add(run, DK_VERIFY_NOTE, "content",
            "content cannot be verified: the file carries no checksums");
}

/* --- machines --- */

/* What is told of a machine stands in the check as it is. */
typedef struct {
    DkVerify verify;
    DkCheck *check;
} Direct;

static void direct_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    add_text(((Direct *)verify)->check, verdict, part, text);
}

static gboolean check_machine(Run *run, gboolean deep, GError **error)
{
    DkCheck *check = run->check;
    Direct direct = {{.finding = direct_finding, .progress = run->verify.progress}, check};
    g_ptr_array_unref(check->unanswered);
    check->unanswered = dk_unanswered(run->subject, run->space);
    if (!dk_verify_machine(run->source, deep, &direct.verify, check->unanswered, &check->machine,
                           error))
        return FALSE;
    check_gaps(run);
    check->openers = dk_openers(run->subject, run->source->format, check->machine);
    return TRUE;
}

static void check_process(Run *run)
{
    check_memory(run);
    check_threads(run);
    check_modules(run);
    check_gaps(run);
    check_record(run);
    g_ptr_array_unref(run->check->unanswered);
    run->check->unanswered = dk_unanswered(run->subject, run->space);
}

DkCheck *dk_check_run(DkInput *input, DkSource *source, const DkFormat *format, gboolean deep,
                      DkProgress *progress, GError **error)
{
    gboolean is_machine = source->subject->kind == DK_SUBJECT_MACHINE;
    if (!is_machine)
        dk_elf_identify_modules(source->subject, source->space);
    g_autoptr(DkCheck) check = check_new();
    g_autoptr(GHashTable) without = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) failed = dk_gap_ranges(source->subject, TRUE);
    Run run = {
        .verify = {.finding = slot_finding, .progress = progress},
        .check = check,
        .input = input,
        .source = source,
        .subject = source->subject,
        .space = source->space,
        .arch = dk_arch_for(source->subject->machine),
        .failed = failed,
        .without = without,
        /* Our record, and Linux's own text, name every mapping. */
        .map_is_whole = source->subject->origin.level ||
                        dk_subject_text(source->subject, "linux/maps"),
    };
    gboolean damaged = FALSE;
    check->deep = deep;
    if ((deep && !check_container(&run, &damaged, error)) ||
        !check_format(&run, format, deep && !damaged, error))
        return NULL;
    if (!is_machine)
        check_process(&run);
    else if (!check_machine(&run, deep, error))
        return NULL;
    if (deep)
        check_content(&run);
    return g_steal_pointer(&check);
}

/* --- the verdict in words --- */

const char *dk_check_word(const DkCheck *check)
{
    switch (check->verdict) {
    case DK_VERIFY_DAMAGED:
        return "damaged";
    case DK_VERIFY_LACKS:
        return "lacks";
    case DK_VERIFY_OK:
    case DK_VERIFY_NOTE:
        break;
    }
    return "complete";
}

/* The first file offset that text names, as it stands there; NULL for none. */
static char *offset_in(const char *text)
{
    static const char *const marks[] = {"offset 0x", "bytes 0x"};
    for (gsize i = 0; i < G_N_ELEMENTS(marks); i++) {
        const char *at = strstr(text, marks[i]);
        if (!at)
            continue;
        at += strlen(marks[i]) - 2;
        gsize len = 2 + strspn(at + 2, "0123456789abcdef");
        return g_strndup(at, len);
    }
    return NULL;
}

char *dk_check_summary(const DkCheck *check)
{
    const DkFinding *first = NULL;
    guint more = 0;
    if (check->verdict < DK_VERIFY_LACKS)
        return g_strdup("complete");
    for (guint i = 0; i < check->findings->len; i++) {
        const DkFinding *finding = g_ptr_array_index(check->findings, i);
        if (!first && finding->verdict == check->verdict)
            first = finding;
        else if (finding->verdict >= DK_VERIFY_LACKS)
            more++;
    }
    GString *text = g_string_new(dk_check_word(check));
    if (check->verdict == DK_VERIFY_LACKS) {
        g_string_append_printf(text, " %s: %s", first->part, first->text);
    } else {
        g_autofree char *offset = offset_in(first->text);
        g_string_append_printf(text, "%s%s: %s", offset ? " at offset " : "", offset ? offset : "",
                               first->text);
    }
    if (more)
        g_string_append_printf(text, "; and %u more", more);
    return g_string_free(text, FALSE);
}
