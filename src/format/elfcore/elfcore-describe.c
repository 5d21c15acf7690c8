/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each note says, in one line, for `info`. */
#include <string.h>

#include "format/elfcore/elfcore-reader.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"
#define TEXT_MAX 65536 /* bytes of a note that are looked at for its line */

static void tell_signal(GString *text, gint signal)
{
    const char *name = dk_elfcore_signal_name(signal);
    g_string_append_printf(text, "signal %d%s%s%s", signal, name ? " (" : "", name ? name : "",
                           name ? ")" : "");
}

static void tell_prstatus(const DkElfcore *core, DkElfcoreFields *fields, GString *text)
{
    const DkElfcoreMachine *machine = core->machine;
    dk_elfcore_skip(fields, "pr_info", 12);
    gint cursig = (gint16)dk_elfcore_u16(fields, "pr_cursig");
    if (core->e_machine != EM_68K)
        dk_elfcore_u16(fields, "padding");
    dk_elfcore_uword(fields, "pr_sigpend");
    dk_elfcore_uword(fields, "pr_sighold");
    guint64 tid = dk_elfcore_u32(fields, "pr_pid");
    g_string_append_printf(text, "thread %" G_GUINT64_FORMAT ", ", tid);
    tell_signal(text, cursig);
    if (!machine || fields->cursor.len != machine->prstatus_size)
        return;
    g_autoptr(GBytes) regs = g_bytes_new(fields->cursor.data + machine->regs_off,
                                         machine->regs_size);
    g_string_append_printf(text, ", pc " HEX ", sp " HEX,
                           dk_elfcore_reg(machine, regs, machine->pc_off),
                           dk_elfcore_reg(machine, regs, machine->sp_off));
}

static void tell_prpsinfo(const DkElfcore *core, GString *text)
{
    const DkProcess *process = &core->source.subject->process;
    g_string_append_printf(text, "%s, pid %" G_GINT64_FORMAT ", uid %" G_GINT64_FORMAT,
                           process->name ? process->name : "?", process->pid, process->uid);
}

static void tell_siginfo(const DkElfcore *core, DkElfcoreFields *fields, GString *text)
{
    gint signal = (gint32)dk_elfcore_u32(fields, "si_signo");
    dk_elfcore_u32(fields, "si_errno");
    gint code = (gint32)dk_elfcore_u32(fields, "si_code");
    if (core->wide)
        dk_elfcore_u32(fields, "padding");
    guint64 address = dk_elfcore_uword(fields, "si_addr");
    tell_signal(text, signal);
    g_string_append_printf(text, ", code %d", code);
    if (code > 0)
        g_string_append_printf(text, ", address " HEX, address);
}

static void tell_auxv(const DkElfcore *core, DkElfcoreFields *fields, GString *text)
{
    guint count = 0;
    while (dk_cursor_left(&fields->cursor) >= 2 * (gsize)fields->word) {
        guint64 type = dk_elfcore_uword(fields, "a_type");
        dk_elfcore_uword(fields, "a_val");
        if (type == AT_NULL)
            break;
        count++;
    }
    g_string_append_printf(text, "%u entries, entry point " HEX ", vdso " HEX, count,
                           core->aux_entry, core->aux_vdso);
}

static void tell_file(DkElfcoreFields *fields, GString *text)
{
    guint64 count = dk_elfcore_uword(fields, "count");
    guint64 unit = dk_elfcore_uword(fields, "page_size");
    g_string_append_printf(
        text, "%" G_GUINT64_FORMAT " mapped files, offsets in units of %" G_GUINT64_FORMAT, count,
        unit);
}

static void tell_xstate(DkElfcoreFields *fields, GString *text)
{
    /* XSTATE_BV is the first word of the XSAVE header, behind the 512 bytes of FXSAVE. */
    dk_elfcore_skip(fields, "FXSAVE area", 512);
    guint64 features = dk_elfcore_u64(fields, "XSTATE_BV");
    if (!fields->failed)
        g_string_append_printf(text, "XSAVE features in use " HEX, features);
}

static void tell_own(const DkElfcore *core, const DkElfcoreNote *note, DkElfcoreFields *fields,
                     GString *text)
{
    const DkOrigin *origin = &core->source.subject->origin;
    if (note->type == DK_ELF_OWN_INFO) {
        g_string_append_printf(
            text, "%s, method %s, level %s", origin->writer ? origin->writer : "unknown writer",
            origin->method ? origin->method : "unknown", origin->level ? origin->level : "unknown");
    } else if (note->type == DK_ELF_OWN_RESULT) {
        g_string_append(text, origin->complete == 1 ? "complete" : "not complete");
        if (origin->pause_ns >= 0)
            g_string_append_printf(text, ", pause %.3f ms", (double)origin->pause_ns / 1e6);
    } else if (note->type == DK_ELF_OWN_CHECKSUMS) {
        dk_elfcore_skip(fields, "version and algorithm", 8);
        guint64 chunk = dk_elfcore_u64(fields, "chunk");
        guint64 covered = dk_elfcore_u64(fields, "covered");
        guint64 count = dk_elfcore_u64(fields, "count");
        g_string_append_printf(
            text, "%" G_GUINT64_FORMAT " sums, one each " HEX " bytes, over " HEX " bytes", count,
            chunk, covered);
    } else if (note->type == DK_ELF_OWN_MAPPINGS) {
        g_string_append_printf(text, "%u mappings", core->source.subject->process.mappings->len);
    } else {
        g_string_append(text, "checksum of the closing notes");
    }
}

/* FALSE: nothing can be said of it. */
static gboolean tell(DkElfcore *core, const DkElfcoreNote *note, GString *text)
{
    g_autofree guint8 *data = g_malloc(TEXT_MAX);
    gssize got = dk_input_read(core->input, note->off, data, MIN(note->size, TEXT_MAX), NULL);
    if (got <= 0)
        return FALSE;
    DkElfcoreFields fields;
    dk_elfcore_fields_init(&fields, core, data, (gsize)got, note->off, "note");
    if (dk_elfcore_is_machine(core) && !dk_elfcore_note_is_own(note, DK_ELF_OWN_INFO) &&
        dk_vmcore_tell(core, note, text))
        return TRUE;
    if (g_str_equal(note->owner, DK_ELF_OWN_OWNER)) {
        tell_own(core, note, &fields, text);
        return TRUE;
    }
    switch (note->type) {
    case NT_PRSTATUS:
        tell_prstatus(core, &fields, text);
        return !fields.failed;
    case NT_PRPSINFO:
        tell_prpsinfo(core, text);
        return TRUE;
    case NT_SIGINFO:
        tell_siginfo(core, &fields, text);
        return !fields.failed;
    case NT_AUXV:
        tell_auxv(core, &fields, text);
        return TRUE;
    case NT_FILE:
        tell_file(&fields, text);
        return !fields.failed;
    case NT_X86_XSTATE:
        tell_xstate(&fields, text);
        return text->len > 0;
    default:
        return FALSE;
    }
}

void dk_elfcore_foreach_note(DkSource *source, void (*each)(const DkNote *note, gpointer data),
                             gpointer data)
{
    DkElfcore *core = (DkElfcore *)source;
    for (guint i = 0; i < core->notes->len; i++) {
        const DkElfcoreNote *note = &g_array_index(core->notes, DkElfcoreNote, i);
        const char *known = dk_elfcore_note_name(note);
        g_autofree char *name = known ? g_strdup(known)
                                      : g_strdup_printf("%s type 0x%x", note->owner, note->type);
        g_autoptr(GString) text = g_string_new(NULL);
        gboolean told = note->cut ? FALSE : known && tell(core, note, text);
        if (note->cut)
            g_string_append(text, "cut off");
        DkNote out = {name, note->off, note->size, told || note->cut ? text->str : NULL};
        each(&out, data);
    }
}
