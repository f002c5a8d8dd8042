/** F(6,3), stride 1: 8 products for 6 outputs (direct: 18). Points 0, 1, -1, 2, -2, 1/2, -1/2, infinity. */
#define LABEL    "F(6,3)"
#define TILE     6
#define STRIDE   1
#define PRODUCTS 8
#define MATRICES 8

INLINE void NAME(input)(const vf d[SPAN], vf u[PRODUCTS])
{
    const vf c = all(5.25f), near = all(-4.25f), far = all(-1.25f), wide = all(-2.5f), five = all(-5), four = all(4), two = all(2);
    const vf quarter = all(0.25f), half = all(0.5f);
    const vf e1 = FMA(d[4], near, d[2] + d[6]), o1 = FMA(d[3], near, d[1] + d[5]);
    const vf e2 = FMA(d[2], quarter, FMA(d[4], far, d[6])), o2 = FMA(d[1], half, FMA(d[3], wide, d[5] * two));
    const vf e3 = FMA(d[2], four, FMA(d[4], five, d[6])), o3 = FMA(d[1], two, FMA(d[3], wide, d[5] * half));
    u[0] = FMA(d[4] - d[2], c, d[0] - d[6]);
    u[1] = e1 + o1;
    u[2] = e1 - o1;
    u[3] = e2 + o2;
    u[4] = e2 - o2;
    u[5] = e3 + o3;
    u[6] = e3 - o3;
    u[7] = FMA(d[3] - d[5], c, d[7] - d[1]);
}

INLINE void NAME(output)(const vf m[PRODUCTS], vf y[TILE])
{
    const vf s1 = m[1] + m[2], q1 = m[1] - m[2], s2 = m[3] + m[4], q2 = m[3] - m[4], s3 = m[5] + m[6], q3 = m[5] - m[6];
    y[0] = m[0] + s1 + (s2 + s3);
    y[1] = FMA(q2, all(2), FMA(q3, all(1.f / 2), q1));
    y[2] = FMA(s2, all(4), FMA(s3, all(1.f / 4), s1));
    y[3] = FMA(q2, all(8), FMA(q3, all(1.f / 8), q1));
    y[4] = FMA(s2, all(16), FMA(s3, all(1.f / 16), s1));
    y[5] = FMA(q2, all(32), FMA(q3, all(1.f / 32), q1)) + m[7];
}

INLINE void NAME(gradient)(const vf d[TILE], vf v[PRODUCTS])
{
    const vf s1 = d[0] + d[2] + d[4], q1 = d[1] + d[3] + d[5];
    const vf s2 = FMA(d[4], all(16), FMA(d[2], all(4), d[0])), q2 = FMA(d[5], all(32), FMA(d[3], all(8), d[1] * all(2)));
    const vf s3 = FMA(d[4], all(1.f / 16), FMA(d[2], all(1.f / 4), d[0])), q3 = FMA(d[5], all(1.f / 32), FMA(d[3], all(1.f / 8), d[1] * all(0.5f)));
    v[0] = d[0];
    v[1] = s1 + q1;
    v[2] = s1 - q1;
    v[3] = s2 + q2;
    v[4] = s2 - q2;
    v[5] = s3 + q3;
    v[6] = s3 - q3;
    v[7] = d[5];
}

INLINE void NAME(weight)(const vf g[3], vf w[MATRICES])
{
    const vf ninth = all(-2.f / 9), even = (g[0] + g[2]) * ninth, odd = g[1] * ninth;
    const vf e2 = FMA(g[2], all(4), g[0]) * all(1.f / 90), o2 = g[1] * all(1.f / 45);
    const vf e3 = FMA(g[2], all(0.25f), g[0]) * all(32.f / 45), o3 = g[1] * all(16.f / 45);
    w[0] = g[0];
    w[1] = even + odd;
    w[2] = even - odd;
    w[3] = e2 + o2;
    w[4] = e2 - o2;
    w[5] = e3 + o3;
    w[6] = e3 - o3;
    w[7] = g[2];
}

INLINE void NAME(weight_gradient)(const vf s[MATRICES], vf d_w[3])
{
    const vf near = (s[1] + s[2]) * all(2.f / 9), far = (s[3] + s[4]) * all(1.f / 90), half = (s[5] + s[6]) * all(8.f / 45);
    d_w[0] = s[0] - near + FMA(half, all(4), far);
    d_w[1] = FMA(s[3] - s[4], all(1.f / 45), FMA(s[5] - s[6], all(16.f / 45), (s[2] - s[1]) * all(2.f / 9)));
    d_w[2] = s[7] - near + FMA(far, all(4), half);
}

#include "engine/cpu/winograd_body.h"
