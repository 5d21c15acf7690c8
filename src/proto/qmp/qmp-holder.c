/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is connected to a unix socket: the kernel's socket diagnosis (sock_diag(7)) names the inodes
 * of both ends of each connection, and /proc the processes that have them open.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "proto/qmp/qmp-socket.h"

#define ESTABLISHED 1 /* TCP_ESTABLISHED, which unix sockets use as well */
#define ROUNDS_MAX 4096

typedef struct {
    struct nlmsghdr head;
    struct unix_diag_req request;
} Question;

/* The peer's inode of a connection accepted at path, of a message of the kernel; 0: another one. */
static guint32 peer_of(const struct nlmsghdr *head, const char *path)
{
    if (head->nlmsg_len < NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
        return 0;
    const struct unix_diag_msg *message = NLMSG_DATA(head);
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);
    guint left = head->nlmsg_len - (guint)NLMSG_LENGTH(sizeof *message);
    gboolean is_ours = FALSE;
    guint32 peer = 0;
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        gsize len = RTA_PAYLOAD(attribute);
        if (attribute->rta_type == UNIX_DIAG_NAME)
            is_ours = strnlen(RTA_DATA(attribute), len) == strlen(path) &&
                      memcmp(RTA_DATA(attribute), path, strlen(path)) == 0;
        if (attribute->rta_type == UNIX_DIAG_PEER && len >= sizeof peer)
            memcpy(&peer, RTA_DATA(attribute), sizeof peer);
    }
    return is_ours && message->udiag_state == ESTABLISHED ? peer : 0;
}

/* Inodes (as pointers) of the far ends of all connections to path. */
static GHashTable *far_ends(const char *path)
{
    GHashTable *ends = g_hash_table_new(NULL, NULL);
    dk_autofd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    Question question = {
        .head = {.nlmsg_len = sizeof question,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX,
                    .udiag_states = 1u << ESTABLISHED,
                    .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER},
    };
    if (fd < 0 || send(fd, &question, sizeof question, 0) != sizeof question)
        return ends;
    union {
        struct nlmsghdr head;
        char bytes[32768];
    } answer;
    for (guint round = 0; round < ROUNDS_MAX; round++) {
        gssize got = recv(fd, &answer, sizeof answer, 0);
        if (got <= 0)
            return ends;
        guint left = (guint)got;
        for (struct nlmsghdr *head = &answer.head; NLMSG_OK(head, left);
             head = NLMSG_NEXT(head, left)) {
            if (head->nlmsg_type == NLMSG_DONE || head->nlmsg_type == NLMSG_ERROR)
                return ends;
            guint32 peer = peer_of(head, path);
            if (peer)
                g_hash_table_add(ends, GUINT_TO_POINTER(peer));
        }
    }
    return ends;
}

static gboolean has_one_open(const char *pid, GHashTable *inodes)
{
    g_autofree char *folder = g_strdup_printf("/proc/%s/fd", pid);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        char link[64];
        gssize len = readlink(path, link, sizeof link - 1);
        if (len <= 0)
            continue;
        link[len] = 0;
        if (g_str_has_prefix(link, "socket:[") &&
            g_hash_table_contains(inodes, GUINT_TO_POINTER(strtoul(link + 8, NULL, 10))))
            return TRUE;
    }
    return FALSE;
}

pid_t dk_qmp_socket_holder(const char *path)
{
    g_autoptr(GHashTable) ends = far_ends(path);
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    const char *name;
    if (!g_hash_table_size(ends))
        return -1;
    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        long pid = g_ascii_isdigit(*name) ? strtol(name, NULL, 10) : 0;
        if (pid > 0 && pid != getpid() && has_one_open(name, ends))
            return (pid_t)pid;
    }
    return -1;
}
