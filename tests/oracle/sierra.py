"""Golden moments of the Philips Sierra samples, by sierraecg (and, for the file that has one, by its conversion to aECG).

usage: sierra.py DATA_FOLDER > tests/golden/sierra_records.txt      needs numpy sierraecg
A line for each lead: file, who says it, lead, samples from the start, their sum, sum of squares (in steps of 5 uV), first and last. Only samples before the
calibration tail are summed: the tail is found here as the first sample from which on all leads have |value| <= 2 or within 2 of 200.
"""
import glob
import importlib.metadata
import os
import re
import sys

import numpy as np
import sierraecg

LEADS = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()


def before_tail(x):
    v = np.abs(x)
    flat = np.all((v <= 2) | (np.abs(v - 200) <= 2), axis=0)
    n = x.shape[1]
    while n and flat[n - 1]:
        n -= 1
    return n


def put(name, who, x):
    n = before_tail(x)
    for lead, row in zip(LEADS, x[:, :n]):
        print(name, who, lead, n, row.sum(), (row * row).sum(), row[0], row[-1])


def main():
    root = f"{sys.argv[1]}/formats/philips_sierra_xml"
    print(f"# tests/oracle/sierra.py; sierraecg {importlib.metadata.version('sierraecg')}, numpy {np.__version__}")
    for path in sorted(glob.glob(f"{root}/*.xml")):
        try:
            record = sierraecg.read_file(path)
        except Exception as error:
            print(f"# {os.path.basename(path)}: {type(error).__name__}: {error}")
            continue
        put(os.path.basename(path), "sierraecg", np.array([l.samples for l in record.leads[:12]]).astype(np.int64))
    with open(f"{root}/ad4d3d80_1_04_converted.xml") as f:
        text = f.read()
    found = re.findall(r'<code code="MDC_ECG_LEAD_\w+".*?<digits>([^<]*)</digits>', text, re.S)[:12]
    put("ad4d3d80_1_04.xml", "converted", np.array([[int(v) for v in d.split()] for d in found]))


if __name__ == "__main__":
    main()
