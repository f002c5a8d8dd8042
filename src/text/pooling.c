#include "text/pooling.h"

#include <string.h>

static const char *const names[] = { "last", "mean", "mean-label", "cls" };

const char *shn_pooling_name(shn_pooling pooling)
{
    return pooling >= SHN_POOLING_LAST && pooling <= SHN_POOLING_CLS ? names[pooling] : "default";
}

int shn_pooling_from_name(const char *name)
{
    for (int i = SHN_POOLING_LAST; i <= SHN_POOLING_CLS; i++)
        if (strcmp(name, names[i]) == 0) return i;
    return -1;
}

/** Of n rows, in the order of row[]; NULL: as they lie. */
static void mean(const float *rows, const uint32_t *row, size_t n, size_t D, float *out)
{
    for (size_t d = 0; d < D; d++) {
        double sum = 0;
        for (size_t r = 0; r < n; r++) sum += (double)rows[(row ? row[r] : r) * D + d];
        out[d] = (float)(sum / (double)n);
    }
}

void shn_pool(shn_pooling kind, const float *states, const uint32_t *row, size_t P, size_t D, size_t first, size_t last, float *out)
{
    if (kind == SHN_POOLING_LAST) memcpy(out, states + row[P - 1] * D, D * sizeof *out);
    else if (kind == SHN_POOLING_CLS) memcpy(out, states + row[0] * D, D * sizeof *out);
    else if (kind == SHN_POOLING_MEAN) mean(states, row, P, D, out);
    else mean(states, row + first, last - first, D, out);
}

void shn_pool_centre(float *rows, size_t n, size_t D, float *centre)
{
    mean(rows, NULL, n, D, centre);
    for (size_t r = 0; r < n; r++)
        for (size_t d = 0; d < D; d++) rows[r * D + d] -= centre[d];
}
