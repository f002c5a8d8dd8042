/** Losses: closed forms, finite differences, goldens from numpy, reductions between losses, chunks, and label_known. */
#include "harness.h"

#include <math.h>

#include "base/alloc.h"
#include "base/random.h"
#include "shinden/loss.h"

enum { B_MAX = 40, E_MAX = 16, K_MAX = 80 };

/** A made batch and everything a loss gives for it. */
typedef struct batch {
    size_t  B, E, K;
    uint8_t label[B_MAX * K_MAX], known[B_MAX * K_MAX];
    float   weight[K_MAX], x[B_MAX * E_MAX], c[K_MAX * E_MAX], bk[K_MAX];
    double  s, b;
} batch;
typedef struct result {
    double loss, d_s, d_b;
    float  d_x[B_MAX * E_MAX], d_c[K_MAX * E_MAX], d_bk[K_MAX];
} result;

static const shn_loss pair_losses[] = { SHN_LOSS_CLIP, SHN_LOSS_CLIP_MULTI, SHN_LOSS_SIGLIP, SHN_LOSS_SIGLIP_JACCARD,
                                        SHN_LOSS_JACCARD_SOFTMAX };
enum { N_PAIR = sizeof pair_losses / sizeof *pair_losses };

static shn_batch_labels labels_of(const batch *a) { return (shn_batch_labels){ a->label, a->known, a->B, a->K }; }

static void unit_random(shn_rng *r, float *v, size_t n, size_t E)
{
    double norm[K_MAX];
    for (size_t i = 0; i < n * E; i++) v[i] = (float)shn_rng_normal(r);
    shn_unit_rows(v, n, E, v, norm);
}

static void make_batch(batch *a, uint64_t seed, size_t B, size_t E, size_t K, int masked)
{
    shn_rng r = shn_rng_stream(seed, 77, B, K);
    memset(a, 0, sizeof *a);
    a->B = B;
    a->E = E;
    a->K = K;
    a->s = log(4);
    a->b = -0.5;
    for (size_t i = 0; i < B * K; i++) {
        a->label[i] = shn_rng_uniform(&r) < 0.3;
        a->known[i] = !masked || shn_rng_uniform(&r) < 0.7;
    }
    if (masked && B > 3) memset(a->known + 3 * K, 0, K);            /* one record of which nothing is known */
    for (size_t k = 0; k < K; k++) {
        a->weight[k] = (float)(0.2 + shn_rng_uniform(&r));
        a->bk[k] = (float)shn_rng_normal(&r);
    }
    unit_random(&r, a->x, B, E);
    unit_random(&r, a->c, B > K ? B : K, E);
}

/** Runs a loss over all rows with the given chunk; class-columns for a loss that is no pair loss. */
static void run(const batch *a, shn_pair_options o, result *out)
{
    shn_error      err = { 0 };
    shn_loss_work *w;
    const shn_batch_labels labels = labels_of(a);
    memset(out, 0, sizeof *out);
    assert_ok(shn_loss_work_new(a->B, a->E, a->K, o.chunk, &w, &err));
    if (shn_loss_is_pair(o.loss))
        assert_ok(shn_pair_loss(w, &o, &labels, a->x, a->c, a->s, a->b, &out->loss, out->d_x, out->d_c, &out->d_s, &out->d_b, &err));
    else
        assert_ok(shn_class_loss(w, &labels, a->x, a->c, a->s, a->b, a->bk, &out->loss, out->d_x, out->d_c, &out->d_s, &out->d_b,
                                 out->d_bk, &err));
    shn_loss_work_free(w);
}

static shn_pair_options options_of(shn_loss loss) { return (shn_pair_options){ .loss = loss, .threshold = 0.5, .chunk = 256 }; }

static void test_names_round_trip(void **state)
{
    (void)state;
    for (int l = 0; l < SHN_LOSS_COUNT; l++) assert_int_equal(shn_loss_from_name(shn_loss_name((shn_loss)l)), l);
    assert_int_equal(shn_loss_from_name("nt-xent"), SHN_LOSS_COUNT);
    assert_string_equal(shn_loss_name(SHN_LOSS_COUNT), "");
}

/** Orthonormal pairs: every row has one logit t and B - 1 zeros. */
static void test_closed_forms_of_orthonormal_pairs(void **state)
{
    (void)state;
    for (size_t B = 2; B <= 16; B++) {
        batch  a;
        result r;
        make_batch(&a, 1, B, 16, 3, 0);
        memset(a.x, 0, sizeof a.x);
        memset(a.label, 0, sizeof a.label);
        for (size_t i = 0; i < B; i++) a.x[i * 16 + i] = 1;
        memcpy(a.c, a.x, sizeof a.x);
        const double tau = 0.07, n = (double)B;
        a.s = log(1 / tau);
        a.b = -2;
        run(&a, options_of(SHN_LOSS_CLIP), &r);
        assert_near(r.loss, log(1 + (n - 1) * exp(-1 / tau)), 1e-13);
        run(&a, options_of(SHN_LOSS_SIGLIP), &r);
        assert_near(r.loss, log1p(exp(-1 / tau + 2)) + (n - 1) * log1p(exp(-2)), 1e-12);
        assert_near(r.d_b, -1 / (1 + exp(1 / tau - 2)) + (n - 1) / (1 + exp(2)), 1e-12);
        run(&a, options_of(SHN_LOSS_CLIP_MULTI), &r);       /* all sets empty and known alike: uniform target */
        assert_near(r.loss, log(exp(1 / tau) + n - 1) - 1 / tau / n, 1e-12);
        run(&a, options_of(SHN_LOSS_JACCARD_SOFTMAX), &r);
        assert_near(r.loss, log(exp(1 / tau) + n - 1) - 1 / tau / n, 1e-12);
        memset(a.x, 0, sizeof a.x);                         /* uninformative: log B */
        run(&a, options_of(SHN_LOSS_CLIP), &r);
        assert_near(r.loss, log(n), 1e-13);
    }
}

/* --- goldens --- */

static void read_numbers(FILE *f, const char *name, size_t n, double *out)
{
    char word[32];
    assert_int_equal(fscanf(f, "%31s", word), 1);
    assert_string_equal(word, name);
    for (size_t i = 0; i < n; i++) assert_int_equal(fscanf(f, "%lf", &out[i]), 1);
}

static void read_floats(FILE *f, const char *name, size_t n, float *out)
{
    static double v[K_MAX * K_MAX];
    read_numbers(f, name, n, v);
    for (size_t i = 0; i < n; i++) out[i] = (float)v[i];
}

static void read_bytes(FILE *f, const char *name, size_t n, uint8_t *out)
{
    static double v[K_MAX * K_MAX];
    read_numbers(f, name, n, v);
    for (size_t i = 0; i < n; i++) out[i] = v[i] != 0;
}

static void compare(FILE *f, const char *name, size_t n, const float *got)
{
    static double v[K_MAX * K_MAX];
    read_numbers(f, name, n, v);
    for (size_t i = 0; i < n; i++) assert_near((double)got[i], v[i], 1e-7 * (1 + fabs(v[i])));      /* float rounding */
}

static void golden_case(FILE *f, const char *loss, const char *form)
{
    static const char *const forms[] = { "soft", "graded", "weighted", "threshold" };
    batch  a;
    result r;
    double v[1];
    int    weighted;
    memset(&a, 0, sizeof a);
    shn_pair_options o = options_of(shn_loss_from_name(loss));
    for (int i = 0; i < 4; i++)
        if (strcmp(form, forms[i]) == 0) o.form = (shn_jaccard_form)i;
    assert_int_equal(fscanf(f, "%lf %d %zu %zu %zu %lf %lf", &o.threshold, &weighted, &a.B, &a.E, &a.K, &a.s, &a.b), 7);
    const int pair = shn_loss_is_pair(o.loss);
    read_bytes(f, "label", a.B * a.K, a.label);
    read_bytes(f, "known", a.B * a.K, a.known);
    read_floats(f, "weight", a.K, a.weight);
    if (weighted) o.label_weight = a.weight;
    read_floats(f, "x", a.B * a.E, a.x);
    read_floats(f, "c", (pair ? a.B : a.K) * a.E, a.c);
    if (!pair) read_floats(f, "bk", a.K, a.bk);
    run(&a, o, &r);
    read_numbers(f, "loss", 1, v);
    assert_near(r.loss, v[0], 1e-12);
    compare(f, "d_x", a.B * a.E, r.d_x);
    compare(f, "d_c", (pair ? a.B : a.K) * a.E, r.d_c);
    read_numbers(f, "d_s", 1, v);
    assert_near(r.d_s, v[0], 1e-12);
    read_numbers(f, "d_b", 1, v);
    assert_near(r.d_b, v[0], 1e-12);
    if (!pair) compare(f, "d_bk", a.K, r.d_bk);
}

static void test_golden_values_of_numpy(void **state)
{
    (void)state;
    char  loss[32], form[32], line[256];
    int   n = 0;
    FILE *f = fopen(SHN_TESTS_DIR "/golden/losses.txt", "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));           /* who made it */
    while (fscanf(f, " case %31s %31s", loss, form) == 2) {
        golden_case(f, loss, form);
        n++;
    }
    fclose(f);
    assert_int_equal(n, 19);
}

/* --- gradients --- */

static double moved(batch *a, shn_pair_options o, float *at, float value)
{
    result r;
    const float before = *at;
    *at = value;
    run(a, o, &r);
    *at = before;
    return r.loss;
}

static void check_float(batch *a, shn_pair_options o, float *at, double analytic)
{
    const float  low = *at - 2e-3f, high = *at + 2e-3f;
    const double slope = (moved(a, o, at, high) - moved(a, o, at, low)) / ((double)high - (double)low);
    assert_near(analytic, slope, 2e-5 * (1 + fabs(slope)));
}

static void check_double(batch *a, shn_pair_options o, double *at, double analytic)
{
    result r;
    const double before = *at, h = 1e-5;
    *at = before + h;
    run(a, o, &r);
    double slope = r.loss;
    *at = before - h;
    run(a, o, &r);
    slope = (slope - r.loss) / (2 * h);
    *at = before;
    assert_near(analytic, slope, 1e-8 * (1 + fabs(slope)));
}

static void check_all_gradients(batch *a, shn_pair_options o)
{
    result r;
    const int pair = shn_loss_is_pair(o.loss);
    run(a, o, &r);
    for (size_t i = 0; i < a->B * a->E; i++) check_float(a, o, &a->x[i], (double)r.d_x[i]);
    for (size_t i = 0; i < (pair ? a->B : a->K) * a->E; i++) check_float(a, o, &a->c[i], (double)r.d_c[i]);
    for (size_t k = 0; !pair && k < a->K; k++) check_float(a, o, &a->bk[k], (double)r.d_bk[k]);
    check_double(a, o, &a->s, r.d_s);
    check_double(a, o, &a->b, r.d_b);
}

static void test_gradients_are_finite_differences(void **state)
{
    (void)state;
    for (int masked = 0; masked < 2; masked++)
        for (size_t B = 2; B <= 6; B += 2) {
            batch a;
            make_batch(&a, 5 + B, B, 5, 7, masked);
            for (int l = 0; l < SHN_LOSS_COUNT; l++)
                if (l != SHN_LOSS_BCE) check_all_gradients(&a, options_of((shn_loss)l));
            for (int form = 1; form < 4; form++) {
                shn_pair_options o = options_of(SHN_LOSS_SIGLIP_JACCARD);
                o.form = (shn_jaccard_form)form;
                o.label_weight = a.weight;
                check_all_gradients(&a, o);
            }
        }
}

static void test_unit_rows_gradient(void **state)
{
    (void)state;
    enum { n = 3, E = 7 };
    float   z[n * E], e[n * E], g[n * E], d_z[n * E] = { 0 };
    double  norm[n];
    shn_rng r = shn_rng_stream(9, 0, 0, 0);
    for (int i = 0; i < n * E; i++) {
        z[i] = (float)(3 * shn_rng_normal(&r));
        g[i] = (float)shn_rng_normal(&r);
    }
    memset(z + E, 0, E * sizeof *z);                        /* a zero row has no direction */
    shn_unit_rows(z, n, E, e, norm);
    shn_unit_rows_backward(e, norm, g, n, E, d_z);
    for (int i = 0; i < n * E; i++) {
        if (i / E == 1) {
            assert_true(e[i] == 0 && d_z[i] == 0);
            continue;
        }
        double value[2];
        const float before = z[i];
        for (int side = 0; side < 2; side++) {
            float  moved_e[n * E];
            double moved_norm[n];
            z[i] = before + (side ? 0.01f : -0.01f);
            shn_unit_rows(z, n, E, moved_e, moved_norm);
            value[side] = 0;
            for (int k = 0; k < n * E; k++) value[side] += (double)moved_e[k] * (double)g[k];
        }
        z[i] = before;
        assert_near((double)d_z[i], (value[1] - value[0]) / 0.02, 2e-4);
    }
}

/* --- properties --- */

static void assert_same_bits(const result *a, const result *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void test_chunks_equal_the_whole_to_the_bit(void **state)
{
    (void)state;
    static const size_t sizes[] = { 2, 7, 8, 9, 33 }, chunks[] = { 1, 2, 3, 7, 8, 9, 32, 33, 34 };
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (int l = 0; l < SHN_LOSS_COUNT; l++) {
            batch  a;
            result whole, part;
            if (l == SHN_LOSS_BCE) continue;
            make_batch(&a, 3, sizes[n], 16, 70, 1);
            shn_pair_options o = options_of((shn_loss)l);
            run(&a, o, &whole);
            assert_true(isfinite(whole.loss) && whole.loss > 0);
            for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                o.chunk = chunks[c];
                run(&a, o, &part);
                assert_same_bits(&whole, &part);
            }
        }
}

static void test_memory_does_not_grow_with_the_square_of_the_batch(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_loss_work *w;
    size_t         bytes[2];
    for (int i = 0; i < 2; i++) {
        assert_ok(shn_loss_work_new(i ? 8192 : 4096, 256, 71, 64, &w, &err));
        bytes[i] = shn_loss_work_bytes(w);
        shn_loss_work_free(w);
    }
    assert_true(bytes[1] < 2 * bytes[0]);
    assert_true(bytes[1] < (size_t)8192 * 8192);            /* a matrix of floats would be 4 times that */
}

static void test_unknown_labels_change_no_bit(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++)
        for (int l = 0; l < SHN_LOSS_COUNT; l++) {
            batch  a, flipped;
            result r, q;
            if (l == SHN_LOSS_BCE) continue;
            make_batch(&a, seed, 12, 8, 20, 1);
            flipped = a;
            shn_rng rng = shn_rng_stream(seed, 1, 2, 3);
            size_t  n = 0;
            for (size_t i = 0; i < a.B * a.K; i++)
                if (!a.known[i] && shn_rng_uniform(&rng) < 0.7) {
                    flipped.label[i] = (uint8_t)shn_rng_u64(&rng);
                    n++;
                }
            assert_true(n > 10);
            shn_pair_options o = options_of((shn_loss)l);
            for (int form = 0; form < (l == SHN_LOSS_SIGLIP_JACCARD ? 4 : 1); form++) {
                o.form = (shn_jaccard_form)form;
                run(&a, o, &r);
                run(&flipped, o, &q);
                assert_same_bits(&r, &q);
            }
        }
}

/** The other way round: a known label does matter, so the test above is not empty. */
static void test_known_labels_do_matter(void **state)
{
    (void)state;
    for (int l = 0; l < SHN_LOSS_COUNT; l++) {
        batch  a, flipped;
        result r, q;
        if (l == SHN_LOSS_BCE || l == SHN_LOSS_CLIP || l == SHN_LOSS_SIGLIP) continue;     /* identity targets read no label */
        make_batch(&a, 8, 6, 8, 5, 0);
        memcpy(a.label + 5, a.label, 5);
        flipped = a;
        flipped.label[5] ^= 1;
        run(&a, options_of((shn_loss)l), &r);
        run(&flipped, options_of((shn_loss)l), &q);
        assert_true(fabs(r.loss - q.loss) > 1e-6);
    }
}

static void test_record_that_knows_nothing_takes_no_part(void **state)
{
    (void)state;
    for (int l = 0; l < N_PAIR; l++) {
        batch  a, moved_one;
        result r, q;
        make_batch(&a, 4, 6, 8, 9, 1);                      /* record 3 knows nothing */
        moved_one = a;
        for (int k = 0; k < 8; k++) {
            moved_one.x[3 * 8 + k] = -a.x[3 * 8 + k];
            moved_one.c[3 * 8 + k] = a.c[k];
        }
        run(&a, options_of(pair_losses[l]), &r);
        run(&moved_one, options_of(pair_losses[l]), &q);
        assert_same_bits(&r, &q);
        for (int k = 0; k < 8; k++) assert_true(r.d_x[3 * 8 + k] == 0 && r.d_c[3 * 8 + k] == 0);
        memset(a.known, 0, sizeof a.known);                 /* nobody knows anything: no loss, no gradient, no NaN */
        run(&a, options_of(pair_losses[l]), &r);
        result zero = { 0 };
        assert_same_bits(&r, &zero);
    }
}

static void test_jaccard_with_identity_sets_is_siglip(void **state)
{
    (void)state;
    batch  a;
    result r, q;
    make_batch(&a, 6, 9, 8, 9, 0);
    memset(a.label, 0, sizeof a.label);
    for (int i = 0; i < 9; i++) a.label[i * 9 + i] = 1;     /* disjoint sets: J is the identity matrix */
    run(&a, options_of(SHN_LOSS_SIGLIP), &r);
    run(&a, options_of(SHN_LOSS_SIGLIP_JACCARD), &q);
    assert_same_bits(&r, &q);
    run(&a, options_of(SHN_LOSS_CLIP), &r);
    run(&a, options_of(SHN_LOSS_CLIP_MULTI), &q);
    assert_same_bits(&r, &q);
    run(&a, options_of(SHN_LOSS_JACCARD_SOFTMAX), &q);
    assert_same_bits(&r, &q);
}

static void test_weights_inside_j(void **state)
{
    (void)state;
    batch  a;
    result r, q;
    make_batch(&a, 2, 8, 8, 70, 1);
    shn_pair_options o = options_of(SHN_LOSS_SIGLIP_JACCARD);
    run(&a, o, &r);
    for (int k = 0; k < 70; k++) a.weight[k] = 1;
    o.label_weight = a.weight;
    run(&a, o, &q);
    assert_same_bits(&r, &q);
}

static void test_jaccard_rules(void **state)
{
    (void)state;
    int           weight;
    const uint8_t none[3] = { 0 }, all[3] = { 1, 1, 1 }, some[3] = { 1, 1, 0 }, other[3] = { 0, 0, 1 }, a[3] = { 1, 0, 0 },
                  ab[3] = { 1, 1, 0 };
    const float   w[3] = { 3, 1, 1 };
    assert_near(shn_jaccard(a, all, ab, all, 3, NULL, &weight), 0.5, 0);
    assert_int_equal(weight, 1);
    assert_near(shn_jaccard(a, all, ab, all, 3, w, &weight), 0.75, 0);
    assert_near(shn_jaccard(none, all, ab, all, 3, NULL, &weight), 0, 0);      /* empty against non-empty */
    assert_int_equal(weight, 1);
    assert_near(shn_jaccard(none, all, none, all, 3, NULL, &weight), 1, 0);    /* both empty, the same known */
    assert_int_equal(weight, 1);
    shn_jaccard(none, all, none, some, 3, NULL, &weight);                      /* both empty, not the same known */
    assert_int_equal(weight, 0);
    shn_jaccard(a, some, ab, other, 3, NULL, &weight);                         /* nothing known to both */
    assert_int_equal(weight, 0);
    assert_near(shn_jaccard(a, all, ab, a, 3, NULL, &weight), 1, 0);           /* over what both know they agree */
    assert_int_equal(weight, 1);
}

static void test_packed_sets_equal_plain_ones(void **state)
{
    (void)state;
    shn_error err = { 0 };
    for (size_t K = 1; K <= 80; K += 13) {
        batch a;
        make_batch(&a, K, 10, 4, K, 1);
        const shn_batch_labels labels = labels_of(&a);
        shn_loss_work *w;
        double sum = 0, count = 0, plain_sum = 0, plain_count = 0;
        assert_ok(shn_loss_work_new(10, 4, K, 4, &w, &err));
        shn_pair_options o = options_of(SHN_LOSS_SIGLIP_JACCARD);
        o.label_weight = a.weight;
        assert_ok(shn_pair_target_sum(w, &o, &labels, &sum, &count, &err));
        for (size_t i = 0; i < 10; i++)
            for (size_t j = 0; j < 10; j++) {
                int weight;
                plain_sum += shn_jaccard(a.label + i * K, a.known + i * K, a.label + j * K, a.known + j * K, K, a.weight, &weight);
                plain_count += weight;
            }
        assert_near(sum, plain_sum, 1e-12);
        assert_near(count, plain_count, 0);
        o.loss = SHN_LOSS_SIGLIP;
        sum = count = 0;
        make_batch(&a, K, 10, 4, K, 0);
        assert_ok(shn_pair_target_sum(w, &o, &labels, &sum, &count, &err));
        assert_near(sum / count, 0.1, 1e-15);               /* 1 / B */
        shn_loss_work_free(w);
    }
    assert_near(shn_initial_logit(0.5), 0, 0);
    assert_near(shn_initial_logit(0), log(1e-4 / (1 - 1e-4)), 1e-12);
    assert_near(shn_initial_logit(1), -shn_initial_logit(0), 1e-9);
}

static void test_temperature_is_capped(void **state)
{
    (void)state;
    batch  a;
    result r, q;
    make_batch(&a, 2, 5, 8, 4, 0);
    a.s = log(100);
    run(&a, options_of(SHN_LOSS_SIGLIP), &r);
    a.s = 9;
    run(&a, options_of(SHN_LOSS_SIGLIP), &q);
    assert_near(r.loss, q.loss, 1e-9);
}

/** A known label is read as zero or not zero, as bytes from a file may be 255. */
static void test_class_loss_of_one_record(void **state)
{
    (void)state;
    batch  a;
    result r;
    make_batch(&a, 2, 1, 2, 2, 0);
    a.x[0] = 1, a.x[1] = 0, a.c[0] = 2, a.c[1] = 5, a.c[2] = -1, a.c[3] = 1;
    a.s = 0, a.b = 0.25, a.bk[0] = -0.5f, a.bk[1] = 1;
    a.label[0] = 255, a.label[1] = 0;
    run(&a, options_of(SHN_LOSS_CLASS_COLUMNS), &r);
    assert_near(r.loss, log1p(exp(-1.75)) + log1p(exp(0.25)), 1e-14);
    a.known[1] = 0;
    run(&a, options_of(SHN_LOSS_CLASS_COLUMNS), &r);
    assert_near(r.loss, log1p(exp(-1.75)), 1e-14);
    assert_true(r.d_bk[1] == 0 && r.d_c[2] == 0);
}

static void test_bad_arguments_are_refused(void **state)
{
    (void)state;
    shn_error      err = { 0 };
    shn_loss_work *w;
    batch  a;
    result r;
    make_batch(&a, 2, 5, 8, 4, 0);
    shn_batch_labels labels = labels_of(&a);
    assert_status(shn_loss_work_new(0, 8, 4, 4, &w, &err), SHN_RANGE);
    assert_null(w);
    assert_status(shn_loss_work_new((size_t)1 << 40, 8, 4, 4, &w, &err), SHN_RANGE);
    assert_ok(shn_loss_work_new(4, 8, 4, 4, &w, &err));
    shn_pair_options o = options_of(SHN_LOSS_CLIP);
#define PAIR() shn_pair_loss(w, &o, &labels, a.x, a.c, 0, 0, &r.loss, r.d_x, r.d_c, &r.d_s, &r.d_b, &err)
    assert_status(PAIR(), SHN_RANGE);                       /* B 5 above B_max 4 */
    labels.B = 1;
    assert_status(PAIR(), SHN_RANGE);
    labels.B = 4;
    assert_ok(PAIR());
    o.loss = SHN_LOSS_BCE;
    assert_status(PAIR(), SHN_RANGE);
    o.loss = SHN_LOSS_JACCARD_SOFTMAX;
    o.form = SHN_JACCARD_GRADED;
    assert_status(PAIR(), SHN_RANGE);
    shn_loss_work_free(w);
    for (long n = 1; n <= 2; n++) {
        shn_alloc_fail_after(n);
        assert_status(shn_loss_work_new(4, 8, 4, 4, &w, &err), SHN_NOMEM);
        shn_alloc_fail_after(0);
    }
}

/* --- groups of records (report sentences, crops of a record) --- */

static void run_groups(const batch *a, const uint32_t *group, size_t chunk, result *out)
{
    shn_error      err = { 0 };
    shn_loss_work *w;
    memset(out, 0, sizeof *out);
    assert_ok(shn_loss_work_new(a->B, a->E, a->K, chunk, &w, &err));
    assert_ok(shn_group_loss(w, group, a->B, a->x, a->c, a->s, &out->loss, out->d_x, out->d_c, &out->d_s, &err));
    shn_loss_work_free(w);
}

/** Groups written as label sets of one finding each, and "no group" as "nothing known": then clip-multi is the same loss, to the bit. */
static void test_groups_are_clip_multi_of_one_hot_sets(void **state)
{
    (void)state;
    for (size_t B = 2; B <= 33; B += 5) {
        batch    a;
        result   groups, sets;
        uint32_t group[B_MAX];
        make_batch(&a, 40 + B, B, 8, 7, 0);
        shn_rng r = shn_rng_stream(41, B, 0, 0);
        memset(a.label, 0, sizeof a.label);
        for (size_t i = 0; i < B; i++) {
            group[i] = (uint32_t)shn_rng_below(&r, a.K);
            a.label[i * a.K + group[i]] = 1;
            if (i % 4 != 3) continue;
            group[i] = SHN_NO_GROUP;
            memset(a.known + i * a.K, 0, a.K);
        }
        shn_pair_options o = options_of(SHN_LOSS_CLIP_MULTI);
        run(&a, o, &sets);
        for (size_t chunk = 1; chunk <= 40; chunk += 6) {
            run_groups(&a, group, chunk, &groups);
            assert_same_bits(&sets, &groups);
        }
        assert_true(sets.loss > 0);
        for (size_t i = 0; i < B; i++) group[i] = (uint32_t)(100 - i);     /* all different: clip */
        memset(a.known, 1, sizeof a.known);
        run(&a, options_of(SHN_LOSS_CLIP), &sets);
        run_groups(&a, group, 3, &groups);
        assert_same_bits(&sets, &groups);
    }
}

/** l = t on the diagonal and 0 elsewhere; two of the B records in one group share their target. */
static void test_closed_form_of_groups(void **state)
{
    (void)state;
    enum { B = 4, E = 4 };
    batch    a;
    result   r;
    uint32_t group[B] = { 9, 9, 5, SHN_NO_GROUP };
    make_batch(&a, 1, B, E, 3, 0);
    memset(a.x, 0, sizeof a.x);
    for (size_t i = 0; i < B; i++) a.x[i * E + i] = 1;
    memcpy(a.c, a.x, B * E * sizeof *a.c);
    run_groups(&a, group, 256, &r);
    const double t = exp(a.s), lse = log(exp(t) + 2);       /* three records take part */
    assert_near(r.loss, (2 * (lse - t / 2) + (lse - t)) / 3, 1e-12);
    for (size_t e = 0; e < E; e++) assert_true(r.d_x[3 * E + e] == 0 && r.d_c[3 * E + e] == 0);
    for (size_t i = 0; i < B; i++) group[i] = SHN_NO_GROUP;
    run_groups(&a, group, 256, &r);
    assert_near(r.loss, 0, 0);
    for (size_t i = 0; i < B * E; i++) assert_true(r.d_x[i] == 0 && r.d_c[i] == 0);
    a.s = 40;                                               /* t is taken at 100 */
    group[0] = group[1] = 0;
    group[2] = 1;
    run_groups(&a, group, 256, &r);
    assert_near(r.loss, (2 * (100 - 50) + 0) / 3.0, 1e-9);
}

static double moved_group(batch *a, const uint32_t *group, float *at, float value)
{
    result r;
    const float before = *at;
    *at = value;
    run_groups(a, group, 3, &r);
    *at = before;
    return r.loss;
}

static void test_group_gradients_are_finite_differences(void **state)
{
    (void)state;
    const uint32_t group[7] = { 3, 8, 3, SHN_NO_GROUP, 8, 8, 1 };
    batch  a;
    result r, moved_r;
    make_batch(&a, 17, 7, 5, 3, 0);
    run_groups(&a, group, 256, &r);
    for (size_t i = 0; i < 2 * a.B * a.E; i++) {
        float *at = i < a.B * a.E ? &a.x[i] : &a.c[i - a.B * a.E];
        const double analytic = (double)(i < a.B * a.E ? r.d_x[i] : r.d_c[i - a.B * a.E]);
        const float  low = *at - 2e-3f, high = *at + 2e-3f;
        const double slope = (moved_group(&a, group, at, high) - moved_group(&a, group, at, low)) / ((double)high - (double)low);
        assert_near(analytic, slope, 2e-5 * (1 + fabs(slope)));
    }
    const double h = 1e-5;
    a.s += h;
    run_groups(&a, group, 256, &moved_r);
    double slope = moved_r.loss;
    a.s -= 2 * h;
    run_groups(&a, group, 256, &moved_r);
    slope = (slope - moved_r.loss) / (2 * h);
    assert_near(r.d_s, slope, 1e-8 * (1 + fabs(slope)));
    shn_error      err = { 0 };
    shn_loss_work *w;
    assert_ok(shn_loss_work_new(4, a.E, 3, 4, &w, &err));
    assert_status(shn_group_loss(w, group, 7, a.x, a.c, 0, &r.loss, r.d_x, r.d_c, &r.d_s, &err), SHN_RANGE);
    assert_status(shn_group_loss(w, group, 0, a.x, a.c, 0, &r.loss, r.d_x, r.d_c, &r.d_s, &err), SHN_RANGE);
    shn_loss_work_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_round_trip),
        cmocka_unit_test(test_closed_forms_of_orthonormal_pairs),
        cmocka_unit_test(test_golden_values_of_numpy),
        cmocka_unit_test(test_groups_are_clip_multi_of_one_hot_sets),
        cmocka_unit_test(test_closed_form_of_groups),
        cmocka_unit_test(test_group_gradients_are_finite_differences),
        cmocka_unit_test(test_gradients_are_finite_differences),
        cmocka_unit_test(test_unit_rows_gradient),
        cmocka_unit_test(test_chunks_equal_the_whole_to_the_bit),
        cmocka_unit_test(test_memory_does_not_grow_with_the_square_of_the_batch),
        cmocka_unit_test(test_unknown_labels_change_no_bit),
        cmocka_unit_test(test_known_labels_do_matter),
        cmocka_unit_test(test_record_that_knows_nothing_takes_no_part),
        cmocka_unit_test(test_jaccard_with_identity_sets_is_siglip),
        cmocka_unit_test(test_weights_inside_j),
        cmocka_unit_test(test_jaccard_rules),
        cmocka_unit_test(test_packed_sets_equal_plain_ones),
        cmocka_unit_test(test_temperature_is_capped),
        cmocka_unit_test(test_class_loss_of_one_record),
        cmocka_unit_test(test_bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
