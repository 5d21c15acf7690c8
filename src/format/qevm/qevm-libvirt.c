/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/qevm/qevm-libvirt.h"

#include <string.h>

#include "base/cursor.h"
#include "base/error.h"
#include "format/qevm/qevm-layout.h"
#include "io/input.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

void dk_qevm_libvirt_free(DkQevmLibvirt *libvirt)
{
    if (!libvirt) {
        return;
    }
    g_free(libvirt->domain);
    g_free(libvirt);
}

/* How a stream looks that was compressed, and which program undoes it. */
static const struct {
    const char *name;
    guint8 magic[6];
    guint8 size;
    const char *program;
} packed[] = {
    {"gzip", {0x1f, 0x8b}, 2, "gzip -dc"},
    {"bzip2", {'B', 'Z', 'h'}, 3, "bzip2 -dc"},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, "xz -dc"},
    {"lzop", {0x89, 'L', 'Z', 'O'}, 4, "lzop -dc"},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, "zstd -dc"},
};

/* The stream itself has to follow; what it is compressed with is told by its first bytes. */
static gboolean check_stream(DkInput *input, guint64 off, guint32 format, GError **error)
{
    guint8 head[8] = {0};
    gssize got = dk_input_read(input, off, head, sizeof head, error);
    if (got < 0) {
        return FALSE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(packed); i++) {
        if (got >= packed[i].size && memcmp(head, packed[i].magic, packed[i].size) == 0) {
            g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                        "a libvirt save file whose memory is compressed with %s; unpack it "
                        "with: tail -c +%" G_GUINT64_FORMAT " FILE | %s > STREAM",
                        packed[i].name, off + 1, packed[i].program);
            return FALSE;
        }
    }
    if (got < 4 || memcmp(head, "QEVM", 4) != 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "a libvirt save file (format %u): there is no QEMU stream at offset " HEX,
                    format, off);
        return FALSE;
    }
    return TRUE;
}

/* What GMarkup tells of the elements <name>, <memory>, <vcpu> directly in <domain>. */
typedef struct {
    DkQevmLibvirt *libvirt;
    guint64 unit; /* bytes of one unit of <memory> */
} Xml;

static void xml_start(GMarkupParseContext *context, const char *element, const char **names,
                      const char **values, gpointer data, GError **error)
{
    Xml *xml = data;
    static const struct {
        const char *unit;
        guint64 bytes;
    } units[] = {{"b", 1},          {"bytes", 1},        {"KiB", 1u << 10}, {"k", 1u << 10},
                 {"MiB", 1u << 20}, {"M", 1u << 20},     {"GiB", 1u << 30}, {"G", 1u << 30},
                 {"KB", 1000},      {"MB", 1000 * 1000}, {"GB", 1000000000}};
    if (g_str_equal(element, "memory")) {
        xml->unit = 1u << 10;
        for (guint i = 0; names[i]; i++) {
            for (gsize j = 0; j < G_N_ELEMENTS(units); j++) {
                if (g_str_equal(names[i], "unit") && g_str_equal(values[i], units[j].unit)) {
                    xml->unit = units[j].bytes;
                }
            }
        }
    }
}

static void xml_text(GMarkupParseContext *context, const char *text, gsize len, gpointer data,
                     GError **error)
{
    Xml *xml = data;
    DkQevmLibvirt *libvirt = xml->libvirt;
    const GSList *stack = g_markup_parse_context_get_element_stack(context);
    if (g_slist_length((GSList *)stack) != 2 || !g_str_equal(stack->next->data, "domain")) {
        return;
    }
    const char *element = stack->data;
    g_autofree char *value = g_strndup(text, len);
    if (g_str_equal(element, "name") && !libvirt->domain) {
        libvirt->domain = g_steal_pointer(&value);
    } else if (g_str_equal(element, "memory") && libvirt->memory == 0) {
        guint64 number = g_ascii_strtoull(value, NULL, 10);
        libvirt->memory = number <= G_MAXUINT64 / xml->unit ? number * xml->unit : 0;
    } else if (g_str_equal(element, "vcpu") && libvirt->vcpus == 0) {
        libvirt->vcpus = (guint)MIN(g_ascii_strtoull(value, NULL, 10), G_MAXUINT16);
    }
}

/* Takes what it can: XML that is damaged does not make the memory unreadable. */
static void read_xml(DkQevmLibvirt *libvirt, GBytes *data)
{
    static const GMarkupParser parser = {.start_element = xml_start, .text = xml_text};
    gsize size = 0;
    const char *text = g_bytes_get_data(data, &size);
    /* A saved state whose XML has a root above <domain> is wrapped in <domstatus>; not here. */
    gsize len = strnlen(text, size);
    Xml xml = {.libvirt = libvirt, .unit = 1u << 10};
    g_autoptr(GMarkupParseContext) context = g_markup_parse_context_new(&parser, 0, &xml, NULL);
    if (!g_markup_parse_context_parse(context, text, (gssize)len, NULL)) {
        return;
    }
    if (libvirt->domain) {
        g_autofree char *raw = libvirt->domain;
        libvirt->domain = g_strescape(raw, NULL);
    }
}

static gboolean read_fields(DkCursor *cursor, LibvirtHeader *header, GError **error)
{
    return dk_cursor_u32(cursor, "version", &header->version, error) &&
           dk_cursor_u32(cursor, "length of the data", &header->data_len, error) &&
           dk_cursor_u32(cursor, "was running", &header->was_running, error) &&
           dk_cursor_u32(cursor, "format", &header->format, error) &&
           dk_cursor_u32(cursor, "offset of the cookie", &header->cookie_off, error);
}

DkQevmLibvirt *dk_qevm_libvirt_read(DkInput *input, GError **error)
{
    guint8 head[sizeof(LibvirtHeader)] = {0};
    LibvirtHeader header = {0};
    gssize got = dk_input_read(input, 0, head, sizeof head, error);
    if (got < 0) {
        return NULL;
    }
    gboolean whole = got >= LIBVIRT_MAGIC_SIZE &&
                     memcmp(head, LIBVIRT_MAGIC_WHOLE, LIBVIRT_MAGIC_SIZE) == 0;
    if (got < LIBVIRT_MAGIC_SIZE ||
        (!whole && memcmp(head, LIBVIRT_MAGIC_PART, LIBVIRT_MAGIC_SIZE) != 0)) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_MINE, "no libvirt save file");
        return NULL;
    }
    if (got < (gssize)sizeof head) {
        g_set_error(error, DK_ERROR, DK_ERROR_DAMAGED,
                    "the file ends at offset " HEX ", inside libvirt's header of 92 bytes",
                    (guint64)got);
        return NULL;
    }
    DkCursor cursor;
    dk_cursor_init(&cursor, head + LIBVIRT_MAGIC_SIZE, sizeof head - LIBVIRT_MAGIC_SIZE,
                   LIBVIRT_MAGIC_SIZE, "libvirt's header");
    if (!read_fields(&cursor, &header, error)) {
        return NULL;
    }
    if (header.version > 0xffff) { /* of a host of the other byte order */
        cursor.pos = 0;
        cursor.big_endian = TRUE;
        if (!read_fields(&cursor, &header, error)) {
            return NULL;
        }
    }
    if (header.version < 1 || header.version > 3) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "version %u of libvirt's save file at offset 0x10; 1 to 3 is read",
                    header.version);
        return NULL;
    }
    g_autoptr(GBytes) data = dk_input_read_bytes(input, "libvirt's XML", sizeof head,
                                                 header.data_len, LIBVIRT_DATA_MAX, error);
    if (!data) {
        return NULL;
    }
    g_autoptr(DkQevmLibvirt) libvirt = g_new0(DkQevmLibvirt, 1);
    libvirt->whole = whole;
    libvirt->was_running = header.was_running != 0;
    libvirt->stream_off = sizeof head + (guint64)header.data_len;
    read_xml(libvirt, data);
    if (!check_stream(input, libvirt->stream_off, header.format, error)) {
        return NULL;
    }
    return g_steal_pointer(&libvirt);
}
