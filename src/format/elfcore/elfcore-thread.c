/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Process and threads from the notes of Linux: those of a thread follow its NT_PRSTATUS. */
#include <string.h>

#include "format/elfcore/elfcore-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

guint64 dk_elfcore_reg(const DkElfcoreMachine *machine, GBytes *regs, guint off)
{
    gsize len;
    const guint8 *data = g_bytes_get_data(regs, &len);
    DkCursor cursor;
    dk_cursor_init(&cursor, data, len, 0, "registers");
    guint64 wide = 0;
    guint32 narrow = 0;
    if (!dk_cursor_seek(&cursor, "register", off, NULL))
        return 0;
    if (machine->word == 8)
        return dk_cursor_u64(&cursor, "register", &wide, NULL) ? wide : 0;
    return dk_cursor_u32(&cursor, "register", &narrow, NULL) ? narrow : 0;
}

/* A struct timeval, as nanoseconds. */
static guint64 take_time(DkElfcoreFields *fields, const char *name)
{
    guint64 sec = dk_elfcore_uword(fields, name);
    guint64 usec = dk_elfcore_uword(fields, name);
    if (sec > G_MAXUINT64 / 2 / 1000000000 || usec >= 1000000)
        return 0;
    return sec * 1000000000 + usec * 1000;
}

/* Sets thread->regs from NT_PRSTATUS, or says why not. */
static void take_regs(DkElfcore *core, DkThread *thread, GBytes *content)
{
    const DkElfcoreMachine *machine = core->machine;
    if (!machine) {
        thread->missing = g_strdup("the registers of this machine are not understood");
        return;
    }
    if (g_bytes_get_size(content) != machine->prstatus_size) {
        thread->missing = g_strdup_printf("NT_PRSTATUS has %" G_GSIZE_FORMAT " bytes, expected %u",
                                          g_bytes_get_size(content), machine->prstatus_size);
        dk_subject_add_gap(core->source.subject, "regset", 1, 0, thread->tid, "%s",
                           thread->missing);
        return;
    }
    const guint8 *data = g_bytes_get_data(content, NULL);
    thread->regs[DK_REGSET_GENERAL] = g_bytes_new(data + machine->regs_off, machine->regs_size);
}

/* The head of NT_PRSTATUS is the same on all machines of Linux but for the size of a word. */
static DkThread *take_prstatus(DkElfcore *core, const DkElfcoreNote *note, GBytes *content)
{
    DkElfcoreFields fields;
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    dk_elfcore_fields_init(&fields, core, data, len, note->off, "NT_PRSTATUS");
    dk_elfcore_skip(&fields, "pr_info", 12);
    gint cursig = (gint16)dk_elfcore_u16(&fields, "pr_cursig");
    /* m68k aligns to 2 bytes. */
    if (core->e_machine != EM_68K)
        dk_elfcore_u16(&fields, "padding");
    guint64 pending = dk_elfcore_uword(&fields, "pr_sigpend");
    guint64 blocked = dk_elfcore_uword(&fields, "pr_sighold");
    guint32 tid = (guint32)dk_elfcore_u32(&fields, "pr_pid");
    gint32 ppid = (gint32)dk_elfcore_u32(&fields, "pr_ppid");
    gint32 pgrp = (gint32)dk_elfcore_u32(&fields, "pr_pgrp");
    gint32 sid = (gint32)dk_elfcore_u32(&fields, "pr_sid");
    guint64 user = take_time(&fields, "pr_utime");
    guint64 system = take_time(&fields, "pr_stime");
    if (fields.failed) {
        dk_elfcore_damage(core, "thread",
                          "the NT_PRSTATUS at offset " HEX " has %" G_GSIZE_FORMAT
                          " bytes, too few for a thread",
                          note->off, len);
        return NULL;
    }
    DkProcess *process = &core->source.subject->process;
    if (!process->threads->len && process->pid < 0) {
        process->ppid = ppid;
        process->pgrp = pgrp;
        process->sid = sid;
    }
    DkThread *thread = dk_subject_add_thread(core->source.subject, tid);
    thread->signal = cursig;
    thread->signals_pending = pending;
    thread->signals_blocked = blocked;
    thread->user_ns = user;
    thread->system_ns = system;
    take_regs(core, thread, content);
    return thread;
}

/* Up to size bytes of text that ends early at a NUL; NULL when it is empty. */
static char *take_text(DkElfcoreFields *fields, const char *name, gsize size)
{
    const guint8 *text = fields->failed ? NULL : dk_cursor_bytes(&fields->cursor, name, size, NULL);
    if (!text) {
        fields->failed = TRUE;
        return NULL;
    }
    char *copy = g_strndup((const char *)text, size);
    g_strchomp(copy);
    if (*copy)
        return copy;
    g_free(copy);
    return NULL;
}

static void take_prpsinfo(DkElfcore *core, const DkElfcoreNote *note, GBytes *content)
{
    DkProcess *process = &core->source.subject->process;
    gsize len;
    const void *data = g_bytes_get_data(content, &len);
    gsize expected = core->wide ? sizeof(DkElf64Prpsinfo) : sizeof(DkElf32Prpsinfo);
    if (len != expected && (core->wide || len != DK_ELF_PRPSINFO_32_WIDE_UID)) {
        dk_subject_add_gap(core->source.subject, "process", 1, 0, 0,
                           "NT_PRPSINFO has %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT,
                           len, expected);
        return;
    }
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, data, len, note->off, "NT_PRPSINFO");
    dk_elfcore_skip(&fields, "pr_state", core->wide ? 8 : 4);
    dk_elfcore_uword(&fields, "pr_flag");
    gboolean narrow = len == sizeof(DkElf32Prpsinfo);
    process->uid = (gint64)(narrow ? dk_elfcore_u16(&fields, "pr_uid")
                                   : dk_elfcore_u32(&fields, "pr_uid"));
    process->gid = (gint64)(narrow ? dk_elfcore_u16(&fields, "pr_gid")
                                   : dk_elfcore_u32(&fields, "pr_gid"));
    process->pid = (gint32)dk_elfcore_u32(&fields, "pr_pid");
    process->ppid = (gint32)dk_elfcore_u32(&fields, "pr_ppid");
    process->pgrp = (gint32)dk_elfcore_u32(&fields, "pr_pgrp");
    process->sid = (gint32)dk_elfcore_u32(&fields, "pr_sid");
    g_free(process->name);
    g_free(process->command);
    process->name = take_text(&fields, "pr_fname", 16);
    process->command = take_text(&fields, "pr_psargs", 80);
}

static void keep_regset(DkElfcore *core, DkThread *thread, DkRegsetKind kind, gsize expected,
                        const DkElfcoreNote *note, GBytes *content)
{
    if (!thread || !core->machine || thread->regs[kind])
        return;
    if (expected && g_bytes_get_size(content) != expected) {
        dk_subject_add_gap(core->source.subject, "regset", 1, 0, thread->tid,
                           "%s has %" G_GSIZE_FORMAT " bytes, expected %" G_GSIZE_FORMAT,
                           dk_elfcore_note_name(note), g_bytes_get_size(content), expected);
        return;
    }
    thread->regs[kind] = g_bytes_ref(content);
}

static gboolean has_address(gint signal, gint code)
{
    switch (signal) {
    case 4:  /* SIGILL */
    case 5:  /* SIGTRAP */
    case 7:  /* SIGBUS */
    case 8:  /* SIGFPE */
    case 11: /* SIGSEGV */
        return code > 0;
    default:
        return FALSE;
    }
}

/*
 * Why the process was dumped: the signal of the first thread, with its siginfo.  A siginfo without
 * a signal tells how a thread was stopped to be dumped.
 */
static void take_exception(DkElfcore *core)
{
    DkProcess *process = &core->source.subject->process;
    if (!process->threads->len)
        return;
    const DkThread *thread = g_ptr_array_index(process->threads, 0);
    DkException *exception = &process->exception;
    exception->tid = thread->tid;
    exception->code = thread->signal > 0 ? (guint32)thread->signal : 0;
    GBytes *siginfo = thread->regs[DK_REGSET_SIGINFO];
    if (siginfo && exception->code) {
        DkElfcoreFields fields;
        gsize len;
        const void *data = g_bytes_get_data(siginfo, &len);
        dk_elfcore_fields_init(&fields, core, data, len, 0, "siginfo");
        gint signal = (gint32)dk_elfcore_u32(&fields, "si_signo");
        dk_elfcore_u32(&fields, "si_errno");
        gint code = (gint32)dk_elfcore_u32(&fields, "si_code");
        if (core->wide)
            dk_elfcore_u32(&fields, "padding");
        guint64 address = dk_elfcore_uword(&fields, "si_addr");
        if (signal > 0) {
            exception->code = (guint32)signal;
            exception->flags = (guint32)code;
            exception->address = has_address(signal, code) ? address : 0;
        }
    }
    exception->valid = exception->code != 0;
    if (!exception->valid)
        *exception = (DkException){0};
}

static void take_note(DkElfcore *core, const DkElfcoreNote *note, DkThread **thread)
{
    const DkElfcoreMachine *machine = core->machine;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) content = dk_elfcore_note_read(core, note, DK_ELFCORE_REGSET_MAX, &error);
    if (!content) {
        /* What follows must not be put down to the thread before. */
        if (note->type == NT_PRSTATUS)
            *thread = NULL;
        dk_elfcore_damage(core, note->type == NT_PRSTATUS ? "thread" : "regset", "%s: %s",
                          dk_elfcore_note_name(note), error->message);
        return;
    }
    switch (note->type) {
    case NT_PRSTATUS:
        *thread = take_prstatus(core, note, content);
        break;
    case NT_PRPSINFO:
        take_prpsinfo(core, note, content);
        break;
    case NT_SIGINFO:
        keep_regset(core, *thread, DK_REGSET_SIGINFO, DK_ELF_SIGINFO_SIZE, note, content);
        break;
    case NT_PRFPREG:
        keep_regset(core, *thread, DK_REGSET_FP, machine ? machine->fp_size : 0, note, content);
        break;
    case NT_X86_XSTATE:
        keep_regset(core, *thread, DK_REGSET_XSTATE, 0, note, content);
        break;
    case NT_PRXFPREG:
        keep_regset(core, *thread, DK_REGSET_FXSAVE, 512, note, content);
        break;
    default:
        break;
    }
}

static gboolean is_wanted(const DkElfcoreNote *note)
{
    switch (note->type) {
    case NT_PRSTATUS:
    case NT_PRPSINFO:
    case NT_SIGINFO:
    case NT_PRFPREG:
    case NT_X86_XSTATE:
    case NT_PRXFPREG:
        return dk_elfcore_note_is_linux(note);
    default:
        return FALSE;
    }
}

void dk_elfcore_threads_take(DkElfcore *core)
{
    DkThread *thread = NULL;
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        if (is_wanted(note))
            take_note(core, note, &thread);
    }
    DkProcess *process = &core->source.subject->process;
    if (!process->threads->len) {
        dk_subject_add_gap(core->source.subject, "thread", 1, 0, 0,
                           "the file has no NT_PRSTATUS, so no thread is known");
        return;
    }
    const DkThread *first = g_ptr_array_index(process->threads, 0);
    if (process->pid < 0 && process->threads->len == 1)
        process->pid = first->tid;
    take_exception(core);
}
