/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/elfcore/elfcore-pack.h"

#include <string.h>

#include "base/error.h"
#include "format/elfcore/elfcore-layout.h"
#include "format/own-record.h"

#define HEX "%" G_GINT64_MODIFIER "x"

gboolean dk_elfcore_put(DkElfcorePut *put, const void *data, gsize len, GError **error)
{
    put->size += len;
    return !len || put->bytes(put, data, len, error);
}

void dk_elfcore_pack16(GByteArray *out, guint16 value)
{
    guint16 raw = GUINT16_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&raw, sizeof raw);
}

void dk_elfcore_pack32(GByteArray *out, guint32 value)
{
    guint32 raw = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&raw, sizeof raw);
}

void dk_elfcore_pack64(GByteArray *out, guint64 value)
{
    guint64 raw = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&raw, sizeof raw);
}

void dk_elfcore_pack_word(GByteArray *out, guint word, guint64 value)
{
    if (word == 8)
        dk_elfcore_pack64(out, value);
    else
        dk_elfcore_pack32(out, (guint32)value);
}

void dk_elfcore_pack_zeros(GByteArray *out, gsize len)
{
    guint old = out->len;
    g_byte_array_set_size(out, old + (guint)len);
    if (len)
        memset(out->data + old, 0, len);
}

static guint64 pad4(guint64 len)
{
    return (len + 3) & ~(guint64)3;
}

guint64 dk_elfcore_note_size(const char *owner, guint64 len)
{
    return sizeof(DkElfNoteHeader) + pad4(strlen(owner) + 1) + pad4(len);
}

gboolean dk_elfcore_put_note(DkElfcorePut *put, const char *owner, guint32 type, const void *data,
                             gsize len, GError **error)
{
    gsize name = strlen(owner) + 1;
    if (len > G_MAXUINT32 - 3) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT,
                    "an ELF note cannot hold %" G_GSIZE_FORMAT " bytes", len);
        return FALSE;
    }
    g_autoptr(GByteArray) head = g_byte_array_new();
    dk_elfcore_pack32(head, (guint32)name);
    dk_elfcore_pack32(head, (guint32)len);
    dk_elfcore_pack32(head, type);
    g_byte_array_append(head, (const guint8 *)owner, (guint)name);
    dk_elfcore_pack_zeros(head, (gsize)(pad4(name) - name));
    static const guint8 zeros[4];
    return dk_elfcore_put(put, head->data, head->len, error) &&
           dk_elfcore_put(put, data, len, error) &&
           dk_elfcore_put(put, zeros, (gsize)(pad4(len) - len), error);
}

static void pack_time(GByteArray *out, guint word, guint64 ns)
{
    dk_elfcore_pack_word(out, word, ns / 1000000000);
    dk_elfcore_pack_word(out, word, ns % 1000000000 / 1000);
}

static void pack_ids(GByteArray *out, const DkProcess *process, guint32 tid)
{
    dk_elfcore_pack32(out, tid);
    dk_elfcore_pack32(out, (guint32)process->ppid);
    dk_elfcore_pack32(out, (guint32)process->pgrp);
    dk_elfcore_pack32(out, (guint32)process->sid);
}

static gboolean put_prstatus(DkElfcorePut *put, const DkElfcoreMachine *machine,
                             const DkProcess *process, const DkThread *thread, GError **error)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    gsize regs_size;
    const guint8 *regs = g_bytes_get_data(thread->regs[DK_REGSET_GENERAL], &regs_size);
    /* As the kernel does: gdb takes the signal of the dump from the last thread. */
    guint32 signal = (guint32)thread->signal;
    if (process->exception.valid && !signal)
        signal = process->exception.code;
    dk_elfcore_pack32(out, signal);
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack16(out, (guint16)signal);
    dk_elfcore_pack16(out, 0);
    dk_elfcore_pack_word(out, machine->word, thread->signals_pending);
    dk_elfcore_pack_word(out, machine->word, thread->signals_blocked);
    pack_ids(out, process, thread->tid);
    pack_time(out, machine->word, thread->user_ns);
    pack_time(out, machine->word, thread->system_ns);
    dk_elfcore_pack_zeros(out, (gsize)machine->word * 4);
    g_assert(out->len == machine->regs_off && regs_size == machine->regs_size);
    g_byte_array_append(out, regs, (guint)regs_size);
    dk_elfcore_pack32(out, thread->regs[DK_REGSET_FP] != NULL);
    dk_elfcore_pack_zeros(out, machine->prstatus_size - out->len);
    return dk_elfcore_put_note(put, "CORE", NT_PRSTATUS, out->data, out->len, error);
}

/* size bytes of text, cut so that a NUL stays at the end. */
static void pack_text(GByteArray *out, const char *text, gsize size)
{
    gsize len = text ? strnlen(text, size - 1) : 0;
    if (len)
        g_byte_array_append(out, (const guint8 *)text, (guint)len);
    dk_elfcore_pack_zeros(out, size - len);
}

/* IDs of 16 bits: what does not fit is the kernel's "nobody". */
static void pack_id(GByteArray *out, guint word, gint64 id)
{
    if (word == 8)
        dk_elfcore_pack32(out, (guint32)id);
    else
        dk_elfcore_pack16(out, id < 0 || id > G_MAXUINT16 ? 65534 : (guint16)id);
}

static gboolean put_prpsinfo(DkElfcorePut *put, const DkElfcoreMachine *machine,
                             const DkSubject *subject, const DkThread *first, GError **error)
{
    static const char states[] = "RSDTZW";
    const DkProcess *process = &subject->process;
    char state = first && first->state ? first->state : 'R';
    const char *found = strchr(states, state);
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint8 head[4] = {found ? (guint8)(found - states) : 0, (guint8)state, state == 'Z', 0};
    g_byte_array_append(out, head, sizeof head);
    if (machine->word == 8)
        dk_elfcore_pack32(out, 0);
    dk_elfcore_pack_word(out, machine->word, 0);
    pack_id(out, machine->word, process->uid);
    pack_id(out, machine->word, process->gid);
    pack_ids(out, process, (guint32)process->pid);
    pack_text(out, process->name, 16);
    pack_text(out, dk_own_keeps_command(subject) ? process->command : NULL, 80);
    return dk_elfcore_put_note(put, "CORE", NT_PRPSINFO, out->data, out->len, error);
}

/* A siginfo for a dump whose reason is known while the system's own is not. */
static GBytes *make_siginfo(const DkElfcoreMachine *machine, const DkException *exception)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    dk_elfcore_pack32(out, exception->code);
    dk_elfcore_pack32(out, 0);
    dk_elfcore_pack32(out, exception->flags);
    if (machine->word == 8)
        dk_elfcore_pack32(out, 0);
    dk_elfcore_pack_word(out, machine->word, exception->address);
    dk_elfcore_pack_zeros(out, DK_ELF_SIGINFO_SIZE - out->len);
    return g_byte_array_free_to_bytes(g_steal_pointer(&out));
}

static gboolean put_regset(DkElfcorePut *put, const char *owner, guint32 type, GBytes *bytes,
                           GError **error)
{
    if (!bytes)
        return TRUE;
    gsize len;
    const void *data = g_bytes_get_data(bytes, &len);
    return dk_elfcore_put_note(put, owner, type, data, len, error);
}

static gboolean put_regsets(DkElfcorePut *put, const DkThread *thread, GError **error)
{
    return put_regset(put, "CORE", NT_PRFPREG, thread->regs[DK_REGSET_FP], error) &&
           put_regset(put, "LINUX", NT_PRXFPREG, thread->regs[DK_REGSET_FXSAVE], error) &&
           put_regset(put, "LINUX", NT_X86_XSTATE, thread->regs[DK_REGSET_XSTATE], error);
}

/* The kernel lists what has a file; names in brackets are of anonymous memory. */
static gboolean is_file(const DkMapping *mapping)
{
    return mapping->path && mapping->path[0] && mapping->path[0] != '[' &&
           !(mapping->flags & DK_MAP_ANON);
}

static gboolean put_files(DkElfcorePut *put, const DkElfcoreMachine *machine,
                          const DkSubject *subject, GError **error)
{
    const GPtrArray *mappings = subject->process.mappings;
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GString) paths = g_string_new(NULL);
    guint count = 0;
    for (guint i = 0; i < mappings->len; i++)
        count += is_file(g_ptr_array_index(mappings, i));
    dk_elfcore_pack_word(out, machine->word, count);
    dk_elfcore_pack_word(out, machine->word, subject->page_size);
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        if (!is_file(mapping))
            continue;
        dk_elfcore_pack_word(out, machine->word, mapping->first);
        dk_elfcore_pack_word(out, machine->word, mapping->last + 1);
        dk_elfcore_pack_word(out, machine->word, mapping->file_offset / subject->page_size);
        g_string_append(paths, mapping->path);
        if (mapping->flags & DK_MAP_DELETED)
            g_string_append(paths, " (deleted)");
        g_string_append_c(paths, '\0');
    }
    g_byte_array_append(out, (const guint8 *)paths->str, (guint)paths->len);
    return dk_elfcore_put_note(put, "CORE", NT_FILE, out->data, out->len, error);
}

/* As the kernel does in its maps, so that a line stays a line. */
static void append_escaped(GString *text, const char *path)
{
    for (; *path; path++) {
        if (*path == '\n' || *path == '\\')
            g_string_append_printf(text, "\\%03o", (guint8)*path);
        else
            g_string_append_c(text, *path);
    }
}

GBytes *dk_elfcore_mappings_text(const DkSubject *subject)
{
    const GPtrArray *mappings = subject->process.mappings;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(mappings, i);
        g_string_append_printf(text, HEX "-" HEX " %x " HEX " " HEX " " HEX " ", mapping->first,
                               mapping->last, mapping->flags, mapping->file_offset, mapping->device,
                               mapping->inode);
        append_escaped(text, mapping->path ? mapping->path : "");
        g_string_append_c(text, '\n');
    }
    return g_string_free_to_bytes(text);
}

static gboolean put_siginfo(DkElfcorePut *put, const DkElfcoreMachine *machine,
                            const DkProcess *process, const DkThread *thread, GError **error)
{
    g_autoptr(GBytes) made = NULL;
    GBytes *siginfo = thread ? thread->regs[DK_REGSET_SIGINFO] : NULL;
    if (!siginfo && process->exception.valid) {
        made = make_siginfo(machine, &process->exception);
        siginfo = made;
    }
    return put_regset(put, "CORE", NT_SIGINFO, siginfo, error);
}

gboolean dk_elfcore_put_process(DkElfcorePut *put, const DkElfcoreMachine *machine,
                                const DkSubject *subject, GError **error)
{
    const DkProcess *process = &subject->process;
    const DkThread *first = NULL;
    for (guint i = 0; i < process->threads->len && !first; i++) {
        const DkThread *thread = g_ptr_array_index(process->threads, i);
        first = thread->regs[DK_REGSET_GENERAL] ? thread : NULL;
    }
    if ((first && !put_prstatus(put, machine, process, first, error)) ||
        !put_prpsinfo(put, machine, subject, first, error) ||
        !put_siginfo(put, machine, process, first, error) ||
        !put_regset(put, "CORE", NT_AUXV, process->auxv, error) ||
        !put_files(put, machine, subject, error) || (first && !put_regsets(put, first, error)))
        return FALSE;
    for (guint i = 0; i < process->threads->len; i++) {
        const DkThread *thread = g_ptr_array_index(process->threads, i);
        if (thread == first || !thread->regs[DK_REGSET_GENERAL])
            continue;
        if (!put_prstatus(put, machine, process, thread, error) ||
            !put_regsets(put, thread, error) ||
            !put_regset(put, "CORE", NT_SIGINFO, thread->regs[DK_REGSET_SIGINFO], error))
            return FALSE;
    }
    return TRUE;
}
