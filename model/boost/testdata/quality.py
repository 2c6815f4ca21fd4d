#!/usr/bin/env python3
"""Makes quality.json: what XGBoost and scikit-learn's HistGradientBoosting reach
on the data sets of package internal/qualitytest, five seeds each, with the
settings of quality_test.go. The rows come from

    BOOST_DUMP=DIR APIML_DATASETS=… go test -run TestQuality ./model/boost
    .peers/venv/bin/python model/boost/testdata/quality.py DIR

and stay in DIR; the fixture holds metrics only."""
import glob, json, os, platform, sys
import numpy as np, sklearn, xgboost as xgb
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import f1_score, r2_score

d = sys.argv[1]
out = {"versions": {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "xgboost": xgb.__version__}, "results": {}}
for p in sorted(glob.glob(os.path.join(d, "*.json"))):
    name = os.path.basename(p)[:-5]
    s = json.load(open(p))
    X = np.ascontiguousarray(np.fromfile(p[:-5] + ".f32", "<f4").reshape(s["columns"], s["rows"]).T)
    y = np.fromfile(p[:-5] + ".y", "<f8")
    n, classes = s["fit"], s["classes"]
    cat = [0, 1] if name in ("categories", "levels") else []
    types = ["c" if j in cat else "float" for j in range(s["columns"])]
    rounds = 30 if classes > 4 else 100
    score = {"xgboost": [], "histgbm": []}
    for seed in range(5):
        q = dict(tree_method="hist", max_depth=6, eta=.1, min_child_weight=1, reg_lambda=1, subsample=.8, colsample_bytree=.8, seed=seed, nthread=2)
        if classes:
            q.update(objective="multi:softprob", num_class=classes) if classes > 2 else q.update(objective="binary:logistic")
        m = xgb.train(q, xgb.DMatrix(X[:n], y[:n], feature_types=types, enable_categorical=True), rounds)
        a = m.predict(xgb.DMatrix(X[n:], feature_types=types, enable_categorical=True))
        h = dict(max_iter=rounds, learning_rate=.1, max_depth=6, max_leaf_nodes=None, min_samples_leaf=1, l2_regularization=1, max_features=.8,
                 early_stopping=False, random_state=seed, categorical_features=cat or None)
        if classes:
            a = a.argmax(1) if classes > 2 else (a > .5).astype(int)
            b = HistGradientBoostingClassifier(**h).fit(X[:n], y[:n]).predict(X[n:])
            f = lambda v: f1_score(y[n:].astype(int), v, average="macro", labels=list(range(classes)), zero_division=0)
        else:
            b = HistGradientBoostingRegressor(**h).fit(X[:n], y[:n]).predict(X[n:])
            f = lambda v: r2_score(y[n:], v)
        score["xgboost"].append(round(float(f(a)), 6))
        score["histgbm"].append(round(float(f(b)), 6))
    out["results"][name] = {"rows": s["rows"], "columns": s["columns"], **score}
    print(name, s["rows"], *[f"{k} {np.mean(v):.4f} {np.std(v, ddof=1):.4f}" for k, v in score.items()], flush=True)
json.dump(out, open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "quality.json"), "w"), indent=1)
