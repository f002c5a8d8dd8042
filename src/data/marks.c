#include "data/marks.h"

#include <math.h>
#include <string.h>

enum { RHYTHMS_MAX = 256 };

/** Samples first .. last - 1 that lie in the stretch: s / rate >= from_s and < to_s. */
static void samples_of(const shn_annotations *set, const shn_stretch *part, int64_t *first, int64_t *last)
{
    const double rate = shn_annotations_rate_hz(set);
    const size_t n = shn_annotations_count(set);
    *first = part ? (int64_t)ceil(part->from_s * rate - 1e-6) : 0;
    *last = part ? (int64_t)ceil(part->to_s * rate - 1e-6) : n ? shn_annotations_at(set, n - 1)->sample + 1 : 0;
}

/** Rhythms that name what the ventricles do or how they are reached; the atria beneath may well be in sinus rhythm. */
static int says_nothing_of_sinus(const char *name)
{
    static const char *const names[] = { "AB", "B", "BII", "PREX", "T" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) return 1;
    return 0;
}

/** Of a whole recording only what is named matters, so its changes of rhythm are told one by one. */
static int tell_changes(const shn_annotations *set, shn_mark_fn *tell, void *context)
{
    for (size_t i = 0; i < shn_annotations_count(set); i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        if (a->code == SHN_ANN_RHYTHM && *a->aux == '(') tell(context, a->aux + 1, 1, 1);
    }
    return 1;
}

int shn_marks_rhythms(const shn_annotations *set, const shn_stretch *part, shn_mark_fn *tell, void *context)
{
    shn_rhythm   span[RHYTHMS_MAX];
    int64_t      first, last, covered = 0;
    const double rate = shn_annotations_rate_hz(set);
    int          sinus = 0, beneath = 0;
    if (!part) return tell_changes(set, tell, context);
    samples_of(set, part, &first, &last);
    const size_t all = shn_annotations_rhythms(set, first, last, span, RHYTHMS_MAX), n = all < RHYTHMS_MAX ? all : RHYTHMS_MAX;
    for (size_t i = 0; i < n; i++) {
        int64_t samples = 0;
        size_t  times = 0;
        int     inside = 0, seen = 0;
        covered += span[i].last - span[i].first;
        for (size_t j = 0; j < i; j++) seen |= strcmp(span[j].name, span[i].name) == 0;
        for (size_t j = i; !seen && j < n; j++) {
            if (strcmp(span[j].name, span[i].name) != 0) continue;
            times++;
            samples += span[j].last - span[j].first;
            inside |= span[j].first > first && span[j].last < last;
        }
        if (seen) continue;
        const int sure = inside || (double)samples >= SHN_MARKS_RHYTHM_SECONDS * rate;
        tell(context, span[i].name, times, sure);
        sinus |= strcmp(span[i].name, "N") == 0;
        beneath |= says_nothing_of_sinus(span[i].name);
    }
    if (beneath && !sinus) tell(context, "N", 0, 0);
    return all <= RHYTHMS_MAX && (double)(last - first - covered) <= SHN_MARKS_RHYTHM_SECONDS * rate;
}

int shn_marks_beats(const shn_annotations *set, const shn_stretch *part, shn_mark_fn *tell, void *context)
{
    size_t       begin, end, n[SHN_ANNOTATION_CODES] = { 0 }, n_sure[SHN_ANNOTATION_CODES] = { 0 }, n_beats = 0;
    int64_t      first, last;
    const double edge = SHN_MARKS_EDGE_SECONDS * shn_annotations_rate_hz(set);
    samples_of(set, part, &first, &last);
    shn_annotations_range(set, first, last, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        const shn_annotation *a = shn_annotations_at(set, i);
        if (!shn_annotation_is_beat(a->code) && a->code != SHN_ANN_FLUTTER_WAVE && a->code != SHN_ANN_BLOCKED_P) continue;
        n[a->code]++;
        n_sure[a->code] += !part || ((double)(a->sample - first) >= edge && (double)(last - a->sample) >= edge);
        n_beats++;
    }
    for (unsigned code = 0; code < SHN_ANNOTATION_CODES; code++)
        if (n[code]) tell(context, shn_annotation_symbol(set, code), n[code], n_sure[code] > 0);
    if (n[SHN_ANN_PACED_FUSION] && !n[SHN_ANN_FUSION]) tell(context, "F", 0, 0);     /* a fusion beat of its own kind, which "F" does not mean and does not exclude */
    return n_beats > 0 && !n[SHN_ANN_UNCLASSIFIED] && !n[SHN_ANN_LEARNING];
}
