/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which file symbols are taken from, and what is refused; the lookups of every symbol file. */
#include <dlfcn.h>
#include <elf.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "loaded-elf.h"
#include "self-process.h"

#define BASE_VA 0x555555554000

static char *fixture(const char *name)
{
    return g_build_filename(DK_FIXTURES, name, NULL);
}

static void load(LoadedElf *elf, const char *name)
{
    g_autofree char *path = fixture(name);
    loaded_elf_init(elf, path, BASE_VA);
}

static void set_path(LoadedElf *elf, const char *path)
{
    g_free(elf->module->path);
    elf->module->path = g_strdup(path);
}

/* Opens, and checks the kind and that a function is where it must be. */
static void check_opens(LoadedElf *elf, const DkSymOptions *options, const char *kind,
                        const char *symbol)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSymFile) file = dk_symstore_open(elf->subject, elf->module, elf->space, options,
                                                 &error);
    g_assert_no_error(error);
    g_assert_cmpstr(file->kind, ==, kind);
    if (symbol) {
        const DkSymbol *found = dk_symfile_by_name(file, symbol);
        g_assert_nonnull(found);
        g_assert_true(dk_symfile_at(file, found->rva) == found);
        if (found->is_function && found->size)
            g_assert_nonnull(file->ops->cfi(file, found->rva));
    }
}

static char *hex(GBytes *bytes)
{
    GString *text = g_string_new(NULL);
    gsize len;
    const guint8 *data = g_bytes_get_data(bytes, &len);
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", data[i]);
    return g_string_free(text, FALSE);
}

/* The build-id read in memory is the one that readelf prints. */
static void test_identify(void)
{
    LoadedElf elf;
    load(&elf, "sym-sample");
    g_assert_nonnull(elf.module->build_id);
    g_assert_cmpuint(g_bytes_get_size(elf.module->build_id), ==, 20);
    g_autofree char *id = hex(elf.module->build_id);
    g_autofree char *path = fixture("sym-sample");
    g_autofree char *command = g_strdup_printf("readelf -n %s", path);
    g_autofree char *text = NULL;
    if (g_spawn_command_line_sync(command, &text, NULL, NULL, NULL))
        g_assert_nonnull(strstr(text, id));
    else
        g_test_skip("readelf is not installed");
    loaded_elf_clear(&elf);
}

/* Libraries of this process: the soname where there is no path. */
static void test_soname(void)
{
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    DkModule *libc = self_module(subject, "libc.so.6");
    DkModule *vdso = self_module(subject, "[vdso]");
    g_assert_nonnull(libc);
    g_assert_nonnull(vdso);
    g_clear_pointer(&libc->path, g_free);
    g_clear_pointer(&vdso->path, g_free);
    g_clear_pointer(&libc->build_id, g_bytes_unref);
    dk_elf_identify_modules(subject, space);
    g_assert_cmpstr(libc->path, ==, "libc.so.6");
    g_assert_cmpstr(vdso->path, ==, "linux-vdso.so.1");
    g_assert_nonnull(libc->build_id);
}

static void test_debug_files(void)
{
    LoadedElf elf;
    load(&elf, "sym-sample");
    check_opens(&elf, NULL, "dwarf", "sample_weak");
    loaded_elf_clear(&elf);

    /* Its debug file stands beside it, named by .gnu_debuglink. */
    load(&elf, "sym-sample-stripped");
    check_opens(&elf, NULL, "dwarf", "main");
    loaded_elf_clear(&elf);

    load(&elf, "sym-sample-bare");
    check_opens(&elf, NULL, "dynsym", NULL);
    loaded_elf_clear(&elf);
}

static void copy(const char *from, const char *to)
{
    g_autofree char *content = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(from, &content, &len, NULL));
    g_assert_true(g_file_set_contents(to, content, (gssize)len, NULL));
}

/* DIR/.build-id/xx/yyyy.debug */
static char *store_path(const char *dir, GBytes *build_id)
{
    g_autofree char *id = hex(build_id);
    g_autofree char *folder = g_strdup_printf("%s/.build-id/%.2s", dir, id);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    return g_strdup_printf("%s/%s.debug", folder, id + 2);
}

static void remove_tree(const char *path)
{
    const char *const argv[] = {"rm", "-rf", path, NULL};
    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                 NULL);
}

static void test_build_id_store(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    LoadedElf elf;
    load(&elf, "sym-sample-bare");
    g_autofree char *path = store_path(dir, elf.module->build_id);
    g_autofree char *other = fixture("sym-sample-dwarf4");
    g_autofree char *right = fixture("sym-sample-stripped.debug");
    const DkSymOptions options = {.debug_path = dir};
    /* A file of another build under the right name does not count. */
    copy(other, path);
    check_opens(&elf, &options, "dynsym", NULL);
    copy(right, path);
    check_opens(&elf, &options, "dwarf", "sample_weak");

    /* The debug file alone, without the program and its memory. */
    set_path(&elf, "/nowhere/at/all");
    loaded_elf_forget(&elf, 0, G_MAXUINT64);
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSymFile) file = dk_symstore_open(elf.subject, elf.module, elf.space, &options,
                                                 &error);
    g_assert_no_error(error);
    g_assert_cmpstr(file->kind, ==, "dwarf");
    g_assert_cmpstr(file->path, ==, path);
    g_assert_nonnull(dk_symfile_by_name(file, "sample_weak"));
    loaded_elf_clear(&elf);
    remove_tree(dir);
}

static void test_sysroot(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(dir, "opt", "x", NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_autofree char *path = g_build_filename(folder, "program", NULL);
    g_autofree char *sample = fixture("sym-sample");
    copy(sample, path);
    LoadedElf elf;
    load(&elf, "sym-sample");
    set_path(&elf, "/opt/x/program");
    const DkSymOptions options = {.sysroot = dir};
    g_autoptr(DkSymFile) file = dk_symstore_open(elf.subject, elf.module, elf.space, &options,
                                                 NULL);
    g_assert_nonnull(file);
    g_assert_cmpstr(file->path, ==, path);
    loaded_elf_clear(&elf);
    remove_tree(dir);
}

/* Unpacks a file of drgn's in the corpus; FALSE when it, or zstd, is not there. */
static gboolean unpack(const char *dir, const char *name)
{
    const char *given = g_getenv("DUMPKIT_CORPUS");
    g_autofree char *packed = g_strdup_printf("%s/elf-bin/osandov__drgn/%s.zst",
                                              given ? given : DK_SOURCE_ROOT "/../shared/corpus",
                                              name);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    const char *const argv[] = {"zstd", "-qdf", packed, "-o", path, NULL};
    int status = 1;
    return g_file_test(packed, G_FILE_TEST_IS_REGULAR) &&
           g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                        &status, NULL) &&
           status == 0;
}

static gboolean count_type(const DkType *type, gpointer data)
{
    ++*(guint *)data;
    return TRUE;
}

/* What dwz moved into a file of its own is found by .gnu_debugaltlink. */
static void test_dwz(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    if (!unpack(dir, "crashme.dwz") || !unpack(dir, "crashme.alt")) {
        g_test_skip("needs the corpus and zstd");
        remove_tree(dir);
        return;
    }
    g_autofree char *path = g_build_filename(dir, "crashme.dwz", NULL);
    g_autofree char *alt = g_build_filename(dir, "crashme.alt", NULL);
    for (guint pass = 0; pass < 2; pass++) {
        LoadedElf elf;
        loaded_elf_init(&elf, path, BASE_VA);
        g_autoptr(DkSymFile) file = dk_symstore_open(elf.subject, elf.module, elf.space, NULL,
                                                     NULL);
        g_assert_nonnull(file);
        g_assert_cmpstr(file->kind, ==, "dwarf");
        guint types = 0;
        file->ops->foreach_type(file, count_type, &types);
        if (pass == 0)
            g_assert_cmpuint(types, >, 0);
        else
            g_assert_cmpuint(types, ==, 0);
        loaded_elf_clear(&elf);
        g_unlink(alt);
    }
    remove_tree(dir);
}

/* A program that was deleted or replaced is read from memory. */
static void test_memory(void)
{
    static const char *const gone[] = {"/nowhere/program (deleted)", NULL};
    LoadedElf elf;
    load(&elf, "sym-sample");
    set_path(&elf, gone[0]);
    check_opens(&elf, NULL, "dynsym from memory", NULL);
    g_autofree char *other = fixture("sym-sample-dwarf4");
    set_path(&elf, other);
    check_opens(&elf, NULL, "dynsym from memory", NULL);

    /* Without its memory the reasons of all are told. */
    loaded_elf_forget(&elf, 0, G_MAXUINT64);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_symstore_open(elf.subject, elf.module, elf.space, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, "sym-sample-dwarf4: has another build-id"));
    g_assert_nonnull(strstr(error->message, "its ELF header at 0x555555554000 is not in the dump"));
    loaded_elf_clear(&elf);
}

/* The same path again, once the suffix is gone and the build-id right. */
static void test_deleted_and_back(void)
{
    LoadedElf elf;
    load(&elf, "sym-sample");
    g_autofree char *path = g_strconcat(elf.module->path, " (deleted)", NULL);
    set_path(&elf, path);
    check_opens(&elf, NULL, "dwarf", "main");
    loaded_elf_clear(&elf);
}

/* Symbols and rules of the C library are the same from memory and from its file. */
static void test_library_memory(void)
{
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    DkModule *libc = self_module(subject, "libc.so.6");
    /* Its debug file, where there is one, would make the two alike. */
    const DkSymOptions options = {.debug_path = "/nowhere"};
    g_autoptr(DkSymFile) disk = dk_symstore_open(subject, libc, space, &options, NULL);
    g_free(libc->path);
    libc->path = g_strdup("/nowhere/libc.so.6");
    g_autoptr(DkSymFile) memory = dk_symstore_open(subject, libc, space, &options, NULL);
    g_assert_nonnull(disk);
    g_assert_nonnull(memory);
    g_assert_cmpstr(memory->kind, ==, "dynsym from memory");
    void *handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    g_assert_nonnull(handle);
    static const char *const names[] = {"getppid", "qsort", "fprintf", "getaddrinfo"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        guint64 va = (guint64)(guintptr)dlsym(handle, names[i]);
        const DkSymbol *symbol = dk_symfile_by_name(memory, names[i]);
        g_assert_nonnull(symbol);
        g_assert_cmphex(symbol->rva + libc->first, ==, va);
        for (guint64 rva = symbol->rva; rva < symbol->rva + symbol->size; rva++) {
            const DkCfiRow *a = disk->ops->cfi(disk, rva);
            const DkCfiRow *b = memory->ops->cfi(memory, rva);
            g_assert_nonnull(a);
            g_assert_nonnull(b);
            g_assert_true(a->first <= rva && rva <= a->last);
            g_assert_cmphex(a->first, ==, b->first);
            g_assert_cmphex(a->last, ==, b->last);
            g_assert_cmpuint(a->cfa_register, ==, b->cfa_register);
            g_assert_cmpint(a->cfa_offset, ==, b->cfa_offset);
            g_assert_cmpuint(a->return_register, ==, 16);
            for (guint r = 0; r <= 16; r++) {
                g_assert_true(a->rules[r].kind == b->rules[r].kind);
                g_assert_cmpint(a->rules[r].offset, ==, b->rules[r].offset);
            }
            /* The return address of x86-64 stands under the CFA, always. */
            g_assert_true(a->rules[16].kind == DK_CFI_AT_CFA && a->rules[16].offset == -8);
            /* The same row again, not another one. */
            g_assert_true(disk->ops->cfi(disk, rva) == a);
        }
    }
    dlclose(handle);
    g_assert_null(disk->ops->cfi(disk, G_MAXUINT64));
    g_assert_null(disk->ops->cfi(disk, 0));
}

static void test_vdso(void)
{
    g_autoptr(DkSpace) space = self_space_new();
    g_autoptr(DkSubject) subject = self_subject_new(space);
    const DkModule *vdso = self_module(subject, "[vdso]");
    const DkSymOptions options = {.debug_path = "/nowhere"};
    g_autoptr(DkSymFile) file = dk_symstore_open(subject, vdso, space, &options, NULL);
    g_assert_nonnull(file);
    g_assert_cmpstr(file->kind, ==, "dynsym from memory");
#ifdef __x86_64__
    const DkSymbol *symbol = dk_symfile_by_name(file, "__vdso_gettimeofday");
    g_assert_nonnull(symbol);
    g_assert_cmphex(symbol->rva, <, vdso->last - vdso->first);
    g_assert_nonnull(file->ops->cfi(file, symbol->rva));
#endif
}

/* A debuginfod server of one thread that counts the questions and serves one file, or none. */
typedef struct {
    GSocketService *service;
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    guint16 port;
    gint asked;
    char *content;
    gsize len;
} Server;

static gboolean answer(GSocketService *service, GSocketConnection *connection, GObject *source,
                       gpointer data)
{
    Server *server = data;
    char request[4096] = "";
    GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_input_stream_read(in, request, sizeof request - 1, NULL, NULL);
    g_atomic_int_inc(&server->asked);
    gboolean debug = strstr(request, "/debuginfo ") && server->content;
    g_autofree char *head = g_strdup_printf(
        "HTTP/1.1 %s\r\nContent-Length: %" G_GSIZE_FORMAT "\r\nConnection: close\r\n\r\n",
        debug ? "200 OK" : "404 Not Found", debug ? server->len : 0);
    g_output_stream_write_all(out, head, strlen(head), NULL, NULL, NULL);
    if (debug)
        g_output_stream_write_all(out, server->content, server->len, NULL, NULL, NULL);
    g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
    return TRUE;
}

static gpointer serve(gpointer data)
{
    Server *server = data;
    g_main_context_push_thread_default(server->context);
    g_main_loop_run(server->loop);
    g_main_context_pop_thread_default(server->context);
    return NULL;
}

/* Starts it and says where it is to all that ask for debug files. */
static void server_start(Server *server, const char *cache)
{
    *server = (Server){.context = g_main_context_new()};
    g_main_context_push_thread_default(server->context);
    server->loop = g_main_loop_new(server->context, FALSE);
    server->service = g_socket_service_new();
    server->port = g_socket_listener_add_any_inet_port(G_SOCKET_LISTENER(server->service), NULL,
                                                       NULL);
    g_assert_cmpuint(server->port, !=, 0);
    g_signal_connect(server->service, "incoming", G_CALLBACK(answer), server);
    g_main_context_pop_thread_default(server->context);
    g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", server->port);
    setenv("DEBUGINFOD_URLS", url, TRUE);
    setenv("DEBUGINFOD_CACHE_PATH", cache, TRUE);
    setenv("DEBUGINFOD_TIMEOUT", "5", TRUE);
    server->thread = g_thread_new("debuginfod", serve, server);
}

static void server_stop(Server *server)
{
    g_main_loop_quit(server->loop);
    g_thread_join(server->thread);
    g_object_unref(server->service);
    g_main_loop_unref(server->loop);
    g_main_context_unref(server->context);
    g_free(server->content);
}

static void test_debuginfod(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
    Server server;
    server_start(&server, dir);

    LoadedElf elf;
    load(&elf, "sym-sample-bare");
    DkSymOptions options = {.debuginfod = FALSE};
    check_opens(&elf, &options, "dynsym", NULL);
    set_path(&elf, "/nowhere/program");
    check_opens(&elf, &options, "dynsym from memory", NULL);
    check_opens(&elf, NULL, "dynsym from memory", NULL);
    g_assert_cmpint(g_atomic_int_get(&server.asked), ==, 0);

    g_autofree char *debug = fixture("sym-sample-stripped.debug");
    g_assert_true(g_file_get_contents(debug, &server.content, &server.len, NULL));
    g_autofree char *bare = fixture("sym-sample-bare");
    set_path(&elf, bare);
    options.debuginfod = TRUE;
    g_autoptr(DkSymFile) file = dk_symstore_open(elf.subject, elf.module, elf.space, &options,
                                                 NULL);
    g_assert_nonnull(file);
    if (!g_atomic_int_get(&server.asked)) {
        g_test_skip("elfutils has no debuginfod client here");
    } else {
        g_assert_cmpstr(file->kind, ==, "dwarf");
        g_assert_nonnull(dk_symfile_by_name(file, "sample_weak"));
        DkLine line;
        g_assert_true(file->ops->line(file, dk_symfile_by_name(file, "sample_weak")->rva, &line));
        g_assert_true(g_str_has_suffix(line.file, "sym-sample.c"));
    }
    loaded_elf_clear(&elf);
    server_stop(&server);
    remove_tree(dir);
}

/* Memory that lies about its headers. */
static void test_hostile(void)
{
    LoadedElf elf;
    load(&elf, "sym-sample");
    g_autofree guint8 *head = g_malloc(4096);
    g_assert_cmpuint(dk_space_read(elf.space, BASE_VA, head, 4096), ==, 4096);
    set_path(&elf, "/nowhere/program");
    static const struct {
        gsize off;
        gsize size;
        guint64 value;
    } patches[] = {
        {offsetof(Elf64_Ehdr, e_phoff), 8, G_MAXUINT64},
        {offsetof(Elf64_Ehdr, e_phoff), 8, 4090},
        {offsetof(Elf64_Ehdr, e_phnum), 2, 0xffff},
        {offsetof(Elf64_Ehdr, e_phentsize), 2, 1},
        {EI_CLASS, 1, 7},
        {EI_DATA, 1, ELFDATA2MSB},
        {0, 4, 0},
        {64 + offsetof(Elf64_Phdr, p_memsz), 8, G_MAXUINT64},
    };
    for (guint i = 0; i < G_N_ELEMENTS(patches); i++) {
        g_autofree guint8 *bad = g_memdup2(head, 4096);
        memcpy(bad + patches[i].off, &patches[i].value, patches[i].size);
        g_autofree char *dir = g_dir_make_tmp("dumpkit-XXXXXX", NULL);
        g_autofree char *path = g_build_filename(dir, "image", NULL);
        g_assert_true(g_file_set_contents(path, (const char *)bad, 4096, NULL));
        /* As memory: whatever comes of it, it comes back. */
        DkSubject *subject = elf.subject;
        elf.module->first = BASE_VA;
        g_autoptr(DkSpace) self = self_space_new();
        elf.module->first = (guint64)(guintptr)bad;
        elf.module->last = elf.module->first + 4095;
        dk_elf_identify_modules(subject, self);
        g_autoptr(GError) error = NULL;
        g_autoptr(DkSymFile) file = dk_symstore_open(subject, elf.module, self, NULL, &error);
        if (!file)
            g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
        remove_tree(dir);
    }
    loaded_elf_clear(&elf);
}

/* The lookups over symbols that a backend gives. */
static const DkSymbol made_up[] = {
    {"first", 0x100, 0x20, TRUE, TRUE},  {"first_alias", 0x100, 0x20, TRUE, FALSE},
    {"label", 0x110, 0, FALSE, FALSE},   {"outer", 0x200, 0x100, TRUE, TRUE},
    {"inner", 0x240, 0x10, TRUE, FALSE}, {"space::call(int)", 0x400, 0, TRUE, TRUE},
    {"twice", 0x500, 8, FALSE, FALSE},   {"twice", 0x510, 8, FALSE, TRUE},
};

static const DkSymbol *made_up_symbols(DkSymFile *file, gsize *count)
{
    *count = G_N_ELEMENTS(made_up);
    return made_up;
}

static void made_up_close(DkSymFile *file)
{
}

static void test_lookup(void)
{
    static const DkSymFileOps ops = {
        .name = "made up", .symbols = made_up_symbols, .close = made_up_close};
    DkSymFile file;
    dk_symfile_init(&file, &ops, "nowhere");
    static const struct {
        guint64 rva;
        const char *name;
    } cases[] = {
        {0xff, NULL},
        {0x100, "first"},
        {0x10f, "first"},
        {0x110, "label"},
        {0x111, "first"},
        {0x11f, "first"},
        {0x120, "label"},
        {0x200, "outer"},
        {0x23f, "outer"},
        {0x240, "inner"},
        {0x24f, "inner"},
        {0x250, "outer"},
        {0x2ff, "outer"},
        {0x300, NULL},
        {0x400, "space::call(int)"},
        {0x4ff, "space::call(int)"},
        {0x508, NULL},
        {0x517, "twice"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const DkSymbol *symbol = dk_symfile_at(&file, cases[i].rva);
        g_assert_cmpstr(symbol ? symbol->name : NULL, ==, cases[i].name);
    }
    g_assert_true(dk_symfile_by_name(&file, "outer") == &made_up[3]);
    g_assert_true(dk_symfile_by_name(&file, "space::call") == &made_up[5]);
    g_assert_true(dk_symfile_by_name(&file, "space::call(int)") == &made_up[5]);
    g_assert_true(dk_symfile_by_name(&file, "twice") == &made_up[7]);
    g_assert_null(dk_symfile_by_name(&file, "space"));
    dk_symfile_close(&file);
}

static void test_other_system(void)
{
    LoadedElf elf;
    load(&elf, "sym-sample");
    elf.subject->os = DK_OS_WINDOWS;
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_symstore_open(elf.subject, elf.module, elf.space, NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    loaded_elf_clear(&elf);
}

int main(int argc, char **argv)
{
    /* Nobody's server, and no cache of the user's. */
    g_unsetenv("DEBUGINFOD_URLS");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/symfile/identify", test_identify);
    g_test_add_func("/symfile/soname", test_soname);
    g_test_add_func("/symfile/debug-files", test_debug_files);
    g_test_add_func("/symfile/build-id-store", test_build_id_store);
    g_test_add_func("/symfile/dwz", test_dwz);
    g_test_add_func("/symfile/sysroot", test_sysroot);
    g_test_add_func("/symfile/memory", test_memory);
    g_test_add_func("/symfile/deleted-and-back", test_deleted_and_back);
    g_test_add_func("/symfile/library-memory", test_library_memory);
    g_test_add_func("/symfile/vdso", test_vdso);
    g_test_add_func("/symfile/debuginfod", test_debuginfod);
    g_test_add_func("/symfile/hostile", test_hostile);
    g_test_add_func("/symfile/lookup", test_lookup);
    g_test_add_func("/symfile/other-system", test_other_system);
    return g_test_run();
}
