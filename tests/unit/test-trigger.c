/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What triggers would do, and what they make of what a machine says. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/qmp/qmp-socket.h"
#include "trigger/trigger.h"

static char *plan_text(const char *kind, const char *argument)
{
    g_autoptr(GError) error = NULL;
    const DkTrigger *trigger = dk_trigger_by_kind(kind, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) steps = trigger->plan(argument, &error);
    g_assert_no_error(error);
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < steps->len; i++) {
        const DkTriggerStep *step = g_ptr_array_index(steps, i);
        JsonArray *events = dk_json_array(step->arguments, "events");
        JsonObject *data = events ? dk_json_object(json_array_get_object_element(events, 0), "data")
                                  : NULL;
        if (data)
            g_string_append_printf(text, "%s%s ", dk_json_boolean(data, "down") ? "+" : "-",
                                   dk_json_string(dk_json_object(data, "key"), "data"));
        else
            g_string_append_printf(text, "%s ", step->command);
    }
    return g_string_free(text, FALSE);
}

static void test_plans(void)
{
    static const char *const cases[][3] = {
        {"nmi", NULL, "inject-nmi "},
        {"reset", NULL, "system_reset "},
        {"keys", "ctrl_r+scroll_lock*2",
         "+ctrl_r +scroll_lock -scroll_lock +scroll_lock -scroll_lock -ctrl_r "},
        {"keys", "alt+sysrq+c", "+alt +sysrq +c -c -sysrq -alt "},
        {"keys", "Ctrl+Alt+Del", "+ctrl +alt +delete -delete -alt -ctrl "},
        {"keys", "a", "+a -a "},
        {"keys", "a*3", "+a -a +a -a +a -a "},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = plan_text(cases[i][0], cases[i][1]);
        g_assert_cmpstr(text, ==, cases[i][2]);
    }
}

static void test_bad_keys(void)
{
    static const char *const cases[] = {
        "", "+", "a+", "+a", "nokey", "a*0", "a*17", "a*x", "a*2+b", "a**2", "a+b+c+d+e+f+g+h+i"};
    const DkTrigger *trigger = dk_trigger_by_kind("keys", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(trigger->plan(cases[i], &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_trigger_by_kind("bang", &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_USAGE);
    g_assert_nonnull(strstr(error->message, "nmi, keys, reset"));
}

static void count_sign(const DkTriggerSign *sign, gpointer data)
{
    g_assert_true(*sign->text);
    (*(guint *)data)++;
}

typedef struct {
    const char *events;
    const char *console;
    DkTriggerOutcome outcome;
    guint signs;
} Case;

/* What the monitor and the console say is written beforehand; the monitor stays open. */
static void run_case(const Case *example)
{
    int pair[2];
    int ends[2];
    guint signs = 0;
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(pipe2(ends, O_NONBLOCK | O_CLOEXEC), ==, 0);
    dk_fd_write_all(pair[1], example->events, strlen(example->events));
    dk_fd_write_all(ends[1], example->console, strlen(example->console));
    g_autoptr(DkQmp) qmp = dk_qmp_new(dk_qmp_socket_new(pair[0], "qmp:test", FALSE), 100, &error);
    DkTriggerWait wait = {
        .timeout_ms = 300, .console = ends[0], .seen = count_sign, .data = &signs};
    DkTriggerOutcome outcome = DK_TRIGGER_NOTHING;
    g_assert_true(dk_trigger_wait_qemu(qmp, &wait, &outcome, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(dk_trigger_outcome_name(outcome), ==,
                    dk_trigger_outcome_name(example->outcome));
    g_assert_cmpuint(signs, ==, example->signs);
    close(pair[1]);
    close(ends[0]);
    close(ends[1]);
}

static void test_wait(void)
{
    static const Case cases[] = {
        {"", "", DK_TRIGGER_NOTHING, 0},
        {"{\"event\": \"NIC_RX_FILTER_CHANGED\"}\n", "all is well\n", DK_TRIGGER_NOTHING, 0},
        {"{\"event\": \"WATCHDOG\", \"data\": {\"action\": \"none\"}}\n", "", DK_TRIGGER_NOTHING,
         1},
        {"", "[ 1.0] Kernel panic - not syncing: NMI\r\n---[ end Kernel panic - not syncing ]\n",
         DK_TRIGGER_PANICKED, 1},
        /* A line without an end is not read yet. */
        {"", "Kernel panic - not syncing", DK_TRIGGER_NOTHING, 0},
        {"", "Kernel panic - not syncing: x\nRebooting in 5 seconds..\n", DK_TRIGGER_PANICKED, 2},
        {"{\"event\": \"GUEST_CRASHLOADED\", \"data\": {\"action\": \"run\"}}\n"
         "{\"event\": \"RESET\", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\n",
         "", DK_TRIGGER_REBOOTED, 2},
        {"{\"event\": \"GUEST_CRASHLOADED\", \"data\": {\"action\": \"run\"}}\n",
         "The dumpfile is saved to /var/crash/1.\n", DK_TRIGGER_DUMPED, 2},
        {"{\"event\": \"STOP\"}\n", "", DK_TRIGGER_STOPPED, 1},
        {"{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}\n",
         "", DK_TRIGGER_STOPPED, 1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        run_case(&cases[i]);
}

/* A monitor whose QEMU has ended. */
static void test_gone(void)
{
    int pair[2];
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    close(pair[1]);
    g_autoptr(DkQmp) qmp = dk_qmp_new(dk_qmp_socket_new(pair[0], "qmp:test", FALSE), 100, &error);
    DkTriggerWait wait = {.timeout_ms = 10000, .console = -1};
    DkTriggerOutcome outcome = DK_TRIGGER_NOTHING;
    g_assert_true(dk_trigger_wait_qemu(qmp, &wait, &outcome, &error));
    g_assert_cmpint(outcome, ==, DK_TRIGGER_STOPPED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trigger/plans", test_plans);
    g_test_add_func("/trigger/bad-keys", test_bad_keys);
    g_test_add_func("/trigger/wait", test_wait);
    g_test_add_func("/trigger/gone", test_gone);
    return g_test_run();
}
