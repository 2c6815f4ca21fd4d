#!/usr/bin/env python3
"""Makes sklearn.json: synthetic points (integers, to be divided by 100) and what
scikit-learn's DBSCAN makes of them. Coordinates are rounded, so that many
distances are equal to each other and some to eps. algorithm="kd_tree" sums the
squares column by column; "brute" multiplies matrices and rounds differently.

    python3 -m venv venv && venv/bin/pip install scikit-learn
    venv/bin/python make_fixture.py
"""
import json, platform
import numpy as np, sklearn
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.preprocessing import RobustScaler

rng = np.random.default_rng(20240117)


def blobs(n, dim, centers, spread, noise, unit):
    c = rng.uniform(-6, 6, (centers, dim))
    s = rng.uniform(spread / 3, spread, centers)
    k = rng.integers(0, centers, n)
    x = c[k] + rng.normal(size=(n, dim)) * s[k][:, None]
    m = rng.random(n) < noise
    x[m] = rng.uniform(-9, 9, (m.sum(), dim))
    return (np.round(x / unit) * unit * 100).round().astype(int)


def rings(n):
    a, r = rng.uniform(0, 2 * np.pi, n), rng.choice([1.0, 3.0, 5.0], n) + rng.normal(size=n) * 0.12
    return np.round(np.c_[r * np.cos(a), r * np.sin(a)] * 100).astype(int)


sets = {
    "blobs2": (blobs(500, 2, 5, 0.9, 0.15, 0.05), [(0.25, 5), (0.5, 10), (0.8, 4), (1.5, 20)]),
    "rings": (rings(500), [(0.3, 4), (0.5, 6), (1.2, 5)]),
    "grid3": (blobs(400, 3, 4, 1.2, 0.2, 0.5), [(0.5, 4), (1.0, 8), (1.5, 12), (0.7, 1)]),
    "blobs10": (blobs(400, 10, 4, 1.0, 0.2, 0.01), [(1.5, 5), (2.5, 10), (3.5, 20)]),
}
out = {"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__}, "sets": []}
for name, (ints, runs) in sets.items():
    x = ints / 100
    s = {"name": name, "dim": x.shape[1], "points": ints.ravel().tolist(), "runs": []}
    for eps, m in runs:
        d = DBSCAN(eps=eps, min_samples=m, algorithm="kd_tree").fit(x)
        l, noise = d.labels_, d.labels_ < 0
        k = len(set(l[~noise].tolist()))
        core = np.zeros(len(x), int)
        core[d.core_sample_indices_] = 1
        print(name, eps, m, "clusters", k, "noise", int(noise.sum()), "border", int((~noise & (core == 0)).sum()))
        s["runs"].append({
            "eps": eps, "min_samples": m, "labels": l.tolist(), "core": "".join(map(str, core)),
            "silhouette": float(silhouette_score(x[~noise], l[~noise])) if k > 1 and k < (~noise).sum() else None,
        })
    # Two runs against each other.
    s["ari"] = float(adjusted_rand_score(s["runs"][0]["labels"], s["runs"][1]["labels"]))
    r = RobustScaler().fit(x)
    s["center"], s["iqr"] = r.center_.tolist(), r.scale_.tolist()
    out["sets"].append(s)
with open("sklearn.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))
    f.write("\n")
