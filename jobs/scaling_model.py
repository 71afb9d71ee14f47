# SPDX-License-Identifier: Apache-2.0
"""How long a data-parallel training step takes on n ranks: an analytic model, to predict and to judge measurements by.

    t_step = t_forward + max(t_backward, t_reduce) + t_last + t_optimizer + jitter
    t_reduce = sum over buckets b of  2 (n-1)/n S_b / BW(S_b) + alpha (1 + log2 nodes)

The gradient of S bytes travels in buckets of 25 MB, each as soon as the backward pass has it; the last bucket has nothing left
to hide behind. BW: bus bandwidth of NCCL's all-reduce within 8 GPUs over NVLink 4 (H200, NCCL 2.27.7; stas00/ml-engineering,
network/README.md), read at the next smaller size; between nodes no more than the network cards, of which one of 400 Gbit/s
gives 46 GB/s in practice. While it runs, the reduction slows the backward pass by 6 % (published: 4 to 8).
"""
import math

BUCKET = 25e6
ALPHA_S = 25e-6
NVLINK = ((0, 5e9), (2**20, 40e9), (2**22, 107e9), (2**24, 220e9), (2**25, 276e9), (2**26, 347e9), (2**27, 402e9))
STEAL, JITTER = 0.06, 0.005

# name: ranks on a node, bandwidth within it, bytes/s out of it
FABRICS = {
    "8 GPUs a node, NVLink 4, 8 x 400 Gbit/s": (8, NVLINK, 8 * 46e9),
    "4 GPUs a node, NVLink 4, 4 x 400 Gbit/s": (4, NVLINK, 4 * 46e9),
    "4 GPUs a node, NVLink 4, 1 x 400 Gbit/s": (4, NVLINK, 46e9),
}
# name: parameters, multiply-adds of a forward pass of an image
NETWORKS = {
    "28 px, 28 M (1,2,2 x 128)": (27.9e6, 5.3e9),
    "64 px, 61 M (1,2,2,3 x 128)": (61e6, 28.4e9),
    "128 px, 104 M (1,1,2,3,4 x 128)": (104e6, 74.2e9),
    "128 px, 160 M (1,2,3,4,5 x 128)": (160e6, 128e9),
}
GPU_FLOPS = 350e12  # assumed of one GPU in bf16: 35 % of an H100's 989e12


def host_fabric(bandwidth):
    """Ranks on CPUs, all over one medium of that many bytes/s."""
    return (1 << 30, ((0, bandwidth),), bandwidth)


def reduce_s(gradient_bytes, ranks, fabric):
    """Of all buckets, and of the last one, s."""
    per_node, table, out = fabric
    nodes = math.ceil(ranks / per_node)
    total = last = 0.0
    left = gradient_bytes if ranks > 1 else 0
    while left > 0:
        size = min(left, BUCKET)
        rate = max(bw for at, bw in table if at <= size)
        if nodes > 1:
            rate = min(rate, out)
        last = 2 * (ranks - 1) / ranks * size / rate + ALPHA_S * (1 + math.log2(nodes))
        total += last
        left -= size
    return total, last


def step_s(forward, backward, optimizer, gradient_bytes, ranks, fabric):
    """Seconds of a step and, of those, waiting for the reduction."""
    total, last = reduce_s(gradient_bytes, ranks, fabric)
    backward += STEAL * min(total, backward)
    wait = max(0.0, total - backward) + last
    busy = forward + backward + optimizer
    return (busy + wait) * (1 + JITTER * math.log2(ranks)), wait


def network_step_s(network, images, ranks, fabric):
    """A step with so many images a GPU."""
    parameters, macs = NETWORKS[network]
    compute = 6 * macs * images / GPU_FLOPS
    return step_s(compute / 3, compute * 2 / 3, 0.0, 4 * parameters, ranks, fabric)
