/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/process/link-map.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"

/* Above what any program has; a damaged dump cannot make us loop for longer. */
#define PHDRS_MAX 512
#define DYNAMIC_MAX 1024
#define MODULES_MAX 16384
#define NAME_MAX_BYTES 4096

/* A reader of the target's words. */
typedef struct {
    DkSubject *subject;
    DkSpace *space;
    gboolean wide; /* 64 bits */
} Memory;

/* Where an ELF image lies in memory. */
typedef struct {
    guint64 bias;
    guint64 first; /* both inside, whole pages */
    guint64 last;
    guint64 dynamic_va; /* 0: none */
} Image;

static gsize word_size(const Memory *memory)
{
    return memory->wide ? 8 : 4;
}

static gboolean take_word(const Memory *memory, DkCursor *cursor, const char *field, guint64 *value)
{
    if (memory->wide)
        return dk_cursor_u64(cursor, field, value, NULL);
    guint32 small;
    if (!dk_cursor_u32(cursor, field, &small, NULL))
        return FALSE;
    *value = small;
    return TRUE;
}

gboolean dk_auxv_find(const DkSubject *subject, guint64 type, guint64 *value)
{
    if (!subject->process.auxv)
        return FALSE;
    Memory memory = {.wide = dk_machine_pointer_size(subject->machine) == 8};
    gsize len;
    const void *data = g_bytes_get_data(subject->process.auxv, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "auxiliary vector");
    guint64 key, found;
    while (take_word(&memory, &cursor, "a_type", &key) &&
           take_word(&memory, &cursor, "a_val", &found)) {
        if (key == AT_NULL)
            break;
        if (key == type) {
            *value = found;
            return TRUE;
        }
    }
    return FALSE;
}

/* One program header, in either class (System V gABI, chapter 5). */
static gboolean take_phdr(const Memory *memory, DkCursor *cursor, guint32 *type, guint64 *vaddr,
                          guint64 *memsz)
{
    guint32 flags;
    guint64 skip;
    if (!dk_cursor_u32(cursor, "p_type", type, NULL))
        return FALSE;
    if (memory->wide && !dk_cursor_u32(cursor, "p_flags", &flags, NULL))
        return FALSE;
    if (!take_word(memory, cursor, "p_offset", &skip) ||
        !take_word(memory, cursor, "p_vaddr", vaddr) ||
        !take_word(memory, cursor, "p_paddr", &skip) ||
        !take_word(memory, cursor, "p_filesz", &skip) ||
        !take_word(memory, cursor, "p_memsz", memsz))
        return FALSE;
    if (!memory->wide && !dk_cursor_u32(cursor, "p_flags", &flags, NULL))
        return FALSE;
    return take_word(memory, cursor, "p_align", &skip);
}

/*
 * Reads count program headers at phdr_va.  With bias_known the image's bias is *image->bias, else
 * it is found from PT_PHDR.
 */
static gboolean read_phdrs(const Memory *memory, guint64 phdr_va, guint64 count,
                           gboolean bias_known, Image *image)
{
    gsize entry = memory->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (!count || count > PHDRS_MAX)
        return FALSE;
    g_autofree guint8 *data = g_malloc(entry * count);
    if (!dk_space_read_all(memory->space, phdr_va, data, entry * count, NULL))
        return FALSE;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, entry * count, 0, "program headers");
    guint64 low = G_MAXUINT64, high = 0, dynamic = 0;
    guint64 page = MAX(memory->subject->page_size, 1);
    gboolean has_dynamic = FALSE;
    guint32 type;
    guint64 vaddr, memsz;
    while (take_phdr(memory, &cursor, &type, &vaddr, &memsz)) {
        if (type == PT_LOAD && memsz) {
            low = MIN(low, vaddr);
            high = MAX(high, vaddr + (memsz - 1));
        } else if (type == PT_DYNAMIC) {
            dynamic = vaddr;
            has_dynamic = TRUE;
        } else if (type == PT_PHDR && !bias_known) {
            image->bias = phdr_va - vaddr;
            bias_known = TRUE;
        }
    }
    if (low > high)
        return FALSE;
    if (!bias_known)
        image->bias = phdr_va >= low && phdr_va <= high ? 0 : phdr_va / page * page - low;
    image->first = (image->bias + low) / page * page;
    image->last = (image->bias + high) / page * page + (page - 1);
    image->dynamic_va = has_dynamic ? image->bias + dynamic : 0;
    if (!memory->wide) {
        image->first &= G_MAXUINT32;
        image->last &= G_MAXUINT32;
        image->dynamic_va &= G_MAXUINT32;
    }
    return image->first <= image->last;
}

/* The image whose ELF header stands at base_va. */
static gboolean read_header(const Memory *memory, guint64 base_va, Image *image)
{
    guint8 data[sizeof(Elf64_Ehdr)];
    gsize size = memory->wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    if (!dk_space_read_all(memory->space, base_va, data, size, NULL) ||
        memcmp(data, ELFMAG, SELFMAG) != 0 ||
        data[EI_CLASS] != (memory->wide ? ELFCLASS64 : ELFCLASS32))
        return FALSE;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, size, 0, "ELF header");
    guint64 phoff, skip;
    guint16 entry, count, ehsize;
    guint32 flags;
    /* e_phoff stands behind e_ident, e_type, e_machine, e_version and e_entry. */
    if (!dk_cursor_seek(&cursor, "e_entry", EI_NIDENT + 8, NULL) ||
        !take_word(memory, &cursor, "e_entry", &skip) ||
        !take_word(memory, &cursor, "e_phoff", &phoff) ||
        !take_word(memory, &cursor, "e_shoff", &skip) ||
        !dk_cursor_u32(&cursor, "e_flags", &flags, NULL) ||
        !dk_cursor_u16(&cursor, "e_ehsize", &ehsize, NULL) ||
        !dk_cursor_u16(&cursor, "e_phentsize", &entry, NULL) ||
        !dk_cursor_u16(&cursor, "e_phnum", &count, NULL))
        return FALSE;
    if (entry != (memory->wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)))
        return FALSE;
    image->bias = base_va;
    if (!read_phdrs(memory, base_va + phoff, count, TRUE, image))
        return FALSE;
    /* A library that was linked at an address has that in its headers already. */
    if (image->first != base_va) {
        guint64 moved = image->first - base_va;
        image->first -= moved;
        image->last -= moved;
        image->dynamic_va -= image->dynamic_va ? moved : 0;
    }
    return image->first <= image->last;
}

static void add_module(const Memory *memory, const Image *image, const char *path)
{
    const GPtrArray *modules = memory->subject->process.modules;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *known = modules->pdata[i];
        if (!known->unloaded && known->first <= image->last && image->first <= known->last)
            return;
    }
    if (modules->len >= MODULES_MAX)
        return;
    DkModule *module = dk_subject_add_module(memory->subject, image->first, image->last);
    module->path = g_strdup(path);
}

static gboolean read_words(const Memory *memory, guint64 va, guint64 *words, guint count)
{
    guint8 data[8 * 8];
    gsize size = word_size(memory) * count;
    g_assert(size <= sizeof data);
    if (!dk_space_read_all(memory->space, va, data, size, NULL))
        return FALSE;
    DkCursor cursor;
    dk_cursor_init(&cursor, data, size, 0, "words");
    for (guint i = 0; i < count; i++) {
        if (!take_word(memory, &cursor, "word", &words[i]))
            return FALSE;
    }
    return TRUE;
}

/* The first link_map, by DT_DEBUG of the program; 0 when there is none. */
static guint64 first_link_map(const Memory *memory, guint64 dynamic_va)
{
    for (guint i = 0; dynamic_va && i < DYNAMIC_MAX; i++) {
        guint64 entry[2];
        if (!read_words(memory, dynamic_va + i * 2 * word_size(memory), entry, 2) ||
            entry[0] == DT_NULL)
            return 0;
        if (entry[0] != DT_DEBUG)
            continue;
        guint64 debug[2]; /* r_version, r_map */
        return entry[1] && read_words(memory, entry[1], debug, 2) ? debug[1] : 0;
    }
    return 0;
}

/* A library whose header is not in the dump: what lies around its dynamic section. */
static gboolean image_by_mapping(const Memory *memory, guint64 base_va, guint64 dynamic_va,
                                 Image *image)
{
    const DkMapping *mapping = dk_subject_mapping_at(memory->subject, dynamic_va);
    if (!mapping || base_va > mapping->last)
        return FALSE;
    *image = (Image){.bias = base_va, .first = base_va, .last = mapping->last};
    if (!base_va)
        image->first = mapping->first;
    return TRUE;
}

static void walk_link_map(const Memory *memory, guint64 map_va, const Image *program)
{
    for (guint i = 0; map_va && i < MODULES_MAX; i++) {
        guint64 map[4]; /* l_addr, l_name, l_ld, l_next */
        if (!read_words(memory, map_va, map, 4))
            return;
        map_va = map[3];
        Image image;
        if (map[2] == program->dynamic_va)
            continue;
        if (!read_header(memory, map[0], &image) &&
            !image_by_mapping(memory, map[0], map[2], &image))
            continue;
        g_autofree char *name = dk_space_read_string(memory->space, map[1], NAME_MAX_BYTES);
        add_module(memory, &image, name && *name ? name : NULL);
    }
}

static void add_at(const Memory *memory, guint64 auxv_type, const char *path)
{
    guint64 base_va;
    Image image;
    if (dk_auxv_find(memory->subject, auxv_type, &base_va) && base_va &&
        read_header(memory, base_va, &image))
        add_module(memory, &image, path);
}

void dk_link_map_add_modules(DkSubject *subject, DkSpace *space)
{
    if (subject->kind != DK_SUBJECT_PROCESS || !space)
        return;
    Memory memory = {
        .subject = subject,
        .space = space,
        .wide = dk_machine_pointer_size(subject->machine) == 8,
    };
    guint64 phdr_va, count;
    Image program = {0};
    if (!subject->process.modules->len && dk_auxv_find(subject, AT_PHDR, &phdr_va) &&
        dk_auxv_find(subject, AT_PHNUM, &count) &&
        read_phdrs(&memory, phdr_va, count, FALSE, &program)) {
        add_module(&memory, &program, subject->process.exe);
        walk_link_map(&memory, first_link_map(&memory, program.dynamic_va), &program);
        add_at(&memory, AT_BASE, NULL);
    }
    add_at(&memory, AT_SYSINFO_EHDR, "[vdso]");
    dk_subject_sort(subject);
}
