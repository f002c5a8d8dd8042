/**
 * safetensors: u64le header length, JSON header {name: {dtype, shape, data_offsets}, "__metadata__": {string: string}},
 * then the data, row-major, offsets relative to its start. Treated as hostile: header limited, ranges inside the file,
 * duplicate names refused.
 */
#ifndef SHN_BASE_SAFETENSORS_H
#define SHN_BASE_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_SAFETENSORS_HEADER_MAX ((size_t)64 << 20)
#define SHN_SAFETENSORS_RANK_MAX   8
#define SHN_SAFETENSORS_COUNT_MAX  100000

typedef struct shn_safetensors shn_safetensors;     /* an opened view; borrows the caller's bytes */
typedef struct shn_st_tensor {
    const char    *name;                            /* borrowed from the view */
    char           dtype[8];                        /* "F32" "F16" "BF16" "F64" "U8" "I8" "I16" "U16" "I32" "U32" "I64" "U64" "BOOL" */
    size_t         rank, shape[SHN_SAFETENSORS_RANK_MAX];
    const uint8_t *data;                            /* borrowed from the caller's bytes; NULL if empty */
    size_t         n_bytes, n_elements;
} shn_st_tensor;

/** Parses; bytes must outlive the view. Errors SHN_FORMAT (bad_header, truncated), SHN_RANGE (limit), SHN_NOMEM. */
SHN_NODISCARD shn_status shn_safetensors_open(const uint8_t *bytes, size_t n_bytes, shn_safetensors **out, shn_error *err);
void        shn_safetensors_close(shn_safetensors *st);             /* accepts NULL */
size_t      shn_safetensors_count(const shn_safetensors *st);
const shn_st_tensor *shn_safetensors_at(const shn_safetensors *st, size_t i);
const shn_st_tensor *shn_safetensors_find(const shn_safetensors *st, const char *name);     /* NULL: none */
const char *shn_safetensors_metadata(const shn_safetensors *st, const char *key);           /* NULL: none */
/** Copies an F32 tensor of exactly n elements to out. SHN_MISMATCH names the tensor otherwise. */
SHN_NODISCARD shn_status shn_safetensors_floats(const shn_safetensors *st, const char *name, size_t n, float *out, shn_error *err);

/** A file to be written: add everything (data is borrowed until the write), then write once. */
typedef struct shn_st_writer shn_st_writer;
SHN_NODISCARD shn_status shn_st_writer_new(shn_st_writer **out, shn_error *err);
void shn_st_writer_free(shn_st_writer *w);
SHN_NODISCARD shn_status shn_st_writer_tensor(shn_st_writer *w, const char *name, const char *dtype, size_t rank,
                                              const size_t *shape, const void *data, shn_error *err);
SHN_NODISCARD shn_status shn_st_writer_metadata(shn_st_writer *w, const char *key, const char *value, shn_error *err);
SHN_NODISCARD shn_status shn_st_writer_commit(shn_st_writer *w, const char *path, shn_error *err);

#endif
