#include "formats/matlab/matlab.h"

#include <math.h>
#include <matio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "shinden/signal.h"

/* libmatio writes its complaints to a function of the whole process, and reads v7.3 through libhdf5: one file at a time */
static pthread_mutex_t matio_lock = PTHREAD_MUTEX_INITIALIZER;

static void swallow(int level, char *message)
{
    (void)level;
    (void)message;
}

/** v5 and v7.3 begin with words; v4 with a header of five small numbers whose type is M*1000 + O*100 + P*10 + T. */
static int recognises(const uint8_t *bytes, size_t n_bytes)
{
    if (n_bytes >= 128 && (memcmp(bytes, "MATLAB 5.0 MAT", 14) == 0 || memcmp(bytes, "MATLAB 7.3 MAT", 14) == 0)) return 1;
    if (n_bytes < 24) return 0;
    const uint32_t type = read_u32le(bytes), rows = read_u32le(bytes + 4), columns = read_u32le(bytes + 8), imaginary = read_u32le(bytes + 12), name = read_u32le(bytes + 16);
    return type <= 51 && type % 10 <= 1 && type / 10 % 10 <= 5 && rows > 0 && columns > 0 && imaginary <= 1 && name >= 2 && name <= 64 && n_bytes >= 20 + (size_t)name &&
           bytes[20 + name - 1] == 0 && memchr(bytes + 20, 0, name) == bytes + 20 + name - 1;
}

/** A matrix of numbers as floats, [rows][columns]; MATLAB keeps columns together. */
typedef struct matrix { size_t rows, columns; float *x; } matrix;

static double element(const matvar_t *v, size_t i)
{
    switch (v->data_type) {
    case MAT_T_DOUBLE: return ((const double *)v->data)[i];
    case MAT_T_SINGLE: return (double)((const float *)v->data)[i];
    case MAT_T_INT8:   return ((const mat_int8_t *)v->data)[i];
    case MAT_T_UINT8:  return ((const mat_uint8_t *)v->data)[i];
    case MAT_T_INT16:  return ((const mat_int16_t *)v->data)[i];
    case MAT_T_UINT16: return ((const mat_uint16_t *)v->data)[i];
    case MAT_T_INT32:  return ((const mat_int32_t *)v->data)[i];
    case MAT_T_UINT32: return ((const mat_uint32_t *)v->data)[i];
    case MAT_T_INT64:  return (double)((const mat_int64_t *)v->data)[i];
    case MAT_T_UINT64: return (double)((const mat_uint64_t *)v->data)[i];
    default:           return NAN;
    }
}

static int is_matrix(const matvar_t *v)
{
    return v && v->rank == 2 && v->dims && !v->isComplex && v->class_type >= MAT_C_DOUBLE && v->class_type <= MAT_C_UINT64 && v->data;
}

static shn_status take_matrix(const matvar_t *v, const char *name, matrix *out, shn_error *err)
{
    if (!is_matrix(v)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "matlab", "'%s' is no matrix of numbers", name);
    const size_t rows = v->dims[0], columns = v->dims[1];
    size_t       n;
    if (rows == 0 || columns == 0 || __builtin_mul_overflow(rows, columns, &n) || n > SHN_MATLAB_SAMPLES_MAX || v->nbytes / (size_t)v->data_size < n)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "matlab", "'%s' has %zu x %zu numbers; 1 to %zu in all", name, rows, columns, SHN_MATLAB_SAMPLES_MAX);
    *out = (matrix){ rows, columns, shn_alloc(n, sizeof(float)) };
    if (!out->x) return shn_fail_nomem(err, "matlab");
    for (size_t c = 0; c < columns; c++)
        for (size_t r = 0; r < rows; r++) out->x[r * columns + c] = (float)element(v, c * rows + r);
    return SHN_OK;
}

/** Twelve rows become a record with the standard order; more columns than rows is what all these collections have. */
static shn_status make_record(const matrix *m, const char *name, double fs, shn_unit_origin unit, const char *variant, shn_record **out, shn_error *err)
{
    if (m->rows != SHN_LEADS)
        return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "matlab", "'%s' has %zu rows, needs one for each of the %d leads", name, m->rows, SHN_LEADS);
    const shn_status st = shn_record_new(SHN_LEADS, m->columns, fs, out, err);
    if (st != SHN_OK) return st;
    for (size_t l = 0; l < SHN_LEADS; l++) {
        shn_record_set_name(*out, l, shn_lead_name(l));
        shn_record_set_unit(*out, l, unit);
        memcpy(shn_record_lead_mut(*out, l), m->x + l * m->columns, m->columns * sizeof(float));
    }
    snprintf(shn_record_meta_mut(*out)->format, sizeof(shn_record_meta){ 0 }.format, "matlab %s", variant);
    return SHN_OK;
}

/** Text of a char array, one byte a character; other characters become '?'. */
static void take_text(const matvar_t *v, char *out, size_t size)
{
    size_t n = 0;
    *out = '\0';
    if (!v || v->class_type != MAT_C_CHAR || !v->data || v->data_size <= 0) return;
    for (size_t i = 0; i < v->nbytes / (size_t)v->data_size && n + 1 < size; i++) {
        unsigned c = 0;
        if (v->data_size == 1) c = ((const uint8_t *)v->data)[i];
        else if (v->data_size == 2) c = ((const mat_uint16_t *)v->data)[i];
        out[n++] = c >= 32 && c < 127 ? (char)c : '?';
    }
    out[n] = '\0';
}

static shn_status read_cpsc(matvar_t *ecg, shn_record **out, shn_error *err)
{
    matrix m = { 0 };
    char   sex[16];
    shn_status st = take_matrix(Mat_VarGetStructFieldByName(ecg, "data", 0), "ECG.data", &m, err);
    if (st == SHN_OK) st = make_record(&m, "ECG.data", 500, SHN_UNIT_DEFAULT, "CPSC 2018", out, err);
    free(m.x);
    if (st != SHN_OK) return st;
    shn_record_meta *meta = shn_record_meta_mut(*out);
    take_text(Mat_VarGetStructFieldByName(ecg, "sex", 0), sex, sizeof sex);
    meta->sex = *sex == 'M' || *sex == 'm' ? 'M' : *sex == 'F' || *sex == 'f' ? 'F' : 0;
    const matvar_t *age = Mat_VarGetStructFieldByName(ecg, "age", 0);
    if (is_matrix(age) && age->nbytes >= (size_t)age->data_size && age->data_size > 0) {
        const double years = element(age, 0);
        if (years >= 0 && years <= 130) meta->age_years = years;
    }
    return SHN_OK;
}

static shn_status read_feats(mat_t *file, const matvar_t *feats, shn_record **out, shn_error *err)
{
    matrix    m = { 0 };
    matvar_t *rate = Mat_VarRead(file, "curr_sample_rate");
    const double fs = is_matrix(rate) && rate->data_size > 0 && rate->nbytes >= (size_t)rate->data_size ? element(rate, 0) : NAN;
    Mat_VarFree(rate);
    if (!(fs > 0)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "matlab", "'feats' without a 'curr_sample_rate'");
    shn_status st = take_matrix(feats, "feats", &m, err);
    if (st == SHN_OK) st = make_record(&m, "feats", fs, SHN_UNIT_UNKNOWN, "feats", out, err);
    free(m.x);
    return st;
}

static shn_status read_open(mat_t *file, shn_record **out, shn_error *err)
{
    matvar_t  *ecg = Mat_VarRead(file, "ECG"), *feats = Mat_VarRead(file, "feats"), *val = Mat_VarReadInfo(file, "val");
    shn_status st;
    if (ecg && ecg->class_type == MAT_C_STRUCT) st = read_cpsc(ecg, out, err);
    else if (feats) st = read_feats(file, feats, out, err);
    else if (val)
        st = shn_fail(err, SHN_FORMAT, SHN_REASON_COMPANION, "matlab", "'val' alone has neither rate nor unit; put its WFDB header (.hea) beside it and name that");
    else st = shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "matlab", "no variable 'ECG', 'feats' or 'val'; docs/formats.md says which MATLAB layouts are read");
    Mat_VarFree(ecg);
    Mat_VarFree(feats);
    Mat_VarFree(val);
    return st;
}

static int is_v5(const uint8_t *bytes, size_t n) { return n >= 128 && memcmp(bytes, "MATLAB 5.0 MAT", 14) == 0; }
static int is_v73(const uint8_t *bytes, size_t n) { return n >= 128 && memcmp(bytes, "MATLAB 7.3 MAT", 14) == 0; }

/** Bytes of a v4 variable from its header of five numbers on; 0 where they make no sense. */
static size_t v4_bytes(const uint8_t *p)
{
    static const size_t size[6] = { 8, 4, 4, 2, 2, 1 };
    const uint32_t type = read_u32le(p), rows = read_u32le(p + 4), columns = read_u32le(p + 8), name = read_u32le(p + 16);
    size_t total;
    if (type > 51 || type / 10 % 10 > 5 || __builtin_mul_overflow((size_t)rows, columns, &total) || __builtin_mul_overflow(total, size[type / 10 % 10], &total) ||
        (read_u32le(p + 12) && __builtin_mul_overflow(total, 2, &total)) || __builtin_add_overflow(total, 20 + (size_t)name, &total))
        return 0;
    return total;
}

/** v7.3 is HDF5 behind 512 bytes. Where its superblock says that the file ends, in bytes from the file's start; 0: no superblock that says so. */
static uint64_t v73_end(const uint8_t *bytes, size_t n)
{
    enum { BLOCK = 512, OLD_END = 40, OLD_SIZES = 13, NEW_END = 28, NEW_SIZES = 9 };
    if (n < BLOCK + OLD_END + 12 || memcmp(bytes + BLOCK, "\x89HDF\r\n\x1a\n", 8) != 0) return 0;
    const uint8_t *p = bytes + BLOCK;
    const int      version = p[8];
    if (version > 3 || p[version < 2 ? OLD_SIZES : NEW_SIZES] != 8) return 0;
    const uint8_t *end = p + (version >= 2 ? NEW_END : version == 1 ? OLD_END + 4 : OLD_END);
    return (uint64_t)read_u32le(end + 4) << 32 | read_u32le(end);
}

shn_status shn_matlab_complete(const uint8_t *bytes, size_t n, shn_error *err)
{
    size_t at = is_v5(bytes, n) ? 128 : 0;
    if (is_v73(bytes, n)) {
        const uint64_t end = v73_end(bytes, n);
        if (end == 0) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "matlab", "v7.3 without an HDF5 superblock at byte 512; copy the file again");
        if (end > n)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "matlab", "%zu bytes of %llu; copy the file again", n, (unsigned long long)end);
        return SHN_OK;
    }
    const int big_endian = is_v5(bytes, n) && bytes[126] == 'M';
    while (at < n) {
        size_t length = 0;
        if (is_v5(bytes, n)) {
            if (n - at >= 8) length = 8 + (size_t)(big_endian ? read_u32be(bytes + at + 4) : read_u32le(bytes + at + 4));
        } else if (n - at >= 20) length = v4_bytes(bytes + at);
        if (length == 0 || length > n - at)
            return shn_fail(err, SHN_FORMAT, SHN_REASON_TRUNCATED, "matlab", "a variable at byte %zu is cut off; copy the file again", at);
        at += length;
    }
    return SHN_OK;
}

static shn_status read_record(const shn_input *in, shn_record **out, shn_error *err)
{
    *out = NULL;
    if (!in->path) return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, "matlab", "MATLAB files are read from a file, not from memory");
    if (in->n_bytes > SHN_MATLAB_FILE_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "matlab", "%zu bytes, at most %zu are given to libmatio", in->n_bytes, SHN_MATLAB_FILE_MAX);
    shn_status st = shn_matlab_complete(in->bytes, in->n_bytes, err);
    if (st != SHN_OK) return st;
    pthread_mutex_lock(&matio_lock);
    Mat_LogInitFunc("shinden", swallow);
    mat_t     *file = Mat_Open(in->path, MAT_ACC_RDONLY);
    st = file ? read_open(file, out, err) : shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "matlab", "libmatio cannot open it; the file may be cut off");
    if (file) Mat_Close(file);
    pthread_mutex_unlock(&matio_lock);
    if (st == SHN_OK) st = shn_input_cut(in, out, err);
    if (st != SHN_OK) {
        shn_record_free(*out);
        *out = NULL;
    }
    return st;
}

const shn_reader shn_reader_matlab = { .name = "matlab", .title = "MATLAB", .recognises = recognises, .read = read_record };
