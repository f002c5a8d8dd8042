#!/usr/bin/env python3
"""Golden digests of the DICOM samples: multiplex groups below ../shared/data/formats/dicom as pydicom reads them.

needs: numpy pydicom        run: python dicom_waveforms.py ../../../shared/data/formats/dicom > ../golden/dicom_waveforms.txt
One line per channel of each group: file, group, label, channel, rate, samples, sum, sum of squares, samples 0, 1, 777 and the last, in the unit
named last; "file ..." lines hold what is beside the samples.
"""
import os
import sys
import warnings

import numpy as np
import pydicom

warnings.simplefilter("ignore")
root = sys.argv[1]
print(f"# pydicom {pydicom.__version__} numpy {np.__version__}: python dicom_waveforms.py .../formats/dicom")
for name in sorted(os.listdir(root)):
    ds = pydicom.dcmread(os.path.join(root, name))
    print("file", name, ds.PatientSex, ds.get("AcquisitionDateTime", "-"), ds.get("PatientAge") or "-", str(ds.get("ManufacturerModelName", "-")))
    for g, item in enumerate(ds.WaveformSequence):
        data = ds.waveform_array(g)
        for c, channel in enumerate(item.ChannelDefinitionSequence):
            x = data[:, c]
            label = item.get("MultiplexGroupLabel", "-").replace(" ", "_")
            lead = channel.ChannelSourceSequence[0].CodeMeaning.replace("Lead ", "").replace(" ", "_")
            unit = channel.ChannelSensitivityUnitsSequence[0].CodeValue
            print(name, g, label, lead, item.SamplingFrequency, len(x), f"{x.sum():.9g} {(x ** 2).sum():.9g} {x[0]:.9g} {x[1]:.9g} {x[min(777, len(x) - 1)]:.9g} {x[-1]:.9g}", unit)
    for a in ds.get("WaveformAnnotationSequence", []):
        if "NumericValue" in a:
            print("number", name, a.ConceptNameCodeSequence[0].CodeMeaning.replace(" ", "_"), a.NumericValue)
        if "UnformattedTextValue" in a:
            print("text", name, a.UnformattedTextValue)
