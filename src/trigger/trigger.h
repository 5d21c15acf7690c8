/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * DkTrigger: a way to make a machine dump itself, or start anew.
 *
 * To add one: a file trigger-NAME.c with `const DkTrigger dk_trigger_NAME`, and NAME in the Meson
 * list `triggers`.
 */
#pragma once

#include <glib.h>

#include "base/progress.h"
#include "proto/qmp/qmp.h"

/* One thing that is done: a command to the machine's monitor. */
typedef struct {
    char *command;         /* of QMP */
    JsonObject *arguments; /* or NULL */
    guint pause_ms;        /* that follows it */
} DkTriggerStep;

/* The step as the line of JSON that goes to the monitor, without the id; fresh. */
char *dk_trigger_step_text(const DkTriggerStep *step);

/* What became of the machine; one can follow another. */
typedef enum {
    DK_TRIGGER_NOTHING,
    DK_TRIGGER_PANICKED,
    DK_TRIGGER_DUMPING, /* its crash kernel was started */
    DK_TRIGGER_DUMPED,
    DK_TRIGGER_REBOOTED,
    DK_TRIGGER_STOPPED, /* paused, powered off, or QEMU has ended */
} DkTriggerOutcome;

/* "nothing", "panicked", "dumping", "dumped", "rebooted", "stopped". */
const char *dk_trigger_outcome_name(DkTriggerOutcome outcome);

/* Something that was seen of the machine. */
typedef struct {
    DkTriggerOutcome outcome; /* that it shows */
    char *text; /* what was seen: the name of an event with its reason, or a line of the console */
    gboolean is_event; /* of the monitor; otherwise of the console */
    gint64 after_us;   /* the trigger */
} DkTriggerSign;

typedef struct {
    guint timeout_ms;
    int console; /* descriptor of the file that gets the serial console; -1: none */
    DkProgress *progress;
    /* Called for each sign as it is seen; may be NULL. */
    void (*seen)(const DkTriggerSign *sign, gpointer data);
    gpointer data;
} DkTriggerWait;

typedef struct {
    const char *kind;     /* "nmi" */
    const char *argument; /* what it takes, such as "KEYS"; NULL: nothing */
    const char *summary;  /* one line */

    /*
     * What would be done, as steps (of DkTriggerStep, fresh).  Nothing is touched.  DK_ERROR_USAGE
     * for an argument that makes no sense.
     */
    GPtrArray *(*plan)(const char *argument, GError **error);

    /* Does it.  DK_ERROR_UNSUPPORTED when the machine cannot react, or an error of the monitor. */
    gboolean (*fire)(DkQmp *qmp, GPtrArray *steps, GError **error);

    /*
     * Follows the machine until it is clear what became of it, or the time is over (*outcome is
     * then what was seen last, NOTHING included).  fire() has been called just before.
     */
    gboolean (*wait)(DkQmp *qmp, const DkTriggerWait *wait, DkTriggerOutcome *outcome,
                     GError **error);
} DkTrigger;

/* All triggers, NULL-terminated. */
const DkTrigger *const *dk_triggers(void);

/* The one of that kind, or NULL with DK_ERROR_USAGE that names those there are. */
const DkTrigger *dk_trigger_by_kind(const char *kind, GError **error);

/* A list for plan(). */
GPtrArray *dk_trigger_steps_new(void);
/* Appends a step; arguments is taken. */
void dk_trigger_steps_add(GPtrArray *steps, const char *command, JsonObject *arguments,
                          guint pause_ms);

/* fire() of triggers that need a running guest, and of those that do not. */
gboolean dk_trigger_fire_running(DkQmp *qmp, GPtrArray *steps, GError **error);
gboolean dk_trigger_fire_any(DkQmp *qmp, GPtrArray *steps, GError **error);

/* wait() of machines under QEMU: events, and the text of the console. */
gboolean dk_trigger_wait_qemu(DkQmp *qmp, const DkTriggerWait *wait, DkTriggerOutcome *outcome,
                              GError **error);
