# SPDX-License-Identifier: Apache-2.0
"""peer_ops THREADS CHANNELS BATCH: the operations of bench_ops in PyTorch. Prints "seconds name" a line: the median of
five repeats, of the faster of NCHW and channels_last. Group norm runs in fp32 whatever the type, as under autocast."""
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit(0)

CONVS = [(28, 0, 1, 3, 1), (28, 1, 1, 3, 1), (28, 1, 1, 3, 2), (28, 2, 2, 3, 1), (28, 3, 1, 3, 1), (28, 3, 1, 1, 1),
         (28, 2, 1, 3, 1), (28, 2, 1, 1, 1), (28, 1, 0, 3, 1), (14, 1, 2, 3, 1), (14, 1, 2, 1, 1), (14, 2, 2, 3, 1),
         (14, 2, 2, 3, 2), (14, 4, 2, 3, 1), (14, 4, 2, 1, 1), (14, 3, 2, 3, 1), (14, 3, 2, 1, 1), (7, 2, 2, 3, 1),
         (7, 4, 2, 3, 1), (7, 4, 2, 1, 1)]
NORMS = [(28, 1), (28, 2), (28, 3), (14, 1), (14, 2), (14, 3), (14, 4), (7, 2), (7, 4)]
FORMATS = [torch.contiguous_format, torch.channels_last]


def median_time(f):
    f()
    calls, times = 1, []
    while len(times) < 5:
        start = time.perf_counter()
        for _ in range(calls):
            f()
        spent = time.perf_counter() - start
        if spent < 0.01 and not times:
            calls *= 2
        else:
            times.append(spent / calls)
    return sorted(times)[2]


def conv_times(batch, side, c_in, c_out, kernel, stride, dtype, layout):
    x = torch.randn(batch, c_in, side, side).to(dtype).to(memory_format=layout).requires_grad_(c_in > 1)
    w = torch.randn(c_out, c_in, kernel, kernel).to(dtype).to(memory_format=layout).requires_grad_(True)
    b = torch.randn(c_out).to(dtype).requires_grad_(True)
    with torch.no_grad():
        forward = median_time(lambda: F.conv2d(x, w, b, stride, kernel // 2))
    y = F.conv2d(x, w, b, stride, kernel // 2)
    dy = torch.randn_like(y)
    wanted = [x, w, b] if c_in > 1 else [w, b]
    return forward, median_time(lambda: torch.autograd.grad(y, wanted, dy, retain_graph=True))


def norm_times(batch, side, c, dtype, layout):
    x = torch.randn(batch, c, side, side).to(dtype).to(memory_format=layout).requires_grad_(True)
    g, b = torch.randn(c, requires_grad=True), torch.randn(c, requires_grad=True)

    def f():
        return F.silu(F.group_norm(x.float(), 32, g, b)).to(dtype)
    with torch.no_grad():
        forward = median_time(f)
    y = f()
    dy = torch.randn_like(y)
    return forward, median_time(lambda: torch.autograd.grad(y, [x, g, b], dy, retain_graph=True))


def report(name, times):
    for k, part in enumerate(("forward", "backward")):
        print(f"{min(t[k] for t in times):.9f} {name[0]}_{part} {name[1]}", flush=True)


def main():
    threads, width, batch = (int(a) for a in sys.argv[1:4])
    torch.set_num_threads(threads)
    for dtype, word in ((torch.float32, "fp32"), (torch.bfloat16, "bf16")):
        for side, i, o, kernel, stride in CONVS:
            c_in, c_out = i * width or 1, o * width or 1
            report(("conv", f"{side}x{side} {c_in}->{c_out} k{kernel} s{stride} {word}"),
                   [conv_times(batch, side, c_in, c_out, kernel, stride, dtype, f) for f in FORMATS])
        for side, c in NORMS:
            report(("norm_silu", f"{side}x{side} {c * width} {word}"),
                   [norm_times(batch, side, c * width, dtype, f) for f in FORMATS])


main()
