#!/usr/bin/env python3
"""Makes sklearn.csv.gz and sklearn.json: synthetic rows, how scikit-learn's
IsolationForest scores them and its average path lengths. Run: python3 make_fixture.py"""
import gzip, json, platform
import numpy as np, sklearn
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

rng = np.random.default_rng(20240116)
N, ODD = 2000, 60
X = rng.normal(size=(N, 8))
X[:, 1] = rng.poisson(2, N)
X[:, 2] = rng.exponential(1, N)
X[:, 3] = X[:, 0] * .8 + rng.normal(size=N) * .3
X[:, 4] = 1
X[:ODD, :3] += rng.normal(size=(ODD, 3)) * 3 + 1.5
X = np.round(X, 4).astype(np.float32)
odd = np.arange(N) < ODD

with open("sklearn.csv.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as f:
    for row, o in zip(X, odd):
        f.write((",".join(f"{v:.4f}".rstrip("0").rstrip(".") for v in row) + f",{int(o)}\n").encode())

scores, auc = [], []
for seed in range(8):
    m = IsolationForest(n_estimators=100, max_samples=256, random_state=seed).fit(X)
    s = -m.score_samples(X)
    scores.append(s); auc.append(float(roc_auc_score(odd, s)))
n = [1, 2, 3, 4, 5, 10, 64, 256, 1000]
json.dump({"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
           "rows": N, "odd": ODD, "seeds": 8, "auc": [round(a, 6) for a in auc],
           "self_rank_correlation": round(float(np.mean([spearmanr(scores[i], scores[i + 1])[0] for i in range(7)])), 6),
           "mean_score": [round(float(v), 5) for v in np.mean(scores, axis=0)],
           "average_path": {str(k): float(v) for k, v in zip(n, _average_path_length(np.array(n)))}},
          open("sklearn.json", "w"))
