/**
 * HL7 annotated ECG (aECG, HL7 V3 message PORT_MT020001): XML, root <AnnotatedECG xmlns="urn:hl7-org:v3">, elements taken by local name.
 *
 *   AnnotatedECG/id @root @extension                     identity of the recording
 *   AnnotatedECG/effectiveTime/(center|low) @value       time, YYYYMMDD[HHMM[SS[.fff]]][+ZZZZ]
 *   .../subjectAssignment/subject/trialSubject           id @extension: patient; subjectDemographicPerson: name, administrativeGenderCode
 *                                                        @code, birthTime @value (Mindray puts PatientID and Age here, as text)
 *   AnnotatedECG/controlVariable/relatedObservation      code LOINC 21612-7 or 30525-0: age, value @value @unit
 *   AnnotatedECG/component/series                        code @code: RHYTHM (read), REPRESENTATIVE_BEAT (not read: an average)
 *     author/seriesAuthor                                device and maker
 *     controlVariable/controlVariable                    filters: code MDC_ECG_CTL_VBL_ATTR_FILTER_*, component/controlVariable/value
 *     component/sequenceSet/component/sequence           one of code TIME_ABSOLUTE or TIME_RELATIVE, one for each lead (code MDC_ECG_LEAD_*)
 *       value GLIST_TS or GLIST_PQ: head @value, increment @value @unit (s, ms, us)
 *       value SLIST_PQ: origin and scale @value @unit, digits: integers separated by white space; value = origin + digit * scale
 *     subjectOf/annotationSet                            annotations: code, value (PQ: measurement, ST: text, CE: code), nested
 *     derivation/derivedSeries                           representative beat; its annotations count, its samples do not
 *
 * Several sequence sets of a series are leads recorded one after the other: they are laid on one time axis by their heads, gaps between are
 * NaN. Several RHYTHM series in a file are several records (#0, #1 ...).
 *
 * Source  Brown, Badilini: HL7 aECG Implementation Guide (21 March 2005), sections 4 and 5; the schema of the ballot of December 2003;
 *         dialects as the real files have them (Mortara, AMPS CalECG, Mindray BeneHeart).
 */
#ifndef SHN_FORMATS_AECG_AECG_H
#define SHN_FORMATS_AECG_AECG_H

#include "formats/reader.h"
#include "formats/xml/xml.h"

#define SHN_AECG_SERIES_MAX       10000
#define SHN_AECG_SETS_MAX         4096      /* sequence sets of a series */
#define SHN_AECG_SEGMENTS_MAX     65536     /* sequences of leads of a series */
#define SHN_AECG_GAP_FACTOR_MAX   64        /* samples with gaps between sets over samples in the file */
#define SHN_AECG_MEASUREMENTS_MAX 512
#define SHN_AECG_STATEMENTS_MAX   256

extern const shn_reader shn_reader_aecg;

/* private to the folder */

/** RHYTHM series number row of the document; NULL if there are fewer. *n: how many there are. Errors as read. */
shn_status aecg_series(const shn_xml *doc, size_t row, const shn_xml_node **series, size_t *n, shn_error *err);
/** The samples of a series: leads, units, calibration. */
shn_status aecg_samples(const shn_xml *doc, const shn_xml_node *series, shn_record **out, shn_error *err);
/** Everything beside the samples. */
shn_status aecg_meta(const shn_xml *doc, const shn_xml_node *series, shn_record *rec, shn_error *err);
/** code/@code of an element; "" if there is none. */
const char *aecg_code(const shn_xml_node *node);
/** The subject of the trial; NULL if not said. */
const shn_xml_node *aecg_subject(const shn_xml *doc);
/** Patient id as the file has it, "" if none. */
void aecg_patient(const shn_xml *doc, char *out, size_t size);
shn_status aecg_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
