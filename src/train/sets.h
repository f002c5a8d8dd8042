/** The distinct label sets of the training records: what the marginal read-out sums over, and the texts of the joined rule. */
#ifndef SHN_TRAIN_SETS_H
#define SHN_TRAIN_SETS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

typedef struct shn_sets {
    size_t    K, n;
    uint32_t *count;                /* [n] records with the set */
    uint8_t  *label, *known;        /* [n][K]; label is 0 where known is 0 */
    uint32_t *of_record;            /* [n_records] */
} shn_sets;

/** Sets in the order in which records meet them. label, known [n_records][K]. Errors SHN_NOMEM. */
SHN_NODISCARD shn_status shn_sets_new(const uint8_t *label, const uint8_t *known, size_t n_records, size_t K, shn_sets *out, shn_error *err);
void shn_sets_free(shn_sets *sets);

#endif
