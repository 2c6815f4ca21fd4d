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


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], [int(s) for s in sys.argv[4:]])
