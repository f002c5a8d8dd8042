"""Golden moments of the MATLAB and HDF5 samples, by scipy.io and h5py.

usage: array_formats.py DATA_FOLDER > tests/golden/array_formats.txt      needs numpy scipy h5py
A line for each lead: path (with #row), lead, samples, sum, sum of squares, first and last value, as the files hold them.
"""
import glob
import os
import sys

import h5py
import numpy as np
import scipy
import scipy.io

LEADS = "I II III aVR aVL aVF V1 V2 V3 V4 V5 V6".split()


def put(path, x):
    for name, lead in zip(LEADS, np.asarray(x, np.float64)):
        print(path, name, len(lead), f"{lead.sum():.9g} {(lead * lead).sum():.9g} {lead[0]:.9g} {lead[-1]:.9g}")


def main():
    root = sys.argv[1]
    print(f"# tests/oracle/array_formats.py; scipy {scipy.__version__}, h5py {h5py.__version__}, numpy {np.__version__}")
    for path in sorted(glob.glob(f"{root}/formats/mat/*.mat")):
        m = scipy.io.loadmat(path)
        put(os.path.relpath(path, root), m["ECG"]["data"][0, 0] if "ECG" in m else m["feats"])
    for path in sorted(glob.glob(f"{root}/formats/hdf5/*.hdf5")):
        with h5py.File(path) as f:
            for row, x in enumerate(f["tracings"]):
                used = np.flatnonzero(np.any(x != 0, axis=1))
                if len(used):
                    put(f"{os.path.relpath(path, root)}#{row}", x[used[0] : used[-1] + 1].T)


if __name__ == "__main__":
    main()
