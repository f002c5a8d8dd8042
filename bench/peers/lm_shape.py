"""`shinden text encode` beside llama.cpp on a GGUF file of exact Qwen3-8B layer shapes with random weights: the speed rows of docs/text.md.

Needs: pip install numpy gguf, and of the peers what is wanted: a shinden that was built with libllama (tests/oracle/build_libllama.sh), whose
provider `llama` runs the same tokens, or xllamacpp. Writes LAYERS of the 36 layers (0.39 GB each in BF16) below OUT, runs everybody in turn,
ROUNDS times, each with THREADS threads, and prints medians of the time by the clock and of the CPU time a thread, each also for 36 layers, both ratios, and the peak of
anonymous memory. On a machine that others use the CPU time a thread is what a quiet one would need at least: that is what docs/text.md compares.

    python bench/peers/lm_shape.py --shinden build/llama/shinden --layers 4 -o /tmp/shape

The texts: 100 of 20 tokens that share nothing worth sharing, the worst case. Times are of the whole command, opening and writing included; of xllamacpp, by the clock only, without
loading. For 36 layers all of it is multiplied by 36 / LAYERS, so also what does not grow with the layers (opening, tokens and their embeddings, writing): a little too much, the less the
more LAYERS. The file has no output matrix; nobody computes one for vectors.
"""
import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import threading
import time

import gguf
import numpy as np

D, F, HEADS, KV, HS, LAYERS = 4096, 12288, 32, 8, 128, 36
HERE = os.path.dirname(os.path.abspath(__file__))


def vocabulary(w, tokenizer):
    vocab = tokenizer["model"]["vocab"]
    tokens = [t for t, _ in sorted(vocab.items(), key=lambda p: p[1])]
    added = {a["content"]: a["id"] for a in tokenizer.get("added_tokens", [])}
    for content, at in sorted(added.items(), key=lambda p: p[1]):
        if at == len(tokens):
            tokens.append(content)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([3 if t in added else 1 for t in tokens])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    w.add_bos_token_id(0)
    w.add_eos_token_id(0)
    w.add_add_bos_token(False)
    return len(tokens)


def write_model(path, layers, kind, tokenizer):
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
    n_tokens = vocabulary(w, tokenizer)
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

    add("token_embd.weight", n_tokens, D)
    add("output_norm.weight", D)
    for layer in range(layers):
        p = f"blk.{layer}."
        for name, shape in {"attn_norm": (D,), "attn_q": (HEADS * HS, D), "attn_k": (KV * HS, D), "attn_v": (KV * HS, D), "attn_output": (D, HEADS * HS),
                            "attn_q_norm": (HS,), "attn_k_norm": (HS,), "ffn_norm": (D,), "ffn_gate": (F, D), "ffn_up": (F, D), "ffn_down": (D, F)}.items():
            add(p + name + ".weight", *shape)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def anonymous_peak(pid, stop, peak):
    while not stop.is_set():
        try:
            with open(f"/proc/{pid}/status") as f:
                found = re.search(r"RssAnon:\s+(\d+)", f.read())
        except OSError:
            return
        if found:
            peak[0] = max(peak[0], int(found.group(1)) / 1024)
        stop.wait(0.02)


def cpu_of_children():
    r = resource.getrusage(resource.RUSAGE_CHILDREN)
    return r.ru_utime + r.ru_stime


def run_shinden(a, model, lines, provider, precision):
    """(seconds, CPU seconds a thread, tokens, tokens computed, peak anonymous MB) of the whole command."""
    out = f"{a.out}/v.safetensors"
    for path in (out, out + ".partial"):
        if os.path.exists(path):
            os.remove(path)
    start, cpu = time.perf_counter(), cpu_of_children()
    p = subprocess.Popen([a.shinden, "text", "encode", "--json", "--model", model, "--lines", lines, "--prompt", "", "--pooling", "mean", "--provider", provider,
                          "--precision", precision, "--threads", str(a.threads), "-o", out], stdout=subprocess.PIPE, text=True)
    stop, peak = threading.Event(), [0.0]
    watch = threading.Thread(target=anonymous_peak, args=(p.pid, stop, peak))
    watch.start()
    told = p.communicate()[0]
    seconds = time.perf_counter() - start
    stop.set()
    watch.join()
    if p.returncode:
        raise SystemExit(f"shinden ended with {p.returncode}")
    report = json.loads(told)
    return seconds, (cpu_of_children() - cpu) / a.threads, report["tokens"], report["tokens_computed"], peak[0]


def start_xllamacpp(path, threads):
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


def measure(a, model, lines, server):
    """Everybody in turn; the peer's name -> list of what run_shinden() gives."""
    with open(lines) as f:
        texts, rows = f.read().split("\n")[:-1], {}
    for _ in range(a.rounds):
        for precision in a.precision or ["f32", "bf16"]:
            rows.setdefault(f"shinden {precision}", []).append(run_shinden(a, model, lines, "own", precision))
        if a.provider:
            rows.setdefault("libllama, provider", []).append(run_shinden(a, model, lines, "llama", "auto"))
        if server:
            start = time.perf_counter()
            answer = server.handle_embeddings({"input": texts})
            rows.setdefault("xllamacpp", []).append((time.perf_counter() - start, float("nan"), 0, 0, float("nan")))
            assert len(answer["data"] if isinstance(answer, dict) else answer) == len(texts), answer
    return rows


def faster(peers, own):
    """How many times as fast as the fastest peer that was measured."""
    known = [x for x in peers if x == x]
    return f"{min(known) / own:.2f}" if known and own == own else "-"


def table(a, title, rows):
    n, computed = rows[next(iter(rows))][0][2:4]
    print(f"\n{title}: {n} tokens, {computed} computed by shinden")
    clock = {name: statistics.median(r[0] for r in runs) for name, runs in rows.items()}
    cpu = {name: statistics.median(r[1] for r in runs) for name, runs in rows.items()}
    peers = [name for name in rows if not name.startswith("shinden")]
    scale = LAYERS / a.layers
    for name, runs in rows.items():
        used = f"{cpu[name]:6.2f} s, 36 layers {cpu[name] * scale:6.1f} s" if cpu[name] == cpu[name] else "not measured"
        ratio = "" if name in peers or not peers else (f"  times as fast as the fastest peer: clock {faster([clock[p] for p in peers], clock[name])}, "
                                                       f"CPU {faster([cpu[p] for p in peers], cpu[name])}")
        print(f"{name:20s} clock {clock[name]:7.2f} s (of {', '.join(f'{r[0]:.2f}' for r in runs)}), 36 layers {clock[name] * scale:6.1f} s; "
              f"CPU a thread {used}; anonymous peak {max(r[4] for r in runs):5.0f} MB{ratio}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shinden", default="build/release/shinden")
    p.add_argument("--layers", type=int, default=4)
    p.add_argument("--type", default="BF16", help="BF16, F16, F32, Q8_0")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--precision", action="append", help="of shinden: auto, f32, bf16; may be given several times (default f32 and bf16)")
    p.add_argument("--xllamacpp", action="store_true", help="also through that package's server")
    p.add_argument("-o", "--out", required=True)
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    a.provider = "built without libllama" not in subprocess.run(
        [a.shinden, "text", "encode", "--provider", "llama", "--model", "none.gguf", "--lines", os.devnull, "-o", f"{a.out}/none"], capture_output=True, text=True).stderr
    with open(f"{HERE}/../../tests/golden/lm/qwen3/tokenizer.json") as f:
        tokenizer = json.load(f)
    model = f"{a.out}/qwen3-{a.layers}-{a.type}.gguf"
    if not os.path.exists(model):
        write_model(model + ".part", a.layers, a.type, tokenizer)
        os.rename(model + ".part", model)
    server, version = start_xllamacpp(model, a.threads) if a.xllamacpp else (None, "not run")
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read()).group(1)
    print(f"{cpu}, {a.threads} threads, {a.layers} of {LAYERS} layers, {a.type}; provider llama {'built in' if a.provider else 'not built in'}, xllamacpp {version}")
    lines = f"{a.out}/texts"
    printable, draw = [chr(c) for c in range(33, 127)], random.Random(1)
    with open(lines, "w") as out:
        out.write("".join(printable[i % 94] + "".join(draw.choice(printable) for _ in range(19)) + "\n" for i in range(100)))
    table(a, "100 texts of 20 tokens that share nothing", measure(a, model, lines, server))


if __name__ == "__main__":
    main()
