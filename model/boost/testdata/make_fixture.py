#!/usr/bin/env python3
"""Makes xgboost.csv.gz and xgboost.json: synthetic latencies and what XGBoost
reaches on them. Run: python3 make_fixture.py
The versions stand in xgboost.json."""
import gzip, json, platform
import numpy as np, xgboost as xgb

rng = np.random.default_rng(20240115)
N, TRAIN = 6000, 4000
X = np.empty((N, 10), dtype=np.float32)
X[:, 0] = rng.integers(0, 12, N)                       # endpoint
X[:, 1] = rng.exponential(1, N) * rng.choice([1, 10], N)  # size
X[:, 2] = rng.normal(size=N)                           # load
X[:, 3] = rng.poisson(3, N)
X[:, 4] = rng.random(N) < .2
X[:, 5:] = rng.normal(size=(N, 5))
effect = rng.normal(size=12) * .8
z = (effect[X[:, 0].astype(int)] + .5 * np.log1p(X[:, 1]) + .4 * np.maximum(X[:, 2], 0) ** 2
     + .1 * X[:, 3] * (X[:, 4] == 1) + .3 * np.sin(2 * X[:, 5]))
miss = rng.random(N) < .15
z = z + np.where(miss, .5, 0)                          # what is missing tells something
z = z + rng.normal(size=N) * (.25 + .15 * (X[:, 4] == 1))
y = np.round(.02 * np.exp(z), 6)
X[miss, 1] = np.nan
X = np.round(X.astype(np.float64), 4).astype(np.float32)

with open("xgboost.csv.gz", "wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as f:
    for row, c in zip(X, y):
        f.write((",".join("" if np.isnan(v) else f"{v:.4f}".rstrip("0").rstrip(".") for v in row) + f",{c:.6f}\n").encode())

unit = np.sort(y[:TRAIN])[TRAIN // 2] / 100            # as package boost chooses it
t = np.log1p(y / unit)
out = {"versions": {"python": platform.python_version(), "xgboost": xgb.__version__, "numpy": np.__version__},
       "rows": N, "train": TRAIN, "unit": unit, "results": []}
base = dict(tree_method="hist", max_bin=128, learning_rate=.1, reg_lambda=1, gamma=0, n_jobs=2)
for c in [dict(n_estimators=200, max_depth=6, min_child_weight=20, subsample=1., colsample_bytree=1.),
          dict(n_estimators=200, max_depth=6, min_child_weight=20, subsample=.8, colsample_bytree=.8),
          dict(n_estimators=100, max_depth=3, min_child_weight=1, subsample=1., colsample_bytree=1.),
          dict(n_estimators=100, max_depth=4, min_child_weight=5, subsample=1., colsample_bytree=1., gamma=1., reg_lambda=10.)]:
    rmse = []
    for seed in range(5):
        m = xgb.XGBRegressor(objective="reg:squarederror", random_state=seed, **{**base, **c}).fit(X[:TRAIN], t[:TRAIN])
        rmse.append(float(np.sqrt(np.mean((m.predict(X[TRAIN:]) - t[TRAIN:]) ** 2))))
    out["results"].append({**c, "rmse": rmse})
levels = [.5, .95, .99]
c = dict(n_estimators=100, max_depth=4, min_child_weight=20, subsample=1., colsample_bytree=1.)
q = {}
for a in levels:
    m = xgb.XGBRegressor(objective="reg:quantileerror", quantile_alpha=a, **{**base, **c}).fit(X[:TRAIN], t[:TRAIN])
    d = t[TRAIN:] - m.predict(X[TRAIN:])
    q[str(a)] = {"pinball": float(np.mean(np.maximum(a * d, (a - 1) * d))), "coverage": float(np.mean(d <= 0))}
out["quantiles"] = {**c, "levels": q}
json.dump(out, open("xgboost.json", "w"), indent=1)
open("xgboost.json", "a").write("\n")
