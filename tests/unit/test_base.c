/** base: random streams, thread team, files, errors. */
#include "harness.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/threads.h"

static void test_reason_names_round_trip(void **state)
{
    (void)state;
    for (int r = 0; r < SHN_REASON_COUNT; r++) assert_int_equal(shn_reason_from_name(shn_reason_name((shn_reason)r)), r);
    assert_int_equal(shn_reason_from_name("no such reason"), SHN_REASON_COUNT);
    assert_string_equal(shn_status_text((shn_status)99), "unknown");
}

static void test_error_is_one_line_and_keeps_the_message(void **state)
{
    (void)state;
    shn_error err;
    char      long_path[600];
    memset(long_path, 'p', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    shn_fail(&err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "test", "line\n2 is %s", "wrong");
    assert_string_equal(err.text, "line?2 is wrong");
    shn_error_prefix(&err, "%s", long_path);
    assert_non_null(strstr(err.text, "line?2 is wrong"));
    assert_int_equal(shn_fail(NULL, SHN_IO, SHN_REASON_NONE, "x", "y"), SHN_IO);
}

static void test_random_streams_differ_and_repeat(void **state)
{
    (void)state;
    shn_rng a = shn_rng_stream(1, 2, 3, 4), b = shn_rng_stream(1, 2, 3, 4), c = shn_rng_stream(1, 2, 4, 3);
    double sum = 0, square = 0;
    const uint64_t first = shn_rng_u64(&a);
    assert_int_equal(first, shn_rng_u64(&b));
    assert_int_not_equal(first, shn_rng_u64(&c));
    for (int i = 0; i < 100000; i++) {
        const double x = shn_rng_normal(&a);
        sum += x;
        square += x * x;
    }
    assert_near(sum / 1e5, 0, 0.015);           /* 5 standard errors */
    assert_near(square / 1e5, 1, 0.023);
    unsigned seen[7] = { 0 };
    for (int i = 0; i < 70000; i++) seen[shn_rng_below(&a, 7)]++;
    for (int k = 0; k < 7; k++) assert_near(seen[k], 10000, 500);
}

typedef struct count { shn_team *team; atomic_uint before, seen_all; unsigned calls[8]; } count;

static void count_up(void *context, unsigned thread, unsigned n)
{
    count *c = context;
    atomic_fetch_add(&c->before, 1);
    shn_team_barrier(c->team);
    if (atomic_load(&c->before) % n == 0) atomic_fetch_add(&c->seen_all, 1);
    shn_team_barrier(c->team);
    c->calls[thread]++;
}

static void test_team_runs_every_member_and_barriers_hold(void **state)
{
    (void)state;
    shn_error err = { 0 };
    count     c = { 0 };
    assert_ok(shn_team_new(3, &c.team, &err));
    for (int i = 0; i < 200; i++) shn_team_run(c.team, count_up, &c);
    assert_int_equal(c.seen_all, 600);
    for (int t = 0; t < 3; t++) assert_int_equal(c.calls[t], 200);
    shn_team_free(c.team);
    size_t first, last, total = 0;
    for (unsigned t = 0; t < 3; t++) {
        shn_team_share(10, t, 3, &first, &last);
        assert_int_equal(first, total);
        total = last;
    }
    assert_int_equal(total, 10);
}

static void test_files_are_whole_or_absent(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    char       path[SHN_PATH_MAX], deep[SHN_PATH_MAX];
    uint8_t   *bytes;
    size_t     n;
    shn_writer w;
    const char *folder = test_folder();
    assert_ok(shn_path_join(deep, folder, "a/b", &err));
    assert_ok(shn_dir_make(deep, &err));
    assert_ok(shn_path_join(path, deep, "x", &err));
    assert_ok(shn_file_write(path, "hello", 5, &err));
    assert_ok(shn_file_read(path, 5, &bytes, &n, &err));
    assert_int_equal(n, 5);
    assert_string_equal((char *)bytes, "hello");
    free(bytes);
    assert_status(shn_file_read(path, 4, &bytes, &n, &err), SHN_RANGE);
    assert_int_equal(err.reason, SHN_REASON_LIMIT);
    assert_ok(shn_writer_open(&w, path, &err));
    fputs("half", w.stream);
    shn_writer_abort(&w);
    assert_ok(shn_file_read(path, 100, &bytes, &n, &err));
    assert_int_equal(n, 5);                     /* an aborted write leaves the old file */
    free(bytes);
    assert_status(shn_file_read(deep, 5, &bytes, &n, &err), SHN_IO);
    assert_status(shn_file_read("/no/such/file", 5, &bytes, &n, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
}

static void test_room_is_asked_for(void **state)
{
    (void)state;
    char      path[512];
    shn_error err = { 0 };
    snprintf(path, sizeof path, "%s/later", test_folder());
    assert_ok(shn_file_room(path, 1, &err));
    assert_ok(shn_file_room("later", 0, &err));                             /* the working folder */
    assert_status(shn_file_room(path, SIZE_MAX, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_DISK_FULL);
    assert_non_null(strstr(err.text, "are free"));
    assert_status(shn_file_room("/no/such/folder/later", 1, &err), SHN_IO);
    assert_int_equal(err.reason, SHN_REASON_NOT_FOUND);
    assert_int_equal(shn_path_exists(path), 0);                             /* asking makes nothing */
}

static void test_sha256_of_abc(void **state)
{
    (void)state;
    uint8_t digest[32];
    char    hex[65];
    shn_sha256 *h = shn_sha256_new();
    assert_non_null(h);
    shn_sha256_add(h, "ab", 2);
    shn_sha256_add(h, "c", 1);
    shn_sha256_end(h, digest);
    shn_sha256_hex(digest, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  /* FIPS 180-2, B.1 */
}

static void test_allocation_failures_can_be_asked_for(void **state)
{
    (void)state;
    shn_alloc_fail_after(2);
    void *a = shn_alloc(1, 1), *b = shn_alloc(1, 1), *c = shn_alloc_aligned(1, 1);
    shn_alloc_fail_after(0);
    assert_non_null(a);
    assert_null(b);
    assert_null(c);
    free(a);
    assert_null(shn_alloc(SIZE_MAX, 2));
    assert_null(shn_alloc_aligned(SIZE_MAX / 2, 4));
    int   *grown = NULL;
    size_t capacity = 0;
    assert_int_equal(shn_grow(&grown, &capacity, 100, sizeof *grown), 0);
    assert_true(capacity >= 100 && grown[99] == 0);
    assert_int_equal(shn_grow(&grown, &capacity, SIZE_MAX / 2, sizeof *grown), -1);
    free(grown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason_names_round_trip),
        cmocka_unit_test(test_error_is_one_line_and_keeps_the_message),
        cmocka_unit_test(test_random_streams_differ_and_repeat),
        cmocka_unit_test(test_team_runs_every_member_and_barriers_hold),
        cmocka_unit_test(test_files_are_whole_or_absent),
        cmocka_unit_test(test_room_is_asked_for),
        cmocka_unit_test(test_sha256_of_abc),
        cmocka_unit_test(test_allocation_failures_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
