/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What became of a machine, by the events of its monitor and the text of its console.  A panic may
 * be all that happens, or the beginning of a dump and a reboot: so after one the machine is watched
 * a little longer, and to the end when it says that more is to come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "trigger/trigger.h"

#define TICK_MS 50u
#define LINE_MAX_BYTES 4096u
/* After a panic, for what may follow at once. */
#define GRACE_US G_GINT64_CONSTANT(2000000)

typedef struct {
    const DkTriggerWait *wait;
    gint64 start_us;
    DkTriggerOutcome outcome;
    gboolean more_comes; /* the machine said that it will reboot, or dumps */
    gint64 last_us;      /* when outcome changed */
    GString *line;       /* of the console, not yet whole */
} Watch;

static void see(Watch *watch, DkTriggerOutcome outcome, const char *text, gboolean is_event)
{
    gint64 now_us = g_get_monotonic_time();
    DkTriggerSign sign = {outcome, (char *)text, is_event, now_us - watch->start_us};
    if (outcome != DK_TRIGGER_NOTHING && outcome != watch->outcome) {
        watch->outcome = outcome;
        watch->last_us = now_us;
    }
    if (watch->wait->seen)
        watch->wait->seen(&sign, watch->wait->data);
}

static void see_event(Watch *watch, const DkQmpEvent *event)
{
    static const struct {
        const char *name;
        DkTriggerOutcome outcome;
        gboolean more_comes;
        const char *detail; /* member of data */
    } known[] = {
        {"GUEST_PANICKED", DK_TRIGGER_PANICKED, FALSE, "action"},
        {"GUEST_CRASHLOADED", DK_TRIGGER_DUMPING, TRUE, "action"},
        {"RESET", DK_TRIGGER_REBOOTED, FALSE, "reason"},
        {"SHUTDOWN", DK_TRIGGER_STOPPED, FALSE, "reason"},
        {"STOP", DK_TRIGGER_STOPPED, FALSE, NULL},
        {"WATCHDOG", DK_TRIGGER_NOTHING, FALSE, "action"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(known[i].name, event->name) != 0)
            continue;
        const char *detail = known[i].detail ? dk_json_string(event->data, known[i].detail) : NULL;
        g_autofree char *text = detail ? g_strdup_printf("%s (%s)", event->name, detail)
                                       : g_strdup(event->name);
        watch->more_comes |= known[i].more_comes;
        see(watch, known[i].outcome, text, TRUE);
    }
}

static void see_line(Watch *watch, const char *line)
{
    static const struct {
        const char *text;
        DkTriggerOutcome outcome;
        gboolean more_comes;
    } known[] = {
        {"Kernel panic - not syncing", DK_TRIGGER_PANICKED, FALSE},
        {"Rebooting in ", DK_TRIGGER_PANICKED, TRUE},
        /* makedumpfile and kdump-tools in the crash kernel. */
        {"The dumpfile is saved to", DK_TRIGGER_DUMPED, TRUE},
        {"saved vmcore in", DK_TRIGGER_DUMPED, TRUE},
    };
    /* The end of the oops says it again. */
    if (strstr(line, "end Kernel panic"))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (!strstr(line, known[i].text))
            continue;
        watch->more_comes |= known[i].more_comes;
        see(watch, known[i].outcome, line, FALSE);
        return;
    }
}

static gboolean read_console(Watch *watch, GError **error)
{
    char buffer[4096];
    gssize got;
    if (watch->wait->console < 0)
        return TRUE;
    while ((got = read(watch->wait->console, buffer, sizeof buffer)) > 0) {
        for (gssize i = 0; i < got; i++) {
            gboolean is_end = buffer[i] == '\n' || buffer[i] == '\r';
            if (!is_end && buffer[i])
                g_string_append_c(watch->line, buffer[i]);
            if (is_end || watch->line->len >= LINE_MAX_BYTES) {
                see_line(watch, watch->line->str);
                g_string_truncate(watch->line, 0);
            }
        }
    }
    /* A terminal without a line to read; EIO: nobody at its other end. */
    if (got < 0 && errno != EAGAIN && errno != EINTR && errno != EIO) {
        dk_error_set_errno(error, errno, "the serial console");
        return FALSE;
    }
    return TRUE;
}

static gboolean is_over(const Watch *watch)
{
    switch (watch->outcome) {
    case DK_TRIGGER_REBOOTED:
    case DK_TRIGGER_STOPPED:
        return TRUE;
    case DK_TRIGGER_PANICKED:
    case DK_TRIGGER_DUMPED:
        return !watch->more_comes && g_get_monotonic_time() - watch->last_us > GRACE_US;
    case DK_TRIGGER_NOTHING:
    case DK_TRIGGER_DUMPING:
        break;
    }
    return FALSE;
}

static gboolean run(DkQmp *qmp, Watch *watch, GError **error)
{
    gint64 end_us = watch->start_us + (gint64)watch->wait->timeout_ms * 1000;
    while (!is_over(watch) && g_get_monotonic_time() < end_us) {
        g_autoptr(DkQmpEvent) event = NULL;
        g_autoptr(GError) own = NULL;
        if (!dk_qmp_next_event(qmp, TICK_MS, &event, &own)) {
            if (!g_error_matches(own, DK_ERROR, DK_ERROR_TARGET_GONE)) {
                g_propagate_error(error, g_steal_pointer(&own));
                return FALSE;
            }
            see(watch, DK_TRIGGER_STOPPED, "QEMU has ended", TRUE);
        }
        if (event)
            see_event(watch, event);
        if (!read_console(watch, error) || !dk_progress_tick(watch->wait->progress, 0, 0, error))
            return FALSE;
    }
    return TRUE;
}

gboolean dk_trigger_wait_qemu(DkQmp *qmp, const DkTriggerWait *wait, DkTriggerOutcome *outcome,
                              GError **error)
{
    Watch watch = {.wait = wait, .start_us = g_get_monotonic_time()};
    watch.line = g_string_new(NULL);
    gboolean is_done = run(qmp, &watch, error);
    g_string_free(watch.line, TRUE);
    *outcome = watch.outcome;
    return is_done;
}
