/* SPDX-License-Identifier: Apache-2.0 */
#include "tasks/eye.h"

#include <string.h>

#include "base/mem.h"
#include "metrics/features.h"
#include "tasks/judge.h"

enum { BATCH = 128 };

struct eye { /* one of the two */
    struct feature_net *net;
    struct judge *judge;
};

int eye_takes_any(const char *feature)
{
    return !strcmp(feature, "inception");
}

int eye_open(struct job *job, const char *feature, const struct image_set *like, struct eye **out)
{
    struct eye *eye = mem_zalloc(sizeof *eye);
    int failed =
        judge_knows(feature)
            ? judge_features(job, feature, like->width, like->channels, &eye->judge)
            : features_create(job->device, feature, like->width, like->channels, BATCH, &eye->net);
    if (comm_agree(job->comm, failed)) {
        eye_close(eye);
        return 1;
    }
    *out = eye;
    return 0;
}

int eye_dim(const struct eye *eye)
{
    return eye->judge ? judge_dim(eye->judge) : features_dim(eye->net);
}

int eye_is_fid(const struct eye *eye)
{
    return eye->judge && judge_is_fid(eye->judge);
}

void eye_run(struct eye *eye, int64_t n, const struct image *images, float *out)
{
    if (eye->judge)
        judge_run(eye->judge, n, images, out);
    else
        features_run(eye->net, n, images[0].x, out);
}

void eye_close(struct eye *eye)
{
    if (!eye)
        return;
    if (eye->net)
        features_destroy(eye->net);
    judge_destroy(eye->judge);
    mem_free(eye);
}
