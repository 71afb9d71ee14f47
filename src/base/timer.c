/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timer.h"

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
    find(name)->began = timer_now_s();
}

void timer_end(const char *name)
{
    struct section *s = find(name);
    s->seconds += timer_now_s() - s->began;
    s->calls++;
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
