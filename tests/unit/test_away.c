/** Another institution: where two lists of findings meet, closed labels, and a model judged there. */
#include "harness.h"

#include "base/alloc.h"
#include "eval/away.h"

static const shn_registry *reg(void) { return shn_registry_builtin(); }

static int has_node(const away_nodes *o, const char *id)
{
    for (size_t i = 0; i < o->n; i++)
        if (strcmp(shn_registry_at(reg(), o->node[i])->id, id) == 0) return (int)i;
    return -1;
}

static void test_nodes(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    away_nodes o;
    const char *const home[] = { "complete_left_bundle_branch_block", "incomplete_left_bundle_branch_block", "atrial_fibrillation", "st_elevation" };
    const char *const here[] = { "left_bundle_branch_block", "atrial_fibrillation", "atrial_flutter", "sinus_tachycardia" };
    assert_ok(away_nodes_find(reg(), home, 4, here, 4, &o, &err));
    const int lbbb = has_node(&o, "left_bundle_branch_block"), af = has_node(&o, "atrial_fibrillation"), either = has_node(&o, "atrial_fibrillation_or_flutter");
    assert_true(lbbb >= 0 && af >= 0 && either >= 0);       /* flutter is the other side's: it meets fibrillation one step up */
    assert_true(has_node(&o, "bundle_branch_block") < 0);   /* shared too, but not the lowest for anybody */
    assert_true(has_node(&o, "sinus_tachycardia") < 0 && has_node(&o, "st_elevation") < 0);     /* nothing to meet */
    assert_int_equal(o.below_start[lbbb + 1] - o.below_start[lbbb], 2);
    assert_int_equal(o.below[o.below_start[lbbb]], 0);
    assert_int_equal(o.below_start[af + 1] - o.below_start[af], 1);
    assert_string_equal(o.pairs[lbbb], "home: complete_left_bundle_branch_block, incomplete_left_bundle_branch_block; here: left_bundle_branch_block");
    away_nodes_free(&o);
    const char *const apart[] = { "sinus_tachycardia" };
    assert_status(away_nodes_find(reg(), home, 1, apart, 1, &o, &err), SHN_MISMATCH);
    away_nodes_free(&o);
}

static void put(int8_t *state, const char *id, int value)
{
    const int r = shn_registry_find(reg(), id);
    assert_true(r >= 0);
    state[r] = (int8_t)value;
}

static void test_closing(void **state)
{
    (void)state;
    const size_t R = shn_registry_size(reg());
    int8_t      *s = shn_alloc(R, 1);
    const size_t lbbb = (size_t)shn_registry_find(reg(), "left_bundle_branch_block"), bbb = (size_t)shn_registry_find(reg(), "bundle_branch_block");
    memset(s, -1, R);
    assert_int_equal(away_close(reg(), s, lbbb), -1);                       /* nothing is known */
    put(s, "complete_left_bundle_branch_block", 0);
    assert_int_equal(away_close(reg(), s, lbbb), -1);                       /* the other child may be there */
    put(s, "incomplete_left_bundle_branch_block", 0);
    assert_int_equal(away_close(reg(), s, lbbb), 0);                        /* all children are known and none is */
    assert_int_equal(away_close(reg(), s, bbb), -1);
    put(s, "right_bundle_branch_block", 0);
    assert_int_equal(away_close(reg(), s, bbb), 0);                         /* one child by itself, one by its children */
    put(s, "complete_right_bundle_branch_block", 1);                        /* a contradiction of the source: what is there counts */
    assert_int_equal(away_close(reg(), s, bbb), 1);
    put(s, "complete_right_bundle_branch_block", -1);
    put(s, "complete_left_bundle_branch_block", 1);
    assert_int_equal(away_close(reg(), s, lbbb), 1);
    assert_int_equal(away_close(reg(), s, bbb), 1);
    /* a superset of what a cohort can name: findings it could never have named are passed over */
    const size_t block = (size_t)shn_registry_find(reg(), "av_block");
    memset(s, -1, R);
    put(s, "first_degree_av_block", 0);
    put(s, "second_degree_av_block", 0);
    put(s, "third_degree_av_block", 0);
    assert_int_equal(away_close(reg(), s, block), -1);                      /* congenital block might be there */
    put(s, "congenital_incomplete_heart_block", AWAY_NO_FINDING);
    assert_int_equal(away_close(reg(), s, block), 0);
    memset(s, AWAY_NO_FINDING, R);
    assert_int_equal(away_close(reg(), s, block), AWAY_NO_FINDING);         /* nothing below it can be named */
    put(s, "first_degree_av_block", -1);
    assert_int_equal(away_close(reg(), s, block), -1);
    put(s, "first_degree_av_block", 0);
    assert_int_equal(away_close(reg(), s, block), 0);
    free(s);
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    away_nodes o;
    const char *const home[] = { "complete_left_bundle_branch_block", "atrial_fibrillation" };
    const char *const here[] = { "left_bundle_branch_block", "atrial_fibrillation" };
    long n = 1;
    for (shn_status st = SHN_NOMEM; st != SHN_OK; n++) {
        shn_alloc_fail_after(n);
        st = away_nodes_find(reg(), home, 2, here, 2, &o, &err);
        shn_alloc_fail_after(0);
        away_nodes_free(&o);
        assert_true(st == SHN_OK || st == SHN_NOMEM);
    }
    assert_true(n > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nodes), cmocka_unit_test(test_closing), cmocka_unit_test(test_no_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
