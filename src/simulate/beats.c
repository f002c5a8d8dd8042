/**
 * The QRS of each kind as a sequence of dipole vectors, in the order in which the ventricles are reached: septum (right,
 * forward), apex and free wall (left, down), base (back). A conduction disturbance delays one of the last regions or sends
 * the first ones another way. Onset is the first wave's peak minus two standard deviations, the end the last one's plus
 * two: there the tangent at the steepest point meets the baseline.
 */
#include <math.h>
#include <string.h>

#include "simulate/heart.h"

/** A wave at a share of the QRS; width is its standard deviation as a share too. */
typedef struct part { double at, width, v[3]; } part;

static void put(beat *b, const part *parts, size_t n, double qrs_s, double spread, shn_rng *r)
{
    b->n = b->n_qrs = n;
    b->qrs_s = qrs_s;
    for (size_t i = 0; i < n; i++) {
        const double gain = around(r, spread), size = sqrt(parts[i].v[0] * parts[i].v[0] + parts[i].v[1] * parts[i].v[1] +
                                                           parts[i].v[2] * parts[i].v[2]);
        b->w[i].at = parts[i].at * qrs_s;
        b->w[i].rise = b->w[i].fall = parts[i].width * qrs_s;
        for (int k = 0; k < 3; k++) b->w[i].v[k] = gain * parts[i].v[k] + spread * 0.35 * size * shn_rng_normal(r);
    }
}

/** Turns the frontal plane; positive moves the axis to the right (clockwise, towards +90 degrees and beyond). */
static void turn(double v[3], double radians)
{
    const double c = cos(radians), s = sin(radians), x = v[0], y = v[1];
    v[0] = c * x - s * y;
    v[1] = s * x + c * y;
}

void beat_turn(beat *b, double radians)
{
    for (size_t i = 0; i < b->n; i++) turn(b->w[i].v, radians);
}

void beat_scale(beat *b, double factor)
{
    for (size_t i = 0; i < b->n; i++)
        for (int k = 0; k < 3; k++) b->w[i].v[k] *= factor;
}

static const part normal_parts[] = {
    { 0.20, 0.100, { -0.13, -0.02, -0.22 } }, { 0.38, 0.100, { 0.55, 0.40, -0.30 } }, { 0.52, 0.105, { 0.85, 0.65, 0.35 } },
    { 0.68, 0.100, {  0.10,  0.00,  0.60 } }, { 0.80, 0.100, { -0.18, -0.15, 0.22 } },
};
/* the last fifth of a right bundle branch block goes to the right and forward */
static const part crbbb_parts[] = {
    { 0.13, 0.065, { -0.13, -0.02, -0.24 } }, { 0.26, 0.070, { 0.55, 0.40, -0.20 } }, { 0.37, 0.075, { 0.80, 0.60, 0.38 } },
    { 0.50, 0.075, { 0.05, 0.00, 0.30 } },    { 0.68, 0.090, { -0.40, -0.03, -0.52 } }, { 0.80, 0.100, { -0.25, -0.02, -0.28 } },
};
static const part irbbb_parts[] = {
    { 0.17, 0.085, { -0.13, -0.02, -0.24 } }, { 0.33, 0.085, { 0.55, 0.40, -0.25 } }, { 0.47, 0.090, { 0.85, 0.62, 0.38 } },
    { 0.62, 0.080, { 0.05, 0.00, 0.42 } },    { 0.82, 0.090, { -0.26, -0.04, -0.42 } },
};
/* no septal vector to the right: the left ventricle is reached late and slowly, from right to left and back */
static const part clbbb_parts[] = {
    { 0.18, 0.09, { 0.30, 0.18, 0.16 } }, { 0.38, 0.10, { 0.72, 0.35, 0.62 } },
    { 0.60, 0.10, { 0.72, 0.24, 0.70 } }, { 0.80, 0.10, { 0.40, 0.05, 0.48 } },
};
static const part ivcd_parts[] = {
    { 0.16, 0.080, { -0.13, -0.02, -0.22 } }, { 0.34, 0.085, { 0.62, 0.45, -0.22 } }, { 0.55, 0.085, { 0.80, 0.60, 0.35 } },
    { 0.70, 0.080, { 0.30, 0.10, 0.55 } },    { 0.84, 0.080, { 0.16, -0.12, 0.30 } },
};
static const part lafb_parts[] = {
    { 0.20, 0.100, { -0.20, 0.26, -0.20 } }, { 0.38, 0.100, { 0.55, -0.05, -0.25 } }, { 0.54, 0.105, { 0.75, -0.80, 0.32 } },
    { 0.70, 0.100, { 0.12, -0.50, 0.45 } },  { 0.80, 0.100, { -0.02, -0.20, 0.15 } },
};
/* the delta wave: a slow start past the node, then the usual way */
static const part wpw_parts[] = {
    { 0.22, 0.110, { 0.26, 0.14, -0.16 } }, { 0.42, 0.090, { 0.62, 0.42, -0.12 } }, { 0.58, 0.090, { 0.80, 0.55, 0.32 } },
    { 0.72, 0.085, { 0.12, 0.02, 0.48 } },  { 0.82, 0.090, { -0.12, -0.10, 0.18 } },
};
static const part rvh_parts[] = {
    { 0.20, 0.100, { -0.05, -0.04, -0.30 } }, { 0.36, 0.100, { 0.32, 0.40, -0.42 } }, { 0.52, 0.105, { -0.42, 0.75, -0.62 } },
    { 0.68, 0.100, { -0.62, 0.25, -0.22 } },  { 0.80, 0.100, { -0.28, -0.05, 0.10 } },
};
static const part q_inferior_parts[] = {       /* the lower wall gives nothing: first forces go up, and stay there for 35 ms */
    { 0.22, 0.110, { -0.06, -0.42, -0.20 } }, { 0.36, 0.100, { 0.50, -0.24, -0.30 } }, { 0.55, 0.100, { 0.85, 0.62, 0.32 } },
    { 0.68, 0.100, { 0.16, 0.18, 0.58 } },    { 0.80, 0.100, { -0.12, -0.05, 0.22 } },
};
static const part q_anterior_parts[] = {      /* septum and front wall give nothing: forces go back from the start */
    { 0.20, 0.100, { -0.10, 0.02, 0.30 } }, { 0.38, 0.100, { 0.18, 0.35, 0.62 } }, { 0.54, 0.105, { 0.62, 0.60, 0.62 } },
    { 0.68, 0.100, { 0.10, 0.02, 0.52 } },  { 0.80, 0.100, { -0.10, -0.15, 0.20 } },
};
#define PARTS(p) p, sizeof p / sizeof p[0]

static void sinus_narrow(const patient *pt, shn_rng *r, beat *out)
{
    const double qrs_s = between(r, 0.080, 0.103);
    switch (pt->structure) {
    case S_RVH:  put(out, PARTS(rvh_parts), qrs_s, 0.12, r); break;
    case S_Q_INF:  put(out, PARTS(q_inferior_parts), between(r, 0.092, 0.106), 0.12, r); break;
    case S_Q_ANT: put(out, PARTS(q_anterior_parts), between(r, 0.090, 0.106), 0.12, r); break;
    default:     put(out, PARTS(normal_parts), qrs_s, 0.16, r); break;
    }
}

/** Where the frontal axis of this heart is to lie, in degrees; RVH, Q waves and wide beats are free within the normal. */
static double wanted_axis(const patient *pt, shn_rng *r)
{
    if (pt->conduction == C_LAFB) return between(r, -78, -51);
    switch (pt->structure) {
    case S_LAD: return between(r, -43, -34);
    case S_RAD: return between(r, 99, 125);
    case S_RVH: return between(r, 108, 135);
    case S_Q_INF: return between(r, -17, 45);
    default: return between(r, -17, 80);
    }
}

/** The patient's conducted QRS by conduction and structure, with the patient's own variation. */
void beat_sinus(const patient *pt, shn_rng *r, beat *out)
{
    double gain = exp(0.17 * shn_rng_normal(r));
    memset(out, 0, sizeof *out);
    switch (pt->conduction) {
    case C_CRBBB: put(out, PARTS(crbbb_parts), between(r, 0.130, 0.160), 0.14, r); break;
    case C_IRBBB: put(out, PARTS(irbbb_parts), between(r, 0.112, 0.117), 0.12, r); break;
    case C_CLBBB: put(out, PARTS(clbbb_parts), between(r, 0.136, 0.170), 0.14, r); break;
    case C_LAFB:  put(out, PARTS(lafb_parts), between(r, 0.088, 0.104), 0.12, r); break;
    case C_IVCD:  put(out, PARTS(ivcd_parts), between(r, 0.130, 0.150), 0.14, r); break;
    case C_WPW:   put(out, PARTS(wpw_parts), between(r, 0.122, 0.142), 0.14, r); break;
    case C_NONE:  sinus_narrow(pt, r, out); break;
    }
    if (pt->structure == S_LVH) gain = between(r, 1.75, 2.3);
    if (pt->structure == S_LOWV) gain = between(r, 0.24, 0.40);
    beat_scale(out, gain);
    const double axis = wanted_axis(pt, r);
    for (int i = 0; i < 2; i++)         /* the lead field is not square: a second turn takes up the rest */
        beat_turn(out, remainder(axis - shape_axis(pt, out), 360) * M_PI / 180);
}

/** A premature or escape beat from the ventricles: wide, its way through the heart at random, ST and T against it. */
void beat_ventricular(shn_rng *r, beat *out)
{
    const double z = between(r, -0.9, 0.9), side = shn_rng_uniform(r) < 0.5 ? 1 : -1, y = between(r, -0.9, 0.9);
    const part parts[] = {
        { 0.18, 0.09, { side * 0.25, y * 0.30, z * 0.30 } }, { 0.38, 0.10, { side * 0.85, y * 0.80, z * 0.85 } },
        { 0.60, 0.10, { side * 0.80, y * 0.85, z * 0.80 } }, { 0.80, 0.10, { side * 0.20, y * 0.30, z * 0.25 } },
    };
    memset(out, 0, sizeof *out);
    put(out, PARTS(parts), between(r, 0.140, 0.175), 0.15, r);
    beat_scale(out, between(r, 0.95, 1.5));
}

/** Stimulated at the right apex: to the left, up and back. */
void beat_paced(shn_rng *r, beat *out)
{
    static const part parts[] = {
        { 0.18, 0.09, { 0.12, -0.25, 0.16 } }, { 0.38, 0.10, { 0.40, -0.72, 0.55 } },
        { 0.60, 0.10, { 0.42, -0.75, 0.62 } }, { 0.80, 0.10, { 0.20, -0.30, 0.35 } },
    };
    memset(out, 0, sizeof *out);
    put(out, PARTS(parts), between(r, 0.150, 0.185), 0.18, r);
    beat_turn(out, between(r, -0.35, 0.5));
    beat_scale(out, exp(0.17 * shn_rng_normal(r)));
}

/** Right atrium first (down and forward), the left one after it (left and back). */
void atrium_draw(const patient *pt, shn_rng *r, atrium *out)
{
    const double width = between(r, 0.0165, 0.0185), right_gain = pt->large_right_atrium ? between(r, 2.3, 2.9) : between(r, 0.8, 1.1);
    const double delay = pt->large_left_atrium ? between(r, 0.062, 0.074) : between(r, 0.024, 0.034);
    const double right[3] = { 0.05, 0.105, -0.05 }, left_usual[3] = { 0.07, 0.05, 0.03 }, left_large[3] = { 0.10, 0.07, 0.16 };
    const double *left = pt->large_left_atrium ? left_large : left_usual;
    const double gain = between(r, 0.85, 1.1);
    for (int k = 0; k < 3; k++) {
        out->w[0].v[k] = gain * right_gain * right[k];
        out->w[1].v[k] = gain * left[k];
    }
    out->w[0].rise = out->w[0].fall = out->w[1].rise = out->w[1].fall = width;
    out->w[0].at = 2 * width;
    out->w[1].at = 2 * width + delay;
    out->length_s = 4 * width + delay;
}
