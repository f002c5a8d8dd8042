/** A model folder's JSON over arbitrary bytes: config.json and the index of shards. What is accepted keeps its promises. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/st_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_lm_config c;
    shn_st_index  x;
    float        *divisor = NULL;
    if (shn_st_config_parse(data, size, &c, &divisor, NULL) == SHN_OK) {
        if (c.n_layers < 1 || c.n_layers > SHN_LM_LAYERS_MAX || c.width < 1 || c.width > SHN_LM_WIDTH_MAX || c.n_kv_heads < 1 || c.n_heads % c.n_kv_heads != 0) __builtin_trap();
        for (size_t i = 0; divisor && i < c.head_size / 2; i++)
            if (!(divisor[i] >= 1.0f && isfinite(divisor[i]))) __builtin_trap();
    } else if (divisor) __builtin_trap();
    free(divisor);

    if (shn_st_index_parse(data, size, &x, NULL) == SHN_OK) {
        for (size_t i = 0; i < x.n_tensors; i++)
            if (x.file_of[i] >= x.n_files || strchr(x.files[x.file_of[i]], '/')) __builtin_trap();
    } else if (x.n_files || x.tensors) __builtin_trap();
    shn_st_index_free(&x);
    return 0;
}
