/** Any text as a report: refused as the header promises, or sentences that are distinct, short enough, trimmed, and have letters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shinden/sentences.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_sentences s;
    char *report = malloc(size + 1);
    if (!report) return 0;
    memcpy(report, data, size);
    report[size] = '\0';
    const shn_status st = shn_sentences_split(report, &s, NULL);
    if (st != SHN_OK && (st != SHN_FORMAT && st != SHN_RANGE)) __builtin_trap();
    if (st != SHN_OK && s.text) __builtin_trap();
    for (size_t i = 0; st == SHN_OK && i < s.n; i++) {
        const size_t n = strlen(s.text[i]);
        if (n < 3 || n >= SHN_SENTENCE_MAX || s.text[i][0] == ' ' || s.text[i][n - 1] == ' ' || strstr(s.text[i], "  ")) __builtin_trap();
        for (size_t k = 0; k < i; k++)
            if (strcmp(s.text[i], s.text[k]) == 0) __builtin_trap();
    }
    if (st == SHN_OK) shn_sentences_free(&s);
    free(report);
    return 0;
}
