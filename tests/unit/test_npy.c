/** NPY files byte by byte; the golden headers are what numpy.lib.format (NumPy 1.26) writes for the same shapes. */
#include "harness.h"

#include <math.h>

#include "base/npy.h"

static size_t read_back(const char *path, uint8_t *bytes, size_t max)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, max, f);
    fclose(f);
    return n;
}

static void check(size_t rank, const size_t *shape, size_t count, const char *dict)
{
    shn_error err = { .status = SHN_OK };
    char      path[512];
    uint8_t   bytes[1024];
    float     data[64];
    for (size_t i = 0; i < 64; i++) data[i] = (float)i * 0.5f - 3;
    snprintf(path, sizeof path, "%s/a.npy", test_folder());
    assert_ok(shn_npy_write(path, data, rank, shape, &err));
    const size_t n = read_back(path, bytes, sizeof bytes), start = 10 + bytes[8] + 256u * bytes[9];
    assert_memory_equal(bytes, "\x93NUMPY\x01\x00", 8);
    assert_int_equal(start % 64, 0);
    assert_int_equal(n, start + count * 4);
    assert_memory_equal(bytes + 10, dict, strlen(dict));
    for (size_t i = 10 + strlen(dict); i + 1 < start; i++) assert_int_equal(bytes[i], ' ');
    assert_int_equal(bytes[start - 1], '\n');
    assert_memory_equal(bytes + start, data, count * 4);
    unlink(path);
}

static void headers_are_numpys(void **state)
{
    (void)state;
    check(0, NULL, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (), }");
    check(1, (size_t[]){ 3 }, 3, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }");
    check(2, (size_t[]){ 4, 16 }, 64, "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 16), }");
    check(3, (size_t[]){ 2, 1, 5 }, 10, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 5), }");
    check(2, (size_t[]){ 0, 256 }, 0, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 256), }");
}

static void refusals(void **state)
{
    (void)state;
    shn_error err = { .status = SHN_OK };
    const float  x = 1;
    const size_t huge[3] = { SIZE_MAX / 2, 3, 1 }, nine[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    char path[512];
    snprintf(path, sizeof path, "%s/none/a.npy", test_folder());
    assert_status(shn_npy_write(path, &x, 0, NULL, &err), SHN_IO);
    assert_status(shn_npy_write(path, &x, 3, huge, &err), SHN_RANGE);
    assert_status(shn_npy_write(path, &x, 9, nine, &err), SHN_RANGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(headers_are_numpys), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
