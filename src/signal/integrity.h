/** Parts of the integrity check that the signal path uses alone, because import runs them on every record. */
#ifndef SHN_SIGNAL_INTEGRITY_H
#define SHN_SIGNAL_INTEGRITY_H

#include "shinden/signal.h"

/** As shn_integrity_check; scratch [n_samples] or NULL: then noise, the slow part, is left NaN. */
void shn_integrity_examine(const shn_record *rec, float *scratch, shn_integrity *out);
/**
 * 1 if aVL and aVF obey Goldberger's identities only under each other's names, and III and aVR, where they are there, obey theirs: I and II exchanged
 * look the same to aVL and aVF, but not to these two. limb: I II III aVR aVL aVF, [n] each in mV, NULL where missing.
 */
int shn_integrity_swapped(const float *const limb[6], size_t n);

#endif
