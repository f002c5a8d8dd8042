/** Stored number formats: golden blocks from the gguf package in every bit, every half against its definition, rows by parts. */
#include <math.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "harness.h"
#include "text/dequant.h"

static const char *const names[] = { "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K" };
static const uint32_t    ids[] = { 0, 1, 30, 8, 2, 3, 6, 7, 12, 13, 14 };

static void test_type_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        const shn_w_type_info *t = shn_w_type_find(ids[i]);
        assert_non_null(t);
        assert_string_equal(t->name, names[i]);
        assert_true(t->expands);
    }
    size_t n_expand = 0;
    for (uint32_t id = 0; id < 1000; id++) n_expand += shn_w_type_find(id) && shn_w_type_find(id)->expands;
    assert_int_equal(n_expand, 11);
    assert_string_equal(shn_w_type_find(16)->name, "IQ2_XXS");
    assert_false(shn_w_type_find(16)->expands);
    assert_null(shn_w_type_find(4));            /* Q4_2, taken out of the format */
}

static void test_golden_blocks(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    shn_mapping      map;
    shn_safetensors *st;
    assert_ok(shn_file_map(SHN_TESTS_DIR "/golden/dequant_blocks.safetensors", &map, &err));
    assert_ok(shn_safetensors_open(map.bytes, map.n_bytes, &st, &err));
    for (size_t k = 0; k < sizeof ids / sizeof *ids; k++) {
        char key[32];
        snprintf(key, sizeof key, "%s.bytes", names[k]);
        const shn_st_tensor *blocks = shn_safetensors_find(st, key);
        snprintf(key, sizeof key, "%s.values", names[k]);
        const shn_st_tensor *values = shn_safetensors_find(st, key);
        assert_non_null(blocks);
        assert_non_null(values);
        const shn_w_type_info *type = shn_w_type_find(ids[k]);
        const size_t n = values->n_elements, n_rows = n / type->block_values;
        assert_int_equal(blocks->n_bytes, n_rows * type->block_bytes);
        /* at an odd address: a file's tensors need not be aligned for their type */
        uint8_t *odd = malloc(blocks->n_bytes + 1);
        float   *out = malloc((n + 1) * sizeof *out);
        memcpy(odd + 1, blocks->data, blocks->n_bytes);
        const shn_tensor_view rows = { .type = (shn_w_type)ids[k], .rows = n_rows, .cols = type->block_values, .data = odd + 1, .row_bytes = type->block_bytes };
        const shn_tensor_view one = { .type = (shn_w_type)ids[k], .rows = 1, .cols = n, .data = odd + 1, .row_bytes = blocks->n_bytes };
        out[n] = 42.0f;
        shn_dequant_rows(&one, 0, 1, out);
        if (memcmp(out, values->data, n * sizeof *out) != 0) fail_msg("%s differs from the gguf package", names[k]);
        memset(out, 0, n * sizeof *out);
        for (size_t r = 0; r < n_rows; r += 3)          /* rows one to three at a time, in any split the same */
            shn_dequant_rows(&rows, r, n_rows - r < 3 ? n_rows - r : 3, out + r * type->block_values);
        if (memcmp(out, values->data, n * sizeof *out) != 0) fail_msg("%s by rows differs", names[k]);
        assert_true(out[n] == 42.0f);
        shn_dequant_rows(&rows, n_rows, 0, out);
        free(odd);
        free(out);
    }
    shn_safetensors_close(st);
    shn_file_unmap(&map);
}

/** (-1)^s 2^(e - 25) (1024 + m), subnormals 2^-24 m. */
static double half_by_definition(unsigned h)
{
    const unsigned e = h >> 10 & 31, m = h & 1023;
    const double   magnitude = e == 31 ? (m ? NAN : INFINITY) : e == 0 ? ldexp(m, -24) : ldexp(1024 + m, (int)e - 25);
    return h >> 15 ? -magnitude : magnitude;
}

static void test_every_half(void **state)
{
    (void)state;
    uint8_t *bytes = malloc(131072);
    float   *out = malloc(65536 * sizeof *out);
    for (unsigned h = 0; h < 65536; h++) {
        bytes[2 * h] = (uint8_t)h;
        bytes[2 * h + 1] = (uint8_t)(h >> 8);
    }
    for (size_t cols = 65536; cols >= 1; cols -= cols > 65500 ? 1 : cols) {     /* whole runs and tails of the vector loop */
        const shn_tensor_view t = { .type = SHN_W_F16, .rows = 1, .cols = cols, .data = bytes, .row_bytes = 2 * cols };
        shn_dequant_rows(&t, 0, 1, out);
        for (unsigned h = 0; h < cols; h++) {
            const double expected = half_by_definition(h);
            if (isnan(expected)) assert_true(isnan(out[h]));
            else if ((double)out[h] != expected || !signbit(out[h]) != !(h >> 15)) fail_msg("half %04x is %g, expected %g", h, (double)out[h], expected);
        }
    }
    free(bytes);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_table),
        cmocka_unit_test(test_golden_blocks),
        cmocka_unit_test(test_every_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
