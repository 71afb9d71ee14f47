/* SPDX-License-Identifier: Apache-2.0
 * The forward process of the cuda device against the reference: every solver, wall, order and kind
 * of velocity at sides that fill a lane's columns and sides that do not; the image in registers of
 * one warp, of many and of clusters of 2, 4, 8 and 16 blocks; against the pull kernel, which shares
 * nothing with it but the velocity; and an image's bits in any company. */
#define _DEFAULT_SOURCE /* setenv */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "adr_cuda.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "check.h"
#include "device/device.h"
#include "device/ref_adr.h"
#include "ops/adr_four_levels.h"

int device_cuda_create(int local_rank, struct device **out);

static struct device *cuda;
enum { COMPANY = 9 };

/* Four levels of 1, 2, 3 and 5 steps. */
static struct adr_plan plan_of(int side, int channels, struct adr_level levels[LEVELS + 1])
{
    static const int steps[LEVELS + 1] = {0, 1, 2, 3, 5};
    struct adr_plan plan = four_levels(steps, side, channels, levels);
    plan.n_max = side > 40 ? 9 : 0; /* few waves are quickly summed; velocities() takes all */
    return plan;
}

static void use_base(struct adr_plan *plan)
{
    plan->value_low = 0.95;
    plan->value_high = 1.05;
}

struct outcome {
    size_t count, fields; /* numbers in u, delta; in v */
    float *u, *delta, *v;
    struct adr_stats stats;
};

static void outcome_free(struct outcome *o)
{
    mem_free(o->u);
    mem_free(o->delta);
    mem_free(o->v);
}

/* The last level of image `number`. */
static int end_of(int number)
{
    static const int end[] = {1, 4, 3, 4, 0, 2, 4};
    return end[number % 7];
}

/* Levels 0, 1, 3 and 4 of every image up to its end, which is captured whatever it is, and level 3
 * of even ones twice. */
static int captures_of(int n, int first, struct adr_capture *capture)
{
    static const int levels[] = {0, 1, 2, 3, 3, 4};
    int count = 0;
    for (int l = 0; l < 6; l++)
        for (int i = 0; i < n; i++) {
            int end = end_of(first + i);
            if (levels[l] <= end && (l != 2 || end == 2) && (l != 3 || (first + i) % 2 == 0))
                capture[count++] = (struct adr_capture){levels[l], i, 0};
        }
    for (int i = 0; i < count; i++)
        capture[i].slot = count - 1 - i;
    return count;
}

/* Images of the numbers first, first + 1, ...; kernel: PECLET_ADR_KERNEL, or NULL for ref. */
static struct outcome run(const char *kernel, const struct adr_plan *plan, int n, int first)
{
    struct device *d = cuda;
    const struct device_ops *ops = d->ops;
    size_t values = (size_t)plan->side * (size_t)plan->side * (size_t)plan->channels;
    struct outcome o = {.fields = (size_t)n * 2 * (size_t)plan->side * (size_t)plan->side};
    struct adr_capture *capture = mem_alloc((size_t)(5 * n) * sizeof *capture);
    int captures = captures_of(n, first, capture);
    o.count = (size_t)captures * values;
    o.u = mem_alloc(o.count * sizeof(float));
    o.delta = mem_alloc(o.count * sizeof(float));
    o.v = mem_zalloc(o.fields * sizeof(float));
    uint64_t *keys = mem_alloc((size_t)n * sizeof *keys);
    float *u0 = mem_alloc((size_t)n * values * sizeof(float));
    for (int i = 0; i < n; i++) {
        keys[i] = (uint64_t)(plan->realisations ? (first + i) % plan->realisations : first + i);
        for (size_t e = 0; e < values; e++)
            u0[(size_t)i * values + e] =
                rng_uniform(rng_draw(5, RNG_TEST, (uint64_t)(first + i), 0, (uint32_t)e).v[0]);
    }
    if (!kernel) {
        struct adr *a = ref_adr_create(NULL, plan, n);
        ref_adr_run(NULL, a, n, keys, u0, captures, capture, o.u, o.delta, &o.stats);
        if (plan->kind == FORWARD_LBM)
            ref_adr_velocity(NULL, a, n, keys, 3, 2, o.v);
        ref_adr_destroy(NULL, a);
    } else {
        setenv("PECLET_ADR_KERNEL", kernel, 1);
        float *x = ops->alloc(d, (size_t)n * values * sizeof(float));
        float *u = ops->alloc(d, o.count * sizeof(float));
        float *delta = ops->alloc(d, o.count * sizeof(float));
        float *v = ops->alloc(d, o.fields * sizeof(float));
        ops->upload(d, x, u0, (size_t)n * values * sizeof(float));
        struct adr *a = ops->adr_create(d, plan, n);
        ops->adr_run(d, a, n, keys, x, captures, capture, u, delta, NULL);
        ops->adr_run(d, a, 0, keys, x, 0, capture, u, delta, &o.stats); /* asked later */
        if (plan->kind == FORWARD_LBM) {
            ops->adr_velocity(d, a, n, keys, 3, 2, v);
            ops->download(d, o.v, v, o.fields * sizeof(float));
        }
        ops->adr_destroy(d, a);
        ops->download(d, o.u, u, o.count * sizeof(float));
        ops->download(d, o.delta, delta, o.count * sizeof(float));
        ops->free(d, x);
        ops->free(d, u);
        ops->free(d, delta);
        ops->free(d, v);
    }
    mem_free(capture);
    mem_free(keys);
    mem_free(u0);
    return o;
}

static double worst_u, worst_delta, worst_v, worst_pull;

static void agree(const char *kernel, const struct adr_plan *plan, int n, const char *what)
{
    /* one image takes all steps */
    struct outcome got = run(kernel, plan, n, n == 1), want = run(NULL, plan, n, n == 1);
    double size = 1; /* flow against a closed wall piles u up far beyond [0,1] */
    for (size_t i = 0; i < want.count; i++)
        size = fmax(size, fabs((double)want.u[i]));
    double u = largest_difference(want.count, got.u, want.u) / size;
    double delta = largest_difference(want.count, got.delta, want.delta) / size;
    double v = largest_difference(want.fields, got.v, want.v) / plan->levels[3].speed;
    int before = check_failed;
    CHECK(u <= 3e-6 && delta <= 3e-6); /* measured 7.2e-7 and 8.7e-7 */
    CHECK(v <=
          4e-7 * plan->side); /* neighbours of psi differ by 1/side of it: measured 2.2e-7 side */
    CHECK(got.stats.images == want.stats.images);
    if (plan->realisations == 0 && plan->velocity < VELOCITY_UNIFORM) {
        CHECK(got.stats.fields == want.stats.fields);
        CHECK(got.stats.fields_over == want.stats.fields_over);
    }
    CHECK_NEAR(got.stats.worst_ratio, want.stats.worst_ratio, 1e-5 * want.stats.worst_ratio);
    CHECK_NEAR(got.stats.worst_speed2, want.stats.worst_speed2, 1e-5 * want.stats.worst_speed2);
    CHECK_NEAR(got.stats.worst_cap, want.stats.worst_cap, 1e-5);
    if (check_failed > before)
        printf("%s: kernel %s side %d n %d walls %d order %d velocity %d collision %d: u %g delta "
               "%g v %g\n",
               what, kernel, plan->side, n, (int)plan->walls, plan->order, (int)plan->velocity,
               (int)plan->collision, u, delta, v);
    worst_u = fmax(worst_u, u);
    worst_delta = fmax(worst_delta, delta);
    worst_v = fmax(worst_v, v / plan->side);
    outcome_free(&got);
    outcome_free(&want);
}

/* The chip kernel and the pull kernel: the same velocity, different sums. */
static void agree_with_pull(const char *kernel, const struct adr_plan *plan, int n)
{
    struct outcome got = run(kernel, plan, n, 1), want = run("pull", plan, n, 1);
    double u = largest_difference(want.count, got.u, want.u);
    CHECK(memcmp(got.v, want.v, want.fields * sizeof(float)) == 0);
    CHECK(u <= 1.6e-6); /* measured 4.2e-7 */
    if (u > 1.6e-6)
        printf("pull: kernel %s side %d walls %d order %d: %g\n", kernel, plan->side,
               (int)plan->walls, plan->order, u);
    worst_pull = fmax(worst_pull, u);
    outcome_free(&got);
    outcome_free(&want);
}

static void solvers(const char *kernel, int side, int channels, int n)
{
    struct adr_level levels[LEVELS + 1];
    for (int walls = WALLS_BOUNCE_BACK; walls <= WALLS_PERIODIC; walls++)
        for (int order = 1; order <= 2; order++) {
            struct adr_plan plan = plan_of(side, channels, levels);
            plan.walls = (enum lbm_walls)walls;
            plan.order = order;
            if (order == 2)
                use_base(&plan);
            agree(kernel, &plan, n, "solver");
        }
}

static void collisions(const char *kernel, int side)
{
    struct adr_level levels[LEVELS + 1];
    for (int collision = LBM_BGK; collision <= LBM_REGULARIZED; collision++)
        for (int walls = WALLS_BOUNCE_BACK; walls <= WALLS_PERIODIC; walls++)
            for (int order = 1; order <= 2; order++) {
                struct adr_plan plan = plan_of(side, 2, levels);
                use_collision(&plan, (enum lbm_collision)collision);
                plan.walls = (enum lbm_walls)walls;
                plan.order = order;
                plan.refresh = order;
                if (walls == WALLS_PERIODIC)
                    use_base(&plan);
                agree(kernel, &plan, 3, "collision");
            }
}

static void velocities(int side, int n)
{
    struct adr_level levels[LEVELS + 1];
    for (int kind = VELOCITY_NONE; kind <= VELOCITY_SHEAR; kind++)
        for (int variant = 0; variant < 6; variant++) {
            struct adr_plan plan = plan_of(side, 1, levels);
            if (side > 40 && variant != 3 && variant != 4)
                continue;
            plan.velocity = (enum velocity_kind)kind;
            plan.order = 1 + variant % 2;
            plan.theta_rate = variant == 1 ? 0 : variant == 2 ? 4000 : 30;
            plan.refresh = variant == 2 ? 2 : 0;
            plan.cap_speed = variant == 3 ? levels[1].speed : 0;
            plan.cap_ratio = variant == 4 ? 0.2 : 0;
            plan.n_min = variant == 5 ? 2 : 1;
            plan.n_max = variant == 5 ? 3 : 0;
            plan.realisations = variant == 5 ? 2 : 0;
            agree("", &plan, n, "velocity");
        }
}

/* Sums of waves by cuFFT, in batches that the fields do not fill. */
static void transforms(int side, int n)
{
    struct adr_level levels[LEVELS + 1];
    setenv("PECLET_ADR_FIELDS", "fft:4", 1);
    for (int kind = VELOCITY_STREAMFUNCTION; kind <= VELOCITY_SOLENOIDAL; kind++)
        for (int banded = 0; banded < 2; banded++) {
            struct adr_plan plan = plan_of(side, 1, levels);
            plan.velocity = (enum velocity_kind)kind;
            plan.refresh = 2;
            plan.n_min = banded ? 2 : 1;
            plan.n_max = banded ? (side + 3) / 4 : 0;
            plan.realisations = banded ? 2 : 0;
            agree("", &plan, n, "transforms");
        }
    unsetenv("PECLET_ADR_FIELDS");
}

/* Does this plan take cuFFT? */
static int by_fft(int side, enum velocity_kind kind, int n_max)
{
    struct adr_level levels[LEVELS + 1];
    struct adr_plan plan = plan_of(side, 1, levels);
    struct adr_flow flow;
    void *memory;
    plan.velocity = kind;
    plan.n_max = n_max;
    adr_spectrum_create(cuda, &plan, &flow, &memory);
    int yes = flow.fft != NULL;
    adr_fft_destroy(cuda, flow.fft);
    cuda->ops->free(cuda, memory);
    return yes;
}

static void choices(void)
{
    for (int kind = VELOCITY_STREAMFUNCTION; kind <= VELOCITY_SOLENOIDAL; kind++) {
        CHECK(!by_fft(128, (enum velocity_kind)kind, 0));
        CHECK(by_fft(192, (enum velocity_kind)kind, 0));
    }
    CHECK(!by_fft(192, VELOCITY_STREAMFUNCTION, 16)); /* few waves */
    CHECK(!by_fft(189, VELOCITY_STREAMFUNCTION, 0) && !by_fft(194, VELOCITY_STREAMFUNCTION, 0));
    setenv("PECLET_ADR_FIELDS", "products", 1);
    CHECK(!by_fft(192, VELOCITY_COMPRESSIBLE, 0));
    setenv("PECLET_ADR_FIELDS", "fft", 1);
    CHECK(by_fft(10, VELOCITY_COMPRESSIBLE, 0) && !by_fft(10, VELOCITY_SHEAR, 0));
    CHECK(!by_fft(9, VELOCITY_COMPRESSIBLE, 0)); /* odd */
    unsetenv("PECLET_ADR_FIELDS");
}

static void file_and_heat(void)
{
    struct adr_level levels[LEVELS + 1];
    float *file = mem_alloc(3 * 2 * 49 * sizeof(float));
    for (int i = 0; i < 3 * 2 * 49; i++)
        file[i] = rng_uniform(rng_draw(6, RNG_TEST, 0, 0, (uint32_t)i).v[1]) - 0.4f;
    struct adr_plan plan = plan_of(7, 1, levels);
    plan.velocity = VELOCITY_FILE;
    plan.file_field = file;
    plan.file_frames = 3;
    agree("", &plan, 4, "file");
    mem_free(file);
    for (int side = 2; side < 50; side += 11) {
        plan = plan_of(side, 3, levels);
        plan.kind = FORWARD_HEAT;
        agree("", &plan, 7, "heat");
    }
}

/* The captures of image `number` in a call of images 0, 1, ... and in one of its own. */
static void same_bits(const struct outcome *many, int n, const struct outcome *one, int number,
                      size_t image)
{
    struct adr_capture capture[5 * COMPANY];
    size_t alone = 0, bytes = image * sizeof(float);
    for (int i = captures_of(n, 0, capture) - 1; i >= 0; i--) /* slots run against the order */
        if (capture[i].image == number) {
            size_t at = (size_t)capture[i].slot * image;
            CHECK(!memcmp(many->u + at, one->u + alone * image, bytes));
            CHECK(!memcmp(many->delta + at, one->delta + alone * image, bytes));
            alone++;
        }
    CHECK(alone * image == one->count);
    CHECK(!memcmp(many->v + 2 * image * (size_t)number, one->v, 2 * bytes));
}

/* Images that end at different levels in one call and each alone: the same bits, and no more blocks
 * of threads (but for the pull kernel, whose blocks are all images' at each step). In one launch,
 * in launches of a hold or a few. */
static void company(int side, enum velocity_kind kind, enum lbm_collision collision,
                    const char *kernel)
{
    struct adr_level levels[LEVELS + 1];
    struct outcome many, one;
    for (int variant = 0; variant < 3; variant++) {
        struct adr_plan plan = plan_of(side, 1, levels);
        plan.velocity = kind;
        plan.refresh = 2;
        plan.realisations = variant == 2 ? 2 : 0;
        use_collision(&plan, collision);
        if (variant)
            setenv("PECLET_ADR_ITEMS", "3", 1);
        long long start = coh_blocks(), together, alone;
        many = run(kernel, &plan, COMPANY, 0);
        together = coh_blocks() - start;
        unsetenv("PECLET_ADR_ITEMS");
        start = coh_blocks();
        for (int number = 0; number < COMPANY; number++) {
            one = run(kernel, &plan, 1, number);
            same_bits(&many, COMPANY, &one, number, (size_t)side * (size_t)side);
            outcome_free(&one);
        }
        alone = coh_blocks() - start;
        CHECK(variant || strcmp(kernel, "pull") == 0 || together <= alone);
        outcome_free(&many);
    }
}

static void chips(void)
{
    static const struct {
        const char *kernel; /* warps a block at most */
        int side;
    } cases[] = {{"", 2},   {"", 3},  {"", 28},  {"", 31},  {"", 32},  {"", 34},
                 {"", 50},  {"", 64}, {"", 68},  {"5", 68}, {"3", 68}, {"2", 76},
                 {"1", 36}, {"", 37}, {"", 100}, {"1", 68}, {"2", 92}, {"", 136}};
    struct adr_level levels[LEVELS + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        solvers(cases[i].kernel, cases[i].side, 1, cases[i].side > 60 ? 1 : 2);
        for (int walls = WALLS_BOUNCE_BACK; walls <= WALLS_PERIODIC; walls++) {
            struct adr_plan plan = plan_of(cases[i].side, cases[i].side < 60 ? 3 : 1, levels);
            plan.walls = (enum lbm_walls)walls;
            plan.order = 1 + walls % 2;
            agree_with_pull(cases[i].kernel, &plan, 1);
        }
    }
}

/* The sizes that the chip kernel is made for; clusters that this GPU cannot hold go to pull. */
static void layouts(void)
{
    static const struct adr_chip want[] = {
        {1, 7, 4, 1}, {1, 8, 4, 1}, {2, 4, 16, 1}, {4, 2, 8, 8}, {8, 1, 16, 16}};
    static const int side[] = {28, 32, 64, 128, 256};
    const char *capability = getenv("COH_CAPABILITY");
    int clusters = !capability || atoi(capability) >= 90;
    for (int i = 0; i < 5; i++) {
        struct adr_chip got = cuda_adr_chip_bgk_layout(cuda, side[i], 0);
        if (want[i].cluster > 1 && !clusters)
            CHECK(got.columns == 0);
        else
            CHECK(got.columns == want[i].columns && got.rows == want[i].rows &&
                  got.warps == want[i].warps && got.cluster == want[i].cluster);
    }
    CHECK(cuda_adr_chip_bgk_layout(cuda, 30, 0).columns == 0);
    CHECK(cuda_adr_chip_bgk_layout(cuda, 264, 0).columns == 0);
    setenv("COH_CLUSTER", "8", 1);
    CHECK(cuda_adr_chip_bgk_layout(cuda, 256, 0).columns == 0);
    CHECK((cuda_adr_chip_bgk_layout(cuda, 128, 0).columns == 4) == clusters);
    unsetenv("COH_CLUSTER");
}

/* Nine populations: one block, clusters of 4, 8 and 16, and sides that go to the pull kernel. */
static void chips_bgk(void)
{
    static const struct {
        const char *kernel;
        int side;
    } cases[] = {{"", 3},    {"", 7},    {"", 8},  {"", 17},  {"", 21},  {"", 28},   {"", 32},
                 {"", 34},   {"", 36},   {"", 52}, {"", 64},  {"", 37},  {"", 68},   {"3", 68},
                 {"16", 68}, {"16", 76}, {"", 92}, {"8", 92}, {"", 136}, {"12", 136}};
    struct adr_level levels[LEVELS + 1];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int walls = WALLS_BOUNCE_BACK; walls <= WALLS_PERIODIC; walls++)
            for (int order = 1; order <= 2; order++) {
                int side = cases[i].side, turn = (int)i + walls + 2 * order;
                if (side > 90 && turn % 2)
                    continue;
                struct adr_plan plan = plan_of(side, side < 60 ? 2 : 1, levels);
                use_collision(&plan, (enum lbm_collision)(LBM_BGK + turn % 3));
                plan.walls = (enum lbm_walls)walls;
                plan.order = order;
                plan.refresh = turn % 2 ? 2 : 0;
                if (turn % 4 == 0)
                    use_base(&plan);
                agree(cases[i].kernel, &plan, side > 60 ? 1 : 2, "populations");
                if (order == 1 + walls % 2)
                    agree_with_pull(cases[i].kernel, &plan, 1);
            }
}

int main(void)
{
    log_init(0, 1, 1);
    size_t before = mem_live_bytes();
    if (device_cuda_create(0, &cuda))
        return EXIT_FAILURE;
    velocities(7, 11);
    velocities(28, 2);
    velocities(33, 2);
    velocities(66, 2); /* fields that several blocks finish */
    velocities(68, 2);
    static const int sides[] = {2, 3, 8, 13, 21, 28};
    for (int i = 0; i < 6; i++)
        transforms(sides[i], i < 4 ? 5 : 2);
    choices();
    file_and_heat();
    collisions("pull", 9);
    collisions("", 9);
    layouts();
    chips_bgk();
    solvers("pull", 12, 3, 4);
    chips();
    company(28, VELOCITY_STREAMFUNCTION, LBM_EQUILIBRIUM, "");
    company(36, VELOCITY_STREAMFUNCTION, LBM_EQUILIBRIUM, "1");
    company(9, VELOCITY_COMPRESSIBLE, LBM_EQUILIBRIUM, "pull");
    company(16, VELOCITY_STREAMFUNCTION, LBM_BGK, "");
    company(12, VELOCITY_SHEAR, LBM_TRT, "pull");
    if (cuda_of(cuda)->capability >= 90) { /* clusters of two blocks, of eight */
        company(68, VELOCITY_STREAMFUNCTION, LBM_EQUILIBRIUM, "5");
        company(68, VELOCITY_STREAMFUNCTION, LBM_REGULARIZED, "");
    }
    setenv("PECLET_ADR_FIELDS", "fft:4", 1);
    company(14, VELOCITY_STREAMFUNCTION, LBM_EQUILIBRIUM, "");
    company(16, VELOCITY_SOLENOIDAL, LBM_REGULARIZED, "");
    unsetenv("PECLET_ADR_FIELDS");
    cuda->ops->destroy(cuda);
    printf("u %.3g delta %.3g v/(V side) %.3g, chip against pull %.3g\n", worst_u, worst_delta,
           worst_v, worst_pull);
    CHECK(mem_live_bytes() == before);
    return check_done();
}
