/** The tokenizer of a GGUF file. */
#ifndef SHN_TEXT_TOKENIZER_GGUF_H
#define SHN_TEXT_TOKENIZER_GGUF_H

#include "shinden/tokenizer.h"
#include "text/gguf.h"

/** From a vocabulary that a reader holds; nothing of it is kept. Errors as shn_tokenizer_vocab(). */
SHN_NODISCARD shn_status shn_tokenizer_gguf(const shn_gguf_vocab *vocab, shn_tokenizer **out, shn_error *err);
/** From a file, whose weights are not touched; errors begin with its path. Also SHN_IO, what the GGUF reader refuses, and
 *  SHN_MISMATCH where the file (a later part of a split model, say) has no vocabulary. */
SHN_NODISCARD shn_status shn_tokenizer_gguf_read(const char *path, shn_tokenizer **out, shn_error *err);

#endif
