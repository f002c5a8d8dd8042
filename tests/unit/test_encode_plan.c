/** text/encode_plan: which tokens share a row, where chunks end; by hand, then against a slow definition on random texts. */
#include "harness.h"

#include "base/alloc.h"
#include "base/random.h"
#include "text/encode_plan.h"

/** Texts as -1 separated ids; the arrays belong to the caller. */
static shn_encode_tokens tokens_of(const int32_t *list, size_t n_list, int32_t *ids, size_t *start)
{
    shn_encode_tokens t = { .ids = ids, .start = start };
    start[0] = 0;
    for (size_t i = 0; i < n_list; i++) {
        if (list[i] >= 0) ids[t.n_tokens++] = list[i];
        else start[++t.n] = t.n_tokens;
    }
    return t;
}

static void same_rows(const shn_encode_plan *p, const uint32_t *row, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->row[i] != row[i]) fail_msg("token %zu: row %u, expected %u", i, p->row[i], row[i]);
}

static void test_by_hand(void **state)
{
    (void)state;
    static const int32_t list[] = { 7, 8, 1, -1, 7, 8, 2, 3, -1, 8, 1, -1, 7, 8, 2, 3, 4, -1, 7, 8, -1 };
    int32_t   ids[32];
    size_t    start[8];
    shn_error err;
    const shn_encode_tokens t = tokens_of(list, sizeof list / sizeof *list, ids, start);
    shn_encode_plan p;
    assert_ok(shn_encode_plan_make(&t, 1, 100, 100, &p, &err));
    static const uint32_t shared_rows[] = { 0, 1, 2, 0, 1, 3, 4, 5, 6, 0, 1, 3, 4, 7, 0, 1 };
    static const size_t   shared[] = { 0, 2, 0, 4, 2 };                     /* 8 1 alone is no beginning; 7 8 as a whole is */
    same_rows(&p, shared_rows, t.n_tokens);
    for (size_t i = 0; i < t.n; i++) assert_int_equal(p.shared[i], shared[i]);
    assert_int_equal(p.n_chunks, 1);
    assert_int_equal(p.n_rows, 8);
    assert_int_equal(p.longest, 8);
    shn_encode_plan_free(&p);

    assert_ok(shn_encode_plan_make(&t, 1, 5, 100, &p, &err));               /* 3 + 2 rows; 2 + 5 > 5, so 8 1 alone; 5 and none */
    static const size_t first[] = { 0, 2, 3, 5 }, before[] = { 0, 5, 7, 12 };
    assert_int_equal(p.n_chunks, 3);
    for (size_t c = 0; c <= 3; c++) assert_true(p.first[c] == first[c] && p.rows_before[c] == before[c]);
    static const uint32_t chunk_rows[] = { 0, 1, 2, 0, 1, 3, 4, 0, 1, 0, 1, 2, 3, 4, 0, 1 };
    same_rows(&p, chunk_rows, t.n_tokens);
    assert_int_equal(p.longest, 5);
    shn_encode_plan_free(&p);

    assert_ok(shn_encode_plan_make(&t, 0, 100, 2, &p, &err));               /* nothing shared, two texts a chunk */
    static const uint32_t own_rows[] = { 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1 };
    same_rows(&p, own_rows, t.n_tokens);
    assert_int_equal(p.n_chunks, 3);
    assert_int_equal(p.n_rows, t.n_tokens);
    shn_encode_plan_free(&p);
}

static size_t common(const shn_encode_tokens *t, size_t a, size_t b)
{
    const size_t n = t->start[a + 1] - t->start[a], m = t->start[b + 1] - t->start[b];
    size_t k = 0;
    while (k < n && k < m && t->ids[t->start[a] + k] == t->ids[t->start[b] + k]) k++;
    return k;
}

/** Two tokens of a chunk have one row exactly if their texts agree up to and with them. */
static void check(const shn_encode_tokens *t, const shn_encode_plan *p, size_t rows_max, size_t texts_max)
{
    for (size_t c = 0; c < p->n_chunks; c++) {
        const size_t n = p->first[c + 1] - p->first[c], rows = p->rows_before[c + 1] - p->rows_before[c];
        assert_true(n >= 1 && n <= texts_max && rows <= p->longest && (n == 1 || rows <= rows_max));
        for (size_t i = p->first[c]; i < p->first[c + 1]; i++) {
            size_t best = 0;
            for (size_t j = p->first[c]; j < i; j++) {
                const size_t k = common(t, i, j);
                if (k > best) best = k;
                for (size_t at = 0; at < t->start[i + 1] - t->start[i] && at < t->start[j + 1] - t->start[j]; at++)
                    assert_int_equal(p->row[t->start[i] + at] == p->row[t->start[j] + at], at < k);
            }
            assert_int_equal(p->shared[i], best);
        }
    }
    assert_int_equal(p->first[p->n_chunks], t->n);
}

static void test_random_texts(void **state)
{
    enum { TEXTS = 60 };
    int32_t ids[TEXTS * 9];
    size_t  start[TEXTS + 1];
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        shn_rng           r = shn_rng_stream(seed, 0, 0, 0);
        shn_error         err;
        shn_encode_plan   p;
        shn_encode_tokens t = { .n = TEXTS, .ids = ids, .start = start };
        start[0] = 0;
        for (size_t i = 0; i < TEXTS; i++) {
            const size_t P = 1 + (size_t)(9 * shn_rng_uniform(&r));
            for (size_t k = 0; k < P; k++) ids[t.n_tokens++] = (int32_t)(3 * shn_rng_uniform(&r));
            start[i + 1] = t.n_tokens;
        }
        const size_t rows_max = 1 + seed * 4, texts_max = 1 + seed;
        assert_ok(shn_encode_plan_make(&t, 1, rows_max, texts_max, &p, &err));
        check(&t, &p, rows_max, texts_max);
        shn_encode_plan_free(&p);
    }
}

static void test_allocations(void **state)
{
    int32_t ids[] = { 1, 2 };
    size_t  start[] = { 0, 2 };
    const shn_encode_tokens t = { .n = 1, .n_tokens = 2, .ids = ids, .start = start };
    shn_encode_plan p;
    shn_error       err;
    (void)state;
    for (long n = 1; n <= 5; n++) {
        shn_alloc_fail_after(n);
        const shn_status st = shn_encode_plan_make(&t, 1, 10, 10, &p, &err);
        shn_alloc_fail_after(0);
        assert_status(st, SHN_NOMEM);
        assert_null(p.row);
    }
    assert_ok(shn_encode_plan_make(&t, 1, 10, 10, &p, &err));
    shn_encode_plan_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_by_hand), cmocka_unit_test(test_random_texts), cmocka_unit_test(test_allocations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
