#!/usr/bin/env python3
"""Golden digests of WFDB annotations as wfdb-python reads them: MIT-BIH's .atr and LUDB's boundaries per lead.

needs: numpy wfdb           run: python wfdb_annotations.py ../../../shared/data > ../golden/wfdb_annotations.txt
One line per file (LUDB: per record, its twelve files one after another): path, number of annotations, FNV-1a (64 bits) of the lines
"sample symbol subtype chan num aux\\n" (aux to its first NUL), counts by symbol, and for .atr the rhythm changes as sample:text.
"""
import os
import sys
from collections import Counter

import numpy as np
import wfdb

MASK = (1 << 64) - 1


def fnv(h, data):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def digest(path, ext, h):
    a = wfdb.rdann(path, ext)
    counts, rhythms = Counter(a.symbol), []
    for s, y, sub, chan, num, aux in zip(a.sample, a.symbol, a.subtype, a.chan, a.num, a.aux_note):
        aux = (aux or "").split("\0")[0]
        h = fnv(h, f"{s} {y} {sub} {chan} {num} {aux}\n".encode("latin-1"))
        if y == "+":
            rhythms.append(f"{s}:{aux}")
    return h, counts, rhythms


root = sys.argv[1]
print(f"# wfdb-python {wfdb.__version__} numpy {np.__version__}: python wfdb_annotations.py .../shared/data")
leads = ["i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6"]
for folder, exts in (("mitdb", ["atr"]), ("ludb/data", leads)):
    names = sorted(f[:-4] for f in os.listdir(os.path.join(root, folder)) if f.endswith(".hea"))
    for name in names:
        h, counts, rhythms = 0xCBF29CE484222325, Counter(), []
        for ext in exts:
            h, c, r = digest(os.path.join(root, folder, name), ext, h)
            counts += c
            rhythms += r
        words = [f"{k}={v}" for k, v in sorted(counts.items())]
        print(f"{folder}/{name}", sum(counts.values()), f"{h:016x}", ",".join(words), *rhythms)
