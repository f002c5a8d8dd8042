/** Settings of a training run: their defaults by loss, and one table that config.yaml, the flags and the help share. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/fail.h"
#include "shinden/findings.h"
#include "shinden/train.h"
#include "train/config.h"

typedef enum kind { REAL, COUNT32, COUNT64, SIZE, FLAG, WORD, TEXT, BLOCKS } kind;

typedef struct setting {
    shn_train_key key;
    kind          kind;
    size_t        offset, size;         /* size: of a TEXT field */
    double        low, high;
    const char *const *words;           /* of a WORD, by the enum's value; NULL ends */
    int           free_of_bits;         /* 1: does not change what is trained */
} setting;

static const char *const loss_words[] = { "bce", "clip", "clip-multi", "siglip", "siglip-jaccard", "jaccard-softmax", "class-columns", NULL };
static const char *const reduce_words[] = { "mean", "max", NULL };
static const char *const norm_words[] = { "global", "record", NULL };
static const char *const form_words[] = { "soft", "graded", "weighted", "threshold", NULL };
static const char *const precision_words[] = { "auto", "f32", "bf16", "tf32", NULL };
static const char *const side_words[] = { "unit", "raw", NULL };

#define AT(field) offsetof(shn_train_config, field)
#define REAL_AT(name, field, low, high, help)  { { name, help }, REAL, AT(field), 0, low, high, NULL, 0 }
#define COUNT_AT(name, field, low, high, help) { { name, help }, COUNT32, AT(field), 0, low, high, NULL, 0 }
#define WORD_AT(name, field, words, help)      { { name, help }, WORD, AT(field), 0, 0, 0, words, 0 }
#define FLAG_AT(name, field, help)             { { name, help }, FLAG, AT(field), 0, 0, 1, NULL, 0 }
#define TEXT_AT(name, field, help)             { { name, help }, TEXT, AT(field), sizeof ((shn_train_config *)0)->field, 0, 0, NULL, 0 }

static const setting settings[] = {
    WORD_AT("loss", loss, loss_words, "bce, clip, clip-multi, siglip, siglip-jaccard, jaccard-softmax or class-columns"),
    { { "seed", "names the run's random numbers" }, COUNT64, AT(seed), 0, 0, 9e15, NULL, 0 },
    TEXT_AT("split", split, "records to train on"),
    COUNT_AT("width", encoder.width, 8, 1024, "channels of the encoder's first stage, a multiple of 8 (ResNet-18: 64)"),
    { { "blocks", "residual blocks per stage, such as 2,2,2,2" }, BLOCKS, AT(encoder.blocks), 0, 0, 64, NULL, 0 },
    FLAG_AT("max_pool", encoder.max_pool, "1: max-pool after the stem; 0: none (as in MERL)"),
    COUNT_AT("embed", encoder.embed, 8, 4096, "E, width of the shared space"),
    REAL_AT("crop_seconds", crop_seconds, 0, 3600, "length of the random crop in training; 0: whole records"),
    COUNT_AT("n_windows", n_windows, 1, 1000, "windows per record when the model is used"),
    WORD_AT("reduce", reduce, reduce_words, "mean or max of the windows' logits"),
    WORD_AT("norm", norm, norm_words, "global: mV times one constant; record: z-score per record"),
    COUNT_AT("epochs", epochs, 1, 100000, "passes over the records"),
    COUNT_AT("batch_size", batch_size, 2, 65536, "records per step (per part, with accum_freq)"),
    COUNT_AT("accum_freq", accum_freq, 1, 4096, "parts per step; the losses see all of them as one batch"),
    REAL_AT("lr", lr, 0, 10, "peak learning rate"),
    REAL_AT("wd", wd, 0, 10, "weight decay (weights only; not norms, biases, t, b)"),
    REAL_AT("beta1", beta1, 0, 0.999999, "AdamW"),
    REAL_AT("beta2", beta2, 0, 0.99999999, "AdamW"),
    REAL_AT("eps", eps, 1e-12, 1, "AdamW"),
    REAL_AT("warmup", warmup, 0, 1e9, "below 1 a share of all steps, else steps"),
    REAL_AT("grad_clip_norm", grad_clip_norm, 0, 1e9, "gradient norm, encoder and head together; 0: no clipping"),
    REAL_AT("lr_text_scale", lr_text_scale, 0, 1000, "learning rate of the text projection relative to lr"),
    REAL_AT("temperature", temperature, 0.01, 100, "tau of the softmax losses"),
    FLAG_AT("learn_temperature", learn_temperature, "1: t is trained"),
    WORD_AT("jaccard_form", jaccard_form, form_words, "pair target from J: soft, graded, weighted or threshold"),
    REAL_AT("jaccard_threshold", jaccard_threshold, 1e-6, 1, "for the threshold form"),
    REAL_AT("label_weight_power", label_weight_power, 0, 4, "a: findings weigh prevalence^-a inside J"),
    REAL_AT("class_columns", class_columns, 0, 1000, "weight of class columns added to a pair loss"),
    WORD_AT("ecg_norm", ecg_norm_raw, side_words, "ECG side of class columns: raw or unit"),
    REAL_AT("sentences", sentences, 0, 1000, "weight of the term that pairs each record with a sentence of its report; 0: reports are not read"),
    { { "chunk", "rows of the pair matrix held at a time" }, SIZE, AT(chunk), 0, 1, 65536, NULL, 1 },
    { { "text", "text vectors: e5-small (compiled in), hash (random, no knowledge of language) or a file of `shinden text encode`" }, TEXT, AT(text),
      sizeof ((shn_train_config *)0)->text, 0, 0, NULL, 1 },        /* a checkpoint knows the vectors by their hash */
    { { "sentence_text", "vectors of the reports' sentences: a file of `shinden text encode --cohort --sentences`; empty: those of text" },
      TEXT, AT(sentence_text), sizeof ((shn_train_config *)0)->sentence_text, 0, 0, NULL, 1 },
    TEXT_AT("text_form", text_form, "what is said of a finding: random (as --text hash), code, name or name+criterion"),
    TEXT_AT("language", language, "of the texts: en or ja"),
    TEXT_AT("record_text", record_text, "mean of the findings' vectors, or joined names"),
    FLAG_AT("centre", centre, "1: text vectors are centred on the findings' mean"),
    REAL_AT("gain", gain, 0, 2, "augmentation: sd of the log gain"),
    REAL_AT("noise", noise, 0, 10, "augmentation: noise in sds of the window"),
    REAL_AT("wander", wander, 0, 10, "augmentation: baseline wander in mV"),
    REAL_AT("lead_dropout", lead_dropout, 0, 1, "augmentation: probability that a lead is set to 0"),
    WORD_AT("precision", precision, precision_words, "auto, f32, bf16 or tf32 (cuda)"),
    COUNT_AT("winograd", winograd, 0, 6, "outputs of a Winograd tile at most: 6, 4, 2 (as exact as direct convolution), 0 (direct); f32 only"),
    TEXT_AT("engine", engine, "cpu, ref, cuda or cuda-fast (bits differ from run to run)"),
    { { "n_threads", "0: one per core" }, COUNT32, AT(n_threads), 0, 0, 256, NULL, 1 },
    FLAG_AT("sync_batch_norm", sync_batch_norm, "several ranks (mpirun): 1: batch statistics over all of them; 0: over each rank's own records"),
    { { "checkpoint_seconds", "0: after every step" }, COUNT32, AT(checkpoint_seconds), 0, 0, 1e9, NULL, 1 },
    { { "permute_labels", "control: seed of a shuffle of the labels between patients; 0: none" }, COUNT64, AT(permute_labels), 0, 0, 9e15, NULL, 0 },
    TEXT_AT("leave_out", leave_out, "finding ids, comma between: training knows nothing of them, the model still scores them by their texts"),
    { { "permute_texts", "control: seed of a shuffle of the text vectors between findings; 0: none" }, COUNT64, AT(permute_texts), 0, 0, 9e15, NULL, 0 },
    COUNT_AT("coded", coded, 0, 4e9, "few codes: so many training records keep their labels, drawn by patient; 0: all"),
    { { "init", "where the encoder starts: a run of `shinden pretrain`, or a model; empty: random weights" }, TEXT, AT(init),
      sizeof ((shn_train_config *)0)->init, 0, 0, NULL, 1 },          /* a checkpoint knows the weights by their hash */
    { { "stop_after", "tests: step:N ends as if cancelled" }, TEXT, AT(stop_after), sizeof ((shn_train_config *)0)->stop_after, 0, 0, NULL, 1 },
};
enum { N_SETTINGS = sizeof settings / sizeof *settings };

const shn_train_key *shn_train_key_at(size_t i) { return i < N_SETTINGS ? &settings[i].key : NULL; }
int shn_train_key_free_of_bits(size_t i) { return settings[i].free_of_bits; }

static const setting *find(const char *key)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(settings[i].key.name, key) == 0) return &settings[i];
    return NULL;
}

static shn_status bad(shn_error *err, const setting *s, const char *value, const char *needs)
{
    return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.config", "%s: '%.60s' will not do, it needs %s", s->key.name, value, needs);
}

static shn_status set_number(const setting *s, char *field, const char *value, shn_error *err)
{
    char   needs[80], *end;
    errno = 0;
    const double x = strtod(value, &end);
    const int    whole = s->kind != REAL;
    snprintf(needs, sizeof needs, "a%s number from %.10g to %.10g", whole ? " whole" : "", s->low, s->high);
    if (!*value || *end || errno == ERANGE || !(x >= s->low && x <= s->high) || (whole && x != floor(x))) return bad(err, s, value, needs);
    switch (s->kind) {
    case REAL: memcpy(field, &x, sizeof x); break;
    case COUNT64: memcpy(field, &(uint64_t){ (uint64_t)x }, sizeof(uint64_t)); break;
    case SIZE: memcpy(field, &(size_t){ (size_t)x }, sizeof(size_t)); break;
    default: memcpy(field, &(uint32_t){ (uint32_t)x }, sizeof(uint32_t)); break;    /* counts, flags: 32 bits, as int is */
    }
    return SHN_OK;
}

static shn_status set_word(const setting *s, char *field, const char *value, shn_error *err)
{
    char needs[128] = "one of";
    if (s->words == precision_words) {              /* open_clip's names for the same */
        if (strcmp(value, "fp32") == 0) value = "f32";
        if (strcmp(value, "amp_bf16") == 0) value = "bf16";
    }
    for (int w = 0; s->words[w]; w++) {
        if (strcmp(s->words[w], value) == 0) {
            memcpy(field, &w, sizeof w);            /* the enums are as wide as int */
            return SHN_OK;
        }
        const size_t used = strlen(needs);
        snprintf(needs + used, sizeof needs - used, " %s", s->words[w]);
    }
    return bad(err, s, value, needs);
}

/** Valid UTF-8 that stands on one line of a file, without what would need an escape between quotes. */
static int is_plain(const char *text)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    while (*p) {
        utf8proc_int32_t code;
        const utf8proc_ssize_t n = utf8proc_iterate(p, -1, &code);
        if (n <= 0 || code == '"' || code == '\\' || code == 0xfeff) return 0;
        const utf8proc_category_t c = utf8proc_category(code);
        if (c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_ZL || c == UTF8PROC_CATEGORY_ZP || c == UTF8PROC_CATEGORY_CN) return 0;
        p += n;
    }
    return 1;
}

static shn_status set_text(const setting *s, char *field, const char *value, shn_error *err)
{
    if (strlen(value) >= s->size) return bad(err, s, value, "a shorter word");
    if (!is_plain(value)) return bad(err, s, value, "a plain word");
    memset(field, 0, s->size);
    memcpy(field, value, strlen(value));
    return SHN_OK;
}

static shn_status set_blocks(const setting *s, char *field, const char *value, shn_error *err)
{
    uint32_t    blocks[SHN_STAGES] = { 0 };
    const char *p = value;
    for (int stage = 0; ; stage++) {
        char *end;
        if (*p < '0' || *p > '9' || stage == SHN_STAGES) return bad(err, s, value, "1 to 4 numbers from 1 to 64, such as 2,2,2,2");
        const unsigned long n = strtoul(p, &end, 10);
        if (n < 1 || n > (unsigned long)s->high || (*end && *end != ',')) return bad(err, s, value, "1 to 4 numbers from 1 to 64, such as 2,2,2,2");
        blocks[stage] = (uint32_t)n;
        if (!*end) break;
        p = end + 1;
    }
    memcpy(field, blocks, sizeof blocks);
    return SHN_OK;
}

shn_status shn_train_config_set(shn_train_config *config, const char *key, const char *value, shn_error *err)
{
    const setting *s = find(key);
    if (!s) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.config", "no setting '%.60s'; shinden train --help lists them", key);
    char *field = (char *)config + s->offset;
    switch (s->kind) {
    case WORD: return set_word(s, field, value, err);
    case TEXT: return set_text(s, field, value, err);
    case BLOCKS: return set_blocks(s, field, value, err);
    default: return set_number(s, field, value, err);
    }
}

/** The shortest text that reads back as the same double. */
static void print_real(char *out, size_t size, double x)
{
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, x);
        if (strtod(out, NULL) == x) return;
    }
}

shn_status shn_train_config_get(const shn_train_config *config, const char *key, char out[SHN_TRAIN_VALUE_MAX], shn_error *err)
{
    const setting *s = find(key);
    if (!s) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.config", "no setting '%.60s'", key);
    const void *field = (const char *)config + s->offset;
    switch (s->kind) {
    case REAL: print_real(out, 64, *(const double *)field); break;
    case COUNT64: snprintf(out, 64, "%" PRIu64, *(const uint64_t *)field); break;
    case SIZE: snprintf(out, 64, "%zu", *(const size_t *)field); break;
    case WORD: snprintf(out, 64, "%s", s->words[*(const int *)field]); break;
    case TEXT: snprintf(out, SHN_TRAIN_VALUE_MAX, "%s", (const char *)field); break;
    case BLOCKS: {
        const uint32_t *b = field;
        size_t used = 0;
        out[0] = '\0';
        for (int i = 0; i < SHN_STAGES && b[i]; i++) used += (size_t)snprintf(out + used, SHN_TRAIN_VALUE_MAX - used, "%s%" PRIu32, i ? "," : "", b[i]);
        break;
    }
    default: snprintf(out, 64, "%" PRIu32, *(const uint32_t *)field); break;
    }
    return SHN_OK;
}

shn_status shn_train_config_check(const shn_train_config *c, shn_error *err)
{
    const int pair = shn_loss_is_pair(c->loss);
    unsigned long long step;
    char end;
#define REFUSE(...) return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, "train.config", __VA_ARGS__)
    if ((unsigned)c->loss >= SHN_LOSS_COUNT) REFUSE("loss: none chosen; use --loss");
    if (c->class_columns > 0 && !pair) REFUSE("class_columns: is added to a pair loss; '%s' is none", shn_loss_name(c->loss));
    if (c->loss == SHN_LOSS_JACCARD_SOFTMAX && c->jaccard_form != SHN_JACCARD_SOFT && c->jaccard_form != SHN_JACCARD_THRESHOLD)
        REFUSE("jaccard_form: jaccard-softmax takes soft or threshold");
    if (strcmp(c->record_text, "mean") != 0 && strcmp(c->record_text, "joined") != 0) REFUSE("record_text: '%s' is neither mean nor joined", c->record_text);
    if (strcmp(c->text_form, "random") != 0 && shn_text_form_from_name(c->text_form) < 0)
        REFUSE("text_form: '%s' is none of random, code, name, name+criterion", c->text_form);
    if (strcmp(c->language, "en") != 0 && strcmp(c->language, "ja") != 0) REFUSE("language: '%s' is neither en nor ja", c->language);
    if (c->sentences > 0 && c->loss == SHN_LOSS_BCE && strcmp(c->text, "none") == 0 && strcmp(c->text_form, "random") != 0)
        REFUSE("text: bce with sentences needs vectors of the findings' texts, to compare them with sentences; name e5-small or a file");
    if (c->sentence_text[0] && c->sentences == 0) REFUSE("sentence_text: is read only with sentences above 0");
    if (c->permute_texts && strcmp(c->record_text, "joined") == 0) REFUSE("permute_texts: goes with record_text mean; a joined text has no finding's vector");
    if (c->stop_after[0] && sscanf(c->stop_after, "step:%llu%c", &step, &end) != 1) REFUSE("stop_after: '%s' is not step:N", c->stop_after);
    if (c->winograd % 2 != 0) REFUSE("winograd: 6, 4, 2 or 0");
    if ((uint64_t)c->batch_size * c->accum_freq > (1u << 20)) REFUSE("batch_size times accum_freq: at most %u", 1u << 20);
    if (c->lr <= 0) REFUSE("lr: needs to be above 0");
#undef REFUSE
    return SHN_OK;
}

void shn_train_defaults(shn_loss loss, size_t n_samples, double fs_hz, shn_train_config *c)
{
    const int pair = shn_loss_is_pair(loss), sigmoid = shn_loss_has_bias(loss);
    memset(c, 0, sizeof *c);
    c->loss = loss;
    c->seed = 1;
    strcpy(c->split, "train");
    shn_encoder_defaults(&c->encoder);
    c->encoder.width = 32;              /* as good as 64 on the records at hand and 3 times as fast: docs/training.md */
    c->crop_seconds = 2.5;
    c->n_windows = 7;
    if (n_samples && fs_hz > 0 && c->crop_seconds * fs_hz >= (double)n_samples) {   /* nothing to crop */
        c->crop_seconds = 0;
        c->n_windows = 1;
    }
    c->reduce = SHN_REDUCE_MEAN;
    c->norm = SHN_NORM_GLOBAL;
    c->epochs = 30;
    c->batch_size = 64;
    c->accum_freq = 1;
    c->winograd = 6;
    /* what differs between losses won in configs/recipe.yaml: docs/training.md */
    c->lr = loss == SHN_LOSS_SIGLIP_JACCARD || loss == SHN_LOSS_JACCARD_SOFTMAX ? 1e-3 : 3e-3;
    c->class_columns = loss == SHN_LOSS_SIGLIP_JACCARD ? 1 : 0;
    c->label_weight_power = loss == SHN_LOSS_JACCARD_SOFTMAX ? 1 : 0;
    c->lr_text_scale = pair ? 0.1 : 1;
    c->wd = 0.01;
    c->beta1 = 0.9;
    c->beta2 = 0.98;
    c->eps = 1e-8;
    c->warmup = 0.05;
    c->grad_clip_norm = 5;
    c->temperature = 0.07;
    c->learn_temperature = sigmoid;
    c->jaccard_threshold = 0.5;
    c->ecg_norm_raw = 1;
    c->chunk = 256;
    strcpy(c->text, loss == SHN_LOSS_BCE ? "none" : SHN_VECTORS_BUILTIN);
    strcpy(c->text_form, "name");
    strcpy(c->language, "en");
    strcpy(c->record_text, "mean");
    c->centre = 1;
    c->sync_batch_norm = 1;
    c->gain = 0.1;
    c->noise = 0.05;
    c->lead_dropout = 0.1;
    strcpy(c->engine, "cpu");
    c->checkpoint_seconds = 60;
}

void shn_train_engine(const shn_train_config *config, shn_engine_options *out)
{
    shn_engine_defaults(out);
    out->name = config->engine;
    out->precision = config->precision;
    out->winograd = config->winograd;
    out->n_threads = config->n_threads;
}

shn_train_config shn_train_resumable(const shn_train_config *config)
{
    shn_train_config c = *config;
    if (strncmp(c.engine, "cuda", 4) == 0) strcpy(c.engine, "cpu");
    return c;
}
