/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* !address: the mappings of the process, and what of them the dump holds. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

/* A stretch of addresses: a mapping, or memory of the dump that no mapping describes. */
typedef struct {
    guint64 first;
    guint64 last;
    const DkMapping *mapping; /* NULL: not described */
} Region;

/* "rwxs" as /proc/PID/maps has it. */
static void protection(const DkMapping *mapping, char text[5])
{
    guint32 flags = mapping ? mapping->flags : 0;
    text[0] = flags & DK_MAP_READ ? 'r' : '-';
    text[1] = flags & DK_MAP_WRITE ? 'w' : '-';
    text[2] = flags & DK_MAP_EXEC ? 'x' : '-';
    text[3] = flags & DK_MAP_SHARED ? 's' : 'p';
    text[4] = 0;
    if (!mapping)
        memset(text, '?', 4);
}

/* Bytes of first..last that can be read. */
static guint64 bytes_held(DkSpace *space, guint64 first, guint64 last)
{
    DkRun run;
    guint64 from = first, sum = 0;
    while (from <= last && dk_space_next_run(space, from, &run) && run.first <= last) {
        guint64 low = MAX(run.first, from), high = MIN(run.last, last);
        if (dk_console_readable(&run))
            sum += high - low + 1;
        if (run.last >= last)
            break;
        from = run.last + 1;
    }
    return sum;
}

/* What the region is for: its own name, else a module, a stack, a heap. */
static char *usage_of(DkTarget *target, const Region *region)
{
    if (region->mapping && region->mapping->path)
        return g_strdup(region->mapping->path);
    const DkModule *module = dk_target_module_at(target, region->first);
    if (module)
        return g_strdup(dk_target_module_name(target, module));
    const DkArch *arch = dk_target_arch(target);
    for (guint i = 0; arch && i < dk_target_nthreads(target); i++) {
        DkRegs regs = {0};
        if (!dk_target_regs(target, i, &regs, NULL) || !dk_regs_has(&regs, arch->sp))
            continue;
        guint64 sp = regs.value[arch->sp];
        if (sp >= region->first && sp <= region->last)
            return g_strdup_printf("stack of thread %u (tid %u)", i,
                                   dk_target_thread(target, i)->tid);
    }
    return g_strdup("");
}

static const char *kind_of(const Region *region)
{
    if (!region->mapping)
        return "unknown";
    if (region->mapping->flags & DK_MAP_IO)
        return "device";
    if (region->mapping->flags & DK_MAP_ANON)
        return "private";
    return region->mapping->flags & DK_MAP_SHARED ? "shared" : "mapped";
}

/* "all", "none", "part": how much of the region is in the dump. */
static const char *held_word(const Region *region, guint64 held)
{
    guint64 size = region->last - region->first + 1;
    return !held ? "none" : held == size ? "all" : "part";
}

static void json_region(DkTarget *target, const Region *region, guint64 held, const char *usage,
                        DkOut *out)
{
    char prot[5];
    protection(region->mapping, prot);
    dk_out_hex(out, "start", region->first);
    dk_out_hex(out, "end", region->last + 1);
    dk_out_hex(out, "size", region->last - region->first + 1);
    dk_out_string(out, "protection", region->mapping ? prot : NULL);
    dk_out_string(out, "type", kind_of(region));
    dk_out_hex(out, "in_dump", held);
    dk_out_string(out, "usage", *usage ? usage : NULL);
}

/* The regions in order: mappings, and runs of the dump between them. */
static GArray *regions_of(DkTarget *target)
{
    GArray *regions = g_array_new(FALSE, FALSE, sizeof(Region));
    const GPtrArray *mappings = dk_target_subject(target)->process.mappings;
    guint at = 0;
    guint64 from = 0;
    DkRun run;
    gboolean more = dk_space_next_run(dk_target_space(target), 0, &run);
    while (more || at < mappings->len) {
        const DkMapping *mapping = at < mappings->len ? mappings->pdata[at] : NULL;
        guint64 low = more ? MAX(run.first, from) : G_MAXUINT64;
        if (mapping && (!more || mapping->first <= low)) {
            Region region = {mapping->first, mapping->last, mapping};
            g_array_append_val(regions, region);
            at++;
            from = MAX(from, mapping->last);
            if (from == G_MAXUINT64)
                break;
            from++;
        } else {
            guint64 high = mapping ? MIN(run.last, mapping->first - 1) : run.last;
            if (dk_console_readable(&run)) {
                Region region = {low, high, NULL};
                g_array_append_val(regions, region);
            }
            if (high == G_MAXUINT64)
                break;
            from = high + 1;
        }
        more = more && dk_space_next_run(dk_target_space(target), from, &run);
    }
    return regions;
}

static gboolean table(DkConsole *console, DkOut *out, GError **error)
{
    DkTarget *target = console->target;
    g_autoptr(GArray) regions = regions_of(target);
    int width = dk_target_pointer_size(target) == 4 ? 8 : 17;
    dk_out_text(out, "  %*s %*s %*s Prot Type    InDump Usage\n", width, "BaseAddress", width,
                "EndAddress+1", width, "RegionSize");
    for (int i = 0; i < 3 * width + 32; i++)
        dk_out_text(out, "-");
    dk_out_text(out, "\n");
    gboolean ok = TRUE;
    dk_out_begin_array(out, "regions");
    for (guint i = 0; ok && i < regions->len; i++) {
        const Region *region = &g_array_index(regions, Region, i);
        guint64 held = bytes_held(dk_target_space(target), region->first, region->last);
        g_autofree char *usage = usage_of(target, region);
        g_autofree char *clean = dk_out_clean(usage);
        g_autofree char *first = dk_target_format_va(target, region->first);
        g_autofree char *end = dk_target_format_va(target, region->last + 1);
        g_autofree char *size = dk_target_format_va(target, region->last - region->first + 1);
        char prot[5];
        protection(region->mapping, prot);
        dk_out_text(out, "+ %s %s %s %s %-7s %-6s %s\n", first, end, size, prot, kind_of(region),
                    held_word(region, held), clean);
        dk_out_begin_object(out, NULL);
        json_region(target, region, held, usage, out);
        dk_out_end(out);
        ok = dk_console_tick(console, error);
    }
    dk_out_end(out);
    return ok;
}

/* The region around va; FALSE when neither mapping nor dump has it. */
static gboolean region_at(DkTarget *target, guint64 va, Region *region)
{
    const DkMapping *mapping = dk_subject_mapping_at(dk_target_subject(target), va);
    if (mapping) {
        *region = (Region){mapping->first, mapping->last, mapping};
        return TRUE;
    }
    DkRun run;
    if (!dk_space_next_run(dk_target_space(target), va, &run) || run.first > va ||
        !dk_console_readable(&run))
        return FALSE;
    *region = (Region){run.first, run.last, NULL};
    return TRUE;
}

static const struct {
    guint32 flag;
    const char *word;
} flag_words[] = {
    {DK_MAP_DONTDUMP, "MADV_DONTDUMP"},     {DK_MAP_DONTFORK, "MADV_DONTFORK"},
    {DK_MAP_WIPEONFORK, "MADV_WIPEONFORK"}, {DK_MAP_IO, "device memory"},
    {DK_MAP_HUGETLB, "huge pages"},         {DK_MAP_DELETED, "deleted file"},
};

static void mapping_details(const DkMapping *mapping, DkOut *out)
{
    g_autoptr(GString) words = g_string_new(NULL);
    dk_out_begin_array(out, "flags");
    for (gsize i = 0; i < G_N_ELEMENTS(flag_words); i++) {
        if (!(mapping->flags & flag_words[i].flag))
            continue;
        g_string_append_printf(words, "%s%s", words->len ? ", " : "", flag_words[i].word);
        dk_out_string(out, NULL, flag_words[i].word);
    }
    dk_out_end(out);
    if (words->len)
        dk_out_text(out, "Flags:                  %s\n", words->str);
    if (mapping->path && !(mapping->flags & DK_MAP_ANON)) {
        dk_out_text(out, "File Offset:            0x%" G_GINT64_MODIFIER "x\n",
                    mapping->file_offset);
        dk_out_hex(out, "file_offset", mapping->file_offset);
    }
}

/* Reasons that the dump itself gives for what it lacks here. */
static void gaps_at(DkTarget *target, guint64 va, DkOut *out)
{
    const GPtrArray *gaps = dk_target_subject(target)->gaps;
    dk_out_begin_array(out, "gaps");
    for (guint i = 0; i < gaps->len; i++) {
        const DkGap *gap = gaps->pdata[i];
        if (gap->first > va || gap->last < va)
            continue;
        g_autofree char *why = dk_out_clean(gap->why);
        dk_out_text(out, "Missing:                %s\n", why);
        dk_out_string(out, NULL, gap->why);
    }
    dk_out_end(out);
}

static gboolean one(DkConsole *console, guint64 va, DkOut *out, GError **error)
{
    DkTarget *target = console->target;
    Region region;
    if (!region_at(target, va, &region)) {
        g_set_error(error, DK_ERROR, DK_ERROR_FAULT,
                    "0x%" G_GINT64_MODIFIER "x is in no mapping that the dump describes", va);
        return FALSE;
    }
    guint64 held = bytes_held(dk_target_space(target), region.first, region.last);
    guint64 size = region.last - region.first + 1;
    g_autofree char *usage = usage_of(target, &region);
    g_autofree char *clean = dk_out_clean(usage);
    g_autofree char *first = dk_target_format_va(target, region.first);
    g_autofree char *end = dk_target_format_va(target, region.last + 1);
    g_autofree char *length = dk_target_format_va(target, size);
    g_autofree char *human = g_format_size_full(size, G_FORMAT_SIZE_IEC_UNITS);
    g_autofree char *human_held = g_format_size_full(held, G_FORMAT_SIZE_IEC_UNITS);
    char prot[5];
    protection(region.mapping, prot);
    dk_out_text(out, "Usage:                  %s\n", clean);
    dk_out_text(out, "Base Address:           %s\n", first);
    dk_out_text(out, "End Address:            %s\n", end);
    dk_out_text(out, "Region Size:            %s (%s)\n", length, human);
    dk_out_text(out, "Protect:                %s\n", prot);
    dk_out_text(out, "Type:                   %s\n", kind_of(&region));
    dk_out_text(out, "In Dump:                %s (%s)\n", held_word(&region, held), human_held);
    json_region(target, &region, held, usage, out);
    const DkModule *module = dk_target_module_at(target, va);
    if (module) {
        const char *name = dk_target_module_name(target, module);
        dk_out_text(out, "Module:                 %s\n", name);
        dk_out_string(out, "module", name);
    }
    if (region.mapping)
        mapping_details(region.mapping, out);
    gaps_at(target, va, out);
    return TRUE;
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    return args[0].given ? one(console, dk_console_va(console, args[0].value), out, error)
                         : table(console, out, error);
}

static const DkArg args[] = {
    {"[ADDRESS]", DK_ARG_EXPRESSION, FALSE, "the one region that holds it"},
    {NULL},
};

const DkCommand dk_command_address = {
    .name = "!address",
    .summary = "show the memory map",
    .help =
        "Each mapping with its protection (as /proc/PID/maps has it), what it is for, and whether\n"
        "the dump holds all, part or none of it.  With an address the region around it in full,\n"
        "and why the dump lacks it if it says so.\n"
        "\n"
        "Example: !address; !address @rsp",
    .args = args,
    .needs = DK_NEEDS_TARGET,
    .run = run,
};
