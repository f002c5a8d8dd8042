"""Seconds that Python readers take for ECG files, for bench/formats.sh: wfdb, pydicom, pyedflib, scipy.io, h5py, and libbiosig where its program is there.

usage: read_formats.py SECONDS_EACH FILE...      prints PATH<TAB>PEER<TAB>VERSION<TAB>MEDIAN_SECONDS; files no peer reads give no line
needs: wfdb pydicom pyedflib scipy h5py numpy (each optional: a peer that is missing is said on standard error)
"""
import importlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def load(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"peer not installed: {name}", file=sys.stderr)
        return None


wfdb, pydicom, pyedflib, scipy_io, h5py = (load(n) for n in ("wfdb", "pydicom", "pyedflib", "scipy.io", "h5py"))


def read_wfdb(path):
    return wfdb.rdrecord(path[: -len(".hea")]).p_signal


def read_dicom(path):
    data = pydicom.dcmread(path)
    return [data.waveform_array(i) for i in range(len(data.WaveformSequence))]


def read_edf(path):
    f = pyedflib.EdfReader(path)
    try:
        return [f.readSignal(i) for i in range(f.signals_in_file)]
    finally:
        f.close()


def read_mat(path):
    return scipy_io.loadmat(path)


def read_hdf5(path):
    name, row = path.rsplit("#", 1)
    with h5py.File(name) as f:
        return f["tracings"][int(row)]


def read_biosig(path):
    """save2gdf converts a copy; the time of starting it is in the figure."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(path, folder)
        subprocess.run(["save2gdf", copy, os.path.join(folder, "out.gdf")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def peers_of(path):
    ending = path.rsplit(".", 1)[-1].split("#")[0].lower()
    if ending == "hea" and wfdb:
        yield "wfdb", wfdb.__version__, read_wfdb
    if ending == "dcm" and pydicom:
        yield "pydicom", pydicom.__version__, read_dicom
    if ending in ("edf", "bdf") and pyedflib:
        yield "pyedflib", pyedflib.__version__, read_edf
    if ending == "mat" and scipy_io:
        yield "scipy", importlib.import_module("scipy").__version__, read_mat
    if ending in ("hdf5", "h5") and h5py:
        yield "h5py", h5py.__version__, read_hdf5
    if ending in ("scp", "edf", "xml") and shutil.which("save2gdf"):
        yield "libbiosig", "save2gdf", read_biosig


def main():
    seconds = float(sys.argv[1])
    for path in sys.argv[2:]:
        for name, version, read in peers_of(path):
            times = []
            end = time.perf_counter() + seconds
            try:
                while time.perf_counter() < end or len(times) < 3:
                    start = time.perf_counter()
                    read(path)
                    times.append(time.perf_counter() - start)
            except Exception as error:  # a peer that fails on a file has no time for it
                print(f"{name} on {path}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            print(path, name, version, f"{statistics.median(times):.6f}", sep="\t", flush=True)


if __name__ == "__main__":
    main()
