"""Every stored number format against the gguf package's dequantisation, bit for bit.

Needs: pip install gguf==0.19 numpy safetensors.

    python tests/oracle/gguf_dequant.py -o tests/golden/dequant_blocks.safetensors      # TYPE.bytes [n] U8 and TYPE.values [m] F32, read by test_dequant
    python tests/oracle/gguf_dequant.py --model FILE.gguf [--random ROWS]               # all tensors of a real file, and random blocks of every type,
                                                                                        # through src/text/dequant.c (needs a C compiler)
"""
import argparse
import ctypes
import os
import subprocess
import tempfile

import gguf
import numpy as np
from gguf.quants import dequantize
from safetensors.numpy import save_file

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"]
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}    # where a block keeps f16
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def random_blocks(name, n, rng):
    """Any bytes, but scales finite: of all exponents, subnormals and zero among them."""
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][1]
    x = rng.integers(0, 256, (n, size), dtype=np.uint8)
    for at in HALVES.get(name, []):
        h = rng.integers(0, 0x7C00, n).astype(np.uint16) | (rng.integers(0, 2, n) << 15).astype(np.uint16)
        h[:4] = (0x0000, 0x8000, 0x0001, 0x7BFF)[: min(4, n)]
        x[:, at:at + 2] = h.view(np.uint8).reshape(n, 2)
    if name == "F16":
        h = rng.integers(0, 0x7C01, n).astype(np.uint16) | (rng.integers(0, 2, n) << 15).astype(np.uint16)
        x = h.view(np.uint8).reshape(n, 2)
    if name in ("F32", "BF16"):
        x[:, -1] &= 0xBF                                # no infinity, no NaN
    return x


def values(name, blocks):
    return np.ascontiguousarray(dequantize(blocks.reshape(1, -1), gguf.GGMLQuantizationType[name])).reshape(-1).astype(np.float32, copy=False)


class View(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("rows", ctypes.c_size_t), ("cols", ctypes.c_size_t), ("data", ctypes.c_void_p),
                ("row_bytes", ctypes.c_size_t), ("name", ctypes.c_char_p)]


def load_ours(folder):
    so = os.path.join(folder, "dequant.so")
    subprocess.check_call(["cc", "-std=c17", "-O2", "-shared", "-fPIC", f"-I{ROOT}/include", f"-I{ROOT}/src", f"{ROOT}/src/text/dequant.c", "-o", so])
    lib = ctypes.CDLL(so)
    lib.shn_dequant_rows.argtypes = [ctypes.POINTER(View), ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p]
    lib.shn_dequant_rows.restype = None

    def expand(type_id, data, rows, cols):
        data = np.ascontiguousarray(data)
        out = np.empty(rows * cols, np.float32)
        lib.shn_dequant_rows(View(type_id, rows, cols, data.ctypes.data, data.nbytes // rows, b""), 0, rows, out.ctypes.data)
        return out
    return expand


def compare(model, n_random):
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        expand = load_ours(folder)
        for t in gguf.GGUFReader(model).tensors:
            data = np.array(t.data)
            theirs = dequantize(data, t.tensor_type).reshape(-1)
            ours = expand(int(t.tensor_type), data, int(np.prod(t.shape[1:])), int(t.shape[0]))
            assert np.array_equal(theirs.view(np.uint32), ours.view(np.uint32)), t.name
        print(f"{os.path.basename(model)}: every tensor equal in all bits")
        for name in TYPES:
            kind = gguf.GGMLQuantizationType[name]
            blocks = random_blocks(name, n_random, rng)
            ours = expand(int(kind), blocks, n_random, gguf.GGML_QUANT_SIZES[kind][0])
            assert np.array_equal(values(name, blocks).view(np.uint32), ours.view(np.uint32)), name
            print(f"{name}: {ours.size} random values equal in all bits")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("-o")
    p.add_argument("--model")
    p.add_argument("--random", type=int, default=20000)
    args = p.parse_args()
    if args.model:
        compare(args.model, args.random)
    if not args.o:
        return
    rng, out = np.random.default_rng(1), {}
    for name in TYPES:
        values_per_block = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]][0]
        n = {1: 300, 32: 12, 256: 5}[values_per_block]
        blocks = random_blocks(name, n, rng)
        out[f"{name}.bytes"], out[f"{name}.values"] = blocks.reshape(-1), values(name, blocks)
    save_file(out, args.o, metadata={"made_by": "python tests/oracle/gguf_dequant.py -o tests/golden/dequant_blocks.safetensors, gguf 0.19.0, numpy " + np.__version__})
    os.chmod(args.o, 0o644)


if __name__ == "__main__":
    main()
