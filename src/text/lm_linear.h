/**
 * A linear map of all rows, y = W x + b and what comes right after it, run by a team. A block of SHN_LM_BLOCK rows of W is
 * expanded to float32, packed once and used for all tiles of rows: one block per member is all that is ever expanded.
 */
#ifndef SHN_TEXT_LM_LINEAR_H
#define SHN_TEXT_LM_LINEAR_H

#include <stddef.h>

#include "base/threads.h"
#include "compute/product.h"
#include "text/weights.h"

#define SHN_LM_BLOCK 64         /* rows of W; part of the arithmetic's definition, not a tuning knob per run */

typedef enum shn_lm_then {
    SHN_LM_STORE,               /* y = W x + b */
    SHN_LM_ADD,                 /* y += W x + b */
    SHN_LM_ACTIVATE,            /* y = act(W x + b) */
    SHN_LM_GATE                 /* y = act(G x + g) * (W x + b) */
} shn_lm_then;

typedef struct shn_lm_linear {
    const shn_tensor_view *w, *gate;        /* [N][K]; gate for SHN_LM_GATE only */
    const float           *bias, *gate_bias;/* [N] or NULL */
    const float           *x;               /* [tiles * SHN_PRODUCT_ROWS][K] */
    float                 *y;               /* [tiles * SHN_PRODUCT_ROWS][N] */
    size_t                 tiles;
    shn_lm_then            then;
    shn_lm_activation      act;
} shn_lm_linear;

typedef struct shn_lm_products shn_lm_products;
/** Makes the products of every shape that may be asked for: K of a list, blocks and remainders of N. */
SHN_NODISCARD shn_status shn_lm_products_new(shn_team *team, shn_isa isa, shn_dtype dtype, size_t K_max, shn_lm_products **out, shn_error *err);
void   shn_lm_products_free(shn_lm_products *p);                                /* accepts NULL */
/** The shape of a matrix will be used: makes its primitives and enlarges the members' blocks. */
SHN_NODISCARD shn_status shn_lm_products_expect(shn_lm_products *p, const shn_tensor_view *w, shn_error *err);
size_t shn_lm_products_bytes(const shn_lm_products *p);
/** half: bf16 only, [tiles * SHN_PRODUCT_ROWS][K] scratch. */
SHN_NODISCARD shn_status shn_lm_linear_run(shn_lm_products *p, const shn_lm_linear *l, uint16_t *half, shn_error *err);

#endif
