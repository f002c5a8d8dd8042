/** An experiment's config, the correction for several claims, and a whole small experiment on simulated records. */
#include "harness.h"

#include <ctype.h>
#include <dirent.h>
#include <libxml/parser.h>
#include <math.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/cohort_writer.h"
#include "eval/summary.h"
#include "experiment/groups.h"
#include "experiment/lists.h"
#include "experiment/pages.h"
#include "experiment/plan.h"
#include "experiment/results.h"

static const char good[] =
    "version: 1\n"
    "title: T\n"
    "seeds: [3, 4, 5]\n"
    "cohorts:\n"
    "  a: {file: a.h5}\n"
    "  b: {import: [{preset: ptbxl, folder: \"${data}/ptbxl\"}], fs: 100, windows: all, simulated: 1, allow_upsampling: 0}\n"
    "  f: {file: f.h5, cross_validate: 4, pool: train+val}\n"
    "  g: {same_as: b, cross_validate: 2}\n"
    "texts:\n"
    "  h: {hash: 16}\n"
    "  lm: {file: lm.safetensors, proxy: small for large}\n"
    "label_lists:\n"
    "  left: [[x, y], [z]]\n"
    "  drawn: {n: 6, groups: 3, min_positives: 5, cohort: b, split: val}\n"
    "train: {epochs: 7, text: h}\n"
    "systems:\n"
    "  one: {loss: bce, cohort: b, epochs: 9}\n"
    "  grid: {loss: clip, embed: [32, 64], crop_seconds: [0, 2.5], seeds: 2}\n"
    "  zs: {loss: class-columns, cohort: b, leave_out_groups: left}\n"
    "  cv: {loss: clip, cohort: f, text: lm}\n"
    "  plain: {loss: bce}\n"
    "evaluations:\n"
    "  home: {cohort: a}\n"
    "  away: {cohort: b, split: all}\n"
    "  folds: {cohort: f}\n"
    "  far: {cohort: b, split: all, home: a, findings: [x, z], min_positives: 5}\n"
    "baseline: plain\n"
    "tables:\n"
    "  t: {title: Table, evaluation: away, rows: [one, \"grid,embed=32,crop_seconds=0@marginal\"], metrics: [top1, ece], plots: [one]}\n"
    "  g: {evaluation: home, rows: [\"grid,embed=32,crop_seconds=0\"], metrics: [ece], controls: 0}\n"
    "  z: {evaluation: home, rows: [zs@class], metrics: [auroc_macro]}\n"
    "  v: {evaluation: folds, rows: [cv], metrics: [auroc_macro]}\n"
    "claims:\n"
    "  c: {claim: one is better, higher: one, lower: \"grid,embed=64,crop_seconds=2.5\", metric: auroc_macro, evaluation: home}\n"
    "  e: {claim: it drops less, higher: one, lower: plain, metric: auroc_macro, drop: [home, far]}\n"
    "  d: {claim: both are the same, same: [one@logit, one], metric: ece, evaluation: away, caveat: proxy only}\n";

static shn_status parse(const char *yaml, xp_plan **p, shn_error *err)
{
    return xp_plan_parse((const uint8_t *)yaml, strlen(yaml), "folder/x.yaml", "/data", p, err);
}

static void test_plan(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    xp_plan         *p;
    shn_train_config config;
    assert_ok(parse(good, &p, &err));
    assert_int_equal(p->n_seeds, 3);
    assert_int_equal(p->seeds[2], 5);
    assert_string_equal(p->cohorts[0].file, "folder/a.h5");
    assert_string_equal(p->cohorts[1].collections[0].folder, "/data/ptbxl");
    assert_near(p->cohorts[1].import.signal.fs_hz, 100, 0);
    assert_true(p->cohorts[1].import.windows_all && p->cohorts[1].import.simulated);
    assert_false(p->cohorts[1].import.signal.allow_upsampling || p->cohorts[1].import.signal.allow_missing_leads);
    assert_int_equal(p->n_systems, 8);          /* one, two times two, and three */
    assert_string_equal(p->systems[0].name, "one");
    assert_string_equal(p->systems[4].name, "grid,embed=64,crop_seconds=2.5");
    assert_int_equal(p->systems[0].cohort, 1);
    assert_int_equal(p->systems[0].n_seeds, 3);
    assert_int_equal(p->systems[4].n_seeds, 2);
    assert_ok(xp_train_config(p, &p->systems[0], 4, 0, &config, &err));
    assert_int_equal(config.epochs, 9);         /* a system's own setting wins over `train` */
    assert_int_equal(config.seed, 4);
    assert_int_equal(config.n_threads, 1);
    assert_ok(xp_train_config(p, &p->systems[1], 3, 0, &config, &err));
    assert_int_equal(config.epochs, 7);
    assert_int_equal(config.encoder.embed, 32);
    assert_near(config.crop_seconds, 0, 0);
    assert_string_equal(p->evaluations[0].split, "val");
    assert_int_equal(p->tables[0].rows[1].system, 1);
    assert_int_equal(p->tables[0].rows[1].readout, SHN_READOUT_MARGINAL);
    assert_int_equal(p->tables[0].rows[0].readout, SHN_READOUT_COUNT);
    assert_int_equal(p->tables[0].metrics[1], METRIC_ece);
    assert_int_equal(p->claims[0].lower.system, 4);
    assert_int_equal(p->claims[2].equal, 1);
    assert_string_equal(p->claims[2].caveat, "proxy only");
    xp_plan_free(p);
}

/** Trainings that have parts, what is judged where, and what is drawn. */
static void test_plan_parts(void **state)
{
    (void)state;
    shn_error        err = { 0 };
    xp_plan         *p;
    shn_train_config config;
    assert_ok(parse(good, &p, &err));
    const xp_system *zs = &p->systems[5], *cv = &p->systems[6];
    assert_int_equal(zs->n_parts, 2);
    assert_ok(xp_train_config(p, zs, 3, 0, &config, &err));
    assert_string_equal(config.leave_out, "x,y");
    assert_ok(xp_train_config(p, zs, 3, 1, &config, &err));
    assert_string_equal(config.leave_out, "z");
    assert_int_equal(cv->n_parts, 4);
    assert_string_equal(p->cohorts[cv->cohort].pool, "train+val");
    assert_string_equal(p->texts[cv->text].proxy, "small for large");
    assert_string_equal(p->systems[1].base, "grid");
    assert_int_equal(p->systems[1].n_varied, 2);
    assert_int_equal(p->cohorts[3].twin, 1);
    assert_int_equal(p->cohorts[1].twin, 1);
    assert_int_equal(p->lists[1].n, 3);
    assert_null(p->lists[1].group[0]);                  /* not before its cohort is open */
    assert_int_equal(p->lists[1].min_positives, 5);
    assert_int_equal(p->evaluations[3].home, 0);
    assert_int_equal(p->evaluations[3].min_positives, 5);
    assert_string_equal(p->evaluations[3].finding[1], "z");
    assert_int_equal(p->tables[0].n_rows, 2);           /* trained on another cohort than the baseline */
    assert_true(p->tables[0].plotted[0] && !p->tables[0].plotted[1] && p->tables[0].controls);
    assert_int_equal(p->tables[1].n_rows, 2);           /* the baseline is added, and drawn */
    assert_string_equal(p->tables[1].rows[1].text, "plain");
    assert_true(p->tables[1].plotted[1] && !p->tables[1].controls);
    assert_int_equal(p->tables[2].n_rows, 1);           /* not where findings were left out */
    assert_int_equal(p->tables[3].n_rows, 1);           /* nor in a cross-validation that it took no part in */
    assert_int_equal(p->claims[1].away, 3);
    assert_int_equal(p->claims[0].away, p->n_evaluations);
    assert_int_equal(p->examples.each, 2);
    assert_int_equal(p->examples.row.system, 0);
    xp_plan_free(p);
}

/** The good config with one piece replaced must be refused with a message that holds `says`. */
static void refused(const char *piece, const char *by, const char *says)
{
    shn_error   err = { 0 };
    xp_plan    *p;
    char        yaml[8192];
    const char *at = strstr(good, piece);
    assert_non_null(at);
    snprintf(yaml, sizeof yaml, "%.*s%s%s", (int)(at - good), good, by, at + strlen(piece));
    const shn_status st = parse(yaml, &p, &err);
    if (st == SHN_OK) fail_msg("'%s' for '%s' was taken", by, piece);
    assert_null(p);
    if (!strstr(err.text, says) || !strstr(err.text, "folder/x.yaml")) fail_msg("'%s' for '%s': %s", by, piece, err.text);
}

static void test_refusals(void **state)
{
    (void)state;
    refused("version: 1", "version: 2", "version: 1");
    refused("version: 1", "version: 1\nbootstrap: 100", "needs 'bootstrap: 120'");
    refused("title: T", "titel: T", "no key 'titel'");
    refused("seeds: [3, 4, 5]", "seeds: [3, 4.5]", "whole number");
    refused("seeds: [3, 4, 5]", "seeds: []", "seeds");
    refused("{file: a.h5}", "{}", "one of file, import");
    refused("preset: ptbxl, ", "", "needs a preset or a map");
    refused("{hash: 16}", "{hash: 0}", "number from 1");
    refused("loss: bce", "loss: none", "no loss 'none'");
    refused("loss: bce, ", "", "'loss' is missing");
    refused("cohort: b, epochs: 9", "cohort: z, epochs: 9", "no cohort 'z'");
    refused("epochs: 9", "epoch: 9", "epoch");
    refused("text: h", "text: g", "no text 'g'");
    refused("epochs: 7, text: h", "epochs: 7", "needs a text");
    refused("seeds: 2}", "seeds: 4}", "how many of the 3");
    refused("seeds: 2}", "seeds: 2abc}", "how many of the 3");
    refused("rows: [one,", "rows: [two,", "no system 'two'");
    refused("@marginal", "@nothing", "no read-out 'nothing'");
    refused("top1, ece", "top1, x", "no metric 'x'");
    refused("evaluation: away, rows", "evaluation: none, rows", "no evaluation 'none'");
    refused("lower: \"grid,embed=64,crop_seconds=2.5\", ", "", "'higher' and 'lower'");
    refused("same: [one@logit, one]", "same: [one, one]", "with itself");
    refused("  grid:", "  one:", "twice");
    refused("cross_validate: 4, ", "", "goes with");
    refused("cross_validate: 4", "cross_validate: 1", "from 2");
    refused("[[x, y], [z]]", "[]", "groups");
    refused("[[x, y], [z]]", "[x]", "list of 1");
    refused("[[x, y], [z]]", "[[x, y], ['z\"']]", "plain word");
    refused("same_as: b", "same_as: z", "no cohort 'z' above");
    refused("same_as: b", "same_as: h", "no cohort 'h' above");
    refused("{n: 6, groups: 3,", "{groups: 3,", "needs n");
    refused("{n: 6, groups: 3,", "{n: 2, groups: 3,", "2 findings for 3 groups");
    refused("min_positives: 5, cohort: b, split", "min_positives: 5, cohort: q, split", "no cohort 'q'");
    refused("leave_out_groups: left", "leave_out_groups: right", "no label list 'right'");
    refused("cohort: b, leave_out_groups", "cohort: f, leave_out_groups", "do not go together");
    refused("evaluation: folds, rows: [cv]", "evaluation: home, rows: [cv]", "need the same cohort");
    refused("evaluation: folds, rows: [cv]", "evaluation: folds, rows: [plain]", "need the same cohort");
    refused("evaluation: home, rows: [zs@class]", "evaluation: far, rows: [zs@class]", "left out");
    refused("rows: [zs@class]", "rows: [zs@class, plain]", "do not go together");
    refused("folds: {cohort: f}", "folds: {cohort: f, split: train}", "held-out");
    refused("home: a,", "home: f,", "cross_validate");
    refused("home: a,", "home: q,", "no cohort 'q'");
    refused("min_positives: 5", "min_positives: 0", "from 1");
    refused("plots: [one]", "plots: [two]", "no row 'two'");
    refused("baseline: plain", "baseline: none", "no system 'none'");
    refused("drop: [home, far]", "drop: [home]", "drop: [HOME, AWAY]");
    refused("drop: [home, far]", "evaluation: home, drop: [home, far]", "drop: [HOME, AWAY]");
    /* what would be trained, counted or written twice */
    refused("seeds: [3, 4, 5]", "seeds: [3, 4, 3]", "the seed 3 stands twice");
    refused("embed: [32, 64]", "embed: [32, 32]", "two systems are called 'grid,embed=32,crop_seconds=0'");
    refused("  g: {evaluation: home", "  t-findings: {evaluation: home", "tables 't' and 't-findings' would both write t-findings.csv");
    refused("  g: {evaluation: home", "  'a?': {evaluation: home, rows: [one], metrics: [ece]}\n  a_: {evaluation: home", "tables 'a?' and 'a_' would both write a_.csv");
    /* names that would write elsewhere */
    refused("  f: {file", "  ../../out: {file", "begins with '.'");
    refused("  f: {file", "  out/f: {file", "holds '/'");
    refused("  one: {loss", "  \"o\\x01ne\": {loss", "control character");
    refused("  g: {evaluation: home", "  '': {evaluation: home", "is empty");
    refused("  g: {evaluation: home", "  gggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggggg: {evaluation: home", "too long");
    /* each group of zs has a model of its own: its findings cannot be ranked against each other */
    refused("higher: one, lower: \"grid,embed=64,crop_seconds=2.5\", metric: auroc_macro", "higher: one, lower: zs@class, metric: top1_specific", "top1_specific ranks findings");
    refused("same: [one@logit, one], metric: ece", "same: [zs@class, one], metric: recall_at_5", "recall_at_5 ranks findings");
    /* what was off without a word where it was not the literal 1 */
    refused("simulated: 1", "simulated: true", "needs 0 or 1");
    refused("allow_upsampling: 0", "allow_upsampling: yes", "needs 0 or 1");
    refused("fs: 100,", "fs: 100, allow_missing_leads: 2,", "needs 0 or 1");
    refused("windows: all", "windows: every", "'windows' is all");
    refused("controls: 0", "controls: false", "needs 0 or 1");
    /* a file has its own rate, and so has a cohort's twin */
    refused("{file: a.h5}", "{file: a.h5, fs: 100}", "no key 'fs'");
    refused("{same_as: b, cross", "{same_as: b, simulated: 1, cross", "no key 'simulated'");
    /* a drop is judged in two places, and each row has to be allowed in both: cv has seen the records of home, zs leaves findings out */
    refused("drop: [home, far]", "drop: [home, folds]", "need the same cohort");
    refused("higher: one, lower: plain, metric: auroc_macro, drop: [home, far]", "higher: cv, lower: cv@marginal, metric: auroc_macro, drop: [folds, home]", "need the same cohort");
    refused("higher: one, lower: plain", "higher: zs@class, lower: plain", "left out");
    refused("higher: one, lower: plain", "higher: one, lower: zs@class", "left out");
    refused("{hash: 16}", "{hash: 16, builtin: e5-small}", "one of file");
    refused("{hash: 16}", "{builtin: e6}", "e5-small");
    refused("tables:", "examples: {row: one, evaluation: far}\ntables:", "another institution");
    refused("tables:", "subgroups: {row: one, evaluation: home}\ntables:", "list of metrics");
    refused("tables:", "subgroups: {row: one, evaluation: far, metrics: [ece]}\ntables:", "judged at home");
    refused("tables:", "subgroups: {row: cv, evaluation: folds, metrics: [ece]}\ntables:", "several models");
    refused("tables:", "supersets: {evaluation: home}\ntables:", "list of rows");
    refused("tables:", "supersets: {rows: [zs@class], evaluation: home}\ntables:", "several models");
}

/** The number before " trainings" in a config's own comment; 0 where it says none. */
static size_t trainings_said(const char *path)
{
    shn_error err = { 0 };
    uint8_t  *bytes;
    size_t    n, said = 0;
    assert_ok(shn_file_read(path, SHN_YAML_BYTES_MAX, &bytes, &n, &err));
    for (size_t i = 1; i + 10 < n && !said; i++) {
        if (memcmp(bytes + i, " trainings", 10) != 0) continue;
        for (size_t place = 1; i >= place && isdigit(bytes[i - place]); place++) said += (size_t)((bytes[i - place] - '0') * pow(10, (double)place - 1) + 0.5);
    }
    free(bytes);
    return said;
}

/** Every config that is shipped can be read, and trains as often as it says. */
static void test_shipped_configs(void **state)
{
    (void)state;
    const char    *folder = SHN_TESTS_DIR "/../configs";
    DIR           *d = opendir(folder);
    struct dirent *e;
    size_t         n_read = 0, papers = 0, recipe = 0, n_alone = 0;
    assert_non_null(d);
    while ((e = readdir(d))) {
        char      path[SHN_PATH_MAX];
        shn_error err = { 0 };
        xp_plan  *p;
        size_t    n = 0;
        if (strlen(e->d_name) < 6 || strcmp(e->d_name + strlen(e->d_name) - 5, ".yaml") != 0) continue;
        assert_ok(shn_path_join(path, folder, e->d_name, &err));
        assert_ok(xp_plan_read(path, "/data", &p, &err));
        for (size_t i = 0; i < p->n_systems; i++) {
            shn_train_config c;
            n += p->systems[i].n_seeds * p->systems[i].n_parts;
            if (strcmp(p->systems[i].name, "siglip-jaccard") != 0) continue;
            assert_ok(xp_train_config(p, &p->systems[i], 1, 0, &c, &err));
            if (c.class_columns != 0) fail_msg("%s: 'siglip-jaccard' is not the paper's loss alone", e->d_name);      /* whatever the default recipe adds */
            n_alone++;
        }
        const size_t said = trainings_said(path);
        if (said && said != n) fail_msg("%s says %zu trainings and has %zu", e->d_name, said, n);
        if (strcmp(e->d_name, "papers.yaml") == 0) papers = said;
        if (strcmp(e->d_name, "recipe.yaml") == 0) recipe = said;
        n_read++;
        xp_plan_free(p);
    }
    closedir(d);
    assert_true(n_read >= 6 && papers && recipe && n_alone >= 3);           /* those that take hours say how many */
}

static void test_file_names(void **state)
{
    (void)state;
    char out[16];
    xp_file_name("a b/c,d=1.5", out, sizeof out);
    assert_string_equal(out, "a_b_c,d=1.5");
    xp_file_name("心電", out, sizeof out);
    assert_string_equal(out, "心電");
    xp_file_name("xx心電心電心", out, sizeof out);     /* 17 bytes: the fifth letter does not fit, and is not cut */
    assert_string_equal(out, "xx心電心電");
}

static void test_no_memory(void **state)
{
    (void)state;
    shn_error err = { 0 };
    xp_plan  *p = NULL;
    long      n = 1;
    for (shn_status st = SHN_NOMEM; st != SHN_OK; n++) {
        shn_alloc_fail_after(n);
        st = parse(good, &p, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) break;
        assert_int_equal(st, SHN_NOMEM);
        assert_null(p);
        assert_true(n < 20000);
    }
    assert_true(n > 10);
    xp_plan_free(p);
}

/** A cohort with sinus rhythm everywhere and three other findings, of which 6, 4 and 1 of 12 val records are positive. */
static const char *write_findings(void)
{
    static char       path[512];
    static float      mv[100];
    static const char *const ids[] = { "sinus_rhythm", "atrial_fibrillation", "st_depression", "sinus_tachycardia" }, *const sources[] = { "s" };
    shn_error          err = { 0 };
    shn_cohort_writer *w;
    snprintf(path, sizeof path, "%s/c.h5", test_folder());
    const shn_cohort_spec spec = { .path = path, .n_rows = 12, .n_samples = 100, .fs_hz = 100, .finding_ids = ids, .n_findings = 4, .source_names = sources, .n_sources = 1 };
    assert_ok(shn_cohort_writer_new(&spec, &w, &err));
    for (size_t i = 0; i < 12; i++) {
        const uint8_t labels[4] = { 1, i < 4, i < 6, i < 1 }, known[4] = { 1, 1, 1, 1 };
        char          id[32];
        snprintf(id, sizeof id, "r%zu", i);
        shn_cohort_row row = { .n_samples = 100, .labels = labels, .known = known, .id = id, .split = "val", .age = NAN };
        for (size_t l = 0; l < SHN_LEADS; l++) row.lead_mv[l] = mv;
        assert_ok(shn_cohort_writer_row(w, i, &row, &err));
    }
    assert_ok(shn_cohort_writer_finish(w, &err));
    shn_cohort_writer_free(w);
    return path;
}

/** Drawn by rule: no ubiquitous finding, none too rare, commonest first, dealt round. And ids that the cohort lacks are told before training. */
static void test_lists(void **state)
{
    (void)state;
    shn_error   err = { 0 };
    xp_plan    *p;
    char        yaml[1024];
    const char *path = write_findings();
    static const struct { const char *list; shn_status wanted; const char *says; } cases[] = {
        { "{n: 5, groups: 2, min_positives: 2}", SHN_OK, NULL },
        { "{n: 5, groups: 3, min_positives: 2}", SHN_RANGE, "2 findings have 2 positives" },
        { "{n: 5, groups: 2, min_positives: 2, split: test}", SHN_RANGE, "test" },
        { "[[atrial_fibrillation], [no_such_finding]]", SHN_RANGE, "no_such_finding" },
        { "[[atrial_fibrillation]]}\nevaluations: {val: {findings: [atrial_flutter, slip]}", SHN_RANGE, "names 'slip'" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(yaml, sizeof yaml, "version: 1\nseeds: [1]\ncohorts: {a: {file: %s}}\ntexts: {h: {hash: 8}}\nlabel_lists: {l: %s}\nsystems: {z: {loss: class-columns, text: h, "
                                    "leave_out_groups: l}}\n%s", path, cases[i].list, strstr(cases[i].list, "evaluations") ? "" : "evaluations: {val: {}}\n");
        assert_ok(parse(yaml, &p, &err));
        assert_ok(shn_cohort_open(path, &p->cohorts[0].open, &err));
        assert_status(xp_lists_settle(p, &err), cases[i].wanted);
        if (cases[i].says) assert_non_null(strstr(err.text, cases[i].says));
        else {
            assert_string_equal(p->lists[0].group[0], "st_depression");
            assert_string_equal(p->lists[0].group[1], "atrial_fibrillation");
        }
        xp_plan_free(p);
    }
}

/** Holm 1979 by hand: 0.01, 0.04, 0.03, 0.005 of four. */
static void test_holm(void **state)
{
    (void)state;
    const double p[4] = { 0.01, 0.04, 0.03, 0.005 }, two[2] = { 0.6, NAN };
    double       a[4];
    xp_holm(p, 4, a);
    assert_near(a[3], 0.02, 1e-15);             /* 4 x 0.005 */
    assert_near(a[0], 0.03, 1e-15);             /* 3 x 0.01 */
    assert_near(a[2], 0.06, 1e-15);             /* 2 x 0.03 */
    assert_near(a[1], 0.06, 1e-15);             /* 1 x 0.04, not below the one before */
    xp_holm(two, 2, a);
    assert_near(a[0], 1, 0);
    assert_true(isnan(a[1]));
}

/** What could not be made is an error, not an entry that is not there. */
/** Fractions are averaged, what is missing in one is missing, counts and words are the first's. */
static void test_mean(void **state)
{
    (void)state;
    const char *const given[] = { "{\"n\": 3, \"v\": {\"value\": 0.25, \"low\": null}, \"list\": [1.0, \"a\"]}", "{\"n\": 3, \"v\": {\"value\": 0.75, \"low\": 0.5}, \"list\": [2.0, \"a\"]}" };
    json_t *docs[] = { json_loads(given[0], 0, NULL), json_loads(given[1], 0, NULL) }, *mean = xp_mean(docs, 2);
    assert_non_null(mean);
    assert_int_equal(json_integer_value(json_object_get(mean, "n")), 3);
    const json_t *v = json_object_get(mean, "v"), *list = json_object_get(mean, "list");
    assert_float_equal(json_real_value(json_object_get(v, "value")), 0.5, 0);
    assert_true(json_is_null(json_object_get(v, "low")));
    assert_float_equal(json_real_value(json_array_get(list, 0)), 1.5, 0);
    assert_string_equal(json_string_value(json_array_get(list, 1)), "a");
    json_decref(mean);
    json_array_append_new(json_object_get(docs[1], "list"), json_real(0));
    assert_null(xp_mean(docs, 2));                      /* another form: no mean of it */
    json_decref(docs[0]);
    json_decref(docs[1]);
}

static void test_append(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *list = json_array();
    assert_ok(xp_append(list, json_integer(1), &err));
    assert_status(xp_append(list, json_string("\xE5\xBF"), &err), SHN_NOMEM);         /* a letter cut in two is no JSON string */
    assert_status(xp_append(NULL, json_integer(1), &err), SHN_NOMEM);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
}

/** Text from outside stays text in every form of the pages. */
static void test_pages(void **state)
{
    (void)state;
    shn_error err = { 0 };
    json_t   *doc = json_loads("{\"title\": \"<b>T|</b>\", \"n_bootstrap\": 10, \"cohorts\": [], \"claims\": [{\"claim\": \"a|b<i>\", \"verdict\": \"supported\","
                               "\"size\": \"s\", \"n_seeds\": 5, \"n_records\": 9, \"caveat\": \"\", \"difference\": {\"value\": 0.5, \"low\": null, \"high\": 1}}],"
                               "\"tables\": [{\"name\": \"t\", \"title\": \"x_y\", \"cohort\": \"c\", \"split\": \"val\", \"metrics\": [\"top1\"], \"rows\": [{\"system\":"
                               "\"s_1&<i>\", \"readout\": \"class\", \"n_seeds\": 2, \"n_records\": 9, \"metrics\": {\"top1\": {\"value\": 0.25, \"low\": 0.1, \"high\":"
                               "0.5, \"sd_seeds\": 0.0625}}}]}], \"subgroups\": [{\"row\": \"r<i>&\", \"evaluation\": \"e<i>\", \"n_seeds\": 2, \"metrics\": [\"top1\"], \"groups\": ["
                               "{\"by\": \"sex\", \"group\": \"F\", \"n_records\": 3, \"n_patients\": 2, \"small\": true, \"metrics\": {\"top1\": {\"value\": 0.75, \"low\": 0.5, \"high\": 1}}}]}]}", 0, NULL);
    const json_t *table = json_array_get(json_object_get(doc, "tables"), 0);
    char *md, *html, *csv, *tex, *claims;
    assert_non_null(doc);
    assert_ok(xp_markdown(doc, &md, &err));
    assert_ok(xp_html(doc, NULL, NULL, &html, &err));
    assert_ok(xp_table_csv(table, &csv, &err));
    assert_ok(xp_table_latex(table, &tex, &err));
    assert_ok(xp_claims_csv(doc, &claims, &err));
    assert_non_null(strstr(md, "a\\|b<i> | **supported**"));
    assert_non_null(strstr(md, "0.250 (0.062) [0.100, 0.500]"));
    assert_null(strstr(html, "<i>"));
    assert_non_null(strstr(html, "s_1&amp;&lt;i&gt;"));
    assert_non_null(strstr(html, "r&lt;i&gt;&amp; on e&lt;i&gt;"));
    assert_non_null(strstr(md, "| sex | F | 3 | 2, small | 0.750 [0.500, 1.000] |"));
    assert_non_null(strstr(csv, "s_1&<i>,class,2,9,top1,0.25,0.0625,0.1"));
    assert_non_null(strstr(tex, "s\\_1\\&<i> & class & 2 & 0.250 [0.100, 0.500]"));
    assert_non_null(strstr(claims, ",0.5,,1,"));
    free(md);
    free(html);
    free(csv);
    free(tex);
    free(claims);
    json_decref(doc);
}

/** Figures hold what the document says, each a drawing of its own; rows without curves draw nothing. */
static void test_figures(void **state)
{
    (void)state;
    shn_error  err = { 0 };
    xp_figures f;
    json_t    *doc = json_loads("{\"title\": \"T\", \"tables\": [{\"name\": \"t\", \"title\": \"<T>\", \"metrics\": [\"top1\"], \"rows\": ["
        "{\"row\": \"a&b\", \"system\": \"grid,lr=1\", \"metrics\": {\"top1\": {\"value\": 0.5, \"low\": 0.4, \"high\": 0.6}}, \"per_finding\": [{\"id\": \"x\", \"name_en\": \"X ray\", \"name_ja\": \"エックス\","
        "\"n_pos\": 12, \"auroc\": 0.9, \"auroc_low\": 0.8, \"auroc_high\": 0.95}, {\"id\": \"y\", \"name_en\": \"never there\", \"n_pos\": 0, \"auroc\": null}], \"curves\": {\"roc\": [[0, 0, 0, 0.1], [1, 1, 1, 1]],"
        "\"pr\": [[0, 1, 0.5, 1], [1, 0.2, 0.1, 0.3]], \"reliability\": [[0.1, 0.1, 0, 0.2], [0, null, null, null]], \"top\": [[1, 0.5, 0.4, 0.6]]}}, {\"row\": \"plain\", \"metrics\": {}}]}],"
        "\"learning\": [{\"system\": \"s\", \"n_runs\": 2, \"epochs\": [[1, 3, 2, 4], [2, 1, 1, 1]]}], \"sweeps\": [{\"base\": \"grid\", \"key\": \"lr\", \"points\": [{\"x\": 1, \"system\": \"grid,lr=1\", \"loss\": 3,"
        "\"low\": 2, \"high\": 4}, {\"x\": 2, \"system\": \"none\", \"loss\": 2, \"low\": 2, \"high\": 2}]}]}", 0, NULL);
    static const char *const names[] = { "t-findings", "t-curves", "t-candidates", "t-reliability", "learning", "by-lr-grid" };
    assert_non_null(doc);
    assert_ok(xp_figures_draw(doc, &f, &err));
    assert_int_equal(f.n, sizeof names / sizeof *names);
    for (size_t i = 0; i < f.n; i++) {
        assert_string_equal(f.list[i].name, names[i]);
        xmlDoc *xml = xmlReadMemory(f.list[i].svg, (int)strlen(f.list[i].svg), "svg", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
        assert_non_null(xml);
        xmlFreeDoc(xml);
        assert_null(strstr(f.list[i].svg, "nan"));
    }
    assert_non_null(strstr(f.list[0].svg, "エックス"));
    assert_null(strstr(f.list[0].svg, "never there"));              /* nothing to rank */
    assert_non_null(strstr(f.list[1].svg, "a&amp;b"));
    for (long n = 1;; n++) {
        xp_figures again;
        shn_alloc_fail_after(n);
        const shn_status st = xp_figures_draw(doc, &again, &err);
        shn_alloc_fail_after(0);
        if (st == SHN_OK) {
            xp_figures_free(&again);
            break;
        }
        assert_int_equal(st, SHN_NOMEM);
    }
    xp_figures_free(&f);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan), cmocka_unit_test(test_plan_parts), cmocka_unit_test(test_refusals), cmocka_unit_test(test_shipped_configs), cmocka_unit_test(test_file_names), cmocka_unit_test(test_mean), cmocka_unit_test(test_append), cmocka_unit_test(test_no_memory), cmocka_unit_test(test_lists), cmocka_unit_test(test_holm), cmocka_unit_test(test_pages), cmocka_unit_test(test_figures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
