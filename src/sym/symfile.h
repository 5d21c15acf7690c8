/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkSymFile: the symbols, types, source lines and unwind rules of one module, whatever file they
 * come from.  All addresses are RVAs: offsets from the lowest mapped byte of the module (the
 * `first` of its DkModule), so that nothing here depends on where the module was loaded.
 *
 * To add a kind of symbol file: embed DkSymFile first, fill in a static const DkSymFileOps (slots
 * that the kind cannot serve stay NULL), and add it to dk_symstore_open()'s list.
 */
#pragma once

#include <glib.h>

#include "mem/space.h"
#include "mem/subject.h"
#include "sym/type.h"

typedef struct DkSymFile DkSymFile;

typedef struct {
    const char
        *name; /* lent by the symbol file, as long as that lives; demangled where it can be */
    guint64 rva;
    guint64 size; /* 0 when not known */
    gboolean is_function;
    gboolean is_global;
} DkSymbol;

typedef struct {
    const char *file; /* lent */
    guint line;
    guint column;
} DkLine;

/* How one register of the calling frame is found. */
typedef enum {
    DK_CFI_UNDEFINED, /* not recoverable */
    DK_CFI_SAME,      /* unchanged */
    DK_CFI_AT_CFA,    /* stored at CFA + offset */
    DK_CFI_CFA_PLUS,  /* is CFA + offset */
    DK_CFI_REGISTER,  /* is in register number offset */
    DK_CFI_AT_EXPR,   /* stored at the address the expression gives; CFA is pushed first */
    DK_CFI_EXPR,      /* is what the expression gives; CFA is pushed first */
} DkCfiKind;

/*
 * One operation of a DWARF expression (DWARF 5, section 2.5), operands decoded.  The operand of
 * DW_OP_addr is an RVA; those of DW_OP_skip and DW_OP_bra are as in the file, relative to the end
 * of the operation, which is 3 bytes long.
 */
typedef struct {
    guint8 atom;
    guint64 number;
    guint64 number2;
    guint64 offset; /* within the expression, for branches */
} DkDwarfOp;

typedef struct {
    DkCfiKind kind;
    gint64 offset;
    const DkDwarfOp *ops; /* lent by the row */
    guint nops;
} DkCfiRule;

/* The unwind rules that hold at one place (DWARF 5, section 6.4). */
typedef struct {
    guint64 first; /* RVAs that the row is good for, both inside */
    guint64 last;
    gboolean signal_frame;      /* the caller was interrupted: its pc is not behind a call */
    guint return_register;      /* DWARF number of the column of the return address */
    gboolean cfa_is_expression; /* else CFA = cfa_register + cfa_offset */
    guint cfa_register;
    gint64 cfa_offset;
    DkCfiRule cfa_expression; /* kind DK_CFI_EXPR */
    DkCfiRule rules[64];      /* by DWARF number */
} DkCfiRow;

/*
 * One unwind code of x64 Windows (Microsoft Learn, "x64 exception handling", UNWIND_CODE), its
 * slots put together: value is in bytes (ALLOC_*: the size; SAVE_*: the offset from the frame's
 * base), info the register number or, of PUSH_MACHFRAME, 1 with an error code.
 */
typedef struct {
    guint8 prolog_offset; /* end of the instruction, from the function's first byte */
    guint8 op;            /* UWOP_* */
    guint8 info;
    guint32 value;
} DkSehCode;

/* RUNTIME_FUNCTION and UNWIND_INFO of one place. */
typedef struct {
    guint64 first; /* RVAs of the (part of the) function, both inside */
    guint64 last;
    guint8 version;
    guint8 flags; /* UNW_FLAG_* of the first part */
    guint8 prolog_size;
    guint8 frame_register;  /* 0: none */
    guint32 frame_offset;   /* bytes */
    const DkSehCode *codes; /* in the order of the file: the last of the prolog first; lent */
    guint ncodes;
    guint nown; /* of these, how many belong to this part; those behind are of the parts it is
                   chained to, whose prologs have run whole */
} DkSehRow;

typedef enum {
    DK_SEH_NONE,    /* the module's tables are there and have no entry: a leaf function */
    DK_SEH_FOUND,   /* *row is set, lent until the next call or close */
    DK_SEH_UNKNOWN, /* the tables, or the part that is needed, are not to be had */
} DkSehResult;

typedef struct {
    const char *name; /* such as "elf" */

    /*
     * All symbols, sorted by rva; lent.  Of several at one address the best name comes first
     * (global before weak before local, function before data).
     */
    const DkSymbol *(*symbols)(DkSymFile *file, gsize *count);

    /* The source line at rva; FALSE when none is known. */
    gboolean (*line)(DkSymFile *file, guint64 rva, DkLine *line);

    /*
     * Names of functions inlined at rva, innermost first, appended to names (of lent char *), with
     * the line where each was called from appended to calls.
     */
    void (*inlines)(DkSymFile *file, guint64 rva, GPtrArray *names, GArray *calls);

    /* The type called name, lent; NULL when there is none. */
    const DkType *(*type)(DkSymFile *file, const char *name);

    /* The type of the variable called name; NULL when it is not known. */
    const DkType *(*type_of)(DkSymFile *file, const char *variable);

    /* Calls each for every named type until it answers FALSE. */
    void (*foreach_type)(DkSymFile *file, gboolean (*each)(const DkType *type, gpointer data),
                         gpointer data);

    /* The unwind rules at rva, lent until close; NULL when there are none. */
    const DkCfiRow *(*cfi)(DkSymFile *file, guint64 rva);

    /* The x64 Windows unwind information at rva. */
    DkSehResult (*seh)(DkSymFile *file, guint64 rva, const DkSehRow **row);

    /*
     * Copies to buf what the module's file holds of the memory at rva, at most len bytes; returns
     * how many.  Only memory that the process cannot have changed (segments that are not writable),
     * and only from a file that was told to be the one that was loaded; 0 otherwise.
     */
    gsize (*image)(DkSymFile *file, guint64 rva, void *buf, gsize len);

    void (*close)(DkSymFile *file);
} DkSymFileOps;

struct DkSymFile {
    const DkSymFileOps *ops;
    char *path;          /* the file that gave the symbols; owned */
    char *kind;          /* "dwarf", "elf symbols", "exports", ...: what lm shows; owned */
    GHashTable *by_name; /* of dk_symfile_by_name(); NULL until it is called */
};

void dk_symfile_init(DkSymFile *file, const DkSymFileOps *ops, const char *path);
void dk_symfile_close(DkSymFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkSymFile, dk_symfile_close)

/*
 * The symbol that holds rva: of those below it that are long enough the last one, else the last one
 * below it when its size is not known.  NULL when there is none.
 */
const DkSymbol *dk_symfile_at(DkSymFile *file, guint64 rva);

/*
 * The first symbol called name, a global one before others, or NULL.  C++ functions are found
 * without their parameters too.
 */
const DkSymbol *dk_symfile_by_name(DkSymFile *file, const char *name);

/* How symbol files are looked for. */
typedef struct {
    const char *sysroot;    /* prefix of module paths; NULL or "" for none */
    const char *debug_path; /* elfutils' debuginfo path; NULL for the default */
    gboolean debuginfod;    /* ask debuginfod when DEBUGINFOD_URLS is set */
    /* As _NT_SYMBOL_PATH; NULL or "" for none.  See sym/store/store.h. */
    const char *symbol_path;
} DkSymOptions;

/*
 * Opens the symbols of module.  The file on disk is taken only when its build-id (or PE timestamp
 * and size) equals the module's; without one, or when it is not there, what space holds of the
 * module in memory is used.  NULL with DK_ERROR_NOT_FOUND that says what was tried and why each
 * candidate was refused.
 */
DkSymFile *dk_symstore_open(const DkSubject *subject, const DkModule *module, DkSpace *space,
                            const DkSymOptions *options, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Reads ELF headers in memory and fills in the build-id (and soname as path when it has none) of
 * the modules of a Linux process.  Modules whose headers are not in the dump stay as they are.
 */
void dk_elf_identify_modules(DkSubject *subject, DkSpace *space);
