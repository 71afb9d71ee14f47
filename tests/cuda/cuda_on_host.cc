/* SPDX-License-Identifier: Apache-2.0
 * The engine of cuda_on_host.h: fibres, barriers, launches. The runtime's calls are in cuda_runtime.cc. */
#include "cuda_on_host.h"

#include <sys/mman.h>
#include <vector>

#include "streams.h"
#if defined(COH_ASAN) /* the kernels are under the address sanitizer (this file need not be) */
#include <sanitizer/common_interface_defs.h>
#define FIBRE_LEAVE(fake, bottom, bytes) __sanitizer_start_switch_fiber(fake, bottom, bytes)
#define FIBRE_ENTER(fake, bottom, bytes) __sanitizer_finish_switch_fiber(fake, bottom, bytes)
#else
#define FIBRE_LEAVE(fake, bottom, bytes) ((void)0)
#define FIBRE_ENTER(fake, bottom, bytes) ((void)0)
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace coh {
run *R;
thread *me;

/* ---- fibres: a stack each, switched by hand: swapcontext asks the kernel and takes a hundred times as long ---- */

enum { STACK = 256 << 10, PAGE = 64 << 10 };
struct fibre {
    char *stack;
#if defined(__x86_64__)
    void *sp;
#else
    ucontext_t context;
#endif
    void *fake; /* the address sanitizer's stack */
};
static fibre scheduler;
[[maybe_unused]] static const void *scheduler_bottom;
[[maybe_unused]] static size_t scheduler_bytes;
static std::vector<fibre *> &idle = *new std::vector<fibre *>(); /* kept to the end, and beyond */

#if defined(__x86_64__)
extern "C" void coh_switch(void **save, void *to);
__asm__(".text\n"
        ".globl coh_switch\n"
        "coh_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n"
        "    ret\n");
static void change(fibre *from, fibre *to)
{
    coh_switch(&from->sp, to->sp);
}
#else
static void change(fibre *from, fibre *to)
{
    swapcontext(&from->context, &to->context);
}
#endif

static fibre *fibre_take();
static bool from_scheduler; /* so was the last switch */

/* Goes on with thread t on its fibre, or with the scheduler if it is NULL; returns when someone switches back. */
static void leave(fibre *self, thread *t)
{
    if (t) {
        me = t;
        if (!t->f)
            t->f = fibre_take();
        from_scheduler = self == &scheduler;
        FIBRE_LEAVE(&self->fake, t->f->stack + PAGE, STACK);
        change(self, t->f);
    } else {
        FIBRE_LEAVE(&self->fake, scheduler_bottom, scheduler_bytes);
        change(self, &scheduler);
    }
    FIBRE_ENTER(self->fake, NULL, NULL);
}

static thread *next_thread();
static const std::function<void()> *body;

/* A fibre runs one thread after another: most never wait, and need no switch. */
static void fibre_main()
{
    [[maybe_unused]] const void *bottom;
    [[maybe_unused]] size_t bytes;
    FIBRE_ENTER(NULL, &bottom, &bytes);
    if (from_scheduler)
        scheduler_bottom = bottom, scheduler_bytes = bytes;
    for (;;) {
        fibre *self = me->f;
        thread *t = me;
        for (;;) {
            me = t;
            t->f = self;
            (*body)();
            t->at = DONE;
            t->f = NULL;
            t = next_thread();
            if (!t || t->f)
                break;
        }
        idle.push_back(self);
        leave(self, t);
    }
}

static fibre *fibre_take()
{
    if (!idle.empty()) {
        fibre *f = idle.back();
        idle.pop_back();
        return f;
    }
    fibre *f = new fibre();
    f->stack = (char *)mmap(NULL, PAGE + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (f->stack == MAP_FAILED || mprotect(f->stack, PAGE, PROT_NONE)) {
        perror("cuda_on_host: stack of a thread");
        abort();
    }
#if defined(__x86_64__)
    void **top = (void **)(void *)(f->stack + PAGE + STACK);
    *--top = NULL; /* fibre_main never returns */
    *--top = (void *)fibre_main;
    f->sp = top - 6; /* zeros for the saved registers */
#else
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack + PAGE;
    f->context.uc_stack.ss_size = STACK;
    makecontext(&f->context, fibre_main, 0);
#endif
    return f;
}

/* ---- the threads of a cluster of blocks ---- */

static std::vector<thread *> order; /* those that run in this round */
static size_t cursor;

/* xorshift64* */
static uint32_t dice()
{
    static uint64_t x = 0x9e3779b97f4a7c15u * (getenv("COH_SEED") ? (unsigned)atoi(getenv("COH_SEED")) : 1u) + 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    return (uint32_t)(x * 0x2545f4914f6cdd1du >> 32);
}

static thread *next_thread()
{
    return cursor < order.size() ? order[cursor++] : NULL;
}

void die(const char *what, const thread *t)
{
    fprintf(stderr, "cuda_on_host: %s: block (%u,%u,%u) thread (%u,%u,%u)\n", what, t->b->idx.x, t->b->idx.y,
            t->b->idx.z, t->idx.x, t->idx.y, t->idx.z);
    abort();
}

void wait_for(state at, unsigned mask)
{
    thread *self = me;
    if (at == WARP && !(mask >> self->lane & 1))
        die("a warp operation by a lane that its mask leaves out", self);
    self->at = at;
    self->mask = mask;
    leave(self->f, next_thread());
}

/* Lets the lanes of warp t[0..n) go on that wait for each other: all of a mask that still live, with the same mask. */
static bool release_warp(thread *t, unsigned n)
{
    bool any = false;
    unsigned waiting = 0, done = n < 32 ? ~0u << n : 0;
    for (unsigned i = 0; i < n; i++) {
        waiting |= (unsigned)(t[i].at == WARP) << i;
        done |= (unsigned)(t[i].at == DONE) << i;
    }
    while (waiting) {
        unsigned mask = t[__builtin_ctz(waiting)].mask, group = 0;
        for (unsigned i = 0; i < n; i++)
            group |= (unsigned)((waiting >> i & 1) && t[i].mask == mask) << i;
        waiting &= ~group;
        if (mask & ~(group | done))
            continue;
        for (unsigned i = 0; i < n; i++)
            if (mask >> i & 1) {
                t[i].there = group >> i & 1;
                t[i].offered = t[i].slot;
                if (t[i].there)
                    t[i].at = READY;
            }
        any = true;
    }
    return any;
}

/* Lets blocks[0..count) go on if all their living threads wait at the same kind of barrier. */
static bool release_all(block *blocks, unsigned count, state at)
{
    bool any = false;
    for (unsigned c = 0; c < count; c++)
        for (unsigned i = 0; i < R->threads; i++) {
            state is = blocks[c].t[i].at;
            if (is != DONE && is != at)
                return false;
            any |= is == at;
        }
    for (unsigned c = 0; any && c < count; c++)
        for (unsigned i = 0; i < R->threads; i++)
            if (blocks[c].t[i].at == at)
                blocks[c].t[i].at = READY;
    return any;
}

static bool release()
{
    bool any = false;
    for (unsigned c = 0; c < R->cluster; c++)
        for (unsigned first = 0; first < R->threads; first += 32)
            any |= release_warp(R->b[c].t + first, std::min(32u, R->threads - first));
    for (unsigned c = 0; !any && c < R->cluster; c++)
        any |= release_all(&R->b[c], 1, BLOCK);
    return any || release_all(R->b, R->cluster, CLUSTER);
}

/* Puts into order who can run. Half of the warps oversleep each round, as on the card some run ahead: a buffer that is
 * filled again too soon shows. */
static void line_up(thread **waits, bool *overslept)
{
    uint32_t asleep = 0;
    *waits = NULL;
    *overslept = false;
    order.clear();
    for (unsigned c = 0; c < R->cluster; c++)
        for (unsigned i = 0; i < R->threads; i++) {
            thread *t = &R->b[c].t[i];
            if (i % 32 == 0)
                asleep = dice() >> 31;
            if (t->at != DONE)
                *waits = t;
            if (t->at != READY)
                continue;
            if (t->f && asleep)
                *overslept = true;
            else
                order.push_back(t);
        }
    for (size_t i = order.size(); i > 1; i--)
        std::swap(order[i - 1], order[(uint64_t)dice() * i >> 32]);
}

static void run_cluster()
{
    for (;;) {
        thread *waits;
        bool overslept;
        line_up(&waits, &overslept);
        if (!waits)
            return;
        bool ran = !order.empty();
        cursor = 0;
        if (ran)
            leave(&scheduler, next_thread());
        if (!release() && !overslept && !ran)
            die("a barrier that not every living thread of its group reaches", waits);
    }
}

/* ---- launches ---- */

enum { GUARD = 64 };
static long long blocks_launched;

static void run_grid(dim3 grid, dim3 dim, size_t smem_bytes, unsigned cluster, const std::function<void()> &kernel)
{
    const unsigned threads = dim.x * dim.y * dim.z;
    std::vector<thread> t(threads * cluster);
    std::vector<block> b(cluster);
    run r = {grid, dim, threads, cluster, smem_bytes, b.data()};
    R = &r;
    body = &kernel;
    for (unsigned c = 0; c < cluster; c++)
        b[c].smem = (unsigned char *)aligned_alloc(128, (smem_bytes + GUARD + 127) / 128 * 128);
    for (uint64_t at = 0; at < (uint64_t)grid.x * grid.y * grid.z; at += cluster) {
        for (unsigned c = 0; c < cluster; c++) {
            uint64_t i = at + c;
            b[c].idx = dim3((unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y), (unsigned)(i / grid.x / grid.y));
            b[c].rank = c;
            b[c].t = &t[c * threads];
            memset(b[c].smem, 0xff, smem_bytes);
            memset(b[c].smem + smem_bytes, 0xa5, GUARD);
            for (unsigned k = 0; k < threads; k++) {
                dim3 idx(k % dim.x, k / dim.x % dim.y, k / (dim.x * dim.y));
                b[c].t[k] = {idx, k % 32, k / 32, 0, READY, 0, 0, false, &b[c], NULL};
            }
        }
        run_cluster();
        for (unsigned c = 0; c < cluster; c++)
            for (unsigned i = 0; i < GUARD; i++)
                if (b[c].smem[smem_bytes + i] != 0xa5)
                    die("shared memory written behind its end", b[c].t);
    }
    for (unsigned c = 0; c < cluster; c++)
        free(b[c].smem);
    R = NULL;
    me = NULL;
}

cudaError_t launch(cudaStream_t stream, dim3 grid, dim3 dim, size_t smem_bytes, unsigned cluster, const void *kernel,
                   std::function<void()> kernel_body)
{
    const kernel_limits limits = limits_of(kernel);
    const uint64_t threads = (uint64_t)dim.x * dim.y * dim.z;
    if (!grid.x || !grid.y || !grid.z || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535 || !threads ||
        threads > 1024 || dim.z > 64)
        return fault(cudaErrorInvalidConfiguration);
    if (smem_bytes > limits.smem_bytes)
        return fault(cudaErrorInvalidValue);
    if (cluster > 1 && (grid.x % cluster || cluster > limits.cluster))
        return fault(cudaErrorInvalidClusterSize);
    note_launch(stream, kernel, smem_bytes);
    blocks_launched += (long long)grid.x * grid.y * grid.z;
    enqueue(stream, [=] { run_grid(grid, dim, smem_bytes, cluster, kernel_body); });
    return cudaSuccess;
}

/* COH_CLUSTER: the most blocks that share a cluster on this card. */
int clusters_most(const void *kernel, unsigned cluster, dim3 dim, size_t smem_bytes)
{
    const kernel_limits limits = limits_of(kernel);
    const char *most = getenv("COH_CLUSTER");
    return cluster <= limits.cluster && (!most || cluster <= (unsigned)atoi(most)) && dim.x * dim.y * dim.z <= 1024 &&
           smem_bytes <= limits.smem_bytes;
}
} // namespace coh

extern "C" long long coh_blocks(void) { return coh::blocks_launched; }
