/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What libvirt says of a call that failed, as our errors. */
#pragma once

#include <glib.h>

/* Sets *error to "PREFIX: " and the words of libvirt's last error of this thread, with its code. */
void dk_libvirt_set_error(GError **error, const char *prefix);

/* Those words alone; fresh. */
char *dk_libvirt_last_words(void);

/* Makes libvirt's client ready: its event loop is GLib's, and it does not print. */
gboolean dk_libvirt_start(GError **error);
