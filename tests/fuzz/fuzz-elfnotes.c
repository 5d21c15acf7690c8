/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The notes of a core: the first byte chooses class, byte order, machine and alignment, the rest is
 * the note segment of a file that is otherwise right.
 */
#include <elf.h>
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory that the notes may point to, with an ELF header at its start. */
#define MEMORY_VA 0x400000
#define MEMORY_SIZE 256

typedef struct {
    GByteArray *out;
    gboolean wide;
    gboolean big;
} Builder;

static void put(Builder *builder, guint size, guint64 value)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> 8 * (builder->big ? size - 1 - i : i));
        g_byte_array_append(builder->out, &byte, 1);
    }
}

static void put_word(Builder *builder, guint64 value)
{
    put(builder, builder->wide ? 8 : 4, value);
}

static void put_header(Builder *builder, guint16 type, guint16 machine, guint segments)
{
    const guint8 ident[16] = {0x7f, 'E', 'L', 'F', builder->wide ? 2 : 1, builder->big ? 2 : 1, 1};
    g_byte_array_append(builder->out, ident, sizeof ident);
    put(builder, 2, type);
    put(builder, 2, machine);
    put(builder, 4, 1);
    put_word(builder, MEMORY_VA);
    put_word(builder, builder->wide ? 64 : 52);
    put_word(builder, 0);
    put(builder, 4, 0);
    put(builder, 2, builder->wide ? 64 : 52);
    put(builder, 2, builder->wide ? 56 : 32);
    put(builder, 2, segments);
    put(builder, 6, 0);
}

static void put_segment(Builder *builder, guint32 type, guint64 off, guint64 va, guint64 size,
                        guint64 align)
{
    put(builder, 4, type);
    if (builder->wide)
        put(builder, 4, 5);
    put_word(builder, off);
    put_word(builder, va);
    put_word(builder, 0);
    put_word(builder, size);
    put_word(builder, size);
    if (!builder->wide)
        put(builder, 4, 5);
    put_word(builder, align);
}

static GBytes *build(uint8_t choice, const uint8_t *notes, size_t size)
{
    static const guint16 machines[] = {EM_X86_64, EM_386, EM_AARCH64, EM_68K};
    Builder builder = {g_byte_array_new(), choice & 1, (choice & 2) != 0};
    guint64 start = builder.wide ? 64 + 2 * 56 : 52 + 2 * 32;
    put_header(&builder, ET_CORE, machines[choice >> 2 & 3], 2);
    put_segment(&builder, PT_NOTE, start + MEMORY_SIZE, 0, size, choice & 16 ? 8 : 4);
    put_segment(&builder, PT_LOAD, start, MEMORY_VA, MEMORY_SIZE, 1);
    put_header(&builder, ET_DYN, machines[choice >> 2 & 3], 2);
    put_segment(&builder, PT_LOAD, 0, MEMORY_VA, MEMORY_SIZE, 1);
    put_segment(&builder, PT_NOTE, 0, MEMORY_VA + MEMORY_SIZE - 36, 36, 4);
    g_byte_array_set_size(builder.out, (guint)(start + MEMORY_SIZE - 36));
    put(&builder, 4, 4);
    put(&builder, 4, 20);
    put(&builder, 4, NT_GNU_BUILD_ID);
    g_byte_array_append(builder.out, (const guint8 *)"GNU", 4);
    g_byte_array_set_size(builder.out, (guint)(start + MEMORY_SIZE));
    g_byte_array_append(builder.out, notes, (guint)size);
    return g_byte_array_free_to_bytes(builder.out);
}

static void ignore_finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    g_assert(part && text);
}

static void ignore_note(const DkNote *note, gpointer data)
{
    g_assert(note->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    g_autoptr(GBytes) bytes = build(data[0], data + 1, size - 1);
    g_autoptr(DkInput) input = dk_input_new_bytes("fuzz", bytes);
    const DkFormat *format = dk_format_by_name("elf");
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = format->open(input, &error);
    if (!source) {
        /* The notes may be of a system whose dumps are named and not read. */
        g_assert(error->domain == DK_ERROR);
        return 0;
    }
    for (guint i = 0; i < source->subject->process.mappings->len; i++) {
        const DkMapping *mapping = g_ptr_array_index(source->subject->process.mappings, i);
        g_assert(mapping->first <= mapping->last);
    }
    DkVerify verify = {ignore_finding, NULL, FALSE};
    g_assert(format->verify(source, TRUE, &verify, NULL));
    source->ops->foreach_note(source, ignore_note, NULL);
    return 0;
}
