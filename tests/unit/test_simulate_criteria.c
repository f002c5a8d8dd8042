/**
 * Are the simulator's labels true? Each finding's criterion (docs/simulate.md, the registry's own where it has one) is measured
 * on clean records by a reader that knows nothing of the simulator, and must be met where the label is and not where it is not.
 * A criterion is asked only where it can be read: ST and T behind a wide QRS or under flutter waves are not findings of their own.
 */
#include "harness.h"

#include "ecg_reader.h"
#include "shinden/record.h"
#include "shinden/simulate.h"

/* wide is 0.12 s and more; nothing simulated lies between 0.117 and 0.130, so the ruler may err by 8 ms */
#define WIDE_S 0.126
enum { RECORDS = 700, FINDINGS_MAX = 64 };

typedef struct seen {
    reading m;
    char    sex;
    int     sinus, flutter, fibrillation, paced, narrow, regular, second, early_same, early_other, alternating, third;
    double  rate, qtc;
} seen;

static double in_two(const double *v, const int *leads, int n, double sign)
{
    double best = -1e9, second = -1e9;
    for (int i = 0; i < n; i++) {
        const double x = sign * v[leads[i]];
        if (x > best) { second = best; best = x; }
        else if (x > second) second = x;
    }
    return second;
}

/** Longest run in which every k-th beat is early and of another shape, counted in such beats. */
static int pattern(const reading *m, int period)
{
    int best = 0;
    for (int start = 0; start < m->n_beats; start++) {
        int run = 0;
        for (int b = start; b < m->n_beats; b++) {
            if ((b - start) % period == 0) {
                if (m->same[b]) break;
                run++;
            } else if (!m->same[b]) {
                break;
            }
        }
        if (run > best) best = run;
    }
    return best;
}

static void look(const shn_record *rec, seen *s)
{
    const float *leads[RD_LEADS];
    memset(s, 0, sizeof *s);
    for (size_t l = 0; l < RD_LEADS; l++) leads[l] = shn_record_lead(rec, l);
    rd_read(leads, (int)shn_record_n_samples(rec), &s->m);
    const reading *m = &s->m;
    s->rate = 60 / m->rr_mean;
    s->sex = shn_record_meta_of(rec)->sex;
    s->paced = m->n_spikes >= m->n_beats - 1 && m->n_spikes > 3;
    /* a P wave on its own, after the end of the T wave before it (else the hump is that T wave) and tied to the QRS */
    const int p_after_t = m->p_share > 0.6 && m->p_height > 0.05 && m->rr_mean - m->pr > m->qt - 0.02;
    /* flutter never rests; nor does fast sinus rhythm, where P follows T at once, but there P and T are two */
    const int fast_sinus = p_after_t && m->p_share > 0.93 && s->rate > 110 && s->rate < 137 && m->flutter < 0.68;
    s->flutter = !fast_sinus && ((m->restless > 0.042 && m->flutter > 0.5) || (m->restless > 0.025 && m->flutter > 0.68) ||
                                 (m->restless > 0.06 && m->p_share > 0.5 && m->flutter > 0.25));
    s->fibrillation = m->restless > 0.042 && !s->flutter && m->rr_cv > 0.12 && m->p_share < 0.6;
    for (int b = 1; b < m->n_beats; b++) {
        s->early_other += !m->same[b] && m->premature[b];
        s->early_same += m->same[b] && m->premature[b] && b + 1 < m->n_beats;
    }
    s->alternating = pattern(m, 2) >= 3;
    s->third = pattern(m, 3) >= 3;
    s->second = m->n_dropped >= 1 && s->early_other == 0 && s->early_same == 0 && !s->fibrillation && !s->flutter && m->rr_range > 0.25;
    s->sinus = p_after_t && !s->flutter && !s->fibrillation && !s->paced && (m->restless < 0.042 || fast_sinus);
    s->regular = m->rr_range < 0.12;
    s->narrow = m->qrs < WIDE_S;
    s->qtc = m->qt / sqrt(m->rr_mean);
}

static int sinus_steady(const seen *s) { return s->sinus && s->regular && !s->second; }
static int early(const seen *s) { return s->early_same + s->early_other > 0; }
static int st_readable(const seen *s) { return s->m.qrs < 0.119 && !s->flutter && !s->paced && s->rate < 145 && !(s->sinus && s->m.pr < 0.116); }
static int conducted(const seen *s) { return !s->paced && !s->flutter && s->sinus; }

static const int inferior[] = { RD_II, RD_III, RD_AVF }, lateral[] = { RD_I, RD_AVL, RD_V5, RD_V6 };
static const int upright[] = { RD_I, RD_II, RD_AVF, RD_V3, RD_V4, RD_V5, RD_V6 };

/* Each question answers 1 yes, 0 no, -1 cannot be read here. */
static int ask_bradycardia(const seen *s) { return sinus_steady(s) && s->rate < 60; }
static int ask_tachycardia(const seen *s) { return sinus_steady(s) && s->rate > 100; }
static int ask_sinus_arrhythmia(const seen *s) { return s->sinus && !s->second && !early(s) && s->m.rr_range > 0.12; }
static int ask_sinus(const seen *s) { return s->sinus && !s->second && s->rate >= 60 && s->rate <= 100 && (early(s) || s->regular); }
static int ask_fibrillation(const seen *s) { return s->fibrillation; }
static int ask_flutter(const seen *s) { return s->flutter; }
static int ask_svt(const seen *s) { return s->rate > 145 && !s->sinus && !s->flutter && s->regular && s->narrow; }
static int ask_pac(const seen *s) { return s->sinus ? !s->second && s->early_same > 0 : 0; }
static int ask_pvc(const seen *s) { return s->sinus ? s->early_other > 0 : 0; }
static int ask_bigeminy(const seen *s) { return s->sinus && s->alternating; }
static int ask_trigeminy(const seen *s) { return s->sinus && s->third; }
static int ask_paced(const seen *s) { return s->paced; }
static int ask_first(const seen *s) { return s->second || !s->sinus ? 0 : s->m.pr > 0.2; }
static int ask_second(const seen *s) { return s->second; }
static int ask_mobitz_1(const seen *s) { return s->second && s->m.pr_last - s->m.pr_first > 0.04; }
static int ask_mobitz_2(const seen *s) { return s->second && fabs(s->m.pr_last - s->m.pr_first) < 0.03; }
static int ask_third(const seen *s) { return s->rate < 50 && s->m.rr_cv < 0.05 && !s->paced && s->m.p_share < 0.75 && s->m.n_lone_p >= 4; }
static int right_shape(const seen *s) { return s->m.late[RD_V1] > 0.12 && s->m.late[RD_V6] < -0.05; }
static int ask_crbbb(const seen *s) { return s->flutter ? -1 : s->paced || !s->sinus ? -1 : s->m.qrs >= WIDE_S && right_shape(s) && s->m.pr > 0.116; }
static int ask_irbbb(const seen *s)
{
    return !conducted(s) ? -1 : s->m.qrs >= 0.106 && s->m.qrs < WIDE_S && right_shape(s) && s->m.pr > 0.116 && !(s->m.r[RD_V1] > -s->m.s[RD_V1] && s->m.axis > 90 && s->m.qrs < 0.11);
}
static int left_shape(const seen *s) { return s->m.q[RD_I] > -0.03 && s->m.q[RD_V6] > -0.03 && s->m.s[RD_V1] < -0.4 && s->m.late[RD_V6] > 0; }
static int ask_clbbb(const seen *s) { return !conducted(s) ? -1 : s->m.qrs >= WIDE_S && left_shape(s) && s->m.pr > 0.116; }
static int ask_ivcd(const seen *s) { return !conducted(s) ? -1 : s->m.qrs >= WIDE_S && !left_shape(s) && !right_shape(s) && s->m.pr > 0.116; }
static int ask_wpw(const seen *s) { return !conducted(s) ? -1 : s->m.pr < 0.116 && s->m.qrs > 0.115; }
static int ask_left_axis(const seen *s) { return s->paced || s->flutter || !s->sinus ? -1 : s->m.axis < -30 && s->m.axis >= -90; }
static int ask_right_axis(const seen *s) { return s->paced || s->flutter || !s->sinus ? -1 : s->m.axis >= 90; }
static int ask_lafb(const seen *s)
{
    return !conducted(s) || !s->narrow ? -1 : s->m.axis < -45 && s->m.axis >= -90 && s->m.q[RD_AVL] < -0.02 && s->m.r[RD_AVL] > 0.2;
}
static int ask_lvh(const seen *s)
{
    return !st_readable(s) ? -1 : -s->m.s[RD_V1] + fmax(s->m.r[RD_V5], s->m.r[RD_V6]) >= 3.5;
}
static int ask_rvh(const seen *s) { return !st_readable(s) ? -1 : s->m.r[RD_V1] > -s->m.s[RD_V1] && s->m.axis >= 90; }
static int ask_low(const seen *s)
{
    double limb = 0, chest = 0;
    if (s->paced || s->flutter) return -1;
    if (!s->sinus && s->m.qrs >= WIDE_S) return -1;
    for (int l = 0; l < 12; l++) {
        double *top = l < 6 ? &limb : &chest;
        *top = fmax(*top, s->m.r[l] - s->m.s[l]);
    }
    return limb <= 0.5 && chest <= 1.0;
}
static int ask_left_atrium(const seen *s) { return !s->sinus || s->second || isnan(s->m.p_length) || s->m.pr < 0.116 ? -1 : s->m.p_length >= 0.116; }
static int ask_right_atrium(const seen *s) { return !s->sinus || s->second ? -1 : s->m.p_ii >= 0.25; }
static int ask_long_qt(const seen *s)
{
    if (!st_readable(s) || s->fibrillation || early(s) || s->second || !s->regular || s->rate > 100) return -1;
    return s->qtc >= (s->sex == 'M' ? 0.45 : 0.46);
}
static int ask_t_inversion(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : in_two(s->m.t, upright, 7, -1) >= 0.1; }
static int ask_std_inferior(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : in_two(s->m.st, inferior, 3, -1) >= 0.05; }
static int ask_std_lateral(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : in_two(s->m.st, lateral, 4, -1) >= 0.05; }
static int ask_std(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : ask_std_inferior(s) == 1 || ask_std_lateral(s) == 1; }
static int ask_ste_inferior(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : in_two(s->m.st, inferior, 3, 1) >= 0.1; }
static int ask_ste_anterior(const seen *s)
{
    const double middle = s->sex == 'M' ? 0.2 : 0.15, limit[4] = { 0.1, middle, middle, 0.1 };
    if (!st_readable(s) || s->fibrillation) return -1;
    for (int l = 0; l < 3; l++)
        if (s->m.st[RD_V1 + l] >= limit[l] && s->m.st[RD_V2 + l] >= limit[l + 1]) return 1;
    return 0;
}
static int ask_ste(const seen *s) { return !st_readable(s) || s->fibrillation ? -1 : ask_ste_inferior(s) == 1 || ask_ste_anterior(s) == 1; }
static int ask_q_inferior(const seen *s)
{
    double length[12];
    for (int l = 0; l < 12; l++) length[l] = s->m.q[l] <= -0.1 ? s->m.q_length[l] : 0;
    return !st_readable(s) || s->fibrillation ? -1 : in_two(length, inferior, 3, 1) >= 0.040;
}
static int ask_q_anterior(const seen *s)
{
    if (!st_readable(s) || s->fibrillation) return -1;
    for (int l = RD_V1; l < RD_V4; l++)
        if (s->m.q[l] < -0.1 && s->m.q[l + 1] < -0.1) return 1;
    return 0;
}

typedef struct question { const char *id; int (*ask)(const seen *s); } question;
static const question questions[] = {
    { "sinus_rhythm", ask_sinus }, { "sinus_bradycardia", ask_bradycardia }, { "sinus_tachycardia", ask_tachycardia },
    { "sinus_arrhythmia", ask_sinus_arrhythmia }, { "atrial_fibrillation", ask_fibrillation }, { "atrial_flutter", ask_flutter },
    { "supraventricular_tachycardia", ask_svt }, { "atrial_premature_complex", ask_pac }, { "ventricular_premature_complex", ask_pvc },
    { "ventricular_bigeminy", ask_bigeminy }, { "ventricular_trigeminy", ask_trigeminy }, { "pacing_rhythm", ask_paced },
    { "first_degree_av_block", ask_first }, { "second_degree_av_block", ask_second }, { "second_degree_av_block_mobitz_1", ask_mobitz_1 },
    { "second_degree_av_block_mobitz_2", ask_mobitz_2 }, { "third_degree_av_block", ask_third },
    { "complete_right_bundle_branch_block", ask_crbbb }, { "incomplete_right_bundle_branch_block", ask_irbbb },
    { "complete_left_bundle_branch_block", ask_clbbb }, { "left_anterior_fascicular_block", ask_lafb },
    { "intraventricular_conduction_disturbance", ask_ivcd }, { "wolff_parkinson_white", ask_wpw }, { "left_axis_deviation", ask_left_axis },
    { "right_axis_deviation", ask_right_axis }, { "lvh_voltage", ask_lvh }, { "right_ventricular_hypertrophy", ask_rvh },
    { "low_qrs_voltage", ask_low }, { "left_atrial_enlargement", ask_left_atrium }, { "right_atrial_enlargement", ask_right_atrium },
    { "long_qt_interval", ask_long_qt }, { "t_wave_inversion", ask_t_inversion }, { "st_depression", ask_std },
    { "st_depression_inferior", ask_std_inferior }, { "st_depression_lateral", ask_std_lateral }, { "st_elevation", ask_ste },
    { "st_elevation_inferior", ask_ste_inferior }, { "st_elevation_anterior", ask_ste_anterior }, { "q_wave_inferior", ask_q_inferior },
    { "q_wave_anterior", ask_q_anterior },
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

typedef struct tally { int yes_labelled, no_labelled, yes_not, no_not; } tally;

static void test_each_label_is_measured_on_the_signal(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    static tally         count[QUESTIONS];
    tally                all = { 0 };
    int                  bit[QUESTIONS], wrong = 0, verbose = getenv("SHN_TEST_VERBOSE") != NULL;
    shn_simulate_defaults(&o);
    o.noise = 0;
    o.seed = 20260;
    for (int q = 0; q < QUESTIONS; q++) {
        bit[q] = -1;
        for (int f = 0; shn_simulate_finding((size_t)f); f++)
            if (strcmp(shn_simulate_finding((size_t)f), questions[q].id) == 0) bit[q] = f;
        if (bit[q] < 0) fail_msg("%s is not simulated", questions[q].id);
    }
    for (uint32_t i = 0; i < RECORDS; i++) {
        shn_record *rec;
        shn_truth   truth;
        static seen s;
        assert_ok(shn_simulate_record(&o, i, &rec, &truth, &err));
        look(rec, &s);
        for (int q = 0; q < QUESTIONS; q++) {
            const int answer = questions[q].ask(&s), label = (int)(truth.findings[bit[q] / 64] >> (bit[q] % 64) & 1);
            if (answer < 0) continue;
            int *slot = label ? (answer ? &count[q].yes_labelled : &count[q].no_labelled) : (answer ? &count[q].yes_not : &count[q].no_not);
            ++*slot;
            if (verbose && answer != label)
                printf("record %u %s: label %d measured %d; rate %.0f/%.0f pr %.0f/%.0f qrs %.0f/%.0f qtc %.3f axis %.0f/%.0f beats %d spikes %d share %.2f rest %.3f flutter %.2f cv %.2f range %.2f dropped %d early %d %d lone %d pr %.2f %.2f late %.2f %.2f q %.2f %.2f s1 %.2f\n",
                       i, questions[q].id, label, answer, s.rate, truth.rate_bpm, 1000 * s.m.pr, truth.pr_ms, 1000 * s.m.qrs, truth.qrs_ms, s.qtc, s.m.axis, truth.axis_deg,
                       s.m.n_beats, s.m.n_spikes, s.m.p_share, s.m.restless, s.m.flutter, s.m.rr_cv, s.m.rr_range, s.m.n_dropped, s.early_same, s.early_other, s.m.n_lone_p, s.m.pr_first, s.m.pr_last,
                       s.m.late[RD_V1], s.m.late[RD_V6], s.m.q[RD_I], s.m.q[RD_V6], s.m.s[RD_V1]);
        }
        rd_free_reading(&s.m);
        shn_record_free(rec);
    }
    /*
     * The reader errs now and then (a beat of the ventricles half as high as the others, P on top of T), so a finding may be misread
     * in a few records; all findings together hardly ever. Over eight other seeds: 0.3-1.4 % of the labelled missed, 0.03-0.11 % seen elsewhere.
     */
    for (int q = 0; q < QUESTIONS; q++) {
        const tally *c = &count[q];
        const int    labelled = c->yes_labelled + c->no_labelled, not = c->yes_not + c->no_not;
        const int    bad = labelled < 6 || c->no_labelled > fmax(4, 0.10 * labelled) || c->yes_not > 0.02 * not;
        all.yes_labelled += c->yes_labelled;
        all.no_labelled += c->no_labelled;
        all.yes_not += c->yes_not;
        all.no_not += c->no_not;
        if (verbose || bad)
            printf("%-45s labelled: measured in %d of %d; not labelled: measured in %d of %d%s\n", questions[q].id, c->yes_labelled, labelled,
                   c->yes_not, not, bad ? "   <-- too many" : "");
        wrong += bad;
    }
    if (verbose) printf("all: %d of %d labelled measured, %d of %d others\n", all.yes_labelled, all.yes_labelled + all.no_labelled, all.yes_not, all.yes_not + all.no_not);
    assert_int_equal(wrong, 0);
    assert_true(all.no_labelled <= 0.03 * (all.yes_labelled + all.no_labelled) && all.yes_not <= 0.003 * (all.yes_not + all.no_not));
}

/** The numbers of the truth against the reader's: rate, PR, QRS, QT and axis. */
static void test_the_truths_numbers_are_those_of_the_signal(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    int                  n[5] = { 0 }, off[5] = { 0 };
    static const double  tolerance[5] = { 3, 15, 16, 20, 8 };
    shn_simulate_defaults(&o);
    o.noise = 0;
    o.seed = 77;
    for (uint32_t i = 0; i < 250; i++) {
        shn_record *rec;
        shn_truth   t;
        static seen s;
        assert_ok(shn_simulate_record(&o, i, &rec, &t, &err));
        look(rec, &s);
        const int    plain = s.sinus && !s.second && s.narrow && s.early_other == 0;
        const double measured[5] = { s.rate, 1000 * s.m.pr, 1000 * s.m.qrs, 1000 * s.m.qt, s.m.axis };
        const double true_value[5] = { t.rate_bpm, t.pr_ms, t.qrs_ms, t.qt_ms, t.axis_deg };
        for (int k = 0; k < 5; k++) {
            if ((k > 0 && !plain) || isnan(true_value[k])) continue;
            n[k]++;
            off[k] += !(fabs(measured[k] - true_value[k]) <= tolerance[k]);
        }
        rd_free_reading(&s.m);
        shn_record_free(rec);
    }
    for (int k = 0; k < 5; k++) {
        static const char *const name[5] = { "rate", "PR", "QRS", "QT", "axis" };
        if (n[k] < 80 || off[k] > 0.06 * n[k]) fail_msg("%s: %d of %d differ from the truth by more than %g", name[k], off[k], n[k], tolerance[k]);
    }
}

/** The whole test must be able to fail: the same questions under another record's labels disagree. */
static void test_the_reader_tells_records_apart(void **state)
{
    (void)state;
    shn_error            err;
    shn_simulate_options o;
    int                  wrong = 0, asked = 0;
    shn_simulate_defaults(&o);
    o.noise = 0;
    for (uint32_t i = 0; i < 60; i++) {
        shn_record *rec, *other;
        shn_truth   t, not_its_own;
        static seen s;
        assert_ok(shn_simulate_record(&o, i, &rec, &t, &err));
        assert_ok(shn_simulate_record(&o, i + 1000, &other, &not_its_own, &err));
        look(rec, &s);
        for (int q = 0; q < QUESTIONS; q++)
            for (int f = 0; shn_simulate_finding((size_t)f); f++)
                if (strcmp(shn_simulate_finding((size_t)f), questions[q].id) == 0 && (not_its_own.findings[0] >> f & 1)) {
                    const int answer = questions[q].ask(&s);
                    asked += answer >= 0;
                    wrong += answer == 0;
                }
        rd_free_reading(&s.m);
        shn_record_free(rec);
        shn_record_free(other);
    }
    assert_true(asked > 50 && wrong > asked / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_label_is_measured_on_the_signal),
        cmocka_unit_test(test_the_truths_numbers_are_those_of_the_signal),
        cmocka_unit_test(test_the_reader_tells_records_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
