/** The compiled-in vectors of multilingual-e5-small: models/e5-small-*.safetensors as they are, in the program's read-only data. */
#ifndef SHN_TEXT_VECTORS_E5_H
#define SHN_TEXT_VECTORS_E5_H

#include <stddef.h>
#include <stdint.h>

enum { SHN_VECTORS_E5_FILES = 3 };          /* names, names with criteria, codes */
/** Borrowed, for the life of the program. i < SHN_VECTORS_E5_FILES. */
const uint8_t *shn_vectors_e5(size_t i, size_t *n_bytes);

#endif
