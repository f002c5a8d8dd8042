#!/usr/bin/env python3
"""Golden digests of the MUSE files: an independent decode with numpy, after the checksum of every lead was found right.

needs: numpy     run: python muse.py ../../../shared/data/formats/muse_xml > ../golden/muse_records.txt
One line per file and lead of the rhythm waveform: name, samples, sum and sum of squares in mV, then some samples as index:mV.
"""
import base64
import os
import platform
import sys
import xml.etree.ElementTree as ElementTree
import zlib

import numpy

print(f"# numpy {numpy.__version__}, Python {platform.python_version()}: python muse.py .../formats/muse_xml")
folder = sys.argv[1]
for name in sorted(os.listdir(folder)):
    if not name.endswith(".xml"):
        continue
    waveforms = ElementTree.parse(os.path.join(folder, name)).getroot().findall("Waveform")
    rhythm, = [w for w in waveforms if w.findtext("WaveformType") == "Rhythm"]
    for lead in rhythm.findall("LeadData"):
        data = base64.b64decode(lead.findtext("WaveFormData"))
        assert zlib.crc32(data) == int(lead.findtext("LeadDataCRC32"))
        assert lead.findtext("LeadAmplitudeUnits") == "MICROVOLTS"
        mv = numpy.frombuffer(data, "<i2").astype(float) * float(lead.findtext("LeadAmplitudeUnitsPerBit")) / 1000
        picks = " ".join(f"{i}:{mv[i]:.7g}" for i in (0, 1, 2, 777, 2500, len(mv) - 1))
        print(name, lead.findtext("LeadID"), len(mv), f"{mv.sum():.9g} {(mv ** 2).sum():.9g}", picks)
