/** MFER over arbitrary bytes, through the reader's row. */
#include "formats/mfer/mfer.h"
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_bytes(&shn_reader_mfer, data, size, FUZZ_EXACT | FUZZ_NO_BETTER); }
