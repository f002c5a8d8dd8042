#include "base/alloc.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 1 << 21, HUGE_FROM = 8 * HUGE_PAGE };

static atomic_long fail_countdown;      /* 0: off; n: the n-th call fails; below 0: failing */

void shn_alloc_fail_after(long n) { atomic_store(&fail_countdown, n); }

static int told_to_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) == 0) return 0;
    const long left = atomic_fetch_sub(&fail_countdown, 1) - 1;
    if (left == 0) atomic_store(&fail_countdown, -1);       /* 0 would switch the countdown off */
    return left <= 0;
}

void *shn_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (told_to_fail()) return NULL;
    if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *shn_alloc_aligned(size_t count, size_t size)
{
    size_t bytes;
    if (told_to_fail()) return NULL;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - HUGE_PAGE) return NULL;
    bytes = bytes ? (bytes + 63) / 64 * 64 : 64;
    const size_t unit = bytes >= HUGE_FROM ? HUGE_PAGE : 64, whole = (bytes + unit - 1) / unit * unit;
    void *p = aligned_alloc(unit, whole);
    if (!p) return NULL;
    if (unit == HUGE_PAGE) (void)madvise(p, whole, MADV_HUGEPAGE);     /* a hint: weights and activations stream through thousands of small pages */
    memset(p, 0, bytes);
    return p;
}

int shn_grow(void *array_ptr, size_t *capacity, size_t need, size_t size)
{
    void *old;
    if (need <= *capacity) return 0;
    size_t larger = *capacity ? *capacity : 16;
    while (larger < need)
        if (__builtin_mul_overflow(larger, (size_t)2, &larger)) return -1;
    size_t bytes;
    if (__builtin_mul_overflow(larger, size, &bytes) || told_to_fail()) return -1;
    memcpy(&old, array_ptr, sizeof old);
    char *grown = realloc(old, bytes);
    if (!grown) return -1;
    memset(grown + *capacity * size, 0, bytes - *capacity * size);
    memcpy(array_ptr, &grown, sizeof grown);
    *capacity = larger;
    return 0;
}

char *shn_strndup(const char *s, size_t n)
{
    const size_t len = strnlen(s, n);
    char *copy = shn_alloc(len + 1, 1);
    if (copy) memcpy(copy, s, len);
    return copy;
}

char *shn_strdup(const char *s) { return shn_strndup(s, SIZE_MAX - 1); }
