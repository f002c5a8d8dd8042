/** The program: finds the verb and hands over. Each verb has a file of its own here. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "shinden/group.h"

/* name, what it does; the function is verb_<name> */
#define VERBS(X)                                                                \
    X(fetch, "download a slice of PTB-XL, resumable and checked")               \
    X(import, "pack labelled ECG collections into one cohort file")             \
    X(check, "what ECG files are, and what about them gives reason to doubt")   \
    X(convert, "any ECG file as WFDB, EDF+ or CSV, integers kept; or a cohort")  \
    X(deidentify, "ECG files without names, ids and dates, samples untouched")  \
    X(labels, "list, search and check findings; map a source's labels to them") \
    X(text, "tokens, encode: texts as a language model sees them")              \
    X(simulate, "12-lead ECGs with known truth, for cohorts without data")      \
    X(pretrain, "learn an encoder from ECGs alone, for train --init")           \
    X(train, "learn a model from a cohort")                                     \
    X(eval, "score a model on a cohort's split, with intervals and controls")   \
    X(experiment, "a grid of trainings from one config, and verdicts on claims") \
    X(predict, "findings of ECG files, in Japanese and English")                \
    X(embed, "ECG vectors of files or a cohort, as NPY or safetensors")         \
    X(plot, "an ECG on paper: PNG, SVG or PDF")                                 \
    X(report, "one HTML page from evaluations and an example")                  \
    X(model, "show: what a model file holds")                                   \
    X(bench, "speed of this machine and engine, beside its peaks")

#define X(name, text) cli_verb verb_##name;
VERBS(X)
#undef X

typedef struct verb { const char *name, *text; cli_verb *run; } verb;

static const verb verbs[] = {
#define X(name, text) { #name, text, verb_##name },
    VERBS(X)
#undef X
    { NULL, NULL, NULL },
};

static void print_help(FILE *out)
{
    fprintf(out, "shinden " SHINDEN_VERSION ": 12-lead ECGs and the words for them in one space\n"
                 "Research software, not a medical device.\n\nusage: shinden VERB [...]; each verb has --help\n\n");
    for (const verb *v = verbs; v->name; v++) fprintf(out, "  %-10s %s\n", v->name, v->text);
}

/** A verb that is not made for it would do its work once in every rank, into the same files. */
static int may_be_ranks(const verb *v)
{
    const unsigned n = shn_group_launched();
    if (n == 1 || v->run == verb_train) return 1;
    fprintf(stderr, "shinden %s: started as one of %u ranks; only train shares its work, start %s once\n", v->name, n, v->name);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("shinden " SHINDEN_VERSION);
        return CLI_DONE;
    }
    for (const verb *v = verbs; v->name; v++)
        if (strcmp(v->name, argv[1]) == 0) return may_be_ranks(v) ? v->run(argc - 1, argv + 1) : CLI_USAGE;
    fprintf(stderr, "shinden: no verb '%s'; see 'shinden --help'\n", argv[1]);
    return CLI_USAGE;
}
