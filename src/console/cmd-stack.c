/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* k kb kn kv kp: the stack of the current thread. */
#include <string.h>

#include "base/error.h"
#include "console/console.h"

#define FRAMES_DEFAULT 0x100
#define FRAMES_MAX 0x100000
#define ARGS_WIDE 4
#define ARGS_NARROW 3

typedef struct {
    DkConsole *console;
    DkTarget *target;
    DkOut *out;
    gboolean narrow; /* 32-bit target */
    gboolean numbers;
    gboolean with_sp;
    gboolean with_args;
    gboolean lines;
    guint number; /* of the next row */
} Printer;

static void header(const Printer *printer)
{
    DkOut *out = printer->out;
    if (printer->numbers)
        dk_out_text(out, " # ");
    if (printer->narrow) {
        dk_out_text(out, "ChildEBP RetAddr      %s\n",
                    printer->with_args ? "Args to Child      " : "");
        return;
    }
    if (printer->with_sp)
        dk_out_text(out, "Child-SP          ");
    if (printer->with_args)
        dk_out_text(out, "RetAddr               : Args to Child%59s: Call Site\n", "");
    else
        dk_out_text(out, "RetAddr               Call Site\n");
}

/* The value of one argument slot, or kd's sign for memory that is not there. */
static char *argument(const Printer *printer, guint64 va)
{
    guint size = printer->narrow ? 4 : 8;
    guint8 bytes[8];
    if (dk_space_read(dk_target_space(printer->target), va, bytes, size) == size)
        return dk_target_format_va(printer->target, dk_console_integer(bytes, size));
    return g_strdup(printer->narrow ? "????????" : "????????`????????");
}

static void arguments(const Printer *printer, const DkFrame *frame)
{
    guint size = printer->narrow ? 4 : 8;
    guint count = printer->narrow ? ARGS_NARROW : ARGS_WIDE;
    if (!printer->narrow)
        dk_out_text(printer->out, ": ");
    for (guint i = 0; i < count; i++) {
        g_autofree char *text = frame && frame->cfa_va
                                    ? argument(printer, frame->cfa_va + (guint64)i * size)
                                    : g_strdup(printer->narrow ? "--------" : "--------`--------");
        dk_out_text(printer->out, "%s ", text);
    }
    if (!printer->narrow)
        dk_out_text(printer->out, ": ");
}

/* What stands before the call site.  frame is NULL for an inline function. */
static void columns(Printer *printer, const DkFrame *frame)
{
    DkOut *out = printer->out;
    if (printer->numbers)
        dk_out_text(out, "%02x ", printer->number);
    if (!frame) {
        if (printer->with_sp || printer->narrow)
            dk_out_text(out, printer->narrow ? "(Inline) " : "(Inline Function) ");
        dk_out_text(out, printer->narrow ? "--------     " : "--------`--------     ");
    } else {
        guint64 low_va = frame->sp_va;
        /* kd's ChildEBP is the frame pointer that the function has or would have. */
        if (printer->narrow && frame->cfa_va)
            low_va = frame->cfa_va - 8;
        g_autofree char *sp = dk_target_format_va(printer->target, low_va);
        g_autofree char *ret = dk_target_format_va(printer->target, frame->return_va);
        if (printer->with_sp || printer->narrow)
            dk_out_text(out, "%s ", sp);
        dk_out_text(out, "%s     ", ret);
    }
    if (printer->with_args)
        arguments(printer, frame);
}

static void json_frame(const Printer *printer, const DkFrame *frame, const DkPlace *place,
                       const char *inlined, const DkLine *line, const char *site)
{
    DkOut *out = printer->out;
    if (!dk_out_is_json(out))
        return;
    dk_out_begin_object(out, NULL);
    dk_out_int(out, "frame", printer->number);
    dk_out_bool(out, "inline", inlined != NULL);
    dk_out_hex(out, "pc", frame->pc_va);
    if (!inlined) {
        dk_out_hex(out, "child_sp", frame->sp_va);
        dk_out_hex(out, "return", frame->return_va);
    }
    dk_out_string(out, "module",
                  place->module ? dk_target_module_name(printer->target, place->module) : NULL);
    dk_out_string(out, "symbol", inlined ? inlined : place->symbol ? place->symbol->name : NULL);
    if (!inlined)
        dk_out_hex(out, "displacement", place->displacement);
    dk_out_string(out, "site", site);
    if (line)
        dk_console_line_json(out, line);
    dk_out_string(out, "trust", dk_frame_trust_name(frame->trust));
    if (frame->signal_frame)
        dk_out_bool(out, "signal_frame", TRUE);
    dk_out_end(out);
}

/* One row; inlined is the name of an inline function, or NULL for the frame itself. */
static void row(Printer *printer, const DkFrame *frame, const DkPlace *place, const char *inlined,
                const DkLine *line)
{
    g_autofree char *site =
        inlined && place->module
            ? g_strdup_printf("%s!%s", dk_target_module_name(printer->target, place->module),
                              inlined)
            : dk_target_describe_place(printer->target, place, frame->pc_va);
    json_frame(printer, frame, place, inlined, line, site);
    if (!dk_out_is_json(printer->out)) {
        columns(printer, inlined ? NULL : frame);
        g_autofree char *clean = dk_out_clean(site);
        dk_out_text(printer->out, "%s", clean);
        if (line && printer->lines) {
            g_autofree char *text = dk_console_line_text(line);
            dk_out_text(printer->out, " %s", text);
        }
        if (frame->signal_frame && !inlined)
            dk_out_text(printer->out, " (signal frame)");
        if (frame->trust == DK_FRAME_SCAN && !inlined)
            dk_out_text(printer->out, " (scan)");
        dk_out_text(printer->out, "\n");
    }
    printer->number++;
}

/* The frame, with the functions that were inlined at its pc before it. */
static void rows(Printer *printer, const DkFrame *frame)
{
    DkPlace place = {0};
    DkLine line = {0};
    guint64 look_va = frame->pc_va - (frame->exact_pc || !frame->pc_va ? 0 : 1);
    if (!dk_target_place_frame(printer->target, frame, &place)) {
        row(printer, frame, &place, NULL, NULL);
        return;
    }
    gboolean has_line = dk_target_line(printer->target, look_va, &line);
    DkSymFile *file = dk_target_symbols(printer->target, place.module, NULL);
    if (file && file->ops->inlines) {
        g_autoptr(GPtrArray) names = g_ptr_array_new();
        g_autoptr(GArray) calls = g_array_new(FALSE, FALSE, sizeof(DkLine));
        file->ops->inlines(file, look_va - place.module->first, names, calls);
        for (guint i = 0; i < names->len; i++) {
            row(printer, frame, &place, names->pdata[i], has_line ? &line : NULL);
            has_line = i < calls->len;
            if (has_line)
                line = g_array_index(calls, DkLine, i);
            has_line = has_line && line.file;
        }
    }
    row(printer, frame, &place, NULL, has_line ? &line : NULL);
}

static gboolean run(DkConsole *console, const char *word, const DkArgValue *args, DkOut *out,
                    GError **error)
{
    guint64 max = args[0].given ? args[0].value : FRAMES_DEFAULT;
    if (!max || max > FRAMES_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "a stack has 1 to 0x%x frames", FRAMES_MAX);
        return FALSE;
    }
    DkTarget *target = console->target;
    g_autofree char *why = NULL;
    g_autoptr(GArray) frames = dk_target_stack(target, dk_target_current(target), (guint)max, &why,
                                               error);
    if (!frames)
        return FALSE;
    Printer printer = {
        .console = console,
        .target = target,
        .out = out,
        .narrow = dk_target_pointer_size(target) == 4,
        .numbers = strchr(word, 'n') != NULL,
        .with_sp = !strchr(word, 'b'),
        .with_args = strpbrk(word, "bv") != NULL,
        .lines = !strchr(word, 'L'),
    };
    header(&printer);
    dk_out_begin_array(out, "frames");
    gboolean ok = TRUE;
    for (guint i = 0; ok && i < frames->len; i++) {
        rows(&printer, &g_array_index(frames, DkFrame, i));
        ok = dk_console_tick(console, error);
    }
    dk_out_end(out);
    /* That the user's own limit was reached is no news. */
    if (args[0].given && frames->len >= max)
        g_clear_pointer(&why, g_free);
    dk_out_string(out, "ended", why);
    if (ok && why) {
        g_autofree char *clean = dk_out_clean(why);
        dk_out_text(out, "(the stack ends here: %s)\n", clean);
    }
    return ok;
}

static const DkArg args[] = {
    {"[COUNT]", DK_ARG_EXPRESSION, FALSE, "at most so many frames; 100 (hexadecimal) without it"},
    {NULL},
};

static const char *const aliases[] = {"kb",   "kn",  "kv",  "kp",   "kL",  "kbn",
                                      "knb",  "kvn", "knv", "kpn",  "knp", "kbL",
                                      "kbnL", "knL", "kvL", "kvnL", NULL};

const DkCommand dk_command_stack = {
    .name = "k",
    .aliases = aliases,
    .summary = "show the stack of the current thread",
    .help = "Each row is a frame: the stack pointer in it, the address it returns to, and where it "
            "is,\n"
            "with the source line where that is known.  Letters may be combined: \"n\" numbers the "
            "frames,\n"
            "\"b\" shows words of the caller's stack in the place of the stack pointer, \"v\" "
            "both, \"L\"\n"
            "leaves source lines out; \"kp\" is the same as \"k\".  On 64-bit machines those words "
            "are the\n"
            "four that follow the return address, which are arguments only in unoptimised Windows "
            "code.\n"
            "\"(Inline Function)\" rows were inlined into the frame below them.  \"(scan)\" marks "
            "a frame\n"
            "that was guessed from what lies on the stack, where no unwind rules were at hand.\n"
            "\n"
            "Example: kn 20; ~*k",
    .args = args,
    .needs = DK_NEEDS_THREAD,
    .run = run,
};
