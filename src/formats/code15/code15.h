/**
 * HDF5 in the layout of CODE-15: many exams in a file.
 *
 *   tracings  [N][T][12] numbers, leads I II III aVR aVL aVF V1-V6, mV, 400 Hz (T 4096)
 *   exam_id   [N] whole numbers
 *
 * Exams shorter than T stand in the middle with zeros on both sides; the last row of a part may be all zero. Rate, unit and lead order are the
 * layout's (not in the file): mV agrees with the WFDB copies of the same exams to the last digit.
 * Source  Ribeiro et al., CODE-15% (Zenodo 4916206), description of the files; compared with h5py.
 */
#ifndef SHN_FORMATS_CODE15_CODE15_H
#define SHN_FORMATS_CODE15_CODE15_H

#include "formats/reader.h"

#define SHN_CODE15_FS_HZ     400.0
#define SHN_CODE15_ROWS_MAX  ((size_t)1 << 24)      /* exams of one file */
#define SHN_CODE15_T_MAX     ((size_t)1 << 20)      /* samples of one exam */

extern const shn_reader shn_reader_code15;

#endif
