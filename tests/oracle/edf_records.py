"""Real EDF and BDF files as pyedflib reads them: moments, a weighted sum of every stored integer, ten samples of each signal.
needs: pyedflib (0.1.42), numpy;  usage: python edf_records.py [DATA] > ../golden/edf_records.txt     DATA: ../../../shared/data
"""
import os
import sys

import numpy as np
import pyedflib

data = sys.argv[1] if len(sys.argv) > 1 else "../../../shared/data"
units = {"uv": 1e-3, "mv": 1.0, "v": 1e3, "nv": 1e-6}
print(f"# pyedflib {pyedflib.__version__}, numpy {np.__version__}: python edf_records.py")
print("# file signal label n fs_hz mv_per_unit sum sum_of_squares (values in mV, or in the unit) sum(digital * (t % 97)) : first ten")
for name in ("0000050.edf", "short_psg.edf", "short_psg.bdf"):
    with pyedflib.EdfReader(os.path.join(data, "formats/edf", name)) as f:
        for i in range(f.signals_in_file):
            mv = units.get(f.getPhysicalDimension(i).lower(), 0)
            x = f.readSignal(i) * (mv or 1)
            d = f.readSignal(i, digital=True).astype(np.int64)
            weighted = int((d * (np.arange(len(d)) % 97)).sum())
            label = f.getLabel(i).replace(" ", "_")
            first = " ".join(f"{v:.9g}" for v in x[:10])
            print(name, i, label, len(x), f"{f.getSampleFrequency(i):g}", f"{mv:g}", f"{x.sum():.12g}", f"{(x * x).sum():.12g}", weighted, ":", first)
