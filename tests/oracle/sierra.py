#!/usr/bin/env python3
"""Golden digests of the Philips Sierra files, from the sierraecg package with two stated corrections.

needs: sierraecg, numpy below 2 (unused channels overflow on purpose)
run:   python -W ignore sierra.py ../../../shared/data/formats/philips_sierra_xml > ../golden/sierra_records.txt

1. aVR, aVL and aVF are predicted with division towards zero; the package divides towards minus infinity. The vendor's own conversion of
   ad4d3d80 decides: printed to the error stream is the mean difference to it where the two rules differ.
2. The calibration at the end (zeros, a 1 mV pulse, zeros, alike in all leads) is cut.
One line per file and lead: name, samples, sum and sum of squares in mV, then some samples as index:mV.
"""
import importlib.metadata
import os
import platform
import re
import sys

import numpy
import sierraecg


def toward_zero(x):
    return numpy.trunc(x / 2).astype(int)


def correct(leads):
    """The package's leads with its divisions replaced; also how many samples change."""
    i, ii, iii, avr, avl, avf = leads[:6]
    floor = [numpy.floor_divide(x, 2) for x in (i + ii, i - iii, ii + iii)]
    better = [toward_zero(x) for x in (i + ii, i - iii, ii + iii)]
    return [i, ii, iii, avr + floor[0] - better[0], avl - floor[1] + better[1], avf - floor[2] + better[2]] + leads[6:]


def tail(leads):
    stacked = numpy.array(leads)
    same = (stacked == stacked[0]).all(axis=0)
    n = stacked.shape[1]
    while n and same[n - 1]:
        n -= 1
    values, starts = stacked[0, n:], [n]
    assert set(values.tolist()) <= {0, 200} and values[-50:].max() == 0 and values.max() == 200, values
    return n, starts


def vendor(folder, ours, package):
    text = open(os.path.join(folder, "ad4d3d80_1_04_converted.xml"), encoding="utf8").read()
    twin = [numpy.array(m.group(1).split(), int) for m in re.finditer(r"<digits>([^<]*)<", text)][:12]
    for lead, name in ((3, "aVR"), (4, "aVL"), (5, "aVF")):
        where = (ours[lead] != package[lead]) & (numpy.arange(len(ours[lead])) < 5290)
        print(f"{name}: {where.sum()} samples differ; mean of the vendor's minus towards zero {(twin[lead] - ours[lead])[where].mean():.3f} steps, "
              f"minus towards minus infinity {(twin[lead] - package[lead])[where].mean():.3f}", file=sys.stderr)


def main():
    folder = sys.argv[1]
    print(f"# sierraecg {importlib.metadata.version('sierraecg')}, numpy {numpy.__version__}, Python {platform.python_version()}: "
          "python -W ignore sierra.py .../formats/philips_sierra_xml")
    for name in sorted(os.listdir(folder)):
        try:
            record = sierraecg.read_file(os.path.join(folder, name))
        except Exception as refused:                                    # the broken files and the aECG
            print(f"# {name}: {type(refused).__name__}: {refused}")
            continue
        package = [numpy.array(lead.samples).astype(int) for lead in record.leads]
        leads = correct(package)
        if name == "ad4d3d80_1_04.xml":
            vendor(folder, leads, package)
        n, _ = tail(leads)
        for lead, samples in zip(record.leads, leads):
            mv = samples[:n] * 0.005                                    # every file says a resolution of 5 uV
            picks = " ".join(f"{i}:{mv[i]:.7g}" for i in (0, 1, 2, 777, 2500, n - 1))
            print(name, lead.label, n, f"{mv.sum():.9g} {(mv ** 2).sum():.9g}", picks)


main()
