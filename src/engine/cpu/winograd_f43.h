/** F(4,3), stride 1: 6 products for 4 outputs (direct: 12). Points 0, 1, -1, 2, -2, infinity. */
#define LABEL    "F(4,3)"
#define TILE     4
#define STRIDE   1
#define PRODUCTS 6
#define MATRICES 6

INLINE void NAME(input)(const vf d[SPAN], vf u[PRODUCTS])
{
    const vf four = all(4), five = all(-5), two = all(2);
    const vf a = FMA(d[2], -four, d[4]), b = FMA(d[1], -four, d[3]), e = d[4] - d[2], f = (d[3] - d[1]) * two;
    u[0] = FMA(d[0], four, FMA(d[2], five, d[4]));
    u[1] = a + b;
    u[2] = a - b;
    u[3] = e + f;
    u[4] = e - f;
    u[5] = FMA(d[1], four, FMA(d[3], five, d[5]));
}

INLINE void NAME(output)(const vf m[PRODUCTS], vf y[TILE])
{
    const vf s1 = m[1] + m[2], q1 = m[1] - m[2], s2 = m[3] + m[4], q2 = m[3] - m[4];
    y[0] = m[0] + s1 + s2;
    y[1] = FMA(q2, all(2), q1);
    y[2] = FMA(s2, all(4), s1);
    y[3] = FMA(q2, all(8), q1) + m[5];
}

INLINE void NAME(gradient)(const vf d[TILE], vf v[PRODUCTS])
{
    const vf s1 = d[0] + d[2], q1 = d[1] + d[3], s2 = FMA(d[2], all(4), d[0]), q2 = FMA(d[3], all(8), d[1] * all(2));
    v[0] = d[0];
    v[1] = s1 + q1;
    v[2] = s1 - q1;
    v[3] = s2 + q2;
    v[4] = s2 - q2;
    v[5] = d[3];
}

INLINE void NAME(weight)(const vf g[3], vf w[MATRICES])
{
    const vf quarter = all(1.f / 4), sixth = all(1.f / 6), twelfth = all(1.f / 12), even = g[0] + g[2], far = FMA(g[0], quarter, g[2]);
    w[0] = g[0] * quarter;
    w[1] = -(even + g[1]) * sixth;
    w[2] = -(even - g[1]) * sixth;
    w[3] = FMA(g[1], twelfth, far * sixth);
    w[4] = FMA(-g[1], twelfth, far * sixth);
    w[5] = g[2];
}

INLINE void NAME(weight_gradient)(const vf s[MATRICES], vf d_w[3])
{
    const vf sixth = all(1.f / 6), near = (s[1] + s[2]) * sixth, far = s[3] + s[4];
    d_w[0] = FMA(s[0], all(1.f / 4), FMA(far, all(1.f / 24), -near));
    d_w[1] = FMA(s[3] - s[4], all(1.f / 12), (s[2] - s[1]) * sixth);
    d_w[2] = FMA(far, sixth, s[5] - near);
}

#include "engine/cpu/winograd_body.h"
