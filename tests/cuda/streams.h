/* SPDX-License-Identifier: Apache-2.0
 * What the engine (cuda_on_host.cc) needs from the runtime (cuda_runtime.cc). */
#pragma once
#include <functional>

#include "cuda_runtime.h"

namespace coh {
/* Puts work at the end of a stream; it runs when something waits for the stream. */
void enqueue(cudaStream_t stream, std::function<void()> work);
/* A launch is put on a stream: while it is captured, the graph keeps what it asks for, and asks again when it runs. */
void note_launch(cudaStream_t stream, const void *kernel, size_t smem_bytes);
/* Keeps the error for cudaGetLastError and returns it. */
cudaError_t fault(cudaError_t error);
/* What a launch of this kernel may ask for: 48 KiB and clusters of 8 unless its attributes say more. */
struct kernel_limits {
    size_t smem_bytes;
    unsigned cluster; /* 1 below capability 9.0 */
};
kernel_limits limits_of(const void *kernel);
} // namespace coh
