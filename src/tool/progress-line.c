/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tool/progress-line.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/size.h"

#define INTERVAL_US (G_USEC_PER_SEC / 10)
#define RATE_AFTER_US (G_USEC_PER_SEC / 10)
#define DEFAULT_COLUMNS 80

char *dk_progress_size_text(guint64 bytes)
{
    return dk_size_text(bytes);
}

static void append_duration(GString *text, double seconds)
{
    if (seconds < 90)
        g_string_append_printf(text, "%.0f s", seconds);
    else if (seconds < 90.0 * 60)
        g_string_append_printf(text, "%.0f min", seconds / 60);
    else if (seconds < 1000.0 * 3600)
        g_string_append_printf(text, "%.0f h", seconds / 3600);
    else
        g_string_append(text, "very long");
}

char *dk_progress_line_text(const char *label, guint64 done, guint64 total, guint64 since,
                            gint64 elapsed_us, guint columns)
{
    GString *text = g_string_new(NULL);
    g_autofree char *done_text = dk_progress_size_text(done);
    g_string_append_printf(text, "%s: %s", label, done_text);
    if (total) {
        g_autofree char *total_text = dk_progress_size_text(total);
        double share = MIN(1.0, (double)done / (double)total);
        /* Rounded down: 100 % is for all of it. */
        g_string_append_printf(text, " of %s, %d %%", total_text, (int)(share * 100));
    }
    if (elapsed_us >= RATE_AFTER_US && done > since) {
        double rate = (double)(done - since) * G_USEC_PER_SEC / (double)elapsed_us;
        g_autofree char *rate_text = dk_progress_size_text((guint64)rate);
        g_string_append_printf(text, ", %s/s", rate_text);
        if (total > done && rate > 0) {
            g_string_append(text, ", ");
            append_duration(text, (double)(total - done) / rate);
            g_string_append(text, " left");
        }
    }
    if (text->len > columns)
        g_string_truncate(text, columns);
    return g_string_free(text, FALSE);
}

static guint terminal_columns(int fd)
{
    struct winsize size = {0};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return DEFAULT_COLUMNS;
    return size.ws_col;
}

/* A terminal that cannot be written to is no reason to end the work. */
static void write_terminal(int fd, const char *text)
{
    gssize done = write(fd, text, strlen(text));
    (void)done;
}

static void draw(DkProgressLine *line, guint64 done, guint64 total)
{
    gint64 now = g_get_monotonic_time();
    if (!line->start_us || done < line->start_done) {
        line->start_us = now;
        line->start_done = done;
    }
    if (line->shown_us && now - line->shown_us < INTERVAL_US)
        return;
    line->shown_us = now;
    g_autofree char *text = dk_progress_line_text(line->label, done, total, line->start_done,
                                                  now - line->start_us, terminal_columns(line->fd));
    g_autofree char *drawn = g_strdup_printf("\r\033[K%s", text);
    write_terminal(line->fd, drawn);
    line->visible = TRUE;
}

static void report(DkProgress *progress, guint64 done, guint64 total)
{
    DkProgressLine *line = (DkProgressLine *)progress;
    g_mutex_lock(&line->lock);
    draw(line, done, total);
    g_mutex_unlock(&line->lock);
}

void dk_progress_line_start(DkProgressLine *line, int fd, const char *label)
{
    line->label = label;
    line->fd = fd;
    line->progress.report = report;
}

void dk_progress_line_erase(DkProgressLine *line)
{
    g_mutex_lock(&line->lock);
    if (line->visible)
        write_terminal(line->fd, "\r\033[K");
    line->visible = FALSE;
    g_mutex_unlock(&line->lock);
}
