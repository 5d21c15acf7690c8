/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "format/minidump/minidump-parts.h"

/* A CodeView record is a signature, an identity and a file name. */
#define CODEVIEW_MAX 4096u
#define BUILD_ID_MAX 64u
#define MDMP_CV_NB10 0x3031424eu /* u32 0, u32 time, u32 age, name */

/* The last byte of size bytes at base, kept inside 64 bits. */
static guint64 last_of(guint64 base, guint32 size)
{
    guint64 last = base + (size ? size - 1 : 0);
    return last < base ? G_MAXUINT64 : last;
}

static char *valid_text(const guint8 *data, gsize len)
{
    g_autofree char *text = g_strndup((const char *)data, len);
    return *text ? g_utf8_make_valid(text, -1) : NULL;
}

static void read_codeview(DkMinidump *md, const MdmpLocation *location, DkModule *module)
{
    g_autoptr(GBytes) bytes =
        location->size ? dk_minidump_bytes(md, location->rva, location->size, CODEVIEW_MAX) : NULL;
    if (!bytes)
        return;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    DkCursor cursor;
    guint32 signature = 0;
    dk_cursor_init(&cursor, data, len, location->rva, "CodeView record");
    if (!dk_cursor_u32(&cursor, "signature", &signature, NULL))
        return;
    gsize left = dk_cursor_left(&cursor);
    if (signature == MDMP_CV_BPEL) {
        if (left && left <= BUILD_ID_MAX)
            module->build_id = g_bytes_new_from_bytes(bytes, cursor.pos, left);
        return;
    }
    guint32 skipped[2];
    const guint8 *guid = NULL;
    if (signature == MDMP_CV_RSDS) {
        guid = dk_cursor_bytes(&cursor, "guid", sizeof module->guid, NULL);
        if (!guid)
            return;
    } else if (signature != MDMP_CV_NB10 || !dk_cursor_u32(&cursor, "offset", &skipped[0], NULL) ||
               !dk_cursor_u32(&cursor, "time", &skipped[1], NULL)) {
        return;
    }
    if (!dk_cursor_u32(&cursor, "age", &module->age, NULL))
        return;
    if (guid)
        memcpy(module->guid, guid, sizeof module->guid);
    left = dk_cursor_left(&cursor);
    const guint8 *name = left ? dk_cursor_bytes(&cursor, "name", left, NULL) : NULL;
    if (name && left <= md->text_left) {
        md->text_left -= left;
        module->debug_file = valid_text(name, left);
    }
}

static void read_version(const MdmpFileVersion *version, DkModule *module)
{
    if (version->signature == MDMP_VERSION_SIGNATURE)
        module->version = g_strdup_printf(
            "%u.%u.%u.%u", version->file_version_high >> 16, version->file_version_high & 0xffff,
            version->file_version_low >> 16, version->file_version_low & 0xffff);
}

/* The program itself stands first in the list of every writer. */
static void name_program(DkMinidump *md, const DkModule *first)
{
    DkProcess *process = &md->base.subject->process;
    if (!first->path)
        return;
    const char *slash = strrchr(first->path, '/');
    const char *backslash = strrchr(first->path, '\\');
    if (!slash || (backslash && backslash > slash))
        slash = backslash;
    process->exe = g_strdup(first->path);
    process->name = g_strdup(slash ? slash + 1 : first->path);
}

static void read_loaded(DkMinidump *md)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open(md, MDMP_MODULE_LIST, sizeof(MdmpModule), DK_MINIDUMP_MODULES_MAX,
                               &list))
        return;
    MdmpModule raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        DkModule *module = dk_subject_add_module(md->base.subject, raw.base_va,
                                                 last_of(raw.base_va, raw.size));
        module->path = dk_minidump_string(md, raw.name_rva);
        module->timestamp = raw.time;
        module->checksum = raw.checksum;
        read_version(&raw.version, module);
        read_codeview(md, &raw.codeview, module);
        if (list.at == 1)
            name_program(md, module);
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " modules", list.count);
}

static void read_unloaded(DkMinidump *md)
{
    g_auto(DkMinidumpList) list = {0};
    if (!dk_minidump_list_open_sized(md, MDMP_UNLOADED_MODULE_LIST, sizeof(MdmpUnloadedModule),
                                     FALSE, DK_MINIDUMP_MODULES_MAX, &list))
        return;
    MdmpUnloadedModule raw;
    while (dk_minidump_list_next(&list, &raw, sizeof raw)) {
        DkModule *module = dk_subject_add_module(md->base.subject, raw.base_va,
                                                 last_of(raw.base_va, raw.size));
        module->path = dk_minidump_string(md, raw.name_rva);
        module->timestamp = raw.time;
        module->checksum = raw.checksum;
        module->unloaded = TRUE;
    }
    dk_minidump_note(md, list.stream, "%" G_GUINT64_FORMAT " unloaded modules", list.count);
}

void dk_minidump_read_modules(DkMinidump *md)
{
    read_loaded(md);
    read_unloaded(md);
}
