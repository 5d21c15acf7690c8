/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types from the DWARF of the sample program, against what the compiler makes of the same header.
 */
#include <string.h>

#include "loaded-elf.h"
#include "sym-fixtures/sym-sample.h"

static LoadedElf elf;

static DkSymFile *open_sample(const char *name)
{
    g_autofree char *path = g_build_filename(DK_FIXTURES, name, NULL);
    loaded_elf_init(&elf, path, 0x555555554000);
    g_autoptr(GError) error = NULL;
    DkSymFile *file = dk_symstore_open(elf.subject, elf.module, elf.space, NULL, &error);
    g_assert_no_error(error);
    return file;
}

static const DkMember *member(const DkType *type, const char *name)
{
    for (guint i = 0; i < type->nmembers; i++) {
        if (g_strcmp0(type->members[i].name, name) == 0)
            return &type->members[i];
    }
    g_error("no member %s", name ? name : "(unnamed)");
}

/* A type as C writes it, with clang's names for the integers. */
static char *describe(const DkType *type)
{
    g_autofree char *text = dk_type_describe(type);
    GString *plain = g_string_new(text);
    g_string_replace(plain, "short int", "short", 0);
    g_string_replace(plain, "long int", "long", 0);
    return g_string_free(plain, FALSE);
}

static void check_member(const DkType *type, const char *name, gsize offset, const char *text)
{
    const DkMember *found = member(type, name);
    g_assert_cmpuint(found->offset, ==, offset);
    g_assert_cmpuint(found->bit_size, ==, 0);
    g_autofree char *described = describe(found->type);
    g_assert_cmpstr(described, ==, text);
}

/* A bit field as DkMember says it, read out of the value that the compiler stored. */
static guint64 extract(const DkMember *field, const void *object)
{
    guint64 raw = 0;
    memcpy(&raw, (const char *)object + field->offset,
           field->bit_offset + field->bit_size > 32 ? 8 : 4);
    return raw >> field->bit_offset & ((1ull << field->bit_size) - 1);
}

static void check_bits(const DkType *type)
{
    g_assert_cmpuint(type->size, ==, sizeof(struct sample_bits));
    static const struct {
        const char *name;
        guint bits;
    } fields[] = {{"one", 1}, {"three", 3}, {"twelve", 12}, {"more", 20}, {"wide", 40}};
    struct sample_bits values[] = {
        {.one = 1}, {.three = 5}, {.twelve = -1000}, {.more = 70000}, {.wide = 0xabcdef0123}};
    const guint64 wanted[] = {1, 5, (guint64)-1000 & 0xfff, 70000, 0xabcdef0123};
    for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
        const DkMember *field = member(type, fields[i].name);
        g_assert_cmpuint(field->bit_size, ==, fields[i].bits);
        for (guint v = 0; v < G_N_ELEMENTS(values); v++)
            g_assert_cmphex(extract(field, &values[v]), ==, v == i ? wanted[i] : 0);
        g_assert_cmpuint(field->offset + (field->bit_offset + field->bit_size + 7) / 8, <=,
                         type->size);
    }
    g_assert_cmpuint(member(type, "lead")->bit_size, ==, 0);
    g_assert_true(dk_type_strip(member(type, "twelve")->type)->is_signed);
}

static void check_packed(const DkType *type)
{
    g_assert_nonnull(type);
    g_assert_cmpuint(type->size, ==, sizeof(struct sample_packed));
    struct sample_packed value = {.across = 0x2aaaaaa5};
    const DkMember *field = member(type, "across");
    guint64 raw = 0;
    memcpy(&raw, (const char *)&value + field->offset, sizeof value - field->offset);
    g_assert_cmphex(raw >> field->bit_offset & 0x3fffffff, ==, 0x2aaaaaa5);
    check_member(type, "plain", offsetof(struct sample_packed, plain), "uint16_t");
}

static void check_enums(DkSymFile *file)
{
    const DkType *color = file->ops->type(file, "enum sample_color");
    g_assert_nonnull(color);
    g_assert_true(color->kind == DK_TYPE_ENUM && color->is_signed);
    g_assert_cmpuint(color->size, ==, sizeof(enum sample_color));
    g_assert_cmpuint(color->nenumerators, ==, 3);
    g_assert_cmpstr(color->enumerators[1].name, ==, "SAMPLE_GREEN");
    g_assert_cmpint(color->enumerators[1].value, ==, 5);
    g_assert_cmpint(color->enumerators[2].value, ==, -7);
    const DkType *wide = file->ops->type(file, "sample_wide");
    g_assert_cmpint(wide->enumerators[1].value, ==, 0x90000000);
    g_assert_false(wide->is_signed);
}

static void check_sample(DkSymFile *file)
{
    const DkType *alias = file->ops->type(file, "sample_node");
    g_assert_true(alias->kind == DK_TYPE_TYPEDEF);
    g_assert_cmpuint(alias->size, ==, sizeof(sample_node));
    const DkType *node = file->ops->type(file, "struct sample_node");
    g_assert_true(dk_type_strip(alias) == node);
    g_assert_true(node->kind == DK_TYPE_STRUCT);
    check_member(node, "next", offsetof(sample_node, next), "struct sample_node *");
    check_member(node, "prev", offsetof(sample_node, prev), "struct sample_node *");
    g_assert_true(member(node, "next")->type->base == node);
    check_member(node, "name", offsetof(sample_node, name), "const char *");
    check_member(node, "color", offsetof(sample_node, color), "enum sample_color");
    check_member(node, "grid", offsetof(sample_node, grid), "int[3][4][5]");
    check_member(node, "value", offsetof(sample_node, value), "union sample_union");
    check_member(node, "hidden", offsetof(sample_node, hidden), "sample_hidden *");
    check_member(node, "callback", offsetof(sample_node, callback), "sample_callback");
    check_member(node, "bits", offsetof(sample_node, bits), "struct sample_bits");
    check_member(node, "ready", offsetof(sample_node, ready), "_Bool");
    check_member(node, "open", offsetof(sample_node, open), "char[]");
    check_member(node, "inner", offsetof(sample_node, inner), "struct <unnamed>");
    check_member(node, NULL, offsetof(sample_node, flat), "union <unnamed>");

    const DkType *grid = member(node, "grid")->type;
    g_assert_cmpuint(grid->size, ==, sizeof(((sample_node *)0)->grid));
    g_assert_cmpuint(grid->count, ==, 3);
    g_assert_cmpuint(grid->base->size, ==, 4 * 5 * sizeof(int));
    g_assert_cmpuint(grid->base->base->count, ==, 5);
    check_member(member(node, "inner")->type, "y", 2, "volatile short");
    check_member(member(node, NULL)->type, "word", 0, "uint32_t");
    g_assert_true(member(node, "ready")->type->kind == DK_TYPE_BOOL);

    const DkType *callback = dk_type_strip(member(node, "callback")->type);
    g_assert_true(callback->kind == DK_TYPE_POINTER && callback->base->kind == DK_TYPE_FUNCTION);
    g_autofree char *text = dk_type_describe(callback);
    g_assert_cmpstr(text, ==, "int (*)()");

    /* Only the other compilation unit knows what is in it. */
    const DkType *hidden = dk_type_strip(member(node, "hidden")->type->base);
    g_assert_cmpstr(hidden->name, ==, "sample_hidden");
    g_assert_cmpuint(hidden->size, ==, 2 * sizeof(long));
    check_member(hidden, "owner", sizeof(long), "sample_node *");
    g_assert_true(dk_type_strip(dk_type_strip(member(hidden, "owner")->type)->base) == node);

    const DkType *all = file->ops->type(file, "union sample_union");
    g_assert_true(all->kind == DK_TYPE_UNION);
    g_assert_cmpuint(all->size, ==, sizeof(union sample_union));
    check_member(all, "bytes", 0, "char[12]");
    g_assert_true(member(all, "real")->type->kind == DK_TYPE_FLOAT);
    check_bits(file->ops->type(file, "sample_bits"));
    check_packed(file->ops->type(file, "sample_packed"));
    check_enums(file);
}

static void check_variables(DkSymFile *file)
{
    static const struct {
        const char *name;
        const char *text;
    } variables[] = {
        {"sample_first", "sample_node"},
        {"sample_pack", "struct sample_packed"},
        {"sample_shared", "volatile union sample_union"},
        {"sample_table", "long[2][3]"},
        {"sample_kept", "sample_hidden"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(variables); i++) {
        const DkType *type = file->ops->type_of(file, variables[i].name);
        g_assert_nonnull(type);
        g_autofree char *text = describe(type);
        g_assert_cmpstr(text, ==, variables[i].text);
    }
    g_assert_null(file->ops->type_of(file, "sample_node"));
    g_assert_null(file->ops->type(file, "sample_first"));
    g_assert_null(file->ops->type(file, "union sample_node"));
    g_assert_null(file->ops->type(file, ""));
    g_assert_nonnull(file->ops->type(file, "unsigned long"));
    g_assert_true(file->ops->type(file, "unsigned long") ==
                  file->ops->type(file, "long unsigned int"));
}

typedef struct {
    guint seen;
    guint stop_at;
    gboolean node;
} Each;

static gboolean count_type(const DkType *type, gpointer data)
{
    Each *each = data;
    each->node |= type->kind == DK_TYPE_STRUCT && g_str_equal(type->name, "sample_node");
    return ++each->seen != each->stop_at;
}

static void test_sample(gconstpointer name)
{
    g_autoptr(DkSymFile) file = open_sample(name);
    g_assert_cmpstr(file->kind, ==, "dwarf");
    check_sample(file);
    check_variables(file);
    Each all = {0};
    file->ops->foreach_type(file, count_type, &all);
    g_assert_cmpuint(all.seen, >, 12);
    g_assert_true(all.node);
    Each some = {.stop_at = 3};
    file->ops->foreach_type(file, count_type, &some);
    g_assert_cmpuint(some.seen, ==, 3);
    loaded_elf_clear(&elf);
}

static void test_none(void)
{
    g_autoptr(DkSymFile) file = open_sample("sym-sample-bare");
    g_assert_null(file->ops->type(file, "sample_node"));
    g_assert_null(file->ops->type_of(file, "sample_first"));
    Each all = {0};
    file->ops->foreach_type(file, count_type, &all);
    g_assert_cmpuint(all.seen, ==, 0);
    loaded_elf_clear(&elf);
}

/* Types that no compiler would make must not hang anyone. */
static void test_circle(void)
{
    DkType first = {.kind = DK_TYPE_TYPEDEF, .name = "first"};
    DkType second = {.kind = DK_TYPE_POINTER, .base = &first};
    first.base = &second;
    g_autofree char *text = dk_type_describe(&first);
    g_assert_cmpstr(text, ==, "first");
    second.kind = DK_TYPE_TYPEDEF;
    g_assert_nonnull(dk_type_strip(&first));
    DkType loop = {.kind = DK_TYPE_POINTER};
    loop.base = &loop;
    g_autofree char *deep = dk_type_describe(&loop);
    g_assert_cmpstr(deep, ==, "<type too deep>");
    g_assert_null(dk_type_strip(NULL));
}

static void test_describe(void)
{
    const DkType integer = {.kind = DK_TYPE_INT, .name = "int"};
    const DkType constant = {.kind = DK_TYPE_QUALIFIED, .name = "const", .base = &integer};
    const DkType pointer = {.kind = DK_TYPE_POINTER, .base = &constant};
    const DkType fixed = {.kind = DK_TYPE_QUALIFIED, .name = "const", .base = &pointer};
    const DkType row = {.kind = DK_TYPE_ARRAY, .base = &integer, .count = 4};
    const DkType to_row = {.kind = DK_TYPE_POINTER, .base = &row};
    const DkType rows = {.kind = DK_TYPE_ARRAY, .base = &to_row, .count = 2};
    const DkType to_fixed = {.kind = DK_TYPE_POINTER, .base = &fixed};
    const struct {
        const DkType *type;
        const char *text;
    } cases[] = {
        {NULL, "void"},
        {&constant, "const int"},
        {&pointer, "const int *"},
        {&fixed, "const int *const"},
        {&to_fixed, "const int *const *"},
        {&to_row, "int (*)[4]"},
        {&rows, "int (*[2])[4]"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = dk_type_describe(cases[i].type);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/type/dwarf5", "sym-sample", test_sample);
    g_test_add_data_func("/type/dwarf4-compressed", "sym-sample-dwarf4", test_sample);
    g_test_add_data_func("/type/dwarf3", "sym-sample-dwarf3", test_sample);
    g_test_add_func("/type/none", test_none);
    g_test_add_func("/type/circle", test_circle);
    g_test_add_func("/type/describe", test_describe);
    return g_test_run();
}
