#!/usr/bin/env python3
"""Makes sklearn.csv.gz and sklearn.json: synthetic rows and what scikit-learn's
RandomForestClassifier reaches on them. Run: python3 make_fixture.py
The versions stand in sklearn.json."""
import gzip, json, platform
import numpy as np, sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

rng = np.random.default_rng(20240115)
N, TRAIN = 3000, 2000
y = rng.choice(4, size=N, p=[.7, .15, .1, .05])
X = np.empty((N, 12), dtype=np.float32)
X[:, 0] = rng.normal(size=N) + .8 * y
X[:, 1] = rng.poisson(1 + 2 * (y == 1))
X[:, 2] = np.where(rng.random(N) < .7, 0, rng.exponential(1 + 2 * (y == 2), N))
X[:, 3] = rng.normal(size=N) * (1 + (y == 3))
X[:, 4] = (rng.random(N) < .3 + .4 * (y == 2))
X[:, 5] = X[:, 0] * X[:, 3] + rng.normal(size=N) * .3
X[:, 6] = np.where(y % 2 == 0, 1, -1) * np.sign(X[:, 3]) + rng.normal(size=N)
X[:, 7:] = rng.normal(size=(N, 5))
X[rng.random(N) < .15, 1] = np.nan
X[(rng.random(N) < .1) & (y != 0), 2] = np.nan
X = np.round(X.astype(np.float64), 4).astype(np.float32)
flip = rng.random(N) < .05
y[flip] = rng.choice(4, size=flip.sum())

with open("sklearn.csv.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as f:
    for row, c in zip(X, y):
        f.write((",".join("" if np.isnan(v) else f"{v:.4f}".rstrip("0").rstrip(".") for v in row) + f",{c}\n").encode())

out = {"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__},
       "rows": N, "train": TRAIN, "seeds": 8, "results": []}
for weight in ["none", "balanced_subsample"]:
    for depth, leaf in [(0, 1), (6, 1), (0, 5)]:
        r = {"class_weight": weight, "max_depth": depth, "min_samples_leaf": leaf,
             "accuracy": [], "macro_f1": [], "log_loss": [], "auc": [], "oob": [], "importance": []}
        for seed in range(out["seeds"]):
            m = RandomForestClassifier(100, max_depth=depth or None, min_samples_leaf=leaf, oob_score=True,
                                       class_weight=None if weight == "none" else weight, random_state=seed, n_jobs=2)
            m.fit(X[:TRAIN], y[:TRAIN])
            p = m.predict_proba(X[TRAIN:])
            t, h = y[TRAIN:], p.argmax(1)
            r["accuracy"].append(accuracy_score(t, h)); r["macro_f1"].append(f1_score(t, h, average="macro"))
            r["log_loss"].append(-np.log(np.maximum(p[np.arange(len(t)), t], 1e-3)).mean()); r["auc"].append(roc_auc_score(t != 0, 1 - p[:, 0]))
            r["oob"].append(m.oob_score_); r["importance"].append(m.feature_importances_)
        r["importance"] = list(np.mean(r["importance"], axis=0))
        for k, v in r.items():
            if isinstance(v, list):
                r[k] = [round(float(x), 6) for x in v]
        out["results"].append(r)
json.dump(out, open("sklearn.json", "w"), indent=1)
