/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/pdb-id.h"

#include <string.h>

gboolean dk_pdb_id_valid(const DkPdbId *id)
{
    static const guint8 none[16];
    return memcmp(id->guid, none, sizeof none) != 0;
}

gboolean dk_pdb_id_matches(const DkPdbId *id, const DkPdbId *want)
{
    return memcmp(id->guid, want->guid, sizeof id->guid) == 0 &&
           (!want->age || id->age == want->age);
}

DkPdbId dk_pdb_id_of_module(const DkModule *module)
{
    DkPdbId id = {.age = module->age};
    memcpy(id.guid, module->guid, sizeof id.guid);
    return id;
}

/* The first eight bytes as the three numbers that they are. */
static void numbers(const DkPdbId *id, guint32 *first, guint *second, guint *third)
{
    const guint8 *guid = id->guid;
    *first = (guint32)guid[3] << 24 | (guint32)guid[2] << 16 | (guint32)guid[1] << 8 | guid[0];
    *second = (guint)guid[5] << 8 | guid[4];
    *third = (guint)guid[7] << 8 | guid[6];
}

char *dk_pdb_id_key(const DkPdbId *id)
{
    guint32 first;
    guint second, third;
    numbers(id, &first, &second, &third);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%08X%04X%04X", first, second, third);
    for (guint i = 8; i < 16; i++)
        g_string_append_printf(text, "%02X", id->guid[i]);
    g_string_append_printf(text, "%X", id->age);
    return g_string_free(text, FALSE);
}

char *dk_pdb_id_text(const DkPdbId *id)
{
    guint32 first;
    guint second, third;
    numbers(id, &first, &second, &third);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "{%08X-%04X-%04X-", first, second, third);
    for (guint i = 8; i < 16; i++)
        g_string_append_printf(text, i == 9 ? "%02X-" : "%02X", id->guid[i]);
    g_string_append_printf(text, "}, age %u", id->age);
    return g_string_free(text, FALSE);
}
