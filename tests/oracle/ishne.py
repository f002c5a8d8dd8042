#!/usr/bin/env python3
"""A made ISHNE recording and what ishneholterlib reads out of it (no real ISHNE file is at hand).

needs: ishneholterlib "numpy<2"     run: python ishne.py ../golden/ishne_made.ecg > ../golden/ishne_made.txt
The file is packed here with struct and the checksum comes from crccheck, so neither the C reader nor the tests' C writer had a hand in it.
One line per lead: name, samples, sum and sum of squares in mV, first and last sample.
"""
import struct
import sys
from importlib.metadata import version

import numpy as np
from crccheck.crc import Crc16CcittFalse
from ishneholterlib import Holter

rng = np.random.default_rng(8)
steps = rng.integers(-2000, 2000, (500, 3)).astype("<i2")
resolution, codes, rate = [2500, 4880, 1000], [11, 15, 6], 250
pad = lambda values: struct.pack("<12h", *values, *[-9] * (12 - len(values)))
variable = b"made by tests/oracle/ishne.py"
body = struct.pack("<iiiih", len(variable), len(steps), 522, 522 + len(variable), 1)
body += b"Made".ljust(40, b"\0") + b"Up".ljust(40, b"\0") + b"NOBODY-1".ljust(20, b"\0") + struct.pack("<2h", 1, 0)
body += struct.pack("<12h", 1, 1, 1950, 2, 3, 2020, 3, 3, 2020, 8, 30, 15) + struct.pack("<h", 3)
body += pad(codes) + pad([1, 1, 1]) + pad(resolution) + struct.pack("<h", 0) + b"digital".ljust(40, b"\0") + struct.pack("<h", rate)
body += b"\0" * (80 + 80 + 88) + variable
with open(sys.argv[1], "wb") as f:
    f.write(b"ISHNE1.0" + struct.pack("<H", Crc16CcittFalse.calc(body)) + body + steps.tobytes())

x = Holter(sys.argv[1])
x.load_data()
assert x.is_valid() and x.sr == rate and x.nleads == 3
print(f"# ishneholterlib {version('ishneholterlib')} numpy {np.__version__}: python ishne.py ../golden/ishne_made.ecg")
for lead in x.lead:
    d = np.asarray(lead.data, dtype=np.float64)
    print(lead.spec_str(), len(d), f"{d.sum():.9g} {(d ** 2).sum():.9g} {d[0]:.6g} {d[-1]:.6g}")
