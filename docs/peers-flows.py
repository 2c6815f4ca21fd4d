#!/usr/bin/env python3
"""scikit-learn's RandomForestClassifier (100 trees, defaults) on the folds that
`apiml train attack --cv-scheme random --folds-out FOLDS` wrote.

usage: peers-flows.py CICIDS.csv FOLDS.csv OUT.json [seed …]

Missing and infinite values become -1, the column Destination Port and the second
Fwd Header Length are left out, the rows are those of FOLDS. One process, one
thread; CPU seconds are user + system of the fits and predictions.
"""
import json
import os
import sys
import time

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score


def main(data, folds, out, seeds):
    d = pd.read_csv(data, low_memory=False)
    d.columns = [c.strip() for c in d.columns]
    f = pd.read_csv(folds)
    d = d.iloc[f["line"].to_numpy() - 2]  # line 1 is the header
    x = d.drop(columns=["Destination Port", "Fwd Header Length.1", "Label"])
    x = x.replace([np.inf, -np.inf], np.nan).fillna(-1).to_numpy(np.float64)
    y = f["class"].to_numpy()
    result = {"sklearn": sklearn.__version__, "rows": len(y), "columns": x.shape[1], "folds": []}
    if os.path.exists(out):
        with open(out) as h:
            result = json.load(h)
    done = {(r["seed"], r["fold"]) for r in result["folds"]}
    for column in [c for c in f.columns if c.startswith("seed_")]:
        seed = int(column[5:])
        if seeds and seed not in seeds:
            continue
        part = f[column].to_numpy()
        for k in range(1, part.max() + 1):
            if (seed, k) in done:
                continue
            cpu = time.process_time()
            m = RandomForestClassifier(n_estimators=100, random_state=seed, n_jobs=1).fit(x[part != k], y[part != k])
            pred = m.predict(x[part == k])
            cpu = time.process_time() - cpu
            truth = y[part == k]
            names = sorted(set(truth) | set(pred))
            result["folds"].append({
                "seed": seed, "fold": k, "cpu_seconds": cpu, "macro_f1": f1_score(truth, pred, average="macro"),
                "tp": {c: int(((truth == c) & (pred == c)).sum()) for c in names},
                "support": {c: int((truth == c).sum()) for c in names},
                "predicted": {c: int((pred == c).sum()) for c in names},
            })
            print(seed, k, result["folds"][-1]["macro_f1"], round(cpu, 1), flush=True)
            with open(out, "w") as h:
                json.dump(result, h)


def compare(apiml, peer, process_cpu):
    """Paired differences over the folds that both have; the interval with the
    variance corrected for overlapping training parts (Nadeau & Bengio 2003), and
    the plain one beside it."""
    from scipy.stats import t
    with open(apiml) as h:
        m = json.load(h)["models"][0]
    with open(peer) as h:
        p = json.load(h)
    folds = {(i // 5 + 1, i % 5 + 1): f["metrics"]["macro_f1"] for i, f in enumerate(m["folds"])}
    both = sorted((r["seed"], r["fold"]) for r in p["folds"] if (r["seed"], r["fold"]) in folds)
    theirs = {(r["seed"], r["fold"]): r for r in p["folds"]}
    a = np.array([folds[k] for k in both])
    b = np.array([theirs[k]["macro_f1"] for k in both])
    d, n = a - b, len(both)
    q = t.ppf(0.975, n - 1)
    plain = q * d.std(ddof=1) / np.sqrt(n)
    corrected = q * d.std(ddof=1) * np.sqrt(1 / n + 1 / 4)
    cpu = sum(theirs[k]["cpu_seconds"] for k in both)
    total = {}
    for k in both:
        r = theirs[k]
        for c in r["support"]:
            x = total.setdefault(c, [0, 0, 0])
            x[0] += r["tp"].get(c, 0)
            x[1] += r["support"][c]
            x[2] += r["predicted"][c]
    f1 = {c: 2 * x[0] / max(1, x[1] + x[2]) for c, x in total.items()}
    repeats = len(m["folds"]) / 5
    big = [c for c, x in m["per_class"].items() if x["support"] / repeats >= 400]
    print(f"random, exact duplicates removed: {p['rows']} rows, {p['columns']} columns, {n} folds, scikit-learn {p['sklearn']}")
    print(f"macro-F1, mean of folds: apiml {a.mean():.4f}, scikit-learn {b.mean():.4f}")
    print(f"paired difference {d.mean():+.4f}, 95 % {d.mean() - plain:+.4f} to {d.mean() + plain:+.4f}; corrected for overlap {d.mean() - corrected:+.4f} to {d.mean() + corrected:+.4f}")
    print(f"F1 of the {len(big)} classes with 400 rows or more: apiml {np.mean([m['per_class'][c]['f1'] for c in big]):.4f}, scikit-learn {np.mean([f1[c] for c in big]):.4f}")
    print(f"CPU seconds of 5 folds: apiml {5 * m['cpu_seconds'] / len(m['folds']):.1f} (audit and baselines included), whole process for {len(m['folds'])} folds and the final model {process_cpu:.1f}; scikit-learn {5 * cpu / n:.1f}; ratio {(cpu / n) / (m['cpu_seconds'] / len(m['folds'])):.1f}")
    for c in sorted(f1):
        print(f"  {c}: {m['per_class'][c]['f1']:.3f}, {f1[c]:.3f} ({total[c][1] * 5 // n} rows)")


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        compare(sys.argv[2], sys.argv[3], float(sys.argv[4]))
        sys.exit()
    main(sys.argv[1], sys.argv[2], sys.argv[3], [int(s) for s in sys.argv[4:]])
