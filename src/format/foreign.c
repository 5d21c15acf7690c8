/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/foreign.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "io/input.h"

/* The first bytes of a file that are looked at. */
#define HEAD_SIZE 4200u
/* The names of an ELF file's sections that are looked at, in bytes. */
#define NAMES_MAX 4096u
#define NO_TEXT "is not readable yet"

typedef struct {
    guint32 off;
    guint32 len; /* bytes of magic */
    const char *magic;
    const char *name;   /* "a Hyper-V saved state" */
    const char *advice; /* a phrase that goes on after the name */
    /* Looks closer, for a magic that other files may begin with; NULL: the magic is enough. */
    gboolean (*matches)(const guint8 *head, gsize len);
} Foreign;

static guint32 u32_at(const guint8 *head, gsize len, gsize off)
{
    DkCursor cursor;
    guint32 value;
    dk_cursor_init(&cursor, head, len, 0, "file");
    return dk_cursor_seek(&cursor, "field", off, NULL) &&
                   dk_cursor_u32(&cursor, "field", &value, NULL)
               ? value
               : 0;
}

/* Windows' header of a hibernation file tells its own length at offset 12. */
static gboolean is_hibernation(const guint8 *head, gsize len)
{
    guint32 self = u32_at(head, len, 12);
    return len >= 4096 && self >= 0x60 && self <= 0x1000;
}

/* MH_CORE */
static gboolean is_mach_core(const guint8 *head, gsize len)
{
    return u32_at(head, len, 12) == 4;
}

static gboolean is_bzip2(const guint8 *head, gsize len)
{
    return len >= 10 && g_ascii_isdigit(head[3]) && !memcmp(head + 4, "1AY&SY", 6);
}

static gboolean is_gzip(const guint8 *head, gsize len)
{
    return len >= 18 && head[2] == 8 && !(head[3] & 0xe0);
}

#define HYPERV "a Hyper-V file (.vmrs, .vsv or .vmcx)"
#define HIBERNATION "a hibernation file of Windows (hiberfil.sys)"
#define DISK "is a disk image, not one of memory"

/* Sources: docs/formats/foreign.md. */
static const Foreign table[] = {
    {0, 4, "\x14\x20\x28\x01", HYPERV, NO_TEXT, NULL},
    {4096, 4, "\x14\x20\x28\x01", HYPERV, NO_TEXT, NULL},
    {0, 4, "HIBR", HIBERNATION, NO_TEXT, is_hibernation},
    {0, 4, "hibr", HIBERNATION, NO_TEXT, is_hibernation},
    {0, 4, "WAKE", HIBERNATION, NO_TEXT ", and the system has been resumed from it",
     is_hibernation},
    {0, 4, "wake", HIBERNATION, NO_TEXT ", and the system has been resumed from it",
     is_hibernation},
    {0, 4, "RSTR", HIBERNATION, NO_TEXT, is_hibernation},
    {0, 8, "Raw_Dmp!", "an offline dump of Windows, written by the firmware", NO_TEXT, NULL},
    {0, 8, "Enc_Dmp!", "an offline dump of Windows, written by the firmware and encrypted", NO_TEXT,
     NULL},
    {0, 17, "minidump FreeBSD/", "a kernel minidump of FreeBSD", NO_TEXT, NULL},
    {0, 4, "\xcf\xfa\xed\xfe", "a Mach-O core of macOS or iOS", NO_TEXT, is_mach_core},
    {0, 4, "\xce\xfa\xed\xfe", "a Mach-O core of macOS or iOS", NO_TEXT, is_mach_core},
    {0, 8, "\xed\x23\x8f\x61\x73\x01\x19\xa8", "an LKCD dump of Linux", NO_TEXT, NULL},
    {0, 24, "\x7fVirtualBox SavedState V", "a saved state of VirtualBox", NO_TEXT, NULL},
    {0, 8, "EVF\x09\x0d\x0a\xff\x00", "an evidence file (EWF)",
     "is not readable; ewfexport makes a raw image of it", NULL},
    {0, 4, "QFI\xfb", "a qcow2 file", DISK, NULL},
    {0, 4, "KDMV", "a VMDK file", DISK, NULL},
    {0, 8, "vhdxfile", "a VHDX file", DISK, NULL},
    {0, 8, "conectix", "a VHD file", DISK, NULL},
    {512, 8, "EFI PART", "a disk with a GUID partition table", DISK, NULL},
    {0, 2, "\x1f\x8b", "compressed with gzip", "has to be unpacked first (gunzip)", is_gzip},
    {0, 3, "BZh", "compressed with bzip2", "has to be unpacked first (bunzip2)", is_bzip2},
    {0, 6, "\xfd\x37zXZ\x00", "compressed with xz", "has to be unpacked first (unxz)", NULL},
    {0, 4, "\x04\x22\x4d\x18", "compressed with lz4", "has to be unpacked first (unlz4)", NULL},
    {0, 4, "PK\x03\x04", "a ZIP archive", "has to be unpacked first (unzip)", NULL},
    {0, 6, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "has to be unpacked first (7z x)", NULL},
};

typedef struct {
    guint16 type, phnum, shnum, shstrndx, shentsize;
    guint64 shoff;
} ElfHead;

/* Of a little-endian ELF file of 64 bits. */
static gboolean read_elf(const guint8 *head, gsize len, ElfHead *elf)
{
    DkCursor cursor;
    if (len < sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
        head[EI_CLASS] != ELFCLASS64 || head[EI_DATA] != ELFDATA2LSB)
        return FALSE;
    dk_cursor_init(&cursor, head, len, 0, "ELF header");
    return dk_cursor_seek(&cursor, "e_type", offsetof(Elf64_Ehdr, e_type), NULL) &&
           dk_cursor_u16(&cursor, "e_type", &elf->type, NULL) &&
           dk_cursor_seek(&cursor, "e_shoff", offsetof(Elf64_Ehdr, e_shoff), NULL) &&
           dk_cursor_u64(&cursor, "e_shoff", &elf->shoff, NULL) &&
           dk_cursor_seek(&cursor, "e_phnum", offsetof(Elf64_Ehdr, e_phnum), NULL) &&
           dk_cursor_u16(&cursor, "e_phnum", &elf->phnum, NULL) &&
           dk_cursor_u16(&cursor, "e_shentsize", &elf->shentsize, NULL) &&
           dk_cursor_u16(&cursor, "e_shnum", &elf->shnum, NULL) &&
           dk_cursor_u16(&cursor, "e_shstrndx", &elf->shstrndx, NULL);
}

/* Whether text, with its NUL, is one of the strings in len bytes. */
static gboolean has_string(const char *strings, gsize len, const char *text)
{
    return memmem(strings, len, text, strlen(text) + 1) != NULL;
}

/*
 * A core of Xen (xen/docs/misc/dump-core-format.txt) is an ELF core without program headers; what
 * it holds stands in sections, among them .note.Xen.
 */
static gboolean is_xen(DkInput *input, const guint8 *head, gsize len)
{
    ElfHead elf;
    guint8 section[sizeof(Elf64_Shdr)];
    char names[NAMES_MAX];
    DkCursor cursor;
    guint64 off, size;
    if (!read_elf(head, len, &elf) || elf.type != ET_CORE || elf.phnum ||
        elf.shentsize != sizeof section || elf.shstrndx >= elf.shnum ||
        elf.shoff > dk_input_size(input))
        return FALSE;
    gssize got = dk_input_read(input, elf.shoff + elf.shstrndx * sizeof section, section,
                               sizeof section, NULL);
    dk_cursor_init(&cursor, section, (gsize)MAX(got, 0), 0, "section header");
    if (!dk_cursor_seek(&cursor, "sh_offset", offsetof(Elf64_Shdr, sh_offset), NULL) ||
        !dk_cursor_u64(&cursor, "sh_offset", &off, NULL) ||
        !dk_cursor_u64(&cursor, "sh_size", &size, NULL))
        return FALSE;
    got = dk_input_read(input, off, names, (gsize)MIN(size, sizeof names), NULL);
    return got > 0 && (has_string(names, (gsize)got, ".note.Xen") ||
                       has_string(names, (gsize)got, ".xen_prstatus"));
}

static gboolean name_it(GError **error, const char *name, const char *advice)
{
    g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "is %s; that %s", name, advice);
    return TRUE;
}

gboolean dk_foreign_recognise(DkInput *input, GError **error)
{
    guint8 head[HEAD_SIZE];
    gssize got = dk_input_read(input, 0, head, sizeof head, NULL);
    gsize len = (gsize)MAX(got, 0);
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        const Foreign *each = &table[i];
        if (each->off + each->len <= len && !memcmp(head + each->off, each->magic, each->len) &&
            (!each->matches || each->matches(head, len)))
            return name_it(error, each->name, each->advice);
    }
    if (is_xen(input, head, len))
        return name_it(error, "a core of a Xen guest", NO_TEXT);
    return FALSE;
}
