/** Writes Philips Sierra XML by hand: differences of limb leads, second differences, LZW, base64, from the description of the format. */
#ifndef SHN_TESTS_SIERRA_WRITER_H
#define SHN_TESTS_SIERRA_WRITER_H

#include "xml_made.h"

enum { SIERRA_PULSE = 100, SIERRA_PADDING = 50 };

typedef struct sierra_made {
    int   n;                            /* samples of a channel */
    int   leads[16][6000];              /* true values, in steps */
} sierra_made;

/** Leads that obey the limb laws as a machine's integers do, with odd negative sums among them; then 50 zeros, a pulse of 200, 50 zeros. */
static inline void sierra_fill(sierra_made *s, int n_ecg, int with_tail)
{
    memset(s, 0, sizeof *s);
    for (int t = 0; t < n_ecg; t++) {
        const int i = (t * 7) % 83 - 60, ii = (t * t) % 101 - 70;
        s->leads[0][t] = i;
        s->leads[1][t] = ii;
        s->leads[2][t] = ii - i;
        s->leads[3][t] = -((i + ii) / 2);           /* C divides towards zero, as the machine */
        s->leads[4][t] = (i - (ii - i)) / 2;
        s->leads[5][t] = (ii + (ii - i)) / 2;
        for (int l = 6; l < 12; l++) s->leads[l][t] = (t * (l + 2)) % 151 - 75 + l;
    }
    s->n = n_ecg;
    if (!with_tail) return;
    for (int t = 0; t < SIERRA_PULSE; t++)
        for (int l = 0; l < 12; l++) s->leads[l][n_ecg + SIERRA_PADDING + t] = 200;
    s->n = n_ecg + SIERRA_PULSE + 2 * SIERRA_PADDING;
}

/** What is stored of lead l at t. */
static inline int sierra_stored(const sierra_made *s, int l, int t)
{
    const int i = s->leads[0][t], ii = s->leads[1][t], iii = s->leads[2][t], v = s->leads[l][t];
    switch (l) {
    case 2: return ii - i - v;
    case 3: return -v - (i + ii) / 2;
    case 4: return (i - iii) / 2 - v;
    case 5: return (ii + iii) / 2 - v;
    default: return v;
    }
}

typedef struct bit_writer { uint8_t *out; size_t n; uint32_t held; int n_held; } bit_writer;
static inline void put_code(bit_writer *w, unsigned code)
{
    for (int bit = 9; bit >= 0; bit--) {
        w->held = w->held << 1 | (code >> bit & 1);
        if (++w->n_held == 8) {
            w->out[w->n++] = (uint8_t)w->held;
            w->held = 0;
            w->n_held = 0;
        }
    }
}

/** LZW of 10 bits by searching a plain list of strings: slow and obvious. Returns bytes written; out needs 2 * n + 8. */
static inline size_t sierra_lzw(const uint8_t *in, size_t n, uint8_t *out)
{
    static struct { size_t at; size_t length; } list[1024];
    unsigned   n_list = 256;
    bit_writer w = { .out = out };
    for (size_t p = 0; p < n;) {
        unsigned best = in[p];
        size_t   length = 1;
        for (unsigned k = 256; k < n_list; k++)
            if (list[k].length > length && list[k].length <= n - p && memcmp(in + list[k].at, in + p, list[k].length) == 0) {
                best = k;
                length = list[k].length;
            }
        put_code(&w, best);
        if (n_list < 1023 && p + length < n) {
            list[n_list].at = p;
            list[n_list++].length = length + 1;
        }
        p += length;
    }
    put_code(&w, 1023);
    while (w.n_held) put_code(&w, 0);
    return w.n;
}

/** One chunk of n stored values at *p; returns its end. The differences invert s[i] = 2 s[i-1] - s[i-2] - delta. */
static inline uint8_t *sierra_chunk(uint8_t *p, const int *v, int n)
{
    uint8_t *split = calloc((size_t)n * 2, 1);
    int      first = 0, *d = calloc((size_t)n + 1, sizeof *d);
    for (int i = 0; i < 2 && i < n; i++) d[i] = v[i];
    for (int i = 2; i < n; i++) {
        const int delta = 2 * v[i - 1] - v[i - 2] - v[i];          /* is d[i - 1] - 64, and for i = 2 the first delta */
        if (i == 2) first = delta;
        else d[i - 1] = delta + 64;
    }
    for (int i = 0; i < n; i++) {
        split[i] = (uint8_t)((unsigned)d[i] >> 8);
        split[n + i] = (uint8_t)d[i];
    }
    const size_t size = sierra_lzw(split, (size_t)n * 2, p + 8);
    for (int b = 0; b < 4; b++) p[b] = (uint8_t)(size >> (8 * b));
    p[4] = 1;
    p[5] = 0;
    p[6] = (uint8_t)first;
    p[7] = (uint8_t)((unsigned)first >> 8);
    free(split);
    free(d);
    return p + 8 + size;
}

/** All channels; the four unused ones hold noise that overflows. *n bytes, owned by the caller. */
static inline uint8_t *sierra_xli(const sierra_made *s, size_t *n)
{
    uint8_t *bytes = malloc(16 * (size_t)(4 * s->n + 64)), *p = bytes;
    int     *v = calloc((size_t)s->n, sizeof *v);
    for (int l = 0; l < 16; l++) {
        for (int t = 0; t < s->n; t++) v[t] = l < 12 ? sierra_stored(s, l, t) : (t * 20011) % 60000 - 30000;
        p = sierra_chunk(p, v, s->n);
    }
    free(v);
    *n = (size_t)(p - bytes);
    return bytes;
}

typedef struct sierra_words {
    const char *type, *version, *encoding, *compression, *resolution, *labels, *interpretation;
    int duration_ms, decimal, raw, cut;                 /* raw: uncompressed int16; cut: bytes dropped from the end, of compressed data two thirds */
} sierra_words;
#define SIERRA_WORDS { .type = "PhilipsECG", .version = "1.04", .encoding = "Base64", .compression = "XLI", .resolution = "5", \
                       .labels = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6", .interpretation = "" }

static inline void sierra_document(made_text *m, const sierra_made *s, const sierra_words *w)
{
    made(m, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<restingecgdata xmlns=\"http://www3.medical.philips.com\" status=\"New\" lang=\"en\">\n"
            "<documentinfo><documentname>7eacbc80.xml</documentname><filename>\\Card\\7eacbc80.xml</filename><documenttype>%s</documenttype>"
            "<documentversion>%s</documentversion></documentinfo>\n<userdefines><userdefine><label>FIN#</label><value>120190145</value></userdefine></userdefines>\n"
            "<orderinfo><ordernumber>4711</ordernumber></orderinfo>\n"
            "<dataacquisition date=\"2010-01-19\" time=\"15:19:22\" statflag=\"False\"><machine machineid=\"EKG1715\" detaildescription=\"860315:A.01\">PageWriter</machine>"
            "<acquirer><operator id=\"VWJ\">Kim</operator><institutionname>North Hospital</institutionname></acquirer>"
            "<signalcharacteristics><samplingrate>500</samplingrate><signalbandwidth>0.05-150</signalbandwidth><acquisitiontype>10-WIRE</acquisitiontype>"
            "<bitspersample>16</bitspersample><signaloffset>0</signaloffset><numberchannelsvalid>12</numberchannelsvalid></signalcharacteristics></dataacquisition>\n"
            "<patient><generalpatientdata><patientid>9999</patientid><name><lastname>Doe</lastname><firstname>Jane</firstname></name>"
            "<age defaultage=\"50\"><dateofbirth>1950-01-20</dateofbirth></age><sex>Female</sex></generalpatientdata></patient>\n"
            "<interpretations><interpretation date=\"2010-01-19\" time=\"15:19:22\">%s</interpretation></interpretations>\n",
         w->type, w->version, w->interpretation);
    made(m, "<waveforms><parsedwaveforms dataencoding=\"%s\"", w->encoding);
    if (w->compression) made(m, " compression=\"%s\"", w->compression);
    if (w->labels) made(m, " numberofleads=\"12\" leadlabels=\"%s\"", w->labels);
    if (w->resolution) made(m, " resolution=\"%s\"", w->resolution);
    made(m, " durationperchannel=\"%d\" samplespersecond=\"500\" hipass=\"0.05\" lowpass=\"150\" notchfiltered=\"True\" notchfilterfreqs=\"60\">",
         w->duration_ms ? w->duration_ms : 2 * s->n);
    if (w->decimal || w->raw) {
        uint8_t *raw = malloc((size_t)s->n * 24);
        for (int l = 0; l < 12; l++)
            for (int t = 0; t < s->n; t++) {
                const int v = w->raw == 2 || w->decimal == 2 ? sierra_stored(s, l, t) : s->leads[l][t];      /* 2: as differences */
                if (w->decimal) made(m, "%d ", v);
                raw[2 * (l * s->n + t)] = (uint8_t)v;
                raw[2 * (l * s->n + t) + 1] = (uint8_t)((unsigned)v >> 8);
            }
        if (!w->decimal) made_base64(m, raw, (size_t)s->n * 24 - (size_t)w->cut, 76);
        free(raw);
    } else {
        size_t   n;
        uint8_t *bytes = sierra_xli(s, &n);
        made_base64(m, bytes, w->cut ? n / 3 : n, 76);
        free(bytes);
    }
    made(m, "</parsedwaveforms><repbeats dataencoding=\"Base64\"><repbeat leadname=\"I\"><waveform duration=\"1200\">AAAA</waveform></repbeat></repbeats></waveforms>\n"
            "</restingecgdata>\n");
}

static const char sierra_sinus[] =
    "<globalmeasurements><heartrate>64</heartrate><print>164</print><qrsdur>102</qrsdur><qtint>399</qtint><qtcb>412</qtcb><pfrontaxis>27</pfrontaxis>"
    "<qrsfrontaxis>22</qrsfrontaxis><tfrontaxis>80</tfrontaxis><sthorizaxis>Failed</sthorizaxis><tonset>712</tonset></globalmeasurements>"
    "<mdsignatureline>Confirmed by: Smith 03/11/2004</mdsignatureline><severity code=\"ON\">- OTHERWISE NORMAL ECG -</severity>"
    "<statement editedflag=\"False\"><statementcode>SR</statementcode><leftstatement>Sinus rhythm</leftstatement><rightstatement>V-rate 50-99</rightstatement></statement>"
    "<statement editedflag=\"True\"><statementcode/><leftstatement>seen by Smith</leftstatement><rightstatement/></statement>";

#endif
