/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What stands in a kdump-compressed file ("diskdump"), in the byte order of the machine that made
 * it.  Sources: IMPLEMENTATION of makedumpfile (github.com/makedumpfile/makedumpfile), the facts of
 * its diskdump_mod.h and makedumpfile.h, and files that makedumpfile and QEMU wrote.
 * docs/formats/kdump.md has the whole.
 */
#pragma once

#include <assert.h>
#include <glib.h>
#include <stddef.h>

#define DK_KDUMP_MAGIC "KDUMP   "
#define DK_KDUMP_MAGIC_OLD "DISKDUMP"
#define DK_KDUMP_MAGIC_SIZE 8u
#define DK_KDUMP_VERSION 6
#define DK_KDUMP_UTS_FIELDS 6
#define DK_KDUMP_UTS_SIZE 65

/* Block 0 of a 64-bit machine. */
typedef struct {
    char signature[8];      /* 0x000 */
    gint32 header_version;  /* 0x008 */
    char utsname[6][65];    /* 0x00c: sysname nodename release version machine domainname */
    guint8 pad[6];          /* 0x192 */
    gint64 time_sec;        /* 0x198 */
    gint64 time_usec;       /* 0x1a0 */
    guint32 status;         /* 0x1a8: DK_KDUMP_... */
    gint32 block_size;      /* 0x1ac: of the file, which is the page size too */
    gint32 sub_hdr_size;    /* 0x1b0: blocks */
    guint32 bitmap_blocks;  /* 0x1b4: of both bitmaps */
    guint32 max_mapnr;      /* 0x1b8: cut to 32 bits; see max_mapnr_64 */
    guint32 total_ram;      /* 0x1bc */
    guint32 device_blocks;  /* 0x1c0 */
    guint32 written_blocks; /* 0x1c4 */
    guint32 current_cpu;    /* 0x1c8 */
    gint32 nr_cpus;         /* 0x1cc */
} DkKdumpHeader64;
static_assert(offsetof(DkKdumpHeader64, time_sec) == 408, "");
static_assert(offsetof(DkKdumpHeader64, status) == 424, "");
static_assert(offsetof(DkKdumpHeader64, max_mapnr) == 440, "");
static_assert(offsetof(DkKdumpHeader64, nr_cpus) == 460, "");
static_assert(sizeof(DkKdumpHeader64) == 464, "");

/* The same of a 32-bit machine, up to where the fields are the same again. */
typedef struct {
    char signature[8];     /* 0x000 */
    gint32 header_version; /* 0x008 */
    char utsname[6][65];   /* 0x00c */
    guint8 pad[2];         /* 0x192 */
    gint32 time_sec;       /* 0x194 */
    gint32 time_usec;      /* 0x198 */
    guint32 status;        /* 0x19c: and on as above */
} DkKdumpHeader32;
static_assert(offsetof(DkKdumpHeader32, time_sec) == 404, "");
static_assert(offsetof(DkKdumpHeader32, status) == 412, "");

/*
 * Block 1 of a 64-bit machine.  On 32-bit ones what is marked "long" has 4 bytes, and 64-bit fields
 * are aligned to 4 on x86 and to 8 on arm.
 */
typedef struct {
    guint64 phys_base;         /* 0x00: long */
    gint32 dump_level;         /* 0x08: since version 1 */
    gint32 split;              /* 0x0c: since version 2 */
    guint64 start_pfn;         /* 0x10: long; since version 2 */
    guint64 end_pfn;           /* 0x18: long; behind the last one */
    guint64 offset_vmcoreinfo; /* 0x20: in the file; since version 3 */
    guint64 size_vmcoreinfo;   /* 0x28: long */
    guint64 offset_note;       /* 0x30: since version 4 */
    guint64 size_note;         /* 0x38: long */
    guint64 offset_eraseinfo;  /* 0x40: since version 5 */
    guint64 size_eraseinfo;    /* 0x48: long */
    guint64 start_pfn_64;      /* 0x50: since version 6 */
    guint64 end_pfn_64;        /* 0x58 */
    guint64 max_mapnr_64;      /* 0x60: pages that the bitmaps speak of */
} DkKdumpSub64;
static_assert(offsetof(DkKdumpSub64, split) == 0x0c, "");
static_assert(offsetof(DkKdumpSub64, offset_note) == 0x30, "");
static_assert(sizeof(DkKdumpSub64) == 0x68, "");
/* Of 32-bit x86. */
#define DK_KDUMP_SUB32_SIZE 0x50u

/* A page that bitmap 2 has; these stand in the order of its bits. */
typedef struct {
    guint64 offset;     /* 0x00: of its bytes in the file */
    guint32 size;       /* 0x08: of them; the block size when they are not compressed */
    guint32 flags;      /* 0x0c: DK_KDUMP_ZLIB, ... of this page */
    guint64 page_flags; /* 0x10 */
} DkKdumpDescriptor;
static_assert(offsetof(DkKdumpDescriptor, flags) == 0x0c, "");
static_assert(sizeof(DkKdumpDescriptor) == 24, "");

/* The header's status and a descriptor's flags. */
enum {
    DK_KDUMP_ZLIB = 0x01,
    DK_KDUMP_LZO = 0x02,
    DK_KDUMP_SNAPPY = 0x04,
    DK_KDUMP_INCOMPLETE = 0x08,       /* status only: the writer could not finish */
    DK_KDUMP_EXCLUDED_VMEMMAP = 0x10, /* status only: page structures are left out too */
    DK_KDUMP_ZSTD = 0x20,
    DK_KDUMP_METHODS = DK_KDUMP_ZLIB | DK_KDUMP_LZO | DK_KDUMP_SNAPPY | DK_KDUMP_ZSTD,
};

/* Bits of dump_level: what was left out. */
enum {
    DK_KDUMP_LEVEL_ZERO = 1,
    DK_KDUMP_LEVEL_CACHE = 2,
    DK_KDUMP_LEVEL_PRIVATE_CACHE = 4,
    DK_KDUMP_LEVEL_USER = 8,
    DK_KDUMP_LEVEL_FREE = 16,
};

/*
 * A flattened file: this, zeros up to 4096 bytes, then records of DkKdumpRecord and their bytes;
 * one of -1, -1 ends it.  Integers are big-endian whatever the machine.
 */
#define DK_KDUMP_FLAT_MAGIC "makedumpfile\0\0\0"
#define DK_KDUMP_FLAT_HEADER_SIZE 4096u
typedef struct {
    char signature[16]; /* 0x00: "makedumpfile" and NULs */
    guint64 type;       /* 0x10: 1 */
    guint64 version;    /* 0x18: 1 */
} DkKdumpFlatHeader;
static_assert(sizeof(DkKdumpFlatHeader) == 32, "");
static_assert(sizeof DK_KDUMP_FLAT_MAGIC == 16, "");

typedef struct {
    guint64 offset; /* 0x00: where the bytes belong in the ordinary file */
    guint64 size;   /* 0x08: how many follow */
} DkKdumpRecord;
static_assert(sizeof(DkKdumpRecord) == 16, "");
