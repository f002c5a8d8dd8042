/**
 * 3 taps at stride 2 as two interleaved halves: y[t] = w0 o[t - 1] + w2 o[t] + w1 e[t] with e, o the even and odd rows of x. The odd half
 * has two taps: F(4,2), 5 products for 4 outputs, points 0, 1, -1, 2, infinity; the even half is one product for each output, with
 * one matrix. 9 products instead of 12. The data gradient is the same halves backwards: d_o[s] = w2' d_y[s] + w0' d_y[s + 1], d_e[s] = w1' d_y[s].
 */
#define LABEL    "F(4,2)s2"
#define TILE     4
#define STRIDE   2
#define PRODUCTS 9
#define MATRICES 6              /* 5 of the odd half, then the even one */

/** From five rows of the odd half. */
INLINE void NAME(odd)(vf d0, vf d1, vf d2, vf d3, vf d4, vf u[5])
{
    const vf two = all(2), a = d3 - d1, b = d2 * two;
    u[0] = FMA(d0, two, a) - b;
    u[1] = FMA(d1, -two, d3 - d2);
    u[2] = FMA(d1, two, FMA(d2, all(-3), d3));
    u[3] = a;
    u[4] = FMA(a, -two, d4 - d2);
}

INLINE void NAME(input)(const vf d[SPAN], vf u[PRODUCTS])
{
    NAME(odd)(d[0], d[2], d[4], d[6], d[8], u);
    UNROLL for (int k = 0; k < 4; k++) u[5 + k] = d[2 * k + 1];
}

INLINE void NAME(input_back)(const vf d[TILE + 1], vf u[PRODUCTS])
{
    NAME(odd)(d[0], d[1], d[2], d[3], d[4], u);
    UNROLL for (int k = 0; k < 4; k++) u[5 + k] = d[k];
}

INLINE void NAME(odd_output)(const vf m[PRODUCTS], vf y[TILE])
{
    const vf s = m[1] + m[2], q = m[1] - m[2];
    y[0] = m[0] + s + m[3];
    y[1] = FMA(m[3], all(2), q);
    y[2] = FMA(m[3], all(4), s);
    y[3] = FMA(m[3], all(8), q) + m[4];
}

INLINE void NAME(output)(const vf m[PRODUCTS], vf y[TILE])
{
    NAME(odd_output)(m, y);
    UNROLL for (int k = 0; k < TILE; k++) y[k] += m[5 + k];
}

INLINE void NAME(output_back)(const vf m[PRODUCTS], vf y[TILE * STRIDE])
{
    vf odd[TILE];
    NAME(odd_output)(m, odd);
    UNROLL for (int k = 0; k < TILE; k++) {
        y[2 * k] = m[5 + k];
        y[2 * k + 1] = odd[k];
    }
}

INLINE void NAME(gradient)(const vf d[TILE], vf v[PRODUCTS])
{
    const vf s = d[0] + d[2], q = d[1] + d[3];
    v[0] = d[0];
    v[1] = s + q;
    v[2] = s - q;
    v[3] = FMA(d[3], all(8), FMA(d[2], all(4), FMA(d[1], all(2), d[0])));
    v[4] = d[3];
    UNROLL for (int k = 0; k < TILE; k++) v[5 + k] = d[k];
}

INLINE void NAME(weight)(const vf g[3], vf w[MATRICES])
{
    const vf half = all(0.5f), sixth = all(1.f / 6);
    w[0] = g[0] * half;
    w[1] = -(g[0] + g[2]) * half;
    w[2] = (g[2] - g[0]) * sixth;
    w[3] = FMA(g[2], all(2), g[0]) * sixth;
    w[4] = g[2];
    w[5] = g[1];
}

INLINE void NAME(weight_gradient)(const vf s[MATRICES], vf d_w[3])
{
    const vf half = all(0.5f), sixth = all(1.f / 6);
    d_w[0] = FMA(s[0] - s[1], half, (s[3] - s[2]) * sixth);
    d_w[1] = s[5];
    d_w[2] = FMA(s[1], -half, FMA(s[2], sixth, FMA(s[3], all(1.f / 3), s[4])));
}

#include "engine/cpu/winograd_body.h"
