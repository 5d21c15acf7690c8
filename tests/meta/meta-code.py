#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that the library does not make, and threads only where they belong."""
import re
import sys

from metalib import Sample, main, strip_c

# Nobody calls these: they overrun, or hide errors, or hand control away.
BANNED = ("strcpy strcat sprintf vsprintf gets alloca g_alloca g_newa system popen strtok atoi atol "
          "atoll atof setjmp longjmp sigsetjmp siglongjmp").split()
# Only the program prints, reads the environment and ends itself.
PROGRAM = ("printf vprintf fprintf vfprintf puts fputs putchar putc perror dprintf g_print g_printerr "
           "getenv secure_getenv setenv g_getenv g_setenv g_get_environ exit _exit g_main_loop_new "
           "setlocale").split()
PROGRAM_PLACES = re.compile(r"src/(tool|service)/|"
                            r"src/(live/(process/tracer|qemu/guardian|gdbstub/gdb-guardian)|"
                            r"proto/libvirt/libvirt-dump)[^/]*$")
THREADS = ("g_thread_new g_thread_try_new g_thread_pool_new g_thread_pool_new_full pthread_create "
           "thrd_create g_task_run_in_thread g_task_run_in_thread_sync").split()
THREAD_PLACES = re.compile(r"src/(capture|service)/")


def calls(tree, names, allowed):
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(names) + r")\s*\(")
    complaints = []
    for name in tree.files(".c", ".h"):
        if not name.startswith("src/") or (allowed and allowed.match(name)):
            continue
        for number, line in enumerate(strip_c(tree.read(name)).splitlines(), 1):
            for found in pattern.finditer(line):
                complaints.append(f"{name}:{number}: {found.group(1)}()")
    return complaints


def no_banned_calls(tree):
    return calls(tree, BANNED, None)


def only_the_program_prints_and_exits(tree):
    return calls(tree, PROGRAM, PROGRAM_PLACES)


def threads_only_in_capture_and_service(tree):
    return calls(tree, THREADS, THREAD_PLACES)


def no_work_is_left_marked_as_open(tree):
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
    return [f"{name}:{number}: {line.strip()}" for name in tree.files(".c", ".h", ".py", ".sh")
            for number, line in enumerate(tree.read(name).splitlines(), 1) if mark.search(line)]


SAMPLES = [
    Sample(no_banned_calls, {"src/mem/x.c": '/* strcpy(a, b) */ char *s = "system(1)"; '
                             "ops->system(1); g_strlcpy(a, b, c); file_system(x);\n"}),
    Sample(no_banned_calls, {"src/tool/x.c": "int f(void)\n{\n    return system (s);\n}\n"},
           "x.c:3: system"),
    Sample(only_the_program_prints_and_exits,
           {"src/tool/x.c": 'printf("x");\n', "src/live/process/tracer-main.c": "_exit(1);\n",
            "src/mem/y.c": "g_string_append_printf(s); g_strdup_printf(x); out->printf(x);\n"}),
    Sample(only_the_program_prints_and_exits, {"src/mem/x.c": 'f();\nprintf("x");\n'}, "x.c:2"),
    Sample(only_the_program_prints_and_exits, {"src/live/process/x.c": "exit(1);\n"}, r"exit\(\)"),
    Sample(only_the_program_prints_and_exits, {"src/sym/x.c": 'g_getenv("A");\n'}, "g_getenv"),
    Sample(threads_only_in_capture_and_service, {"src/capture/x.c": "g_thread_new(a, b, c);\n"}),
    Sample(threads_only_in_capture_and_service, {"src/io/x.c": "pthread_create(a, b, c, d);\n"},
           "pthread_create"),
    Sample(no_work_is_left_marked_as_open, {"src/io/x.c": "/* done */\n"}),
    Sample(no_work_is_left_marked_as_open, {"src/io/x.c": "/* TO" + "DO: more */\n"}, "x.c:1"),
]
CHECKS = [no_banned_calls, only_the_program_prints_and_exits, threads_only_in_capture_and_service,
          no_work_is_left_marked_as_open]

if __name__ == "__main__":
    sys.exit(main(CHECKS, SAMPLES))
