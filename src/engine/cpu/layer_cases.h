/** The encoder's distinct convolutions: the one list that tests hold against the reference and `shinden bench` times. */
#ifndef SHN_ENGINE_CPU_LAYER_CASES_H
#define SHN_ENGINE_CPU_LAYER_CASES_H

#include <stddef.h>

/** length, long_length: of its input at 12x250 and at 12x4992. */
typedef struct shn_layer_case { size_t in, out, kernel, stride, pad, length, long_length; } shn_layer_case;

static const shn_layer_case shn_layer_cases[] = {
    { 12, 64, 7, 2, 3, 250, 4992 },  { 64, 64, 3, 1, 1, 63, 1248 },   { 64, 128, 3, 2, 1, 63, 1248 },  { 64, 128, 1, 2, 0, 63, 1248 },
    { 128, 128, 3, 1, 1, 32, 624 },  { 128, 256, 3, 2, 1, 32, 624 },  { 128, 256, 1, 2, 0, 32, 624 },  { 256, 256, 3, 1, 1, 16, 312 },
    { 256, 512, 3, 2, 1, 16, 312 },  { 256, 512, 1, 2, 0, 16, 312 },  { 512, 512, 3, 1, 1, 8, 156 },
};
enum { SHN_LAYER_CASES = sizeof shn_layer_cases / sizeof *shn_layer_cases };

#endif
