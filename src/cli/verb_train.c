/** shinden train: settings from defaults, a YAML file and flags, then training, fitting on val, and the model file. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/settings.h"
#include "shinden/embed.h"
#include "shinden/eval.h"
#include "shinden/train.h"

enum { EVAL_BATCH = 64 };
#define VERB "train"
#define VAL  "val"

typedef struct arguments {
    const char   *cohort, *loss;
    cli_run_flags flags;
} arguments;

static void print_help(void)
{
    puts("shinden train: learns a shared space of ECGs and finding texts from a cohort\n\n"
         "usage: shinden train COHORT.h5 --loss NAME [--seed N] [--config FILE] [--resume] [--text e5-small|hash|VECTORS] [--KEY VALUE ...] -o RUN\n\n"
         "example: shinden train cohort.h5 --loss siglip-jaccard --epochs 30 -o runs/jaccard\n\n"
         "  -o RUN          folder for config.yaml, log.jsonl, TensorBoard events, checkpoints/, model.safetensors\n"
         "  --config FILE   YAML with the keys below; flags win over it\n"
         "  --resume        go on from RUN's last checkpoint, to the bits of an uninterrupted run\n"
         "  --json          the result as JSON\n\n"
         "Several processes share every batch where the program was built with MPI: mpirun -n 2 shinden train ... (docs/cluster.md).\n\n"
         "Settings (as YAML keys with _ for -); the defaults are the best recipe known for the loss:");
    shn_train_config config;
    shn_train_defaults(SHN_LOSS_SIGLIP_JACCARD, 0, 0, &config);
    cli_settings_help(shn_train_key_at, &config);
    puts("\nDefaults shown are those of siglip-jaccard. After training, the split 'val' sets thresholds and calibration.\n"
         "Research software, not a medical device.");
}

static int parse(int argc, char **argv, arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const int rc = cli_run_flags_take(&a->flags, VERB, shn_train_key_at, argc, argv, &i);
        if (rc > CLI_DONE) return rc;
        if (rc == CLI_OPERAND && a->cohort) return cli_usage(VERB, "one cohort at a time, not also '%s'", argv[i]);
        if (rc == CLI_OPERAND) a->cohort = argv[i];
    }
    if (!a->cohort) return cli_usage(VERB, "which cohort?");
    if (!a->flags.out) return cli_usage(VERB, "-o RUN says where the run goes");
    a->loss = cli_settings_value(&a->flags.settings, "loss");
    return CLI_DONE;
}

/** Defaults of the loss, which the flags or the file name, then the file, then the flags. *usage 1: a flag is missing or wrong. */
static shn_status settle(const arguments *a, const shn_cohort *c, shn_train_config *config, int *usage, shn_error *err)
{
    uint8_t *yaml = NULL;
    size_t   n = 0;
    shn_status st = SHN_OK;
    shn_loss loss = a->loss ? shn_loss_from_name(a->loss) : SHN_LOSS_COUNT;
    if (a->flags.config && (st = shn_file_read(a->flags.config, SHN_TRAIN_YAML_MAX, &yaml, &n, err)) != SHN_OK) return st;
    if (yaml && !a->loss) {
        shn_train_config probe;
        shn_train_defaults(SHN_LOSS_COUNT, 0, 0, &probe);
        st = shn_train_config_parse(&probe, (const char *)yaml, n, err);
        loss = probe.loss;
    }
    *usage = st == SHN_OK && loss == SHN_LOSS_COUNT;
    if (st == SHN_OK && !*usage) {
        shn_train_defaults(loss, shn_cohort_n_samples(c), shn_cohort_fs_hz(c), config);
        if (yaml) st = shn_train_config_parse(config, (const char *)yaml, n, err);
    }
    if (st != SHN_OK && yaml) shn_error_prefix(err, "%s", a->flags.config);
    free(yaml);
    if (st == SHN_OK && !*usage) {
        st = cli_settings_apply(&a->flags.settings, config, err);
        *usage = st != SHN_OK;
    }
    config->resume = a->flags.resume;
    return st;
}

/** Fits on val, writes the model, scores val. *json is NULL where there is no val. */
static shn_status finish(const shn_cohort *c, const shn_train_config *config, shn_model *m, const char *path, char **json, shn_error *err)
{
    shn_engine *eng = NULL;
    shn_engine_options o;
    const shn_watcher watcher = cli_watcher();
    const int fitted = shn_cohort_has_split(c, VAL);
    *json = NULL;
    shn_train_engine(config, &o);
    shn_status st = shn_model_fit_val(m, c, &o, &watcher, err);
    if (st == SHN_OK) st = shn_model_write(m, path, err);
    if (st == SHN_OK && fitted) st = shn_model_engine(m, EVAL_BATCH, &o, &eng, err);
    if (st == SHN_OK && fitted) {
        shn_eval_options e;
        shn_eval_defaults(&e);
        e.split = VAL;
        e.n_bootstrap = 0;                      /* a first look; `shinden eval` gives intervals and controls */
        e.controls = 0;
        e.watcher = watcher;
        st = shn_eval(m, eng, c, &e, json, err);
    }
    shn_engine_free(eng);
    return st;
}

static int print_json(const char *path, const shn_train_config *config, const char *eval)
{
    json_t *doc = json_object(), *validation = eval ? json_loads(eval, 0, NULL) : NULL;
    json_object_set_new(doc, "schema_version", json_integer(1));
    json_object_set_new(doc, "research_use_only", json_true());
    json_object_set_new(doc, "model", json_string(path));
    json_object_set_new(doc, "loss", json_string(shn_loss_name(config->loss)));
    json_object_set_new(doc, "seed", json_integer((json_int_t)config->seed));
    json_object_set_new(doc, "validation", validation ? validation : json_null());
    const int failed = json_dumpf(doc, stdout, JSON_INDENT(2)) != 0;
    putchar('\n');
    json_decref(doc);
    return failed ? CLI_FAILED : CLI_DONE;
}

static int print_result(const char *path, const shn_train_config *config, const char *eval, int json)
{
    shn_error err = { 0 };
    char     *table = NULL;
    cli_progress_end();
    if (json) return print_json(path, config, eval);
    if (eval && shn_eval_text(eval, &table, &err) != SHN_OK) return cli_fail(VERB, &err);
    if (table) fputs(table, stdout);
    else puts("no split 'val' in the cohort: the model has no thresholds and no calibration");
    free(table);
    printf("model: %s\n", path);
    return CLI_DONE;
}

/** Which knowledge goes in is the first thing to know about a run. */
static void say_texts(const shn_train_config *config, const shn_vectors *vectors)
{
    if (vectors) fprintf(stderr, "shinden train: texts: %s, %s; vectors: %s\n", config->text_form, config->language, shn_vectors_describe(vectors));
    else if (strcmp(config->text, "none") != 0) fprintf(stderr, "shinden train: bce reads no texts; text %s is not used\n", config->text);
}

/** Every rank says what went wrong with it; that another one failed, that one says itself, and rank 0 for all. One write, as ranks share the terminal. */
static int fail_in_group(const shn_error *err, shn_group *group)
{
    char verb[48];
    if (!group) return cli_fail(VERB, err);
    const unsigned rank = shn_group_rank(group);
    const int      of_another = err->status == SHN_CANCELLED && strcmp(err->where, "group") == 0;
    snprintf(verb, sizeof verb, VERB ": rank %u", rank);
    return of_another && rank != 0 ? CLI_FAILED : cli_fail(verb, err);
}

static int run(const arguments *a, const shn_cohort *c)
{
    shn_train_config config = { 0 };
    shn_vectors     *vectors = NULL;
    shn_model       *model = NULL;
    shn_error        err = { 0 };
    char             path[SHN_PATH_MAX], *eval = NULL;
    int              usage = 0, rank;
    shn_group       *group = NULL;
    const shn_watcher watcher = cli_watcher();
    shn_status st = settle(a, c, &config, &usage, &err);
    if (usage && st != SHN_OK) return cli_usage(VERB, "%s", err.text);
    if (usage)
        return a->loss ? cli_usage(VERB, "no loss '%s'", a->loss) : cli_usage(VERB, "--loss NAME says what is learned");
    if (st == SHN_OK) st = shn_train_config_check(&config, &err);
    if (st == SHN_OK) st = shn_path_join(path, a->flags.out, "model.safetensors", &err);
    if (st == SHN_OK) st = shn_train_vectors(&config, &vectors, &err);
    if (st == SHN_OK) st = shn_group_join(&group, &err);
    rank = (int)shn_group_rank(group);
    config.group = group;
    cli_progress_of_rank(rank, shn_group_size(group));
    if (st == SHN_OK && rank == 0) say_texts(&config, vectors);
    if (st == SHN_OK) st = shn_train(c, vectors, &config, a->flags.out, &watcher, &model, &err);
    int rc = st == SHN_OK ? CLI_DONE : fail_in_group(&err, group);
    shn_group_leave(group, rc != CLI_DONE);             /* fitting and scoring are rank 0's; the others need not wait for it */
    if (rc == CLI_DONE && rank == 0) {
        st = finish(c, &config, model, path, &eval, &err);
        rc = st == SHN_OK ? print_result(path, &config, eval, a->flags.json) : cli_fail(VERB, &err);
    }
    free(eval);
    shn_model_free(model);
    shn_vectors_free(vectors);
    return rc;
}

cli_verb verb_train;

int verb_train(int argc, char **argv)
{
    arguments   a = { 0 };
    shn_error   err = { 0 };
    shn_cohort *cohort = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return CLI_DONE;
        }
    const int rc = parse(argc, argv, &a);
    if (rc != CLI_DONE) return rc;
    if (shn_cohort_open(a.cohort, &cohort, &err) != SHN_OK) return cli_fail(VERB, &err);
    const int done = run(&a, cohort);
    shn_cohort_close(cohort);
    return done;
}
