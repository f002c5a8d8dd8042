/**
 * Philips Sierra ECG XML (<restingecgdata>), versions 1.03, 1.04, 1.04.01 and 1.04.02.
 *
 *   documentinfo/documenttype SierraECG or PhilipsECG, documentversion
 *   dataacquisition/signalcharacteristics   samplingrate (Hz), resolution or signalresolution (uV per step), bitspersample 16
 *   waveforms/parsedwaveforms               Base64 of XLI chunks, one per lead in the order of leadlabels (or of the standard twelve leads)
 *   an XLI chunk   i32 bytes of packed data, i16 unknown, i16 start of the differences, LZW codes of 10 bits, most significant bit first
 *                  unpacked: the high bytes of all samples, then the low bytes; two samples as they are, then second differences
 *
 * III, aVR, aVL and aVF are stored as what is left after Einthoven's and Goldberger's law predicted them from the other leads. The last second
 * often is a calibration pulse of 1 mV in every lead: it is no ECG and is cut off.
 *
 * Source  how the samples behave, and sierraecg 0.4.0 (MIT) as an oracle: tests/oracle/sierra.py. docs/formats.md says what was tried.
 */
#ifndef SHN_FORMATS_SIERRA_SIERRA_H
#define SHN_FORMATS_SIERRA_SIERRA_H

#include "formats/reader.h"

#define SHN_SIERRA_SAMPLES_MAX ((size_t)1 << 20)        /* of one lead */

extern const shn_reader shn_reader_sierra;

#endif
