/** F(2,3), stride 1: 4 products for 2 outputs (direct: 6). Points 0, 1, -1, infinity; only sums and halves, so as exact as the direct form. */
#define LABEL    "F(2,3)"
#define TILE     2
#define STRIDE   1
#define PRODUCTS 4
#define MATRICES 4

INLINE void NAME(input)(const vf d[SPAN], vf u[PRODUCTS])
{
    u[0] = d[0] - d[2];
    u[1] = d[2] + d[1];
    u[2] = d[2] - d[1];
    u[3] = d[3] - d[1];
}

INLINE void NAME(output)(const vf m[PRODUCTS], vf y[TILE])
{
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) + m[3];
}

INLINE void NAME(gradient)(const vf d[TILE], vf v[PRODUCTS])
{
    v[0] = d[0];
    v[1] = d[0] + d[1];
    v[2] = d[0] - d[1];
    v[3] = d[1];
}

INLINE void NAME(weight)(const vf g[3], vf w[MATRICES])
{
    const vf half = all(0.5f), even = (g[0] + g[2]) * half, odd = g[1] * half;
    w[0] = g[0];
    w[1] = even + odd;
    w[2] = even - odd;
    w[3] = g[2];
}

INLINE void NAME(weight_gradient)(const vf s[MATRICES], vf d_w[3])
{
    const vf half = all(0.5f), even = (s[1] + s[2]) * half;
    d_w[0] = s[0] + even;
    d_w[1] = (s[1] - s[2]) * half;
    d_w[2] = s[3] + even;
}

#include "engine/cpu/winograd_body.h"
