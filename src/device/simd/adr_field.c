/* SPDX-License-Identifier: Apache-2.0
 * adr_field: from the streamfunction, odd about the walls, to the velocity; and its size.
 *
 *     v_x = D_y psi,  v_y = -D_x psi
 *
 * D: central difference along its axis, (cs2/2, 1 - cs2, cs2/2) along the other. The curl is
 * computed twice, once for its size and once scaled, which is less work than storing and reading
 * it again. */
#include "device/simd/adr_math.h"
#include "device/simd/adr_parts.h"

void SIMD_NAME(adr_odd_ring)(int side, float *psi)
{
    int w = side + 2;
    vn *p = (vn *)psi;
    for (int y = 1; y <= side; y++) {
        p[y * w] = -p[y * w + 1];
        p[y * w + side + 1] = -p[y * w + side];
    }
    for (int x = 0; x < w; x++) {
        p[x] = -p[w + x];
        p[(side + 1) * w + x] = -p[side * w + x];
    }
}

/* Three columns of psi, differenced along y (d) and smoothed along y (t), that move along a row. */
struct window {
    vn d[3], t[3];
};

SIMD_INLINE void window_add(struct window *k, const vn *p, int w, vn side, vn centre)
{
    k->d[0] = k->d[1];
    k->d[1] = k->d[2];
    k->t[0] = k->t[1];
    k->t[1] = k->t[2];
    k->d[2] = p[w] - p[-w];
    k->t[2] = madd(centre, p[0], side * (p[w] + p[-w]));
}

/* Twice v_x, and twice -v_y, at the middle column. */
SIMD_INLINE vn twice_x(const struct window *k, vn side, vn centre)
{
    return madd(centre, k->d[1], side * (k->d[0] + k->d[2]));
}
SIMD_INLINE vn twice_minus_y(const struct window *k)
{
    return k->t[2] - k->t[0];
}

SIMD_INLINE vn absolute(vn x)
{
    return (vn)((vni)x & 0x7fffffff);
}

static void clear(const struct adr_extent *e)
{
    for (int l = 0; l < LANES; l++) {
        e->square_x[l] = e->square_y[l] = e->sum_x[l] = e->sum_y[l] = 0;
        e->ratio[l] = e->speed2[l] = 0;
    }
}

SIMD_INLINE void add_sum(double *sum, vn part)
{
    for (int l = 0; l < LANES; l++)
        sum[l] += (double)part[l];
}

void SIMD_NAME(adr_curl_extent)(int side, float cs2, const float *psi, const struct adr_extent *e)
{
    int w = side + 2;
    vn half = v_all(0.5f), edge = half * (cs2 / 2), centre = half * (1 - cs2), ratio = {0},
       speed2 = {0};
    clear(e);
    for (int j = 1; j <= side; j++) {
        const vn *row = (const vn *)psi + j * w;
        struct window k = {0};
        vn sum = {0}; /* of one row in single precision, of rows in double */
        window_add(&k, row, w, edge, centre);
        window_add(&k, row + 1, w, edge, centre);
        for (int i = 1; i <= side; i++) {
            window_add(&k, row + i + 1, w, edge, centre);
            vn x = twice_x(&k, edge, centre), y = twice_minus_y(&k);
            vn square = madd(y, y, x * x);
            sum += square;
            speed2 = larger(speed2, square);
            ratio = larger(ratio, absolute(x) + absolute(y));
        }
        add_sum(e->square_x, sum);
    }
    v_storef(e->ratio, 0, LANES, ratio);
    v_storef(e->speed2, 0, LANES, speed2);
}

void SIMD_NAME(adr_curl)(int side, float cs2, const float *psi, const float *factor, float *vx,
                         float *vy)
{
    int w = side + 2;
    vn quarter = v_loadf(factor, 0, LANES) * 0.25f, edge = quarter * (cs2 / 2);
    vn centre = quarter * (1 - cs2);
    for (int j = 0; j < side; j++) {
        const vn *row = (const vn *)psi + (j + 1) * w;
        struct window k = {0};
        window_add(&k, row, w, edge, centre);
        window_add(&k, row + 1, w, edge, centre);
        for (int i = 0; i < side; i++) {
            window_add(&k, row + i + 2, w, edge, centre);
            ((vn *)vx)[j * side + i] = twice_x(&k, edge, centre);
            ((vn *)vy)[j * side + i] = -twice_minus_y(&k);
        }
    }
}

void SIMD_NAME(adr_extent)(int cells, const float *vx, const float *vy, const struct adr_extent *e)
{
    vn ratio = {0}, speed2 = {0};
    clear(e);
    for (int first = 0; first < cells; first += 64) {
        vn square_x = {0}, square_y = {0}, sum_x = {0}, sum_y = {0};
        for (int i = first; i < cells && i < first + 64; i++) {
            vn x = ((const vn *)vx)[i], y = ((const vn *)vy)[i], x2 = x * x, y2 = y * y;
            square_x += x2;
            square_y += y2;
            sum_x += x;
            sum_y += y;
            speed2 = larger(speed2, x2 + y2);
            ratio = larger(ratio, absolute(x) + absolute(y));
        }
        add_sum(e->square_x, square_x);
        add_sum(e->square_y, square_y);
        add_sum(e->sum_x, sum_x);
        add_sum(e->sum_y, sum_y);
    }
    v_storef(e->ratio, 0, LANES, ratio);
    v_storef(e->speed2, 0, LANES, speed2);
}

/* tanh(s)/s as a function of s^2: below 0.3 its series, above from the exponential. */
SIMD_INLINE vn tanh_over(vn square)
{
    vn p = v_all(62.0f / 2835), s;
    p = madd(-p, square, v_all(17.0f / 315));
    p = madd(-p, square, v_all(2.0f / 15));
    p = madd(-p, square, v_all(1.0f / 3));
    p = madd(-p, square, v_all(1.0f));
    for (int l = 0; l < LANES; l++)
        s[l] = __builtin_sqrtf(square[l]);
    s = v_max(s, v_all(1e-3f));
    vn large = (1.0f - 2.0f / (v_exp(v_min(s + s, v_all(40.0f))) + 1.0f)) / s;
    return v_select(square < 0.09f, p, large);
}

void SIMD_NAME(adr_scale)(int cells, const float *factor_x, const float *factor_y, float cap,
                          const float *raw_x, const float *raw_y, float *vx, float *vy)
{
    vn fx = v_loadf(factor_x, 0, LANES), fy = v_loadf(factor_y, 0, LANES);
    float over = cap > 0 ? 1 / cap : 0;
    for (int i = 0; i < cells; i++) {
        vn x = fx * ((const vn *)raw_x)[i], y = fy * ((const vn *)raw_y)[i];
        if (cap > 0) {
            vn a = over * x, b = over * y, less = tanh_over(madd(a, a, b * b));
            x *= less;
            y *= less;
        }
        ((vn *)vx)[i] = x;
        ((vn *)vy)[i] = y;
    }
}
