/**
 * EDF, EDF+ and BDF(+): European Data Format, 16 bits a sample, and BioSemi's 24-bit kin. All fields of the header are text, padded with blanks.
 *
 *     byte 0    8  version      "0       "; BDF: 0xFF "BIOSEMI"
 *          8   80  patient      EDF+: "code sex birthdate name ...", blanks inside a part are '_', X is unknown
 *         88   80  recording    EDF+: "Startdate dd-MMM-yyyy admin-code technician equipment ..."
 *        168    8  start date   dd.mm.yy; 85-99 are 1985-1999, 00-84 are 2000-2084, "yy" is later; EDF+: the recording field has four digits
 *        176    8  start time   hh.mm.ss
 *        184    8  bytes of the header = 256 * (1 + ns)
 *        192   44  reserved     "EDF+C" (continuous), "EDF+D" (discontinuous), "BDF+C", "BDF+D"
 *        236    8  data records, -1 while being recorded
 *        244    8  seconds of a data record
 *        252    4  ns, signals, annotation signals included
 *        256       for all signals: 16 label, 80 transducer, 8 physical dimension, 8 physical minimum, 8 physical maximum, 8 digital minimum,
 *                  8 digital maximum, 80 prefilter, 8 samples in a data record, 32 reserved; each field for all signals before the next field
 *        256 * (1 + ns)         the data records: of each signal in turn its samples, little-endian, two's complement of 2 (BDF: 3) bytes
 *
 *   value       physical minimum + (digital - digital minimum) * (physical maximum - physical minimum) / (digital maximum - digital minimum);
 *               the physical range may be turned round (negative gain)
 *   "EDF Annotations" ("BDF Annotations") hold time-stamped annotation lists (TALs) in place of samples:
 *               onset [0x15 duration] 0x14 text 0x14 text 0x14 0x00; the first of each data record has an empty text and is the record's time
 *
 * What this reader adds to that:
 *   - More data records announced than are there: refused (truncated). -1 announced: those that are there, noted. Bytes after them: noted.
 *   - No usable range, or an ECG signal without dimension: the unit is unknown. A signal that is no ECG by its label and has no dimension is
 *     uncalibrated as EDF has it, and no voltage.
 *   - The record has the rate of its ECG leads (the largest among them; without one, of the voltages; without one, of all). Signals of another
 *     rate are interpolated linearly onto it, noted. So a marker at 1000 Hz does not blur an ECG at 500 Hz.
 *   - Gaps between the data records of EDF+D are NaN, at most SHN_EDF_GAPS_MAX samples of them in one reading; longer ones can be read in parts.
 *   - Annotations are statements: the text as it is where its onset is the start and it has no duration, else "+12.5 s: text" or
 *     "+12.5 s (3 s): text"
 *   - EDF has no value for "no sample". Our writer marks gaps by annotations with a duration: "Gap@@LABEL" (the "@@" is the edfplus.info convention
 *     for one signal; "#3" where the label is not the only one of its name), or "Gap" for all signals; this reader makes NaN of both. A last data
 *     record that is not full has "Recording ends" (a standard text) where the rest is padding: the record ends there.
 *   - "Dx: 426783006" at the start is a label, "Measurement: qrs_duration 98 ms" a measurement (our writer's).
 *   - An additional part "Age_63" of the patient field is an age in years (our writer's, where no birth date is known).
 *
 * Source  Kemp et al. 1992 (EDF); Kemp and Olivan 2003 (EDF+), www.edfplus.info/specs; biosemi.com/faq/file_format.htm (BDF); files of
 *         ../shared/data/formats/edf
 */
#ifndef SHN_FORMATS_EDF_EDF_H
#define SHN_FORMATS_EDF_EDF_H

#include "formats/reader.h"

#define SHN_EDF_SIGNALS_MAX      512                    /* of one file, annotation signals included */
#define SHN_EDF_RECORD_BYTES_MAX ((size_t)1 << 26)      /* one data record */
#define SHN_EDF_STATEMENTS_MAX   4096                   /* annotations kept as statements; more are counted in a note */
#define SHN_EDF_GAPS_MAX         ((size_t)1 << 25)      /* samples of all leads in gaps between data records, in one reading */

#define SHN_EDF_GAP  "Gap"
#define SHN_EDF_ENDS "Recording ends"
#define SHN_EDF_CODE "Dx: "
#define SHN_EDF_MEASUREMENT "Measurement: "

extern const shn_reader shn_reader_edf;

#endif
