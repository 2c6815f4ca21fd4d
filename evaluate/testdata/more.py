"""Makes more.json from the predictions in sklearn.json, by scikit-learn and scipy.

    venv/bin/python -P more.py < sklearn.json > more.json
"""
import json, sys
import numpy as np, scipy, sklearn
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest, ks_2samp, t
from sklearn import metrics as m
from sklearn.preprocessing import label_binarize

d = json.load(sys.stdin)
k = d["classes"]
truth, pred = np.array(d["truth"]), np.array(d["pred"])
proba = np.array(d["proba"], dtype=np.float32).reshape(-1, k)
onehot = label_binarize(truth, classes=range(k))
flat = proba.astype(np.float64)
grid = np.unique(np.concatenate([m.roc_curve(onehot[:, c], flat[:, c], drop_intermediate=False)[0] for c in range(k)]))
mean = np.mean([np.interp(grid, *m.roc_curve(onehot[:, c], flat[:, c], drop_intermediate=False)[:2]) for c in range(k)], axis=0)
a = [30, 20, 25, 15, 10, 0]
b = [10, 25, 25, 20, 10, 30]
rng = np.random.default_rng(3)
ref, cur = np.round(rng.normal(size=400), 2).astype(np.float32), np.round(rng.normal(0.5, 1.5, size=300), 2).astype(np.float32)
print(json.dumps({
    "sklearn": sklearn.__version__, "scipy": scipy.__version__,
    "micro_auc": m.roc_auc_score(onehot, flat, average="micro"),
    "micro_ap": m.average_precision_score(onehot, flat, average="micro"),
    "class_ap": [m.average_precision_score(onehot[:, c], flat[:, c]) for c in range(k)],
    "macro_roc": {"x": grid.tolist(), "y": mean.tolist()},
    "macro_precision": m.precision_score(truth, pred, average="macro", zero_division=0),
    "macro_recall": m.recall_score(truth, pred, average="macro", zero_division=0),
    "js": [a, b, float(jensenshannon(a, b, base=2))],
    "binom": [[x, y, float(binomtest(x, x + y).pvalue)] for x, y in [(0, 1), (1, 9), (40, 70), (500, 450), (7, 7)]],
    "t975": [[n, float(t.ppf(0.975, n))] for n in (1, 2, 4, 24, 100)],
    "effect": {"ref": ref.tolist(), "cur": cur.tolist(),
               "d": float((cur.mean(dtype=np.float64) - ref.mean(dtype=np.float64)) / np.sqrt((ref.var(ddof=1, dtype=np.float64) + cur.var(ddof=1, dtype=np.float64)) / 2)),
               "ks": float(ks_2samp(ref, cur).statistic)},
}))
