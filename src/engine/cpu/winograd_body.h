/**
 * The one source of the Winograd kernels. The including file has set V (floats per vector), ROWS (rows of the register block of
 * the forward product, which is 2 V columns wide), FMA(a, b, c) = a b + c, NAME(x) and the compiler's target.
 */
#define COLUMNS (2 * V)
#define HALF    (V / 2)         /* rows of the register block of the weight gradient's product */
#define INLINE  static inline __attribute__((always_inline))      /* the two products stay out of line: they need every register */

typedef float   vf __attribute__((vector_size(4 * V)));
typedef int32_t vi __attribute__((vector_size(4 * V)));

INLINE vf get(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}
INLINE void put(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf   all(float a) { return a - (vf){ 0 }; }

/** Tiles run over all records: tile number -> its record and first output position. */
typedef struct tile_at { size_t record, t; } tile_at;
static tile_at tile_of(const shn_wino_layer *s, size_t tile)
{
    const size_t per = (s->T + 3) / 4;
    return (tile_at){ tile / per, tile % per * 4 };
}

/** B' of one tile at one vector of channels. d[6]: its inputs; u[p * step]: the six results. */
INLINE void input_transform(const float *const d[6], size_t c, float *u, size_t step)
{
    const vf four = all(4), five = all(-5), two = all(2);
    const vf d0 = get(d[0] + c), d1 = get(d[1] + c), d2 = get(d[2] + c), d3 = get(d[3] + c), d4 = get(d[4] + c), d5 = get(d[5] + c);
    const vf a = FMA(d2, -four, d4), b = FMA(d1, -four, d3), e = d4 - d2, f = (d3 - d1) * two;
    put(u, FMA(d0, four, FMA(d2, five, d4)));
    put(u + step, a + b);
    put(u + 2 * step, a - b);
    put(u + 3 * step, e + f);
    put(u + 4 * step, e - f);
    put(u + 5 * step, FMA(d1, four, FMA(d3, five, d5)));
}

/** The six rows that a tile reads, 4 t - 1 to 4 t + 4; outside the record, zeros. */
static void input_rows(const shn_wino_layer *s, const float *x, size_t C, tile_at at, const float *zeros, const float *d[6])
{
    for (size_t k = 0; k < 6; k++) {
        const size_t r = at.t + k;              /* one more than the row */
        d[k] = r >= 1 && r - 1 < s->T ? x + (at.record * s->T + r - 1) * C : zeros;
    }
}

/** c[ROWS][COLUMNS] = a [ROWS][K] (row step lda) x b [K][COLUMNS]. */
static __attribute__((noinline)) void multiply(const float *a, size_t lda, const float *b, size_t K, float *c)
{
    vf s[ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) s[r][0] = s[r][1] = all(0);
    for (size_t k = 0; k < K; k++, b += COLUMNS) {
        const vf b0 = get(b), b1 = get(b + V);
#pragma GCC unroll 16
        for (int r = 0; r < ROWS; r++) {
            const vf x = all(a[(size_t)r * lda + k]);
            s[r][0] = FMA(x, b0, s[r][0]);
            s[r][1] = FMA(x, b1, s[r][1]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; r++) put(c + r * COLUMNS, s[r][0]), put(c + r * COLUMNS + V, s[r][1]);
}

/** A' of a block's products at COLUMNS output channels from `o`, with bias, sum and ReLU where asked. m [6][tiles][COLUMNS]. */
static void output_transform(const shn_wino_layer *s, size_t tile, size_t n_tiles, size_t block, const float *m, size_t o,
                             const float *bias, int add, int relu, float *y)
{
    const size_t step = block * COLUMNS;
    const vf     two = all(2), four = all(4), eight = all(8);
    for (size_t i = 0; i < n_tiles; i++) {
        const tile_at at = tile_of(s, tile + i);
        const size_t  rows = s->T - at.t < 4 ? s->T - at.t : 4;
        for (size_t h = 0; h < COLUMNS; h += V) {
            const float *from = m + i * COLUMNS + h;
            const vf m0 = get(from), m1 = get(from + step), m2 = get(from + 2 * step), m3 = get(from + 3 * step);
            const vf m4 = get(from + 4 * step), m5 = get(from + 5 * step);
            const vf s1 = m1 + m2, q1 = m1 - m2, s2 = m3 + m4, q2 = m3 - m4;
            const vf r[4] = { m0 + s1 + s2, FMA(q2, two, q1), FMA(s2, four, s1), FMA(q2, eight, q1) + m5 };
            float   *to = y + (at.record * s->T + at.t) * s->out + o + h;
            for (size_t k = 0; k < rows; k++, to += s->out) {
                vf v = bias ? r[k] + get(bias + o + h) : r[k];
                if (add) v += get(to);
                if (relu) v = (vf)((vi)v & ~(v <= 0));
                put(to, v);
            }
        }
    }
}

static void NAME(forward)(const shn_wino_layer *s, const float *x, const float *packed, const float *bias, int add, int relu, float *y,
                          float *scratch)
{
    const size_t block = shn_wino_block(s->in, ROWS), total = s->n * ((s->T + 3) / 4), lda = s->in + 16;    /* off a power of two */
    float       *u = scratch, *m = u + 6 * block * lda, *zeros = m + 6 * block * COLUMNS;
    memset(zeros, 0, s->in * sizeof *zeros);
    for (size_t tile = 0; tile < total; tile += block) {
        const size_t n = total - tile < block ? total - tile : block, padded = (n + ROWS - 1) / ROWS * ROWS;
        for (size_t i = 0; i < padded; i++) {
            const float *d[6] = { zeros, zeros, zeros, zeros, zeros, zeros };
            if (i < n) input_rows(s, x, s->in, tile_of(s, tile + i), zeros, d);
            for (size_t c = 0; c < s->in; c += V) input_transform(d, c, u + i * lda + c, block * lda);
        }
        for (size_t o = 0; o < s->out; o += COLUMNS) {
            for (size_t p = 0; p < 6; p++)
                for (size_t i = 0; i < padded; i += ROWS)
                    multiply(u + (p * block + i) * lda, lda, packed + (p * s->out + o) * s->in, s->in, m + (p * block + i) * COLUMNS);
            output_transform(s, tile, n, block, m, o, bias, add, relu, y);
        }
    }
}

/** G of V columns: six transformed weights from three taps. */
INLINE void weight_transform(vf g0, vf g1, vf g2, float *to, size_t step)
{
    const vf sixth = all(1.f / 6), twelfth = all(1.f / 12), even = g0 + g2, far = FMA(g0, all(1.f / 4), g2);
    put(to, g0 * all(1.f / 4));
    put(to + step, -(even + g1) * sixth);
    put(to + 2 * step, -(even - g1) * sixth);
    put(to + 3 * step, FMA(g1, twelfth, far * sixth));
    put(to + 4 * step, FMA(-g1, twelfth, far * sixth));
    put(to + 5 * step, g2);
}

/** Weights of V output channels from `o` at V input channels from `i`, rows turned into columns: whole cache lines are read. */
static void turn(const float *weights, size_t out, size_t o, size_t i, float to[V][V])
{
    for (size_t c = 0; c < V; c++) {
        float row[V];
        memcpy(row, weights + (o + c) * out + i, sizeof row);
        for (size_t k = 0; k < V; k++) to[k][c] = row[k];
    }
}

static void NAME(pack)(const float *weights, size_t in, size_t out, int backward, float *packed)
{
    const size_t tap = in * out, n_in = backward ? out : in, n_out = backward ? in : out;
    float        g[3][V][V];
    for (size_t o = 0; o < n_out; o += V) {             /* panels [6][n_out / COLUMNS][n_in][COLUMNS] */
        float *panel = packed + o / COLUMNS * COLUMNS * n_in + o % COLUMNS;
        for (size_t i = 0; i < n_in; i += V) {
            for (size_t k = 0; k < 3; k++) {
                if (backward) turn(weights + (2 - k) * tap, out, o, i, g[k]);       /* flipped taps */
                else
                    for (size_t r = 0; r < V; r++) memcpy(g[k][r], weights + k * tap + (i + r) * out + o, sizeof g[k][r]);
            }
            for (size_t r = 0; r < V; r++)
                weight_transform(get(g[0][r]), get(g[1][r]), get(g[2][r]), panel + (i + r) * COLUMNS, in * out);
        }
    }
}

/** A of one tile at one vector of channels: six from the gradients of four outputs. */
INLINE void gradient_transform(const float *const d[4], size_t c, float *u, size_t step)
{
    const vf y0 = get(d[0] + c), y1 = get(d[1] + c), y2 = get(d[2] + c), y3 = get(d[3] + c);
    const vf s1 = y0 + y2, q1 = y1 + y3, s2 = FMA(y2, all(4), y0), q2 = FMA(y3, all(8), y1 * all(2));
    put(u, y0);
    put(u + step, s1 + q1);
    put(u + 2 * step, s1 - q1);
    put(u + 3 * step, s2 + q2);
    put(u + 4 * step, s2 - q2);
    put(u + 5 * step, y3);
}

/** s[HALF][COLUMNS] (row step lds) (+)= a' b over K tiles; a [K][V] (HALF of V columns are used), b [K][COLUMNS]. */
static __attribute__((noinline)) void accumulate(const float *a, const float *b, size_t K, int first, float *s, size_t lds)
{
    vf c[HALF][2];
#pragma GCC unroll 8
    for (int r = 0; r < HALF; r++) {
        c[r][0] = first ? all(0) : get(s + (size_t)r * lds);
        c[r][1] = first ? all(0) : get(s + (size_t)r * lds + V);
    }
    for (size_t k = 0; k < K; k++, a += V, b += COLUMNS) {
        const vf b0 = get(b), b1 = get(b + V);
#pragma GCC unroll 8
        for (int r = 0; r < HALF; r++) {
            const vf x = all(a[r]);
            c[r][0] = FMA(x, b0, c[r][0]);
            c[r][1] = FMA(x, b1, c[r][1]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < HALF; r++) put(s + (size_t)r * lds, c[r][0]), put(s + (size_t)r * lds + V, c[r][1]);
}

static void NAME(weights)(const shn_wino_layer *s, const float *x, const float *d_y, int first, float *sums, float *scratch)
{
    const size_t total = s->n * ((s->T + 3) / 4), blocks = (total + SHN_WINO_WEIGHT_TILES - 1) / SHN_WINO_WEIGHT_TILES;
    const size_t K = (total + blocks - 1) / blocks;             /* even blocks: none is too short to pay */
    float       *u = scratch, *v = u + 6 * K * s->in, *zeros = v + 6 * K * s->out;      /* panels [6][C / w][K][w] */
    memset(zeros, 0, (s->in > s->out ? s->in : s->out) * sizeof *zeros);
    for (size_t tile = 0; tile < total; tile += K, first = 0) {
        const size_t n = total - tile < K ? total - tile : K;
        for (size_t i = 0; i < n; i++) {
            const tile_at at = tile_of(s, tile + i);
            const float  *d[6], *g[4];
            input_rows(s, x, s->in, at, zeros, d);
            for (size_t k = 0; k < 4; k++) g[k] = at.t + k < s->T ? d_y + (at.record * s->T + at.t + k) * s->out : zeros;
            for (size_t c = 0; c < s->in; c += V) input_transform(d, c, u + c * K + i * V, K * s->in);
            for (size_t c = 0; c < s->out; c += V)
                gradient_transform(g, c, v + c / COLUMNS * COLUMNS * K + i * COLUMNS + c % COLUMNS, K * s->out);
        }
        for (size_t p = 0; p < 6; p++)
            for (size_t o = 0; o < s->out; o += COLUMNS)
                for (size_t i = 0; i < s->in; i += HALF)
                    accumulate(u + p * K * s->in + i / V * V * K + i % V, v + p * K * s->out + o * K, n, first,
                               sums + (p * s->in + i) * s->out + o, s->out);
    }
}

static void NAME(weights_end)(const float *sums, size_t in, size_t out, float *d_weights)
{
    const size_t n = in * out;
    const vf     quarter = all(1.f / 4), sixth = all(1.f / 6), twelfth = all(1.f / 12), small = all(1.f / 24);
    for (size_t i = 0; i < n; i += V) {
        const vf s0 = get(sums + i), s1 = get(sums + n + i), s2 = get(sums + 2 * n + i), s3 = get(sums + 3 * n + i);
        const vf s4 = get(sums + 4 * n + i), s5 = get(sums + 5 * n + i), near = (s1 + s2) * sixth, far = s3 + s4;
        put(d_weights + i, FMA(s0, quarter, FMA(far, small, -near)));
        put(d_weights + n + i, FMA(s3 - s4, twelfth, (s2 - s1) * sixth));
        put(d_weights + 2 * n + i, FMA(far, sixth, s5 - near));
    }
}

const shn_wino NAME(shn_wino) = {
    .columns = COLUMNS, .pack = NAME(pack), .forward = NAME(forward), .weights = NAME(weights), .weights_end = NAME(weights_end),
};
