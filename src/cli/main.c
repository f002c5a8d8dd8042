/** The program: finds the verb and hands over. Each verb has a file of its own here. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* name, what it does; the function is verb_<name> */
#define VERBS(X)                                                                                                        \
    X(bench, "time the engine beside the machine's peak and a peer")

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
    for (const verb *v = verbs; v->name; v++) fprintf(out, "  %-9s %s\n", v->name, v->text);
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
        if (strcmp(v->name, argv[1]) == 0) return v->run(argc - 1, argv + 1);
    fprintf(stderr, "shinden: no verb '%s'; see 'shinden --help'\n", argv[1]);
    return CLI_USAGE;
}
