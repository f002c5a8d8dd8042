/** The permutation control: labels that belong to other patients. */
#ifndef SHN_DATA_PERMUTE_H
#define SHN_DATA_PERMUTE_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

/**
 * Hands the labels of every patient to another one, at random: rows of label and known [n][K] are moved, record j of a patient getting
 * record j (modulo their number) of the other. patient [n] < n_patients. What is left to learn, or to score, is chance.
 * Errors  SHN_NOMEM: nothing was moved
 */
SHN_NODISCARD shn_status shn_permute_labels(uint8_t *label, uint8_t *known, const uint32_t *patient, size_t n, size_t n_patients, size_t K,
                                            uint64_t seed, shn_error *err);

#endif
