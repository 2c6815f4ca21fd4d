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
from sklearn.cluster import DBSCAN, HDBSCAN
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


# Sets whose last member says how: metric and weights of the rows.
def spread(n, dim, seed):
    """Clusters of very different density, which DBSCAN cannot separate at once."""
    r = np.random.default_rng(seed)
    c = r.uniform(-8, 8, (6, dim))
    s = np.array([0.15, 0.3, 0.5, 0.7, 0.9, 0.2])
    k = r.integers(0, 6, n)
    x = c[k] + r.normal(size=(n, dim)) * s[k][:, None]
    m = r.random(n) < 0.08
    x[m] = r.uniform(-12, 12, (m.sum(), dim))
    return np.round(x * 100).astype(int)


def rays(n, dim):
    """Directions: only the angle says anything."""
    c = rng.normal(size=(4, dim))
    x = (c[rng.integers(0, 4, n)] + rng.normal(size=(n, dim)) * 0.12) * rng.lognormal(0, 1, n)[:, None]
    return np.round(x * 100).astype(int)


sets = {
    "blobs2": (blobs(500, 2, 5, 0.9, 0.15, 0.05), [(0.25, 5), (0.5, 10), (0.8, 4), (1.5, 20)]),
    "rings": (rings(500), [(0.3, 4), (0.5, 6), (1.2, 5)]),
    "grid3": (blobs(400, 3, 4, 1.2, 0.2, 0.5), [(0.5, 4), (1.0, 8), (1.5, 12), (0.7, 1)]),
    "blobs10": (blobs(400, 10, 4, 1.0, 0.2, 0.01), [(1.5, 5), (2.5, 10), (3.5, 20)]),
}
more = {
    "line": (spread(400, 1, 1), [(0.1, 5), (0.3, 12)], {}),
    "twins": (spread(150, 2, 2).repeat(3, axis=0), [(0.3, 6), (0.6, 10)], {}),
    "few values": (rng.integers(0, 6, (400, 2)) * 100, [(1.0, 20), (0.5, 12), (1.5, 60)], {}),
    "eight": (spread(500, 8, 3), [(1.0, 8), (2.0, 16), (3.0, 30)], {}),
    "thirty-two": (spread(300, 32, 4), [(3.0, 5), (5.0, 10), (7.0, 20)], {}),
    "city blocks": (blobs(400, 3, 5, 0.8, 0.15, 0.05), [(0.6, 5), (1.0, 9), (2.0, 15)], {"metric": "manhattan"}),
    "rays": (rays(400, 5), [(0.0201, 5), (0.0503, 10), (0.1007, 25)], {"metric": "cosine"}),
    "weighted": (blobs(400, 2, 5, 0.9, 0.15, 0.05), [(0.25, 5), (0.5, 9), (0.8, 14)], {"weights": rng.integers(0, 9, 400) / 4}),
    "weighted blocks": (spread(300, 4, 5), [(0.9, 5), (1.7, 12)], {"metric": "manhattan", "weights": rng.choice([0, 0.5, 1, 2.25], 300)}),
    "two moons": (np.r_[np.c_[np.cos(np.linspace(0, np.pi, 200)), np.sin(np.linspace(0, np.pi, 200))],
                        np.c_[1 - np.cos(np.linspace(0, np.pi, 200)), 0.5 - np.sin(np.linspace(0, np.pi, 200))]] * 1000, [(1.0, 5), (1.5, 8)], {}),
}
more["two moons"] = (np.round(more["two moons"][0] + rng.normal(size=(400, 2)) * 60).astype(int), *more["two moons"][1:])

out = {"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__}, "sets": []}
for name, (ints, runs, how) in [(k, (*v, {})) for k, v in sets.items()] + list(more.items()):
    x = ints / 100
    metric, weights = how.get("metric", "euclidean"), how.get("weights")
    s = {"name": name, "metric": metric, "weights": None if weights is None else weights.tolist(), "dim": x.shape[1], "points": ints.ravel().tolist(), "runs": []}
    for eps, m in runs:
        d = DBSCAN(eps=eps, min_samples=m, metric=metric, algorithm="brute" if metric == "cosine" else "kd_tree").fit(x, sample_weight=weights)
        l, noise = d.labels_, d.labels_ < 0
        k = len(set(l[~noise].tolist()))
        core = np.zeros(len(x), int)
        core[d.core_sample_indices_] = 1
        print(name, eps, m, "clusters", k, "noise", int(noise.sum()), "border", int((~noise & (core == 0)).sum()))
        s["runs"].append({
            "eps": eps, "min_samples": m, "labels": l.tolist(), "core": "".join(map(str, core)),
            "silhouette": float(silhouette_score(x[~noise], l[~noise])) if k > 1 and k < (~noise).sum() else None,
        })
    s["hierarchy"] = []
    for k, size in [(5, 5), (8, 20)] if weights is None else []:
        l = HDBSCAN(min_samples=k, min_cluster_size=size, metric=metric, algorithm="brute", copy=True).fit(x).labels_
        print(name, "hdbscan", k, size, "clusters", l.max() + 1, "noise", int((l < 0).sum()))
        p = np.random.default_rng(0).permutation(len(x))
        other = HDBSCAN(min_samples=k, min_cluster_size=size, metric=metric, algorithm="brute", copy=True).fit(x[p]).labels_
        same = adjusted_rand_score(l[p], other)  # below 1 where equal distances make the order of the rows matter
        print("  itself in another order", same)
        s["hierarchy"].append({"itself": float(same), "min_samples": k, "min_size": size, "labels": l.tolist()})
    # Two runs against each other.
    s["ari"] = float(adjusted_rand_score(s["runs"][0]["labels"], s["runs"][1]["labels"]))
    r = RobustScaler().fit(x)
    s["center"], s["iqr"] = r.center_.tolist(), r.scale_.tolist()
    out["sets"].append(s)
with open("sklearn.json", "w") as f:
    json.dump(out, f, separators=(",", ":"))
    f.write("\n")
