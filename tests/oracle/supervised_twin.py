"""Does the supervised model learn as well as its twin in PyTorch? The whole recipe of `shinden train --loss bce`, written again.

Needs: pip install torch numpy h5py (any 2.x, CPU). For each seed both programs train on the cohort's split "train" with the defaults of
docs/training.md; what they share is the cohort file and the recipe, not a random number: crops, augmentation, order and first weights are
drawn by each in its own way. Both are scored on "val" by PyTorch (seven windows, mean logit), so the trained model file is read and its
forward pass computed a second time too; `shinden eval` must have the same number, to 1e-9. Prints AUROC over findings with ten training positives (auroc_macro_10) per seed, the paired
difference, its 95 % interval over seeds and patients, and the contract's verdict: equal within +-0.02 or undecided
(exit code 1).

    python tests/oracle/supervised_twin.py --shinden build/release/shinden --seeds 1,2,3,4,5 -o build/twin COHORT.h5
"""
import argparse
import json
import math
import os
import struct
import subprocess
import sys

import h5py
import numpy as np
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers"))
from torch_resnet1d import ResNet1d  # noqa: E402

WIDTH, EMBED, BATCH, EPOCHS, CROP_SECONDS, WINDOWS = 32, 256, 64, 30, 2.5, 7
LR, DECAY, BETAS, WARMUP, CLIP = 3e-3, 0.01, (0.9, 0.98), 0.05, 5
GAIN, NOISE, LEAD_DROPOUT, SCALE_RECORDS = 0.1, 0.05, 0.1, 512
GAP, BOUND, RESAMPLES = -32768, 0.02, 1000


class Cohort:
    """Rows of one split: mV [n][12][T] with 0 in the gaps, where a gap is, labels and what is known of them [n][K], patients."""

    def __init__(self, path, split):
        with h5py.File(path) as f:
            rows = np.flatnonzero((f["status"][:] == 1) & (f["split"].asstr()[:] == split))
            steps = f["signals"][:][rows]
            self.gap = steps == GAP
            mv = (steps * float(f.attrs["uv_per_unit"]) + f["offset_uv"][:][rows][:, :, None]) / 1000
            self.mv = np.where(self.gap, 0, mv).astype(np.float32)
            self.label, self.known = f["labels"][:][rows].astype(np.float32), f["label_known"][:][rows].astype(np.float32)
            self.patient = f["patient"].asstr()[:][rows]
            self.fs, self.ids = float(f.attrs["fs"]), f["finding_id"].asstr()[:]

    def scale(self):
        """1 / sd over all leads of at most SCALE_RECORDS records spread evenly."""
        step = max(1, len(self.mv) // SCALE_RECORDS)
        return 1 / self.mv[::step][~self.gap[::step]].std()


class Model(torch.nn.Module):
    def __init__(self, n_findings):
        super().__init__()
        self.encoder, self.head = ResNet1d(12, WIDTH, (2, 2, 2, 2), EMBED), torch.nn.Linear(EMBED, n_findings)

    def forward(self, x):
        return self.head(self.encoder(x))

    @torch.no_grad()
    def initialise(self, cohort):
        for p in self.encoder.parameters():
            if p.dim() == 3:
                torch.nn.init.kaiming_normal_(p, mode="fan_out", nonlinearity="relu")
        prevalence = ((cohort.label * cohort.known).sum(0) + 0.5) / (cohort.known.sum(0) + 1)
        self.head.bias.copy_(torch.from_numpy(np.log(prevalence / (1 - prevalence)).astype(np.float32)))


def augmented(x, gap):
    """Gain per record, noise by the window's own sd (gaps stay 0), leads dropped; x [B][12][window] in units of the scale."""
    sd = x.std((1, 2), correction=0, keepdim=True)
    x = x * torch.exp(GAIN * torch.randn(len(x), 1, 1))
    x = (x + NOISE * sd * torch.randn_like(x)).masked_fill(gap, 0)
    return x * (torch.rand(len(x), 12, 1) >= LEAD_DROPOUT)


def train(cohort, seed):
    torch.manual_seed(seed)
    model, window, scale = Model(cohort.label.shape[1]), round(CROP_SECONDS * cohort.fs), float(cohort.scale())
    model.initialise(cohort)
    model.train()
    mv, gap = torch.from_numpy(cohort.mv), torch.from_numpy(cohort.gap)
    label, known = torch.from_numpy(cohort.label), torch.from_numpy(cohort.known)
    weights = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0}], lr=LR, betas=BETAS)
    per_epoch, step = len(mv) // BATCH, 0
    total = per_epoch * EPOCHS
    warm = math.floor(WARMUP * total)
    for _ in range(EPOCHS):
        order = torch.randperm(len(mv))
        for batch in order[:per_epoch * BATCH].view(per_epoch, BATCH):
            start = torch.randint(mv.shape[2] - window + 1, (BATCH,))
            at = (start[:, None] + torch.arange(window))[:, None, :].expand(-1, 12, -1)
            x = augmented(mv[batch].gather(2, at) * scale, gap[batch].gather(2, at))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), label[batch], weight=known[batch], reduction="sum") / BATCH
            rate = LR * (step + 1) / warm if step < warm else 0.5 * LR * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            step += 1
    return model, window, scale


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    meta = header.pop("__metadata__")
    return meta, {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]], np.float32).reshape(v["shape"])
                  for k, v in header.items() if v["dtype"] == "F32"}


def read_model(path, cohort):
    """A file of `shinden train --loss bce` as the same PyTorch module."""
    meta, tensors = read_safetensors(path)
    document = json.loads(meta["model"])
    if [f["id"] for f in document["findings"]] != list(cohort.ids):
        sys.exit(f"{path}: its findings are not the cohort's; train it on the same cohort")
    model = Model(len(cohort.ids))
    state = {("encoder." + k[8:] if k.startswith("encoder.") else k.replace("/", ".")): torch.from_numpy(v.copy())
             for k, v in tensors.items() if k.startswith(("encoder.", "head/"))}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or [m for m in missing if not m.endswith("num_batches_tracked")]:
        sys.exit(f"{path}: tensors do not fit: missing {missing}, unexpected {unexpected}")
    return model, document["input"]["window"], document["input"]["scale_per_mv"]


@torch.no_grad()
def scores(model, window, scale, cohort):
    model.eval()
    x, last = torch.from_numpy(cohort.mv) * scale, cohort.mv.shape[2] - window
    return torch.stack([model(x[:, :, last * w // (WINDOWS - 1):][:, :, :window]) for w in range(WINDOWS)]).mean(0).double().numpy()


def auroc(score, label, weight):
    """With records counted `weight` times; ties count a half; NaN where one class is absent."""
    pos, neg = weight * label, weight * (1 - label)
    order = np.argsort(score, kind="stable")
    s, p, n = score[order], pos[order], neg[order]
    group = np.cumsum(np.r_[0, s[1:] != s[:-1]])
    p, n = np.bincount(group, p), np.bincount(group, n)
    total = p.sum() * n.sum()
    return np.sum(p * (np.cumsum(n) - n / 2)) / total if total > 0 else np.nan


def macro(score, cohort, findings, weight):
    values = [auroc(score[cohort.known[:, k] == 1, k], cohort.label[cohort.known[:, k] == 1, k], weight[cohort.known[:, k] == 1]) for k in findings]
    return np.nanmean(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shinden", default="build/release/shinden")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--output", required=True, help="folder of the runs")
    parser.add_argument("cohort")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    os.makedirs(args.output, exist_ok=True)
    trained, val, pairs = Cohort(args.cohort, "train"), Cohort(args.cohort, "val"), []
    n_pos = (trained.label * trained.known).sum(0)
    judged = [k for k in range(len(trained.ids)) if n_pos[k] >= 10 and 0 < val.label[val.known[:, k] == 1, k].sum() < val.known[:, k].sum()]
    ones = np.ones(len(val.mv))
    for seed in [int(s) for s in args.seeds.split(",")]:
        run = os.path.join(args.output, f"shinden-{seed}")
        if not os.path.exists(os.path.join(run, "model.safetensors")):
            subprocess.run([args.shinden, "train", args.cohort, "--loss", "bce", "--seed", str(seed), "--n-threads", str(args.threads), "-o", run], check=True,
                           stdout=subprocess.DEVNULL)
        model = os.path.join(run, "model.safetensors")
        ours = scores(*read_model(model, trained), val)
        said = json.loads(subprocess.run([args.shinden, "eval", model, args.cohort, "--split", "val", "--bootstrap", "0", "--no-controls", "--json"], check=True, stdout=subprocess.PIPE).stdout)
        if abs(said["metrics"]["auroc_macro_10"]["value"] - macro(ours, val, judged, ones)) > 1e-9:
            sys.exit(f"{model}: shinden eval has {said['metrics']['auroc_macro_10']['value']}, PyTorch on the same file {macro(ours, val, judged, ones)}")
        theirs = scores(*train(trained, seed), val)
        pairs.append((ours, theirs))
        print(f"seed {seed}: shinden {macro(ours, val, judged, ones):.4f}, PyTorch {macro(theirs, val, judged, ones):.4f}", flush=True)
    rng, patients = np.random.default_rng(0), np.unique(val.patient, return_inverse=True)[1]
    values = np.array([[macro(s, val, judged, ones) for s in pair] for pair in pairs])
    drawn = []
    for _ in range(RESAMPLES):
        weight = np.bincount(rng.integers(0, patients.max() + 1, patients.max() + 1), minlength=patients.max() + 1)[patients].astype(float)
        chosen = rng.integers(0, len(pairs), len(pairs))
        each = {i: macro(pairs[i][0], val, judged, weight) - macro(pairs[i][1], val, judged, weight) for i in set(chosen)}
        drawn.append(np.mean([each[i] for i in chosen]))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    verdict = "equal" if -BOUND < low and high < BOUND else "undecided"
    print(f"PyTorch {torch.__version__}, {len(judged)} findings, {len(val.mv)} records: shinden {values[:, 0].mean():.4f} (sd {values[:, 0].std(ddof=1):.4f}), "
          f"PyTorch {values[:, 1].mean():.4f} (sd {values[:, 1].std(ddof=1):.4f}); difference {(values[:, 0] - values[:, 1]).mean():+.4f} [{low:+.4f}, {high:+.4f}]: {verdict} "
          f"(bound {BOUND})")
    sys.exit(0 if verdict == "equal" else 1)


if __name__ == "__main__":
    main()
