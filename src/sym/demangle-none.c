/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for demangle.c where libstdc++ is not to be linked. */
#include <stddef.h>

#include "sym/demangle.h"

char *dk_demangle(const char *name)
{
    return NULL;
}
