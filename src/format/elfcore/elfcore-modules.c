/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Mappings from PT_LOAD and NT_FILE, and modules from the mappings. */
#include <string.h>

#include "format/elfcore/elfcore-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* Of the program headers of a module in memory, and of its notes. */
#define MODULE_SEGMENTS_MAX 256
#define MODULE_NOTES_MAX 65536
#define MODULE_NOTE_SEGMENTS_MAX 8
#define MODULE_BUILD_ID_MAX 64

void dk_elfcore_auxv_take(DkElfcore *core)
{
    DkSubject *subject = core->source.subject;
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        if (note->type != NT_AUXV || !dk_elfcore_note_is_linux(note))
            continue;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) content = dk_elfcore_note_read(core, note, DK_ELFCORE_REGSET_MAX, &error);
        if (!content) {
            dk_elfcore_damage(core, "data", "NT_AUXV: %s", error->message);
            return;
        }
        gsize len;
        const void *data = g_bytes_get_data(content, &len);
        DkElfcoreFields fields;
        dk_elfcore_fields_init(&fields, core, data, len, note->off, "NT_AUXV");
        while (dk_cursor_left(&fields.cursor) >= 2 * (gsize)fields.word) {
            guint64 type = dk_elfcore_uword(&fields, "a_type");
            guint64 value = dk_elfcore_uword(&fields, "a_val");
            if (type == AT_NULL)
                break;
            if (type == AT_ENTRY)
                core->aux_entry = value;
            else if (type == AT_EXECFN)
                core->aux_execfn = value;
            else if (type == AT_RANDOM)
                core->aux_random = value;
            else if (type == AT_SYSINFO_EHDR)
                core->aux_vdso = value;
            else if (type == AT_PAGESZ && value >= 1024 && value <= ((guint64)1 << 24) &&
                     !(value & (value - 1)))
                subject->page_size = (guint)value;
        }
        /* In the layout of a machine that nobody behind us knows it would be misread. */
        if (core->machine && !subject->process.auxv)
            subject->process.auxv = g_steal_pointer(&content);
        return;
    }
}

static gint compare_files(gconstpointer a, gconstpointer b)
{
    const DkElfcoreFile *left = a;
    const DkElfcoreFile *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

static void parse_files(DkElfcore *core, const DkElfcoreNote *note, GBytes *content)
{
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    DkElfcoreFields lines;
    dk_elfcore_fields_init(&lines, core, data, len, note->off, "NT_FILE");
    guint64 count = dk_elfcore_uword(&lines, "count");
    guint64 unit = dk_elfcore_uword(&lines, "page_size");
    gsize line = 3 * (gsize)lines.word;
    if (lines.failed || count > dk_cursor_left(&lines.cursor) / line) {
        dk_elfcore_damage(core, "mapping",
                          "the NT_FILE at offset " HEX " says %" G_GUINT64_FORMAT
                          " files, which do not fit into its %" G_GSIZE_FORMAT " bytes",
                          note->off, count, len);
        return;
    }
    core->has_files = TRUE;
    DkCursor names = lines.cursor;
    names.pos += (gsize)count * line;
    for (guint64 i = 0; i < count; i++) {
        guint64 start = dk_elfcore_uword(&lines, "start");
        guint64 end = dk_elfcore_uword(&lines, "end");
        guint64 page = dk_elfcore_uword(&lines, "file_ofs");
        guint64 name_off = dk_cursor_off(&names);
        const char *path = dk_cursor_string(&names, "path", NULL);
        if (!path) {
            dk_elfcore_damage(core, "mapping", "NT_FILE: the path at offset " HEX " has no end",
                              name_off);
            return;
        }
        if (start >= end) {
            dk_elfcore_damage(core, NULL,
                              "NT_FILE: line %" G_GUINT64_FORMAT " goes from " HEX " to " HEX, i,
                              start, end);
            continue;
        }
        DkElfcoreFile file = {start, end - 1, page * unit, g_strndup(path, DK_ELFCORE_PATH_MAX)};
        g_array_append_val(core->files, file);
    }
}

/* Ascending, and nothing twice: what overlaps the one before goes. */
static void untangle_files(DkElfcore *core)
{
    g_array_sort(core->files, compare_files);
    guint kept = 0;
    for (guint i = 0; i < core->files->len; i++) {
        DkElfcoreFile file = g_array_index(core->files, DkElfcoreFile, i);
        if (kept && file.first <= g_array_index(core->files, DkElfcoreFile, kept - 1).last) {
            dk_elfcore_damage(core, NULL, "NT_FILE: %s at " HEX " overlaps the file before it",
                              file.path, file.first);
            g_free(file.path);
            continue;
        }
        g_array_index(core->files, DkElfcoreFile, kept++) = file;
    }
    g_array_set_size(core->files, kept);
}

void dk_elfcore_files_take(DkElfcore *core)
{
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        if (note->type != NT_FILE || !dk_elfcore_note_is_linux(note))
            continue;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) content = dk_elfcore_note_read(core, note, DK_ELFCORE_FILE_NOTE_MAX,
                                                         &error);
        if (!content) {
            dk_elfcore_damage(core, "mapping", "NT_FILE: %s", error->message);
            return;
        }
        parse_files(core, note, content);
        untangle_files(core);
        return;
    }
}

static guint32 map_flags(guint32 flags)
{
    return (flags & PF_R ? DK_MAP_READ : 0) | (flags & PF_W ? DK_MAP_WRITE : 0) |
           (flags & PF_X ? DK_MAP_EXEC : 0);
}

static void add_file(DkElfcore *core, const DkElfcoreFile *file, guint32 flags)
{
    static const char deleted[] = " (deleted)";
    DkMapping *mapping = dk_subject_add_mapping(core->source.subject, file->first, file->last);
    mapping->flags = flags;
    mapping->file_offset = file->offset;
    mapping->path = g_strdup(file->path);
    if (g_str_has_suffix(mapping->path, deleted)) {
        mapping->path[strlen(mapping->path) - strlen(deleted)] = '\0';
        mapping->flags |= DK_MAP_DELETED;
    }
}

static void add_anonymous(DkElfcore *core, guint64 first, guint64 last, guint32 flags)
{
    DkMapping *mapping = dk_subject_add_mapping(core->source.subject, first, last);
    /* Without NT_FILE nobody can tell. */
    mapping->flags = flags | (core->has_files ? DK_MAP_ANON : 0);
}

static gint compare_loads(gconstpointer a, gconstpointer b)
{
    const DkElfcoreLoad *left = a;
    const DkElfcoreLoad *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

/*
 * Goes through loads and files together, both ascending: each file becomes a mapping with the
 * flags of the load at its first byte, and what is left of the loads becomes anonymous ones.
 */
static void merge_loads(DkElfcore *core)
{
    g_autoptr(GArray) loads = g_array_copy(core->loads);
    g_array_sort(loads, compare_loads);
    guint64 done = 0; /* everything below is settled */
    gboolean full = FALSE;
    guint next = 0;
    for (guint i = 0; i < loads->len && !full; i++) {
        const DkElfcoreLoad *load = &g_array_index(loads, DkElfcoreLoad, i);
        guint64 at = MAX(load->first, done);
        while (!full && at <= load->last) {
            while (next < core->files->len &&
                   g_array_index(core->files, DkElfcoreFile, next).last < at) {
                add_file(core, &g_array_index(core->files, DkElfcoreFile, next++), 0);
            }
            const DkElfcoreFile *file = next < core->files->len
                                            ? &g_array_index(core->files, DkElfcoreFile, next)
                                            : NULL;
            guint64 last = load->last;
            if (file && file->first <= at) {
                last = file->last;
                add_file(core, file, map_flags(load->flags));
                next++;
            } else {
                if (file && file->first <= last)
                    last = file->first - 1;
                add_anonymous(core, at, last, map_flags(load->flags));
            }
            full = last == G_MAXUINT64;
            at = done = last + 1;
        }
    }
    while (next < core->files->len)
        add_file(core, &g_array_index(core->files, DkElfcoreFile, next++), 0);
}

static void name_mapping(DkElfcore *core, guint64 va, const char *name)
{
    DkMapping *mapping = (DkMapping *)dk_subject_mapping_at(core->source.subject, va);
    if (va && mapping && !mapping->path)
        mapping->path = g_strdup(name);
}

/* The stack of the main thread: the kernel puts the bytes of AT_RANDOM there. */
static void name_stack(DkElfcore *core)
{
    const DkProcess *process = &core->source.subject->process;
    if (core->aux_random || core->aux_execfn) {
        name_mapping(core, core->aux_random ? core->aux_random : core->aux_execfn, "[stack]");
        return;
    }
    const DkThread *main = process->pid > 0 && process->pid <= G_MAXUINT32
                               ? dk_subject_thread(core->source.subject, (guint32)process->pid)
                               : NULL;
    if (!main && process->threads->len)
        main = g_ptr_array_index(process->threads, 0);
    if (main && main->regs[DK_REGSET_GENERAL] && core->machine)
        name_mapping(
            core,
            dk_elfcore_reg(core->machine, main->regs[DK_REGSET_GENERAL], core->machine->sp_off),
            "[stack]");
}

void dk_elfcore_mappings_make(DkElfcore *core)
{
    DkSubject *subject = core->source.subject;
    if (!core->own_mappings) {
        merge_loads(core);
        dk_subject_sort(subject);
        name_mapping(core, core->aux_vdso, "[vdso]");
        name_stack(core);
        if (core->e_machine == EM_X86_64)
            name_mapping(core, 0xffffffffff600000, "[vsyscall]");
    }
    DkProcess *process = &subject->process;
    if (process->exe)
        return;
    const DkMapping *entry = core->aux_entry ? dk_subject_mapping_at(subject, core->aux_entry)
                                             : NULL;
    if (entry && entry->path && entry->path[0] == '/')
        process->exe = g_strdup(entry->path);
    else if (core->aux_execfn)
        process->exe = dk_space_read_string(core->source.space, core->aux_execfn,
                                            DK_ELFCORE_PATH_MAX);
}

/* A module in the making. */
typedef struct {
    const DkMapping *mapping; /* the first */
    guint64 last;             /* of the mappings of its file */
    gboolean header;          /* its ELF header was read */
    guint64 span_last;        /* header: the last byte it asks for */
    gboolean exec;
    GBytes *build_id;
} Module;

/* Finds the GNU build-id among notes (of len bytes, 4-aligned). */
static GBytes *find_build_id(const DkElfcore *core, const void *notes, gsize len)
{
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, notes, len, 0, "module notes");
    for (;;) {
        guint64 namesz = dk_elfcore_u32(&fields, "namesz");
        guint64 descsz = dk_elfcore_u32(&fields, "descsz");
        guint64 type = dk_elfcore_u32(&fields, "type");
        if (fields.failed)
            return NULL;
        const guint8 *name = dk_cursor_bytes(&fields.cursor, "name", (gsize)namesz, NULL);
        dk_cursor_align(&fields.cursor, 4);
        const guint8 *id = dk_cursor_bytes(&fields.cursor, "content", (gsize)descsz, NULL);
        dk_cursor_align(&fields.cursor, 4);
        if (!name || !id)
            return NULL;
        if (type == NT_GNU_BUILD_ID && namesz == 4 && memcmp(name, "GNU", 4) == 0 && descsz &&
            descsz <= MODULE_BUILD_ID_MAX)
            return g_bytes_new(id, (gsize)descsz);
    }
}

static GBytes *read_build_id(DkElfcore *core, guint64 va, guint64 size)
{
    if (!size || size > MODULE_NOTES_MAX)
        return NULL;
    g_autofree guint8 *notes = g_malloc((gsize)size);
    gsize got = dk_space_read(core->source.space, va, notes, (gsize)size);
    return got == size ? find_build_id(core, notes, got) : NULL;
}

typedef struct {
    guint64 bias; /* of addresses in memory over p_vaddr */
    guint64 top;  /* highest p_vaddr + p_memsz */
    gboolean biased;
    guint notes; /* PT_NOTE segments, of which one has the build-id */
    guint64 note_va[MODULE_NOTE_SEGMENTS_MAX];
    guint64 note_size[MODULE_NOTE_SEGMENTS_MAX];
} Span;

static void take_program_header(DkElfcoreFields *fields, gboolean wide, guint64 va, Span *span)
{
    guint64 type = dk_elfcore_u32(fields, "p_type");
    if (wide)
        dk_elfcore_u32(fields, "p_flags");
    guint64 offset = dk_elfcore_uword(fields, "p_offset");
    guint64 vaddr = dk_elfcore_uword(fields, "p_vaddr");
    dk_elfcore_uword(fields, "p_paddr");
    guint64 filesz = dk_elfcore_uword(fields, "p_filesz");
    guint64 memsz = dk_elfcore_uword(fields, "p_memsz");
    if (!wide)
        dk_elfcore_u32(fields, "p_flags");
    dk_elfcore_uword(fields, "p_align");
    if (fields->failed)
        return;
    if (type == PT_LOAD && memsz <= G_MAXUINT64 - vaddr) {
        if (!span->biased && !offset) {
            span->biased = TRUE;
            span->bias = va - vaddr;
        }
        span->top = MAX(span->top, vaddr + memsz);
    } else if (type == PT_NOTE && span->notes < MODULE_NOTE_SEGMENTS_MAX) {
        span->note_va[span->notes] = vaddr;
        span->note_size[span->notes++] = filesz;
    }
}

/*
 * Looks at the ELF header in memory at va.  FALSE when there is memory and it is none; otherwise
 * TRUE, and module->header says whether it could be read.
 */
static gboolean look_at_header(DkElfcore *core, guint64 va, Module *module)
{
    guint8 raw[sizeof(DkElf64Header)];
    gsize size = core->wide ? sizeof(DkElf64Header) : sizeof(DkElf32Header);
    if (dk_space_read(core->source.space, va, raw, size) != size)
        return TRUE;
    if (memcmp(raw, ELFMAG, SELFMAG) != 0)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, raw, size, 0, "module header");
    dk_elfcore_skip(&fields, "e_ident to e_version", 24);
    dk_elfcore_uword(&fields, "e_entry");
    guint64 phoff = dk_elfcore_uword(&fields, "e_phoff");
    dk_elfcore_uword(&fields, "e_shoff");
    dk_elfcore_skip(&fields, "e_flags and e_ehsize", 6);
    gsize entry = (gsize)dk_elfcore_u16(&fields, "e_phentsize");
    guint64 count = dk_elfcore_u16(&fields, "e_phnum");
    count = MIN(count, MODULE_SEGMENTS_MAX);
    if (entry != (core->wide ? sizeof(DkElf64Segment) : sizeof(DkElf32Segment)) || !count ||
        phoff > 65536)
        return TRUE;
    g_autofree guint8 *table = g_malloc(count * entry);
    if (dk_space_read(core->source.space, va + phoff, table, count * entry) != count * entry)
        return TRUE;
    dk_elfcore_fields_init(&fields, core, table, count * entry, 0, "module program headers");
    Span span = {0};
    for (guint64 i = 0; i < count; i++)
        take_program_header(&fields, core->wide, va, &span);
    guint64 page = core->source.subject->page_size;
    guint64 span_last = ((span.bias + span.top - 1) | (page - 1));
    if (!span.biased || !span.top || span_last < va)
        return TRUE;
    module->header = TRUE;
    module->span_last = span_last;
    for (guint i = 0; i < span.notes && !module->build_id; i++)
        module->build_id = read_build_id(core, span.bias + span.note_va[i], span.note_size[i]);
    return TRUE;
}

static void add_module(DkElfcore *core, Module *module, const char *path)
{
    DkSubject *subject = core->source.subject;
    /* A data file whose first page is not in the dump has nothing executable. */
    if (!module->header && !module->exec)
        return;
    guint64 last = module->last;
    if (module->header && module->span_last > last) {
        /* The bss behind the file's pages belongs to it. */
        const DkMapping *bss = dk_subject_mapping_at(subject, last + 1);
        if (bss && !bss->path)
            last = MIN(module->span_last, bss->last);
    }
    DkModule *added = dk_subject_add_module(subject, module->mapping->first, last);
    added->path = g_strdup(path);
    added->build_id = g_steal_pointer(&module->build_id);
}

static void make_vdso(DkElfcore *core)
{
    const DkMapping *mapping = core->aux_vdso
                                   ? dk_subject_mapping_at(core->source.subject, core->aux_vdso)
                                   : NULL;
    if (!mapping || mapping->first != core->aux_vdso || (mapping->path && mapping->path[0] == '/'))
        return;
    Module module = {.mapping = mapping, .last = mapping->last, .exec = TRUE};
    if (look_at_header(core, mapping->first, &module)) {
        module.span_last = MIN(module.span_last, mapping->last);
        add_module(core, &module, "[vdso]");
    }
    g_clear_pointer(&module.build_id, g_bytes_unref);
}

void dk_elfcore_modules_make(DkElfcore *core)
{
    GPtrArray *mappings = core->source.subject->process.mappings;
    g_autoptr(GArray) modules = g_array_new(FALSE, FALSE, sizeof(Module));
    /* From a path to 1 + the index of the module that its next mappings belong to. */
    g_autoptr(GHashTable) current = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        if (!mapping->path || mapping->path[0] != '/')
            continue;
        gboolean exec = (mapping->flags & DK_MAP_EXEC) != 0;
        guint index = GPOINTER_TO_UINT(g_hash_table_lookup(current, mapping->path));
        if (index) {
            Module *module = &g_array_index(modules, Module, index - 1);
            if (!module->header || mapping->first <= module->span_last) {
                module->last = MAX(module->last, mapping->last);
                module->exec = module->exec || exec;
                continue;
            }
        }
        Module module = {.mapping = mapping, .last = mapping->last, .exec = exec};
        if (mapping->file_offset || !look_at_header(core, mapping->first, &module))
            continue;
        g_array_append_val(modules, module);
        g_hash_table_insert(current, mapping->path, GUINT_TO_POINTER(modules->len));
    }
    for (guint i = 0; i < modules->len; i++) {
        Module *module = &g_array_index(modules, Module, i);
        add_module(core, module, module->mapping->path);
        g_clear_pointer(&module->build_id, g_bytes_unref);
    }
    make_vdso(core);
}
