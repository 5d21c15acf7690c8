/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Symbols, lines and inlined functions of the sample program, against nm and eu-addr2line. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "loaded-elf.h"

#define BASE_VA 0x555555554000

static char *fixture(const char *name)
{
    return g_build_filename(DK_FIXTURES, name, NULL);
}

static DkSymFile *open_symbols(LoadedElf *elf, const DkSymOptions *options)
{
    g_autoptr(GError) error = NULL;
    DkSymFile *file = dk_symstore_open(elf->subject, elf->module, elf->space, options, &error);
    g_assert_no_error(error);
    return file;
}

/* What a program prints, in lines; NULL when it is not installed. */
static GStrv output_of(const char *command)
{
    g_autofree char *text = NULL;
    int status;
    if (!g_spawn_command_line_sync(command, &text, NULL, &status, NULL) || status != 0)
        return NULL;
    return g_strsplit(g_strchomp(text), "\n", 0);
}

static const DkSymbol *find_symbol(DkSymFile *file, guint64 rva, const char *name)
{
    gsize count;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    for (gsize i = 0; i < count; i++) {
        if (symbols[i].rva == rva && g_str_equal(symbols[i].name, name))
            return &symbols[i];
    }
    return NULL;
}

/* nm prints "address [size] letter name"; capitals are global. */
static void compare_with_nm(const char *name, guint64 base_va)
{
    g_autofree char *path = fixture(name);
    g_autofree char *command = g_strdup_printf("nm --defined-only -S %s %s",
                                               DK_DEMANGLE ? "-C" : "", path);
    g_auto(GStrv) lines = output_of(command);
    if (!lines) {
        g_test_skip("nm is not installed");
        return;
    }
    LoadedElf elf;
    loaded_elf_init(&elf, path, base_va);
    g_autoptr(DkSymFile) file = open_symbols(&elf, NULL);
    guint seen = 0;
    guint64 low = base_va ? 0 : elf.module->first;
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", 0);
        guint nwords = g_strv_length(words);
        g_assert_true(nwords == 3 || nwords == 4);
        guint64 vaddr = g_ascii_strtoull(words[0], NULL, 16);
        guint64 size = nwords == 4 ? g_ascii_strtoull(words[1], NULL, 16) : 0;
        char letter = words[nwords - 2][0];
        char *symbol = words[nwords - 1];
        if (letter == 'a' || letter == 'A')
            continue;
        char *version = strchr(symbol, '@');
        if (version)
            *version = '\0';
        const DkSymbol *found = find_symbol(file, vaddr - low, symbol);
        if (!found)
            g_error("%s: no symbol %s at 0x%" G_GINT64_MODIFIER "x", name, symbol, vaddr);
        g_assert_cmpuint(found->size, ==, size);
        if (strchr("tTi", letter))
            g_assert_true(found->is_function);
        else if (strchr("dDbBrR", letter))
            g_assert_false(found->is_function);
        if (strchr("TDBRWV", letter))
            g_assert_true(found->is_global);
        else if (strchr("tdbr", letter))
            g_assert_false(found->is_global);
        seen++;
    }
    g_assert_cmpuint(seen, >, 20);
    /* And nothing else but linkage tables. */
    gsize count;
    const DkSymbol *symbols = file->ops->symbols(file, &count);
    gsize stubs = 0;
    for (gsize i = 0; i < count; i++) {
        stubs += symbols[i].name[0] == '.' || g_str_has_suffix(symbols[i].name, "@plt");
        if (i)
            g_assert_cmphex(symbols[i - 1].rva, <=, symbols[i].rva);
    }
    g_assert_cmpuint(count - stubs, ==, seen);
    loaded_elf_clear(&elf);
}

static void test_nm(void)
{
    compare_with_nm("sym-sample", BASE_VA);
    compare_with_nm("sym-sample-fixed", 0);
}

/* The stubs are those that binutils finds; what else stands in their section has its name. */
static void compare_stubs(const char *name, guint64 base_va, const char *section)
{
    g_autofree char *path = fixture(name);
    g_autofree char *command = g_strdup_printf("nm -D --synthetic %s", path);
    g_auto(GStrv) lines = output_of(command);
    if (!lines) {
        g_test_skip("nm is not installed");
        return;
    }
    LoadedElf elf;
    loaded_elf_init(&elf, path, base_va);
    g_autoptr(DkSymFile) file = open_symbols(&elf, NULL);
    guint64 low = base_va ? 0 : elf.module->first;
    guint seen = 0;
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) words = g_strsplit(lines[i], " ", 0);
        if (g_strv_length(words) != 3 || !g_str_has_suffix(words[2], "@plt"))
            continue;
        guint64 rva = g_ascii_strtoull(words[0], NULL, 16) - low;
        const DkSymbol *found = dk_symfile_at(file, rva + 7);
        g_assert_nonnull(found);
        /* Of a function that is chosen at the start only the address is known. */
        if (g_str_has_prefix(words[2], "*ABS*")) {
            g_assert_cmpint(found->name[0], ==, '.');
            continue;
        }
        g_assert_cmpstr(found->name, ==, words[2]);
        g_assert_cmphex(found->rva, ==, rva);
        g_assert_true(found->is_function && !found->is_global);
        g_assert_true(dk_symfile_by_name(file, words[2]) == found);
        seen++;
    }
    g_assert_cmpuint(seen, >, 0);
    /* The first entry leads to the loader and is nobody's stub. */
    const DkSymbol *plt = dk_symfile_by_name(file, ".plt");
    g_assert_nonnull(plt);
    g_assert_true(dk_symfile_at(file, plt->rva + 15) == plt);
    g_assert_nonnull(dk_symfile_by_name(file, section));
    loaded_elf_clear(&elf);
}

static void test_stubs(void)
{
    compare_stubs("sym-sample", BASE_VA, ".plt");
    compare_stubs("sym-sample-fixed", 0, ".plt");
    compare_stubs("sym-sample-stripped", BASE_VA, ".plt");
    compare_stubs("sym-sample-ibt", BASE_VA, ".plt.sec");
}

static void test_lookup(void)
{
    g_autofree char *path = fixture("sym-sample");
    LoadedElf elf;
    loaded_elf_init(&elf, path, BASE_VA);
    g_autoptr(DkSymFile) file = open_symbols(&elf, NULL);
    g_assert_cmpstr(file->path, ==, path);
    g_assert_cmpstr(file->kind, ==, "dwarf");

    const DkSymbol *global = dk_symfile_by_name(file, "sample_global");
    g_assert_nonnull(global);
    g_assert_true(global->is_function && global->is_global);
    g_assert_cmpuint(global->size, >, 4);
    /* The weak alias at the same place comes second; its last byte is still the function's. */
    g_assert_true(dk_symfile_at(file, global->rva) == global);
    g_assert_true(dk_symfile_at(file, global->rva + global->size - 1) == global);
    g_assert_true(dk_symfile_at(file, global->rva + global->size) != global);
    const DkSymbol *alias = dk_symfile_by_name(file, "sample_alias");
    g_assert_nonnull(alias);
    g_assert_cmphex(alias->rva, ==, global->rva);
    g_assert_true(alias > global);
    /* A label inside does not take the rest of the function. */
    const DkSymbol *spot = dk_symfile_by_name(file, "sample_spot");
    g_assert_nonnull(spot);
    g_assert_cmphex(spot->rva, >, global->rva);
    g_assert_true(dk_symfile_at(file, spot->rva + 1) == global);

    const DkSymbol *chosen = dk_symfile_by_name(file, "sample_chosen");
    g_assert_nonnull(chosen);
    g_assert_true(chosen->is_function);
    const DkSymbol *mangled = dk_symfile_by_name(file, DK_DEMANGLE ? "sample::mangled"
                                                                   : "_ZN6sample7mangledEi");
    g_assert_nonnull(mangled);
    if (DK_DEMANGLE)
        g_assert_cmpstr(mangled->name, ==, "sample::mangled(int)");
    g_assert_null(dk_symfile_by_name(file, "sample"));
    g_assert_null(dk_symfile_by_name(file, "printf"));
    g_assert_null(dk_symfile_at(file, 0));
    loaded_elf_clear(&elf);
}

/* Every address of the sample's functions must have the line that eu-addr2line gives. */
static void compare_lines(const char *name, guint64 base_va)
{
    g_autofree char *path = fixture(name);
    LoadedElf elf;
    loaded_elf_init(&elf, path, base_va);
    g_autoptr(DkSymFile) file = open_symbols(&elf, NULL);
    static const char *const functions[] = {"sample_global", "sample_static", "main",
                                            "sample_other", "sample_resolve"};
    guint64 low = base_va ? 0 : elf.module->first;
    g_autoptr(GString) command = g_string_new("eu-addr2line -e ");
    g_autoptr(GArray) rvas = g_array_new(FALSE, FALSE, sizeof(guint64));
    g_string_append(command, path);
    for (guint i = 0; i < G_N_ELEMENTS(functions); i++) {
        const DkSymbol *symbol = dk_symfile_by_name(file, functions[i]);
        if (!symbol) /* sample_static may have been renamed when it was specialised */
            continue;
        for (guint64 rva = symbol->rva; rva < symbol->rva + symbol->size; rva++) {
            g_array_append_val(rvas, rva);
            g_string_append_printf(command, " 0x%" G_GINT64_MODIFIER "x", rva + low);
        }
    }
    g_auto(GStrv) lines = output_of(command->str);
    if (lines) {
        g_assert_cmpuint(rvas->len, >, 40);
        g_assert_cmpuint(g_strv_length(lines), ==, rvas->len);
        for (guint i = 0; i < rvas->len; i++) {
            DkLine line;
            gboolean known = file->ops->line(file, g_array_index(rvas, guint64, i), &line);
            /* What a compiler made up itself stands in line 0. */
            if (strstr(lines[i], ".c:0")) {
                g_assert_false(known);
                continue;
            }
            g_assert_true(known);
            g_autofree char *got = line.column ? g_strdup_printf("%s:%u:%u", line.file, line.line,
                                                                 line.column)
                                               : g_strdup_printf("%s:%u", line.file, line.line);
            g_assert_cmpstr(got, ==, lines[i]);
        }
    } else {
        g_test_skip("eu-addr2line is not installed");
    }
    DkLine line;
    g_assert_false(file->ops->line(file, 0, &line));
    g_assert_false(file->ops->line(file, G_MAXUINT64, &line));
    loaded_elf_clear(&elf);
}

static void test_lines(void)
{
    compare_lines("sym-sample", BASE_VA);
    compare_lines("sym-sample-dwarf4", BASE_VA);
    compare_lines("sym-sample-fixed", 0);
}

/* Units are found without .debug_aranges too. */
static void test_no_aranges(void)
{
    static const char *const programs[] = {"sym-sample", "sym-sample-noaranges"};
    LoadedElf elf[2];
    DkSymFile *files[2];
    for (guint i = 0; i < 2; i++) {
        g_autofree char *path = fixture(programs[i]);
        loaded_elf_init(&elf[i], path, BASE_VA);
        files[i] = open_symbols(&elf[i], NULL);
    }
    static const char *const functions[] = {"main", "sample_global", "sample_other"};
    guint seen = 0;
    for (guint f = 0; f < G_N_ELEMENTS(functions); f++) {
        const DkSymbol *symbol = dk_symfile_by_name(files[0], functions[f]);
        g_assert_nonnull(symbol);
        for (guint64 rva = symbol->rva; rva < symbol->rva + symbol->size; rva++) {
            DkLine a;
            DkLine b;
            gboolean known = files[0]->ops->line(files[0], rva, &a);
            g_assert_cmpint(files[1]->ops->line(files[1], rva, &b), ==, known);
            if (!known)
                continue;
            seen++;
            g_assert_cmpstr(a.file, ==, b.file);
            g_assert_cmpuint(a.line, ==, b.line);
        }
    }
    g_assert_cmpuint(seen, >, 40);
    DkLine line;
    g_assert_false(files[1]->ops->line(files[1], 0, &line));
    for (guint i = 0; i < 2; i++) {
        dk_symfile_close(files[i]);
        loaded_elf_clear(&elf[i]);
    }
}

/* The line of the sample's source that has text. */
static guint line_with(const char *text)
{
    g_autofree char *path = g_build_filename(DK_FIXTURE_SOURCES, "sym-sample.c", NULL);
    g_autofree char *content = NULL;
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(content, "\n", 0);
    for (guint i = 0; lines[i]; i++) {
        if (strstr(lines[i], text))
            return i + 1;
    }
    g_assert_not_reached();
}

static void test_inlines(void)
{
    static const char *const programs[] = {"sym-sample", "sym-sample-dwarf4", "sym-sample-dwarf3"};
    for (guint i = 0; i < G_N_ELEMENTS(programs); i++) {
        g_autofree char *path = fixture(programs[i]);
        LoadedElf elf;
        loaded_elf_init(&elf, path, BASE_VA);
        g_autoptr(DkSymFile) file = open_symbols(&elf, NULL);
        const DkSymbol *spot = dk_symfile_by_name(file, "sample_spot");
        g_assert_nonnull(spot);
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(DkLine));
        /* Twice: what is remembered is the same. */
        for (guint pass = 1; pass <= 2; pass++) {
            file->ops->inlines(file, spot->rva, names, calls);
            g_assert_cmpuint(names->len, ==, 2 * pass);
            g_assert_cmpuint(calls->len, ==, 2 * pass);
        }
        g_assert_cmpstr(names->pdata[2], ==, "sample_inner");
        g_assert_cmpstr(names->pdata[3], ==, "sample_middle");
        const DkLine *inner = &g_array_index(calls, DkLine, 2);
        const DkLine *middle = &g_array_index(calls, DkLine, 3);
        g_assert_cmpuint(inner->line, ==, line_with("sample_inner(number + 1);"));
        g_assert_cmpuint(middle->line, ==, line_with("    sample_middle(number);"));
        g_assert_true(g_str_has_suffix(inner->file, "sym-sample.c"));
        g_ptr_array_set_size(names, 0);
        const DkSymbol *weak = dk_symfile_by_name(file, "sample_weak");
        file->ops->inlines(file, weak->rva, names, calls);
        g_assert_cmpuint(names->len, ==, 0);
        loaded_elf_clear(&elf);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/elf-symbols/nm", test_nm);
    g_test_add_func("/elf-symbols/stubs", test_stubs);
    g_test_add_func("/elf-symbols/lookup", test_lookup);
    g_test_add_func("/elf-symbols/lines", test_lines);
    g_test_add_func("/elf-symbols/no-aranges", test_no_aranges);
    g_test_add_func("/elf-symbols/inlines", test_inlines);
    return g_test_run();
}
