#!/usr/bin/env python3
"""Golden digests of the aECG and CardioSoft samples, decoded here with lxml and numpy from the formats' descriptions.

needs: numpy lxml           run: python text_formats.py ../../../shared/data/formats > ../golden/text_formats.txt
One line per record: path fs n_samples, then per lead its name, number of gaps, sum and sum of squares in mV. The names are the twelve
canonical ones. With --dump FILE OUT.npy the samples of one file in mV, [leads][samples], for comparison with its twins.
"""
import os
import sys

import lxml
import numpy as np
from lxml import etree

MV = {"uV": 1e-3, "mV": 1.0, "nV": 1e-6, "V": 1e3, "uVperLsb": 1e-3}
CANONICAL = {n.upper(): n for n in "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def aecg(root):
    ns = {"h": "urn:hl7-org:v3"}
    series = [s for s in root.findall("h:component/h:series", ns) if s.find("h:code", ns).get("code") == "RHYTHM"][0]
    (sequences,) = series.findall("h:component/h:sequenceSet", ns)
    leads = {}
    for seq in sequences.findall("h:component/h:sequence", ns):
        code, value = seq.find("h:code", ns).get("code"), seq.find("h:value", ns)
        if code.startswith("TIME_"):
            step = value.find("h:increment", ns)
            fs = 1 / (float(step.get("value")) * SECONDS[step.get("unit")])
            continue
        origin, scale = value.find("h:origin", ns), value.find("h:scale", ns)
        digits = np.array(value.find("h:digits", ns).text.split(), dtype=np.float64)
        name = CANONICAL[code.rsplit("_", 1)[1].upper()]
        leads[name] = float(origin.get("value")) * MV[origin.get("unit")] + digits * float(scale.get("value")) * MV[scale.get("unit")]
    return round(fs, 9), leads


def cardiosoft(root):
    strip = root.find("StripData")
    resolution = strip.find("Resolution")
    step = float(resolution.text) * MV[resolution.get("units")]
    leads = {w.get("lead"): np.array([float(v) for v in w.text.split(",")]) * step for w in strip.findall("WaveformData")}
    return float(strip.find("SampleRate").text), leads


def read(path):
    root = etree.parse(path).getroot()
    return cardiosoft(root) if root.tag == "CardiologyXML" else aecg(root)


if sys.argv[1] == "--dump":
    np.save(sys.argv[3], np.stack(list(read(sys.argv[2])[1].values())))
    sys.exit(0)
print(f"# lxml {lxml.__version__} numpy {np.__version__}: python text_formats.py .../formats")
files = [f"{folder}/{name}" for folder in ("hl7_aecg", "cardiosoft_xml") for name in sorted(os.listdir(os.path.join(sys.argv[1], folder)))]
for name in files + ["philips_sierra_xml/ad4d3d80_1_04_converted.xml"]:
    fs, leads = read(os.path.join(sys.argv[1], name))
    n = max(len(v) for v in leads.values())
    print(name, f"{fs:g}", n, *(f"{k}:{n - len(v)}:{v.sum():.9g}:{(v * v).sum():.9g}" for k, v in leads.items()))
