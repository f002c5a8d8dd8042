/** A group of one is NULL and changes nothing; what the launcher says; a build without MPI refuses to be one of several. (Several ranks: cli/ranks.sh.) */
#include "harness.h"

#include "shinden/group.h"

static void test_alone(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_group *g = (shn_group *)&err;
    unsetenv("OMPI_COMM_WORLD_SIZE");
    unsetenv("PMI_SIZE");
    unsetenv("SLURM_STEP_NUM_TASKS");
    assert_int_equal(shn_group_launched(), 1);
    assert_ok(shn_group_join(&g, &err));
    assert_null(g);
    assert_int_equal(shn_group_rank(g), 0);
    assert_int_equal(shn_group_size(g), 1);
    size_t first = 9, last = 9;
    shn_group_share(g, 7, &first, &last);
    assert_int_equal(first, 0);
    assert_int_equal(last, 7);
    double x[2] = { 1.5, -2 };
    float  y[2] = { 3, 4 };
    int    flag = 5;
    assert_ok(shn_group_sum(g, x, 2, &err));
    assert_ok(shn_group_gather(g, y, 1, 2, &err));
    assert_ok(shn_group_copy(g, y, sizeof y, &err));
    assert_ok(shn_group_sum_begin(g, y, 2, &err));
    shn_group_progress(g);
    assert_ok(shn_group_sum_end(g, &err));
    assert_near(x[0], 1.5, 0);
    assert_near(x[1], -2, 0);
    assert_near(y[0], 3, 0);
    assert_near(y[1], 4, 0);
    assert_ok(shn_group_any(g, &flag, &err));
    assert_int_equal(flag, 1);
    assert_int_equal(shn_group_agree(g, SHN_IO, &err), SHN_IO);
    assert_ok(shn_group_agree(g, SHN_OK, &err));
    shn_group_leave(g, 0);
}

static void test_launched(void **state)
{
    (void)state;
    static const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS" };
    for (size_t i = 0; i < 3; i++) {
        setenv(names[i], "3", 1);
        assert_int_equal(shn_group_launched(), 3);
        setenv(names[i], "1", 1);
        assert_int_equal(shn_group_launched(), 1);
        setenv(names[i], "many", 1);
        assert_int_equal(shn_group_launched(), 1);
        unsetenv(names[i]);
    }
}

/** What all ranks say to each other about their states has room for so many. Refused before MPI starts. */
static void test_too_many(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_group *g = NULL;
    setenv("OMPI_COMM_WORLD_SIZE", "4097", 1);
    assert_int_equal(shn_group_launched(), 4097);
    assert_status(shn_group_join(&g, &err), SHN_RANGE);
    assert_non_null(strstr(err.text, "4097 ranks, at most 4096"));
    assert_null(g);
    unsetenv("OMPI_COMM_WORLD_SIZE");
}

static void test_without_mpi(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    shn_group *g = NULL;
#ifdef SHINDEN_MPI
    skip();     /* this build has MPI */
#endif
    setenv("OMPI_COMM_WORLD_SIZE", "2", 1);
    assert_status(shn_group_join(&g, &err), SHN_UNSUPPORTED);
    assert_non_null(strstr(err.text, "--preset mpi"));
    assert_null(g);
    unsetenv("OMPI_COMM_WORLD_SIZE");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_alone), cmocka_unit_test(test_launched), cmocka_unit_test(test_too_many),
                                        cmocka_unit_test(test_without_mpi) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
