/** What a killed `text encode` left behind, over arbitrary bytes: a place inside the run, finite floats, or a refusal. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "text/encode.h"

enum { TEXTS = 4, D = 2, ROWS = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char key[65] = "k";
    float             vectors[TEXTS * D] = { 0 }, x[ROWS * D] = { 0 };
    shn_encode_state  s;
    if (shn_encode_state_parse(data, size, "partial", key, TEXTS, &s, NULL) != SHN_OK) {
        if (s.first || s.last || s.layers) __builtin_trap();
        return 0;
    }
    if (s.first > s.last || s.last > TEXTS) __builtin_trap();
    if (shn_encode_state_take(data, size, "partial", &s, vectors, x, ROWS, D, NULL) != SHN_OK) return 0;
    for (size_t i = 0; i < s.first * D; i++)
        if (!isfinite(vectors[i])) __builtin_trap();
    for (size_t i = 0; s.layers && i < ROWS * D; i++)
        if (!isfinite(x[i])) __builtin_trap();
    return 0;
}
