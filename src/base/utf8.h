/** UTF-8 as RFC 3629 has it (no overlong forms, no surrogates): what must be checked or mended before others see it. */
#ifndef SHN_BASE_UTF8_H
#define SHN_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Bytes of the character at p, of which n > 0 bytes are there; 0 if there is none. */
size_t shn_utf8_length(const uint8_t *p, size_t n);
/**
 * The text of n bytes with U+FFFD in place of each byte that belongs to no character, cut at a character where it does not fit.
 * @param[out] out  [size] terminated; size 3 n + 1 holds every text
 * @return its bytes without the end
 */
size_t shn_utf8_mend(const char *text, size_t n, char *out, size_t size);

#endif
