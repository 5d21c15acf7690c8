/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why a process was dumped, in words. */
#include <signal.h>
#include <string.h>

#include "target/target.h"

typedef struct {
    guint32 code;
    const char *name;
} CodeName;

static const char *name_of(const CodeName *names, gsize count, guint32 code)
{
    for (gsize i = 0; i < count; i++) {
        if (names[i].code == code)
            return names[i].name;
    }
    return NULL;
}

/* si_code of <asm-generic/siginfo.h>, with the signal in the upper half. */
static const CodeName si_codes[] = {
    {SIGSEGV << 16 | 1, "SEGV_MAPERR"},  {SIGSEGV << 16 | 2, "SEGV_ACCERR"},
    {SIGSEGV << 16 | 3, "SEGV_BNDERR"},  {SIGSEGV << 16 | 4, "SEGV_PKUERR"},
    {SIGBUS << 16 | 1, "BUS_ADRALN"},    {SIGBUS << 16 | 2, "BUS_ADRERR"},
    {SIGBUS << 16 | 3, "BUS_OBJERR"},    {SIGBUS << 16 | 4, "BUS_MCEERR_AR"},
    {SIGBUS << 16 | 5, "BUS_MCEERR_AO"}, {SIGFPE << 16 | 1, "FPE_INTDIV"},
    {SIGFPE << 16 | 2, "FPE_INTOVF"},    {SIGFPE << 16 | 3, "FPE_FLTDIV"},
    {SIGFPE << 16 | 4, "FPE_FLTOVF"},    {SIGFPE << 16 | 5, "FPE_FLTUND"},
    {SIGFPE << 16 | 6, "FPE_FLTRES"},    {SIGFPE << 16 | 7, "FPE_FLTINV"},
    {SIGILL << 16 | 1, "ILL_ILLOPC"},    {SIGILL << 16 | 2, "ILL_ILLOPN"},
    {SIGILL << 16 | 3, "ILL_ILLADR"},    {SIGILL << 16 | 4, "ILL_ILLTRP"},
    {SIGILL << 16 | 5, "ILL_PRVOPC"},    {SIGILL << 16 | 6, "ILL_PRVREG"},
    {SIGTRAP << 16 | 1, "TRAP_BRKPT"},   {SIGTRAP << 16 | 2, "TRAP_TRACE"},
};

/* Codes of Microsoft's [MS-ERREF], section 2.3. */
static const CodeName nt_codes[] = {
    {0x80000001, "guard page"},
    {0x80000002, "datatype misalignment"},
    {0x80000003, "breakpoint"},
    {0x80000004, "single step"},
    {0xc0000005, "access violation"},
    {0xc0000006, "in-page error"},
    {0xc0000008, "invalid handle"},
    {0xc000001d, "illegal instruction"},
    {0xc0000025, "noncontinuable exception"},
    {0xc000008c, "array bounds exceeded"},
    {0xc000008e, "floating point divide by zero"},
    {0xc0000090, "floating point invalid operation"},
    {0xc0000094, "integer divide by zero"},
    {0xc0000095, "integer overflow"},
    {0xc0000096, "privileged instruction"},
    {0xc00000fd, "stack overflow"},
    {0xc0000135, "DLL not found"},
    {0xc0000374, "heap corruption"},
    {0xc0000409, "stack buffer overrun or fail fast"},
    {0xc0000420, "assertion failure"},
    {0xe06d7363, "C++ exception"},
    {0xe0434352, "CLR exception"},
};

/* Exception types of macOS, <mach/exception_types.h>. */
static const CodeName mach_codes[] = {
    {1, "EXC_BAD_ACCESS"}, {2, "EXC_BAD_INSTRUCTION"}, {3, "EXC_ARITHMETIC"},
    {4, "EXC_EMULATION"},  {5, "EXC_SOFTWARE"},        {6, "EXC_BREAKPOINT"},
    {10, "EXC_CRASH"},     {11, "EXC_RESOURCE"},       {12, "EXC_GUARD"},
};

static char *linux_reason(DkTarget *target, const DkException *exception)
{
    if (exception->code == G_MAXUINT32)
        return g_strdup("dumped on request");
    if (!exception->code)
        return NULL;
    const char *abbreviation = exception->code < NSIG ? sigabbrev_np((int)exception->code) : NULL;
    GString *text = g_string_new(NULL);
    if (abbreviation)
        g_string_append_printf(text, "SIG%s (%u)", abbreviation, exception->code);
    else
        g_string_append_printf(text, "signal %u", exception->code);
    gboolean faults = exception->code == SIGSEGV || exception->code == SIGBUS ||
                      exception->code == SIGILL || exception->code == SIGFPE;
    const char *detail = NULL;
    if (exception->flags <= G_MAXUINT16)
        detail = name_of(si_codes, G_N_ELEMENTS(si_codes),
                         exception->code << 16 | exception->flags);
    if (detail)
        g_string_append_printf(text, ", %s", detail);
    if (faults && (gint32)exception->flags > 0) {
        g_autofree char *address = dk_target_format_va(target, exception->address);
        g_string_append_printf(text, " at %s", address);
    }
    return g_string_free(text, FALSE);
}

static char *coded_reason(DkTarget *target, const DkException *exception, const char *name)
{
    GString *text = g_string_new(name ? name : "exception");
    g_autofree char *address = dk_target_format_va(target, exception->address);
    g_string_append_printf(text, " (%08x) at %s", exception->code, address);
    gboolean access = exception->code == 0xc0000005 || exception->code == 0xc0000006;
    if (access && exception->nparams >= 2) {
        g_autofree char *data = dk_target_format_va(target, exception->params[1]);
        guint64 kind = exception->params[0];
        g_string_append_printf(text, ", %s %s",
                               kind == 0   ? "reading"
                               : kind == 1 ? "writing"
                                           : "executing",
                               data);
    }
    return g_string_free(text, FALSE);
}

char *dk_target_reason(DkTarget *target)
{
    const DkSubject *subject = dk_target_subject(target);
    const DkException *exception = &subject->process.exception;
    if (!exception->valid)
        return NULL;
    switch (subject->os) {
    case DK_OS_LINUX:
    case DK_OS_UNKNOWN:
        return linux_reason(target, exception);
    case DK_OS_WINDOWS:
        return coded_reason(target, exception,
                            name_of(nt_codes, G_N_ELEMENTS(nt_codes), exception->code));
    case DK_OS_MACOS:
        return coded_reason(target, exception,
                            name_of(mach_codes, G_N_ELEMENTS(mach_codes), exception->code));
    case DK_OS_OTHER:
        break;
    }
    return coded_reason(target, exception, NULL);
}
