/* SPDX-License-Identifier: Apache-2.0
 * report_scores: the scores of metrics.json beside those of the priors and of held-out images, how to read them, and
 * spectra; samples beside their nearest training images. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/png.h"
#include "files/dataset.h"
#include "metrics/metrics.h"
#include "tasks/report_html.h"

enum { CELL = 64, MOST_K = 2048, SLAB_BYTES = 64 << 20 };

static const char *const features[] = {"pixels", "random", "squeezenet", "inception"};
/* Where the scores of a set are, the key of its n, its name. */
static const char *const sets[][3] = {{"", "n_samples", "samples"},
                                      {"samples_train.", "n_samples_train", "samples"},
                                      {"prior.", "n_prior", "prior"},
                                      {"prior_train.", "n_prior_train", "prior"},
                                      {"test.", "n_test", "held-out"}};
static const char *const scores[][2] = {{"fd", "FD"},
                                        {"precision", "precision"},
                                        {"recall", "recall"},
                                        {"density", "density"},
                                        {"coverage", "coverage"}};
enum { FEATURES = 4, SETS = 5, SCORES = 5 };

/* The cells of one row; returns how many scores there are. */
static int score_row(const char *metrics, const char *feature, const char *set,
                     char cell[SCORES][CELL])
{
    char path[2 * CELL];
    int found = 0;
    for (int i = 0; i < SCORES; i++) {
        double value;
        snprintf(path, sizeof path, "%s.%s%s", feature, set, scores[i][0]);
        snprintf(cell[i], CELL, "-");
        if (json_find_real(metrics, path, &value))
            continue;
        snprintf(cell[i], CELL, i ? "%.3f" : "%.4g", value);
        found++;
    }
    return found;
}

/* "samples (train seeds)" */
static void name_set(const char *metrics, int set, char name[CELL])
{
    char seeds[CELL] = "";
    int train = strstr(sets[set][1], "_train") != NULL;
    json_find_string(metrics, "seeds", seeds, sizeof seeds);
    train |= !strcmp(seeds, "train");
    snprintf(name, CELL, "%s%s", sets[set][2],
             !*seeds || set == SETS - 1 ? ""
             : train                    ? " (train seeds)"
                                        : " (test seeds)");
}

/* The number of images; marked, with *unequal set, if it is another than that of the samples. */
static void n_cell(const char *metrics, int set, int *unequal, char cell[CELL])
{
    double n, samples;
    snprintf(cell, CELL, "-");
    if (json_find_real(metrics, sets[set][1], &n) || json_find_real(metrics, sets[0][1], &samples))
        return;
    snprintf(cell, CELL, "%.0f%s", n, n == samples ? "" : " *");
    *unequal |= n != samples;
}

static void score_tables(struct page *p, const char *metrics)
{
    int unequal = 0;
    for (int f = 0; f < FEATURES; f++) {
        char title[CELL], name[CELL], n[CELL], cell[SCORES][CELL];
        const char *heads[SCORES + 2] = {title, "n"};
        for (int i = 0; i < SCORES; i++)
            heads[i + 2] = scores[i][1];
        snprintf(title, sizeof title, "on '%s'", features[f]);
        if (!score_row(metrics, features[f], "", cell))
            continue;
        page_table_begin(p, SCORES + 2, heads);
        for (int s = 0; s < SETS; s++) {
            if (!score_row(metrics, features[f], sets[s][0], cell))
                continue;
            name_set(metrics, s, name);
            n_cell(metrics, s, &unequal, n);
            const char *cells[SCORES + 2] = {name, n, cell[0], cell[1], cell[2], cell[3], cell[4]};
            page_row(p, SCORES + 2, cells, s == 0);
        }
        page_table_end(p);
    }
    if (unequal)
        page_text(p, "* Of another n than the samples: FD falls as n grows, so these two FD do not "
                     "compare.");
}

static void single_scores(struct page *p, const char *metrics)
{
    double sample, prior, test, spread;
    if (!json_find_real(metrics, "nearest_mean", &sample)) {
        page_text(p,
                  "Mean distance of a sample to its nearest training image: %.3f (root of the "
                  "summed squared differences of pixels).",
                  sample);
        if (!json_find_real(metrics, "nearest_mean_test", &test))
            page_text(p, "For held-out images it is %.3f: samples well below that would be copies.",
                      test);
        if (!json_find_real(metrics, "nearest_mean_samples_train", &test))
            page_text(p, "For the samples whose seeds are training images it is %.3f.", test);
        if (!json_find_real(metrics, "nearest_mean_prior", &prior))
            page_text(p,
                      "For the priors, which are blurred and so near to many images, it is %.3f.",
                      prior);
    }
    if (!json_find_real(metrics, "lpips_mean", &sample)) {
        page_text(
            p,
            "LPIPS between samples and the clean images that their priors came from: %.4f. It "
            "measures how far a sample departs from its seed; 0 would be a copy.",
            sample);
        if (!json_find_real(metrics, "lpips_std", &spread))
            page_text(p, "Over the samples of a seed it spreads by %.4f.", spread);
        if (!json_find_real(metrics, "lpips_mean_samples_train", &sample))
            page_text(p, "For the samples whose seeds are training images it is %.4f.", sample);
    }
}

void report_scores(struct job *job, struct page *p, const char *metrics)
{
    double n_real, n_fake;
    if (json_find_real(metrics, "n_real", &n_real) || json_find_real(metrics, "n_fake", &n_fake))
        return;
    page_section(p, "Scores",
                 "How close the samples are to real images, beside two rulers: the priors they "
                 "started from and real images held out from training.");
    score_tables(p, metrics);
    single_scores(p, metrics);
    page_text(p,
              "Samples are read against the other two rows. 'Held-out' images are what a perfect "
              "generator would get with as many images; 'prior' is what doing nothing gets. FD, "
              "the Frechet distance, compares means and covariances of features and is better when "
              "smaller. Precision is the share of samples that look like some real image, recall "
              "the share of real images that some sample resembles; density and coverage are their "
              "sturdier relatives (neighbourhoods of the %lld nearest images). Blurred images can "
              "have high precision and no recall: look at both.",
              (long long)job->settings.evaluate.prdc_k);
    page_text(p,
              "%.0f samples against %.0f real images. Scores depend on these numbers and on the "
              "features: compare them only with scores of the same features, resolution and "
              "counts. None of them is FID unless the features are 'inception' and counts and "
              "resizing are as published.",
              n_fake, n_real);
}

void report_spectra(struct page *p, const char *metrics)
{
    static const char *const names[][2] = {{"real", "training images"},
                                           {"samples", "samples"},
                                           {"prior", "prior"},
                                           {"test", "held-out images"}};
    double *k = mem_alloc(MOST_K * sizeof *k), *energy[4];
    struct plot plot = {"waves a side, k", "energy E(k)", 1, 1, 0, {{0}}};
    char path[CELL];
    for (int i = 0; i < MOST_K; i++)
        k[i] = i;
    for (int s = 0; s < 4; s++) {
        int n = 0;
        energy[s] = mem_alloc(MOST_K * sizeof **energy);
        for (; n < MOST_K; n++) {
            snprintf(path, sizeof path, "spectrum.%s.%d", names[s][0], n);
            if (json_find_real(metrics, path, &energy[s][n]))
                break;
        }
        if (n > 1)
            plot.curves[plot.count++] =
                (struct curve){names[s][1], k + 1, energy[s] + 1, n - 1, s == 3};
    }
    if (plot.count) {
        page_section(p, "Spectra",
                     "How the variance of the images is shared out over scales: large structures "
                     "on the left, fine detail on the right.");
        page_plot(p, &plot,
                  "Mean squared Fourier coefficient in the ring of k waves a side. Samples above "
                  "the real curve on the right are noisy, below it blurred.");
    }
    for (int s = 0; s < 4; s++)
        mem_free(energy[s]);
    mem_free(k);
}

/* Nearest training image of each of n images, reading the data set in slabs. */
static int find_nearest(struct h5_file *dataset, int64_t total, int64_t per_image,
                        const float *images, int n, float *distance, int64_t *index)
{
    struct comm *alone = comm_self_create();
    int64_t rows = SLAB_BYTES / (per_image * (int64_t)sizeof(float)) + 1;
    float *slab = mem_alloc((size_t)(rows * per_image) * sizeof *slab),
          *near = mem_alloc((size_t)n * sizeof *near);
    int64_t *which = mem_alloc((size_t)n * sizeof *which);
    int failed = 0;
    for (int i = 0; i < n; i++)
        distance[i] = INFINITY;
    for (int64_t first = 0; first < total && !failed; first += rows) {
        int64_t count = total - first < rows ? total - first : rows;
        failed = job_read_images(dataset, 0, first, count, per_image, slab);
        if (!failed)
            nearest_rows(alone, slab, count, images, n, (int)per_image, near, which);
        for (int i = 0; i < n && !failed; i++)
            if (near[i] < distance[i]) {
                distance[i] = near[i];
                index[i] = first + which[i];
            }
    }
    mem_free(slab);
    mem_free(near);
    mem_free(which);
    alone->ops->destroy(alone);
    return failed;
}

enum { COLUMNS = 8, GROUPS = 2, SHOWN = COLUMNS * GROUPS };

/* The first SHOWN samples (repeated where there are fewer) over their nearest training images. */
static int nearest_picture(struct h5_file *dataset, const struct dataset_shape *shape,
                           struct h5_file *samples, int64_t count, struct page *p)
{
    int64_t per_image = (int64_t)shape->width * shape->height * shape->channels, index[SHOWN] = {0};
    size_t bytes = (size_t)per_image * sizeof(float), png_bytes;
    float *images = mem_alloc(SHOWN * bytes), *grid = mem_alloc(2 * SHOWN * bytes), distance[SHOWN];
    int n = count < SHOWN ? (int)count : SHOWN;
    int failed = h5_read_rows(samples, "/images", 0, n, images) ||
                 find_nearest(dataset, shape->count, per_image, images, n, distance, index);
    int rows = 2 * ((n + COLUMNS - 1) / COLUMNS);
    for (int i = 0; i < rows / 2 * COLUMNS && !failed; i++) {
        float *at = grid + ((int64_t)(i / COLUMNS) * 2 * COLUMNS + i % COLUMNS) * per_image;
        memcpy(at, images + i % n * per_image, bytes);
        failed = job_read_images(dataset, 0, index[i % n], 1, per_image, at + COLUMNS * per_image);
    }
    if (!failed) {
        uint8_t *png = png_encode_grid(rows, COLUMNS, shape->width, shape->channels,
                                       shape->width < 64 ? 2 : 1, grid, &png_bytes);
        double sum = 0;
        for (int i = 0; i < n; i++)
            sum += (double)distance[i] / n;
        page_section(p, "Samples and their nearest training images",
                     "A sample that equals the image below it is a copy, not a new image.");
        page_png(p, png, png_bytes,
                 "Odd rows: samples. Even rows: the training image with the smallest difference in "
                 "pixels to the sample above it.");
        page_text(p, "Mean distance of these %d pairs: %.3f.", n, sum);
        mem_free(png);
    }
    mem_free(images);
    mem_free(grid);
    return failed;
}

void report_nearest(struct job *job, struct page *p)
{
    struct h5_file *dataset = NULL, *samples = NULL;
    struct dataset_shape shape;
    enum h5_type type;
    char data_path[JOB_PATH], path[JOB_PATH];
    int rank;
    int64_t dims[5];
    job_path(job, "dataset.h5", data_path);
    job_path(job, "samples.h5", path);
    if (h5_probe(data_path, "peclet-dataset", NULL) == 3 &&
        h5_probe(path, "peclet-samples", NULL) == 3 &&
        !dataset_open(data_path, NULL, &shape, &dataset) && !h5_open(path, NULL, 0, "", &samples) &&
        !h5_dataset_info(samples, "/images", &type, &rank, dims) && type == H5_F32 && rank == 4 &&
        dims[0] > 0 && dims[1] == shape.height && dims[3] == shape.channels)
        nearest_picture(dataset, &shape, samples, dims[0], p);
    h5_close(samples);
    h5_close(dataset);
}
