/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The member "system" of the info text of a machine dump: RAM, what the notes of a dump do not say
 * of its CPUs, what is known of Windows.  own-record.c puts it into the info text.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "mem/subject.h"

/* RAM ranges and CPUs in it; further ones are left out and taken from the dump itself. */
#define DK_OWN_RAM_MAX 100000u
#define DK_OWN_CPUS_MAX 65536u

JsonObject *dk_own_machine_object(const DkSubject *subject);

/*
 * Takes object into subject->system: ranges of RAM are joined to those that are known, CPUs that
 * have registers get what else is said of them (matched in their order), CPUs without are put in
 * between.  What makes no sense is passed over.
 */
void dk_own_machine_read(DkSubject *subject, JsonObject *object);
