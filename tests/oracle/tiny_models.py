"""Tiny random language models in both formats, with transformers' hidden states: tests/golden/tiny/.

Needs: pip install gguf==0.19 transformers torch safetensors numpy.

For each of llama, llama31 (rope scaling of type llama3), qwen3, bert and xlmr:
    NAME/config.json, model.safetensors (llama: two shards and an index)    BF16, written by transformers
    NAME.gguf (qwen3: three parts)                                          F16 matrices, F32 vectors, written by gguf
    NAME/expected.safetensors                                               ids_I [n] I32, hidden_I [n][D] F32: last_hidden_state in float32
All weights are rounded to what BF16 and F16 both hold exactly, so the formats carry the same numbers. Names differ as they do in the
wild: llama and llama31 have "model." and lm_head, qwen3 is a bare model, bert has a pooler, xlmr has "roberta.".

    python tests/oracle/tiny_models.py -o tests/golden/tiny
"""
import argparse
import json
import os
import shutil

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file

VOCAB, WIDTH, FFN, LAYERS = 64, 32, 64, 2
LENGTHS = (1, 7, 20)


def make_models():
    causal = dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=LAYERS, num_attention_heads=4,
                  num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
    llama3 = dict(rope_type="llama3", rope_theta=5000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
    # wide enough for every piece of the scaling: 16 values per head, wavelengths from 6 to 11000 positions
    encoder = dict(vocab_size=VOCAB, hidden_size=WIDTH, intermediate_size=FFN, num_hidden_layers=LAYERS, num_attention_heads=4,
                   hidden_act="gelu", attn_implementation="eager")
    t = transformers
    yield "llama", t.LlamaForCausalLM(t.LlamaConfig(**causal, rope_parameters=dict(rope_type="default", rope_theta=500000.0), rms_norm_eps=1e-5))
    yield "llama31", t.LlamaForCausalLM(t.LlamaConfig(**{**causal, "max_position_embeddings": 256}, rope_parameters=llama3, head_dim=16, rms_norm_eps=1e-5, tie_word_embeddings=True))
    yield "qwen3", t.Qwen3Model(t.Qwen3Config(**causal, rope_parameters=dict(rope_type="default", rope_theta=1000000.0), head_dim=16, rms_norm_eps=1e-6,
                                              tie_word_embeddings=True))
    yield "bert", t.BertModel(t.BertConfig(**encoder, max_position_embeddings=40, type_vocab_size=2, layer_norm_eps=1e-12, pad_token_id=0))
    yield "xlmr", t.XLMRobertaForMaskedLM(t.XLMRobertaConfig(**encoder, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1,
                                                             bos_token_id=0, eos_token_id=2))


def randomise(model, seed):
    """Weights large enough that every part shows in the result, rounded to 8 bits; never so small that F16 would lose them."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            vector = p.dim() == 1
            x = torch.randn(p.shape, generator=rng) * (0.3 if vector else 1.5 / p.shape[-1] ** 0.5)
            if vector and "norm" in name.lower() and name.endswith("weight"):
                x = 1 + x
            x = x.to(torch.bfloat16).float()
            x[x.abs() < 2.0 ** -14] = 0
            assert torch.equal(x, x.half().float())
            p.copy_(x)


def expected(model, base, path, seed):
    rng = np.random.default_rng(seed)
    out = {}
    for i, n in enumerate(LENGTHS):
        ids = torch.from_numpy(rng.integers(3, VOCAB, n))
        with torch.no_grad():
            hidden = base(input_ids=ids[None], attention_mask=torch.ones(1, n, dtype=torch.long)).last_hidden_state[0]
        out[f"ids_{i}"] = ids.to(torch.int32)
        out[f"hidden_{i}"] = hidden.contiguous()
    about = f"tiny_models.py, transformers {transformers.__version__}, torch {torch.__version__}, float32, eager attention"
    save_file(out, path, metadata={"made_by": about})


GLOBAL = {"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight", "embeddings.word_embeddings.weight": "token_embd.weight",
          "embeddings.position_embeddings.weight": "position_embd.weight", "embeddings.token_type_embeddings.weight": "token_types.weight",
          "embeddings.LayerNorm": "token_embd_norm", "lm_head.weight": "output.weight"}
LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up", "output.dense": "ffn_down",
         "output.LayerNorm": "layer_output_norm"}


def gguf_name(name):
    for prefix in ("model.", "roberta."):
        name = name.removeprefix(prefix)
    for start in ("layers.", "encoder.layer."):
        if name.startswith(start):
            layer, rest = name[len(start):].split(".", 1)
            stem, kind = rest.rsplit(".", 1)
            return f"blk.{layer}.{LAYER[stem]}.{kind}"
    if name in GLOBAL:
        return GLOBAL[name]
    stem, kind = name.rsplit(".", 1)
    return f"{GLOBAL[stem]}.{kind}" if stem in GLOBAL else None


def interleave(x, heads):
    """GGUF's llama keeps the rows of q and k so that rope's pairs are neighbours."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def write_keys(w, name, config):
    w.add_block_count(LAYERS)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(FFN)
    w.add_head_count(4)
    w.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    w.add_token_list([f"t{i}".encode() for i in range(VOCAB)])
    w.add_token_types([gguf.TokenType.CONTROL if i < 3 else gguf.TokenType.NORMAL for i in range(VOCAB)])
    w.add_token_merges(["t 1", "t1 2"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_add_bos_token(True)
    if name in ("bert", "xlmr"):
        w.add_context_length(40)
        w.add_causal_attention(False)
        w.add_layer_norm_eps(config.layer_norm_eps)
        w.add_pooling_type(gguf.PoolingType.MEAN)
        return
    w.add_context_length(config.max_position_embeddings)
    w.add_head_count_kv(2)
    w.add_key_length(config.head_dim)
    w.add_value_length(config.head_dim)
    w.add_rope_dimension_count(config.head_dim)
    w.add_rope_freq_base(config.rope_parameters["rope_theta"])
    w.add_layer_norm_rms_eps(config.rms_norm_eps)


def rope_freqs(config):
    """As llama.cpp's converter writes them."""
    rope, divisors = config.rope_parameters, []
    low, high = (rope["original_max_position_embeddings"] / rope[k] for k in ("low_freq_factor", "high_freq_factor"))
    for i in range(0, config.head_dim, 2):
        wavelength = 2 * np.pi * rope["rope_theta"] ** (i / config.head_dim)
        smooth = (rope["original_max_position_embeddings"] / wavelength - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        divisors.append(1 if wavelength < high else rope["factor"] if wavelength > low else 1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors, np.float32)


def write_gguf(model, name, folder):
    arch = {"llama31": "llama", "xlmr": "bert"}.get(name, name)
    parts = dict(split_max_tensors=10, small_first_shard=False) if name == "qwen3" else {}
    w = gguf.GGUFWriter(os.path.join(folder, f"{name}.gguf"), arch, **parts)
    write_keys(w, name, model.config)
    for hf, x in model.state_dict().items():
        to = gguf_name(hf)
        if to is None or (to == "output.weight" and model.config.tie_word_embeddings):
            continue                                    # pooler, heads, position_ids
        x = x.numpy()
        if name.startswith("llama") and ("attn_q." in to or "attn_k." in to):
            x = interleave(x, 4 if "attn_q." in to else 2)
        if name == "xlmr" and to == "position_embd.weight":
            x = x[2:]                                   # the converter drops the rows that no position uses
        w.add_tensor(to, x.astype(np.float16) if x.ndim == 2 and to not in ("position_embd.weight", "token_types.weight") else x.astype(np.float32))
    if name == "llama31":
        w.add_tensor("rope_freqs.weight", rope_freqs(model.config))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o", required=True)
    args = p.parse_args()
    shutil.rmtree(args.o, ignore_errors=True)
    for seed, (name, model) in enumerate(make_models()):
        folder = os.path.join(args.o, name)
        os.makedirs(folder)
        model.eval()
        randomise(model, seed)
        base = getattr(model, "model", getattr(model, "roberta", model))
        expected(model, base, os.path.join(folder, "expected.safetensors"), seed)
        write_gguf(model, name, args.o)
        model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="25KB" if name == "llama" else "1GB")
        for extra in ("generation_config.json",):
            if os.path.exists(os.path.join(folder, extra)):
                os.remove(os.path.join(folder, extra))
    for where, _, files in os.walk(args.o):
        for f in files:
            os.chmod(os.path.join(where, f), 0o644)
    with open(os.path.join(args.o, "README.md"), "w") as f:
        f.write("# Tiny random models\n\nMade by `python tests/oracle/tiny_models.py -o tests/golden/tiny` (its first lines say what is here) with "
                f"transformers {transformers.__version__}, torch {torch.__version__}, gguf 0.19.0.\n")


if __name__ == "__main__":
    main()
