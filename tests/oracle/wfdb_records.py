#!/usr/bin/env python3
"""Golden digests of the WFDB samples: every record below ../shared/data/formats/wfdb as wfdb-python reads it.

needs: numpy wfdb           run: python wfdb_records.py ../../../shared/data/formats/wfdb > ../golden/wfdb_records.txt
One line per record: path n_signals n_samples fs, then per signal the number of gaps, the sum and the sum of squares of its
physical values in the header's unit (signals stored at another rate than the record's: '-').
"""
import os
import sys

import numpy as np
import wfdb

root = sys.argv[1]
print(f"# wfdb-python {wfdb.__version__} numpy {np.__version__}: python wfdb_records.py .../formats/wfdb")
for folder, _, files in sorted(os.walk(root)):
    for name in sorted(files):
        if not name.endswith(".hea"):
            continue
        path = os.path.join(folder, name[:-4])
        rel = os.path.relpath(path, root)
        try:
            rec = wfdb.rdrecord(path, smooth_frames=False, m2s=True)
            signals = rec.e_p_signal if rec.e_p_signal is not None else [rec.p_signal[:, i] for i in range(rec.n_sig)]
        except Exception as e:  # what wfdb-python refuses is recorded as such
            print(rel, "refused", type(e).__name__)
            continue
        per = max(rec.samps_per_frame) if rec.samps_per_frame else 1
        n = max(len(s) for s in signals)
        fields = []
        for s in signals:
            s = np.asarray(s, dtype=np.float64)
            if len(s) != n:
                fields.append("-")
                continue
            ok = np.isfinite(s)
            fields.append(f"{(~ok).sum()}:{s[ok].sum():.6g}:{(s[ok] ** 2).sum():.6g}")
        print(rel, len(signals), n, rec.fs * per, *fields)
