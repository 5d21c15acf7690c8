/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check: is this file whole, and what can it not answer? */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "capture/openers.h"
#include "capture/verify.h"
#include "io/input.h"
#include "tool/input-options.h"
#include "tool/verb.h"

typedef struct {
    DkInputOptions input;
    gboolean deep;
    GOptionEntry entries[2 + DK_INPUT_OPTIONS];
} State;

static const char *verdict_word(DkVerdict verdict)
{
    switch (verdict) {
    case DK_VERIFY_OK:
        return "ok";
    case DK_VERIFY_NOTE:
        return "note";
    case DK_VERIFY_LACKS:
        return "lacks";
    case DK_VERIFY_DAMAGED:
        break;
    }
    return "damaged";
}

static const char *verdict_colour(const DkOut *out, DkVerdict verdict)
{
    switch (verdict) {
    case DK_VERIFY_OK:
        return dk_out_green(out);
    case DK_VERIFY_NOTE:
        return "";
    case DK_VERIFY_LACKS:
        return dk_out_yellow(out);
    case DK_VERIFY_DAMAGED:
        break;
    }
    return dk_out_red(out);
}

static int exit_status(const DkCheck *check)
{
    switch (check->verdict) {
    case DK_VERIFY_DAMAGED:
        return DK_EXIT_FAILED;
    case DK_VERIFY_LACKS:
        return DK_EXIT_LACKS;
    case DK_VERIFY_OK:
    case DK_VERIFY_NOTE:
        break;
    }
    return DK_EXIT_DONE;
}

static void print_findings(DkOut *out, const DkCheck *check)
{
    dk_out_begin_array(out, "findings");
    for (guint i = 0; i < check->findings->len; i++) {
        const DkFinding *finding = g_ptr_array_index(check->findings, i);
        const char *word = verdict_word(finding->verdict);
        g_autofree char *text = dk_out_clean(finding->text);
        dk_out_text(out, "  %s%-7s%s  %-13s  %s\n", verdict_colour(out, finding->verdict), word,
                    dk_out_reset(out), finding->part, text);
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "verdict", word);
        dk_out_string(out, "part", finding->part);
        dk_out_string(out, "text", finding->text);
        dk_out_end(out);
    }
    dk_out_end(out);
}

static void print_unanswered(DkOut *out, const DkCheck *check)
{
    if (check->unanswered->len)
        dk_out_text(out, "\nThe file cannot answer:\n");
    dk_out_begin_array(out, "cannot_answer");
    for (guint i = 0; i < check->unanswered->len; i++) {
        const char *sentence = g_ptr_array_index(check->unanswered, i);
        g_autofree char *clean = dk_out_clean(sentence);
        dk_out_text(out, "  - %s\n", clean);
        dk_out_string(out, NULL, sentence);
    }
    dk_out_end(out);
}

static void print_openers(DkOut *out, const DkCheck *check)
{
    if (!check->openers)
        return;
    if (check->openers->len)
        dk_out_text(out, "\nOther programs:\n");
    dk_out_begin_array(out, "openers");
    for (guint i = 0; i < check->openers->len; i++) {
        const DkOpener *opener = g_ptr_array_index(check->openers, i);
        dk_out_text(out, "  - %s %s: %s\n", opener->tool,
                    opener->opens ? "opens it" : "does not open it", opener->text);
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "tool", opener->tool);
        dk_out_bool(out, "opens", opener->opens);
        dk_out_string(out, "text", opener->text);
        dk_out_end(out);
    }
    dk_out_end(out);
}

/* JSON only: a finding says it in words. */
static void print_memory(DkOut *out, const DkCheck *check)
{
    if (!check->machine)
        return;
    const DkRamShare *share = &check->machine->share;
    dk_out_begin_object(out, "memory");
    dk_out_bool(out, "ram_known", share->known);
    dk_out_int(out, "ram", (gint64)share->ram);
    dk_out_int(out, "data", (gint64)share->data);
    dk_out_int(out, "zero", (gint64)share->zero);
    dk_out_int(out, "filtered", (gint64)share->filtered);
    dk_out_int(out, "missing", (gint64)share->missing);
    dk_out_end(out);
}

static void print_header(DkOut *out, const char *path, const DkInput *input, const DkFormat *format)
{
    g_autofree char *name = dk_out_clean(path);
    dk_out_string(out, "file", path);
    dk_out_string(out, "format", format ? format->name : NULL);
    dk_out_string(out, "container", input ? dk_input_container(input) : NULL);
    if (input)
        dk_out_int(out, "size", (gint64)dk_input_size(input));
    else
        dk_out_string(out, "size", NULL);
    dk_out_text(out, "%s%s%s", dk_out_bold(out), name, dk_out_reset(out));
    if (input) {
        g_autofree char *size = dk_size_text(dk_input_size(input));
        dk_out_text(out, ": %s, %s, %s", format ? format->name : "format not known",
                    dk_input_container(input), size);
    }
    dk_out_text(out, "\n\n");
}

static int print_check(DkTool *tool, const char *path, const DkInput *input, const DkFormat *format,
                       const DkCheck *check)
{
    int status = exit_status(check);
    g_autoptr(DkOut) out = dk_tool_out(tool);
    g_autofree char *summary = dk_check_summary(check);
    g_autofree char *clean = dk_out_clean(summary);
    g_autofree char *name = dk_out_clean(path);
    if (!tool->quiet || tool->json) {
        print_header(out, path, input, format);
        print_findings(out, check);
        if (!check->deep && check->verdict != DK_VERIFY_DAMAGED)
            dk_out_text(out, "%sThe content was not compared with checksums; --deep does that.%s\n",
                        dk_out_dim(out), dk_out_reset(out));
        print_unanswered(out, check);
        print_openers(out, check);
        print_memory(out, check);
        dk_out_text(out, "\n");
    }
    dk_out_string(out, "verdict", dk_check_word(check));
    dk_out_string(out, "summary", summary);
    dk_out_bool(out, "deep", check->deep);
    dk_out_bool(out, "container_verified", check->container_verified);
    dk_out_bool(out, "content_verified", check->content_verified);
    if (!tool->quiet || status != DK_EXIT_DONE)
        dk_out_text(out, "%s: %s%s%s\n", name, verdict_colour(out, check->verdict), clean,
                    dk_out_reset(out));
    return status;
}

/* A file that does not open because it is broken has a verdict as well. */
static int print_unreadable(DkTool *tool, const char *path, const DkInput *input, gboolean deep,
                            GError *error)
{
    if (!g_error_matches(error, DK_ERROR, DK_ERROR_DAMAGED) &&
        !g_error_matches(error, DK_ERROR, DK_ERROR_LIMIT))
        return dk_tool_fail(tool, error);
    const char *text = error->message;
    g_autofree char *prefix = g_strconcat(path, ": ", NULL);
    while (g_str_has_prefix(text, prefix))
        text += strlen(prefix);
    g_autoptr(DkCheck) check = dk_check_new_damaged(input ? "structure" : "container", text);
    check->deep = deep;
    return print_check(tool, path, input, NULL, check);
}

static int check(DkTool *tool, const State *state, char **args)
{
    g_autoptr(GError) error = NULL;
    g_auto(DkOpened) opened = {0};
    if (!args[0]) {
        error = g_error_new(DK_ERROR, DK_ERROR_USAGE, "expects a FILE");
        return dk_tool_fail(tool, error);
    }
    if (!dk_input_options_open(&state->input, args, &opened, &error))
        return print_unreadable(tool, args[0], dk_opened_input(&opened), state->deep, error);
    DkInput *input = dk_opened_input(&opened);
    g_autoptr(DkCheck) result = dk_check_run(input, opened.source, opened.format, state->deep,
                                             tool->progress, &error);
    if (!result)
        return dk_tool_fail(tool, error);
    return print_check(tool, args[0], input, opened.format, result);
}

static int run(DkTool *tool, gpointer data, char **args)
{
    State *state = data;
    int status = check(tool, state, args);
    dk_input_options_clear(&state->input);
    return status;
}

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    const GOptionEntry entries[] = {
        {"deep", 0, 0, G_OPTION_ARG_NONE, &state->deep,
         "Compare the content with the checksums that the file carries", NULL},
        {NULL},
    };
    dk_input_options_entries(&state->input, state->entries);
    memcpy(state->entries + DK_INPUT_OPTIONS, entries, sizeof entries);
    return state->entries;
}

const DkVerb dk_verb_check = {
    .name = "check",
    .synopsis = "FILE...",
    .summary = "is this file whole, and what can it not answer?",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
