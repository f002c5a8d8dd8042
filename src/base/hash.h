/** SHA-256 (libcrypto): names data, splits records and chains provenance. Never used for speed. */
#ifndef SHN_BASE_HASH_H
#define SHN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "shinden/status.h"

typedef struct shn_sha256 shn_sha256;
/** NULL when out of memory. */
shn_sha256 *shn_sha256_new(void);
void shn_sha256_add(shn_sha256 *h, const void *bytes, size_t n_bytes);
/** Finishes and frees h. */
void shn_sha256_end(shn_sha256 *h, uint8_t digest[32]);
void shn_sha256_hex(const uint8_t digest[32], char hex[65]);
/** Of one buffer. */
void shn_sha256_of(const void *bytes, size_t n_bytes, uint8_t digest[32]);
/** HMAC-SHA256 (RFC 2104) of one buffer under a key. */
void shn_hmac_sha256(const void *key, size_t n_key, const void *bytes, size_t n_bytes, uint8_t digest[32]);
/** Of a file's content, as lower-case hex. */
SHN_NODISCARD shn_status shn_sha256_file(const char *path, char hex[65], shn_error *err);

#endif
