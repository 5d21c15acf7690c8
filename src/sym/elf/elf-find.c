/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where separate debug files stand: by build-id in .build-id/xx/yyyy.debug under the debug
 * directories, by the name in .gnu_debuglink beside the file and under them, and for dwz files by
 * .gnu_debugaltlink.  elfutils' own search is called only for debuginfod: it would ask the network
 * whenever DEBUGINFOD_URLS is set.
 */
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sym/elf/elf-file.h"

#define DEFAULT_PATH ":.debug:/usr/lib/debug"

int dk_elf_open_regular(const char *path)
{
    /* Not to hang on a FIFO that took the file's name. */
    dk_autofd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return -1;
    }
    return dk_fd_steal(&fd);
}

GBytes *dk_elf_fd_build_id(int fd)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    const void *bits = NULL;
    ssize_t len = elf ? dwelf_elf_gnu_build_id(elf, &bits) : 0;
    GBytes *id = len > 0 && len <= DK_ELF_BUILD_ID_MAX ? g_bytes_new(bits, (gsize)len) : NULL;
    elf_end(elf);
    return id;
}

/* The content of the section called name, or NULL. */
static GBytes *read_section(int fd, const char *name)
{
    Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
    size_t strings;
    GBytes *bytes = NULL;
    if (elf && elf_getshdrstrndx(elf, &strings) == 0) {
        Elf_Scn *section = NULL;
        while (!bytes && (section = elf_nextscn(elf, section))) {
            GElf_Shdr header;
            if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS)
                continue;
            const char *at = elf_strptr(elf, strings, header.sh_name);
            if (!at || strcmp(at, name) != 0)
                continue;
            Elf_Data *data = elf_rawdata(section, NULL);
            if (data && data->d_size)
                bytes = g_bytes_new(data->d_buf, data->d_size);
        }
    }
    elf_end(elf);
    return bytes;
}

/* The checksum of .gnu_debuglink: CRC-32 of IEEE 802.3, reflected. */
static gboolean file_crc(int fd, guint32 *crc)
{
    static const guint32 nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    g_autofree guint8 *data = g_malloc(65536);
    guint32 value = 0xffffffff;
    gssize got;
    for (guint64 off = 0; (got = dk_fd_pread_all(fd, data, 65536, off)) > 0; off += (guint64)got) {
        for (gssize i = 0; i < got; i++) {
            value ^= data[i];
            value = value >> 4 ^ nibble[value & 15];
            value = value >> 4 ^ nibble[value & 15];
        }
    }
    *crc = ~value;
    return got == 0;
}

/* Opens path, first below the sysroot, when its build-id, or without one its checksum, is right. */
static int open_checked(const DkElfFile *file, const char *path, GBytes *build_id, guint32 crc,
                        char **found)
{
    for (guint pass = *file->sysroot ? 0 : 1; pass < 2; pass++) {
        g_autofree char *full = g_strconcat(pass ? "" : file->sysroot, path, NULL);
        dk_autofd int fd = dk_elf_open_regular(full);
        if (fd < 0)
            continue;
        gboolean right;
        if (build_id) {
            g_autoptr(GBytes) id = dk_elf_fd_build_id(fd);
            right = id && g_bytes_equal(id, build_id);
        } else {
            guint32 actual;
            right = file_crc(fd, &actual) && actual == crc;
        }
        if (right) {
            g_free(*found);
            *found = g_steal_pointer(&full);
            return dk_fd_steal(&fd);
        }
    }
    return -1;
}

/* The entries of the debug path, in elfutils' syntax: a sign in front of one is skipped. */
static GStrv debug_dirs(const DkElfFile *file)
{
    GStrv dirs = g_strsplit(file->debug_path ? file->debug_path : DEFAULT_PATH, ":", 0);
    for (guint i = 0; dirs[i]; i++) {
        if (dirs[i][0] == '+' || dirs[i][0] == '-')
            memmove(dirs[i], dirs[i] + 1, strlen(dirs[i]));
    }
    return dirs;
}

int dk_elf_find_by_build_id(const DkElfFile *file, GBytes *build_id, const char *suffix,
                            char **path)
{
    gsize len;
    const guint8 *bits = g_bytes_get_data(build_id, &len);
    if (len < 2)
        return -1;
    g_autoptr(GString) name = g_string_new("/.build-id/");
    for (gsize i = 0; i < len; i++)
        g_string_append_printf(name, i == 1 ? "/%02x" : "%02x", bits[i]);
    g_string_append(name, suffix);
    g_auto(GStrv) dirs = debug_dirs(file);
    for (guint i = 0; dirs[i]; i++) {
        if (dirs[i][0] != '/')
            continue;
        g_autofree char *full = g_strconcat(dirs[i], name->str, NULL);
        int fd = open_checked(file, full, build_id, 0, path);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* By the name in .gnu_debuglink. */
static int find_by_link(const DkElfFile *file, const char *link, guint32 crc, char **path)
{
    if (!file->main_path || file->main_path[0] != '/' || !*link || strchr(link, '/'))
        return -1;
    g_autofree char *home = g_path_get_dirname(file->main_path);
    g_auto(GStrv) dirs = debug_dirs(file);
    for (guint i = 0; dirs[i]; i++) {
        g_autofree char *full = dirs[i][0] == '/' ? g_build_filename(dirs[i], home, link, NULL)
                                                  : g_build_filename(home, dirs[i], link, NULL);
        int fd = open_checked(file, full, file->build_id, crc, path);
        if (fd >= 0)
            return fd;
    }
    return -1;
}

/* What .gnu_debugaltlink of the file with the DWARF says: a name, then a build-id. */
static char *alt_link(const DkElfFile *file, GBytes **build_id)
{
    const char *path = file->debug_found ? file->debug_found : file->base.path;
    dk_autofd int fd = path ? dk_elf_open_regular(path) : -1;
    g_autoptr(GBytes) section = fd >= 0 ? read_section(fd, ".gnu_debugaltlink") : NULL;
    gsize len = 0;
    const char *data = section ? g_bytes_get_data(section, &len) : NULL;
    const char *nul = data ? memchr(data, 0, len) : NULL;
    gsize at = nul ? (gsize)(nul - data) + 1 : len;
    if (at >= len || len - at > DK_ELF_BUILD_ID_MAX)
        return NULL;
    *build_id = g_bytes_new(data + at, len - at);
    return g_strdup(data);
}

static int find_alt(const DkElfFile *file, const char *link, GBytes *build_id, char **path)
{
    g_autofree char *home = g_path_get_dirname(file->debug_found ? file->debug_found
                                                                 : file->base.path);
    g_autofree char *full = link[0] == '/' ? g_strdup(link) : g_build_filename(home, link, NULL);
    int fd = open_checked(file, full, build_id, 0, path);
    return fd >= 0 ? fd : dk_elf_find_by_build_id(file, build_id, ".debug", path);
}

int dk_elf_find_debuginfo(Dwfl_Module *module, void **userdata, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *debuglink_file,
                          GElf_Word debuglink_crc, char **debuginfo_file_name)
{
    DkElfFile *file = *userdata;
    g_autofree char *path = NULL;
    g_autoptr(GBytes) alt_id = NULL;
    g_autofree char *alt = debuglink_file ? alt_link(file, &alt_id) : NULL;
    gboolean is_alt = alt && strcmp(alt, debuglink_file) == 0;
    int fd = -1;
    if (is_alt) {
        fd = find_alt(file, alt, alt_id, &path);
    } else {
        if (file->build_id)
            fd = dk_elf_find_by_build_id(file, file->build_id, ".debug", &path);
        if (fd < 0 && debuglink_file)
            fd = find_by_link(file, debuglink_file, debuglink_crc, &path);
    }
    if (fd < 0 && file->debuginfod)
        fd = dwfl_standard_find_debuginfo(module, userdata, name, base, file_name, debuglink_file,
                                          debuglink_crc, debuginfo_file_name);
    if (fd >= 0 && !is_alt) {
        const char *found = path ? path : *debuginfo_file_name;
        g_free(file->debug_found);
        file->debug_found = g_strdup(found ? found : "debuginfod");
    }
    if (fd >= 0 && path)
        *debuginfo_file_name = strdup(path);
    return fd;
}
