/** From a path to a model whose every setting is decided: what the user said, else what this kind of model was trained for. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "base/file.h"
#include "shinden/text.h"
#include "text/encode.h"
#include "text/tokenizer_gguf.h"

static const char where[] = "text.encode";

/**
 * config.json names the ids that begin and end a text; in the tokenizer they have to be special ones. Two vocabularies of one size are told
 * apart by this. (pad_token_id is not looked at: multilingual-e5-small's own config.json gives the id of another token.)
 */
static shn_status check_special(const shn_encode_model *m, const char *path, shn_error *err)
{
    const shn_lm_config *c = shn_weights_config(m->weights);
    const int   id[2] = { c->bos_id, c->eos_id };
    const char *name[2] = { "bos_token_id", "eos_token_id" };
    for (int i = 0; i < 2; i++)
        if (id[i] >= 0 && !shn_tokenizer_is_special(m->tokenizer, (uint32_t)id[i]))
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where,
                            "%s: config.json's %s %d is no special token in tokenizer.json: they do not belong together", path, name[i], id[i]);
    return SHN_OK;
}

/** The vocabulary inside a GGUF file, else the folder's tokenizer.json. */
static shn_status open_tokenizer(shn_encode_model *m, const char *path, shn_error *err)
{
    const shn_gguf_vocab *vocab = shn_weights_vocab(m->weights);
    shn_status st;
    if (vocab) {
        st = shn_tokenizer_gguf(vocab, &m->tokenizer, err);
        if (st != SHN_OK) shn_error_prefix(err, "%s", path);
    } else if (shn_path_is_dir(path)) st = shn_tokenizer_read(path, &m->tokenizer, err);
    else
        st = shn_fail(err, SHN_MISMATCH, SHN_REASON_NOT_FOUND, where, "%s holds no vocabulary (tokenizer.ggml.model); convert the model again with its tokenizer",
                      path);
    if (st != SHN_OK) return st;
    const size_t ids = shn_tokenizer_size(m->tokenizer), rows = shn_weights_config(m->weights)->vocab;
    const size_t slack = rows / 10 > 1024 ? rows / 10 : 1024;       /* rows are padded to round numbers, not to twice as many */
    if (ids > rows || ids + slack < rows)
        return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where,
                        "%s: the tokenizer has %zu ids, the weights %zu rows: they do not belong together", path, ids, rows);
    return vocab ? SHN_OK : check_special(m, path, err);        /* a GGUF file's ids are its own vocabulary's */
}

/** The file's or folder's own name, and what config.json calls its origin, where that is a name and not somebody's folder. */
static void find_name(shn_encode_model *m, const char *path)
{
    char     file[SHN_PATH_MAX], trimmed[SHN_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t   n = 0;
    snprintf(trimmed, sizeof trimmed, "%s", path);
    for (size_t at = strlen(trimmed); at > 1 && trimmed[at - 1] == '/'; at--) trimmed[at - 1] = 0;
    snprintf(m->name, sizeof m->name, "%.120s", shn_path_base(trimmed));
    if (!shn_path_is_dir(path) || shn_path_join(file, path, "config.json", NULL) != SHN_OK ||
        shn_file_read(file, (size_t)1 << 20, &bytes, &n, NULL) != SHN_OK)
        return;
    json_t     *config = json_loadb((const char *)bytes, n, 0, NULL);
    const char *origin = json_string_value(json_object_get(config, "_name_or_path"));
    if (origin && *origin && *origin != '/' && *origin != '.')
        snprintf(m->name + strlen(m->name), sizeof m->name - strlen(m->name), ", from %.100s", origin);
    json_decref(config);
    free(bytes);
}

static int is_e5(const char *name)
{
    for (const char *p = name; *p; p++)
        if (strncasecmp(p, "e5", 2) == 0 && (p == name || strchr("/-_. ", p[-1])) && (!p[2] || strchr("-_.,", p[2]))) return 1;
    return 0;
}

static shn_status put_prompt(char out[1024], const char *prompt, shn_error *err)
{
    char *nfc = shn_text_nfc(prompt, err);
    if (!nfc) return err ? err->status : SHN_FORMAT;
    const int fits = snprintf(out, 1024, "%s", nfc) < 1024;
    free(nfc);
    return fits ? SHN_OK : shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, where, "a prompt of more than 1023 bytes");
}

static shn_status settle(shn_encode_model *m, const shn_encode_config *config, shn_error *err)
{
    const shn_lm_config *c = shn_weights_config(m->weights);
    const int decoder = c->family == SHN_LM_LLAMA || c->family == SHN_LM_QWEN3;
    const int embedder = decoder && c->pooling == SHN_LM_POOL_LAST;             /* made to be pooled at an appended end token */
    m->pooling = config->pooling != SHN_POOLING_DEFAULT ? config->pooling
                 : embedder                             ? SHN_POOLING_LAST
                 : decoder                              ? SHN_POOLING_MEAN_LABEL
                 : c->pooling == SHN_LM_POOL_CLS        ? SHN_POOLING_CLS
                                                        : SHN_POOLING_MEAN;
    m->centre = config->centre >= 0 ? config->centre : decoder && !embedder;
    m->append = -1;
    if (embedder) {
        m->append = shn_tokenizer_special(m->tokenizer, "<|endoftext|>");
        if (m->append < 0) m->append = c->eos_id;
        if (m->append < 0)
            return shn_fail(err, SHN_MISMATCH, SHN_REASON_MODEL_MISMATCH, where, "%s pools its last token, but names no end token to append", config->model);
    }
    const int   plain = decoder && !embedder;
    const char *en = config->prompt ? config->prompt : plain ? "ECG finding: " : !decoder && is_e5(m->name) ? "passage: " : "";
    const char *ja = config->prompt || !plain ? en : "心電図所見：";
    shn_status  st = put_prompt(m->prompt_en, en, err);
    return st == SHN_OK ? put_prompt(m->prompt_ja, ja, err) : st;
}

static shn_status choose_precision(shn_encode_model *m, const char *precision, shn_error *err)
{
    const shn_status st = shn_isa_choose(NULL, &m->isa, err);
    const char      *library = shn_compute_version();
    if (st != SHN_OK) return st;
    if (strcmp(precision, "f32") == 0) m->dtype = SHN_F32;
    else if (strcmp(precision, "bf16") == 0) m->dtype = SHN_BF16;
    else if (strcmp(precision, "auto") == 0) m->dtype = m->isa >= SHN_ISA_AMX ? SHN_BF16 : SHN_F32;
    else return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "precision '%.40s', must be auto, f32 or bf16", precision);
    snprintf(m->arithmetic, sizeof m->arithmetic, "%s, %s, %.60s", m->dtype == SHN_BF16 ? "bf16" : "f32", shn_isa_name(m->isa), library);
    return SHN_OK;
}

/** Who runs the layers, and in which arithmetic. */
static shn_status choose_provider(shn_encode_model *m, const shn_encode_config *config, shn_error *err)
{
    if (strcmp(config->provider, "own") == 0) return choose_precision(m, config->precision, err);
    if (strcmp(config->provider, "llama") != 0)
        return shn_fail(err, SHN_RANGE, SHN_REASON_BAD_VALUE, where, "provider '%.40s', must be own or llama", config->provider);
    if (!shn_encode_llama())
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where,
                        "built without libllama, so there is no provider llama; use own, or build where pkg-config finds 'llama'");
    if (strcmp(config->precision, "auto") != 0)
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "precision '%.40s': libllama chooses its own; leave it at auto", config->precision);
    if (shn_path_is_dir(config->model))
        return shn_fail(err, SHN_UNSUPPORTED, SHN_REASON_UNSUPPORTED, where, "%s is a folder, libllama reads .gguf files only; use the provider own", config->model);
    m->llama = 1;
    snprintf(m->arithmetic, sizeof m->arithmetic, "%.90s", shn_encode_llama());
    return SHN_OK;
}

shn_status shn_encode_model_open(const shn_encode_config *config, shn_encode_model *m, shn_error *err)
{
    memset(m, 0, sizeof *m);
    shn_status st = choose_provider(m, config, err);
    if (st == SHN_OK) st = shn_weights_open(config->model, &m->weights, err);
    if (st == SHN_OK) st = open_tokenizer(m, config->model, err);
    if (st == SHN_OK) {
        find_name(m, config->model);
        st = settle(m, config, err);
    }
    if (st == SHN_OK) st = shn_weights_identity(m->weights, m->identity, err);
    if (st != SHN_OK) shn_encode_model_close(m);
    return st;
}

void shn_encode_model_close(shn_encode_model *m)
{
    shn_tokenizer_free(m->tokenizer);
    shn_weights_close(m->weights);
    memset(m, 0, sizeof *m);
}
