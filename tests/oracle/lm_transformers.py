"""Text vectors by `transformers`, in float32 on the CPU: the truth for `shinden text encode`.

Needs: pip install torch transformers tokenizers safetensors numpy gguf.

    python tests/oracle/lm_transformers.py compare MODEL VECTORS.safetensors    # real models, on demand
    python tests/oracle/lm_transformers.py golden tests/golden/lm               # tiny random models and their vectors
    python tests/oracle/lm_transformers.py golden-gguf tests/golden/lm          # quantised ones, one that appends a token, and the rest as GGUF

`compare` reads texts, prompt, pooling and centring from the cache, computes the same from MODEL (a folder, or a .gguf, whose
quantised weights `gguf` expands and whose tensors this script names for transformers) and prints the relative L2 distances.
Tokens come from `tokenizers` where there is a tokenizer.json, else from `shinden text tokens` (their ids are proved elsewhere).
"""
import argparse
import json
import os
import re
import struct

import numpy as np
import torch


def read_safetensors(path):
    raw = open(path, "rb").read()
    n = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + n])
    meta = header.pop("__metadata__", {})
    kinds = {"F32": "<f4", "I32": "<i4"}
    out = {k: np.frombuffer(raw, kinds[v["dtype"]], offset=8 + n + v["data_offsets"][0], count=int(np.prod(v["shape"]))).reshape(v["shape"])
           for k, v in header.items()}
    return out, meta


def japanese(text):
    return re.search("[\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f]", text) is not None


def prompt_of(meta, text):
    both = re.fullmatch(r"en '(.*)', ja '(.*)'", meta["prompt"], re.S)
    return meta["prompt"] if not both else both.group(2 if japanese(text) else 1)


def pool(states, pooling, own):
    if pooling == "last":
        return states[-1]
    if pooling == "cls":
        return states[0]
    return states[own if pooling == "mean-label" else slice(None)].mean(0)


# ---- GGUF as a transformers model

def from_gguf(path):
    from gguf import GGUFReader
    from gguf.quants import dequantize
    from transformers import LlamaConfig, LlamaModel
    r = GGUFReader(path)
    field = lambda key: r.fields[key].contents()
    assert field("general.architecture") == "llama", "only llama here"
    heads, kv = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    w = {t.name: torch.tensor(np.array(dequantize(t.data, t.tensor_type), np.float32)) for t in r.tensors}
    width = w["token_embd.weight"].shape[1]
    config = LlamaConfig(hidden_size=width, intermediate_size=field("llama.feed_forward_length"), num_hidden_layers=field("llama.block_count"),
                         num_attention_heads=heads, num_key_value_heads=kv, vocab_size=w["token_embd.weight"].shape[0],
                         rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"), max_position_embeddings=field("llama.context_length"),
                         rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")})
    model = LlamaModel(config).eval()

    def halves(m, n):                   # GGUF's llama rows are permuted for pairs (2i, 2i+1); back to (i, i + half)
        return m.reshape(n, m.shape[0] // n // 2, 2, m.shape[1]).transpose(1, 2).reshape(m.shape)

    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
             "ffn_norm": "post_attention_layernorm"}
    state = {"embed_tokens.weight": w["token_embd.weight"], "norm.weight": w["output_norm.weight"]}
    for l in range(config.num_hidden_layers):
        for g, h in names.items():
            m = w[f"blk.{l}.{g}.weight"]
            state[f"layers.{l}.{h}.weight"] = halves(m, heads) if g == "attn_q" else halves(m, kv) if g == "attn_k" else m
    model.load_state_dict(state)
    return model


def open_model(path):
    if path.endswith(".gguf"):
        return from_gguf(path)
    from transformers import AutoModel
    return AutoModel.from_pretrained(path, dtype=torch.float32, attn_implementation="eager").eval()


def tokenizer_of(path, a):
    """text -> ids, (start, end) in characters or bytes alike comparable with len(prompt) in the same unit."""
    if os.path.isdir(path):
        from tokenizers import Tokenizer
        t = Tokenizer.from_file(f"{path}/tokenizer.json")
        t.no_padding()
        t.no_truncation()

        def encode(text, prompt):
            e = t.encode(text)
            return e.ids, [i for i, (o, s) in enumerate(zip(e.offsets, e.special_tokens_mask)) if not s and o[1] > len(prompt)]
        return encode
    import subprocess
    from gguf import GGUFReader
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    f = GGUFReader(path).fields
    tokens, merges = f["tokenizer.ggml.tokens"].contents(), f["tokenizer.ggml.merges"].contents()
    t = Tokenizer(models.BPE(vocab={k: i for i, k in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges]))
    assert f["tokenizer.ggml.pre"].contents() == "smollm"
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    add_bos = "tokenizer.ggml.add_bos_token" in f and f["tokenizer.ggml.add_bos_token"].contents()
    bos = [f["tokenizer.ggml.bos_token_id"].contents()] if add_bos else []

    def encode(text, prompt):
        e = t.encode(text)
        return bos + e.ids, [i + len(bos) for i, o in enumerate(e.offsets) if o[1] > len(prompt)]
    return encode


def compare(a):
    cache, meta = read_safetensors(a.vectors)
    texts, got = json.loads(meta["texts"]), cache["vectors"].copy()
    if "centre" in cache:
        got = got + cache["centre"]
    model, encode, d = open_model(a.model), tokenizer_of(a.model, a), []
    for text, v in list(zip(texts, got))[::a.every]:
        prompt = prompt_of(meta, text)
        ids, own = encode(prompt + text, prompt)
        if meta.get("appended_token", "none") != "none" and ids[-1] != int(meta["appended_token"]):
            ids = ids + [int(meta["appended_token"])]
        with torch.no_grad():
            want = pool(model(torch.tensor([ids])).last_hidden_state[0], meta["pooling"], own).numpy()
        d.append(np.linalg.norm(v - want) / np.linalg.norm(want))
    print(f"{meta['model']}, {meta['pooling']}: {len(d)} texts, relative L2 distance median {np.median(d):.2e}, largest {max(d):.2e} "
          f"('{texts[::a.every][int(np.argmax(d))]}')")
    if max(d) > a.tolerance:
        raise SystemExit(f"above {a.tolerance}")


# ---- tiny random models and their vectors

TEXTS = ["a", "ab", "atrial fibrillation", "心房細動", "sinus rhythm: upright P in I and II before every QRS", "左脚ブロック", "QT延長",
         "ST elevation, V1-V4"] + ["x" * n for n in (3, 63, 64, 65)]


def byte_letters():
    """GPT-2's byte alphabet, in the order of bytes."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest, out = 256, []
    for b in range(256):
        out.append(chr(b) if b in keep else chr(rest))
        rest += b not in keep
    return out


def byte_tokenizer(first, last):
    """Byte-level BPE with one merge: id = byte + 3; what stands around a text as its kind of model has it."""
    token = lambda text, i: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    special = [token(t, i) for i, t in enumerate(SPECIAL)]
    seq = [{"SpecialToken": {"id": t, "type_id": 0}} for t in first] + [{"Sequence": {"id": "A", "type_id": 0}}] + \
          [{"SpecialToken": {"id": t, "type_id": 0}} for t in last]
    pair = seq + [{"Sequence": {"id": "B", "type_id": 0}}]
    split = {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
            "post_processor": {"type": "TemplateProcessing", "single": seq, "pair": pair,
                               "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for i, t in enumerate(SPECIAL) if t != "<pad>"}},
            "decoder": {**level}, "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {t: i for i, t in enumerate(pieces())}, "merges": [["a", "b"]]}}


SPECIAL = ["<s>", "<pad>", "</s>"]          # the padding id is 1, for XLM-R counts positions from it


def pieces():
    return [*SPECIAL, *byte_letters(), "ab"]


QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def tiny_models():
    """Sizes are odd on purpose: width is not heads * head size, heads share keys unevenly, blocks of 64 have remainders."""
    import transformers as tf
    rope = lambda theta, **more: {"rope_type": "default", "rope_theta": theta, **more}
    common = dict(vocab_size=260, max_position_embeddings=512, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    llama = dict(hidden_size=40, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
                 rms_norm_eps=1e-5, **common)
    scaled = {"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
              "original_max_position_embeddings": 32}
    bert = dict(hidden_size=32, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4, type_vocab_size=2, hidden_act="gelu",
                vocab_size=260, max_position_embeddings=256, pad_token_id=1)
    yield "llama", tf.LlamaModel(tf.LlamaConfig(**llama, rope_parameters=rope(10000.0))), ["<s>"], []
    yield "llama31", tf.LlamaModel(tf.LlamaConfig(**llama, rope_parameters=scaled)), ["<s>"], []
    yield "qwen3", tf.Qwen3Model(tf.Qwen3Config(**{**llama, "head_dim": 16, "rms_norm_eps": 1e-6}, rope_parameters=rope(1000000.0))), [], []
    yield "bert", tf.BertModel(tf.BertConfig(**bert, layer_norm_eps=1e-12), add_pooling_layer=False), ["<s>"], ["</s>"]
    yield "xlmr", tf.XLMRobertaModel(tf.XLMRobertaConfig(**{**bert, "type_vocab_size": 1}, layer_norm_eps=1e-5), add_pooling_layer=False), \
        ["<s>"], ["</s>"]


def shake(model, generator):
    """Larger than the usual initial weights, and norms and biases away from 1 and 0, so that nothing left out goes unnoticed."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1:
                p.copy_((1 + 0.3 * noise) if "norm" in name.lower() and name.endswith("weight") else 0.3 * noise)
            else:
                p.copy_(noise * (1.0 if "embed" in name else 1.5 / p.shape[1] ** 0.5))


PROMPT = "finding: "


def write_vectors(path, tensors, metadata):
    from safetensors.numpy import save_file
    save_file(tensors, path, metadata)


def golden(a):
    import transformers
    from tokenizers import Tokenizer
    made = f"tests/oracle/lm_transformers.py golden; transformers {transformers.__version__}, torch {torch.__version__}, float32, eager"
    for seed, (name, model, first, last) in enumerate(tiny_models()):
        folder = f"{a.out}/{name}"
        os.makedirs(folder, exist_ok=True)
        model.eval()
        shake(model, torch.Generator().manual_seed(seed))
        model.save_pretrained(folder)
        json.dump(byte_tokenizer(first, last), open(f"{folder}/tokenizer.json", "w"), ensure_ascii=False)
        if os.path.exists(f"{folder}/generation_config.json"):
            os.remove(f"{folder}/generation_config.json")
        model = open_model(folder)
        t = Tokenizer.from_file(f"{folder}/tokenizer.json")
        out = {p: [] for p in ("last", "mean", "mean-label", "cls")}
        for text in TEXTS:
            e = t.encode(PROMPT + text)
            own = [i for i, (o, s) in enumerate(zip(e.offsets, e.special_tokens_mask)) if not s and o[1] > len(PROMPT)]
            with torch.no_grad():
                states = model(torch.tensor([e.ids])).last_hidden_state[0].double()
            for p in out:
                out[p].append(pool(states, p, own).numpy().astype(np.float32))
        write_vectors(f"{folder}/golden.safetensors", {p: np.stack(v) for p, v in out.items()},
                      {"texts": json.dumps(TEXTS, ensure_ascii=False), "prompt": PROMPT, "made_by": made})
        if name in ("llama", "qwen3"):
            write_gguf(f"{folder}/model.gguf", name, model)
        print(name, sum(p.numel() for p in model.parameters()), "parameters")


def write_golden(folder, model, ids_of, made):
    from tokenizers import Tokenizer
    t = Tokenizer.from_str(json.dumps(byte_tokenizer(["<s>"], []) if "quant" in folder else byte_tokenizer([], [])))
    out = {p: [] for p in ("last", "mean", "mean-label", "cls")}
    for text in TEXTS:
        e = t.encode(PROMPT + text)
        own = [i for i, (o, s) in enumerate(zip(e.offsets, e.special_tokens_mask)) if not s and o[1] > len(PROMPT)]
        with torch.no_grad():
            states = model(torch.tensor([ids_of(e.ids)])).last_hidden_state[0].double()
        for p in out:
            out[p].append(pool(states, p, own).numpy().astype(np.float32))
    write_vectors(f"{folder}/golden.safetensors", {p: np.stack(v) for p, v in out.items()},
                  {"texts": json.dumps(TEXTS, ensure_ascii=False), "prompt": PROMPT, "made_by": made})


def random_blocks(kind, rows, cols, rng):
    """Any bytes are a block of codes; its fp16 scales are made small, and one is set so that values spread about 1/sqrt(cols)."""
    import gguf
    size, width = gguf.GGML_QUANT_SIZES[kind]
    raw = rng.integers(0, 256, (rows, cols // size, width), dtype=np.uint8)
    at = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [width - 2]}[kind.name]
    for k, a in enumerate(at):
        raw[..., a:a + 2] = (np.full((rows, cols // size, 1), 0.01, np.float16)).view(np.uint8)
    values = gguf.quants.dequantize(raw.reshape(rows, -1), kind)
    scale = 0.01 * 1.5 / values.std() / cols ** 0.5
    for k, a in enumerate(at):          # the offset of the _1 and _K kinds centres the codes
        factor = scale * (1 if k == 0 else -values.mean() / 0.01 if kind.name.endswith("_1") else 1)
        jitter = rng.uniform(0.5, 1.5, (rows, cols // size, 1))
        raw[..., a:a + 2] = (factor * jitter).astype(np.float16).view(np.uint8).reshape(rows, cols // size, 2)
    return raw.reshape(rows, -1)


def golden_gguf(a):
    """llama files whose tensors take turns with the quantised kinds, against the values `gguf` expands; and Qwen3-Embedding's appended token."""
    import gguf
    import transformers
    T = gguf.GGMLQuantizationType
    made = f"tests/oracle/lm_transformers.py golden-gguf; transformers {transformers.__version__}, torch {torch.__version__}, gguf {__import__('importlib.metadata').metadata.version('gguf')}, float32, eager"
    shapes = {"quant": (64, 96, 4, 2, 2, [T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1]), "quant_k": (256, 256, 4, 2, 1, [T.Q4_K, T.Q5_K, T.Q6_K])}
    for name, (width, ffn, heads, kv, layers, kinds) in shapes.items():
        folder, rng, turn = f"{a.out}/{name}", np.random.default_rng(len(name)), 0
        os.makedirs(folder, exist_ok=True)
        w, hs = gguf.GGUFWriter(f"{folder}/model.gguf", "llama"), width // heads
        header(w, layers, width, ffn, heads, kv, hs, 1e-5, 10000.0, True)
        tensors = [("token_embd", 260, width), ("output_norm", 0, width)]
        for l in range(layers):
            tensors += [(f"blk.{l}.{n}", r, c) for n, r, c in (("attn_norm", 0, width), ("attn_q", width, width), ("attn_k", kv * hs, width), ("attn_v", kv * hs, width),
                        ("attn_output", width, width), ("ffn_norm", 0, width), ("ffn_gate", ffn, width), ("ffn_up", ffn, width), ("ffn_down", width, ffn))]
        for n, rows, cols in tensors:
            if rows == 0:
                w.add_tensor(n + ".weight", (1 + 0.3 * rng.standard_normal(cols)).astype(np.float32))
                continue
            kind = kinds[turn % len(kinds)]
            turn += 1
            w.add_tensor(n + ".weight", random_blocks(kind, rows, cols, rng), raw_dtype=kind)
        finish(w)
        write_golden(folder, from_gguf(f"{folder}/model.gguf").eval(), lambda ids: ids, made)
        print(name)
    model = open_model(f"{a.out}/qwen3")
    folder = f"{a.out}/qwen3_embedding"
    os.makedirs(folder, exist_ok=True)
    write_gguf(f"{folder}/model.gguf", "qwen3", model, pooling=3)
    write_golden(folder, model, lambda ids: ids + [2], made)
    write_gguf(f"{a.out}/llama31/model.gguf", "llama", open_model(f"{a.out}/llama31"))
    for name in ("bert", "xlmr"):
        write_encoder_gguf(f"{a.out}/{name}/model.gguf", open_model(f"{a.out}/{name}"), 2 if name == "xlmr" else 0)


def header(w, layers, width, ffn, heads, kv, hs, eps, theta, add_bos):
    sizes(w, layers, 512, width, ffn, heads)
    w.add_head_count_kv(kv)
    w.add_key_length(hs)
    w.add_value_length(hs)
    w.add_rope_dimension_count(hs)
    w.add_layer_norm_rms_eps(eps)
    w.add_rope_freq_base(theta)
    vocabulary(w, add_bos, False)


def sizes(w, layers, positions, width, ffn, heads):
    w.add_block_count(layers)
    w.add_context_length(positions)
    w.add_embedding_length(width)
    w.add_feed_forward_length(ffn)
    w.add_head_count(heads)


def vocabulary(w, add_bos, add_eos):
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(pieces())
    w.add_token_types([3, 3, 3] + [1] * 257)
    w.add_token_merges(["a b"])
    w.add_bos_token_id(0)
    w.add_eos_token_id(2)
    w.add_add_bos_token(add_bos)
    w.add_add_eos_token(add_eos)


def finish(w):
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_gguf(path, arch, model, pooling=None):
    """The same weights as GGUF F32: llama's q and k rows permuted to pairs (2i, 2i+1), as llama.cpp's converter has them."""
    import gguf
    c, w = model.config, gguf.GGUFWriter(path, arch)
    heads, kv, hs = c.num_attention_heads, c.num_key_value_heads, c.head_dim
    header(w, c.num_hidden_layers, c.hidden_size, c.intermediate_size, heads, kv, hs, c.rms_norm_eps, c.rope_parameters["rope_theta"], arch == "llama")
    if pooling is not None:
        w.add_pooling_type(gguf.PoolingType(pooling))
    if c.rope_parameters["rope_type"] == "llama3":
        from tiny_models import rope_freqs
        w.add_tensor("rope_freqs.weight", rope_freqs(c))
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
    for name, p in model.state_dict().items():
        m = p.float().numpy()
        if name == "embed_tokens.weight":
            w.add_tensor("token_embd.weight", m)
        elif name == "norm.weight":
            w.add_tensor("output_norm.weight", m)
        else:
            _, layer, rest = name.split(".", 2)
            short = names[rest.removesuffix(".weight")]
            if arch == "llama" and short in ("attn_q", "attn_k"):
                n = heads if short == "attn_q" else kv
                m = m.reshape(n, 2, hs // 2, -1).swapaxes(1, 2).reshape(m.shape)
            w.add_tensor(f"blk.{layer}.{short}.weight", np.ascontiguousarray(m))
    finish(w)


def write_encoder_gguf(path, model, drop):
    """drop: rows of the position table that no position uses; llama.cpp's converter leaves them out."""
    import gguf
    from tiny_models import gguf_name
    c, w = model.config, gguf.GGUFWriter(path, "bert")
    sizes(w, c.num_hidden_layers, c.max_position_embeddings - drop, c.hidden_size, c.intermediate_size, c.num_attention_heads)
    w.add_causal_attention(False)
    w.add_layer_norm_eps(c.layer_norm_eps)
    w.add_pooling_type(gguf.PoolingType.MEAN)
    w.add_token_type_count(c.type_vocab_size)
    vocabulary(w, True, True)
    for name, p in model.state_dict().items():
        to = gguf_name(name)
        if to:
            w.add_tensor(to, p.float().numpy()[drop if to.startswith("position_embd") else 0:])
    finish(w)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(required=True)
    c = sub.add_parser("compare")
    c.add_argument("model")
    c.add_argument("vectors")
    c.add_argument("--every", type=int, default=1, help="every n-th text only")
    c.add_argument("--tolerance", type=float, default=1e-5)
    c.set_defaults(run=compare)
    g = sub.add_parser("golden")
    g.add_argument("out")
    g.set_defaults(run=golden)
    q = sub.add_parser("golden-gguf")
    q.add_argument("out")
    q.set_defaults(run=golden_gguf)
    a = p.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
