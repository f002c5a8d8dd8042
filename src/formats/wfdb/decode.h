/** WFDB signal payloads: packed samples to integers. */
#ifndef SHN_FORMATS_WFDB_DECODE_H
#define SHN_FORMATS_WFDB_DECODE_H

#include <stddef.h>
#include <stdint.h>

/** 1 if the format is one of 8 16 24 32 61 80 160 212 310 311, or FLAC's 508 516 524. */
int wfdb_format_known(int format);
int wfdb_format_is_flac(int format);
/** Bits of the stored integers; of format 8, whose differences add up, 16. 0: the format is not known. */
int wfdb_format_bits(int format);
/** Bytes that n consecutive samples take in a file. n at most 2^40. */
uint64_t wfdb_format_bytes(int format, uint64_t n_samples);
/** Largest number of samples that n_bytes hold; not for FLAC. */
uint64_t wfdb_format_samples(int format, uint64_t n_bytes);
/** The value that means "no sample"; INT32_MIN for formats without one (8) as for 32. */
int32_t wfdb_format_invalid(int format);
/**
 * Samples first .. first + n - 1 of a payload. For format 8 these are differences.
 * bytes must hold wfdb_format_bytes(format, first + n) bytes.
 */
void wfdb_unpack(int format, const uint8_t *bytes, uint64_t first, size_t n, int32_t *out);

#endif
