#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the numbers of tests/unit/test_optimizer.c: torch.optim.Adam and AdamW with clip_grad_norm_ and linear warm-up in
double precision, Lion (Chen et al. 2023, algorithm 2) by its formulas, and the warmed-up exponential average.
(Debian: python3-torch)"""
import torch


def gradient(step):
    return torch.tensor([0.3 * step, -1.5 + 0.2 * step, 0.01, 4.0 / step], dtype=torch.float64)


class Lion(torch.optim.Optimizer):
    def step(self):
        g = self.param_groups[0]
        (b1, b2), lr, wd = g["betas"], g["lr"], g["weight_decay"]
        for p in g["params"]:
            m = self.state[p].setdefault("m", torch.zeros_like(p))
            p.data -= lr * (torch.sign(b1 * m + (1 - b1) * p.grad) + wd * p.data)
            m.mul_(b2).add_(p.grad, alpha=1 - b2)


def run(name):
    p = torch.nn.Parameter(torch.tensor([1.0, -0.5, 0.25, 0.0], dtype=torch.float64))
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    args = dict(lr=0.1, betas=(0.9, 0.99), weight_decay=0.05)
    o = Lion([p], args) if name == "lion" else kinds[name]([p], eps=1e-8, **args)
    average = p.detach().clone()
    for step in range(1, 7):
        p.grad = gradient(step)
        norm = torch.nn.utils.clip_grad_norm_([p], 2.0)
        o.param_groups[0]["lr"] = 0.1 * min(1.0, step / 4)
        o.step()
        decay = min(0.6, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * p.detach()
    print(name, p.tolist(), average.tolist(), float(norm))


for which in ("adam", "adamw", "lion"):
    run(which)
