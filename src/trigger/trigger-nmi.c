/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trigger/trigger.h"

static GPtrArray *plan(const char *argument, GError **error)
{
    GPtrArray *steps = dk_trigger_steps_new();
    dk_trigger_steps_add(steps, "inject-nmi", NULL, 0);
    return steps;
}

const DkTrigger dk_trigger_nmi = {
    .kind = "nmi",
    .summary = "a non-maskable interrupt to all CPUs",
    .plan = plan,
    .fire = dk_trigger_fire_running,
    .wait = dk_trigger_wait_qemu,
};
