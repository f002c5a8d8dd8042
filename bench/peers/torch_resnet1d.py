"""The same encoder in PyTorch, timed the same way: one JSON row per line, for `shinden bench --peer` and bench/compare.sh.

Needs: pip install torch numpy (any 2.x, CPU). `torch.compile` needs a C++ compiler; without one those rows are left out, and said so
on stderr. Eager and compiled, f32 and bf16 autocast; random data; the median of repeated steps after warm-up.

    python bench/peers/torch_resnet1d.py --threads 2 --rows train_12x4992_b32,infer_12x4992_b32 --seconds 10
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv1d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(n_out)
        self.conv2 = nn.Conv1d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(n_out)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(nn.Conv1d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm1d(n_out))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet1d(nn.Module):
    """ResNet-18 in one dimension; parameter names as torchvision's resnet18."""

    def __init__(self, leads=12, width=64, blocks=(2, 2, 2, 2), embed=256, max_pool=True):
        super().__init__()
        self.conv1 = nn.Conv1d(leads, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm1d(width)
        self.pool = nn.MaxPool1d(3, 2, 1) if max_pool else nn.Identity()
        channels = width
        self.n_stages = 0
        for stage, n in enumerate(blocks):
            if n == 0:
                break
            out = width << stage
            layers = [Block(channels if b == 0 else out, out, 2 if stage and b == 0 else 1) for b in range(n)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            channels = out
            self.n_stages += 1
        self.fc = nn.Linear(channels, embed)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(self.n_stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean(2))


def timed(step, seconds):
    """Median seconds of a call: three to warm up (compilation too), then at least three and at most `seconds` of calls. One thread's are of
    processor time, as `shinden bench` has it."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    for _ in range(3):
        step()
    times, start = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < seconds and len(times) < 200):
        t = clock()
        step()
        times.append(clock() - t)
    return statistics.median(times), statistics.pstdev(times)


def training(T, B, bf16, compiled):
    net = ResNet1d().train()
    run = torch.compile(net) if compiled else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    x, w = torch.randn(B, 12, T), torch.randn(B, 256)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            z = run(x)
        (z.float() * w).sum().backward()
        optimizer.step()

    return step


def inference(T, B, bf16, compiled):
    net = ResNet1d().eval()
    run = torch.compile(net) if compiled else net
    x = torch.randn(B, 12, T)

    def step():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            run(x)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", default="train_12x4992_b32,train_12x1000_b64,train_12x250_b64,infer_12x4992_b32,infer_12x1000_b64")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--variants", default="eager_f32,eager_bf16,compile_f32,compile_bf16")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    for row in args.rows.split(","):
        kind, shape, batch = row.split("_")
        T, B = int(shape.split("x")[1]), int(batch[1:])
        for variant in args.variants.split(","):
            how, precision = variant.split("_")
            try:
                step = (training if kind == "train" else inference)(T, B, precision == "bf16", how == "compile")
                median, spread = timed(step, args.seconds)
            except Exception as error:  # a variant that cannot run here is not a result
                print(f"{row} {variant}: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
                continue
            print(json.dumps({"name": row, "variant": variant, "value": B / median, "unit": "records/s",
                              "spread": spread / median, "threads": args.threads, "peer": f"pytorch {variant}",
                              "peer_version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
