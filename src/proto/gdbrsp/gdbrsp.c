/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/gdbrsp/gdbrsp.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define READ_SIZE 65536u
#define PACKET_DEFAULT 400u
#define PACKET_MIN 64u
#define TRIES 3u
/* Packets that are passed over while one reply is waited for. */
#define SKIPPED_MAX 65536u

struct DkGdbrsp {
    int fd;
    char *name;
    guint timeout_ms;
    GByteArray *input; /* received and not looked at yet */
    gsize at;          /* of the next byte of input */
    gboolean acks;
    guint packet_size; /* bytes that a packet may have */
};

int dk_gdbrsp_fd(const DkGdbrsp *rsp)
{
    return rsp->fd;
}

void dk_gdbrsp_free(DkGdbrsp *rsp)
{
    if (!rsp)
        return;
    dk_fd_close(&rsp->fd);
    g_byte_array_unref(rsp->input);
    g_free(rsp->name);
    g_free(rsp);
}

static gboolean send_all(DkGdbrsp *rsp, const char *bytes, gsize len, GError **error)
{
    for (gsize done = 0; done < len;) {
        gssize sent = send(rsp->fd, bytes + done, len - done, MSG_NOSIGNAL);
        struct pollfd wait = {.fd = rsp->fd, .events = POLLOUT};
        int err = errno;
        if (sent < 0 && err == EAGAIN) {
            poll(&wait, 1, (int)rsp->timeout_ms);
        } else if (sent < 0 && err != EINTR) {
            g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: %s", rsp->name,
                        g_strerror(err));
            return FALSE;
        }
        done += sent > 0 ? (gsize)sent : 0;
    }
    return TRUE;
}

static gboolean send_packet(DkGdbrsp *rsp, const char *packet, GError **error)
{
    guint8 sum = 0;
    for (const char *at = packet; *at; at++)
        sum = (guint8)(sum + (guint8)*at);
    g_autofree char *framed = g_strdup_printf("$%s#%02x", packet, sum);
    return send_all(rsp, framed, strlen(framed), error);
}

static gboolean fill(DkGdbrsp *rsp, gint64 end_us, GError **error)
{
    guint8 bytes[READ_SIZE];
    g_byte_array_set_size(rsp->input, 0);
    rsp->at = 0;
    for (;;) {
        struct pollfd wait = {.fd = rsp->fd, .events = POLLIN};
        gint64 left_us = end_us - g_get_monotonic_time();
        if (left_us <= 0) {
            g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the stub does not answer within %u ms",
                        rsp->name, rsp->timeout_ms);
            return FALSE;
        }
        if (poll(&wait, 1, (int)(left_us / 1000) + 1) <= 0)
            continue;
        gssize got = recv(rsp->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got > 0) {
            g_byte_array_append(rsp->input, bytes, (guint)got);
            return TRUE;
        }
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: the stub has closed the connection",
                    rsp->name);
        return FALSE;
    }
}

static gboolean next_byte(DkGdbrsp *rsp, gint64 end_us, guint8 *byte, GError **error)
{
    if (rsp->at >= rsp->input->len && !fill(rsp, end_us, error))
        return FALSE;
    *byte = rsp->input->data[rsp->at++];
    return TRUE;
}

/* Appends what comes before the next '#', which is taken too. */
static gboolean take_body(DkGdbrsp *rsp, gint64 end_us, GByteArray *raw, GError **error)
{
    for (;;) {
        if (rsp->at >= rsp->input->len && !fill(rsp, end_us, error))
            return FALSE;
        const guint8 *from = rsp->input->data + rsp->at;
        gsize left = rsp->input->len - rsp->at;
        const guint8 *end = memchr(from, '#', left);
        gsize part = end ? (gsize)(end - from) : left;
        if (part > DK_GDBRSP_RAW_MAX - raw->len) {
            g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: a packet of more than %u bytes",
                        rsp->name, DK_GDBRSP_RAW_MAX);
            return FALSE;
        }
        g_byte_array_append(raw, from, (guint)part);
        rsp->at += part + (end != NULL);
        if (end)
            return TRUE;
    }
}

/* The bytes of the next packet up to '#', unchanged; *good: its checksum is right. */
static GByteArray *next_raw(DkGdbrsp *rsp, gint64 end_us, guint8 *kind, gboolean *good,
                            GError **error)
{
    g_autoptr(GByteArray) raw = g_byte_array_new();
    guint8 byte = 0;
    guint8 sum = 0;
    guint8 digits[3] = "";
    while (byte != '$' && byte != '%') {
        if (!next_byte(rsp, end_us, &byte, error))
            return NULL;
    }
    *kind = byte;
    if (!take_body(rsp, end_us, raw, error) || !next_byte(rsp, end_us, &digits[0], error) ||
        !next_byte(rsp, end_us, &digits[1], error))
        return NULL;
    for (guint i = 0; i < raw->len; i++)
        sum = (guint8)(sum + raw->data[i]);
    *good = g_ascii_isxdigit(digits[0]) && g_ascii_isxdigit(digits[1]) &&
            strtoul((const char *)digits, NULL, 16) == sum;
    return g_steal_pointer(&raw);
}

/* Writes repeats out and takes escapes back; NULL when it makes no sense. */
static GByteArray *decode(GByteArray *raw)
{
    g_autoptr(GByteArray) plain = g_byte_array_new();
    if (!raw->len || (!memchr(raw->data, '}', raw->len) && !memchr(raw->data, '*', raw->len)))
        return g_byte_array_ref(raw);
    for (guint i = 0; i < raw->len; i++) {
        guint8 byte = raw->data[i];
        guint count = 1;
        if (byte == '}' && i + 1 < raw->len) {
            byte = raw->data[++i] ^ 0x20;
        } else if (byte == '*') {
            if (!plain->len || i + 1 >= raw->len || raw->data[i + 1] < 32)
                return NULL;
            byte = plain->data[plain->len - 1];
            count = raw->data[++i] - 29u;
        }
        if (plain->len + count > DK_GDBRSP_PACKET_MAX)
            return NULL;
        for (guint n = 0; n < count; n++)
            g_byte_array_append(plain, &byte, 1);
    }
    return g_steal_pointer(&plain);
}

static GByteArray *next_packet(DkGdbrsp *rsp, gint64 end_us, GError **error)
{
    for (guint tries = 0; tries < TRIES;) {
        guint8 kind;
        gboolean good;
        g_autoptr(GByteArray) raw = next_raw(rsp, end_us, &kind, &good, error);
        if (!raw)
            return NULL;
        /* Notifications are neither for us nor acknowledged. */
        if (kind == '%')
            continue;
        if (rsp->acks && !send_all(rsp, good ? "+" : "-", 1, error))
            return NULL;
        GByteArray *plain = good ? decode(raw) : NULL;
        if (plain)
            return plain;
        if (!rsp->acks)
            break;
        tries++;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: a packet is damaged (its checksum or repeats)",
                rsp->name);
    return NULL;
}

static gboolean begins(const GByteArray *packet, char first)
{
    return packet->len && packet->data[0] == (guint8)first;
}

static gboolean is_text(const GByteArray *packet, const char *text)
{
    return packet->len == strlen(text) && memcmp(packet->data, text, packet->len) == 0;
}

/* The next packet that is not about a stop; output of a monitor goes to said, NULL drops it. */
static GByteArray *next_reply(DkGdbrsp *rsp, GByteArray *said, gboolean stops, GError **error)
{
    gint64 end_us = g_get_monotonic_time() + (gint64)rsp->timeout_ms * 1000;
    for (guint i = 0; i < SKIPPED_MAX; i++) {
        g_autoptr(GByteArray) packet = next_packet(rsp, end_us, error);
        if (!packet)
            return NULL;
        if (begins(packet, 'O') && !is_text(packet, "OK")) {
            if (said && said->len + packet->len <= DK_GDBRSP_TEXT_MAX)
                g_byte_array_append(said, packet->data + 1, packet->len - 1);
        } else if (stops || (!begins(packet, 'T') && !begins(packet, 'S'))) {
            return g_steal_pointer(&packet);
        }
    }
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the stub talks without answering", rsp->name);
    return NULL;
}

static char *to_text(GByteArray *packet, gsize *len)
{
    if (len)
        *len = packet->len;
    g_byte_array_append(packet, (const guint8 *)"", 1);
    return (char *)g_byte_array_free(packet, FALSE);
}

char *dk_gdbrsp_ask(DkGdbrsp *rsp, const char *packet, gsize *len, GError **error)
{
    if (!send_packet(rsp, packet, error))
        return NULL;
    GByteArray *reply = next_reply(rsp, NULL, packet[0] == '?', error);
    return reply ? to_text(reply, len) : NULL;
}

static gboolean check_reply(const DkGdbrsp *rsp, const char *packet, const char *reply,
                            GError **error)
{
    if (!*reply) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED, "%s: the stub does not know \"%s\"",
                    rsp->name, packet);
        return FALSE;
    }
    if (strlen(reply) == 3 && reply[0] == 'E') {
        g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: \"%s\" is refused (%s)", rsp->name, packet,
                    reply);
        return FALSE;
    }
    return TRUE;
}

gboolean dk_gdbrsp_do(DkGdbrsp *rsp, const char *packet, GError **error)
{
    g_autofree char *reply = dk_gdbrsp_ask(rsp, packet, NULL, error);
    if (!reply || !check_reply(rsp, packet, reply, error))
        return FALSE;
    if (strcmp(reply, "OK") == 0)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: \"%s\" is not answered by \"OK\"", rsp->name,
                packet);
    return FALSE;
}

/* Pairs of digits as bytes, at most size; how many. */
static gsize from_hex(const char *text, gsize len, guint8 *bytes, gsize size)
{
    gsize count = 0;
    for (gsize i = 0; i + 1 < len && count < size; i += 2) {
        int high = g_ascii_xdigit_value(text[i]);
        int low = g_ascii_xdigit_value(text[i + 1]);
        if (high < 0 || low < 0)
            break;
        bytes[count++] = (guint8)(high << 4 | low);
    }
    return count;
}

char *dk_gdbrsp_monitor(DkGdbrsp *rsp, const char *line, GError **error)
{
    g_autoptr(GString) packet = g_string_new("qRcmd,");
    g_autoptr(GByteArray) said = g_byte_array_new();
    for (const char *at = line; *at; at++)
        g_string_append_printf(packet, "%02x", (guint8)*at);
    if (!send_packet(rsp, packet->str, error))
        return NULL;
    GByteArray *last = next_reply(rsp, said, FALSE, error);
    g_autofree char *reply = last ? to_text(last, NULL) : NULL;
    if (!reply || !check_reply(rsp, "qRcmd", reply, error))
        return NULL;
    if (strcmp(reply, "OK") != 0)
        g_byte_array_append(said, (const guint8 *)reply, (guint)strlen(reply));
    char *text = g_malloc0(said->len / 2 + 1);
    from_hex((const char *)said->data, said->len, (guint8 *)text, said->len / 2);
    g_auto(GStrv) pieces = g_strsplit(text, "\r", -1);
    g_free(text);
    return g_strjoinv("", pieces);
}

char *dk_gdbrsp_features(DkGdbrsp *rsp, const char *annex, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (const char *at = annex; *at; at++) {
        if (!g_ascii_isalnum(*at) && !strchr("-_.", *at)) {
            g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: a document with an odd name",
                        rsp->name);
            return NULL;
        }
    }
    while (text->len < DK_GDBRSP_TEXT_MAX) {
        g_autofree char *packet = g_strdup_printf("qXfer:features:read:%s:%zx,%x", annex, text->len,
                                                  rsp->packet_size - 5);
        gsize len;
        g_autofree char *reply = dk_gdbrsp_ask(rsp, packet, &len, error);
        if (!reply || !check_reply(rsp, packet, reply, error))
            return NULL;
        if (reply[0] == 'l' || (reply[0] == 'm' && len > 1)) {
            g_string_append_len(text, reply + 1, (gssize)len - 1);
            if (reply[0] == 'm')
                continue;
            return g_string_free(g_steal_pointer(&text), FALSE);
        }
        break;
    }
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the document \"%s\" does not end", rsp->name,
                annex);
    return NULL;
}

GPtrArray *dk_gdbrsp_threads(DkGdbrsp *rsp, GError **error)
{
    g_autoptr(GPtrArray) threads = g_ptr_array_new_with_free_func(g_free);
    const char *packet = "qfThreadInfo";
    while (threads->len < DK_GDBRSP_THREADS_MAX) {
        g_autofree char *reply = dk_gdbrsp_ask(rsp, packet, NULL, error);
        if (!reply || !check_reply(rsp, packet, reply, error))
            return NULL;
        if (reply[0] != 'm')
            break;
        g_auto(GStrv) ids = g_strsplit(reply + 1, ",", -1);
        for (guint i = 0; ids[i]; i++) {
            if (*ids[i] && strspn(ids[i], "0123456789abcdefABCDEFp.-") == strlen(ids[i]))
                g_ptr_array_add(threads, g_strdup(ids[i]));
        }
        packet = "qsThreadInfo";
    }
    if (threads->len && threads->len < DK_GDBRSP_THREADS_MAX)
        return g_steal_pointer(&threads);
    g_set_error(error, DK_ERROR, DK_ERROR_PEER, "%s: the stub tells of %u CPUs", rsp->name,
                threads->len);
    return NULL;
}

gssize dk_gdbrsp_read(DkGdbrsp *rsp, guint64 addr, void *buf, gsize len, GError **error)
{
    gsize reply_len;
    gsize wanted = MIN(len, (rsp->packet_size - 4) / 2);
    g_autofree char *packet = g_strdup_printf("m%" G_GINT64_MODIFIER "x,%zx", addr, wanted);
    g_autofree char *reply = dk_gdbrsp_ask(rsp, packet, &reply_len, error);
    if (!reply)
        return -1;
    if (!reply_len || reply[0] == 'E')
        return 0;
    return (gssize)from_hex(reply, reply_len, buf, wanted);
}

gboolean dk_gdbrsp_start(DkGdbrsp *rsp, GError **error)
{
    g_autofree char *reply = dk_gdbrsp_ask(rsp, "qSupported:xmlRegisters=i386", NULL, error);
    if (!reply)
        return FALSE;
    g_auto(GStrv) features = g_strsplit(reply, ";", -1);
    for (guint i = 0; features[i]; i++) {
        if (g_str_has_prefix(features[i], "PacketSize=")) {
            guint64 size = g_ascii_strtoull(features[i] + strlen("PacketSize="), NULL, 16);
            rsp->packet_size = (guint)CLAMP(size, PACKET_MIN, DK_GDBRSP_RAW_MAX / 4);
        }
        if (strcmp(features[i], "QStartNoAckMode+") == 0) {
            if (!dk_gdbrsp_do(rsp, "QStartNoAckMode", error))
                return FALSE;
            rsp->acks = FALSE;
        }
    }
    return TRUE;
}

DkGdbrsp *dk_gdbrsp_new(int fd, const char *name, guint timeout_ms)
{
    DkGdbrsp *rsp = g_new0(DkGdbrsp, 1);
    rsp->fd = fd;
    rsp->name = g_strdup(name);
    rsp->timeout_ms = timeout_ms;
    rsp->input = g_byte_array_new();
    rsp->acks = TRUE;
    rsp->packet_size = PACKET_DEFAULT;
    return rsp;
}

DkGdbrsp *dk_gdbrsp_connect(const char *host_port, const char *name, guint timeout_ms,
                            GError **error)
{
    g_autoptr(GError) own = NULL;
    g_autoptr(GSocketConnectable) address = g_network_address_parse(host_port, 0, &own);
    if (!address || !g_network_address_get_port(G_NETWORK_ADDRESS(address))) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "%s: gdb:HOST:PORT is expected", name);
        return NULL;
    }
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_timeout(client, MAX(timeout_ms / 1000, 1));
    g_socket_client_set_enable_proxy(client, FALSE);
    g_autoptr(GSocketConnection) connection = g_socket_client_connect(client, address, NULL, &own);
    if (!connection) {
        g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s: %s", name, own->message);
        return NULL;
    }
    int fd = fcntl(g_socket_get_fd(g_socket_connection_get_socket(connection)), F_DUPFD_CLOEXEC, 3);
    if (fd < 0) {
        dk_error_set_errno(error, errno, "%s", name);
        return NULL;
    }
    /* Small packets that wait for each other. */
    int on = 1;
    (void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return dk_gdbrsp_new(fd, name, timeout_ms);
}
