/**
 * config.json: keys to the configuration. A key that would change the arithmetic and is not implemented is refused by name, with
 * the value that this program computes with. Keys that play no part in inference (dropout, initialisation, cache) are not looked at.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/fail.h"
#include "text/st_model.h"
#include "text/weights_private.h"

/** The first failure stays; later reads do nothing. */
typedef struct reader { json_t *root; shn_status st; shn_error *err; } reader;

static void fail(reader *r, shn_status st, const char *key, const char *what)
{
    if (r->st == SHN_OK)
        r->st = shn_fail(r->err, st, st == SHN_UNSUPPORTED ? SHN_REASON_UNSUPPORTED : SHN_REASON_BAD_VALUE, "model.config",
                         "config.json: key '%s' %s", key, what);
}

/** NULL for an absent key and for null. */
static json_t *get(const reader *r, const char *key)
{
    json_t *v = json_object_get(r->root, key);
    return json_is_null(v) ? NULL : v;
}

static void read_size(reader *r, const char *key, size_t *out, int needed)
{
    json_t *v = get(r, key);
    if (!v) {
        if (needed) fail(r, SHN_FORMAT, key, "is missing");
    } else if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX) fail(r, SHN_FORMAT, key,
                                                                                                            "is not a whole number");
    else *out = (size_t)json_integer_value(v);
}

static void read_number(reader *r, json_t *from, const char *key, double *out, int needed)
{
    json_t *v = json_object_get(from, key);
    if (!v || json_is_null(v)) {
        if (needed) fail(r, SHN_FORMAT, key, "is missing");
    } else if (!json_is_number(v)) fail(r, SHN_FORMAT, key, "is not a number");
    else *out = json_number_value(v);
}

/** An id, the first of several, or -1. */
static void read_id(reader *r, const char *key, int *out)
{
    json_t *v = get(r, key);
    *out = -1;
    if (json_is_array(v)) v = json_array_get(v, 0);
    if (!v) return;
    if (!json_is_integer(v) || json_integer_value(v) < -1 || json_integer_value(v) >= (json_int_t)SHN_LM_VOCAB_MAX) fail(r, SHN_FORMAT, key,
                                                                                                                         "is not a token id");
    else *out = (int)json_integer_value(v);
}

/** Refuses a value other than the one this program computes with; absent is fine. */
static void demand_bool(reader *r, const char *key, int only)
{
    json_t *v = get(r, key);
    if (!v) return;
    if (!json_is_boolean(v)) fail(r, SHN_FORMAT, key, "is not true or false");
    else if (json_is_true(v) != only) fail(r, SHN_UNSUPPORTED, key,
                                           only ? "is false, which this program does not compute" : "is true, which this program does not compute");
}

static void demand_number(reader *r, const char *key, double only, const char *what)
{
    double v = only;
    read_number(r, r->root, key, &v, 0);
    if (v != only) fail(r, SHN_UNSUPPORTED, key, what);
}

static void read_activation(reader *r, shn_lm_config *c)
{
    static const struct { const char *name; shn_lm_activation activation; } known[] = {
        { "silu", SHN_LM_SILU }, { "swish", SHN_LM_SILU }, { "gelu",
                                                            SHN_LM_GELU }, { "gelu_new",
                                                                            SHN_LM_GELU_TANH }, { "gelu_pytorch_tanh", SHN_LM_GELU_TANH },
    };
    const char *name = json_string_value(get(r, "hidden_act"));
    if (!name) {
        fail(r, SHN_FORMAT, "hidden_act", "is missing or no string");
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            c->activation = known[i].activation;
            return;
        }
    char what[80];
    snprintf(what, sizeof what, "is '%.30s'; silu and gelu are computed", name);
    fail(r, SHN_UNSUPPORTED, "hidden_act", what);
}

/* ---- rope ---- */

/**
 * Llama 3.1's scaling: long wavelengths are stretched by `factor`, short ones left, those between blended.
 * Computed in double and stored as float, as llama.cpp's converter does; the frequencies differ from transformers' by float rounding.
 */
static void llama3_divisors(reader *r, json_t *rope, const shn_lm_config *c, float **out)
{
    double factor = 0, low = 0, high = 0, original = 0;
    read_number(r, rope, "factor", &factor, 1);
    read_number(r, rope, "low_freq_factor", &low, 1);
    read_number(r, rope, "high_freq_factor", &high, 1);
    read_number(r, rope, "original_max_position_embeddings", &original, 1);
    if (r->st != SHN_OK) return;
    if (!(factor >= 1 && factor < 1e6 && low > 0 && high > low && high < 1e6 && original >= 1 && original < 1e9)) {
        fail(r, SHN_FORMAT, "rope_scaling", "has factors out of order or range");
        return;
    }
    *out = shn_alloc(c->head_size / 2, sizeof **out);
    if (!*out) {
        r->st = shn_fail_nomem(r->err, "model.config");
        return;
    }
    for (size_t i = 0; i < c->head_size / 2; i++) {
        const double wavelength = 2.0 * 3.14159265358979323846 * pow(c->rope_theta, 2.0 * (double)i / (double)c->head_size);
        if (wavelength < original / high) (*out)[i] = 1.0f;
        else if (wavelength > original / low) (*out)[i] = (float)factor;
        else {
            const double smooth = (original / wavelength - low) / (high - low);
            (*out)[i] = (float)(1.0 / ((1.0 - smooth) / factor + smooth));
        }
    }
}

/** Old files: rope_theta and rope_scaling; newer ones: rope_parameters with both. */
static void read_rope(reader *r, shn_lm_config *c, float **divisor)
{
    json_t *parameters = get(r, "rope_parameters"), *scaling = get(r, "rope_scaling");
    if ((parameters && !json_is_object(parameters)) || (scaling && !json_is_object(scaling))) {
        fail(r, SHN_FORMAT, parameters ? "rope_parameters" : "rope_scaling", "is not an object");
        return;
    }
    c->rope_theta = 10000.0;            /* transformers' default for Llama; Qwen3's files always say it */
    read_number(r, r->root, "rope_theta", &c->rope_theta, c->family == SHN_LM_QWEN3 && !parameters);
    if (parameters) read_number(r, parameters, "rope_theta", &c->rope_theta, 1);
    json_t *from = parameters ? parameters : scaling;
    if (!from || r->st != SHN_OK) return;
    json_t     *kind = json_object_get(from, "rope_type");
    const char *type = json_string_value(kind ? kind : json_object_get(from, "type"));
    if (!type) fail(r, SHN_FORMAT, parameters ? "rope_parameters" : "rope_scaling", "has no rope_type");
    else if (strcmp(type, "llama3") == 0) {
        if (c->head_size >= 2 && c->head_size <= SHN_LM_HEAD_SIZE_MAX && c->rope_theta >= 1.0) llama3_divisors(r, from, c, divisor);
    } else if (strcmp(type, "default") != 0) {
        char what[80];
        snprintf(what, sizeof what, "is of type '%.30s'; only llama3 is computed", type);
        fail(r, SHN_UNSUPPORTED, parameters ? "rope_parameters" : "rope_scaling", what);
    }
}

/* ---- families ---- */

static void read_family(reader *r, shn_lm_config *c)
{
    static const struct { const char *name; shn_lm_family family; } known[] = {
        { "llama", SHN_LM_LLAMA }, { "qwen3", SHN_LM_QWEN3 }, { "bert", SHN_LM_BERT }, { "xlm-roberta", SHN_LM_XLMR },
    };
    const char *name = json_string_value(get(r, "model_type"));
    if (!name) {
        fail(r, SHN_FORMAT, "model_type", "is missing or no string");
        return;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            c->family = known[i].family;
            return;
        }
    char what[96];
    snprintf(what, sizeof what, "is '%.30s'; llama, qwen3, bert and xlm-roberta are computed", name);
    fail(r, SHN_UNSUPPORTED, "model_type", what);
}

static void read_heads(reader *r, shn_lm_config *c)
{
    read_size(r, "num_attention_heads", &c->n_heads, 1);
    c->n_kv_heads = c->n_heads;
    read_size(r, "num_key_value_heads", &c->n_kv_heads, 0);
    if (r->st == SHN_OK && (c->n_heads == 0 || c->n_kv_heads == 0)) fail(r, SHN_FORMAT, "num_attention_heads", "or num_key_value_heads is 0");
    if (r->st != SHN_OK) return;
    c->head_size = c->width / c->n_heads;
    read_size(r, "head_dim", &c->head_size, c->family == SHN_LM_QWEN3);     /* width / heads is wrong for Qwen3's small models */
    if (!get(r, "head_dim") && c->width % c->n_heads != 0) fail(r, SHN_FORMAT, "hidden_size",
                                                                "is no multiple of num_attention_heads, and head_dim is missing");
}

static void refuse_sliding(reader *r)
{
    json_t *types = get(r, "layer_types"), *type;
    size_t  i;
    demand_bool(r, "use_sliding_window", 0);
    if (!json_is_array(types)) return;
    json_array_foreach(types, i, type)
        if (!json_is_string(type) || strcmp(json_string_value(type),
                                            "full_attention") != 0) fail(r, SHN_UNSUPPORTED, "layer_types", "names layers other than full_attention");
}

static void read_causal(reader *r, shn_lm_config *c, float **divisor)
{
    read_heads(r, c);
    read_number(r, r->root, "rms_norm_eps", &c->norm_eps, 1);
    read_rope(r, c, divisor);
    demand_number(r, "partial_rotary_factor", 1.0, "is not 1, which this program does not compute");
    refuse_sliding(r);
    if (c->activation != SHN_LM_SILU) fail(r, SHN_UNSUPPORTED, "hidden_act", "is not silu, as this model_type has it");
    read_size(r, "max_position_embeddings", &c->max_positions, 0);
}

static void read_bidirectional(reader *r, shn_lm_config *c)
{
    json_t *kind = get(r, "position_embedding_type");
    read_heads(r, c);
    read_number(r, r->root, "layer_norm_eps", &c->norm_eps, 1);
    read_size(r, "max_position_embeddings", &c->max_positions, 1);
    if (kind && (!json_is_string(kind) || strcmp(json_string_value(kind),
                                                 "absolute") != 0)) fail(r, SHN_UNSUPPORTED, "position_embedding_type", "is not absolute");
    demand_bool(r, "is_decoder", 0);
    if (c->activation == SHN_LM_SILU) fail(r, SHN_UNSUPPORTED, "hidden_act", "is silu; this model_type is computed with gelu");
    if (c->n_kv_heads != c->n_heads) fail(r, SHN_UNSUPPORTED, "num_key_value_heads", "differs from num_attention_heads in a bidirectional model");
    if (r->st != SHN_OK || c->family != SHN_LM_XLMR) return;
    if (c->pad_id < 0) fail(r, SHN_FORMAT, "pad_token_id", "is missing; positions start after it");
    else if (c->max_positions <= (size_t)c->pad_id + 1) fail(r, SHN_FORMAT, "max_position_embeddings", "leaves no position after pad_token_id");
    else {
        c->position_offset = (size_t)c->pad_id + 1;
        c->max_positions -= c->position_offset;
    }
}

static void read_all(reader *r, shn_lm_config *c, float **divisor)
{
    read_family(r, c);
    if (get(r, "quantization_config")) fail(r, SHN_UNSUPPORTED, "quantization_config",
                                            "is there: quantised safetensors are not read; take the plain model or a GGUF file");
    read_size(r, "num_hidden_layers", &c->n_layers, 1);
    read_size(r, "hidden_size", &c->width, 1);
    read_size(r, "intermediate_size", &c->ffn, 1);
    read_size(r, "vocab_size", &c->vocab, 1);
    read_activation(r, c);
    read_id(r, "bos_token_id", &c->bos_id);
    read_id(r, "eos_token_id", &c->eos_id);
    read_id(r, "pad_token_id", &c->pad_id);
    if (r->st != SHN_OK) return;
    if (c->family == SHN_LM_LLAMA || c->family == SHN_LM_QWEN3) read_causal(r, c, divisor);
    else read_bidirectional(r, c);
    if (r->st == SHN_OK) {
        r->st = shn_lm_config_check(c, r->err);
        if (r->st != SHN_OK) shn_error_prefix(r->err, "config.json");
    }
}

shn_status shn_st_config_parse(const uint8_t *bytes, size_t n_bytes, shn_lm_config *config, float **divisor, shn_error *err)
{
    json_error_t why;
    *divisor = NULL;
    *config = (shn_lm_config){ .pooling = SHN_LM_POOL_UNSAID, .bos_id = -1, .eos_id = -1, .pad_id = -1, .add_bos = -1, .add_eos = -1 };
    if (n_bytes > SHN_ST_CONFIG_MAX)
        return shn_fail(err, SHN_RANGE, SHN_REASON_LIMIT, "model.config", "config.json of %zu bytes, at most %zu", n_bytes, SHN_ST_CONFIG_MAX);
    reader r = { .root = json_loadb((const char *)bytes, n_bytes, JSON_REJECT_DUPLICATES, &why), .err = err };
    if (!json_is_object(r.root))
        r.st = shn_fail(err, SHN_FORMAT, SHN_REASON_BAD_HEADER, "model.config", "config.json: not JSON at line %d: %s",
                        r.root ? 1 : why.line, r.root ? "not an object" : why.text);
    else read_all(&r, config, divisor);
    json_decref(r.root);
    if (r.st != SHN_OK) {
        free(*divisor);
        *divisor = NULL;
    }
    return r.st;
}
