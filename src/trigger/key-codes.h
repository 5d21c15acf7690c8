/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of keys as QEMU's monitor takes them (QKeyCode in the QMP reference), and other names. */
#pragma once

#include <glib.h>

/* QEMU's name (static) for a key that is called so, in lower case; NULL when there is none. */
const char *dk_key_code(const char *name);
