/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of the human monitor's "info registers -a", for x86-64: of each CPU a line "CPU#N", then
 * lines of "NAME=VALUE" in hexadecimal, and of segments "CS =SELECTOR BASE LIMIT FLAGS".
 */
#pragma once

#include <glib.h>

#include "mem/subject.h"

/* CPUs of one guest; more are not taken. */
#define DK_CPU_TEXT_MAX 4096u

/*
 * Takes the CPUs of text into subject->system.  FALSE when there is none, or one whose general
 * registers are not all there; subject is then as it was.
 */
gboolean dk_cpu_text_parse(const char *text, DkSubject *subject);
