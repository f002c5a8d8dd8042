#include "data/permute.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/random.h"

enum { PURPOSE_PERMUTE = 0x7065726d };      /* "perm" */

shn_status shn_permute_labels(uint8_t *label, uint8_t *known, const uint32_t *patient, size_t n, size_t n_patients, size_t K,
                              uint64_t seed, shn_error *err)
{
    uint8_t  *old = shn_alloc(2 * n, K);
    uint32_t *giver = shn_alloc(n_patients, sizeof *giver), *first = shn_alloc(n_patients + 1, sizeof *first);
    uint32_t *member = shn_alloc(n, sizeof *member), *seen = shn_alloc(n_patients, sizeof *seen);
    const int enough = old && giver && first && member && seen;
    if (enough) {
        shn_rng rng = shn_rng_stream(seed, PURPOSE_PERMUTE, 0, 0);
        memcpy(old, label, n * K);
        memcpy(old + n * K, known, n * K);
        for (size_t p = 0; p < n_patients; p++) giver[p] = (uint32_t)p;
        shn_rng_shuffle(&rng, giver, n_patients);
        for (size_t i = 0; i < n; i++) first[patient[i] + 1]++;
        for (size_t p = 0; p < n_patients; p++) first[p + 1] += first[p];
        for (size_t i = 0; i < n; i++) member[first[patient[i]] + seen[patient[i]]++] = (uint32_t)i;
        memset(seen, 0, n_patients * sizeof *seen);
        for (size_t i = 0; i < n; i++) {
            const uint32_t q = giver[patient[i]], from = member[first[q] + seen[patient[i]]++ % (first[q + 1] - first[q])];
            memcpy(label + i * K, old + from * K, K);
            memcpy(known + i * K, old + (n + from) * K, K);
        }
    }
    free(old);
    free(giver);
    free(first);
    free(member);
    free(seen);
    return enough ? SHN_OK : shn_fail_nomem(err, "data.permute");
}
