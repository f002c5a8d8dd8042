"""Nearest-neighbour agreement of Japanese and English names of findings, for models and poolings: the table in docs/text.md.

Needs: pip install torch numpy (lm_transformers.py is imported); a built `shinden`. Cosine after subtracting nothing ("raw"), the mean of all
vectors ("centred"), or each language's own mean ("by language"). Agreement: percentage of findings whose nearest name in the other
language is their own. Findings whose name another finding shares are left out.

    python tests/oracle/lm_agreement.py --shinden build/release/shinden MODEL [MODEL ...]
"""
import argparse
import csv
import json
import subprocess
import tempfile
from collections import Counter

import numpy as np

from lm_transformers import read_safetensors


def agreement(ja, en):
    unit = lambda m: m / np.linalg.norm(m, axis=1, keepdims=True)
    s = unit(ja) @ unit(en).T
    own = np.arange(len(s))
    return 100 * (s.argmax(1) == own).mean(), 100 * (s.argmax(0) == own).mean()


def one_row(a, model, pooling, prompt, rows, folder):
    out = f"{folder}/v.safetensors"
    subprocess.run([a.shinden, "text", "encode", "--model", model, "--lines", f"{folder}/lines", "--pooling", pooling, "--no-center", *prompt, "-o", out],
                   check=True, stdout=subprocess.DEVNULL)
    tensors, meta = read_safetensors(out)
    at = {t: v for t, v in zip(json.loads(meta["texts"]), tensors["vectors"].astype(np.float64))}
    en, ja = (np.stack([at[r[k]] for r in rows]) for k in ("name_en", "name_ja"))
    both = (en.mean(0) + ja.mean(0)) / 2
    cells = [agreement(ja - x, en - y) for x, y in ((0, 0), (both, both), (ja.mean(0), en.mean(0)))]
    print(f"| {meta['model'].split(' (')[0].split(', from')[0]} | {'`' + meta['prompt'] + '`' if meta['prompt'] else 'none'} | {pooling} | " +
          " | ".join(f"{x:.0f} / {y:.0f}" for x, y in cells) + " |", flush=True)
    return meta["prompt"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+")
    p.add_argument("--shinden", default="build/release/shinden")
    p.add_argument("--registry", default="src/labels/findings.csv")
    p.add_argument("--poolings", default="last,mean,mean-label,cls")
    a = p.parse_args()
    rows = list(csv.DictReader(open(a.registry, encoding="utf-8")))
    counts = Counter(x for r in rows for x in {r["name_en"], r["name_ja"]})
    rows = [r for r in rows if counts[r["name_en"]] == 1 and counts[r["name_ja"]] == 1]
    print(f"{len(rows)} findings; ja to en / en to ja, per cent\n\n| model | prompt | pooling | raw | centred | by language |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        open(f"{folder}/lines", "w", encoding="utf-8").write("\n".join(x for r in rows for x in (r["name_en"], r["name_ja"])) + "\n")
        for model in a.models:
            for pooling in a.poolings.split(","):
                if one_row(a, model, pooling, [], rows, folder):
                    one_row(a, model, pooling, ["--prompt", ""], rows, folder)


if __name__ == "__main__":
    main()
