/**
 * Patients. A heart is drawn with what it is meant to have, then looked at as a reader would: only one that shows exactly
 * that, and nothing near a criterion besides, is kept; otherwise its details are drawn again.
 */
#include <math.h>
#include <string.h>

#include "simulate/heart.h"

enum { PATIENT_STREAM = 0x7061, TRIES = 4000, TRIES_PER_AIM = 40 };

/** What the patient is meant to have. */
static void draw_aims(patient *pt, shn_rng *r)
{
    /* in the order of enum conduction and enum structure */
    static const double conduction_weight[] = { 52, 8, 8, 7, 8, 7, 9 };
    static const double structure_weight[]  = { 30, 12, 11, 15, 10, 9, 11, 11 };
    pt->healthy = shn_rng_uniform(r) < 0.16;
    if (pt->healthy) return;
    pt->conduction = (conduction)choose(r, conduction_weight, 7);
    if (pt->conduction == C_NONE) pt->structure = (structure)choose(r, structure_weight, 8);
    if (pt->conduction == C_IRBBB && shn_rng_uniform(r) < 0.2) pt->structure = S_RAD;
    if (pt->conduction == C_CRBBB && shn_rng_uniform(r) < 0.2) pt->structure = shn_rng_uniform(r) < 0.5 ? S_LAD : S_RAD;
    pt->large_left_atrium  = shn_rng_uniform(r) < 0.13 && pt->conduction != C_WPW;      /* its P would run into the delta wave */
    pt->large_right_atrium = shn_rng_uniform(r) < 0.12 && pt->structure != S_LOWV;
}

uint64_t patient_aims(const patient *pt)
{
    static const uint64_t of_conduction[] = { [C_NONE] = 0, [C_CRBBB] = BIT(F_CRBBB), [C_IRBBB] = BIT(F_IRBBB), [C_CLBBB] = BIT(F_CLBBB),
                                              [C_LAFB] = BIT(F_LAFB) | BIT(F_LAD), [C_IVCD] = BIT(F_IVCD), [C_WPW] = BIT(F_WPW) };
    static const uint64_t of_structure[] = { [S_NONE] = 0, [S_LVH] = BIT(F_LVHV), [S_RVH] = BIT(F_RVH) | BIT(F_RAD), [S_LOWV] = BIT(F_LOWV),
                                             [S_LAD] = BIT(F_LAD), [S_RAD] = BIT(F_RAD), [S_Q_INF] = BIT(F_Q_INF), [S_Q_ANT] = BIT(F_Q_ANT) };
    return of_conduction[pt->conduction] | of_structure[pt->structure];
}

/** P shows an enlarged atrium, or clearly none. */
static int atria_clear(const patient *pt, const shape *s)
{
    const int left = pt->p.length_s >= 0.125 && s->p_v1_terminal <= -0.11, no_left = pt->p.length_s <= 0.112 && s->p_v1_terminal > -0.07;
    return (pt->large_left_atrium ? left : no_left) && (pt->large_right_atrium ? s->p_ii >= 0.28 : s->p_ii <= 0.215 && s->p_ii >= 0.06);
}

static void draw_details(patient *pt, shn_rng *r)
{
    static const double usual_t[3] = { 0.30, 0.21, -0.15 };
    const double        size = (pt->structure == S_LOWV ? 0.45 : 1) * exp(0.16 * shn_rng_normal(r));
    field_draw(r, pt->field);
    beat_sinus(pt, r, &pt->sinus);
    atrium_draw(pt, r, &pt->p);
    for (int k = 0; k < 3; k++) pt->t[k] = size * (usual_t[k] + 0.035 * shn_rng_normal(r));
    pt->qtc_s = between(r, 0.385, 0.430);
    pt->pr_s  = pt->conduction == C_WPW ? between(r, 0.084, 0.106) : between(r, 0.130, 0.180);
    if (pt->large_left_atrium) pt->pr_s = fmax(pt->pr_s, pt->p.length_s + 0.022);     /* P ends before the QRS begins */
    beat_ventricular(r, &pt->ectopic);
    if (pt->structure == S_LVH) beat_scale(&pt->ectopic, 1.5);
    if (pt->structure == S_LOWV) {          /* what lies between heart and skin weakens everything */
        beat_scale(&pt->ectopic, 0.45);
        for (int k = 0; k < 3; k++) {
            pt->p.w[0].v[k] *= 0.75;
            pt->p.w[1].v[k] *= 0.75;
        }
    }
}

int patient_draw(uint64_t seed, uint64_t number, patient *out)
{
    shn_rng who = shn_rng_stream(seed, PATIENT_STREAM, number, 0);
    memset(out, 0, sizeof *out);
    for (int n = 0; n < TRIES; n++) {
        shn_rng r = shn_rng_stream(seed, PATIENT_STREAM, number, 1 + (uint64_t)n);
        plan    pl = { .repolarisation = T_NONE };
        shape   s;
        int     doubtful = 0;
        if (n % TRIES_PER_AIM == 0) {       /* a lasting misfit of aims is given up for other aims */
            memset(out, 0, sizeof *out);
            out->age = floor(between(&who, 18, 90));
            out->sex = shn_rng_uniform(&who) < 0.5 ? 'M' : 'F';
            draw_aims(out, &who);
        }
        draw_details(out, &r);
        pl.qt_s = out->qtc_s * sqrt(0.85);
        plan_repolarise(out, &pl, &r);
        shape_measure(out, &pl.main, &s);
        if (shape_findings(out, &pl.main, &s, 1, &doubtful) == patient_aims(out) && !doubtful && atria_clear(out, &s)) return 1;
    }
    return 0;
}
