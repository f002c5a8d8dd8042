"""Our own layers beside libllama's on GGUF files: relative L2 distance of each text's vector, without centring. The table in docs/text.md.

Needs: pip install numpy torch (lm_transformers.py is imported); a shinden built with libllama (build_libllama.sh).

    python tests/oracle/lm_providers.py --shinden build/llama/shinden tests/golden/lm/*/model.gguf SmolLM2-135M-Instruct.Q4_1.gguf
"""
import argparse
import os
import subprocess
import tempfile

import numpy as np

from lm_transformers import read_safetensors


def vectors(shinden, model, provider, folder):
    out = f"{folder}/{provider}.safetensors"
    subprocess.run([shinden, "text", "encode", "--provider", provider, "--model", model, "--labels", "builtin", "--only", "scp", "--forms", "name", "--no-center",
                    "-o", out], check=True, stdout=subprocess.DEVNULL)
    tensors, meta = read_safetensors(out)
    return tensors["vectors"].astype(np.float64), meta


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+")
    p.add_argument("--shinden", default="build/llama/shinden")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for n, model in enumerate(a.models):
            own, _ = vectors(a.shinden, model, "own", folder)
            other, meta = vectors(a.shinden, model, "llama", folder)
            d = np.linalg.norm(own - other, axis=1) / np.linalg.norm(own, axis=1)
            if n == 0:
                print(f"own beside {meta['precision']}, {len(d)} texts\n\n| model | pooling | median | largest |\n| --- | --- | --- | --- |")
            name = os.path.basename(model) if not model.endswith("/model.gguf") else model.split("/")[-2]
            print(f"| {name} | {meta['pooling']} | {np.median(d):.1e} | {d.max():.1e} |", flush=True)


if __name__ == "__main__":
    main()
