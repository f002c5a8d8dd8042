/**
 * Memory: overflow-checked and zeroed, aligned where kernels need it. Everything is released with free(), so that
 * ownership can pass to callers of the C library. Tests make the n-th allocation fail to find clean-up bugs.
 */
#ifndef SHN_BASE_ALLOC_H
#define SHN_BASE_ALLOC_H

#include <stddef.h>
#include <stdlib.h>

/** count * size zeroed bytes; NULL when out of memory or when the product overflows. count or size 0 gives 1 byte. */
void *shn_alloc(size_t count, size_t size);
/** As shn_alloc, 64-byte aligned, rounded up to whole cache lines; zeroed. */
void *shn_alloc_aligned(size_t count, size_t size);
/** Grows an array to hold at least `need` elements; the new tail is zeroed. Returns 0, or -1 with *array unchanged. */
int   shn_grow(void *array_ptr, size_t *capacity, size_t need, size_t size);
/** A copy of at most n bytes of s, always terminated; NULL when out of memory. */
char *shn_strndup(const char *s, size_t n);
char *shn_strdup(const char *s);

/** Tests only: the n-th allocation from now (1 = the next) and all after it fail; 0 switches that off. */
void shn_alloc_fail_after(long n);

#endif
