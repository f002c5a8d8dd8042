/** Writes MUSE XML by hand, in pieces that a test may change. */
#ifndef SHN_TESTS_MUSE_WRITER_H
#define SHN_TESTS_MUSE_WRITER_H

#include "xml_made.h"

/** Sample t of lead l of waveform w (0 median, 1 rhythm); within int16. */
static inline int muse_sample(int w, int l, int t) { return (w ? 1000 : -7) + 100 * l + (t * (l + 3)) % 97 - 40; }

typedef struct muse_lead_words {
    const char *per_bit, *units, *extra;            /* NULL: the element is missing */
    int announced_samples, announced_bytes, crc_off, decimal;
} muse_lead_words;
#define MUSE_LEAD_WORDS { .per_bit = "4.88", .units = "MICROVOLTS", .extra = "", .announced_samples = -1, .announced_bytes = -1 }

static inline void muse_lead(made_text *m, const char *name, int w, int l, int n, const muse_lead_words *words)
{
    uint8_t *bytes = malloc((size_t)n * 2 + 1);
    for (int t = 0; t < n; t++) {
        const unsigned v = (unsigned)muse_sample(w, l, t) & 0xffff;
        bytes[2 * t] = (uint8_t)(v % 256);
        bytes[2 * t + 1] = (uint8_t)(v / 256);
    }
    made(m, "<LeadData>\n<LeadByteCountTotal>%d</LeadByteCountTotal>\n<LeadTimeOffset>0</LeadTimeOffset>\n<LeadSampleCountTotal>%d</LeadSampleCountTotal>\n",
         words->announced_bytes < 0 ? 2 * n : words->announced_bytes, words->announced_samples < 0 ? n : words->announced_samples);
    if (words->per_bit) made(m, "<LeadAmplitudeUnitsPerBit>%s</LeadAmplitudeUnitsPerBit>\n", words->per_bit);
    if (words->units) made(m, "<LeadAmplitudeUnits>%s</LeadAmplitudeUnits>\n", words->units);
    made(m, "<LeadID>%s</LeadID><FirstSampleBaseline>0</FirstSampleBaseline><LeadSampleSize>2</LeadSampleSize>%s\n", name, words->extra ? words->extra : "");
    if (!words->decimal) made(m, "<LeadDataCRC32>%lu</LeadDataCRC32>\n", (unsigned long)made_crc32(bytes, (size_t)n * 2) + (unsigned)words->crc_off);
    made(m, "<WaveFormData>\n");
    if (words->decimal) for (int t = 0; t < n; t++) made(m, "%d,", muse_sample(w, l, t));
    else made_base64(m, bytes, (size_t)n * 2, 72);
    made(m, "</WaveFormData></LeadData>\n");
    free(bytes);
}

static const char *const muse_eight[8] = { "I", "II", "V1", "V2", "V3", "V4", "V5", "V6" };

static inline void muse_waveform(made_text *m, const char *type, int w, int n_leads, int n, const char *rate, const muse_lead_words *words)
{
    made(m, "<Waveform>\n%s%s%s<NumberofLeads>%d</NumberofLeads><SampleType>CONTINUOUS_SAMPLES</SampleType>%s<HighPassFilter>16</HighPassFilter>"
            "<LowPassFilter>150</LowPassFilter><ACFilter>50</ACFilter>\n", type ? "<WaveformType>" : "", type ? type : "", type ? "</WaveformType>" : "", n_leads, rate);
    for (int l = 0; l < n_leads; l++) muse_lead(m, muse_eight[l], w, l, n, words);
    made(m, "</Waveform>\n");
}

static const char muse_rate_500[] = "<SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>";

static inline void muse_head(made_text *m)
{
    made(m, "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!DOCTYPE RestingECG SYSTEM \"restecg.dtd\">\n<RestingECG>\n"
            "<PatientDemographics><PatientID>0815</PatientID><PatientAge>61</PatientAge><AgeUnits>YEARS</AgeUnits><DateofBirth>03-15-1962</DateofBirth>"
            "<Gender>FEMALE</Gender><PatientLastName>M\xfcLLER</PatientLastName><PatientFirstName>ANNA</PatientFirstName></PatientDemographics>\n"
            "<TestDemographics><SiteName>NORTH HOSPITAL</SiteName><AcquisitionDevice>MAC55</AcquisitionDevice><AcquisitionTime>22:41:16</AcquisitionTime>"
            "<AcquisitionDate>04-29-2023</AcquisitionDate><CartNumber>74</CartNumber><AcquisitionSoftwareVersion>1.02</AcquisitionSoftwareVersion>"
            "<EditorLastName>SMITH</EditorLastName></TestDemographics>\n<Order><HISAccountNumber>1003872633</HISAccountNumber></Order>\n"
            "<RestingECGMeasurements><VentricularRate>90</VentricularRate><PRInterval>144</PRInterval><QRSDuration>86</QRSDuration><QTInterval>402</QTInterval>"
            "<QTCorrected>491</QTCorrected><PAxis>48</PAxis><RAxis>-5</RAxis><TAxis>111</TAxis><POnset>147</POnset><ECGSampleBase>500</ECGSampleBase>"
            "<ECGSampleExponent>0</ECGSampleExponent></RestingECGMeasurements>\n");
}

static inline void muse_diagnosis(made_text *m)
{
    made(m, "<Diagnosis><Modality>RESTING</Modality><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Normal sinus rhythm</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtText>Anterior infarct</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>, age undetermined</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtFlag>USERINSERT</StmtFlag><StmtFlag>ENDSLINE</StmtFlag><StmtText>Seen by SMITH</StmtText></DiagnosisStatement></Diagnosis>\n"
            "<OriginalDiagnosis><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Normal sinus rhythm</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtText>Anterior infarct</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>, age undetermined</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>ST &amp; T wave abnormality</StmtText></DiagnosisStatement>"
            "<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>compared with 30-MAR-2023 09:09</StmtText></DiagnosisStatement></OriginalDiagnosis>\n");
}

#endif
