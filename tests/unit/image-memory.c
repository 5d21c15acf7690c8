/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-memory.h"

#include <glib/gstdio.h>
#include <string.h>

#include "capture/pipeline.h"
#include "format/registry.h"
#include "io/input.h"
#include "io/output.h"

typedef struct {
    DkSpace space;
    GArray *runs; /* of DkRun */
} MemorySpace;

static void fill(guint64 pa, guint8 *bytes, gsize len)
{
    for (gsize i = 0; i < len; i++) {
        guint64 word = ((pa + i) & ~(guint64)7) * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
        bytes[i] = (guint8)(word >> 8 * ((pa + i) & 7));
    }
}

static gboolean memory_next_run(DkSpace *space, guint64 from, DkRun *run)
{
    const GArray *runs = ((MemorySpace *)space)->runs;
    for (guint i = 0; i < runs->len; i++) {
        *run = g_array_index(runs, DkRun, i);
        if (run->last >= from)
            return TRUE;
    }
    return FALSE;
}

static gsize memory_read(DkSpace *space, guint64 pa, void *buf, gsize len)
{
    DkRun run;
    gsize done = 0;
    while (done < len && memory_next_run(space, pa + done, &run) && run.first <= pa + done) {
        gsize part = (gsize)MIN(len - done, run.last - (pa + done) + 1);
        if (run.kind == DK_RUN_ZERO)
            memset((guint8 *)buf + done, 0, part);
        else
            fill(pa + done, (guint8 *)buf + done, part);
        done += part;
    }
    return done;
}

static void memory_destroy(DkSpace *space)
{
    g_array_unref(((MemorySpace *)space)->runs);
    g_free(space);
}

static const DkSpaceOps space_ops = {
    .name = "pattern",
    .read = memory_read,
    .next_run = memory_next_run,
    .destroy = memory_destroy,
};

static void memory_close(DkSource *source)
{
    g_free(source);
}

static const DkSourceOps source_ops = {
    .name = "pattern",
    .caps = DK_SOURCE_PHYS,
    .close = memory_close,
};

ImageMemory *image_memory_new(void)
{
    ImageMemory *memory = g_new0(ImageMemory, 1);
    MemorySpace *space = g_new0(MemorySpace, 1);
    memory->source = g_new0(DkSource, 1);
    dk_source_init(memory->source, &source_ops, "pattern");
    memory->source->subject = dk_subject_new();
    memory->source->subject->kind = DK_SUBJECT_MACHINE;
    dk_space_init(&space->space, &space_ops);
    space->runs = g_array_new(FALSE, FALSE, sizeof(DkRun));
    memory->source->space = &space->space;
    memory->plan = dk_dump_plan_new();
    return memory;
}

void image_memory_free(ImageMemory *memory)
{
    dk_dump_plan_free(memory->plan);
    dk_source_close(memory->source);
    g_free(memory);
}

void image_memory_add(ImageMemory *memory, guint64 first, guint64 last, gboolean zero)
{
    DkRun run = {first, last, zero ? DK_RUN_ZERO : DK_RUN_DATA};
    g_array_append_val(((MemorySpace *)memory->source->space)->runs, run);
    dk_machine_add_ram(&memory->source->subject->system, first, last);
    dk_dump_plan_add(memory->plan, first, last, 0);
    memory->plan->present += zero ? 0 : last - first + 1;
}

void image_put_memory(GByteArray *file, guint64 first, guint64 last)
{
    guint old = file->len;
    g_byte_array_set_size(file, old + (guint)(last - first + 1));
    fill(first, file->data + old, (gsize)(last - first + 1));
}

DkSource *image_open(const char *format, const GByteArray *file, GError **error)
{
    g_autoptr(GBytes) bytes = g_bytes_new(file->data, file->len);
    g_autoptr(DkInput) input = dk_input_new_bytes("image", bytes);
    g_autoptr(GError) local = NULL;
    DkSource *source = dk_format_by_name(format)->open(input, error ? error : &local);
    g_assert_no_error(local);
    return source;
}

void image_assert_ram(const DkSource *source, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const GArray *ram = source->subject->system.ram;
    for (guint i = 0; i < ram->len; i++) {
        const DkRamRange *range = &g_array_index(ram, DkRamRange, i);
        g_string_append_printf(text, "%s%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                               i ? " " : "", range->first, range->last);
    }
    g_assert_cmpstr(text->str, ==, expected);
}

void image_assert_runs(DkSpace *space, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);
    guint64 from = 0;
    DkRun run;
    while (dk_space_next_run(space, from, &run)) {
        g_string_append_printf(text, "%s%s %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                               text->len ? ", " : "",
                               run.kind == DK_RUN_DATA   ? "data"
                               : run.kind == DK_RUN_ZERO ? "zero"
                                                         : "other",
                               run.first, run.last);
        from = run.last + 1;
    }
    g_assert_cmpstr(text->str, ==, expected);
}

/* Compares in pieces of an odd size, so that borders are crossed in all ways. */
static void assert_range(DkSpace *space, DkSpace *model, guint64 first, guint64 last)
{
    const gsize piece = 100003;
    g_autofree guint8 *got = g_malloc(piece);
    g_autofree guint8 *want = g_malloc(piece);
    for (guint64 pa = first; pa <= last; pa += piece) {
        gsize len = (gsize)MIN(piece, last - pa + 1);
        g_assert_cmpuint(dk_space_read(space, pa, got, len), ==, len);
        if (model)
            g_assert_cmpuint(dk_space_read(model, pa, want, len), ==, len);
        else
            fill(pa, want, len);
        g_assert_cmpmem(got, len, want, len);
    }
}

void image_assert_memory(DkSpace *space, guint64 first, guint64 last)
{
    assert_range(space, NULL, first, last);
}

void image_assert_same(DkSpace *space, const ImageMemory *memory)
{
    const GArray *extents = memory->plan->extents;
    for (guint i = 0; i < extents->len; i++) {
        const DkExtent *extent = &g_array_index(extents, DkExtent, i);
        assert_range(space, memory->source->space, extent->first, extent->last);
    }
}

char *image_write(const char *format, const char *variant, ImageMemory *memory)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("dumpkit-image-%s-%08x", format, g_random_int());
    char *path = g_build_filename(g_get_tmp_dir(), name, NULL);
    g_autoptr(DkOutput) output = dk_output_file_new(path, FALSE, 0, &error);
    g_assert_no_error(error);
    const DkSinkOptions options = {.variant = variant};
    g_autoptr(DkSink) sink = dk_format_by_name(format)->sink_new(output, &options);
    g_autoptr(GPtrArray) gaps = g_ptr_array_new();
    const DkSubject *subject = memory->source->subject;
    const DkPipeline pipeline = {
        .source = memory->source, .plan = memory->plan, .sinks = &sink, .nsinks = 1};
    const DkDumpSummary summary = {.complete = TRUE};
    g_assert_true(dk_sink_accepts(sink, subject, NULL));
    guint64 size = dk_sink_measure(sink, subject, memory->plan);
    g_assert_true(dk_sink_begin(sink, subject, memory->plan, NULL));
    g_assert_true(dk_pipeline_run(&pipeline, gaps, &error));
    g_assert_true(dk_sink_finish(sink, &summary, &error));
    g_assert_true(dk_output_finish(output, &error));
    GStatBuf st;
    g_assert_cmpint(g_stat(path, &st), ==, 0);
    if (size)
        g_assert_cmpuint(size, ==, (guint64)st.st_size);
    return path;
}

char *image_check(const char *checker, const char *path, const ImageMemory *memory)
{
    g_autofree char *python = g_find_program_in_path("python3");
    if (!python) {
        g_test_skip("python3 is not there");
        return g_strdup("");
    }
    g_autofree char *script = g_build_filename(IMAGE_CHECKERS, checker, NULL);
    g_autofree char *raw = g_strconcat(path, ".raw", NULL);
    char *arguments[] = {python, script, (char *)path, raw, NULL};
    g_autofree char *complaint = NULL;
    char *text = NULL;
    gint status = -1;
    g_assert_true(g_spawn_sync(NULL, arguments, NULL, G_SPAWN_DEFAULT, NULL, NULL, &text,
                               &complaint, &status, NULL));
    g_assert_cmpstr(complaint, ==, "");
    g_assert_cmpint(status, ==, 0);
    g_autoptr(DkInput) input = dk_input_open(raw, NULL);
    const GArray *extents = memory->plan->extents;
    g_autofree guint8 *got = g_malloc(1 << 20);
    g_autofree guint8 *want = g_malloc(1 << 20);
    for (guint i = 0; i < extents->len; i++) {
        const DkExtent *extent = &g_array_index(extents, DkExtent, i);
        for (guint64 pa = extent->first; pa <= extent->last; pa += 1 << 20) {
            gsize len = (gsize)MIN(1 << 20, extent->last - pa + 1);
            g_assert_cmpuint(dk_space_read(memory->source->space, pa, want, len), ==, len);
            g_assert_cmpint(dk_input_read(input, pa, got, len, NULL), ==, (gssize)len);
            g_assert_cmpmem(got, len, want, len);
        }
    }
    g_unlink(raw);
    return text;
}

typedef struct {
    DkVerify verify; /* first */
    GString *text;
} Findings;

static void finding(DkVerify *verify, DkVerdict verdict, const char *part, const char *text)
{
    static const char *const words[] = {"ok", "note", "lacks", "damaged"};
    g_string_append_printf(((Findings *)verify)->text, "%s %s: %s\n", words[verdict], part, text);
}

char *image_verify(DkSource *source, const char *format, gboolean deep)
{
    Findings findings = {{finding, NULL, FALSE}, g_string_new(NULL)};
    g_assert_true(dk_format_by_name(format)->verify(source, deep, &findings.verify, NULL));
    return g_string_free(findings.text, FALSE);
}

char *image_corpus(const char *name)
{
    g_autofree char *folder = NULL;
    const char *set = g_getenv("DUMPKIT_CORPUS");
    if (!set) {
        g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
        g_autofree char *place = g_path_get_dirname(self);
        set = folder = g_build_filename(place, "../../../../shared/corpus", NULL);
    }
    g_autofree char *path = g_build_filename(set, name, NULL);
    return g_file_test(path, G_FILE_TEST_IS_REGULAR) ? g_steal_pointer(&path) : NULL;
}
