/**
 * HDF5 as Shinden needs it: a file whose data sets are all contiguous and of fixed size, laid out in one go and then
 * filled and read through plain file offsets. So rows are written in place by any thread, a kill never meets half-written HDF5
 * metadata, and a reader maps what it wants. hdf5.h appears in h5.c only.
 */
#ifndef SHN_BASE_H5_H
#define SHN_BASE_H5_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

#define SHN_H5_RANK_MAX 3

/** Little-endian numbers; TEXT is UTF-8, NUL-terminated inside a fixed number of bytes. */
typedef enum shn_h5_type { SHN_H5_U8, SHN_H5_I16, SHN_H5_I32, SHN_H5_U32, SHN_H5_F32, SHN_H5_TEXT } shn_h5_type;

typedef struct shn_h5_field {
    const char *name;
    shn_h5_type type;
    size_t      rank, shape[SHN_H5_RANK_MAX];
    size_t      text_bytes;                     /**< bytes of one TEXT element, terminator included */
    uint64_t    offset;                         /**< byte offset of the first element in the file */
    int         optional;                       /**< 1: a file may lack it; its shape and offset then stay 0 */
} shn_h5_field;

typedef struct shn_h5_attribute {
    const char        *name;
    const char        *text;                    /**< one UTF-8 string, or NULL */
    const char *const *texts;                   /**< n_texts strings, or NULL */
    size_t             n_texts;
    double             number;                  /**< used when both are NULL */
    const char        *field;                   /**< data set that carries it; NULL: the root group */
} shn_h5_attribute;

/** Bytes of one element. */
size_t shn_h5_element_bytes(const shn_h5_field *field);
/** Bytes of the whole field; 0 when the product overflows or a side is 0. */
size_t shn_h5_field_bytes(const shn_h5_field *field);

/**
 * Makes (or overwrites) a file with these data sets, space allocated and not yet written (zeros), and attributes.
 * @param[in,out] fields  offsets are filled in
 * Errors  SHN_RANGE a size is 0 or overflows; SHN_IO the file cannot be made (reason by errno); SHN_FORMAT HDF5 refused, in its words
 */
SHN_NODISCARD shn_status shn_h5_create(const char *path, shn_h5_field *fields, size_t n_fields,
                                       const shn_h5_attribute *attributes, size_t n_attributes, shn_error *err);

/** Root attributes as text: strings as they are, lists joined by ',', numbers in shortest form. */
typedef struct shn_h5_texts { char **names, **values; size_t n; } shn_h5_texts;
void shn_h5_texts_free(shn_h5_texts *texts);

/**
 * Finds data sets by name and proves that each can be read by offset: type and rank as asked, contiguous, no filters,
 * aligned for its type, wholly inside the file.
 * @param[in,out] fields  name, type, rank given; shape, text_bytes, offset are filled in
 * @param[out] attributes release with shn_h5_texts_free; zeroed on failure
 * Errors  SHN_IO; SHN_FORMAT not HDF5, truncated, or a field is missing or of another kind (named); SHN_NOMEM
 */
SHN_NODISCARD shn_status shn_h5_layout(const char *path, shn_h5_field *fields, size_t n_fields, shn_h5_texts *attributes,
                                       shn_error *err);

/**
 * Numbers of a data set in any layout (chunked, compressed), for files that others made: libhdf5 decodes them, within these limits.
 * shn_h5_shape: sides of a numeric data set of this rank. shn_h5_slab: count[] elements from start[] on, converted to F32 or I32/U32/I16/U8 of `type`.
 * @param out  [product of count] elements, owned by the caller
 * Errors  SHN_IO; SHN_FORMAT not HDF5, no such data set, another rank, no numbers, or libhdf5 refuses (in its words); SHN_RANGE beyond the sides
 */
SHN_NODISCARD shn_status shn_h5_shape(const char *path, const char *name, size_t rank, size_t *shape, shn_error *err);
SHN_NODISCARD shn_status shn_h5_slab(const char *path, const char *name, size_t rank, const size_t *start, const size_t *count, shn_h5_type type, void *out,
                                     shn_error *err);
/** One row of a vector of whole numbers, such as a list of ids. */
SHN_NODISCARD shn_status shn_h5_integer(const char *path, const char *name, size_t row, int64_t *out, shn_error *err);

#endif
