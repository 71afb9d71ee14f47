/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/timer.h"

static int log_rank, log_size = 1, log_quiet;
static int line_open; /* a progress line without newline stands on the terminal */
static char last_error[1024];

void log_init(int rank, int size, int quiet)
{
    log_rank = rank;
    log_size = size;
    log_quiet = quiet;
}

static void put(const char *prefix, const char *format, va_list args)
{
    char text[2048];
    vsnprintf(text, sizeof text, format, args);
    fprintf(stderr, "%s%s%s\n", line_open ? "\n" : "", prefix, text);
    fflush(stderr);
    line_open = 0;
}

void log_info(const char *format, ...)
{
    if (log_rank || log_quiet)
        return;
    va_list args;
    va_start(args, format);
    put("", format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    if (log_rank)
        return;
    va_list args;
    va_start(args, format);
    put("warning: ", format, args);
    va_end(args);
}

void log_error(const char *format, ...)
{
    char prefix[48] = "error: ";
    if (log_size > 1)
        snprintf(prefix, sizeof prefix, "error (rank %d): ", log_rank);
    va_list args;
    va_start(args, format);
    vsnprintf(last_error, sizeof last_error, format, args);
    va_end(args);
    va_start(args, format);
    put(prefix, format, args);
    va_end(args);
}

const char *log_last_error(void)
{
    return last_error;
}

static struct {
    const char *what;
    int64_t done, total;
} latest;

const char *progress_latest(int64_t *done, int64_t *total)
{
    *done = latest.done;
    *total = latest.total;
    return latest.what;
}

void progress_start(struct progress *p, const char *what, const char *unit, int64_t first,
                    int64_t total)
{
    double now = timer_now_s();
    *p = (struct progress){what, unit, total, first, now, now - 1e9};
    latest.what = what;
    latest.done = first;
    latest.total = total;
}

static void print_progress(struct progress *p, int64_t done, const char *extra,
                           const char *time_word, double seconds, int terminal)
{
    double rate = (double)(done - p->first) / (timer_now_s() - p->start_s + 1e-9);
    int s = (int)(seconds + 0.5);
    fprintf(stderr, "%s%-11s %lld/%lld %s  %.*f %s/s  %s %d:%02d%s%s", terminal ? "\r\033[K" : "",
            p->what, (long long)done, (long long)p->total, p->unit, rate < 10 ? 2 : 0, rate,
            p->unit, time_word, s / 60, s % 60, extra && *extra ? "  " : "", extra ? extra : "");
    line_open = terminal;
    if (!terminal)
        fputc('\n', stderr);
    fflush(stderr);
}

void progress_show(struct progress *p, int64_t done, const char *extra)
{
    int terminal = isatty(STDERR_FILENO);
    timer_alive();
    double now = timer_now_s(), spent = now - p->start_s;
    latest.done = done;
    if (log_rank || log_quiet || done <= p->first || now - p->shown_s < (terminal ? 0.2 : 30.0))
        return;
    if (!terminal &&
        p->shown_s < p->start_s) { /* a batch log hears of a stage only once it has lasted */
        p->shown_s = now;
        return;
    }
    p->shown_s = now;
    print_progress(p, done, extra, "left",
                   spent / (double)(done - p->first) * (double)(p->total - done), terminal);
}

void progress_end(struct progress *p, int64_t done)
{
    latest.done = done;
    if (log_rank || log_quiet)
        return;
    print_progress(p, done, NULL, "in", timer_now_s() - p->start_s, isatty(STDERR_FILENO));
    if (line_open)
        fputc('\n', stderr);
    line_open = 0;
}
