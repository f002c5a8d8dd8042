/**
 * ECGs as NumPy arrays. The array has numbers and a shape, nothing else; what they mean is stated beside it, in NAME.npy.json:
 *
 *     { "fs_hz": 500,                          required; > 0, at most 1e6
 *       "leads": ["I", "II", ...],             required; as many as the axis of leads is long
 *       "unit": "mV",                          mV uV nV V adu, or "unknown", as in CSV (formats/csv/csv.h); not said: unknown
 *       "gain_adu_per_mv": 1000,               for unit adu: one number or one for each lead; without it the unit is unknown
 *       "baseline_adu": 0,                     likewise; 0
 *       "order": "leads_samples",              or "samples_leads"; may be left out where only one axis is as long as there are leads
 *       "gap": -32768,                         the number that means "no sample", beside NaN; none if not said
 *       "id": "", "patient": "", "acquired": "", "age": 60, "sex": "F", "device": ""   as known; of arrays with one record only }
 *
 *   array   magic "\x93NUMPY", u8 major, u8 minor, header length (u16le in version 1, u32le in 2 and 3), a Python dict literal with 'descr',
 *           'fortran_order' and 'shape', then the numbers. Read: two axes (one record) or three (records first), f4 f8 i2 i4 of either byte
 *           order, both storage orders. Structured and object arrays are refused (the latter hold pickled Python).
 *
 * Without the side-car nothing says which numbers these are, and the file is refused with a hint.
 * Source  NEP 1, "A Simple File Format for NumPy Arrays"; numpy.lib.format. The side-car is this project's own.
 */
#ifndef SHN_FORMATS_NPY_NPY_H
#define SHN_FORMATS_NPY_NPY_H

#include "formats/reader.h"

#define SHN_NPY_HEADER_MAX   ((size_t)1 << 16)
#define SHN_NPY_SIDECAR_MAX  ((size_t)1 << 20)
#define SHN_NPY_RECORDS_MAX  ((size_t)50000000)

extern const shn_reader shn_reader_npy;

typedef struct npy_array {
    char   kind;                    /* 'f' or 'i' */
    int    item_bytes;              /* 2, 4, 8 */
    int    big_endian, fortran;
    size_t rank, shape[3];          /* rank 2 or 3 */
    size_t data;                    /* byte where the numbers begin; all of them are there */
    size_t extra_bytes;             /* behind them */
} npy_array;

/** Reads the header and checks that the numbers are there. Errors  SHN_FORMAT (bad_header, truncated), SHN_UNSUPPORTED, SHN_RANGE (limit) */
shn_status npy_array_parse(const uint8_t *bytes, size_t n_bytes, npy_array *out, shn_error *err);
/** Number i of the array's data, in storage order. */
double npy_array_at(const npy_array *a, const uint8_t *data, size_t i);

#endif
