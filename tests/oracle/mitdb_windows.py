#!/usr/bin/env python3
"""Golden counts of MIT-BIH's ten-second windows: the rules of docs/mapping.md ("Annotations") written a second time, on what wfdb-python reads.

needs: wfdb           run: python mitdb_windows.py ../../../shared/data > ../golden/mitdb_windows.txt
After two lines about its making and an empty one: finding, windows that have it, windows of which it is not known.
"""
import glob
import os
import sys
from collections import Counter

import wfdb

RHYTHM = dict(AB="atrial_bigeminy", AFIB="atrial_fibrillation", AFL="atrial_flutter", B="ventricular_bigeminy", BII="second_degree_av_block",
              IVR="idioventricular_rhythm", N="sinus_rhythm", NOD="junctional_rhythm", P="pacing_rhythm", PREX="ventricular_preexcitation",
              SBR="sinus_bradycardia", SVTA="supraventricular_tachycardia_any", T="ventricular_trigeminy", VFL="ventricular_flutter",
              VT="ventricular_tachycardia")
BEAT = {"L": "left_bundle_branch_block", "R": "right_bundle_branch_block", "B": "bundle_branch_block", "A": "atrial_premature_complex",
        "a": "atrial_premature_complex", "J": "junctional_premature_complex", "S": "supraventricular_premature_complex",
        "V": "ventricular_premature_complex", "r": "ventricular_premature_complex", "F": "fusion_beats", "!": "ventricular_flutter",
        "e": "atrial_escape_beat", "j": "junctional_escape", "E": "ventricular_escape_beat", "/": "pacing_rhythm", "f": "pacing_rhythm",
        "x": "blocked_atrial_premature_complex"}
MARKS = set(BEAT) | set("NQ?")
ATRIA_UNKNOWN = {"AB", "B", "BII", "PREX", "T"}
BELOW = {"supraventricular_premature_complex": {"atrial_premature_complex", "junctional_premature_complex", "blocked_atrial_premature_complex"},
         "atrial_premature_complex": {"blocked_atrial_premature_complex"},
         "bundle_branch_block": {"left_bundle_branch_block", "right_bundle_branch_block"}}
# the registry's order
ORDER = """sinus_rhythm sinus_bradycardia atrial_fibrillation atrial_flutter supraventricular_tachycardia_any atrial_escape_beat junctional_rhythm
junctional_escape supraventricular_premature_complex atrial_premature_complex blocked_atrial_premature_complex junctional_premature_complex
ventricular_premature_complex ventricular_bigeminy atrial_bigeminy ventricular_trigeminy fusion_beats ventricular_tachycardia ventricular_flutter
idioventricular_rhythm ventricular_escape_beat pacing_rhythm second_degree_av_block ventricular_preexcitation bundle_branch_block
right_bundle_branch_block left_bundle_branch_block""".split()


def window(ann, changes, low, high, fs):
    named, left_open = set(), set()
    seconds, inside = Counter(), set()
    for (start, name), (stop, _) in zip(changes, changes[1:]):
        begin, end = max(start, low), min(stop, high)
        if end > begin:
            seconds[name] += (end - begin) / fs
            if start > low and stop < high:
                inside.add(name)
    for name, held in seconds.items():
        (named if held >= 1 or name in inside else left_open).add(RHYTHM[name])
    if "N" not in seconds and ATRIA_UNKNOWN & set(seconds):
        left_open.add("sinus_rhythm")
    known = set(RHYTHM.values()) if (high - low) / fs - sum(seconds.values()) <= 1 else set()
    beats = [(s, m) for s, m in ann if low <= s < high and m in MARKS]
    symbols = {m for _, m in beats}
    for s, m in beats:
        if m in BEAT:
            (named if min(s - low, high - s) >= 0.1 * fs else left_open).add(BEAT[m])
    if "f" in symbols and "F" not in symbols:
        left_open.add("fusion_beats")
    if beats and not symbols & {"Q", "?"}:
        known |= set(BEAT.values())
    known -= left_open
    for parent, children in BELOW.items():
        if parent in named and not named & children:
            known -= children
    return named, known | named


def main(data):
    positive, unknown = Counter(), Counter()
    for header in sorted(glob.glob(os.path.join(data, "mitdb", "*.hea"))):
        path = header[:-4]
        head, a = wfdb.rdheader(path), wfdb.rdann(path, "atr")
        ann = list(zip(a.sample.tolist(), a.symbol))
        changes = [(s, t.rstrip("\0")[1:]) for s, m, t in zip(a.sample.tolist(), a.symbol, a.aux_note) if m == "+" and t.startswith("(")]
        changes.append((1 << 60, None))
        n = int(10 * head.fs)
        for low in range(0, head.sig_len, n):
            named, known = window(ann, changes, low, min(low + n, head.sig_len), head.fs)
            positive.update(named)
            unknown.update(set(ORDER) - known)
    print("wfdb-python %s: python mitdb_windows.py .../shared/data" % wfdb.__version__)
    print("finding, windows that have it, windows of which it is not known\n")
    for finding in ORDER:
        print(finding, positive[finding], unknown[finding])


main(sys.argv[1])
