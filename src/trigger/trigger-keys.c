/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys, pressed and released as hands do: all but the last are held while the last is tapped. Names
 * are those of QEMU's QKeyCode (qapi/ui.json); CTRL+SCROLL LOCK twice is what Windows listens to
 * (CrashOnCtrlScroll), ALT+SYSRQ+C what Linux does (sysrq).
 */
#include <string.h>

#include "base/error.h"
#include "trigger/key-codes.h"
#include "trigger/trigger.h"

#define KEYS_MAX 8u
#define TAPS_MAX 16u
/* Keyboards repeat what is held for half a second, and a PS/2 queue has room for 16 bytes. */
#define KEY_MS 40u

static void add_event(GPtrArray *steps, const char *key, gboolean down)
{
    JsonObject *code = json_object_new();
    JsonObject *data = json_object_new();
    JsonObject *event = json_object_new();
    JsonArray *events = json_array_new();
    JsonObject *arguments = json_object_new();
    json_object_set_string_member(code, "type", "qcode");
    json_object_set_string_member(code, "data", key);
    json_object_set_boolean_member(data, "down", down);
    json_object_set_object_member(data, "key", code);
    json_object_set_string_member(event, "type", "key");
    json_object_set_object_member(event, "data", data);
    json_array_add_object_element(events, event);
    json_object_set_array_member(arguments, "events", events);
    dk_trigger_steps_add(steps, "input-send-event", arguments, KEY_MS);
}

/* Cuts "*N" off the last key. */
static gboolean take_taps(char *key, guint64 *taps, GError **error)
{
    char *star = strchr(key, '*');
    *taps = 1;
    if (!star)
        return TRUE;
    *star = 0;
    if (g_ascii_string_to_unsigned(star + 1, 10, 1, TAPS_MAX, taps, NULL))
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "keys: \"*%s\" is no number from 1 to %u",
                star + 1, TAPS_MAX);
    return FALSE;
}

static GPtrArray *plan(const char *argument, GError **error)
{
    const char *codes[KEYS_MAX];
    guint64 taps;
    g_autofree char *lower = g_ascii_strdown(argument, -1);
    g_auto(GStrv) keys = g_strsplit(lower, "+", -1);
    guint count = g_strv_length(keys);
    if (!count || count > KEYS_MAX) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE,
                    "keys: one to %u keys joined by \"+\" are expected", KEYS_MAX);
        return NULL;
    }
    if (!take_taps(keys[count - 1], &taps, error))
        return NULL;
    for (guint i = 0; i < count; i++) {
        codes[i] = dk_key_code(keys[i]);
        if (!codes[i]) {
            g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "keys: there is no key \"%s\"", keys[i]);
            return NULL;
        }
    }
    GPtrArray *steps = dk_trigger_steps_new();
    for (guint i = 0; i + 1 < count; i++)
        add_event(steps, codes[i], TRUE);
    for (guint64 tap = 0; tap < taps; tap++) {
        add_event(steps, codes[count - 1], TRUE);
        add_event(steps, codes[count - 1], FALSE);
    }
    for (guint i = count - 1; i-- > 0;)
        add_event(steps, codes[i], FALSE);
    return steps;
}

const DkTrigger dk_trigger_keys = {
    .kind = "keys",
    .argument = "KEYS",
    .summary = "keys, the last one tapped (*N: N times) while the others are held",
    .plan = plan,
    .fire = dk_trigger_fire_running,
    .wait = dk_trigger_wait_qemu,
};
