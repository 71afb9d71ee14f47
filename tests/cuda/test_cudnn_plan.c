/* SPDX-License-Identifier: Apache-2.0
 * The convolutions' operation graphs (cuda/cudnn_plan.c) before the real cuDNN, without a GPU: the library is told the
 * properties of an H100 and an A100 and asked for its plans. What this proves: every descriptor is accepted, and plans
 * for the plain passes exist and can be built, also for images of 1 and 3 channels, on the tensor cores with bf16; and
 * that a plan written down and read again is the same plan, on that GPU alone. The fused passes, and bf16 in with fp32
 * out, are compiled at run time, for which the library wants a driver; where there is none, all that can be seen is that
 * it gets as far as asking for it.
 * In fp32 the fusions would multiply in TF32, which is refused, so they may be missing.
 * Nothing is executed here: `test_ops cuda` does that, on a GPU. */
#include "check.h"

#include <string.h>

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/timer.h"
#include "conv_cache.h"
#include "cudnn_plan.h"

enum { MOST = 4, WHY = 8192 };

/* The properties of a card in the form that cuDNN itself writes. */
static cudnnBackendDescriptor_t describe(const char *name, int capability, int sm_count,
                                         int l2_bytes, int smem_bytes, int sm_khz, int memory_khz)
{
    char json[1024];
    cudnnBackendDescriptor_t device = NULL;
    int length = snprintf(
        json, sizeof json,
        "{\"cudaDeviceId\": 0, \"deviceVer\": %d, \"driverVer\": 13000, \"isTccDriver\": 0, "
        "\"l2CacheSize\": %d, "
        "\"maxCtasPerSM\": 32, \"maxRegistersPerSM\": 65536, \"maxSharedMemoryPerBlock\": 49152, "
        "\"maxSharedMemoryPerBlockOptin\": %d, \"maxThreadsPerBlock\": 1024, \"maxThreadsPerSM\": "
        "2048, "
        "\"memClockRateKHz\": %d, \"multiProcessorCount\": %d, \"pciDeviceId\": 0, "
        "\"regsPerBlock\": 65536, "
        "\"reservedSharedMemoryPerBlock\": 1024, \"smClockRateKHz\": %d, \"supportCoopLaunch\": 1, "
        "\"totalGlobalMem\": 85017624576, \"warpSize\": 32, \"maxGridSize\": [2147483647, 65535, "
        "65535], "
        "\"maxBlockSize\": [1024, 1024, 64], \"deviceName\": \"%s\"}",
        capability, l2_bytes, smem_bytes, memory_khz, sm_count, sm_khz, name);
    CHECK(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &device) ==
          CUDNN_STATUS_SUCCESS);
    CHECK(cudnnBackendSetAttribute(device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                   CUDNN_TYPE_CHAR, length, json) == CUDNN_STATUS_SUCCESS);
    CHECK(cudnnBackendFinalize(device) == CUDNN_STATUS_SUCCESS);
    return device;
}

static void try_pass(cudnnBackendDescriptor_t device, const struct conv_shape *s,
                     enum cudnn_pass pass)
{
    static char why[WHY];
    struct cudnn_candidate found[MOST];
    unsigned tensor_cores = 0;
    double began = timer_now_s();
    int count = cudnn_find_plans(device, s, pass, (int64_t)512 << 20, MOST, found, why, WHY);
    printf("  %-26s %5.2f s", cudnn_pass_name(pass), timer_now_s() - began);
    for (int i = 0; i < count; i++) {
        printf("  engine %d, %.1f MiB", found[i].engine, (double)found[i].workspace / (1 << 20));
        CHECK(found[i].plan && found[i].workspace >= 0);
        tensor_cores |= found[i].notes >> CUDNN_NUMERICAL_NOTE_TENSOR_CORE & 1;
        cudnnBackendDestroyDescriptor(found[i].plan);
    }
    if (count == 0)
        printf("  %.150s", why);
    printf("%s\n", tensor_cores ? ", tensor cores" : "");
    CHECK(count == 0 || tensor_cores == (s->type == DTYPE_BF16));
    if (cudnn_pass_compiled(pass))
        CHECK(count > 0 || s->type == DTYPE_F32 || pass == PASS_WEIGHTS ||
              strstr(why, "RUNTIME_PREREQUISITE_MISSING") ||
              strstr(why, "cuLibraryLoadData")); /* a driver without a card */
    else
        CHECK(count > 0);
}

/* A plan through its text and a file: the same there, refused by another GPU. */
static void try_text(cudnnBackendDescriptor_t device, cudnnBackendDescriptor_t other,
                     const char *folder, const struct conv_shape *s, enum cudnn_pass pass)
{
    static char why[WHY];
    static const int64_t most = (int64_t)512 << 20;
    struct cudnn_candidate found, again;
    char path[4096];
    CHECK(cudnn_find_plans(device, s, pass, most, 1, &found, why, WHY) == 1);
    char *text = cudnn_plan_text(found.plan), *kept, *text_again;
    CHECK(text && strlen(text) > 100);
    CHECK(conv_cache_write(folder, "a plan", text) == 0);
    CHECK((kept = conv_cache_read(folder, "a plan")) != NULL && strcmp(kept, text) == 0);
    CHECK(cudnn_plan_of_text(device, kept, most, &again) == 0 && again.plan);
    CHECK(again.workspace == found.workspace);
    CHECK((text_again = cudnn_plan_text(again.plan)) != NULL && strcmp(text_again, text) == 0);
    cudnnBackendDestroyDescriptor(found.plan);
    cudnnBackendDestroyDescriptor(again.plan);
    CHECK(cudnn_plan_of_text(other, kept, most, &again) != 0 && !again.plan);
    CHECK(cudnn_plan_of_text(device, kept, found.workspace - 1, &again) != 0 && !again.plan);
    snprintf(path, sizeof path, "%s/a_plan", folder);
    CHECK(remove(path) == 0);
    mem_free(text);
    mem_free(kept);
    mem_free(text_again);
}

static int of_type(enum cudnn_pass pass, enum dtype type)
{
    if (pass == PASS_WEIGHTS_ADD)
        return type == DTYPE_F32;
    return type == DTYPE_BF16 ||
           (pass != PASS_WEIGHTS && pass != PASS_WEIGHTS_FUSED && pass != PASS_WEIGHTS_ROUNDED);
}

/* Pointers are only carried; any will do. */
static void try_pack(enum cudnn_pass pass)
{
    static char memory[4096];
    struct cudnn_tensors t = {memory,        memory + 512,  memory + 1024,
                              memory + 1536, memory + 2048, memory + 2560};
    cudnnBackendDescriptor_t pack = NULL;
    CHECK(cudnn_make_pack(pass, &t, memory + 3072, &pack) == CUDNN_STATUS_SUCCESS);
    CHECK(pack != NULL);
    cudnnBackendDestroyDescriptor(pack);
}

int main(void)
{
    static const struct conv_shape shapes[] = {
        /* n, h, w, c_in, c_out, kernel, stride */
        {.n = 32, .h = 32, .w = 32, .c_in = 128, .c_out = 128, .kernel = 3, .stride = 1},
        {.n = 64, .h = 28, .w = 28, .c_in = 1, .c_out = 64, .kernel = 3, .stride = 1},
        {.n = 16, .h = 64, .w = 64, .c_in = 3, .c_out = 128, .kernel = 3, .stride = 1},
        {.n = 16, .h = 64, .w = 64, .c_in = 128, .c_out = 3, .kernel = 3, .stride = 1},
        {.n = 16, .h = 32, .w = 32, .c_in = 256, .c_out = 128, .kernel = 1, .stride = 1},
        {.n = 16, .h = 32, .w = 32, .c_in = 128, .c_out = 128, .kernel = 3, .stride = 2},
        {.n = 1, .h = 1, .w = 64, .c_in = 512, .c_out = 256, .kernel = 1, .stride = 1},
    };
    cudnnBackendDescriptor_t device[] = {
        describe("NVIDIA H100 80GB HBM3", 900, 132, 52428800, 232448, 1980000, 2619000),
        describe("NVIDIA A100-SXM4-80GB", 800, 108, 41943040, 166912, 1410000, 1593000)};
    int capability[] = {90, 80};
    printf("cuDNN %zu\n", cudnnGetVersion());
    for (int g = 0; g < 2; g++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int fp32 = 0; fp32 < 2; fp32++) {
                struct conv_shape s = shapes[i];
                s.type = fp32 ? DTYPE_F32 : DTYPE_BF16;
                printf(
                    "capability %d, %s, %d images %dx%d, %d -> %d channels, kernel %d, stride %d\n",
                    capability[g], fp32 ? "fp32" : "bf16", s.n, s.h, s.w, s.c_in, s.c_out, s.kernel,
                    s.stride);
                for (int pass = 0; pass < PASSES; pass++)
                    if (of_type((enum cudnn_pass)pass, s.type) &&
                        !(i > 0 && cudnn_pass_compiled((enum cudnn_pass)pass))) /* minutes */
                        try_pass(device[g], &s, (enum cudnn_pass)pass);
            }
    }
    char folder[] = "/tmp/peclet-test-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    for (int pass = 0; pass < PASSES; pass++)
        for (int fp32 = 0; fp32 < 2; fp32++) {
            struct conv_shape s = shapes[0];
            s.type = fp32 ? DTYPE_F32 : DTYPE_BF16;
            if (of_type((enum cudnn_pass)pass, s.type) &&
                !cudnn_pass_compiled((enum cudnn_pass)pass))
                try_text(device[0], device[1], folder, &s, (enum cudnn_pass)pass);
        }
    CHECK(rmdir(folder) == 0);
    cudnnBackendDestroyDescriptor(device[0]);
    cudnnBackendDestroyDescriptor(device[1]);
    for (int pass = 0; pass < PASSES; pass++)
        try_pack((enum cudnn_pass)pass);
    return check_done();
}
