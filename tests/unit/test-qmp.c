/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The QMP client against monitors whose words are written down beforehand. */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/qmp/qmp-socket.h"
#include "proto/qmp/qmp.h"

#define GREETING                                                                        \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}, " \
    "\"capabilities\": []}}\r\n"
#define AGREED "{\"return\": {}, \"id\": \"dumpkit-1\"}\r\n"

/* A client whose monitor says text; *other is the monitor's end. */
static DkQmp *client(const char *text, int *other, GError **error)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    *other = pair[1];
    g_assert_cmpint(dk_fd_write_all(*other, text, strlen(text)), ==, (gssize)strlen(text));
    return dk_qmp_new(dk_qmp_socket_new(pair[0], "qmp:test", TRUE), 200, error);
}

static char *said(int other)
{
    char buffer[4096];
    gssize got = recv(other, buffer, sizeof buffer, MSG_DONTWAIT);
    return g_strndup(buffer, got > 0 ? (gsize)got : 0);
}

static void test_call(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = client(
        GREETING AGREED
        "{\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 5}, \"event\": \"STOP\"}\n"
        "{\"return\": {}, \"id\": \"of someone else\"}\n"
        "{\"return\": {\"status\": \"running\"}, \"id\": \"dumpkit-2\"}\n"
        "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\n",
        &other, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(dk_qmp_version(qmp), ==, "7.2.22");
    JsonObject *arguments = json_object_new();
    json_object_set_int_member(arguments, "n", 7);
    g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-status", arguments, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(dk_json_string(dk_json_node_object(node), "status"), ==, "running");
    g_autofree char *sent = said(other);
    g_assert_cmpstr(
        sent, ==,
        "{\"execute\":\"qmp_capabilities\",\"id\":\"dumpkit-1\"}\n"
        "{\"execute\":\"query-status\",\"id\":\"dumpkit-2\",\"arguments\":{\"n\":7}}\n");

    g_autoptr(DkQmpEvent) stop = NULL;
    g_assert_true(dk_qmp_next_event(qmp, 0, &stop, &error));
    g_assert_cmpstr(stop->name, ==, "STOP");
    g_assert_cmpint(stop->time_us, ==, G_GINT64_CONSTANT(1700000000000005));
    g_autoptr(DkQmpEvent) reset = NULL;
    g_assert_true(dk_qmp_next_event(qmp, 0, &reset, &error));
    g_assert_cmpstr(reset->name, ==, "RESET");
    g_assert_true(dk_json_boolean(reset->data, "guest"));
    g_assert_cmpint(reset->time_us, ==, -1);
    g_autoptr(DkQmpEvent) none = NULL;
    g_assert_true(dk_qmp_next_event(qmp, 10, &none, &error));
    g_assert_null(none);
}

static void test_refusals(void)
{
    static const struct {
        const char *answer;
        int code;
        const char *text;
    } cases[] = {
        {"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such\"}, "
         "\"id\": \"dumpkit-2\"}\n",
         DK_ERROR_UNSUPPORTED, "qmp:test: query-x: no such"},
        {"{\"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}, "
         "\"id\": \"dumpkit-2\"}\n",
         DK_ERROR_PEER, "qmp:test: query-x: not now"},
        {"{\"return\": {}}\n", DK_ERROR_PEER, "qmp:test: query-x: neither*"},
        {"[1]\n", DK_ERROR_PEER, "qmp:test: a JSON object is expected*\"[1]\""},
        {"{\"return\": \n", DK_ERROR_PEER, "qmp:test: a JSON object is expected*"},
        {"", DK_ERROR_PEER, "qmp:test: query-x is not answered within 200 ms"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        dk_autofd int other = -1;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strconcat(GREETING AGREED, cases[i].answer, NULL);
        g_autoptr(DkQmp) qmp = client(text, &other, &error);
        g_assert_no_error(error);
        g_autoptr(JsonNode) node = dk_qmp_call(qmp, "query-x", NULL, &error);
        g_assert_null(node);
        g_assert_error(error, DK_ERROR, cases[i].code);
        g_assert_true(g_pattern_match_simple(cases[i].text, error->message));
    }
}

static void test_gone(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = client(GREETING AGREED, &other, &error);
    g_assert_no_error(error);
    dk_fd_close(&other);
    g_assert_false(dk_qmp_do(qmp, "stop", NULL, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_TARGET_GONE);
}

static void test_no_monitor(void)
{
    static const char *const texts[] = {"HTTP/1.1 400 Bad Request\r\n", "{\"hello\": 1}\n", ""};
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        dk_autofd int other = -1;
        g_autoptr(GError) error = NULL;
        g_assert_null(client(texts[i], &other, &error));
        g_assert_error(error, DK_ERROR, DK_ERROR_PEER);
    }
}

/* Brackets in strings do not nest. */
static void test_depth(void)
{
    for (guint depth = 60; depth < 70; depth += 5) {
        dk_autofd int other = -1;
        g_autoptr(GError) error = NULL;
        g_autofree char *open = g_strnfill(depth, '[');
        g_autofree char *close = g_strnfill(depth, ']');
        g_autofree char *text = g_strdup_printf(
            "%s%s{\"return\": %s\"[[[[[[[[[[\\\"{{{{{{{{{{\"%s, \"id\": \"dumpkit-2\"}\n", GREETING,
            AGREED, open, close);
        g_autoptr(DkQmp) qmp = client(text, &other, &error);
        g_autoptr(JsonNode) node = dk_qmp_call(qmp, "x", NULL, &error);
        g_assert_true((node != NULL) == (depth + 1 <= DK_QMP_DEPTH_MAX));
        if (node)
            g_assert_no_error(error);
        else
            g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    }
}

static void test_long_line(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = client(GREETING AGREED, &other, &error);
    pid_t pid = fork();
    if (!pid) {
        char block[4096];
        memset(block, 'a', sizeof block);
        for (guint i = 0; i <= DK_QMP_MESSAGE_MAX / sizeof block; i++)
            if (dk_fd_write_all(other, block, sizeof block) < 0)
                break;
        _exit(0);
    }
    dk_fd_close(&other);
    DkQmpEvent *event = NULL;
    g_assert_false(dk_qmp_next_event(qmp, 60000, &event, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_LIMIT);
    g_clear_pointer(&qmp, dk_qmp_free);
    waitpid(pid, NULL, 0);
}

static void test_events_limit(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = client(GREETING AGREED, &other, &error);
    for (guint i = 0; i < 41; i++) {
        for (guint k = 0; k < 100; k++) {
            g_autofree char *line = g_strdup_printf("{\"event\": \"E%u\"}\n", i * 100 + k);
            dk_fd_write_all(other, line, strlen(line));
        }
        g_autofree char *line = g_strdup_printf("{\"return\": {}, \"id\": \"dumpkit-%u\"}\n",
                                                i + 2);
        dk_fd_write_all(other, line, strlen(line));
        g_assert_true(dk_qmp_do(qmp, "x", NULL, &error));
    }
    g_autoptr(DkQmpEvent) event = NULL;
    g_assert_true(dk_qmp_next_event(qmp, 0, &event, &error));
    g_assert_cmpstr(event->name, ==, "E4");
}

/* The descriptor that is handed over is the one that arrives. */
static void test_give_fd(void)
{
    dk_autofd int other = -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(DkQmp) qmp = client(GREETING AGREED "{\"return\": {}, \"id\": \"dumpkit-2\"}\n",
                                  &other, &error);
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_true(dk_qmp_give_fd(qmp, "dump", ends[1], &error));
    dk_fd_close(&ends[1]);
    char buffer[256];
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    gssize got = recvmsg(other, &message, MSG_DONTWAIT);
    g_assert_cmpint(got, >, 0);
    g_assert_nonnull(g_strstr_len(buffer, got, "\"fdname\":\"dump\""));
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head)
        g_error("no descriptor came");
    int fd;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    g_assert_cmpint(dk_fd_write_all(fd, "x", 1), ==, 1);
    g_assert_cmpint(read(ends[0], buffer, 1), ==, 1);
    dk_fd_close(&fd);
    dk_fd_close(&ends[0]);
}

/* A monitor that another client holds: it is accepted by the kernel and never greeted. */
static void test_busy(void)
{
    g_autofree char *dir = g_dir_make_tmp("dumpkit-qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "monitor", NULL);
    g_autofree char *target = g_strconcat("qmp:", path, NULL);
    g_autoptr(GError) error = NULL;
    g_assert_null(dk_qmp_socket_open(target, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_NOT_FOUND);
    g_clear_error(&error);

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    dk_autofd int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    int ready[2];
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t pid = fork();
    if (!pid) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
            _exit(1);
        dk_fd_write_all(ready[1], "x", 1);
        pause();
        _exit(0);
    }
    char byte;
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    dk_autofd int accepted = accept(listener, NULL, NULL);
    g_assert_cmpint(accepted, >=, 0);
    g_assert_cmpint(dk_qmp_socket_holder(path), ==, pid);
    g_assert_null(dk_qmp_socket_open(target, &error));
    g_assert_error(error, DK_ERROR, DK_ERROR_BUSY);
    g_autofree char *named = g_strdup_printf("(pid %d) holds the monitor", (int)pid);
    g_assert_nonnull(strstr(error->message, named));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    dk_fd_close(&ready[0]);
    dk_fd_close(&ready[1]);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/call", test_call);
    g_test_add_func("/qmp/refusals", test_refusals);
    g_test_add_func("/qmp/gone", test_gone);
    g_test_add_func("/qmp/no-monitor", test_no_monitor);
    g_test_add_func("/qmp/depth", test_depth);
    g_test_add_func("/qmp/long-line", test_long_line);
    g_test_add_func("/qmp/events-limit", test_events_limit);
    g_test_add_func("/qmp/give-fd", test_give_fd);
    g_test_add_func("/qmp/busy", test_busy);
    return g_test_run();
}
