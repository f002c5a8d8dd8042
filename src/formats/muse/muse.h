/**
 * GE MUSE XML (<RestingECG>), also as MAC carts and other GE programs export it. Layout:
 *
 *   RestingECG/PatientDemographics      PatientID, PatientAge + AgeUnits, DateofBirth (MM-DD-YYYY), Gender, names
 *             /TestDemographics         AcquisitionDate (MM-DD-YYYY), AcquisitionTime, AcquisitionDevice, AcquisitionSoftwareVersion, places, people
 *             /RestingECGMeasurements   VentricularRate ... in /min, ms, degrees; POnset ... in samples; OriginalRestingECGMeasurements: before editing
 *             /Diagnosis                DiagnosisStatement: StmtText, lines end where StmtFlag is ENDSLINE; OriginalDiagnosis: the machine's
 *             /Waveform                 WaveformType "Median" (one averaged beat) or "Rhythm" (the recording), in any order
 *                 SampleBase, SampleExponent      rate = base * 10^exponent Hz
 *                 HighPassFilter (hundredths of Hz), LowPassFilter (Hz), ACFilter (Hz or NONE)
 *                 LeadData              one per stored lead, usually I II V1-V6: LeadID, LeadSampleCountTotal, LeadByteCountTotal, LeadSampleSize 2,
 *                     LeadAmplitudeUnitsPerBit and LeadAmplitudeUnits (MICROVOLTS), LeadDataCRC32, WaveFormData: base64 of little-endian int16
 *
 *   value = sample * LeadAmplitudeUnitsPerBit; LeadDataCRC32 is the CRC-32 of ISO 3309 over the decoded bytes (it fits every lead of the
 *   five real files). Names of elements are compared without case; a dialect without scale or unit gives values of unknown unit.
 *
 * Source  real files of MUSE 9.0.7 and 9.0.10; GE's MUSE XML developer's guide names the elements. HighPassFilter's unit from the settings of
 *         GE's carts (16 is their 0.16 Hz). No real MAC 2000 file was at hand: its dialect is held by fixtures only.
 */
#ifndef SHN_FORMATS_MUSE_MUSE_H
#define SHN_FORMATS_MUSE_MUSE_H

#include "formats/reader.h"
#include "formats/xml/xml.h"

#define MUSE_STATEMENTS_MAX 512             /* lines of diagnosis kept */

extern const shn_reader shn_reader_muse;

/* Parts of the reader. Child elements by name, without case. */
const shn_xml_node *muse_child(const shn_xml_node *node, const char *name);
const shn_xml_node *muse_next(const shn_xml_node *node, const char *name);
/** Everything beside the samples. Errors SHN_NOMEM */
SHN_NODISCARD shn_status muse_facts(const shn_xml *doc, const shn_xml_node *waveform, shn_record *rec, shn_error *err);
/** Lines of a Diagnosis element, each calling use(context, line). Errors SHN_NOMEM and those of use */
SHN_NODISCARD shn_status muse_lines(const shn_xml *doc, const shn_xml_node *diagnosis, shn_status (*use)(void *context, const char *line, shn_error *err),
                                    void *context, shn_error *err);
SHN_NODISCARD shn_status muse_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);
/** CRC-32 of ISO 3309 (polynomial 0xEDB88320 reflected, as in zlib). */
uint32_t muse_crc32(const uint8_t *bytes, size_t n);

#endif
