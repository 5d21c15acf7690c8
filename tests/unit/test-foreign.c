/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files that are known and not read. */
#include <elf.h>
#include <glib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"

typedef struct {
    gsize off;
    const char *magic;
    gsize len;
    const char *name; /* NULL: is not to be recognised */
} Sample;

/* The text for a file that is known and not read, else an empty one. */
static char *complaint_of(const guint8 *data, gsize len)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, len);
    g_autoptr(DkInput) input = dk_input_new_bytes("file", bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
    gboolean known = !source && g_error_matches(error, DK_ERROR, DK_ERROR_UNSUPPORTED);
    return known ? g_strdup(error->message) : g_strdup("");
}

static void test_magics(void)
{
    static const Sample samples[] = {
        {0, "\x14\x20\x28\x01", 4,
         "is a Hyper-V file (.vmrs, .vsv or .vmcx); that is not readable"},
        {4096, "\x14\x20\x28\x01", 4, "is a Hyper-V file"},
        {0, "\x14\x20\x28", 3, NULL},
        {0, "HIBR\0\0\0\0\0\0\0\0\xd8\x04\0\0", 16, "is a hibernation file of Windows"},
        {0, "WAKE\0\0\0\0\0\0\0\0\x68\x03\0\0", 16, "the system has been resumed from it"},
        {0, "WAKE up, said the file", 22, NULL},
        {0, "Raw_Dmp!", 8, "is an offline dump of Windows, written by the firmware; that"},
        {0, "Enc_Dmp!", 8, "written by the firmware and encrypted"},
        {0, "minidump FreeBSD/amd64", 22, "is a kernel minidump of FreeBSD"},
        {0, "\xcf\xfa\xed\xfe\x07\0\0\1\3\0\0\0\4\0\0\0", 16, "is a Mach-O core"},
        {0, "\xcf\xfa\xed\xfe\x07\0\0\1\3\0\0\0\2\0\0\0", 16, NULL},
        {0, "\x7fVirtualBox SavedState V2.0\n", 28, "is a saved state of VirtualBox"},
        {0, "QFI\xfb\0\0\0\3", 8, "is a qcow2 file; that is a disk image, not one of memory"},
        {512, "EFI PART", 8, "is a disk with a GUID partition table"},
        {0, "\x1f\x8b\x08\x08", 4, "is compressed with gzip; that has to be unpacked first"},
        {0, "\x1f\x8b\x07\x08", 4, NULL},
        {0, "BZh91AY&SY", 10, "is compressed with bzip2"},
        {0, "BZhaving text", 13, NULL},
        {0, "plain text", 10, NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(samples); i++) {
        const Sample *sample = &samples[i];
        g_autofree guint8 *data = g_malloc0(8192);
        memcpy(data + sample->off, sample->magic, sample->len);
        g_autofree char *text = complaint_of(data, 8192);
        if (sample->name)
            g_assert_nonnull(strstr(text, sample->name));
        else
            g_assert_cmpstr(text, ==, "");
        /* Shorter than its magic. */
        g_autofree char *cut = complaint_of(data, sample->off + 1);
        g_assert_cmpstr(cut, ==, "");
    }
}

/* A core whose sections have the names; head has room for all. */
static void make_xen(guint8 *head, guint phnum, const char *section)
{
    Elf64_Ehdr header = {.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_ehsize = sizeof header;
    header.e_phnum = (guint16)phnum;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phoff = 2048;
    header.e_shoff = 256;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_shnum = 2;
    header.e_shstrndx = 1;
    const Elf64_Shdr names = {.sh_type = SHT_STRTAB, .sh_offset = 1024, .sh_size = 64};
    memcpy(head, &header, sizeof header);
    memcpy(head + 256 + sizeof names, &names, sizeof names);
    memcpy(head + 1025, ".shstrtab", 10);
    memcpy(head + 1040, section, strlen(section) + 1);
}

static void test_xen(void)
{
    guint8 head[4096] = {0};
    make_xen(head, 0, ".note.Xen");
    g_autofree char *text = complaint_of(head, sizeof head);
    g_assert_nonnull(strstr(text, "is a core of a Xen guest; that is not readable yet"));
    /* With program headers, or sections of other names, it is another core. */
    memset(head, 0, sizeof head);
    make_xen(head, 1, ".note.Xen");
    g_autofree char *loads = complaint_of(head, sizeof head);
    g_assert_null(strstr(loads, "Xen"));
    memset(head, 0, sizeof head);
    make_xen(head, 0, ".note.Xenon");
    g_autofree char *other = complaint_of(head, sizeof head);
    g_assert_null(strstr(other, "Xen"));
    /* Names that lie outside of the file. */
    for (guint len = 0; len < 1040; len += 7) {
        make_xen(head, 0, ".note.Xen");
        g_autofree char *cut = complaint_of(head, len);
        g_assert_null(strstr(cut, "Xen"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/foreign/magics", test_magics);
    g_test_add_func("/foreign/xen", test_xen);
    return g_test_run();
}
