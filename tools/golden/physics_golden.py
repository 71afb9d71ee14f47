#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/physics_golden.h: velocity fields and trajectories of the forward process, from an
independent implementation in numpy (double): compressible fields by inverse FFT, walls by ghost cells,
the compact stencil for the memoryless collision. Text: docs/physics.md.

    python3 tools/golden/physics_golden.py > tests/golden/physics_golden.h
"""
import numpy as np

PHASE_X, PHASE_Y = 1, 2


def philox(c, k):
    c, k = [int(x) for x in c], [int(x) for x in k]
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


assert philox([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]  # published vector


def phase(seed, stream, key, m, n):
    col = n + 32768
    word = philox([col // 4, m + 32768, key & 0xFFFFFFFF, (key >> 32) | (stream << 24)],
                  [seed & 0xFFFFFFFF, seed >> 32])[col % 4]
    return 2 * np.pi * float(np.float32(np.float32(word >> 9) + np.float32(0.5)) * np.float32(2.0**-23))


class Case:
    def __init__(self, **kw):
        self.seed, self.key, self.L, self.K = 42, 5, 8, 6
        self.smin, self.smax, self.pe, self.p = 0.5, 3.0, 8.0, 2.0
        self.kind, self.walls, self.order, self.collision = "stream", "mirror", 1, "equilibrium"
        self.rng, self.n_min, self.n_max, self.refresh = (0.0, 1.0), 1, 0, 0
        self.theta_rate = self.cap = None
        self.__dict__.update(kw)
        if self.theta_rate is None:
            self.theta_rate = 9.83 if self.kind == "compressible" else 0.5 * self.pe
        if self.cap is None:
            self.cap = 1e-3 * 128 / self.L if self.kind == "compressible" else 0.0
        s = np.r_[0.0, np.exp(np.linspace(np.log(self.smin), np.log(self.smax), self.K))]
        self.d = np.r_[0.0, np.diff(s**2)]
        self.n = np.r_[0, np.maximum(1, np.ceil(self.d[1:] * 3 * (1 - 1e-12))).astype(int)]
        self.alpha = np.r_[0.0, self.d[1:] / 2 / self.n[1:]]
        self.sigma = s

    def cs2(self, k):
        return 2 * self.alpha[k] if self.collision == "equilibrium" else 1 / 3

    def fo_mid(self, k, step):
        """midpoint Fo of the hold that contains 0-based `step`"""
        n, hold = self.n[k], self.refresh or self.n[k]
        a = step // hold * hold
        b = min(a + hold, n)
        return (self.sigma[k - 1]**2 + (a + b) / 2 * self.d[k] / n) / (2 * self.L**2)

    def inside(self, m, n):
        r = np.hypot(m, n)
        return r > 0 and r >= self.n_min - 1e-9 and (not self.n_max or r <= self.n_max + 1e-9)

    def velocity(self, k, step=0):
        L, theta, V = self.L, self.theta_rate * self.fo_mid(k, step), self.pe * self.alpha[k] / self.L
        if self.kind == "stream":
            x = (np.arange(-1, L + 1) + 0.5) / L  # one cell beyond each wall: the sines are odd there by themselves
            psi = np.zeros((L + 2, L + 2))
            for m in range(1, L + 1):
                for n in range(1, L + 1):
                    if self.inside(m, n):
                        kap = np.pi * np.hypot(m, n)
                        ph = phase(self.seed, PHASE_X, self.key, m, n)
                        psi += (kap**-(self.p + 1) * np.cos(ph + kap * theta)
                                * np.outer(np.sin(np.pi * n * x), np.sin(np.pi * m * x)))
            c = self.cs2(k)
            smooth_x = c / 2 * psi[:, :-2] + (1 - c) * psi[:, 1:-1] + c / 2 * psi[:, 2:]
            smooth_y = c / 2 * psi[:-2] + (1 - c) * psi[1:-1] + c / 2 * psi[2:]
            v = np.array([(smooth_x[2:] - smooth_x[:-2]) / 2, -(smooth_y[:, 2:] - smooth_y[:, :-2]) / 2])
            v *= V / np.sqrt((v[0].var() + v[1].var()) / 2)
        else:
            num = np.fft.fftfreq(L, 1 / L).round().astype(int)
            if L % 2 == 0:
                assert num[L // 2] == -L // 2
            M, N = np.meshgrid(num, num)
            kap = 2 * np.pi * np.hypot(M, N)
            shift = np.exp(2j * np.pi * (M + N) * 0.5 / L)  # cell centres

            def spectrum(stream, power):
                s = np.zeros((L, L), complex)
                for j in range(L):
                    for i in range(L):
                        m, n = int(M[j, i]), int(N[j, i])
                        if self.inside(m, n):
                            s[j, i] = kap[j, i]**-power * np.exp(
                                1j * (phase(self.seed, stream, self.key, m, n) + kap[j, i] * theta))
                return s * shift

            if self.kind == "compressible":
                v = np.array([np.fft.ifft2(spectrum(c, self.p)).real * L * L for c in (PHASE_X, PHASE_Y)])
                for c in range(2):
                    v[c] *= V / v[c].std()
            else:
                s = spectrum(PHASE_X, self.p + 1)
                v = np.array([np.fft.ifft2(2j * np.pi * N * s).real, -np.fft.ifft2(2j * np.pi * M * s).real])
                v *= V / np.sqrt((v[0].var() + v[1].var()) / 2)
        if self.cap:
            a = np.hypot(*v)
            v = v * np.tanh(a / self.cap) * self.cap / a
        return v


C = [(cx, cy) for cy in (-1, 0, 1) for cx in (-1, 0, 1)]


def weights(c):
    w = {0: 1 - c, 1: c / 2, -1: c / 2}
    return [w[cx] * w[cy] for cx, cy in C]


def feq(u, v, c, order):
    out = []
    for (cx, cy), w in zip(C, weights(c)):
        cv = cx * v[0] + cy * v[1]
        f = 1 + cv / c
        if order == 2:
            f = f + cv**2 / (2 * c * c) - (v[0]**2 + v[1]**2) / (2 * c)
        out.append(w * u * f)
    return np.array(out)


def stream(f, walls):
    """pull from an image padded by ghost cells that say what each wall sends back"""
    L, idx = f.shape[-1], {c: i for i, c in enumerate(C)}
    g = np.zeros((9, L + 2, L + 2))
    g[:, 1:-1, 1:-1] = f
    if walls == "periodic":
        g = np.pad(f, ((0, 0), (1, 1), (1, 1)), "wrap")
    elif walls == "mirror":
        for side, near in ((0, 1), (L + 1, L)):
            for (cx, cy), i in idx.items():
                g[i, 1:-1, side] = g[idx[-cx, cy], 1:-1, near]
        for side, near in ((0, 1), (L + 1, L)):
            for (cx, cy), i in idx.items():
                g[i, side, :] = g[idx[cx, -cy], near, :]
    out = np.array([g[i, 1 - cy:L + 1 - cy, 1 - cx:L + 1 - cx] for i, (cx, cy) in enumerate(C)])
    if walls == "bounce_back":
        y, x = np.mgrid[0:L, 0:L]
        for i, (cx, cy) in enumerate(C):
            came_from_wall = (x - cx < 0) | (x - cx >= L) | (y - cy < 0) | (y - cy >= L)
            out[i][came_from_wall] = f[idx[-cx, -cy]][came_from_wall]
    return out


def collide(case, k, u, f, v):
    c, tau = case.cs2(k), case.alpha[k] / case.cs2(k) + 0.5
    e = feq(u, v, c, case.order)
    if case.collision == "equilibrium":
        return e
    if case.collision == "bgk":
        return f + (e - f) / tau
    if case.collision == "trt":
        tau_even = 0.5 + 0.25 / (tau - 0.5)
        ne = f - e
        opp = ne[[C.index((-cx, -cy)) for cx, cy in C]]
        return f - (ne + opp) / 2 / tau_even - (ne - opp) / 2 / tau
    ne = f - e
    jx = sum(cx * ne[i] for i, (cx, cy) in enumerate(C))
    jy = sum(cy * ne[i] for i, (cx, cy) in enumerate(C))
    return e + (1 - 1 / tau) * np.array([w * (cx * jx + cy * jy) / c for (cx, cy), w in zip(C, weights(c))])


def mirror_step(u, v, c):
    """the memoryless step of order 1 as one stencil: SxSy u + DxSy(vx u) + SxDy(vy u), walls by even extension"""
    def smooth(a, ax):
        a = np.moveaxis(a, ax, 0)
        return np.moveaxis(c / 2 * a[:-2] + (1 - c) * a[1:-1] + c / 2 * a[2:], 0, ax)

    def diff(a, ax):
        a = np.moveaxis(a, ax, 0)
        return np.moveaxis((a[:-2] - a[2:]) / 2, 0, ax)

    def pad(a, odd_axis=None):
        p = np.pad(a, 1, "symmetric")
        if odd_axis is not None:
            p = np.moveaxis(p, odd_axis, 0).copy()
            p[0] *= -1
            p[-1] *= -1
            p = np.moveaxis(p, 0, odd_axis)
        return p

    return (smooth(smooth(pad(u), 0), 1) + smooth(diff(pad(v[0] * u, 1), 1), 0)
            + diff(smooth(pad(v[1] * u, 0), 1), 0))


def trajectory(case, u0):
    lo, hi = case.rng
    u = lo + (hi - lo) * u0
    f = None
    for k in range(1, case.K + 1):
        for step in range(case.n[k]):
            if step % (case.refresh or case.n[k]) == 0:
                v = case.velocity(k, step)
            if f is None:
                f = feq(u, v, case.cs2(k), case.order)
            post = collide(case, k, u, f, v)
            if case.walls == "mirror" and case.order == 1 and case.collision == "equilibrium":
                check = mirror_step(u, v, case.cs2(k))
                assert abs(check - stream(post, case.walls).sum(0)).max() < 1e-14
            f = stream(post, case.walls)
            u = f.sum(0)
    return (u - lo) / (hi - lo)


def emit(name, a):
    a = np.asarray(a).ravel()
    print(f"static const double {name}[{a.size}] = {{")
    for i in range(0, a.size, 4):
        print("    " + " ".join(f"{x:.17g}," for x in a[i:i + 4]))
    print("};")


print("/* SPDX-License-Identifier: Apache-2.0\n * Written by tools/golden/physics_golden.py; do not edit. */")
print("#pragma once")
transport = Case()
faithful = dict(kind="compressible", walls="bounce_back", order=2, rng=(0.95, 1.05), pe=0.5)
emit("golden_stream", transport.velocity(4))
emit("golden_stream_band", Case(L=9, n_min=2, n_max=4, p=1.5, refresh=2).velocity(6, 3))
emit("golden_compressible", Case(**faithful).velocity(4))
emit("golden_compressible_capped", Case(**{**faithful, "pe": 8.0, "L": 7}).velocity(1))
emit("golden_solenoidal", Case(kind="solenoidal", n_max=3, theta_rate=4.0).velocity(5))
gen = np.random.default_rng(1)
u0 = np.round(gen.random((8, 8)), 3)
emit("golden_image", u0)
emit("golden_run_transport", trajectory(transport, u0))
emit("golden_run_refresh", trajectory(Case(refresh=2, key=6), u0))
emit("golden_run_faithful", trajectory(Case(**faithful), u0))
emit("golden_run_periodic", trajectory(Case(kind="solenoidal", walls="periodic", order=2, theta_rate=4.0), u0))
for name in ("bgk", "trt", "regularized"):
    for walls in ("bounce_back", "mirror"):
        emit(f"golden_run_{name}_{walls}",
             trajectory(Case(collision=name, walls=walls, order=2, pe=0.25), u0))
