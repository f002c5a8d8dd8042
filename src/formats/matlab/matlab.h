/**
 * MATLAB files (v4, v5, v7.3) as ECG collections use them; libmatio reads them from their path, within the limits below.
 *
 *   ECG.data [12][n], ECG.sex, ECG.age     CPSC 2018: 500 Hz, mV, leads I II III aVR aVL aVF V1-V6 (the challenge's description; nothing of it in the file)
 *   feats [12][n], curr_sample_rate        ECG-FM's exams: a rate, no unit (no_unit), leads in standard order
 *   val [leads][n]                         WFDB's MATLAB signals without their header: neither rate nor unit, refused with a hint to the .hea
 *
 * Source  CPSC 2018 data description; the files themselves; compared with scipy.io.
 */
#ifndef SHN_FORMATS_MATLAB_MATLAB_H
#define SHN_FORMATS_MATLAB_MATLAB_H

#include "formats/reader.h"

#define SHN_MATLAB_FILE_MAX    ((size_t)256 << 20)  /* bytes handed to libmatio */
#define SHN_MATLAB_SAMPLES_MAX ((size_t)1 << 26)    /* of one matrix */

extern const shn_reader shn_reader_matlab;

/**
 * Whether the variables' lengths lie inside the file (v7.3: whether the file is as long as its superblock says): libmatio fills what is cut off
 * with zeros, or does not find it, and says nothing. Errors  SHN_FORMAT (truncated), with the byte where the variable begins; bad_header
 */
SHN_NODISCARD shn_status shn_matlab_complete(const uint8_t *bytes, size_t n_bytes, shn_error *err);

#endif
