/**
 * GE CardioSoft / CASE: XML, root <CardiologyXML>, usually in ISO 8859-1.
 *
 *   ObservationType                              "RestECG", exercise tests have others
 *   ObservationDateTime/Year Month Day Hour Minute Second
 *   PatientInfo/PID, Name, Age @units, BirthDateTime/(Day Month Year), Gender ("MALE", "FEMALE")
 *   ClinicalInfo/DeviceInfo/Desc, SoftwareVer    device;  FilterSetting                  filters
 *   Interpretation/Diagnosis/DiagnosisText       statements;  RestingECGMeasurements    measurements, MedianSamples (an average: not read)
 *   StripData                                    10 s as recorded: SampleRate @units="Hz", ChannelSampleCountTotal, Resolution
 *                                                @units="uVperLsb", WaveformData @lead: integers separated by commas
 *   StripData/Strip, Strip/StripData             the same where there are several; the first is read, which is remarked
 *   FullDisclosure                               a whole exercise test: SampleRate, Resolution, NumberOfChannels, LeadOrder (names separated by
 *                                                commas), FullDisclosureData: integers of all leads in one list
 *
 * In FullDisclosureData readers in use take the leads either sample by sample (as the manufacturer's description is cited) or in turns of one
 * second each; the file does not say. The order in which neighbouring samples differ clearly less is taken and remarked; where neither does,
 * the file is refused. Without @units of Resolution there is no unit.
 *
 * Source  the real file below data/formats/cardiosoft_xml for all but PatientInfo's name, age and birth date and FullDisclosure, which are as
 *         published programs for the UK Biobank's exports expect them (tried on fixtures only).
 */
#ifndef SHN_FORMATS_CARDIOSOFT_CARDIOSOFT_H
#define SHN_FORMATS_CARDIOSOFT_CARDIOSOFT_H

#include "formats/reader.h"
#include "formats/xml/xml.h"

#define SHN_CARDIOSOFT_MEASUREMENTS_MAX 256
#define SHN_CARDIOSOFT_STATEMENTS_MAX   256

extern const shn_reader shn_reader_cardiosoft;

/* private to the folder */

shn_status cardiosoft_samples(const shn_xml *doc, shn_record **out, shn_error *err);
shn_status cardiosoft_meta(const shn_xml *doc, shn_record *rec, shn_error *err);
shn_status cardiosoft_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);
/** A whole number in the text of an element, -1 if there is none or it is negative. */
long cardiosoft_whole(const shn_xml *doc, const shn_xml_node *node);

#endif
