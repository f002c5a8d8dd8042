#include "data/pool.h"

#include <string.h>

#include "base/alloc.h"

#define BLOCK_BYTES ((size_t)1 << 16)

const char *shn_pool_add(shn_pool *pool, const char *s, size_t n)
{
    if (n == 0) return "";
    if (n >= pool->size - pool->used || pool->n_blocks == 0) {
        const size_t size = n + 1 > BLOCK_BYTES ? n + 1 : BLOCK_BYTES;
        char *block = shn_alloc(size, 1);
        if (!block || shn_grow(&pool->blocks, &pool->capacity, pool->n_blocks + 1, sizeof *pool->blocks) != 0) {
            free(block);
            return NULL;
        }
        pool->blocks[pool->n_blocks++] = block;
        pool->size = size;
        pool->used = 0;
    }
    char *copy = pool->blocks[pool->n_blocks - 1] + pool->used;
    memcpy(copy, s, n);
    copy[n] = '\0';
    pool->used += n + 1;
    return copy;
}

void shn_pool_free(shn_pool *pool)
{
    for (size_t i = 0; i < pool->n_blocks; i++) free(pool->blocks[i]);
    free(pool->blocks);
    memset(pool, 0, sizeof *pool);
}
