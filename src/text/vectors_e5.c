/* The vectors that training reads when nothing else is asked for: compiled in, so that the program finds them from any folder. */
#include "text/vectors_e5.h"

/* file in models/ without .safetensors, symbol: assembler knows how to include bytes, C does not yet */
#define FILES(X) X("e5-small-name", name) X("e5-small-criterion", criterion) X("e5-small-code", code)

#define X(file, symbol)                                                                                                     \
    __asm__(".section .rodata\n.balign 64\n.global shn_e5_" #symbol "\nshn_e5_" #symbol ":\n.incbin \"../models/" file      \
            ".safetensors\"\n.global shn_e5_" #symbol "_end\nshn_e5_" #symbol "_end:\n.byte 0\n.previous\n");               \
    extern const uint8_t shn_e5_##symbol[], shn_e5_##symbol##_end[];
FILES(X)
#undef X

const uint8_t *shn_vectors_e5(size_t i, size_t *n_bytes)
{
#define X(file, symbol) { shn_e5_##symbol, shn_e5_##symbol##_end },
    static const struct { const uint8_t *begin, *end; } parts[SHN_VECTORS_E5_FILES] = { FILES(X) };
#undef X
    *n_bytes = (size_t)(parts[i].end - parts[i].begin);
    return parts[i].begin;
}
