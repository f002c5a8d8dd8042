/** The settings of training and pre-training as flags: --batch-size 64 or --batch-size=64 is the key batch_size. */
#ifndef SHN_CLI_SETTINGS_H
#define SHN_CLI_SETTINGS_H

#include "shinden/train.h"

enum { CLI_SETTINGS_MAX = 128 };

/** Settings in the order given. */
typedef struct cli_settings {
    char        key[CLI_SETTINGS_MAX][40];
    const char *value[CLI_SETTINGS_MAX];
    int         n;
} cli_settings;

/** Takes argv[*i] (and its value) as one of the keys of key_at; another one is a usage error. CLI_DONE, or the exit code. */
int cli_settings_take(cli_settings *s, const char *verb, const shn_train_key *(*key_at)(size_t), int argc, char **argv, int *i);
/** The value last given for a key; NULL if none was. */
const char *cli_settings_value(const cli_settings *s, const char *key);
SHN_NODISCARD shn_status cli_settings_apply(const cli_settings *s, shn_train_config *config, shn_error *err);
/** A line of help for each key, with config's value as the default. */
void cli_settings_help(const shn_train_key *(*key_at)(size_t), const shn_train_config *config);

/** What train and pretrain are told beside their cohorts. */
typedef struct cli_run_flags {
    const char  *out, *config;
    int          resume, json;
    cli_settings settings;
} cli_run_flags;

enum { CLI_OPERAND = -1 };
/** Takes argv[*i], and its value: CLI_DONE; CLI_OPERAND where it is no flag; else the exit code of a usage error. */
int cli_run_flags_take(cli_run_flags *f, const char *verb, const shn_train_key *(*key_at)(size_t), int argc, char **argv, int *i);

#endif
