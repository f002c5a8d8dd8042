"""Golden values of the losses, written independently of the C code: plain numpy in float64, gradients by complex step.

    python3 tests/oracle/losses.py > tests/golden/losses.txt        (needs numpy)

A case is one line "case LOSS FORM THRESHOLD WEIGHTED B E K LOG_SCALE BIAS", then lines "NAME v v v ...".
"""
import sys
import numpy as np

rng = np.random.default_rng(20260210)


def lse(x, w):
    """log of the sum of exp over the last axis where w is 1; fine for complex x of moderate size."""
    return np.log((np.exp(x) * w).sum(-1))


def targets(loss, form, c, weight, label, known):
    B = len(label)
    q, w = np.zeros((B, B)), np.zeros((B, B))
    for i in range(B):
        for j in range(B):
            both = known[i] & known[j]
            if not both.any():
                continue
            w[i, j] = 1
            if loss in ("siglip-jaccard", "jaccard-softmax"):
                a, b = label[i] & both, label[j] & both
                union = (weight * (a | b)).sum()
                if union > 0:
                    q[i, j] = (weight * (a & b)).sum() / union
                elif (known[i] == known[j]).all():
                    q[i, j] = 1
                else:
                    w[i, j] = 0
                if form == "threshold":
                    q[i, j] = (q[i, j] >= c) * w[i, j]
            elif loss == "clip-multi":
                q[i, j] = (known[i] == known[j]).all() and ((label[i] & known[i]) == (label[j] & known[j])).all()
            else:
                q[i, j] = i == j
    return q, w


def pair_loss(loss, form, q, w, e, u, s, b):
    B = len(e)
    l = np.exp(s) * (e @ u.T) + b
    sp = lambda x: np.log(1 + np.exp(x))
    if loss in ("siglip", "siglip-jaccard"):
        if form == "graded":
            terms = sp(-(2 * q - 1) * l)
        elif form == "weighted":
            terms = np.where(q > 0, q * sp(-l), sp(l))
        else:
            terms = q * sp(-l) + (1 - q) * sp(l)
        return (w * terms).sum() / B
    take = np.diag(w) > 0
    total = 0
    for logits, weights, target in ((l, w, q), (l.T, w.T, q.T)):
        rows = [(target[i] / target[i].sum() * (lse(logits[i], weights[i]) - logits[i])).sum() for i in range(B) if take[i]]
        total = total + sum(rows) / take.sum()
    return total / 2


def class_loss(label, known, x, c, s, b, bk):
    l = np.exp(s) * (x @ c.T) + b + bk
    return (known * (np.log(1 + np.exp(l)) - label * l)).sum() / len(x)


def gradient(f, arrays):
    out = []
    for n, a in enumerate(arrays):
        g = np.zeros(a.size)
        for i in range(a.size):
            z = [x.astype(complex) for x in arrays]
            z[n].reshape(-1)[i] += 1e-30j
            g[i] = f(*z).imag / 1e-30
        out.append(g)
    return out


def show(name, a, digits):
    print(name, *(f"{v:.{digits}g}" for v in np.asarray(a).reshape(-1)))


def unit(a):
    return (a / np.linalg.norm(a, axis=1, keepdims=True)).astype(np.float32)


def case(loss, form="soft", c=0.5, weighted=False, B=6, E=5, K=9, s=np.log(3.0), b=-0.7, masked=True):
    label = rng.random((B, K)) < 0.35
    known = rng.random((B, K)) < 0.75 if masked else np.ones((B, K), bool)
    label[1], known[1] = label[0], known[0]                 # equal sets
    if masked and B > 5:
        known[2] = False                                    # nothing known
        label[3] = label[4] = False                         # two empty sets that know different things
        known[3, 0], known[4, 0] = True, False
    e, u, x, cl = unit(rng.normal(size=(B, E))), unit(rng.normal(size=(B, E))), rng.normal(size=(B, E)).astype(np.float32), unit(rng.normal(size=(K, E)))
    weight = rng.uniform(0.2, 3, K).astype(np.float32) if weighted else np.ones(K, np.float32)
    bk = rng.normal(size=K).astype(np.float32)
    s, b = float(np.float32(s)), float(np.float32(b))
    print("case", loss, form, f"{c:.17g}", int(weighted), B, E, K, f"{s:.17g}", f"{b:.17g}")
    show("label", label.astype(int), 1)
    show("known", known.astype(int), 1)
    show("weight", weight, 9)
    if loss == "class-columns":
        f = lambda x_, c_, s_, b_, k_: class_loss(label, known, x_, c_, s_, b_, k_)
        args = [x.astype(float), cl.astype(float), np.array(s), np.array(b), bk.astype(float)]
        names = ("x", "c", None, None, "bk")
    else:
        q, w = targets(loss, form, c, weight.astype(float), label, known)
        has_b = loss in ("siglip", "siglip-jaccard")
        f = lambda e_, u_, s_, b_: pair_loss(loss, form, q, w, e_, u_, s_, b_ if has_b else 0)
        args = [e.astype(float), u.astype(float), np.array(s), np.array(b)]
        names = ("x", "c", None, None)
    for n, a in zip(names, args):
        if n:
            show(n, a, 9)
    show("loss", [f(*args).real], 17)
    for n, g in zip(("d_x", "d_c", "d_s", "d_b", "d_bk"), gradient(f, args)):
        show(n, g, 17)


print(f"# made by: python3 tests/oracle/losses.py; Python {sys.version.split()[0]}, numpy {np.__version__}")
for loss in ("clip", "clip-multi", "siglip", "siglip-jaccard", "jaccard-softmax", "class-columns"):
    case(loss)
    case(loss, masked=False, B=7, s=0.0, b=0.4)
for form in ("graded", "weighted", "threshold"):
    case("siglip-jaccard", form, 0.3)
case("siglip-jaccard", weighted=True)
case("siglip-jaccard", weighted=True, K=70)
case("jaccard-softmax", "threshold", 0.4)
case("jaccard-softmax", weighted=True)
