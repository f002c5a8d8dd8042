#!/usr/bin/env python3
"""Golden digests of the WFDB samples: every record below ../shared/data/formats/wfdb as wfdb-python reads it.

needs: numpy wfdb soundfile (for FLAC)      run: python wfdb_records.py ../../../shared/data/formats/wfdb > ../golden/wfdb_records.txt
One line per record: path n_signals n_samples fs, then per signal the number of gaps, the sum and the sum of squares of its
physical values in the header's unit. A signal stored at another rate than the record's: "@per:" and the same of its own samples, which
are every (most / per)-th of the lead that the record is interpolated to (where most / per is whole, else '-'). Plain records: also the CRC-32 of the
samples as little-endian float32 of (integer - baseline) * (1 / gain), computed in float64: every bit counts.
"""
import os
import sys
import zlib

import numpy as np
import wfdb

UNITS = {"mV": 1.0, "uV": 1e-3, "V": 1e3}


def digest(s, gain, base, unit):
    """CRC-32 of a signal; its integers are those that the physical values came from (exact in float64)."""
    d = np.rint(s * gain + base)
    return zlib.crc32(((d - base) * (UNITS.get(unit, 1.0) / gain)).astype("<f4").tobytes())


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
        plain = "multi-segment" not in rel
        for i, s in enumerate(signals):
            s = np.asarray(s, dtype=np.float64)
            if n % len(s):
                fields.append("-")
                continue
            ok = np.isfinite(s)
            mark = "" if len(s) == n else f"@{n // len(s)}:"
            fields.append(f"{mark}{(~ok).sum()}:{s[ok].sum():.6g}:{(s[ok] ** 2).sum():.6g}" + (f":{digest(s, rec.adc_gain[i], rec.baseline[i], rec.units[i]):08x}" if plain else ""))
        print(rel, len(signals), n, rec.fs * per, *fields)
