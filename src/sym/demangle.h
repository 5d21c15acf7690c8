/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of C++ as people write them; without libstdc++ (Meson's option demangle) they stay. */
#pragma once

/* Longer names are left as they are: the demangler keeps them on the stack. */
#define DK_DEMANGLE_MAX 4096

/* The readable form of a mangled name, or NULL when name is none.  Free with g_free(). */
char *dk_demangle(const char *name);
