/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracer: a small process of its own that attaches, injects and tidies up.  It lives in its own
 * session, is exempt from the OOM killer where that is allowed, and ends when dumpkit's end of the
 * socket closes for whatever reason, after letting the target go and removing the copy.
 */
#pragma once

/* The tracer's whole life, on DK_TRACER_SOCKET_FD and DK_TRACER_MEMORY_FD; its exit status. */
int dk_tracer_main(void);
