/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/network_file.h"

#include <string.h>

#include "base/mem.h"

/* PyTorch's shape of a parameter; returns the rank. */
static int torch_shape(const struct param *p, int64_t dims[4])
{
    const char *dot = strrchr(p->name, '.');
    int linear = strstr(p->name, "emb_layers") || !strncmp(p->name, "time_embed", 10);
    int flat = strstr(p->name, ".qkv.") || strstr(p->name, ".proj_out.");
    dims[0] = p->dims[0];
    dims[1] = p->dims[3];
    dims[2] = p->dims[1];
    dims[3] = p->dims[2];
    if (p->init == INIT_ONE || (dot && !strcmp(dot, ".bias")))
        return 1;
    return linear ? 2 : flat ? 3 : 4;
}

/* ours [O,H,W,I] from theirs [O,I,H,W], or back */
static void turn(const struct param *p, int to_theirs, const float *from, float *to)
{
    int taps = p->dims[1] * p->dims[2], c_in = p->dims[3];
    for (int64_t o = 0; o < p->dims[0]; o++)
        for (int64_t i = 0; i < c_in; i++)
            for (int64_t t = 0; t < taps; t++) {
                int64_t ours = (o * taps + t) * c_in + i, theirs = (o * c_in + i) * taps + t;
                to[to_theirs ? theirs : ours] = from[to_theirs ? ours : theirs];
            }
}

int network_file_write(const char *path, const struct graph *g, const float *params,
                       const struct safetensors_note *notes, int note_count)
{
    int count = graph_param_count(g);
    struct safetensors_item *items = mem_zalloc((size_t)count * sizeof *items);
    float *turned = mem_alloc((size_t)graph_param_total(g) * sizeof *turned);
    for (int i = 0; i < count; i++) {
        const struct param *p = graph_param(g, i);
        int64_t dims[4];
        items[i].name = p->name;
        items[i].rank = torch_shape(p, dims);
        memcpy(items[i].dims, dims, sizeof dims);
        items[i].data = turned + p->first;
        turn(p, 1, params + p->first, turned + p->first);
    }
    int failed = safetensors_write(path, items, count, notes, note_count);
    mem_free(items);
    mem_free(turned);
    return failed;
}

int network_file_read(const char *path, const struct graph *g, float *params)
{
    struct safetensors *f;
    if (safetensors_open(path, &f))
        return 1;
    float *theirs = mem_alloc((size_t)graph_param_total(g) * sizeof *theirs);
    int failed = 0;
    for (int i = 0; i < graph_param_count(g) && !failed; i++) {
        const struct param *p = graph_param(g, i);
        int64_t dims[4];
        int rank = torch_shape(p, dims);
        failed = safetensors_read(f, p->name, rank, dims, theirs);
        if (!failed)
            turn(p, 0, theirs, params + p->first);
    }
    mem_free(theirs);
    safetensors_close(f);
    return failed;
}
