/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes our own notes into the subject.  They may be forged like anything else. */
#include <string.h>

#include "format/elfcore/elfcore-reader.h"
#include "format/own-record.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

/* A hexadecimal number that ends at stop. */
static gboolean take_hex(DkCursor *line, char stop, guint64 *value)
{
    guint digits = 0;
    guint8 c = 0;
    *value = 0;
    while (dk_cursor_u8(line, "digit", &c, NULL) && g_ascii_isxdigit((char)c) && digits++ < 16)
        *value = *value << 4 | (guint64)g_ascii_xdigit_value((char)c);
    return digits && c == (guint8)stop;
}

/* What is left of the line, with \ooo undone; NULL when nothing is left. */
static char *take_path(DkCursor *line)
{
    gsize len = MIN(dk_cursor_left(line), DK_ELFCORE_PATH_MAX);
    const guint8 *at = dk_cursor_bytes(line, "path", len, NULL);
    g_autoptr(GString) path = g_string_new(NULL);
    for (gsize i = 0; at && i < len; i++) {
        guint value = at[i];
        if (value == '\\' && len - i > 3 && (at[i + 1] & ~3) == '0' && (at[i + 2] & ~7) == '0' &&
            (at[i + 3] & ~7) == '0') {
            value = (at[i + 1] & 3u) << 6 | (at[i + 2] & 7u) << 3 | (at[i + 3] & 7u);
            i += 3;
        }
        if (value)
            g_string_append_c(path, (char)value);
    }
    return path->len ? g_string_free(g_steal_pointer(&path), FALSE) : NULL;
}

/* "FIRST-LAST FLAGS OFFSET DEVICE INODE PATH", numbers hexadecimal; next is where it may begin. */
static gboolean take_line(DkSubject *subject, DkCursor line, guint64 *next)
{
    guint64 first;
    guint64 last;
    guint64 flags;
    guint64 offset;
    guint64 device;
    guint64 inode;
    if (!take_hex(&line, '-', &first) || !take_hex(&line, ' ', &last) ||
        !take_hex(&line, ' ', &flags) || !take_hex(&line, ' ', &offset) ||
        !take_hex(&line, ' ', &device) || !take_hex(&line, ' ', &inode))
        return FALSE;
    if (first < *next || last < first || last == G_MAXUINT64 || flags > G_MAXUINT32)
        return FALSE;
    *next = last + 1;
    DkMapping *mapping = dk_subject_add_mapping(subject, first, last);
    mapping->flags = (guint32)flags;
    mapping->file_offset = offset;
    mapping->device = device;
    mapping->inode = inode;
    mapping->path = take_path(&line);
    return TRUE;
}

static void take_mappings(DkElfcore *core, const DkElfcoreNote *note, const char *data, gsize len)
{
    guint64 next = 0;
    guint bad = 0;
    gsize pos = 0;
    while (pos < len) {
        const char *end = memchr(data + pos, '\n', len - pos);
        gsize size = end ? (gsize)(end - data) - pos : len - pos;
        DkCursor line;
        dk_cursor_init(&line, data + pos, size, note->off + pos, "mapping");
        if (!take_line(core->source.subject, line, &next) && !bad++)
            dk_elfcore_damage(core, "mapping",
                              "dumpkit mappings: the line at offset " HEX " is malformed",
                              note->off + pos);
        pos += size + 1;
    }
    core->own_mappings = core->source.subject->process.mappings->len > 0;
}

/* NT_PRPSINFO has the first 79 bytes of the command line only, so ours goes first. */
static gboolean take_info(DkElfcore *core, const void *data, gsize len, GError **error)
{
    DkProcess *process = &core->source.subject->process;
    g_autofree char *name = g_steal_pointer(&process->name);
    g_autofree char *command = g_steal_pointer(&process->command);
    gboolean ok = dk_own_info_read(core->source.subject, data, len, error);
    if (!process->name)
        process->name = g_steal_pointer(&name);
    if (!process->command)
        process->command = g_steal_pointer(&command);
    return ok;
}

/* The first note of that type, taken in; FALSE when there is none or it is broken. */
static gboolean take_own(DkElfcore *core, guint32 type, guint64 limit)
{
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        if (!dk_elfcore_note_is_own(note, type))
            continue;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) content = dk_elfcore_note_read(core, note, limit, &error);
        if (content) {
            gsize len;
            const void *data = g_bytes_get_data(content, &len);
            if (type == DK_ELF_OWN_MAPPINGS)
                take_mappings(core, note, data, len);
            if (type == DK_ELF_OWN_MAPPINGS ||
                (type == DK_ELF_OWN_INFO && take_info(core, data, len, &error)) ||
                (type == DK_ELF_OWN_RESULT &&
                 dk_own_result_read(core->source.subject, data, len, &error)))
                return TRUE;
        }
        dk_elfcore_damage(core, "data", "%s at offset " HEX ": %s", dk_elfcore_note_name(note),
                          note->header, error->message);
        return FALSE;
    }
    return FALSE;
}

void dk_elfcore_own_result_take(DkElfcore *core)
{
    core->own_result = take_own(core, DK_ELF_OWN_RESULT, DK_OWN_INFO_MAX);
    /* A file of ours that lacks its end was not finished. */
    if (core->own && !core->own_result)
        core->source.subject->origin.complete = 0;
}

void dk_elfcore_own_take(DkElfcore *core)
{
    core->own = take_own(core, DK_ELF_OWN_INFO, DK_OWN_INFO_MAX);
    take_own(core, DK_ELF_OWN_MAPPINGS, DK_ELFCORE_FILE_NOTE_MAX);
    dk_elfcore_own_result_take(core);
}
