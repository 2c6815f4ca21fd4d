#!/usr/bin/env python3
"""Makes quality.json: what scikit-learn's forests reach on the data sets of
quality_test.go, five seeds each. The rows come from

    FOREST_DUMP=DIR APIML_DATASETS=… go test -run TestQuality ./model/forest
    .peers/venv/bin/python model/forest/testdata/quality.py DIR

and stay in DIR; the fixture holds metrics only. Categories are passed as their
codes: scikit-learn has no native form of them."""
import glob, json, os, platform, sys
import numpy as np, sklearn
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import f1_score, r2_score

d = sys.argv[1]
out = {"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__}, "results": {}}
for p in sorted(glob.glob(os.path.join(d, "*.json"))):
    name = os.path.basename(p)[:-5]
    s = json.load(open(p))
    X = np.ascontiguousarray(np.fromfile(p[:-5] + ".f32", "<f4").reshape(s["columns"], s["rows"]).T)
    y = np.fromfile(p[:-5] + ".y", "<f8")
    n, score = s["fit"], []
    for seed in range(5):
        if s["classes"]:
            m = RandomForestClassifier(n_estimators=100, random_state=seed).fit(X[:n], y[:n].astype(int))
            labels = list(range(s["classes"]))
            score.append(f1_score(y[n:].astype(int), m.predict(X[n:]), average="macro", labels=labels, zero_division=0))
        else:
            m = RandomForestRegressor(n_estimators=100, random_state=seed).fit(X[:n], y[:n])
            score.append(r2_score(y[n:], m.predict(X[n:])))
    out["results"][name] = {"rows": s["rows"], "columns": s["columns"], "score": [round(float(v), 6) for v in score]}
    print(name, s["rows"], np.mean(score), np.std(score, ddof=1), flush=True)
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "quality.json"), "w"), indent=1)
