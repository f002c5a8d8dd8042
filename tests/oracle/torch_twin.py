"""The encoder's twin in PyTorch: writes a golden file that tests/unit/test_twin.c holds every engine against.

Needs: pip install torch numpy (any 2.x, CPU). The net is bench/peers/torch_resnet1d.py's. Everything is computed twice, in float64
and in float32 from the same weights and batches: first loss, all gradients, running statistics after the first step, and the
losses of 20 AdamW steps (decay on convolution and linear weights only). The loss is the mean square distance to random targets.
The file keeps the float64 result (gradients rounded to f32) and PyTorch's own float32 distance from it, which is the yardstick.

A ReLU or max-pool whose inputs tie within rounding may turn in either program; the first seed whose smallest margin is above
MARGIN is taken, so that the golden file measures rounding and not luck.

    python tests/oracle/torch_twin.py -o tests/golden/twin_narrow.safetensors
    python tests/oracle/torch_twin.py --width 64 --blocks 2,2,2,2 --embed 256 --samples 96 --batch 3 --margin 2e-5 -o /tmp/twin.safetensors \
        --check build/release/tests/test_twin
"""
import argparse
import json
import os
import struct
import subprocess
import sys

import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers"))
from torch_resnet1d import ResNet1d  # noqa: E402

STEPS, BATCHES, MARGIN = 20, 2, 2e-6
LR, DECAY = 1e-3, 0.05


def write_safetensors(path, tensors, metadata):
    names = {np.dtype("float32"): "F32", np.dtype("float64"): "F64"}
    header, data = {"__metadata__": metadata}, b""
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def smallest_margin(net, x):
    """Smallest |input| of any ReLU and smallest gap between a pool window's two largest positive values, over the tensor's scale."""
    margins, relu = [], torch.relu

    def watched(v):
        margins.append((v.abs().min() / v.std()).item())
        return relu(v)

    def pool_hook(_, inputs, __):
        padded = torch.nn.functional.pad(inputs[0], (1, 1))
        top = padded.unfold(2, 3, 2).topk(2, dim=3).values
        gap = (top[..., 0] - top[..., 1])[top[..., 1] > 0]
        margins.append((gap.min() / inputs[0].std()).item())

    handle = net.pool.register_forward_hook(pool_hook)
    torch.relu = watched
    try:
        with torch.no_grad():
            net(x)
    finally:
        torch.relu = relu
        handle.remove()
    return min(margins)


def make(args, seed):
    torch.manual_seed(seed)
    net = ResNet1d(12, args.width, args.blocks, args.embed).float()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() == 3:
                torch.nn.init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu")
            elif "bn" in name or "downsample.1" in name:
                p.add_(0.1 * torch.randn_like(p))
    x = torch.randn(BATCHES, args.batch, 12, args.samples)
    target = torch.randn(BATCHES, args.batch, args.embed)
    return net, x, target


def run(args, weights, x, target, dtype):
    """The whole course in one precision: losses, first gradients, running statistics after the first step."""
    net = ResNet1d(12, args.width, args.blocks, args.embed).to(dtype)
    net.load_state_dict({k: v.to(dtype) if v.is_floating_point() else v for k, v in weights.items()})
    net.train()
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": DECAY},
              {"params": [p for p in net.parameters() if p.dim() == 1], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=LR, betas=(0.9, 0.999), eps=1e-8)
    losses, gradients, state = [], {}, {}
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = ((net(x[step % BATCHES].to(dtype)) - target[step % BATCHES].to(dtype)) ** 2).mean()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            gradients = {k: p.grad.detach().double().numpy().copy() for k, p in net.named_parameters()}
            state = {k: v.double().numpy().copy() for k, v in net.state_dict().items() if "running" in k}
        optimizer.step()
    return np.array(losses), gradients, state


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--margin", type=float, default=MARGIN, help="smallest distance from a tie, over the tensor's sd; larger Winograd tiles need 2e-5")
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--blocks", default="1,1,1,1")
    parser.add_argument("--embed", type=int, default=8)
    parser.add_argument("--samples", type=int, default=90)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--check", help="test program to run on the file ($SHINDEN_TWIN)")
    parser.add_argument("-o", "--output", required=True)
    args = parser.parse_args()
    args.blocks = [int(b) for b in args.blocks.split(",")]
    torch.set_num_threads(min(2, os.cpu_count()))
    best = None
    for seed in range(40):
        net, x, target = make(args, seed)
        margin = smallest_margin(net.double().train(), x[0].double())
        if best is None or margin > best[0]:
            best = (margin, seed)
        if margin > args.margin:
            break
    margin, seed = best
    net, x, target = make(args, seed)
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    exact, exact_gradient, exact_state = run(args, weights, x, target, torch.float64)
    single, single_gradient, _ = run(args, weights, x, target, torch.float32)
    tensors = {f"weight/{k}": v.numpy() for k, v in weights.items() if v.is_floating_point()}
    for name, g in exact_gradient.items():
        tensors[f"gradient/{name}"] = g.astype(np.float32)
        error = np.linalg.norm(single_gradient[name] - g) / np.linalg.norm(g)
        tensors[f"error/{name}"] = np.array([error])
    tensors.update({f"state/{k}": v.astype(np.float32) for k, v in exact_state.items()})
    tensors["x"] = x.permute(0, 1, 3, 2).contiguous().numpy()      # [batches][B][T][L]
    tensors["target"] = target.numpy()
    tensors["loss"], tensors["loss_f32"] = exact, single
    write_safetensors(args.output, tensors, {
        "made_by": f"tests/oracle/torch_twin.py, PyTorch {torch.__version__}, seed {seed}, margin {margin:.2g}",
        "command": " ".join(a for a in sys.argv if "--check" not in a), "width": str(args.width),
        "blocks": ",".join(map(str, args.blocks)), "embed": str(args.embed), "n_samples": str(args.samples), "batch": str(args.batch),
        "batches": str(BATCHES), "lr": repr(LR), "weight_decay": repr(DECAY)})
    print(f"{args.output}: seed {seed}, margin {margin:.2g}, loss {exact[0]:.6f} -> {exact[-1]:.6f}, "
          f"largest f32 loss error {np.abs(single - exact).max():.2g}")
    if args.check:
        sys.exit(subprocess.run([args.check], env={**os.environ, "SHINDEN_TWIN": os.path.abspath(args.output)}).returncode)


if __name__ == "__main__":
    main()
