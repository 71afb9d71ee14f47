/* SPDX-License-Identifier: Apache-2.0
 * The sums behind 'peclet plan' for evaluate: score_features.c, feature_store.c, metrics/{moments,frechet,pairs,
 * nearest,prdc}.c, score_nearest.c. Images of the run itself, without 'lpips'. */
#include <math.h>
#include <string.h>

#include "files/dataset.h"
#include "metrics/pairs.h"
#include "tasks/evaluation.h"
#include "tasks/plan.h"

struct sizes {
    double real, set; /* a rank's rows: of the real images, of the largest set to be compared */
    double real_all, compared; /* images over all ranks: real, of all sets together */
    double threads, k;
};

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* evaluate.c: samples and their priors, of one kind of seeds or of both; as many held-out images as samples. */
static struct sizes sizes_of(const struct job *job, const struct plan_images *images, int ranks)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    double most = s->max_fake > 0 ? (double)s->max_fake : INFINITY,
           count = (double)job->settings.sample.count;
    int both = !strcmp(job->settings.sample.prior_split, "both");
    double first = both ? ceil(count / 2) : count, second = both ? count - first : 0;
    struct sizes n = {.threads = job->device->threads > 1 ? job->device->threads : 1,
                      .k = (double)s->prdc_k,
                      .real_all = (double)images->count};
    if (s->max_real > 0)
        n.real_all = least(n.real_all, (double)s->max_real);
    double set = least(first, most);
    n.compared = 2 * (set + least(second, most)) + least((double)images->test_count, set);
    n.real = ceil(n.real_all / ranks);
    n.set = ceil(set / ranks);
    return n;
}

/* A block that travels, and the products with it of a tile a thread: pairs.c. */
static double block_bytes(const struct sizes *n, double rows, double mine, double d)
{
    double block = least(rows, PAIRS_BLOCK);
    double tiles = least(ceil(mine / PAIRS_TILE), n->threads);
    return block * (8 * d + 12) + tiles * least(mine, PAIRS_TILE) * block * 4;
}

/* Rows of a set that meet its own: prdc.c, radii_of. */
static double radii_bytes(const struct sizes *n, double rows, double d)
{
    return rows * (4 * d + 8 + 16 * n->k) + block_bytes(n, rows, rows, d);
}

/* LAPACK's matrices where S1 is singular, the vectors and twice as much to work in; else it is two: frechet.c. */
static double frechet_bytes(double d)
{
    return 3 * 8 * d * d;
}

static double features_bytes(const struct sizes *n, const struct evaluate_settings *s, double d,
                             double slab_bytes)
{
    double matrix = 8 * d * d, block = 8 * d * MOMENTS_BLOCK, prdc = metric_of_deck(s, "prdc");
    double real = n->real * (4 * d + 8 * prdc), set = n->set * 4 * d;
    double most = n->real * (4 * d + 8) + slab_bytes;
    most = fmax(most, real + matrix + least(n->real * 8 * d, block));
    most = fmax(most, real + matrix + set + 8 * n->set + slab_bytes);
    if (prdc) {
        double both = n->real * (4 * d + 8) + n->set * (4 * d + 8);
        most = fmax(most, real + matrix + radii_bytes(n, n->real, d));
        most = fmax(most, real + matrix + set + 8 * n->set + radii_bytes(n, n->set, d));
        most = fmax(most,
                    real + matrix + set + 16 * n->set + both + block_bytes(n, n->real, n->set, d));
    }
    if (metric_of_deck(s, "fd"))
        most = fmax(most,
                    real + 2 * matrix + set + fmax(least(n->set * 8 * d, block), frechet_bytes(d)));
    return most;
}

/* score_nearest.c: a tile of each set, and its centred copy. */
static double nearest_bytes(const struct sizes *n, double per_image)
{
    double tile = fmax(1, floor(NEAREST_TILE_BYTES / (4 * per_image)));
    double real = least(n->real, tile), set = least(n->set, tile);
    return (real + set) * (8 * per_image + 8) + set * 32 + n->set * 4 +
           block_bytes(n, real, set, per_image);
}

struct plan_need plan_evaluate(const struct job *job, const struct plan_images *images,
                               const struct adr_plan *plan, const struct plan_trial *t, int ranks)
{
    const struct evaluate_settings *s = &job->settings.evaluate;
    struct image_set like = {.height = plan->side, .width = plan->side, .channels = plan->channels};
    struct sizes n = sizes_of(job, images, ranks);
    double per = (double)image_values(&like), apart = !strcmp(job->device->name, "cuda"), most = 0;
    double slab_bytes = least((double)image_set_slab(&like), fmax(n.real, n.set)) * per * 4;
    struct plan_need need = {0};
    for (int f = 0; f < s->feature_count && (metric_of_deck(s, "fd") || metric_of_deck(s, "prdc"));
         f++) {
        const struct plan_eye *eye = &t->eye[f];
        if (!eye->dim)
            continue;
        double host = eye->host + features_bytes(&n, s, eye->dim, slab_bytes);
        most = fmax(most, host + (apart ? 0 : eye->device));
        need.device = fmax(need.device, eye->device);
        need.seconds += ceil((n.real_all + n.compared) / ranks) * eye->image_s;
    }
    if (metric_of_deck(s, "nearest"))
        most = fmax(most, nearest_bytes(&n, per));
    if (metric_of_deck(s, "spectrum"))
        most = fmax(most, slab_bytes);
    most += 2 * DATASET_CHUNK_BYTES; /* that HDF5 keeps of the two splits of dataset.h5 */
    need.host = fmax(0, most - (apart ? 0 : need.device));
    return need;
}
