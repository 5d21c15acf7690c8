/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/unanswered.h"

#include <stdarg.h>
#include <string.h>

#include "base/size.h"
#include "capture/coverage.h"

/* Kinds of gaps that are told one by one; the rest is counted. */
#define GAP_KINDS_MAX 24
/* Thread numbers in one sentence. */
#define TIDS_MAX 8

static void say(GPtrArray *sentences, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(GPtrArray *sentences, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_ptr_array_add(sentences, g_strdup_vprintf(format, args));
    va_end(args);
}

/* --- gaps --- */

/* Gaps of one kind and reason. */
typedef struct {
    const DkGap *first; /* lent */
    guint count;
    guint mappings; /* of them that are a mapping from end to end */
    guint64 bytes;
    guint ntids;
    guint32 tids[TIDS_MAX];
} Group;

static gboolean is_kind(const Group *group, const char *what)
{
    return g_str_equal(group->first->what, what);
}

static gboolean has_range(const DkGap *gap)
{
    return gap->first <= gap->last;
}

/* Reasons of cut data name offsets, so each is another; they are told as one. */
static char *group_key(const DkGap *gap)
{
    gboolean cut = g_str_equal(gap->what, "data") && has_range(gap);
    return g_strdup_printf("%s\n%d\n%s", gap->what, has_range(gap), cut ? "" : gap->why);
}

static void add_to_group(Group *group, const DkSubject *subject, const DkGap *gap)
{
    group->count++;
    if (gap->tid && group->ntids++ < TIDS_MAX)
        group->tids[group->ntids - 1] = gap->tid;
    if (!has_range(gap))
        return;
    group->bytes = dk_size_add(group->bytes, dk_size_of_range(gap->first, gap->last));
    const DkMapping *mapping = dk_subject_mapping_at(subject, gap->first);
    group->mappings += mapping && mapping->first == gap->first && mapping->last == gap->last;
}

/* GPtrArray of Group, in the order of their first gaps. */
static GPtrArray *group_gaps(const DkSubject *subject)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < subject->gaps->len; i++) {
        const DkGap *gap = g_ptr_array_index(subject->gaps, i);
        g_autofree char *key = group_key(gap);
        Group *group = g_hash_table_lookup(by_key, key);
        if (!group) {
            group = g_new0(Group, 1);
            group->first = gap;
            g_ptr_array_add(groups, group);
            g_hash_table_insert(by_key, g_steal_pointer(&key), group);
        }
        add_to_group(group, subject, gap);
    }
    return groups;
}

/* That data is cut off stands in front already. */
static const char *why_of(const Group *group)
{
    static const char cut[] = "truncated: ";
    const char *why = group->first->why;
    return is_kind(group, "data") && g_str_has_prefix(why, cut) ? why + strlen(cut) : why;
}

static char *tids_of(const Group *group)
{
    GString *text = g_string_new(group->ntids == 1 ? "thread " : "threads ");
    guint shown = MIN(group->ntids, TIDS_MAX);
    for (guint i = 0; i < shown; i++)
        g_string_append_printf(text, "%s%u", i ? ", " : "", group->tids[i]);
    if (group->ntids > shown)
        g_string_append_printf(text, " and %u more", group->ntids - shown);
    return g_string_free(text, FALSE);
}

static void say_memory(GPtrArray *sentences, const Group *group, const char *what)
{
    g_autofree char *size = dk_size_text(group->bytes);
    const char *noun = group->mappings == group->count ? "mapping" : "range";
    say(sentences, "memory of %u %s%s (%s) %s: %s", group->count, noun,
        group->count == 1 ? "" : "s", size, what, why_of(group));
}

static void say_group(GPtrArray *sentences, const Group *group)
{
    static const struct {
        const char *what;
        const char *memory; /* what happened to a range */
        const char *other;  /* what stands in front of a reason without one */
    } kinds[] = {
        {"data", "is not in the file, which was cut off", "cut off or broken"},
        {"pages", "could not be read", "could not be read"},
        {"excluded", "was left out", "left out"},
        {"instant", "is not of the same instant as the rest", "not of the same instant"},
    };
    const DkGap *gap = group->first;
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (!is_kind(group, kinds[i].what))
            continue;
        if (has_range(gap))
            say_memory(sentences, group, kinds[i].memory);
        else
            say(sentences, "%s: %s", kinds[i].other, why_of(group));
        return;
    }
    g_autofree char *who = group->ntids ? tids_of(group) : NULL;
    if (is_kind(group, "regset"))
        say(sentences, "registers%s%s: %s", who ? " of " : "", who ? who : "", gap->why);
    else if (who)
        say(sentences, "%s: %s", who, gap->why);
    else if (has_range(gap))
        say_memory(sentences, group, gap->what);
    else
        say(sentences, "%s: %s", gap->what, gap->why);
}

static guint rank_of(const Group *group)
{
    static const char *const order[] = {"thread", "cpu",      "regset", "data",
                                        "pages",  "excluded", "instant"};
    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        if (is_kind(group, order[i]))
            return i;
    }
    return G_N_ELEMENTS(order);
}

static gint compare_groups(gconstpointer a, gconstpointer b)
{
    guint left = rank_of(*(const Group *const *)a);
    guint right = rank_of(*(const Group *const *)b);
    return (left > right) - (left < right);
}

static void say_gaps(GPtrArray *sentences, const DkSubject *subject)
{
    g_autoptr(GPtrArray) groups = group_gaps(subject);
    g_ptr_array_sort(groups, compare_groups);
    for (guint i = 0; i < groups->len && i < GAP_KINDS_MAX; i++)
        say_group(sentences, g_ptr_array_index(groups, i));
    if (groups->len > GAP_KINDS_MAX)
        say(sentences, "%u more kinds of gaps", groups->len - GAP_KINDS_MAX);
}

/* --- threads --- */

typedef struct {
    guint registers; /* threads that have the set */
    guint fp;
    guint vector;
    guint named;
    guint signals;
} Has;

static Has count_threads(const DkSubject *subject)
{
    Has has = {0};
    const GPtrArray *threads = subject->process.threads;
    for (guint i = 0; i < threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(threads, i);
        gboolean fp = FALSE;
        for (guint k = DK_REGSET_FP; k <= DK_REGSET_FXSAVE; k++)
            fp = fp || thread->regs[k];
        has.registers += thread->regs[DK_REGSET_GENERAL] != NULL;
        has.fp += thread->regs[DK_REGSET_GENERAL] && fp;
        has.vector += thread->regs[DK_REGSET_XSTATE] != NULL;
        has.named += thread->name != NULL;
        has.signals += thread->signal != 0;
    }
    return has;
}

static void say_threads(GPtrArray *sentences, const DkSubject *subject)
{
    Has has = count_threads(subject);
    gboolean x86 = subject->machine == DK_MACHINE_X86_64 || subject->machine == DK_MACHINE_X86;
    if (has.registers && !has.fp)
        say(sentences, "no values of floating-point registers");
    else if (has.fp < has.registers)
        say(sentences, "no values of floating-point registers of %u of %u threads",
            has.registers - has.fp, has.registers);
    if (has.fp && x86 && !has.vector)
        say(sentences, "no values of the AVX registers: only x87 and SSE are in the file");
    if (subject->process.threads->len > 1 && !has.named)
        say(sentences, "no names of threads");
    if (has.signals && !subject->process.exception.valid)
        say(sentences, "no details of the signal, such as the address of a fault or its sender");
}

/* --- memory and modules --- */

typedef struct {
    guint count;
    guint64 absent;
    guint64 size;
} Lost;

static void lose(Lost *lost, const DkMapping *mapping, guint64 absent)
{
    lost->count++;
    lost->absent = dk_size_add(lost->absent, absent);
    lost->size = dk_size_add(lost->size, dk_size_of_range(mapping->first, mapping->last));
}

static gboolean is_file(const DkMapping *mapping)
{
    return mapping->path && mapping->path[0] != '[' && mapping->path[0] != '\0';
}

static void say_lost(GPtrArray *sentences, const Lost *lost, const char *before, const char *after)
{
    if (!lost->count)
        return;
    g_autofree char *absent = dk_size_text(lost->absent);
    g_autofree char *size = dk_size_text(lost->size);
    say(sentences, "%s: %s of %s in %u mapping%s %s not in the file%s", before, absent, size,
        lost->count, lost->count == 1 ? "" : "s", lost->count == 1 ? "is" : "are", after);
}

/* Memory that is mapped and not there, without a gap that says why; of code also with one. */
static void say_memory_lost(GPtrArray *sentences, const DkSubject *subject, DkSpace *space)
{
    g_autoptr(GArray) gaps = dk_gap_ranges(subject, FALSE);
    const GPtrArray *mappings = subject->process.mappings;
    Lost files = {0}, writable = {0}, code = {0};
    gboolean named = FALSE;
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        named = named || is_file(mapping);
        DkCoverage coverage = dk_coverage_of(space, mapping->first, mapping->last);
        guint64 absent = coverage.size - coverage.present;
        if (!absent)
            continue;
        gboolean told = dk_gap_ranges_touch(gaps, mapping->first, mapping->last);
        if (told && is_file(mapping) && mapping->flags & DK_MAP_EXEC)
            lose(&code, mapping, absent);
        else if (told)
            continue;
        else if (mapping->flags & DK_MAP_WRITE)
            lose(&writable, mapping, absent);
        else if (is_file(mapping))
            lose(&files, mapping, absent);
    }
    say_lost(sentences, &writable, "no values of some variables", "");
    say_lost(sentences, &files, "no content of mapped files",
             "; code and stacks need the programs and libraries themselves");
    say_lost(sentences, &code, "no code",
             "; disassembly and stacks need the programs and libraries themselves");
    if (mappings->len && !named)
        say(sentences, "no names of mapped files");
}

static void say_modules(GPtrArray *sentences, const DkSubject *subject)
{
    const GPtrArray *modules = subject->process.modules;
    static const guint8 none[16];
    guint unknown = 0, loaded = 0;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = g_ptr_array_index(modules, i);
        loaded += !module->unloaded;
        unknown += !module->unloaded && !module->build_id && !module->timestamp &&
                   memcmp(module->guid, none, sizeof none) == 0;
    }
    if (!loaded)
        say(sentences, "no list of modules, so addresses have no names");
    else if (unknown)
        say(sentences,
            "no build-id or PDB identity of %u of %u modules: whether symbols fit them cannot be "
            "proven",
            unknown, loaded);
}

/* --- process --- */

static void say_process(GPtrArray *sentences, const DkSubject *subject)
{
    const DkProcess *process = &subject->process;
    if (subject->os == DK_OS_LINUX && !process->auxv)
        say(sentences,
            "no auxiliary vector: debuggers cannot place a position-independent program");
    if (g_strcmp0(subject->origin.level, "triage") == 0)
        say(sentences, "environment and arguments: left out (level triage)");
    else if (!process->command)
        say(sentences, "no command line");
    if (subject->origin.time_us < 0)
        say(sentences, "no time at which the dump was taken");
}

GPtrArray *dk_unanswered(const DkSubject *subject, DkSpace *space)
{
    GPtrArray *sentences = g_ptr_array_new_with_free_func(g_free);
    say_gaps(sentences, subject);
    if (subject->kind == DK_SUBJECT_MACHINE)
        return sentences;
    say_threads(sentences, subject);
    say_memory_lost(sentences, subject, space);
    say_modules(sentences, subject);
    say_process(sentences, subject);
    return sentences;
}
