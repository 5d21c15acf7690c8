/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of verbs that read dumps: --input-format, --identity; and opening the files they
 * are given. */
#pragma once

#include <glib.h>

#include "mem/format.h"

typedef struct DkInput DkInput;

typedef struct {
    char *format; /* NULL: by what the file says */
    char **identities;
} DkInputOptions;

/* How many entries dk_input_options_entries() fills in. */
#define DK_INPUT_OPTIONS 2

void dk_input_options_entries(DkInputOptions *options, GOptionEntry entries[DK_INPUT_OPTIONS]);
void dk_input_options_clear(DkInputOptions *options);

/* What was opened; a source takes references of its own to its inputs. */
typedef struct {
    GPtrArray *inputs;      /* of DkInput, as far as they could be opened */
    const DkFormat *format; /* NULL with source */
    DkSource *source;       /* NULL after an error */
} DkOpened;

/*
 * Opens the files of paths (NULL-terminated, at least one), which are the parts of one dump when
 * they are several.  *opened is to be cleared after an error too: its inputs tell how far it came.
 */
gboolean dk_input_options_open(const DkInputOptions *options, char **paths, DkOpened *opened,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
void dk_opened_clear(DkOpened *opened);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DkOpened, dk_opened_clear)

/* The first input, or NULL. */
DkInput *dk_opened_input(const DkOpened *opened);
