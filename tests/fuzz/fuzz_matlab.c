/** MATLAB: recognition and our own check of lengths, which run before libmatio sees a byte. (libmatio itself is not fuzzed here: without a path nothing is handed to it.) */
#include "formats/matlab/matlab.h"
#include "reader_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_error          err = { .text = "" };
    shn_record        *rec = NULL;
    shn_format_options options;
    shn_format_defaults(&options);
    const shn_input in = { .bytes = data, .n_bytes = size, .name = "x.mat", .source = &fuzz_alone, .options = &options };
    shn_reader_matlab.recognises(data, size);
    if (shn_matlab_complete(data, size, &err) != SHN_OK && err.text[0] == '\0') __builtin_trap();
    if (shn_reader_matlab.read(&in, &rec, &err) == SHN_OK || rec) __builtin_trap();
    return 0;
}
