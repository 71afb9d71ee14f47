/* SPDX-License-Identifier: Apache-2.0
 * The convolutions' operation graphs (cuda/cudnn_plan.c) before the real cuDNN, without a GPU: the library is told the
 * properties of an H100 and an A100 and asked for its plans. What this proves: every descriptor is accepted, and plans
 * for the three plain passes exist and can be built. The fused passes are compiled at run time, for which the library
 * wants a driver; where there is none, all that can be seen is that it gets as far as asking for it.
 * In fp32 the fusions would multiply in TF32, which is refused, so they may be missing.
 * Nothing is executed here: `test_ops cuda` does that, on a GPU. */
#include "check.h"

#include <string.h>

#include "base/timer.h"
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
    double began = timer_now_s();
    int count = cudnn_find_plans(device, s, pass, (int64_t)512 << 20, MOST, found, why, WHY);
    printf("  %-26s %5.2f s", cudnn_pass_name(pass), timer_now_s() - began);
    for (int i = 0; i < count; i++) {
        printf("  engine %d, %.1f MiB", found[i].engine, (double)found[i].workspace / (1 << 20));
        CHECK(found[i].plan && found[i].workspace >= 0);
        cudnnBackendDestroyDescriptor(found[i].plan);
    }
    if (count == 0)
        printf("  %.150s", why);
    printf("\n");
    if (cudnn_pass_compiled(pass))
        CHECK(count > 0 || s->type == DTYPE_F32 || strstr(why, "RUNTIME_PREREQUISITE_MISSING") ||
              strstr(why, "cuLibraryLoadData")); /* a driver without a card */
    else
        CHECK(count > 0);
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
    int capability[] = {90, 80}, driver = 0;
    cudaDriverGetVersion(&driver);
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
                    if (pass != (fp32 ? PASS_WEIGHTS : PASS_WEIGHTS_ADD) &&
                        !(driver && i > 0 &&
                          cudnn_pass_compiled((enum cudnn_pass)pass))) /* minutes */
                        try_pass(device[g], &s, (enum cudnn_pass)pass);
            }
        cudnnBackendDestroyDescriptor(device[g]);
    }
    for (int pass = 0; pass < PASSES; pass++)
        try_pack((enum cudnn_pass)pass);
    return check_done();
}
