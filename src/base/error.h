/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one error domain of dumpkit.  Every fallible function reports through a GError of the domain
 * DK_ERROR; a message names the file or process, the offset where there is one, and what was
 * expected.  Each level adds where it was, once, with g_prefix_error().
 */
#pragma once

#include <glib.h>

#define DK_ERROR (dk_error_quark())

typedef enum {
    DK_ERROR_NOT_MINE,    /* the bytes belong to another format; try the next one */
    DK_ERROR_DAMAGED,     /* the format is recognised and the structure is broken */
    DK_ERROR_UNSUPPORTED, /* well formed, but this version, machine or option is not handled */
    DK_ERROR_ABSENT,      /* the dump does not hold the memory or note that was asked for */
    DK_ERROR_FAULT,       /* the address is not mapped in the subject */
    DK_ERROR_NOT_FOUND,   /* no such process, file, symbol, command, ... */
    DK_ERROR_LIMIT,       /* a count or size is above a named limit */
    DK_ERROR_DENIED,      /* the system refused for want of permission */
    DK_ERROR_PEER,        /* another program or machine broke the protocol */
    DK_ERROR_CANCELLED,   /* interrupted by the user */
    DK_ERROR_TARGET_GONE, /* the target ended while we worked on it */
    DK_ERROR_NO_SPACE,    /* disk or quota is full */
    DK_ERROR_EXISTS,      /* the output is there already */
    DK_ERROR_BUSY,        /* another tracer or client holds the target */
    DK_ERROR_USAGE,       /* the words of the user do not make sense: options, expressions */
    DK_ERROR_SYSTEM,      /* a system call failed in a way that none of the others names */
} DkErrorCode;

GQuark dk_error_quark(void);

/* The name of a code as JSON reports print it, such as "damaged"; never NULL. */
const char *dk_error_code_name(int code);

/* The code that stands for the errno value err; DK_ERROR_SYSTEM when none does. */
DkErrorCode dk_error_code_from_errno(int err);

/*
 * Sets *error to the code that stands for err, with the formatted text followed by ": " and the
 * system's description of err.  err is passed by value since formatting may change errno.
 */
void dk_error_set_errno(GError **error, int err, const char *format, ...) G_GNUC_PRINTF(3, 4);
