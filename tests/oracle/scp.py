#!/usr/bin/env python3
"""Golden values of the SCP-ECG samples: an independent decoder in plain Python (written from the byte layout, sharing nothing with the C reader,
bit by bit where the reader uses tables), beside libbiosig's converter where that is installed (Debian biosig-tools; works on copies).

needs: numpy, optionally save2gdf        run: python scp.py ../../../shared/data/formats/scp > ../golden/scp_records.txt
One line per file: name n_leads n_samples fs, then per lead name:sum:sum of squares:first three samples, in nanovolts (integers, exact).
Lines 'biosig' give the largest difference in microvolts between this decoder and libbiosig per file, over all leads, and in how many samples;
for a file with reference beats also the difference to section 6 alone in section 5's unit, which is what libbiosig gives.
"""
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

LEADS = {1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}


def crc(data):
    c = 0xFFFF
    for x in data:
        c ^= x << 8
        for _ in range(8):
            c = ((c << 1) ^ 0x1021 if c & 0x8000 else c << 1) & 0xFFFF
    return c


def default_codes():
    codes = {"0": 0}
    for k in range(1, 9):
        codes["1" * k + "0" + "0"] = k          # 100, 1100, ... : k ones, a zero, the sign
        codes["1" * k + "0" + "1"] = -k
    return codes


def huffman(data, n):
    codes, out, word = default_codes(), [], ""
    bits = "".join(f"{b:08b}" for b in data)
    at = 0
    while at < len(bits) and len(out) < n:
        word += bits[at]
        at += 1
        if word in codes:
            out.append(codes[word])
            word = ""
        elif word in ("1" * 9 + "0", "1" * 10):
            width = 8 if word[-1] == "0" else 16
            if at + width > len(bits):
                break
            v = int(bits[at : at + width], 2)
            out.append(v - (1 << width) if v >> (width - 1) else v)
            at += width
            word = ""
    return out


def integrate(d, order):
    x = list(d)
    for i in range(len(x)):
        if order == 1 and i >= 1:
            x[i] += x[i - 1]
        if order == 2 and i >= 2:
            x[i] += 2 * x[i - 1] - x[i - 2]
    return np.array(x, dtype=np.int64)


class File:
    def __init__(self, path):
        b = open(path, "rb").read()
        c, n = struct.unpack_from("<HI", b, 0)
        assert n <= len(b) and crc(b[2:n]) == c, "record checksum or length"
        self.s = {}
        end = 6 + struct.unpack_from("<I", b, 10)[0]
        for p in range(22, end - 9, 10):
            i, length, at = struct.unpack_from("<HII", b, p)
            if length:
                s = b[at - 1 : at - 1 + length]
                assert struct.unpack_from("<HHI", s) == (crc(s[2:]), i, length), f"section {i}"
                self.s[i] = s[16:]

    def leads(self):
        s = self.s[3]
        return [(LEADS.get(s[2 + 9 * k + 8], s[2 + 9 * k + 8]),) + struct.unpack_from("<II", s, 2 + 9 * k) for k in range(s[0])]

    def block(self, number, lengths):
        """(nV per unit, us per sample, bimodal flag, samples per lead) of section 5 or 6."""
        s = self.s[number]
        avm, us, order, bimodal = struct.unpack_from("<HHBB", s)
        k = len(lengths)
        sizes = struct.unpack_from(f"<{k}H", s, 6)
        at, out = 6 + 2 * k, []
        for size, n in zip(sizes, lengths):
            d = s[at : at + size]
            at += size
            v = huffman(d, n) if 2 in self.s else list(struct.unpack(f"<{size // 2}h", d[: size // 2 * 2]))[:n]
            out.append(integrate(v, order))
        return avm, us, bimodal, out

    def rhythm(self):
        leads = self.leads()
        lengths = [e - max(b, 1) + 1 for _, b, e in leads]
        assert 2 not in self.s or struct.unpack_from("<H", self.s[2])[0] == 19999
        avm, us, bimodal, x = self.block(6, lengths)
        assert not bimodal
        x = [v * avm for v in x]
        if self.s[3][1] & 1:
            ms, fiducial, n_qrs = struct.unpack_from("<HHH", self.s[4])
            avm5, us5, _, beat = self.block(5, [10**6] * len(leads))
            beat = [v[: ms * 1000 // us5] * avm5 for v in beat]     # trailing bits are no samples
            assert us5 == us
            for q in range(n_qrs):
                kind, sb, fc, se = struct.unpack_from("<HIII", self.s[4], 6 + 14 * q)
                if kind:
                    continue
                for k in range(len(leads)):
                    for t in range(sb, se + 1):
                        m = fiducial - 1 + t - fc
                        if 0 <= m < len(beat[k]) and 1 <= t <= len(x[k]):
                            x[k][t - 1] += beat[k][m]
        return 1e6 / us, [name for name, _, _ in leads], x


def biosig(path, x):
    """Largest difference in uV and how many samples differ by more than 0.01 uV, against save2gdf's text export of a copy."""
    tool = shutil.which("save2gdf")
    if not tool:
        return "not installed"
    with tempfile.TemporaryDirectory() as d:
        copy = os.path.join(d, "copy.scp")
        shutil.copy(path, copy)
        os.chmod(copy, 0o600)
        r = subprocess.run([tool, "-f=ASCII", copy, os.path.join(d, "out.asc")], capture_output=True, text=True, timeout=60)
        worst, count, seen = 0.0, 0, 0
        for name in sorted(os.listdir(d)):
            m = re.match(r"out\.a(\d\d)$", name)
            if not m or int(m.group(1)) > len(x) or int(m.group(1)) < 1:
                continue
            v = np.loadtxt(os.path.join(d, name), ndmin=1)
            ours = x[int(m.group(1)) - 1] / 1000.0
            n = min(len(v), len(ours))
            delta = np.abs(v[:n] - ours[:n])
            worst, count, seen = max(worst, delta.max()), count + int((delta > 0.01).sum()), seen + n
        if not seen:
            return f"wrote nothing (exit {r.returncode})"
        return f"max_uv {worst:.4g} differ {count} of {seen}"


def main():
    root = sys.argv[1]
    tool = shutil.which("save2gdf")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout.split("\n")[0] if tool else "absent"
    print(f"# tests/oracle/scp.py, Python {sys.version.split()[0]} numpy {np.__version__}, save2gdf: {version}: python scp.py .../formats/scp")
    for name in sorted(os.listdir(root)):
        if not name.lower().endswith(".scp"):
            continue
        try:
            fs, names, x = File(os.path.join(root, name)).rhythm()
        except (AssertionError, struct.error, IndexError, KeyError) as e:
            print(name, "refused", type(e).__name__)
            continue
        fields = [f"{k}:{v.sum()}:{(v.astype(object) ** 2).sum()}:{v[0]},{v[1]},{v[2]}" for k, v in zip(names, x)]
        print(name, len(x), max(len(v) for v in x), f"{fs:g}", *fields)
        print("biosig", name, biosig(os.path.join(root, name), x))
        f = File(os.path.join(root, name))
        if f.s[3][1] & 1:
            residual = f.block(6, [len(v) for v in x])[3]
            unit = struct.unpack_from("<H", f.s[5])[0]
            print("biosig", name, "against the residual in section 5's unit:", biosig(os.path.join(root, name), [v * unit for v in residual]))


if __name__ == "__main__":
    main()
