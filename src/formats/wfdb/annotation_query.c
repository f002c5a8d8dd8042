/** What is asked of a set of annotations: words of codes, beats and rhythms of a window, waves. */
#include <stdlib.h>
#include <string.h>

#include "formats/wfdb/annotation.h"

/** ecgcodes.h and ecgmap.h: symbol, meaning, and whether it marks a QRS complex. */
static const struct { const char *symbol, *text; int is_beat; } codes[SHN_ANNOTATION_CODES] = {
    [1] = { "N", "normal beat", 1 },
    [2] = { "L", "left bundle branch block beat", 1 },
    [3] = { "R", "right bundle branch block beat", 1 },
    [4] = { "a", "aberrated atrial premature beat", 1 },
    [5] = { "V", "premature ventricular contraction", 1 },
    [6] = { "F", "fusion of ventricular and normal beat", 1 },
    [7] = { "J", "nodal (junctional) premature beat", 1 },
    [8] = { "A", "atrial premature contraction", 1 },
    [9] = { "S", "premature or ectopic supraventricular beat", 1 },
    [10] = { "E", "ventricular escape beat", 1 },
    [11] = { "j", "nodal (junctional) escape beat", 1 },
    [12] = { "/", "paced beat", 1 },
    [13] = { "Q", "unclassifiable beat", 1 },
    [14] = { "~", "signal quality change", 0 },
    [16] = { "|", "isolated QRS-like artifact", 0 },
    [18] = { "s", "ST change", 0 },
    [19] = { "T", "T-wave change", 0 },
    [20] = { "*", "systole", 0 },
    [21] = { "D", "diastole", 0 },
    [22] = { "\"", "comment annotation", 0 },
    [23] = { "=", "measurement annotation", 0 },
    [24] = { "p", "P-wave peak", 0 },
    [25] = { "B", "left or right bundle branch block", 1 },
    [26] = { "^", "non-conducted pacer spike", 0 },
    [27] = { "t", "T-wave peak", 0 },
    [28] = { "+", "rhythm change", 0 },
    [29] = { "u", "U-wave peak", 0 },
    [30] = { "?", "learning", 1 },
    [31] = { "!", "ventricular flutter wave", 0 },
    [32] = { "[", "start of ventricular flutter/fibrillation", 0 },
    [33] = { "]", "end of ventricular flutter/fibrillation", 0 },
    [34] = { "e", "atrial escape beat", 1 },
    [35] = { "n", "supraventricular escape beat", 1 },
    [36] = { "@", "link to external data", 0 },
    [37] = { "x", "non-conducted P-wave (blocked APB)", 0 },
    [38] = { "f", "fusion of paced and normal beat", 1 },
    [39] = { "(", "waveform onset", 0 },
    [40] = { ")", "waveform end", 0 },
    [41] = { "r", "R-on-T premature ventricular contraction", 1 },
};

const char *shn_annotation_symbol(const shn_annotations *set, unsigned code)
{
    if (code >= SHN_ANNOTATION_CODES) return "";
    if (set && *set->own[code].symbol) return set->own[code].symbol;
    return codes[code].symbol ? codes[code].symbol : "";
}

const char *shn_annotation_text(const shn_annotations *set, unsigned code)
{
    if (code >= SHN_ANNOTATION_CODES) return "";
    if (set && *set->own[code].symbol) return set->own[code].text;
    return codes[code].text ? codes[code].text : "";
}

int shn_annotation_is_beat(unsigned code) { return code < SHN_ANNOTATION_CODES && codes[code].is_beat; }

/** Index of the first annotation at or after a sample. */
static size_t from_sample(const shn_annotations *set, int64_t sample)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (set->items[mid].sample < sample) low = mid + 1;
        else high = mid;
    }
    return low;
}

void shn_annotations_range(const shn_annotations *set, int64_t first, int64_t last, size_t *begin, size_t *end)
{
    *begin = from_sample(set, first);
    *end = last > first ? from_sample(set, last) : *begin;
}

size_t shn_annotations_beats(const shn_annotations *set, int64_t first, int64_t last, uint32_t *counts)
{
    size_t i, end, n = 0;
    if (counts) memset(counts, 0, SHN_ANNOTATION_CODES * sizeof *counts);
    for (shn_annotations_range(set, first, last, &i, &end); i < end; i++) {
        if (!shn_annotation_is_beat(set->items[i].code)) continue;
        if (counts) counts[set->items[i].code]++;
        n++;
    }
    return n;
}

static int is_rhythm(const shn_annotation *a) { return a->code == SHN_ANN_RHYTHM && a->aux[0] == '('; }

size_t shn_annotations_rhythms(const shn_annotations *set, int64_t first, int64_t last, shn_rhythm *out, size_t n_max)
{
    size_t      n = 0, i = from_sample(set, first);
    shn_rhythm  open = { .name = NULL };
    const shn_annotation *a;
    if (last <= first) return 0;
    for (size_t j = i; j > 0 && !open.name; j--)        /* what held when the window began */
        if (is_rhythm(a = &set->items[j - 1])) open = (shn_rhythm){ first, last, a->aux + 1 };
    for (;; i++) {
        const int over = i >= set->n || set->items[i].sample >= last;
        if (!over && !is_rhythm(&set->items[i])) continue;
        open.last = over ? last : set->items[i].sample;
        if (open.name && open.last > open.first) {
            if (n < n_max) out[n] = open;
            n++;
        }
        if (over) return n;
        open = (shn_rhythm){ set->items[i].sample, last, set->items[i].aux + 1 };
    }
}

size_t shn_annotations_waves(const shn_annotations *set, shn_wave *out, size_t n_max)
{
    const shn_wave none = { 0, -1, -1, -1 };
    shn_wave wave = none;
    size_t   n = 0;
    for (size_t i = 0; i <= set->n; i++) {
        const shn_annotation *a = i < set->n ? &set->items[i] : NULL;
        const unsigned code = a ? a->code : 0;
        const int is_peak = code == SHN_ANN_P_WAVE || code == SHN_ANN_T_WAVE || code == SHN_ANN_U_WAVE || shn_annotation_is_beat(code);
        if (a && !is_peak && code != SHN_ANN_ONSET && code != SHN_ANN_OFFSET) continue;
        /* a wave ends with its offset, or where the next one begins without that */
        if (code == SHN_ANN_OFFSET && wave.code) wave.offset = a->sample;
        if (wave.code) {
            if (n < n_max) out[n] = wave;
            n++;
            wave = none;
        }
        if (code == SHN_ANN_ONSET) wave.onset = a->sample;
        else if (is_peak) wave = (shn_wave){ (uint8_t)code, wave.onset, a->sample, -1 };
        else wave = none;
    }
    return n;
}
