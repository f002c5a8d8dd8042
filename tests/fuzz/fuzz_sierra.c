/** Philips Sierra XML over arbitrary bytes, through the reader's row. */
#include "formats/sierra/sierra.h"
#include "xml_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_reader(&shn_reader_sierra, data, size); }
