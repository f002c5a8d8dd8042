/**
 * Rows of prediction: one record of ten seconds with a default model, in its memory, to findings: by its class read-out, and by `joint`, which asks a bank of
 * report sentences as well. What is asked of the bank does not depend on the record, so that it must not cost every record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "cli/bench_rows.h"
#include "compute/isa.h"
#include "shinden/embed.h"
#include "shinden/predict.h"
#include "shinden/signal.h"

enum { FINDINGS = 71, WIDTH = 384, SENTENCES = 585, ROUNDS = 40, ROUNDS_QUICK = 12 };

static shn_status name_findings(shn_model *m, shn_error *err)
{
    int ok = 1;
    for (size_t k = 0; k < m->K; k++) {
        char id[32];
        snprintf(id, sizeof id, "finding_%zu", k);
        m->n_pos[k] = 10;
        m->n_known[k] = 100;
        ok &= (m->finding_id[k] = shn_strdup(id)) && (m->name_en[k] = shn_strdup(id)) && (m->name_ja[k] = shn_strdup("")) && (m->codes[k] = shn_strdup(""));
    }
    return ok ? SHN_OK : shn_fail_nomem(err, "bench");
}

/** Class columns and sentences over random texts. */
static shn_status make_model(shn_model **out, shn_error *err)
{
    shn_encoder_config config;
    shn_encoder_defaults(&config);
    shn_status st = shn_model_new(&config, FINDINGS, WIDTH, out, err);
    if (st != SHN_OK) return st;
    shn_model *m = *out;
    shn_encoder_init(&m->encoder, 1, m->params, m->state);
    m->input = (shn_input){ .fs_hz = 100, .n_samples = 1000, .window = 250, .n_windows = 7, .scale_per_mv = 4, .lead_present = 0xfff };
    m->has_class_columns = 1;
    m->class_scale = m->sentence_scale = 10;
    m->n_sentences = SENTENCES;
    m->sentence_vector = shn_alloc(SENTENCES * WIDTH, sizeof(float));
    m->sentence_mean = shn_alloc(WIDTH, sizeof(float));
    m->name_vector = shn_alloc(FINDINGS * WIDTH, sizeof(float));
    m->name_mean = shn_alloc(WIDTH, sizeof(float));
    if (!m->sentence_vector || !m->sentence_mean || !m->name_vector || !m->name_mean) return shn_fail_nomem(err, "bench");
    bench_fill(m->class_vector, FINDINGS * WIDTH, 1);
    bench_fill(m->name_vector, FINDINGS * WIDTH, 2);
    bench_fill(m->sentence_vector, SENTENCES * WIDTH, 3);
    bench_fill(m->projection, m->E * WIDTH, 4);
    m->readouts = 1u << SHN_READOUT_CLASS | 1u << SHN_READOUT_JOINT;
    snprintf(m->loss, sizeof m->loss, "class-columns");
    return name_findings(m, err);
}

static shn_status make_record(const shn_model *m, shn_record **out, shn_error *err)
{
    const size_t n = (size_t)m->input.n_samples;
    const shn_status st = shn_record_new(SHN_LEADS, n, m->input.fs_hz, out, err);
    for (int l = 0; st == SHN_OK && l < SHN_LEADS; l++) {
        shn_record_set_name(*out, (size_t)l, shn_lead_name((size_t)l));
        shn_record_set_unit(*out, (size_t)l, SHN_UNIT_DECLARED);
        bench_fill(shn_record_lead_mut(*out, (size_t)l), n, (uint64_t)l);
    }
    return st;
}

static shn_status predict_row(bench_run *run, const char *name, shn_readout readout, const shn_model *m, const shn_record *rec, shn_error *err)
{
    shn_predict_options o;
    shn_engine_options  engine;
    shn_predictor      *p = NULL;
    shn_prediction      found[FINDINGS];
    double              times[ROUNDS];
    const size_t        rounds = run->quick ? ROUNDS_QUICK : ROUNDS;
    shn_isa             isa = SHN_ISA_BASE;
    bench_row row = { .unit = "ms", .threads = 1, .precision = "f32", .ratio = NAN, .peak_fraction = NAN, .bandwidth_fraction = NAN };
    if (!bench_wants(run, name)) return SHN_OK;
    shn_predict_defaults(&o);
    shn_engine_defaults(&engine);
    o.readout = readout;
    engine.isa = run->isa;
    engine.winograd = run->winograd;
    engine.n_threads = 1;
    engine.precision = SHN_PRECISION_F32;
    snprintf(row.name, sizeof row.name, "%s", name);
    shn_status st = shn_isa_choose(run->isa, &isa, err);
    if (st == SHN_OK) st = shn_predictor_new(m, &o, &engine, &p, err);
    snprintf(row.isa, sizeof row.isa, "%s", shn_isa_name(isa));
    for (size_t i = 0; st == SHN_OK && i <= rounds; i++) {          /* the first is not counted */
        const double at = bench_thread_now();
        st = shn_predict(p, rec, found, NULL, NULL, err);
        if (i) times[i - 1] = bench_thread_now() - at;
        if (st == SHN_OK) st = bench_tell(run, name, err);
    }
    shn_predictor_free(p);
    if (st != SHN_OK) return st;
    row.value = 1e3 * bench_median(times, rounds, &row.spread);
    return bench_add(run, &row, err);
}

shn_status bench_predict(bench_run *run, shn_error *err)
{
    static const struct { const char *name; shn_readout readout; } rows[] = { { "predict_12x1000_class", SHN_READOUT_CLASS },
                                                                              { "predict_12x1000_joint_585", SHN_READOUT_JOINT } };
    shn_model  *m = NULL;
    shn_record *rec = NULL;
    if (!bench_wants(run, rows[0].name) && !bench_wants(run, rows[1].name)) return SHN_OK;
    shn_status st = make_model(&m, err);
    if (st == SHN_OK) st = make_record(m, &rec, err);
    for (size_t i = 0; st == SHN_OK && i < sizeof rows / sizeof *rows; i++) st = predict_row(run, rows[i].name, rows[i].readout, m, rec, err);
    shn_record_free(rec);
    shn_model_free(m);
    return st;
}
