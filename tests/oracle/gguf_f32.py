"""Copies a GGUF file with every tensor expanded to float32: the same values without a storage type, so that two programs can be compared
without what they do with quantised weights (libllama rounds the activations to 8 bits there).

Needs: pip install gguf==0.19 numpy.

    python tests/oracle/gguf_f32.py SmolLM2-135M-Instruct.Q4_1.gguf /tmp/smollm2-f32.gguf
"""
import sys

import gguf
import numpy as np
from gguf.quants import dequantize


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    r = gguf.GGUFReader(sys.argv[1])
    w = gguf.GGUFWriter(sys.argv[2], r.fields["general.architecture"].contents())
    for name, field in r.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type", "general.quantization_version"):
            continue
        kind = field.types[0]
        if kind == gguf.GGUFValueType.ARRAY:
            w.add_key_value(name, field.contents(), kind, sub_type=field.types[-1])
        else:
            w.add_key_value(name, field.contents(), kind)
    for t in r.tensors:
        w.add_tensor(t.name, np.ascontiguousarray(dequantize(t.data, t.tensor_type), np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


if __name__ == "__main__":
    main()
