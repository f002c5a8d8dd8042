/**
 * predict, embed, plot and model as a user runs them, on a small model and records made here, against what the library says.
 * `test_program --make DIR` only makes those files, for tests/cli.
 */
#include "harness.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/bytes.h"
#include "base/file.h"
#include "shinden/embed.h"
#include "shinden/format.h"
#include "shinden/predict.h"
#include "shinden/signal.h"

enum { K = 4, E = 8, FS = 100, N = 1000 };

static char folder[256];

static void must(shn_status st, const shn_error *err)
{
    if (st == SHN_OK) return;
    fprintf(stderr, "test_program: %s (%s)\n", err->text, err->where);
    exit(1);
}

static char *copy(const char *s) { return strcpy(calloc(1, strlen(s) + 1), s); }

/** A bce model with an untrained narrow encoder, fitted by decree: half the findings positive on most signals. */
static void make_model(const char *path)
{
    static const char *const names[K][4] = {
        { "atrial_fibrillation", "atrial fibrillation", "心房細動", "scp:AFIB" }, { "sinus_rhythm", "sinus rhythm", "洞調律", "scp:SR" },
        { "odd", "odd, \"quoted\" finding", "引用符「」,と読点、", "" },            { "lvh", "left ventricular hypertrophy", "左室肥大", "scp:LVH" },
    };
    shn_error          err = { .status = SHN_OK };
    shn_encoder_config config;
    shn_model         *m;
    shn_encoder_defaults(&config);
    config.width = 8;
    config.embed = E;
    for (int s = 0; s < SHN_STAGES; s++) config.blocks[s] = s < 2;
    must(shn_model_new(&config, K, 0, &m, &err), &err);
    snprintf(m->loss, sizeof m->loss, "bce");
    shn_encoder_init(&m->encoder, 7, m->params, m->state);
    m->input = (shn_input){ .fs_hz = FS, .n_samples = N, .window = 800, .n_windows = 3, .reduce = SHN_REDUCE_MEAN, .norm = SHN_NORM_GLOBAL,
                            .scale_per_mv = 2, .lead_present = 0xfff };
    m->readouts = 1u << SHN_READOUT_LOGIT;
    m->readout_default = SHN_READOUT_LOGIT;
    shn_calibration *c = &m->calibration[SHN_READOUT_LOGIT];
    c->fitted = 1;
    c->threshold_f1_micro = c->threshold_jaccard = 0.5f;
    for (int k = 0; k < K; k++) {
        m->finding_id[k] = copy(names[k][0]);
        m->name_en[k] = copy(names[k][1]);
        m->name_ja[k] = copy(names[k][2]);
        m->codes[k] = copy(names[k][3]);
        m->n_pos[k] = 10 + (uint32_t)k;
        m->n_known[k] = 100;
        for (int e = 0; e < E; e++) m->head_weight[k * E + e] = 0.3f * (float)sin(1 + 3 * k + e);
        c->slope[k] = 1;
        c->intercept[k] = 0.5f * (float)k - 0.75f;
        c->threshold[k] = k % 2 ? 0.2f : 0.9f;
        c->threshold_prevalence[k] = 0.5f;
    }
    m->fitted_on = copy("made up");
    m->fitted_records = copy("[]");
    m->manifest = copy("{\"command\": \"test_program\"}");
    must(shn_model_write(m, path, &err), &err);
    shn_model_free(m);
}

/** Sample i of lead l in microvolts: three sines per electrode, so that the limb leads obey Einthoven and Goldberger. */
static int microvolts(size_t l, size_t i, int seed)
{
    const double t = (double)i / FS;
    const int    I = (int)lround(400 * sin(7.1 * t + seed) + 100 * sin(31 * t)), II = (int)lround(700 * sin(7.1 * t + 0.4 + seed) - 90 * sin(29 * t));
    switch (l) {
    case 0: return 2 * I;
    case 1: return 2 * II;
    case 2: return 2 * II - 2 * I;
    case 3: return -(I + II);
    case 4: return 2 * I - II;
    case 5: return 2 * II - I;
    default: return (int)lround(300 * (double)l * sin(7.1 * t + 0.03 * (double)l + seed) / 6);
    }
}

/** A WFDB record of format 16; flat_lead and left_out are leads, or -1. */
static void make_record(const char *dir, const char *name, size_t n, int seed, int flat_lead, int left_out)
{
    char    path[600], header[4096];
    uint8_t *dat = calloc(n * SHN_LEADS, 2);
    size_t  n_leads = SHN_LEADS - (left_out >= 0), at = 0;
    shn_error err = { .status = SHN_OK };
    int     used = snprintf(header, sizeof header, "%s %zu %d %zu\n", name, n_leads, FS, n);
    for (size_t l = 0, column = 0; l < SHN_LEADS; l++) {
        uint16_t sum = 0;
        if ((int)l == left_out) continue;
        for (size_t i = 0; i < n; i++) {
            const int v = (int)l == flat_lead ? 0 : microvolts(l, i, seed);
            write_u16le(dat + 2 * (i * n_leads + column), (uint16_t)v);
            sum = (uint16_t)(sum + (uint16_t)v);
        }
        used += snprintf(header + used, sizeof header - (size_t)used, "%s.dat 16 1000/mV 16 0 %d %d 0 %s\n", name,
                         (int16_t)read_u16le(dat + 2 * column), (int16_t)sum, shn_lead_name(l));
        column++;
    }
    at = n * n_leads * 2;
    snprintf(path, sizeof path, "%s/%s.hea", dir, name);
    must(shn_file_write(path, header, (size_t)used, &err), &err);
    snprintf(path, sizeof path, "%s/%s.dat", dir, name);
    must(shn_file_write(path, dat, at, &err), &err);
    free(dat);
}

static void make_files(const char *dir)
{
    char      path[600];
    shn_error err = { .status = SHN_OK };
    snprintf(path, sizeof path, "%s/model.safetensors", dir);
    make_model(path);
    snprintf(path, sizeof path, "%s/records", dir);
    must(shn_dir_make(path, &err), &err);
    make_record(path, "a_good", N, 0, -1, -1);
    make_record(path, "b_flat", N, 1, 8, -1);
    make_record(path, "c_short", 300, 2, -1, -1);
    make_record(path, "d_good", N + 500, 3, -1, -1);
    make_record(dir, "no_v6", N, 4, -1, 11);
    make_record(dir, "cut", N, 5, -1, -1);
    snprintf(path, sizeof path, "%s/cut.dat", dir);
    must(truncate(path, 5000) == 0 ? SHN_OK : SHN_IO, &err);
    snprintf(path, sizeof path, "%s/words.txt", dir);
    must(shn_file_write(path, "this is no ECG\n", 15, &err), &err);
}

/* ---------------------------------------------------------------------------------------------- running the program */

/** Runs the program in the folder of the files; stdout into out, stderr dropped. Returns the exit code. */
static int program(char *out, size_t size, const char *fmt, ...)
{
    char    command[2048], words[1536];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    snprintf(command, sizeof command, "cd '%s' && ASAN_OPTIONS=detect_leaks=0 '%s' %s 2>/dev/null", folder, SHN_PROGRAM, words);
    FILE *p = popen(command, "r");
    assert_non_null(p);
    const size_t n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    while (fgetc(p) != EOF) continue;
    return WEXITSTATUS(pclose(p));
}

static char output[1 << 20];

static json_t *json_of(const char *text)
{
    json_error_t e;
    json_t *doc = json_loads(text, JSON_REJECT_DUPLICATES, &e);
    if (!doc) fail_msg("line %d: %s in: %.300s", e.line, e.text, text);
    return doc;
}

static double number(const json_t *o, const char *key)
{
    assert_true(json_is_number(json_object_get(o, key)));
    return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    if (!s) fail_msg("no text '%s'", key);
    return s;
}

/** The library's own answer; z [3][E]. */
static void by_library(const char *record, shn_prediction found[K], float *z)
{
    shn_error err = { .status = SHN_OK };
    char path[600];
    shn_model *m;
    shn_record *rec;
    shn_predictor *p;
    shn_predict_options options;
    shn_engine_options engine;
    shn_predict_defaults(&options);
    shn_engine_defaults(&engine);
    engine.n_threads = 1;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    assert_ok(shn_model_read(path, &m, &err));
    snprintf(path, sizeof path, "%s/%s", folder, record);
    assert_ok(shn_record_read(path, NULL, &rec, &err));
    assert_ok(shn_predictor_new(m, &options, &engine, &p, &err));
    assert_ok(shn_predict(p, rec, found, NULL, z, &err));
    shn_predictor_free(p);
    shn_record_free(rec);
    shn_model_free(m);
}

/* ---------------------------------------------------------------------------------------------- tests */

static void predict_json_is_the_librarys_answer(void **state)
{
    (void)state;
    static const char *const ids[K] = { "atrial_fibrillation", "sinus_rhythm", "odd", "lvh" };
    shn_prediction found[K];
    float z[3 * E];
    int n_positive = 0;
    by_library("records/a_good", found, z);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --json"), 0);
    json_t *doc = json_of(output);
    assert_int_equal(json_array_size(doc), 1);
    const json_t *one = json_array_get(doc, 0), *findings = json_object_get(one, "findings");
    assert_int_equal(number(one, "schema_version"), 1);
    assert_true(json_is_true(json_object_get(one, "research_use_only")));
    assert_string_equal(text(one, "path"), "records/a_good");
    assert_string_equal(text(one, "readout"), "logit");
    assert_true(json_is_true(json_object_get(one, "fitted")));
    assert_int_equal(json_array_size(json_object_get(one, "warnings")), 0);
    assert_int_equal(json_array_size(findings), K);
    for (size_t i = 0; i < K; i++) {
        const json_t *f = json_array_get(findings, i);
        assert_string_equal(text(f, "id"), ids[found[i].finding]);
        assert_near(number(f, "probability"), found[i].probability, 1e-6);
        assert_near(number(f, "threshold"), found[i].threshold, 1e-6);
        assert_int_equal(json_is_true(json_object_get(f, "positive")), found[i].probability >= found[i].threshold);
        if (i) assert_true(number(f, "probability") <= number(json_array_get(findings, i - 1), "probability"));
        n_positive += found[i].positive;
    }
    assert_true(n_positive > 0 && n_positive < K);              /* both decisions were seen */
    json_decref(doc);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --json --top 2"), 0);
    doc = json_of(output);
    assert_int_equal(json_array_size(json_object_get(json_array_get(doc, 0), "findings")), 2);
    json_decref(doc);
}

static void one_bad_file_does_not_stop_the_others(void **state)
{
    (void)state;
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records cut words.txt nowhere no_v6 --json"), 1);
    json_t *doc = json_of(output);
    static const struct { const char *path, *reason, *warning; } expected[] = {
        { "records/a_good", NULL, NULL },  { "records/b_flat", NULL, "flat_lead" }, { "records/c_short", "too_short", NULL },
        { "records/d_good", NULL, NULL },  { "cut", "truncated", NULL },                { "words.txt", "unknown_format", NULL },
        { "nowhere", "not_found", NULL },      { "no_v6", "missing_lead", NULL },
    };
    const size_t n = sizeof expected / sizeof *expected;
    assert_int_equal(json_array_size(doc), n);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(doc, i), *warnings = json_object_get(one, "warnings");
        assert_non_null(strstr(text(one, "path"), expected[i].path));
        assert_int_equal(json_object_get(one, "error") != NULL, expected[i].reason != NULL);
        assert_int_equal(json_object_get(one, "findings") != NULL, expected[i].reason == NULL);
        if (expected[i].reason) assert_string_equal(text(one, "reason"), expected[i].reason);
        int seen = 0;
        for (size_t w = 0; w < json_array_size(warnings); w++)
            seen |= expected[i].warning && strcmp(text(json_array_get(warnings, w), "reason"), expected[i].warning) == 0;
        assert_int_equal(seen, expected[i].warning != NULL);
    }
    json_decref(doc);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors no_v6 --allow-missing-leads --json"), 0);
    doc = json_of(output);
    assert_string_equal(text(json_array_get(json_object_get(json_array_get(doc, 0), "warnings"), 0), "reason"), "missing_lead");
    json_decref(doc);
}

static void text_and_csv_say_the_same(void **state)
{
    (void)state;
    shn_prediction found[K];
    float z[3 * E];
    char word[64];
    by_library("records/a_good", found, z);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good"), 0);
    assert_non_null(strstr(output, "Research use only. Not a medical device."));
    assert_non_null(strstr(output, "心房細動"));
    assert_non_null(strstr(output, "atrial fibrillation"));
    for (size_t i = 0; i < K; i++) {
        snprintf(word, sizeof word, "%5.1f %%  (threshold %4.1f %%)  %s", 100 * (double)found[i].probability, 100 * (double)found[i].threshold,
                 found[i].positive ? "yes" : "no");
        assert_non_null(strstr(output, word));
    }
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --lang ja --top 4"), 0);
    assert_null(strstr(output, "atrial fibrillation"));
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good words.txt --csv"), 1);
    size_t lines = 0;
    for (const char *p = output; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 1 + K + 1);
    assert_int_equal(strncmp(output, "path,error,reason,warnings,id,name_en,name_ja,probability,threshold,positive\n", 77), 0);
    assert_non_null(strstr(output, "\"odd, \"\"quoted\"\" finding\""));
    assert_non_null(strstr(output, ",unknown_format,"));
}

static void pictures_are_drawn_beside(void **state)
{
    (void)state;
    char path[600];
    static const char *const made[] = { "ecg.svg", "many-1.png", "many-2.png" };
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --plot ecg.svg --json"), 0);
    json_t *doc = json_of(output);
    assert_string_equal(text(json_array_get(doc, 0), "plot"), "ecg.svg");
    json_decref(doc);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good records/b_flat --plot many.png"), 0);
    for (size_t i = 0; i < 3; i++) {
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", folder, made[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_true(info.st_size > 5000);
    }
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --plot ecg.gif"), 2);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --plot none/ecg.png --json"), 1);
    doc = json_of(output);
    assert_string_equal(text(json_array_get(doc, 0), "reason"), "not_found");
    json_decref(doc);
}

static void embeddings_are_means_of_windows(void **state)
{
    (void)state;
    static const char *const records[2] = { "records/a_good", "records/d_good" };
    shn_error err = { .status = SHN_OK };
    shn_prediction found[K];
    float z[2][3 * E];
    char path[600];
    uint8_t *bytes;
    size_t n;
    for (int r = 0; r < 2; r++) by_library(records[r], found, z[r]);
    assert_int_equal(program(output, sizeof output, "embed model.safetensors records -o e.npy"), 1);       /* c_short is refused */
    snprintf(path, sizeof path, "%s/e.npy", folder);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    const size_t start = 10 + read_u16le(bytes + 8);
    assert_non_null(strstr((char *)bytes + 10, "'shape': (3, 8)"));
    assert_int_equal(n, start + 3 * E * 4);
    for (int r = 0; r < 2; r++)
        for (int e = 0; e < E; e++) {
            const double mean = ((double)z[r][e] + z[r][E + e] + z[r][2 * E + e]) / 3;
            assert_near(read_f32le(bytes + start + 4 * ((r ? 2 : 0) * E + e)), mean, 1e-6 * (1 + fabs(mean)));
        }
    assert_true(fabsf(z[0][0] - z[1][0]) > 1e-4f && fabsf(z[1][0] - z[1][E]) > 1e-6f);     /* records and windows do differ */
    free(bytes);
    snprintf(path, sizeof path, "%s/e.npy.csv", folder);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    assert_int_equal(strncmp((char *)bytes, "row,id,path,source,split\n0,a_good,records/a_good", 48), 0);
    assert_non_null(strstr((char *)bytes, "\n2,d_good,records/d_good"));
    free(bytes);
    assert_int_equal(program(output, sizeof output, "embed model.safetensors records/a_good -o e.safetensors --unit"), 0);
    snprintf(path, sizeof path, "%s/e.safetensors", folder);
    assert_ok(shn_file_read(path, 1 << 20, &bytes, &n, &err));
    double square = 0;
    for (int e = 0; e < E; e++) square += pow(read_f32le(bytes + n - 4 * E + 4 * (size_t)e), 2);
    assert_near(square, 1, 1e-5);
    assert_non_null(strstr((char *)bytes + 8, "a_good"));
    free(bytes);
    assert_int_equal(program(output, sizeof output, "embed model.safetensors words.txt -o f.npy"), 1);
    snprintf(path, sizeof path, "%s/f.npy", folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void model_show_tells_what_is_inside(void **state)
{
    (void)state;
    assert_int_equal(program(output, sizeof output, "model show model.safetensors --json"), 0);
    json_t *doc = json_of(output);
    assert_int_equal(number(doc, "schema_version"), 1);
    assert_true(json_is_true(json_object_get(doc, "research_use_only")));
    assert_string_equal(text(doc, "loss"), "bce");
    assert_string_equal(text(doc, "fitted_on"), "made up");
    assert_int_equal(number(json_object_get(doc, "input"), "window"), 800);
    assert_int_equal(number(json_object_get(doc, "encoder"), "embed"), E);
    assert_string_equal(text(json_object_get(doc, "manifest"), "command"), "test_program");
    const json_t *f = json_array_get(json_object_get(doc, "findings"), 3);
    assert_string_equal(text(f, "name_ja"), "左室肥大");
    assert_int_equal(number(f, "n_pos"), 13);
    assert_near(number(f, "threshold"), 0.2, 1e-6);
    json_decref(doc);
    assert_int_equal(program(output, sizeof output, "model show model.safetensors"), 0);
    assert_non_null(strstr(output, "左室肥大"));
    assert_non_null(strstr(output, "made up"));
    assert_int_equal(program(output, sizeof output, "model show words.txt"), 1);
    assert_int_equal(program(output, sizeof output, "model"), 2);
    assert_int_equal(program(output, sizeof output, "model show"), 2);
}

static void plot_draws_a_file(void **state)
{
    (void)state;
    char path[600];
    assert_int_equal(program(output, sizeof output, "plot records/b_flat -o p.pdf --layout 6x2 --highpass 0.5 --lowpass 40"), 0);
    snprintf(path, sizeof path, "%s/p.pdf", folder);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(program(output, sizeof output, "plot no_v6 -o q.png"), 0);             /* missing is drawn as missing */
    assert_int_equal(program(output, sizeof output, "plot records/c_short -o r.svg"), 0);   /* and short as short */
    assert_int_equal(program(output, sizeof output, "plot words.txt -o s.png"), 1);
    assert_int_equal(program(output, sizeof output, "plot records/a_good -o s.bmp"), 1);
    assert_int_equal(program(output, sizeof output, "plot records/a_good -o s.png --layout 2x2"), 2);
    assert_int_equal(program(output, sizeof output, "plot records/a_good -o s.png --dpi 5"), 2);
    assert_int_equal(program(output, sizeof output, "plot records/a_good"), 2);
}

static void bad_usage_is_2(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "predict", "predict model.safetensors", "predict model.safetensors x --top 0", "predict model.safetensors x --lang de",
        "predict model.safetensors x --readout best", "predict model.safetensors x --frobnicate", "embed model.safetensors x",
        "embed model.safetensors x -o y.txt", "plot",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (program(output, sizeof output, "%s", lines[i]) != 2) fail_msg("'%s' is not refused as bad usage", lines[i]);
    assert_int_equal(program(output, sizeof output, "predict records/a_good.dat records/a_good --json"), 1);
    assert_string_equal(output, "");                            /* no model: no document */
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --readout class"), 1);
    static const char *const verbs[] = { "predict", "embed", "plot", "model" };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(program(output, sizeof output, "%s --help", verbs[i]), 0);
        assert_non_null(strstr(output, "example: shinden"));
    }
}

static void stdout_that_is_full_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good --json >/dev/full"), 1);
    assert_int_equal(program(output, sizeof output, "predict model.safetensors records/a_good >/dev/full"), 1);
    assert_int_equal(program(output, sizeof output, "model show model.safetensors >/dev/full"), 1);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s", test_folder());
    make_files(folder);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--make") == 0) {
        make_files(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predict_json_is_the_librarys_answer), cmocka_unit_test(one_bad_file_does_not_stop_the_others),
        cmocka_unit_test(text_and_csv_say_the_same),           cmocka_unit_test(pictures_are_drawn_beside),
        cmocka_unit_test(embeddings_are_means_of_windows),     cmocka_unit_test(model_show_tells_what_is_inside),
        cmocka_unit_test(plot_draws_a_file),                   cmocka_unit_test(bad_usage_is_2),
        cmocka_unit_test(stdout_that_is_full_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, NULL);
}
