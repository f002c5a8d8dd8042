/** shinden model show: what a model file says about itself, for people or as JSON. */
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "cli/cli.h"
#include "cli/json_text.h"
#include "shinden/model.h"

static void help(void)
{
    puts("usage: shinden model show FILE [--json]\n\n"
         "  Prints what a model file holds: encoder, input, loss, findings in both languages with their counts in training and\n"
         "  thresholds, read-outs, calibration, texts, and the manifest of its training.\n\n"
         "example: shinden model show run/model.safetensors");
}

/** NaN and Inf become null: JSON has neither. */
static json_t *real_or_null(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *encoder_json(const shn_model *m)
{
    const shn_encoder_config *c = &m->encoder.config;
    json_t *blocks = json_array();
    for (size_t s = 0; s < SHN_STAGES && c->blocks[s]; s++) json_array_append_new(blocks, json_integer(c->blocks[s]));
    json_t *e = json_object();
    json_object_set_new(e, "n_leads", json_integer(c->n_leads));
    json_object_set_new(e, "width", json_integer(c->width));
    json_object_set_new(e, "blocks", blocks);
    json_object_set_new(e, "max_pool", json_boolean(c->max_pool));
    json_object_set_new(e, "embed", json_integer(c->embed));
    json_object_set_new(e, "n_params", json_integer((json_int_t)m->encoder.n_params));
    return e;
}

static json_t *input_json(const shn_input *in)
{
    json_t *o = json_object();
    json_object_set_new(o, "fs_hz", real_or_null(in->fs_hz));
    json_object_set_new(o, "n_samples", json_integer(in->n_samples));
    json_object_set_new(o, "window", json_integer(in->window));
    json_object_set_new(o, "n_windows", json_integer(in->n_windows));
    json_object_set_new(o, "reduce", json_string(in->reduce == SHN_REDUCE_MEAN ? "mean" : "max"));
    json_object_set_new(o, "normalisation", json_string(in->norm == SHN_NORM_GLOBAL ? "global" : "record"));
    json_object_set_new(o, "scale_per_mv", real_or_null(in->scale_per_mv));
    return o;
}

static json_t *finding_json(const shn_model *m, size_t k)
{
    const shn_calibration *c = &m->calibration[m->readout_default];
    json_t *f = json_object();
    json_object_set_new(f, "id", cli_json_text(m->finding_id[k]));
    json_object_set_new(f, "name_en", cli_json_text(m->name_en[k]));
    json_object_set_new(f, "name_ja", cli_json_text(m->name_ja[k]));
    json_object_set_new(f, "codes", cli_json_text(m->codes[k]));
    json_object_set_new(f, "n_pos", json_integer(m->n_pos[k]));
    json_object_set_new(f, "n_known", json_integer(m->n_known[k]));
    json_object_set_new(f, "threshold", c->fitted ? real_or_null(c->threshold[k]) : json_null());
    if (m->class_text && m->class_text[k]) json_object_set_new(f, "text", cli_json_text(m->class_text[k]));
    return f;
}

static json_t *readouts_json(const shn_model *m)
{
    json_t *list = json_array();
    for (int r = 0; r < SHN_READOUT_COUNT; r++) {
        if (!(m->readouts >> r & 1)) continue;
        const shn_calibration *c = &m->calibration[r];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_string(shn_readout_name((shn_readout)r)));
        json_object_set_new(o, "default", json_boolean(r == (int)m->readout_default));
        json_object_set_new(o, "fitted", json_boolean(c->fitted));
        json_object_set_new(o, "threshold_f1_micro", c->fitted ? real_or_null(c->threshold_f1_micro) : json_null());
        json_object_set_new(o, "threshold_jaccard", c->fitted ? real_or_null(c->threshold_jaccard) : json_null());
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *text_json(const shn_model *m)
{
    if (m->D == 0) return json_null();
    json_t *o = json_object();
    json_object_set_new(o, "form", cli_json_text(m->text_form));
    json_object_set_new(o, "source", cli_json_text(m->text_source));
    json_object_set_new(o, "record_text", cli_json_text(m->record_text));
    json_object_set_new(o, "width", json_integer((json_int_t)m->D));
    json_object_set_new(o, "logit_scale", m->has_pair_loss ? real_or_null(m->logit_scale) : json_null());
    json_object_set_new(o, "logit_bias", m->has_pair_loss ? real_or_null(m->logit_bias) : json_null());
    json_t *p = json_object();
    json_object_set_new(p, "model", cli_json_text(m->provider.model));
    json_object_set_new(p, "model_hash", cli_json_text(m->provider.model_hash));
    json_object_set_new(p, "prompt", cli_json_text(m->provider.prompt));
    json_object_set_new(p, "pooling", cli_json_text(m->provider.pooling));
    json_object_set_new(o, "provider", p);
    return o;
}

typedef struct counted { uint32_t n_records, sentence; } counted;

static int by_count(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->n_records != y->n_records) return x->n_records < y->n_records ? 1 : -1;
    return x->sentence < y->sentence ? -1 : x->sentence > y->sentence;
}

/** Sentences by how often they occur, most first. Owned; NULL when out of memory. */
static counted *commonest(const shn_model *m)
{
    counted *list = shn_alloc(m->n_sentences, sizeof *list);
    for (size_t i = 0; list && i < m->n_sentences; i++) list[i] = (counted){ m->sentence_count[i], (uint32_t)i };
    if (list) qsort(list, m->n_sentences, sizeof *list, by_count);
    return list;
}

static json_t *sentences_json(const shn_model *m)
{
    if (m->n_sentences == 0) return json_null();
    counted *order = commonest(m);
    json_t  *o = json_object(), *list = json_array();
    for (size_t i = 0; order && i < m->n_sentences; i++) {
        json_t *one = json_object();
        json_object_set_new(one, "text", cli_json_text(m->sentence_text[order[i].sentence]));
        json_object_set_new(one, "n_records", json_integer(order[i].n_records));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "logit_scale", real_or_null(m->sentence_scale));
    json_object_set_new(o, "bank", list);
    free(order);
    return o;
}

static json_t *document(const shn_model *m, const char *path)
{
    json_t *doc = json_object(), *findings = json_array();
    json_object_set_new(doc, "schema_version", json_integer(SHN_MODEL_SCHEMA));
    json_object_set_new(doc, "research_use_only", json_true());
    json_object_set_new(doc, "path", cli_json_text(path));
    json_object_set_new(doc, "loss", cli_json_text(m->loss));
    json_object_set_new(doc, "encoder", encoder_json(m));
    json_object_set_new(doc, "input", input_json(&m->input));
    json_object_set_new(doc, "text", text_json(m));
    json_object_set_new(doc, "sentences", sentences_json(m));
    json_object_set_new(doc, "readouts", readouts_json(m));
    json_object_set_new(doc, "readout_default", json_string(shn_readout_name(m->readout_default)));
    json_object_set_new(doc, "fitted_on", cli_json_text(m->fitted_on));
    json_object_set_new(doc, "n_training_sets", json_integer((json_int_t)m->n_sets));
    for (size_t k = 0; k < m->K; k++) json_array_append_new(findings, finding_json(m, k));
    json_object_set_new(doc, "findings", findings);
    json_t *manifest = m->manifest ? json_loads(m->manifest, 0, NULL) : NULL;
    json_object_set_new(doc, "manifest", manifest ? manifest : json_object());
    return doc;
}

static void print_sentences(const shn_model *m)
{
    if (m->n_sentences == 0) return;
    counted *order = commonest(m);
    printf("sentences    t = %.4g, %zu of the training reports", m->sentence_scale, m->n_sentences);
    for (size_t i = 0, shown = 0; order && i < m->n_sentences && shown < 5; i++)
        if (*m->sentence_text[order[i].sentence]) printf("%s'%s' (%u)", shown++ ? ", " : "; ", m->sentence_text[order[i].sentence], order[i].n_records);
    putchar('\n');
    free(order);
}

static void print_text(const shn_model *m, const char *path)
{
    const shn_encoder_config *c = &m->encoder.config;
    const shn_input *in = &m->input;
    printf("%s\nResearch use only. Not a medical device.  研究用であり、医療機器ではありません。\n\n", path);
    printf("loss         %s\n", m->loss);
    printf("encoder      ResNet 1D, %u leads, width %u, blocks", c->n_leads, c->width);
    for (size_t s = 0; s < SHN_STAGES && c->blocks[s]; s++) printf("%s%u", s ? "-" : " ", c->blocks[s]);
    printf("%s, E = %u, %zu parameters\n", c->max_pool ? "" : ", no max-pool", c->embed, m->encoder.n_params);
    printf("input        %g Hz, %u samples, %u window%s of %u, %s of scores, ", in->fs_hz, in->n_samples, in->n_windows,
           in->n_windows == 1 ? "" : "s", in->window, in->reduce == SHN_REDUCE_MEAN ? "mean" : "maximum");
    if (in->norm == SHN_NORM_GLOBAL) printf("mV times %g\n", in->scale_per_mv);
    else printf("each record to zero mean and unit variance\n");
    if (m->D) printf("texts        %s, width %zu, %s; a record's text: %s\n", m->text_form ? m->text_form : "", m->D,
                     m->text_source ? m->text_source : "", m->record_text ? m->record_text : "");
    if (m->has_pair_loss) printf("pair loss    t = %.4g, b = %.4g, %zu distinct finding sets in training\n", m->logit_scale, m->logit_bias, m->n_sets);
    print_sentences(m);
    printf("read-outs   ");
    for (int r = 0; r < SHN_READOUT_COUNT; r++)
        if (m->readouts >> r & 1) printf(" %s%s", shn_readout_name((shn_readout)r), r == (int)m->readout_default ? " (default)" : "");
    printf("\nfitted on    %s\n\n", m->fitted_on && *m->fitted_on ? m->fitted_on : "nothing: thresholds and calibration are missing");
    const shn_calibration *fit = &m->calibration[m->readout_default];
    printf("%9s %9s %9s  finding\n", "positive", "known", "threshold");
    for (size_t k = 0; k < m->K; k++) {
        printf("%9u %9u ", m->n_pos[k], m->n_known[k]);
        if (fit->fitted) printf("%9.4f  ", fit->threshold[k]);
        else printf("%9s  ", "-");
        printf("%s  %s  [%s] %s\n", m->name_en[k], m->name_ja[k], m->finding_id[k], m->codes[k] ? m->codes[k] : "");
    }
    json_t *manifest = m->manifest ? json_loads(m->manifest, 0, NULL) : NULL;
    char   *pretty = manifest ? json_dumps(manifest, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    if (pretty) printf("\nmanifest\n%s\n", pretty);
    free(pretty);
    json_decref(manifest);
}

cli_verb verb_model;
int verb_model(int argc, char **argv)
{
    static const struct option longs[] = { { "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
    int as_json = 0;
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        if (o == 'h') {
            help();
            return CLI_DONE;
        }
        if (o != 'j') return cli_usage("model", "unknown or incomplete option");
        as_json = 1;
    }
    if (optind >= argc || strcmp(argv[optind], "show") != 0) return cli_usage("model", "say 'model show FILE'");
    if (optind + 2 != argc) return cli_usage("model", "'show' needs one FILE");
    shn_error  err = { .status = SHN_OK };
    shn_model *m;
    if (shn_model_read(argv[optind + 1], &m, &err) != SHN_OK) return cli_fail("model", &err);
    if (as_json) {
        if (cli_json_print(document(m, argv[optind + 1]), JSON_INDENT(1)) != 0) err.status = SHN_IO;
    } else {
        print_text(m, argv[optind + 1]);
    }
    shn_model_free(m);
    if (err.status != SHN_OK || fflush(stdout) != 0 || ferror(stdout))
        shn_fail(&err, SHN_IO, SHN_REASON_DISK_FULL, "model.show", "standard output cannot be written");
    return err.status == SHN_OK ? CLI_DONE : cli_fail("model", &err);
}
