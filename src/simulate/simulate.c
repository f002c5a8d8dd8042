/** One simulated record: patient, plan, schedule, samples, and the truth that goes with them. */
#include "shinden/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "shinden/signal.h"
#include "simulate/heart.h"

enum { RECORD_STREAM = 0x7265, NOISE_STREAM = 0x6e6f, TRIES = 4000 };

static const char *const ids[] = {
#define X(name, id) id,
    FINDINGS(X)
#undef X
};

const char *shn_simulate_finding(size_t f) { return f < N_FINDINGS ? ids[f] : NULL; }

void shn_simulate_defaults(shn_simulate_options *options)
{
    *options = (shn_simulate_options){ .n_records = 1000, .records_per_patient = 1, .seed = 1, .fs_hz = 500, .seconds = 10, .noise = 1 };
}

static shn_status check_options(const shn_simulate_options *o, shn_error *err)
{
    static const char where[] = "simulate.options";
    if (!(o->fs_hz >= 50 && o->fs_hz <= 2000))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "%g Hz: choose a rate from 50 to 2000 Hz", o->fs_hz);
    if (!(o->seconds >= 5 && o->seconds <= 600))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "%g s: choose a length from 5 to 600 s", o->seconds);
    if (!(o->noise >= 0 && o->noise <= 20))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "noise %g: choose a scale from 0 (clean) to 20", o->noise);
    if (o->records_per_patient == 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "0 records per patient: choose at least 1");
    return SHN_OK;
}

static uint64_t repolarisation_aims(repolarisation t)
{
    switch (t) {
    case T_INV_ANTERIOR: case T_INV_LATERAL: case T_INV_INFERIOR: return BIT(F_TINV);
    case T_STD_INFERIOR: return BIT(F_STD_INF) | BIT(F_STD);
    case T_STD_LATERAL:  return BIT(F_STD_LAT) | BIT(F_STD);
    case T_STE_INFERIOR: return BIT(F_STE_INF) | BIT(F_STE);
    case T_STE_ANTERIOR: return BIT(F_STE_ANT) | BIT(F_STE);
    case T_LONGQT: return BIT(F_LONGQT);
    case T_NONE: break;
    }
    return 0;
}

static uint64_t rhythm_findings(const plan *pl)
{
    static const uint64_t of_rhythm[] = {
        [R_SINUS] = BIT(F_SINUS), [R_BRADY] = BIT(F_BRADY), [R_TACHY] = BIT(F_TACHY), [R_ARRHYTHMIA] = BIT(F_ARRHYTHMIA),
        [R_AFIB] = BIT(F_AFIB), [R_FLUTTER] = BIT(F_FLUTTER), [R_SVT] = BIT(F_SVT), [R_PACED] = BIT(F_PACED),
        [R_MOBITZ1] = BIT(F_AVB2) | BIT(F_MOBITZ1), [R_MOBITZ2] = BIT(F_AVB2) | BIT(F_MOBITZ2), [R_AVB3] = BIT(F_AVB3),
    };
    static const uint64_t of_ectopy[] = { [E_NONE] = 0, [E_PAC] = BIT(F_PAC), [E_PVC] = BIT(F_PVC),
                                          [E_BIGEMINY] = BIT(F_PVC) | BIT(F_BIGEMINY), [E_TRIGEMINY] = BIT(F_PVC) | BIT(F_TRIGEMINY) };
    return of_rhythm[pl->rhythm] | of_ectopy[pl->ectopy] | (pl->long_pr ? BIT(F_AVB1) : 0);
}

static int has_p(const plan *pl)
{
    return pl->rhythm != R_AFIB && pl->rhythm != R_FLUTTER && pl->rhythm != R_SVT && pl->rhythm != R_PACED;
}

/** The beat that fills the record: paced and ventricular escape beats are not the patient's conducted one. */
static int main_conducted(const schedule *s)
{
    for (size_t i = 0; i < s->n_v; i++)
        if (s->v[i].beat == BEAT_MAIN) return 1;
    return 0;
}

/** Findings of one drawn record, or 0 (no record is without a rhythm) when it does not show what it should. */
static uint64_t findings_shown(const patient *pt, const plan *pl, const schedule *s, double seconds, shape *sh)
{
    uint64_t f = rhythm_findings(pl);
    int      doubtful = 0;
    if (!schedule_shows(pl, s, seconds)) return 0;
    if (main_conducted(s)) {
        const uint64_t aim = patient_aims(pt) | repolarisation_aims(pl->repolarisation);
        shape_measure(pt, &pl->main, sh);
        uint64_t shown = shape_findings(pt, &pl->main, sh, pl->rhythm != R_SVT, &doubtful);
        if (pl->repolarisation == T_LONGQT) shown |= BIT(F_LONGQT);
        if (doubtful || (shown & ~BIT(F_TINV)) != (aim & ~BIT(F_TINV)) || (aim & ~shown)) return 0;
        f |= shown;                     /* T may also turn with the ST segment: seen, so said */
    }
    if (has_p(pl) && pt->large_left_atrium) f |= BIT(F_LAE);
    if (has_p(pl) && pt->large_right_atrium) f |= BIT(F_RAE);
    return f == BIT(F_SINUS) ? f | BIT(F_NORMAL) : f;
}

/** Draws until plan and schedule show what is meant. *findings 0: no such drawing within the limit, our own mistake. */
static shn_status draw_record(const shn_simulate_options *o, uint32_t index, const patient *pt, plan *pl, schedule *s, shape *sh,
                              uint64_t *findings, shn_error *err)
{
    *findings = 0;
    for (uint64_t n = 0; n < TRIES; n++) {
        shn_rng r = shn_rng_stream(o->seed, RECORD_STREAM, index, n);
        plan_draw(pt, &r, pl);
        plan_repolarise(pt, pl, &r);
        if (schedule_make(pl, &r, o->seconds, s) != 0) {
            schedule_free(s);
            return shn_fail_nomem(err, "simulate.record");
        }
        *findings = findings_shown(pt, pl, s, o->seconds, sh);
        if (*findings) return SHN_OK;
        schedule_free(s);
    }
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "simulate.record", "record %u of seed %llu: no drawing met its criteria; "
                    "please report this and choose another seed", index, (unsigned long long)o->seed);
}

static void fill_truth(const plan *pl, const schedule *s, const shape *sh, double seconds, uint64_t findings, shn_truth *out)
{
    const int   conducted = main_conducted(s);
    const beat *b = conducted ? &pl->main : &pl->other;
    *out = (shn_truth){ .findings = { findings, 0 }, .rate_bpm = schedule_rate(s, seconds), .pr_ms = 1000 * s->pr_s,
                        .qrs_ms = 1000 * b->qrs_s, .qt_ms = 1000 * b->qt_s, .axis_deg = conducted ? sh->axis_deg : NAN };
}

/** Mixes the components into the eight field leads, on top of their noise, and derives the other four. */
static void mix(float *const c[COMPONENTS], double weight[N_FIELD][COMPONENTS], float *const lead[N_FIELD], size_t n, shn_record *rec)
{
    for (int l = 0; l < N_FIELD; l++)
        for (int k = 0; k < COMPONENTS; k++) {
            const float w = (float)weight[l][k], *restrict x = c[k];
            float *restrict y = lead[l];
            if (w == 0) continue;
            for (size_t i = 0; i < n; i++) y[i] += w * x[i];
        }
    const float *one = lead[LEAD_I], *two = lead[LEAD_II];
    float       *out[6];
    for (size_t l = 0; l < 6; l++) out[l] = shn_record_lead_mut(rec, l);
    for (size_t i = 0; i < n; i++) {
        out[0][i] = one[i];
        out[1][i] = two[i];
        out[2][i] = two[i] - one[i];
        out[3][i] = -(one[i] + two[i]) / 2;
        out[4][i] = one[i] - two[i] / 2;
        out[5][i] = two[i] - one[i] / 2;
    }
    for (size_t l = 0; l < 6; l++) memcpy(shn_record_lead_mut(rec, 6 + l), lead[LEAD_V1 + l], n * sizeof(float));
}

static shn_status render(const shn_simulate_options *o, uint32_t index, const patient *pt, const plan *pl, const schedule *s,
                         shn_record *rec, shn_error *err)
{
    const size_t n = shn_record_n_samples(rec), row = (n + 15) / 16 * 16;
    float       *block = shn_alloc_aligned((COMPONENTS + N_FIELD) * row, sizeof(float)), *c[COMPONENTS], *lead[N_FIELD];
    double       weight[N_FIELD][COMPONENTS] = { { 0 } };
    shn_rng      shape_rng = shn_rng_stream(o->seed, NOISE_STREAM, index, 0), noise_rng = shn_rng_stream(o->seed, NOISE_STREAM, index, 1);
    if (!block) return shn_fail_nomem(err, "simulate.record");
    for (int k = 0; k < COMPONENTS; k++) c[k] = block + (size_t)k * row;
    for (int l = 0; l < N_FIELD; l++) {
        lead[l] = block + (size_t)(COMPONENTS + l) * row;
        for (int k = 0; k < 3; k++) weight[l][k] = pt->field[l][k];
    }
    dipole_render(pt, pl, s, &shape_rng, o->fs_hz, n, c);
    noise_render(&noise_rng, o->noise, o->fs_hz, n, c, weight, lead);
    mix(c, weight, lead, n, rec);
    free(block);
    return SHN_OK;
}

static void describe(const shn_simulate_options *o, uint32_t index, const patient *pt, shn_record *rec)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    snprintf(meta->id, sizeof meta->id, "sim%llu_%06u", (unsigned long long)o->seed, index);
    snprintf(meta->patient, sizeof meta->patient, "sim%llu_p%06u", (unsigned long long)o->seed, index / o->records_per_patient);
    snprintf(meta->device, sizeof meta->device, "shinden simulate (not a person)");
    snprintf(meta->format, sizeof meta->format, "simulated");
    meta->age_years = pt->age;
    meta->sex = pt->sex;
    for (size_t l = 0; l < SHN_LEADS; l++) {
        shn_record_set_name(rec, l, shn_lead_name(l));
        shn_record_set_unit(rec, l, SHN_UNIT_DECLARED);
    }
}

shn_status shn_simulate_record(const shn_simulate_options *options, uint32_t index, shn_record **out, shn_truth *truth, shn_error *err)
{
    patient     pt;
    plan        pl;
    shape       sh;
    schedule    s = { 0 };
    uint64_t    findings;
    shn_record *rec = NULL;
    shn_status  st = check_options(options, err);
    *out = NULL;
    if (st != SHN_OK) return st;
    if (!patient_draw(options->seed, index / options->records_per_patient, &pt))
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "simulate.patient", "record %u of seed %llu: no heart met its criteria; "
                        "please report this and choose another seed", index, (unsigned long long)options->seed);
    st = draw_record(options, index, &pt, &pl, &s, &sh, &findings, err);
    if (st != SHN_OK) return st;
    st = shn_record_new(SHN_LEADS, (size_t)llround(options->seconds * options->fs_hz), options->fs_hz, &rec, err);
    if (st == SHN_OK) st = render(options, index, &pt, &pl, &s, rec, err);
    if (st == SHN_OK) {
        describe(options, index, &pt, rec);
        if (truth) fill_truth(&pl, &s, &sh, options->seconds, findings, truth);
        *out = rec;
        rec = NULL;
    }
    schedule_free(&s);
    shn_record_free(rec);
    return st;
}
