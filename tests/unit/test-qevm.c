/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Streams made by tests/make/make-qevm, through the parser and the reader of files. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "format/qevm-place.h"
#include "format/registry.h"
#include "io/input.h"
#include "proto/qevm/qevm.h"
#include "proto/qevm/vmstate.h"

/* The dump of a description, by the fixture writer that was built beside this program. */
static GBytes *make(const char *description)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *dir = g_path_get_dirname(self);
    g_autofree char *writer = g_build_filename(dir, "..", "make", "make-qevm", NULL);
    g_autofree char *tmp = g_dir_make_tmp("test-qevm-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *in = g_build_filename(tmp, "in", NULL);
    g_autofree char *out = g_build_filename(tmp, "out", NULL);
    char *argv[] = {writer, in, out, NULL};
    gint status = -1;
    char *data = NULL;
    gsize len = 0;
    g_assert_true(g_file_set_contents(in, description, -1, NULL));
    g_assert_true(g_spawn_sync(NULL, argv, NULL, 0, NULL, NULL, NULL, NULL, &status, &error));
    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(out, &data, &len, NULL));
    g_assert_cmpint(g_unlink(in), ==, 0);
    g_assert_cmpint(g_unlink(out), ==, 0);
    g_assert_cmpint(g_rmdir(tmp), ==, 0);
    return g_bytes_new_take(data, len);
}

static DkSource *open_made(GBytes *dump, GError **error)
{
    g_autoptr(DkInput) input = dk_input_new_bytes("made", dump);
    return dk_format_by_name("qevm")->open(input, error);
}

#define HEAD "stream 3\nmachine pc-i440fx-7.2\nram 2 pc.ram=0x10000\neos 2\n"
#define CPU                                                                                    \
    "cpu 4 0 rax=0x11 rbx=0x22 rcx=0x33 rdx=0x44 rsi=0x55 rdi=0x66 rbp=0x77 rsp=0x88 r8=0x8 "  \
    "r15=0xf rip=0xffffffff81000000 rflags=0x246 cs=0x10 ss=0x18 fs=0x7f00 gs=0xffff8880 "     \
    "cr0=0x80050033 cr2=0x1002 cr3=0x1003 cr4=0x1004 efer=0xd01 lstar=0x1005 kernelgs=0x1006 " \
    "dr6=0xffff0ff0 dr7=0x400 gdt=0x2000 idt=0x3000 tr=0x4000 mxcsr=0x1f80 fcw=0x37f "         \
    "fsw=0x1800\n"

static guint64 word(const guint8 *bytes, gsize at)
{
    guint64 value;
    memcpy(&value, bytes + at, 8);
    return GUINT64_FROM_LE(value);
}

static void test_cpu(void)
{
    g_autoptr(GBytes) dump = make(
        HEAD "close 2\nzero pc.ram 0 0 16\neos 2\n" CPU
             "subsection cpu/fpop_ip_dp\nfield env.fpop 2 0x123\nfield env.fpip 8 0x456\n"
             "field env.fpdp 8 0x789\nfooter 4\n"
             "device 5 apic 0 3\nfield apicbase 4 1\nfield tpr 1 0xd5\nfooter 5\nend\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_made(dump, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_X86_64);
    g_assert_cmpuint(source->subject->system.cpus->len, ==, 1);
    const DkCpu *cpu = source->subject->system.cpus->pdata[0];
    g_assert_cmphex(cpu->parts, ==, 0xff);
    g_assert_cmphex(cpu->cr3, ==, 0x1003);
    g_assert_cmphex(cpu->cr8, ==, 0xd);
    g_assert_cmphex(cpu->efer, ==, 0xd01);
    g_assert_cmphex(cpu->lstar, ==, 0x1005);
    g_assert_cmphex(cpu->kernel_gs_base, ==, 0x1006);
    g_assert_cmphex(cpu->dr[6], ==, 0xffff0ff0);
    g_assert_cmphex(cpu->seg[DK_SEG_TR].base, ==, 0x4000);
    g_assert_cmphex(cpu->seg[DK_SEG_IDT].base, ==, 0x3000);
    g_assert_cmphex(cpu->seg[DK_SEG_CS].flags, ==, 0x9300);
    gsize len = 0;
    const guint8 *general = g_bytes_get_data(cpu->regs[DK_REGSET_GENERAL], &len);
    g_assert_cmpuint(len, ==, 216);
    g_assert_cmphex(word(general, 0), ==, 0xf);    /* r15 */
    g_assert_cmphex(word(general, 32), ==, 0x77);  /* rbp */
    g_assert_cmphex(word(general, 40), ==, 0x22);  /* rbx */
    g_assert_cmphex(word(general, 80), ==, 0x11);  /* rax */
    g_assert_cmphex(word(general, 112), ==, 0x66); /* rdi */
    g_assert_cmphex(word(general, 128), ==, 0xffffffff81000000);
    g_assert_cmphex(word(general, 136), ==, 0x10);   /* cs */
    g_assert_cmphex(word(general, 152), ==, 0x88);   /* rsp */
    g_assert_cmphex(word(general, 168), ==, 0x7f00); /* fs base */
    g_assert_cmphex(word(general, 176), ==, 0xffff8880);
    const guint8 *fx = g_bytes_get_data(cpu->regs[DK_REGSET_FP], &len);
    g_assert_cmpuint(len, ==, 512);
    g_assert_cmphex(word(fx, 0), ==, 0x012300ff1800037f);
    g_assert_cmphex(word(fx, 8), ==, 0x456);
    g_assert_cmphex(word(fx, 16), ==, 0x789);
    /* The top of the stack is 3, so st0 is the fourth register. */
    g_assert_cmphex(word(fx, 32), ==, 0x8000000000000003);
    g_assert_cmphex(word(fx, 40), ==, 0x4003);
    g_assert_cmphex(word(fx, 32 + 7 * 16), ==, 0x8000000000000002);
    g_assert_cmphex(word(fx, 160 + 5 * 16), ==, 0x5555555555555555);
    g_assert_cmphex(word(fx, 168 + 5 * 16), ==, 0x105);
}

/* A system of 32 bits has the registers of one. */
static void test_cpu_32(void)
{
    g_autoptr(GBytes) dump = make(
        HEAD "close 2\nzero pc.ram 0 0 16\neos 2\n"
             "cpu 4 0 rax=0x11 rbx=0x22 rsp=0x88 rip=0xc1000000 rflags=0x246 cs=0x60 ss=0x68 "
             "cr0=0x80050033 cr3=0x1003\nfooter 4\nend\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_made(dump, &error);
    g_assert_no_error(error);
    g_assert_cmpint(source->subject->machine, ==, DK_MACHINE_X86);
    const DkCpu *cpu = source->subject->system.cpus->pdata[0];
    gsize len = 0;
    const guint8 *general = g_bytes_get_data(cpu->regs[DK_REGSET_GENERAL], &len);
    g_assert_cmpuint(len, ==, 68);
    g_assert_cmphex(word(general, 0) & 0xffffffff, ==, 0x22);  /* ebx */
    g_assert_cmphex(word(general, 24) & 0xffffffff, ==, 0x11); /* eax */
    g_assert_cmphex(word(general, 48), ==, 0x60c1000000);      /* eip, cs */
    g_assert_cmphex(word(general, 60), ==, 0x6800000088);      /* esp, ss */
    g_assert_nonnull(cpu->regs[DK_REGSET_FXSAVE]);
}

/* Pages in any order, again, and filled: every byte, read in pieces of all kinds of sizes. */
static void test_memory(void)
{
    g_autoptr(GBytes) dump = make(HEAD "part 2\npage pc.ram 0x3000 0x111 4\nzero - 0x8000 0xee\n"
                                       "page - 0 0x222 2\neos 2\npart 2\nzero pc.ram 0x9000 0 7\n"
                                       "page pc.ram 0x5000 0x333 3\nzero - 0x3000 0\neos 2\n"
                                       "end\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_made(dump, &error);
    g_assert_no_error(error);
    static const guint64 seeds[16] = {0x222, 0x223, 1, 0, 0x112, 0x333, 0x334, 0x335, 2};
    guint8 expected[16 * 4096];
    for (guint page = 0; page < 16; page++) {
        guint8 *at = expected + page * 4096;
        guint64 seed = GUINT64_TO_LE(seeds[page]);
        memset(at, seeds[page] == 2 ? 0xee : (gint)(seeds[page] & 0xff), 4096);
        if (seeds[page] > 2) {
            memcpy(at, &seed, 8);
        }
    }
    guint8 buffer[16 * 4096];
    for (gsize first = 0; first < 16 * 4096; first += 509) {
        for (gsize len = 1; len < 16 * 4096; len = len * 3 + 1) {
            gsize end = first < 0x2000 ? 0x2000 : 16 * 4096;
            gsize there = first >= 0x2000 && first < 0x3000 ? 0 : MIN(len, end - first);
            gsize got = dk_space_read(source->space, first, buffer, len);
            g_assert_cmpuint(got, ==, there);
            g_assert_cmpmem(buffer, got, expected + first, got);
        }
    }
    DkRun run;
    g_assert_true(dk_space_next_run(source->space, 0, &run));
    g_assert_true(run.first == 0 && run.last == 0x1fff && run.kind == DK_RUN_DATA);
    g_assert_true(dk_space_next_run(source->space, 0x2000, &run));
    g_assert_true(run.first == 0x3000 && run.last == 0x3fff && run.kind == DK_RUN_ZERO);
    g_assert_true(dk_space_next_run(source->space, 0x4000, &run));
    g_assert_true(run.first == 0x4000 && run.last == 0x8fff && run.kind == DK_RUN_DATA);
    g_assert_cmpuint(source->subject->gaps->len, ==, 2);
    const DkGap *gap = source->subject->gaps->pdata[0];
    g_assert_cmpstr(gap->what, ==, "pages");
    g_assert_cmphex(gap->first, ==, 0x2000);
    g_assert_cmphex(gap->last, ==, 0x2fff);
    g_assert_cmpstr(source->subject->origin.method, ==, "background snapshot");
}

static void test_mapped(void)
{
    g_autoptr(GBytes) dump = make(
        "libvirt Save 6 \"<domain><name>a&lt;b</name><memory>64</memory></domain>\"\n"
        "stream 3\nmachine pc-q35-9.0\ncapabilities mapped-ram\nram 2 pc.ram=0x10000\n"
        "mapped pc.ram 0 0x111\nmapped pc.ram 9 0x222\neos 2\nclose 2\neos 2\n" CPU
        "footer 4\nend\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_made(dump, &error);
    g_assert_no_error(error);
    guint64 value = 1;
    g_assert_true(dk_space_read_all(source->space, 0, &value, 8, NULL));
    g_assert_cmphex(GUINT64_FROM_LE(value), ==, 0x111);
    g_assert_true(dk_space_read_all(source->space, 0x9000, &value, 8, NULL));
    g_assert_cmphex(GUINT64_FROM_LE(value), ==, 0x222);
    DkRun run;
    g_assert_true(dk_space_next_run(source->space, 0x1000, &run));
    g_assert_true(run.first == 0x1000 && run.last == 0x8fff && run.kind == DK_RUN_ZERO);
    g_assert_cmpstr(source->subject->origin.comment, ==, "domain a<b");
    g_assert_cmpuint(source->subject->system.cpus->len, ==, 1);
    g_assert_cmpuint(source->subject->gaps->len, ==, 0);
}

static void expect_failure(const char *description, int code, const char *text)
{
    g_autoptr(GBytes) dump = make(description);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = open_made(dump, &error);
    g_assert_null(source);
    g_assert_error(error, DK_ERROR, code);
    g_assert_nonnull(strstr(error->message, text));
}

static void test_refused(void)
{
    expect_failure("hex 00\n", DK_ERROR_NOT_MINE, "");
    expect_failure("stream 2\n", DK_ERROR_UNSUPPORTED, "version 2");
    expect_failure("stream 3\nmachine x\ncapabilities rdma\n", DK_ERROR_UNSUPPORTED, "\"rdma\"");
    expect_failure(HEAD "part 2\npage pc.ram 0 1\nword 0x60\n", DK_ERROR_UNSUPPORTED, "XBZRLE");
    expect_failure(HEAD "part 2\nword 0x80\n", DK_ERROR_UNSUPPORTED, "RDMA");
    expect_failure(HEAD "part 2\nword 0x100\n", DK_ERROR_UNSUPPORTED, "compressed");
    expect_failure("stream 3\nmachine x\nram 2 pc.ram=0x1000 pc.ram=0x1000\n", DK_ERROR_DAMAGED,
                   "a second block");
    expect_failure("libvirt Save 5 <domain/>\nhex 28b52ffd0000\n", DK_ERROR_UNSUPPORTED,
                   "zstd -dc");
}

/* Cut off at every byte: it opens with a gap, or says why it does not; never whole. */
static void test_cut(void)
{
    g_autoptr(GBytes) dump = make(
        "stream 3\nmachine pc-i440fx-7.2\nram 2 pc.ram=0x1000\neos 2\nclose 2\n"
        "zero pc.ram 0 0\neos 2\n" CPU "footer 4\nend\n");
    gsize size = g_bytes_get_size(dump);
    for (gsize len = 8; len < size; len++) {
        g_autoptr(GBytes) cut = g_bytes_new_from_bytes(dump, 0, len);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = open_made(cut, &error);
        g_assert_true(!source == !!error);
        if (source) {
            g_assert_cmpuint(source->subject->gaps->len, >, 0);
            g_assert_cmpint(source->subject->origin.complete, ==, 0);
        } else {
            g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
        }
    }
}

typedef struct {
    guint8 *memory;
    guint ends;
} Fed;

static gboolean feed_pages(const DkQevmPages *pages, gpointer data, GError **error)
{
    Fed *fed = data;
    for (gsize i = 0; i < pages->count; i++) {
        memcpy(fed->memory + pages->offset + i * pages->page_size, pages->data + i * pages->stride,
               pages->page_size);
    }
    return TRUE;
}

static gboolean feed_fill(guint block, guint64 offset, guint64 len, guint8 fill, gpointer data,
                          GError **error)
{
    memset(((Fed *)data)->memory + offset, fill, len);
    return TRUE;
}

static gboolean feed_end(const DkQevmEnd *end, gpointer data, GError **error)
{
    ((Fed *)data)->ends += end->whole && end->devices == 1 && !end->no_devices;
    return TRUE;
}

/* Pieces of any size give what one piece gives. */
static void test_pieces(void)
{
    static const DkQevmCallbacks callbacks = {
        .pages = feed_pages, .fill = feed_fill, .end = feed_end};
    g_autoptr(GBytes) dump = make(
        HEAD "close 2\npage pc.ram 0 0x101 7\nzero - 0x7000 7 5\npage - 0xc000 0x201 4\n"
             "eos 2\n" CPU "footer 4\nend\n");
    gsize size = 0;
    const guint8 *bytes = g_bytes_get_data(dump, &size);
    guint8 first[0x10000] = {0};
    for (gsize step = size; step > 0; step = step > 5000 ? step / 2 : step - MIN(step, 97)) {
        guint8 memory[0x10000] = {0};
        Fed fed = {.memory = step == size ? first : memory};
        g_autoptr(DkQevm) qevm = dk_qevm_new(&callbacks, &fed, "made", 0);
        g_autoptr(GError) error = NULL;
        for (gsize done = 0; done < size; done += step) {
            g_autofree guint8 *piece = g_memdup2(bytes + done, MIN(step, size - done));
            g_assert_true(dk_qevm_feed(qevm, piece, MIN(step, size - done), &error));
        }
        g_assert_true(dk_qevm_end(qevm, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(fed.ends, ==, 1);
        g_assert_cmpmem(fed.memory, sizeof memory, first, sizeof first);
    }
    g_assert_cmphex(word(first, 0x6000), ==, 0x107);
    g_assert_cmphex(word(first, 0xf000), ==, 0x204);
}

#define GIB (G_GUINT64_CONSTANT(1) << 30)

static void check_place(const char *machine, const char *id, guint64 size, guint64 below,
                        guint64 low)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(DkQevmPlace));
    DkQevmPlaceBlock block = {.id = id, .size = size};
    dk_qevm_place(machine, &block, 1, below, places);
    g_assert_cmpint(block.kind, ==, low ? DK_QEVM_PLACE_RAM : DK_QEVM_PLACE_UNKNOWN);
    g_assert_cmpuint(places->len, ==, low == 0 ? 0 : low == size ? 1 : 2);
    if (low > 0) {
        const DkQevmPlace *place = &g_array_index(places, DkQevmPlace, 0);
        g_assert_true(place->pa == 0 && place->len == low && place->offset == 0);
    }
    if (low > 0 && low < size) {
        const DkQevmPlace *place = &g_array_index(places, DkQevmPlace, 1);
        g_assert_cmphex(place->pa, ==, 4 * GIB);
        g_assert_cmphex(place->offset, ==, low);
        g_assert_cmphex(place->len, ==, size - low);
    }
}

/* As `info mtree -f` of QEMU 7.2 shows it (docs/formats/qevm.md). */
static void test_place(void)
{
    check_place("pc-i440fx-7.2", "pc.ram", 4 * GIB, 0, 3 * GIB);
    check_place("pc-i440fx-7.2", "pc.ram", 3100 * GIB / 1024, 0, 3100 * GIB / 1024);
    check_place("pc-i440fx-2.0", "pc.ram", 4 * GIB, 0, 3 * GIB);
    check_place("pc-i440fx-1.7", "pc.ram", 4 * GIB, 0, 0xe0000000);
    check_place("pc-i440fx-rhel7.6.0", "pc.ram", 4 * GIB, 0, 3 * GIB);
    check_place("pc-q35-7.2", "pc.ram", 4 * GIB, 0, 2 * GIB);
    check_place("pc-q35-7.2", "pc.ram", 2900 * GIB / 1024, 0, 2 * GIB);
    check_place("pc-q35-7.2", "pc.ram", 2800 * GIB / 1024, 0, 2800 * GIB / 1024);
    check_place("pc-q35-2.10", "pc.ram", 3 * GIB, 0, 2 * GIB);
    check_place("microvm", "microvm.ram", 4 * GIB, 0, 3 * GIB);
    check_place("isapc", "pc.ram", 4 * GIB, 0, 0xe0000000);
    check_place("pc-q35-7.2", "pc.ram", 3 * GIB, GIB, GIB);
    check_place("pc-i440fx-7.2", "mem0", GIB, 0, GIB);
    check_place("pc-i440fx-9.0", "/objects/mem0", GIB, 0, GIB);
    check_place("pc-i440fx-7.2", "memdimm0", GIB, 0, 0);
    check_place("virt-7.2", "mach-virt.ram", GIB, 0, 0);
    check_place(NULL, "pc.ram", GIB, 0, GIB);
    check_place(NULL, "pc.ram", 4 * GIB, 0, 0);
}

/* Descriptions that lie do not agree with the bytes, and none takes long. */
static void test_description(void)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"devices\": [1]}",
        "{\"devices\": [{\"name\": 1, \"instance_id\": 0}]}",
        "{\"devices\": [{\"name\": \"x\", \"instance_id\": -1}]}",
    };
    static const char *const lies[] = {
        "[{\"name\": \"a\", \"type\": \"uint64\", \"size\": 8}]",
        "[{\"name\": \"a\", \"type\": \"uint8\", \"size\": 1, \"array_len\": 16777217}]",
        "[{\"name\": \"a\", \"type\": \"uint8\", \"size\": 9223372036854775807, \"array_len\": 4}]",
        "[{\"name\": \"a\", \"type\": \"struct\", \"size\": 3, \"struct\": {\"fields\": []}}]",
        "[1]",
        "[{\"name\": \"a\", \"type\": \"struct\", \"size\": 0, \"array_len\": 16777216, "
        "\"struct\": "
        "{\"fields\": [{\"name\": \"b\", \"type\": \"struct\", \"size\": 0, \"array_len\": "
        "16777216, \"struct\": {}}]}}]",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DkVmstate) vmstate = dk_vmstate_new(bad[i], strlen(bad[i]), &error);
        g_assert_null(vmstate);
        g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *text = g_strdup_printf(
            "{\"devices\": [{\"name\": \"x\", \"instance_id\": 0, \"fields\": %s}]}", lies[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkVmstate) vmstate = dk_vmstate_new(text, strlen(text), &error);
        g_assert_no_error(error);
        gsize used = 0;
        g_assert_false(
            dk_vmstate_walk(vmstate, 0, (const guint8 *)"1234567", 7, NULL, NULL, &used, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
    }
    g_autofree char *deep = g_strnfill(100000, '[');
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_vmstate_new(deep, strlen(deep), &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_DAMAGED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qevm/cpu", test_cpu);
    g_test_add_func("/qevm/cpu-32", test_cpu_32);
    g_test_add_func("/qevm/memory", test_memory);
    g_test_add_func("/qevm/mapped", test_mapped);
    g_test_add_func("/qevm/refused", test_refused);
    g_test_add_func("/qevm/cut", test_cut);
    g_test_add_func("/qevm/pieces", test_pieces);
    g_test_add_func("/qevm/place", test_place);
    g_test_add_func("/qevm/description", test_description);
    return g_test_run();
}
