"""llama.cpp (xllamacpp) beside `shinden text encode` on one GGUF file of exact Qwen3-8B layer shapes with random weights: 100 texts of 20 tokens.

Needs: pip install numpy gguf xllamacpp. Makes LAYERS of the 36 layers in the given type, runs both in turn, ROUNDS times, on THREADS threads,
and prints medians, their ratio and both scaled to 36 layers. Embeddings of tokens and the output matrix are left out of the scaling.

    python bench/peers/llama_cpp_shape.py --shinden build/release/shinden --layers 4 --type BF16 -o /tmp/shape
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import time

import gguf
import numpy as np

D, F, HEADS, KV, HS = 4096, 12288, 32, 8, 128


def write_model(path, layers, kind, tokenizer):
    vocab = tokenizer["model"]["vocab"]
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda p: p[1])]
    added = {a["content"]: a["id"] for a in tokenizer.get("added_tokens", [])}
    for content, at in sorted(added.items(), key=lambda p: p[1]):
        if at == len(tokens):
            tokens.append(content)
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    w = gguf.GGUFWriter(path, "qwen3")
    w.add_context_length(4096)
    w.add_embedding_length(D)
    w.add_block_count(layers)
    w.add_feed_forward_length(F)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV)
    w.add_key_length(HS)
    w.add_value_length(HS)
    w.add_rope_freq_base(1e6)
    w.add_layer_norm_rms_eps(1e-6)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([3 if t in added else 1 for t in tokens])
    w.add_token_merges(merges)
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    rng = np.random.default_rng(1)
    qtype = getattr(gguf.GGMLQuantizationType, kind)

    def add(name, *shape):
        x = rng.standard_normal(shape, np.float32)
        if len(shape) == 1:
            w.add_tensor(name, 1 + 0.1 * x)
        elif kind == "F32":
            w.add_tensor(name, x / np.float32(np.sqrt(shape[1])))
        else:
            w.add_tensor(name, gguf.quants.quantize(x / np.float32(np.sqrt(shape[1])), qtype), raw_dtype=qtype)

    add("token_embd.weight", len(tokens), D)
    add("output_norm.weight", D)
    add("output.weight", len(tokens), D)            # not used for embeddings, but loading asks for it
    for l in range(layers):
        p = f"blk.{l}."
        add(p + "attn_norm.weight", D)
        add(p + "attn_q.weight", HEADS * HS, D)
        add(p + "attn_k.weight", KV * HS, D)
        add(p + "attn_v.weight", KV * HS, D)
        add(p + "attn_output.weight", D, HEADS * HS)
        add(p + "attn_q_norm.weight", HS)
        add(p + "attn_k_norm.weight", HS)
        add(p + "ffn_norm.weight", D)
        add(p + "ffn_gate.weight", F, D)
        add(p + "ffn_up.weight", F, D)
        add(p + "ffn_down.weight", D, F)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def start_llama(path, threads):
    import xllamacpp

    p = xllamacpp.CommonParams()
    p.model.path = path
    p.embedding = True
    p.n_ctx = 4096
    p.n_batch = p.n_ubatch = 2048
    p.n_parallel = 100                # every text a sequence of its own, all in one batch
    p.n_gpu_layers = 0
    p.warmup = False
    p.fit_params = False
    p.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_LAST
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(p), xllamacpp.__version__


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--shinden", required=True)
    a.add_argument("--layers", type=int, default=4)
    a.add_argument("--type", default="BF16", help="BF16, F16, F32, Q8_0")
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--precision", action="append", help="of shinden: auto, f32, bf16; may be given several times")
    a.add_argument("-o", "--out", required=True)
    a = a.parse_args()
    os.makedirs(a.out, exist_ok=True)
    here = os.path.dirname(os.path.abspath(__file__))
    with open(f"{here}/../../tests/golden/lm/qwen3/tokenizer.json") as f:
        tokenizer = json.load(f)
    model = f"{a.out}/qwen3-{a.layers}-{a.type}.gguf"
    if not os.path.exists(model):
        write_model(model + ".part", a.layers, a.type, tokenizer)
        os.rename(model + ".part", model)
    texts = [f"{i:020d}" for i in range(100)]
    with open(f"{a.out}/texts", "w") as f:
        f.write("".join(t + "\n" for t in texts))
    server, version = start_llama(model, a.threads)
    n_tokens = len(json.loads(subprocess.run([a.shinden, "text", "tokens", "--model", model], input=texts[0] + "\n", capture_output=True, text=True, check=True).stdout))
    times = {"llama.cpp": []}
    for precision in a.precision or ["f32", "bf16"]:
        times["shinden " + precision] = []
    for _ in range(a.rounds):
        start = time.perf_counter()
        answer = server.handle_embeddings({"input": texts})
        times["llama.cpp"].append(time.perf_counter() - start)
        got = answer["data"] if isinstance(answer, dict) else answer
        assert len(got) == len(texts), answer
        for name in times:
            if name == "llama.cpp":
                continue
            out = f"{a.out}/v.safetensors"
            if os.path.exists(out):
                os.remove(out)
            start = time.perf_counter()
            subprocess.run([a.shinden, "text", "encode", "--model", model, "--lines", f"{a.out}/texts", "--prompt", "", "--pooling", "mean", "--precision",
                            name.split()[1], "--threads", str(a.threads), "-o", out], check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read()).group(1)
    print(f"{cpu}, {a.threads} threads, {a.layers} of 36 layers, {a.type}, 100 texts of {n_tokens} tokens, xllamacpp {version}; llama.cpp's time without loading, shinden's with all")
    base = statistics.median(times["llama.cpp"])
    for name, t in times.items():
        m = statistics.median(t)
        print(f"{name:16s} {m:8.2f} s  (of {', '.join(f'{x:.2f}' for x in t)})   36 layers: {m * 36 / a.layers:6.1f} s   {base / m:.2f} times llama.cpp")


if __name__ == "__main__":
    main()
