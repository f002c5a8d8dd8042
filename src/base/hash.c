#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "base/fail.h"

/* shn_sha256 is only ever OpenSSL's context; the name keeps openssl/ in this one file */
shn_sha256 *shn_sha256_new(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        ctx = NULL;
    }
    return (shn_sha256 *)ctx;
}

void shn_sha256_add(shn_sha256 *h, const void *bytes, size_t n_bytes) { EVP_DigestUpdate((EVP_MD_CTX *)h, bytes, n_bytes); }

void shn_sha256_end(shn_sha256 *h, uint8_t digest[32])
{
    EVP_DigestFinal_ex((EVP_MD_CTX *)h, digest, NULL);
    EVP_MD_CTX_free((EVP_MD_CTX *)h);
}

void shn_sha256_hex(const uint8_t digest[32], char hex[65])
{
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void shn_sha256_of(const void *bytes, size_t n_bytes, uint8_t digest[32]) { SHA256(bytes, n_bytes, digest); }

void shn_hmac_sha256(const void *key, size_t n_key, const void *bytes, size_t n_bytes, uint8_t digest[32])
{
    uint8_t short_key[32];
    if (n_key > 64) {                           /* what RFC 2104 does to long keys; also keeps the length an int */
        shn_sha256_of(key, n_key, short_key);
        key = short_key;
        n_key = sizeof short_key;
    }
    HMAC(EVP_sha256(), key, (int)n_key, bytes, n_bytes, digest, NULL);
}

shn_status shn_sha256_file(const char *path, char hex[65], shn_error *err)
{
    uint8_t     buffer[1 << 16], digest[32];
    size_t      got;
    shn_sha256 *h = NULL;
    FILE *f = fopen(path, "rbe");
    if (!f) return shn_fail_errno(err, errno, "hash.file", path);
    h = shn_sha256_new();
    if (!h) {
        fclose(f);
        return shn_fail_nomem(err, "hash.file");
    }
    while ((got = fread(buffer, 1, sizeof buffer, f)) > 0) shn_sha256_add(h, buffer, got);
    const int failed = ferror(f);
    fclose(f);
    shn_sha256_end(h, digest);
    if (failed) return shn_fail_errno(err, EIO, "hash.file", path);
    shn_sha256_hex(digest, hex);
    return SHN_OK;
}
