/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in an ELF core file: headers, the notes that Linux writes, and our own notes.
 * Sources: the System V gABI, chapters 4 and 5 (header, program header, notes, extended numbering);
 * elf(5) and core(5) of the Linux man-pages; the uapi headers linux/elf.h, linux/elfcore.h.
 * Offsets are given for each field; words of 32- and 64-bit files differ, so both forms stand here.
 * Numbers of types (PT_LOAD, NT_PRSTATUS, AT_ENTRY, ...) are those of <elf.h>.
 */
#pragma once

#include <assert.h>
#include <elf.h>
#include <glib.h>
#include <stddef.h>

#include "format/own-record.h"

/* e_ident, the same in all files. */
enum {
    DK_ELF_IDENT_CLASS = 4, /* ELFCLASS32, ELFCLASS64 */
    DK_ELF_IDENT_DATA = 5,  /* ELFDATA2LSB, ELFDATA2MSB */
    DK_ELF_IDENT_OSABI = 7,
    DK_ELF_IDENT_SIZE = 16,
};

typedef struct {
    guint8 ident[16];  /* 0x00 */
    guint16 type;      /* 0x10: ET_CORE */
    guint16 machine;   /* 0x12: EM_X86_64, ... */
    guint32 version;   /* 0x14: 1 */
    guint64 entry;     /* 0x18 */
    guint64 phoff;     /* 0x20 */
    guint64 shoff;     /* 0x28 */
    guint32 flags;     /* 0x30 */
    guint16 ehsize;    /* 0x34 */
    guint16 phentsize; /* 0x36 */
    guint16 phnum;     /* 0x38: PN_XNUM: see sh_info of section header 0 */
    guint16 shentsize; /* 0x3a */
    guint16 shnum;     /* 0x3c */
    guint16 shstrndx;  /* 0x3e */
} DkElf64Header;
static_assert(sizeof(DkElf64Header) == 64, "");
static_assert(offsetof(DkElf64Header, phoff) == 0x20, "");
static_assert(offsetof(DkElf64Header, shstrndx) == 0x3e, "");

typedef struct {
    guint8 ident[16];  /* 0x00 */
    guint16 type;      /* 0x10 */
    guint16 machine;   /* 0x12 */
    guint32 version;   /* 0x14 */
    guint32 entry;     /* 0x18 */
    guint32 phoff;     /* 0x1c */
    guint32 shoff;     /* 0x20 */
    guint32 flags;     /* 0x24 */
    guint16 ehsize;    /* 0x28 */
    guint16 phentsize; /* 0x2a */
    guint16 phnum;     /* 0x2c */
    guint16 shentsize; /* 0x2e */
    guint16 shnum;     /* 0x30 */
    guint16 shstrndx;  /* 0x32 */
} DkElf32Header;
static_assert(sizeof(DkElf32Header) == 52, "");
static_assert(offsetof(DkElf32Header, phoff) == 0x1c, "");
static_assert(offsetof(DkElf32Header, shstrndx) == 0x32, "");

typedef struct {
    guint32 type;   /* 0x00: PT_LOAD, PT_NOTE */
    guint32 flags;  /* 0x04: PF_R, PF_W, PF_X */
    guint64 offset; /* 0x08 */
    guint64 vaddr;  /* 0x10 */
    guint64 paddr;  /* 0x18: 0 in the core of a process */
    guint64 filesz; /* 0x20 */
    guint64 memsz;  /* 0x28 */
    guint64 align;  /* 0x30 */
} DkElf64Segment;
static_assert(sizeof(DkElf64Segment) == 56, "");
static_assert(offsetof(DkElf64Segment, vaddr) == 0x10, "");
static_assert(offsetof(DkElf64Segment, align) == 0x30, "");

typedef struct {
    guint32 type;   /* 0x00 */
    guint32 offset; /* 0x04 */
    guint32 vaddr;  /* 0x08 */
    guint32 paddr;  /* 0x0c */
    guint32 filesz; /* 0x10 */
    guint32 memsz;  /* 0x14 */
    guint32 flags;  /* 0x18 */
    guint32 align;  /* 0x1c */
} DkElf32Segment;
static_assert(sizeof(DkElf32Segment) == 32, "");
static_assert(offsetof(DkElf32Segment, flags) == 0x18, "");

/* A core has at most section header 0, whose info is the number of program headers (PN_XNUM). */
typedef struct {
    guint32 name;      /* 0x00 */
    guint32 type;      /* 0x04: SHT_NULL */
    guint64 flags;     /* 0x08 */
    guint64 addr;      /* 0x10 */
    guint64 offset;    /* 0x18 */
    guint64 size;      /* 0x20: number of section headers, 1 */
    guint32 link;      /* 0x28 */
    guint32 info;      /* 0x2c: number of program headers */
    guint64 addralign; /* 0x30 */
    guint64 entsize;   /* 0x38 */
} DkElf64Section;
static_assert(sizeof(DkElf64Section) == 64, "");
static_assert(offsetof(DkElf64Section, size) == 0x20, "");
static_assert(offsetof(DkElf64Section, info) == 0x2c, "");

typedef struct {
    guint32 name;      /* 0x00 */
    guint32 type;      /* 0x04 */
    guint32 flags;     /* 0x08 */
    guint32 addr;      /* 0x0c */
    guint32 offset;    /* 0x10 */
    guint32 size;      /* 0x14 */
    guint32 link;      /* 0x18 */
    guint32 info;      /* 0x1c */
    guint32 addralign; /* 0x20 */
    guint32 entsize;   /* 0x24 */
} DkElf32Section;
static_assert(sizeof(DkElf32Section) == 40, "");
static_assert(offsetof(DkElf32Section, info) == 0x1c, "");

/* Header of a note; the owner's name and the content follow, each padded to 4 (or 8) bytes. */
typedef struct {
    guint32 namesz; /* 0x00: with the NUL */
    guint32 descsz; /* 0x04 */
    guint32 type;   /* 0x08 */
} DkElfNoteHeader;
static_assert(sizeof(DkElfNoteHeader) == 12, "");

typedef struct {
    gint64 sec;  /* 0x00 */
    gint64 usec; /* 0x08 */
} DkElf64Time;

/* NT_PRSTATUS of 64-bit Linux, up to the registers, which are followed by a gint32 fpvalid. */
typedef struct {
    gint32 si_signo;    /* 0x00 */
    gint32 si_code;     /* 0x04 */
    gint32 si_errno;    /* 0x08 */
    gint16 cursig;      /* 0x0c */
    guint16 pad;        /* 0x0e */
    guint64 sigpend;    /* 0x10 */
    guint64 sighold;    /* 0x18 */
    gint32 pid;         /* 0x20: of the thread */
    gint32 ppid;        /* 0x24 */
    gint32 pgrp;        /* 0x28 */
    gint32 sid;         /* 0x2c */
    DkElf64Time utime;  /* 0x30 */
    DkElf64Time stime;  /* 0x40 */
    DkElf64Time cutime; /* 0x50 */
    DkElf64Time cstime; /* 0x60 */
    guint8 reg[];       /* 0x70 */
} DkElf64Prstatus;
static_assert(sizeof(DkElf64Prstatus) == 0x70, "");
static_assert(offsetof(DkElf64Prstatus, pid) == 0x20, "");

typedef struct {
    gint32 si_signo;  /* 0x00 */
    gint32 si_code;   /* 0x04 */
    gint32 si_errno;  /* 0x08 */
    gint16 cursig;    /* 0x0c */
    guint16 pad;      /* 0x0e */
    guint32 sigpend;  /* 0x10 */
    guint32 sighold;  /* 0x14 */
    gint32 pid;       /* 0x18 */
    gint32 ppid;      /* 0x1c */
    gint32 pgrp;      /* 0x20 */
    gint32 sid;       /* 0x24 */
    gint32 utime[2];  /* 0x28 */
    gint32 stime[2];  /* 0x30 */
    gint32 cutime[2]; /* 0x38 */
    gint32 cstime[2]; /* 0x40 */
    guint8 reg[];     /* 0x48 */
} DkElf32Prstatus;
static_assert(sizeof(DkElf32Prstatus) == 0x48, "");
static_assert(offsetof(DkElf32Prstatus, pid) == 0x18, "");

/* Whole sizes: registers of regset.h, then fpvalid, padded to a word. */
#define DK_ELF_PRSTATUS_X86_64 336
#define DK_ELF_PRSTATUS_X86 144
#define DK_ELF_PRSTATUS_ARM64 392
static_assert(sizeof(DkElf64Prstatus) + 27 * 8 + 8 == DK_ELF_PRSTATUS_X86_64, "");
static_assert(sizeof(DkElf32Prstatus) + 17 * 4 + 4 == DK_ELF_PRSTATUS_X86, "");
static_assert(sizeof(DkElf64Prstatus) + 34 * 8 + 8 == DK_ELF_PRSTATUS_ARM64, "");

/* NT_PRPSINFO of 64-bit Linux. */
typedef struct {
    gint8 state;     /* 0x00: index into "RSDTZW" */
    char sname;      /* 0x01 */
    gint8 zombie;    /* 0x02 */
    gint8 nice;      /* 0x03 */
    guint32 pad;     /* 0x04 */
    guint64 flag;    /* 0x08 */
    guint32 uid;     /* 0x10 */
    guint32 gid;     /* 0x14 */
    gint32 pid;      /* 0x18 */
    gint32 ppid;     /* 0x1c */
    gint32 pgrp;     /* 0x20 */
    gint32 sid;      /* 0x24 */
    char fname[16];  /* 0x28 */
    char psargs[80]; /* 0x38 */
} DkElf64Prpsinfo;
static_assert(sizeof(DkElf64Prpsinfo) == 136, "");
static_assert(offsetof(DkElf64Prpsinfo, psargs) == 0x38, "");

/* NT_PRPSINFO of x86 and arm; other 32-bit machines have uid and gid of 32 bits (128 bytes). */
typedef struct {
    gint8 state;     /* 0x00 */
    char sname;      /* 0x01 */
    gint8 zombie;    /* 0x02 */
    gint8 nice;      /* 0x03 */
    guint32 flag;    /* 0x04 */
    guint16 uid;     /* 0x08 */
    guint16 gid;     /* 0x0a */
    gint32 pid;      /* 0x0c */
    gint32 ppid;     /* 0x10 */
    gint32 pgrp;     /* 0x14 */
    gint32 sid;      /* 0x18 */
    char fname[16];  /* 0x1c */
    char psargs[80]; /* 0x2c */
} DkElf32Prpsinfo;
static_assert(sizeof(DkElf32Prpsinfo) == 124, "");
static_assert(offsetof(DkElf32Prpsinfo, psargs) == 0x2c, "");
#define DK_ELF_PRPSINFO_32_WIDE_UID 128

/* NT_SIGINFO: siginfo_t; si_addr and si_pid stand behind the head, at a multiple of a word. */
typedef struct {
    gint32 si_signo; /* 0x00 */
    gint32 si_errno; /* 0x04 */
    gint32 si_code;  /* 0x08 */
} DkElfSiginfoHead;
static_assert(sizeof(DkElfSiginfoHead) == 12, "");
#define DK_ELF_SIGINFO_SIZE 128

/*
 * NT_FILE: words count and page_size, then count of these (words), then count strings with NUL.
 * file_page is the offset in the file in units of page_size.
 */
typedef struct {
    guint64 start;     /* 0x00 */
    guint64 end;       /* 0x08: behind the last byte */
    guint64 file_page; /* 0x10 */
} DkElf64FileEntry;
static_assert(sizeof(DkElf64FileEntry) == 24, "");

/*
 * Our own notes; docs/formats/elfcore.md describes them, format/own-record.h has the content of
 * three.  BFD (gdb) looks at the type of a note and not at its owner, so these numbers stay clear
 * of all that it knows.
 */
#define DK_ELF_OWN_OWNER DK_OWN_NOTE_OWNER
enum {
    DK_ELF_OWN_INFO = DK_OWN_NOTE_INFO,     /* JSON: what the dump is of */
    DK_ELF_OWN_CHECKSUMS = 0x444b0002,      /* the table of checksums */
    DK_ELF_OWN_RESULT = DK_OWN_NOTE_RESULT, /* JSON of a fixed size: how the capture went */
    DK_ELF_OWN_SEAL = 0x444b0004,           /* checksum of its segment up to here */
    DK_ELF_OWN_MAPPINGS = 0x444b0005,       /* text: a line a mapping, in the file or not */
    DK_ELF_OWN_CLOSING = 0x444b0006,        /* of a machine dump: where the closing notes stand */
};

/*
 * Readers of machine dumps expect one PT_NOTE, so that no program header leads to the closing notes
 * but the content of this note.  makedumpfile copies it into files that it makes of ours; there
 * the last two fields are not true.
 */
typedef struct {
    guint64 off;      /* 0x00: in the file */
    guint64 size;     /* 0x08: bytes, up to the end of the file */
    guint64 segments; /* 0x10: program headers of the file */
    guint64 data_off; /* 0x18: the lowest p_offset of a PT_LOAD, or where one would be */
} DkElfOwnClosing;
static_assert(sizeof(DkElfOwnClosing) == 32, "");
