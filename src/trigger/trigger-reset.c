/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trigger/trigger.h"

static GPtrArray *plan(const char *argument, GError **error)
{
    GPtrArray *steps = dk_trigger_steps_new();
    dk_trigger_steps_add(steps, "system_reset", NULL, 0);
    return steps;
}

const DkTrigger dk_trigger_reset = {
    .kind = "reset",
    .summary = "the reset button: nothing is dumped",
    .plan = plan,
    .fire = dk_trigger_fire_any,
    .wait = dk_trigger_wait_qemu,
};
