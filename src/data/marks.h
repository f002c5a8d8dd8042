/**
 * Labels from the annotations of a long recording (WFDB beats and rhythms): what may be said of one stretch of it. The rules are those of
 * docs/mapping.md, "Annotations": what is sure, what is left open, and when silence is a "no".
 */
#ifndef SHN_DATA_MARKS_H
#define SHN_DATA_MARKS_H

#include "shinden/annotation.h"

/** Seconds of a recording, to_s excluded. */
typedef struct shn_stretch { double from_s, to_s; } shn_stretch;

#define SHN_MARKS_RHYTHM_SECONDS 1.0    /**< a rhythm that holds for less of a stretch, and goes on outside, is left open */
#define SHN_MARKS_EDGE_SECONDS   0.1    /**< a beat nearer to an edge is cut in two: left open */

/** A word of the source ("AFIB", "V") that stands n times in the stretch. sure 0: it may be there; n 0: something else leaves it open. */
typedef void shn_mark_fn(void *context, const char *word, size_t n, int sure);

/**
 * Rhythms by their texts without parenthesis, each word once; of a whole recording at every change.
 * @param part  NULL: the whole recording
 * @return 1: what was not told is known not to be there; 0: the rhythm of more than SHN_MARKS_RHYTHM_SECONDS is not known
 */
int shn_marks_rhythms(const shn_annotations *set, const shn_stretch *part, shn_mark_fn *tell, void *context);
/**
 * Beats, flutter waves and blocked P waves by their symbols, each once.
 * @return 1: what was not told is known not to be there; 0: there is no beat at all, or one that the source could not classify
 */
int shn_marks_beats(const shn_annotations *set, const shn_stretch *part, shn_mark_fn *tell, void *context);

#endif
