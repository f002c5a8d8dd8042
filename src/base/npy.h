/**
 * NumPy's array file, version 1.0: magic "\x93NUMPY", bytes 1 0, u16le header length, a Python dict literal padded with
 * blanks and ended by '\n' so that the data begins at a multiple of 64, then the data, row-major, little-endian.
 *
 * Source  NEP 1, "A Simple File Format for NumPy Arrays"; numpy.lib.format.
 */
#ifndef SHN_BASE_NPY_H
#define SHN_BASE_NPY_H

#include <stddef.h>

#include "shinden/status.h"

#define SHN_NPY_RANK_MAX 8

/**
 * Writes an array of float32 ("<f4") by temporary name and rename.
 * @param[in] shape  [rank]; rank 0 is one number; an extent of 0 gives a file without data
 * Errors  SHN_RANGE (limit) rank over SHN_NPY_RANK_MAX or a product that overflows;  SHN_IO
 */
SHN_NODISCARD shn_status shn_npy_write(const char *path, const float *data, size_t rank, const size_t *shape, shn_error *err);

#endif
