#include "formats/edf/identity.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const months[12] = { "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC" };

/** The next part of a field (parts are separated by blanks); "" at the end. */
static const char *next_part(const char *at, char out[81])
{
    size_t n = 0;
    while (*at == ' ') at++;
    while (*at && *at != ' ') out[n++] = *at++;
    out[n] = '\0';
    return at;
}

/** A part as text: '_' is a blank, X is unknown. */
static void plain(char *part)
{
    if (strcmp(part, "X") == 0) *part = '\0';
    for (; *part; part++)
        if (*part == '_') *part = ' ';
}

/** "02-MAR-2002". 1: a date; X gives 1 with year 0 */
static int parse_date(const char *s, shn_day *out)
{
    char word[4] = "";
    int  used = 0;
    *out = (shn_day){ 0, 0, 0 };
    if (strcmp(s, "X") == 0) return 1;
    if (sscanf(s, "%2d-%3[A-Za-z]-%4d%n", &out->day, word, &out->year, &used) == 3 && s[used] == '\0')
        for (int m = 0; m < 12; m++)
            if (strcasecmp(word, months[m]) == 0) out->month = m + 1;
    if (shn_day_valid(out)) return 1;
    *out = (shn_day){ 0, 0, 0 };
    return 0;
}

void edf_date_text(shn_day d, char out[12])
{
    if (shn_day_valid(&d)) snprintf(out, 12, "%02u-%s-%04u", (unsigned)d.day % 100, months[d.month - 1], (unsigned)d.year % 10000);
    else strcpy(out, "X");
}

void edf_patient_parse(const edf_header *h, edf_patient *p)
{
    char        sex[81], birth[81], part[81];
    const char *at = h->patient;
    memset(p, 0, sizeof *p);
    p->age_years = NAN;
    at = next_part(at, p->id);
    at = next_part(at, sex);
    at = next_part(at, birth);
    p->follows = sex[0] && !sex[1] && strchr("MFX", sex[0]) && parse_date(birth, &p->birth);
    if (!p->follows) {
        p->birth = (shn_day){ 0, 0, 0 };
        snprintf(p->id, sizeof p->id, "%s", strcmp(h->patient, "dd-MMM-yyyy") == 0 ? "" : h->patient);     /* a template that a recorder left as it was */
        return;
    }
    p->sex = sex[0] == 'X' ? 0 : sex[0];
    plain(p->id);
    at = next_part(at, p->name);
    plain(p->name);
    for (;;) {
        char *end;
        at = next_part(at, part);
        if (!*part) break;
        if (strncasecmp(part, "Age_", 4) != 0 || !isdigit((unsigned char)part[4])) continue;
        const double age = strtod(part + 4, &end);
        if (*end == '\0' && age <= 150) p->age_years = age;
    }
}

void edf_recording_parse(const edf_header *h, edf_recording *r)
{
    char        part[81];
    const char *at = next_part(h->recording, part);
    memset(r, 0, sizeof *r);
    if (strcasecmp(part, "Startdate") != 0) return;
    at = next_part(at, part);
    r->follows = parse_date(part, &r->start);
    if (!r->follows) return;
    at = next_part(at, r->code);
    at = next_part(at, r->technician);
    next_part(at, r->equipment);
    plain(r->code);
    plain(r->technician);
    plain(r->equipment);
}

int edf_start(const edf_header *h, const edf_recording *r, shn_day *date, int time[3], int *disagree)
{
    shn_day d = { 0, 0, 0 };
    int      used = 0;
    char     tail[3] = "";
    *disagree = 0;
    if (sscanf(h->date, "%2d.%2d.%2s", &d.day, &d.month, tail) == 3 && isdigit((unsigned char)tail[0]) && isdigit((unsigned char)tail[1])) {
        d.year = atoi(tail);
        d.year += d.year >= 85 ? 1900 : 2000;
    }
    time[0] = -1;
    if (sscanf(h->time, "%2d.%2d.%2d%n", &time[0], &time[1], &time[2], &used) != 3 || h->time[used] || time[0] < 0 || time[0] > 23 || time[1] < 0 ||
        time[1] > 59 || time[2] < 0 || time[2] > 59)
        time[0] = -1;
    if (r->follows && shn_day_valid(&r->start)) {
        *disagree = shn_day_valid(&d) && (d.day != r->start.day || d.month != r->start.month || d.year % 100 != r->start.year % 100);
        d = r->start;
    } else if (r->follows && h->is_plus) d.year = 0;            /* "Startdate X": unknown, whatever stands in the old field */
    *date = d;
    return shn_day_valid(&d);
}

static void take_start(const edf_header *h, const edf_recording *r, const edf_patient *p, shn_record *rec)
{
    shn_record_meta *meta = shn_record_meta_mut(rec);
    shn_day  d;
    int      time[3], disagree;
    if (edf_start(h, r, &d, time, &disagree)) {
        char *s = meta->acquired;
        snprintf(s, sizeof meta->acquired, "%04d-%02d-%02d", d.year, d.month, d.day);
        if (time[0] >= 0) snprintf(s + 10, sizeof meta->acquired - 10, "T%02d:%02d:%02d", time[0], time[1], time[2]);
        if (p->birth.year) meta->age_years = shn_day_age(&p->birth, &d);
    }
    if (disagree) shn_record_add_note(rec, SHN_REASON_BAD_HEADER, "start date %s, but the recording field says another day, which is taken", h->date);
}

void edf_identity_apply(const edf_header *h, const char *file_name, shn_record *rec)
{
    edf_patient      p;
    edf_recording    r;
    shn_record_meta *meta = shn_record_meta_mut(rec);
    edf_patient_parse(h, &p);
    edf_recording_parse(h, &r);
    snprintf(meta->patient, sizeof meta->patient, "%s", p.id);
    meta->sex = p.sex;
    meta->age_years = p.age_years;
    snprintf(meta->device, sizeof meta->device, "%s", r.equipment);
    if (*r.code) snprintf(meta->id, sizeof meta->id, "%s", r.code);
    else {
        const char *dot = strrchr(file_name, '.');
        snprintf(meta->id, sizeof meta->id, "%.*s", dot && dot - file_name < 127 ? (int)(dot - file_name) : 127, file_name);
    }
    take_start(h, &r, &p, rec);
}
