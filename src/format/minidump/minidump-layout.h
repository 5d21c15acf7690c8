/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The minidump (MDMP) format as it stands in the file: little-endian, fields unaligned.  Sources:
 * minidumpapiset.h and winnt.h as documented on learn.microsoft.com (MINIDUMP_* structures,
 * CONTEXT, VS_FIXEDFILEINFO); Breakpad's google_breakpad/common/minidump_format.h and
 * minidump_cpu_*.h (BSD) for the Linux streams, the "BpEL" record and the old ARM64 context;
 * rust-minidump's format.rs (MIT).  An RVA is an offset in the file.  The structs are copied from
 * and to bytes as they are, so the host has to be little-endian.
 */
#pragma once

#include <assert.h>
#include <glib.h>

static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "minidump structs are copied as they are");

#define MDMP_SIGNATURE 0x504d444du /* "MDMP" */
#define MDMP_SIGNATURE_SWAPPED 0x4d444d50u
#define MDMP_VERSION 0xa793u /* low 16 bits */

/* MINIDUMP_TYPE, the flags of the header. */
#define MDMP_WITH_FULL_MEMORY 0x2u
#define MDMP_FILTER_MEMORY 0x8u
#define MDMP_SCAN_MEMORY 0x10u
#define MDMP_INDIRECTLY_REFERENCED 0x40u
#define MDMP_PRIVATE_READ_WRITE 0x200u
#define MDMP_FULL_MEMORY_INFO 0x800u
#define MDMP_THREAD_INFO 0x1000u
#define MDMP_IGNORE_INACCESSIBLE 0x20000u
#define MDMP_FILTER_TRIAGE 0x100000u

/* Stream types. */
enum {
    MDMP_UNUSED = 0,
    MDMP_THREAD_LIST = 3,
    MDMP_MODULE_LIST = 4,
    MDMP_MEMORY_LIST = 5,
    MDMP_EXCEPTION = 6,
    MDMP_SYSTEM_INFO = 7,
    MDMP_THREAD_EX_LIST = 8,
    MDMP_MEMORY64_LIST = 9,
    MDMP_COMMENT_A = 10,
    MDMP_COMMENT_W = 11,
    MDMP_HANDLE_DATA = 12,
    MDMP_FUNCTION_TABLE = 13,
    MDMP_UNLOADED_MODULE_LIST = 14,
    MDMP_MISC_INFO = 15,
    MDMP_MEMORY_INFO_LIST = 16,
    MDMP_THREAD_INFO_LIST = 17,
    MDMP_THREAD_NAMES = 24,
};
#define MDMP_CRASHPAD_INFO 0x43500001u
#define MDMP_BREAKPAD_INFO 0x47670001u
#define MDMP_ASSERTION_INFO 0x47670002u
#define MDMP_LINUX_CPU_INFO 0x47670003u
#define MDMP_LINUX_PROC_STATUS 0x47670004u
#define MDMP_LINUX_LSB_RELEASE 0x47670005u
#define MDMP_LINUX_CMD_LINE 0x47670006u
#define MDMP_LINUX_ENVIRON 0x47670007u /* read by nobody here: it holds secrets */
#define MDMP_LINUX_AUXV 0x47670008u
#define MDMP_LINUX_MAPS 0x47670009u
#define MDMP_LINUX_DSO_DEBUG 0x4767000au
#define MDMP_LLDB_GENERATED 0x4c4c4442u
#define MDMP_MOZILLA_FIRST 0x4d7a0001u
#define MDMP_MOZILLA_LAST 0x4d7affffu
/* Ours; docs/formats/minidump.md. */
#define MDMP_DUMPKIT_INFO 0x444b0001u
#define MDMP_DUMPKIT_CLOSING 0x444b0002u
#define MDMP_DUMPKIT_REGS 0x444b0003u

/* Processor architectures. */
enum {
    MDMP_CPU_X86 = 0,
    MDMP_CPU_ARM = 5,
    MDMP_CPU_AMD64 = 9,
    MDMP_CPU_ARM64 = 12,
    MDMP_CPU_X86_WIN64 = 10,
    MDMP_CPU_ARM64_OLD = 0x8003,
};

/* Platforms. */
enum {
    MDMP_OS_WIN32S = 0,
    MDMP_OS_WINDOWS = 1,
    MDMP_OS_NT = 2,
    MDMP_OS_CE = 3,
    MDMP_OS_MACOS = 0x8101,
    MDMP_OS_IOS = 0x8102,
    MDMP_OS_LINUX = 0x8201,
    MDMP_OS_ANDROID = 0x8203,
};

#pragma pack(push, 1)

typedef struct {
    guint32 signature;     /* 0x00 MDMP_SIGNATURE */
    guint32 version;       /* 0x04 low half MDMP_VERSION */
    guint32 stream_count;  /* 0x08 */
    guint32 directory_rva; /* 0x0c of stream_count MdmpDirectory */
    guint32 checksum;      /* 0x10 0 in practice */
    guint32 time;          /* 0x14 seconds since 1970 */
    guint64 flags;         /* 0x18 MINIDUMP_TYPE */
} MdmpHeader;
static_assert(sizeof(MdmpHeader) == 32, "MINIDUMP_HEADER");

typedef struct {
    guint32 size; /* 0x00 bytes */
    guint32 rva;  /* 0x04 */
} MdmpLocation;

typedef struct {
    guint32 type;          /* 0x00 */
    MdmpLocation location; /* 0x04 */
} MdmpDirectory;
static_assert(sizeof(MdmpDirectory) == 12, "MINIDUMP_DIRECTORY");

typedef struct {
    guint64 va;            /* 0x00 */
    MdmpLocation location; /* 0x08 */
} MdmpMemory;
static_assert(sizeof(MdmpMemory) == 16, "MINIDUMP_MEMORY_DESCRIPTOR");

typedef struct {
    guint64 va;   /* 0x00 */
    guint64 size; /* 0x08 */
} MdmpMemory64;
static_assert(sizeof(MdmpMemory64) == 16, "MINIDUMP_MEMORY_DESCRIPTOR64");

typedef struct {
    guint64 count;    /* 0x00 of MdmpMemory64 behind it */
    guint64 base_rva; /* 0x08 where the data of all of them follow each other */
} MdmpMemory64List;
static_assert(sizeof(MdmpMemory64List) == 16, "MINIDUMP_MEMORY64_LIST");

typedef struct {
    guint32 tid;            /* 0x00 */
    guint32 suspend_count;  /* 0x04 */
    guint32 priority_class; /* 0x08 */
    guint32 priority;       /* 0x0c */
    guint64 teb_va;         /* 0x10 */
    MdmpMemory stack;       /* 0x18 */
    MdmpLocation context;   /* 0x28 */
} MdmpThread;
static_assert(sizeof(MdmpThread) == 48, "MINIDUMP_THREAD");
#define MDMP_THREAD_EX_SIZE 64u /* MINIDUMP_THREAD_EX: MdmpThread and the backing store */

typedef struct {
    guint32 signature; /* 0x00 MDMP_VERSION_SIGNATURE */
    guint32 struct_version;
    guint32 file_version_high; /* 0x08 */
    guint32 file_version_low;  /* 0x0c */
    guint32 rest[9];
} MdmpFileVersion;
static_assert(sizeof(MdmpFileVersion) == 52, "VS_FIXEDFILEINFO");
#define MDMP_VERSION_SIGNATURE 0xfeef04bdu

typedef struct {
    guint64 base_va;         /* 0x00 */
    guint32 size;            /* 0x08 of the image in memory */
    guint32 checksum;        /* 0x0c */
    guint32 time;            /* 0x10 */
    guint32 name_rva;        /* 0x14 of a string */
    MdmpFileVersion version; /* 0x18 */
    MdmpLocation codeview;   /* 0x4c */
    MdmpLocation misc;       /* 0x54 */
    guint64 reserved[2];     /* 0x5c */
} MdmpModule;
static_assert(sizeof(MdmpModule) == 108, "MINIDUMP_MODULE");

#define MDMP_CV_RSDS 0x53445352u /* guid[16], u32 age, name */
#define MDMP_CV_BPEL 0x4270454cu /* ELF build-id */

/* Header of the lists that say their entries' size. */
typedef struct {
    guint32 header_size; /* 0x00 */
    guint32 entry_size;  /* 0x04 */
    guint32 count;       /* 0x08 */
} MdmpSizedList;
static_assert(sizeof(MdmpSizedList) == 12, "MINIDUMP_UNLOADED_MODULE_LIST");

typedef struct {
    guint64 base_va;  /* 0x00 */
    guint32 size;     /* 0x08 */
    guint32 checksum; /* 0x0c */
    guint32 time;     /* 0x10 */
    guint32 name_rva; /* 0x14 */
} MdmpUnloadedModule;
static_assert(sizeof(MdmpUnloadedModule) == 24, "MINIDUMP_UNLOADED_MODULE");

typedef struct {
    guint32 tid;           /* 0x00 */
    guint32 dump_flags;    /* 0x04 */
    guint32 dump_error;    /* 0x08 */
    guint32 exit_status;   /* 0x0c */
    guint64 create_time;   /* 0x10 FILETIME */
    guint64 exit_time;     /* 0x18 FILETIME */
    guint64 kernel_time;   /* 0x20 100 ns */
    guint64 user_time;     /* 0x28 100 ns */
    guint64 start_address; /* 0x30 */
    guint64 affinity;      /* 0x38 */
} MdmpThreadInfo;
static_assert(sizeof(MdmpThreadInfo) == 64, "MINIDUMP_THREAD_INFO");

typedef struct {
    guint32 tid;      /* 0x00 */
    guint64 name_rva; /* 0x04 of a string */
} MdmpThreadName;
static_assert(sizeof(MdmpThreadName) == 12, "MINIDUMP_THREAD_NAME");

typedef struct {
    guint32 header_size; /* 0x00 */
    guint32 entry_size;  /* 0x04 */
    guint64 count;       /* 0x08 */
} MdmpMemoryInfoList;
static_assert(sizeof(MdmpMemoryInfoList) == 16, "MINIDUMP_MEMORY_INFO_LIST");

typedef struct {
    guint64 base_va;            /* 0x00 */
    guint64 allocation_va;      /* 0x08 */
    guint32 allocation_protect; /* 0x10 */
    guint32 padding1;           /* 0x14 */
    guint64 size;               /* 0x18 */
    guint32 state;              /* 0x20 */
    guint32 protect;            /* 0x24 */
    guint32 type;               /* 0x28 */
    guint32 padding2;           /* 0x2c */
} MdmpMemoryInfo;
static_assert(sizeof(MdmpMemoryInfo) == 48, "MINIDUMP_MEMORY_INFO");

#define MDMP_MEM_COMMIT 0x1000u
#define MDMP_MEM_RESERVE 0x2000u
#define MDMP_MEM_FREE 0x10000u
#define MDMP_MEM_PRIVATE 0x20000u
#define MDMP_MEM_MAPPED 0x40000u
#define MDMP_MEM_IMAGE 0x1000000u
#define MDMP_PAGE_NOACCESS 0x01u
#define MDMP_PAGE_READONLY 0x02u
#define MDMP_PAGE_READWRITE 0x04u
#define MDMP_PAGE_WRITECOPY 0x08u
#define MDMP_PAGE_EXECUTE 0x10u
#define MDMP_PAGE_EXECUTE_READ 0x20u
#define MDMP_PAGE_EXECUTE_READWRITE 0x40u
#define MDMP_PAGE_EXECUTE_WRITECOPY 0x80u

typedef struct {
    guint32 code;       /* 0x00 */
    guint32 flags;      /* 0x04 */
    guint64 record_va;  /* 0x08 */
    guint64 address;    /* 0x10 */
    guint32 nparams;    /* 0x18 */
    guint32 padding;    /* 0x1c */
    guint64 params[15]; /* 0x20 */
} MdmpExceptionRecord;
static_assert(sizeof(MdmpExceptionRecord) == 152, "MINIDUMP_EXCEPTION");

typedef struct {
    guint32 tid;                /* 0x00 */
    guint32 padding;            /* 0x04 */
    MdmpExceptionRecord record; /* 0x08 */
    MdmpLocation context;       /* 0xa0 */
} MdmpException;
static_assert(sizeof(MdmpException) == 168, "MINIDUMP_EXCEPTION_STREAM");

/* Breakpad's exception code on Linux for a dump that was asked for. */
#define MDMP_LINUX_DUMP_REQUESTED 0xffffffffu

typedef struct {
    guint16 cpu;         /* 0x00 MDMP_CPU_ */
    guint16 level;       /* 0x02 family */
    guint16 revision;    /* 0x04 model << 8 | stepping */
    guint8 cpus;         /* 0x06 */
    guint8 product_type; /* 0x07 */
    guint32 major;       /* 0x08 */
    guint32 minor;       /* 0x0c */
    guint32 build;       /* 0x10 */
    guint32 platform;    /* 0x14 MDMP_OS_ */
    guint32 csd_rva;     /* 0x18 of a string */
    guint16 suite_mask;  /* 0x1c */
    guint16 reserved;    /* 0x1e */
    char vendor[12];     /* 0x20 x86: CPUID 0 as ebx, edx, ecx */
    guint32 cpuid_1_eax; /* 0x2c */
    guint32 cpuid_1_edx; /* 0x30 */
    guint32 cpuid_amd;   /* 0x34 CPUID 0x80000001 edx */
} MdmpSystemInfo;
static_assert(sizeof(MdmpSystemInfo) == 56, "MINIDUMP_SYSTEM_INFO");

typedef struct {
    guint32 size;        /* 0x00 of the structure */
    guint32 flags;       /* 0x04 MDMP_MISC_ */
    guint32 pid;         /* 0x08 */
    guint32 create_time; /* 0x0c seconds since 1970 */
    guint32 user_time;   /* 0x10 seconds */
    guint32 kernel_time; /* 0x14 seconds */
} MdmpMiscInfo;
static_assert(sizeof(MdmpMiscInfo) == 24, "MINIDUMP_MISC_INFO");
#define MDMP_MISC_PROCESS_ID 1u
#define MDMP_MISC_PROCESS_TIMES 2u

typedef struct {
    guint32 header_size; /* 0x00 */
    guint32 entry_size;  /* 0x04 32 or 40 */
    guint32 count;       /* 0x08 */
    guint32 reserved;    /* 0x0c */
} MdmpHandleData;
static_assert(sizeof(MdmpHandleData) == 16, "MINIDUMP_HANDLE_DATA_STREAM");

typedef struct {
    guint32 validity;       /* 0x00 bit 0: dump_tid, bit 1: requesting_tid */
    guint32 dump_tid;       /* 0x04 the thread that wrote the dump */
    guint32 requesting_tid; /* 0x08 the thread that asked for it */
} MdmpBreakpadInfo;
static_assert(sizeof(MdmpBreakpadInfo) == 12, "MDRawBreakpadInfo");

/* Ours: where the closing part stands, which may be above 4 GiB. */
typedef struct {
    guint64 off;         /* 0x00 of the closing part in the file; the sums cover all before it */
    guint64 size;        /* 0x08 bytes: the table of sums, the result, the sum of both */
    guint32 version;     /* 0x10 1 */
    guint32 result_size; /* 0x14 bytes */
} MdmpClosing;
static_assert(sizeof(MdmpClosing) == 24, "our locator");

/* Ours: register sets in the form of mem/regset.h, behind a u32 version (1) and a u32 count. */
typedef struct {
    guint32 tid;           /* 0x00 */
    guint32 kind;          /* 0x04 1 general, 2 FP, 3 xstate, 4 FXSAVE, 5 siginfo */
    MdmpLocation location; /* 0x08 */
} MdmpRegs;
static_assert(sizeof(MdmpRegs) == 16, "our register sets");

#pragma pack(pop)
