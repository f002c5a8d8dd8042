/**
 * The kernels' one source. The including file has set V (floats per vector: 4, 8 or 16), BF16 (0 or 1), NAME(x),
 * SQRT(v) and the compiler's target. Vector types of the compiler, not intrinsics: any target can lower them.
 */

#undef EL
#undef INLINE
#undef VF
#undef VI
#undef VU
#undef VH
#undef VB
#undef HF
#undef VD
#undef TABLE

#if BF16
typedef uint16_t NAME(element);
#else
typedef float NAME(element);
#endif
#define EL NAME(element)
#define INLINE static inline __attribute__((always_inline))

typedef float    NAME(vf) __attribute__((vector_size(4 * V)));
typedef int32_t  NAME(vi) __attribute__((vector_size(4 * V)));
typedef uint32_t NAME(vu) __attribute__((vector_size(4 * V)));
typedef uint16_t NAME(vh) __attribute__((vector_size(2 * V)));
typedef uint8_t  NAME(vb) __attribute__((vector_size(V)));
typedef float    NAME(hf) __attribute__((vector_size(2 * V)));     /* half as many floats, as many as vd has doubles */
typedef double   NAME(vd) __attribute__((vector_size(4 * V)));
#define VF NAME(vf)
#define VI NAME(vi)
#define VU NAME(vu)
#define VH NAME(vh)
#define VB NAME(vb)
#define HF NAME(hf)
#define VD NAME(vd)

INLINE VF NAME(get)(const float *p)
{
    VF v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void NAME(put)(float *p, VF v) { memcpy(p, &v, sizeof v); }
INLINE VF NAME(all)(float a) { return a - (VF){ 0 }; }

#if BF16
INLINE VF NAME(load)(const EL *p)
{
    VH h;
    memcpy(&h, p, sizeof h);
    return (VF)(__builtin_convertvector(h, VU) << 16);
}
/** Round to nearest even. */
INLINE void NAME(store)(EL *p, VF v)
{
    const VU u = (VU)v;
    const VH h = __builtin_convertvector((u + 0x7fffu + ((u >> 16) & 1u)) >> 16, VH);
    memcpy(p, &h, sizeof h);
}
#else
INLINE VF   NAME(load)(const EL *p) { return NAME(get)(p); }
INLINE void NAME(store)(EL *p, VF v) { NAME(put)(p, v); }
#endif

INLINE VF NAME(keep)(VF v, VI mask) { return (VF)((VI)v & mask); }             /* v where mask, else 0 */
INLINE VF NAME(relu)(VF v) { return NAME(keep)(v, ~(v <= 0)); }               /* a NaN stays one: it must be seen */

/** The two halves of a vector as doubles. */
INLINE void NAME(widen)(VF v, VD *low, VD *high)
{
    HF h[2];
    memcpy(h, &v, sizeof v);
    *low = __builtin_convertvector(h[0], VD);
    *high = __builtin_convertvector(h[1], VD);
}
INLINE void NAME(add_double)(double *p, VD low, VD high)
{
    VD v[2];
    memcpy(v, p, sizeof v);
    v[0] += low;
    v[1] += high;
    memcpy(p, v, sizeof v);
}

static void NAME(moments)(const void *y_, size_t n, size_t C, double *sum, double *square)
{
    const EL *y = y_;
    for (size_t c = 0; c < C; c += V) {
        VD s0 = { 0 }, s1 = { 0 }, q0 = { 0 }, q1 = { 0 }, low, high;
        for (size_t r = 0; r < n; r++) {
            NAME(widen)(NAME(load)(y + r * C + c), &low, &high);
            s0 += low, s1 += high;
            q0 += low * low, q1 += high * high;
        }
        NAME(add_double)(sum + c, s0, s1);
        NAME(add_double)(square + c, q0, q1);
    }
}

INLINE VF NAME(bn)(VF y, const shn_affine *a, size_t c)
{
    return (y - NAME(get)(a->mean + c)) * NAME(get)(a->scale + c) + NAME(get)(a->beta + c);
}

static void NAME(normalise)(const void *y_, size_t n, size_t C, const shn_affine *bn, const void *residual, const shn_affine *shortcut,
                            void *out_)
{
    const EL *y = y_, *res = residual;
    EL       *out = out_;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c += V) {
            const size_t i = r * C + c;
            VF           v = NAME(bn)(NAME(load)(y + i), bn, c);
            if (res) {
                const VF add = NAME(load)(res + i);
                v += shortcut ? NAME(bn)(add, shortcut, c) : add;
            }
            NAME(store)(out + i, NAME(relu)(v));
        }
}

static void NAME(normalise_pool)(const void *y_, size_t n, size_t n_out, size_t C, const shn_affine *bn, void *out_, uint8_t *from)
{
    const EL *y = y_;
    EL       *out = out_;
    for (size_t t = 0; t < n_out; t++)
        for (size_t c = 0; c < C; c += V) {
            VF best = NAME(all)(-INFINITY);
            VI place = { 0 };
            for (size_t k = t == 0; k < 3 && 2 * t + k - 1 < n; k++) {
                const VF v = NAME(bn)(NAME(load)(y + (2 * t + k - 1) * C + c), bn, c);
                const VI more = ~(v <= best);                               /* a NaN wins and stays */
                best = (VF)(((VI)v & more) | ((VI)best & ~more));
                place = (more & (int32_t)k) | (place & ~more);
            }
            NAME(store)(out + t * C + c, NAME(relu)(best));
            const VB b = __builtin_convertvector(place, VB);
            memcpy(from + t * C + c, &b, sizeof b);
        }
}

INLINE void NAME(add_float)(double *p, VF v)
{
    VD low, high;
    NAME(widen)(v, &low, &high);
    NAME(add_double)(p, low, high);
}

/** Sums of a block of so few rows may be float: their rounding is that of the gradients themselves. Whole rows of memory are read in turn. */
enum { NAME(block_rows) = 16 };

static void NAME(mask_sums)(const shn_mask_args *a, size_t n, size_t C)
{
    const EL *d = a->d, *other = a->other, *out = a->out, *y = a->y, *y2 = a->y2;
    EL       *g = a->g;
    for (size_t at = 0; at < n; at += NAME(block_rows)) {
        const size_t last = n - at < NAME(block_rows) ? n : at + NAME(block_rows);
        for (size_t c = 0; c < C; c += V) {
            const VF mean = NAME(get)(a->mean + c), mean2 = y2 ? NAME(get)(a->mean2 + c) : mean;
            VF sum = { 0 }, dot = { 0 }, dot2 = { 0 };
            for (size_t r = at; r < last; r++) {
                const size_t i = r * C + c;
                const VF     result = NAME(load)(y + i);
                VF           v = NAME(load)(d + i);
                if (other) v += NAME(load)(other + i);
                v = NAME(keep)(v, (out ? NAME(load)(out + i) : NAME(bn)(result, &a->bn, c)) > 0);
                NAME(store)(g + i, v);
                sum += v;
                dot += v * (result - mean);
                if (y2) dot2 += v * (NAME(load)(y2 + i) - mean2);
            }
            NAME(add_float)(a->sum + c, sum);
            NAME(add_float)(a->dot + c, dot);
            if (y2) NAME(add_float)(a->dot2 + c, dot2);
        }
    }
}

INLINE VI NAME(place)(const uint8_t *from)
{
    VB b;
    memcpy(&b, from, sizeof b);
    return __builtin_convertvector(b, VI);
}

static void NAME(mask_sums_pool)(const shn_mask_args *a, const uint8_t *from, size_t n, size_t n_out, size_t C)
{
    const EL *d = a->d, *other = a->other, *out = a->out, *y = a->y;
    EL       *g = a->g;
    for (size_t c = 0; c < C; c += V) {
        const VF mean = NAME(get)(a->mean + c);
        VD s0 = { 0 }, s1 = { 0 }, p0 = { 0 }, p1 = { 0 }, g0, g1, low, high;
        for (size_t t = 0; t < n_out; t++) {
            const size_t i = t * C + c;
            const VI     place = NAME(place)(from + i);
            VF           v = NAME(load)(d + i), winner = { 0 };
            if (other) v += NAME(load)(other + i);
            v = NAME(keep)(v, NAME(load)(out + i) > 0);
            NAME(store)(g + i, v);
            for (size_t k = t == 0; k < 3 && 2 * t + k - 1 < n; k++)
                winner += NAME(keep)(NAME(load)(y + (2 * t + k - 1) * C + c), place == (int32_t)k);
            NAME(widen)(v, &g0, &g1);
            s0 += g0, s1 += g1;
            NAME(widen)(winner - mean, &low, &high);
            p0 += g0 * low, p1 += g1 * high;
        }
        NAME(add_double)(a->sum + c, s0, s1);
        NAME(add_double)(a->dot + c, p0, p1);
    }
}

static void NAME(bn_backward)(const void *g_, const void *y_, size_t n, size_t C, const float *mean, const float *k1, const float *k2,
                              const float *k3, void *d_y_)
{
    const EL *g = g_, *y = y_;
    EL       *d_y = d_y_;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c += V) {
            const size_t i = r * C + c;
            NAME(store)(d_y + i, NAME(get)(k1 + c) * NAME(load)(g + i) - NAME(get)(k2 + c) * (NAME(load)(y + i) - NAME(get)(mean + c)) -
                                     NAME(get)(k3 + c));
        }
}

static void NAME(bn_backward_pool)(const void *g_, const uint8_t *from, const void *y_, size_t n, size_t n_out, size_t C,
                                   const float *mean, const float *k1, const float *k2, const float *k3, void *d_y_)
{
    const EL *g = g_, *y = y_;
    EL       *d_y = d_y_;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c += V) {
            VF v = { 0 };
            /* row r is place k of window t where 2 t + k - 1 = r: an even row of one window, an odd row of two */
            for (size_t k = r % 2 ? 0 : 1; k < 3; k += 2) {
                const size_t t = (r + 1 - k) / 2;
                if (t < n_out) v += NAME(keep)(NAME(load)(g + t * C + c), NAME(place)(from + t * C + c) == (int32_t)k);
            }
            NAME(store)(d_y + r * C + c, NAME(get)(k1 + c) * v -
                                             NAME(get)(k2 + c) * (NAME(load)(y + r * C + c) - NAME(get)(mean + c)) - NAME(get)(k3 + c));
        }
}

static void NAME(pool)(const void *x_, size_t n, size_t n_out, size_t C, void *out_)
{
    const EL *x = x_;
    EL       *out = out_;
    for (size_t t = 0; t < n_out; t++)
        for (size_t c = 0; c < C; c += V) {
            VF best = NAME(all)(-INFINITY);
            for (size_t k = t == 0; k < 3 && 2 * t + k - 1 < n; k++) {
                const VF v = NAME(load)(x + (2 * t + k - 1) * C + c);
                const VI more = ~(v <= best);
                best = (VF)(((VI)v & more) | ((VI)best & ~more));
            }
            NAME(store)(out + t * C + c, best);
        }
}

static void NAME(row_mean)(const void *x_, size_t n, size_t C, float *mean)
{
    const EL *x = x_;
    for (size_t c = 0; c < C; c += V) {
        VD s[2] = { { 0 }, { 0 } }, low, high;
        for (size_t r = 0; r < n; r++) {
            NAME(widen)(NAME(load)(x + r * C + c), &low, &high);
            s[0] += low, s[1] += high;
        }
        double sums[V];
        memcpy(sums, s, sizeof sums);
        for (size_t k = 0; k < V; k++) mean[c + k] = (float)(sums[k] / (double)n);
    }
}

static void NAME(spread)(const float *value, size_t n, size_t C, void *out_)
{
    EL *out = out_;
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < C; c += V) NAME(store)(out + r * C + c, NAME(get)(value + c));
}

static void NAME(convert)(const float *x, size_t n, void *out_)
{
    EL    *out = out_;
    size_t i = 0;
    for (; i + V <= n; i += V) NAME(store)(out + i, NAME(get)(x + i));
    if (i == n) return;
    float tail[V] = { 0 };
    EL    last[V];
    memcpy(tail, x + i, (n - i) * sizeof *x);
    NAME(store)(last, NAME(get)(tail));
    memcpy(out + i, last, (n - i) * sizeof *last);
}

static void NAME(reduce)(float *out, const float *const *parts, size_t n_parts, size_t n, int add)
{
    for (size_t i = 0; i < n; i += V) {
        VF v = NAME(get)(parts[0] + i);
        for (size_t p = 1; p < n_parts; p++) v += NAME(get)(parts[p] + i);
        NAME(put)(out + i, add ? NAME(get)(out + i) + v : v);
    }
}

static void NAME(axpy)(float *y, const float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i += V) NAME(put)(y + i, NAME(get)(y + i) + a * NAME(get)(x + i));
}

static float NAME(dot)(const float *a, const float *b, size_t n)
{
    VF     s = { 0 };
    double sum = 0;
    for (size_t i = 0; i < n; i += V) s += NAME(get)(a + i) * NAME(get)(b + i);
    for (size_t k = 0; k < V; k++) sum += s[k];
    return (float)sum;
}

static double NAME(square)(const float *x, size_t n)
{
    VD     s[2] = { { 0 }, { 0 } }, low, high;
    double parts[V], sum = 0;
    for (size_t i = 0; i < n; i += V) {
        NAME(widen)(NAME(get)(x + i), &low, &high);
        s[0] += low * low, s[1] += high * high;
    }
    memcpy(parts, s, sizeof parts);
    for (size_t k = 0; k < V; k++) sum += parts[k];
    return sum;
}

static void NAME(adamw)(float *p, const float *g, float *m, float *v, size_t n, const shn_adamw *h, int decay, uint64_t step,
                        float grad_scale)
{
    const double c1 = 1 - pow(h->beta1, (double)step), c2 = 1 - pow(h->beta2, (double)step);
    const float  keep = decay ? (float)(1 - (double)h->lr * h->weight_decay) : 1.f;
    const float  rate = (float)(h->lr / c1), root = (float)sqrt(c2);
    const float  b1 = h->beta1, b2 = h->beta2, n1 = (float)(1 - (double)h->beta1), n2 = (float)(1 - (double)h->beta2);
    for (size_t i = 0; i < n; i += V) {
        const VF gi = NAME(get)(g + i) * grad_scale;
        const VF mi = b1 * NAME(get)(m + i) + n1 * gi;
        const VF vi = b2 * NAME(get)(v + i) + n2 * (gi * gi);
        NAME(put)(m + i, mi);
        NAME(put)(v + i, vi);
        NAME(put)(p + i, NAME(get)(p + i) * keep - rate * (mi / (SQRT(vi) / root + h->eps)));
    }
}

#define TABLE                                                                                                            \
    {                                                                                                                    \
        .moments = NAME(moments), .normalise = NAME(normalise), .normalise_pool = NAME(normalise_pool),                  \
        .mask_sums = NAME(mask_sums), .mask_sums_pool = NAME(mask_sums_pool), .bn_backward = NAME(bn_backward),          \
        .bn_backward_pool = NAME(bn_backward_pool), .pool = NAME(pool), .row_mean = NAME(row_mean),                      \
        .spread = NAME(spread), .convert = NAME(convert), .reduce = NAME(reduce), .axpy = NAME(axpy), .dot = NAME(dot),  \
        .square = NAME(square), .adamw = NAME(adamw),                                                                    \
    }
