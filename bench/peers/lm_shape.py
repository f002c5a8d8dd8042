"""A folder of exact Qwen3-8B layer shapes with random bf16 weights, to time `shinden text encode` on: the speed row of docs/text.md.

Needs: pip install numpy. Writes LAYERS of the 36 layers (0.39 GB each), a vocabulary of 260 bytes and the golden tokenizer, and 100 texts
of 20 tokens. One pass is LAYERS/36 of the whole model's work; embeddings are left out on both sides.

    python bench/peers/lm_shape.py --layers 4 -o /tmp/qwen3-8b-shape
    time shinden text encode --model /tmp/qwen3-8b-shape --lines /tmp/qwen3-8b-shape/texts --prompt '' --threads 2 -o /tmp/v.safetensors
"""
import argparse
import json
import os
import shutil
import struct

import numpy as np

D, F, HEADS, KV, HS, VOCAB = 4096, 12288, 32, 8, 128, 260


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("-o", "--out", required=True)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    shapes = {"model.embed_tokens.weight": (VOCAB, D), "model.norm.weight": (D,)}
    for l in range(a.layers):
        pre = f"model.layers.{l}."
        shapes |= {pre + "input_layernorm.weight": (D,), pre + "post_attention_layernorm.weight": (D,),
                   pre + "self_attn.q_proj.weight": (HEADS * HS, D), pre + "self_attn.k_proj.weight": (KV * HS, D),
                   pre + "self_attn.v_proj.weight": (KV * HS, D), pre + "self_attn.o_proj.weight": (D, HEADS * HS),
                   pre + "self_attn.q_norm.weight": (HS,), pre + "self_attn.k_norm.weight": (HS,),
                   pre + "mlp.gate_proj.weight": (F, D), pre + "mlp.up_proj.weight": (F, D), pre + "mlp.down_proj.weight": (D, F)}
    header, at = {}, 0
    for name, shape in shapes.items():
        n = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    rng = np.random.default_rng(1)
    with open(f"{a.out}/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.values():
            x = rng.standard_normal(shape, np.float32)
            x = 1 + 0.1 * x if len(shape) == 1 else x / np.sqrt(np.float32(shape[1]))
            f.write((x.view(np.uint32) >> 16).astype("<u2").tobytes())
    json.dump({"architectures": ["Qwen3Model"], "model_type": "qwen3", "hidden_size": D, "intermediate_size": F, "num_hidden_layers": a.layers,
               "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": HS, "vocab_size": VOCAB, "rms_norm_eps": 1e-6,
               "rope_theta": 1000000.0, "max_position_embeddings": 40960, "hidden_act": "silu", "tie_word_embeddings": False, "attention_bias": False,
               "bos_token_id": 0, "eos_token_id": 2}, open(f"{a.out}/config.json", "w"))
    here = os.path.dirname(os.path.abspath(__file__))
    shutil.copy(f"{here}/../../tests/golden/lm/qwen3/tokenizer.json", f"{a.out}/tokenizer.json")
    open(f"{a.out}/texts", "w").write("".join(f"{i:020d}\n" for i in range(100)))


if __name__ == "__main__":
    main()
