/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parts of the ELF core reader among themselves: the open file and what was found in it.
 * elfcore-read.c reads the headers, elfcore-notes.c walks the notes, elfcore-thread.c and
 * elfcore-own.c take threads and our own notes from them, elfcore-modules.c makes mappings and
 * modules, elfcore-space.c serves the memory.  vmcore-*.c do the same for the dump of a machine.
 */
#pragma once

#include "base/cursor.h"
#include "format/elfcore/elfcore-layout.h"
#include "format/elfcore/elfcore-machine.h"
#include "io/input.h"
#include "mem/format.h"

/* What we take from a file before we call it hostile. */
#define DK_ELFCORE_SEGMENTS_MAX ((guint64)1 << 22)
#define DK_ELFCORE_NOTES_MAX ((guint)1 << 22)
#define DK_ELFCORE_FILE_NOTE_MAX ((guint64)256 << 20) /* bytes of NT_FILE and our mappings */
#define DK_ELFCORE_REGSET_MAX ((guint64)1 << 20)      /* bytes of any other note that is decoded */
#define DK_ELFCORE_PATH_MAX 4096
#define DK_VMCORE_NOTES_MAX ((guint64)256 << 20) /* bytes of a note segment of a machine */
/* No machine has physical addresses of more than 52 bits; this leaves some room. */
#define DK_VMCORE_PA_LAST (((guint64)1 << 56) - 1)
#define DK_ELFCORE_COMPLAINTS_MAX 1000 /* gaps and damages of one kind that are told one by one */

/* A PT_LOAD as its program header says. */
typedef struct {
    guint64 first; /* virtual addresses; physical ones in a machine dump */
    guint64 last;  /* may have been cut at the end of the address space */
    guint64 off;
    guint64 filesz;
    guint64 present; /* of filesz, how much the file has and memory has room for */
    guint32 flags;   /* PF_R, ... */
    guint64 va;
    guint64 pa;
    guint64 memsz;
    guint64 header; /* file offset of the program header */
} DkElfcoreLoad;

/* A PT_NOTE. */
typedef struct {
    guint64 off;
    guint64 size;
    guint64 present; /* of size, how much the file has */
    guint align;     /* 4 or 8 */
} DkElfcoreNotes;

typedef struct {
    char owner[24]; /* cut if longer */
    guint32 type;
    guint32 size;
    guint64 off;    /* of the content */
    gboolean cut;   /* the file or segment ends inside it */
    guint64 header; /* file offset of the note's header */
} DkElfcoreNote;

/* What a file is a dump of, and by which mark that is seen. */
typedef enum {
    DK_ELFCORE_PROCESS,
    DK_VMCORE_OWN,        /* a machine dump that dumpkit wrote, or what became of it */
    DK_VMCORE_QEMU,       /* notes of QEMU */
    DK_VMCORE_LINUX,      /* VMCOREINFO, not from QEMU: the kernel's /proc/vmcore, makedumpfile */
    DK_VMCORE_VIRTUALBOX, /* notes of VirtualBox */
    DK_VMCORE_FREEBSD,    /* FreeBSD's full dump of physical memory */
    DK_VMCORE_PHYSICAL,   /* physical addresses, and nothing that a process has */
} DkElfcoreOf;

/* A line of NT_FILE. */
typedef struct {
    guint64 first;
    guint64 last;
    guint64 offset; /* in the file, bytes */
    char *path;
} DkElfcoreFile;

typedef struct {
    DkSource source;
    DkInput *input;
    guint64 size; /* of the file */
    gboolean wide;
    gboolean big_endian;
    guint8 osabi;
    guint16 e_machine;
    guint16 shnum;
    guint16 ehsize;
    guint64 phnum;           /* program headers, whatever their type */
    gboolean sections_first; /* section headers stand in front of the program headers */
    DkElfcoreOf of;
    gboolean quiet;                  /* nothing is told while it is found out what the file is of */
    const DkElfcoreMachine *machine; /* NULL: registers are not understood */
    gboolean foreign;                /* notes of another system than Linux */
    GArray *loads;                   /* of DkElfcoreLoad, as in the file */
    GArray *segments;                /* of DkElfcoreNotes */
    GArray *notes;                   /* of DkElfcoreNote */
    GArray *files;                   /* of DkElfcoreFile, ascending */
    gboolean has_files;              /* there is an NT_FILE */
    GPtrArray *damage;               /* texts: where the structure is broken */
    guint more_damage;               /* how many more there were */
    guint unsorted;                  /* loads that lie below the one before */
    guint overlapping;               /* loads that overlap an earlier one */
    guint64 overlap_va;              /* the first such place */
    guint64 aux_entry;               /* of NT_AUXV; 0: not there */
    guint64 aux_execfn;
    guint64 aux_random;
    guint64 aux_vdso;
    gboolean paddr_set; /* a PT_LOAD has a physical address */
    gboolean own;       /* has our info note */
    gboolean own_result;
    gboolean own_mappings;
} DkElfcore;

extern const DkSourceOps dk_elfcore_source_ops;
extern const DkSourceOps dk_vmcore_source_ops; /* of a machine dump */

static inline gboolean dk_elfcore_is_machine(const DkElfcore *core)
{
    return core->of != DK_ELFCORE_PROCESS;
}

static inline guint dk_elfcore_word(const DkElfcore *core)
{
    return core->wide ? 8 : 4;
}

/* Notes that the structure is broken: for verify, and as a gap of kind what unless NULL. */
void dk_elfcore_damage(DkElfcore *core, const char *gap, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/*
 * A run of fields that is read one after the other; after a field that is not there all that
 * follow are 0, and failed stays set.
 */
typedef struct {
    DkCursor cursor;
    guint word;
    gboolean failed;
} DkElfcoreFields;

void dk_elfcore_fields_init(DkElfcoreFields *fields, const DkElfcore *core, const void *data,
                            gsize len, guint64 off, const char *what);
guint64 dk_elfcore_u16(DkElfcoreFields *fields, const char *name);
guint64 dk_elfcore_u32(DkElfcoreFields *fields, const char *name);
guint64 dk_elfcore_u64(DkElfcoreFields *fields, const char *name);
guint64 dk_elfcore_uword(DkElfcoreFields *fields, const char *name);
void dk_elfcore_skip(DkElfcoreFields *fields, const char *name, gsize len);

/* A word at off of a block of general registers (normal form, little-endian). */
guint64 dk_elfcore_reg(const DkElfcoreMachine *machine, GBytes *regs, guint off);

/* elfcore-notes.c */

/* Lists all notes of all PT_NOTE segments, or of one, in core->notes. */
void dk_elfcore_notes_scan(DkElfcore *core);
void dk_elfcore_notes_scan_segment(DkElfcore *core, const DkElfcoreNotes *segment);

/* The content of a note of at most limit bytes; NULL with an error when it is cut or larger. */
GBytes *dk_elfcore_note_read(DkElfcore *core, const DkElfcoreNote *note, guint64 limit,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
gboolean dk_elfcore_note_is_linux(const DkElfcoreNote *note);
gboolean dk_elfcore_note_is_own(const DkElfcoreNote *note, guint32 type);

/* "NT_PRSTATUS", or NULL for a type that has no name with us. */
const char *dk_elfcore_note_name(const DkElfcoreNote *note);
void dk_elfcore_foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                             gpointer data);

/* elfcore-thread.c: fills in process and threads from the notes of Linux. */
void dk_elfcore_threads_take(DkElfcore *core);

/* elfcore-modules.c: NT_FILE, NT_AUXV; then, with space and threads in place, the rest. */
void dk_elfcore_files_take(DkElfcore *core);
void dk_elfcore_auxv_take(DkElfcore *core);
void dk_elfcore_mappings_make(DkElfcore *core);
void dk_elfcore_modules_make(DkElfcore *core);

/* elfcore-own.c: our own info, mappings and result notes. */
void dk_elfcore_own_take(DkElfcore *core);
/* The result note alone. */
void dk_elfcore_own_result_take(DkElfcore *core);

/* elfcore-space.c */
/* What a load has in memory and not in the file is a run of kind left_out. */
DkSpace *dk_elfcore_space_new(DkInput *input, const GArray *loads, DkRunKind left_out);

/* elfcore-verify.c */
gboolean dk_elfcore_verify(DkSource *source, gboolean deep, DkVerify *verify, GError **error);
/* What the structure lacks, which machine dumps have as well; our own notes. */
void dk_elfcore_verify_structure(DkElfcore *core, DkVerify *verify);
gboolean dk_elfcore_verify_own(DkElfcore *core, gboolean deep, DkVerify *verify, GError **error);

/* elfcore-read.c: how much of size bytes at off the file has. */
guint64 dk_elfcore_present(const DkElfcore *core, guint64 off, guint64 size);

/* vmcore-detect.c: sets core->of by the notes and program headers found so far. */
gboolean dk_vmcore_detect(DkElfcore *core, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whether the notes in the sections of a file without program headers are those of a Xen core. */
gboolean dk_vmcore_is_xen(DkElfcore *core, guint64 shoff, guint count);

/* vmcore-read.c: fills in the machine, once loads and notes are listed. */
void dk_vmcore_take(DkElfcore *core);
/* The line of a note for `info`; FALSE when nothing can be said of it. */
gboolean dk_vmcore_tell(DkElfcore *core, const DkElfcoreNote *note, GString *text);

/* vmcore-verify.c */
gboolean dk_vmcore_verify(DkElfcore *core, gboolean deep, DkVerify *verify, GError **error);

/* elfcore-write.c */
DkSink *dk_elfcore_sink_new(DkOutput *output, const DkSinkOptions *options);
