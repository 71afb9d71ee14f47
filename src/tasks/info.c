/* SPDX-License-Identifier: Apache-2.0
 * info: what a file of ours is. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/h5io.h"
#include "tasks/tasks.h"

static void print_text(struct h5_file *file, const char *name)
{
    char *text = NULL;
    if (h5_has_attribute(file, name) && !h5_get_text(file, name, &text))
        printf("%-12s %s\n", name, text);
    mem_free(text);
}

static void print_int(struct h5_file *file, const char *name)
{
    int64_t value;
    if (h5_has_attribute(file, name) && !h5_get_int(file, name, &value))
        printf("%-12s %lld\n", name, (long long)value);
}

static void print_dataset(struct h5_file *file, const char *name)
{
    static const char *const type_name[] = {"uint8",   "int32",   "int64",
                                            "float16", "float32", "float64"};
    enum h5_type type;
    int rank;
    int64_t dims[5];
    if (!h5_dataset_exists(file, name) || h5_dataset_info(file, name, &type, &rank, dims))
        return;
    printf("%-12s %s [", name, type_name[type]);
    for (int i = 0; i < rank; i++)
        printf("%s%lld", i ? ", " : "", (long long)dims[i]);
    printf("]\n");
}

int task_info(const char *path)
{
    static const char *const datasets[] = {
        "/images", "/test_images", "/labels", "/test_labels", "/u", "/delta", "/image",   "/level",
        "/prior",  "/seed_image",  "/params", "/ema",         "/m", "/v",     "/velocity"};
    static const char *const counters[] = {"version", "images_done", "samples_done",
                                           "checkpoint_step", "step"};
    struct h5_file *file = NULL;
    char *deck = NULL;
    if (h5_open(path, NULL, 0, "", &file))
        return TASK_FAILED;
    if (!h5_has_attribute(file, "format"))
        printf("%s: an HDF5 file, not one of peclet's\n", path);
    print_text(file, "format");
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        print_int(file, counters[i]);
    printf("%-12s %s\n", "complete", h5_is_complete(file) ? "yes" : "no");
    print_text(file, "mode");
    print_text(file, "commit");
    for (size_t i = 0; i < sizeof datasets / sizeof *datasets; i++)
        print_dataset(file, datasets[i]);
    if (h5_has_attribute(file, "deck") && !h5_get_text(file, "deck", &deck))
        printf("\n%s", deck);
    mem_free(deck);
    return h5_close(file) ? TASK_FAILED : TASK_DONE;
}
