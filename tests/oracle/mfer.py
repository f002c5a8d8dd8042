#!/usr/bin/env python3
"""Golden digest of the MFER sample: an independent decode in a few lines, and the calibration pulse that proves its scale.

needs: nothing beyond Python     run: python mfer.py ../../../shared/data/formats/mfer > ../golden/mfer_records.txt
One line per file and lead: name, samples, sum and sum of squares in mV, then some samples as index:mV.
libbiosig cannot be the truth here: version 2.5.0 reads the header, but gives the first channel a scale of 0 and refuses to read the samples.
"""
import os
import struct
import sys

LEADS = {1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 61: "III", 62: "aVR", 63: "aVL", 64: "aVF"}


def definitions(data):
    at = 0
    while at < len(data):
        tag = data[at]
        at += 1
        if tag == 0:
            continue
        channel = None
        if tag == 0x3F:
            channel = data[at]
            at += 1
        length = data[at]
        at += 1
        if length > 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at:at + count], "big")
            at += count
        yield tag, channel, data[at:at + length]
        at += length


def decode(data):
    order, attributes, leads = "big", {}, {}
    for tag, channel, value in definitions(data):
        if tag == 0x01:
            order = "little" if value[0] else "big"
        elif tag == 0x3F:
            for inner, _, code in definitions(value):
                if inner == 0x09:
                    leads[channel] = LEADS[code[0]]
        elif tag in (0x0B, 0x0C):
            exponent = struct.unpack("b", value[1:2])[0]
            attributes[tag] = (value[0], int.from_bytes(value[2:], order, signed=True), exponent)
        elif tag in (0x04, 0x05, 0x06):
            attributes[tag] = int.from_bytes(value, order)
        elif tag == 0x1E:
            block, channels, sequences = attributes[4], attributes[5], attributes[6]
            assert len(value) == 2 * block * channels * sequences
            steps = struct.unpack(("<" if order == "little" else ">") + "h" * (len(value) // 2), value)
            unit, mantissa, exponent = attributes[0x0C]
            assert unit == 0
            mv = mantissa * 10.0 ** (exponent + 3)
            out = [[] for _ in range(channels)]
            for s in range(sequences):
                for c in range(channels):
                    out[c] += steps[(s * channels + c) * block:(s * channels + c + 1) * block]
            yield [leads[c] for c in range(channels)], [[v * mv for v in lead] for lead in out]


print(f"# Python {sys.version.split()[0]}: python mfer.py .../formats/mfer")
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as f:
        (leads, signals), = decode(f.read())
    for lead, x in zip(leads, signals):
        high, low = max(x[:30]), min(x[:30])
        assert abs(high - low - 1) < 1e-9, "the calibration pulse is not 1 mV"
        shown = [0, 9, 10, 24, 5000, 100000, 150000, 224999]
        print(name, lead, len(x), f"{sum(x):.9g} {sum(v * v for v in x):.9g}", *(f"{i}:{x[i]:.6g}" for i in shown))
