/**
 * Vector types and the two register-blocked products that every convolution kernel is made of. The including file has set V (floats
 * per vector), ROWS (rows of the register block of `multiply`, which is 2 V columns wide), FMA(a, b, c) = a b + c and the
 * compiler's target. Both products stay out of line: they need every register.
 */
#define COLUMNS (2 * V)
#define HALF    (V > 4 ? V / 2 : V)     /* rows of the register block of `accumulate` */
#define INLINE  static inline __attribute__((always_inline))
#define AHEAD   24              /* rows of packed weights that are asked for before they are used: they stream from memory */
#define UNROLL  _Pragma("GCC unroll 16")

typedef float   vf __attribute__((vector_size(4 * V)));
typedef int32_t vi __attribute__((vector_size(4 * V)));
typedef float   hf __attribute__((vector_size(2 * V)));
typedef double  vd __attribute__((vector_size(4 * V)));

INLINE vf get(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void put(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf   all(float a) { return a - (vf){ 0 }; }
INLINE vf   relu(vf v) { return (vf)((vi)v & ~(v <= 0)); }                 /* a NaN stays one: it must be seen */
/** As kernels_body.h has it, to the bit: the backward pass asks again which values were above 0. */
INLINE vf   normalised(vf y, const shn_affine *bn, size_t c) { return relu((y - get(bn->mean + c)) * get(bn->scale + c) + get(bn->beta + c)); }

/** Adds a vector's channels to sums in double. */
INLINE void add_double(double *to, vf part)
{
    hf half[2];
    vd v[2];
    memcpy(half, &part, sizeof part);
    memcpy(v, to, sizeof v);
    for (int k = 0; k < 2; k++) v[k] += __builtin_convertvector(half[k], vd);
    memcpy(to, v, sizeof v);
}

/** c[ROWS][COLUMNS] = a [ROWS][K] (row step lda) x b [K][COLUMNS]. */
static __attribute__((noinline)) void multiply(const float *a, size_t lda, const float *b, size_t K, float *c)
{
    vf s[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = all(0);
    for (size_t k = 0; k < K; k++, b += COLUMNS) {
        const vf b0 = get(b), b1 = get(b + V);
        __builtin_prefetch(b + AHEAD * COLUMNS);
        if (COLUMNS > 16) __builtin_prefetch(b + AHEAD * COLUMNS + 16);
        UNROLL for (int r = 0; r < ROWS; r++) {
            const vf x = all(a[(size_t)r * lda + k]);
            s[r][0] = FMA(x, b0, s[r][0]);
            s[r][1] = FMA(x, b1, s[r][1]);
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++) put(c + r * COLUMNS, s[r][0]), put(c + r * COLUMNS + V, s[r][1]);
}

/** s[HALF][COLUMNS] (row step lds) (+)= a' b over K rows; a [K][V] (HALF of V columns are used), b [K][COLUMNS]. */
static __attribute__((noinline)) void accumulate(const float *a, const float *b, size_t K, int first, float *s, size_t lds)
{
    vf c[HALF][2];
    UNROLL for (int r = 0; r < HALF; r++) {
        c[r][0] = first ? all(0) : get(s + (size_t)r * lds);
        c[r][1] = first ? all(0) : get(s + (size_t)r * lds + V);
    }
    for (size_t k = 0; k < K; k++, a += V, b += COLUMNS) {
        const vf b0 = get(b), b1 = get(b + V);
        UNROLL for (int r = 0; r < HALF; r++) {
            const vf x = all(a[r]);
            c[r][0] = FMA(x, b0, c[r][0]);
            c[r][1] = FMA(x, b1, c[r][1]);
        }
    }
    UNROLL for (int r = 0; r < HALF; r++) put(s + (size_t)r * lds, c[r][0]), put(s + (size_t)r * lds + V, c[r][1]);
}
