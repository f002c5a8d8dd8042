/**
 * The number formats of stored weights, as one table: name, GGUF's id, how many values share a block, how many bytes that
 * block has. Formats that GGUF knows and Shinden does not expand are listed too, so that a refusal can name them.
 *
 *   F32, F16, BF16  one value; BF16 is the upper half of an F32
 *   Q8_0   f16 d, 32 int8                                  d q
 *   Q4_0   f16 d, 16 bytes                                 d (q - 8);   byte j holds elements j (low half) and j + 16
 *   Q4_1   f16 d, f16 m, 16 bytes                          d q + m
 *   Q5_0   f16 d, u32 fifth bits, 16 bytes                 d (q - 16);  bit j belongs to element j
 *   Q5_1   f16 d, f16 m, u32 fifth bits, 16 bytes          d q + m
 *   Q4_K   f16 d, f16 dmin, 12 bytes scales, 128 bytes     (d sc) q - (dmin m), eight groups of 32 with 6-bit sc and m
 *   Q5_K   f16 d, f16 dmin, 12 bytes scales, 32, 128 bytes the same with a fifth bit: bit g of byte j is element j of group g
 *   Q6_K   128 bytes low, 64 bytes high, 16 int8 sc, f16 d (d sc) (q - 32), sixteen groups of 16
 *
 * Source  ggml's ggml-common.h and ggml-quants.c for the layouts; the `gguf` package's quants.py for the order of operations.
 */
#ifndef SHN_TEXT_DEQUANT_H
#define SHN_TEXT_DEQUANT_H

#include <stddef.h>
#include <stdint.h>

#include "text/weights.h"

typedef struct shn_w_type_info {
    const char *name;
    uint32_t    id;             /**< as in GGUF */
    uint32_t    block_values, block_bytes;
    int         expands;        /**< 1: shn_dequant_rows knows it */
} shn_w_type_info;

/** Of a GGUF type id; NULL for an id that GGUF does not know. Static storage. */
const shn_w_type_info *shn_w_type_find(uint32_t id);

#endif
