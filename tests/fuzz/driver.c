/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target over stored inputs (files and folders given as arguments) and speaks TAP. */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static guint run_path(const char *path, guint number)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (dir) {
        const char *name;
        while ((name = g_dir_read_name(dir))) {
            g_autofree char *inner = g_build_filename(path, name, NULL);
            number = run_path(inner, number);
        }
        return number;
    }
    g_autofree char *content = NULL;
    gsize len = 0;
    if (!g_file_get_contents(path, &content, &len, NULL)) {
        printf("not ok %u - %s: cannot be read\n", ++number, path);
        return number;
    }
    /* A block of exactly the size, so that the address sanitizer sees a read behind the end. */
    g_autofree uint8_t *exact = g_memdup2(content, len);
    LLVMFuzzerTestOneInput(exact, len);
    printf("ok %u - %s\n", ++number, path);
    fflush(stdout);
    return number;
}

int main(int argc, char **argv)
{
    guint number = 0;
    for (int i = 1; i < argc; i++)
        number = run_path(argv[i], number);
    printf("1..%u\n", number);
    return 0;
}
