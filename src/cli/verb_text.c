/** shinden text: texts as the frozen language model sees them. One function per sub-verb; a larger one has a file of its own. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "cli/cli.h"
#include "cli/text_encode.h"
#include "shinden/tokenizer.h"

cli_verb verb_text;
static cli_verb text_tokens;

/* A sub-verb gets its own name as argv[0]. */
static const struct { const char *name, *text; cli_verb *run; } subs[] = {
    { "tokens", "token ids of the lines on stdin", text_tokens },
    { "encode", "vectors of texts from a frozen language model, for training", text_encode },
};

/* ---- tokens */

static const char tokens_help[] =
    "usage: shinden text tokens --model FILE|DIR [--special file|model|none] [--pieces] < LINES\n\n"
    "  One JSON array of token ids for each line of stdin, in order. Text is brought to NFC first; what looks like a special token is text.\n"
    "  Padding and truncation that a tokenizer.json asks for are not done.\n\n"
    "  --model FILE|DIR   a tokenizer.json, a folder that holds one, or a .gguf file (the first part of a split one)\n"
    "  --special NAME     special tokens round the text: 'file' as the file says (default), 'model' also Llama-3's first token where\n"
    "                     an older file is silent (as `text encode` runs the model), 'none'\n"
    "  --pieces           [id, start, end] for each token: bytes [start, end) of the line in NFC\n\n"
    "example: echo 'atrial fibrillation' | shinden text tokens --model minilm/\n";

typedef struct tokens_flags { const char *model; shn_token_special special; int pieces; } tokens_flags;

static int print_tokens(const shn_tokens *tokens, int pieces)
{
    putchar('[');
    for (size_t i = 0; i < tokens->n; i++) {
        const shn_token *k = &tokens->items[i];
        if (pieces) printf("%s[%u,%u,%u]", i ? "," : "", k->id, k->start, k->end);
        else printf("%s%u", i ? "," : "", k->id);
    }
    fputs("]\n", stdout);
    return ferror(stdout);
}

/** A line from getline: n bytes, its end taken off. */
static shn_status tokens_of_line(const shn_tokenizer *t, const tokens_flags *flags, char *line, size_t n, shn_error *err)
{
    shn_tokens        tokens;
    shn_token_options options;
    if (memchr(line, '\0', n)) return shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_VALUE, "text.tokens", "holds a NUL byte; texts are UTF-8");
    shn_token_defaults(&options);
    options.special = flags->special;
    shn_status st = shn_tokenizer_encode(t, line, &options, &tokens, err);
    if (st == SHN_OK && print_tokens(&tokens, flags->pieces)) st = shn_fail_errno(err, errno, "text.tokens", "stdout");
    shn_tokens_free(&tokens);
    return st;
}

static shn_status tokens_of_stdin(const shn_tokenizer *t, const tokens_flags *flags, shn_error *err)
{
    char      *line = NULL;
    size_t     room = 0, number = 0;
    shn_status st = SHN_OK;
    for (ssize_t n; st == SHN_OK && (n = getline(&line, &room, stdin)) > 0;) {
        number++;
        if (line[n - 1] == '\n') line[--n] = '\0';
        st = tokens_of_line(t, flags, line, (size_t)n, err);
        if (st != SHN_OK) shn_error_prefix(err, "line %zu", number);
    }
    if (st == SHN_OK && ferror(stdin)) st = shn_fail_errno(err, errno, "text.tokens", "stdin");
    if (st == SHN_OK && fflush(stdout) != 0) st = shn_fail_errno(err, errno, "text.tokens", "stdout");
    free(line);
    return st;
}

static int parse_tokens(int argc, char **argv, tokens_flags *flags)
{
    static const char *const names[] = { [SHN_SPECIAL_FILE] = "file", [SHN_SPECIAL_MODEL] = "model", [SHN_SPECIAL_NONE] = "none" };
    static const struct option options[] = {
        { "model", required_argument, NULL, 'm' }, { "special", required_argument, NULL, 's' }, { "pieces", no_argument, NULL, 'p' },
        { "help", no_argument, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    opterr = 0;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int k = 0;
        switch (c) {
        case 'm': flags->model = optarg; break;
        case 'p': flags->pieces = 1; break;
        case 's':
            while (k < 3 && strcmp(names[k], optarg) != 0) k++;
            if (k == 3) return cli_usage("text", "--special %s: use file, model or none", optarg);
            flags->special = (shn_token_special)k;
            break;
        case 'h': fputs(tokens_help, stdout); return -1;
        default: return cli_usage("text", "%s: unknown flag, or its value is missing", argv[optind - 1]);
        }
    }
    if (optind < argc) return cli_usage("text", "'%s': tokens reads its lines from stdin", argv[optind]);
    return flags->model ? CLI_DONE : cli_usage("text", "tokens needs --model FILE|DIR");
}

static int text_tokens(int argc, char **argv)
{
    tokens_flags   flags = { .special = SHN_SPECIAL_FILE };
    shn_error      err = { 0 };
    shn_tokenizer *t = NULL;
    const int      parsed = parse_tokens(argc, argv, &flags);
    if (parsed != CLI_DONE) return parsed < 0 ? CLI_DONE : parsed;
    shn_status st = shn_tokenizer_read(flags.model, &t, &err);
    if (st == SHN_OK) st = tokens_of_stdin(t, &flags, &err);
    shn_tokenizer_free(t);
    return st == SHN_OK ? CLI_DONE : cli_fail("text", &err);
}

/* ---- the verb */

int verb_text(int argc, char **argv)
{
    const size_t n = sizeof subs / sizeof *subs;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("usage: shinden text SUB [...]; each has --help\n");
        for (size_t i = 0; i < n; i++) printf("  %-8s %s\n", subs[i].name, subs[i].text);
        puts("\nexample: echo 'atrial fibrillation' | shinden text tokens --model minilm/");
        return CLI_DONE;
    }
    for (size_t i = 0; argc > 1 && i < n; i++)
        if (strcmp(subs[i].name, argv[1]) == 0) return subs[i].run(argc - 1, argv + 1);
    return cli_usage("text", argc > 1 ? "no '%s'; see 'shinden text --help'" : "say what: %s", argc > 1 ? argv[1] : "tokens");
}
