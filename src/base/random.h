/**
 * Random numbers with no hidden state. A stream is named by numbers (seed, purpose, epoch, record ...), so any part of
 * a run can be computed alone, in any order and by any thread, and a resumed run needs no generator state.
 * Generator: SplitMix64 (Steele, Lea, Flood 2014) started from a hash of the names.
 */
#ifndef SHN_BASE_RANDOM_H
#define SHN_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct shn_rng { uint64_t state; double spare; int has_spare; } shn_rng;

/** A stream that depends on all four numbers. */
shn_rng  shn_rng_stream(uint64_t seed, uint64_t purpose, uint64_t a, uint64_t b);
uint64_t shn_rng_u64(shn_rng *r);
/** Uniform in [0, 1), 53 bits. */
double   shn_rng_uniform(shn_rng *r);
/** Uniform in 0..n-1 without modulo bias; n > 0. */
uint64_t shn_rng_below(shn_rng *r, uint64_t n);
/** Standard normal (polar method). */
double   shn_rng_normal(shn_rng *r);
/** Fisher-Yates over n indices. */
void     shn_rng_shuffle(shn_rng *r, uint32_t *items, size_t n);

#endif
