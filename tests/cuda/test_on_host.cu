/* SPDX-License-Identifier: Apache-2.0
 * The tool itself: kernels that need what GPU kernels need (shuffles, barriers, a cluster's shared memory) give the
 * right results, a missing barrier shows, and the runtime refuses and defers what a GPU would. */
#include "kernel.cuh"

#include "check.h"
#include "mma.h"
#include <sys/wait.h>
#include <unistd.h>

/* out[block] = sum of the block's inputs */
static __global__ void block_sum(const float *x, float *out, int n)
{
    float s = 0, *part = SMEM(float);
    for (int i = (int)(blockIdx.x * blockDim.x + threadIdx.x); i < n; i += (int)(gridDim.x * blockDim.x))
        s += x[i];
    for (int d = 16; d; d /= 2)
        s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = s;
    __syncthreads();
    if (threadIdx.x == 0) {
        float t = 0;
        for (unsigned i = 0; i < blockDim.x / 32; i++)
            t += part[i];
        out[blockIdx.x] = t;
    }
}

/* y = x backwards; broken: with its barrier left out */
static __global__ void reverse(const float *x, float *y, int n, int broken)
{
    float *s = SMEM(float);
    s[threadIdx.x] = x[threadIdx.x];
    if (!broken)
        __syncthreads();
    y[threadIdx.x] = s[n - 1 - (int)threadIdx.x];
}

/* Heat on a line cut over the blocks of a cluster, one value a thread, the neighbour's end read from its memory. */
static __global__ void heat(float *u, int steps)
{
    float *s = SMEM(float);
    const int n = (int)blockDim.x, i = (int)threadIdx.x, r = (int)cluster_rank(), size = (int)gridDim.x;
    float v = u[r * n + i];
    for (int t = 0; t < steps; t++) {
        const int now = (t & 1) * n;
        s[now + i] = v;
        cluster_sync();
        float left = i ? s[now + i - 1] : r ? cluster_map(s, (unsigned)r - 1)[now + n - 1] : v;
        float right = i < n - 1 ? s[now + i + 1] : r < size - 1 ? cluster_map(s, (unsigned)r + 1)[now] : v;
        v += 0.25f * (left - 2 * v + right);
    }
    cluster_sync(); /* no block may leave while a neighbour still reads it */
    u[r * n + i] = v;
}

/* Odd lanes all sum their numbers, even lanes by fours, each through their own mask; then all vote. */
static __global__ void halves(int *y)
{
    unsigned lane = threadIdx.x, mine = lane % 2 ? 0xaaaaaaaau : 0x55555555u;
    int v = (int)lane;
    for (int d = 2; d < (lane % 2 ? 32 : 8); d *= 2)
        v += __shfl_xor_sync(mine, v, d);
    y[lane] = __ballot_sync(~0u, v == 256) == 0xaaaaaaaau ? v : -1;
}

static float *device_floats(int n)
{
    float *x;
    CHECK(cudaMalloc(&x, (size_t)n * 4) == cudaSuccess);
    return x;
}

static void test_kernels(cudaStream_t stream)
{
    enum { N = 1000 };
    float *x = device_floats(N), *o = device_floats(3), *u = device_floats(128);
    double want = 0;
    for (int i = 0; i < N; i++)
        want += x[i] = (float)(i * 37 % 101);
    KERNEL_LAUNCH(block_sum, dim3(3), dim3(96), 3 * sizeof(float), stream, x, o, N);
    cudaStreamSynchronize(stream);
    CHECK(o[0] + o[1] + o[2] == want);

    float w[130];
    for (int i = 0; i < 128; i++)
        u[i] = w[i + 1] = (float)(i % 7);
    KERNEL_LAUNCH_CLUSTER(heat, 4, dim3(4), dim3(32), 64 * sizeof(float), stream, u, 50);
    for (int t = 0; t < 50; t++) {
        float p[130];
        w[0] = w[1], w[129] = w[128];
        memcpy(p, w, sizeof p);
        for (int i = 1; i < 129; i++)
            w[i] = p[i] + 0.25f * (p[i - 1] - 2 * p[i] + p[i + 1]);
    }
    cudaStreamSynchronize(stream);
    for (int i = 0; i < 128; i++)
        CHECK_NEAR(u[i], w[i + 1], 1e-6);

    int *y;
    CHECK(cudaMalloc(&y, 128) == cudaSuccess);
    KERNEL_LAUNCH(halves, dim3(1), dim3(32), 0, stream, y);
    cudaStreamSynchronize(stream);
    for (int i = 0; i < 32; i++) /* odd: all 16 of them; even: four of them, d = 2 and 4 */
        CHECK(y[i] == (i % 2 ? 256 : i / 8 * 32 + 12));
    CHECK(cudaFree(x) == cudaSuccess && cudaFree(o) == cudaSuccess && cudaFree(u) == cudaSuccess);
    CHECK(cudaFree(y) == cudaSuccess);
}

/* The oracle of the tool: the barrier that is not there must be missed. */
static void test_missing_barrier(cudaStream_t stream)
{
    float *x = device_floats(64), *y = device_floats(64);
    int wrong[2] = {0, 0};
    for (int broken = 0; broken < 2; broken++) {
        for (int i = 0; i < 64; i++)
            x[i] = (float)i;
        KERNEL_LAUNCH(reverse, dim3(1), dim3(64), 64 * sizeof(float), stream, x, y, 64, broken);
        cudaStreamSynchronize(stream);
        for (int i = 0; i < 64; i++)
            wrong[broken] += !(y[i] == x[63 - i]);
    }
    printf("without its barrier %d of 64 wrong\n", wrong[1]);
    CHECK(wrong[0] == 0);
    CHECK(wrong[1] > 0);
    cudaFree(x);
    cudaFree(y);
}

/* out [16,16] = a b + c with operands [16,16] in shared memory, rows LD apart, each as it is or transposed. */
enum { LD = 24, MATRICES_BYTES = 2 * 16 * LD * sizeof(__nv_bfloat16) };
template <class LayoutA, class LayoutB>
static __global__ void matrices(const float *a, const float *b, float c, float *out)
{
    __nv_bfloat16 *sa = SMEM(__nv_bfloat16), *sb = sa + 16 * LD;
    const int by_row_a = std::is_same<LayoutA, nvcuda::wmma::row_major>::value;
    const int by_row_b = std::is_same<LayoutB, nvcuda::wmma::row_major>::value;
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA> fa;
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB> fb;
    nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> sum;
    for (int i = (int)threadIdx.x; i < 256; i += 32) {
        sa[by_row_a ? i / 16 * LD + i % 16 : i % 16 * LD + i / 16] = __float2bfloat16_rn(a[i]);
        sb[by_row_b ? i / 16 * LD + i % 16 : i % 16 * LD + i / 16] = __float2bfloat16_rn(b[i]);
    }
    __syncwarp();
    nvcuda::wmma::load_matrix_sync(fa, sa, LD);
    nvcuda::wmma::load_matrix_sync(fb, sb, LD);
    nvcuda::wmma::fill_fragment(sum, c);
    nvcuda::wmma::mma_sync(sum, fa, fb, sum);
    nvcuda::wmma::store_matrix_sync(out, sum, 16, nvcuda::wmma::mem_row_major);
}

static void test_matrices(cudaStream_t stream)
{
    using namespace nvcuda::wmma;
    void (*const kernels[])(const float *, const float *, float, float *) = {
        matrices<row_major, row_major>, matrices<row_major, col_major>, matrices<col_major, row_major>,
        matrices<col_major, col_major>};
    float *a = device_floats(256), *b = device_floats(256), *out = device_floats(256);
    for (int i = 0; i < 256; i++) {
        a[i] = (float)(i * 37 % 101 - 50);
        b[i] = (float)(i * 53 % 89 - 40);
    }
    for (int k = 0; k < 4; k++) {
        KERNEL_LAUNCH(kernels[k], dim3(1), dim3(32), MATRICES_BYTES, stream, a, b, 3.0f, out);
        cudaStreamSynchronize(stream);
        for (int i = 0; i < 256; i++) {
            float want = 3;
            for (int j = 0; j < 16; j++)
                want += a[i / 16 * 16 + j] * b[j * 16 + i % 16];
            CHECK(out[i] == want);
        }
    }
    for (int i = 0; i < 256; i++) /* three quarters of what fp32 can tell from 1 are cut off */
        a[i] = 0x1.8p-14f, b[i] = 0x1p-14f;
    KERNEL_LAUNCH(kernels[0], dim3(1), dim3(32), MATRICES_BYTES, stream, a, b, 1.0f, out);
    cudaStreamSynchronize(stream);
    CHECK(out[0] == 1);
    cudaFree(a);
    cudaFree(b);
    cudaFree(out);
}

/* What a warp must not do with matrices. */
enum misuse { NONE, LANE_LEFT, LANE_ELSEWHERE, TWO_PLACES, MISPLACED, ODD_LD, SHORT_LD, BEYOND, MISUSES };
static __global__ void misused(int how)
{
    __nv_bfloat16 *s = SMEM(__nv_bfloat16);
    const int last = threadIdx.x == 31;
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, __nv_bfloat16, nvcuda::wmma::row_major> f;
    if (last && how == LANE_LEFT)
        return;
    if (last && how == LANE_ELSEWHERE)
        __syncwarp();
    s += how == MISPLACED ? 8 : how == BEYOND || (last && how == TWO_PLACES) ? 16 : 0;
    nvcuda::wmma::load_matrix_sync(f, s, how == ODD_LD ? 20 : how == SHORT_LD ? 8 : 16);
}

/* The kernel is run by a child that must end with these words. */
static void dies(cudaStream_t stream, int how, const char *words)
{
    char said[500] = "";
    int end[2], status;
    CHECK(pipe(end) == 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        dup2(end[1], STDERR_FILENO);
        KERNEL_LAUNCH(misused, dim3(1), dim3(32), 16 * 16 * sizeof(__nv_bfloat16), stream, how);
        cudaStreamSynchronize(stream);
        _exit(0);
    }
    close(end[1]);
    for (size_t n = 0, more = 1; more > 0 && n < sizeof said - 1; n += more)
        more = (size_t)std::max<ssize_t>(read(end[0], said + n, sizeof said - 1 - n), 0);
    close(end[0]);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(how == NONE ? status == 0 : WIFSIGNALED(status) && strstr(said, words));
    if (how && !strstr(said, words))
        printf("instead of '%s': %s\n", words, said);
}

static void test_misuses(cudaStream_t stream)
{
    static const char *const words[MISUSES] = {"",
                                               "not all 32 lanes",
                                               "not all 32 lanes",
                                               "different places",
                                               "multiple of 32 bytes",
                                               "leading dimension",
                                               "leading dimension",
                                               "beyond the shared memory"};
    for (int how = 0; how < MISUSES; how++)
        dies(stream, how, words[how]);
}

/* Work waits for whoever waits for it; pageable memory is read at once, page-locked memory is not. */
static void test_order(cudaStream_t stream)
{
    float *x = device_floats(2), *locked, pageable = 1;
    cudaStream_t other;
    cudaEvent_t event;
    CHECK(cudaHostAlloc((void **)&locked, 8, cudaHostAllocDefault) == cudaSuccess);
    CHECK(cudaStreamCreateWithPriority(&other, cudaStreamNonBlocking, 0) == cudaSuccess);
    CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
    locked[0] = 1;
    cudaMemcpyAsync(x, &pageable, 4, cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(x + 1, locked, 4, cudaMemcpyHostToDevice, stream);
    pageable = locked[0] = 2;
    cudaEventRecord(event, stream);
    cudaStreamWaitEvent(other, event, 0);
    cudaMemcpyAsync(locked, x, 8, cudaMemcpyDeviceToHost, other);
    CHECK(locked[0] == 2 && isnan(locked[1]));
    CHECK(cudaEventQuery(event) == cudaErrorNotReady);
    cudaStreamSynchronize(other);
    CHECK(locked[0] == 1 && locked[1] == 2);
    cudaFree(x);
    cudaFreeHost(locked);
    cudaStreamDestroy(other);
    cudaEventDestroy(event);
}

static void test_refusals(cudaStream_t stream)
{
    float *x = device_floats(4), host[4] = {0};
    void *large;
    KERNEL_LAUNCH(block_sum, dim3(0), dim3(32), 4, stream, x, x, 4);
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    KERNEL_LAUNCH(block_sum, dim3(1), dim3(1056), 4, stream, x, x, 4);
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    KERNEL_LAUNCH(block_sum, dim3(1), dim3(32), 49153, stream, x, x, 4);
    CHECK(cudaGetLastError() == cudaErrorInvalidValue);
    CHECK(cudaFuncSetAttribute(block_sum, cudaFuncAttributeMaxDynamicSharedMemorySize, 100000) == cudaSuccess);
    KERNEL_LAUNCH(block_sum, dim3(1), dim3(32), 49153, stream, x, x, 0);
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(KERNEL_LAUNCH_CLUSTER(heat, 4, dim3(6), dim3(32), 256, stream, x, 1) == cudaErrorInvalidClusterSize);
    cudaGetLastError();
    CHECK(cudaMemcpyAsync(host, host, 16, cudaMemcpyHostToDevice, stream) == cudaErrorInvalidMemcpyDirection);
    cudaGetLastError();
    CHECK(cudaMalloc(&large, (size_t)1 << 40) == cudaErrorMemoryAllocation);
    CHECK(cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
    cudaFree(x);
}

int main(void)
{
    cudaStream_t stream;
    CHECK(cudaStreamCreate(&stream) == cudaSuccess);
    test_kernels(stream);
    test_missing_barrier(stream);
    test_matrices(stream);
    test_misuses(stream);
    test_order(stream);
    test_refusals(stream);
    cudaStreamDestroy(stream);
    return check_done();
}
