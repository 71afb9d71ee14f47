/* SPDX-License-Identifier: Apache-2.0
 * cufft.h by the definition of the transform, in double, one axis after the other. */
#include "cufft.h"

#include <complex>
#include <map>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vector>

#include "streams.h"

namespace {
typedef std::complex<double> complex;

struct layout {
    long long row, stride, batch; /* elements between rows, columns, batches */
};
struct plan {
    long long n[2] = {0, 0}, batch = 0;
    layout in = {}, out = {};
    bool allocates = true;
    size_t work_bytes = 0;
    char *work = NULL;
    cudaStream_t stream = NULL;
};
/* What is left when the program ends is a leak. */
struct plans {
    std::map<cufftHandle, plan> all;
    cufftHandle next = 1;
    ~plans()
    {
        if (all.empty())
            return;
        fprintf(stderr, "cufft_on_host: %zu plans left at exit\n", all.size());
        fflush(NULL);
        _exit(1);
    }
} P;

plan *find(cufftHandle handle)
{
    auto found = P.all.find(handle);
    return found == P.all.end() ? NULL : &found->second;
}

void complain(const char *what)
{
    fprintf(stderr, "cufft_on_host: %s\n", what);
    abort();
}

std::vector<complex> circle(long long n)
{
    std::vector<complex> e((size_t)n);
    for (long long i = 0; i < n; i++)
        e[(size_t)i] = std::polar(1.0, 2 * M_PI * (double)i / (double)n);
    return e;
}

/* One signal: [n0][n1/2 + 1] complex to [n0][n1] real. */
void transform(const plan &p, const float2 *in, float *out)
{
    long long rows = p.n[0], columns = p.n[1], half = columns / 2 + 1;
    std::vector<complex> down = circle(rows), across = circle(columns), middle((size_t)(rows * half));
    double largest = 0;
    for (long long y = 0; y < rows; y++)
        for (long long k = 0; k < half; k++) {
            complex sum = 0;
            for (long long l = 0; l < rows; l++) {
                float2 v = in[l * p.in.row + k * p.in.stride];
                if (!isfinite(v.x) || !isfinite(v.y))
                    complain("a batch holds no valid signal");
                sum += complex(v.x, v.y) * down[(size_t)(l * y % rows)];
            }
            middle[(size_t)(y * half + k)] = sum;
            largest = fmax(largest, std::abs(sum));
        }
    for (long long y = 0; y < rows; y++) {
        const complex *m = &middle[(size_t)(y * half)];
        if (fabs(m[0].imag()) > 1e-5 * largest || (columns % 2 == 0 && fabs(m[columns / 2].imag()) > 1e-5 * largest))
            complain("not the spectrum of a real signal");
        for (long long x = 0; x < columns; x++) {
            double sum = m[0].real();
            for (long long k = 1; k < half; k++)
                sum += (2 * k == columns ? 1 : 2) * (m[k] * across[(size_t)(k * x % columns)]).real();
            out[y * p.out.row + x * p.out.stride] = (float)sum;
        }
    }
}
} // namespace

cufftResult cufftCreate(cufftHandle *handle)
{
    *handle = P.next++;
    P.all[*handle] = plan();
    return CUFFT_SUCCESS;
}
cufftResult cufftDestroy(cufftHandle handle) { return P.all.erase(handle) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN; }
cufftResult cufftSetAutoAllocation(cufftHandle handle, int allocate)
{
    plan *p = find(handle);
    if (!p)
        return CUFFT_INVALID_PLAN;
    p->allocates = allocate;
    return CUFFT_SUCCESS;
}
cufftResult cufftMakePlanMany64(cufftHandle handle, int rank, long long *n, long long *inembed, long long istride,
                                long long idist, long long *onembed, long long ostride, long long odist, cufftType type,
                                long long batch, size_t *work_bytes)
{
    plan *p = find(handle);
    if (!p || p->batch)
        return CUFFT_INVALID_PLAN;
    if (type != CUFFT_C2R)
        return CUFFT_INVALID_TYPE;
    if (rank != 2 || n[0] < 1 || n[1] < 1 || batch < 1)
        return CUFFT_INVALID_SIZE;
    if (p->allocates)
        return CUFFT_INVALID_VALUE; /* the room brings its own work area */
    long long half = n[1] / 2 + 1;
    p->n[0] = n[0], p->n[1] = n[1], p->batch = batch;
    p->in = {half, 1, n[0] * half};
    p->out = {n[1], 1, n[0] * n[1]};
    if (inembed && onembed) {
        p->in = {inembed[1] * istride, istride, idist};
        p->out = {onembed[1] * ostride, ostride, odist};
    }
    *work_bytes = p->work_bytes = (size_t)(batch * n[0] * half) * sizeof(float2);
    return CUFFT_SUCCESS;
}
cufftResult cufftSetWorkArea(cufftHandle handle, void *work)
{
    plan *p = find(handle);
    if (!p || !p->batch)
        return CUFFT_INVALID_PLAN;
    p->work = (char *)work;
    return CUFFT_SUCCESS;
}
cufftResult cufftSetStream(cufftHandle handle, cudaStream_t stream)
{
    plan *p = find(handle);
    if (!p)
        return CUFFT_INVALID_PLAN;
    p->stream = stream;
    return CUFFT_SUCCESS;
}
cufftResult cufftExecC2R(cufftHandle handle, cufftComplex *in, cufftReal *out)
{
    plan *found = find(handle);
    if (!found || !found->batch)
        return CUFFT_INVALID_PLAN;
    if (!found->work)
        return CUFFT_NO_WORKSPACE;
    if (!in || !out || (uintptr_t)in % 8 || (uintptr_t)out % 8)
        return CUFFT_INVALID_VALUE;
    plan p = *found;
    coh::enqueue(p.stream, [=] {
        memset(p.work, 0xff, p.work_bytes);
        std::vector<float2> signal; /* a copy: the transform may be in place */
        for (long long b = 0; b < p.batch; b++) {
            const float2 *from = in + b * p.in.batch;
            signal.assign(from, from + (p.n[0] - 1) * p.in.row + p.n[1] / 2 * p.in.stride + 1);
            if ((const void *)in != (const void *)out)
                for (long long y = 0; y < p.n[0]; y++)
                    for (long long k = 0; k <= p.n[1] / 2; k++)
                        memset(in + b * p.in.batch + y * p.in.row + k * p.in.stride, 0xff, sizeof *in);
            transform(p, signal.data(), out + b * p.out.batch);
        }
    });
    return CUFFT_SUCCESS;
}
