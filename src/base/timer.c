/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/die.h"

enum { MAX_SECTIONS = 64 };
static struct section {
    const char *name;
    double seconds, began;
    int64_t calls;
} sections[MAX_SECTIONS];
static int section_count;

enum { MAX_DEPTH = 16 };
static const char *_Atomic inside[MAX_DEPTH];
static atomic_int depth, waiting;
static atomic_llong signs_of_life;

void timer_alive(void)
{
    atomic_fetch_add_explicit(&signs_of_life, 1, memory_order_relaxed);
}

void timer_waiting(int waits)
{
    atomic_store_explicit(&waiting, waits, memory_order_relaxed);
    timer_alive();
}

const char *timer_watch(int *waits, int64_t *signs)
{
    *waits = atomic_load(&waiting);
    *signs = (int64_t)atomic_load(&signs_of_life);
    int top = atomic_load(&depth);
    return top > 0 ? atomic_load(&inside[(top < MAX_DEPTH ? top : MAX_DEPTH) - 1]) : NULL;
}

static void enter(const char *name)
{
    int top = atomic_load(&depth);
    if (top < MAX_DEPTH)
        atomic_store(&inside[top], name);
    atomic_store(&depth, top + 1);
    timer_alive();
}

static void leave(void)
{
    int top = atomic_load(&depth);
    if (top > 0)
        atomic_store(&depth, top - 1);
    timer_alive();
}

double timer_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static struct section *find(const char *name)
{
    for (int i = 0; i < section_count; i++)
        if (sections[i].name == name || !strcmp(sections[i].name, name))
            return &sections[i];
    REQUIRE(section_count < MAX_SECTIONS);
    sections[section_count] = (struct section){.name = name};
    return &sections[section_count++];
}

void timer_begin(const char *name)
{
    enter(name);
    find(name)->began = timer_now_s();
}

void timer_end(const char *name)
{
    struct section *s = find(name);
    s->seconds += timer_now_s() - s->began;
    s->calls++;
    leave();
}

void timer_add(const char *name, double s, int64_t calls)
{
    struct section *section = find(name);
    section->seconds += s;
    section->calls += calls;
}

int timer_count(void)
{
    return section_count;
}

const char *timer_name(int i)
{
    return sections[i].name;
}

double timer_seconds(int i)
{
    return sections[i].seconds;
}

int64_t timer_calls(int i)
{
    return sections[i].calls;
}

void timer_reset(void)
{
    section_count = 0;
}
