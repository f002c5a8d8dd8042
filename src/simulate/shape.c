/**
 * What the clean beat shows: axis, voltages, Q, ST, T and P read from the twelve leads as a reader would, and from
 * them the findings, by docs/simulate.md's criteria. A value near its criterion is doubtful: such a heart is drawn again,
 * so that no label of a cohort hangs on a microvolt.
 */
#include <math.h>
#include <string.h>

#include "simulate/heart.h"

enum { I, II, III, AVR, AVL, AVF, V1, V2, V3, V4, V5, V6 };

static void dipole_at(const wave *w, size_t n, double t, double d[3])
{
    d[0] = d[1] = d[2] = 0;
    for (size_t i = 0; i < n; i++) {
        const double dt = t - w[i].at, sd = dt < 0 ? w[i].rise : w[i].fall, z = dt / sd;
        if (z > 5 || z < -5) continue;
        const double g = exp(-0.5 * z * z);
        for (int k = 0; k < 3; k++) d[k] += g * w[i].v[k];
    }
}

static void leads_at(const patient *pt, const wave *w, size_t n, double t, double lead[12])
{
    double d[3], f[N_FIELD];
    dipole_at(w, n, t, d);
    for (int l = 0; l < N_FIELD; l++) f[l] = pt->field[l][0] * d[0] + pt->field[l][1] * d[1] + pt->field[l][2] * d[2];
    leads_from_field(f, lead);
}

/** Net QRS deflection (largest positive plus largest negative) in I and aVF; aVF is 2/sqrt(3) weaker than a bipolar lead. */
static double axis_of(const double r[12], const double s[12])
{
    return atan2((r[AVF] + s[AVF]) * 2 / sqrt(3), r[I] + s[I]) * 180 / M_PI;
}

double shape_axis(const patient *pt, const beat *b)
{
    double r[12] = { 0 }, s[12] = { 0 }, lead[12];
    for (double t = 0; t <= b->qrs_s; t += 0.002) {
        leads_at(pt, b->w, b->n_qrs, t, lead);
        for (int l = 0; l < 6; l++) {
            r[l] = fmax(r[l], lead[l]);
            s[l] = fmin(s[l], lead[l]);
        }
    }
    return axis_of(r, s);
}

static void measure_qrs(const patient *pt, const beat *b, shape *out)
{
    const double step = 0.001, small = 0.03;            /* under 30 uV nobody sees a wave */
    int          q_ended[12] = { 0 };
    double       lead[12];
    for (double t = -0.01; t <= b->qrs_s + 0.01; t += step) {
        leads_at(pt, b->w, b->n, t, lead);
        for (int l = 0; l < 12; l++) {
            out->r[l] = fmax(out->r[l], lead[l]);
            out->s[l] = fmin(out->s[l], lead[l]);
            if (q_ended[l]) continue;
            if (lead[l] < -small) {
                out->q[l] = fmin(out->q[l], lead[l]);
                out->q_s[l] += step;
            } else if (lead[l] > small || out->q[l] < 0) {
                q_ended[l] = 1;
            }
        }
    }
    for (int l = 0; l < 12; l++) {
        double *largest = l < 6 ? &out->limb_peak_to_peak : &out->chest_peak_to_peak;
        *largest = fmax(*largest, out->r[l] - out->s[l]);
    }
    out->axis_deg = axis_of(out->r, out->s);
}

void shape_measure(const patient *pt, const beat *b, shape *out)
{
    double lead[12];
    memset(out, 0, sizeof *out);
    measure_qrs(pt, b, out);
    leads_at(pt, b->w, b->n, b->qrs_s + 0.06, out->st);
    for (double t = b->qrs_s + 0.10; t < b->qt_s + 0.02; t += 0.004) {
        leads_at(pt, b->w, b->n, t, lead);
        for (int l = 0; l < 12; l++)
            if (fabs(lead[l]) > fabs(out->t[l])) out->t[l] = lead[l];
    }
    for (double t = 0; t < pt->p.length_s; t += 0.002) {
        leads_at(pt, pt->p.w, 2, t, lead);
        out->p_ii = fmax(out->p_ii, lead[II]);
        out->p_v1_terminal = fmin(out->p_v1_terminal, lead[V1]);
    }
}

/** value >= limit, with a belt of doubt around the limit. */
static int reaches(double value, double limit, double belt, int *doubtful)
{
    if (fabs(value - limit) < belt) *doubtful = 1;
    return value >= limit;
}

/** The second largest of n values: what "in two leads" hangs on. */
static double second_largest(const double *values, const int *leads, int n, double sign)
{
    double first = -INFINITY, second = -INFINITY;
    for (int i = 0; i < n; i++) {
        const double x = sign * values[leads[i]];
        if (x > first) {
            second = first;
            first = x;
        } else if (x > second) {
            second = x;
        }
    }
    return second;
}

static const int inferior[] = { II, III, AVF }, lateral[] = { I, AVL, V5, V6 };

/** Axis and voltage: every conducted beat, the wide ones too. */
static uint64_t qrs_findings(const patient *pt, const beat *b, const shape *s, int *doubtful)
{
    uint64_t     f = 0;
    const int    narrow = b->qrs_s < 0.12, blocked = pt->conduction == C_CRBBB || pt->conduction == C_WPW;
    const double axis = s->axis_deg, sokolow = -s->s[V1] + fmax(s->r[V5], s->r[V6]);
    if (axis < -90) *doubtful = 1;                                              /* neither left nor right */
    if (reaches(-axis, 30, 4, doubtful) && axis >= -90) f |= BIT(F_LAD);
    if (reaches(axis, 90, 6, doubtful)) f |= BIT(F_RAD);
    if (narrow) {
        const int left = reaches(-axis, 45, 1.5, doubtful), qr = -s->q[AVL] >= 0.03 && s->r[AVL] > 0.3;
        if (left && (pt->conduction == C_LAFB) != qr) *doubtful = 1;
        if (left && qr && pt->conduction == C_LAFB) f |= BIT(F_LAFB);
        else if (left) *doubtful = 1;
    }
    if (narrow && reaches(sokolow, 3.5, 0.2, doubtful)) f |= BIT(F_LVHV);
    const int limb = reaches(0.5 - s->limb_peak_to_peak, 0, 0.05, doubtful), chest = reaches(1.0 - s->chest_peak_to_peak, 0, 0.08, doubtful);
    if (limb && chest) f |= BIT(F_LOWV);
    if (narrow && !blocked && reaches(s->r[V1] + s->s[V1], 0, 0.08, doubtful) && axis >= 90 && s->r[V1] >= 0.4) f |= BIT(F_RVH);
    return f;
}

/** Bundle branch shapes must be visible, not only meant. */
static void check_conduction(const patient *pt, const shape *s, int *doubtful)
{
    const double r_late = s->r[V1];
    switch (pt->conduction) {
    case C_CRBBB: if (r_late < 0.35 || s->s[V6] > -0.15 || s->s[I] > -0.1) *doubtful = 1; break;
    case C_IRBBB: if (r_late < 0.20 || s->s[V6] > -0.10) *doubtful = 1; break;
    case C_CLBBB: if (s->s[V1] > -0.5 || s->r[V6] < 0.4 || s->q[V6] < -0.02 || s->q[I] < -0.02 || s->s[V6] < -0.1) *doubtful = 1; break;
    case C_IVCD:  if (s->r[V1] > 0.6 * -s->s[V1] || s->q[V6] > -0.04) *doubtful = 1; break;
    default: break;
    }
}

/** Q waves, ST and T: where the QRS is narrow, so that they are not the conduction's own. */
static uint64_t wall_findings(const shape *s, char sex, int *doubtful)
{
    uint64_t     f = 0;
    double       q_anterior = -INFINITY, ste_anterior = -INFINITY, wide[12];
    const double ste[2] = { 0.1, sex == 'M' ? 0.2 : 0.15 };
    /* Q in two inferior leads: 40 ms and 0.1 mV */
    for (int l = 0; l < 12; l++) wide[l] = -s->q[l] >= 0.1 ? s->q_s[l] : 0;
    if (reaches(second_largest(wide, inferior, 3, 1), 0.040, 0.006, doubtful)) f |= BIT(F_Q_INF);
    /* Q or QS in two neighbours of V1-V4: the shallower of the best pair counts, 0.1 mV */
    for (int l = V1; l < V4; l++) q_anterior = fmax(q_anterior, fmin(-s->q[l], -s->q[l + 1]));
    if (reaches(q_anterior, 0.1, 0.05, doubtful)) f |= BIT(F_Q_ANT);
    if (reaches(second_largest(s->st, inferior, 3, 1), ste[0], 0.025, doubtful)) f |= BIT(F_STE_INF) | BIT(F_STE);
    for (int l = V1; l < V4; l++) {
        const double here = s->st[l] / ste[l == V2 || l == V3], next = s->st[l + 1] / ste[l + 1 == V2 || l + 1 == V3];
        ste_anterior = fmax(ste_anterior, fmin(here, next));
    }
    if (reaches(ste_anterior, 1, 0.2, doubtful)) f |= BIT(F_STE_ANT) | BIT(F_STE);
    if (second_largest(s->st, lateral, 4, 1) > 0.09) *doubtful = 1;             /* lateral elevation is not simulated */
    if (reaches(second_largest(s->st, inferior, 3, -1), 0.05, 0.015, doubtful)) f |= BIT(F_STD_INF) | BIT(F_STD);
    if (reaches(second_largest(s->st, lateral, 4, -1), 0.05, 0.015, doubtful)) f |= BIT(F_STD_LAT) | BIT(F_STD);
    for (int l = V1; l < V4; l++)
        if (fmin(-s->st[l], -s->st[l + 1]) > 0.035) *doubtful = 1;              /* nor is anterior depression */
    /* T inverted in two of the leads where it should be upright */
    static const int upright[] = { I, II, AVF, V3, V4, V5, V6 };
    if (reaches(second_largest(s->t, upright, 7, -1), 0.1, 0.04, doubtful)) f |= BIT(F_TINV);
    return f;
}

uint64_t shape_findings(const patient *pt, const beat *b, const shape *s, int st_t_readable, int *doubtful)
{
    uint64_t f = qrs_findings(pt, b, s, doubtful);
    check_conduction(pt, s, doubtful);
    if (b->qrs_s < 0.12 && st_t_readable) f |= wall_findings(s, pt->sex, doubtful);
    switch (pt->conduction) {
    case C_CRBBB: f |= BIT(F_CRBBB); break;
    case C_IRBBB: f |= BIT(F_IRBBB); break;
    case C_CLBBB: f |= BIT(F_CLBBB); break;
    case C_IVCD:  f |= BIT(F_IVCD); break;
    case C_WPW:   f |= BIT(F_WPW); break;
    default: break;
    }
    return f;
}
