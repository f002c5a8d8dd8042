/** shinden text encode: texts through a frozen language model, once, into the vector cache that training reads. */
#include "cli/text_encode.h"

#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text_list.h"
#include "shinden/encode.h"

static const char VERB[] = "text encode";

typedef struct arguments {
    const char *labels, *lines, *cohort, *out;
    int         reports, sentences, json, only;        /* only: a shn_coding, -1 all findings */
    text_choice choice;                     /* forms 0: all of the findings, joined record texts by name */
    shn_encode_config config;
} arguments;

static const char help_text[] =
    "usage: shinden text encode --model FILE|DIR --labels TABLE.csv|--lines FILE|--cohort COHORT.h5 [options] -o VECTORS.safetensors\n\n"
    "  --model FILE|DIR   a .gguf file, or a folder with config.json, model.safetensors (or its index and shards) and tokenizer.json\n"
    "  --labels TABLE     of each finding of a table its code, its name, and 'name: criterion', in English and Japanese; 'builtin' is the\n"
    "                     compiled-in one, +FILE.csv its rows beside the built-in ones (docs/findings.md)\n"
    "  --forms LIST       only these of code,name,name+criterion (default all; joined record texts of --cohort: name)\n"
    "  --language NAME    only en or ja (default both)\n"
    "  --only CODING      with --labels: findings that have a name in id, scp (PTB-XL), snomed, cinc, ludb, minnesota, code15,\n"
    "                     mitdb_rhythm or mitdb_beat\n"
    "  --lines FILE       one text a line, UTF-8\n"
    "  --cohort COHORT    its findings as above and every distinct record text (findings joined) in both languages\n"
    "  --reports          with --cohort: every distinct report too\n"
    "  --sentences        with --cohort: every distinct sentence of its reports too, for 'train --sentences'\n"
    "  --pooling NAME     last, mean, mean-label (the text's own tokens), cls; default: decoders mean-label, Qwen3-Embedding last,\n"
    "                     encoders mean\n"
    "  --prompt STRING    put before every text; default: decoders 'ECG finding: ' (before kana or kanji '心電図所見：'), e5 models\n"
    "                     'passage: ', others none\n"
    "  --center           subtract the mean of all vectors; default for decoders, but not for Qwen3-Embedding; --no-center: do not\n"
    "  --provider NAME    who runs the layers: own (default), or llama: libllama, GGUF files only, where the program was built with it\n"
    "  --precision NAME   f32, bf16, or auto (default): bf16 where the CPU has AMX, else f32\n"
    "  --threads N        default: one per core; no bit depends on it\n"
    "  --memory MB        for states and work space beside the mapped weights (default 384); more texts go in chunks\n"
    "  --checkpoint-seconds N   how often unfinished work goes to FILE.partial (default 5; 0: after every layer)\n"
    "  --json             what was done, as JSON\n"
    "  -o, --out FILE     safetensors; FILE.partial keeps finished work while it runs, and the same command goes on from it\n\n"
    "example: shinden text encode --model multilingual-e5-small/ --labels builtin -o e5.safetensors\n"
    "         shinden train cohort.h5 --loss siglip-jaccard --text e5.safetensors -o run/\n";

static shn_status gather(const arguments *a, text_list *list, shn_error *err)
{
    shn_registry *own = NULL;
    shn_cohort   *cohort = NULL;
    shn_status    st = SHN_OK;
    if (a->labels && strcmp(a->labels, "builtin") != 0) st = shn_registry_read(a->labels, &own, err);
    const shn_registry *reg = own ? own : shn_registry_builtin();
    text_choice choice = a->choice, joined = a->choice;
    if (!choice.forms) choice.forms = TEXT_FORMS_ALL;
    if (!joined.forms) joined.forms = 1u << SHN_TEXT_NAME;
    if (st == SHN_OK && a->labels) st = text_list_findings(list, reg, choice, a->only, err);
    if (st == SHN_OK && a->lines) st = text_list_lines(list, a->lines, err);
    if (st == SHN_OK && a->cohort) st = shn_cohort_open(a->cohort, &cohort, err);
    if (st == SHN_OK && a->cohort) st = text_list_cohort(list, cohort, choice, joined, a->reports, err);
    if (st == SHN_OK && a->sentences) st = text_list_sentences(list, cohort, err);
    if (st == SHN_OK) st = text_list_unique(list, err);
    shn_cohort_close(cohort);
    shn_registry_free(own);
    return st;
}

static int print_report(const arguments *a, const shn_encode_report *r)
{
    if (!a->json) {
        printf("%zu texts, %zu tokens (%zu to compute), width %zu: %s\n  model %s\n  prompt '%s', pooling %s, centring %s, %s\n"
               "  layer passes %zu, resumed %zu; %zu chunk%s, %.0f MB beside %s\n",
               r->n_texts, r->n_tokens, r->n_rows, r->width, a->out, r->model, r->prompt, shn_pooling_name(r->pooling), r->centre ? "mean" : "none",
               r->precision, r->layers_done, r->layers_resumed, r->n_chunks, r->n_chunks == 1 ? "" : "s", (double)r->own_bytes / 1e6,
               strcmp(r->provider, "own") == 0 ? "the weights" : "libllama's");
        return CLI_DONE;
    }
    json_t *o = json_pack("{s:i s:b s:s s:s s:s s:s s:b s:s s:s s:I s:I s:I s:I s:I s:I s:I s:I}", "schema_version", 1, "research_use_only", 1, "out", a->out,
                          "model", r->model, "prompt", r->prompt, "pooling", shn_pooling_name(r->pooling), "centred", r->centre, "provider",
                          r->provider, "precision", r->precision, "texts", (json_int_t)r->n_texts, "tokens", (json_int_t)r->n_tokens, "tokens_computed", (json_int_t)r->n_rows, "width", (json_int_t)r->width,
                          "chunks", (json_int_t)r->n_chunks, "layer_passes", (json_int_t)r->layers_done, "layer_passes_resumed",
                          (json_int_t)r->layers_resumed, "own_bytes", (json_int_t)r->own_bytes);
    char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(o);
    return text ? CLI_DONE : CLI_FAILED;
}

/** 1 if every item of the list is a form. */
static int take_forms(arguments *a, const char *list)
{
    a->choice.forms = 0;
    for (const char *p = list; ; p++) {
        char         word[32] = "";
        const size_t n = strcspn(p, ",");
        memcpy(word, p, n < sizeof word ? n : 0);
        const int form = shn_text_form_from_name(word);
        if (form < 0) {
            cli_usage(VERB, "--forms '%.60s', must be some of code,name,name+criterion", list);
            return 0;
        }
        a->choice.forms |= 1u << form;
        p += n;
        if (!*p) return 1;
    }
}

/** 1 go on, 0 usage error (said), -1 help was shown. */
static int take(arguments *a, int option, const char *value)
{
    uint64_t n;
    switch (option) {
    case 'm': a->config.model = value; return 1;
    case 'l': a->labels = value; return 1;
    case 'f': a->lines = value; return 1;
    case 'c': a->cohort = value; return 1;
    case 'r': a->reports = 1; return 1;
    case 's': a->sentences = 1; return 1;
    case 'O':
        a->only = shn_coding_from_name(value);
        if (a->only >= 0) return 1;
        cli_usage(VERB, "--only '%.40s', must be one of %s", value, shn_coding_names());
        return 0;
    case 'F': return take_forms(a, value);
    case 'L':
        a->choice.languages = strcmp(value, "en") == 0 ? 1 : strcmp(value, "ja") == 0 ? 2 : 0;
        if (a->choice.languages) return 1;
        cli_usage(VERB, "--language '%.40s', must be en or ja", value);
        return 0;
    case 'p':
        if (shn_pooling_from_name(value) < 0) {
            cli_usage(VERB, "pooling '%.40s', must be last, mean, mean-label or cls", value);
            return 0;
        }
        a->config.pooling = (shn_pooling)shn_pooling_from_name(value);
        return 1;
    case 'P': a->config.prompt = value; return 1;
    case 'C': a->config.centre = 1; return 1;
    case 'N': a->config.centre = 0; return 1;
    case 'x': a->config.precision = value; return 1;
    case 'V':
        a->config.provider = value;
        if (strcmp(value, "own") == 0 || strcmp(value, "llama") == 0) return 1;
        cli_usage(VERB, "--provider '%.40s', must be own or llama", value);
        return 0;
    case 'T':
        if (!cli_count(VERB, "--threads", value, 1, 256, &n)) return 0;
        a->config.n_threads = (unsigned)n;
        return 1;
    case 'M':
        if (!cli_count(VERB, "--memory", value, 16, (uint64_t)1 << 24, &n)) return 0;
        a->config.memory_bytes = (size_t)n << 20;
        return 1;
    case 'k':
        if (!cli_count(VERB, "--checkpoint-seconds", value, 0, 1000000, &n)) return 0;
        a->config.checkpoint_seconds = (unsigned)n;
        return 1;
    case 'j': a->json = 1; return 1;
    case 'o': a->out = value; return 1;
    case 'h': fputs(help_text, stdout); return -1;
    default: cli_usage(VERB, "unknown or incomplete option"); return 0;
    }
}

static int parse(int argc, char **argv, arguments *a)
{
    static const struct option longs[] = {
        { "model", required_argument, NULL, 'm' },   { "labels", required_argument, NULL, 'l' },    { "lines", required_argument, NULL, 'f' },
        { "only", required_argument, NULL, 'O' },    { "cohort", required_argument, NULL, 'c' },
        { "forms", required_argument, NULL, 'F' },  { "language", required_argument, NULL, 'L' },
        { "reports", no_argument, NULL, 'r' },       { "sentences", no_argument, NULL, 's' },
        { "pooling", required_argument, NULL, 'p' },
        { "prompt", required_argument, NULL, 'P' },  { "center", no_argument, NULL, 'C' },          { "no-center", no_argument, NULL, 'N' },
        { "provider", required_argument, NULL, 'V' }, { "precision", required_argument, NULL, 'x' }, { "threads", required_argument, NULL, 'T' }, { "memory", required_argument, NULL, 'M' },
        { "checkpoint-seconds", required_argument, NULL, 'k' }, { "json", no_argument, NULL, 'j' },          { "out", required_argument, NULL, 'o' },       { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    opterr = 0;
    optind = 1;
    for (int o; (o = getopt_long(argc, argv, "o:h", longs, NULL)) != -1;) {
        const int go_on = take(a, o, optarg);
        if (go_on != 1) return go_on < 0 ? CLI_DONE : CLI_USAGE;
    }
    if (optind < argc) return cli_usage(VERB, "'%.60s' is not an option", argv[optind]);
    if (!a->config.model) return cli_usage(VERB, "needs --model FILE or DIR");
    if (!a->labels + !a->lines + !a->cohort != 2) return cli_usage(VERB, "needs one of --labels, --lines and --cohort");
    if (a->only >= 0 && !a->labels) return cli_usage(VERB, "--only goes with --labels");
    if ((a->choice.forms || a->choice.languages != TEXT_LANGUAGES_ALL) && a->lines) return cli_usage(VERB, "--forms and --language go with --labels or --cohort");
    if ((a->reports || a->sentences) && !a->cohort) return cli_usage(VERB, "--reports and --sentences go with --cohort");
    if (!a->out) return cli_usage(VERB, "needs -o VECTORS.safetensors");
    return -1;
}

int text_encode(int argc, char **argv)
{
    arguments         a = { .only = -1, .choice = { 0, TEXT_LANGUAGES_ALL } };
    text_list         list = { 0 };
    shn_error         err = { .status = SHN_OK };
    shn_encode_report report;
    shn_encode_defaults(&a.config);
    const int done = parse(argc, argv, &a);
    if (done >= 0) return done;
    shn_status st = gather(&a, &list, &err);
    if (st == SHN_OK) st = shn_encode_texts(&a.config, (const char *const *)list.items, list.n, a.out, cli_watcher(), &report, &err);
    cli_progress_end();
    text_list_free(&list);
    return st == SHN_OK ? print_report(&a, &report) : cli_fail(VERB, &err);
}
