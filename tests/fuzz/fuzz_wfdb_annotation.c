/** Annotation files over arbitrary bytes: parsed or refused; what is parsed is sorted, and every question about it has an answer. */
#include <stdint.h>
#include <string.h>

#include "shinden/annotation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shn_annotations *set;
    shn_error        err = { 0 };
    shn_rhythm       rhythm[4];
    shn_wave         wave[4];
    uint32_t         counts[SHN_ANNOTATION_CODES];
    const shn_status st = shn_annotations_parse(data, size, &set, &err);
    if ((st == SHN_OK) != (set != NULL)) __builtin_trap();
    if (st != SHN_OK) {
        if (!err.text[0]) __builtin_trap();
        return 0;
    }
    const size_t n = shn_annotations_count(set);
    size_t       length = 0, begin, end;
    for (size_t i = 0; i < n; i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        if (a->code == 0 || a->code >= SHN_ANNOTATION_CODES) __builtin_trap();
        if (i && a[-1].sample > a->sample) __builtin_trap();
        length += strlen(a->aux) + strlen(shn_annotation_symbol(set, a->code)) + strlen(shn_annotation_text(set, a->code));
    }
    const int64_t low = n ? shn_annotations_at(set, 0)->sample : 0, high = n ? shn_annotations_at(set, n - 1)->sample + 1 : 1;
    shn_annotations_range(set, low, high, &begin, &end);
    if (begin != 0 || end != n) __builtin_trap();
    if (shn_annotations_beats(set, low, high, counts) > n) __builtin_trap();
    const size_t n_rhythms = shn_annotations_rhythms(set, low, high, rhythm, 4);
    for (size_t i = 0; i < n_rhythms && i < 4; i++)
        if (rhythm[i].first >= rhythm[i].last || (i && rhythm[i].first != rhythm[i - 1].last)) __builtin_trap();
    if (shn_annotations_waves(set, wave, 4) > n || length > 200 * (size + 1)) __builtin_trap();
    shn_annotations_free(set);
    return 0;
}
