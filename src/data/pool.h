/** Many small strings that live and die together. */
#ifndef SHN_DATA_POOL_H
#define SHN_DATA_POOL_H

#include <stddef.h>

typedef struct shn_pool { char **blocks; size_t n_blocks, capacity, used, size; } shn_pool;

/** A terminated copy of n bytes, valid until shn_pool_free; NULL when out of memory. n = 0 costs nothing. */
const char *shn_pool_add(shn_pool *pool, const char *s, size_t n);
void        shn_pool_free(shn_pool *pool);      /* leaves it empty and usable */

#endif
