/* SPDX-License-Identifier: Apache-2.0
 * The norm that does the concatenation before it: the same bits as one after the other, forward and backward, with both
 * ways through memory, clusters, halves that do not end with a slab or a group, and halves that no vector fits. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "device/concat_norm.h"

struct arrays {
    struct device *d;
    void *a, *b, *x, *y, *dy, *dx, *da, *db;
    float *gamma, *beta, *dgamma, *dbeta, *stats;
    size_t a_bytes, b_bytes, bytes, affine_bytes, stats_bytes;
    char *host;
};

/* Random numbers: the same for the same `which`. */
static void *filled(struct arrays *m, enum dtype type, size_t bytes, int which)
{
    int64_t n = (int64_t)(bytes / dtype_bytes(type));
    float *values = mem_alloc((size_t)(n + 1) * sizeof *values);
    for (int64_t i = 0; i < n; i += 2) {
        struct rng4 r = rng_draw(1, RNG_TEST, (uint64_t)which, 0, (uint32_t)i);
        rng_normal2(r.v[0], r.v[1], values + i);
    }
    float *on_device = m->d->ops->alloc(m->d, (size_t)n * sizeof(float));
    void *p = m->d->ops->alloc(m->d, bytes);
    m->d->ops->upload(m->d, on_device, values, (size_t)n * sizeof(float));
    m->d->ops->cast(m->d, n, DTYPE_F32, on_device, type, p);
    m->d->ops->sync(m->d);
    m->d->ops->free(m->d, on_device);
    mem_free(values);
    return p;
}

static struct arrays make(struct device *d, const struct norm_shape *s, int ca)
{
    struct arrays m = {.d = d};
    size_t pixels = (size_t)s->n * (size_t)s->hw, size = dtype_bytes(s->type);
    m.a_bytes = pixels * (size_t)ca * size;
    m.b_bytes = pixels * (size_t)(s->c - ca) * size;
    m.bytes = m.a_bytes + m.b_bytes;
    m.affine_bytes = (size_t)s->c * sizeof(float);
    m.stats_bytes = 2 * (size_t)s->n * (size_t)s->groups * sizeof(float);
    m.a = filled(&m, s->type, m.a_bytes, 1);
    m.b = filled(&m, s->type, m.b_bytes, 2);
    m.dy = filled(&m, s->type, m.bytes, 3);
    m.dx = filled(&m, s->type, m.bytes, 4);
    m.x = filled(&m, s->type, m.bytes, 5);
    m.y = filled(&m, s->type, m.bytes, 5);
    m.da = filled(&m, s->type, m.a_bytes, 5);
    m.db = filled(&m, s->type, m.b_bytes, 5);
    m.gamma = filled(&m, DTYPE_F32, m.affine_bytes, 6);
    m.beta = filled(&m, DTYPE_F32, m.affine_bytes, 7);
    m.dgamma = filled(&m, DTYPE_F32, m.affine_bytes, 8);
    m.dbeta = filled(&m, DTYPE_F32, m.affine_bytes, 9);
    m.stats = filled(&m, DTYPE_F32, m.stats_bytes, 5);
    m.host = mem_alloc(m.bytes + m.affine_bytes + m.stats_bytes);
    return m;
}

static void destroy(struct arrays *m)
{
    void *owned[] = {m->a,  m->b,     m->x,    m->y,      m->dy,    m->dx,   m->da,
                     m->db, m->gamma, m->beta, m->dgamma, m->dbeta, m->stats};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        m->d->ops->free(m->d, owned[i]);
    mem_free(m->host);
}

static int equal(struct arrays *m, struct arrays *other, const void *p, const void *q, size_t bytes)
{
    m->d->ops->download(m->d, m->host, p, bytes);
    other->d->ops->download(other->d, other->host, q, bytes);
    return memcmp(m->host, other->host, bytes) == 0;
}

static void compare(struct device *d, const struct norm_shape *s, int ca, int accumulate)
{
    struct arrays joined = make(d, s, ca), apart = make(d, s, ca), *j = &joined, *p = &apart;
    d->ops->concat_norm_forward(d, s, ca, j->a, j->b, j->x, j->gamma, j->beta, j->y, j->stats);
    d->ops->concat_norm_backward(d, s, ca, j->x, j->gamma, j->beta, j->stats, j->dy, j->dx,
                                 accumulate, j->da, j->db, j->dgamma, j->dbeta);
    concat_norm_forward_by_parts(d, s, ca, p->a, p->b, p->x, p->gamma, p->beta, p->y, p->stats);
    concat_norm_backward_by_parts(d, s, ca, p->x, p->gamma, p->beta, p->stats, p->dy, p->dx,
                                  accumulate, p->da, p->db, p->dgamma, p->dbeta);
    int same = equal(j, p, j->x, p->x, j->bytes) && equal(j, p, j->y, p->y, j->bytes) &&
               equal(j, p, j->stats, p->stats, j->stats_bytes) &&
               equal(j, p, j->da, p->da, j->a_bytes) && equal(j, p, j->db, p->db, j->b_bytes) &&
               equal(j, p, j->dgamma, p->dgamma, j->affine_bytes) &&
               equal(j, p, j->dbeta, p->dbeta, j->affine_bytes);
    if (!same)
        printf("n%d hw%d %d|%d/%d %s%s: not the same\n", s->n, s->hw, ca, s->c - ca, s->groups,
               s->type == DTYPE_F32 ? "fp32" : "bf16", accumulate ? " +=" : "");
    CHECK(same);
    CHECK(!equal(j, p, j->da, j->dy, j->a_bytes));
    destroy(j);
    destroy(p);
}

int main(void)
{
    static const int shapes[][5] = {
        /* n, hw, ca, cb, groups */
        {2, 16, 32, 32, 32}, {1, 49, 64, 32, 32},  {2, 9, 24, 8, 4},
        {1, 25, 12, 20, 4},  {1, 7, 5, 28, 3},     {1, 300, 384, 256, 32},
        {2, 1, 32, 64, 32},  {1, 2100, 64, 96, 2}, /* too wide a group to stay on the chip */
    };
    struct device *d;
    CHECK(device_open("cuda", 0, 0, 1, &d) == 0);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int variant = 0; variant < 2; variant++) {
            const int *z = shapes[i];
            struct norm_shape s = {.n = z[0],
                                   .hw = z[1],
                                   .c = z[2] + z[3],
                                   .groups = z[4],
                                   .type = variant ? DTYPE_BF16 : DTYPE_F32,
                                   .silu = (int)(i + (size_t)variant) % 2,
                                   .eps = 1e-5};
            compare(d, &s, z[2], (int)i % 2);
        }
    CHECK(d->bytes == 0);
    device_close(d);
    CHECK(mem_live_bytes() == 0);
    return check_done();
}
