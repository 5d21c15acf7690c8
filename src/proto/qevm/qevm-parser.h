/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parser of a migration stream inside: a machine of states, each of which wants a number of
 * bytes and gets them in one piece, from the fed bytes where they lie there and else gathered.
 */
#pragma once

#include "proto/qevm/qevm.h"

/* Flags in the low bits of the word before a page (QEMU: migration/ram.h). */
#define QEVM_RAM_ZERO 0x02u
#define QEVM_RAM_MEM_SIZE 0x04u
#define QEVM_RAM_PAGE 0x08u
#define QEVM_RAM_EOS 0x10u
#define QEVM_RAM_CONTINUE 0x20u
#define QEVM_RAM_XBZRLE 0x40u
#define QEVM_RAM_HOOK 0x80u
#define QEVM_RAM_COMPRESS 0x100u
#define QEVM_RAM_MULTIFD_FLUSH 0x200u

/* The first byte of a section. */
enum {
    QEVM_EOF = 0,
    QEVM_SECTION_START = 1,
    QEVM_SECTION_PART = 2,
    QEVM_SECTION_END = 3,
    QEVM_SECTION_FULL = 4,
    QEVM_SUBSECTION = 5,
    QEVM_VMDESCRIPTION = 6,
    QEVM_CONFIGURATION = 7,
    QEVM_COMMAND = 8,
    QEVM_FOOTER = 0x7e,
};

/* Bytes of the header of a block in a mapped-ram file: version, page size, two offsets. */
#define QEVM_MAPPED_HEADER 28

typedef enum {
    QEVM_WANT_MAGIC,
    QEVM_WANT_TYPE,
    QEVM_WANT_MACHINE_LEN,
    QEVM_WANT_MACHINE,
    QEVM_WANT_SUBSECTION_LEN,
    QEVM_WANT_SUBSECTION,
    QEVM_WANT_PAGE_BITS,
    QEVM_WANT_CAPS,
    QEVM_WANT_CAP_LEN,
    QEVM_WANT_CAP,
    QEVM_WANT_UUID,
    QEVM_WANT_START_LEN,
    QEVM_WANT_START,
    QEVM_WANT_PART,
    QEVM_WANT_FOOTER,
    QEVM_WANT_COMMAND,
    QEVM_WANT_RAM,
    QEVM_WANT_BLOCK_LEN,
    QEVM_WANT_BLOCK,
    QEVM_WANT_RAM_ID_LEN,
    QEVM_WANT_RAM_ID,
    QEVM_WANT_PAGE,
    QEVM_WANT_FILL,
    QEVM_WANT_STATE, /* everything to the end, in pieces of any size */
} QevmWant;

/* A string's length byte and 255 bytes, and what stands behind names. */
#define QEVM_GATHER_MIN 512

struct DkQevm {
    const DkQevmCallbacks *callbacks;
    gpointer data;
    char *name;
    guint64 origin;
    guint64 off; /* of the next byte that a state gets */

    QevmWant want;
    gsize want_len;
    guint8 *gather; /* DK_QEVM_PAGE_MAX bytes */
    gsize gathered;
    guint64 skip; /* bytes to pass over before the state goes on */

    guint page_size;
    guint caps_left;
    gboolean mapped; /* capabilities that the stream was made with */
    gboolean shared;

    gboolean have_ram; /* the section "ram" was begun */
    guint32 ram_section;
    guint32 section;      /* that is open */
    guint8 section_type;  /* of it */
    gboolean footers;     /* sections of this stream end with one */
    gboolean open;        /* inside a section, or waiting for its footer */
    gboolean blocks_done; /* all blocks are known */
    gboolean ram_closed;  /* its last part has come */
    gboolean ram_ended;   /* the devices have begun */
    guint64 blocks_left;  /* bytes of blocks that are still to be told */
    GArray *blocks;       /* of guint64: sizes */
    GHashTable *ids;      /* of block: index + 1 */
    guint block;          /* the current one, for CONTINUE */
    gboolean have_block;
    guint32 ram_flags; /* of the page that comes */
    guint64 ram_offset;

    GByteArray *state; /* devices and their description, from state_off on; NULL: too much */
    guint64 state_off;
    char *no_devices; /* lent by DkQevmEnd */
};

/* Sets *error: code, the stream's name, the offset off, and the formatted text. */
gboolean qevm_fail(const DkQevm *qevm, GError **error, int code, guint64 off, const char *format,
                   ...) G_GNUC_PRINTF(5, 6);

/* The next state, which wants len bytes. */
static inline void qevm_want(DkQevm *qevm, QevmWant want, gsize len)
{
    qevm->want = want;
    qevm->want_len = len;
}

/* What states of the section "ram" do with their bytes, which began at qevm->off. */
gboolean qevm_ram_run(DkQevm *qevm, const guint8 *bytes, GError **error);

/*
 * Takes as many pages as possible from the len bytes at bytes, all of the current block; *used gets
 * how many bytes that were (0: the state machine has to look at the next one).
 */
gboolean qevm_ram_fast(DkQevm *qevm, const guint8 *bytes, gsize len, gsize *used, GError **error);

/* The calls that dk_qevm_end() makes out of qevm->state; fills end, and says if all is there. */
gboolean qevm_state_end(DkQevm *qevm, DkQevmEnd *end, GError **error);
