#include "cli/predict_output.h"

#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

#include "base/csv.h"
#include "cli/json_text.h"

#define SCHEMA_VERSION 1

static int stdout_status(void) { return fflush(stdout) != 0 || ferror(stdout) ? -1 : 0; }

static const shn_calibration *fit_of(const predict_output *o) { return &o->model->calibration[o->readout]; }

/* ------------------------------------------------------------------------------------------------ text */

/** Columns that a terminal gives to a text: two for a full-width letter. */
static int text_width(const char *s)
{
    int    width = 0;
    size_t left = strlen(s);
    while (left > 0) {
        utf8proc_int32_t code;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)left, &code);
        width += n > 0 ? utf8proc_charwidth(code) : 1;
        if (n <= 0) n = 1;
        s += n;
        left -= (size_t)n;
    }
    return width;
}

static void print_padded(const char *s, int width)
{
    const int have = text_width(s);
    printf("%s%*s", s, have < width ? width - have : 0, "");
}

static int width_of_shown(const predict_output *o, const predict_outcome *r, char *const *names)
{
    int most = 0;
    for (size_t i = 0; i < o->top; i++) {
        const int w = text_width(names[r->findings[i].finding]);
        if (w > most) most = w;
    }
    return most;
}

static void begin_text(const predict_output *o)
{
    const shn_model *m = o->model;
    printf("Research use only. Not a medical device.  研究用であり、医療機器ではありません。\n");
    printf("model %s: %s, read-out %s, ", o->model_path, m->loss, shn_readout_name(o->readout));
    if (fit_of(o)->fitted) printf("thresholds fitted on %s\n", m->fitted_on && *m->fitted_on ? m->fitted_on : "(not stated)");
    else printf("NOT FITTED: probabilities are uncalibrated and every threshold is 0.5\n");
}

/** Raw scores: what a probability of the phrase would be was fitted on nothing. */
static void text_phrase(const shn_model *m, const predict_outcome *r)
{
    if (!r->phrase) return;
    printf("  '%s': score", r->phrase->text);
    for (int i = 0; i < SHN_PHRASE_READOUTS; i++)
        if (shn_phrase_applies(m, (shn_phrase_readout)i))
            printf(" %s %.3f", shn_phrase_readout_name((shn_phrase_readout)i), (double)r->phrase_score[i]);
    puts(" (not calibrated; shinden eval --text shows how a cohort's records score)");
}

static void text_record(const predict_output *o, const predict_outcome *r)
{
    const shn_model *m = o->model;
    printf("\n%s\n", r->path);
    if (!r->findings) {
        printf("  error: %s [%s]\n", r->error->text, shn_reason_name(r->error->reason));
        return;
    }
    for (size_t i = 0; i < shn_record_n_notes(r->canonical); i++) {
        const shn_note *note = shn_record_note(r->canonical, i);
        printf("  warning: %s [%s]\n", note->text, shn_reason_name(note->reason));
    }
    const int ja = width_of_shown(o, r, m->name_ja), en = width_of_shown(o, r, m->name_en);
    for (size_t i = 0; i < o->top; i++) {
        const shn_prediction *p = &r->findings[i];
        printf("  %s ", p->positive ? "+" : "-");
        if (o->language != PREDICT_EN) print_padded(m->name_ja[p->finding], ja + 2);
        if (o->language != PREDICT_JA) print_padded(m->name_en[p->finding], en + 2);
        printf("%5.1f %%  (%s %4.1f %%)  %s\n", 100 * (double)p->probability, o->language == PREDICT_JA ? "閾値" : "threshold",
               100 * (double)p->threshold,
               o->language == PREDICT_JA ? (p->positive ? "陽性" : "陰性") : p->positive ? "yes" : "no");
    }
    text_phrase(m, r);
    if (r->plot) printf("  drawn: %s\n", r->plot);
}

/* ------------------------------------------------------------------------------------------------ JSON */

static json_t *warnings_json(const shn_record *canonical)
{
    json_t *list = json_array();
    for (size_t i = 0; i < shn_record_n_notes(canonical); i++) {
        const shn_note *note = shn_record_note(canonical, i);
        json_t *one = json_object();
        json_object_set_new(one, "reason", json_string(shn_reason_name(note->reason)));
        json_object_set_new(one, "text", cli_json_text(note->text));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *findings_json(const predict_output *o, const shn_prediction *findings)
{
    const shn_model *m = o->model;
    json_t *list = json_array();
    for (size_t i = 0; i < o->top; i++) {
        const shn_prediction *p = &findings[i];
        json_t *one = json_object();
        json_object_set_new(one, "id", cli_json_text(m->finding_id[p->finding]));
        json_object_set_new(one, "name_en", cli_json_text(m->name_en[p->finding]));
        json_object_set_new(one, "name_ja", cli_json_text(m->name_ja[p->finding]));
        json_object_set_new(one, "probability", cli_json_float(p->probability));
        json_object_set_new(one, "threshold", cli_json_float(p->threshold));
        json_object_set_new(one, "positive", json_boolean(p->positive));
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *phrase_json(const shn_model *m, const predict_outcome *r)
{
    json_t *o = json_object(), *scores = json_object();
    for (int i = 0; i < SHN_PHRASE_READOUTS; i++)
        if (shn_phrase_applies(m, (shn_phrase_readout)i))
            json_object_set_new(scores, shn_phrase_readout_name((shn_phrase_readout)i), cli_json_float(r->phrase_score[i]));
    json_object_set_new(o, "text", cli_json_text(r->phrase->text));
    json_object_set_new(o, "text_model", cli_json_text(r->phrase->provider));
    json_object_set_new(o, "scores", scores);
    return o;
}

static int json_record(const predict_output *o, const predict_outcome *r)
{
    json_t *doc = json_object();
    json_object_set_new(doc, "schema_version", json_integer(SCHEMA_VERSION));
    json_object_set_new(doc, "research_use_only", json_true());
    json_object_set_new(doc, "path", cli_json_text(r->path));
    if (r->findings) {
        json_object_set_new(doc, "readout", json_string(shn_readout_name(o->readout)));
        json_object_set_new(doc, "fitted", json_boolean(fit_of(o)->fitted));
        json_object_set_new(doc, "warnings", warnings_json(r->canonical));
        json_object_set_new(doc, "findings", findings_json(o, r->findings));
        if (r->phrase) json_object_set_new(doc, "phrase", phrase_json(o->model, r));
        if (r->plot) json_object_set_new(doc, "plot", cli_json_text(r->plot));
    } else {
        json_object_set_new(doc, "error", cli_json_text(r->error->text));
        json_object_set_new(doc, "reason", json_string(shn_reason_name(r->error->reason)));
    }
    if (o->n_written) putchar(',');
    return cli_json_print(doc, JSON_INDENT(1));
}

/* ------------------------------------------------------------------------------------------------ CSV */

static const char *const columns[] = { "path", "error", "reason", "warnings", "id", "name_en", "name_ja", "probability", "threshold", "positive" };
#define N_COLUMNS (sizeof columns / sizeof *columns)

static void csv_record(const predict_output *o, const predict_outcome *r)
{
    const shn_model *m = o->model;
    const char *row[N_COLUMNS] = { r->path };
    char   probability[32], threshold[32], warnings[4096];
    size_t used = 0;
    if (!r->findings) {
        row[1] = r->error->text;
        row[2] = shn_reason_name(r->error->reason);
        shn_csv_put_row(stdout, row, N_COLUMNS, ',');
        return;
    }
    warnings[0] = '\0';
    for (size_t i = 0; i < shn_record_n_notes(r->canonical) && used + 64 < sizeof warnings; i++)
        used += (size_t)snprintf(warnings + used, sizeof warnings - used, "%s%s", i ? ";" : "",
                                 shn_reason_name(shn_record_note(r->canonical, i)->reason));
    row[3] = warnings;
    row[7] = probability;
    row[8] = threshold;
    for (size_t i = 0; i < o->top; i++) {
        const shn_prediction *p = &r->findings[i];
        snprintf(probability, sizeof probability, "%.7g", (double)p->probability);
        snprintf(threshold, sizeof threshold, "%.7g", (double)p->threshold);
        row[4] = m->finding_id[p->finding];
        row[5] = m->name_en[p->finding];
        row[6] = m->name_ja[p->finding];
        row[9] = p->positive ? "1" : "0";
        shn_csv_put_row(stdout, row, N_COLUMNS, ',');
    }
}

/* ------------------------------------------------------------------------------------------------ all */

int predict_output_begin(predict_output *o)
{
    if (o->form == PREDICT_JSON) puts("[");
    else if (o->form == PREDICT_CSV) shn_csv_put_row(stdout, columns, N_COLUMNS, ',');
    else begin_text(o);
    return stdout_status();
}

int predict_output_record(predict_output *o, const predict_outcome *r)
{
    int failed = 0;
    if (o->form == PREDICT_JSON) failed = json_record(o, r);
    else if (o->form == PREDICT_CSV) csv_record(o, r);
    else text_record(o, r);
    o->n_written++;
    return failed ? -1 : stdout_status();
}

int predict_output_end(predict_output *o)
{
    if (o->form == PREDICT_JSON) puts("]");
    return stdout_status();
}
