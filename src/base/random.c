#include "base/random.h"

#include <math.h>

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

shn_rng shn_rng_stream(uint64_t seed, uint64_t purpose, uint64_t a, uint64_t b)
{
    uint64_t s = mix(seed + 0x9e3779b97f4a7c15u);
    s = mix(s ^ (purpose + 0x9e3779b97f4a7c15u * 2));
    s = mix(s ^ (a + 0x9e3779b97f4a7c15u * 3));
    s = mix(s ^ (b + 0x9e3779b97f4a7c15u * 4));
    return (shn_rng){ .state = s };
}

uint64_t shn_rng_u64(shn_rng *r) { return mix(r->state += 0x9e3779b97f4a7c15u); }

double shn_rng_uniform(shn_rng *r) { return (double)(shn_rng_u64(r) >> 11) * 0x1p-53; }

uint64_t shn_rng_below(shn_rng *r, uint64_t n)
{
    const uint64_t threshold = -n % n;          /* 2^64 mod n: values below it would be drawn once too often */
    for (;;) {
        const uint64_t x = shn_rng_u64(r);
        if (x >= threshold) return x % n;
    }
}

double shn_rng_normal(shn_rng *r)
{
    if (r->has_spare) {
        r->has_spare = 0;
        return r->spare;
    }
    for (;;) {
        const double u = 2 * shn_rng_uniform(r) - 1, v = 2 * shn_rng_uniform(r) - 1, s = u * u + v * v;
        if (s >= 1 || s == 0) continue;
        const double f = sqrt(-2 * log(s) / s);
        r->spare = v * f;
        r->has_spare = 1;
        return u * f;
    }
}

void shn_rng_shuffle(shn_rng *r, uint32_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t   j = (size_t)shn_rng_below(r, i);
        const uint32_t t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
