/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Machine dumps of Windows as they stand in the file: little-endian.  Public sources, by mark:
 *   [mf] memflow-coredump, src/native (MIT)
 *   [kp] kdmp-parser, kdmp-parser-structs.h (MIT)
 *   [ms] learn.microsoft.com: DumpType of KBUGCHECK_ADD_PAGES, CONTEXT, EXCEPTION_RECORD
 *   [rz] what rizin prints of triage dumps (its test expectations; facts only)
 *   [m]  measured on real files: two triage dumps (x64 build 19041, ARM64 build 22000) and the
 *        first pages of full dumps of DumpIt, LiveKD on x64 and LiveKD on x86
 * Fields that nobody has written to are full of "PAGE" [m].  The structs are copied from and to
 * bytes as they are, so the host has to be little-endian.
 */
#pragma once

#include <assert.h>
#include <glib.h>

static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "headers are copied as they are");

#define DMP_SIGNATURE 0x45474150u /* "PAGE", and the filling of unused fields */
#define DMP_FILL64 0x4547415045474150u
#define DMP_VALID64 0x34365544u /* "DU64" */
#define DMP_VALID32 0x504d5544u /* "DUMP" */

#define DMP_PAGE_SHIFT 12u
#define DMP_PAGE ((guint64)1 << DMP_PAGE_SHIFT)

/* DumpType: to 7 [ms], above [kp]. */
enum {
    DMP_TYPE_FULL = 1,
    DMP_TYPE_SUMMARY = 2, /* kernel memory, before Windows 8 */
    DMP_TYPE_HEADER = 3,
    DMP_TYPE_TRIAGE = 4,
    DMP_TYPE_BITMAP_FULL = 5,
    DMP_TYPE_BITMAP_KERNEL = 6,
    DMP_TYPE_AUTOMATIC = 7,
    DMP_TYPE_LIVE_KERNEL = 8,
    DMP_TYPE_LIVE_KERNEL_USER = 9,
    DMP_TYPE_LIVE_COMPLETE = 10,
};

/* IMAGE_FILE_MACHINE_* [ms]. */
#define DMP_MACHINE_X86 0x14cu
#define DMP_MACHINE_AMD64 0x8664u
#define DMP_MACHINE_ARM64 0xaa64u

#define DMP_BUGCHECK_LIVE 0x161u /* LIVE_SYSTEM_DUMP [ms] */
/* What DumpIt puts where the bug check stands: "MATT", "MOON", "SOLS", "MOON", "SOLS" [m]. */
#define DMP_DUMPIT_CODE 0x5454414du
#define DMP_DUMPIT_PARAM1 0x4e4f4f4du
#define DMP_DUMPIT_PARAM2 0x534c4f53u

/* The area of the memory block has 700 bytes; so many runs fit. */
#define DMP_RUNS64_MAX 42u
#define DMP_RUNS32_MAX 86u

#define DMP_AT(type, field, at) \
    static_assert(G_STRUCT_OFFSET(type, field) == (at), #type "." #field)

#pragma pack(push, 1)

typedef struct {
    guint64 base; /* 0x00 PFN */
    guint64 count;
} DmpRun64;
static_assert(sizeof(DmpRun64) == 16, "PHYSICAL_MEMORY_RUN64 [mf]");

typedef struct {
    guint32 base; /* 0x00 PFN */
    guint32 count;
} DmpRun32;
static_assert(sizeof(DmpRun32) == 8, "PHYSICAL_MEMORY_RUN32 [mf]");

typedef struct {
    guint32 code;
    guint32 flags;
    guint64 record_va;
    guint64 address;
    guint32 nparams;
    guint32 padding;
    guint64 params[15];
} DmpException64;
static_assert(sizeof(DmpException64) == 0x98, "EXCEPTION_RECORD64 [ms]");
DMP_AT(DmpException64, params, 0x20);

typedef struct {
    guint32 code;
    guint32 flags;
    guint32 record_va;
    guint32 address;
    guint32 nparams;
    guint32 params[15];
} DmpException32;
static_assert(sizeof(DmpException32) == 0x50, "EXCEPTION_RECORD32 [ms]");
DMP_AT(DmpException32, params, 0x14);

/* DUMP_HEADER64 [mf], offsets [m]. */
typedef struct {
    guint32 signature;
    guint32 valid;
    guint32 major; /* 0xF free, 0xC checked */
    guint32 minor; /* the build */
    guint64 directory_table_base;
    guint64 pfn_database_va;
    guint64 loaded_modules_va;
    guint64 active_processes_va;
    guint32 machine;
    guint32 cpus;
    guint32 bugcheck_code;
    guint32 padding1;
    guint64 bugcheck_params[4];
    char version_user[32];
    guint64 kdbg_va;
    guint32 nruns;
    guint32 padding2;
    guint64 pages;
    DmpRun64 runs[DMP_RUNS64_MAX];
    guint8 runs_rest[16];
    guint8 context[3000];
    DmpException64 exception;
    guint32 type;
    guint32 padding3;
    guint64 required_space; /* bytes of the file */
    guint64 system_time;    /* FILETIME */
    char comment[128];
    guint64 up_time; /* 100 ns */
    guint32 mini_fields;
    guint32 secondary_state;
    guint32 product_type;
    guint32 suite_mask;
    guint32 writer_status;
    guint8 unused1;
    guint8 kd_secondary_version;
    guint16 unused2;
    guint32 attributes;
    guint32 boot_id;
    guint8 rest[0xfa8];
} DmpHeader64;
static_assert(sizeof(DmpHeader64) == 0x2000, "DUMP_HEADER64 [mf]");
DMP_AT(DmpHeader64, major, 0x08);
DMP_AT(DmpHeader64, minor, 0x0c);
DMP_AT(DmpHeader64, directory_table_base, 0x10);
DMP_AT(DmpHeader64, pfn_database_va, 0x18);
DMP_AT(DmpHeader64, loaded_modules_va, 0x20);
DMP_AT(DmpHeader64, active_processes_va, 0x28);
DMP_AT(DmpHeader64, machine, 0x30);
DMP_AT(DmpHeader64, cpus, 0x34);
DMP_AT(DmpHeader64, bugcheck_code, 0x38);
DMP_AT(DmpHeader64, bugcheck_params, 0x40);
DMP_AT(DmpHeader64, version_user, 0x60);
DMP_AT(DmpHeader64, kdbg_va, 0x80);
DMP_AT(DmpHeader64, nruns, 0x88);
DMP_AT(DmpHeader64, pages, 0x90);
DMP_AT(DmpHeader64, runs, 0x98);
DMP_AT(DmpHeader64, context, 0x348);
DMP_AT(DmpHeader64, exception, 0xf00);
DMP_AT(DmpHeader64, type, 0xf98);
DMP_AT(DmpHeader64, required_space, 0xfa0);
DMP_AT(DmpHeader64, system_time, 0xfa8);
DMP_AT(DmpHeader64, comment, 0xfb0);
DMP_AT(DmpHeader64, up_time, 0x1030);
DMP_AT(DmpHeader64, mini_fields, 0x1038);
DMP_AT(DmpHeader64, secondary_state, 0x103c);
DMP_AT(DmpHeader64, product_type, 0x1040);
DMP_AT(DmpHeader64, suite_mask, 0x1044);
DMP_AT(DmpHeader64, writer_status, 0x1048);
DMP_AT(DmpHeader64, kd_secondary_version, 0x104d);
DMP_AT(DmpHeader64, attributes, 0x1050);
DMP_AT(DmpHeader64, boot_id, 0x1054);

/* DUMP_HEADER32 [mf], offsets [m]. */
typedef struct {
    guint32 signature;
    guint32 valid;
    guint32 major;
    guint32 minor;
    guint32 directory_table_base;
    guint32 pfn_database_va;
    guint32 loaded_modules_va;
    guint32 active_processes_va;
    guint32 machine;
    guint32 cpus;
    guint32 bugcheck_code;
    guint32 bugcheck_params[4];
    char version_user[32];
    guint8 pae;
    guint8 kd_secondary_version;
    guint16 unused1;
    guint32 kdbg_va;
    guint32 nruns;
    guint32 pages;
    DmpRun32 runs[DMP_RUNS32_MAX];
    guint8 runs_rest[4];
    guint8 context[1200];
    DmpException32 exception;
    char comment[128];
    guint8 unused2[0x6e8];
    guint32 type;
    guint32 mini_fields;
    guint32 secondary_state;
    guint32 product_type;
    guint32 suite_mask;
    guint32 writer_status;
    guint64 required_space;
    guint8 unused3[16];
    guint64 up_time;
    guint64 system_time;
    guint8 rest[0x38];
} DmpHeader32;
static_assert(sizeof(DmpHeader32) == 0x1000, "DUMP_HEADER32 [mf]");
DMP_AT(DmpHeader32, major, 0x08);
DMP_AT(DmpHeader32, minor, 0x0c);
DMP_AT(DmpHeader32, directory_table_base, 0x10);
DMP_AT(DmpHeader32, pfn_database_va, 0x14);
DMP_AT(DmpHeader32, loaded_modules_va, 0x18);
DMP_AT(DmpHeader32, active_processes_va, 0x1c);
DMP_AT(DmpHeader32, machine, 0x20);
DMP_AT(DmpHeader32, cpus, 0x24);
DMP_AT(DmpHeader32, bugcheck_code, 0x28);
DMP_AT(DmpHeader32, bugcheck_params, 0x2c);
DMP_AT(DmpHeader32, version_user, 0x3c);
DMP_AT(DmpHeader32, pae, 0x5c);
DMP_AT(DmpHeader32, kd_secondary_version, 0x5d);
DMP_AT(DmpHeader32, kdbg_va, 0x60);
DMP_AT(DmpHeader32, nruns, 0x64);
DMP_AT(DmpHeader32, pages, 0x68);
DMP_AT(DmpHeader32, runs, 0x6c);
DMP_AT(DmpHeader32, context, 0x320);
DMP_AT(DmpHeader32, exception, 0x7d0);
DMP_AT(DmpHeader32, comment, 0x820);
DMP_AT(DmpHeader32, type, 0xf88);
DMP_AT(DmpHeader32, mini_fields, 0xf8c);
DMP_AT(DmpHeader32, secondary_state, 0xf90);
DMP_AT(DmpHeader32, product_type, 0xf94);
DMP_AT(DmpHeader32, suite_mask, 0xf98);
DMP_AT(DmpHeader32, writer_status, 0xf9c);
DMP_AT(DmpHeader32, required_space, 0xfa0);
DMP_AT(DmpHeader32, up_time, 0xfb8);
DMP_AT(DmpHeader32, system_time, 0xfc0);

/* Behind the header of types 5 and 6 [kp]; bits of the bitmap follow, the lowest of a byte first.
 */
typedef struct {
    guint32 signature; /* DMP_SDMP or DMP_FDMP */
    guint32 valid;     /* DMP_VALID32 */
    guint32 options;
    guint8 unused[20];
    guint64 first_page_off; /* where the pages are that have a bit, in the order of the bits */
    guint64 present;        /* bits that are set */
    guint64 bits;           /* of the bitmap; bit N stands for PFN N */
} DmpBitmap;
static_assert(sizeof(DmpBitmap) == 0x38, "BMP_HEADER64 [kp]");
DMP_AT(DmpBitmap, first_page_off, 0x20);
DMP_AT(DmpBitmap, present, 0x28);
DMP_AT(DmpBitmap, bits, 0x30);
#define DMP_SDMP 0x504d4453u
#define DMP_FDMP 0x504d4446u

/* Behind the header of types 8, 9 and 10 [kp]; DmpRun64 follow, then the pages in their order. */
typedef struct {
    guint32 marker;    /* DMP_LIVE_MARKER */
    guint32 signature; /* DMP_RDMP */
    guint32 valid;     /* DMP_VALID32 */
    guint32 unused;
    guint64 metadata_size;  /* first_page_off - 0x2020 */
    guint64 first_page_off; /* in the file */
    guint32 nranges;        /* of type 10; nobody knows what 8 and 9 have here */
    guint32 unknown;
    guint64 pages; /* of type 10 */
} DmpLive;
static_assert(sizeof(DmpLive) == 0x30, "RDMP_HEADER64, FULL_RDMP_HEADER64 [kp]");
DMP_AT(DmpLive, metadata_size, 0x10);
DMP_AT(DmpLive, first_page_off, 0x18);
DMP_AT(DmpLive, nranges, 0x20);
DMP_AT(DmpLive, pages, 0x28);
#define DMP_LIVE_MARKER 0x40u
#define DMP_RDMP 0x504d4452u
#define DMP_LIVE_BIAS 0x2020u

/* Behind the header of type 4 [rz] [m]; offsets are those of the file. */
typedef struct {
    guint32 service_pack;
    guint32 size;      /* of the dump: valid_off + 4 */
    guint32 valid_off; /* of DMP_TRGD */
    guint32 context_off;
    guint32 exception_off;
    guint32 mm_off;
    guint32 unloaded_off;
    guint32 prcb_off;
    guint32 process_off;
    guint32 thread_off;
    guint32 stack_off;
    guint32 stack_size;
    guint32 drivers_off;
    guint32 ndrivers;
    guint32 strings_off;
    guint32 strings_size;
    guint32 broken_driver_off;
    guint32 options;
    guint64 stack_va;
    guint8 unused[16];
    guint64 page_va;
    guint32 page_off;
    guint32 page_size;
    guint32 kdbg_off;
    guint32 kdbg_size;
    guint32 blocks_off;
    guint32 nblocks;
} DmpTriage64;
static_assert(sizeof(DmpTriage64) == 0x80, "TRIAGE_DUMP64 [rz]");
DMP_AT(DmpTriage64, unloaded_off, 0x18);
DMP_AT(DmpTriage64, stack_off, 0x28);
DMP_AT(DmpTriage64, drivers_off, 0x30);
DMP_AT(DmpTriage64, stack_va, 0x48);
DMP_AT(DmpTriage64, page_va, 0x60);
DMP_AT(DmpTriage64, kdbg_off, 0x70);
DMP_AT(DmpTriage64, blocks_off, 0x78);
/* As far as no pointer has come: the same for 32 bits, where the pointer has four bytes. */
#define DMP_TRIAGE_COMMON 0x48u
#define DMP_TRGD 0x44475254u

/* A driver of a triage dump [m]; the table's stride is larger, and is not the same everywhere. */
typedef struct {
    guint32 name_off; /* of a DmpString */
    guint8 unused1[0x34];
    guint64 base_va;
    guint8 unused2[8];
    guint32 size; /* of the image in memory */
    guint8 unused3[0x34];
    guint32 checksum;
    guint32 unused4;
    guint32 time;
} DmpDriver64;
static_assert(sizeof(DmpDriver64) == 0x8c, "driver entry [m]");
DMP_AT(DmpDriver64, base_va, 0x38);
DMP_AT(DmpDriver64, size, 0x48);
DMP_AT(DmpDriver64, checksum, 0x80);
DMP_AT(DmpDriver64, time, 0x88);

/* An unloaded driver of a triage dump, behind a u64 count [m]. */
typedef struct {
    guint16 name_size; /* bytes; more than the entry has when the name is cut */
    guint16 name_max;
    guint32 padding;
    guint64 name_va;
    guint8 name[24]; /* UTF-16 */
    guint64 first_va;
    guint64 end_va; /* behind the last byte */
} DmpUnloaded64;
static_assert(sizeof(DmpUnloaded64) == 0x38, "unloaded driver [m]");
DMP_AT(DmpUnloaded64, name, 0x10);
DMP_AT(DmpUnloaded64, first_va, 0x28);

/* A stretch of virtual memory in a triage dump [m]. */
typedef struct {
    guint64 va;
    guint32 off;
    guint32 size;
} DmpBlock64;
static_assert(sizeof(DmpBlock64) == 0x10, "data block [m]");

#pragma pack(pop)

/* KDDEBUGGER_DATA64 (volatility's and rekall's overlays; [m]): the fields that are looked at. */
#define DMP_KDBG_TAG_OFF 0x10u
#define DMP_KDBG_TAG 0x4742444bu /* "KDBG" */
#define DMP_KDBG_SIZE_OFF 0x14u
#define DMP_KDBG_PRCB_NUMBER_OFF 0x2beu  /* u16: where KPRCB has the CPU's number (u32) */
#define DMP_KDBG_PRCB_CONTEXT_OFF 0x338u /* u16: where KPRCB has the address of a CONTEXT */
