/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "target/target.h"

#include <string.h>

#include "base/error.h"
#include "target/image-space.h"
#include "target/process/link-map.h"

/* Symbols of a module, opened when first asked for. */
typedef struct {
    char *name; /* short, unique */
    DkSymFile *file;
    gboolean tried;
    GError *why; /* why there are none */
} ModuleState;

struct DkTarget {
    DkSource *source;
    DkSymOptions options; /* strings owned */
    const DkArch *arch;
    guint current;
    GPtrArray *loaded;  /* of const DkModule, lent, ascending */
    GHashTable *states; /* const DkModule -> ModuleState */
    GHashTable *names;  /* short name -> const DkModule */
    const DkModule *program;
    DkSpace *space; /* of the source, completed from files */
    DkUnwindHost host;
};

static void state_free(gpointer data)
{
    ModuleState *state = data;
    g_free(state->name);
    dk_symfile_close(state->file);
    g_clear_error(&state->why);
    g_free(state);
}

/* The last part of a path; backslashes count on Windows only. */
static const char *base_name(const DkSubject *subject, const char *path)
{
    const char *base = path;
    for (const char *at = path; *at; at++) {
        if (*at == '/' || (*at == '\\' && subject->os == DK_OS_WINDOWS))
            base = at + 1;
    }
    return base;
}

/* "libc" of "/lib/libc.so.6"; "vdso" of "[vdso]". */
static char *short_name(const DkSubject *subject, const DkModule *module)
{
    const char *base = module->path ? base_name(subject, module->path) : "";
    if (*base == '[')
        base++;
    gsize len = strcspn(base, ".]");
    /* The version of "libc-2.31.so" is no part of the name. */
    gsize digits = len;
    while (digits && g_ascii_isdigit(base[digits - 1]))
        digits--;
    if (digits > 1 && digits < len && base[digits - 1] == '-' && base[len] == '.' &&
        g_ascii_isdigit(base[len + 1]))
        len = digits - 1;
    g_autofree char *first = g_strndup(base, len);
    char *space = strstr(first, " (deleted)");
    if (space)
        *space = 0;
    for (char *at = first; *at; at++) {
        if (!g_ascii_isalnum(*at))
            *at = '_';
    }
    if (!*first)
        return g_strdup_printf("image%" G_GINT64_MODIFIER "x", module->first);
    return g_steal_pointer(&first);
}

static void name_module(DkTarget *target, const DkModule *module)
{
    if (g_hash_table_contains(target->states, module))
        return;
    ModuleState *state = g_new0(ModuleState, 1);
    state->name = short_name(dk_target_subject(target), module);
    if (g_hash_table_contains(target->names, state->name)) {
        char *longer = g_strdup_printf("%s_%" G_GINT64_MODIFIER "x", state->name, module->first);
        g_free(state->name);
        state->name = longer;
    }
    g_hash_table_insert(target->states, (gpointer)module, state);
    g_hash_table_insert(target->names, state->name, (gpointer)module);
}

/* The program: what holds the entry point, else what has the path of the program, else the first.
 */
static const DkModule *find_program(DkTarget *target)
{
    const DkSubject *subject = dk_target_subject(target);
    guint64 entry_va;
    const DkModule *found = NULL;
    if (dk_target_auxv(target, 9 /* AT_ENTRY of <elf.h> */, &entry_va))
        found = dk_target_module_at(target, entry_va);
    for (guint i = 0; !found && subject->process.exe && i < target->loaded->len; i++) {
        const DkModule *module = target->loaded->pdata[i];
        if (module->path && g_str_equal(module->path, subject->process.exe))
            found = module;
    }
    for (guint i = 0; !found && subject->os == DK_OS_WINDOWS && i < target->loaded->len; i++) {
        const DkModule *module = target->loaded->pdata[i];
        gsize len = module->path ? strlen(module->path) : 0;
        if (len > 4 && g_ascii_strcasecmp(module->path + len - 4, ".exe") == 0)
            found = module;
    }
    if (!found && target->loaded->len)
        found = target->loaded->pdata[0];
    return found;
}

/* The program is named first, so that no library takes its short name. */
static void take_modules(DkTarget *target)
{
    const GPtrArray *modules = dk_target_subject(target)->process.modules;
    for (guint i = 0; i < modules->len; i++) {
        const DkModule *module = modules->pdata[i];
        if (!module->unloaded)
            g_ptr_array_add(target->loaded, (gpointer)module);
    }
    target->program = find_program(target);
    if (target->program)
        name_module(target, target->program);
    for (guint i = 0; i < target->loaded->len; i++)
        name_module(target, target->loaded->pdata[i]);
    for (guint i = 0; i < modules->len; i++)
        name_module(target, modules->pdata[i]);
}

/* The host stands in the target; this finds back. */
static DkTarget *target_of(DkUnwindHost *host)
{
    return (DkTarget *)((char *)host - G_STRUCT_OFFSET(DkTarget, host));
}

static const DkCfiRow *host_cfi(DkUnwindHost *host, guint64 pc_va, guint64 *base_va)
{
    DkTarget *target = target_of(host);
    const DkModule *module = dk_target_module_at(target, pc_va);
    DkSymFile *file = module ? dk_target_symbols(target, module, NULL) : NULL;
    if (!file || !file->ops->cfi)
        return NULL;
    const DkCfiRow *row = file->ops->cfi(file, pc_va - module->first);
    if (row)
        *base_va = module->first;
    return row;
}

static gboolean host_is_code(DkUnwindHost *host, guint64 pc_va)
{
    DkTarget *target = target_of(host);
    const DkMapping *mapping = dk_subject_mapping_at(dk_target_subject(target), pc_va);
    /* gcore leaves code out, and then nothing tells the protection of what NT_FILE names. */
    if (mapping && (mapping->flags & (DK_MAP_READ | DK_MAP_WRITE | DK_MAP_EXEC)))
        return (mapping->flags & DK_MAP_EXEC) != 0;
    return dk_target_module_at(target, pc_va) != NULL;
}

DkTarget *dk_target_new(DkSource *source, const DkSymOptions *options)
{
    DkTarget *target = g_new0(DkTarget, 1);
    target->source = source;
    if (options) {
        target->options.sysroot = g_strdup(options->sysroot);
        target->options.debug_path = g_strdup(options->debug_path);
        target->options.debuginfod = options->debuginfod;
        target->options.symbol_path = g_strdup(options->symbol_path);
    }
    target->arch = dk_arch_for(source->subject->machine);
    target->loaded = g_ptr_array_new();
    target->states = g_hash_table_new_full(NULL, NULL, NULL, state_free);
    target->names = g_hash_table_new(g_str_hash, g_str_equal);
    target->space = dk_image_space_new(target, source->space);
    target->host = (DkUnwindHost){
        .arch = target->arch,
        .space = target->space,
        .cfi = host_cfi,
        .is_code = host_is_code,
    };
    DkOs os = source->subject->os;
    if (os == DK_OS_LINUX || os == DK_OS_UNKNOWN) {
        dk_link_map_add_modules(source->subject, source->space);
        dk_elf_identify_modules(source->subject, source->space);
    }
    take_modules(target);
    return target;
}

void dk_target_free(DkTarget *target)
{
    if (!target)
        return;
    dk_space_unref(target->space);
    g_hash_table_unref(target->names);
    g_hash_table_unref(target->states);
    g_ptr_array_unref(target->loaded);
    g_free((char *)target->options.sysroot);
    g_free((char *)target->options.debug_path);
    g_free((char *)target->options.symbol_path);
    dk_source_close(target->source);
    g_free(target);
}

DkSource *dk_target_source(DkTarget *target)
{
    return target->source;
}

const DkSubject *dk_target_subject(DkTarget *target)
{
    return target->source->subject;
}

DkSpace *dk_target_space(DkTarget *target)
{
    return target->space;
}

const DkArch *dk_target_arch(DkTarget *target)
{
    return target->arch;
}

guint dk_target_pointer_size(DkTarget *target)
{
    return dk_machine_pointer_size(dk_target_subject(target)->machine);
}

guint dk_target_nthreads(DkTarget *target)
{
    return dk_target_subject(target)->process.threads->len;
}

DkThread *dk_target_thread(DkTarget *target, guint index)
{
    const GPtrArray *threads = dk_target_subject(target)->process.threads;
    return index < threads->len ? threads->pdata[index] : NULL;
}

guint dk_target_current(DkTarget *target)
{
    return target->current;
}

gboolean dk_target_set_current(DkTarget *target, guint index, GError **error)
{
    guint count = dk_target_nthreads(target);
    if (index >= count) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND,
                    "there is no thread %u: the dump has %u thread%s", index, count,
                    count == 1 ? "" : "s");
        return FALSE;
    }
    target->current = index;
    return TRUE;
}

/* The general registers of a thread, lent; NULL with the reason. */
static GBytes *general_of(DkTarget *target, guint index, GError **error)
{
    const DkThread *thread = dk_target_thread(target, index);
    if (!thread) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "the dump has no thread %u", index);
        return NULL;
    }
    if (!target->arch) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "the registers of this machine (%s) are not known",
                    dk_machine_name(dk_target_subject(target)->machine));
        return NULL;
    }
    if (!thread->regs[DK_REGSET_GENERAL]) {
        g_set_error(error, DK_ERROR, DK_ERROR_ABSENT, "thread %u (tid %u) has no registers: %s",
                    index, thread->tid,
                    thread->missing ? thread->missing : "the dump does not hold them");
        return NULL;
    }
    return thread->regs[DK_REGSET_GENERAL];
}

gboolean dk_target_regs(DkTarget *target, guint thread, DkRegs *regs, GError **error)
{
    GBytes *general = general_of(target, thread, error);
    if (!general)
        return FALSE;
    if (dk_arch_regs_from_general(target->arch, general, regs))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                "the registers of thread %u have %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT
                " were expected",
                thread, g_bytes_get_size(general), target->arch->general_size);
    return FALSE;
}

gboolean dk_target_reg(DkTarget *target, guint thread, const char *name, guint64 *value,
                       GError **error)
{
    GBytes *general = general_of(target, thread, error);
    if (!general)
        return FALSE;
    if (dk_arch_reg_by_name(target->arch, general, name, value))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s has no register \"%s\"",
                target->arch->name, name);
    return FALSE;
}

GArray *dk_target_stack(DkTarget *target, guint thread, guint max, char **why, GError **error)
{
    DkRegs regs = {0};
    if (!dk_target_regs(target, thread, &regs, error))
        return NULL;
    return dk_unwind(&target->host, &regs, max, why);
}

gboolean dk_target_auxv(DkTarget *target, guint64 type, guint64 *value)
{
    return dk_auxv_find(dk_target_subject(target), type, value);
}

static ModuleState *state_of(DkTarget *target, const DkModule *module)
{
    ModuleState *state = g_hash_table_lookup(target->states, module);
    g_assert(state);
    return state;
}

const char *dk_target_module_name(DkTarget *target, const DkModule *module)
{
    return state_of(target, module)->name;
}

const DkModule *dk_target_module_by_name(DkTarget *target, const char *name)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkModule *exact = g_hash_table_lookup(target->names, name);
    if (exact)
        return exact;
    gboolean fold = subject->os == DK_OS_WINDOWS;
    for (guint i = 0; i < target->loaded->len; i++) {
        const DkModule *module = target->loaded->pdata[i];
        const char *base = module->path ? base_name(subject, module->path) : "";
        if (g_str_equal(base, name) ||
            (fold && (g_ascii_strcasecmp(base, name) == 0 ||
                      g_ascii_strcasecmp(dk_target_module_name(target, module), name) == 0)))
            return module;
    }
    return NULL;
}

const DkModule *dk_target_module_at(DkTarget *target, guint64 va)
{
    guint low = 0, high = target->loaded->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        const DkModule *module = target->loaded->pdata[middle];
        if (module->first <= va)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const DkModule *module = target->loaded->pdata[low - 1];
    if (va <= module->last)
        return module;
    /* Modules of a damaged dump may overlap; then every one has to be looked at. */
    return dk_subject_module_at(dk_target_subject(target), va);
}

const DkModule *dk_target_program(DkTarget *target)
{
    return target->program;
}

DkSymFile *dk_target_symbols(DkTarget *target, const DkModule *module, GError **error)
{
    ModuleState *state = state_of(target, module);
    if (!state->tried) {
        state->tried = TRUE;
        if (module->unloaded)
            g_set_error(&state->why, DK_ERROR, DK_ERROR_NOT_FOUND, "%s is not loaded any more",
                        state->name);
        else
            state->file = dk_symstore_open(dk_target_subject(target), module, target->source->space,
                                           &target->options, &state->why);
    }
    if (!state->file && error)
        *error = g_error_copy(state->why);
    return state->file;
}

DkSymFile *dk_target_symbols_peek(DkTarget *target, const DkModule *module, gboolean *tried)
{
    const ModuleState *state = state_of(target, module);
    if (tried)
        *tried = state->tried;
    return state->file;
}

void dk_target_symbols_forget(DkTarget *target, const DkModule *module)
{
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, target->states);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        ModuleState *state = value;
        if (module && key != module)
            continue;
        g_clear_pointer(&state->file, dk_symfile_close);
        g_clear_error(&state->why);
        state->tried = FALSE;
    }
}
