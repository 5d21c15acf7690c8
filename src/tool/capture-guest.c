/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* capture of machines. */
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "capture/transfer.h"
#include "live/qemu/qemu-source.h"
#include "tool/capture-words.h"
#include "tool/carriers.h"
#include "tool/transfer-print.h"
#include "tool/version.h"

#define GDB_PREFIX "gdb:"

gboolean dk_capture_is_guest(const char *target)
{
    return dk_carrier_of(target) != NULL || g_str_has_prefix(target, GDB_PREFIX);
}

static char *name_output(const char *pattern, const DkFormat *format, gboolean zstd, gpointer data,
                         GError **error)
{
    const DkQemuPlan *plan = data;
    return pattern ? g_strdup(pattern)
                   : dk_capture_default_name(plan->name ? plan->name : "guest", format, zstd);
}

/* Where copies wait: as asked for, else beside the first output that is a file. */
static char *spool_dir(const DkCaptureWords *words)
{
    if (words->spool)
        return g_strdup(words->spool);
    for (guint i = 0; words->output.paths && words->output.paths[i]; i++) {
        if (!g_str_equal(words->output.paths[i], "-"))
            return g_path_get_dirname(words->output.paths[i]);
    }
    return g_strdup(words->output.paths ? g_get_tmp_dir() : ".");
}

static const char *yes(gboolean ok)
{
    return ok ? "yes" : "no";
}

static void print_checks(DkOut *out, const DkQemuPlan *plan)
{
    dk_out_begin_array(out, "checks");
    for (guint i = 0; i < plan->checks->len; i++) {
        const DkQemuCheck *check = g_ptr_array_index(plan->checks, i);
        const char *method = check->method == DK_QEMU_AUTO ? "all"
                                                           : dk_qemu_method_name(check->method);
        dk_out_text(out, "  %-8s  %-3s  %s\n", method, yes(check->ok), check->text);
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "method", method);
        dk_out_bool(out, "ok", check->ok);
        dk_out_string(out, "text", check->text);
        dk_out_end(out);
    }
    dk_out_end(out);
}

static void print_guest(DkOut *out, const DkQemuPlan *plan, const char *method, const char *why)
{
    dk_out_string(out, "target", plan->target);
    dk_out_string(out, "name", plan->name);
    dk_out_string(out, "machine", plan->machine);
    dk_out_string(out, "hypervisor", plan->version);
    dk_out_int(out, "cpus", plan->cpus);
    dk_out_int(out, "ram_bytes", (gint64)plan->ram_size);
    dk_out_string(out, "status", plan->status);
    dk_out_string(out, "method", method);
    dk_out_string(out, "why", why);
}

static void print_plan(const DkCaptureWords *words, const DkQemuPlan *plan, const char *spool,
                       const GArray *outputs, DkOut *out)
{
    const char *method = dk_qemu_method_name(plan->method);
    g_autofree char *ram = dk_size_text(plan->ram_size);
    g_autofree char *present = dk_size_text(plan->present);
    g_autofree char *spool_size = dk_size_text(plan->spool_bytes);
    print_guest(out, plan, method, plan->why);
    dk_out_int(out, "pause_ns", plan->pause_ns);
    dk_out_int(out, "present_bytes", (gint64)plan->present);
    dk_out_int(out, "spool_bytes", (gint64)plan->spool_bytes);
    dk_out_text(out, "guest     %s: %s, QEMU %s, %s, %u CPU%s, %s of RAM, %s of it touched\n",
                plan->name ? plan->name : plan->target, plan->status, plan->version, plan->machine,
                plan->cpus, plan->cpus == 1 ? "" : "s", ram, present);
    dk_out_text(out, "method    %s: %s\n", method, plan->why);
    dk_out_text(out, "pause     about %.1f ms\n", (double)plan->pause_ns / 1e6);
    if (plan->spool_bytes)
        dk_out_text(out, "spool     at most %s in %s\n", spool_size, spool);
    if (words->filter)
        dk_out_text(out, "filter    %s\n", words->filter);
    dk_out_begin_array(out, "outputs");
    for (guint i = 0; i < outputs->len; i++) {
        const DkCaptureOutput *output = &g_array_index(outputs, DkCaptureOutput, i);
        const char *format = output->sink.variant ? output->sink.variant : output->format->name;
        dk_out_text(out, "output    %s (%s%s)\n", output->path, format,
                    output->zstd_level ? ", seekable zstd" : "");
        dk_out_begin_object(out, NULL);
        dk_out_string(out, "path", output->path);
        dk_out_string(out, "format", format);
        dk_out_int(out, "zstd_level", output->zstd_level);
        dk_out_end(out);
    }
    dk_out_end(out);
    dk_out_text(out, "looked at\n");
    print_checks(out, plan);
}

static gboolean check_words(const DkCaptureWords *words, DkQemuMethod *method, guint *filter,
                            GError **error)
{
    if (words->level || words->all || words->include_dontdump) {
        g_set_error_literal(error, DK_ERROR, DK_ERROR_USAGE,
                            "--level, --all and --include-dontdump are for processes");
        return FALSE;
    }
    return dk_qemu_method_from_name(words->method ? words->method : "auto", method, error) &&
           (!words->filter || dk_filter_parse(words->filter, filter, error));
}

static int take(DkTool *tool, const DkCaptureWords *words, const DkQemuOptions *options,
                const DkQemuPlan *plan, const GArray *outputs, guint filter)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DkSource) source = dk_qemu_source_new(options, plan);
    DkTransferOptions transfer = {
        .outputs = (const DkCaptureOutput *)(gpointer)outputs->data,
        .noutputs = outputs->len,
        .replace = words->output.force,
        .filter = filter,
        .expected = plan->present,
        .writer = "dumpkit " DK_VERSION,
    };
    g_auto(DkTransferResult) result = {0};
    if (!dk_transfer(source, &transfer, tool->progress, &result, &error))
        return dk_tool_fail(tool, error);
    gboolean to_stdout = dk_output_options_to_stdout(&words->output);
    g_autoptr(DkOut) out = to_stdout ? dk_tool_err_out(tool) : dk_tool_out(tool);
    if (!tool->quiet || tool->json) {
        const char *why = NULL;
        const char *method = dk_qemu_method_name(dk_qemu_source_method(source, &why));
        print_guest(out, plan, method, why ? why : plan->why);
        dk_transfer_print(tool, out, plan->target, source, outputs, &result);
    }
    return result.complete ? DK_EXIT_DONE : DK_EXIT_LACKS;
}

int dk_capture_guest(DkTool *tool, const DkCaptureWords *words, const char *target)
{
    if (g_str_has_prefix(target, GDB_PREFIX))
        return dk_capture_gdb(tool, words, target);
    g_autoptr(GError) error = NULL;
    g_autofree char *spool = spool_dir(words);
    const char *const guardian[] = {"/proc/self/exe", "guardian", NULL};
    DkQemuOptions options = {
        .target = target,
        .open = dk_carrier_of(target),
        .guardian_argv = guardian,
        .spool_dir = spool,
        .root = "",
        .max_stop_ms = words->max_stop_ms,
        .progress = tool->progress,
    };
    guint filter = 0;
    dk_carrier_connect(words->connect);
    if (!check_words(words, &options.method, &filter, &error))
        return dk_tool_fail(tool, error);
    g_autoptr(DkQemuPlan) plan = dk_qemu_plan_new(&options, &error);
    g_autoptr(GArray) outputs = plan ? dk_output_options_make(&words->output, DK_SUBJECT_MACHINE,
                                                              name_output, plan, &error)
                                     : NULL;
    if (!outputs)
        return dk_tool_fail(tool, error);
    dk_output_options_filter(outputs, filter);
    if (words->plan) {
        g_autoptr(DkOut) out = dk_tool_out(tool);
        print_plan(words, plan, spool, outputs, out);
        return DK_EXIT_DONE;
    }
    return take(tool, words, &options, plan, outputs, filter);
}
