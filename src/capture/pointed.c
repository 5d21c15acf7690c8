/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/pointed.h"

#include <elf.h>
#include <string.h>

#include "arch/arch.h"
#include "base/bisect.h"

#define PAGE ((guint64)4096)
/* Below the stack pointer lies the red zone of the x86-64 psABI. */
#define RED_ZONE 128
/* Of one stack; deeper ones are cut at their old end. */
#define STACK_MAX ((guint64)8 << 20)
/* Of a thread: glibc's takes 2.3 KiB on x86-64. */
#define DESCRIPTOR_MAX ((guint64)4096)
/* What values may point to, in pages, for all threads together. */
#define TARGETS_MAX 16384
/* Entries of the loader's list and of a program's headers that are followed. */
#define LINKS_MAX 4096
#define PHDRS_MAX 256
/* The random bytes, or the platform's name, in front of the arguments. */
#define ENV_SKIP 16

struct DkPointed {
    DkSource *source;
    GHashTable *pages; /* of page numbers */
    GArray *sorted;    /* of guint64 */
    guint targets;
};

static void want_page(DkPointed *pointed, guint64 va)
{
    g_hash_table_add(pointed->pages, (gpointer)(guintptr)(va / PAGE));
}

static void want(DkPointed *pointed, guint64 first, guint64 last)
{
    for (guint64 page = first / PAGE; page <= last / PAGE; page++)
        g_hash_table_add(pointed->pages, (gpointer)(guintptr)page);
}

static gboolean peek(DkPointed *pointed, guint64 va, void *buf, gsize len)
{
    return dk_space_read(pointed->source->space, va, buf, len) == len;
}

/* A value that is an address of data asks for its page; code is in the program's file. */
static void want_target(DkPointed *pointed, guint64 value)
{
    const DkMapping *mapping = dk_subject_mapping_at(pointed->source->subject, value);
    if (!mapping || mapping->flags & (DK_MAP_EXEC | DK_MAP_IO) || pointed->targets >= TARGETS_MAX)
        return;
    if (!g_hash_table_contains(pointed->pages, (gpointer)(guintptr)(value / PAGE))) {
        want_page(pointed, value);
        pointed->targets++;
    }
}

/*
 * The end of a thread's stack: glibc and musl put the thread's descriptor, which the thread pointer
 * names, at its top, and the mapping may go on with other memory behind it.
 */
static guint64 stack_end(const DkMapping *mapping, guint64 sp, guint64 thread_va)
{
    guint64 last = mapping->last;
    if (thread_va > sp && thread_va < last && last - thread_va > DESCRIPTOR_MAX)
        last = ((thread_va + DESCRIPTOR_MAX) | (PAGE - 1));
    return last;
}

static void want_stack(DkPointed *pointed, guint64 sp, guint64 thread_va, gboolean with_targets)
{
    const DkMapping *mapping = dk_subject_mapping_at(pointed->source->subject, sp);
    if (!mapping)
        return;
    guint64 first = MAX(mapping->first, sp > RED_ZONE ? sp - RED_ZONE : 0) & ~(PAGE - 1);
    guint64 last = MIN(stack_end(mapping, sp, thread_va), first + STACK_MAX - 1);
    want(pointed, first, last);
    guint64 words[512];
    for (guint64 va = first; with_targets && va < last; va += sizeof words) {
        gsize got = dk_space_read(pointed->source->space, va, words, sizeof words);
        for (gsize i = 0; i < got / sizeof words[0]; i++)
            want_target(pointed, words[i]);
    }
}

static void want_threads(DkPointed *pointed, gboolean with_targets)
{
    const DkSubject *subject = pointed->source->subject;
    const DkArch *arch = dk_arch_for(subject->machine);
    for (guint i = 0; arch && i < subject->process.threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(subject->process.threads, i);
        GBytes *general = thread->regs[DK_REGSET_GENERAL];
        guint64 thread_va = 0;
        DkRegs regs = {0};
        if (!general || !dk_arch_regs_from_general(arch, general, &regs))
            continue;
        if (!dk_arch_reg_by_name(arch, general, "fs_base", &thread_va))
            thread_va = 0;
        want_stack(pointed, regs.value[arch->sp], thread_va, with_targets);
        for (guint n = 0; with_targets && n < DK_ARCH_REGS_MAX; n++) {
            if (dk_regs_has(&regs, n))
                want_target(pointed, regs.value[n]);
        }
    }
}

static guint64 auxv_value(const DkSubject *subject, guint64 type)
{
    gsize len = 0;
    const guint8 *raw = subject->process.auxv ? g_bytes_get_data(subject->process.auxv, &len)
                                              : NULL;
    for (gsize at = 0; at + 16 <= len; at += 16) {
        guint64 pair[2];
        memcpy(pair, raw + at, sizeof pair);
        if (pair[0] == type)
            return pair[1];
    }
    return 0;
}

/* The dynamic section of the program, by its headers in memory: its address and length, or 0. */
static guint64 find_dynamic(DkPointed *pointed, guint64 *len)
{
    const DkSubject *subject = pointed->source->subject;
    guint64 phdr_va = auxv_value(subject, AT_PHDR);
    guint64 count = MIN(auxv_value(subject, AT_PHNUM), PHDRS_MAX);
    guint64 bias = 0;
    for (guint pass = 0; phdr_va && pass < 2; pass++) {
        for (guint64 i = 0; i < count; i++) {
            Elf64_Phdr phdr;
            if (!peek(pointed, phdr_va + i * sizeof phdr, &phdr, sizeof phdr))
                return 0;
            if (!pass && phdr.p_type == PT_PHDR)
                bias = phdr_va - phdr.p_vaddr;
            if (pass && phdr.p_type == PT_DYNAMIC) {
                *len = MIN(phdr.p_memsz, 64 * 1024);
                return bias + phdr.p_vaddr;
            }
        }
    }
    return 0;
}

/* The loader's list of libraries (struct r_debug and link_map of <link.h>), which gdb and lldb
 * walk. */
static void want_link_map(DkPointed *pointed)
{
    guint64 len = 0;
    guint64 dynamic = find_dynamic(pointed, &len);
    guint64 debug = 0;
    want(pointed, auxv_value(pointed->source->subject, AT_PHDR),
         auxv_value(pointed->source->subject, AT_PHDR));
    for (guint64 at = 0; dynamic && at + sizeof(Elf64_Dyn) <= len; at += sizeof(Elf64_Dyn)) {
        Elf64_Dyn entry;
        if (!peek(pointed, dynamic + at, &entry, sizeof entry) || entry.d_tag == DT_NULL)
            break;
        want_page(pointed, dynamic + at);
        if (entry.d_tag == DT_DEBUG)
            debug = entry.d_un.d_ptr;
    }
    /* r_debug: int version; link_map *map at 8; brk at 16. */
    guint64 map = 0;
    if (!debug || !peek(pointed, debug + 8, &map, sizeof map))
        return;
    want(pointed, debug, debug + 40);
    for (guint i = 0; map && i < LINKS_MAX; i++) {
        /* link_map: l_addr, l_name, l_ld, l_next, l_prev. */
        guint64 link[5];
        if (!peek(pointed, map, link, sizeof link))
            return;
        want(pointed, map, map + sizeof link);
        want(pointed, link[1], link[1] + 255);
        want(pointed, link[2], link[2] + 511);
        map = link[3];
    }
}

static gint compare_pages(gconstpointer a, gconstpointer b)
{
    guint64 left = *(const guint64 *)a;
    guint64 right = *(const guint64 *)b;
    return (left > right) - (left < right);
}

DkPointed *dk_pointed_new(DkSource *source, gboolean with_targets)
{
    DkPointed *pointed = g_new0(DkPointed, 1);
    const DkSubject *subject = source->subject;
    pointed->source = source;
    pointed->pages = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < subject->process.modules->len; i++) {
        const DkModule *module = g_ptr_array_index(subject->process.modules, i);
        gboolean vdso = module->path && g_str_equal(module->path, "[vdso]");
        want(pointed, module->first, vdso ? module->last : module->first);
    }
    want_threads(pointed, with_targets);
    if (with_targets)
        want_link_map(pointed);
    pointed->sorted = g_array_new(FALSE, FALSE, sizeof(guint64));
    GHashTableIter iter;
    gpointer page;
    g_hash_table_iter_init(&iter, pointed->pages);
    while (g_hash_table_iter_next(&iter, &page, NULL)) {
        guint64 number = (guintptr)page;
        g_array_append_val(pointed->sorted, number);
    }
    g_array_sort(pointed->sorted, compare_pages);
    return pointed;
}

void dk_pointed_free(DkPointed *pointed)
{
    if (!pointed)
        return;
    g_hash_table_unref(pointed->pages);
    g_array_unref(pointed->sorted);
    g_free(pointed);
}

static gboolean page_before(gconstpointer data, gsize index, guint64 page)
{
    const GArray *pages = data;
    return g_array_index(pages, guint64, index) < page;
}

gboolean dk_pointed_next(const DkPointed *pointed, guint64 from, guint64 to, guint64 *first,
                         guint64 *last)
{
    if (from > to)
        return FALSE;
    guint low = (guint)dk_bisect(pointed->sorted->len, page_before, pointed->sorted, from / PAGE);
    if (low == pointed->sorted->len || g_array_index(pointed->sorted, guint64, low) > to / PAGE)
        return FALSE;
    guint64 page = g_array_index(pointed->sorted, guint64, low);
    *first = page * PAGE;
    while (low + 1 < pointed->sorted->len && page < to / PAGE &&
           g_array_index(pointed->sorted, guint64, low + 1) == page + 1) {
        page++;
        low++;
    }
    *last = page * PAGE + PAGE - 1;
    return TRUE;
}

/* TRUE for a module's header: content of its file, by which debuggers know which one it is. */
static gboolean is_file_content(const DkSubject *subject, guint64 va)
{
    const DkMapping *mapping = va ? dk_subject_mapping_at(subject, va) : NULL;
    return mapping && !(mapping->flags & DK_MAP_WRITE) &&
           (mapping->inode || (mapping->path && g_str_equal(mapping->path, "[vdso]")));
}

void dk_pointed_blank(const DkSubject *subject, guint64 va, guint8 *bytes, gsize len)
{
    const guint64 blank = DK_BLANK_WORD;
    const DkMapping *recent = NULL;
    gboolean keep = FALSE;
    for (gsize at = 0; at + 8 <= len; at += 8) {
        guint64 word;
        if (!at || !((va + at) % PAGE))
            keep = is_file_content(subject, va + at);
        memcpy(&word, bytes + at, sizeof word);
        if (keep || (recent && word >= recent->first && word <= recent->last))
            continue;
        const DkMapping *mapping = word ? dk_subject_mapping_at(subject, word) : NULL;
        if (mapping)
            recent = mapping;
        else if (word)
            memcpy(bytes + at, &blank, sizeof blank);
    }
}

gboolean dk_pointed_environment(const DkSubject *subject, guint64 *first, guint64 *end)
{
    /* From below: platform's name and random bytes, arguments, environment, the program's name. */
    guint64 below = MAX(auxv_value(subject, AT_RANDOM), auxv_value(subject, AT_PLATFORM));
    *end = auxv_value(subject, AT_EXECFN);
    if (!below || below > G_MAXUINT64 - ENV_SKIP || below + ENV_SKIP >= *end)
        return FALSE;
    *first = below + ENV_SKIP;
    return TRUE;
}

void dk_pointed_blank_environment(const DkSubject *subject, guint64 va, guint8 *bytes, gsize len)
{
    guint64 first;
    guint64 end;
    if (!dk_pointed_environment(subject, &first, &end))
        return;
    guint64 begin = MAX(va, first);
    if (begin < end && va < end && begin - va < len)
        memset(bytes + (begin - va), 0, (gsize)(MIN(end - va, (guint64)len) - (begin - va)));
}

void dk_pointed_blank_registers(DkSubject *subject)
{
    for (guint i = 0; i < subject->process.threads->len; i++) {
        DkThread *thread = g_ptr_array_index(subject->process.threads, i);
        GBytes *general = thread->regs[DK_REGSET_GENERAL];
        const DkArch *arch = dk_arch_for(subject->machine);
        g_clear_pointer(&thread->regs[DK_REGSET_FP], g_bytes_unref);
        g_clear_pointer(&thread->regs[DK_REGSET_XSTATE], g_bytes_unref);
        g_clear_pointer(&thread->regs[DK_REGSET_FXSAVE], g_bytes_unref);
        if (!general || !arch)
            continue;
        gsize len = g_bytes_get_size(general);
        guint8 *copy = g_memdup2(g_bytes_get_data(general, NULL), len);
        for (guint n = 0; n < arch->nnames; n++) {
            /* Segments, flags and the like have no DWARF number and hold nothing of the program. */
            const DkRegName *name = &arch->names[n];
            if (name->dwarf >= 0 && name->size == 8 && name->off + 8U <= len)
                dk_pointed_blank(subject, 0, copy + name->off, 8);
        }
        g_bytes_unref(general);
        thread->regs[DK_REGSET_GENERAL] = g_bytes_new_take(copy, len);
    }
}
