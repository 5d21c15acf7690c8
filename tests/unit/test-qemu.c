/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The texts and streams that live/qemu takes from QEMU. */
#include <elf.h>
#include <string.h>

#include "base/error.h"
#include "live/cpu-text.h"
#include "live/mtree.h"
#include "live/qemu/elf-stream.h"
#include "live/qemu/qemu-plan.h"

#define PAGE 4096u

static void range_free(DkQemuRange *range)
{
    g_free(range->block);
    g_free(range);
}

static GPtrArray *parse(const char *text, GError **error)
{
    g_autoptr(GPtrArray) ranges = g_ptr_array_new_with_free_func((GDestroyNotify)range_free);
    return dk_mtree_parse(text, ranges, error) ? g_steal_pointer(&ranges) : NULL;
}

static const char cpu_text[] =
    "CPU#0\n"
    "RAX=0000000000000001 RBX=0000000000000002 RCX=0000000000000003 RDX=0000000000000004\n"
    "RSI=0000000000000005 RDI=0000000000000006 RBP=0000000000000007 RSP=ffffffff82a03e80\n"
    "R8 =0000000000000008 R9 =0000000000000009 R10=000000000000000a R11=000000000000000b\n"
    "R12=000000000000000c R13=000000000000000d R14=000000000000000e R15=000000000000000f\n"
    "RIP=ffffffff81c17a0b RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n"
    "ES =0000 0000000000000000 00000000 00000000\n"
    "CS =0010 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\n"
    "SS =0018 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\n"
    "DS =0000 0000000000000000 00000000 00000000\n"
    "FS =0000 00007f0000001000 00000000 00000000\n"
    "GS =0000 ffff88800ba00000 00000000 00000000\n"
    "LDT=0000 0000000000000000 0000ffff 00008200 DPL=0 LDT\n"
    "TR =0040 fffffe0000003000 00004087 00008b00 DPL=0 TSS64-busy\n"
    "GDT=     fffffe0000001000 0000007f\n"
    "IDT=     fffffe0000000000 00000fff\n"
    "CR0=80050033 CR2=00007ffc CR3=0000000002a46000 CR4=000006b0\n"
    "DR0=0000000000000000 DR1=0000000000000000 DR2=0000000000000000 DR3=0000000000000000 \n"
    "DR6=00000000ffff0ff0 DR7=0000000000000400\n"
    "EFER=0000000000000d01\n"
    "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\n";

static guint64 general(const DkCpu *cpu, guint index)
{
    gsize size;
    const guint8 *bytes = g_bytes_get_data(cpu->regs[DK_REGSET_GENERAL], &size);
    guint64 word;
    g_assert_cmpuint(size, ==, 216);
    memcpy(&word, bytes + index * sizeof word, sizeof word);
    return GUINT64_FROM_LE(word);
}

static void test_cpu_text(void)
{
    g_autoptr(DkSubject) subject = dk_subject_new();
    g_autofree char *two = g_strconcat(cpu_text, "\n", cpu_text, NULL);
    g_assert_true(dk_cpu_text_parse(two, subject));
    g_assert_cmpuint(subject->system.cpus->len, ==, 2);
    g_assert_cmpint(subject->machine, ==, DK_MACHINE_X86_64);
    const DkCpu *cpu = g_ptr_array_index(subject->system.cpus, 1);
    static const guint64 expected[27] = {15,
                                         14,
                                         13,
                                         12,
                                         7,
                                         2,
                                         11,
                                         10,
                                         9,
                                         8,
                                         1,
                                         3,
                                         4,
                                         5,
                                         6,
                                         G_MAXUINT64,
                                         0xffffffff81c17a0b,
                                         0x10,
                                         0x246,
                                         0xffffffff82a03e80,
                                         0x18,
                                         0x7f0000001000,
                                         0xffff88800ba00000};
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
        g_assert_cmphex(general(cpu, i), ==, expected[i]);
    g_assert_cmphex(cpu->parts, ==, DK_CPU_SEGMENTS | DK_CPU_CONTROL | DK_CPU_DEBUG | DK_CPU_EFER);
    g_assert_cmphex(cpu->cr3, ==, 0x2a46000);
    g_assert_cmphex(cpu->efer, ==, 0xd01);
    g_assert_cmphex(cpu->dr[7], ==, 0x400);
    g_assert_cmphex(cpu->seg[DK_SEG_CS].flags, ==, 0xaf9b00);
    g_assert_cmphex(cpu->seg[DK_SEG_TR].base, ==, 0xfffffe0000003000);
    g_assert_cmphex(cpu->seg[DK_SEG_IDT].limit, ==, 0xfff);
    /* Of a text that is cut nothing is taken. */
    g_autoptr(DkSubject) other = dk_subject_new();
    g_autofree char *cut = g_strndup(two, sizeof cpu_text + 300);
    g_assert_false(dk_cpu_text_parse(cut, other));
    g_assert_false(dk_cpu_text_parse("CPU", other));
    g_assert_cmpuint(other->system.cpus->len, ==, 0);
}

static void test_mtree(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) ranges = parse(
        "FlatView #0\n AS \"I/O\", root: io\n"
        "  0000000000000000-0000000000000fff (prio 0, ram): not this one\n\n"
        "FlatView #1\n AS \"memory\", root: system\n AS \"cpu-memory-0\", root: system\n"
        " Root memory region: system\n"
        "  0000000000000000-000000000009ffff (prio 0, ram): pc.ram KVM\n"
        "  00000000000a0000-00000000000bffff (prio 1, i/o): vga-lowmem\n"
        "  00000000000c0000-00000000000dffff (prio 0, rom): pc.ram @00000000000c0000 KVM\n"
        "  00000000000e0000-00000000000effff (prio 0, ram): pc.ram @00000000000e0000\n"
        "  00000000000f0000-000000001fffffff (prio 0, ram): pc.ram @00000000000f0000 owner:{obj}\n"
        "  00000000fd000000-00000000fdffffff (prio 1, ram): vga.vram\n"
        "  00000000fe000000-00000000fe000fff (prio 1, ramd): 0000:01:00.0 BAR 0 mmaps[0]\n"
        "  00000000fffc0000-00000000ffffffff (prio 0, romd): system.flash0\n"
        "  0000000100000000-000000013fffffff (prio 0, nv-ram): my dimm\n"
        "\nFlatView #2\n AS \"memory\", root: other\n"
        "  0000000200000000-0000000200000fff (prio 0, ram): late\n",
        &error);
    g_assert_no_error(error);
    static const struct {
        guint64 first;
        guint64 last;
        const char *block;
        guint64 offset;
        gboolean rom;
    } expected[] = {
        {0, 0x9ffff, "pc.ram", 0, FALSE},
        {0xc0000, 0xdffff, "pc.ram", 0xc0000, TRUE},
        {0xe0000, 0x1fffffff, "pc.ram", 0xe0000, FALSE},
        {0xfd000000, 0xfdffffff, "vga.vram", 0, FALSE},
        {0x100000000, 0x13fffffff, "my dimm", 0, FALSE},
    };
    g_assert_cmpuint(ranges->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < ranges->len; i++) {
        const DkQemuRange *range = g_ptr_array_index(ranges, i);
        g_assert_cmpuint(range->first, ==, expected[i].first);
        g_assert_cmpuint(range->last, ==, expected[i].last);
        g_assert_cmpstr(range->block, ==, expected[i].block);
        g_assert_cmpuint(range->offset, ==, expected[i].offset);
        g_assert_cmpint(range->rom, ==, expected[i].rom);
    }
}

static void test_bad_mtree(void)
{
    static const char *const texts[] = {
        "",
        "info: unknown command\n",
        "FlatView #0\n AS \"memory\", root: system\n\n",
        "FlatView #0\n AS \"memory\", root: system\n  zz-10 (prio 0, ram): a\n",
        "FlatView #0\n AS \"memory\", root: system\n  1000-0fff (prio 0, ram): a\n",
        "FlatView #0\n AS \"memory\", root: system\n  0001-1fff (prio 0, ram): a\n",
        "FlatView #0\n AS \"memory\", root: system\n  0000-0fff (prio 0, ram): a @\n",
        "FlatView #0\n AS \"memory\", root: system\n  0000-0fff (prio 0, ram): a "
        "@fffffffffffff001\n",
        "FlatView #0\n AS \"memory\", root: system\n  1000-2fff (prio 0, ram): a\n"
        "  2000-3fff (prio 0, ram): a\n",
        "FlatView #0\n AS \"memory\", root: system\n  00000000000000000-0fff (prio 0, ram): a\n",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(texts[i], &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
    }
}

/* A dump with two loads of memory, as QEMU 7.2 puts it: section headers first. */
typedef struct {
    Elf64_Ehdr head;
    Elf64_Shdr section;
    Elf64_Phdr segments[3];
    char notes[16];
    guint8 memory[3 * PAGE];
} Dump;

static void make_dump(Dump *dump)
{
    memset(dump, 0, sizeof *dump);
    memcpy(dump->head.e_ident, ELFMAG, SELFMAG);
    dump->head.e_ident[EI_CLASS] = ELFCLASS64;
    dump->head.e_ident[EI_DATA] = ELFDATA2LSB;
    dump->head.e_type = ET_CORE;
    dump->head.e_machine = EM_X86_64;
    dump->head.e_ehsize = 8;
    dump->head.e_phoff = offsetof(Dump, segments);
    dump->head.e_shoff = offsetof(Dump, section);
    dump->head.e_phentsize = sizeof(Elf64_Phdr);
    dump->head.e_phnum = 3;
    dump->segments[0] = (Elf64_Phdr){
        .p_type = PT_NOTE, .p_offset = offsetof(Dump, notes), .p_filesz = sizeof dump->notes};
    dump->segments[1] = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_offset = offsetof(Dump, memory),
                                     .p_paddr = 0x100000,
                                     .p_filesz = PAGE};
    dump->segments[2] = (Elf64_Phdr){.p_type = PT_LOAD,
                                     .p_offset = offsetof(Dump, memory) + PAGE,
                                     .p_paddr = 0x8000,
                                     .p_filesz = 2 * PAGE};
    memcpy(dump->notes, "0123456789abcde", 16);
    for (guint i = 0; i < sizeof dump->memory; i++)
        dump->memory[i] = (guint8)(i / 5);
}

typedef struct {
    guint notes;
    guint64 bytes;
    const Dump *dump;
} Seen;

static gboolean see_notes(const void *bytes, gsize len, guint64 off, guint16 machine, gboolean wide,
                          gpointer data, GError **error)
{
    Seen *seen = data;
    g_assert_cmpmem(bytes, len, seen->dump->notes, sizeof seen->dump->notes);
    g_assert_cmpuint(off, ==, offsetof(Dump, notes));
    g_assert_true(wide && machine == EM_X86_64);
    seen->notes++;
    return TRUE;
}

static gboolean see_memory(guint64 pa, const guint8 *bytes, gsize len, gpointer data,
                           GError **error)
{
    Seen *seen = data;
    gsize at = pa == 0x100000 ? 0 : PAGE;
    g_assert_true(pa == 0x100000 || pa == 0x8000);
    g_assert_cmpmem(bytes, len, seen->dump->memory + at, pa == 0x8000 ? 2 * PAGE : PAGE);
    seen->bytes += len;
    return TRUE;
}

static const DkElfStreamCallbacks callbacks = {see_notes, see_memory};

/* Feeds len bytes in pieces; FALSE with the error of feed() or end(). */
static gboolean feed(const Dump *dump, gsize len, gsize piece, Seen *seen, GError **error)
{
    *seen = (Seen){.dump = dump};
    g_autoptr(DkElfStream) stream = dk_elf_stream_new(&callbacks, seen);
    for (gsize done = 0; done < len; done += piece) {
        if (!dk_elf_stream_feed(stream, (const guint8 *)dump + done, MIN(piece, len - done), error))
            return FALSE;
    }
    return dk_elf_stream_end(stream, error);
}

static void test_elf_stream(void)
{
    static const gsize pieces[] = {1, 7, 64, PAGE, sizeof(Dump)};
    g_autofree Dump *dump = g_new(Dump, 1);
    make_dump(dump);
    for (guint i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_autoptr(GError) error = NULL;
        Seen seen;
        g_assert_true(feed(dump, sizeof *dump, pieces[i], &seen, &error));
        g_assert_cmpuint(seen.notes, ==, 1);
        g_assert_cmpuint(seen.bytes, ==, sizeof dump->memory);
    }
    /* Many segments: the count stands in section header 0. */
    g_autoptr(GError) error = NULL;
    Seen seen;
    dump->head.e_phnum = PN_XNUM;
    dump->section.sh_info = 3;
    g_assert_true(feed(dump, sizeof *dump, 100, &seen, &error));
    g_assert_cmpuint(seen.bytes, ==, sizeof dump->memory);
}

static void test_bad_elf_stream(void)
{
    g_autofree Dump *dump = g_new(Dump, 1);
    Seen seen;
    for (guint i = 0; i < 9; i++) {
        g_autoptr(GError) error = NULL;
        gsize len = sizeof *dump;
        make_dump(dump);
        if (i == 0)
            dump->head.e_ident[0] = 0;
        else if (i == 1)
            dump->head.e_ident[EI_DATA] = ELFDATA2MSB;
        else if (i == 2)
            dump->head.e_phoff = G_MAXUINT64 - 8;
        else if (i == 3)
            dump->segments[0].p_filesz = G_MAXUINT64;
        else if (i == 4)
            dump->segments[1].p_paddr = 0x100001;
        else if (i == 5)
            dump->segments[2].p_offset = offsetof(Dump, memory) + 8;
        else if (i == 6)
            dump->segments[1].p_paddr = G_MAXUINT64 - PAGE + 1;
        else if (i == 7)
            len -= 1;
        else
            len = 30;
        g_assert_false(feed(dump, len, 512, &seen, &error));
        g_assert_true(g_error_matches(error, DK_ERROR, DK_ERROR_DAMAGED) ||
                      g_error_matches(error, DK_ERROR, DK_ERROR_LIMIT));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu/mtree", test_mtree);
    g_test_add_func("/qemu/bad-mtree", test_bad_mtree);
    g_test_add_func("/qemu/cpu-text", test_cpu_text);
    g_test_add_func("/qemu/elf-stream", test_elf_stream);
    g_test_add_func("/qemu/bad-elf-stream", test_bad_elf_stream);
    return g_test_run();
}
