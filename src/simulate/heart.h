/**
 * Inside the simulator. A patient's heart is a set of waves of the dipole (P, QRS, ST, T); a rhythm says when they
 * happen; the lead field turns the dipole into leads. Vectors are in mV in Frank's axes: x to the left, y to the feet,
 * z to the back. Times are seconds. Everything is drawn from named random streams, so a record depends on its numbers only.
 */
#ifndef SHN_SIMULATE_HEART_H
#define SHN_SIMULATE_HEART_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "shinden/simulate.h"

/* name in the code, registry id; the order is that of shn_simulate_finding() */
#define FINDINGS(X)                                                                                                    \
    X(NORMAL, "normal_ecg")                          X(SINUS, "sinus_rhythm")                                          \
    X(BRADY, "sinus_bradycardia")                    X(TACHY, "sinus_tachycardia")                                     \
    X(ARRHYTHMIA, "sinus_arrhythmia")                X(AFIB, "atrial_fibrillation")                                    \
    X(FLUTTER, "atrial_flutter")                     X(SVT, "supraventricular_tachycardia")                            \
    X(PAC, "atrial_premature_complex")               X(PVC, "ventricular_premature_complex")                           \
    X(BIGEMINY, "ventricular_bigeminy")              X(TRIGEMINY, "ventricular_trigeminy")                             \
    X(PACED, "pacing_rhythm")                        X(AVB1, "first_degree_av_block")                                  \
    X(AVB2, "second_degree_av_block")                X(MOBITZ1, "second_degree_av_block_mobitz_1")                     \
    X(MOBITZ2, "second_degree_av_block_mobitz_2")    X(AVB3, "third_degree_av_block")                                  \
    X(CRBBB, "complete_right_bundle_branch_block")   X(IRBBB, "incomplete_right_bundle_branch_block")                  \
    X(CLBBB, "complete_left_bundle_branch_block")    X(LAFB, "left_anterior_fascicular_block")                         \
    X(IVCD, "intraventricular_conduction_disturbance") X(WPW, "wolff_parkinson_white")                                 \
    X(LAD, "left_axis_deviation")                    X(RAD, "right_axis_deviation")                                    \
    X(LVHV, "lvh_voltage")                           X(RVH, "right_ventricular_hypertrophy")                           \
    X(LOWV, "low_qrs_voltage")                       X(LAE, "left_atrial_enlargement")                                 \
    X(RAE, "right_atrial_enlargement")               X(LONGQT, "long_qt_interval")                                     \
    X(TINV, "t_wave_inversion")                      X(STD, "st_depression")                                           \
    X(STD_INF, "st_depression_inferior")             X(STD_LAT, "st_depression_lateral")                               \
    X(STE, "st_elevation")                           X(STE_INF, "st_elevation_inferior")                               \
    X(STE_ANT, "st_elevation_anterior")              X(Q_INF, "q_wave_inferior")                                       \
    X(Q_ANT, "q_wave_anterior")
#define X(name, id) F_##name,
enum { FINDINGS(X) N_FINDINGS };
#undef X

#define BIT(f) ((uint64_t)1 << (f))
_Static_assert(N_FINDINGS <= 64, "truth of the simulator's own findings is kept in one word");

#define WAVES_MAX 16
/** One wave of the dipole: a Gaussian whose standard deviation before its peak may differ from that after it. */
typedef struct wave { double at, rise, fall, v[3]; } wave;
/** One ventricular beat; wave times count from QRS onset. The first n_qrs waves are the QRS. */
typedef struct beat { size_t n, n_qrs; wave w[WAVES_MAX]; double qrs_s, qt_s; } beat;
/** The P wave; times count from its onset. */
typedef struct atrium { wave w[2]; double length_s; } atrium;

typedef enum conduction { C_NONE, C_CRBBB, C_IRBBB, C_CLBBB, C_LAFB, C_IVCD, C_WPW } conduction;
typedef enum structure { S_NONE, S_LVH, S_RVH, S_LOWV, S_LAD, S_RAD, S_Q_INF, S_Q_ANT } structure;
typedef enum rhythm { R_SINUS, R_BRADY, R_TACHY, R_ARRHYTHMIA, R_AFIB, R_FLUTTER, R_SVT, R_PACED, R_MOBITZ1, R_MOBITZ2, R_AVB3 } rhythm;
typedef enum ectopy { E_NONE, E_PAC, E_PVC, E_BIGEMINY, E_TRIGEMINY } ectopy;
typedef enum repolarisation { T_NONE, T_LONGQT, T_INV_ANTERIOR, T_INV_LATERAL, T_INV_INFERIOR, T_STD_INFERIOR,
                              T_STD_LATERAL, T_STE_INFERIOR, T_STE_ANTERIOR } repolarisation;

enum { LEAD_I, LEAD_II, LEAD_V1, LEAD_V2, LEAD_V3, LEAD_V4, LEAD_V5, LEAD_V6, N_FIELD };   /* leads that the field gives */

/** What does not change between records of a patient. */
typedef struct patient {
    double     age;
    char       sex;
    int        healthy;
    conduction conduction;
    structure  structure;
    int        large_left_atrium, large_right_atrium;
    atrium     p;
    beat       sinus;               /**< QRS only; ST and T come with the record */
    beat       ectopic;             /**< the patient's PVC, complete */
    double     t[3];                /**< direction and size of the T wave */
    double     pr_s, qtc_s;         /**< usual PR; QT at a rate of 60/min (Bazett) */
    double     field[N_FIELD][3];   /**< lead field, electrode places included */
} patient;

/** One record's plan. */
typedef struct plan {
    rhythm         rhythm;
    ectopy         ectopy;
    repolarisation repolarisation;
    int            long_pr;
    double         rate_bpm;        /**< of the sinus node, or of the ventricles where it does not lead */
    double         pr_s, qt_s;
    beat           main, other;     /**< conducted beat; PVC, paced or escape beat */
    double         resp_hz, resp_phase, resp_gain, resp_turn;   /**< breathing: relative amplitude, radians of axis */
} plan;

enum { BEAT_MAIN, BEAT_OTHER };
typedef struct p_event { double at, scale; int ectopic; } p_event;
typedef struct v_event { double at; int beat; } v_event;
/** When things happen; owned arrays, released by schedule_free. */
typedef struct schedule {
    p_event *p;
    v_event *v;
    size_t   n_p, n_v, p_room, v_room;
    double   flutter_hz;            /**< 0: none */
    double   f_wave_mv;             /**< 0: none */
    int      spikes;                /**< 1: a pacing spike before each beat */
    double   pr_s;                  /**< mean PR of conducted beats, NaN without */
} schedule;

/** What the clean beat shows in the twelve leads: the truth that labels come from. Amplitudes in mV. */
typedef struct shape {
    double axis_deg;
    double r[12], s[12];            /**< largest positive and negative deflection of the QRS (s <= 0) */
    double q[12], q_s[12];          /**< first negative deflection before any R (<= 0), and its length */
    double st[12];                  /**< 60 ms after the J point */
    double t[12];                   /**< the T wave's largest excursion, signed */
    double limb_peak_to_peak, chest_peak_to_peak;   /**< largest over the six limb and the six chest leads */
    double p_ii, p_v1_terminal;     /**< P amplitude in II; most negative value of the P in V1 */
} shape;

/* heart.c */
/** Draws patient `number`. Returns 0 when no acceptable heart came within the limit of tries (our own mistake). */
int  patient_draw(uint64_t seed, uint64_t number, patient *out);
/** Findings of the QRS that the patient is meant to have. */
uint64_t patient_aims(const patient *pt);
/* repolarisation.c */
void beat_repolarise(beat *b, double qt_s, const double t[3], const double st[3]);
void plan_repolarise(const patient *pt, plan *pl, shn_rng *r);
void beat_discordant(beat *b, double qt_s, double share);
/* beats.c: the QRS of each kind, as the patient's own variation makes it */
void beat_sinus(const patient *pt, shn_rng *r, beat *out);
void beat_ventricular(shn_rng *r, beat *out);
void beat_paced(shn_rng *r, beat *out);
void beat_turn(beat *b, double radians);
void beat_scale(beat *b, double factor);
void atrium_draw(const patient *pt, shn_rng *r, atrium *out);
/* field.c */
extern const double dower[N_FIELD][3];
void field_draw(shn_rng *r, double field[N_FIELD][3]);
/** Twelve leads in canonical order from the eight of the field. */
void leads_from_field(const double f[N_FIELD], double out[12]);
/* shape.c */
void shape_measure(const patient *pt, const beat *b, shape *out);
/** Only the QRS axis, in degrees. */
double shape_axis(const patient *pt, const beat *b);
/**
 * Findings that the shape of a conducted beat shows; *doubtful is set when any measure lies too near its criterion.
 * ST and T are read only where st_t_readable: at the rates of supraventricular tachycardia T runs into ST.
 */
uint64_t shape_findings(const patient *pt, const beat *b, const shape *s, int st_t_readable, int *doubtful);
/* rhythm.c */
void plan_draw(const patient *pt, shn_rng *r, plan *out);
/** 0: done; -1 out of memory. */
int  schedule_make(const plan *pl, shn_rng *r, double seconds, schedule *out);
void schedule_free(schedule *s);
/** 1 when the drawn times show what the plan wants, no more and no less. */
int  schedule_shows(const plan *pl, const schedule *s, double seconds);
double schedule_rate(const schedule *s, double seconds);
/* render.c */
enum { COMPONENTS = 8 };            /* three of the dipole, three of wander, two of the mains */
void wave_add(float *x, float *y, float *z, size_t n, double fs_hz, double origin_s, const wave *w, double scale, double turn);
void dipole_render(const patient *pt, const plan *pl, const schedule *s, shn_rng *r, double fs_hz, size_t n, float *const c[COMPONENTS]);
void noise_render(shn_rng *r, double level, double fs_hz, size_t n, float *const c[COMPONENTS], double weight[N_FIELD][COMPONENTS],
                  float *const lead[N_FIELD]);

static inline double between(shn_rng *r, double low, double high) { return low + (high - low) * shn_rng_uniform(r); }
/** Normal around 1 with the given spread, held within three spreads. */
static inline double around(shn_rng *r, double spread)
{
    const double z = shn_rng_normal(r);
    return 1 + spread * (z > 2.5 ? 2.5 : z < -2.5 ? -2.5 : z);
}
/** Index drawn by weights. */
static inline int choose(shn_rng *r, const double *weight, int n)
{
    double total = 0, x;
    for (int i = 0; i < n; i++) total += weight[i];
    x = shn_rng_uniform(r) * total;
    for (int i = 0; i < n - 1; i++) {
        if (x < weight[i]) return i;
        x -= weight[i];
    }
    return n - 1;
}

#endif
