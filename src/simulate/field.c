/**
 * The lead field: how much of each axis of the dipole every electrode sees. Eight rows are independent; III, aVR, aVL and
 * aVF follow from I and II, as they do in the electrodes, so Einthoven's and Goldberger's identities hold by construction.
 *
 * Source  Dower, Machado, Osborne 1980, "On deriving the electrocardiogram from vectorcardiographic leads", Clin Cardiol 3:87.
 */
#include "simulate/heart.h"

const double dower[N_FIELD][3] = {
    [LEAD_I]  = {  0.632, -0.235,  0.059 }, [LEAD_II] = { 0.235, 1.066, -0.132 },
    [LEAD_V1] = { -0.515,  0.157, -0.917 }, [LEAD_V2] = { 0.044, 0.164, -1.387 }, [LEAD_V3] = { 0.882, 0.098, -1.277 },
    [LEAD_V4] = {  1.213,  0.127, -0.601 }, [LEAD_V5] = { 1.125, 0.127, -0.086 }, [LEAD_V6] = { 0.831, 0.076,  0.230 },
};

/** A patient's own field: chest electrodes sit a little off and nearer or farther; the limb leads vary less. */
void field_draw(shn_rng *r, double field[N_FIELD][3])
{
    for (int l = 0; l < N_FIELD; l++) {
        const double spread = l <= LEAD_II ? 0.03 : 0.08, gain = around(r, spread);
        for (int k = 0; k < 3; k++) field[l][k] = dower[l][k] * gain + spread * 0.6 * shn_rng_normal(r);
    }
}

void leads_from_field(const double f[N_FIELD], double out[12])
{
    const double i = f[LEAD_I], ii = f[LEAD_II];
    out[0] = i;
    out[1] = ii;
    out[2] = ii - i;
    out[3] = -(i + ii) / 2;
    out[4] = i - ii / 2;
    out[5] = ii - i / 2;
    for (int k = 0; k < 6; k++) out[6 + k] = f[LEAD_V1 + k];
}
