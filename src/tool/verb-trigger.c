/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* trigger: makes a machine dump itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tool/carriers.h"
#include "tool/verb.h"
#include "trigger/trigger.h"

#define ANSWER_TIMEOUT_MS 30000u
#define WAIT_TIMEOUT_S 60

typedef struct {
    gboolean plan;
    gboolean yes;
    gboolean wait;
    gint timeout_s;
    char *serial;
    char *connect; /* of libvirt */
    GOptionEntry entries[7];
} State;

static const GOptionEntry *options(gpointer data)
{
    State *state = data;
    const GOptionEntry entries[] = {
        {"plan", 0, 0, G_OPTION_ARG_NONE, &state->plan,
         "Print what the monitor would be told, and touch nothing", NULL},
        {"yes", 0, 0, G_OPTION_ARG_NONE, &state->yes, "Do it: unsaved work in the guest is lost",
         NULL},
        {"wait", 0, 0, G_OPTION_ARG_NONE, &state->wait,
         "Wait until the guest has panicked, dumped, rebooted or stopped, and say which", NULL},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &state->timeout_s,
         "Wait no longer than SECONDS (default 60)", "SECONDS"},
        {"serial", 0, 0, G_OPTION_ARG_FILENAME, &state->serial,
         "Where the guest's serial console is written to, to read along", "FILE"},
        {"connect", 0, 0, G_OPTION_ARG_STRING, &state->connect,
         "Find libvirt:NAME at URI (default: where virsh does)", "URI"},
        {NULL},
    };
    memcpy(state->entries, entries, sizeof entries);
    return state->entries;
}

static void free_state(State *state)
{
    g_free(state->serial);
    g_free(state->connect);
}

static int usage(const char *text)
{
    fprintf(stderr, "dumpkit trigger: %s\n", text);
    return DK_EXIT_USAGE;
}

/* What the words ask for. */
typedef struct {
    DkTool *tool;
    const State *state;
    const char *target;
    const DkTrigger *trigger;
    GPtrArray *steps;
    DkOut *out; /* made when there is something to say */
} Job;

static void print_plan(const Job *job)
{
    dk_out_begin_array(job->out, "plan");
    for (guint i = 0; i < job->steps->len; i++) {
        g_autofree char *text = dk_trigger_step_text(g_ptr_array_index(job->steps, i));
        dk_out_text(job->out, "%s\n", text);
        dk_out_string(job->out, NULL, text);
    }
    dk_out_end(job->out);
}

static void print_sign(const DkTriggerSign *sign, gpointer data)
{
    const Job *job = data;
    g_autofree char *clean = dk_out_clean(sign->text);
    if (!job->tool->quiet)
        dk_out_text(job->out, "%8.3f s  %s: %s\n", (double)sign->after_us / 1e6,
                    sign->is_event ? "event" : "console", clean);
    dk_out_begin_object(job->out, NULL);
    dk_out_int(job->out, "after_us", sign->after_us);
    dk_out_string(job->out, "from", sign->is_event ? "event" : "console");
    dk_out_string(job->out, "text", sign->text);
    dk_out_string(job->out, "outcome", dk_trigger_outcome_name(sign->outcome));
    dk_out_end(job->out);
}

/* What comes on the console from now on. */
static int open_serial(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        dk_error_set_errno(error, errno, "%s", path);
    else
        /* Pipes and terminals have no position, and nothing old. */
        (void)!lseek(fd, 0, SEEK_END);
    return fd;
}

static int report(const Job *job, DkTriggerOutcome outcome)
{
    dk_out_string(job->out, "outcome", dk_trigger_outcome_name(outcome));
    if (outcome == DK_TRIGGER_NOTHING)
        dk_out_text(job->out, "%s: nothing happened within %d s\n", job->target,
                    job->state->timeout_s);
    else
        dk_out_text(job->out, "%s: %s\n", job->target, dk_trigger_outcome_name(outcome));
    return outcome == DK_TRIGGER_NOTHING ? DK_EXIT_LACKS : DK_EXIT_DONE;
}

static gboolean fire(Job *job, DkTriggerOutcome *outcome, GError **error)
{
    dk_autofd int console = -1;
    if (job->state->serial && (console = open_serial(job->state->serial, error)) < 0)
        return FALSE;
    DkQmpTransport *transport = dk_carrier_of(job->target)(job->target, error);
    g_autoptr(DkQmp) qmp = transport ? dk_qmp_new(transport, ANSWER_TIMEOUT_MS, error) : NULL;
    if (!qmp)
        return FALSE;
    dk_qmp_drop_events(qmp);
    if (!job->trigger->fire(qmp, job->steps, error)) {
        if (!g_str_has_prefix((*error)->message, job->target))
            g_prefix_error(error, "%s: ", job->target);
        return FALSE;
    }
    job->out = dk_tool_out(job->tool);
    if (!job->state->wait)
        return TRUE;
    DkTriggerWait wait = {.timeout_ms = (guint)job->state->timeout_s * 1000,
                          .console = console,
                          .progress = job->tool->progress,
                          .seen = print_sign,
                          .data = job};
    dk_out_begin_array(job->out, "seen");
    gboolean is_done = job->trigger->wait(qmp, &wait, outcome, error);
    dk_out_end(job->out);
    return is_done;
}

static int work(Job *job)
{
    GError *error = NULL;
    DkTriggerOutcome outcome = DK_TRIGGER_NOTHING;
    if (job->state->plan) {
        job->out = dk_tool_out(job->tool);
        print_plan(job);
        return DK_EXIT_DONE;
    }
    if (!job->state->yes)
        return usage("unsaved work in the guest is lost: say --yes to do it, --plan to see what");
    if (!fire(job, &outcome, &error))
        return dk_tool_fail(job->tool, error);
    if (job->state->wait)
        return report(job, outcome);
    if (!job->tool->quiet)
        dk_out_text(job->out, "%s: done (%s)\n", job->target, job->trigger->kind);
    return DK_EXIT_DONE;
}

static int run_words(DkTool *tool, State *state, char **args)
{
    GError *error = NULL;
    guint count = g_strv_length(args);
    if (count < 2)
        return usage(
            "a target (qmp:SOCKET, libvirt:NAME) and a kind (nmi, keys KEYS, reset) are expected");
    if (!state->timeout_s)
        state->timeout_s = WAIT_TIMEOUT_S;
    if (state->timeout_s < 0 || state->timeout_s > 86400)
        return usage("--timeout: 1 to 86400 seconds are expected");
    if (state->serial && !state->wait)
        return usage("--serial goes with --wait");
    if (!dk_carrier_of(args[0])) {
        fprintf(stderr, "dumpkit trigger: %s: qmp:SOCKET or libvirt:NAME is expected\n", args[0]);
        return DK_EXIT_USAGE;
    }
    const DkTrigger *trigger = dk_trigger_by_kind(args[1], &error);
    if (!trigger)
        return dk_tool_fail(tool, error);
    if (count != (trigger->argument ? 3u : 2u)) {
        fprintf(stderr, "dumpkit trigger: %s takes %s\n", trigger->kind,
                trigger->argument ? trigger->argument : "no argument");
        return DK_EXIT_USAGE;
    }
    g_autoptr(GPtrArray) steps = trigger->plan(args[2], &error);
    if (!steps)
        return dk_tool_fail(tool, error);
    dk_carrier_connect(state->connect);
    Job job = {tool, state, args[0], trigger, steps, NULL};
    int status = work(&job);
    g_clear_pointer(&job.out, dk_out_free);
    return status;
}

static int run(DkTool *tool, gpointer data, char **args)
{
    State *state = data;
    int status = run_words(tool, state, args);
    free_state(state);
    return status;
}

const DkVerb dk_verb_trigger = {
    .name = "trigger",
    .synopsis = "TARGET KIND [KEYS]",
    .summary = "make a machine dump itself, by an interrupt or keys",
    .options = options,
    .state_size = sizeof(State),
    .run = run,
};
