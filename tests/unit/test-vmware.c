/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* .vmss, .vmsn and .vmem: found by each other's names, given together, and apart. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "image-memory.h"
#include "io/input.h"

static void put(GByteArray *out, guint64 value, guint size)
{
    guint64 raw = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&raw, size);
}

static void put_tag(GByteArray *out, const char *name, guint size, gint index, guint64 value)
{
    put(out, size | (guint)(index >= 0) << 6, 1);
    put(out, strlen(name), 1);
    g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
    if (index >= 0)
        put(out, (guint64)index, 4);
    put(out, value, size);
}

/* A state file that places pages 0-3 at 0 and 4-7 at 4 GiB, with the registers of CPU 1 only. */
static GByteArray *state_file(void)
{
    GByteArray *file = g_byte_array_new();
    g_autoptr(GByteArray) memory = g_byte_array_new();
    g_autoptr(GByteArray) cpu = g_byte_array_new();
    put_tag(memory, "regionsCount", 4, -1, 2);
    for (guint i = 0; i < 2; i++) {
        put_tag(memory, "regionPageNum", 4, (gint)i, i * 4);
        put_tag(memory, "regionPPN", 4, (gint)i, i * 0x100000);
        put_tag(memory, "regionSize", 4, (gint)i, 4);
    }
    put(memory, 0, 2);
    put_tag(cpu, "numVCPUs", 4, -1, 2);
    put_tag(cpu, "rip", 8, 1, G_GUINT64_CONSTANT(0xffffffff81234567));
    put_tag(cpu, "eflags", 4, 1, 0x202);
    put(cpu, 63 | 1 << 6 | 6 << 8, 2);
    g_byte_array_append(cpu, (const guint8 *)"gpregs", 6);
    put(cpu, 1, 4);
    put(cpu, 128, 8);
    put(cpu, 128, 8);
    put(cpu, 0, 2);
    for (guint i = 0; i < 16; i++)
        put(cpu, 0x1000 + i, 8);
    put(cpu, 0, 2);
    put(file, 0xbed2bed2, 4);
    put(file, 8, 4);
    put(file, 2, 4);
    const char *const names[] = {"memory", "cpu"};
    guint64 off = 12 + 2 * 80;
    for (guint i = 0; i < 2; i++) {
        guint8 name[64] = {0};
        memcpy(name, names[i], strlen(names[i]));
        g_byte_array_append(file, name, sizeof name);
        put(file, off, 8);
        put(file, i ? cpu->len : memory->len, 8);
        off += memory->len;
    }
    g_byte_array_append(file, memory->data, memory->len);
    g_byte_array_append(file, cpu->data, cpu->len);
    return file;
}

typedef struct {
    char *dir;
    char *state;
    char *memory;
} Place;

static void set_up(Place *place, gconstpointer ending)
{
    g_autofree char *name = g_strconcat("guest with blank-1.", ending, NULL);
    place->dir = g_dir_make_tmp("dumpkit-vmware-XXXXXX", NULL);
    place->state = g_build_filename(place->dir, name, NULL);
    place->memory = g_build_filename(place->dir, "guest with blank-1.vmem", NULL);
    g_autoptr(GByteArray) state = state_file();
    g_autoptr(GByteArray) memory = g_byte_array_new();
    image_put_memory(memory, 0, 0x3fff);
    image_put_memory(memory, G_GUINT64_CONSTANT(0x100000000), G_GUINT64_CONSTANT(0x100003fff));
    g_assert_true(g_file_set_contents(place->state, (char *)state->data, state->len, NULL));
    g_assert_true(g_file_set_contents(place->memory, (char *)memory->data, memory->len, NULL));
}

static void tear_down(Place *place, gconstpointer ending)
{
    g_unlink(place->state);
    g_unlink(place->memory);
    g_assert_cmpint(g_rmdir(place->dir), ==, 0);
    g_free(place->state);
    g_free(place->memory);
    g_free(place->dir);
}

static void assert_guest(const DkSource *source)
{
    g_assert_cmpstr(source->format, ==, "vmware");
    image_assert_ram(source, "0-3fff 100000000-100003fff");
    image_assert_memory(source->space, 0, 0x3fff);
    image_assert_memory(source->space, G_GUINT64_CONSTANT(0x100000000),
                        G_GUINT64_CONSTANT(0x100003fff));
    const GPtrArray *cpus = source->subject->system.cpus;
    g_assert_cmpuint(cpus->len, ==, 2);
    const DkCpu *first = g_ptr_array_index(cpus, 0);
    const DkCpu *second = g_ptr_array_index(cpus, 1);
    g_assert_nonnull(first->missing);
    g_assert_null(second->missing);
    g_assert_cmpuint(source->subject->gaps->len, ==, 1);
    const guint64 *regs = g_bytes_get_data(second->regs[DK_REGSET_GENERAL], NULL);
    g_assert_cmphex(GUINT64_FROM_LE(regs[10]), ==, 0x1000); /* rax */
    g_assert_cmphex(GUINT64_FROM_LE(regs[4]), ==, 0x1004);  /* rbp */
    g_assert_cmphex(GUINT64_FROM_LE(regs[19]), ==, 0x1005); /* rsp */
    g_assert_cmphex(GUINT64_FROM_LE(regs[0]), ==, 0x100f);  /* r15 */
    g_assert_cmphex(GUINT64_FROM_LE(regs[16]), ==, G_GUINT64_CONSTANT(0xffffffff81234567));
    g_assert_cmphex(GUINT64_FROM_LE(regs[18]), ==, 0x202);
}

static void test_siblings(Place *place, gconstpointer ending)
{
    const char *const paths[] = {place->state, place->memory};
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DkInput) input = dk_input_open(paths[i], NULL);
        g_autoptr(DkSource) source = dk_format_open(input, NULL, &error);
        g_assert_no_error(error);
        assert_guest(source);
    }
}

static void test_parts(Place *place, gconstpointer ending)
{
    g_autoptr(DkInput) state = dk_input_open(place->state, NULL);
    g_autoptr(DkInput) memory = dk_input_open(place->memory, NULL);
    DkInput *const orders[2][2] = {{state, memory}, {memory, state}};
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSource) source = dk_format_open_parts(orders[i], 2, NULL, NULL, &error);
        g_assert_no_error(error);
        assert_guest(source);
    }
    DkInput *const twice[2] = {memory, memory};
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_format_open_parts(twice, 2, NULL, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_MINE);
}

/* Without the other file: a state without memory that says so, and memory that is raw. */
static void test_apart(Place *place, gconstpointer ending)
{
    g_autofree char *elsewhere = g_build_filename(place->dir, "other.vmem", NULL);
    g_assert_cmpint(g_rename(place->memory, elsewhere), ==, 0);
    {
        g_autoptr(DkInput) input = dk_input_open(place->state, NULL);
        g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
        image_assert_ram(source, "0-3fff 100000000-100003fff");
        image_assert_runs(source->space, "");
        const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
        g_assert_nonnull(strstr(gap->why, "guest with blank-1.vmem, which is not there"));
    }
    {
        g_autoptr(DkInput) input = dk_input_open(elsewhere, NULL);
        g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
        g_assert_cmpstr(source->format, ==, "raw");
        g_autofree char *findings = image_verify(source, "raw", FALSE);
        g_assert_nonnull(strstr(findings, "no .vmss or .vmsn of the same name"));
    }
    g_assert_cmpint(g_rename(elsewhere, place->memory), ==, 0);
}

/* A .vmem that is too short. */
static void test_short(Place *place, gconstpointer ending)
{
    g_autofree char *data = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(place->memory, &data, &len, NULL));
    g_assert_true(g_file_set_contents(place->memory, data, 0x5800, NULL));
    g_autoptr(DkInput) input = dk_input_open(place->state, NULL);
    g_autoptr(DkSource) source = dk_format_open(input, NULL, NULL);
    image_assert_ram(source, "0-3fff 100000000-100003fff");
    image_assert_runs(source->space, "data 0-3fff, data 100000000-1000017ff");
    const DkGap *gap = g_ptr_array_index(source->subject->gaps, 0);
    g_assert_cmpstr(gap->what, ==, "data");
    g_assert_cmphex(gap->first, ==, G_GUINT64_CONSTANT(0x100001800));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/vmware/siblings-vmss", Place, "vmss", set_up, test_siblings, tear_down);
    g_test_add("/vmware/siblings-vmsn", Place, "vmsn", set_up, test_siblings, tear_down);
    g_test_add("/vmware/parts", Place, "vmss", set_up, test_parts, tear_down);
    g_test_add("/vmware/apart", Place, "vmsn", set_up, test_apart, tear_down);
    g_test_add("/vmware/short", Place, "vmss", set_up, test_short, tear_down);
    return g_test_run();
}
