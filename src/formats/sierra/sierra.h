/**
 * Philips Sierra XML (<restingecgdata>, documenttype SierraECG or PhilipsECG), versions 1.03, 1.04, 1.04.01 and 1.04.02. Layout:
 *
 *   documentinfo     documentname, documenttype, documentversion
 *   dataacquisition  @date @time, machine, acquirer (people, places), signalcharacteristics: samplingrate, resolution (1.03: signalresolution),
 *                    signalbandwidth or hipass/lowpass, numberchannelsvalid, acquisitiontype
 *   patient          generalpatientdata: patientid, name, age/years or age/dateofbirth (age/@defaultage is no age), sex
 *   interpretations  interpretation: globalmeasurements (1.03: interpretationmeasurements), severity, statement: leftstatement, rightstatement
 *   waveforms        parsedwaveforms: the recording. @dataencoding Base64 (Plain: decimal numbers), @compression (1.03: @compressmethod) XLI,
 *                      @durationperchannel in ms, and from 1.04 on @samplespersecond, @resolution in uV per step, @leadlabels, @numberofleads
 *                    repbeats: one averaged beat per lead, plain int16; not the recording
 *
 * XLI: one chunk per channel, 16 channels however many are used: int32 bytes of compressed data, int16 (always 1), int16 first delta, then codes
 *   of 10 bits, most significant bit first; 0-255 literals, 256-1022 strings of LZW (the table stays when full), 1023 the end. The bytes that come
 *   out are the high bytes of all samples, then the low bytes, of int16 values d: s[0] = d[0], s[1] = d[1],
 *   s[i] = 2 s[i-1] - s[i-2] - (d[i-1] - 64), with the first delta in place of d[1] - 64. Sums wrap at 16 bits.
 * Limb leads: stored are differences s from what I and II predict, divisions towards zero:
 *   III = II - I - s,  aVR = -s - (I + II) / 2,  aVL = (I - III) / 2 - s,  aVF = (II + III) / 2 - s
 * Tail: channels end in zeros, 0.2 s of 1 mV and 0.1 s of zeros, the same in all leads: calibration, left out of the record with a note.
 *
 * Source  real files of all versions but 1.04.02; the sierra-ecg-tools project's description of XLI and of the differences. The direction of
 *         rounding from a file and its conversion by the vendor's own tool: with division towards minus infinity, as that project's Python
 *         reader has it, the converted leads are off by one step exactly where a negative sum is odd. Chunks 13 to 16 of a channel that was not
 *         connected hold noise whose sums overflow; they are not decoded.
 */
#ifndef SHN_FORMATS_SIERRA_SIERRA_H
#define SHN_FORMATS_SIERRA_SIERRA_H

#include "formats/reader.h"
#include "formats/xml/xml.h"

#define SIERRA_LEADS_MAX   16               /* channels of one recording */
#define SIERRA_SAMPLES_MAX ((size_t)1 << 22)        /* samples of one channel: over two hours at 500 Hz */

#define SIERRA_STATEMENTS_MAX 512           /* statements kept */

extern const shn_reader shn_reader_sierra;

/**
 * One XLI chunk. *bytes and *n_bytes move behind it. *out holds *n samples, owned by the caller.
 * @param n_expected  samples that the file announces; more is an error (limit of memory), fewer is left to the caller
 * @param[out] wrapped  samples whose sum left 16 bits
 * Errors  SHN_FORMAT (truncated; bad_value: no LZW code, odd number of bytes, too many samples), SHN_NOMEM
 */
SHN_NODISCARD shn_status sierra_xli_chunk(const uint8_t **bytes, size_t *n_bytes, size_t n_expected, const char *place, int16_t **out, size_t *n,
                                          size_t *wrapped, shn_error *err);
/** Type and version, refused where they are not among those above. Errors SHN_FORMAT, SHN_UNSUPPORTED */
SHN_NODISCARD shn_status sierra_version(const shn_xml *doc, char *version, size_t size, shn_error *err);
/** Everything beside the samples. Errors SHN_NOMEM */
SHN_NODISCARD shn_status sierra_facts(const shn_xml *doc, shn_record *rec, shn_error *err);
SHN_NODISCARD shn_status sierra_deidentify(const shn_input *in, shn_deid *deid, shn_bytes *out, shn_error *err);

#endif
