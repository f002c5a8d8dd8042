/** shinden pretrain: an encoder from ECGs alone, for `train --init`. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/file.h"
#include "cli/cli.h"
#include "cli/settings.h"
#include "shinden/pretrain.h"

#define VERB "pretrain"

typedef struct arguments {
    const char   *cohorts[SHN_PRETRAIN_COHORTS_MAX];
    size_t        n;
    cli_run_flags flags;
} arguments;

static void print_help(void)
{
    shn_train_config config;
    puts("shinden pretrain: learns an encoder from ECGs alone; no label and no text is read\n\n"
         "usage: shinden pretrain COHORT.h5... [--split train|all] [--config FILE] [--resume] [--KEY VALUE ...] -o RUN\n\n"
         "example: shinden pretrain ptbxl.h5 other.h5 --split train -o runs/pre && shinden train ptbxl.h5 --loss bce --init runs/pre -o runs/bce\n\n"
         "  COHORT.h5...    pooled; of one sampling rate. Of each the records of --split are taken\n"
         "  -o RUN          folder for config.yaml, log.jsonl, TensorBoard events, checkpoints/, " SHN_PRETRAIN_RESULT "\n"
         "  --config FILE   YAML with the keys below; flags win over it\n"
         "  --resume        go on from RUN's last checkpoint, to the bits of an uninterrupted run\n"
         "  --json          the result as JSON\n\n"
         "Settings (as YAML keys with _ for -):");
    shn_pretrain_defaults(0, 0, &config);
    cli_settings_help(shn_pretrain_key_at, &config);
    puts("\nTwo augmented crops of a record are each other's positive among all of the batch; the head they meet on is dropped.\n"
         "Research software, not a medical device.");
}

static int parse(int argc, char **argv, arguments *a)
{
    for (int i = 1; i < argc; i++) {
        const int rc = cli_run_flags_take(&a->flags, VERB, shn_pretrain_key_at, argc, argv, &i);
        if (rc > CLI_DONE) return rc;
        if (rc == CLI_OPERAND && a->n == SHN_PRETRAIN_COHORTS_MAX) return cli_usage(VERB, "at most %d cohorts", SHN_PRETRAIN_COHORTS_MAX);
        if (rc == CLI_OPERAND) a->cohorts[a->n++] = argv[i];
    }
    if (a->n == 0) return cli_usage(VERB, "which cohorts?");
    return a->flags.out ? CLI_DONE : cli_usage(VERB, "-o RUN says where the run goes");
}

/** Defaults, then the file, then the flags. *usage 1: a flag is wrong. */
static shn_status settle(const arguments *a, const shn_cohort *first, shn_train_config *config, int *usage, shn_error *err)
{
    uint8_t   *yaml = NULL;
    size_t     n = 0;
    shn_status st = SHN_OK;
    shn_pretrain_defaults(shn_cohort_n_samples(first), shn_cohort_fs_hz(first), config);
    if (a->flags.config) {
        st = shn_file_read(a->flags.config, SHN_TRAIN_YAML_MAX, &yaml, &n, err);
        if (st == SHN_OK) st = shn_pretrain_config_parse(config, (const char *)yaml, n, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s", a->flags.config);
        free(yaml);
    }
    if (st == SHN_OK) {
        st = cli_settings_apply(&a->flags.settings, config, err);
        *usage = st != SHN_OK;
    }
    config->resume = a->flags.resume;
    return st;
}

static int print_result(const arguments *a, const shn_train_config *config, const char *path)
{
    cli_progress_end();
    if (!a->flags.json) {
        printf("encoder: %s\nshinden train COHORT.h5 --loss NAME --init %s starts from it\n", path, a->flags.out);
        return CLI_DONE;
    }
    json_t *doc = json_pack("{s:i, s:b, s:s, s:I}", "schema_version", 1, "research_use_only", 1, "encoder", path, "seed", (json_int_t)config->seed);
    char   *text = doc ? json_dumps(doc, JSON_INDENT(2)) : NULL;
    if (text) puts(text);
    const int failed = !text;
    free(text);
    json_decref(doc);
    return failed ? CLI_FAILED : CLI_DONE;
}

static int run(const arguments *a, const shn_cohort *const *cohorts)
{
    shn_train_config  config;
    shn_error         err = { 0 };
    char              path[SHN_PATH_MAX];
    int               usage = 0;
    const shn_watcher watcher = cli_watcher();
    shn_status st = settle(a, cohorts[0], &config, &usage, &err);
    if (usage) return cli_usage(VERB, "%s", err.text);
    if (st == SHN_OK) st = shn_path_join(path, a->flags.out, SHN_PRETRAIN_RESULT, &err);
    if (st == SHN_OK) st = shn_pretrain(cohorts, a->n, &config, a->flags.out, &watcher, &err);
    return st == SHN_OK ? print_result(a, &config, path) : cli_fail(VERB, &err);
}

cli_verb verb_pretrain;

int verb_pretrain(int argc, char **argv)
{
    arguments   a = { .n = 0 };
    shn_error   err = { 0 };
    shn_cohort *cohorts[SHN_PRETRAIN_COHORTS_MAX] = { NULL };
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return CLI_DONE;
        }
    int rc = parse(argc, argv, &a);
    if (rc != CLI_DONE) return rc;
    shn_status st = SHN_OK;
    for (size_t i = 0; i < a.n && st == SHN_OK; i++) st = shn_cohort_open(a.cohorts[i], &cohorts[i], &err);
    rc = st == SHN_OK ? run(&a, (const shn_cohort *const *)cohorts) : cli_fail(VERB, &err);
    for (size_t i = 0; i < a.n; i++) shn_cohort_close(cohorts[i]);
    return rc;
}
