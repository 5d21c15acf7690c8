/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sym/demangle.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* Itanium C++ ABI, section 3.4: in libstdc++, which has no C header for it. */
char *__cxa_demangle(const char *name, char *buffer, size_t *len, int *status);

char *dk_demangle(const char *name)
{
    if (name[0] != '_' || name[1] != 'Z' || strlen(name) > DK_DEMANGLE_MAX)
        return NULL;
    int status = -1;
    char *text = __cxa_demangle(name, NULL, NULL, &status);
    char *copy = text && status == 0 ? g_strdup(text) : NULL;
    free(text);
    return copy;
}
