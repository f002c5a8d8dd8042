/**
 * The loops of a Winograd kernel, for one algorithm and one instruction set. The including file has set LABEL, TILE (outputs of a tile), STRIDE,
 * PRODUCTS (of a tile), MATRICES (of transformed weights; products beyond take the last one) and the five transforms, on top of
 * product_body.h. All lanes are channels; a tile's arithmetic does not depend on its place in a block.
 */

/** Where a tile's first output position (of T) is; tiles run over all records. */
typedef struct NAME(place) { size_t record, t; } NAME(place);
INLINE void NAME(next)(const shn_wino_layer *s, NAME(place) *at)
{
    if ((at->t += TILE) >= s->T) at->t = 0, at->record++;
}

/** Rows first .. first + n - 1 of a record of T rows, one vector of channels; what lies outside is 0. edge 0: nothing does. */
INLINE void NAME(rows)(const float *x, ptrdiff_t first, int n, size_t T, size_t C, size_t c, const shn_affine *bn, int edge, vf *d)
{
    UNROLL for (int k = 0; k < n; k++) {
        const ptrdiff_t row = first + k;
        if (edge && (row < 0 || row >= (ptrdiff_t)T)) d[k] = all(0);
        else {
            const vf v = get(x + row * (ptrdiff_t)C + (ptrdiff_t)c);
            d[k] = bn ? normalised(v, bn, c) : v;
        }
    }
}

/** B' of one tile from row `first`: result p at u[p * step], the next vector of channels panel_step further. */
INLINE void NAME(tile_forward)(const float *x, ptrdiff_t first, size_t T, size_t C, const shn_affine *bn, int edge, float *u, size_t step,
                               size_t panel_step)
{
    for (size_t c = 0; c < C; c += V, u += panel_step) {
        vf d[SPAN], r[PRODUCTS];
        NAME(rows)(x, first, SPAN, T, C, c, bn, edge, d);
        NAME(input)(d, r);
        UNROLL for (int p = 0; p < PRODUCTS; p++) put(u + (size_t)p * step, r[p]);
    }
}

/** The same for the tile of x [n][T_in][in] at `at`, in the leanest form that fits it. */
INLINE void NAME(tile_input)(const shn_wino_layer *s, const float *x, const shn_affine *bn, NAME(place) at, float *u, size_t step,
                             size_t panel_step)
{
    const ptrdiff_t first = (ptrdiff_t)(at.t * STRIDE) - 1;
    const float    *record = x + at.record * s->T_in * s->in;
    const int       edge = first < 0 || first + SPAN > (ptrdiff_t)s->T_in;
    if (edge && bn) NAME(tile_forward)(record, first, s->T_in, s->in, bn, 1, u, step, panel_step);
    else if (edge) NAME(tile_forward)(record, first, s->T_in, s->in, NULL, 1, u, step, panel_step);
    else if (bn) NAME(tile_forward)(record, first, s->T_in, s->in, bn, 0, u, step, panel_step);
    else NAME(tile_forward)(record, first, s->T_in, s->in, NULL, 0, u, step, panel_step);
}

/* ---- forward, and the data gradient, which is the same with flipped, transposed weights ---- */

/** A block of n_tiles from `at`, and where its results go; products m [PRODUCTS][block][COLUMNS]. */
typedef struct NAME(emit) {
    const shn_wino_layer *s;
    NAME(place)           at;
    size_t                n_tiles, block;
    const shn_wino_out   *out;
} NAME(emit);

INLINE void NAME(store)(const shn_wino_out *o, float *to, size_t c, vf v)
{
    if (o->bias) v += get(o->bias + c);
    if (o->add) v += get(to);
    put(to, o->relu ? relu(v) : v);
}

/**
 * A' at COLUMNS channels from c; then the moments of the result, or bias, sum and ReLU where asked. Moments are added up over a tile's
 * rows in float and from there in double: a block of so few rows costs no accuracy that the values themselves have.
 */
INLINE void NAME(emit_forward)(const NAME(emit) *e, size_t c, const float *m, int with_moments)
{
    const size_t step = e->block * COLUMNS, C = e->s->out;
    NAME(place)  at = e->at;
    for (size_t i = 0; i < e->n_tiles; i++, NAME(next)(e->s, &at)) {
        const size_t rows = e->s->T - at.t < TILE ? e->s->T - at.t : TILE;
        float       *to = e->out->y + (at.record * e->s->T + at.t) * C + c;
        for (size_t h = 0; h < COLUMNS; h += V) {
            vf p[PRODUCTS], y[TILE], sum = all(0), square = all(0);
            UNROLL for (int k = 0; k < PRODUCTS; k++) p[k] = get(m + (size_t)k * step + i * COLUMNS + h);
            NAME(output)(p, y);
            UNROLL for (size_t k = 0; k < TILE; k++) {
                if (k >= rows) break;
                if (with_moments) {
                    put(to + k * C + h, y[k]);
                    sum += y[k];
                    square = FMA(y[k], y[k], square);
                } else NAME(store)(e->out, to + k * C + h, c + h, y[k]);
            }
            if (with_moments) add_double(e->out->sum + c + h, sum), add_double(e->out->square + c + h, square);
        }
    }
}

#if STRIDE > 1
INLINE void NAME(emit_back)(const NAME(emit) *e, size_t c, const float *m)
{
    const size_t step = e->block * COLUMNS, C = e->s->in;
    for (size_t h = 0; h < COLUMNS; h += V) {
        NAME(place) at = e->at;
        for (size_t i = 0; i < e->n_tiles; i++, NAME(next)(e->s, &at)) {
            vf           p[PRODUCTS], y[TILE * STRIDE];
            const size_t left = e->s->T_in - at.t * STRIDE, rows = left < TILE * STRIDE ? left : TILE * STRIDE;
            float       *to = e->out->y + (at.record * e->s->T_in + at.t * STRIDE) * C + c + h;
            UNROLL for (int k = 0; k < PRODUCTS; k++) p[k] = get(m + (size_t)k * step + i * COLUMNS + h);
            NAME(output_back)(p, y);
            UNROLL for (size_t k = 0; k < TILE * STRIDE; k++)
                if (k < rows) put(to + k * C, y[k]);
        }
    }
}

/** Tile of d_y [n][T][out] for the data gradient: TILE rows and the one after. */
INLINE void NAME(tile_back)(const shn_wino_layer *s, const float *d_y, NAME(place) at, float *u, size_t step)
{
    const float *record = d_y + at.record * s->T * s->out;
    for (size_t c = 0; c < s->out; c += V) {
        vf d[TILE + 1], r[PRODUCTS];
        NAME(rows)(record, (ptrdiff_t)at.t, TILE + 1, s->T, s->out, c, NULL, 1, d);
        NAME(input_back)(d, r);
        UNROLL for (int p = 0; p < PRODUCTS; p++) put(u + (size_t)p * step + c, r[p]);
    }
}
#endif

/** Asks for COLUMNS floats of ROWS rows that are to be written after the next products: their lines are far from the core by then. */
INLINE void NAME(fetch)(const float *y, size_t step)
{
    UNROLL for (int r = 0; r < ROWS; r++) {
        __builtin_prefetch(y + (size_t)r * step, 1);
        if (COLUMNS > 16) __builtin_prefetch(y + (size_t)r * step + 16, 1);
    }
}

INLINE void NAME(pass)(const shn_wino_layer *s, const float *x, const shn_affine *bn, const float *packed, const shn_wino_out *out,
                       float *scratch, int back)
{
    const size_t K = back ? s->out : s->in, N = back ? s->in : s->out, lda = K + 16;       /* off a power of two */
    const size_t block = shn_wino_block(K, PRODUCTS, ROWS), total = s->n * ((s->T + TILE - 1) / TILE);
    const size_t side = back ? TILE * STRIDE : TILE;       /* rows that a tile writes; exact enough for a hint where the last is cut */
    float       *u = scratch, *m = u + PRODUCTS * block * lda;
    NAME(place) at = { 0, 0 };
    for (size_t tile = 0; tile < total; tile += block) {
        const size_t     n = total - tile < block ? total - tile : block, padded = (n + ROWS - 1) / ROWS * ROWS;
        const NAME(emit) e = { s, at, n, block, out };
        for (size_t i = 0; i < n; i++, NAME(next)(s, &at)) {
#if STRIDE > 1
            if (back) NAME(tile_back)(s, x, at, u + i * lda, block * lda);
            else
#endif
                NAME(tile_input)(s, x, bn, at, u + i * lda, block * lda, V);
        }
        for (size_t i = n; i < padded; i++)
            for (size_t p = 0; p < PRODUCTS; p++) memset(u + (p * block + i) * lda, 0, K * sizeof *u);
        for (size_t o = 0; o < N; o += COLUMNS) {
            for (size_t p = 0; p < PRODUCTS; p++) {
                const size_t matrix = p < MATRICES ? p : MATRICES - 1;
                for (size_t i = 0; i < padded; i += ROWS) {
                    if (p < side) NAME(fetch)(out->y + ((tile + i) * side + p) * N + o, side * N);
                    multiply(u + (p * block + i) * lda, lda, packed + (o / COLUMNS * MATRICES + matrix) * COLUMNS * K, K, m + (p * block + i) * COLUMNS);
                }
            }
#if STRIDE > 1
            if (back) NAME(emit_back)(&e, o, m);
            else
#endif
            if (out->sum) NAME(emit_forward)(&e, o, m, 1);
            else NAME(emit_forward)(&e, o, m, 0);
        }
    }
}

static void NAME(forward)(const shn_wino_layer *s, const float *x, const shn_affine *bn, const float *packed, const shn_wino_out *out,
                          float *scratch)
{
    NAME(pass)(s, x, bn, packed, out, scratch, 0);
}

static void NAME(data)(const shn_wino_layer *s, const float *d_y, const float *packed, float *d_x, float *scratch)
{
    const shn_wino_out out = { .y = d_x };
#if STRIDE > 1
    NAME(pass)(s, d_y, NULL, packed, &out, scratch, 1);
#else
    const shn_wino_layer turned = { s->n, s->T, s->T, s->out, s->in };
    NAME(pass)(&turned, d_y, NULL, packed, &out, scratch, 0);
#endif
}

/* ---- weights ---- */

/** Weights of V output channels from `o` at V input channels from `i`, rows turned into columns: whole cache lines are read. */
static void NAME(turn)(const float *weights, size_t out, size_t o, size_t i, float to[V][V])
{
    for (size_t c = 0; c < V; c++) {
        float row[V];
        memcpy(row, weights + (o + c) * out + i, sizeof row);
        for (size_t k = 0; k < V; k++) to[k][c] = row[k];
    }
}

static void NAME(pack)(const float *weights, size_t in, size_t out, int backward, size_t begin, size_t end, float *packed)
{
    const size_t tap = in * out, n_in = backward ? out : in;
    float        g[3][V][V];
    for (size_t o = begin; o < end; o += V) {   /* panels [n_out / COLUMNS][MATRICES][n_in][COLUMNS], in the order in which they are read */
        float *panel = packed + o / COLUMNS * MATRICES * COLUMNS * n_in + o % COLUMNS;
        for (size_t i = 0; i < n_in; i += V) {
            for (size_t k = 0; k < 3; k++) {
                if (backward) NAME(turn)(weights + (2 - k) * tap, out, o, i, g[k]);       /* flipped taps */
                else
                    for (size_t r = 0; r < V; r++) memcpy(g[k][r], weights + k * tap + (i + r) * out + o, sizeof g[k][r]);
            }
            for (size_t r = 0; r < V; r++) {
                const vf taps[3] = { get(g[0][r]), get(g[1][r]), get(g[2][r]) };
                vf       w[MATRICES];
                NAME(weight)(taps, w);
                UNROLL for (int p = 0; p < MATRICES; p++) put(panel + ((size_t)p * n_in + i + r) * COLUMNS, w[p]);
            }
        }
    }
}

/** A of a tile of d_y in panels of COLUMNS: v[p * step + ...]. */
INLINE void NAME(tile_gradient)(const shn_wino_layer *s, const float *d_y, NAME(place) at, size_t K, float *v, size_t step)
{
    const float *record = d_y + at.record * s->T * s->out;
    const int    edge = at.t + TILE > s->T;
    for (size_t c = 0; c < s->out; c += V) {
        vf d[TILE], r[PRODUCTS];
        if (edge) NAME(rows)(record, (ptrdiff_t)at.t, TILE, s->T, s->out, c, NULL, 1, d);
        else NAME(rows)(record, (ptrdiff_t)at.t, TILE, s->T, s->out, c, NULL, 0, d);
        NAME(gradient)(d, r);
        float *to = v + c / COLUMNS * COLUMNS * K + c % COLUMNS;
        UNROLL for (int p = 0; p < PRODUCTS; p++) put(to + (size_t)p * step, r[p]);
    }
}

static void NAME(weights)(const shn_wino_layer *s, const float *x, const shn_affine *bn, const float *d_y, int first, float *sums,
                          float *scratch)
{
    const size_t total = s->n * ((s->T + TILE - 1) / TILE), blocks = (total + SHN_WINO_WEIGHT_TILES - 1) / SHN_WINO_WEIGHT_TILES;
    const size_t K = (total + blocks - 1) / blocks;             /* even blocks: none is too short to pay */
    const size_t step_u = K * s->in + 16, step_v = K * s->out + 16;     /* off a power of two */
    float       *u = scratch, *v = u + PRODUCTS * step_u;       /* panels [PRODUCTS][C / w][K][w] */
    NAME(place) at = { 0, 0 };
    for (size_t tile = 0; tile < total; tile += K, first = 0) {
        const size_t n = total - tile < K ? total - tile : K;
        for (size_t i = 0; i < n; i++, NAME(next)(s, &at)) {
            NAME(tile_input)(s, x, bn, at, u + i * V, step_u, K * V);
            NAME(tile_gradient)(s, d_y, at, K, v + i * COLUMNS, step_v);
        }
        for (size_t p = 0; p < PRODUCTS; p++) {
            const size_t matrix = p < MATRICES ? p : MATRICES - 1;
            for (size_t o = 0; o < s->out; o += COLUMNS)
                for (size_t i = 0; i < s->in; i += HALF)
                    accumulate(u + p * step_u + i / V * V * K + i % V, v + p * step_v + o * K, n, first && p < MATRICES,
                               sums + (matrix * s->in + i) * s->out + o, s->out);
        }
    }
}

static void NAME(weights_end)(const float *sums, size_t in, size_t out, float *d_weights)
{
    const size_t n = in * out;
    for (size_t i = 0; i < n; i += V) {
        vf s[MATRICES], d[3];
        UNROLL for (int p = 0; p < MATRICES; p++) s[p] = get(sums + (size_t)p * n + i);
        NAME(weight_gradient)(s, d);
        UNROLL for (int k = 0; k < 3; k++) put(d_weights + (size_t)k * n + i, d[k]);
    }
}

static const shn_wino NAME(wino) = {
    .name = LABEL, .tile = TILE, .stride = STRIDE, .products = PRODUCTS, .matrices = MATRICES, .columns = COLUMNS, .rows = ROWS, .pack = NAME(pack),
    .forward = NAME(forward), .data = NAME(data), .weights = NAME(weights), .weights_end = NAME(weights_end),
};

#undef LABEL
#undef TILE
#undef STRIDE
#undef PRODUCTS
#undef MATRICES
#undef TAG
