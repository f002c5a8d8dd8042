"""The same encoder in PyTorch, timed the same way: one JSON row per line, for `shinden bench --peer`.

Needs: pip install torch numpy (any 2.x, CPU). `torch.compile` needs a C++ compiler; without one those rows are left out, and said so
on stderr. Eager and compiled, f32 and bf16 autocast; random data; the median of repeated steps after warm-up. Rows cuda_... run on the
GPU: as convolutions of height 1, channels last, which is PyTorch's fast path there, and with TF32 allowed in f32.

    python bench/peers/torch_resnet1d.py --threads 2 --rows train_12x4992_b32,infer_12x4992_b32 --seconds 10
"""
import argparse
import json
import statistics
import sys
import time

import torch
from torch import nn


def conv(n_in, n_out, kernel, stride, pad, flat):
    if flat:
        return nn.Conv2d(n_in, n_out, (1, kernel), (1, stride), (0, pad), bias=False)
    return nn.Conv1d(n_in, n_out, kernel, stride, pad, bias=False)


def norm(channels, flat):
    return nn.BatchNorm2d(channels) if flat else nn.BatchNorm1d(channels)


class Block(nn.Module):
    def __init__(self, n_in, n_out, stride, flat):
        super().__init__()
        self.conv1 = conv(n_in, n_out, 3, stride, 1, flat)
        self.bn1 = norm(n_out, flat)
        self.conv2 = conv(n_out, n_out, 3, 1, 1, flat)
        self.bn2 = norm(n_out, flat)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(conv(n_in, n_out, 1, stride, 0, flat), norm(n_out, flat))

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet1d(nn.Module):
    """ResNet-18 in one dimension; parameter names as torchvision's resnet18. flat: records are [B][leads][1][T]."""

    def __init__(self, leads=12, width=64, blocks=(2, 2, 2, 2), embed=256, max_pool=True, flat=False):
        super().__init__()
        self.conv1 = conv(leads, width, 7, 2, 3, flat)
        self.bn1 = norm(width, flat)
        self.pool = nn.Identity() if not max_pool else nn.MaxPool2d((1, 3), (1, 2), (0, 1)) if flat else nn.MaxPool1d(3, 2, 1)
        channels = width
        self.n_stages = 0
        for stage, n in enumerate(blocks):
            if n == 0:
                break
            out = width << stage
            layers = [Block(channels if b == 0 else out, out, 2 if stage and b == 0 else 1, flat) for b in range(n)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
            channels = out
            self.n_stages += 1
        self.fc = nn.Linear(channels, embed)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        for stage in range(self.n_stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.flatten(2).mean(2))


def timed(step, seconds, device):
    """Median seconds of a call: three to warm up (compilation too), then at least three and at most `seconds` of calls. One thread's are of
    processor time, as `shinden bench` has it."""
    clock = time.process_time if torch.get_num_threads() == 1 and device == "cpu" else time.perf_counter
    done = torch.cuda.synchronize if device == "cuda" else lambda: None
    for _ in range(3):
        step()
    done()
    times, start = [], time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - start < seconds and len(times) < 200):
        t = clock()
        step()
        done()
        times.append(clock() - t)
    return statistics.median(times), statistics.pstdev(times)


def net_and_records(T, B, device):
    if device == "cpu":
        return ResNet1d(), torch.randn(B, 12, T)
    net, x = ResNet1d(flat=True).to("cuda"), torch.randn(B, 12, 1, T, device="cuda")
    return net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)


def training(T, B, bf16, compiled, device):
    net, x = net_and_records(T, B, device)
    net.train()
    run = torch.compile(net) if compiled else net
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05, fused=device == "cuda")
    w = torch.randn(B, 256, device=device)

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            z = run(x)
        (z.float() * w).sum().backward()
        optimizer.step()

    return step


def inference(T, B, bf16, compiled, device):
    net, x = net_and_records(T, B, device)
    net.eval()
    run = torch.compile(net) if compiled else net

    def step():
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=bf16):
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
        device = "cuda" if row.startswith("cuda_") else "cpu"
        kind, shape, batch = row.removeprefix("cuda_").split("_")
        torch.set_float32_matmul_precision("high" if device == "cuda" else "highest")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = device == "cuda"
        T, B = int(shape.split("x")[1]), int(batch[1:])
        for variant in args.variants.split(","):
            how, precision = variant.split("_")
            try:
                step = (training if kind == "train" else inference)(T, B, precision == "bf16", how == "compile", device)
                median, spread = timed(step, args.seconds, device)
            except Exception as error:  # a variant that cannot run here is not a result
                print(f"{row} {variant}: {type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
                continue
            print(json.dumps({"name": row, "variant": variant, "value": B / median, "unit": "records/s",
                              "spread": spread / median, "threads": args.threads, "peer": f"pytorch {variant}",
                              "peer_version": torch.__version__}), flush=True)


if __name__ == "__main__":
    main()
