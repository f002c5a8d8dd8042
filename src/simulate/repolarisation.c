/**
 * ST and T. T is one skewed Gaussian that ends (tangent at its steepest fall) at the QT interval; ST is a plateau of three
 * Gaussians whose sum is the given vector 60 ms after the J point. Behind a wide QRS both point against it, as they must
 * when the order of activation is what changed.
 */
#include <math.h>
#include <string.h>

#include "simulate/heart.h"

void beat_repolarise(beat *b, double qt_s, const double t[3], const double st[3])
{
    static const double after_j[3] = { 0.025, 0.070, 0.115 }, share[3] = { 1, 1, 0.7 };
    const double sd = 0.025, at = 0.060;
    double       level = 0;
    b->n = b->n_qrs;
    b->qt_s = qt_s;
    wave *w = &b->w[b->n++];
    *w = (wave){ .rise = 0.125 * qt_s, .fall = 0.10 * qt_s, .v = { t[0], t[1], t[2] } };
    w->at = qt_s - 2 * w->fall;
    if (st[0] == 0 && st[1] == 0 && st[2] == 0) return;
    for (int i = 0; i < 3; i++) level += share[i] * exp(-0.5 * pow((at - after_j[i]) / sd, 2));
    for (int i = 0; i < 3; i++) {
        w = &b->w[b->n++];
        *w = (wave){ .at = b->qrs_s + after_j[i], .rise = sd, .fall = sd };
        for (int k = 0; k < 3; k++) w->v[k] = st[k] * share[i] / level;
    }
}

/** ST and T against the sum of the QRS vectors: T has `share` of it, ST a quarter of that. */
void beat_discordant(beat *b, double qt_s, double share)
{
    double t[3] = { 0 }, st[3];
    for (size_t i = 0; i < b->n_qrs; i++)
        for (int k = 0; k < 3; k++) t[k] -= share * b->w[i].v[k];
    for (int k = 0; k < 3; k++) st[k] = 0.25 * t[k];
    beat_repolarise(b, qt_s, t, st);
}

static void set(double v[3], double x, double y, double z)
{
    v[0] = x;
    v[1] = y;
    v[2] = z;
}

/** ST and T of a narrow beat as the plan wants them. */
static void narrow(const patient *pt, plan *pl, shn_rng *r)
{
    double       t[3], st[3] = { 0 };
    const double g = between(r, 1.0, 1.45), f = between(r, 0.85, 1.15);
    memcpy(t, pt->t, sizeof t);
    for (int k = 0; k < 3; k++) t[k] *= f;
    switch (pl->repolarisation) {
    case T_INV_ANTERIOR: set(t, 0.06 * g, 0.16, 0.26 * g); break;
    case T_INV_LATERAL:  set(t, -0.22 * g, 0.10, -0.12); break;
    case T_INV_INFERIOR: set(t, 0.30, -0.22 * g, -0.15); break;
    case T_STD_INFERIOR:
        set(st, 0.02, -0.15 * g, 0);
        set(t, 0.25, 0.16, -0.14);
        break;
    case T_STD_LATERAL:
        set(st, -0.14 * g, 0.035, -0.07 * g);
        set(t, 0.18, 0.20, -0.10);
        break;
    case T_STE_INFERIOR:
        set(st, 0.06 * g, 0.20 * g, -0.02);
        set(t, 0.20, 0.32 * g, -0.12);
        break;
    case T_STE_ANTERIOR:
        set(st, 0.10 * g, 0.02, -0.20 * g);
        set(t, 0.30, 0.20, -0.32 * g);
        break;
    case T_NONE: case T_LONGQT: break;
    }
    beat_repolarise(&pl->main, pl->qt_s, t, st);
}

void plan_repolarise(const patient *pt, plan *pl, shn_rng *r)
{
    pl->main = pt->sinus;
    switch (pt->conduction) {
    case C_CLBBB: beat_discordant(&pl->main, pl->qt_s, between(r, 0.16, 0.24)); break;
    case C_WPW: case C_IVCD: case C_CRBBB: {
        /* mixed: the usual T, bent against the last part of the QRS */
        const wave  *last = &pl->main.w[pl->main.n_qrs - 1];
        const double st[3] = { 0 };
        double       t[3];
        for (int k = 0; k < 3; k++) t[k] = 0.8 * pt->t[k] - 0.45 * last->v[k];
        beat_repolarise(&pl->main, pl->qt_s, t, st);
        break;
    }
    default: narrow(pt, pl, r); break;
    }
}
