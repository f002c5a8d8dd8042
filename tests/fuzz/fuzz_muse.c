/** GE MUSE XML over arbitrary bytes, through the reader's row. */
#include "formats/muse/muse.h"
#include "xml_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_reader(&shn_reader_muse, data, size); }
