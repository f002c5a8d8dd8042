#!/usr/bin/env python3
"""Golden values for the metrics: scikit-learn on small multi-label cases with ties, single-class columns, unknown entries, empty sets.

needs: numpy scikit-learn          run: python sklearn_metrics.py > ../golden/metrics_sklearn.txt
Per case: a line "case n K", n lines of K entries "score:label:known" (scores are multiples of 1/64, exact in float), then lines
"name value"; "column k auroc average_precision" with nan where undefined. Unknown entries are left out by subsetting.
"""
import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, f1_score, jaccard_score, roc_auc_score

print(f"# scikit-learn {sklearn.__version__} numpy {np.__version__}: python sklearn_metrics.py")
rng = np.random.default_rng(20261124)
for case in range(8):
    n, K = [(12, 3), (40, 5), (40, 5), (7, 2), (60, 6), (25, 4), (30, 1), (50, 8)][case]
    score = rng.integers(0, 12 if case % 2 else 64, (n, K)) / 64.0
    label = (rng.random((n, K)) < rng.random(K) * 0.6).astype(int)
    known = (rng.random((n, K)) < (0.8 if case >= 4 else 1.1)).astype(int)
    if case == 1:
        label[:, 0] = 0                 # a column without a positive
        label[:, 1] = 1                 # and one without a negative
    if case == 2:
        label[:10] = 0                  # empty sets
        score[:5] = 0                   # called empty too
    print("case", n, K)
    for i in range(n):
        print(" ".join(f"{score[i, k]}:{label[i, k]}:{known[i, k]}" for k in range(K)))
    columns, aps = [], []
    for k in range(K):
        ok = known[:, k] == 1
        y, s = label[ok, k], score[ok, k]
        both = 0 < y.sum() < len(y)
        a = roc_auc_score(y, s) if both else float("nan")
        p = average_precision_score(y, s) if y.sum() else float("nan")
        print(f"column {k} {a:.17g} {p:.17g}")
        if both:
            columns.append(a)
            aps.append(p)
    called = (score >= 0.25).astype(int)
    ok = known == 1
    flat_y, flat_c = label[ok], called[ok]
    print(f"auroc_macro {np.mean(columns) if columns else float('nan'):.17g}")
    print(f"auprc_macro {np.mean(aps) if aps else float('nan'):.17g}")
    print(f"f1_micro {f1_score(flat_y, flat_c):.17g}")
    print(f"jaccard_micro {jaccard_score(flat_y, flat_c):.17g}")
    per = [f1_score(label[ok[:, k], k], called[ok[:, k], k], zero_division=0) for k in range(K) if label[ok[:, k], k].sum()]
    print(f"f1_macro {np.mean(per) if per else float('nan'):.17g}")
    f1s, js = [], []
    for i in range(n):
        y, c = label[i, ok[i]], called[i, ok[i]]
        empty = y.sum() + c.sum() == 0
        f1s.append(1.0 if empty else f1_score(y, c, zero_division=0))
        js.append(1.0 if empty else jaccard_score(y, c, zero_division=0))
    print(f"f1_sample {np.mean(f1s):.17g}")
    print(f"jaccard_sample {np.mean(js):.17g}")
