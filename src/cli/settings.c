#include "cli/settings.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int cli_settings_take(cli_settings *s, const char *verb, const shn_train_key *(*key_at)(size_t), int argc, char **argv, int *i)
{
    const char *flag = argv[*i] + 2, *equals = strchr(flag, '=');
    const size_t n = equals ? (size_t)(equals - flag) : strlen(flag);
    if (s->n == CLI_SETTINGS_MAX || n == 0 || n >= sizeof s->key[0]) return cli_usage(verb, "%s: too many or too long flags", argv[*i]);
    char *key = s->key[s->n];
    memcpy(key, flag, n);
    key[n] = '\0';
    for (char *p = key; *p; p++) if (*p == '-') *p = '_';
    int known = 0;
    for (size_t k = 0; key_at(k); k++) known |= strcmp(key_at(k)->name, key) == 0;
    if (!known) return cli_usage(verb, "no flag '%s'", argv[*i]);
    if (!equals && *i + 1 >= argc) return cli_usage(verb, "%s needs a value", argv[*i]);
    s->value[s->n++] = equals ? equals + 1 : argv[++*i];
    return CLI_DONE;
}

const char *cli_settings_value(const cli_settings *s, const char *key)
{
    for (int i = s->n; i-- > 0;)
        if (strcmp(s->key[i], key) == 0) return s->value[i];
    return NULL;
}

shn_status cli_settings_apply(const cli_settings *s, shn_train_config *config, shn_error *err)
{
    shn_status st = SHN_OK;
    for (int i = 0; i < s->n && st == SHN_OK; i++) st = shn_train_config_set(config, s->key[i], s->value[i], err);
    return st;
}

void cli_settings_help(const shn_train_key *(*key_at)(size_t), const shn_train_config *config)
{
    shn_error err;
    for (size_t i = 0; key_at(i); i++) {
        char value[SHN_TRAIN_VALUE_MAX], flag[40];
        const shn_train_key *key = key_at(i);
        snprintf(flag, sizeof flag, "%s", key->name);
        for (char *p = flag; *p; p++) if (*p == '_') *p = '-';
        if (shn_train_config_get(config, key->name, value, &err) != SHN_OK) value[0] = '\0';
        printf("  --%-19s %s [%s]\n", flag, key->help, value);
    }
}

int cli_run_flags_take(cli_run_flags *f, const char *verb, const shn_train_key *(*key_at)(size_t), int argc, char **argv, int *i)
{
    const char  *flag = argv[*i];
    const char **named = strcmp(flag, "-o") == 0 ? &f->out : strcmp(flag, "--config") == 0 ? &f->config : NULL;
    int         *set = strcmp(flag, "--resume") == 0 ? &f->resume : strcmp(flag, "--json") == 0 ? &f->json : NULL;
    if (set) *set = 1;
    else if (named && *i + 1 >= argc) return cli_usage(verb, "%s needs a value", flag);
    else if (named) *named = argv[++*i];
    else if (strncmp(flag, "--", 2) == 0) return cli_settings_take(&f->settings, verb, key_at, argc, argv, i);
    else return flag[0] == '-' && flag[1] ? cli_usage(verb, "no flag '%s'", flag) : CLI_OPERAND;
    return CLI_DONE;
}
