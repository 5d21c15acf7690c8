/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkTarget: what the memory of a source means: threads, modules with their symbols, the current
 * context, names of addresses.  The console and the analyzers work on it.
 */
#pragma once

#include <glib.h>

#include "arch/arch.h"
#include "mem/source.h"
#include "sym/symfile.h"
#include "unwind/unwind.h"

typedef struct DkTarget DkTarget;

/*
 * Opens the target over source, which it takes over and closes.  When the subject names no modules
 * they are looked for in memory (the dynamic linker's list).  options may be NULL and is copied.
 */
DkTarget *dk_target_new(DkSource *source, const DkSymOptions *options);
void dk_target_free(DkTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkTarget, dk_target_free)

DkSource *dk_target_source(DkTarget *target);
const DkSubject *dk_target_subject(DkTarget *target);
/*
 * The memory of the target.  Read-only memory of modules that the dump lacks is read from their
 * files, where these are proven to be the ones that were loaded; the runs are those of the dump.
 */
DkSpace *dk_target_space(DkTarget *target);
/* NULL when the machine is not known. */
const DkArch *dk_target_arch(DkTarget *target);
guint dk_target_pointer_size(DkTarget *target);

/* Threads are numbered from 0 in the order of the dump.  The current one is set by index. */
guint dk_target_nthreads(DkTarget *target);
DkThread *dk_target_thread(DkTarget *target, guint index);
guint dk_target_current(DkTarget *target);
gboolean dk_target_set_current(DkTarget *target, guint index,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The registers of a thread; FALSE with DK_ERROR_ABSENT and the reason when it has none. */
gboolean dk_target_regs(DkTarget *target, guint thread, DkRegs *regs,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The value of one register by its name, sub-registers included; FALSE as dk_target_regs(). */
gboolean dk_target_reg(DkTarget *target, guint thread, const char *name, guint64 *value,
                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The stack of a thread; see dk_unwind(). */
GArray *dk_target_stack(DkTarget *target, guint thread, guint max, char **why,
                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* An entry of the ELF auxiliary vector (AT_*); FALSE when the dump has none. */
gboolean dk_target_auxv(DkTarget *target, guint64 type, guint64 *value);

/*
 * Why the target was dumped, as a phrase such as "SIGSEGV (11), SEGV_MAPERR at 0x10" or "access
 * violation (c0000005) at 0x7ff..."; NULL when the dump does not say.  Free with g_free().
 */
char *dk_target_reason(DkTarget *target);

/*
 * The short name of a module as kd has it: the file name up to its first dot (without the version
 * of "libc-2.31.so") with every character that no symbol has turned into "_": "libc", "libstdc__",
 * "ld_linux_x86_64".  When an earlier module has the same name, "_" and the first address follow.
 * Lent.
 */
const char *dk_target_module_name(DkTarget *target, const DkModule *module);
/*
 * By short name (whole, case counts for Unix and not for Windows), or by file name; NULL when there
 * is none.
 */
const DkModule *dk_target_module_by_name(DkTarget *target, const char *name);
/* The loaded module that holds va, or NULL. */
const DkModule *dk_target_module_at(DkTarget *target, guint64 va);
/* The program itself; NULL when no module is known. */
const DkModule *dk_target_program(DkTarget *target);

/* The symbols of a module, opened at the first call; NULL with the reason when there are none. */
DkSymFile *dk_target_symbols(DkTarget *target, const DkModule *module, GError **error);
/* The same without opening: NULL also when not opened yet; *tried says which. */
DkSymFile *dk_target_symbols_peek(DkTarget *target, const DkModule *module, gboolean *tried);
/* Closes the symbols of module (NULL: of all), so that the next use looks for them again. */
void dk_target_symbols_forget(DkTarget *target, const DkModule *module);

/* A name for an address. */
typedef struct {
    const DkModule *module; /* NULL: in no module */
    const DkSymbol *symbol; /* NULL: no symbol */
    guint64 displacement;   /* from the symbol, else from the module */
} DkPlace;

gboolean dk_target_place(DkTarget *target, guint64 va, DkPlace *place);
/*
 * The place of a frame: the address before pc is looked up where pc stands behind a call, so that a
 * call that never returns is not shown in the function behind it; the displacement is that of pc.
 */
gboolean dk_target_place_frame(DkTarget *target, const DkFrame *frame, DkPlace *place);

/*
 * "libc!poll+0x4f" (without the symbol's version), "libc+0x1234" or, outside of modules, the bare
 * address in kd's form.  Free with g_free().
 */
char *dk_target_describe(DkTarget *target, guint64 va);
/* The text of a place that was found; va is what it is of. */
char *dk_target_describe_place(DkTarget *target, const DkPlace *place, guint64 va);

/*
 * Symbol "mod!name" or "name" (all modules are searched, the program first) to an address; the name
 * of a module alone is its first address.
 */
gboolean dk_target_resolve(DkTarget *target, const char *name, guint64 *va,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* dk_symfile_by_name(), where the version of a symbol ("memcpy@@GLIBC_2.14") may be left out. */
const DkSymbol *dk_target_symbol_named(DkSymFile *file, const char *name);

/* The source line of va; FALSE when none is known. */
gboolean dk_target_line(DkTarget *target, guint64 va, DkLine *line);

/* An address as kd writes it: 00007f12`34567890, or 8 digits on a 32-bit target. */
char *dk_target_format_va(DkTarget *target, guint64 va);
