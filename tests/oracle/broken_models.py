"""One defect per file: tests/must_fail/gguf, tests/must_fail/st_config, and the sound files they are made from (fuzz corpora).

Needs nothing but Python. Files are written by hand here, since a library would not write most of these.

    python tests/oracle/broken_models.py        # from the repository's root
"""
import copy
import json
import os
import struct

F32, Q4_K, Q2_K, F16, Q8_0 = 0, 12, 10, 1, 8
U8, I32, U32, FLOAT, BOOL, STRING, ARRAY, U64 = 0, 5, 4, 6, 7, 8, 9, 10


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(b)) + b


def value(kind, v):
    if kind == STRING:
        return text(v)
    if kind == ARRAY:
        element, items = v
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, i) for i in items)
    return struct.pack({U8: "<B", I32: "<i", U32: "<I", FLOAT: "<f", BOOL: "<B", U64: "<Q"}[kind], v)


def raw(kind, b):
    """A value whose bytes are given."""
    return ("raw", kind, b)


def entry(kind, v):
    if isinstance(kind, tuple):
        return struct.pack("<I", kind[1]) + kind[2]
    return struct.pack("<I", kind) + value(kind, v)


def build(keys, tensors, magic=b"GGUF", version=3, n_tensors=None, n_keys=None, alignment=32, tail=None):
    """tensors: name, dims (fastest first), type, data, and perhaps an offset of its own."""
    b = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors, len(keys) if n_keys is None else n_keys)
    for name, kind, v in keys:
        b += text(name) + entry(kind, v)
    at, data = 0, b""
    for t in tensors:
        name, dims, kind, content = t[:4]
        offset = t[4] if len(t) > 4 else at
        b += text(name) + struct.pack("<I", len(dims)) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, offset)
        content += b"\0" * (-len(content) % alignment)
        data += content
        at += len(content)
    b += b"\0" * (-len(b) % alignment)
    return b + (data if tail is None else data[:tail])


def zeros(*dims):
    n = 4
    for d in dims:
        n *= d
    return b"\0" * n


def sound():
    keys = [("general.architecture", STRING, "llama"), ("llama.block_count", U32, 1), ("llama.embedding_length", U32, 4), ("llama.feed_forward_length", U32, 4),
            ("llama.attention.head_count", U32, 2), ("llama.attention.head_count_kv", U32, 1), ("llama.attention.layer_norm_rms_epsilon", FLOAT, 1e-5),
            ("llama.rope.freq_base", FLOAT, 10000.0), ("tokenizer.ggml.model", STRING, "gpt2"), ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab"])),
            ("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1, 1])), ("tokenizer.ggml.merges", ARRAY, (STRING, ["a b"])), ("tokenizer.ggml.bos_token_id", U32, 1)]
    shapes = [("token_embd.weight", (4, 3)), ("output_norm.weight", (4,)), ("blk.0.attn_norm.weight", (4,)), ("blk.0.attn_q.weight", (4, 4)), ("blk.0.attn_k.weight", (4, 2)),
              ("blk.0.attn_v.weight", (4, 2)), ("blk.0.attn_output.weight", (4, 4)), ("blk.0.ffn_norm.weight", (4,)), ("blk.0.ffn_gate.weight", (4, 4)),
              ("blk.0.ffn_up.weight", (4, 4)), ("blk.0.ffn_down.weight", (4, 4))]
    return keys, [(n, d, F32, zeros(*d)) for n, d in shapes]


def bert():
    keys = [("general.architecture", STRING, "bert"), ("bert.block_count", U32, 1), ("bert.embedding_length", U32, 32), ("bert.feed_forward_length", U32, 32),
            ("bert.attention.head_count", U32, 1), ("bert.attention.layer_norm_epsilon", FLOAT, 1e-12), ("bert.context_length", U32, 2), ("bert.attention.causal", BOOL, 0),
            ("bert.pooling_type", U32, 1), ("tokenizer.ggml.model", STRING, "t5"), ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b"])),
            ("tokenizer.ggml.scores", ARRAY, (FLOAT, [0.0, -1.5])), ("tokenizer.ggml.precompiled_charsmap", ARRAY, (U8, [1, 2, 3]))]
    tensors = [("token_embd.weight", (32, 2), Q8_0, b"\1" * 68), ("position_embd.weight", (32, 2), F16, b"\1" * 128), ("token_types.weight", (32, 1), F32, zeros(32)),
               ("token_embd_norm.weight", (32,), F32, zeros(32)), ("token_embd_norm.bias", (32,), F32, zeros(32))]
    for stem, matrix in (("attn_q", 1), ("attn_k", 1), ("attn_v", 1), ("attn_output", 1), ("ffn_up", 1), ("ffn_down", 1), ("attn_output_norm", 0), ("layer_output_norm", 0)):
        tensors.append((f"blk.0.{stem}.weight", (32, 32) if matrix else (32,), Q8_0 if matrix else F32, b"\2" * (34 * 32) if matrix else zeros(32)))
        tensors.append((f"blk.0.{stem}.bias", (32,), F32, zeros(32)))
    return keys, tensors


def set_key(keys, name, kind, v=None):
    at = [i for i, k in enumerate(keys) if k[0] == name]
    if at:
        keys[at[0]] = (name, kind, v)
    else:
        keys.append((name, kind, v))


def gguf_cases():
    def key(name, kind, v=None):
        k, t = sound()
        set_key(k, name, kind, v)
        return build(k, t)

    def without_key(name):
        k, t = sound()
        return build([x for x in k if x[0] != name], t)

    def tensor(name, *change):
        k, t = sound()
        return build(k, [(name, *change) if x[0] == name else x for x in t])

    def more(*extra):
        k, t = sound()
        return build(k, t + list(extra))

    k, t = sound()
    whole = build(k, t)
    yield "empty", b""
    yield "magic", build(k, t, magic=b"GGML")
    yield "version_2", build(k, t, version=2)
    yield "big_endian", build(k, t, version=3 << 24)
    yield "cut_in_counts", whole[:20]
    yield "cut_in_key", whole[:60]
    yield "cut_in_tensor_table", whole[:-len(zeros(4, 4)) * 11]
    yield "cut_in_data", whole[:-8]
    yield "tensor_count_huge", build(k, t, n_tensors=1 << 60)
    yield "key_count_huge", build(k, t, n_keys=1 << 60)
    yield "tensor_count_false", build(k, t, n_tensors=60000)
    yield "key_twice", build(k + [k[1]], t)
    yield "key_name_empty", build([("", U32, 1)] + k, t)
    yield "key_name_long", build([("x" * 1025, U32, 1)] + k, t)
    yield "key_name_with_nul", build([(b"a\0b", U32, 1)] + k, t)
    yield "value_type_unknown", key("x", raw(13, b""))
    yield "array_type_unknown", key("x", raw(ARRAY, struct.pack("<IQ", 99, 1)))
    yield "array_of_arrays", key("x", raw(ARRAY, struct.pack("<IQ", ARRAY, 1)))
    yield "array_count_huge", key("x", raw(ARRAY, struct.pack("<IQ", U32, 1 << 62)))
    yield "array_past_end", key("x", raw(ARRAY, struct.pack("<IQ", U64, 1 << 20)))
    yield "string_length_huge", key("x", raw(STRING, struct.pack("<Q", 1 << 63)))
    yield "string_past_end", key("x", raw(STRING, struct.pack("<Q", 1 << 20)))
    yield "alignment_3", key("general.alignment", U32, 3)
    yield "alignment_0", key("general.alignment", U32, 0)
    yield "alignment_string", key("general.alignment", STRING, "32")
    yield "tensor_twice", more(t[0])
    yield "tensor_overlaps", tensor("blk.0.attn_q.weight", (4, 4), F32, zeros(4, 4), 0)
    yield "tensor_past_end", tensor("blk.0.attn_q.weight", (4, 4), F32, zeros(4, 4), 1 << 40)
    yield "tensor_offset_wraps", tensor("blk.0.attn_q.weight", (4, 4), F32, zeros(4, 4), (1 << 64) - 32)
    yield "tensor_offset_unaligned", tensor("blk.0.ffn_down.weight", (4, 4), F32, zeros(4, 4), 4)
    yield "tensor_rank_0", tensor("blk.0.attn_q.weight", (), F32, b"")
    yield "tensor_rank_5", tensor("blk.0.attn_q.weight", (4, 1, 1, 1, 4), F32, zeros(4, 4))
    yield "tensor_dim_0", tensor("blk.0.attn_q.weight", (4, 0), F32, b"")
    yield "tensor_shape_overflows", tensor("blk.0.attn_q.weight", (1 << 32, 1 << 32), F32, b"")
    yield "tensor_size_overflows", tensor("blk.0.attn_q.weight", (1 << 60,), F32, b"")
    yield "tensor_type_number", tensor("blk.0.attn_q.weight", (4, 4), 4, zeros(4, 4))
    yield "tensor_type_q2_k", tensor("blk.0.attn_q.weight", (256, 4), Q2_K, b"\0" * 84 * 4)
    yield "tensor_rows_not_blocks", tensor("blk.0.attn_q.weight", (4, 4), Q4_K, b"\0" * 144)
    yield "tensor_missing", build(k, [x for x in t if x[0] != "blk.0.ffn_up.weight"])
    yield "tensor_shape", tensor("blk.0.ffn_up.weight", (4, 5), F32, zeros(4, 5))
    yield "tensor_transposed", tensor("blk.0.attn_k.weight", (2, 4), F32, zeros(4, 2))
    yield "tensor_unknown", more(("blk.0.ffn_gate_inp.weight", (4, 4), F32, zeros(4, 4)))
    yield "tensor_of_next_layer", more(("blk.1.ffn_up.weight", (4, 4), F32, zeros(4, 4)))
    yield "embedding_missing", build(k, t[1:])
    yield "architecture_missing", without_key("general.architecture")
    yield "architecture_gemma", key("general.architecture", STRING, "gemma")
    yield "architecture_number", key("general.architecture", U32, 1)
    yield "layers_missing", without_key("llama.block_count")
    yield "layers_0", key("llama.block_count", U32, 0)
    yield "layers_huge", key("llama.block_count", U32, 1 << 31)
    yield "layers_negative", key("llama.block_count", I32, -1)
    yield "width_string", key("llama.embedding_length", STRING, "4")
    yield "heads_0", key("llama.attention.head_count", U32, 0)
    yield "heads_per_layer", key("llama.attention.head_count", ARRAY, (U32, [2]))
    yield "heads_not_shared", key("llama.attention.head_count_kv", U32, 3)
    yield "heads_not_in_width", key("llama.attention.head_count", U32, 3)
    yield "epsilon_missing", without_key("llama.attention.layer_norm_rms_epsilon")
    yield "epsilon_nan", key("llama.attention.layer_norm_rms_epsilon", FLOAT, float("nan"))
    yield "rope_base_0", key("llama.rope.freq_base", FLOAT, 0.0)
    yield "rope_scaling_yarn", key("llama.rope.scaling.type", STRING, "yarn")
    yield "rope_dimensions", key("llama.rope.dimension_count", U32, 1)
    yield "rope_freqs_negative", more(("rope_freqs.weight", (1,), F32, struct.pack("<f", -1.0)))
    yield "rope_freqs_shape", more(("rope_freqs.weight", (2,), F32, struct.pack("<ff", 1.0, 1.0)))
    yield "experts", key("llama.expert_count", U32, 8)
    yield "not_causal", key("llama.attention.causal", BOOL, 0)
    yield "value_length", key("llama.attention.value_length", U32, 4)
    yield "pooling_rank", key("llama.pooling_type", U32, 4)
    yield "vocab_size", key("llama.vocab_size", U32, 4)
    yield "tokens_missing", without_key("tokenizer.ggml.tokens")
    yield "tokens_numbers", key("tokenizer.ggml.tokens", ARRAY, (U32, [1, 2, 3]))
    yield "tokens_too_many", build([x for x in k if x[0] not in ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")] +
                                   [("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab", "c"]))], t)
    yield "token_types_too_few", key("tokenizer.ggml.token_type", ARRAY, (I32, [1, 1]))
    yield "scores_type", key("tokenizer.ggml.scores", ARRAY, (U32, [1, 1, 1]))
    yield "bos_outside", key("tokenizer.ggml.bos_token_id", U32, 3)
    yield "add_bos_number", key("tokenizer.ggml.add_bos_token", U32, 1)
    yield "bool_of_two", key("tokenizer.ggml.add_bos_token", BOOL, 2)
    yield "split_without_name", key("split.count", U32, 2)
    bk, bt = bert()
    yield "bert_without_positions", build(bk, [x for x in bt if x[0] != "position_embd.weight"])
    yield "bert_positions_too_few", build([("bert.context_length", U32, 3) if x[0] == "bert.context_length" else x for x in bk], bt)
    yield "bert_bias_missing", build(bk, [x for x in bt if x[0] != "blk.0.ffn_up.bias"])


CONFIGS = {
    "llama": dict(model_type="llama", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=100,
                  hidden_act="silu", rms_norm_eps=1e-5, rope_theta=500000.0, max_position_embeddings=8192, bos_token_id=1, eos_token_id=[2, 3],
                  rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192)),
    "qwen3": dict(model_type="qwen3", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=32, vocab_size=100,
                  hidden_act="silu", rms_norm_eps=1e-6, rope_theta=1000000, use_sliding_window=False, sliding_window=None, layer_types=["full_attention", "full_attention"]),
    "bert": dict(model_type="bert", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=100, hidden_act="gelu",
                 layer_norm_eps=1e-12, max_position_embeddings=512, type_vocab_size=2, position_embedding_type="absolute"),
    "xlmr": dict(model_type="xlm-roberta", hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, vocab_size=100, hidden_act="gelu",
                 layer_norm_eps=1e-5, max_position_embeddings=514, pad_token_id=1),
}


def config_cases():
    def change(base="llama", **keys):
        c = copy.deepcopy(CONFIGS[base])
        for name, v in keys.items():
            c[name] = v
        return json.dumps({k: v for k, v in c.items() if v != "drop"}).encode()

    def rope(**keys):
        return change(rope_scaling={k: v for k, v in {**CONFIGS["llama"]["rope_scaling"], **keys}.items() if v != "drop"})
    yield "not_json", b"{"
    yield "not_an_object", b"[]"
    yield "key_twice", b'{"model_type": "llama", "model_type": "llama"}'
    yield "model_type_missing", change(model_type="drop")
    yield "model_type_gemma", change(model_type="gemma2")
    yield "width_missing", change(hidden_size="drop")
    yield "width_string", change(hidden_size="64")
    yield "width_negative", change(hidden_size=-64)
    yield "width_huge", change(hidden_size=1 << 40)
    yield "layers_0", change(num_hidden_layers=0)
    yield "layers_too_many", change(num_hidden_layers=513)
    yield "heads_0", change(num_attention_heads=0)
    yield "heads_not_in_width", change(num_attention_heads=6)
    yield "heads_not_shared", change(num_key_value_heads=3)
    yield "head_odd", change(head_dim=15)
    yield "head_dim_missing", change("qwen3", head_dim="drop")
    yield "activation_relu", change(hidden_act="relu")
    yield "activation_gelu_in_llama", change(hidden_act="gelu")
    yield "epsilon_missing", change(rms_norm_eps="drop")
    yield "epsilon_0", change(rms_norm_eps=0)
    yield "theta_missing", change("qwen3", rope_theta="drop")
    yield "theta_0", change(rope_scaling=None, rope_theta=0)
    yield "rope_scaling_yarn", rope(rope_type="yarn")
    yield "rope_scaling_no_type", rope(rope_type="drop")
    yield "rope_scaling_string", change(rope_scaling="llama3")
    yield "rope_factor_missing", rope(factor="drop")
    yield "rope_factor_0", rope(factor=0)
    yield "rope_factors_equal", rope(high_freq_factor=1.0)
    yield "partial_rotary", change(partial_rotary_factor=0.5)
    yield "sliding_window", change("qwen3", use_sliding_window=True)
    yield "sliding_layers", change("qwen3", layer_types=["full_attention", "sliding_attention"])
    yield "quantised", change(quantization_config=dict(quant_method="gptq"))
    yield "bos_too_large", change(bos_token_id=1 << 40)
    yield "bert_positions_missing", change("bert", max_position_embeddings="drop")
    yield "bert_relative_positions", change("bert", position_embedding_type="relative_key")
    yield "bert_decoder", change("bert", is_decoder=True)
    yield "bert_silu", change("bert", hidden_act="silu")
    yield "xlmr_pad_missing", change("xlmr", pad_token_id="drop")
    yield "xlmr_pad_past_positions", change("xlmr", max_position_embeddings=2)


def index_cases():
    good = {"model.embed_tokens.weight": "model-00001-of-00002.safetensors", "model.norm.weight": "model-00002-of-00002.safetensors"}
    yield "index_no_map", {"metadata": {}}
    yield "index_map_empty", {"weight_map": {}}
    yield "index_map_list", {"weight_map": []}
    yield "index_file_in_folder", {"weight_map": {**good, "x": "a/b.safetensors"}}
    yield "index_file_above", {"weight_map": {**good, "x": "../b.safetensors"}}
    yield "index_file_absolute", {"weight_map": {**good, "x": "/b.safetensors"}}
    yield "index_file_hidden", {"weight_map": {**good, "x": ".b"}}
    yield "index_file_empty", {"weight_map": {**good, "x": ""}}
    yield "index_file_number", {"weight_map": {**good, "x": 1}}
    yield "index_too_many_files", {"weight_map": {f"t{i}": f"f{i}" for i in range(1001)}}


def write(folder, name, content):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(content)


def main():
    write("tests/fuzz/corpus/gguf", "llama", build(*sound()))
    write("tests/fuzz/corpus/gguf", "bert", build(*bert()))
    for name, content in gguf_cases():
        write("tests/must_fail/gguf", name, content)
    for name, config in CONFIGS.items():
        write("tests/fuzz/corpus/st_config", name, json.dumps(config).encode())
    write("tests/fuzz/corpus/st_config", "index", json.dumps({"metadata": {"total_size": 1}, "weight_map": {"a": "1.safetensors", "b": "2.safetensors", "c": "1.safetensors"}}).encode())
    for name, content in config_cases():
        write("tests/must_fail/st_config", name, content)
    for name, content in index_cases():
        write("tests/must_fail/st_config", name, json.dumps(content).encode())


if __name__ == "__main__":
    main()
