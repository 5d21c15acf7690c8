/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/machine-look.h"

#include <string.h>

#include "arch/arch.h"
#include "base/progress.h"
#include "base/size.h"

/* Memory that is read to find a kernel without help, unless deep. */
#define SEARCH_MAX ((guint64)1 << 30)
/* Pages whose content is looked at. */
#define SAMPLES 512u
#define SAMPLES_DEEP 8192u
#define PAGE_SIZE ((gsize)4096)
/* Fewer sampled pages prove nothing. */
#define SAMPLES_NEEDED 16u

/* --- share of RAM --- */

static void add_run(DkRamShare *share, DkRunKind kind, guint64 size)
{
    guint64 *sum = &share->missing;
    if (kind == DK_RUN_DATA || kind == DK_RUN_FILE)
        sum = &share->data;
    else if (kind == DK_RUN_ZERO)
        sum = &share->zero;
    else if (kind == DK_RUN_FILTERED)
        sum = &share->filtered;
    *sum = dk_size_add(*sum, size);
}

static void add_range(DkRamShare *share, DkSpace *space, guint64 first, guint64 last,
                      gboolean holes_count)
{
    guint64 behind = 0; /* address behind the last piece that is there; 0: none */
    guint64 addr = first;
    DkRun run;
    while (dk_space_next_run(space, addr, &run) && run.first <= last) {
        guint64 from = MAX(run.first, addr);
        guint64 to = MIN(run.last, last);
        if (from > addr && holes_count)
            add_run(share, DK_RUN_ABSENT, from - addr);
        add_run(share, run.kind, dk_size_of_range(from, to));
        if (run.kind <= DK_RUN_FILE) {
            share->runs += !behind || behind != from;
            behind = to + 1;
        }
        if (to == last)
            return;
        addr = to + 1;
    }
    if (holes_count)
        add_run(share, DK_RUN_ABSENT, dk_size_of_range(addr, last));
}

DkRamShare dk_ram_share_of(const DkMachine *machine, DkSpace *space)
{
    DkRamShare share = {.known = machine->ram->len > 0};
    if (!share.known) {
        add_range(&share, space, 0, G_MAXUINT64, FALSE);
        share.ram = dk_size_add(dk_size_add(share.data, share.zero),
                                dk_size_add(share.filtered, share.missing));
        return share;
    }
    for (guint i = 0; i < machine->ram->len; i++) {
        const DkRamRange *range = &g_array_index(machine->ram, DkRamRange, i);
        add_range(&share, space, range->first, range->last, TRUE);
    }
    share.ram = dk_machine_ram_size(machine);
    return share;
}

static void append_share(GString *text, guint64 part, guint64 whole, const char *what)
{
    if (!part)
        return;
    double percent = whole ? 100.0 * (double)part / (double)whole : 0;
    g_string_append(text, text->str[text->len - 1] == ':' ? " " : ", ");
    /* What is there at all is never 0, and what is not all is never 100. */
    if (percent < 0.1)
        g_string_append(text, "less than 0.1");
    else if (part < whole && percent > 99.9)
        g_string_append(text, "more than 99.9");
    else
        g_string_append_printf(text, percent == 100.0 ? "%.0f" : "%.1f", percent);
    g_string_append_printf(text, " %% %s", what);
}

char *dk_ram_share_text(const DkRamShare *share)
{
    g_autofree char *size = dk_size_text(share->ram);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s %s:", share->known ? "RAM" : "memory", size);
    append_share(text, share->data, share->ram, "data");
    append_share(text, share->zero, share->ram, "zero");
    append_share(text, share->filtered, share->ram, "left out on purpose");
    append_share(text, share->missing, share->ram, "missing");
    if (!share->ram)
        g_string_append(text, " none");
    return g_string_free(text, FALSE);
}

/* --- kernels --- */

static gboolean look_for_linux(DkMachineLook *look, const DkSubject *subject, DkSpace *space,
                               gboolean deep, DkProgress *progress, GError **error)
{
    guint64 limit = deep ? 0 : SEARCH_MAX;
    g_autoptr(GBytes) text = NULL;
    g_autoptr(GError) local = NULL;
    look->vmcoreinfo_in_file = subject->system.vmcoreinfo != NULL;
    look->searched_all = deep || look->share.data <= SEARCH_MAX;
    if (look->vmcoreinfo_in_file)
        text = g_bytes_ref(subject->system.vmcoreinfo);
    else
        text = dk_vmcoreinfo_find(space, limit, progress, NULL);
    if (text && !(look->vmcoreinfo = dk_vmcoreinfo_parse(text, &local)))
        look->vmcoreinfo_error = g_strdup(local->message);
    g_clear_error(&local);
    if (look->vmcoreinfo) {
        look->linux_kernel = dk_linux_kernel_new(space, look->vmcoreinfo, &subject->system, &local);
        if (look->linux_kernel) {
            look->linux_in_place = dk_linux_kernel_is_in_place(look->linux_kernel);
            look->banner = dk_linux_kernel_banner(look->linux_kernel);
        } else {
            look->linux_error = g_strdup(local->message);
        }
    } else {
        look->banner = dk_linux_banner_find(space, 0, G_MAXUINT64, limit, NULL, progress, NULL);
    }
    return dk_progress_tick(progress, 0, 0, error);
}

/* The root that a header names says nothing of its kind: the kernel has to show itself in one. */
static gboolean look_for_nt(DkMachineLook *look, const DkSubject *subject, DkSpace *space)
{
    const DkMachine *machine = &subject->system;
    const DkArch *arch = dk_arch_for(subject->machine == DK_MACHINE_UNKNOWN ? DK_MACHINE_X86_64
                                                                            : subject->machine);
    DkPageTables tables;
    for (guint i = 0; i < machine->cpus->len; i++) {
        const DkCpu *cpu = g_ptr_array_index(machine->cpus, i);
        if (dk_page_tables_of_cpu(cpu, subject->machine, &tables) &&
            dk_nt_kernel_recognise(space, &tables, &look->nt))
            return TRUE;
    }
    for (guint i = 0; machine->page_root && arch && arch->pagings[i]; i++) {
        tables = (DkPageTables){.paging = arch->pagings[i],
                                .root = machine->page_root,
                                .root_high = machine->page_root};
        if (dk_nt_kernel_recognise(space, &tables, &look->nt))
            return TRUE;
    }
    return FALSE;
}

gboolean dk_machine_look_tables(const DkSubject *subject, const DkMachineLook *look,
                                DkPageTables *tables)
{
    const DkMachine *machine = &subject->system;
    for (guint i = 0; i < machine->cpus->len; i++) {
        if (dk_page_tables_of_cpu(g_ptr_array_index(machine->cpus, i), subject->machine, tables))
            return TRUE;
    }
    if (look->linux_kernel) {
        *tables = *dk_linux_kernel_tables(look->linux_kernel);
        return TRUE;
    }
    return FALSE;
}

/* --- ciphertext --- */

/*
 * Whether the bytes of a page are spread as random ones are: the sum of squared differences from
 * the mean, over the mean, is 255 +- 23 for those (chi-square, 255 degrees of freedom).
 */
static gboolean is_random(const guint8 *page)
{
    guint count[256] = {0};
    guint64 sum = 0;
    for (gsize i = 0; i < PAGE_SIZE; i++)
        count[page[i]]++;
    for (guint i = 0; i < 256; i++) {
        gint64 difference = (gint64)count[i] - (gint64)(PAGE_SIZE / 256);
        sum += (guint64)(difference * difference);
    }
    return sum / (PAGE_SIZE / 256) < 400;
}

static gboolean is_uniform(const guint8 *page)
{
    return memcmp(page, page + 1, PAGE_SIZE - 1) == 0;
}

static void sample(DkMachineLook *look, DkSpace *space, guint64 addr)
{
    guint8 page[PAGE_SIZE];
    if (dk_space_read(space, addr, page, sizeof page) != sizeof page || is_uniform(page))
        return;
    look->sampled++;
    look->random += is_random(page);
}

/* Pages that are as far from each other as lets the wanted number of them stand in the data. */
static gboolean look_at_content(DkMachineLook *look, DkSpace *space, gboolean deep,
                                DkProgress *progress, GError **error)
{
    guint64 pages = look->share.data / PAGE_SIZE;
    guint64 step = MAX(pages / (deep ? SAMPLES_DEEP : SAMPLES), 1);
    guint64 skip = 0; /* pages of data until the next sample */
    guint64 addr = 0;
    DkRun run;
    while (dk_space_next_run(space, addr, &run)) {
        guint64 first = MAX(run.first, addr);
        guint64 count = dk_size_of_range(first, run.last) / PAGE_SIZE;
        if (run.kind != DK_RUN_DATA)
            count = 0;
        while (skip < count) {
            sample(look, space, first + skip * PAGE_SIZE);
            if (!dk_progress_tick(progress, 0, 0, error))
                return FALSE;
            skip += step;
        }
        skip -= count;
        if (run.last == G_MAXUINT64)
            break;
        addr = run.last + 1;
    }
    return TRUE;
}

void dk_machine_look_free(DkMachineLook *look)
{
    if (!look)
        return;
    dk_vmcoreinfo_free(look->vmcoreinfo);
    dk_linux_kernel_free(look->linux_kernel);
    g_free(look->vmcoreinfo_error);
    g_free(look->linux_error);
    g_free(look->banner);
    g_free(look);
}

DkMachineLook *dk_machine_look(const DkSubject *subject, DkSpace *space, gboolean deep,
                               DkProgress *progress, GError **error)
{
    g_autoptr(DkMachineLook) look = g_new0(DkMachineLook, 1);
    look->share = dk_ram_share_of(&subject->system, space);
    look->nt_valid = look_for_nt(look, subject, space);
    /* A guest of Windows may hold Linux somewhere; the machine itself is what its tables say. */
    if (!look->nt_valid && subject->os != DK_OS_WINDOWS &&
        !look_for_linux(look, subject, space, deep, progress, error))
        return NULL;
    if (!look_at_content(look, space, deep, progress, error))
        return NULL;
    look->is_ciphertext = look->sampled >= SAMPLES_NEEDED &&
                          look->random >= look->sampled - look->sampled / 20 && !look->nt_valid &&
                          !look->linux_in_place && !look->banner;
    return g_steal_pointer(&look);
}
