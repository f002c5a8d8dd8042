/** Writes aECG files by hand: every part is a piece of text that a test can exchange. Shares nothing with the reader. */
#ifndef SHN_TESTS_AECG_WRITER_H
#define SHN_TESTS_AECG_WRITER_H

#include <stdio.h>
#include <string.h>

typedef struct aecg_lead_text { const char *code, *origin, *scale, *digits; } aecg_lead_text;     /* origin and scale: attributes */

typedef struct aecg_text {
    const char           *prolog;
    const char           *subject, *top, *series;   /* inside trialSubject; after componentOf; inside the series before its component */
    const char           *time;                     /* value of the time sequence */
    const char           *annotations;              /* inside annotationSet */
    const char           *more;                     /* after the series component: more components of the document */
    const aecg_lead_text *leads;                    /* ends with a NULL code */
} aecg_text;

static const aecg_lead_text aecg_two_leads[] = {
    { "MDC_ECG_LEAD_I", "value=\"0\" unit=\"uV\"", "value=\"2.5\" unit=\"uV\"", "1 -2\n\t3 4 0" },
    { "MDC_ECG_LEAD_AVR", "value=\"0.5\" unit=\"mV\"", "value=\"5\" unit=\"uV\"", " -100 200 300 -400 7 " },
    { NULL, NULL, NULL, NULL },
};

#define AECG_TIME "<head value=\"20021122091000.000\"/><increment value=\"0.002\" unit=\"s\"/>"
#define AECG_SUBJECT                                                                                                                            \
    "<id root=\"1.2.3.4\" extension=\"SBJ-123\"/><subjectDemographicPerson><name>Clark</name><administrativeGenderCode code=\"F\"/>"            \
    "<birthTime value=\"19530508\"/></subjectDemographicPerson>"

static inline aecg_text aecg_plain(void)
{
    return (aecg_text){ .prolog = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- by Clark -->\n", .subject = AECG_SUBJECT, .top = "", .series = "",
                        .time = AECG_TIME, .annotations = "", .more = "", .leads = aecg_two_leads };
}

static inline size_t aecg_sequence_set(char *out, size_t size, const char *time, const aecg_lead_text *leads)
{
    size_t n = (size_t)snprintf(out, size, "<component><sequenceSet><component><sequence><code code=\"TIME_ABSOLUTE\"/><value xsi:type=\"GLIST_TS\">%s</value></sequence></component>", time);
    for (; leads->code; leads++) {
        n += (size_t)snprintf(out + n, size - n, "<component><sequence><code code=\"%s\"/><value xsi:type=\"SLIST_PQ\">", leads->code);
        if (leads->origin) n += (size_t)snprintf(out + n, size - n, "<origin %s/>", leads->origin);
        if (leads->scale) n += (size_t)snprintf(out + n, size - n, "<scale %s/>", leads->scale);
        n += (size_t)snprintf(out + n, size - n, "<digits>%s</digits></value></sequence></component>", leads->digits);
    }
    return n + (size_t)snprintf(out + n, size - n, "</sequenceSet></component>");
}

/** The document; static storage for a few at a time. */
static inline const char *aecg_write(const aecg_text *t)
{
    static char store[4][32768], set[16384];
    static int  next;
    char       *out = store[next++ % 4];
    aecg_sequence_set(set, sizeof set, t->time, t->leads);
    snprintf(out, sizeof store[0],
             "%s<AnnotatedECG xmlns=\"urn:hl7-org:v3\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"><id root=\"61d1a24f\" extension=\"REC-1\"/>"
             "<effectiveTime><center value=\"20021122091000\"/></effectiveTime><componentOf><timepointEvent><code code=\"VISIT_3\"/><performer><name>JMK</name></performer>"
             "<componentOf><subjectAssignment><subject><trialSubject>%s</trialSubject></subject><componentOf><clinicalTrial><title>Trial</title></clinicalTrial></componentOf>"
             "</subjectAssignment></componentOf></timepointEvent></componentOf>%s<component><series><id root=\"dd7b629e\"/><code code=\"RHYTHM\"/>"
             "<effectiveTime><low value=\"20021122091000.250\"/><high value=\"20021122091010\"/></effectiveTime>%s%s"
             "<subjectOf><annotationSet>%s</annotationSet></subjectOf></series></component>%s</AnnotatedECG>",
             t->prolog, t->subject, t->top, t->series, set, t->annotations, t->more);
    return out;
}

#endif
