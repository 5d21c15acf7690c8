/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proto/libvirt/libvirt-carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <json-glib/json-glib.h>
#include <libvirt/libvirt-qemu.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "proto/libvirt/libvirt-dump.h"
#include "proto/libvirt/libvirt-error.h"
#include "proto/libvirt/libvirt-job.h"

/* Messages that wait; of more, events are dropped. */
#define MESSAGES_MAX 4096u
/* Descriptors of GLib's main context, of which libvirt's client has a handful. */
#define POLLS_MAX 64

typedef struct {
    DkQmpTransport base;
    virConnectPtr connection;
    virDomainPtr domain;
    int monitor_events; /* ids of what is registered; -1: nothing */
    int life_events;
    GQueue messages; /* of char *, not given out yet */
    int wake;        /* an eventfd that is readable while messages wait or the guest is gone */
    int polls;       /* an epoll of wake and of what libvirt's client listens to */
    char *gone;      /* why nothing more comes, or NULL */
    char *held_name; /* of a descriptor that was given and not yet used, or NULL */
    int held;
    DkLibvirtDump dump;
} Carrier;

static void wake_up(Carrier *carrier)
{
    (void)!eventfd_write(carrier->wake, 1);
}

/* Takes text. */
static void push(Carrier *carrier, char *text)
{
    g_queue_push_tail(&carrier->messages, text);
    wake_up(carrier);
}

static void set_gone(Carrier *carrier, const char *why)
{
    if (!carrier->gone)
        carrier->gone = g_strdup(why);
    wake_up(carrier);
}

static gboolean is_event_name(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (!g_ascii_isalnum(*at) && *at != '_' && *at != '-')
            return FALSE;
    }
    return *name != 0;
}

static void take_event(virConnectPtr connection, virDomainPtr domain, const char *event,
                       long long seconds, unsigned int micros, const char *details, void *data)
{
    Carrier *carrier = data;
    if (g_queue_get_length(&carrier->messages) >= MESSAGES_MAX || !is_event_name(event))
        return;
    /* The reader of messages parses details, with its limits. */
    push(carrier, g_strdup_printf("{\"event\":\"%s\",\"data\":%s,\"timestamp\":{\"seconds\":%lld,"
                                  "\"microseconds\":%u}}",
                                  event, details && *details ? details : "{}", seconds, micros));
}

static int take_life(virConnectPtr connection, virDomainPtr domain, int event, int detail,
                     void *data)
{
    if (event == VIR_DOMAIN_EVENT_STOPPED)
        set_gone(data, "the guest has ended");
    return 0;
}

static void take_close(virConnectPtr connection, int reason, void *data)
{
    set_gone(data, "libvirt has closed the connection");
}

static void set_gone_error(const Carrier *carrier, GError **error)
{
    g_set_error(error, DK_ERROR, DK_ERROR_TARGET_GONE, "%s: %s", carrier->base.name, carrier->gone);
}

/* Lets libvirt's client take what has come. */
static void dispatch(void)
{
    while (g_main_context_pending(NULL))
        g_main_context_iteration(NULL, FALSE);
}

/*
 * Answers a command that QEMU does not see: as its {"return": {"status": STATUS}} (NULL: {}), or as
 * a refusal with words.  Takes words.
 */
static void answer(Carrier *carrier, const char *id, const char *status, char *words)
{
    g_autoptr(JsonBuilder) builder = json_builder_new();
    json_builder_begin_object(builder);
    json_builder_set_member_name(builder, words && !status ? "error" : "return");
    json_builder_begin_object(builder);
    if (status) {
        json_builder_set_member_name(builder, "status");
        json_builder_add_string_value(builder, status);
    } else if (words) {
        json_builder_set_member_name(builder, "class");
        json_builder_add_string_value(builder, "GenericError");
    }
    if (words) {
        json_builder_set_member_name(builder, status ? "error-desc" : "desc");
        json_builder_add_string_value(builder, words);
    }
    json_builder_end_object(builder);
    json_builder_set_member_name(builder, "id");
    json_builder_add_string_value(builder, id);
    json_builder_end_object(builder);
    g_autoptr(JsonNode) root = json_builder_get_root(builder);
    push(carrier, json_to_string(root, FALSE));
    g_free(words);
}

/* libvirt gives its own id; members that come later count. */
static char *with_id(const char *reply, const char *id)
{
    const char *end = strrchr(reply, '}');
    gsize len = end ? (gsize)(end - reply) : 0;
    if (!len || g_strstr_len(reply, -1, "\"") == NULL)
        return g_strdup(reply);
    return g_strdup_printf("%.*s,\"id\":\"%s\"}", (int)len, reply, id);
}

/* What makes the guest stand still, or has QEMU do what libvirt has it do as well. */
static gboolean is_change(const char *command)
{
    static const char *const changes[] = {"stop", "migrate", "migrate-set-capabilities",
                                          "dump-guest-memory"};
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        if (strcmp(command, changes[i]) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Calls for which libvirt has one of its own, which may be allowed where the monitor is not. */
static gboolean do_without_monitor(Carrier *carrier, const char *command)
{
    if (strcmp(command, "inject-nmi") == 0)
        return virDomainInjectNMI(carrier->domain, 0) == 0;
    if (strcmp(command, "system_reset") == 0)
        return virDomainReset(carrier->domain, 0) == 0;
    return FALSE;
}

/* FALSE: *words (fresh) are libvirt's. */
static gboolean run_command(Carrier *carrier, const char *command, const char *text, int fd,
                            char **reply, char **words)
{
    int files[1] = {fd};
    if (fd >= 0 ? virDomainQemuMonitorCommandWithFiles(carrier->domain, text, 1, files, NULL, NULL,
                                                       reply, 0) == 0
                : virDomainQemuMonitorCommand(carrier->domain, text, reply, 0) == 0)
        return TRUE;
    int code = virGetLastErrorCode();
    *words = dk_libvirt_last_words();
    if ((code != VIR_ERR_ACCESS_DENIED && code != VIR_ERR_NO_SUPPORT &&
         code != VIR_ERR_OPERATION_DENIED) ||
        !do_without_monitor(carrier, command))
        return FALSE;
    g_clear_pointer(words, g_free);
    *reply = strdup("{\"return\":{}}");
    return *reply != NULL;
}

/* The process of a thread; -1: there is none here. */
static pid_t process_of(gint64 tid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/status", tid);
    g_autofree char *text = NULL;
    if (tid <= 0 || !g_file_get_contents(path, &text, NULL, NULL))
        return -1;
    const char *line = strstr(text, "\nTgid:");
    return line ? (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10) : -1;
}

/* Of a guest on another machine a process here may have the same number. */
static gboolean is_process_of(const Carrier *carrier, pid_t pid)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)pid);
    g_autofree char *words = NULL;
    gsize len;
    if (pid <= 0 || virDomainGetUUIDString(carrier->domain, uuid) < 0 ||
        !g_file_get_contents(path, &words, &len, NULL))
        return FALSE;
    for (gsize at = 0; at < len; at += strlen(words + at) + 1) {
        if (strcmp(words + at, uuid) == 0)
            return TRUE;
    }
    return FALSE;
}

/* libvirt does not tell the process, but QEMU the threads of its CPUs. */
static pid_t libvirt_peer(DkQmpTransport *transport)
{
    Carrier *carrier = (Carrier *)transport;
    char *reply = NULL;
    pid_t pid = -1;
    if (virDomainQemuMonitorCommand(carrier->domain, "{\"execute\":\"query-cpus-fast\"}", &reply,
                                    0) < 0)
        return -1;
    const char *member = strstr(reply, "\"thread-id\":");
    if (member)
        pid = process_of(g_ascii_strtoll(member + strlen("\"thread-id\":"), NULL, 10));
    free(reply);
    return is_process_of(carrier, pid) ? pid : -1;
}

/* The parts of a command of DkQmp; text has no id, which libvirt gives itself. */
typedef struct {
    char *name;
    char *id;
    char *fdname;
    gboolean is_part; /* of the memory is to be dumped */
    char *text;
} Command;

static void command_clear(Command *command)
{
    g_free(command->name);
    g_free(command->id);
    g_free(command->fdname);
    g_free(command->text);
}

static gboolean split(const char *text, Command *command)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_data(parser, text, -1, NULL))
        return FALSE;
    JsonNode *root = json_parser_get_root(parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT(root))
        return FALSE;
    JsonObject *object = json_node_get_object(root);
    command->name = g_strdup(json_object_get_string_member_with_default(object, "execute", ""));
    command->id = g_strdup(json_object_get_string_member_with_default(object, "id", ""));
    JsonNode *node = json_object_get_member(object, "arguments");
    if (node && JSON_NODE_HOLDS_OBJECT(node)) {
        JsonObject *arguments = json_node_get_object(node);
        command->fdname = g_strdup(
            json_object_get_string_member_with_default(arguments, "fdname", ""));
        command->is_part = json_object_has_member(arguments, "length");
    }
    json_object_remove_member(object, "id");
    command->text = json_to_string(root, FALSE);
    return TRUE;
}

static void drop_held(Carrier *carrier)
{
    dk_fd_close(&carrier->held);
    g_clear_pointer(&carrier->held_name, g_free);
}

/*
 * A dump through the monitor would be followed by the event DUMP_COMPLETED, of which libvirt 9.0
 * dies when it has not begun the dump itself.
 */
static void dump(Carrier *carrier, const Command *command)
{
    g_autoptr(GError) error = NULL;
    if (command->is_part || carrier->held < 0)
        answer(carrier, command->id, NULL, g_strdup("libvirt dumps all of the memory or nothing"));
    else if (libvirt_peer(&carrier->base) < 0)
        /* The pipe's name means something on this machine only. */
        answer(carrier, command->id, NULL, g_strdup("the guest is not on this machine"));
    else if (!dk_libvirt_dump_start(&carrier->dump, carrier->domain, carrier->held, &error))
        answer(carrier, command->id, NULL, g_strdup(error->message));
    else
        answer(carrier, command->id, NULL, NULL);
    drop_held(carrier);
}

/* Commands that QEMU must not see, or not yet; FALSE for another one. */
static gboolean intercept(Carrier *carrier, const Command *command, int fd)
{
    if (strcmp(command->name, "getfd") == 0) {
        drop_held(carrier);
        carrier->held = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        carrier->held_name = g_strdup(command->fdname);
        answer(carrier, command->id, NULL,
               carrier->held < 0 ? g_strdup("no descriptor came along") : NULL);
        return TRUE;
    }
    if (strcmp(command->name, "closefd") == 0 &&
        g_strcmp0(carrier->held_name, command->fdname) == 0) {
        drop_held(carrier);
        answer(carrier, command->id, NULL, NULL);
        return TRUE;
    }
    if (strcmp(command->name, "dump-guest-memory") == 0) {
        dump(carrier, command);
        return TRUE;
    }
    if (strcmp(command->name, "query-dump") == 0 && carrier->dump.words >= 0) {
        gboolean runs = dk_libvirt_dump_runs(&carrier->dump);
        gboolean failed = !runs && carrier->dump.failed;
        answer(carrier, command->id,
               runs     ? "active"
               : failed ? "failed"
                        : "completed",
               failed ? dk_libvirt_dump_words(&carrier->dump) : NULL);
        return TRUE;
    }
    return FALSE;
}

/* The descriptor that a migration goes to, to QEMU; on failure *words as run_command() gives. */
static gboolean hand_over(Carrier *carrier, char **words)
{
    g_autofree char *text = g_strdup_printf(
        "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"%s\"}}", carrier->held_name);
    char *reply = NULL;
    gboolean is_done = run_command(carrier, "getfd", text, carrier->held, &reply, words);
    if (is_done && !strstr(reply, "\"return\"")) {
        *words = g_strdup(reply);
        is_done = FALSE;
    }
    free(reply);
    drop_held(carrier);
    return is_done;
}

static void send_command(Carrier *carrier, const Command *command, int fd)
{
    char *reply = NULL;
    char *words = NULL;
    g_autofree char *job = is_change(command->name) ? dk_libvirt_job(carrier->domain) : NULL;
    if (job) {
        answer(carrier, command->id, NULL, g_strdup_printf("libvirt runs a job: %s", job));
        return;
    }
    if (intercept(carrier, command, fd))
        return;
    gboolean is_migration = strcmp(command->name, "migrate") == 0 && carrier->held >= 0;
    if ((!is_migration || hand_over(carrier, &words)) &&
        run_command(carrier, command->name, command->text, fd, &reply, &words)) {
        push(carrier, with_id(reply, command->id));
        free(reply);
        return;
    }
    answer(carrier, command->id, NULL, words ? words : g_strdup("no answer"));
    if (!virConnectIsAlive(carrier->connection))
        set_gone(carrier, "libvirt has closed the connection");
    else if (virDomainIsActive(carrier->domain) == 0)
        set_gone(carrier, "the guest has ended");
}

static gboolean libvirt_send(DkQmpTransport *transport, const char *text, gsize len, int fd,
                             GError **error)
{
    Carrier *carrier = (Carrier *)transport;
    Command command = {0};
    if (carrier->gone) {
        set_gone_error(carrier, error);
        return FALSE;
    }
    if (len >= DK_QMP_MESSAGE_MAX || !split(text, &command)) {
        g_set_error(error, DK_ERROR, DK_ERROR_LIMIT, "%s: a command of %zu bytes cannot be sent",
                    transport->name, len);
        return FALSE;
    }
    send_command(carrier, &command, fd);
    command_clear(&command);
    /* An answer about a guest that ended meanwhile says less than that it has ended. */
    if (carrier->gone)
        set_gone_error(carrier, error);
    return carrier->gone == NULL;
}

static gboolean on_timeout(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* Until something has come, or timeout_ms are over. */
static void wait_for_message(Carrier *carrier, guint timeout_ms)
{
    gboolean is_over = FALSE;
    g_autoptr(GSource) timer = g_timeout_source_new(timeout_ms);
    g_source_set_callback(timer, on_timeout, &is_over, NULL);
    g_source_attach(timer, NULL);
    while (!is_over && !carrier->gone && g_queue_is_empty(&carrier->messages))
        g_main_context_iteration(NULL, TRUE);
    g_source_destroy(timer);
}

static gboolean libvirt_receive(DkQmpTransport *transport, guint timeout_ms, char **text,
                                GError **error)
{
    Carrier *carrier = (Carrier *)transport;
    dispatch();
    if (g_queue_is_empty(&carrier->messages) && !carrier->gone && timeout_ms)
        wait_for_message(carrier, timeout_ms);
    *text = g_queue_pop_head(&carrier->messages);
    if (!*text && carrier->gone) {
        set_gone_error(carrier, error);
        return FALSE;
    }
    eventfd_t count;
    if (g_queue_is_empty(&carrier->messages) && !carrier->gone)
        (void)!eventfd_read(carrier->wake, &count);
    return TRUE;
}

static int libvirt_poll_fd(DkQmpTransport *transport)
{
    return ((Carrier *)transport)->polls;
}

static gboolean libvirt_idle(DkQmpTransport *transport, GError **error)
{
    g_autofree char *job = dk_libvirt_job(((Carrier *)transport)->domain);
    if (!job)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_BUSY,
                "%s: libvirt runs a job: %s (virsh domjobinfo shows it)", transport->name, job);
    return FALSE;
}

static void libvirt_close(DkQmpTransport *transport)
{
    Carrier *carrier = (Carrier *)transport;
    if (carrier->monitor_events >= 0)
        virConnectDomainQemuMonitorEventDeregister(carrier->connection, carrier->monitor_events);
    if (carrier->life_events >= 0)
        virConnectDomainEventDeregisterAny(carrier->connection, carrier->life_events);
    if (carrier->domain)
        virDomainFree(carrier->domain);
    if (carrier->connection) {
        virConnectUnregisterCloseCallback(carrier->connection, take_close);
        virConnectClose(carrier->connection);
    }
    /* Callbacks that are under way know the carrier. */
    dispatch();
    g_queue_clear_full(&carrier->messages, g_free);
    drop_held(carrier);
    dk_libvirt_dump_clear(&carrier->dump);
    dk_fd_close(&carrier->wake);
    dk_fd_close(&carrier->polls);
    g_free(carrier->gone);
    g_free(transport->name);
    g_free(carrier);
}

static const DkQmpTransportOps libvirt_ops = {
    .name = "libvirt",
    .send = libvirt_send,
    .receive = libvirt_receive,
    .poll_fd = libvirt_poll_fd,
    .peer = libvirt_peer,
    .idle = libvirt_idle,
    .close = libvirt_close,
};

static virDomainPtr look_up(virConnectPtr connection, const char *name)
{
    char *end;
    virDomainPtr domain = NULL;
    long id = strtol(name, &end, 10);
    if (g_ascii_isdigit(*name) && !*end && id <= G_MAXINT)
        domain = virDomainLookupByID(connection, (int)id);
    if (!domain)
        domain = virDomainLookupByUUIDString(connection, name);
    return domain ? domain : virDomainLookupByName(connection, name);
}

static gboolean find_domain(Carrier *carrier, const char *name, GError **error)
{
    const char *target = carrier->base.name;
    carrier->connection = virConnectOpen(NULL);
    if (!carrier->connection) {
        dk_libvirt_set_error(error, target);
        return FALSE;
    }
    const char *kind = virConnectGetType(carrier->connection);
    if (g_strcmp0(kind, "QEMU") != 0) {
        g_set_error(error, DK_ERROR, DK_ERROR_UNSUPPORTED,
                    "%s: the connection is to %s, and QEMU's monitor is needed", target,
                    kind ? kind : "an unknown hypervisor");
        return FALSE;
    }
    carrier->domain = look_up(carrier->connection, name);
    if (!carrier->domain) {
        dk_libvirt_set_error(error, target);
        return FALSE;
    }
    if (virDomainIsActive(carrier->domain) == 1)
        return TRUE;
    g_set_error(error, DK_ERROR, DK_ERROR_NOT_FOUND, "%s: the guest does not run", target);
    return FALSE;
}

static gboolean register_events(Carrier *carrier, GError **error)
{
    carrier->monitor_events = virConnectDomainQemuMonitorEventRegister(
        carrier->connection, carrier->domain, NULL, take_event, carrier, NULL, 0);
    carrier->life_events = virConnectDomainEventRegisterAny(
        carrier->connection, carrier->domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK(take_life), carrier, NULL);
    if (carrier->monitor_events < 0 || carrier->life_events < 0 ||
        virConnectRegisterCloseCallback(carrier->connection, take_close, carrier, NULL) < 0) {
        dk_libvirt_set_error(error, carrier->base.name);
        return FALSE;
    }
    return TRUE;
}

static gboolean add_poll(Carrier *carrier, int fd, guint32 events, GError **error)
{
    struct epoll_event event = {.events = events};
    if (epoll_ctl(carrier->polls, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EEXIST)
        return TRUE;
    dk_error_set_errno(error, errno, "%s: epoll", carrier->base.name);
    return FALSE;
}

/* The sockets of libvirt's client, which stay the same while it is connected. */
static gboolean gather_polls(Carrier *carrier, GError **error)
{
    GPollFD polls[POLLS_MAX];
    gint priority;
    gint timeout;
    GMainContext *context = g_main_context_default();
    carrier->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    carrier->polls = epoll_create1(EPOLL_CLOEXEC);
    if (carrier->wake < 0 || carrier->polls < 0) {
        dk_error_set_errno(error, errno, "%s: epoll", carrier->base.name);
        return FALSE;
    }
    if (!add_poll(carrier, carrier->wake, EPOLLIN, error) || !g_main_context_acquire(context))
        return FALSE;
    g_main_context_prepare(context, &priority);
    gint count = g_main_context_query(context, G_MAXINT, &timeout, polls, POLLS_MAX);
    g_main_context_release(context);
    for (gint i = 0; i < MIN(count, POLLS_MAX); i++) {
        if ((polls[i].events & G_IO_IN) && !add_poll(carrier, polls[i].fd, EPOLLIN, error))
            return FALSE;
    }
    return TRUE;
}

DkQmpTransport *dk_libvirt_open(const char *target, GError **error)
{
    const char *name = g_str_has_prefix(target, "libvirt:") ? target + strlen("libvirt:") : target;
    if (!*name) {
        g_set_error(error, DK_ERROR, DK_ERROR_USAGE, "%s: libvirt:NAME is expected", target);
        return NULL;
    }
    if (!dk_libvirt_start(error))
        return NULL;
    Carrier *carrier = g_new0(Carrier, 1);
    carrier->base.ops = &libvirt_ops;
    carrier->base.name = g_strdup(target);
    carrier->monitor_events = -1;
    carrier->life_events = -1;
    carrier->held = -1;
    carrier->dump.words = -1;
    carrier->wake = -1;
    carrier->polls = -1;
    g_queue_init(&carrier->messages);
    g_autoptr(DkQmpTransport) transport = &carrier->base;
    if (!find_domain(carrier, name, error) || !register_events(carrier, error) ||
        !gather_polls(carrier, error))
        return NULL;
    /* Messages may have come before there was anything to wake. */
    wake_up(carrier);
    return g_steal_pointer(&transport);
}
