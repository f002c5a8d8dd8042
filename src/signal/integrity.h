/** Parts of the integrity check that the signal path uses alone, because import runs them on every record. */
#ifndef SHN_SIGNAL_INTEGRITY_H
#define SHN_SIGNAL_INTEGRITY_H

#include "shinden/signal.h"

/** As shn_integrity_check; scratch [n_samples] or NULL: then noise, the slow part, is left NaN. */
void shn_integrity_examine(const shn_record *rec, float *scratch, shn_integrity *out);
/** 1 if aVL and aVF obey Goldberger's identities only under each other's names. [n] each, mV. */
int shn_integrity_swapped(const float *i, const float *ii, const float *avl, const float *avf, size_t n);

#endif
